"""A dump file's bytes, each read once: by line where statements stand, by block in COPY data; hashed on the way."""

import codecs
from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from pathlib import Path

from tasks.engine.dumpfile_lexer import Unreadable
from tasks.engine.hashing import Sha256
from tasks.engine.packing import Readable

BLOCK_BYTES = 1 << 20
_STRETCH_BYTES = 1 << 16  # their lines stay in the processor's cache: a sixth faster than by BLOCK_BYTES, and 8 MB less
MAX_STATEMENT_BYTES = 64 << 20
"""A longer statement is refused: it is held in memory. COPY data has no limit, large objects come in 16 KB pieces."""

END_OF_DATA = b"\\.\n"
_NOT_SEPARATORS = bytes(byte for byte in range(256) if byte not in b"\t\n")


def stretch(file: Path, begin: int, end: int) -> Iterator[bytes]:
    """A plain file's bytes from `begin` to before `end`, in blocks; fewer where it is shorter."""
    with file.open("rb", buffering=0) as opened:
        opened.seek(begin)
        while begin < end and (block := opened.read(min(_STRETCH_BYTES, end - begin))):
            begin += len(block)
            yield block


class DumpSource:
    """The file as lines and blocks. `line` is the number of the line that is read next, from 1.

    hashing: a thread that hashes meanwhile.
    """

    def __init__(
        self, file: Readable, *, progress: Callable[[int], None] | None = None, hashing: Executor | None = None
    ) -> None:
        self.line = 1
        self.bytes_read = 0
        self.check_utf8 = True
        self._file = file
        self._progress = progress
        self._sha256 = Sha256(hashing)
        self._utf8 = codecs.getincrementaldecoder("utf-8")()
        self._block = b""
        self._position = 0

    @property
    def sha256(self) -> str:
        """Of all that was read so far."""
        return self._sha256.hexdigest()

    @property
    def offset(self) -> int:
        """Where in the file the byte stands that is read next."""
        return self.bytes_read - len(self._block) + self._position

    def next_line(self) -> bytes:
        """The next line with its newline; empty at the end of the file."""
        end = self._block.find(b"\n", self._position) + 1
        if not end:
            return self._line_over_blocks()
        line = self._block[self._position : end]
        self._position = end
        self.line += 1
        return line

    def _line_over_blocks(self) -> bytes:
        parts: list[bytes] = []
        length = end = 0
        while not end and (self._position < len(self._block) or self._read_block()):
            end = self._block.find(b"\n", self._position) + 1
            part = self._block[self._position : end or None]
            self._position += len(part)
            parts.append(part)
            length += len(part)
            if length > MAX_STATEMENT_BYTES:
                raise Unreadable(f"a line outside COPY data is longer than {MAX_STATEMENT_BYTES >> 20} MB")
        self.line += bool(parts)
        return b"".join(parts)

    def copy_data(self, columns: int) -> Iterator[bytes]:
        """The rows of a COPY block, in pieces that may end within a row, without the end-of-data line.

        Memory stays constant however long a row is. `line` follows the complete rows.
        """
        rows = _Rows(columns)
        held = b""  # the begin of what may become the end-of-data line
        at_line_start = True
        finished = False
        while not finished:
            if self._position >= len(self._block) and not self._read_block():
                raise Unreadable("the file ends within the data of a COPY block")
            piece = held + self._block[self._position :]
            end = _end_of_data(piece, at_line_start=at_line_start)
            finished = end >= 0
            rest = len(piece) - end - len(END_OF_DATA) if finished else 0
            self._position = len(self._block) - rest
            if not finished:
                end = len(piece) - _held_back(piece, at_line_start=at_line_start)
            data, held = piece[:end], piece[end:]
            self.line += rows.count(data)
            if data:
                at_line_start = data.endswith(b"\n")
                yield data
        self.line += 1

    def _read_block(self) -> bool:
        block = self._file.read(BLOCK_BYTES)
        self._block, self._position = block, 0
        self._sha256.update(block)
        self.bytes_read += len(block)
        zero = block.find(b"\0")
        if zero >= 0:
            raise Unreadable("a byte is zero, which no text in PostgreSQL holds", lines_on=block.count(b"\n", 0, zero))
        if self.check_utf8:
            self._check_utf8(block)
        if self._progress is not None:
            self._progress(self.bytes_read)
        return bool(block)

    def _check_utf8(self, block: bytes) -> None:
        pending = len(self._utf8.getstate()[0])
        if block and not pending and block.isascii():
            return
        try:
            self._utf8.decode(block, final=not block)
        except UnicodeDecodeError as error:
            lines_on = block.count(b"\n", 0, max(0, error.start - pending))
            raise Unreadable("bytes are not UTF-8, which client_encoding promises", lines_on=lines_on) from error


def _end_of_data(piece: bytes, *, at_line_start: bool) -> int:
    """Where the end-of-data line begins; -1 when it is not in this piece."""
    if at_line_start and piece.startswith(END_OF_DATA):
        return 0
    wanted = b"\n" + END_OF_DATA
    if piece.rfind(wanted) < 0:  # most pieces have none, and from behind that is found in half the time
        return -1
    return piece.find(wanted) + 1


def _held_back(piece: bytes, *, at_line_start: bool) -> int:
    """How many bytes at the end may be the begin of the end-of-data line."""
    for begin in (b"\\.", b"\\"):
        if piece.endswith(b"\n" + begin) or (at_line_start and piece == begin):
            return len(begin)
    return 0


class _Rows:
    """Counts complete rows and holds each against the number of columns, without a step of Python for every row.

    A row's separators are the only tabs and newlines in COPY's text format. So what remains of a piece when every other
    byte is deleted must be the same few bytes for each row.
    """

    def __init__(self, columns: int) -> None:
        self._columns = columns
        self._row = b"\t" * (columns - 1) + b"\n"
        self._begun = b""

    def count(self, data: bytes) -> int:
        """The number of rows that end in this piece of data."""
        separators = self._begun + data.translate(None, _NOT_SEPARATORS)
        if not self._columns:
            if separators != data:
                raise self._wrong(data)
            return len(data)
        rows, rest = divmod(len(separators), self._columns)
        self._begun = b"\t" * rest
        if separators != self._row * rows + self._begun:
            raise self._wrong(separators)
        return rows

    def _wrong(self, separators: bytes) -> Unreadable:
        rows = separators.split(b"\n")
        tabs = max(0, self._columns - 1)
        number = next((n for n, row in enumerate(rows) if len(row) != tabs), 0)
        found = len(rows[number]) + 1 if self._columns else "some"
        return Unreadable(
            f"a row has {found} columns and not the {self._columns} that its COPY statement names", lines_on=number
        )
