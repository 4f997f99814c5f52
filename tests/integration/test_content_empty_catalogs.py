"""Nothing is asked about a catalog in which a database has nothing of its own: whatever it then has is seen at once."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy.engine import Connection

import tasks.engine.content
from tasks.engine.content import read_content
from tasks.engine.content.inventory import read_inventory
from tests.conftest import execute
from tests.integration.content_support import Database, session
from worker.demo.servers import PostgresServer

NOTES = Path(tasks.engine.content.__file__).with_name("notes.sql").read_text()
TABLE = "CREATE TABLE public.t (a int, b int); "
WRAPPER = "CREATE FOREIGN DATA WRAPPER w; "
SERVER = f"{WRAPPER} CREATE SERVER s FOREIGN DATA WRAPPER w; "
NOTHING = "CREATE FUNCTION public.e() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END'; "
ONE_OF = {
    "pg_proc": "CREATE FUNCTION public.x() RETURNS int LANGUAGE sql AS 'SELECT 1'",
    "pg_operator": "CREATE OPERATOR public.=== (FUNCTION = int4eq, LEFTARG = int4, RIGHTARG = int4)",
    "pg_opfamily": "CREATE OPERATOR FAMILY public.x USING btree",
    "pg_opclass": "CREATE OPERATOR CLASS public.x FOR TYPE int4 USING btree AS FUNCTION 1 btint4cmp(int4, int4)",
    "pg_conversion": "CREATE CONVERSION public.x FOR 'LATIN1' TO 'UTF8' FROM iso8859_1_to_utf8",
    "pg_collation": "CREATE COLLATION public.x (locale = 'C')",
    "pg_ts_config": "CREATE TEXT SEARCH CONFIGURATION public.x (COPY = pg_catalog.simple)",
    "pg_ts_dict": "CREATE TEXT SEARCH DICTIONARY public.x (TEMPLATE = simple)",
    "pg_ts_parser": "CREATE TEXT SEARCH PARSER public.x "
    "(START = prsd_start, GETTOKEN = prsd_nexttoken, END = prsd_end, LEXTYPES = prsd_lextype)",
    "pg_ts_template": "CREATE TEXT SEARCH TEMPLATE public.x (LEXIZE = dsimple_lexize)",
    "pg_cast": "CREATE CAST (point AS date) WITH INOUT",
    "pg_language": "CREATE LANGUAGE x HANDLER plpgsql_call_handler",
    "pg_transform": "CREATE TRANSFORM FOR int4 LANGUAGE plpgsql (FROM SQL WITH FUNCTION prsd_lextype(internal))",
    "pg_am": "CREATE ACCESS METHOD x TYPE TABLE HANDLER heap_tableam_handler",
    "pg_trigger": f"{TABLE} CREATE TRIGGER x BEFORE UPDATE ON public.t FOR EACH ROW "
    "EXECUTE FUNCTION suppress_redundant_updates_trigger()",
    "pg_policy": f"{TABLE} CREATE POLICY x ON public.t",
    "pg_statistic_ext": f"{TABLE} CREATE STATISTICS public.x ON a, b FROM public.t",
    "pg_publication": "CREATE PUBLICATION x",
    "pg_event_trigger": f"{NOTHING} CREATE EVENT TRIGGER x ON ddl_command_end EXECUTE FUNCTION public.e()",
    "pg_foreign_data_wrapper": WRAPPER,
    "pg_foreign_server": SERVER,
    "pg_user_mapping": f"{SERVER} CREATE USER MAPPING FOR PUBLIC SERVER s",
}


@pytest.fixture(scope="module")
def connection(source_server: PostgresServer) -> Iterator[Connection]:
    """A session in a database without anything."""
    database = Database(source_server, "empty_catalogs")
    execute(source_server.dsn(), f"CREATE DATABASE {database.name} TEMPLATE template0")
    with session(database.dsn) as opened:
        yield opened.connection
    execute(source_server.dsn(), f"DROP DATABASE {database.name} WITH (FORCE)")


def test_each_catalog_that_may_be_empty_is_tried_here_and_is_empty_at_first(connection: Connection) -> None:
    _, _, empty = connection.exec_driver_sql(NOTES, execution_options={"no_parameters": True}).one()
    connection.rollback()
    assert set(empty) == set(ONE_OF) == set(re.findall(r"^  \('(pg_\w+)', EXISTS", NOTES, re.MULTILINE))


@pytest.mark.parametrize("catalog", ONE_OF)
def test_the_first_object_in_a_catalog_is_seen(connection: Connection, catalog: str) -> None:
    before = read_content(connection).objects
    connection.rollback()
    try:
        connection.exec_driver_sql(ONE_OF[catalog], execution_options={"no_parameters": True})
        seen = read_content(connection).objects
        assert seen == read_inventory(connection)
        assert len(seen) > len(before)
    finally:
        connection.rollback()
