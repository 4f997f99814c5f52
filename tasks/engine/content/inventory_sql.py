"""The inventory's SQL: files in which a few shorthands stand, and lines that only some versions of a server know."""

import re
from functools import cache
from pathlib import Path

_FOLDER = Path(__file__).parent
_FILES = ("relations", "rules", "routines", "outside")
_SINCE = re.compile(r" *-- (?:since (?P<since>\d+)|until (?P<until>\d+)|in (?P<first>\d+) to (?P<last>\d+))$")

# Names inside end with an underscore: an argument must not meet a name of the shorthand.
_SHORTHANDS = {
    # Our own rule: quote_ident's depends on the server's list of keywords.
    "ident": """(CASE WHEN {0} ~ '^[a-z_][a-z0-9_$]*$' THEN {0} ELSE '"' || replace({0}, '"', '""') || '"' END)""",
    "quoted": """('"' || replace({0}, '"', '""') || '"')""",
    "in_schema": "CASE {0} WHEN 'pg_catalog' THEN '' ELSE ident({0}) || '.' END ||",
    "relation": "(SELECT name FROM relation_names n_ WHERE n_.oid = {0})",
    "routine": "(SELECT name FROM routine_names n_ WHERE n_.oid = {0})",
    "operator": "(SELECT name FROM operator_names n_ WHERE n_.oid = {0})",
    "operator_class": "(SELECT name FROM operator_class_names n_ WHERE n_.oid = {0})",
    "collation": "(SELECT name FROM collation_names n_ WHERE n_.oid = {0})",
    "type": "(SELECT name FROM type_names n_ WHERE n_.oid = {0})",
    # The modifier of a type that is not the server's own is put behind our spelling of its name.
    "type_with": """(SELECT CASE WHEN own_ THEN format_type({0}, {1}) ELSE regexp_replace(name, '(\\[\\])?$',
          coalesce(substring(CASE WHEN {1} >= 0 THEN format_type({0}, {1}) END from '(\\([^()]*\\))(?:\\[\\])?$'), '')
          || '\\1') END FROM type_names n_ WHERE n_.oid = {0})""",
    "ancestors": """(WITH RECURSIVE up_ (id_) AS (SELECT inhparent FROM pg_inherits WHERE inhrelid = {0}
        UNION SELECT inhparent FROM pg_inherits JOIN up_ ON inhrelid = id_) SELECT id_ FROM up_)""",
    # Without the number that servers since 17.12, and their like of other majors, give each column by themselves.
    "listed": """(SELECT {0} || ' (' || string_agg(item_, ', ' ORDER BY item_ COLLATE "C") || ')'
        FROM unnest({1}) AS item_ WHERE NOT starts_with(item_, 'pg_attver='))""",
    "options": """(SELECT 'options (' || string_agg(CASE WHEN option_ ~* '^[^=]*(pass|secret|token|key)'
          THEN hidden(option_) ELSE option_ END, ', ' ORDER BY option_ COLLATE "C") || ')'
        FROM unnest({0}) AS option_)""",
    "hidden": "(split_part({0}, '=', 1) || '=#' || left(encode(sha256(convert_to({0}, 'UTF8')), 'hex'), 16))",
    "changed": """(SELECT string_agg(right_, ', ' ORDER BY right_ COLLATE "C") FROM (
          SELECT CASE WHEN bool_or(given_) THEN '' ELSE 'no ' END || privilege_type || CASE WHEN is_grantable
            THEN ' with grant option' ELSE '' END || ' to ' || CASE grantee WHEN 0 THEN 'public' ELSE
            ident(pg_get_userbyid(grantee)) END AS right_
          FROM (SELECT true AS given_, a_.* FROM aclexplode({0}) AS a_
                UNION ALL SELECT false, a_.* FROM aclexplode({1}) AS a_) AS both_
          GROUP BY privilege_type, is_grantable, grantee HAVING count(DISTINCT given_) = 1) AS rights_)""",
    "action": "(CASE {0} WHEN 'a' THEN 'no action' WHEN 'r' THEN 'restrict' WHEN 'c' THEN 'cascade' WHEN 'n' THEN "
    "'set null' ELSE 'set default' END)",
    "event": "(CASE {0} WHEN '1' THEN 'SELECT' WHEN '2' THEN 'UPDATE' WHEN '3' THEN 'INSERT' ELSE 'DELETE' END)",
    "enabled": "(CASE {0} WHEN 'D' THEN 'disabled' WHEN 'R' THEN 'on replicas' WHEN 'A' THEN 'always' END)",
    # An expression about a table's rows, in a query that any parser of expressions reads.
    "expression_of": "json_build_array('query', 'SELECT 1 AS one FROM ONLY ' || {0} || ' WHERE ROW(', "
    "') IS NULL')::text",
    # What follows the table's name in CREATE RULE.
    "rule_action": """(SELECT rtrim(substr(rest_, strpos(rest_, table_) + length(table_)), ';') FROM (
          SELECT substr({0}, length('CREATE RULE ' || quote_ident({1}) || ' AS') + 1),
                 ' TO ' || quote_ident({2}) || '.' || quote_ident({3})) AS r_ (rest_, table_))""",
}
_CATALOG = re.compile(r"\bclass = '(pg_\w+)'::regclass|^  SELECT '(pg_\w+)',", re.MULTILINE)
_CALL = re.compile(rf"\b({'|'.join(_SHORTHANDS)})\(")


