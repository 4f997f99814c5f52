"""Which statements a dump may hold, and what they say: a dump is untrusted input.

pg_dump's plain format has few kinds of statements. Others are refused: not because the kinds that remain are harmless
(a function that a dump creates can run in an index), but because a file with anything else is not what pg_dump wrote.
"""

import re
from enum import Enum, auto

from tasks.engine.dumpfile_lexer import Unreadable

NAME = rb'(?:"(?:[^"]|"")+"|[A-Za-z_\x80-\xff][A-Za-z0-9_$\x80-\xff]*)'
_QUOTED_NAME = re.compile(rb'"(?:[^"]|"")*"')
QUALIFIED_NAME = NAME + rb"\." + NAME
"""A name, and one with its schema, as pg_dump spells them; of regular expressions."""
_QUALIFIED = re.compile(rb"(" + NAME + rb")\.(" + NAME + rb")")
_COPY = re.compile(
    rb"COPY (" + NAME + rb")\.(" + NAME + rb") (?:\((" + NAME + rb"(?:, " + NAME + rb")*)\))? FROM stdin;"
)
_NAMES = re.compile(NAME)
_SETVAL = re.compile(rb"SELECT pg_catalog\.setval\('((?:[^']|'')+)', (-?[0-9]+), (true|false)\);")
_SETTING = re.compile(rb"SET ([a-z_]+) = ('?)([^';]*)\2;")
_SEARCH_PATH = re.compile(rb"SELECT pg_catalog\.set_config\('search_path', '(?:[^']|'')*', false\);")
_LARGE_OBJECT_MADE = re.compile(rb"SELECT pg_catalog\.lo_create\('[0-9]+'\);")
_LARGE_OBJECT_WRITTEN = re.compile(
    rb"SELECT pg_catalog\.(?:lo_open\('[0-9]+', [0-9]+\)|lowrite\(0, '\\{1,2}x[0-9a-f]*'\)|lo_close\(0\));"
)
_STATISTICS = re.compile(rb"SELECT \* FROM pg_catalog\.pg_restore_[a-z]+_stats\(")
_OTHER_SESSION = re.compile(
    rb"SET SESSION AUTHORIZATION (?:'(?:[^']|'')*'|" + NAME + rb");|RESET SESSION AUTHORIZATION;"
)
# PostgreSQL 17.12, and its like of other majors, keeps a number of its own among each column's options. A pg_dump that
# does not know it writes it out; an older server refuses it, a newer one ignores it and gives its own.
_COLUMN_OPTIONS = re.compile(
    rb"(?P<before>ALTER (?:FOREIGN )?TABLE ONLY " + NAME + rb"\." + NAME + rb" ALTER COLUMN " + NAME + rb" SET \()"
    rb"(?P<options>[^()';]*)\);"
)
_OWN_OPTION = re.compile(rb"pg_attver=[0-9]+")
_VERB = re.compile(rb"[A-Za-z]+")
_DEFINITIONS = frozenset({b"CREATE", b"ALTER", b"COMMENT", b"SECURITY", b"GRANT", b"REVOKE", b"REFRESH"})
_TRANSACTION = frozenset(
    {b"BEGIN", b"START", b"COMMIT", b"END", b"ROLLBACK", b"ABORT", b"SAVEPOINT", b"RELEASE", b"PREPARE"}
)
_SHARED = re.compile(
    rb"(?:CREATE|ALTER)\s+(?:DATABASE|ROLE|GROUP|TABLESPACE|SYSTEM|USER(?!\s+MAPPING\b))\b"
    rb"|(?:COMMENT|SECURITY\s+LABEL|GRANT|REVOKE)\b[^']*?\sON\s+(?:DATABASE|ROLE|TABLESPACE|PARAMETER)\b"
    rb"|(?:GRANT|REVOKE)\b(?!.*?\sON\s)",
    re.IGNORECASE | re.DOTALL,
)
_SETTINGS = frozenset(
    {
        "statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout", "transaction_timeout",
        "client_encoding", "standard_conforming_strings", "check_function_bodies", "xmloption",
        "client_min_messages", "row_security", "escape_string_warning", "default_tablespace",
        "default_table_access_method", "default_with_oids",
    }
)  # fmt: skip
# encodings of clients only: their second bytes look like ASCII, so quotes cannot be found without decoding
_UNSAFE_ENCODINGS = frozenset({"BIG5", "GB18030", "GBK", "JOHAB", "SHIFT_JIS_2004", "SJIS", "UHC"})


class Kind(Enum):
    """What a statement is to the reader and the loader."""

    DEFINITION = auto()  # and everything else that is simply sent
    SETTING = auto()  # SET, and the search_path
    BEGIN = auto()  # the pair around the content of large objects
    COMMIT = auto()
    LARGE_OBJECT = auto()  # only valid within that pair
    SEQUENCE_VALUE = auto()
    COPY = auto()


