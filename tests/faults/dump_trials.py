"""Bad dumps before a real target: what is done with each, and whether anything at the target was even begun."""

import hashlib
import os
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from tasks.engine import operations
from tasks.engine.errors import DumpRefused
from tasks.engine.manifest import read_manifest, write_manifest
from tasks.engine.names import manifest_path
from tasks.engine.run import Run, open_run
from tasks.engine.watch import Watch
from tests.faults.bad_dumps import BadDump, bad_dumps
from tests.support.held import held_at
from tests.support.installation import Installation, ask, installed, tell
from worker.demo.servers import PostgresServer, ValkeyServer, find_postgres

_ANOTHER = "CREATE TABLE public.invoices (id integer); INSERT INTO public.invoices SELECT generate_series(1, 451)"
_LATER = "UPDATE public.wallets SET address = 'of the later run' WHERE id = 5"
# A pg_dump that writes what a test has put in the place of its work. The source's is the one without owners.
_EXCHANGED = """#!/bin/sh
exchanged="{home}/exchanged.sql"
for word; do case "$word" in --no-owner) source=1;; --file=*) file="${{word#--file=}}";; esac; done
[ -n "$source" ] && [ -e "$exchanged" ] || exec {real} "$@"
if [ -n "$file" ]; then exec cp "$exchanged" "$file"; else exec cat "$exchanged"; fi
"""


@dataclass(frozen=True)
class Trial:
    """What became of one bad dump. begun: something was written to the target's server, if only to be undone."""

    what: str
    refused: bool
    untouched: bool
    begun: bool
    error: str

    @property
    def noticed_by(self) -> str:
        """For the table."""
        return "the proof, before publishing" if self.begun else "the file's text, before anything was begun"

    def failures(self, *, may_begin: bool) -> list[str]:
        """Why it is not as it should be."""
        wrong = {
            "it was not refused": not self.refused,
            "the target is not what it was": not self.untouched,
            "something at the target was begun": self.begun and not may_begin,
        }
        return [f"{self.what}: {how} ({self.error})" for how, true in wrong.items() if true]


@dataclass(frozen=True, kw_only=True)
class Trials:
    """An installation with one good copy, and a list of bad dumps of its source."""

    installation: Installation
    bad: Sequence[BadDump]

    @property
    def exchanged(self) -> Path:
        """What pg_dump writes while it is there."""
        return self.installation.home / "exchanged.sql"

    def after_examination(self, *, with_manifest: bool) -> list[Trial]:
        """One real run that comes to its restore; there its dump is exchanged for each bad one in turn.

        with_manifest: the manifest beside the dump is made to agree with it. In the end the good one is put back, and
        the run succeeds.
        """
        with held_at(self.installation, "restore_target.begin") as held:
            before = self._state()
            [record] = self.installation.means(lock=False).journal.open_runs()
            means = self.installation.means(lock=False)
            with Watch("a bad dump", 120) as watch:
                run = open_run(record, settings=means.settings, journal=means.journal, watch=watch)
                dump = run.paths.source_dump
                good, described = dump.read_bytes(), manifest_path(dump).read_bytes()
                found = [self._before_the_restore(run, bad, with_manifest) for bad in self.bad]
            dump.write_bytes(good)
            manifest_path(dump).write_bytes(described)
            assert self._state() == before
        assert held.report["outcome"] == "succeeded", held.report["error"]
        assert self.installation.differences() == []
        return found

    def _before_the_restore(self, run: Run, bad: BadDump, with_manifest: bool) -> Trial:
        run.paths.source_dump.write_bytes(bad.content)
        if with_manifest:
            _make_manifest_agree(run.paths.source_dump)

        def restore() -> tuple[bool, str]:
            try:
                return False, operations.restore_target(run)
            except DumpRefused as error:
                return True, str(error)

        return self._watched(bad, restore)

    def as_dumped(self, bad: BadDump, way: str = "swap") -> Trial:
        """A whole run whose pg_dump writes the bad dump, so that its manifest agrees with it.

        way: a method, or changed_tables.
        """
        only = way == "changed_tables"
        settings = {"RESTORE_METHOD": "swap" if only else way, "CHANGED_TABLES_ONLY": str(only).lower()}

        def run() -> tuple[bool, str]:
            self._demand_of_pg_dump()
            self.exchanged.write_bytes(bad.content)
            try:
                report = self.installation.run_here(**settings)
            finally:
                self.exchanged.unlink()
            refused = report["outcome"] in {"failed", "rolled_back"} and self.installation.leftovers() == []
            return refused, f"{report['outcome']}: {report['error']}"

        trial = self._watched(bad, run)
        if only and trial.begun:  # after a restore that failed all would be loaded
            self.installation.copied(**settings)
        return trial

    def _demand_of_pg_dump(self) -> None:
        """That it is asked for the schema: another role could be an owner."""
        tell(self.installation.source_server.dsn(), "DROP ROLE IF EXISTS whoever; CREATE ROLE whoever")

    def _watched(self, bad: BadDump, action: Callable[[], tuple[bool, str]]) -> Trial:
        before, written = self._state() if bad.hidden else None, self._last_transaction()
        refused, error = action()
        begun = self._last_transaction() != written
        pwned = any(self.installation.home.rglob("pwned")) or Path("pwned").exists()
        untouched = not pwned and (not begun or self._state() == before)
        return Trial(what=bad.what, refused=refused, untouched=untouched, begun=begun, error=error)

    def _state(self) -> tuple[str, str | None]:
        return self.installation.fingerprint(), self.installation.comment()

    def _last_transaction(self) -> str:
        """The same as long as nobody writes to any database of the target's server, or makes one."""
        query = "SELECT pg_snapshot_xmax(pg_current_snapshot())::text"
        return str(ask(self.installation.target_server.dsn(), query)[0][0])


