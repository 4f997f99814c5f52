"""A dump and its manifest, both of one snapshot: the file is written while the content is read beside it."""

import itertools
import json
import logging
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import copy_context
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any

from sqlalchemy.engine import Connection

from tasks.engine import grants
from tasks.engine.clients import Client, choose_client
from tasks.engine.connections import Server, ask, raw_connection
from tasks.engine.content import (
    Content,
    TableName,
    read_content,
)
from tasks.engine.content.session import catch_up
from tasks.engine.content.values import Holds
from tasks.engine.database_properties import properties_found, properties_query
from tasks.engine.dump_publishing import examine, publish, removed_unless_published
from tasks.engine.dump_writing import Asked, Begun, Written, list_rows, rows_begun, write_dump
from tasks.engine.dumpfile import DumpFacts
from tasks.engine.errors import BackupError, DumpRefused, ToolFailed
from tasks.engine.kept_rows import as_proved, kept_blocks, read_large
from tasks.engine.kept_schema import CATALOGS, catalogs_digest, distrust, kept_schema
from tasks.engine.manifest import Manifest
from tasks.engine.mark import TargetState
from tasks.engine.names import DumpKind, form_of, part_path
from tasks.engine.run import Run
from tasks.engine.snapshot import SOON_BYTES, Snapshot, giving_way, take_snapshot
from tasks.engine.storage import remove_file

log = logging.getLogger(__name__)

Instead = Callable[[Snapshot, Mapping[str, Any]], Manifest | None]  # the second: what a manifest says beside content
CLUSTER = "SELECT system_identifier FROM pg_control_system()"
DATABASE = "SELECT oid || '/' || datname FROM pg_database WHERE datname = current_database()"
_PATIENCE_S = 2.0
_WAL_POSITION = "SELECT pg_current_wal_lsn()"
_KNOWN = f"""
    SELECT json_build_array(current_database(), current_setting('server_version'),
        ({properties_query("current_database()")}))
"""


def dump_source(run: Run) -> Manifest:
    """The whole source into `source_db_backup_<stamp>.sql`, with its manifest."""
    server = run.source
    blocked_s = run.settings.source_blocked_s
    with _distrusted(run), giving_way(server, prefix=run.session_prefix, limit_s=blocked_s) as somebody_looks:
        manifest = _dump(
            run,
            server,
            run.paths.source_dump,
            kind="source",
            keep_owners=run.settings.keep_owners,
            before_locks=somebody_looks,
        )
    size = manifest.size_bytes / 2**20
    log.info(
        "✅ Source database dumped: %.2f MB", size, extra={"event": "dump_finished", "size_bytes": manifest.size_bytes}
    )
    return manifest


@contextmanager
def _distrusted(run: Run) -> Iterator[None]:
    """A schema that was kept, when the dump that was made with it is refused."""
    try:
        yield
    except DumpRefused:
        distrust(run)
        raise


def back_up_target(
    run: Run, *, seen: Callable[[TargetState], None] = lambda _: None, instead: Instead | None = None
) -> Manifest:
    """The target as it is now into `backup_safety_<stamp>.sql`, owners and privileges kept, with its manifest.

    seen: is told what the target was before the snapshot: whoever publishes later breaks the fence. instead: may find
    under the snapshot that such a file is there already.
    """
    return _dump(run, run.target, run.paths.safety_dump, kind="safety", keep_owners=True, seen=seen, instead=instead)


def keep_rejected(run: Run, server: Server) -> Manifest:
    """A copy that is rolled back, into `backup_rejected_<stamp>.sql`: it was proved, so somebody wrote to it.

    server: of the database in which it stands. No retention deletes the file: people do. When it is there already, as
    after a second attempt, a number is added to the name.
    """
    names = (run.paths.rejected_dump(number) for number in itertools.count(1))
    free = next(path for path in names if not path.exists())
    return _dump(run, server, free, kind="safety", keep_owners=True)


def _dump(
    run: Run,
    server: Server,
    final: Path,
    *,
    kind: DumpKind,
    keep_owners: bool,
    before_locks: Callable[[], None] = lambda: None,
    seen: Callable[[TargetState], None] = lambda _: None,
    instead: Instead | None = None,
) -> Manifest:
    part = part_path(final)
    lock_timeout_s = run.settings.source_lock_timeout_s
    choose = partial(choose_client, bin_dir=run.settings.pg_bin_dir, what=kind if kind == "source" else "target")
    with (
        server.open() as connection,
        _rows_begun(run, server, kind, connection, choose) as begun,
        removed_unless_published(part),
    ):
        snapshot = take_snapshot(
            server,
            connection,
            lock_timeout_s=lock_timeout_s,
            must=[_KNOWN],
            may=[CLUSTER, DATABASE, _WAL_POSITION, CATALOGS],
            before_locks=before_locks,
        )
        seen(snapshot.before)
        major = snapshot.server_major
        client = choose(major, schema_only=True)
        described = {
            **_describe(snapshot, kind),  # before the reading begins: the session serves one thread at a time
            "client_version": client.version,
            "privileges": keep_owners,
        }
        if instead is not None and (found := instead(snapshot, described)) is not None:
            return found
        listing, reason = list_rows(snapshot.connection, client)
        kept = kept_schema(run, described) if listing is not None and kind == "source" else None
        encoding = described["properties"]["encoding"]
        read = read_large(run, snapshot, kept, described) if kept is not None else {}
        blocks = kept_blocks(kept, read, run.paths.directory, encoding=encoding) if kept is not None else {}
        plain = form_of(part.name).plain
        # What is packed is told by its bytes on disk, and nobody knows how many they will be.
        run.progress.begin("reading and dumping", of_bytes=snapshot.size_bytes if plain else 0, guessed=True)
        asked = Asked(
            server=server,
            server_major=major,
            client=client,
            # What one of before 17 writes of owners gives them a right more on a server from 17 on: MAINTAIN.
            client_for_rows=client if kind == "source" and keep_owners else choose(major),
            snapshot=snapshot.name,
            encoding=encoding,
            keep_owners=keep_owners,
            lock_timeout_s=lock_timeout_s,
            listing=listing,
            reason=reason,
            kept=kept,
            kept_rows=blocks,
            begun=begun,
        )
        content, written, facts = _dump_and_read(run, asked, part, snapshot, read)
    run.keep(dump_ways={**run.facts.get("dump_ways", {}), final.name: written.way})
    return publish(
        run,
        kind=kind,
        part=part,
        final=final,
        content=content,
        written=written,
        facts=facts,
        described=described,
    )


