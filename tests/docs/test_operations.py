"""docs/operations.md is executed: its blocks, in a shell, against real servers, in the situations that it is about.

A run that the page sends through the worker is made with `--here`: the same run, without waiting for a worker to start.
A block of this project's commands and nothing else is executed in this process: an interpreter costs more than they do.
"""

import json
import os
import re
import shlex
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest
import redis
from dotenv import dotenv_values

from tests.docs.documents import ROOT, blocks, headings, rows, section, words
from tests.docs.test_readme import CODE
from tests.support.command import command
from tests.support.installation import ESCROW, Installation, ask, installed, tell
from tests.support.majors import binaries_of
from worker.demo.servers import PostgresServer, ValkeyServer, find_postgres, free_port

PAGE = (ROOT / "docs" / "operations.md").read_text()
RUNBOOKS = [heading for heading in headings(PAGE) if heading != "Runbooks"]
SIGN_INS = "SELECT count(*) FROM audit.sign_ins"
LOSS = "DELETE FROM audit.sign_ins"
NewDatabase = Callable[[PostgresServer, str], str]


@dataclass(frozen=True, kw_only=True)
class Operator:
    """Somebody at a shell, in the folder of `.env`, with the page open."""

    installation: Installation

    @property
    def env_file(self) -> Path:
        return self.installation.home / ".env"

    def set(self, **settings: str) -> None:
        """Change `.env`."""
        kept = self.env_file.read_text().splitlines() if self.env_file.exists() else []
        lines = {line.partition("=")[0]: line for line in kept}
        lines |= {name: f"{name}={text}" for name, text in settings.items()}
        self.env_file.write_text("\n".join(lines.values()) + "\n")

    def follow(self, runbook: str, words: str, **filled_in: str) -> "subprocess.CompletedProcess[str]":
        """Execute the runbook's block with these words; filled_in: what the reader puts in place of what is shown."""
        (block,) = [found for found in blocks(PAGE, "sh") if found.heading == runbook and words in found.text]
        text = block.text
        for shown, ours in filled_in.items():
            assert shown in text, f"the runbook does not say {shown!r} any more"
            text = text.replace(shown, ours)
        return self.type(text)

    def type(self, text: str) -> "subprocess.CompletedProcess[str]":
        """Asked for the database's name, this one knows it."""
        text = re.sub(r"\brailway-neon-sync run\b(?! --here)", "railway-neon-sync run --here", text)
        if all(re.fullmatch(r"railway-neon-sync [\w\s:/.-]+", line) for line in text.splitlines()):
            return self._in_this_process([shlex.split(line)[1:] for line in text.splitlines()])
        environment = {
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "HOME": str(self.installation.home),
            "PYTHONPATH": str(ROOT),
            "BACKUP_DIR": str(self.installation.backup_dir),
        }
        return subprocess.run(
            ["bash", "-c", f"set -eu\n{text}"],
            cwd=self.installation.home,
            env=environment,
            input=f"{self.installation.target_name}\n",
            text=True,
            capture_output=True,
            timeout=120,
            check=False,
        )

    def _in_this_process(self, commands: list[list[str]]) -> "subprocess.CompletedProcess[str]":
        printed, complained = "", ""
        for one in commands:
            done = command(self.installation, *one, typed=f"{self.installation.target_name}\n", **self.settings())
            printed, complained = printed + done.stdout, complained + done.stderr
            if done.exit_code:
                break
        return subprocess.CompletedProcess([], done.exit_code, printed, complained)

    def settings(self) -> dict[str, str]:
        """What `.env` says."""
        return {name: text or "" for name, text in dotenv_values(self.env_file).items()}

    def run(self, outcome: str = "succeeded") -> str:
        """A run that no runbook has typed, with the settings of `.env`, in this process; its error."""
        report = self.installation.run_here(**self.settings())
        assert report["outcome"] == outcome, report["error"]
        return report["error"] or ""

    def stamps(self) -> list[str]:
        found = self.installation.backup_dir.glob("source_db_backup_*.sql")
        return sorted(path.stem.removeprefix("source_db_backup_") for path in found)


