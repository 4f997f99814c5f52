"""Filling a database with a dump: the same for both methods."""

import logging
from collections.abc import Sequence
from functools import partial
from typing import Any

import psycopg2
import sqlalchemy
from sqlalchemy.engine import Connection

from tasks.engine import grants
from tasks.engine.connections import Opened, raw_connection
from tasks.engine.crew import Crew
from tasks.engine.dumpfile import LARGE_BLOCK_BYTES
from tasks.engine.faultpoints import fault_point
from tasks.engine.loading import load_dump
from tasks.engine.loading_together import load_together
from tasks.engine.mark import identifier, literal
from tasks.engine.replacing.interface import Replacement
from tasks.engine.run import Run

log = logging.getLogger(__name__)

# The dump's preamble sets its own; what makes an abandoned session end must hold all the same.
SESSION = "SET statement_timeout = 0; SET idle_in_transaction_session_timeout = 0"
_ANALYZE_ONE_BY_ONE = """
DO $$ DECLARE name regclass; BEGIN
  FOR name IN SELECT c.oid FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'm', 'p') AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
  LOOP
    BEGIN EXECUTE pg_catalog.format('ANALYZE %s', name);
    EXCEPTION WHEN OTHERS THEN NULL; END;
  END LOOP;
END $$
"""
# What ANALYZE alone takes, the largest first.
_ANALYZED = """
    SELECT format('%I.%I', n.nspname, c.relname), pg_relation_size(c.oid), c.relkind = 'p'
    FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'm', 'p') AND NOT c.relisshared AND n.nspname !~ '^pg_(toast|temp)'
    ORDER BY 2 DESC
"""
_SAVEPOINT = "SAVEPOINT gather_statistics"
_BROUGHT_BY_TEMPLATE = {"schema": ["public"], "extension": ["plpgsql"]}


def fill(run: Run, connection: Connection, what: Replacement, helpers: Sequence[Opened] = ()) -> list[str]:
    """Load the dump into an empty database, put the grants back, gather statistics. Returns notes for the report.

    The session's own transaction mode decides whether that is one transaction or many. helpers: other sessions there,
    for autocommit only.
    """
    with Crew(connection, helpers) as crew:
        return _fill(run, connection, what, crew)


def _fill(run: Run, connection: Connection, what: Replacement, crew: Crew) -> list[str]:
    manifest = what.manifest
    run.progress.begin("loading", of_tables=len(manifest.content.tables), of_bytes=manifest.size_bytes)
    raw, told = raw_connection(connection), run.progress.bytes_done
    if crew.alone:
        load_dump(raw, what.dump, sha256=manifest.sha256, session_settings=SESSION, keys=what.keys, progress=told)
    else:
        load_together(
            crew,
            raw,
            what.dump,
            parts=manifest.load_parts or {},
            large_blocks=manifest.large_blocks or {},
            rows={(each.schema, each.name): each.rows for each in manifest.content.tables},
            session_settings=SESSION,
            progress=told,
        )
    fault_point("loaded")
    _drop_what_the_source_lacks(connection, what)
    _comment_on_public(connection, what)
    notes = [] if what.grants is None else list(grants.apply_grants(connection, grants.grants_from_json(what.grants)))
    run.progress.begin("gathering statistics")
    if crew.alone or not _analysed_together(connection, crew):
        notes += gather_statistics(connection)
    fault_point("filled", connection)
    return notes


def read_only_statement(read_only: bool | None, database: str) -> str | None:
    """A default of the database: whoever means to write can still say so, an application by mistake cannot."""
    if read_only is None:
        return None
    change = "SET default_transaction_read_only = on" if read_only else "RESET default_transaction_read_only"
    return f"ALTER DATABASE {identifier(database)} {change}"


def gather_statistics(connection: Connection) -> list[str]:
    """Without them the planner knows nothing of the copy; a table that refuses costs its own, never the run."""
    if _tried(connection, "ANALYZE"):
        return []
    if _tried(connection, _ANALYZE_ONE_BY_ONE):  # a foreign table that cannot be read stops the whole statement
        return []
    return ["the planner's statistics could not be gathered; run ANALYZE on the backup database"]


def _analysed_together(connection: Connection, crew: Crew) -> bool:
    """Each large table by whichever session is free. False: nothing is said of what was gathered."""
    found = connection.exec_driver_sql(_ANALYZED).all()
    if any(partitioned for _, _, partitioned in found):  # its partitions would be analysed with it, and again
        return False
    alone = [name for name, size, _ in found if size >= LARGE_BLOCK_BYTES]
    others = [name for name, size, _ in found if size < LARGE_BLOCK_BYTES]
    failures: list[psycopg2.Error] = []

    def analyze(names: list[str], session: Any) -> None:
        try:
            session.cursor().execute(f"ANALYZE {', '.join(names)}")
        except psycopg2.Error as error:
            failures.append(error)

    crew.share([partial(analyze, names) for names in (*([name] for name in alone), others) if names])
    return not failures


def _tried(connection: Connection, statement: str) -> bool:
    """As a statement of its own, or within the transaction, as the session does."""
    alone = raw_connection(connection).autocommit
    try:
        connection.exec_driver_sql(statement if alone else f"{_SAVEPOINT}; {statement}; RELEASE {_SAVEPOINT}")
    except sqlalchemy.exc.DBAPIError as error:
        if connection.invalidated or raw_connection(connection).closed:
            raise
        if not alone:
            connection.exec_driver_sql(f"ROLLBACK TO {_SAVEPOINT}; RELEASE {_SAVEPOINT}")
        log.info("statistics: %s", " ".join(str(error.orig).split()))
        return False
    return True


def _drop_what_the_source_lacks(connection: Connection, what: Replacement) -> None:
    """template0 brings a schema and an extension that somebody may have dropped at the source."""
    held = {(entry.kind, entry.identity) for entry in what.manifest.content.objects}
    for kind, names in _BROUGHT_BY_TEMPLATE.items():
        for name in names:
            if (kind, name) not in held:
                connection.exec_driver_sql(f"DROP {kind.upper()} IF EXISTS {identifier(name)}")


def _comment_on_public(connection: Connection, what: Replacement) -> None:
    """pg_dump before 15 leaves it out."""
    manifest = what.manifest
    said = [
        entry.definition
        for entry in manifest.content.objects
        if (entry.kind, entry.identity) == ("comment", "on schema public")
    ]
    if said and int(manifest.client_version.partition(".")[0]) < 15:
        connection.exec_driver_sql(f"COMMENT ON SCHEMA public IS {literal(said[0])}")
