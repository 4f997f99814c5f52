"""The schema's text of the last proved dump, where pg_dump would write the same again: so it need not be asked.

Nor need rows be read for their fingerprint then whose text is that of the last dump.

pg_dump asks the server some sixty questions, one after the other, and before its release 18 some for each table. What
it writes besides rows follows from the system catalogs, its own version and its options: when none of them changed,
the text did not change either.
"""

import hashlib
import io
import logging
import re
import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sqlalchemy
from sqlalchemy.engine import Connection

from tasks.engine.content import TableName, content_digest, holding
from tasks.engine.content.session import pinning, put_off
from tasks.engine.content.session import run as run_statement
from tasks.engine.content.values import Holds
from tasks.engine.dumpfile import SEQUENCES, STATEMENTS, inspect_text, load_sha256
from tasks.engine.errors import DumpRefused
from tasks.engine.full_runs import why_full
from tasks.engine.manifest import Manifest
from tasks.engine.mark import qualified
from tasks.engine.names import form_of
from tasks.engine.packing import Readable, unpacked
from tasks.engine.proved_dump import proved_dump
from tasks.engine.run import SCHEMA_KEPT, Run

log = logging.getLogger(__name__)

_BLOCK_BYTES = 1 << 20
_PACKED_UNTIL_BYTES = 1 << 30  # to find the schema in a packed dump all of it is unpacked
_HEADER = b"--\n-- PostgreSQL database dump\n--\n\n"
# What pg_dump writes behind its header, and at the end: anywhere else such a line is the user's own.
_RESTRICTED = re.compile(
    re.escape(_HEADER) + rb"\\restrict (?P<word>[A-Za-z0-9]+)\n(?P<text>.*)\\unrestrict (?P=word)\n\s*", re.DOTALL
)
_NOTHING = hashlib.sha256().hexdigest()
_DISTRUSTED = "schema_distrusted"
# The question, written by the server: which catalogs it has and what may be read of them differs. Left out is what
# holds rows and statistics rather than definitions, what changes by itself, subscriptions, which no dump of ours has,
# and what the whole server shares.
CATALOGS = """
    SELECT string_agg(format('SELECT %L AS catalog, count(*) AS number, sum(pg_catalog.hashtextextended('
        'ROW(%s)::text, 0)) AS hash FROM pg_catalog.%I', relname, columns, relname), ' UNION ALL ')
    FROM (
        SELECT c.relname, string_agg(format('%I::text', a.attname), ', ' ORDER BY a.attnum) AS columns
        FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
        WHERE c.relnamespace = 'pg_catalog'::regnamespace AND a.attnum > 0 AND NOT a.attisdropped
          AND (c.relkind = 'r' AND NOT c.relisshared OR c.relname = 'pg_user_mappings') AND c.oid < 16384
          AND c.relname NOT IN ('pg_statistic', 'pg_statistic_ext_data', 'pg_largeobject', 'pg_subscription_rel')
          AND NOT (c.relname = 'pg_class' AND a.attname IN ('relfilenode', 'relpages', 'reltuples', 'relallvisible',
              'relallfrozen', 'relfrozenxid', 'relminmxid'))
          AND has_column_privilege(c.oid, a.attnum, 'SELECT')
        GROUP BY c.relname
    ) readable
"""
# Large objects are rows that pg_dump writes behind the others: where there are any, it is asked.
_DIGEST = """
    SELECT encode(sha256(convert_to(string_agg(concat_ws(':', catalog, number, hash), ' ' ORDER BY catalog)
        || ' as ' || current_user || (SELECT ':' || rolsuper || ':' || rolbypassrls FROM pg_roles
            WHERE rolname = current_user), 'UTF8')), 'hex')
    FROM ({question}
        UNION ALL SELECT 'roles', count(*), sum(hashtextextended(ROW(oid, rolname)::text, 0)) FROM pg_roles
    ) catalogs
    WHERE NOT EXISTS (SELECT FROM pg_largeobject_metadata)
"""


class _PgDumpIsAsked(Exception):
    """Why the last schema does not serve, as the end of a sentence."""


def catalogs_digest(connection: Connection, question: str | None) -> str | None:
    """Of all that definitions are made of, as the transaction sees it; None where that is not enough to go by.

    question: the answer to CATALOGS. One round trip.
    """
    if question is None:
        return None
    undone = "ROLLBACK TO SAVEPOINT catalogs; RELEASE SAVEPOINT catalogs"  # with its locks
    try:
        statement = f"SAVEPOINT catalogs; {pinning(connection)}; {_DIGEST.format(question=question)}"
        found: str | None = run_statement(connection, statement).scalar_one()
    except sqlalchemy.exc.DBAPIError as error:
        connection.exec_driver_sql(undone)
        log.info("the catalogs cannot be hashed: %s", " ".join(str(error.orig).split()))
        return None
    put_off(connection, undone)
    return found


