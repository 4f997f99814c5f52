"""Off-site: what is sent, what counts as a dump there, and what expires."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from config.settings import Settings, load_settings
from tasks.engine.errors import OffsiteFailed
from tasks.engine.offsite import StoredDump, choose, files_to_send, plan_offsite_expiry, stored_dumps, verified_dumps
from tasks.engine.retention import KeptDump, Verdict

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)


@pytest.fixture
def settings() -> Settings:
    addresses = {
        "DATABASE_URL": "postgresql://ann:geheim1@source.example/shop",
        "RAILWAY_BACKUP_DB_URL": "postgresql://bob:geheim2@target.example/railway",
    }
    return load_settings({**addresses, "OFFSITE_URL": "s3://bucket/folder/"}, env_file=None)


def stored(*stamps: str) -> list[StoredDump]:
    return [StoredDump(name=f"source_db_backup_{stamp}.sql", stamp=stamp, size_bytes=1) for stamp in stamps]


def verdict(path: Path, *, keep: bool = True, state: str = "succeeded", kind: str = "source") -> Verdict:
    dump = KeptDump(run_id="r", stamp=NOW, path=path, kind=kind, state=state)  # type: ignore[arg-type]
    return Verdict(dump=dump, keep=keep, reason="")


def test_each_pair_of_databases_has_a_place_of_its_own(settings: Settings) -> None:
    assert settings.offsite_place == f"s3://bucket/folder/{settings.pair}"


def test_a_dump_goes_with_its_report_and_last_its_manifest(tmp_path: Path) -> None:
    (tmp_path / "reports").mkdir()
    dump = tmp_path / "source_db_backup_20261125_060000.sql.zst"
    for path in (dump, tmp_path / "reports/20261125_060000.json"):
        path.touch()
    manifest = tmp_path / "source_db_backup_20261125_060000.manifest.json"
    manifest.touch()
    names = [name for _, name in files_to_send(tmp_path, dump)]
    assert names == [dump.name, "reports/20261125_060000.json", manifest.name]


@pytest.mark.parametrize("other", [{"keep": False}, {"state": "failed"}, {"state": "open"}, {"kind": "safety"}])
def test_only_verified_dumps_that_are_kept_are_sent(tmp_path: Path, other: dict[str, bool]) -> None:
    dump = tmp_path / "source_db_backup_20261125_060000.sql"
    assert verified_dumps([verdict(dump)]) == [dump]
    assert verified_dumps([verdict(dump, **other)]) == []  # type: ignore[arg-type]


def test_a_dump_without_its_manifest_is_not_there_yet_and_other_names_are_nobody_of_ours() -> None:
    there = {
        "source_db_backup_20261125_060000.sql": 1,
        "source_db_backup_20261124_180000.sql.zst.age": 2,
        "source_db_backup_20261124_180000.manifest.json": 3,
        "backup_safety_20261124_180000.sql": 4,
        "holiday.jpg": 5,
    }
    assert [dump.name for dump in stored_dumps(there)] == ["source_db_backup_20261124_180000.sql.zst.age"]


def test_the_newest_three_stay_however_old_they_are(settings: Settings) -> None:
    old = stored("20260103_060000", "20260102_060000", "20260101_060000", "20251231_060000")
    verdicts = plan_offsite_expiry(old, settings=settings, now=NOW, held=False)
    assert [each.keep for each in verdicts] == [True, True, True, False]


def test_nothing_expires_while_the_newest_run_is_held(settings: Settings) -> None:
    stamps = [(NOW - timedelta(days=days)).strftime("%Y%m%d_060000") for days in range(20)]
    assert all(each.keep for each in plan_offsite_expiry(stored(*stamps), settings=settings, now=NOW, held=True))
    kept = [each.keep for each in plan_offsite_expiry(stored(*stamps), settings=settings, now=NOW, held=False)]
    assert kept == [True] * 7 + [False] * 13 or kept == [True] * 8 + [False] * 12


def test_a_dump_is_chosen_by_latest_stamp_or_name() -> None:
    two = stored("20261125_060000", "20261124_060000")
    assert choose(two, "latest") == choose(two, "20261125_060000") == two[0]
    assert choose(two, two[1].name) == two[1]
    with pytest.raises(OffsiteFailed, match="no dump 2020 lies off-site"):
        choose(two, "2020")
