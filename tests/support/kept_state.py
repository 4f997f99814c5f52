"""An installation that is put back to what it was, so that tests which harm it can share one."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import redis

from tests.support.installation import Installation, ask, tell


@dataclass(frozen=True)
class KeptState:
    """Both databases as they were, as templates, and the folder once more. The source's is another one for a mark."""

    installation: Installation
    mark: str
    folder: Path
    databases: tuple[tuple[str, str], ...]  # each with its server's own

    def put_back(self) -> Installation:
        """Whatever was done to databases, files and locks."""
        made = self.installation
        for server, name in self.databases:
            for (found,) in ask(server, f"SELECT datname FROM pg_database WHERE datname ~ '^{name}(__|$)'"):
                tell(server, f'DROP DATABASE "{found}" WITH (FORCE)')
            tell(server, f"CREATE DATABASE {name} TEMPLATE kept_{name}")
        tell(made.target_server.dsn(), f"COMMENT ON DATABASE {made.target_name} IS '{self.mark}'")
        with redis.Redis(port=made.valkey.port, db=made.valkey_number) as client:
            client.flushdb()
        shutil.rmtree(made.home)
        shutil.copytree(self.folder, made.home)
        return made


@contextmanager
def kept_state(made: Installation, *, source: bool) -> Iterator[KeptState]:
    """As the installation is now. source: its database is put back, too."""
    folder = made.home.with_name("kept")
    shutil.copytree(made.home, folder)
    target = (made.target_server.dsn(), made.target_name)
    databases = (target, (made.source_server.dsn(), made.source_name)) if source else (target,)
    for server, name in databases:
        tell(server, f"CREATE DATABASE kept_{name} TEMPLATE {name}")
    yield KeptState(made, str(made.comment()), folder, databases)
    for server, name in databases:
        tell(server, f"DROP DATABASE kept_{name}")
