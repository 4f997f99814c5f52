"""The pattern that keeps the rows out of pg_dump's output, and leaves materialised views to be refreshed.

--exclude-table-data goes by names alone. It takes tables and sequences, whose rows and values are ours to write, and
materialised views, which are pg_dump's. A pattern has no word for `all but these`, so it is spelt out.
"""

import sys
from collections.abc import Sequence

from tasks.engine.rows.listing import LeftToPgDump, Listing

_LONGEST = 100_000  # Linux takes 128 KB for one argument


def excluding(listing: Listing, *, encoding: str) -> str:
    """For --exclude-table-data; LeftToPgDump where no pattern can tell views and tables apart."""
    taken = {listed.name for listed in (*listing.tables, *listing.sequences)}
    if taken.intersection(listing.views):
        raise LeftToPgDump("a materialized view and a table or sequence have the same name")
    ascii_only = all(name.isascii() for name in listing.views)
    if not ascii_only and (encoding != "UTF8" or sys.getfilesystemencoding() != "utf-8"):
        raise LeftToPgDump("the name of a materialized view cannot be an argument in the database's encoding")
    pattern = f"*.{besides([name.decode() for name in listing.views])}"
    if len(pattern) > _LONGEST:
        raise LeftToPgDump("there are too many materialized views for one argument")
    return pattern


def besides(names: Sequence[str]) -> str:
    """A pattern of psql's kind that matches every name but these."""
    return _besides(sorted(set(names))) if names else "*"


def _besides(names: Sequence[str]) -> str:
    """Character by character: what is not one of their first characters goes on as it likes, else as none of them."""
    groups: dict[str, list[str]] = {}
    for name in names:
        if name:
            groups.setdefault(name[0], []).append(name[1:])
    others = f"[^{''.join(map(_character, groups))}]*" if groups else "?*"
    end = [] if "" in names else [""]
    return "(" + "|".join([*end, others, *(_character(first) + _besides(rest) for first, rest in groups.items())]) + ")"


def _character(character: str) -> str:
    """As it is, or by its number where psql would take it for something else."""
    plain = not character.isascii() or character.islower() or character.isdigit() or character == "_"
    return character if plain else f"\\u{ord(character):04x}"