@pytest.fixture(scope="module")
def operator(
    source_server: PostgresServer,
    target_server: PostgresServer,
    valkey_server: ValkeyServer,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Operator]:
    """Somebody whose installation has made its first copy; each test leaves it so that the next run succeeds."""
    home = tmp_path_factory.mktemp("operator")
    with installed(source_server, target_server, valkey_server, home) as installation:
        operator = Operator(installation=installation)
        operator.set(
            DATABASE_URL=installation.source_url,
            RAILWAY_BACKUP_DB_URL=installation.target_url,
            CELERY_BROKER_URL=installation.broker_url,
        )
        operator.run()
        yield operator


@pytest.mark.parametrize("runbook", RUNBOOKS)
def test_a_runbook_says_when_and_how_one_knows_that_it_worked(runbook: str) -> None:
    text = section(PAGE, runbook)
    if runbook != "The tool itself is gone":  # which is a page of its own
        assert "**It worked when**" in text
    assert "**When:**" in text or "(recovery-without-the-tool.md)" in text or runbook == "Rotating passwords"
    assert f"(#{re.sub(r'[^a-z0-9 -]', '', runbook.lower()).replace(' ', '-')})" in PAGE


def test_what_an_error_is_said_to_say_stands_in_the_code_or_is_postgresqls() -> None:
    of_postgresql = {"timeout expired", "password authentication failed"}
    quoted = {word for row in rows(section(PAGE, "A run failed")) for word in words(row[0])}
    assert len(quoted) > 5
    assert sorted(word for word in quoted - of_postgresql if word not in CODE) == []


def test_neon_is_gone_and_comes_back(operator: Operator, new_database: NewDatabase) -> None:
    done = operator.follow("Neon is gone", "railway-neon-sync promote\n")
    assert done.returncode == 0, done.stderr
    assert "is production now" in done.stdout
    assert "was promoted on" in operator.run("held")
    one = operator.installation
    one.on_target("UPDATE public.users SET display_name = 'written after the failover'")
    neon = one.source_server.url(new_database(one.source_server, "neon"))
    filled_in = {"=postgresql://...   #": f"='{one.target_url}'   #", "=postgresql://...      #": f"='{neon}'      #"}
    back = operator.follow("Neon is gone", "RESTORE_METHOD=in_place", **filled_in)
    assert back.returncode == 0, back.stdout + back.stderr
    operator.set(DATABASE_URL=neon)
    assert operator.type("railway-neon-sync adopt").returncode == 0
    operator.run()
    assert ask(one.target, "SELECT DISTINCT display_name FROM public.users") == [("written after the failover",)]
    operator.set(DATABASE_URL=one.source_url)


def test_somebody_deleted_the_data(operator: Operator) -> None:
    one = operator.installation
    (before,) = ask(one.source, SIGN_INS)
    good = operator.stamps()[-1]
    one.on_source(LOSS)
    operator.run()
    assert ask(one.target, SIGN_INS) == [(0,)]
    seen = operator.follow("Somebody deleted the data", "list --dumps")
    assert seen.returncode == 0, seen.stderr
    assert all(stamp in seen.stdout.replace("\n", "") for stamp in operator.stamps())
    done = operator.follow("Somebody deleted the data", "restore", **{"20251022_180000": good})
    assert done.returncode == 0, done.stdout + done.stderr
    assert "proved" in done.stdout
    assert ask(one.target, SIGN_INS) == [before]
    operator.run("held")
    assert operator.type("railway-neon-sync adopt").returncode == 0


def test_railway_is_gone(operator: Operator, new_database: NewDatabase) -> None:
    one = operator.installation
    name = new_database(one.target_server, "railway")
    tell(one.target_server.dsn(), f"DROP DATABASE {one.target_name} WITH (FORCE)")
    assert one.target_name in operator.run("failed")
    operator.set(RAILWAY_BACKUP_DB_URL=one.target_server.url(name))
    done = operator.follow("Railway is gone", "run")
    assert done.returncode == 0, done.stdout + done.stderr
    assert ask(one.target_server.dsn(name), "SELECT count(*) FROM public.users") == [(57,)]
    tell(one.target_server.dsn(), f"CREATE DATABASE {one.target_name} TEMPLATE template0")
    operator.set(RAILWAY_BACKUP_DB_URL=one.target_url)


