"""A dump goes to the disk while it is examined: what the disk says then is not lost."""

import errno
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tasks.engine import dump_publishing
from tasks.engine.errors import StorageFull
from tests.unit.tasks.engine.dumpfile_texts import HEADER, PREAMBLE, TRAILER


def a_run(folder: Path) -> Any:
    progress = SimpleNamespace(begin=lambda *_, **__: None, bytes_done=lambda _: None)
    return SimpleNamespace(progress=progress, paths=SimpleNamespace(key=folder / "key"))


@pytest.mark.parametrize(("number", "kind"), [(errno.ENOSPC, StorageFull), (errno.EIO, OSError)])
def test_it_is_told_by_whoever_examines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, kind: type[Exception]
) -> None:
    part = tmp_path / "source_db_backup_20250101_060000.sql.part"
    part.write_bytes(HEADER + PREAMBLE + TRAILER)
    assert dump_publishing.examine(a_run(tmp_path), part).size_bytes == part.stat().st_size

    def fail(_: Path) -> None:
        raise OSError(number, "the disk does not take it")

    monkeypatch.setattr(dump_publishing, "sync_file", fail)
    with pytest.raises(kind):
        dump_publishing.examine(a_run(tmp_path), part)
