"""Damaged dumps: what may be wrong with a file that bears a dump's name, one thing after the other."""

import random
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

SEED = 20261125
CUTS, FLIPS = 20, 10
_GIGANTIC_BYTES = 70 << 20
_TRAILER = b"-- PostgreSQL database dump complete"
_DATA = re.compile(
    rb"^COPY public\.(?:users|wallets|escrows|transactions) [^\n]* FROM stdin;\n(.*?)^\\\.\n", re.MULTILINE | re.DOTALL
)


@dataclass(frozen=True)
class BadDump:
    """A damaged dump. hidden: no reader of the file alone can see it; only what it was made of can tell."""

    what: str
    content: bytes
    hidden: bool = False


def bad_dumps(dump: bytes, *, of_another_database: bytes, of_another_run: bytes) -> Iterator[BadDump]:
    """The whole list, made of one good dump of the demo's application. The same dump gives the same list."""
    chance = random.Random(SEED)  # noqa: S311 - a seed, so that a failure can be seen again
    yield from _cut(dump, chance)
    yield from _flipped(dump, chance)
    yield BadDump("empty", b"")
    yield BadDump("zeroes", bytes(len(dump)))
    yield BadDump("its second half zeroes", dump[: len(dump) // 2] + bytes(len(dump) - len(dump) // 2))
    yield BadDump("the trailer missing", dump[: dump.rindex(b"--\n" + _TRAILER)])
    yield BadDump("another database's", of_another_database)
    yield BadDump("another run's", of_another_run, hidden=True)
    yield BadDump("twice in one file", dump + dump)
    yield BadDump("a block of the disk missing", _without_block(dump, chance))
    yield BadDump("the rows of one table missing", _DATA.sub(b"", dump, count=1))
    yield BadDump("invalid UTF-8", _in_data(dump, lambda row: row[:-1] + b"\xc3\x28\n"))
    yield BadDump("a row with too few columns", _in_data(dump, lambda row: row.partition(b"\t")[2]))
    yield BadDump("a row with too many columns", _in_data(dump, lambda row: b"1\t" + row))
    for what, line in _LINES.items():
        yield BadDump(what, _between_statements(dump, line))
    yield BadDump("backticks after \\unrestrict", _restricted_by(dump, b"`touch pwned`"))
    yield BadDump("a gigantic line", _between_statements(dump, b"SELECT '" + b"x" * _GIGANTIC_BYTES + b"';"))


_LINES = {
    "\\! in the middle": b"\\! touch pwned",
    "\\copy in the middle": b"\\copy public.users TO 'pwned'",
    "\\connect in the middle": b"\\connect postgres",
    "\\i in the middle": b"\\i /etc/passwd",
    "COMMIT in the middle": b"COMMIT;",
    "COMMIT behind a statement": b"CREATE SCHEMA smuggled; COMMIT;",
    "COPY from a program": b"COPY public.users FROM PROGRAM 'touch pwned';",
    "a table dropped in the middle": b"DROP TABLE public.wallets;",
    "the mark overwritten": b"COMMENT ON DATABASE postgres IS 'mine';",
}


def _cut(dump: bytes, chance: random.Random) -> Iterator[BadDump]:
    """Half of the places are line ends: there a cut dump looks whole to psql."""
    ends = [match.end() for match in re.finditer(rb"\n", dump[: dump.rindex(_TRAILER)])]
    anywhere = [chance.randrange(1, dump.rindex(_TRAILER)) for _ in range(CUTS // 2)]
    for place in sorted([*chance.sample(ends, CUTS - CUTS // 2), *anywhere]):
        yield BadDump(f"cut off at byte {place}", dump[:place])


def _flipped(dump: bytes, chance: random.Random) -> Iterator[BadDump]:
    """In rows, where each bit has a meaning, so that none of these is a good dump by luck."""
    places = [place for block in _DATA.finditer(dump) for place in range(*block.span(1))]
    for place in sorted(chance.sample(places, FLIPS)):
        flipped = bytes([dump[place] ^ 1 << chance.randrange(7)])
        yield BadDump(f"a bit flipped at byte {place}", dump[:place] + flipped + dump[place + 1 :], hidden=True)


def _without_block(dump: bytes, chance: random.Random) -> bytes:
    place = chance.randrange(4096, len(dump) - 8192) // 512 * 512
    return dump[:place] + dump[place + 4096 :]


def _in_data(dump: bytes, change: Callable[[bytes], bytes]) -> bytes:
    """With the second row of the first table changed."""
    block = _DATA.search(dump)
    assert block is not None
    first, second, *rest = block[1].splitlines(keepends=True)
    return dump[: block.start(1)] + b"".join([first, change(second), *rest]) + dump[block.end(1) :]


def _between_statements(dump: bytes, line: bytes) -> bytes:
    """With one more line in front of the data of the first table."""
    block = _DATA.search(dump)
    assert block is not None
    return dump[: block.start()] + line + b"\n" + dump[block.start() :]


def _restricted_by(dump: bytes, key: bytes) -> bytes:
    """pg_dump of a minor release before August 2025 writes no such lines: then they are added."""
    head, tail = b"\\restrict " + key + b"\n", b"\n\\unrestrict " + key + b"\n"
    bare = re.sub(rb"^\\(?:un)?restrict .*\n", b"", dump, flags=re.MULTILINE)
    begin = bare.index(b"\n\n") + 2
    return bare[:begin] + head + bare[begin:].rstrip() + b"\n" + tail
