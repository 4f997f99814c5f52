"""Grants survive a run: what roles could do with the target's objects they can do with the new ones of that name."""

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace

import psycopg2
import pytest
import sqlalchemy
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy.engine import Connection
from sqlalchemy.pool import NullPool

from tasks.engine.grants import Grants, apply_grants, grants_from_json, grants_to_json, read_grants
from tasks.engine.grants_plan import PUBLIC, ObjectGrants, Right
from tests.conftest import execute
from worker.demo.servers import PostgresServer

OWNER = "grants test owner"
ROLES = ("grants_app", 'grants "odd" %s role', "PUBLIC")
GRANTEES = (*ROLES, "public", OWNER)
NewDatabase = Callable[[PostgresServer, str], str]

OBJECTS = """
    CREATE SCHEMA s; CREATE SCHEMA "Odd %s; ""schema";
    CREATE TABLE s.t (a integer, "B ""b" text); CREATE VIEW s.v AS SELECT 1 AS x;
    CREATE MATERIALIZED VIEW s.m AS SELECT 1 AS x; CREATE SEQUENCE s.q;
    CREATE TABLE "Odd %s; ""schema"."T t" (id integer GENERATED ALWAYS AS IDENTITY) PARTITION BY RANGE (id);
    CREATE DOMAIN s.d AS integer; CREATE TYPE s.e AS ENUM ('a'); CREATE TYPE s.c AS (x integer);
    CREATE FUNCTION s.f(a integer, b s.e[], OUT c integer) LANGUAGE sql AS 'SELECT 1';
    CREATE FUNCTION s.f(VARIADIC a text[]) RETURNS integer LANGUAGE sql AS 'SELECT 1';
    CREATE PROCEDURE s.p(a integer, OUT b text) LANGUAGE sql AS 'SELECT 1::text';
    CREATE PROCEDURE s.p(a integer, b text) LANGUAGE sql AS 'SELECT 1';
    CREATE AGGREGATE s.g(*) (sfunc = int8inc, stype = bigint, initcond = 0);
    SELECT lo_create(4711);
"""
DROP = """DROP SCHEMA s, "Odd %s; ""schema" CASCADE; SELECT lo_unlink(4711)"""

# Written for this test alone: everybody's rights on everything, the owner's grant options apart.
RIGHTS = """
    SELECT what, CASE grantee WHEN 0 THEN 'public' ELSE grantee::regrole::text END, privilege_type,
           bool_or(is_grantable AND grantee <> owner)
    FROM (SELECT 'relation ' || oid::regclass AS what, relowner AS owner,
                 coalesce(relacl, acldefault(CASE relkind WHEN 'S' THEN 's' ELSE 'r' END::"char", relowner)) AS acl
          FROM pg_class WHERE relkind IN ('r', 'p', 'v', 'm', 'f', 'S') AND oid >= 16384
          UNION ALL SELECT 'column ' || attrelid::regclass || attname, relowner, attacl
          FROM pg_attribute JOIN pg_class c ON c.oid = attrelid WHERE attrelid >= 16384
          UNION ALL SELECT 'schema ' || oid::regnamespace, nspowner, coalesce(nspacl, acldefault('n', nspowner))
          FROM pg_namespace WHERE oid >= 16384 OR nspname = 'public'
          UNION ALL SELECT 'function ' || oid::regprocedure, proowner, coalesce(proacl, acldefault('f', proowner))
          FROM pg_proc WHERE oid >= 16384 OR proname = 'version'
          UNION ALL SELECT 'type ' || oid::regtype, typowner, coalesce(typacl, acldefault('T', typowner))
          FROM pg_type WHERE oid >= 16384
          UNION ALL SELECT 'language ' || lanname, lanowner, coalesce(lanacl, acldefault('l', lanowner))
          FROM pg_language
          UNION ALL SELECT 'large object ' || oid, lomowner, coalesce(lomacl, acldefault('L', lomowner))
          FROM pg_largeobject_metadata
          UNION ALL SELECT 'server ' || srvname, srvowner, coalesce(srvacl, acldefault('S', srvowner))
          FROM pg_foreign_server
          UNION ALL SELECT 'wrapper ' || fdwname, fdwowner, coalesce(fdwacl, acldefault('F', fdwowner))
          FROM pg_foreign_data_wrapper
          UNION ALL SELECT concat_ws(' ', 'default', r.rolname, nspname, letter), r.oid, coalesce(defaclacl,
                 CASE WHEN n.oid IS NULL THEN acldefault(replace(letter, 'S', 's')::"char", r.oid) END)
          FROM pg_roles r CROSS JOIN unnest(ARRAY['r', 'S', 'f', 'T', 'n']) AS letter
          CROSS JOIN (SELECT oid, nspname FROM pg_namespace UNION ALL SELECT NULL, NULL) AS n
          LEFT JOIN pg_default_acl
            ON defaclrole = r.oid AND defaclobjtype::text = letter AND defaclnamespace = coalesce(n.oid, 0)
         ) AS everything,
         LATERAL aclexplode(acl) GROUP BY 1, 2, 3
"""