def _make_manifest_agree(dump: Path) -> None:
    content = dump.read_bytes()
    manifest = replace(
        read_manifest(manifest_path(dump)), size_bytes=len(content), sha256=hashlib.sha256(content).hexdigest()
    )
    write_manifest(manifest, manifest_path(dump))


@contextmanager
def trials(source: PostgresServer, target: PostgresServer, valkey: ValkeyServer, home: Path) -> Iterator[Trials]:
    """Meanwhile the target's server has no autovacuum, so that only we write there."""
    tools = str(_exchanging_pg_dump(home))
    with _without_autovacuum(target), installed(source, target, valkey, home, PG_BIN_DIR=tools) as installation:
        another = _dump_of_another_database(source, f"another_{installation.source_name}")
        earlier = _good_dump(installation)
        installation.on_source(_LATER)
        good = _good_dump(installation)
        try:
            yield Trials(
                installation=installation,
                bad=list(bad_dumps(good, of_another_database=another, of_another_run=earlier)),
            )
        finally:
            tell(source.dsn(), "DROP ROLE IF EXISTS whoever")


@contextmanager
def _without_autovacuum(server: PostgresServer) -> Iterator[None]:
    tell(server.dsn(), "ALTER SYSTEM SET autovacuum = off")
    tell(server.dsn(), "SELECT pg_reload_conf()")
    try:
        yield
    finally:
        tell(server.dsn(), "ALTER SYSTEM RESET autovacuum")
        tell(server.dsn(), "SELECT pg_reload_conf()")


def _exchanging_pg_dump(home: Path) -> Path:
    path = home / "bin" / "pg_dump"
    path.parent.mkdir()
    path.write_text(_EXCHANGED.format(real=find_postgres().tool("pg_dump"), home=home))
    path.chmod(0o755)
    return path.parent


def _good_dump(installation: Installation) -> bytes:
    report = installation.run_here()
    assert report["outcome"] == "succeeded", report["error"]
    return Path(installation.backup_dir, report["source_dump"]["file"]).read_bytes()


def _dump_of_another_database(server: PostgresServer, name: str) -> bytes:
    tell(server.dsn(), f"CREATE DATABASE {name} TEMPLATE template0")
    try:
        tell(server.dsn(name), _ANOTHER)
        where = ["-h", "127.0.0.1", "-p", str(server.port), "-U", "postgres", "--no-owner", "--no-privileges", name]
        environment = {**os.environ, "PGPASSWORD": server.password}
        command = [find_postgres().tool("pg_dump"), *where]
        return subprocess.run(command, env=environment, capture_output=True, check=True).stdout
    finally:
        tell(server.dsn(), f"DROP DATABASE {name}")
