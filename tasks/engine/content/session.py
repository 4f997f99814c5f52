"""The session settings under which content is read: whatever turns a value into text is pinned."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from sqlalchemy.engine import Connection, CursorResult

from tasks.engine.connections import raw_connection
from tasks.engine.mark import literal

# The text of a value depends on these, and a fingerprint on the text; a database or role may have its own.
PINNED_SESSION: Mapping[str, str] = {
    "search_path": "",  # reg* types show names as short as the path allows
    "quote_all_identifiers": "off",
    "TimeZone": "UTC",
    "DateStyle": "ISO, MDY",
    "IntervalStyle": "postgres",
    "extra_float_digits": "3",
    "bytea_output": "hex",
    "lc_monetary": "C",
    "lc_numeric": "C",
    "lc_time": "C",
    "xmlbinary": "base64",
    "xmloption": "content",
    "standard_conforming_strings": "on",
    "row_security": "off",  # a policy is an error, never a hidden row
    "jit": "off",  # compiling a hundred small counts costs more than counting
    "statement_timeout": "0",
    "idle_in_transaction_session_timeout": "0",
    "transaction_timeout": "0",  # only servers from 17 on know it
}


def pin_session(connection: Connection) -> None:
    """Send PINNED_SESSION: for the transaction that is going on, or for the session when it is in autocommit.

    Nothing is put back: with the transaction they end by themselves, and an autocommit session is ours alone.
    """
    run(connection, pinning(connection))


def pinning(connection: Connection) -> str:
    """What pin_session sends."""
    local = "false" if in_autocommit(connection) else "true"
    pinned = ", ".join(f"({literal(name.lower())}, {literal(value)})" for name, value in PINNED_SESSION.items())
    return (
        # The search path first, so that nobody's own operators are meant in what follows.
        f"SELECT pg_catalog.set_config('search_path', '', {local}); "  # noqa: S608 - our own literals
        f"SELECT count(set_config(name, value, {local})) FROM (VALUES {pinned}) pinned (name, value) "
        "WHERE current_setting(name, true) IS NOT NULL"
    )


@contextmanager
def reading_settings_undone(connection: Connection) -> Iterator[None]:
    """What is pinned inside does not hold behind it, in the same transaction: a load goes by the database's own."""
    put_off(connection, "SAVEPOINT rns_pinned")
    yield
    put_off(connection, "ROLLBACK TO SAVEPOINT rns_pinned; RELEASE SAVEPOINT rns_pinned")


def in_autocommit(connection: Connection) -> bool:
    return bool(raw_connection(connection).autocommit)


def put_off(connection: Connection, statement: str) -> None:
    """What needs no answer goes ahead of the transaction's next statement; never, when there is none."""
    raw_connection(connection).put_off(statement)


def catch_up(connection: Connection) -> None:
    """Send what was put off: nothing else may follow for long."""
    raw_connection(connection).catch_up()


def run(connection: Connection, statement: str) -> CursorResult[Any]:
    """One round trip; the answer is the last statement's. A percent sign is just that."""
    return connection.exec_driver_sql(statement, execution_options={"no_parameters": True})


def rows(connection: Connection, statement: str) -> list[Any]:
    """All rows of `run`."""
    return list(run(connection, statement))