def classify(text: bytes) -> Kind:
    """What kind of statement this is; Unreadable for one that pg_dump does not write."""
    matched = _VERB.match(text)
    verb = matched[0].upper() if matched else b""
    if text in {b"BEGIN;", b"COMMIT;"}:
        return Kind.BEGIN if verb == b"BEGIN" else Kind.COMMIT
    if verb in _TRANSACTION:
        raise Unreadable(f"{verb.decode()} would begin or end a transaction, which is ours alone")
    if verb == b"COPY":
        return Kind.COPY
    if verb == b"SELECT":
        return _classify_select(text)
    if verb in {b"SET", b"RESET"}:
        return _classify_set(text)
    if verb in _DEFINITIONS:
        if _SHARED.match(_QUOTED_NAME.sub(b'""', text[:4096])):
            raise Unreadable("a statement concerns the whole server and not only this database")
        return Kind.DEFINITION
    raise Unreadable(f"pg_dump writes no statement that begins with {shown(text, limit=30)}")


def _classify_select(text: bytes) -> Kind:
    if _LARGE_OBJECT_WRITTEN.fullmatch(text):
        return Kind.LARGE_OBJECT
    if _SETVAL.fullmatch(text):
        return Kind.SEQUENCE_VALUE
    if _SEARCH_PATH.fullmatch(text):
        return Kind.SETTING
    if _LARGE_OBJECT_MADE.fullmatch(text) or _STATISTICS.match(text):
        return Kind.DEFINITION
    raise Unreadable("pg_dump writes no such SELECT")


def _classify_set(text: bytes) -> Kind:
    if _OTHER_SESSION.fullmatch(text):
        return Kind.DEFINITION
    name, value = setting(text)
    if name not in _SETTINGS:
        raise Unreadable("pg_dump writes no such SET")
    if name == "client_encoding" and value in _UNSAFE_ENCODINGS:
        raise Unreadable(f"the client_encoding {value} cannot be read safely; dump with --encoding=UTF8")
    return Kind.SETTING


def setting(text: bytes) -> tuple[str, str]:
    """Name and value of a SET statement; two empty strings for another."""
    matched = _SETTING.fullmatch(text)
    return (matched[1].decode(), matched[3].decode(errors="replace")) if matched else ("", "")


def without_own_options(text: bytes) -> bytes:
    """The statement without what servers alone write among a column's options; empty when nothing else was there."""
    matched = _COLUMN_OPTIONS.fullmatch(text)
    if matched is None:
        return text
    kept = [option for option in matched["options"].split(b", ") if not _OWN_OPTION.fullmatch(option)]
    return matched["before"] + b", ".join(kept) + b");" if kept else b""


def copy_target(text: bytes) -> tuple[bytes, bytes, int]:
    """Schema, table, number of columns of a COPY statement; Unreadable unless it reads what follows in the file."""
    matched = _COPY.fullmatch(text)
    if matched is None:
        raise Unreadable("COPY must be COPY schema.table (columns) FROM stdin")
    return unquoted(matched[1]), unquoted(matched[2]), len(_NAMES.findall(matched[3] or b""))


def sequence_value(text: bytes, *, standard_strings: bool) -> tuple[bytes, bytes, int, bool]:
    """Schema, sequence, value and is_called of a setval statement."""
    matched = _SETVAL.fullmatch(text)
    literal = matched[1].replace(b"''", b"'") if matched else b""
    if not standard_strings:
        literal = literal.replace(b"\\\\", b"\\")
    named = _QUALIFIED.fullmatch(literal)
    if matched is None or named is None:
        raise Unreadable("setval names no sequence")
    return unquoted(named[1]), unquoted(named[2]), int(matched[2]), matched[3] == b"true"


def unquoted(name: bytes) -> bytes:
    return name[1:-1].replace(b'""', b'"') if name.startswith(b'"') else name


def shown(text: bytes, *, limit: int = 200) -> str:
    """A statement's first line for a message: shortened, harmless to a terminal, without what stands in quotes.

    A literal can be a password (CREATE SUBSCRIPTION ... CONNECTION '...').
    """
    line = text[: 4 * limit].decode(errors="replace").partition("\n")[0]
    if not line.startswith("SELECT pg_catalog."):
        line = re.sub(r"'.*", "'...", line)
    return harmless(line, limit=limit)


def harmless(text: str, *, limit: int) -> str:
    """On one line, shortened, and with nothing that a terminal or a log would take for a command."""
    one_line = " ".join(text.split())
    printable = "".join(c if c.isprintable() else f"\\x{ord(c):02x}" for c in one_line)
    return printable if len(printable) <= limit else printable[: limit - 3] + "..."
