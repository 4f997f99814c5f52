"""Are two databases equal? An answer that shares nothing with the engine's.

Content is hashed here, not on the server: SHA-256 over the sorted lines that COPY gives for a table, its columns
in alphabetical order. The schema is what `pg_dump --schema-only` says, entry by entry, in any order.

A correct copy's schema is not letter-equal to its source's (deparsed text changes at the first restore, and children
of an inheritance tree come back with their columns in another order). So a copy is held against what psql makes of
the same source on the copy's own server:

    expected = oracle.as_restored(source_dsn, on=target_dsn)
    assert oracle.differences(expected, oracle.take(copy_dsn)) == []
"""

import hashlib
import itertools
import json
import os
import re
import subprocess
import tempfile
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from io import BytesIO
from pathlib import Path
from typing import Any

import psycopg2
import psycopg2.extensions
from psycopg2.extensions import make_dsn, parse_dsn
from psycopg2.sql import SQL, Composable, Identifier

from worker.demo.servers import PostgresBinaries, find_postgres

_TOOL_TIMEOUT_S = 150.0
_numbers = itertools.count(1)

# A database's own settings make values look otherwise; and these are neither pg_dump's nor the engine's, on purpose.
_SESSION = """
SET search_path = pg_catalog; SET row_security = off; SET lc_monetary = 'C'; SET extra_float_digits = 3;
SET datestyle = 'German'; SET intervalstyle = 'postgres_verbose'; SET timezone = 'Asia/Tokyo';
SET bytea_output = hex; SET xmlbinary = base64
"""
_TABLES = """
SELECT n.nspname, c.relname, c.relkind = 'm', c.relispopulated,
    ARRAY(SELECT a.attname::text FROM pg_attribute AS a
          WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attname::text COLLATE "C")
FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'm') AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
    AND (%(unlogged)s OR c.relpersistence <> 'u')
"""
_SEQUENCES = """
SELECT n.nspname, c.relname FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE c.relkind = 'S' AND n.nspname !~ '^pg_' AND (%(unlogged)s OR c.relpersistence <> 'u')
"""
_LARGE_OBJECTS = """
SELECT m.oid::bigint, lo_get(m.oid), obj_description(m.oid, 'pg_largeobject') FROM pg_largeobject_metadata AS m
"""
_DATABASE = """
SELECT pg_get_userbyid(d.datdba), d.datacl::text, d.datconnlimit, d.datallowconn,
    (SELECT json_agg(s.setconfig ORDER BY s.setrole) FROM pg_db_role_setting AS s WHERE s.setdatabase = d.oid),
    (SELECT json_agg(m.lomacl::text ORDER BY m.oid) FROM pg_largeobject_metadata AS m)
FROM pg_database AS d WHERE d.datname = current_database()
"""

_ENTRY = re.compile(r"^--\n-- Name: (?P<name>.*?)(?:; Tablespace: .*)?\n--\n", re.MULTILINE)
_TRAILER = "--\n-- PostgreSQL database dump complete\n--\n"
# Written at the end of an entry, meant for those that follow.
_DEFAULT = re.compile(r"\nSET default_(?P<what>tablespace|table_access_method) = (?P<value>.*);\s*\Z")


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    """What a database holds, in words that can be compared: from what it is about to what it is."""

    content: Mapping[str, str]
    schema: Mapping[str, str]


def content(dsn: str, *, unlogged: bool = True) -> Mapping[str, str]:
    """What `take` says of a database's rows, sequences and large objects; nothing of its schema."""
    return _content(dsn, exact=False, unlogged=unlogged)


def take(dsn: str, *, binaries: PostgresBinaries | None = None, exact: bool = False, unlogged: bool = True) -> Snapshot:
    """A database as it is.

    exact: with what a copy need not share, i.e. owners, privileges, the rows of materialised views, settings of the
    database. unlogged: with the rows of unlogged tables, which a crash empties. The database's comment is not looked
    at. `binaries` must be as new as the server; by default those of the demo.
    """
    found = binaries or find_postgres()
    return Snapshot(content=_content(dsn, exact=exact, unlogged=unlogged), schema=_schema(dsn, found, exact=exact))


