"""The services of docker-compose.yml on a real engine, as an operator of the demo has them, with a gate in the run.

What is other than in the file, by an override: a run waits at one instant while the gate is shut, and the timetable can
be moved. The images, commands, users, networks, volumes, health checks and limits are the file's own.
"""

import json
import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from tests.containers.conftest import ROOT, docker
from tests.support.workers import wait_until
from worker.demo.servers import free_port

BACKUPS = "/var/lib/railway-neon-sync/backups"
GATE = f"{BACKUPS}/gate"
NODE = "backup@worker"
_OVERRIDE = """
services:
  worker: &moved
    environment: {{RNS_FAULT: "loaded=wait:{gate}"}}
    volumes: ["{schedule}:{inside}:ro"]
  beat: *moved
"""


@dataclass(frozen=True, kw_only=True)
class Stack:
    """One project of Docker Compose. home: its secrets, its settings, its timetable."""

    home: Path
    name: str
    flower_port: int

    @property
    def schedule(self) -> Path:
        return self.home / "schedule.py"

    def compose(self, *arguments: str, timeout_s: float = 300.0) -> str:
        """What `docker compose ARGUMENTS` prints on standard output."""
        return docker(*self._prefix, *arguments, timeout_s=timeout_s)

    def begin(self, *arguments: str) -> "subprocess.Popen[str]":
        """`docker compose ARGUMENTS`, which goes on while the test does something else."""
        command = ["docker", *self._prefix, *arguments]
        return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    @property
    def _prefix(self) -> list[str]:
        files = [f"--file={ROOT / 'docker-compose.yml'}", f"--file={self.home / 'override.yml'}"]
        return ["compose", f"--project-directory={ROOT}", f"--env-file={self.home / 'env'}", *files]

    def up(self, *options: str) -> None:
        self.compose("up", "--detach", "--wait", "--no-build", *options, timeout_s=600)

    def make_secrets(self, *, anew: tuple[str, ...] = ()) -> None:
        """What is missing, after these were removed."""
        for name in anew:
            (self.home / "secrets" / "demo" / name).unlink()
        subprocess.run([self.home / "deploy" / "make-secrets", "--demo"], check=True, capture_output=True, timeout=60)

    def inside(self, service: str, *command: str) -> str:
        """What a command prints that is executed in a service's container."""
        return self.compose("exec", "-T", service, *command)

    def container(self, service: str) -> dict[str, Any]:
        """What the engine knows of a service's container."""
        ids = self.compose("ps", "--all", "--quiet", service).split()
        assert len(ids) == 1, f"{service}: {ids}"
        found: dict[str, Any] = json.loads(docker("inspect", ids[0]))[0]
        return found

    def health(self, service: str) -> str:
        return str(self.container(service)["State"]["Health"]["Status"])

    def started_at(self, service: str) -> str:
        return str(self.container(service)["State"]["StartedAt"])

    def psql(self, service: str, database: str, query: str) -> str:
        """A query's rows, at one of the demo's servers."""
        script = 'PGPASSWORD=$(cat /run/secrets/demo_postgres_password) exec psql -h 127.0.0.1 -U postgres -AtX "$@"'
        return self.inside(service, "sh", "-c", script, "sh", "-v", "ON_ERROR_STOP=1", database, "-c", query).strip()

    def incoming(self) -> str:
        """The databases beside the copy."""
        return self.psql(
            "demo-target", "postgres", "SELECT datname FROM pg_database WHERE datname LIKE 'backup\\_\\_%'"
        )

    # --- runs

    def send_run(self) -> str:
        """A run through the worker; its id."""
        return self.inside("worker", "celery", "-A", "worker", "call", "tasks.run_backup").split()[-1]

    def run(self) -> dict[str, Any]:
        """A run through the worker, to its end."""
        found: dict[str, Any] = json.loads(self.inside("worker", "railway-neon-sync", "run", "--json"))
        return found

    def reports(self) -> list[dict[str, Any]]:
        """The reports in the backup directory, the oldest first."""
        script = f"cat {BACKUPS}/reports/*.json 2>/dev/null || true"
        text, decoder, found = self.inside("worker", "sh", "-c", script).strip(), json.JSONDecoder(), []
        while text:
            report, end = decoder.raw_decode(text)
            found.append(report)
            text = text[end:].strip()
        return found

    def report(self, run_id: str, timeout_s: float = 180.0) -> dict[str, Any]:
        """The report of a run, once it has ended."""

        def look() -> dict[str, Any] | None:
            return next((report for report in self.reports() if report["run_id"] == run_id), None)

        found: dict[str, Any] = wait_until(look, f"the report of run {run_id}", timeout_s)
        return found

    # --- the gate and the timetable

    def shut_gate(self) -> None:
        """The next run waits when the copy has been loaded, for two minutes at most."""
        self.inside("worker", "rm", "-f", GATE, f"{GATE}.reached")

    def open_gate(self) -> None:
        """From any container that has the volume: the worker's own may be stopping."""
        folder = next(m["Source"] for m in self.container("worker")["Mounts"] if m["Destination"] == BACKUPS)
        docker(
            *("run", "--rm", "--network=none", f"--volume={folder}:/backups", "--entrypoint=touch"),
            *("railway-neon-sync:local", "/backups/gate"),
        )

    def wait_at_gate(self) -> None:
        wait_until(lambda: self._exists(f"{GATE}.reached"), "the run to come to the gate", 120)

    def _exists(self, path: str) -> bool:
        return self.inside("worker", "sh", "-c", f"test -e {path} && echo yes || true").strip() == "yes"

    def move_evening(self, to: datetime) -> None:
        """The evening's job is due at this minute of each day; worker and beat read it when they start again."""
        text = (ROOT / "config" / "schedule.py").read_text()
        moved, count = re.subn(r"hour=18\b", f"hour={to.hour}, minute={to.minute}", text)
        assert count == 1, "the evening's job does not stand in config/schedule.py as this expects"
        self.schedule.write_text(moved)  # into the same file: another one would not be the mounted one
        self.compose("restart", "worker", "beat")


def new_stack(home: Path, image: str) -> Stack:
    """A project that shares nothing with any other on this engine; nothing of it has been started."""
    (home / "deploy").mkdir()
    shutil.copy(ROOT / "deploy" / "make-secrets", home / "deploy")
    stack = Stack(home=home, name=f"rns-test-{os.getpid()}", flower_port=free_port())
    stack.make_secrets()
    (home / "settings.env").write_text("LOG_FORMAT=text\n")
    environment = {
        "COMPOSE_PROJECT_NAME": stack.name,
        "COMPOSE_PROFILES": "demo",
        "COMPOSE_SECRETS": home / "secrets" / "demo",
        "COMPOSE_SETTINGS": home / "settings.env",
        "COMPOSE_FLOWER_PORT": stack.flower_port,
    }
    (home / "env").write_text("".join(f"{name}={value}\n" for name, value in environment.items()))
    shutil.copy(ROOT / "config" / "schedule.py", stack.schedule)
    stack.schedule.chmod(0o644)
    where = ("import config.schedule; print(config.schedule.__file__)",)
    inside = docker("run", "--rm", "--network=none", "--entrypoint=python", image, "-c", *where).strip()
    (home / "override.yml").write_text(_OVERRIDE.format(gate=GATE, schedule=stack.schedule, inside=inside))
    return stack