@contextmanager
def session(server: PostgresServer, database: str, user: str = "postgres") -> Iterator[Connection]:
    def connect() -> object:
        return psycopg2.connect(server.dsn(database, f"'{user}'", server.password))

    engine = sqlalchemy.create_engine("postgresql+psycopg2://", creator=connect, poolclass=NullPool)
    with engine.connect() as connection:
        yield connection


def run(connection: Connection, script: str) -> None:
    connection.exec_driver_sql(script, execution_options={"no_parameters": True})


def rights_in(connection: Connection) -> set[tuple[object, ...]]:
    return {tuple(row) for row in connection.exec_driver_sql(RIGHTS)}


def ident(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def grantee_sql(name: str) -> str:
    return "PUBLIC" if name == "public" else ident(name)


@pytest.fixture(scope="module")
def server(target_server: PostgresServer) -> Iterator[PostgresServer]:
    """The target's server with some roles; a failover's application is one of them."""
    with closing(psycopg2.connect(target_server.dsn())) as connection:
        connection.autocommit = True
        cursor = connection.cursor()
        for role in ROLES:
            cursor.execute(f"CREATE ROLE {ident(role)}")
        cursor.execute(f"CREATE ROLE {ident(OWNER)} LOGIN PASSWORD '{target_server.password}'")
        yield target_server
        for role in (*ROLES, OWNER):
            cursor.execute(f"DROP ROLE {ident(role)}")


@pytest.fixture(scope="module")
def database(server: PostgresServer) -> Iterator[str]:
    """One database for the properties, owned by a role that is no superuser; their transactions are rolled back."""
    name = "grants_properties"
    execute(server.dsn(), f"CREATE DATABASE {name} TEMPLATE template0 OWNER {ident(OWNER)}")
    yield name
    execute(server.dsn(), f"DROP DATABASE {name} WITH (FORCE)")


# --- by property

TABLE = ("SELECT", "INSERT", "UPDATE", "DELETE", "TRUNCATE", "REFERENCES", "TRIGGER", "ALL")
COLUMNS = ("SELECT (a)", 'UPDATE ("B ""b", a)', "REFERENCES (a)", "INSERT (a)")
PLACES = (
    ("SCHEMA s", ("USAGE", "CREATE")),
    ('SCHEMA "Odd %s; ""schema"', ("USAGE", "CREATE")),
    ("SCHEMA public", ("USAGE", "CREATE")),
    ("TABLE s.t", TABLE),
    ("TABLE s.t", COLUMNS),
    ("TABLE s.v, s.m", TABLE),
    ('TABLE "Odd %s; ""schema"."T t"', TABLE),
    ("SEQUENCE s.q", ("USAGE", "SELECT", "UPDATE")),
    ("TYPE s.e", ("USAGE",)),
    ("DOMAIN s.d", ("USAGE",)),
    ("TYPE s.c", ("USAGE",)),
    ("FUNCTION s.f(integer, s.e[])", ("EXECUTE",)),
    ("FUNCTION s.f(text[])", ("EXECUTE",)),
    ("PROCEDURE s.p(IN integer)", ("EXECUTE",)),
    ("PROCEDURE s.p(IN integer, IN text)", ("EXECUTE",)),
    ("FUNCTION s.g()", ("EXECUTE",)),
    ("LARGE OBJECT 4711", ("SELECT", "UPDATE")),
)
DEFAULTS = (
    ("TABLES", TABLE),
    ("SEQUENCES", ("USAGE", "SELECT", "ALL")),
    ("FUNCTIONS", ("EXECUTE",)),
    ("TYPES", ("USAGE",)),
)


@st.composite
def statement(draw: st.DrawFn) -> str:
    """A GRANT, REVOKE or ALTER DEFAULT PRIVILEGES that the server accepts from a database's owner."""
    default = draw(st.integers(0, 4)) == 0
    place, privileges = draw(st.sampled_from(DEFAULTS if default else PLACES))
    privilege = draw(st.sampled_from(privileges))
    who = draw(st.sampled_from(GRANTEES))
    option = draw(st.booleans()) and who != "public"
    if draw(st.booleans()):
        said = f"GRANT {privilege} ON {place} TO {grantee_sql(who)}" + " WITH GRANT OPTION" * option
    else:
        said = f"REVOKE {'GRANT OPTION FOR ' * option}{privilege} ON {place} FROM {grantee_sql(who)} CASCADE"
    return f"ALTER DEFAULT PRIVILEGES {draw(st.sampled_from(['', 'IN SCHEMA s ']))}{said}" if default else said


@pytest.mark.parametrize("user", ["postgres", OWNER])
@pytest.mark.parametrize("method", ["in_place", "swap"])
@settings(max_examples=10, deadline=None, suppress_health_check=list(HealthCheck))
@given(before=st.lists(statement(), max_size=3), statements=st.lists(statement(), max_size=12))
def test_whatever_was_granted_or_revoked_is_there_again_on_the_new_objects(
    server: PostgresServer, database: str, *, user: str, method: str, before: list[str], statements: list[str]
) -> None:
    """`before` runs ahead of the objects, so that they are made under default privileges."""
    defaults = [each for each in before if each.startswith("ALTER") and "SCHEMA s" not in each]
    # Without USAGE on a schema even its owner can say no more about what is in it.
    statements = sorted(statements, key=lambda each: each.startswith("REVOKE") and " ON SCHEMA " in each)
    with session(server, database, user) as connection:
        run(connection, ";".join([*defaults, OBJECTS, *statements]))
        wanted, grants = rights_in(connection), read_grants(connection)
        if method == "in_place":
            run(connection, DROP)
        else:
            connection.rollback()
        run(connection, OBJECTS)
        notes = apply_grants(connection, grants_from_json(grants_to_json(grants)))
        assert notes == ()
        assert rights_in(connection) == wanted
        assert read_grants(connection) == grants


@settings(max_examples=10, deadline=None, suppress_health_check=list(HealthCheck))
@given(statements=st.lists(statement(), max_size=8))
def test_a_new_object_gets_what_default_privileges_give(
    server: PostgresServer, database: str, statements: list[str]
) -> None:
    new = "CREATE TABLE s.n (a integer); CREATE SEQUENCE s.nq; CREATE TYPE s.nt AS ENUM (); " + (
        "CREATE FUNCTION s.nf() RETURNS integer LANGUAGE sql AS 'SELECT 1'"
    )
    with session(server, database) as connection:
        run(connection, ";".join([OBJECTS, *statements]))
        grants = read_grants(connection)
        run(connection, new)
        wanted = rights_in(connection)
        connection.rollback()
        run(connection, OBJECTS + new)
        assert apply_grants(connection, grants) == ()
        assert rights_in(connection) == wanted


# --- by hand


@dataclass(frozen=True, kw_only=True)
class Pair:
    """The old database, and the new one that is to take its place."""

    server: PostgresServer
    old: str
    new: str

    def prepare(self, both: str, *, old: str = "", user: str = "postgres") -> Grants:
        """Make the same objects in both, grant in the old one, and read there."""
        for name in (self.old, self.new):
            with session(self.server, name, user) as connection:
                run(connection, both)
                connection.commit()
        with session(self.server, self.old, user) as connection:
            run(connection, old or "SELECT")
            connection.commit()
            return read_grants(connection)

    def apply(self, grants: Grants, user: str = "postgres") -> tuple[str, ...]:
        with session(self.server, self.new, user) as connection:
            notes = apply_grants(connection, grants)
            connection.commit()
            return notes

    def rights(self) -> tuple[set[tuple[object, ...]], set[tuple[object, ...]]]:
        with session(self.server, self.old) as old, session(self.server, self.new) as new:
            return rights_in(old), rights_in(new)


@pytest.fixture
def pair(server: PostgresServer, new_database: NewDatabase) -> Pair:
    names = [new_database(server, prefix) for prefix in ("old", "new")]
    for name in names:
        execute(server.dsn(), f"ALTER DATABASE {name} OWNER TO {ident(OWNER)}")
    return Pair(server=server, old=names[0], new=names[1])


def test_every_kind_of_object_gets_its_grants_back_in_another_database(pair: Pair) -> None:
    foreign = """; CREATE FOREIGN DATA WRAPPER "W w"; CREATE SERVER "S s" FOREIGN DATA WRAPPER "W w";
        CREATE FOREIGN TABLE s.ft (a integer) SERVER "S s" """
    granted = """
        GRANT USAGE ON SCHEMA s TO grants_app; GRANT ALL ON TABLE s.t, s.v, s.m, s.ft TO grants_app WITH GRANT OPTION;
        GRANT SELECT (a), UPDATE ("B ""b") ON s.t TO "PUBLIC"; GRANT USAGE ON SEQUENCE s.q TO PUBLIC;
        REVOKE EXECUTE ON FUNCTION s.f(text[]) FROM PUBLIC; GRANT EXECUTE ON FUNCTION s.f(text[]) TO grants_app;
        REVOKE EXECUTE ON PROCEDURE s.p(integer, OUT text) FROM PUBLIC; REVOKE ALL ON FUNCTION s.g() FROM PUBLIC;
        REVOKE USAGE ON TYPE s.d, s.e FROM PUBLIC; GRANT USAGE ON TYPE s.d TO grants_app;
        GRANT SELECT ON LARGE OBJECT 4711 TO grants_app; REVOKE USAGE ON LANGUAGE sql FROM PUBLIC;
        GRANT USAGE ON FOREIGN SERVER "S s" TO grants_app; GRANT USAGE ON FOREIGN DATA WRAPPER "W w" TO grants_app;
        REVOKE INSERT ON s.t FROM postgres; REVOKE USAGE ON SCHEMA public FROM PUBLIC;
        REVOKE EXECUTE ON FUNCTION version() FROM PUBLIC; GRANT SELECT ON pg_authid TO grants_app;
        ALTER DEFAULT PRIVILEGES GRANT USAGE ON SCHEMAS TO grants_app;
        ALTER DEFAULT PRIVILEGES FOR ROLE "PUBLIC" IN SCHEMA s GRANT SELECT ON TABLES TO grants_app
    """
    grants = pair.prepare(OBJECTS + foreign, old=granted)
    before = pair.rights()
    assert before[0] != before[1]
    assert pair.apply(grants) == ()
    old, new = pair.rights()
    assert new == old
    with session(pair.server, pair.new) as connection:
        assert read_grants(connection) == grants
        assert connection.exec_driver_sql("SELECT has_table_privilege('grants_app', 'pg_authid', 'select')").scalar()


def test_in_a_transaction_that_was_begun_by_hand_the_caller_still_decides(pair: Pair) -> None:
    grants = pair.prepare(OBJECTS, old="GRANT SELECT ON s.t TO grants_app")
    before = pair.rights()
    with session(pair.server, pair.new) as connection:
        connection.execution_options(isolation_level="AUTOCOMMIT")
        run(connection, "BEGIN")
        assert apply_grants(connection, grants) == ()
        run(connection, "ROLLBACK")
    assert pair.rights() == before


def test_an_owner_without_usage_on_its_own_schema_gets_all_the_other_grants_back_first(pair: Pair) -> None:
    granted = f"""GRANT SELECT ON s.t TO grants_app; REVOKE EXECUTE ON FUNCTION s.f(text[]) FROM PUBLIC;
        REVOKE USAGE ON SCHEMA s FROM {ident(OWNER)}"""
    grants = pair.prepare(OBJECTS, old=granted, user=OWNER)
    assert pair.apply(grants, OWNER) == ()
    old, new = pair.rights()
    assert new == old


def test_a_grant_option_that_only_a_default_gave_is_taken_back(pair: Pair) -> None:
    default = "ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO grants_app WITH GRANT OPTION;"
    grants = pair.prepare(default + OBJECTS, old="REVOKE GRANT OPTION FOR SELECT ON s.t FROM grants_app")
    before = pair.rights()
    assert before[0] != before[1]
    assert pair.apply(grants) == ()
    old, new = pair.rights()
    assert new == old


def test_a_session_that_commits_by_itself_reads_and_puts_back_too(pair: Pair) -> None:
    grants = pair.prepare(OBJECTS, old="GRANT SELECT ON s.t TO grants_app")
    with session(pair.server, pair.new) as connection:
        connection.execution_options(isolation_level="AUTOCOMMIT")
        assert apply_grants(connection, grants) == ()
        assert read_grants(connection) == grants
    old, new = pair.rights()
    assert new == old


def test_a_run_without_any_grant_says_and_changes_nothing(pair: Pair) -> None:
    grants = pair.prepare(OBJECTS)
    assert [each.identity for each in grants.objects] == [("schema", (PUBLIC,))]
    before = pair.rights()
    assert pair.apply(grants) == ()
    assert pair.rights() == before


def test_a_public_schema_that_was_made_anew_lets_everybody_in_again(pair: Pair) -> None:
    grants = pair.prepare("SELECT")
    with session(pair.server, pair.new) as connection:
        run(connection, "DROP SCHEMA public; CREATE SCHEMA public; COMMIT")
    # From version 15 on the schema belongs to pg_database_owner, the database's owner whoever that is.
    assert all('the role "pg_database_owner" owned 1 object' in note for note in pair.apply(grants))
    with session(pair.server, pair.new) as connection:
        assert connection.exec_driver_sql("SELECT has_schema_privilege('grants_app', 'public', 'usage')").scalar()
        assert connection.exec_driver_sql(f"SELECT has_schema_privilege('{OWNER}', 'public', 'create')").scalar()


def test_what_a_grantee_granted_on_is_put_back_whoever_granted_it(pair: Pair) -> None:
    granted = f"""GRANT USAGE ON SCHEMA s TO grants_app; GRANT SELECT ON s.t TO grants_app WITH GRANT OPTION;
        SET ROLE grants_app; GRANT SELECT ON s.t TO "PUBLIC"; GRANT SELECT ON s.t TO {ident(OWNER)} WITH GRANT OPTION;
        RESET ROLE; GRANT SELECT ON s.t TO {ident(OWNER)}"""
    assert pair.apply(pair.prepare(OBJECTS, old=granted)) == ()
    old, new = pair.rights()
    assert new == old


def test_objects_columns_and_roles_that_are_gone_are_told_and_the_rest_is_put_back(pair: Pair) -> None:
    execute(pair.server.dsn(), "CREATE ROLE grants_leaver")
    granted = """GRANT SELECT ON s.t, s.v TO grants_leaver; GRANT SELECT ON s.t, s.v TO grants_app;
        GRANT SELECT (a) ON s.t TO grants_app; REVOKE EXECUTE ON FUNCTION s.g() FROM PUBLIC;
        ALTER DEFAULT PRIVILEGES FOR ROLE grants_leaver GRANT SELECT ON TABLES TO grants_app;
        ALTER DEFAULT PRIVILEGES IN SCHEMA s GRANT SELECT ON TABLES TO grants_app"""
    grants = pair.prepare(OBJECTS, old=granted)
    with session(pair.server, pair.old) as connection:
        run(connection, "DROP OWNED BY grants_leaver; DROP ROLE grants_leaver; COMMIT")
    with session(pair.server, pair.new) as connection:
        run(connection, "DROP SCHEMA s CASCADE; CREATE SCHEMA s; CREATE TABLE s.t (b integer); COMMIT")
    notes = pair.apply(grants)
    assert sorted(notes) == [
        'column "a" of table "s"."t" does not exist any more: its grants are left out',
        'function "s"."g"() does not exist any more: its grants are left out',
        'table "s"."v" does not exist any more: its grants are left out',
        'the default privileges of "grants_leaver" on tables are left out: that role or schema does not exist any more',
        'the role "grants_leaver" does not exist any more: its grants on 1 object are left out',
    ]
    with session(pair.server, pair.new) as connection:
        assert connection.exec_driver_sql("SELECT has_table_privilege('grants_app', 's.t', 'select')").scalar()


def test_one_refused_grant_is_told_and_does_not_stop_the_others(pair: Pair) -> None:
    grants = pair.prepare(OBJECTS, old="GRANT SELECT ON s.t, s.v, s.m TO grants_app")
    wrong = [
        replace(each, added=(Right("grants_app", "USAGE"),)) if each.name == ("s", "t") else each
        for each in grants.objects
    ]
    (note,) = pair.apply(replace(grants, objects=tuple(wrong)))
    assert note.startswith('the grants of table "s"."t" are not whole: GRANT USAGE ON TABLE')
    assert "was refused: invalid privilege type USAGE" in note
    with session(pair.server, pair.new) as connection:
        found = connection.exec_driver_sql(
            "SELECT has_table_privilege('grants_app', name, 'select') FROM unnest(array['s.t', 's.v', 's.m']) AS name"
        ).scalars()
        assert list(found) == [False, True, True]


def test_a_grant_that_the_server_leaves_out_with_a_mere_warning_is_told(pair: Pair) -> None:
    grants = pair.prepare("SELECT", old="GRANT EXECUTE ON FUNCTION version() TO grants_app")
    with session(pair.server, pair.new, OWNER) as connection:
        (note,) = apply_grants(connection, grants)
    assert 'function "pg_catalog"."version"() are not whole' in note
    assert "this role may not grant it" in note


def test_the_old_owner_of_an_object_that_is_ours_now_keeps_an_owners_rights(pair: Pair) -> None:
    grants = pair.prepare(
        "CREATE SCHEMA s; CREATE TABLE s.t (); CREATE TABLE s.u ();"
        "CREATE FUNCTION s.f() RETURNS int LANGUAGE sql AS 'SELECT 1'",
        old="ALTER SCHEMA s OWNER TO grants_app; ALTER TABLE s.t OWNER TO grants_app;"
        "ALTER TABLE s.u OWNER TO grants_app; ALTER FUNCTION s.f OWNER TO grants_app;"
        "REVOKE TRUNCATE ON s.u FROM grants_app",
    )
    assert pair.apply(grants) == (
        'the role "grants_app" owned 4 objects that "postgres" owns now: it keeps an owner\'s privileges,'
        " not the ownership",
    )
    with session(pair.server, pair.new) as connection:
        run(connection, "SET ROLE grants_app; INSERT INTO s.t DEFAULT VALUES; TRUNCATE s.t; SELECT FROM s.u")
        with pytest.raises(sqlalchemy.exc.ProgrammingError, match="permission denied"):
            run(connection, "TRUNCATE s.u")


def test_reading_runs_nothing_that_the_database_put_in_the_way(pair: Pair) -> None:
    trap = """CREATE FUNCTION public.pg_get_userbyid(name) RETURNS name LANGUAGE sql AS 'SELECT 1/0; SELECT $1';
        CREATE FUNCTION public.jsonb_build_array(VARIADIC name[]) RETURNS jsonb LANGUAGE sql AS 'SELECT to_jsonb(1/0)';
        CREATE FUNCTION public.jsonb_build_array(name) RETURNS jsonb LANGUAGE sql AS 'SELECT to_jsonb(1/0)';
        CREATE FUNCTION public.jsonb_build_array(name, name) RETURNS jsonb LANGUAGE sql AS 'SELECT to_jsonb(1/0)'"""
    with session(pair.server, pair.new) as connection:
        run(connection, trap)
        run(connection, "SET search_path = public, pg_catalog")
        read_grants(connection)
        assert connection.exec_driver_sql("SHOW search_path").scalar() == "public, pg_catalog"


def test_a_statement_that_was_ended_is_no_refused_grant(pair: Pair) -> None:
    grants = pair.prepare(OBJECTS, old="GRANT SELECT ON s.t, s.v TO grants_app")
    with session(pair.server, pair.new) as connection, session(pair.server, pair.new) as other:
        run(connection, "SET statement_timeout = '300ms'")
        run(other, "GRANT SELECT ON s.t TO PUBLIC")  # and not committed: whoever grants there waits
        with pytest.raises(sqlalchemy.exc.OperationalError, match="statement timeout"):
            apply_grants(connection, grants)


def test_a_right_on_a_column_outlives_the_revoke_on_its_table(pair: Pair) -> None:
    grants = pair.prepare(OBJECTS + "; GRANT SELECT (a), SELECT, INSERT ON s.t TO grants_app")
    with session(pair.server, pair.old) as connection:
        run(connection, "REVOKE SELECT ON s.t FROM grants_app; GRANT SELECT (a) ON s.t TO grants_app")
        connection.commit()
        grants = read_grants(connection)
    assert pair.apply(grants) == ()
    old, new = pair.rights()
    assert new == old


def test_grants_travel_as_json() -> None:
    grants = Grants(
        objects=(
            ObjectGrants(
                kind="table",
                name=("s", 'Ä"%'),
                added=(Right("app", "SELECT", True),),
                removed=(Right("", "DELETE"),),
                owner="x",
            ),
        ),
        ordinary=(("function", ("s", "f", "")),),
    )
    assert grants_from_json(grants_to_json(grants)) == grants
    assert "\n" not in grants_to_json(grants)
