"""The last copy's dump as the next run's safety backup: where it is one, where it is none, and a rollback from it."""

import hashlib
import json
import os
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyrage
import pytest

from tasks.engine import stewardship
from tasks.engine.examining import demand_whole
from tasks.engine.progress import Progress
from tests.support import oracle
from tests.support.held import held_at
from tests.support.installation import CHANGES, Installation, ask, installed, tell
from worker.demo.servers import PostgresServer, ValkeyServer

SCHEMA = """
    CREATE UNLOGGED TABLE scratch (id int PRIMARY KEY); INSERT INTO scratch VALUES (1);
    CREATE TABLE marks (kind varchar CHECK (kind IN ('a', 'b')), points int CHECK (points > 0));
    INSERT INTO marks VALUES ('a', 1);
    CREATE MATERIALIZED VIEW counted AS SELECT count(*) FROM users;
"""
WRITE = "UPDATE users SET display_name = 'written by somebody' WHERE id = 4"


@pytest.fixture(scope="module")
def installation(
    source_server: PostgresServer,
    target_server: PostgresServer,
    valkey_server: ValkeyServer,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Installation]:
    """Roles without superuser's rights, and a copy; each test leaves one that the next run's safety backup can be."""
    home = tmp_path_factory.mktemp("linking")
    with installed(source_server, target_server, valkey_server, home, own_roles=True) as made:
        made.on_source(SCHEMA)
        made.copied()
        yield made


def dump_of(installation: Installation, kind: str, report: dict[str, Any]) -> Path:
    return installation.backup_dir / str(report[f"{kind}_dump"]["file"])


def newest(installation: Installation) -> Path:
    return max(installation.backup_dir.glob("source_db_backup_*.sql"))


def test_the_last_dump_is_the_safety_backup_while_the_target_holds_just_that(
    installation: Installation, caplog: pytest.LogCaptureFixture
) -> None:
    last = newest(installation)
    before = oracle.take(installation.target)
    installation.on_source(CHANGES)
    with caplog.at_level("INFO"):
        report = installation.copied()
    safety = dump_of(installation, "safety", report)
    assert safety.samefile(last)
    assert report["safety_dump"]["same_as"] == last.name
    assert f"BACKUP_STORAGE made {safety.name} (no new file: it is {last.name})" in caplog.text
    assert f"the same file as {last.name}" in report["steps"][2]["summary"]
    manifest = demand_whole(safety, Progress(), ())
    assert (manifest.kind, manifest.run_id, manifest.stamp) == ("safety", report["run_id"], report["stamp"])
    assert installation.differences() == []
    last.unlink()  # it expires under its own name only
    assert oracle.differences(oracle.of_dump(safety, on=installation.target_server.dsn()), before) == []


# What is done, why the log says that the last dump is no safety backup, and what takes the rights back.
RIGHTS = "the target has owners or privileges that it lacks, of the "
REAL: dict[str, tuple[Callable[[Installation], Any], str, str]] = {
    "a byte of the file is another": (lambda one: flip(newest(one)), "is not the file that was examined", ""),
    "the file is gone": (lambda one: newest(one).unlink(), "", ""),
    "another file stands under its name": (
        lambda one: newest(one).write_text("-- nothing"),
        "is not the file that was examined",
        "",
    ),
    "its manifest is gone": (lambda one: newest(one).with_suffix(".manifest.json").unlink(), "", ""),
    "its manifest is another's": (lambda one: exchanged(newest(one).with_suffix(".manifest.json")), "", ""),
    "another file, with a manifest that fits": (lambda one: forged(newest(one)), "", ""),
    "a grant": (
        lambda one: one.on_target("GRANT SELECT ON marks TO pg_monitor"),
        f"{RIGHTS}table public.marks",
        "REVOKE ALL ON marks FROM pg_monitor",
    ),
    "a grant that was taken away": (
        lambda one: one.on_target(f"REVOKE DELETE ON marks FROM {one.roles and one.roles.name}"),
        f"{RIGHTS}table public.marks",
        "GRANT ALL ON marks TO {role}",
    ),
    "the rights of public": (
        lambda one: one.on_target("GRANT CREATE ON SCHEMA public TO PUBLIC"),
        f"{RIGHTS}schema public",
        "REVOKE CREATE ON SCHEMA public FROM PUBLIC",
    ),
    "rights by default": (
        lambda one: one.on_target(
            f"ALTER DEFAULT PRIVILEGES FOR ROLE {one.roles and one.roles.name} GRANT SELECT ON TABLES TO pg_monitor"
        ),
        f"{RIGHTS}default",
        "ALTER DEFAULT PRIVILEGES FOR ROLE {role} REVOKE SELECT ON TABLES FROM pg_monitor",
    ),
    "another owner": (
        lambda one: one.on_target("ALTER TABLE marks OWNER TO postgres; GRANT ALL ON marks TO public"),
        f"{RIGHTS}table public.marks",
        "REVOKE ALL ON marks FROM public",
    ),
    "rows of an unlogged table": (lambda one: one.on_target("DELETE FROM scratch"), "table public.scratch", ""),
}


