"""Filling a database with a dump: the same for both methods."""

import logging
from collections.abc import Iterable

import sqlalchemy
from sqlalchemy.engine import Connection

from tasks.engine import grants
from tasks.engine.connections import raw_connection
from tasks.engine.content import TableName
from tasks.engine.faultpoints import fault_point
from tasks.engine.loading import load_dump
from tasks.engine.mark import identifier, literal, qualified
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
_SAVEPOINT = "SAVEPOINT gather_statistics"
_BROUGHT_BY_TEMPLATE = {"schema": ["public"], "extension": ["plpgsql"]}


def fill(run: Run, connection: Connection, what: Replacement) -> list[str]:
    """Load the dump into an empty database, put the grants back, gather statistics. Returns notes for the report.

    The session's own transaction mode decides whether that is one transaction or many.
    """
    manifest = what.manifest
    run.progress.begin("loading", of_tables=len(manifest.content.tables), of_bytes=manifest.size_bytes)
    load_dump(
        raw_connection(connection),
        what.dump,
        sha256=manifest.sha256,
        session_settings=SESSION,
        keys=what.keys,
        progress=run.progress.bytes_done,
    )
    fault_point("loaded")
    _drop_what_the_source_lacks(connection, what)
    _comment_on_public(connection, what)
    notes = [] if what.grants is None else list(grants.apply_grants(connection, grants.grants_from_json(what.grants)))
    run.progress.begin("gathering statistics")
    notes += gather_statistics(connection)
    fault_point("filled", connection)
    return notes


def read_only_statement(read_only: bool | None, database: str) -> str | None:
    """A default of the database: whoever means to write can still say so, an application by mistake cannot."""
    if read_only is None:
        return None
    change = "SET default_transaction_read_only = on" if read_only else "RESET default_transaction_read_only"
    return f"ALTER DATABASE {identifier(database)} {change}"


def gather_statistics(connection: Connection, tables: Iterable[TableName] = ()) -> list[str]:
    """Without them the planner knows nothing of the copy; a table that refuses costs its own, never the run.

    tables: these alone; none means all.
    """
    if _tried(connection, f"ANALYZE {', '.join(map(qualified, tables))}"):
        return []
    if _tried(connection, _ANALYZE_ONE_BY_ONE):  # a foreign table that cannot be read stops the whole statement
        return []
    return ["the planner's statistics could not be gathered; run ANALYZE on the backup database"]


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