def _rows_begun(
    run: Run, server: Server, kind: DumpKind, connection: Connection, choose: Callable[..., Client]
) -> AbstractContextManager[Begun | None]:
    """Over a distance psql connects while the snapshot is taken; of a large database it would have to wait for long."""
    if kind != "source" or run.facts["source"]["size_bytes"] > SOON_BYTES:
        return nullcontext()
    raw = raw_connection(connection)
    client = choose(raw.server_version // 10000, schema_only=True)
    return rows_begun(run, server, client, encoding=raw.info.parameter_status("server_encoding"))


def _dump_and_read(
    run: Run, asked: Asked, part: Path, snapshot: Snapshot, read: Mapping[TableName, Holds]
) -> tuple[Content, Written, DumpFacts | None]:
    """The dump in this thread, the content in another, both under the one snapshot; with how the dump was written.

    Where definitions are those of the last dump, rows are read when it is known which of them differ from its: then
    the file was examined, and what was found is given too. read: what was read of rows before.
    """
    as_before: Future[Mapping[TableName, Holds]] = Future()
    with ThreadPoolExecutor(1, thread_name_prefix="content") as pool:
        # In the session that holds the locks, so that nobody else's can come between, and its loss is seen.
        reading = pool.submit(copy_context().run, _read, run, asked, snapshot, as_before if asked.kept else None)
        try:
            written, facts = write_dump(run, asked, part), None
            run.progress.bytes_done(part.stat().st_size)
            if asked.kept is not None:
                written, facts = _examine_kept(run, asked, asked.kept.file, part, written)
                found = asked.kept.rows_as_before(facts.load_parts)
                run.progress.begin("reading the rows that differ")
                as_before.set_result({**read, **found})
                if written.rows_at:
                    told = f"of {len(found)} of {len(facts.rows)} tables the rows are as there"
                    written = replace(written, way=f"{written.way}; {told}")
        except BackupError as error:
            if isinstance(error, ToolFailed):  # the reading, if it finds the same, tells more of it
                as_before.cancel()
                wait([reading], _PATIENCE_S)
            run.watch.fail(_first_cause(reading, error))
            raise
        finally:
            as_before.cancel()  # else it would be waited for
        return reading.result(), written, facts


def _read(run: Run, asked: Asked, snapshot: Snapshot, known: Future[Mapping[TableName, Holds]] | None) -> Content:
    with asked.server.translated():
        found = read_content(
            snapshot.connection, progress=run.progress.tables_done, privileges=asked.keep_owners, known=known
        )
        if known is None:
            catch_up(snapshot.connection)  # its locks on indexes, while pg_dump goes on
        return found


def _examine_kept(run: Run, asked: Asked, last: str, part: Path, written: Written) -> tuple[Written, DumpFacts]:
    """Also whether the rows of the last dump are still those that were proved; else all is written anew."""
    try:
        facts = examine(run, part, written.examination)
    except DumpRefused:
        if not asked.kept_rows:
            raise
        facts = None
    if facts is not None and as_proved(asked.kept_rows, facts):
        return written, facts
    remove_file(part)
    run.warn(f"{last} was changed or damaged since it was proved; look at it: railway-neon-sync verify {last}")
    written = write_dump(run, asked.without_kept_rows(f"{last} was changed or damaged"), part)
    return written, examine(run, part, written.examination)


def _first_cause(reading: "Future[Content]", error: BackupError) -> BackupError:
    """When the reading failed first, the snapshot went with it: its error is the one to tell, not pg_dump's."""
    cause = reading.exception() if reading.done() else None
    return cause if isinstance(cause, BackupError) else error


def _describe(snapshot: Snapshot, kind: str) -> dict[str, Any]:
    known, cluster, database, wal, catalogs = snapshot.answers
    name, version, properties = json.loads(known or "")
    found = grants.grants_to_json(grants.read_grants(snapshot.connection)) if kind == "safety" else None
    return {
        "taken_at": snapshot.taken_at,
        "wal_position": wal,
        "database": name,
        "identity": identity_of(cluster, database),
        "server_version": version,
        "properties": asdict(properties_found(properties)),
        "grants": found,
        "catalogs": catalogs_digest(snapshot.connection, catalogs) if kind == "source" else None,
    }


def identity(connection: Connection) -> str:
    """Which database of which cluster this is; a branch of a provider shares the cluster's identifier."""
    return identity_of(*ask(connection, CLUSTER, DATABASE))


def identity_of(cluster: str | None, database: str | None) -> str:
    """Of the answers to CLUSTER and DATABASE."""
    return f"{cluster or 'unknown'}/{database}"


def server_major(connection: Connection) -> int:
    return int(connection.exec_driver_sql("SELECT current_setting('server_version_num')::int / 10000").scalar_one())
