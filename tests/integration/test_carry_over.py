"""What belongs to a database and not to its content follows when another database takes its name."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path

import psycopg2
import pytest
import sqlalchemy
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy.engine import Connection
from sqlalchemy.pool import NullPool

from tasks.engine import carry_over
from tasks.engine.carry_over import DatabaseProperties, read_properties
from tasks.engine.errors import BackupError
from tests.conftest import execute
from worker.demo.servers import PostgresServer

NewDatabase = Callable[[PostgresServer, str], str]
OWNER, APP, PLAIN = "carry owner", 'carry "app" %s', "carry_plain"


def ident(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


@contextmanager
def maintenance(server: PostgresServer, user: str = "postgres") -> Iterator[Connection]:
    """A session that commits by itself, in the maintenance database, as a swap has it."""

    def connect() -> object:
        return psycopg2.connect(server.dsn("postgres", f"'{user}'"))

    engine = sqlalchemy.create_engine("postgresql+psycopg2://", creator=connect, poolclass=NullPool)
    with engine.connect() as connection:
        yield connection.execution_options(isolation_level="AUTOCOMMIT")


@pytest.fixture(scope="module")
def server(target_server: PostgresServer) -> Iterator[PostgresServer]:
    for role in (OWNER, APP, PLAIN):
        execute(target_server.dsn(), f"CREATE ROLE {ident(role)} LOGIN PASSWORD '{target_server.password}'")
    execute(target_server.dsn(), f"ALTER ROLE {PLAIN} CREATEDB")
    yield target_server
    for role in (OWNER, APP, PLAIN):
        execute(target_server.dsn(), f"DROP ROLE {ident(role)}")


@pytest.fixture
def pair(server: PostgresServer, new_database: NewDatabase) -> tuple[str, str]:
    """The old database's name and the new one's."""
    return new_database(server, "old"), new_database(server, "New %s")


def carry(server: PostgresServer, old: str, new: str, user: str = "postgres") -> list[str]:
    """As a run does it: what was read travels as JSON."""
    with maintenance(server, user) as connection:
        travelled = json.loads(json.dumps(asdict(read_properties(connection, old))))
        return carry_over.apply_properties(connection, travelled, new)


def properties(server: PostgresServer, name: str) -> DatabaseProperties:
    with maintenance(server) as connection:
        return read_properties(connection, name)


def stored_settings(server: PostgresServer, name: str) -> object:
    """Letter by letter, read by this test's own query."""
    with maintenance(server) as connection:
        return connection.exec_driver_sql(
            "SELECT setrole::regrole::text, array(SELECT unnest(setconfig) ORDER BY 1) FROM pg_db_role_setting s "
            "JOIN pg_database d ON d.oid = setdatabase WHERE datname = %(name)s ORDER BY 1",
            {"name": name},
        ).all()


def test_owner_privileges_limits_and_settings_follow(server: PostgresServer, pair: tuple[str, str]) -> None:
    old, new = pair
    for statement in (
        f"GRANT CONNECT ON DATABASE {old} TO {ident(APP)} WITH GRANT OPTION",
        f"REVOKE CONNECT, TEMPORARY ON DATABASE {old} FROM PUBLIC",
        f"GRANT CREATE ON DATABASE {old} TO {PLAIN}",
        f"REVOKE TEMPORARY ON DATABASE {old} FROM postgres",
        f"ALTER DATABASE {old} OWNER TO {ident(OWNER)}",
        f"ALTER DATABASE {old} CONNECTION LIMIT 7",
        f"ALTER DATABASE {old} SET work_mem = '17MB'",
        f"ALTER DATABASE {old} SET DateStyle = 'German, DMY'",
        f"""ALTER DATABASE {old} SET "app.Tenant" = 'it''s \\ = a "b", %s'""",
        f"ALTER DATABASE {old} SET session_preload_libraries = 'auto_explain', '$libdir/My \"Lib\"'",
        f"""ALTER DATABASE {old} SET search_path = "$user", 'Odd, "one"', public""",
        f"ALTER ROLE {ident(APP)} IN DATABASE {old} SET search_path = ''",
        f"ALTER ROLE {ident(APP)} IN DATABASE {old} SET statement_timeout = '3s'",
    ):
        execute(server.dsn(), statement)
    assert properties(server, new) != properties(server, old)
    assert carry(server, old, new) == []
    assert properties(server, new) == properties(server, old)
    assert stored_settings(server, new) == stored_settings(server, old)
    with maintenance(server) as connection:
        may = connection.exec_driver_sql(
            "SELECT role, has_database_privilege(role, %(name)s, 'CONNECT') FROM unnest(%(roles)s) AS role",
            {"name": new, "roles": [APP, PLAIN]},
        )
        assert list(may) == [(APP, True), (PLAIN, False)]


def test_a_database_without_properties_of_its_own_needs_no_statement(
    server: PostgresServer, pair: tuple[str, str]
) -> None:
    with maintenance(server) as connection:
        present = read_properties(connection, pair[1])
        wanted = read_properties(connection, pair[0])
        assert carry_over.properties_statements(wanted, pair[1], present=present, roles=frozenset({"postgres"})) == (
            [],
            [],
        )


