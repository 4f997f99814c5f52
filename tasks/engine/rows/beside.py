"""The schema by pg_dump and the rows by psql, at the same time, joined into one dump as they write."""

import errno
import fcntl
import io
import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext, suppress
from contextvars import copy_context
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from tasks.engine.errors import BackupError, ToolFailed
from tasks.engine.process import run_tool
from tasks.engine.rows.listing import LeftToPgDump, Listing
from tasks.engine.rows.place import Text
from tasks.engine.watch import Watch

_PIPE_BYTES = 1 << 20


@dataclass(frozen=True, kw_only=True)
class Programs:
    """pg_dump's command line, its environment, and what psql reads."""

    pg_dump: Sequence[str] | bytes  # or what it would write
    env: Mapping[str, str]
    script: BinaryIO


@dataclass(frozen=True, kw_only=True)
class Psql:
    """psql, connected or about to be: it waits for what it is to do, and ends when it has done that."""

    name: str
    output: BinaryIO
    ended: "Future[None]"
    watch: Watch  # over it, and over whatever is to end with it
    _input: BinaryIO
    _pool: ThreadPoolExecutor

    def give(self, script: BinaryIO) -> None:
        """All that it is to do; once."""
        self._pool.submit(self._give, script)

    def have_patience(self) -> None:
        """It may have to wait for longer than the database lets sessions be idle."""
        with suppress(BrokenPipeError):
            self._input.write(b"SET idle_session_timeout = 0;\n")
            self._input.flush()

    def _give(self, script: BinaryIO) -> None:
        with suppress(BrokenPipeError), self._input as stdin:  # it tells why it has ended
            try:
                shutil.copyfileobj(script, stdin)
            except BrokenPipeError:
                raise
            except Exception as error:  # before its input ends: it must not take a part for all
                self.watch.fail(BackupError(f"psql could not be told what to do: {error}"))
                raise


@contextmanager
def psql_begun(path: Path, *, env: Mapping[str, str], watch: Watch) -> Iterator[Psql]:
    """It is started; when this is left it has ended, or is ended."""
    both = Watch(watch.what, watch.remaining_s)  # so that it, and pg_dump, can be ended without the step
    with watch.covering(lambda: both.fail(watch.reason or BackupError("the step has ended"))):
        reading, writing = os.pipe()
        with (
            closing(os.fdopen(writing, "wb")) as stdin,
            ThreadPoolExecutor(2, thread_name_prefix="dumping") as pool,
            _reading(pool, psql_command(path), env, both, stdin=reading) as (output, ended),
        ):
            try:
                yield Psql(name=path.name, output=output, ended=ended, watch=both, _input=stdin, _pool=pool)
            finally:
                both.fail(BackupError("psql is not needed any more"))


def psql_command(path: Path) -> list[str]:
    """psql's argument list: it does what stands in its standard input, and stops at the first error."""
    return [
        str(path),
        "--no-psqlrc",
        "--no-password",
        "--quiet",
        "--no-align",
        "--tuples-only",
        "--set=ON_ERROR_STOP=1",
        "--set=VERBOSITY=terse",  # a string of many statements is no help in a message
    ]


def write_joined(
    programs: Programs,
    psql: Psql,
    listing: Listing,
    out: BinaryIO,
    *,
    server_major: int,
    progress: Callable[[int], None],
    mark: bytes = b"",
    between: Sequence[Callable[[BinaryIO], int]] = (),
) -> tuple[int, int]:
    """The whole dump into `out`; where one of the two fails the other is ended. Returns where the rows begin and end.

    LeftToPgDump when pg_dump's output is not understood, and when psql fails before it has written anything.
    progress: is given the number of bytes of rows so far. mark: a line that psql writes as often as there is something
    `between` its rows; each of those writes it, and returns how much it was.
    """
    both, rows = psql.watch, psql.output
    taken = False

    def take(number: int) -> None:
        nonlocal taken
        taken = True
        progress(number)

    psql.give(programs.script)
    with (
        ThreadPoolExecutor(1, thread_name_prefix="dumping") as pool,
        _schema(pool, programs, both) as (schema, schema_written),
    ):
        try:
            text = Text(schema, listing, server_major=server_major)
            begin = _write(out, text.before())
            end = begin
            if text.found:
                end += _pour_with(rows, out, take, mark, between)
                psql.ended.result()
                _write(out, text.rest())
            schema_written.result()
            both.fail(BackupError("pg_dump has ended"))  # without an error, and perhaps without a place for the rows
            return begin, end
        except BackupError as error:
            both.fail(error)
            psql.ended.exception()  # it has ended then
            psql_failed = isinstance(both.reason, ToolFailed) and both.reason.tool == psql.name
            if psql_failed and not taken and not os.read(rows.fileno(), 1):
                raise LeftToPgDump(str(both.reason)) from error
            raise
        except BaseException:
            both.fail(BackupError("the dump could not be written"))
            raise


