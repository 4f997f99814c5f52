"""The session that spends few round trips does what an ordinary one does."""

import io
from collections.abc import Iterator, Sequence
from contextlib import closing, suppress

import psycopg2
import pytest
import sqlalchemy
from sqlalchemy.engine import Connection

from config.urls import DatabaseUrl
from tasks.engine.connections import Server, ask, opened_ahead
from tasks.engine.errors import BackupError, ServerUnreachable
from tasks.engine.session import Session
from tasks.engine.watch import Watch
from tests.bench.wire import Wire
from tests.integration.content_support import NewDatabase
from tests.support.installation import ask as ask_server
from tests.support.installation import tell
from tests.support.workers import wait_until
from worker.demo.servers import PostgresServer

SETTINGS = "SET application_name = 'prepared'; SET work_mem = '1MB'"
REPEATABLE = "BEGIN ISOLATION LEVEL REPEATABLE READ"


class Opener:
    """Opens sessions in a database of the test's own."""

    def __init__(self, dsn: str) -> None:
        self.dsn = dsn
        self.opened: list[Session] = []

    def __call__(self, settings: Sequence[str] = (SETTINGS,), begin: str | None = REPEATABLE) -> Session:
        session: Session = psycopg2.connect(self.dsn, connection_factory=Session)
        session.prepare(settings, begin=begin)
        self.opened.append(session)
        return session


@pytest.fixture
def open_session(source_server: PostgresServer, new_database: NewDatabase) -> Iterator[Opener]:
    opener = Opener(source_server.dsn(new_database(source_server, "session")))
    yield opener
    for session in opener.opened:
        session.close()


@pytest.fixture
def server(source_server: PostgresServer, new_database: NewDatabase) -> Server:
    name = new_database(source_server, "session")
    return Server(
        role="source",
        url=DatabaseUrl.parse(source_server.url(name)),
        application_name=f"railway-neon-sync/{name}",
        watch=Watch("test", 60),
    )


def answer(session: Session, statement: str) -> object:
    with session.cursor() as cursor:
        cursor.execute(statement)
        [found] = cursor.fetchone() or [None]
        return found


def told(session: Session, statement: str) -> None:
    with session.cursor() as cursor:
        cursor.execute(statement)


def test_the_first_statement_finds_the_settings_and_a_transaction_of_the_wanted_kind(open_session: Opener) -> None:
    session = open_session()
    assert answer(session, "SELECT current_setting('work_mem') || ' ' || current_setting('transaction_isolation')") == (
        "1MB repeatable read"
    )
    before = answer(session, "SELECT count(*) FROM pg_class")
    told(open_session(begin=None), "CREATE TABLE made_meanwhile ()")
    assert answer(session, "SELECT count(*) FROM pg_class") == before
    session.rollback()
    assert answer(session, "SELECT count(*) FROM pg_class") != before


@pytest.mark.parametrize("bad", ["SELECT 1/0", "SELECT FROM WHERE"])
@pytest.mark.parametrize("begin", [REPEATABLE, None])
def test_the_settings_hold_although_the_first_statement_failed(
    open_session: Opener, bad: str, begin: str | None
) -> None:
    session = open_session(begin=begin)
    with pytest.raises(psycopg2.Error):
        told(session, bad)
    session.rollback()
    assert answer(session, "SHOW work_mem") == "1MB"


@pytest.mark.parametrize("begin", [REPEATABLE, None])
def test_settings_that_a_server_refuses_are_left_out(open_session: Opener, begin: str | None) -> None:
    session = open_session([f"{SETTINGS}; SET client_connection_check_interval = '-1'", SETTINGS], begin)
    assert answer(session, "SELECT current_setting('application_name')") == "prepared"


def test_what_refuses_company_comes_alone_after_the_settings(open_session: Opener) -> None:
    session = open_session(begin=None)
    name = f"{session.info.dbname}_more"
    told(session, f"CREATE DATABASE {name} TEMPLATE template0")
    told(session, f"DROP DATABASE {name}")
    assert answer(session, "SHOW work_mem") == "1MB"


def test_only_what_is_committed_stays(open_session: Opener) -> None:
    session = open_session()
    told(session, "CREATE TABLE kept ()")
    session.commit()
    told(session, "CREATE TABLE undone ()")
    session.rollback()
    told(session, "CREATE TABLE left_open ()")
    session.leave()
    session.rollback()
    session.close()
    found = (
        "SELECT string_agg(relname, ' ') FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"
    )
    assert answer(open_session(), found) == "kept"


def test_what_was_put_off_goes_ahead_of_the_next_statement_and_ends_with_the_transaction(open_session: Opener) -> None:
    session = open_session()
    told(session, "SAVEPOINT one; CREATE TABLE undone ()")
    session.put_off("ROLLBACK TO SAVEPOINT one")
    assert answer(session, "SELECT to_regclass('undone')") is None
    session.put_off("SELECT 1/0")
    session.rollback()
    assert answer(session, "SELECT 1") == 1


def test_what_was_put_off_to_undo_something_is_not_committed(open_session: Opener) -> None:
    session = open_session()
    told(session, "CREATE TABLE stays (); SAVEPOINT one; CREATE TABLE undone ()")
    session.put_off("ROLLBACK TO SAVEPOINT one")
    session.commit()
    assert answer(open_session(), "SELECT to_regclass('stays') IS NOT NULL AND to_regclass('undone') IS NULL")


