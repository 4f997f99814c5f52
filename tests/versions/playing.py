"""One pair: a full run, a rollback that has something to undo, and a second run; the oracle judges each."""

import os
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.support import fidelity, oracle
from tests.support.failing import change_source
from tests.support.installation import Installation, installed
from tests.support.majors import FOLDER, MAJORS, binaries_of
from tests.support.workers import gate, meanwhile
from tests.versions.pair import Pair, Verdict
from worker.demo.servers import PostgresBinaries, PostgresServer, ValkeyServer

# Also done to the copy, after it was published: so that the rollback has something to undo.
_DAMAGE = "DROP INDEX public.escrows_open; UPDATE public.wallets SET address = 'elsewhere' WHERE id = 7"


@dataclass
class Stage:
    """Servers of several majors, started when a pair needs them first; all end with the `with` of `open_stage`."""

    root: Path
    valkey: ValkeyServer
    _ends: ExitStack
    _servers: dict[tuple[str, int], PostgresServer] = field(default_factory=dict)

    def server(self, role: str, major: int) -> PostgresServer:
        """role: source or target; a pair of one major has two servers."""
        if (role, major) not in self._servers:
            server = PostgresServer(self.root / f"{role}-{major}", binaries_of(major)).create().start()
            self._ends.callback(server.remove)
            self._servers[role, major] = server
        return self._servers[role, major]


@contextmanager
def open_stage() -> Iterator[Stage]:
    """A stage in a temporary folder."""
    with ExitStack() as ends:
        root = ends.enter_context(TemporaryDirectory(prefix="rns-versions-", ignore_cleanup_errors=True))
        valkey = ValkeyServer(Path(root) / "valkey").start()
        ends.callback(valkey.stop)
        yield Stage(root=Path(root), valkey=valkey, _ends=ends)


def play(stage: Stage, pair: Pair) -> Verdict:
    """What happens with this pair, judged with pg_dump of the target's major."""
    began = time.monotonic()
    source, target = stage.server("source", pair.source), stage.server("target", pair.target)
    with (
        TemporaryDirectory(prefix="pair-", dir=stage.root) as home,
        installed(
            *(source, target, stage.valkey, Path(home)),
            application=False,
            PG_BIN_DIR=str(_clients(pair)),
            RESTORE_METHOD=pair.method,
        ) as installation,
    ):
        fidelity.fill(installation.source)
        failures = list(_play(installation, pair))
    return Verdict(pair=pair, took_s=time.monotonic() - began, failures=tuple(failures))


def _clients(pair: Pair) -> Path:
    if pair.clients == "every":
        for major in MAJORS:
            binaries_of(major)  # all of them must be there to choose from
        return FOLDER
    return binaries_of(_one_client(pair)).bin_dir


def _one_client(pair: Pair) -> int:
    return {"every": MAJORS[-1], "near": max(pair.target, 15), "own": pair.target}[pair.clients]


def _play(installation: Installation, pair: Pair) -> Iterator[str]:
    failures = list(_copied(installation, pair, "the first run"))
    if not failures:
        failures += [*_rolled_back(installation, pair), *_copied(installation, pair, "the second run")]
    yield from failures


def _copied(installation: Installation, pair: Pair, what: str) -> Iterator[str]:
    binaries = judges(pair)
    report = installation.run_here()
    if (report["outcome"], report["error"]) != ("succeeded", None):
        yield f"{what} {report['outcome']}: {report['error']}"
        return
    if set(clients := (report["source"]["client"], report["target"]["client"])) != {expected_client(pair)}:
        yield f"{what} used pg_dump {clients}"
    expected = oracle.as_restored(installation.source, on=installation.target_server.dsn(), binaries=binaries)
    found = oracle.take(installation.target, binaries=binaries)
    yield from (f"{what}: {each}" for each in oracle.differences(expected, found))
    yield from (f"{what} left {each}" for each in installation.leftovers())


def _rolled_back(installation: Installation, pair: Pair) -> Iterator[str]:
    """A copy is published, damaged before it is verified, and rolled back to the copy before it."""
    binaries = judges(pair)
    before, comment = oracle.take(installation.target, binaries=binaries), installation.comment()
    change_source(installation)
    reached = gate(installation, "verifying")
    with faults(f"verify_target.begin=wait:{reached}"), meanwhile(reached, lambda: installation.on_target(_DAMAGE)):
        report = installation.run_here()
    if report["outcome"] != "rolled_back":
        yield f"the rollback {report['outcome']}: {report['error']}"
    if not all(name in report["error"] for name in ("escrows_open", "wallets")):
        yield f"the rollback does not name what differed: {report['error']}"
    if installation.comment() != comment:
        yield "the rollback left another mark"
    if pair.method == "in_place":  # which loads the safety backup: deparsed once more
        dump = installation.backup_dir / f"backup_safety_{report['stamp']}.sql"
        before = oracle.of_dump(dump, on=installation.target_server.dsn(), binaries=binaries)
    found = oracle.take(installation.target, binaries=binaries)
    yield from (f"the rollback: {each}" for each in oracle.differences(before, found))
    yield from (f"the rollback left {each}" for each in installation.leftovers())


def judges(pair: Pair) -> PostgresBinaries:
    """The programs with which the oracle looks: the target's, but those of 14 leave out the comment on public."""
    return binaries_of(max(pair.target, 15))


def expected_client(pair: Pair) -> str:
    """The version of pg_dump that must be chosen for source and target."""
    return "{}.{}".format(*binaries_of(_one_client(pair)).version)


@contextmanager
def faults(value: str) -> Iterator[None]:
    """The engine's fault points for the runs of this process."""
    os.environ["RNS_FAULT"] = value
    try:
        yield
    finally:
        del os.environ["RNS_FAULT"]
