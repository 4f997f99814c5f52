"""COPY blocks that are taken out of an earlier dump, and the segments into which they part what psql writes."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

from tasks.engine.dumpfile_source import stretch
from tasks.engine.hashing import Sha256
from tasks.engine.rows.listing import LeftToPgDump, Listed, Listing

RawName = tuple[bytes, bytes]
"""Schema and table, as bytes in the database's encoding."""


class BlockDamaged(Exception):
    """Its file does not hold any more what it held."""


@dataclass(frozen=True, kw_only=True)
class KeptBlock:
    """All rows of a table, as an earlier dump has them. sha256: of its COPY statement, a line end, and the data."""

    file: Path
    begin: int  # where the data begins and ends in it, in bytes
    end: int
    sha256: str

    def write(self, out: BinaryIO, *, check: Callable[[], None] = lambda: None) -> int:
        """The data, as the file has it now, behind which the line that ends it is still to come; returns how much.

        Whether it is what it was is for the reader of what was written. LeftToPgDump when it cannot be read: part of it
        is written then. check: raises when the step must end.
        """
        done = 0
        try:
            for piece in self._pieces(check):
                done += out.write(piece)
        except BlockDamaged as error:
            raise LeftToPgDump(str(error)) from error
        return done

    def data(self, statement: bytes, *, check: Callable[[], None] = lambda: None) -> Iterator[bytes]:
        """The same in pieces; BlockDamaged at its end, when it is not what it was. statement: COPY, before it."""
        with ThreadPoolExecutor(1, thread_name_prefix="hashing") as hashing:
            found = Sha256(hashing)
            found.update(statement + b"\n")
            for piece in self._pieces(check):
                found.update(piece)
                yield piece
        if found.hexdigest() != self.sha256:
            raise BlockDamaged(f"{self.file.name} was changed or damaged")

    def _pieces(self, check: Callable[[], None]) -> Iterator[bytes]:
        pieces = stretch(self.file, self.begin, self.end)
        while piece := self._next(pieces):
            check()
            yield piece

    def _next(self, pieces: Iterator[bytes]) -> bytes:
        try:
            return next(pieces, b"")
        except OSError as error:
            raise BlockDamaged(f"{self.file.name} cannot be read ({error.strerror})") from error


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
