"""COPY blocks that are taken out of an earlier dump, and the segments into which they part what psql writes."""

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

from tasks.engine.dumpfile_source import stretch
from tasks.engine.rows.listing import LeftToPgDump, Listed, Listing

RawName = tuple[bytes, bytes]
"""Schema and table, as bytes in the database's encoding."""


@dataclass(frozen=True, kw_only=True)
class KeptBlock:
    """All rows of a table, as an earlier dump has them. sha256: of its COPY statement, a line end, and the data."""

    file: Path
    begin: int  # where the data begins and ends in it, in bytes
    end: int
    sha256: str

    def write(self, statement: bytes, out: BinaryIO, *, check: Callable[[], None] = lambda: None) -> int:
        """The data, behind which the line that ends it is still to come; returns how much it was.

        LeftToPgDump when the file does not hold any more what it held: part of it is written then. check: raises when
        the step must end.
        """
        found = hashlib.sha256(statement + b"\n")
        for piece in self._pieces():
            check()
            found.update(piece)
            out.write(piece)
        if found.hexdigest() != self.sha256:
            raise LeftToPgDump(f"{self.file.name} was changed or damaged")
        return self.end - self.begin

    def _pieces(self) -> Iterator[bytes]:
        try:
            yield from stretch(self.file, self.begin, self.end)
        except OSError as error:
            raise LeftToPgDump(f"{self.file.name} cannot be read ({error.strerror})") from error


@dataclass(frozen=True, kw_only=True)
class Segment:
    """Tables that psql writes, one after the other, and those behind them whose blocks are kept."""

    tables: Sequence[Listed]
    kept: Sequence[Listed] = ()


def segments(listing: Listing, kept: Mapping[RawName, KeptBlock]) -> list[Segment]:
    """The listing's tables, in their order; the last segment, if an empty one, keeps none."""
    found = [Segment(tables=())]
    for table in listing.tables:
        last = found[-1]
        if (table.schema, table.name) in kept:
            found[-1] = replace(last, kept=[*last.kept, table])
        elif last.kept:
            found.append(Segment(tables=[table]))
        else:
            found[-1] = replace(last, tables=[*last.tables, table])
    return [*found, Segment(tables=())] if found[-1].kept else found