def as_restored(source: str, *, on: str, binaries: PostgresBinaries | None = None, unlogged: bool = True) -> Snapshot:
    """What a correct copy of `source` is on the server of `on`: its content, with the schema that psql makes of it.

    The role of `on` must be allowed to create a database there; it is dropped again.
    """
    found = binaries or find_postgres()
    with tempfile.TemporaryDirectory(prefix="rns-oracle-") as folder:
        path = Path(folder, "reference.sql")
        path.write_text(dump(source, found, "--no-owner", "--no-privileges", "--no-subscriptions"))
        restored = of_dump(path, on=on, binaries=found, unlogged=unlogged)
    return replace(restored, content=_content(source, exact=False, unlogged=unlogged))


def of_dump(path: Path, *, on: str, binaries: PostgresBinaries | None = None, unlogged: bool = True) -> Snapshot:
    """What psql makes of a plain dump on the server of `on`: the judge when the source has moved on since."""
    found = binaries or find_postgres()
    with _scratch_database(on) as scratch:
        restore(path, scratch, found)
        return take(scratch, binaries=found, unlogged=unlogged)


def differences(expected: Snapshot, actual: Snapshot) -> list[str]:
    """One line for each thing that is missing, unexpected or different; empty when the two are equal."""
    return [
        *_different("content", expected.content, actual.content),
        *_different("schema", expected.schema, actual.schema),
    ]


