"""The demo's own eyes, and its distance from the operator's settings."""

from pathlib import Path

from worker.demo.content import differences
from worker.demo.servers import PostgresBinaries, PostgresServer, ValkeyServer
from worker.demo.stage import Stage, enter


def test_rows_that_came_went_and_changed_are_told_apart() -> None:
    before = {"t": {"1": {"id": 1, "v": "1.50", "updated_at": "a"}, "2": {"id": 2, "v": "x", "updated_at": "a"}}}
    after = {"t": {"1": {"id": 1, "v": "2.00", "updated_at": "b"}, "3": {"id": 3, "v": "y", "updated_at": "a"}}}
    assert [(found.sign, found.key, found.text) for found in differences(before, after)] == [
        ("~", "1", "v: 1.5 → 2"),
        ("+", "3", "3, y, a"),
        ("-", "2", "2, x, a"),
    ]
    assert differences(after, after) == []


def test_the_demo_sees_no_setting_of_the_operators_whatever_shell_it_is_called_from(tmp_path: Path) -> None:
    binaries = PostgresBinaries(tmp_path, (17, 0))
    stage = Stage(
        root=tmp_path,
        source=PostgresServer(tmp_path / "s", binaries),
        target=PostgresServer(tmp_path / "t", binaries),
        broker=ValkeyServer(tmp_path / "v"),
    )
    environment = {
        "PATH": "/bin",
        "DATABASE_URL": "postgresql://production",
        "RAILWAY_BACKUP_DB_URL_FILE": "/run/secrets/target",
        "CELERY_RESULT_BACKEND": "redis://production",
        "CELERY_BROKER_READ_URL": "redis://production",
        "LOCK_URL": "redis://production",
        "RNS_FAULT": "closed=kill",
        "RESTORE_METHOD": "in_place",
    }
    enter(stage, environment)
    assert environment == {"PATH": "/bin", **stage.settings}
