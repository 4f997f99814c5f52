"""What belongs to a database and not to its content: read from the old one, given to the new one that takes its name.

Neither a dump nor a rename carries these: owner, privileges, connection limit, settings, encoding and locale.
"""

from collections.abc import Mapping
from typing import Any

from sqlalchemy.engine import Connection
from sqlalchemy.exc import DBAPIError

from tasks.engine.connections import raw_connection
from tasks.engine.database_properties import (
    DatabaseProperties,
    properties_found,
    properties_from,
    properties_query,
    read_properties,
)
from tasks.engine.grants import NOT_THE_STATEMENT, execute_each, in_transaction
from tasks.engine.grants_plan import OWNER, Found, Grants, ObjectGrants, Right, Statement, plan_grants
from tasks.engine.mark import identifier, literal

__all__ = [
    "DatabaseProperties",
    "apply_properties",
    "create_database_statement",
    "locale_choice",
    "properties_statements",
    "read_properties",
]

# As pg_dump's variable_is_guc_list_quote: their stored text is a list of names, each quoted where it must be, and
# SET wants one literal for each. Every other setting is one literal, lists such as DateStyle among them.
_LISTS_OF_NAMES = frozenset(
    {
        "local_preload_libraries",
        "search_path",
        "session_preload_libraries",
        "shared_preload_libraries",
        "temp_tablespaces",
        "unix_socket_directories",
    }
)


def properties_statements(
    wanted: DatabaseProperties | Mapping[str, Any],
    name: str,
    *,
    present: DatabaseProperties,
    roles: frozenset[str],
) -> tuple[list[Statement], list[str]]:
    """What to say so that the database `name`, which has `present`, has what is wanted; and what was left out.

    Encoding, locale and tablespace are not among it: they are chosen when a database is made.
    """
    wish = properties_from(wanted)
    database = f"DATABASE {identifier(name)}"
    said: list[tuple[str, str]] = []
    if wish.owner != present.owner and wish.owner in roles:
        said.append(("owner", f"ALTER {database} OWNER TO {identifier(wish.owner)}"))
    for about, keyword, then, now in (
        ("connection limit", "CONNECTION LIMIT", wish.connection_limit, present.connection_limit),
        ("template flag", "IS_TEMPLATE", wish.is_template, present.is_template),
        ("permission to connect", "ALLOW_CONNECTIONS", wish.allow_connections, present.allow_connections),
    ):
        if then != now:
            said.append((about, f"ALTER {database} WITH {keyword} {str(then).lower()}"))
    for role, setting, value in wish.settings:
        if (role, setting, value) not in present.settings and (not role or role in roles):
            said.append(
                (f"setting {setting}", f"{_whose(role, name)} SET {identifier(setting)} TO {_value(setting, value)}")
            )
    kept = {(role, setting) for role, setting, _ in wish.settings}
    for role, setting, _ in present.settings:
        if (role, setting) not in kept:
            said.append((f"setting {setting}", f"{_whose(role, name)} RESET {identifier(setting)}"))
    rights, notes = _privileges(wish, name, present, roles)
    return [*(Statement(sql=sql, about=about) for about, sql in said), *rights], notes


def _whose(role: str, database: str) -> str:
    name = identifier(database)
    return f"ALTER ROLE {identifier(role)} IN DATABASE {name}" if role else f"ALTER DATABASE {name}"


def _value(setting: str, stored: str) -> str:
    if setting.lower() not in _LISTS_OF_NAMES:
        return literal(stored)
    return ", ".join(literal(each) for each in split_names(stored)) or "''"


def split_names(stored: str) -> list[str]:
    """The names in a stored list, as PostgreSQL's SplitGUCList: quotes undone, letter case kept."""
    names: list[str] = []
    rest = stored.strip()
    while rest:
        if rest.startswith('"'):
            end = 1
            while rest[end : end + 1] != '"' or rest[end + 1 : end + 2] == '"':
                if end >= len(rest):
                    return [stored]  # not a list that the server would have stored
                end += 2 if rest[end] == '"' else 1
            names.append(rest[1:end].replace('""', '"'))
            rest = rest[end + 1 :].lstrip()
            if rest and not rest.startswith(","):
                return [stored]
            rest = rest[1:].lstrip()
        else:
            name, _, rest = rest.partition(",")
            names.append(name.strip())
            rest = rest.lstrip()
    return names


def _privileges(
    wish: DatabaseProperties, name: str, present: DatabaseProperties, roles: frozenset[str]
) -> tuple[tuple[Statement, ...], list[str]]:
    def grants(of: DatabaseProperties, owner: str | None) -> ObjectGrants:
        added, removed = (tuple(Right(*each) for each in rights) for rights in (of.added, of.removed))
        return ObjectGrants(kind="database", name=(name,), added=added, removed=removed, owner=owner)

    normal = frozenset(Right(OWNER, each) for each in ("CREATE", "CONNECT", "TEMPORARY"))
    found = Found(grants=grants(present, None), owner=present.owner, normal=normal)
    plan = plan_grants(Grants(objects=(grants(wish, wish.owner),)), [found], roles)
    return plan.statements, list(plan.notes)


