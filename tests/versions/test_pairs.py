"""The pairs of majors that find most for their time, and sources that are newer than their target."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.docs.documents import blocks
from tests.support import oracle
from tests.support.installation import REPOSITORY, Installation, installed, tell
from tests.support.majors import FOLDER, binaries_of
from tests.versions.pair import swap
from tests.versions.playing import Stage, open_stage, play

PAGE = (REPOSITORY / "docs" / "recovery-without-the-tool.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    with open_stage() as found:
        yield found


def test_a_pair_of_majors_is_copied_rolled_back_and_copied_again(stage: Stage) -> None:
    """The pair with all that changed between majors; the others are the matrix's."""
    assert play(stage, swap(14, 18)).failures == ()


@pytest.fixture(scope="module")
def downwards(stage: Stage, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """From 18 to 14: the demo's application, which uses nothing that only the newer one knows."""
    source, target = stage.server("source", 18), stage.server("target", 14)
    home = tmp_path_factory.mktemp("downwards")
    with installed(source, target, stage.valkey, home, PG_BIN_DIR=str(FOLDER)) as found:
        yield found


def test_a_source_newer_than_its_target_is_refused_before_anything(downwards: Installation) -> None:
    before = downwards.fingerprint()
    report = downwards.run_here()
    assert report["outcome"] == "failed"
    assert report["error"] == (
        "the source is PostgreSQL 18, the backup database only 14, which may not know what the source uses; upgrade "
        "the backup server to 18 or newer, or set ALLOW_OLDER_TARGET=true: then it is tried, and published only if it "
        "is proved equal"
    )
    assert [step["name"] for step in report["steps"]] == ["verify_connections"]
    assert downwards.fingerprint() == before
    assert downwards.leftovers() == []


@pytest.mark.parametrize("method", ["swap", "in_place"])
def test_where_it_is_allowed_and_proved_equal_an_older_target_is_a_copy_too(
    downwards: Installation, method: str
) -> None:
    report = downwards.run_here(ALLOW_OLDER_TARGET="true", RESTORE_METHOD=method)
    assert (report["outcome"], report["error"]) == ("succeeded", None)
    assert any("the backup server is PostgreSQL 14, older than the source's 18" in each for each in report["warnings"])
    assert downwards.differences() == []
    assert downwards.leftovers() == []


@pytest.mark.parametrize("method", ["swap", "in_place"])
def test_what_only_the_newer_one_knows_is_refused_by_name_and_the_older_target_keeps_what_it_held(
    downwards: Installation, method: str
) -> None:
    before = downwards.fingerprint()
    downwards.on_source("CREATE UNIQUE INDEX only_since_15 ON public.users (id, display_name) NULLS NOT DISTINCT")
    report = downwards.run_here(ALLOW_OLDER_TARGET="true", RESTORE_METHOD=method)
    downwards.on_source("DROP INDEX public.only_since_15")
    assert report["outcome"] == "rolled_back"
    assert "only_since_15" in report["error"]
    assert 'syntax error at or near "NULLS"' in report["error"]
    assert downwards.fingerprint() == before
    assert downwards.leftovers() == []


@pytest.mark.parametrize(("source", "target"), [(14, 14), (14, 18)])
def test_only_what_differs_is_written_on_the_oldest_and_the_newest_target(
    stage: Stage, source: int, target: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    servers = stage.server("source", source), stage.server("target", target)
    only = {"CHANGED_TABLES_ONLY": "true"}
    with installed(*servers, stage.valkey, tmp_path, PG_BIN_DIR=str(FOLDER)) as found:
        found.copied(**only)
        found.on_source("UPDATE users SET display_name = 'x' WHERE id = 3; SELECT nextval('users_id_seq')")
        before = found.fingerprint()
        monkeypatch.setenv("RNS_FAULT", "filled=raise")
        assert found.run_here(**only)["outcome"] == "rolled_back"
        monkeypatch.delenv("RNS_FAULT")
        assert found.fingerprint() == before  # sequences too
        report = found.copied(**only)
        assert (report["way"], "the last run's restore failed" in report["way_reason"]) == ("swap", True)
        found.on_source("UPDATE users SET display_name = 'y' WHERE id = 3; SELECT nextval('users_id_seq')")
        report = found.copied(**only)
        assert report["way"] == "changed_tables", report["way_reason"]
        assert found.differences() == []


def test_the_word_that_psql_cannot_bring_to_a_server_of_14_is_taken_out_as_the_page_says(
    stage: Stage, tmp_path: Path
) -> None:
    """docs/recovery-without-the-tool.md, for a person with a dump and without this tool."""
    server, newer = stage.server("target", 14), binaries_of(15)
    dump, result = tmp_path / "dump.sql", tmp_path / "without_logged.sql"
    for name in ("of_unlogged", "refused", "restored"):
        tell(server.dsn(), f"CREATE DATABASE {name}")
    tell(server.dsn("of_unlogged"), "CREATE UNLOGGED TABLE public.t (id integer GENERATED ALWAYS AS IDENTITY)")
    dump.write_text(oracle.dump(server.dsn("of_unlogged"), newer))
    repair = next(block.text for block in blocks(PAGE, "sh") if block.heading == "Without LOGGED")
    subprocess.run(["sh", "-e", "-c", repair], cwd=tmp_path, env={**os.environ, "DUMP": str(dump)}, check=True)
    lines = dump.read_text().splitlines()
    lines.remove("    LOGGED")
    assert result.read_text().splitlines() == lines
    psql = ("psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", "-d")
    for name, file, said in (("refused", dump, 'syntax error at or near "LOGGED"'), ("restored", result, "")):
        done = subprocess.run(
            [newer.tool(psql[0]), *psql[1:], server.url(name), "-f", str(file)],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert (bool(done.returncode), said in done.stderr) == (bool(said), True), done.stderr