def test_a_percent_sign_that_was_put_off_is_no_parameter(open_session: Opener) -> None:
    session = open_session()
    told(session, "SELECT 1")
    session.put_off("SELECT 'a %s'")
    with closing(session.cursor()) as cursor:
        cursor.execute("SELECT %s", ["b"])
        assert cursor.fetchone() == ("b",)


def test_it_counts_each_time_that_it_waits_for_an_answer(
    source_server: PostgresServer, new_database: NewDatabase
) -> None:
    """As the wire counts them, which knows nothing of statements."""
    name = new_database(source_server, "counted")
    counted: list[int] = []
    with Wire(source_server.port) as wire:
        dsn = source_server.dsn(name).replace(f"port={source_server.port}", f"port={wire.port}")
        assert str(wire.port) in dsn
        session: Session = psycopg2.connect(dsn, connection_factory=Session)
        session.prepare((SETTINGS,), begin=REPEATABLE, count=counted.append)
        wire.take()
        told(session, "CREATE TABLE numbers (n int)")
        with session.cursor() as cursor:
            cursor.copy_expert("COPY numbers FROM STDIN", io.StringIO("1\n2\n"))
            cursor.copy_expert("COPY numbers TO STDOUT", io.StringIO())
        session.put_off("SAVEPOINT one")
        assert answer(session, "SELECT count(*) FROM numbers") == 2
        with pytest.raises(psycopg2.Error):
            told(session, "SELECT 1/0")
        session.rollback()
        session.rollback()
        assert sum(counted) == wire.take().round_trips == 7
        session.close()


REFUSED = "SELECT 1 / 0"


def test_questions_are_asked_together_and_one_that_is_refused_costs_its_own_answer_only(server: Server) -> None:
    with server.open() as connection:
        assert ask(connection, "SELECT 'a'", REFUSED, "SELECT NULL", must=["SELECT 1"]) == ["1", "a", None, None]
        assert ask(connection, "SELECT 2") == ["2"]
        assert connection.exec_driver_sql("SELECT 'usable'").scalar_one() == "usable"


def test_a_question_that_must_be_answered_is_refused_with_the_servers_words(server: Server) -> None:
    with pytest.raises(BackupError, match="division by zero"), server.open() as connection:
        ask(connection, "SELECT 'a'", must=["SELECT 1", REFUSED])


def test_a_session_that_was_opened_ahead_has_its_settings_while_it_waits(
    server: Server, source_server: PostgresServer
) -> None:
    """Else the server's own idle_session_timeout would end it."""
    sent = f"SELECT query FROM pg_stat_activity WHERE application_name = '{server.application_name}'"

    def last() -> str:
        return "".join(query for (query,) in ask_server(source_server.dsn(), sent))

    for repeatable in (False, True):
        with opened_ahead(server, server.url.dbname, repeatable=repeatable) as opened:
            wait_until(lambda: "SET idle_session_timeout = 0" in last(), "the settings to be sent")
            tell(source_server.dsn(server.url.dbname), f"CREATE TABLE made_{repeatable} AS SELECT 1")
            with opened() as connection:  # its snapshot is that of its first question, not of its settings
                assert connection.exec_driver_sql(f"SELECT count(*) FROM public.made_{repeatable}").scalar_one() == 1


def test_a_session_that_was_opened_ahead_is_closed_whether_it_was_used_or_not(
    server: Server, source_server: PostgresServer
) -> None:
    sessions = f"SELECT count(*) FROM pg_stat_activity WHERE application_name = '{server.application_name}'"
    with opened_ahead(server, server.url.dbname) as opened, opened() as connection:
        assert connection.exec_driver_sql("SELECT 1").scalar_one() == 1
    with (
        pytest.raises(BackupError, match="division by zero"),
        opened_ahead(server, server.url.dbname) as opened,
        opened() as connection,
    ):
        connection.exec_driver_sql(REFUSED)
    with opened_ahead(server, server.url.dbname):
        pass
    with (
        pytest.raises(ServerUnreachable, match="does not exist"),
        opened_ahead(server, "nowhere") as opened,
        opened(),
    ):
        pytest.fail("it opened")
    wait_until(lambda: ask_server(source_server.dsn(), sessions) == [(0,)], "the sessions to end")


@pytest.mark.parametrize("asks", ["the statement that finds it out", "the one after it", "another one"])
def test_a_session_that_was_lost_is_told_as_that_whoever_asks_it_next(server: Server, asks: str) -> None:
    """A statement that fails is followed by what undoes it, which SQLAlchemy refuses in words of its own then."""
    with pytest.raises(ServerUnreachable, match=r"the connection to the source .* was lost"):
        ask_a_lost_session(server, asks)


def ask_a_lost_session(server: Server, asks: str) -> None:
    with server.open() as connection:
        lose(server, connection)
        if asks == "the one after it":
            ask(connection, "SELECT 1")
        if asks == "another one":
            with suppress(sqlalchemy.exc.DBAPIError):
                connection.exec_driver_sql("SELECT 1")
        connection.exec_driver_sql("SELECT 1")


def lose(server: Server, connection: Connection) -> None:
    pid = connection.exec_driver_sql("SELECT pg_backend_pid()").scalar_one()
    with server.open(autocommit=True) as other:
        other.exec_driver_sql(f"SELECT pg_terminate_backend({pid}, 5000)")
