"""A journal in which runs end as they are told to, for what is told of them; no server is there."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from config.settings import Settings, load_settings
from tasks.engine.closing import close_run
from tasks.engine.journal import Journal
from tasks.engine.recovery import Ending
from tasks.engine.telling.announce import look
from tasks.engine.telling.delivery import deliver

RUN = "1b0c5d9e-1111-4222-8333-44445555666{}"


class Bench:
    """A journal of its own, in which runs end as they are told to; its target does not exist."""

    def __init__(self, home: Path, **texts: str) -> None:
        self.environment = {
            "DATABASE_URL": "postgresql://u:pw@127.0.0.1:1/shop",
            "RAILWAY_BACKUP_DB_URL": "postgresql://u:pw@127.0.0.1:1/railway",
            "BACKUP_DIR": str(home / "backups"),
            **texts,
        }
        self.reports = home / "backups" / "reports"
        self.reports.mkdir(parents=True)
        self.settings = self.with_settings()
        self.journal = self.opened()
        self._runs = 0

    def with_settings(self, **texts: str) -> Settings:
        return load_settings({**self.environment, **texts}, None)

    def opened(self) -> Journal:
        """What another process of this installation sees."""
        return Journal(self.settings.journal_url.get_secret_value(), pair=self.settings.pair)

    def begin(self, *, started_at: datetime | None = None) -> str:
        self._runs += 1
        run_id = RUN.format(self._runs)
        assert self.journal.begin_run(
            run_id,
            job_id="manual",
            slot=None,
            stamp=f"20251124_18000{self._runs}",
            started_at=started_at or datetime.now(UTC),
            host="host1",
            allowance_s=60,
            options={},
        )
        return run_id

    def end(self, outcome: str, error: str | None = None, *, run_id: str | None = None) -> dict[str, Any]:
        run_id = run_id or self.begin()
        if outcome == "succeeded":
            stats = {"users": 57}
            taken = datetime.now(UTC).isoformat(timespec="seconds")
            self.journal.keep(run_id, source_stats=stats, source_dump={"taken_at": taken}, told=False)
            self.journal.mark_verified(run_id)
        report = close_run(
            run_id,
            Ending(outcome=outcome, error=error),
            settings=self.settings,
            journal=self.journal,
            lease=None,
            tell=lambda _: None,
        )
        assert report is not None
        return report

    def deliver(self, *, later: timedelta = timedelta(0)) -> None:
        deliver(settings=self.settings, journal=self.journal, now=datetime.now(UTC) + later)

    def look(self, now: datetime) -> None:
        look(settings=self.settings, journal=self.journal, now=now)