@pytest.mark.parametrize("what", REAL)
def test_a_real_safety_backup_is_made_where_the_last_dump_would_not_bring_all_of_it_back(
    installation: Installation, what: str, caplog: pytest.LogCaptureFixture
) -> None:
    damage, why, undo = REAL[what]
    damage(installation)
    before = oracle.take(installation.target)
    installation.on_source("UPDATE users SET display_name = display_name || 'x' WHERE id = 3")
    with caplog.at_level("INFO"):
        report = installation.copied(FULL_RUNS="false")
    assert report["safety_dump"]["same_as"] is None
    told = [line for line in caplog.messages if line.startswith("the last dump is no safety backup")]
    assert (len(told), why in "".join(told)) == (bool(why), True), told
    safety = dump_of(installation, "safety", report)
    assert safety.stat().st_nlink == 1
    assert oracle.differences(oracle.of_dump(safety, on=installation.target_server.dsn()), before) == []
    if undo:
        installation.on_target(undo.format(role=installation.roles and installation.roles.name))


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[content.index(b"@example")] ^= 1
    path.write_bytes(content)


def forged(path: Path) -> None:
    flip(path)
    manifest = path.with_suffix(".manifest.json")
    described = {**json.loads(manifest.read_text()), "sha256": hashlib.sha256(path.read_bytes()).hexdigest()}
    manifest.write_text(json.dumps(described))


def exchanged(path: Path) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), "run_id": "another's"}))


def test_what_somebody_wrote_into_a_definition_is_in_a_real_safety_backup(installation: Installation) -> None:
    again = (
        "ALTER TABLE marks DROP CONSTRAINT marks_points_check, ADD CONSTRAINT marks_points_check CHECK (points > {})"
    )
    installation.on_target(again.format(-1))
    before = oracle.take(installation.target)
    report = installation.run_here(FULL_RUNS="false")
    assert (report["outcome"], report["safety_dump"]["same_as"]) == ("held", None)
    safety = dump_of(installation, "safety", report)
    assert oracle.differences(oracle.of_dump(safety, on=installation.target_server.dsn()), before) == []
    installation.on_target(again.format(0))


def test_neither_another_form_nor_another_memory_nor_a_key_of_others_nor_the_setting_allow_it(
    installation: Installation, tmp_path: Path
) -> None:
    compressed = {"DUMP_COMPRESSION": "zstd"}
    encrypted = {"ENCRYPT_TO": str(pyrage.x25519.Identity.generate().to_public())}
    assert installation.copied(FULL_RUNS="true")["safety_dump"]["same_as"] is None
    assert installation.copied(**compressed)["safety_dump"]["same_as"] is None
    assert installation.copied(**compressed)["safety_dump"]["same_as"].endswith(".sql.zst")
    elsewhere = {"BACKUP_DIR": str(tmp_path / "another host")}
    for others in (elsewhere | compressed, encrypted, encrypted, {}):
        assert installation.copied(**others)["safety_dump"]["same_as"] is None, others
    stewardship.adopt(installation.target_as_a_person(), now=datetime.now(UTC))
    assert installation.copied()["safety_dump"]["same_as"] is None


