"""Dump files that are compressed or encrypted: whole runs with them, the rollback, and who can read what afterwards."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyrage
import pytest

from tasks.engine import finishing
from tasks.engine.dumpfile import inspect_dump
from tasks.engine.errors import DumpRefused
from tests.support.installation import Installation, installed
from tests.support.workers import gate, meanwhile
from worker.demo.servers import PostgresServer, ValkeyServer

NEEDLE = "a secret that a dump would show"
OPERATOR = pyrage.x25519.Identity.generate()
FORMS: dict[str, dict[str, str]] = {
    ".sql.zst": {"DUMP_COMPRESSION": "zstd"},
    ".sql.age": {"ENCRYPT_TO": str(OPERATOR.to_public())},
    ".sql.zst.age": {"DUMP_COMPRESSION": "zstd", "ENCRYPT_TO": str(OPERATOR.to_public())},
}


BOTH = ".sql.zst.age"


@pytest.fixture
def installation(
    source_server: PostgresServer,
    target_server: PostgresServer,
    valkey_server: ValkeyServer,
    tmp_path: Path,
    request: pytest.FixtureRequest,
) -> Iterator[Installation]:
    with installed(
        source_server,
        target_server,
        valkey_server,
        tmp_path,
        own_roles=False,
        application=True,
        **FORMS[getattr(request, "param", BOTH)],
    ) as made:
        made.on_source(f"CREATE TABLE public.needle AS SELECT '{NEEDLE}'::text AS needle")
        yield made


def of(installation: Installation, report: Mapping[str, Any], which: str) -> Path:
    return installation.backup_dir / str(report[which]["file"])


@pytest.mark.parametrize(("installation", "form"), [(form, form) for form in FORMS], indirect=["installation"])
def test_a_run_goes_through_and_its_dump_can_be_read_by_whoever_has_the_key_and_nobody_else(
    installation: Installation, form: str
) -> None:
    report = installation.run_here()
    assert (report["outcome"], report["error"]) == ("succeeded", None)
    assert installation.differences() == []
    dump = of(installation, report, "source_dump")
    assert dump.name.endswith(form)
    assert dump.stat().st_size == report["source_dump"]["stored_bytes"]
    assert NEEDLE.encode() not in dump.read_bytes()
    assert inspect_dump(dump, keys=[str(OPERATOR)]).sha256 == report["source_dump"]["sha256"]
    assert [path.name for path in installation.backup_dir.glob(".key-*")] == []
    if form.endswith(".age"):
        with pytest.raises(DumpRefused, match="is encrypted, and no key was given"):
            inspect_dump(dump)


def test_the_safety_backup_is_never_encrypted_and_the_rollback_reads_it(
    installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In place nothing is left to be renamed back, so the safety backup itself is restored."""
    installation.run_here(RESTORE_METHOD="in_place")
    before = installation.fingerprint()
    installation.on_source("INSERT INTO public.needle VALUES ('another')")
    verifying = gate(installation, "verifying")
    monkeypatch.setenv("RNS_FAULT", f"verify_target.begin=wait:{verifying}")
    with meanwhile(verifying, lambda: installation.on_target("DELETE FROM public.needle")):
        report = installation.run_here(RESTORE_METHOD="in_place")
    assert report["outcome"] == "rolled_back", report["error"]
    assert installation.fingerprint() == before
    safety = of(installation, report, "safety_dump")
    assert ".age" not in safety.name
    inspect_dump(safety)


def test_packed_dumps_expire_by_the_same_rules(installation: Installation) -> None:
    reports = [installation.run_here() for _ in range(2)]
    means = installation.means(lock=False)
    in_a_month = datetime.now(UTC) + timedelta(days=30)
    verdicts = finishing.plan_expiry(means.settings, means.journal, now=in_a_month)
    kept = {verdict.dump.path.name for verdict in verdicts if verdict.keep}
    assert {report["source_dump"]["file"] for report in reports} <= kept, "the newest verified ones"
    assert reports[1]["safety_dump"]["file"] in kept
    assert reports[0]["safety_dump"]["file"] not in kept