def _schema(
    pool: ThreadPoolExecutor, programs: Programs, watch: Watch
) -> AbstractContextManager[tuple[BinaryIO, "Future[None]"]]:
    if not isinstance(programs.pg_dump, bytes):
        return _reading(pool, programs.pg_dump, programs.env, watch)
    written: Future[None] = Future()
    written.set_result(None)
    return nullcontext((io.BytesIO(programs.pg_dump), written))


@contextmanager
def _reading(
    pool: ThreadPoolExecutor, command: Sequence[str], env: Mapping[str, str], watch: Watch, *, stdin: int | None = None
) -> Iterator[tuple[BinaryIO, "Future[None]"]]:
    """A program's standard output, and its end. Its failure ends whatever else runs under the watch.

    stdin: what it reads, which is closed when it has ended.
    """
    reading, writing = os.pipe()

    def work() -> None:
        try:
            run_tool(command, env=env, watch=watch, stdin=stdin, stdout=writing)
        except BackupError as error:
            watch.fail(error)
            raise
        finally:
            for end in (writing, stdin):
                if end is not None:
                    os.close(end)

    _widen(writing)
    with os.fdopen(reading, "rb") as stream:
        yield stream, pool.submit(copy_context().run, work)


def _write(out: BinaryIO, lines: Iterable[bytes]) -> int:
    return sum(out.write(line) for line in lines)


def _pour(stream: BinaryIO, out: BinaryIO, progress: Callable[[int], None]) -> int:
    """All that is still to come from a program, of which nothing was read yet; returns how much it was."""
    out.flush()
    done = 0
    while number := _move(stream.fileno(), out.fileno()):
        done += number
        progress(done)
    return done


def _pour_with(
    stream: BinaryIO,
    out: BinaryIO,
    progress: Callable[[int], None],
    mark: bytes,
    between: Sequence[Callable[[BinaryIO], int]],
) -> int:
    """The same, and in place of each mark what stands there."""
    done, marked = 0, _Marked(stream, mark)
    for write in between:
        for piece in filter(None, marked.before()):
            done += out.write(piece)
            progress(done)
        if not marked.found:  # psql has failed: whoever waits for it tells it
            return done
        done += write(out)
    done += out.write(marked.rest)
    return done + _pour(stream, out, lambda more: progress(done + more))


class _Marked:
    """A program's output up to a line of ours."""

    def __init__(self, stream: BinaryIO, mark: bytes) -> None:
        self.rest, self.found = b"", False
        self._stream, self._line = stream, mark + b"\n"

    def before(self) -> Iterator[bytes]:
        """What stands before the next mark, which is passed over; `found` is false when there is none."""
        while (at := self.rest.find(self._line)) < 0:
            keep = max(0, len(self.rest) - len(self._line) + 1)
            yield self.rest[:keep]
            block = os.read(self._stream.fileno(), _PIPE_BYTES)
            self.found = bool(block)
            if not block:
                yield self.rest[keep:]
                return
            self.rest = self.rest[keep:] + block
        yield self.rest[:at]
        self.rest, self.found = self.rest[at + len(self._line) :], True


def _move(source: int, sink: int) -> int:
    """Some bytes of a pipe, within the kernel where it can: that saves as much time as the pipe costs."""
    if hasattr(os, "splice"):  # Linux
        try:
            return os.splice(source, sink, _PIPE_BYTES)
        except OSError as error:
            if error.errno != errno.EINVAL:  # a file system that cannot
                raise
    block = os.read(source, _PIPE_BYTES)
    rest = memoryview(block)
    while rest:
        rest = rest[os.write(sink, rest) :]
    return len(block)


def _widen(pipe: int) -> None:
    """So that a program need not wait so often, and a small database's rows lie ready when their turn comes."""
    if hasattr(fcntl, "F_SETPIPE_SZ"):  # Linux; an ordinary user may be refused when they have many pipes
        with suppress(OSError):
            fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
