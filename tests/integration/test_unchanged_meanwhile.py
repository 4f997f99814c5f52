"""What happens while a run finds nothing changed: nothing that was written is lost, and its end is told truly."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tasks.engine import stewardship
from tests.support.held import held_at
from tests.support.installation import Installation, ask, installed
from tests.support.workers import gate, has_come, wait_until
from worker.demo.servers import PostgresServer, ValkeyServer

# Rows of an unlogged table, which a crash takes.
SCHEMA = "CREATE UNLOGGED TABLE scratch (id int PRIMARY KEY, note text); INSERT INTO scratch VALUES (1, 'x'), (2, 'y')"
WRITE = "SET TRANSACTION READ WRITE; UPDATE users SET display_name = 'written by somebody' WHERE id = 4"
WRITTEN = "SELECT count(*) FROM users WHERE display_name = 'written by somebody'"
Method = str


@pytest.fixture(scope="module")
def lasting(
    source_server: PostgresServer,
    target_server: PostgresServer,
    valkey_server: ValkeyServer,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Installation]:
    """With a copy, for tests that leave a right one behind."""
    home = tmp_path_factory.mktemp("meanwhile")
    with installed(source_server, target_server, valkey_server, home, CHANGED_TABLES_ONLY="false") as made:
        made.on_source(SCHEMA)
        made.copied()
        yield made


@pytest.mark.parametrize("instant", ["check_guards.done", "publish.before", "publish.after", "verify_target.middle"])
def test_what_somebody_writes_meanwhile_stays_and_holds_this_run_and_the_next(
    lasting: Installation, method: Method, instant: str
) -> None:
    mark = lasting.comment()
    with held_at(lasting, instant, RESTORE_METHOD=method, COPY_READ_ONLY="true") as held:
        lasting.on_target(WRITE)
    report = held.report
    if instant == "verify_target.middle":  # its snapshot was taken before: what is written later is the next run's
        assert (report["outcome"], report["way"]) == ("succeeded", "unchanged")
    else:
        assert (report["outcome"], report["way"]) == ("held", "unchanged"), report["error"]
        for word in ("table public.users: some of its 57 rows", "nothing was overwritten", "adopt", "promote"):
            assert word in report["error"]
        assert lasting.comment() == mark
        lasting.on_target("DELETE FROM users WHERE false")  # as open to writes as before
    assert ask(lasting.target, WRITTEN) == [(1,)]
    assert list(lasting.backup_dir.glob("backup_rejected_*")) == []
    assert lasting.leftovers() == []
    after = lasting.run_here(RESTORE_METHOD=method)
    assert (after["outcome"], "was written to since" in after["error"]) == ("held", True)
    assert ask(lasting.target, WRITTEN) == [(1,)]
    stewardship.adopt(lasting.target_as_a_person(), now=datetime.now(UTC))
    assert lasting.copied(RESTORE_METHOD=method)["way"] == method
    assert lasting.differences() == []


@pytest.mark.parametrize("instant", ["check_guards.done", "publish.after", "rollback.begin"])
@pytest.mark.parametrize("decision", ["promote", "adopt"])
def test_what_people_decide_meanwhile_stands(
    lasting: Installation,
    monkeypatch: pytest.MonkeyPatch,
    instant: str,
    decision: str,
) -> None:
    mark = lasting.comment()
    with held_at(lasting, "check_guards.done") as held:
        if instant == "rollback.begin":  # which asks for a reason to roll back
            lasting.on_target(WRITE)
        if instant != "check_guards.done":
            path = gate(lasting, "decided")
            monkeypatch.setenv("RNS_FAULT", f"{instant}=wait:{path}")
            held.go_on()
            wait_until(lambda: has_come(path) or held.is_over, f"the run to reach {instant}")
        getattr(stewardship, decision)(lasting.target_as_a_person(), now=datetime.now(UTC))
        monkeypatch.delenv("RNS_FAULT")
        (lasting.home / "decided.gate").touch()
        decided = lasting.comment()
        held.go_on()
        report = held.report
    if (decision, instant) == ("promote", "publish.after"):  # the copy is this run's, and equal
        assert report["outcome"] == "succeeded"
    else:
        said = {"promote": ("held", "was promoted on"), "adopt": ("failed", "was adopted on")}[decision]
        assert (report["outcome"], said[1] in report["error"]) == (said[0], True), report["error"]
    assert lasting.comment() == decided
    assert lasting.leftovers() == []
    if instant == "rollback.begin":
        stewardship.adopt(lasting.target_as_a_person(), now=datetime.now(UTC))
        lasting.copied()
    else:
        lasting.on_target(f"COMMENT ON DATABASE {lasting.target_name} IS '{mark}'")


@pytest.mark.parametrize(
    ("instant", "outcome"),
    [
        ("restore_target.begin", "failed"),
        ("publish.before", "rolled_back"),
        ("publish.after", "succeeded"),
        ("verify_target.begin", "succeeded"),
        ("verified.before_journal", "succeeded"),
        ("finish.begin", "succeeded"),
    ],
)
def test_a_run_that_fails_on_the_way_ends_true_and_the_next_one_works(
    lasting: Installation, monkeypatch: pytest.MonkeyPatch, method: Method, instant: str, outcome: str
) -> None:
    before, mark = lasting.fingerprint(), lasting.comment()
    monkeypatch.setenv("RNS_FAULT", f"{instant}=raise")
    report = lasting.run_here(RESTORE_METHOD=method)
    monkeypatch.delenv("RNS_FAULT")
    assert (report["outcome"], report.get("way", "unchanged")) == (outcome, "unchanged"), report["error"]
    assert lasting.fingerprint() == before
    renewed = json.loads(lasting.comment() or "")["run_id"] == report["run_id"]
    assert renewed if outcome == "succeeded" else lasting.comment() == mark
    assert lasting.leftovers() == []


def test_somebody_elses_copy_made_meanwhile_is_left_alone(
    lasting: Installation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with held_at(lasting, "publish.before") as held:
        monkeypatch.delenv("RNS_FAULT")
        theirs = lasting.run_here(BACKUP_DIR=str(tmp_path / "elsewhere"))
        assert theirs["outcome"] == "succeeded"
    assert (held.report["outcome"], "only one installation" in held.report["error"]) == ("failed", True)
    assert json.loads(lasting.comment() or "")["run_id"] == theirs["run_id"]
    report = lasting.copied()  # whose journal does not know which dump that copy was made of
    why = "the dump's text is not the last one's, and only what is loaded is proved"
    assert (report["way"], report["way_reason"]) == ("swap", why)


def test_a_target_that_was_away_while_it_was_verified_is_no_reason_to_undo_anything(
    lasting: Installation, caplog: pytest.LogCaptureFixture
) -> None:
    with held_at(lasting, "verify_target.begin") as held, caplog.at_level("INFO"):
        lasting.target_server.stop()
        held.go_on()
        wait_until(lambda: "the verification waits" in caplog.text, "the verification to wait")
        lasting.target_server.start()
    assert (held.report["outcome"], held.report["way"]) == ("succeeded", "unchanged")
    assert "ROLLING BACK" not in caplog.text


def test_a_crash_that_empties_unlogged_tables_meanwhile_is_nobodys_write(lasting: Installation) -> None:
    with held_at(lasting, "verify_target.begin") as held:
        lasting.on_target("DELETE FROM scratch")  # as recovery does
    assert (held.report["outcome"], held.report["way"]) == ("succeeded", "unchanged")
    assert lasting.copied()["way"] == "swap"
    assert lasting.differences() == []
