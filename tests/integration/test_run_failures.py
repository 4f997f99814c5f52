"""Every step failing in turn, at its named instants: the target untouched, nothing left, and the next run works."""

from collections.abc import Iterator

import pytest

from tests.support.failing import Failed, change_source
from tests.support.installation import Installation, installed
from worker.demo.servers import PostgresServer, ValkeyServer


@pytest.fixture(scope="module")
def installation(
    source_server: PostgresServer,
    target_server: PostgresServer,
    valkey_server: ValkeyServer,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Installation]:
    """A copy stands there already, so that there is something to lose. Roles without superuser's rights."""
    home = tmp_path_factory.mktemp("failures")
    with installed(source_server, target_server, valkey_server, home, own_roles=True) as found:
        assert found.run_here()["outcome"] == "succeeded"
        yield found


@pytest.mark.parametrize(
    "point",
    [
        "verify_connections.begin",
        "dump_source.begin",
        "dump_source.end",
        "back_up_target.begin",
        "check_guards.begin",
        "check_guards.end",
        "restore_target.begin",
    ],
)
def test_a_step_fails_before_the_restore_began_and_nothing_was_changed(
    installation: Installation, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch, point: str
) -> None:
    monkeypatch.setenv("RNS_FAULT", f"{point}=raise")
    failed = Failed(installation, caplog)
    failed.demand("failed", step=point.partition(".")[0], said=f"broken on purpose at {point}")
    assert not any("roll" in line.lower() for line in failed.messages if not line.startswith("report "))
    monkeypatch.delenv("RNS_FAULT")
    if point == "check_guards.end":
        failed.demand_that_the_next_run_works()


@pytest.mark.parametrize(
    ("method", "point"),
    [
        ("swap", "swap.created"),
        ("swap", "loaded"),
        ("swap", "publish.before"),
        ("in_place", "in_place.locked"),
        ("in_place", "in_place.cleared"),
        ("in_place", "loaded"),
        ("in_place", "publish.before"),
    ],
)
def test_a_restore_that_fails_before_it_published_is_rolled_back(
    installation: Installation,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    method: str,
    point: str,
) -> None:
    monkeypatch.setenv("RNS_FAULT", f"{point}=raise")
    failed = Failed(installation, caplog, RESTORE_METHOD=method)
    failed.demand("rolled_back", step="restore_target", said=f"broken on purpose at {point}")
    phases = [phase["name"] for phase in failed.report["steps"][-1]["phases"]]
    assert ("loading" in phases) == (point in {"loaded", "publish.before"})  # it failed, and tells how far
    monkeypatch.delenv("RNS_FAULT")
    if point == "publish.before":
        failed.demand_that_the_next_run_works(RESTORE_METHOD=method)


@pytest.mark.parametrize(
    ("method", "point"),
    [
        ("swap", "publish.after"),
        ("swap", "restore_target.end"),
        ("swap", "verified.before_journal"),
        ("swap", "finish.begin"),
        ("in_place", "publish.after"),
        ("in_place", "verify_target.begin"),
    ],
)
def test_a_copy_that_is_published_and_proved_equal_is_kept_whatever_fails_around_it(
    installation: Installation, monkeypatch: pytest.MonkeyPatch, method: str, point: str
) -> None:
    change_source(installation)
    monkeypatch.setenv("RNS_FAULT", f"{point}=raise")
    report = installation.run_here(RESTORE_METHOD=method)
    assert (report["outcome"], report["success"], report["error"]) == ("succeeded", True, None)
    assert any(f"broken on purpose at {point}" in warning for warning in report["warnings"])
    assert report["backup_stats"] == report["source_stats"]
    assert installation.leftovers() == []
    monkeypatch.delenv("RNS_FAULT")
    if point in {"verified.before_journal", "publish.after"}:
        assert installation.differences() == []
