"""What the server's catalogue says of one database and no dump carries: owner, privileges, settings, locale."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from sqlalchemy.engine import Connection

from tasks.engine.errors import BackupError
from tasks.engine.grants_plan import OWNER
from tasks.engine.mark import literal

_PROVIDERS = {"c": "libc", "i": "icu", "b": "builtin"}
# to_jsonb: which columns there are depends on the server's version.
_READ = """
    SELECT pg_catalog.json_build_array(pg_catalog.to_jsonb(d), pg_catalog.pg_get_userbyid(d.datdba),
           pg_catalog.pg_encoding_to_char(d.encoding), t.spcname, d.datacl IS NULL,
           ARRAY(SELECT pg_catalog.jsonb_build_array(which, grantee, privilege_type, is_grantable)
                 FROM (SELECT 'acl' AS which, a.* FROM pg_catalog.aclexplode(d.datacl) AS a UNION ALL
                       SELECT 'normal', a.* FROM pg_catalog.aclexplode(pg_catalog.acldefault('d', d.datdba)) AS a)
                   AS rights (which, grantor, grantee_id, privilege_type, is_grantable),
                 LATERAL (SELECT CASE grantee_id WHEN 0 THEN 'public' WHEN d.datdba THEN ''
                                 ELSE pg_catalog.pg_get_userbyid(grantee_id) END) AS who (grantee)),
           ARRAY(SELECT pg_catalog.jsonb_build_array(coalesce(r.rolname, ''), s.setting)
                 FROM pg_catalog.pg_db_role_setting AS all_of_it
                 LEFT JOIN pg_catalog.pg_roles AS r ON r.oid = setrole,
                 LATERAL pg_catalog.unnest(setconfig) WITH ORDINALITY AS s (setting, place)
                 WHERE setdatabase = d.oid ORDER BY r.rolname NULLS FIRST, s.place))
    FROM pg_catalog.pg_database AS d JOIN pg_catalog.pg_tablespace AS t ON t.oid = d.dattablespace
    WHERE d.datname = {name}
"""


@dataclass(frozen=True, kw_only=True)
class DatabaseProperties:
    """What pg_database and pg_db_role_setting say of one database; it travels as JSON in the manifest."""

    owner: str
    added: tuple[tuple[str, str, bool], ...]  # privileges beyond the ordinary: role, privilege, grant option
    removed: tuple[tuple[str, str, bool], ...]  # ordinary privileges that were revoked
    connection_limit: int
    allow_connections: bool
    is_template: bool
    settings: tuple[tuple[str, str, str], ...]  # role or "" for all, name, value as stored
    encoding: str
    collate: str
    ctype: str
    provider: str  # libc, icu or builtin
    locale: str | None  # of icu and builtin
    icu_rules: str | None
    tablespace: str


def properties_from(value: DatabaseProperties | Mapping[str, Any]) -> DatabaseProperties:
    """The value again, from what JSON made of it."""
    if isinstance(value, DatabaseProperties):
        return value
    known = {field.name: value[field.name] for field in fields(DatabaseProperties)}
    for name in ("added", "removed", "settings"):
        known[name] = tuple(tuple(each) for each in known[name])
    return DatabaseProperties(**known)


def read_properties(connection: Connection, database: str) -> DatabaseProperties:
    """The properties of a database, from a session in any database of its server; BackupError when it is not there."""
    found = connection.exec_driver_sql(
        properties_query(literal(database)), execution_options={"no_parameters": True}
    ).scalar_one_or_none()
    if found is None:
        raise BackupError(f"the database {database} does not exist on this server")
    return properties_found(found)


def properties_query(name: str) -> str:
    """A SELECT of one JSON value, or of no row. name: an expression in SQL."""
    return _READ.replace("{name}", name)


def properties_found(found: list[Any]) -> DatabaseProperties:
    """Of the answer to properties_query."""
    columns, owner, encoding, tablespace, no_acl, rights, settings = found
    lists: dict[str, dict[tuple[str, str], bool]] = {"acl": {}, "normal": {}}
    for which, grantee, privilege, grantable in rights:
        option = lists[which].get((grantee, privilege), False) or (grantable and grantee != OWNER)
        lists[which][grantee, privilege] = option
    normal = {(*pair, option) for pair, option in lists["normal"].items()}
    acl = normal if no_acl else {(*pair, option) for pair, option in lists["acl"].items()}
    return DatabaseProperties(
        owner=owner,
        added=tuple(sorted(acl - normal)),
        removed=tuple(sorted(normal - acl)),
        connection_limit=columns["datconnlimit"],
        allow_connections=columns["datallowconn"],
        is_template=columns["datistemplate"],
        settings=tuple((role, *setting.split("=", 1)) for role, setting in settings),
        encoding=encoding,
        collate=columns["datcollate"],
        ctype=columns["datctype"],
        provider=_PROVIDERS.get(columns.get("datlocprovider", "c"), "libc"),
        locale=columns.get("datlocale") or columns.get("daticulocale"),
        icu_rules=columns.get("daticurules"),
        tablespace=tablespace,
    )