def apply_properties(
    connection: Connection, properties: DatabaseProperties | Mapping[str, Any], name: str
) -> list[str]:
    """Give the database `name` these properties, from a session in another one; returns what could not be given.

    One transaction, of its own in a session that commits by itself. What this role may not do is told, not raised.
    """
    roles, present = _roles_and_properties(connection, name)
    statements, _ = properties_statements(properties, name, present=present, roles=roles)
    reasons: dict[str, str] = {}
    if statements:
        with in_transaction(connection):
            # Twice: what can be granted depends on whether the owner could be changed.
            for _ in range(2):
                reasons |= execute_each(connection, statements)
                present = read_properties(connection, name)
                statements, _notes = properties_statements(properties, name, present=present, roles=roles)
                if not statements:
                    break
    left, notes = properties_statements(properties, name, present=present, roles=roles)
    return notes + [
        f"the database's {each.about} is not carried over: {each.sql} was refused: "
        + reasons.get(each.sql, "this role may not do that")
        for each in left
    ]


def _roles_and_properties(connection: Connection, name: str) -> tuple[frozenset[str], DatabaseProperties]:
    roles, found = connection.exec_driver_sql(
        f"SELECT ARRAY(SELECT rolname::text FROM pg_catalog.pg_roles), ({properties_query(literal(name))})",  # noqa: S608 - a literal
        execution_options={"no_parameters": True},
    ).one()
    return frozenset(roles), properties_found(found) if found else read_properties(connection, name)


def locale_choice(
    source: DatabaseProperties | Mapping[str, Any],
    target: DatabaseProperties | Mapping[str, Any],
    connection: Connection,
) -> tuple[dict[str, str], list[str]]:
    """CREATE DATABASE's options for a copy of the source on the connection's server, and notes.

    The source's encoding and locale where this server has them, else those of the target's present database. The
    tablespace is the target's. `connection` is one that commits by itself, in any database.
    """
    theirs, ours = properties_from(source), properties_from(target)
    notes: list[str] = []
    major = raw_connection(connection).server_version // 10000
    chosen = _locale_options(theirs, major)
    reason = None if chosen == _locale_options(ours, major) else _why_not(connection, theirs, major)
    if reason:
        chosen = _locale_options(ours, major)
        if _any_encoding(ours):
            chosen["ENCODING"] = theirs.encoding
        notes.append(
            f"the copy sorts and compares by {_locale_shown(ours)}, the source by {_locale_shown(theirs)},"
            f" which the target's server does not have ({reason})"
        )
    if chosen["ENCODING"] != theirs.encoding:
        notes.append(f"the copy is encoded in {chosen['ENCODING']}, the source in {theirs.encoding}")
    if ours.tablespace != "pg_default":
        if _ask(connection, "SELECT pg_catalog.has_tablespace_privilege(%(name)s, 'CREATE')", ours.tablespace):
            chosen["TABLESPACE"] = ours.tablespace
        else:
            notes.append(f"the copy lies in the default tablespace: this role may not create in {ours.tablespace}")
    return chosen, notes


def create_database_statement(name: str, options: Mapping[str, str]) -> str:
    """CREATE DATABASE from template0, the only template that allows every encoding and locale."""
    listed = " ".join(f"{option} {literal(value)}" for option, value in options.items())
    return f"CREATE DATABASE {identifier(name)} TEMPLATE template0 {listed}".rstrip()


def _locale_options(properties: DatabaseProperties, major: int) -> dict[str, str]:
    options = {"ENCODING": properties.encoding, "LC_COLLATE": properties.collate, "LC_CTYPE": properties.ctype}
    if major >= 15:
        options["LOCALE_PROVIDER"] = properties.provider  # libc too: template0 may have another
    if properties.provider == "libc":
        return options
    options["ICU_LOCALE" if properties.provider == "icu" else "BUILTIN_LOCALE"] = properties.locale or ""
    if properties.icu_rules:
        options["ICU_RULES"] = properties.icu_rules
    return options


def _any_encoding(properties: DatabaseProperties) -> bool:
    return properties.provider == "libc" and {properties.collate, properties.ctype} <= {"C", "POSIX"}


def _locale_shown(properties: DatabaseProperties) -> str:
    return f"{properties.provider}'s {properties.locale or properties.collate}"


def _why_not(connection: Connection, properties: DatabaseProperties, major: int) -> str | None:
    """Why the server cannot make a database of this locale; None where it can.

    A collation is made and undone for each part: a list of locales that SQL could read there is none.
    """
    attempts = [f"provider = libc, lc_collate = {literal(properties.collate)}, lc_ctype = {literal(properties.ctype)}"]
    if properties.provider != "libc":
        rules = f", rules = {literal(properties.icu_rules)}" if properties.icu_rules else ""
        attempts.append(f"provider = {properties.provider}, locale = {literal(properties.locale)}{rules}")
    if properties.provider == "icu" and major < 15:
        return "version 14 has no databases with an ICU locale"
    collations = "; ".join(
        f"CREATE COLLATION pg_temp.railway_neon_sync_{number} ({attempt})" for number, attempt in enumerate(attempts)
    )
    try:
        connection.exec_driver_sql(f"BEGIN; {collations}; ROLLBACK", execution_options={"no_parameters": True})
    except DBAPIError as error:
        state = getattr(error.orig, "pgcode", None)
        if not state or state.startswith(NOT_THE_STATEMENT):
            raise
        connection.exec_driver_sql("ROLLBACK")
        return str(error.orig).strip().splitlines()[0]
    return None


def _ask(connection: Connection, query: str, name: str) -> bool:
    try:
        return bool(connection.exec_driver_sql(query, {"name": name}).scalar_one())
    except DBAPIError:
        return False
