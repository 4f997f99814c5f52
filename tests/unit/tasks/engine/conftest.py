"""Fixtures of the engine's unit tests."""

from pathlib import Path

import pytest

from tests.unit.tasks.engine.dumpfile_texts import WriteDump, dump_text


@pytest.fixture
def write_dump(tmp_path: Path) -> WriteDump:
    """Write a dump file with this body between preamble and trailer; returns its path."""

    def write(body: bytes) -> Path:
        path = tmp_path / "dump.sql"
        path.write_bytes(dump_text(body))
        return path

    return write
