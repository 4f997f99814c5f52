"""Rows of large tables that are as the last proved dump has them: the new dump takes its blocks, nobody sends them."""

import json
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from tasks.engine.content import TableName, holding, read_rows
from tasks.engine.content.values import Holds
from tasks.engine.dumpfile import DumpFacts
from tasks.engine.kept_schema import Kept
from tasks.engine.manifest import Manifest
from tasks.engine.mark import qualified
from tasks.engine.names import form_of
from tasks.engine.rows.kept import KeptBlock, RawName
from tasks.engine.run import Run
from tasks.engine.snapshot import Snapshot


def read_large(run: Run, snapshot: Snapshot, kept: Kept, described: Mapping[str, Any]) -> dict[TableName, Holds]:
    """What the source's tables hold now of which the last dump has a large block.

    described: what the new dump's manifest will say beside content. Nothing where blocks cannot be taken at all.
    """
    last = kept.last
    # The text of money follows the database's settings, and so may another type's.
    as_before = last.properties == json.loads(json.dumps(described["properties"]))
    places = last.large_blocks or {} if form_of(last.file).plain and as_before else {}
    names = {name for name in holding(last.content.tables) if qualified(name) in places}
    if not names:
        return {}
    run.progress.begin("reading large tables")
    with run.source.translated():
        tables, _ = read_rows(snapshot.connection, names)
        return holding(tables)


def kept_blocks(
    kept: Kept, read: Mapping[TableName, Holds], folder: Path, *, encoding: str
) -> dict[RawName, KeptBlock]:
    """The last dump's blocks of tables whose rows are, by number and fingerprint, what it has of them.

    read: of read_large; folder: where the last dump lies; encoding: the source's.
    """
    then = holding(kept.last.content.tables)
    codec = "utf-8" if encoding == "UTF8" else "ascii"
    blocks: dict[RawName, KeptBlock] = {}
    for (schema, name), now in read.items():
        block = block_of(kept.last, folder, (schema, name))
        if now == then.get((schema, name)) and block is not None:
            with suppress(UnicodeEncodeError):  # its name in another encoding is not guessed: it is read
                blocks[schema.encode(codec), name.encode(codec)] = block
    return blocks


def as_proved(blocks: Mapping[RawName, KeptBlock], facts: DumpFacts) -> bool:
    """Whether a dump that took these blocks has in them what they were, and no more. facts: of that dump."""
    for (schema, name), block in blocks.items():
        quoted = qualified((schema.decode(), name.decode()))
        begin, end = facts.large_blocks.get(quoted, (0, 0))
        if facts.load_parts.get(quoted) != block.sha256 or end - begin != block.end - block.begin:
            return False
    return True


def block_of(dump: Manifest, folder: Path, table: TableName) -> KeptBlock | None:
    """Where a dump has a table's rows, which may be damaged by now; None of a small block, and of a packed dump."""
    name = qualified(table)
    place, sha256 = (dump.large_blocks or {}).get(name), (dump.load_parts or {}).get(name)
    if place is None or sha256 is None or not form_of(dump.file).plain:
        return None
    return KeptBlock(file=folder / dump.file, begin=place[0], end=place[1], sha256=sha256)