@cache
def inventory_query(major: int, *, privileges: bool, empty: frozenset[str] = frozenset()) -> str:
    """The one query for a server of this major version; its columns: kind, identity, definition, recreate.

    empty: the catalogs in which the database has nothing of its own (notes.sql); nothing is asked about these.
    """
    files = (*_FILES, "privileges") if privileges else _FILES
    asked = "\nUNION ALL\n".join(_read(name, major) for name in files)
    text = _without(empty, _read("names", major), "\n  UNION ALL\n") + _without(empty, asked, "\nUNION ALL\n")
    return re.sub(r"\s+", " ", expand(text))  # no literal in these files holds two blanks


def _read(name: str, major: int) -> str:
    lines = (_FOLDER / f"inventory_{name}.sql").read_text(encoding="utf-8").splitlines()
    return "\n".join(
        _SINCE.sub("", line) for line in lines if _known(line, major) and not line.lstrip().startswith("--")
    )


def _without(empty: frozenset[str], text: str, union: str) -> str:
    """The text without the parts that are about objects of these catalogs only."""
    return union.join(part for part in text.split(union) if not (found := _catalogs(part)) or not found <= empty)


def _catalogs(part: str) -> set[str]:
    return {compared or selected for compared, selected in _CATALOG.findall(part)}


def _known(line: str, major: int) -> bool:
    mark = _SINCE.search(line)
    if mark is None:
        return True
    first, last = int(mark["since"] or mark["first"] or 0), int(mark["until"] or mark["last"] or 99)
    return first <= major <= last


def expand(text: str) -> str:
    """The text without shorthands."""
    done, position = [], 0
    while call := _CALL.search(text, position):
        arguments, end = _arguments(text, call.end())
        done += [text[position : call.start()], expand(_SHORTHANDS[call[1]].format(*map(expand, arguments)))]
        position = end
    return "".join(done) + text[position:]


def _arguments(text: str, start: int) -> tuple[list[str], int]:
    """What stands between the parentheses, split at the commas, and where they end."""
    found, depth, begin = [], 0, start
    for token in re.finditer(r"'[^']*'|[(),\[\]]", text[start:]):
        sign, at = token[0], start + token.start()
        if depth == 0 and sign in (",", ")"):
            found.append(text[begin:at].strip())
            begin = at + 1
            if sign == ")":
                return found, begin
        depth += (sign in ("(", "[")) - (sign in (")", "]"))
    raise AssertionError(f"no end of {text[start : start + 40]}")
