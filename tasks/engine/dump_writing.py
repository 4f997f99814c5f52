"""How a dump comes into its file: the rows by our own COPY, beside pg_dump or a schema that is kept; or all by it."""

import logging
import secrets
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import BinaryIO

from sqlalchemy.engine import Connection

from tasks.engine.clients import Client
from tasks.engine.connections import Server
from tasks.engine.errors import BackupError, StorageFull, ToolFailed
from tasks.engine.growing import Examination, examined_meanwhile
from tasks.engine.kept_schema import Kept
from tasks.engine.names import form_of
from tasks.engine.packing import Key, packing
from tasks.engine.process import run_tool, tool_environment
from tasks.engine.rows.beside import Programs, Psql, psql_begun, write_joined
from tasks.engine.rows.exclusion import excluding
from tasks.engine.rows.kept import KeptBlock, RawName, segments
from tasks.engine.rows.listing import LeftToPgDump, Listed, Listing, read_listing
from tasks.engine.rows.script import LINES_BEHIND, lines_before, rows_script
from tasks.engine.run import Run
from tasks.engine.service_file import service_environment
from tasks.engine.storage import atomic_write, told_when_full
from tasks.engine.watch import Watch

log = logging.getLogger(__name__)

BY_COPY = "rows by COPY"
BY_PG_DUMP = "all by pg_dump"
_DUMPING = "pg_dump: dumping contents of table"


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What is to be dumped, and by which client."""

    server: Server
    server_major: int
    client: Client
    client_for_rows: Client  # for a dump of which pg_dump must write the rows too
    snapshot: str
    encoding: str
    keep_owners: bool
    lock_timeout_s: float
    listing: Listing | None  # none: pg_dump must write the rows too
    reason: str = ""  # why it must
    kept: Kept | None = None  # what pg_dump would write but for the rows, where that is known
    kept_rows: Mapping[RawName, KeptBlock] = field(default_factory=dict)  # and rows that need not be read
    begun: "Begun | None" = None  # for the rows

    def without_kept_rows(self, reason: str) -> "Asked":
        """The same once more, when what was taken of the last dump is not right."""
        return replace(self, listing=None, kept_rows={}, reason=reason)

    def another_may_do(self, error: ToolFailed) -> bool:
        """Whether it was the schema's pg_dump that gave up, and there is a nearer one."""
        nearer = self.client_for_rows != self.client
        return nearer and error.tool == self.client.path.name and (error.exit_status or 0) > 0


@dataclass(frozen=True, kw_only=True)
class Begun:
    """A psql that was started before it was known what it is to do."""

    psql: Psql
    client: Client
    encoding: str


@dataclass(frozen=True, kw_only=True)
class Written:
    """How a dump was written.

    rows_at: where the rows begin and end in its text; examination: of the file, begun with it; where there are such.
    """

    way: str
    client_version: str
    rows_at: tuple[int, int] | None = None
    examination: Examination | None = None


def list_rows(connection: Connection, client: Client) -> tuple[Listing | None, str]:
    """What our COPY would take, or why pg_dump must."""
    if client.psql is None:
        return None, f"there is no psql beside {client.path}"
    try:
        return read_listing(connection, client_major=client.major), ""
    except LeftToPgDump as error:
        return None, str(error)


@contextmanager
def rows_begun(run: Run, server: Server, client: Client, *, encoding: str) -> Iterator[Begun | None]:
    """The psql beside a client, connecting already. None: there is none."""
    if client.psql is None:
        yield None
        return
    with (
        _credentials(run, server, encoding, run.paths.directory) as credentials,
        psql_begun(client.psql, env=tool_environment(credentials), watch=run.watch) as psql,
    ):
        psql.have_patience()
        yield Begun(psql=psql, client=client, encoding=encoding)


def _credentials(run: Run, server: Server, encoding: str, folder: Path) -> AbstractContextManager[dict[str, str]]:
    params = {**server.url.params, "application_name": server.application_name, "client_encoding": encoding}
    return service_environment(params, folder, run_id=run.short_id)


def write_dump(run: Run, asked: Asked, part: Path) -> Written:
    """Into a new file; the way is told with its reason where it was not the fast one.

    The file may be packed: that is told by its name.
    """
    part.touch(mode=0o600, exist_ok=False)
    with _credentials(run, asked.server, asked.encoding, part.parent) as credentials:
        reason = asked.reason
        if asked.listing is not None:
            try:
                with (
                    told_when_full(part),
                    _examined(part) as examination,
                    _packed(run, part) as packed,
                    _opened(part, packed) as out,
                ):
                    rows_at = write_rows_by_copy(
                        asked,
                        asked.listing,
                        out,
                        credentials=credentials,
                        watch=run.watch,
                        progress=lambda _: _tell_size(run, part),
                    )
            except LeftToPgDump as error:
                reason = str(error)
            except ToolFailed as error:
                if not asked.another_may_do(error):
                    raise
                reason = str(error)
            else:
                return Written(
                    way=_way(asked),
                    client_version=asked.client.version,
                    rows_at=rows_at,
                    examination=examination,
                )
        log.info("pg_dump writes the rows too: %s", reason, extra={"event": "dump_way"})
        _write_by_pg_dump(run, asked, part, credentials)
        return Written(way=f"{BY_PG_DUMP}: {reason}", client_version=asked.client_for_rows.version)


def _examined(part: Path) -> AbstractContextManager[Examination | None]:
    return examined_meanwhile(part) if form_of(part.name).plain else nullcontext()


