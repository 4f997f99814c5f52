"""A child that is forked while a thread has the journal open can use it all the same."""

import os
import sqlite3
import threading
from pathlib import Path

import pytest

from tasks.engine import forks
from tasks.engine.forks import GuardedConnection
from tasks.engine.journal_engine import JournalUnavailable, explained, open_engine


def test_a_fork_waits_until_nobody_has_a_file_open(tmp_path: Path) -> None:
    path = str(tmp_path / "journal.sqlite3")
    begun = threading.Event()

    def write() -> None:
        connection = sqlite3.connect(path, isolation_level=None, factory=GuardedConnection)
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("CREATE TABLE t (a)")
        begun.set()
        threading.Event().wait(0.3)
        connection.execute("COMMIT")
        connection.close()

    writing = threading.Thread(target=write)
    writing.start()
    assert begun.wait(5)
    child = os.fork()
    if child == 0:
        connection = sqlite3.connect(path, isolation_level=None, timeout=1, factory=GuardedConnection)
        connection.execute("INSERT INTO t VALUES (1)")
        os._exit(0)
    writing.join()
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_a_journal_that_cannot_be_opened_keeps_no_fork_waiting(tmp_path: Path) -> None:
    path = tmp_path / "journal.sqlite3"
    path.write_text("this is no database, and longer than the header of one would be " * 20)
    engine = open_engine(f"sqlite:///{path}", create=False)
    with pytest.raises(JournalUnavailable, match="not a database"), explained(), engine.begin():
        pass
    assert forks._gate._open == 0