def test_settings_that_the_old_database_did_not_have_are_reset(server: PostgresServer, pair: tuple[str, str]) -> None:
    execute(server.dsn(), f"ALTER DATABASE {ident(pair[1])} SET work_mem = '1MB'")
    assert carry(server, *pair) == []
    assert properties(server, pair[1]) == properties(server, pair[0])


def test_carrying_over_twice_changes_nothing(server: PostgresServer, pair: tuple[str, str]) -> None:
    execute(server.dsn(), f'ALTER DATABASE {pair[0]} SET search_path = a, "B c"; ')
    assert carry(server, *pair) == []
    first = properties(server, pair[1])
    assert carry(server, *pair) == []
    assert properties(server, pair[1]) == first


def test_a_template_that_refuses_connections_stays_one(server: PostgresServer, pair: tuple[str, str]) -> None:
    execute(server.dsn(), f"ALTER DATABASE {pair[0]} IS_TEMPLATE true ALLOW_CONNECTIONS false")
    assert carry(server, *pair) == []
    assert properties(server, pair[1]) == properties(server, pair[0])
    for name in pair:
        execute(server.dsn(), f"ALTER DATABASE {ident(name)} IS_TEMPLATE false")


def test_a_role_without_superuser_carries_what_it_may_and_tells_the_rest(
    server: PostgresServer, pair: tuple[str, str]
) -> None:
    old, new = pair
    for statement in (
        f"ALTER DATABASE {old} OWNER TO {PLAIN}",
        f"ALTER DATABASE {ident(new)} OWNER TO {PLAIN}",
        f"GRANT CREATE ON DATABASE {old} TO {ident(APP)}",
        f"ALTER DATABASE {old} SET work_mem = '17MB'",
        f"ALTER DATABASE {old} SET log_statement = 'all'",
        f"ALTER ROLE {ident(APP)} IN DATABASE {old} SET work_mem = '18MB'",
    ):
        execute(server.dsn(), statement)
    notes = carry(server, old, new, PLAIN)
    assert len(notes) == 2
    assert "setting log_statement is not carried over" in notes[0]
    assert 'permission denied to set parameter "log_statement"' in notes[0]
    assert "setting work_mem is not carried over" in notes[1]
    assert "permission denied" in notes[1]
    got, had = properties(server, new), properties(server, old)
    assert got == replace(had, settings=(("", "work_mem", "17MB"),))


def test_an_owner_that_cannot_be_restored_is_told_and_keeps_its_privileges(
    server: PostgresServer, pair: tuple[str, str]
) -> None:
    old, new = pair
    execute(server.dsn(), f"ALTER DATABASE {old} OWNER TO {ident(OWNER)}")
    execute(server.dsn(), f"ALTER DATABASE {ident(new)} OWNER TO {PLAIN}")
    notes = carry(server, old, new, PLAIN)
    assert any("owner is not carried over" in note for note in notes)
    assert any(f'"{OWNER}" owned 1 object that "{PLAIN}" owns now' in note for note in notes)
    assert (OWNER, "CREATE", False) in properties(server, new).added


def test_a_role_that_is_gone_is_told(server: PostgresServer, pair: tuple[str, str]) -> None:
    with maintenance(server) as connection:
        had = read_properties(connection, pair[0])
        wanted = replace(
            had,
            owner="carry_gone",
            added=(("carry_gone", "CREATE", False),),
            settings=(("carry_gone", "work_mem", "1MB"),),
        )
        notes = carry_over.apply_properties(connection, wanted, pair[1])
    assert any('the role "carry_gone" does not exist any more' in note for note in notes)
    assert properties(server, pair[1]) == had


def test_a_database_that_is_not_there_is_an_error_and_not_an_empty_value(server: PostgresServer) -> None:
    with maintenance(server) as connection, pytest.raises(BackupError, match="nowhere does not exist"):
        read_properties(connection, "nowhere")


# --- lists of names

NAMES = st.text(st.characters(min_codepoint=32, max_codepoint=0x2FF, exclude_characters="\x7f"), max_size=12)


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(names=st.lists(NAMES, min_size=1, max_size=4), value=NAMES)
def test_any_list_of_names_and_any_value_are_carried_over_to_the_letter(
    server: PostgresServer, carried: tuple[str, str], names: list[str], value: str
) -> None:
    old, new = carried
    with psycopg2.connect(server.dsn()) as connection, connection.cursor() as cursor:
        listed = ", ".join("%s" for _ in names)
        cursor.execute(f"ALTER DATABASE {old} SET search_path = {listed}", names)
        cursor.execute(f"ALTER DATABASE {old} SET app.value = %s", [value])
    assert carry(server, old, new) == []
    assert stored_settings(server, new) == stored_settings(server, old)


@pytest.fixture(scope="module")
def carried(server: PostgresServer) -> Iterator[tuple[str, str]]:
    names = "carry_property_old", "carry_property_new"
    for name in names:
        execute(server.dsn(), f"CREATE DATABASE {name} TEMPLATE template0")
    yield names
    for name in names:
        execute(server.dsn(), f"DROP DATABASE {name} WITH (FORCE)")


