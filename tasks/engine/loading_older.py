"""A newer pg_dump's words for a server that does not know them yet."""

import re

from tasks.engine.dumpfile_reader import Statement
from tasks.engine.dumpfile_rules import Kind, setting

_TRANSACTION_TIMEOUT_SINCE = 170000
_LOGGED_SINCE = 150000
_IDENTITY = re.compile(rb"ALTER TABLE .*? ADD GENERATED (?:ALWAYS|BY DEFAULT) AS IDENTITY \(\n", re.DOTALL)
_LOGGED = b"\n    LOGGED\n    START WITH "


def is_unknown(statement: Statement, *, server_version: int) -> bool:
    """Whether it sets what only pg_dump since 17 sets, for a server before 17, which would refuse it."""
    return (
        statement.kind is Kind.SETTING
        and server_version < _TRANSACTION_TIMEOUT_SINCE
        and setting(statement.text)[0] == "transaction_timeout"
    )


def in_older_words(text: bytes, *, server_version: int) -> bytes:
    """A statement for a server before 15, whose sequences are all logged and which refuses to be told so.

    pg_dump since 15 tells it of the identity sequence of an unlogged table that comes from such a server.
    """
    if server_version >= _LOGGED_SINCE or not _IDENTITY.match(text):
        return text
    before, found, after = text.rpartition(_LOGGED)
    return before + b"\n    START WITH " + after if found else text
