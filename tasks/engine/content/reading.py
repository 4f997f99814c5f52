"""Reading everything that a database holds, inside the caller's transaction."""

from collections.abc import Callable
from pathlib import Path

from sqlalchemy.engine import Connection

from tasks.engine.content.batches import Batches
from tasks.engine.content.catalog import read_relations
from tasks.engine.content.fingerprints import read_sequences, read_tables
from tasks.engine.content.inventory import read_inventory
from tasks.engine.content.large_objects import read_large_objects
from tasks.engine.content.session import pin_session, rows
from tasks.engine.content.values import Content

_NOTES = Path(__file__).with_name("notes.sql").read_text(encoding="utf-8")


def read_content(
    connection: Connection, *, progress: Callable[[int, int], None] | None = None, privileges: bool = False
) -> Content:
    """Everything, within the transaction and snapshot that the caller opened; nothing is committed.

    progress(tables done, tables in all). privileges: owners and grants are read as objects too.
    The session stays pinned (PINNED_SESSION) until the transaction ends.
    BackupError names a table, sequence or large object that the role cannot read in full.
    """
    pin_session(connection)
    [(version, notes, empty)] = rows(connection, _NOTES)
    relations = read_relations(connection)
    tables, partitioned, sequences = ([each for each in relations if each.kind == kind] for kind in "rpS")
    tell = progress or _tell_nobody
    tell(0, len(tables))
    with Batches(connection) as batches:
        return Content(
            server_version=version,
            objects=read_inventory(connection, privileges=privileges, empty=empty),
            tables=read_tables(batches, tables, encoding=notes["encoding"], progress=tell),
            sequences=read_sequences(batches, sequences),
            large_objects=read_large_objects(batches),
            partitioned=tuple(each.key for each in partitioned),
            partition_parents=tuple((each.key, parent) for each in partitioned for parent in each.parents),
            notes=notes,
        )


def _tell_nobody(done: int, of: int) -> None:
    """No progress is wanted."""
    del done, of
