"""A journal at a PostgreSQL server that takes the connection and says nothing."""

import socket
import time

import pytest

from tasks.engine import journal_engine
from tasks.engine.journal import Journal, JournalUnavailable


@pytest.mark.parametrize("in_the_url", ["", "?connect_timeout=2"])
def test_a_server_that_says_nothing_is_told_and_not_waited_for_without_end(
    monkeypatch: pytest.MonkeyPatch, in_the_url: str
) -> None:
    monkeypatch.setattr(journal_engine, "_CONNECT_TIMEOUT_S", 600 if in_the_url else 2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"postgresql+psycopg2://us:secret@127.0.0.1:{silent.getsockname()[1]}/journal{in_the_url}"
        began = time.monotonic()
        with pytest.raises(JournalUnavailable, match=r"the journal cannot be used: .*timeout expired.*JOURNAL_URL"):
            Journal(url, pair="0123abcd")
        assert time.monotonic() - began < 30