def _way(asked: Asked) -> str:
    if asked.kept is None:
        return BY_COPY
    tables = f" and the rows of {len(asked.kept_rows)} large tables" if asked.kept_rows else ""
    return f"{BY_COPY}, the schema{tables} of {asked.kept.file}"


def dump_command(asked: Asked, *, file: Path | None, excluding: str | None = None) -> list[str]:
    """pg_dump's argument list; who connects where stands in the service file. file: none means standard output.

    excluding: the pattern of names whose rows and values it does not write; without one it tells its progress.
    """
    command = [
        str((asked.client_for_rows if excluding is None else asked.client).path),
        "--format=plain",
        *([] if file is None else [f"--file={file}"]),
        f"--snapshot={asked.snapshot}",
        f"--encoding={asked.encoding}",  # the database's own, whatever client_encoding somebody set for it
        f"--lock-wait-timeout={int(asked.lock_timeout_s * 1000)}",
        "--no-subscriptions",  # a copy that subscribes to the source's publishers would be written to by them
        "--no-tablespaces",
        "--no-password",
        "--verbose" if excluding is None else f"--exclude-table-data={excluding}",
    ]
    return command if asked.keep_owners else [*command, "--no-owner", "--no-privileges"]


def write_rows_by_copy(
    asked: Asked,
    listing: Listing,
    out: BinaryIO,
    *,
    credentials: Mapping[str, str],
    watch: Watch,
    progress: Callable[[int], None],
) -> tuple[int, int]:
    """The whole dump, joined of what two programs write; returns where the rows stand. LeftToPgDump where it cannot be.

    credentials: of `service_environment`; progress: is given the number of bytes of rows so far.
    """
    assert asked.client.psql is not None  # noqa: S101 - else nothing was listed
    parts, mark = segments(listing, asked.kept_rows), secrets.token_hex(32).encode()
    with ExitStack() as stack, tempfile.TemporaryFile(dir=Path(credentials["PGSERVICEFILE"]).parent) as script:
        script.writelines(
            rows_script(
                parts,
                listing.sequences,
                mark=mark,
                snapshot=asked.snapshot,
                server_major=asked.server_major,
                keep_owners=asked.keep_owners,
                lock_timeout_s=asked.lock_timeout_s,
            )
        )
        script.seek(0)
        programs = Programs(
            pg_dump=asked.kept.text
            if asked.kept
            else dump_command(asked, file=None, excluding=excluding(listing, encoding=asked.encoding)),
            script=script,
            env=tool_environment(credentials),
        )
        return write_joined(
            programs,
            stack.enter_context(_psql(asked, asked.client.psql, programs.env, watch)),
            listing,
            out,
            server_major=asked.server_major,
            progress=progress,
            mark=mark,
            between=[partial(_write_kept, asked, part.kept, watch) for part in parts[:-1]],
        )


def _psql(asked: Asked, path: Path, env: Mapping[str, str], watch: Watch) -> AbstractContextManager[Psql]:
    begun = asked.begun
    if begun is not None and (begun.client, begun.encoding) == (asked.client, asked.encoding):
        return nullcontext(begun.psql)
    return psql_begun(path, env=env, watch=watch)


def _write_kept(asked: Asked, tables: Sequence[Listed], watch: Watch, out: BinaryIO) -> int:
    return sum(_write_block(asked, table, watch, out) for table in tables)


def _write_block(asked: Asked, table: Listed, watch: Watch, out: BinaryIO) -> int:
    before, behind = (
        b"".join(line + b"\n" for line in lines)
        for lines in (lines_before(table, keep_owners=asked.keep_owners), LINES_BEHIND)
    )
    block = asked.kept_rows[table.schema, table.name]
    return out.write(before) + block.write(out, check=watch.check) + out.write(behind)


@contextmanager
def _opened(part: Path, packed: int | None) -> Iterator[BinaryIO]:
    """The file, or what packs it, to write to."""
    try:
        with part.open("wb") if packed is None else open(packed, "wb", closefd=False) as out:
            yield out
    except BrokenPipeError as error:
        raise BackupError("the packing of the dump has ended") from error  # which says why


def _write_by_pg_dump(run: Run, asked: Asked, part: Path, credentials: Mapping[str, str]) -> None:
    command = dump_command(asked, file=part if form_of(part.name).plain else None)
    try:
        with _packed(run, part) as stdout:
            run_tool(
                command,
                env=tool_environment(credentials),
                watch=run.watch,
                on_stderr=lambda line: _tell_size(run, part) if line.startswith(_DUMPING) else None,
                stdout=stdout,
            )
    except ToolFailed as error:
        if "No space left on device" in error.stderr:
            raise StorageFull(
                f"BACKUP_STORAGE the disk of {part.parent} is full; make room, then run again; nothing was changed"
            ) from error
        raise


@contextmanager
def _packed(run: Run, part: Path) -> Iterator[int | None]:
    """What takes the text of a dump that is to be packed; none for a plain one, which is written as it is."""
    form = form_of(part.name)
    if form.plain:
        yield None
        return
    recipients = list(run.settings.encrypt_to)
    if form.encrypted:
        key = Key.new()
        atomic_write(run.paths.key, key.text.encode())
        recipients.append(key.recipient)
    with packing(part, form, recipients) as stdout:
        yield stdout


def _tell_size(run: Run, part: Path) -> None:
    run.progress.bytes_done(part.stat().st_size)
