"""A scene is built: servers, an installation, its worker, and a first copy."""

import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

from tests.faults.instants import CHANGED_TABLES, HELD_PROGRAMS, IN_FULL, UNCHANGED
from tests.faults.proxy import Proxy
from tests.faults.reader import Reader
from tests.faults.scene import Scene
from tests.folders import server_folder
from tests.support.installation import Installation, installed
from tests.support.moved_clock import FILE
from tests.support.workers import Worker, client_of, worker_of
from worker.demo.servers import PostgresServer, ValkeyServer, find_postgres

# So short that a stalled network is noticed within the time of a cell.
_LIMITS = {"DUMP_TIMEOUT_S": "15", "SAFETY_TIMEOUT_S": "15", "RESTORE_TIMEOUT_S": "15", "VERIFY_TIMEOUT_S": "15"}
# A pg_dump or a psql that can be held before it begins, when half of its output is written, and after it has ended.
_HELD = """#!/bin/sh
[ "$1" = --version ] && exec {real} --version
step=back_up_target; grep -q '^dbname={source}$' "$PGSERVICEFILE" && step=dump_source
hold() {{
    [ -e "{home}/$1.hold" ] || return 0
    echo $$ >"{home}/$1.pid"; mv "{home}/$1.pid" "{home}/$1.hold.reached"
    while [ -e "{home}/$1.hold" ]; do sleep 0.02; done
}}
hold $step.{begin}
if [ -e "{home}/$step.{half}.hold" ]; then
    all="{home}/$step.{half}.all"; {real} "$@" >"$all"; status=$?; size=$(($(stat -c %s "$all") / 2))
    head -c $size "$all"; hold $step.{half}; tail -c +$((size + 1)) "$all"
else
    {real} "$@"; status=$?
fi
hold $step.{end}
exit $status
"""


@contextmanager
def scene_of(method: str, *, network: bool = False) -> Iterator[Scene]:
    """A first run has been made: there is something to lose. network: everything goes through proxies."""
    root = server_folder("rns-faults-")
    with ExitStack() as stack:
        stack.callback(shutil.rmtree, root, ignore_errors=True)
        source = _server(root / "source", stack)
        target = _server(root / "target", stack)
        valkey = ValkeyServer(root / "valkey", append_only=True).start()
        stack.callback(valkey.stop)
        home = root / "home"
        (home / "bin").mkdir(parents=True)
        (home / "clock").write_text("0")
        extra = {
            "RESTORE_METHOD": "swap" if method in {UNCHANGED, CHANGED_TABLES} else method,
            "CHANGED_TABLES_ONLY": str(method == CHANGED_TABLES).lower(),
            "FULL_RUNS": str(method in IN_FULL).lower(),
            "PG_BIN_DIR": str(home / "bin"),
            FILE: str(home / "clock"),
            **_LIMITS,
        }
        installation = stack.enter_context(
            installed(source, target, valkey, home, own_roles=False, application=True, **extra)
        )
        _hold_programs(home / "bin", installation.source_name)
        proxies: dict[str, Proxy] = {}
        if network:
            installation, proxies = _through_proxies(installation, stack)
        worker = _worker(installation, "worker")
        worker.fault("")
        worker.start(" ready.")
        stack.callback(worker.kill)
        client = stack.enter_context(client_of(installation))
        assert client.run()["outcome"] == "succeeded"
        reader = Reader(installation.target).start() if method != "in_place" else None
        if reader:
            stack.callback(reader.stop)
        scene = Scene(
            installation=installation,
            worker=worker,
            client=client,
            reader=reader,
            unchanged=method == UNCHANGED,
            changed_tables=method == CHANGED_TABLES,
            proxies=proxies,
            make_worker=lambda name: _worker(installation, name),
        )
        stack.callback(scene.end_helpers)
        scene.learn()
        yield scene


def _hold_programs(folder: Path, source: str) -> None:
    """source: the name of the database that dump_source dumps."""
    for name, instants in HELD_PROGRAMS.items():
        begin, half, end = instants
        path = folder / name
        real = find_postgres().tool(name)
        path.write_text(_HELD.format(real=real, home=folder.parent, source=source, begin=begin, half=half, end=end))
        path.chmod(0o755)


def _server(root: Path, stack: ExitStack) -> PostgresServer:
    binaries = find_postgres()
    # A reader that connects all the time would spend most of the matrix's time with its password.
    cheap = ("-c", "scram_iterations=1") if binaries.major >= 16 else ()
    server = PostgresServer(root, binaries, initdb_options=cheap).create().start()
    stack.callback(server.remove)
    return server


def _worker(installation: Installation, name: str) -> Worker:
    return worker_of(
        installation, name=name, log="worker", include=("tests.support.moved_clock", "tests.faults.hurried")
    )


def _through_proxies(installation: Installation, stack: ExitStack) -> tuple[Installation, dict[str, Proxy]]:
    ports = {
        "source": installation.source_server.port,
        "target": installation.target_server.port,
        "redis": installation.valkey.port,
    }
    proxies = {name: stack.enter_context(Proxy(port)) for name, port in ports.items()}

    def through(url: str, name: str) -> str:
        return url.replace(f":{ports[name]}", f":{proxies[name].port}")

    urls = {
        "DATABASE_URL": through(installation.source_url, "source"),
        "RAILWAY_BACKUP_DB_URL": through(installation.target_url, "target"),
        "CELERY_BROKER_URL": through(installation.broker_url, "redis"),
    }
    return replace(installation, extra={**installation.extra, **urls}), proxies
