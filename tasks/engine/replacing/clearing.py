"""Clearing a database inside a transaction: everything that a dump would bring, in every schema."""

from sqlalchemy.engine import Connection

from tasks.engine.errors import BackupError
from tasks.engine.lock_table import read_lock_table
from tasks.engine.mark import qualified

_TABLES = """
    SELECT n.nspname, c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p') AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' ORDER BY 1, 2
"""
# In this order: what fires on DDL first, what others depend on last. CASCADE takes the rest.
_DROPS = """
    SELECT 1 AS place, format('DROP EVENT TRIGGER IF EXISTS %I', evtname) FROM pg_event_trigger
    UNION ALL SELECT 2, format('DROP PUBLICATION IF EXISTS %I', pubname) FROM pg_publication
    UNION ALL SELECT 3, format('DROP EXTENSION IF EXISTS %I CASCADE', extname) FROM pg_extension
        WHERE extname <> 'plpgsql'
    UNION ALL SELECT 4, format('DROP SCHEMA IF EXISTS %I CASCADE', nspname) FROM pg_namespace
        WHERE nspname !~ '^pg_' AND nspname <> 'information_schema'
    UNION ALL SELECT 5, format('DROP FOREIGN DATA WRAPPER IF EXISTS %I CASCADE', fdwname) FROM pg_foreign_data_wrapper
    UNION ALL SELECT 6, format('DROP CAST IF EXISTS (%s AS %s)', castsource::regtype, casttarget::regtype)
        FROM pg_cast WHERE oid >= 16384
    UNION ALL SELECT 7, format('DROP TRANSFORM IF EXISTS FOR %s LANGUAGE %I', trftype::regtype, lanname)
        FROM pg_transform t JOIN pg_language l ON l.oid = t.trflang WHERE t.oid >= 16384
    UNION ALL SELECT 8, format('DROP LANGUAGE IF EXISTS %I CASCADE', lanname) FROM pg_language
        WHERE oid >= 16384 AND lanname <> 'plpgsql'
    UNION ALL SELECT 9, format('DROP ACCESS METHOD IF EXISTS %I CASCADE', amname) FROM pg_am WHERE oid >= 16384
    UNION ALL SELECT 10, format('SELECT pg_catalog.lo_unlink(%s)', oid) FROM pg_largeobject_metadata
    ORDER BY 1, 2
"""
_TEXT_OF_PUBLIC = "standard public schema"  # as initdb writes it; pg_dump says nothing of it while it is the same

# Each object that is dropped or made holds a lock until the end of the transaction.
_LOCKS_OF_A_DATABASE = """
    SELECT (SELECT count(*) FROM pg_class WHERE oid >= 16384) + (SELECT count(*) FROM pg_type WHERE oid >= 16384)
        + (SELECT count(*) FROM pg_constraint WHERE oid >= 16384) + (SELECT count(*) FROM pg_attrdef)
        + (SELECT count(*) FROM pg_proc WHERE oid >= 16384) + (SELECT count(*) FROM pg_largeobject_metadata)
"""
# Those that a restore of the database makes.
COUNT_OBJECTS = """
    SELECT (SELECT count(*) FROM pg_class WHERE oid >= 16384) + (SELECT count(*) FROM pg_largeobject_metadata)
"""


def clear_database(connection: Connection) -> None:
    """Drop every schema and everything outside of schemas; `public` is there again afterwards, as a new database's."""
    drops = [statement for _, statement in connection.exec_driver_sql(_DROPS)]
    connection.exec_driver_sql(";\n".join([*drops, _recreate_public(connection)]))


def lock_tables(connection: Connection) -> None:
    """ACCESS EXCLUSIVE on every table: from now on nobody reads or writes what is to be dropped."""
    tables = connection.exec_driver_sql(_TABLES).all()
    if tables:
        names = ", ".join(qualified((schema, name)) for schema, name in tables)
        connection.exec_driver_sql(f"LOCK TABLE {names} IN ACCESS EXCLUSIVE MODE")


def demand_locks(target: Connection, *, to_make: int) -> None:
    """Refuse what cannot pass: one transaction must lock all that it drops and all that it makes."""
    to_drop = int(target.exec_driver_sql(_LOCKS_OF_A_DATABASE).scalar_one())
    found = read_lock_table(target)
    if to_drop + to_make > found.room:
        raise BackupError(
            f"method in_place would need about {to_drop + to_make} locks in one transaction (to drop {to_drop} objects "
            f"and make {to_make}), the target's lock table holds {found.room}; grant CREATEDB to the target's role, so "
            "that method swap can be used, or raise max_locks_per_transaction there to "
            f"{found.setting_for(to_drop + to_make)} (it is {found.per_transaction})"
        )


def _recreate_public(connection: Connection) -> str:
    version = int(connection.exec_driver_sql("SELECT current_setting('server_version_num')::int").scalar_one())
    owner, rights = ("pg_database_owner", "USAGE") if version >= 150000 else ("CURRENT_USER", "CREATE, USAGE")
    return (
        f"CREATE SCHEMA public AUTHORIZATION {owner}; "
        f"GRANT {rights} ON SCHEMA public TO PUBLIC; COMMENT ON SCHEMA public IS '{_TEXT_OF_PUBLIC}'"
    )
