"""Names of files are made and read back."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.engine import names


@given(
    st.integers(-30_000_000_000, 253_402_300_799).map(lambda s: datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=s))
)
def test_names_and_instants_are_read_back_as_they_were_made(instant: datetime) -> None:
    stamp = names.stamp_of(instant)
    assert names.instant_of(stamp) == instant
    for kind in ("source", "safety"):
        assert names.parse_dump_name(names.dump_path(Path("x"), kind, stamp).name) == (kind, stamp)


def test_names_are_those_of_the_specification() -> None:
    folder = Path("b")
    stamp = "20251022_180000"
    assert names.dump_path(folder, "source", stamp) == Path("b/source_db_backup_20251022_180000.sql")
    assert names.dump_path(folder, "safety", stamp) == Path("b/backup_safety_20251022_180000.sql")
    assert names.report_path(folder, stamp) == Path("b/reports/20251022_180000.json")
    manifest = names.manifest_path(names.dump_path(folder, "source", stamp))
    assert manifest == Path("b/source_db_backup_20251022_180000.manifest.json")


@pytest.mark.parametrize(
    "name",
    [
        "source_db_backup_20251022_180000.sql.part",
        "source_db_backup_20251022_180000.manifest.json",
        "source_db_backup_20251322_180000.sql",
        "source_db_backup_20251022_180000.sql\n",
        "source_db_backup_٢٠٢٥١٠٢٢_180000.sql",
        "xsource_db_backup_20251022_180000.sql",
        "backup_safety_2025_180000.sql",
        "",
    ],
)
def test_other_names_are_not_dumps(name: str) -> None:
    assert names.parse_dump_name(name) is None


def test_a_rejected_dump_tells_when_its_run_began_and_other_names_tell_nothing() -> None:
    second = names.rejected_path(Path("b"), "20251022_180000", 2)
    assert names.rejected_stamp(second.name) == datetime(2025, 10, 22, 18, tzinfo=UTC)
    for name in ("backup_rejected_20251322_180000.sql", f"{second.name}.part", "backup_safety_20251022_180000.sql"):
        assert names.rejected_stamp(name) is None
