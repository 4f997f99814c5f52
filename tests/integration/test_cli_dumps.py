"""verify, restore and drill, status, list and show, by the command, upon real runs and real servers."""

import json
import re
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tasks.engine.mark import Mark, parse_mark
from tasks.engine.packing import Key
from tests.support.command import command
from tests.support.installation import CHANGES, Installation, ask, installed, tell
from tests.support.workers import gate, meanwhile
from worker.demo.servers import PostgresServer, ValkeyServer

ROWS = "SELECT count(*) FROM users"
NewDatabase = Callable[[PostgresServer, str], str]


@pytest.fixture(scope="module")
def copied(
    source_server: PostgresServer,
    target_server: PostgresServer,
    valkey_server: ValkeyServer,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[tuple[Installation, str, str]]:
    """An installation with two runs, and their stamps; the source was worked with in between."""
    with installed(source_server, target_server, valkey_server, tmp_path_factory.mktemp("copied")) as one:
        first = one.run_here()
        one.on_source(CHANGES)
        one.on_source("CREATE INDEX users_by_name ON users (email)")
        second = one.run_here()
        assert (first["outcome"], second["outcome"]) == ("succeeded", "succeeded")
        yield one, first["stamp"], second["stamp"]


@pytest.fixture
def elsewhere(target_server: PostgresServer, new_database: NewDatabase) -> tuple[str, str, str]:
    """An empty database: its name, its libpq keywords, its URL."""
    name = new_database(target_server, "elsewhere")
    return name, target_server.dsn(name), target_server.url(name)


def mark_of(server: PostgresServer, name: str) -> Mark | None:
    [(comment,)] = ask(
        server.dsn(), f"SELECT shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = '{name}'"
    )
    return parse_mark(comment)


def findings(printed: str) -> dict[str, str]:
    return {finding["name"]: finding["state"] for finding in json.loads(printed)["findings"]}


def test_status_tells_the_age_and_the_rows_of_the_copy_and_is_a_health_check(
    copied: tuple[Installation, str, str],
) -> None:
    installation, _, _ = copied
    fresh = command(installation, "status", "--quick")
    assert (fresh.exit_code, "✅ the verified copy is fresh" in fresh.stdout) == (0, True), fresh.output
    assert "60 users, 13 escrows, 48 wallets" in fresh.stdout
    time.sleep(1)  # a run may take less
    stale = command(installation, "status", "--quick", STALE_AFTER_S="1")
    assert (stale.exit_code, "what now" in stale.stdout, "what now" in fresh.stdout) == (1, True, False)
    assert command(installation, "status", "--quick", BACKUP_DIR=str(installation.home / "none")).exit_code == 2


def test_status_is_the_same_when_the_journal_is_lost_and_never_opens_a_session_at_the_source(
    copied: tuple[Installation, str, str], tmp_path: Path
) -> None:
    installation, _, _ = copied
    shutil.copytree(installation.backup_dir, tmp_path / "backups", ignore=shutil.ignore_patterns("journal*"))
    nobody = "postgresql://u:p@127.0.0.1:1/nothing"
    told = command(
        installation, "status", "--quick", "--json", DATABASE_URL=nobody, BACKUP_DIR=str(tmp_path / "backups")
    )
    found = json.loads(told.stdout)
    assert (told.exit_code, found["freshness"], found["copy"]["rows"]) == (0, "fresh", 466)
    assert "there is no journal" in found["problems"][0]
    assert not (tmp_path / "backups" / "journal.sqlite3").exists()


def test_status_asks_lock_worker_and_beat_and_says_that_nobody_answers(
    copied: tuple[Installation, str, str],
) -> None:
    installation, _, _ = copied
    found = json.loads(command(installation, "status", "--json").stdout)
    assert found["lock"] == {"holder": None, "problem": None}
    assert found["machinery"] == {"workers": [], "beats": [], "problem": None}


def test_show_tells_rows_and_schema_that_changed_since_the_run_before(copied: tuple[Installation, str, str]) -> None:
    installation, first, second = copied
    shown = command(installation, "show", "last")
    assert ["users", "57", "60", "+3"] in [line.split() for line in shown.stdout.splitlines()]
    assert "added index public.users_by_name" in shown.stdout
    assert "verify the copy" in shown.stdout
    assert any(re.search(r"  proving the copy +\d+\.\d s +\d+ tables", line) for line in shown.stdout.splitlines())
    told = json.loads(command(installation, "show", second, "--json").stdout)
    assert {"table": "users", "before": 57, "after": 60} in told["changes"]["rows"]
    assert told["stamp"] == second
    assert json.loads(command(installation, "show", first, "--json").stdout)["changes"] is None
    assert command(installation, "show", "nobody").exit_code == 1


def test_list_tells_runs_and_dumps(copied: tuple[Installation, str, str]) -> None:
    installation, first, second = copied
    found = json.loads(command(installation, "list", "--json").stdout)
    assert [run["stamp"] for run in found["runs"]] == [second, first]
    assert sorted(dump["state"] for dump in found["dumps"]) == ["unverified"] * 2 + ["verified"] * 2
    assert json.loads(command(installation, "list", "--outcome", "held", "--json").stdout)["runs"] == []
    assert "no such run is remembered here" in command(installation, "list", "--outcome", "held").stderr
    assert command(installation, "list", "--outcome", "heldd").exit_code == 2
    assert command(installation, "list", "--dumps", "--last", "3").exit_code == 2
    assert f"source_db_backup_{first}.sql" in command(installation, "list", "--dumps").stdout


def test_a_dump_is_verified_against_its_manifest(copied: tuple[Installation, str, str]) -> None:
    installation, first, _ = copied
    told = command(installation, "verify", first, "--json")
    assert (told.exit_code, set(findings(told.stdout).values())) == (0, {"good"}), told.output
    assert json.loads(told.stdout)["subject"] == f"source_db_backup_{first}.sql"


@pytest.mark.parametrize(
    ("damage", "bad"),
    [
        (lambda text: text.replace(b"\t", b" ", 1), {"sha256", "complete"}),
        (lambda text: text[: len(text) // 2], {"size", "sha256", "complete"}),
        (lambda text: text.replace(b"PUBLIC", b"PUBLIB").replace(b"57", b"58", 1), {"sha256", "complete"}),
    ],
)
def test_a_damaged_dump_is_told_and_not_restored(
    copied: tuple[Installation, str, str],
    tmp_path: Path,
    elsewhere: tuple[str, str, str],
    damage: Callable[[bytes], bytes],
    bad: set[str],
) -> None:
    installation, first, _ = copied
    name, dsn, url = elsewhere
    for kind in ("sql", "manifest.json"):
        shutil.copy(installation.backup_dir / f"source_db_backup_{first}.{kind}", tmp_path)
    dump = tmp_path / f"source_db_backup_{first}.sql"
    dump.write_bytes(damage(dump.read_bytes()))
    told = command(installation, "verify", str(dump), "--json")
    assert told.exit_code == 1
    found = findings(told.stdout)
    assert {point for point, state in found.items() if state == "bad"} >= {"sha256"}
    assert {point for point, state in found.items() if state == "bad"} <= bad
    refused = command(installation, "restore", str(dump), "--to", url, "--yes-overwrite", name)
    assert (refused.exit_code, "is not restored" in refused.stderr) == (1, True)
    assert ask(dsn, "SELECT to_regclass('users') IS NULL") == [(True,)]


def test_the_target_is_verified_against_its_mark_and_what_differs_is_named(
    source_server: PostgresServer, target_server: PostgresServer, valkey_server: ValkeyServer, tmp_path: Path
) -> None:
    with installed(source_server, target_server, valkey_server, tmp_path) as installation:
        unmarked = command(installation, "verify", "--json")
        assert (unmarked.exit_code, findings(unmarked.stdout)) == (1, {"mark": "bad", "content": "open"})
        assert installation.run_here()["outcome"] == "succeeded"
        assert command(installation, "verify").exit_code == 0
        installation.on_target(
            "DELETE FROM users WHERE id = (SELECT max(id) FROM users WHERE id NOT IN (SELECT user_id FROM wallets)) "
        )
        installation.on_target("CREATE TABLE written (id int)")
        told = command(installation, "verify", "--json")
        assert (told.exit_code, findings(told.stdout)["content"]) == (1, "bad")
        assert "table public.written" in told.stdout


def test_a_kept_dump_is_restored_into_another_database_proved_and_marked(
    copied: tuple[Installation, str, str], elsewhere: tuple[str, str, str], target_server: PostgresServer
) -> None:
    installation, first, _ = copied
    name, dsn, url = elsewhere
    told = command(installation, "restore", first, "--json", "--yes-overwrite", name, RESTORE_TO_URL=url)
    assert told.exit_code == 0, told.output
    done = json.loads(told.stdout)
    assert (done["database"], done["rows"], done["method"], done["safety_backup"]) == (name, 451, "swap", None)
    assert ask(dsn, ROWS) == [(57,)]
    mark = mark_of(target_server, name)
    assert mark is not None
    assert (mark.run_id, mark.restored is None) == (done["run_id"], False)
    assert target_server.password not in told.output
    assert installation.leftovers() == []


def test_a_restored_older_copy_holds_the_next_run_until_it_is_adopted(
    source_server: PostgresServer, target_server: PostgresServer, valkey_server: ValkeyServer, tmp_path: Path
) -> None:
    """By method in_place; the other tests restore by swap."""
    with installed(source_server, target_server, valkey_server, tmp_path, RESTORE_METHOD="in_place") as installation:
        first = installation.run_here()["stamp"]
        installation.on_source("DELETE FROM transactions")
        installation.on_target("CREATE TABLE somebody_wrote (id int)")
        wanted = ("restore", first, "--to", "target")
        wrong = command(installation, *wanted, typed="another\n")
        assert (wrong.exit_code, "nothing was changed" in wrong.stderr) == (2, True)
        done = command(installation, *wanted, typed=f"{installation.target_name}\n")
        assert done.exit_code == 0, done.output
        assert "runs into it are held from now on" in done.stdout
        assert "railway-neon-sync promote" in done.stdout
        assert ask(installation.target, "SELECT count(*) > 0 FROM transactions") == [(True,)]
        assert ask(installation.target, "SELECT to_regclass('somebody_wrote') IS NULL") == [(True,)]
        [saved] = [path for path in installation.backup_dir.glob("backup_safety_*.sql") if path.name in done.stdout]
        assert "somebody_wrote" in saved.read_text()
        verified = command(installation, "verify")
        assert (verified.exit_code, "restored by hand on" in verified.stdout) == (0, True)
        before = installation.fingerprint()
        held = installation.run_here()
        assert (held["outcome"], "was restored by hand on" in str(held["error"])) == ("held", True)
        assert installation.fingerprint() == before
        assert installation.leftovers() == []


def test_neither_the_source_nor_a_promoted_database_is_restored_over(
    copied: tuple[Installation, str, str], elsewhere: tuple[str, str, str]
) -> None:
    installation, _, _ = copied
    name, dsn, url = elsewhere
    other_spelling = installation.source_url.replace("127.0.0.1", "localhost")
    for spelt in (installation.source_url, other_spelling):
        refused = command(installation, "restore", "last", "--to", spelt, "--yes-overwrite", installation.source_name)
        assert (refused.exit_code, "is only ever read" in refused.stderr) == (1, True), refused.output
    gone = "postgresql://u:p@127.0.0.1:1/nothing"
    refused = command(installation, "restore", "last", "--to", other_spelling, DATABASE_URL=gone)
    assert (refused.exit_code, "is only ever read" in refused.stderr) == (1, True), refused.output
    assert command(installation, "promote", RAILWAY_BACKUP_DB_URL=url).exit_code == 0
    refused = command(installation, "restore", "last", "--to", url, "--yes-overwrite", name)
    assert (refused.exit_code, "was promoted on" in refused.stderr) == (1, True)
    assert ask(dsn, "SELECT to_regclass('users') IS NULL") == [(True,)]


def test_when_a_database_or_its_address_is_gone_what_does_not_need_it_works_all_the_same(
    copied: tuple[Installation, str, str], elsewhere: tuple[str, str, str]
) -> None:
    installation, _, second = copied
    name, dsn, url = elsewhere
    unset = {"DATABASE_URL": "", "RAILWAY_BACKUP_DB_URL": ""}
    status = json.loads(command(installation, "status", "--json", **unset).stdout)
    assert (status["freshness"], status["copy"]["rows"], status["lock"], status["machinery"]) == (
        "fresh",
        466,
        None,
        None,
    )
    assert "DATABASE_URL and RAILWAY_BACKUP_DB_URL not set" in status["problems"][0]
    listed = json.loads(command(installation, "list", "--json", **unset).stdout)
    assert [dump["state"] for dump in listed["dumps"]].count("verified") == 2
    assert json.loads(command(installation, "show", "last", "--json", **unset).stdout)["stamp"] == second
    assert command(installation, "verify", "last", **unset).exit_code == 0
    assert json.loads(command(installation, "drill", "last", "--on", url, "--json", **unset).stdout)["ok"] is True
    for wanted in (("verify",), ("drill",), ("restore", "last", "--to", "target")):
        refused = command(installation, *wanted, **unset)
        assert (refused.exit_code, "RAILWAY_BACKUP_DB_URL is not set" in refused.stderr) == (2, True), refused.output
    refused = command(installation, "restore", "last", "--to", installation.source_url, **unset)
    assert (refused.exit_code, "is only ever read" in refused.stderr) == (1, True), refused.output
    for gone, said in (("", "is not set"), ("postgresql://u:p@127.0.0.1:1/nothing", "the source does not answer")):
        extra = {**unset, "DATABASE_URL": gone, "RESTORE_TO_URL": url}
        done = command(installation, "restore", "last", "--yes-overwrite", name, **extra)
        assert (done.exit_code, said in done.stderr) == (0, True), done.output
        # adopt and promote would decide about the backup database
        assert "railway-neon-sync" not in done.stdout
        assert ask(dsn, ROWS) == [(60,)]
    assert command(installation, "promote", DATABASE_URL="", RAILWAY_BACKUP_DB_URL=url).exit_code == 0


@pytest.mark.parametrize("method", ["swap", "in_place"])
def test_what_somebody_writes_into_a_restored_database_undoes_the_restore_and_is_kept(
    copied: tuple[Installation, str, str], elsewhere: tuple[str, str, str], target_server: PostgresServer, method: str
) -> None:
    installation, first, _ = copied
    name, dsn, url = elsewhere
    tell(dsn, "CREATE TABLE mine AS SELECT 7 AS id")
    published = gate(installation, f"published_{method}")
    with meanwhile(published, lambda: tell(dsn, "CREATE TABLE written AS SELECT 1 AS id")):
        told = command(
            installation,
            *("restore", first, "--to", url, "--yes-overwrite", name),
            RESTORE_METHOD=method,
            RNS_FAULT=f"publish.after=wait:{published}",
        )
    assert (told.exit_code, "the old content has its place again" in told.stderr) == (1, True), told.output
    assert ask(dsn, "SELECT id, to_regclass('users') IS NULL, to_regclass('written') IS NULL FROM mine") == [
        (7, True, True)
    ]
    assert mark_of(target_server, name) is None
    assert ask(target_server.dsn(), f"SELECT datname FROM pg_database WHERE starts_with(datname, '{name}__')") == []
    (kept,) = installation.backup_dir.glob("backup_rejected_*.sql")
    assert "CREATE TABLE public.written" in kept.read_text()
    listed = json.loads(command(installation, "list", "--json").stdout)["dumps"]
    assert [dump["state"] for dump in listed if dump["file"] == kept.name] == ["rejected"]
    kept.unlink()


def test_a_drill_measures_drops_and_is_remembered(copied: tuple[Installation, str, str]) -> None:
    installation, _, second = copied
    before = installation.fingerprint()
    told = command(installation, "drill", "last", "--json")
    assert told.exit_code == 0, told.output
    done: dict[str, Any] = json.loads(told.stdout)
    assert (done["dump"], done["ok"], done["rto_s"] >= done["load_s"] > 0) == (
        f"source_db_backup_{second}.sql",
        True,
        True,
    )
    assert json.loads(command(installation, "status", "--quick", "--json").stdout)["last_drill"] == done
    assert "last drill" in command(installation, "status", "--quick").stdout
    assert installation.fingerprint() == before
    assert installation.leftovers() == []


def test_a_drill_that_cannot_be_remembered_tells_what_it_measured_all_the_same(
    copied: tuple[Installation, str, str], tmp_path: Path
) -> None:
    installation, first, _ = copied
    dump = str(installation.backup_dir / f"source_db_backup_{first}.sql")
    (tmp_path / "file").touch()
    new, bad = tmp_path / "new", tmp_path / "file" / "below"
    for folder, remembered in ((new, True), (bad, False)):
        told = command(installation, "drill", dump, "--json", BACKUP_DIR=str(folder))
        assert (told.exit_code, json.loads(told.stdout)["ok"]) == (0, True), told.output
        assert ("note: the drill is not remembered" in told.stderr, (folder / "drills.json").exists()) == (
            not remembered,
            remembered,
        )


def test_a_drill_needs_the_right_to_create_databases_and_says_so(
    source_server: PostgresServer, target_server: PostgresServer, valkey_server: ValkeyServer, tmp_path: Path
) -> None:
    with installed(source_server, target_server, valkey_server, tmp_path, own_roles=True) as installation:
        assert installation.run_here()["outcome"] == "succeeded"
        assert installation.roles is not None
        tell(target_server.dsn(), f"ALTER ROLE {installation.roles.name} NOCREATEDB")
        refused = command(installation, "drill")
        assert (refused.exit_code, "grant it CREATEDB" in refused.stderr) == (1, True), refused.output
        elsewhere = command(installation, "drill", "--on", target_server.url(installation.target_name), "--json")
        assert json.loads(elsewhere.stdout)["ok"] is True


def test_an_encrypted_dump_is_verified_and_restored_with_its_key_and_told_without(
    source_server: PostgresServer, target_server: PostgresServer, valkey_server: ValkeyServer, tmp_path: Path
) -> None:
    key, wrong = Key.new(), Key.new()
    (tmp_path / "key").write_text(f"# created by somebody\n{key.text}\n")
    (tmp_path / "wrong").write_text(wrong.text)
    packed = {"DUMP_COMPRESSION": "zstd", "ENCRYPT_TO": key.recipient}
    with installed(source_server, target_server, valkey_server, tmp_path) as plain:
        installation = replace(plain, extra=packed)
        assert installation.run_here()["outcome"] == "succeeded"
        closed = command(installation, "verify", "last", "--json")
        assert (closed.exit_code, findings(closed.stdout)["complete"]) == (0, "note"), closed.output
        opened = command(installation, "verify", "last", "--json", "--identity", str(tmp_path / "key"))
        assert (opened.exit_code, set(findings(opened.stdout).values())) == (0, {"good"}), opened.output
        assert command(installation, "verify", "last", "--identity", str(tmp_path / "wrong")).exit_code == 1
        no_key = command(installation, "drill")
        assert (no_key.exit_code, "--identity FILE" in no_key.stderr) == (1, True)
        drilled = command(installation, "drill", "--json", "--identity", str(tmp_path / "key"))
        assert json.loads(drilled.stdout)["ok"] is True
        assert key.text not in drilled.output
        assert command(installation, "verify", "last", "--identity", "/no/such").exit_code == 2