@dataclass(frozen=True, kw_only=True)
class Kept:
    """What pg_dump would write, rows left out. last: the manifest of the dump in which it stands."""

    text: bytes
    last: Manifest

    @property
    def file(self) -> str:
        """That dump's name."""
        return self.last.file

    def rows_as_before(self, parts: Mapping[str, str]) -> dict[TableName, Holds]:
        """Number and fingerprint of the rows of tables that the last dump has byte by byte as the new one has them.

        parts: of the new one. Definitions are the same too, else this would not be kept: what was read then and
        proved is what would be read again.
        """
        last = self.last.load_parts or {}
        return {
            table: holds
            for table, holds in holding(self.last.content.tables).items()
            if (name := qualified(table)) in last and last[name] == parts.get(name)
        }


def kept_schema(run: Run, described: Mapping[str, Any]) -> Kept | None:
    """Of the last proved dump; None where that does not serve, and the log says why.

    described: what the new dump's manifest will say beside content.
    """
    try:
        return _of_last_proved(run, described)
    except _PgDumpIsAsked as error:
        why = str(error)
    except (DumpRefused, OSError, ValueError, TypeError, LookupError, OverflowError) as error:  # as of what was edited
        why = f"the last dump or its manifest cannot be used: {error}"
    log.info("pg_dump is asked for the schema: %s", why, extra={"event": "schema_asked"})
    return None


def distrust(run: Run) -> None:
    """A run with a kept schema came to nothing that is right: until a definition changes pg_dump is asked."""
    if (catalogs := run.facts.get(SCHEMA_KEPT)) is not None:
        run.journal.remember(f"{_DISTRUSTED}:{run.journal.pair}", catalogs)


def _of_last_proved(run: Run, described: Mapping[str, Any]) -> Kept:
    last = _last_proved(run)
    for name, then, now in (
        ("the database", last.identity, described["identity"]),
        ("the server's version", last.server_version, described["server_version"]),
        ("pg_dump", last.client_version, described["client_version"]),
        ("KEEP_OWNERS", last.privileges, described["privileges"]),
        ("the database's encoding", last.properties["encoding"], described["properties"]["encoding"]),
        ("a definition, a role or a right", last.catalogs, described["catalogs"]),
    ):
        if then != now:
            raise _PgDumpIsAsked(f"{name} is not what it was at the last run")
    if run.journal.recall(f"{_DISTRUSTED}:{run.journal.pair}") == last.catalogs:
        raise _PgDumpIsAsked("a copy that was made with it was not right")
    text = _restricted_anew(_schema_of(last, run.paths.directory / last.file))
    # No rows and values of sequences, and the statements that the journal knows.
    if inspect_text(text, last.file).load_parts != {
        STATEMENTS: (last.load_parts or {})[STATEMENTS],
        SEQUENCES: _NOTHING,
    }:
        raise _PgDumpIsAsked(f"{last.file} was changed")
    run.keep(**{SCHEMA_KEPT: last.catalogs})
    return Kept(text=text, last=last)


def _last_proved(run: Run) -> Manifest:
    """Of the last run that succeeded: what it has dumped was loaded and proved, or is the text of one that was."""
    last = run.journal.last_succeeded()
    dump = proved_dump(run, last)
    if dump is None:
        raise _PgDumpIsAsked("no run has succeeded yet")
    if full := why_full(run):
        raise _PgDumpIsAsked(full)
    if run.journal.last_ended() != last:  # whatever it failed of: if of this text, then once
        raise _PgDumpIsAsked("the last run did not succeed")
    if form_of(dump.file.name).encrypted:
        raise _PgDumpIsAsked("the last dump is encrypted")
    manifest = dump.manifest()
    if manifest.rows_at is None or manifest.catalogs is None:
        raise _PgDumpIsAsked("the last dump was written by pg_dump alone, or by an older release of this program")
    whole = content_digest(manifest.content) == manifest.content_digest
    if manifest.load_parts is None or load_sha256(manifest.load_parts) != manifest.load_sha256 or not whole:
        raise _PgDumpIsAsked(f"the manifest of {dump.file.name} was changed")
    return manifest


def _schema_of(last: Manifest, file: Path) -> bytes:
    """What stands before and behind its rows."""
    begin, end = last.rows_at or (0, 0)
    packed = form_of(file.name).compressed
    if packed and last.size_bytes > _PACKED_UNTIL_BYTES:
        raise _PgDumpIsAsked("the last dump is packed, and large")
    with unpacked(file) as stream:
        before = _read(stream, begin)
        if isinstance(stream, io.FileIO):
            stream.seek(end)
        else:
            for _ in _blocks(stream, end - begin):
                pass
        return before + _read(stream, last.size_bytes - end)


def _read(stream: Readable, size: int) -> bytes:
    return b"".join(_blocks(stream, size))


def _blocks(stream: Readable, size: int) -> Iterator[bytes]:
    while size > 0 and (block := stream.read(min(size, _BLOCK_BYTES))):
        size -= len(block)
        yield block


def _restricted_anew(text: bytes) -> bytes:
    """With a word of its own for psql's restricted mode, as each dump has: nobody can know it beforehand."""
    found = _RESTRICTED.fullmatch(text)
    if found is None:  # a minor release of before August 2025
        return text
    word = secrets.token_hex(32).encode()
    return b"%b\\restrict %b\n%b\\unrestrict %b\n\n" % (_HEADER, word, found["text"], word)