@pytest.mark.parametrize(
    ("stored", "names"),
    [
        ('"$user", public', ["$user", "public"]),
        ('""', [""]),
        ("", []),
        ('"a ""b"", c",d', ['a "b", c', "d"]),
        ("  Mixed ,x", ["Mixed", "x"]),
        ('"open', ['"open']),
        ('"a"b', ['"a"b']),
    ],
)
def test_a_stored_list_is_split_as_the_server_does(stored: str, names: list[str]) -> None:
    assert carry_over.split_names(stored) == names


# --- creating


def created(server: PostgresServer, name: str, options: dict[str, str]) -> DatabaseProperties:
    with maintenance(server) as connection:
        statement = carry_over.create_database_statement(name, options)
        connection.exec_driver_sql(statement.replace("%", "%%"))
        try:
            return read_properties(connection, name)
        finally:
            connection.exec_driver_sql(f"DROP DATABASE {ident(name)}".replace("%", "%%"))


@pytest.mark.parametrize(
    ("encoding", "collate", "ctype"), [("UTF8", "C.UTF-8", "C"), ("LATIN1", "C", "C"), ("UTF8", "C", "C.UTF-8")]
)
def test_the_copy_has_the_sources_encoding_and_locale_where_the_server_has_them(
    server: PostgresServer, encoding: str, collate: str, ctype: str
) -> None:
    ours = properties(server, "postgres")
    theirs = replace(ours, encoding=encoding, collate=collate, ctype=ctype)
    with maintenance(server) as connection:
        options, notes = carry_over.locale_choice(asdict(theirs), asdict(ours), connection)
    assert notes == []
    assert options.get("LOCALE_PROVIDER") == ("libc" if server.binaries.major >= 15 else None)
    made = created(server, 'carry "%s created', options)
    assert (made.encoding, made.collate, made.ctype, made.provider) == (encoding, collate, ctype, "libc")


def test_a_builtin_locale_is_kept_where_the_server_has_the_provider(server: PostgresServer) -> None:
    ours = properties(server, "postgres")
    theirs = replace(ours, provider="builtin", locale="C.UTF-8")
    with maintenance(server) as connection:
        options, notes = carry_over.locale_choice(theirs, ours, connection)
    if server.binaries.major < 17:
        assert "source by builtin's C.UTF-8, which the target's server does not have" in notes[0]
        return
    assert notes == []
    made = created(server, "carry_builtin", options)
    assert (made.provider, made.locale) == ("builtin", "C.UTF-8")


@pytest.mark.parametrize("provider", ["libc", "icu", "builtin"])
def test_a_locale_that_the_server_lacks_gives_way_to_the_targets_and_is_told(
    server: PostgresServer, provider: str
) -> None:
    ours = properties(server, "postgres")
    theirs = replace(
        ours, encoding="LATIN1", collate="xx_YY.latin1", ctype="xx_YY.latin1", provider=provider, locale="xx"
    )
    with maintenance(server) as connection:
        options, notes = carry_over.locale_choice(theirs, ours, connection)
        assert connection.exec_driver_sql("SELECT count(*) FROM pg_collation WHERE oid >= 16384").scalar() == 0
    assert len(notes) == 1
    assert "which the target's server does not have" in notes[0]
    made = created(server, "carry_fallback", options)
    assert (made.encoding, made.collate, made.provider) == ("LATIN1", ours.collate, ours.provider)


def test_an_encoding_that_does_not_fit_the_targets_locale_gives_way_and_is_told(server: PostgresServer) -> None:
    ours = replace(properties(server, "postgres"), collate="C.UTF-8", ctype="C.UTF-8")
    theirs = replace(ours, encoding="LATIN1", collate="xx_YY.latin1", ctype="xx_YY.latin1")
    with maintenance(server) as connection:
        options, notes = carry_over.locale_choice(theirs, ours, connection)
    assert notes[1] == "the copy is encoded in UTF8, the source in LATIN1"
    assert created(server, "carry_fallback", options).encoding == "UTF8"


def test_the_copy_lies_in_the_targets_tablespace_where_the_role_may_create_there(
    server: PostgresServer,
) -> None:
    place = Path(server.root) / "carry space"
    place.mkdir()
    server._give(place)
    execute(server.dsn(), f"""CREATE TABLESPACE "carry space" LOCATION '{place}'""")
    try:
        ours = replace(properties(server, "postgres"), tablespace="carry space")
        with maintenance(server) as connection:
            options, notes = carry_over.locale_choice(ours, ours, connection)
        assert notes == []
        assert created(server, "carry_placed", options).tablespace == "carry space"
        with maintenance(server, PLAIN) as connection:
            options, notes = carry_over.locale_choice(ours, ours, connection)
        assert "TABLESPACE" not in options
        assert "may not create in carry space" in notes[0]
    finally:
        execute(server.dsn(), 'DROP TABLESPACE "carry space"')
