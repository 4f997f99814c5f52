"""The schema's text of the last proved dump: when it serves, when pg_dump is asked, and what a wrong one comes to."""

import json
import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyrage
import pytest

from tasks.engine import dumping
from tests.support import fidelity
from tests.support.installation import Installation, installed
from tests.support.mutations import MUTATIONS
from worker.demo.servers import PostgresServer, ValkeyServer, find_postgres

ROWS_AT: tuple[object, ...] = ([5], ["a", "b"], [5, 5], [5, -10], [5, 10**30], {"a": 1}, None, [0, 0])
_CHANCE = re.compile(rb"^\\(?:un)?restrict ([A-Za-z0-9]+)\n", re.MULTILINE)


THEIR_OWN = r"""
    CREATE FUNCTION odd() RETURNS text LANGUAGE plpgsql AS $f$ BEGIN RETURN '
\restrict abc
\unrestrict abc
'; END $f$; COMMENT ON TABLE users IS E'x\n\\restrict abc\n'
"""


@pytest.fixture(scope="module")
def filled(
    source_server: PostgresServer,
    target_server: PostgresServer,
    valkey_server: ValkeyServer,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Installation]:
    """The fidelity database, to be copied. It brings roles, and so do the next: those of a server are in each digest.

    So each of the three comes after the one before, and no test finds another's roles new.
    """
    home = tmp_path_factory.mktemp("filled")
    with installed(source_server, target_server, valkey_server, home, application=False) as made:
        fidelity.fill(made.source)
        made.on_source("SELECT lo_unlink(oid) FROM pg_largeobject_metadata")
        yield made


