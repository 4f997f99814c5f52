"""Deparsed text put through a server's own parser, so that two spellings of the same are seen to be the same.

A text is made into an object of a schema of its own, inside a savepoint that is rolled back, and deparsed again. What
holds no text of its own to create (an expression about a table's rows) becomes a query: a view locks nothing that
readers need, reads no row and builds no index.
"""

import json
import secrets
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from sqlalchemy.engine import Connection
from sqlalchemy.exc import DBAPIError

from tasks.engine.content.inventory_sql import expand
from tasks.engine.content.session import in_autocommit, pinning, put_off, rows, run
from tasks.engine.dumpfile_lexer import StatementLexer, Unreadable

_BATCH = 200  # each probe holds some locks until its batch is undone
# Connection lost, wrong kind of transaction, deadlock, lock timeout, no room, ended by somebody: not the text's fault.
_NOT_THE_TEXT = ("08", "25", "40", "53", "55P03", "57", "58")
# Event triggers of the database must not run for what is undone at once; only a superuser may say so.
_QUIET = """
    SELECT set_config(name, value, true)
    FROM (VALUES ('event_triggers', 'off'), ('session_replication_role', 'replica')) quiet (name, value)
    WHERE current_setting('is_superuser') = 'on' AND current_setting(name, true) IS NOT NULL
"""
_BACK = "ROLLBACK TO SAVEPOINT probe"
_UNDO = "ROLLBACK TO SAVEPOINT probes; RELEASE SAVEPOINT probes"
_DEPARSED = expand("""
    SELECT relname AS name, rtrim(pg_get_viewdef(c.oid), ';') AS text
    FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace WHERE nspname = {schema} AND relkind = 'v'
    UNION ALL
    SELECT relname, rule_action(pg_get_ruledef(w.oid), rulename, nspname, relname)
    FROM pg_rewrite w JOIN pg_class c ON c.oid = ev_class JOIN pg_namespace n ON n.oid = relnamespace
    WHERE nspname = {schema} AND relkind = 'r'
    UNION ALL
    SELECT substr(nspname, length({schema}) + 2), pg_get_function_sqlbody(p.oid)
    FROM pg_proc p JOIN pg_namespace n ON n.oid = pronamespace WHERE starts_with(nspname, {schema} || ' ')
    UNION ALL
    SELECT collname, coalesce(to_jsonb(c) ->> 'colllocale', to_jsonb(c) ->> 'colliculocale', c.collcollate::text)
    FROM pg_collation c JOIN pg_namespace n ON n.oid = collnamespace WHERE nspname = {schema}
""")


@dataclass(frozen=True, kw_only=True)
class Deparsed:
    """A text as its server spelt it, and the recipe of its object (`SchemaObject.recreate`)."""

    recreate: str
    text: str


def deparse(connection: Connection, texts: Sequence[Deparsed]) -> list[Deparsed | None]:
    """Each text as the connection's server spells it; None where its parser refuses.

    The answers' recipes are for the answers. Needs the right to create a schema; works inside an open transaction,
    and leaves nothing behind.
    """
    answers: list[Deparsed | None] = []
    for start in range(0, len(texts), _BATCH):
        schema = f"rns_probe_{secrets.token_hex(6)}"
        batch = dict(enumerate(texts[start : start + _BATCH]))
        probes = {number: _probe(schema, number, each) for number, each in batch.items()}
        with _undone(connection, schema):
            found = _deparse(connection, schema, {number: text for number, text in probes.items() if text})
        answers += [_answer(each, found.get(number)) for number, each in batch.items()]
    return answers


@contextmanager
def _undone(connection: Connection, schema: str) -> Iterator[None]:
    """A savepoint, or a transaction where there is none, with pinned settings and the schema; undone afterwards."""
    alone = in_autocommit(connection)
    begin, undo = ("BEGIN", "ROLLBACK") if alone else ("SAVEPOINT probes", _UNDO)
    try:
        run(connection, f"{begin}; {pinning(connection)}; {_QUIET}; CREATE SCHEMA {schema}; SAVEPOINT probe")
        yield
    except BaseException:
        with suppress(DBAPIError):  # the first error is the one to tell
            run(connection, undo)
        raise
    if alone:
        run(connection, undo)
    else:
        put_off(connection, undo)


def _deparse(connection: Connection, schema: str, probes: Mapping[int, str]) -> dict[int, str]:
    """All probes in one string; when one is refused, each half by itself."""
    if not probes:
        return {}
    question = _DEPARSED.replace("{schema}", f"'{schema}'")
    try:
        found = rows(connection, ";\n".join([*probes.values(), question]))
    except DBAPIError as error:
        state = getattr(error.orig, "pgcode", None) or ""
        if not state or state.startswith(_NOT_THE_TEXT):
            raise
        run(connection, _BACK)
        found = []
    else:
        put_off(connection, _BACK)
    if found or len(probes) == 1:
        return {int(name): text for name, text in found if text is not None}
    numbers = list(probes)
    halves = (numbers[: len(numbers) // 2], numbers[len(numbers) // 2 :])
    parts = (_deparse(connection, schema, {number: probes[number] for number in half}) for half in halves)
    return {number: text for part in parts for number, text in part.items()}


def _probe(schema: str, number: int, deparsed: Deparsed) -> str | None:
    """The statements that make an object of the text; None for a text that is more than its part of a statement."""
    how, *parts = json.loads(deparsed.recreate)
    text, name = deparsed.text, f'{schema}."{number}"'
    if how == "query":
        before, after = parts
        statements = [f"CREATE VIEW {name} AS {before}{text}{after}"]
    elif how == "rule":
        before, table = parts
        statements = [f"CREATE TABLE {name} (LIKE {table})", f"{before}{name}{text}"]
    elif how == "function":
        # A body names its arguments by the function's own name, so that must be the same.
        before, function, header = parts
        own_schema = f'"{schema} {number}"'
        statements = [f"CREATE SCHEMA {own_schema}", f"CREATE {before}{own_schema}.{function}{header}{text}"]
    else:
        locale = text.replace("'", "''")
        statements = [f"CREATE COLLATION {name} (provider = icu, locale = '{locale}')"]
    return ";\n".join(statements) if all(map(_is_one_statement, statements)) else None


def _is_one_statement(text: str) -> bool:
    """A text from elsewhere must not end its statement and begin another, such as COMMIT."""
    lexer = StatementLexer()
    *lines, last = f"{text}\n;".encode().splitlines(keepends=True)
    try:
        return not any(map(lexer.feed, lines)) and lexer.feed(last) == [1]
    except Unreadable:
        return False


def _answer(asked: Deparsed, text: str | None) -> Deparsed | None:
    if text is None:
        return None
    if json.loads(asked.recreate)[0] == "query":
        return Deparsed(recreate=json.dumps(["query", "", ""]), text=text)
    return Deparsed(recreate=asked.recreate, text=text)
