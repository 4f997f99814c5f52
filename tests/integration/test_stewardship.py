"""adopt and promote, by the command, against a real server."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Mapping
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import psycopg2
import pytest

from config.urls import DatabaseUrl
from tasks.engine import stewardship
from tasks.engine.connections import Server
from tasks.engine.errors import BackupError
from tasks.engine.mark import Mark, parse_mark
from tasks.engine.watch import Watch
from tests.conftest import execute
from tests.support.installation import REPOSITORY
from worker.demo.servers import PostgresServer

NewDatabase = Callable[[PostgresServer, str], str]


@pytest.fixture
def target(target_server: PostgresServer, new_database: NewDatabase) -> str:
    name = new_database(target_server, "target")
    execute(target_server.dsn(name), "CREATE TABLE users (id int); INSERT INTO users SELECT generate_series(1, 57)")
    return name


def command(server: PostgresServer, name: str, *arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    environment: Mapping[str, str] = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "PYTHONPATH": str(REPOSITORY),
        "RAILWAY_BACKUP_DB_URL": server.url(name),
    }
    return subprocess.run(
        [sys.executable, "-m", "worker", *arguments],
        env=environment,
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        input="",
    )


def mark_of(server: PostgresServer, name: str) -> Mark | None:
    with closing(psycopg2.connect(server.dsn())) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = %s", (name,))
        (comment,) = cursor.fetchone() or (None,)
        return parse_mark(comment)


def test_adopt_marks_what_stands_there_and_needs_no_source(
    target_server: PostgresServer, target: str, tmp_path: Path
) -> None:
    done = command(target_server, target, "adopt", "--yes-overwrite", target, folder=tmp_path)
    assert (done.returncode, done.stderr.count("57 rows")) == (0, 1)
    mark = mark_of(target_server, target)
    assert mark is not None
    assert mark.adopted is not None


@pytest.mark.parametrize("arguments", [("--yes-overwrite", "another"), ()])
def test_adopt_without_the_right_name_changes_nothing(
    target_server: PostgresServer, target: str, tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    done = command(target_server, target, "adopt", *arguments, folder=tmp_path)
    assert done.returncode != 0
    assert "Traceback" not in done.stderr
    assert mark_of(target_server, target) is None


def test_what_is_written_after_it_was_shown_is_not_adopted_unseen(target_server: PostgresServer, target: str) -> None:
    url = DatabaseUrl.parse(target_server.url(target))
    with Watch("test", 60) as watch:
        server = Server(role="target", url=url, application_name="test", watch=watch)
        seen = stewardship.look(server)
        execute(target_server.dsn(target), "INSERT INTO users VALUES (58)")
        with pytest.raises(BackupError, match=r"somebody wrote to the database .* since it was shown"):
            stewardship.adopt(server, now=datetime.now(UTC), seen=seen)
    assert mark_of(target_server, target) is None


def test_promote_opens_the_copy_and_prints_where_the_application_goes(
    target_server: PostgresServer, target: str, tmp_path: Path
) -> None:
    execute(target_server.dsn(), f'ALTER DATABASE "{target}" SET default_transaction_read_only = on')
    done = command(target_server, target, "promote", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert f"host 127.0.0.1, port {target_server.port}, database {target}" in done.stdout
    assert "it bore no mark of ours: how old its content is, this tool cannot know" in done.stdout
    assert target_server.password not in done.stdout + done.stderr
    mark = mark_of(target_server, target)
    assert mark is not None
    assert mark.promoted is not None
    execute(target_server.dsn(target), "INSERT INTO users VALUES (58)")


def test_promote_tells_of_sessions_that_still_cannot_write_and_how_to_end_them(
    target_server: PostgresServer, target: str, tmp_path: Path
) -> None:
    execute(target_server.dsn(), f'ALTER DATABASE "{target}" SET default_transaction_read_only = on')
    with closing(psycopg2.connect(target_server.dsn(target))) as application, application.cursor() as cursor:
        promoted = json.loads(command(target_server, target, "promote", "--json", folder=tmp_path).stdout)
        assert promoted["read_only_sessions"] == 1
        with pytest.raises(psycopg2.errors.ReadOnlySqlTransaction):
            cursor.execute("INSERT INTO users VALUES (58)")
        execute(target_server.dsn(), f'ALTER DATABASE "{target}" SET default_transaction_read_only = on')
        told = command(target_server, target, "promote", folder=tmp_path).stdout
        assert told.count("1 session opened before cannot write until reconnected") == 1
        (statement,) = re.findall(r'end them: psql "\$RAILWAY_BACKUP_DB_URL" -c "([^"]+)"', told)
        execute(target_server.dsn(target), statement)
        with pytest.raises(psycopg2.OperationalError):
            application.rollback()
    with closing(psycopg2.connect(target_server.dsn(target))) as application:  # nothing is told of who may write
        again = json.loads(command(target_server, target, "promote", "--json", folder=tmp_path).stdout)
    assert again["read_only_sessions"] == 0


def test_promote_twice_keeps_the_first_instant(target_server: PostgresServer, target: str, tmp_path: Path) -> None:
    first = json.loads(command(target_server, target, "promote", "--json", folder=tmp_path).stdout)
    second = json.loads(command(target_server, target, "promote", "--json", folder=tmp_path).stdout)
    assert first["promoted"] == second["promoted"]


def test_adopt_lifts_a_promotion(target_server: PostgresServer, target: str, tmp_path: Path) -> None:
    command(target_server, target, "promote", folder=tmp_path)
    command(target_server, target, "adopt", "--yes-overwrite", target, folder=tmp_path)
    mark = mark_of(target_server, target)
    assert mark is not None
    assert (mark.promoted, mark.adopted is None) == (None, False)


def test_a_server_that_does_not_answer_is_told_in_a_sentence(target_server: PostgresServer, tmp_path: Path) -> None:
    done = command(target_server, "no_such_database", "promote", folder=tmp_path)
    assert done.returncode == 1
    assert "does not exist" in done.stderr
    assert "Traceback" not in done.stderr
