"""Rows of large tables that are as the last proved dump has them: the new dump takes its blocks, nobody sends them."""

import json
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from tasks.engine.content import TableName, holding, read_rows
from tasks.engine.content.values import Holds
from tasks.engine.kept_schema import Kept
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
    then, places, parts = holding(kept.last.content.tables), kept.last.large_blocks or {}, kept.last.load_parts or {}
    codec = "utf-8" if encoding == "UTF8" else "ascii"
    blocks: dict[RawName, KeptBlock] = {}
    for (schema, name), now in read.items():
        quoted = qualified((schema, name))
        if now == then.get((schema, name)) and quoted in places and quoted in parts:
            begin, end = places[quoted]
            block = KeptBlock(file=folder / kept.file, begin=begin, end=end, sha256=parts[quoted])
            with suppress(UnicodeEncodeError):  # its name in another encoding is not guessed: it is read
                blocks[schema.encode(codec), name.encode(codec)] = block
    return blocks