def test_a_run_failed(operator: Operator) -> None:
    one = operator.installation
    operator.set(DATABASE_URL=one.source_url.replace(f":{one.source_server.port}/", f":{free_port()}/"))
    assert "cannot be reached" in " ".join(operator.run("failed").split())
    seen = operator.follow("A run failed", "show last")
    assert seen.returncode == 0, seen.stderr
    assert "cannot be reached" in " ".join(seen.stdout.split())
    operator.set(DATABASE_URL=one.source_url)
    assert operator.follow("A run failed", "railway-neon-sync run").returncode == 0


def test_a_run_is_held(operator: Operator) -> None:
    one, runbook = operator.installation, section(PAGE, "A run is held")
    typed = {row[0]: words(row[1]) for row in rows(runbook)}
    (see,) = re.findall(r"\*\*See\*\* which guard: `(.+?)`", runbook)
    one.on_target("UPDATE public.users SET display_name = 'written by hand'")
    operator.run("held")
    seen = operator.type(see)
    assert "was written to since" in " ".join(seen.stdout.split()), seen.stderr
    assert operator.type(*typed["it may be overwritten"]).returncode == 0
    operator.run()
    one.on_source("TRUNCATE public.wallets CASCADE")
    operator.run("held")
    seen = operator.type(see)
    assert "the copy would shrink" in " ".join(seen.stdout.split())
    (held,) = json.loads(operator.type("railway-neon-sync list --json").stdout)["runs"][:1]
    (accept,) = typed["the loss at Neon is right"]
    done = operator.type(accept.replace("<run id>", held["run_id"]))
    assert done.returncode == 0, done.stdout + done.stderr
    assert ask(one.target, "SELECT count(*) FROM public.wallets") == [(0,)]


def test_the_disk_is_full(operator: Operator) -> None:
    seen = operator.follow("The disk is full", "du -sh")
    assert seen.returncode == 0, seen.stderr
    assert f"source_db_backup_{operator.stamps()[0]}.sql" in seen.stdout
    done = operator.follow("The disk is full", "--apply")
    assert done.returncode == 0, done.stderr
    assert operator.stamps() != []  # the newest three stay


def test_moving_to_another_host_with_the_memory_and_without(operator: Operator) -> None:
    one = operator.installation
    assert operator.type("railway-neon-sync run").returncode == 0  # from now on Redis knows whose memory it is
    before = known(operator)
    packed = operator.follow("Moving to another host", "--create")
    assert packed.returncode == 0, packed.stderr
    assert (one.home / "backups.tar").stat().st_mode & 0o077 == 0
    one.backup_dir.rename(one.home / "the-old-host")
    refused = operator.type("railway-neon-sync run")
    assert "another installation works on these two databases with another journal" in refused.stderr.replace("\n", " ")
    taken = operator.follow("Moving to another host", "take-over")
    assert taken.returncode == 0, taken.stderr
    assert operator.type("railway-neon-sync run").returncode == 0
    one.backup_dir.rename(one.home / "begun-anew")
    moved = operator.follow("Moving to another host", "--extract")
    assert moved.returncode == 1  # Redis remembers the journal that was begun meanwhile
    assert operator.follow("Moving to another host", "take-over").returncode == 0
    assert operator.type("railway-neon-sync run").returncode == 0
    assert one.backup_dir.stat().st_mode & 0o077 == 0
    assert known(operator)[2:] == before


def known(operator: Operator) -> list[str]:
    """The runs that are remembered, the newest first."""
    return [run["run_id"] for run in json.loads(operator.type("railway-neon-sync list --json").stdout)["runs"]]