def fingerprint(dsn: str, *, binaries: PostgresBinaries | None = None, unlogged: bool = True) -> str:
    """One hash over all that `take(exact=True)` sees: the same only while nothing was touched.

    Not for a copy, nor for content that was restored, since a restore changes deparsed text: `as_restored` is.
    """
    everything = take(dsn, binaries=binaries, exact=True, unlogged=unlogged)
    text = json.dumps([dict(everything.content), dict(everything.schema)], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def dump(dsn: str, binaries: PostgresBinaries, *options: str) -> str:
    """The plain dump of a database."""
    return _run(dsn, binaries, "pg_dump", *options)


def restore(path: Path, dsn: str, binaries: PostgresBinaries) -> None:
    """Load a plain dump with psql, as a person without this project would; stops at the first error."""
    with tempfile.TemporaryDirectory(prefix="rns-oracle-") as folder:
        loadable = Path(folder, "loadable.sql")
        with closing(psycopg2.connect(dsn)) as connection:
            version = connection.server_version
        text = path.read_text()
        # What a newer pg_dump writes whatever comes of it, and an older server does not know.
        if version < 170000:
            text = re.sub(r"^SET transaction_timeout = 0;\n", "", text, count=1, flags=re.MULTILINE)
        if version < 150000:
            text = text.replace("\n    LOGGED\n    START WITH ", "\n    START WITH ")
        loadable.write_text(text)
        _run(dsn, binaries, "psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", "-o", os.devnull, "-f", str(loadable))


def _content(dsn: str, *, exact: bool, unlogged: bool) -> dict[str, str]:
    found: dict[str, str] = {}
    with closing(psycopg2.connect(dsn)) as connection:
        connection.set_session(isolation_level="REPEATABLE READ", readonly=True)
        connection.set_client_encoding("UTF8")
        with connection.cursor() as cursor:
            cursor.execute(_SESSION)
            for schema, name, is_view, populated, columns in _rows(cursor, _TABLES, unlogged=unlogged):
                if is_view:
                    found[f"{schema}.{name} is populated"] = str(populated)
                if not is_view or (exact and populated):
                    found[f"rows of {schema}.{name}"] = _hash_rows(cursor, Identifier(schema, name), columns)
            for schema, name in _rows(cursor, _SEQUENCES, unlogged=unlogged):
                value = _rows(cursor, SQL("SELECT last_value, is_called FROM {}").format(Identifier(schema, name)))
                found[f"sequence {schema}.{name}"] = str(value)
            for oid, data, comment in _rows(cursor, _LARGE_OBJECTS):
                found[f"large object {oid}"] = f"{hashlib.sha256(data).hexdigest()}, {len(data)} bytes, {comment!r}"
            if exact:
                found["database"] = str(_rows(cursor, _DATABASE))
    return found


def _rows(cursor: psycopg2.extensions.cursor, query: str | Composable, **values: object) -> list[tuple[Any, ...]]:
    cursor.execute(query, values or None)
    return cursor.fetchall()


def _hash_rows(cursor: psycopg2.extensions.cursor, table: Identifier, columns: Sequence[str]) -> str:
    copied = BytesIO()
    names = SQL(", ").join(map(Identifier, columns))
    cursor.copy_expert(SQL("COPY (SELECT {} FROM ONLY {}) TO STDOUT").format(names, table), copied)
    lines = sorted(copied.getvalue().splitlines(keepends=True))
    return f"{len(lines)} rows, {hashlib.sha256(b''.join(lines)).hexdigest()}"


def _schema(dsn: str, binaries: PostgresBinaries, *, exact: bool) -> dict[str, str]:
    options = ["--schema-only", "--no-subscriptions"]
    text = dump(dsn, binaries, *options, *([] if exact else ["--no-owner", "--no-privileges"]))
    return _entries(text)


def _entries(text: str) -> dict[str, str]:
    """A schema dump as a set: from `name; Type: ...; Schema: ...` to the statements that follow, in any order."""
    text = text[: text.rindex(_TRAILER)]
    headings = list(_ENTRY.finditer(text))
    ends = [heading.start() for heading in headings[1:]] + [len(text)] * bool(headings)  # none in an empty database
    found: defaultdict[str, list[str]] = defaultdict(list)
    method, next_method = "", ""
    for heading, end in zip(headings, ends, strict=True):
        body = text[heading.end() : end]
        while default := _DEFAULT.search(body):
            body = body[: default.start()]
            if default["what"] == "table_access_method":
                next_method = default["value"]
        is_stored = "; Type: TABLE;" in heading["name"] or "; Type: MATERIALIZED VIEW;" in heading["name"]
        found[heading["name"]].append(body.strip() + (f"\n-- access method {method}" if is_stored else ""))
        method = next_method
    return {name: "\n".join(sorted(bodies)) for name, bodies in found.items()}


def _different(of_what: str, expected: Mapping[str, str], actual: Mapping[str, str]) -> Iterator[str]:
    for key in sorted({*expected, *actual}):
        if key not in actual:
            yield f"{of_what}: {key} is missing"
        elif key not in expected:
            yield f"{of_what}: {key} should not be there"
        elif expected[key] != actual[key]:
            yield f"{of_what}: {key} should be {expected[key][:2000]} but is {actual[key][:2000]}"


@contextmanager
def _scratch_database(on: str) -> Iterator[str]:
    name = f"oracle_{os.getpid()}_{next(_numbers)}"
    maintenance = make_dsn(on, dbname="postgres")
    _execute(maintenance, SQL("CREATE DATABASE {} TEMPLATE template0").format(Identifier(name)))
    try:
        yield make_dsn(on, dbname=name)
    finally:
        _execute(maintenance, SQL("DROP DATABASE {} WITH (FORCE)").format(Identifier(name)))


def _execute(dsn: str, statement: Composable) -> None:
    with closing(psycopg2.connect(dsn)) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute(statement)


def _run(dsn: str, binaries: PostgresBinaries, tool: str, *arguments: str) -> str:
    parts = parse_dsn(dsn)
    environment = {**os.environ, "PGPASSWORD": parts.pop("password", ""), "PGOPTIONS": "", "PGCLIENTENCODING": "UTF8"}
    done = subprocess.run(
        [binaries.tool(tool), "-d", make_dsn("", **parts), *arguments],
        capture_output=True, text=True, encoding="utf-8", env=environment, timeout=_TOOL_TIMEOUT_S, check=False,
    )  # fmt: skip
    if done.returncode != 0:
        raise AssertionError(f"{tool} failed: {done.stderr[-2000:]}")
    return done.stdout
