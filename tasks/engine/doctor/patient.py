"""What is examined, and what was learned of it so far: the later points stand on what the earlier ones found."""

from datetime import UTC, datetime
from typing import Any

from tasks.engine import servers
from tasks.engine.connections import Server
from tasks.engine.doctor.forecast import Forecast
from tasks.engine.lease import Lease
from tasks.engine.run import Run


class Patient:
    """One pair of databases and what surrounds it. `known`, `round_trips_s` and `tables` are by role."""

    def __init__(self, run: Run, *, now: datetime, lease: Lease) -> None:
        self.run, self.settings, self.now, self.lease = run, run.settings, now, lease
        self.known: dict[str, dict[str, Any]] = {}  # see servers.examine_server
        self.round_trips_s: dict[str, float] = {}
        self.tables: dict[str, int] = {}
        self.forecast: Forecast | None = None

    def look_at(self, server: Server) -> str:
        found = self.known[server.role] = servers.examine_server(server)
        return f"PostgreSQL {found['version']}, {found['size_bytes'] / 2**20:.0f} MB, as {found['role']}"

    @property
    def both(self) -> tuple[dict[str, Any], dict[str, Any]]:
        return self.known["source"], self.known["target"]


def now_utc() -> datetime:
    return datetime.now(UTC)