def test_it_is_copied_where_the_disk_knows_no_hard_links(
    installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: object, **__: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    last = newest(installation)
    monkeypatch.setattr(os, "link", refused)
    report = installation.copied()
    safety = dump_of(installation, "safety", report)
    assert report["safety_dump"]["same_as"] == last.name
    assert (safety.read_bytes(), safety.samefile(last)) == (last.read_bytes(), False)
    assert safety.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    ("method", "lost"),
    [("swap", False), ("swap", True), ("in_place", False)],
    ids=["swap", "what swap replaced is gone", "in_place"],
)
def test_a_rollback_from_it_brings_back_content_rights_and_mark_exactly(
    installation: Installation, method: str, *, lost: bool
) -> None:
    role = installation.roles.name if installation.roles else ""
    name = installation.target_name
    installation.on_target(
        f"ALTER DATABASE {name} SET work_mem = '5MB'; GRANT CONNECT ON DATABASE {name} TO pg_monitor"
    )
    before, mark = installation.fingerprint(), installation.comment()
    rights = rights_in(installation)
    installation.on_source("INSERT INTO marks VALUES ('b', 2); SELECT nextval('users_id_seq')")
    with held_at(installation, "publish.after", RESTORE_METHOD=method) as held:
        installation.on_target(WRITE)
        if lost:
            (previous,) = ask(
                installation.target_server.dsn(),
                f"SELECT datname FROM pg_database WHERE starts_with(datname, '{name}__previous')",
            )
            tell(installation.target_server.dsn(), f'DROP DATABASE "{previous[0]}" WITH (FORCE)')
    report = held.report
    assert report["safety_dump"]["same_as"] is not None
    assert report["outcome"] == "rolled_back", report["error"]
    assert (installation.fingerprint(), installation.comment(), rights_in(installation)) == (before, mark, rights)
    owners = "SELECT DISTINCT tableowner FROM pg_tables WHERE schemaname IN ('public', 'audit')"
    assert ask(installation.target, owners) == [(role,)]
    assert installation.leftovers() == []
    installation.copied(RESTORE_METHOD=method)
    assert installation.differences() == []


def rights_in(installation: Installation) -> list[Any]:
    """Everybody's rights on everything, the database's own among them."""
    return ask(
        installation.target,
        "SELECT 'r', relname::text, relowner::regrole::text, relacl::text FROM pg_class "
        "WHERE relnamespace IN ('public'::regnamespace, 'audit'::regnamespace) "
        "UNION ALL SELECT 'n', nspname, nspowner::regrole::text, nspacl::text FROM pg_namespace "
        "WHERE nspname IN ('public', 'audit') "
        "UNION ALL SELECT 'd', datname, datdba::regrole::text, datacl::text FROM pg_database "
        "WHERE datname = current_database() "
        "UNION ALL SELECT 'f', proname, proowner::regrole::text, proacl::text FROM pg_proc "
        "WHERE pronamespace IN ('public'::regnamespace, 'audit'::regnamespace) ORDER BY 1, 2, 3, 4",
    )


def test_a_run_that_dies_before_the_file_has_its_manifest_leaves_nothing_that_is_in_the_way(
    installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, mark = installation.fingerprint(), installation.comment()
    monkeypatch.setenv("RNS_FAULT", "safety.linked=raise")
    report = installation.run_here()
    assert (report["outcome"], "broken on purpose" in report["error"]) == ("failed", True)
    monkeypatch.delenv("RNS_FAULT")
    assert (installation.fingerprint(), installation.comment()) == (before, mark)
    assert installation.leftovers() == []
    assert installation.copied()["safety_dump"]["same_as"] is not None
