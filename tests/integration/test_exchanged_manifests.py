"""Dump and manifest exchanged together while a run goes on: they fit each other, and the journal knows better."""

import hashlib
import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.held import held_at
from tests.support.installation import CHANGES, Installation, ask, installed
from worker.demo.servers import PostgresServer, ValkeyServer

WRITE = "UPDATE users SET display_name = 'written by somebody' WHERE id = 4"


@pytest.fixture
def installation(
    source_server: PostgresServer, target_server: PostgresServer, valkey_server: ValkeyServer, tmp_path: Path
) -> Iterator[Installation]:
    with installed(source_server, target_server, valkey_server, tmp_path) as made:
        made.copied()
        made.on_source(CHANGES)
        yield made


def test_a_rollback_restores_no_safety_backup_that_the_run_did_not_make(installation: Installation) -> None:
    with held_at(installation, "publish.after", RESTORE_METHOD="in_place", FULL_RUNS="true") as held:
        installation.on_target(WRITE)
        dump = max(installation.backup_dir.glob("backup_safety_*.sql"))
        text = dump.read_bytes().replace(b"CREATE TABLE ", b"CREATE  TABLE ", 1)
        dump.write_bytes(text)
        manifest = dump.with_suffix(".manifest.json")
        described = json.loads(manifest.read_text())
        forged = {"sha256": hashlib.sha256(text).hexdigest(), "size_bytes": len(text)}
        manifest.write_text(json.dumps({**described, **forged}))
    assert held.report["outcome"] == "rollback_failed", held.report["error"]
    assert f"the manifest of {dump.name} is not the one that this run wrote" in held.report["error"]
    written = "SELECT count(*) FROM users WHERE display_name = 'written by somebody'"
    assert ask(installation.target, written) == [(1,)]


def test_a_copy_that_is_verified_needs_no_manifest_any_more(installation: Installation) -> None:
    with held_at(installation, "verify_target.end") as held:
        for manifest in installation.backup_dir.glob("*.manifest.json"):
            manifest.unlink()
        os.environ["RNS_FAULT"] = "finish.begin=raise"  # held_at puts back what was there before
    assert (held.report["outcome"], held.report["error"]) == ("succeeded", None)
    assert installation.differences() == []
    assert installation.leftovers() == []