@pytest.fixture(scope="module")
def installation(filled: Installation, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """Of roles that are no superusers, with a copy; each test leaves one whose schema serves the next run."""
    servers = filled.source_server, filled.target_server, filled.valkey
    with installed(*servers, tmp_path_factory.mktemp("roles"), own_roles=True) as made:
        made.on_source(THEIR_OWN)
        made.copied()
        yield made


@pytest.fixture(scope="module")
def lasting(installation: Installation, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """Of superusers, with a copy; each test leaves one whose schema serves the next run."""
    servers = installation.source_server, installation.target_server, installation.valkey
    with installed(*servers, tmp_path_factory.mktemp("kept")) as made:
        made.copied()
        yield made


def newest(installation: Installation, suffix: str = ".sql") -> Path:
    return max(installation.backup_dir.glob(f"source_db_backup_*{suffix}"))


def dump_of(installation: Installation, report: dict[str, Any]) -> Path:
    return installation.backup_dir / str(report["source_dump"]["file"])


def way_of(report: dict[str, Any]) -> str:
    return str(report["dump_ways"][report["source_dump"]["file"]])


def by_pg_dump(installation: Installation, *options: str) -> bytes:
    """What pg_dump writes of the source; with none of its chance words."""
    command = [find_postgres().tool("pg_dump"), "--no-subscriptions", "--no-tablespaces", *options, installation.source]
    return _CHANCE.sub(b"", subprocess.run(command, capture_output=True, check=True).stdout)


WITHOUT_OWNERS = ("--no-owner", "--no-privileges")


def test_a_second_dump_has_the_first_ones_schema_and_is_what_pg_dump_writes(installation: Installation) -> None:
    installation.on_source(
        "UPDATE users SET display_name = display_name || 'x' WHERE id = 3; SELECT nextval('users_id_seq')"
    )
    first = newest(installation)
    report = installation.copied()
    text = dump_of(installation, report).read_bytes()
    assert way_of(report).startswith(f"rows by COPY, the schema of {first.name}; of ")
    assert _CHANCE.sub(b"", text) == by_pg_dump(installation, *WITHOUT_OWNERS)
    assert installation.differences() == []
    words = [set(_CHANCE.findall(each)) - {b"abc"} for each in (text, first.read_bytes())]
    assert [len(each) for each in words] in ([1, 1], [0, 0])
    assert not words[0] & words[1]  # and nobody who has seen the one knows the other
    third = installation.copied()
    assert way_of(third).startswith(f"rows by COPY, the schema of {report['source_dump']['file']}; of ")
    assert third["way"] == "unchanged"


def test_everything_that_pg_dump_carries_is_kept_word_by_word(filled: Installation) -> None:
    filled.copied()
    for row in MUTATIONS:
        if row.noticed[0].startswith("content: rows of") and not row.statement.startswith("ALTER"):
            filled.on_source(row.statement)
    report = filled.copied()
    assert "the schema of" in way_of(report)
    assert _CHANCE.sub(b"", dump_of(filled, report).read_bytes()) == by_pg_dump(filled, *WITHOUT_OWNERS)
    assert filled.differences() == []


@pytest.mark.parametrize("form", ["packed", "with owners"])
def test_a_packed_dump_and_one_with_owners_serve_too(lasting: Installation, form: str) -> None:
    settings = {"DUMP_COMPRESSION": "zstd"} if form == "packed" else {"KEEP_OWNERS": "true"}
    lasting.on_source("GRANT SELECT ON users TO pg_monitor")
    first = lasting.copied(**settings)
    report = lasting.copied(**settings)
    alike = "of 6 of 6 tables the rows are as there"
    assert way_of(report) == f"rows by COPY, the schema of {first['source_dump']['file']}; {alike}"
    assert report["way"] == "unchanged"
    assert report["source_dump"]["load_sha256"] == first["source_dump"]["load_sha256"]
    lasting.copied()


# What comes between two runs, the settings of the second, and why pg_dump is asked.
ASKED: dict[str, tuple[Callable[[Installation], object], dict[str, str], str]] = {
    "a definition": (lambda it: it.on_source("ALTER TABLE users ADD note text"), {}, "a definition, a role or a right"),
    "a comment": (lambda it: it.on_source("COMMENT ON TABLE users IS 'x'"), {}, "a definition, a role or a right"),
    "a large object": (lambda it: it.on_source("SELECT lo_create(0)"), {}, "a definition, a role or a right"),
    "by setting": (lambda _: None, {"FULL_RUNS": "true"}, "FULL_RUNS asks for it"),
    "owners": (lambda _: None, {"KEEP_OWNERS": "true"}, "KEEP_OWNERS is not what it was at the last run"),
    "a word of the schema": (
        lambda it: edit(it, b"CREATE TABLE public.users", b"CREATE TABLE public.USERS"),
        {},
        "was changed",
    ),
    "a line less": (lambda it: edit(it, b"-- PostgreSQL database dump complete\n", b""), {}, "must not be loaded"),
    "no file": (lambda it: newest(it).unlink(), {}, "cannot be read (No such file or directory)"),
    "no manifest": (lambda it: newest(it, ".manifest.json").unlink(), {}, "cannot be read"),
    "another manifest": (lambda it: edit(it, b'"run_id": "', b'"run_id": "x', ".manifest.json"), {}, "exchanged"),
    "other hashes": (
        lambda it: edit(it, b'"statements": "', b'"statements": "x', ".manifest.json"),
        {},
        "the manifest of source_db_backup",
    ),
}


def edit(installation: Installation, old: bytes, new: bytes, suffix: str = ".sql") -> None:
    path = newest(installation, suffix)
    text = path.read_bytes()
    assert text.count(old) == 1, text.count(old)
    path.write_bytes(text.replace(old, new))


@pytest.mark.parametrize("what", ASKED)
def test_pg_dump_is_asked_again_where_its_text_may_be_another_one(
    lasting: Installation, what: str, caplog: pytest.LogCaptureFixture
) -> None:
    before, settings, why = ASKED[what]
    before(lasting)
    with caplog.at_level("INFO"):
        report = lasting.copied(**settings)
    assert way_of(report) == "rows by COPY"
    [told] = [record.getMessage() for record in caplog.records if record.getMessage().startswith("pg_dump is asked")]
    assert why in told
    assert lasting.differences() == []
    if what in {"a large object", "owners"}:
        lasting.on_source("SELECT lo_unlink(oid) FROM pg_largeobject_metadata")
        assert way_of(lasting.copied()) == "rows by COPY"


def test_an_encrypted_dump_is_closed_to_the_next_run(
    installation: Installation, caplog: pytest.LogCaptureFixture
) -> None:
    settings = {"ENCRYPT_TO": str(pyrage.x25519.Identity.generate().to_public())}
    installation.copied(**settings)
    with caplog.at_level("INFO"):
        assert way_of(installation.copied(**settings)) == "rows by COPY"
    assert "pg_dump is asked for the schema: the last dump is encrypted" in caplog.text
    assert way_of(installation.copied()) == "rows by COPY"


def test_a_schema_that_is_wrong_in_spite_of_all_is_not_published_and_asked_for_by_the_next_run(
    installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as blind:
        blind.setattr(dumping, "catalogs_digest", lambda *_: "the same for ever")
        installation.copied(FULL_RUNS="true")
        before = installation.fingerprint()
        installation.on_source("ALTER TABLE users ALTER country SET DEFAULT 'XX'")
        report = installation.run_here()
        assert (report["outcome"], "the schema of" in way_of(report)) == ("rolled_back", True)
        assert "country" in report["error"]
        assert installation.fingerprint() == before
        for _ in range(2):  # not kept and failing every other time
            assert way_of(installation.copied()) == "rows by COPY"
    installation.on_source("ALTER TABLE users ALTER country SET DEFAULT 'YY'")
    assert way_of(installation.copied()) == "rows by COPY"
    assert "the schema of" in way_of(installation.copied())
    assert installation.differences() == []


_OF_BEFORE = """#!/bin/sh
[ "$1" = --version ] && exec {real} --version
{real} "$@" | sed -E '/^.(un)?restrict [A-Za-z0-9]{{20,}}$/d'
"""


@pytest.mark.parametrize("minor", ["new", "of before August 2025"])
def test_a_users_own_line_that_looks_like_one_of_pg_dumps_stays_as_it_is(
    installation: Installation, tmp_path: Path, minor: str
) -> None:
    settings: dict[str, str] = {}
    if minor != "new":
        settings["PG_BIN_DIR"] = str(tmp_path / "bin")
        (tmp_path / "bin").mkdir()
        (tmp_path / "bin" / "psql").symlink_to(find_postgres().tool("psql"))
        program = tmp_path / "bin" / "pg_dump"
        program.write_text(_OF_BEFORE.format(real=find_postgres().tool("pg_dump")))
        program.chmod(0o755)
    installation.copied(**settings, FULL_RUNS="true")
    installation.on_source("UPDATE users SET display_name = display_name || 'y' WHERE id = 3")
    report = installation.copied(**settings)
    assert "the schema of" in way_of(report)
    text = dump_of(installation, report).read_bytes()
    assert text.count(b"\n\\restrict abc\n") == 2
    assert (len(_CHANCE.findall(text)) == 3) == (minor != "new")
    assert installation.differences() == []


def with_manifest(installation: Installation, **changed: object) -> None:
    path = newest(installation, ".manifest.json")
    path.write_text(json.dumps({**json.loads(path.read_text()), **changed}))


@pytest.mark.parametrize(
    "changed",
    [
        *({"rows_at": value} for value in ROWS_AT),
        {"properties": {}},
        {"properties": None},
    ],
    ids=str,
)
def test_a_manifest_that_somebody_has_edited_is_no_reason_to_fail(
    lasting: Installation, changed: dict[str, object]
) -> None:
    with_manifest(lasting, **changed)
    assert "the schema of" not in way_of(lasting.copied())


def test_values_of_sequences_are_no_part_of_a_schema(lasting: Installation) -> None:
    text = newest(lasting).read_bytes()
    begin, _ = json.loads(newest(lasting, ".manifest.json").read_text())["rows_at"]
    with_manifest(lasting, rows_at=[begin, text.rindex(b"SELECT pg_catalog.setval(")])
    assert "the schema of" not in way_of(lasting.copied())