def test_upgrading_from_a_version_whose_journal_knew_less_and_going_back(operator: Operator) -> None:
    """Journals of before there were notices lack their tables."""
    journal, before = operator.installation.backup_dir / "journal.sqlite3", known(operator)
    with closing(sqlite3.connect(journal)) as connection:
        connection.executescript("DROP TABLE rns_notices; DROP TABLE rns_deliveries")
    done = operator.follow("Upgrading", "run")
    assert done.returncode == 0, done.stdout + done.stderr
    assert known(operator)[1:] == before
    version = "UPDATE rns_meta SET value = '{}' WHERE key = 'schema_version'"
    with closing(sqlite3.connect(journal)) as connection:
        connection.executescript(version.format(2))
        refused = operator.type("railway-neon-sync run")
        connection.executescript(version.format(1))
    said = "the journal has schema version 2"
    assert said in " ".join(refused.stderr.split())
    assert said.removesuffix(" 2") in " ".join(section(PAGE, "Upgrading").split())


def test_rotating_the_password_of_redis(operator: Operator, tmp_path: Path) -> None:
    valkey = ValkeyServer(tmp_path / "valkey").start()
    address = f"redis://:{{}}@127.0.0.1:{valkey.port}/0"
    try:
        with redis.Redis(port=valkey.port) as client:
            client.config_set("requirepass", "new")
        operator.set(CELERY_BROKER_URL=address.format("old"))
        refused = operator.type("railway-neon-sync doctor")
        assert refused.stdout.count("AuthenticationError") == 1
        operator.set(CELERY_BROKER_URL=address.format("new"))
        answered = operator.type("railway-neon-sync doctor").stdout
        assert "AuthenticationError" not in answered
        assert "✓ broker" in answered
    finally:
        operator.set(CELERY_BROKER_URL=operator.installation.broker_url)
        valkey.stop()


def test_rotating_a_database_password(operator: Operator) -> None:
    one, role = operator.installation, f"rotated_{os.getpid()}"
    try:
        one.on_source(f"CREATE ROLE {role} LOGIN PASSWORD 'old' IN ROLE pg_read_all_data")
        operator.set(DATABASE_URL=one.source_server.url(one.source_name, role, "old"))
        one.on_source(f"ALTER ROLE {role} PASSWORD 'new'")
        assert "password authentication failed" in " ".join(operator.run("failed").split())
        operator.set(DATABASE_URL=one.source_server.url(one.source_name, role, "new"))
        done = operator.follow("Rotating passwords", "run")
        assert done.returncode == 0, done.stdout + done.stderr
    finally:
        operator.set(DATABASE_URL=one.source_url)
        one.on_source(f"DROP ROLE {role}")


def test_a_new_postgresql_major(operator: Operator, server_root: Path) -> None:
    """pg_dump, then Railway, then Neon."""
    one, newest = operator.installation, binaries_of(18)
    older = find_postgres()
    assert older.major < newest.major
    new = PostgresServer(server_root / "newer", newest).create().start()
    try:
        for name in ("railway", "neon"):
            tell(new.dsn(), f"CREATE DATABASE {name} TEMPLATE template0")
        operator.set(RAILWAY_BACKUP_DB_URL=new.url("railway"), PG_BIN_DIR=str(older.bin_dir))
        assert "has no pg_dump that new" in operator.run("failed")
        operator.set(PG_BIN_DIR=str(newest.bin_dir))
        operator.run()
        tell(new.dsn("neon"), ESCROW)
        operator.set(DATABASE_URL=new.url("neon"))
        done = operator.follow("A new PostgreSQL major", "run")
        assert done.returncode == 0, done.stdout + done.stderr
        shown = operator.type("railway-neon-sync show last --json")
        report = json.loads(shown.stdout)
        assert {report[side]["version"].partition(".")[0] for side in ("source", "target")} == {"18"}
    finally:
        operator.set(DATABASE_URL=one.source_url, RAILWAY_BACKUP_DB_URL=one.target_url, PG_BIN_DIR="")
        new.remove()
