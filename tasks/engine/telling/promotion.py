"""Is the backup database production now? Its mark says so; while it is, alarms rest."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from config.settings import Settings
from tasks.engine.connections import Server
from tasks.engine.errors import BackupError
from tasks.engine.journal import Journal
from tasks.engine.mark import read_state
from tasks.engine.watch import Watch

_LIMIT_S = 8.0
_ASK_EVERY = timedelta(hours=1)


@dataclass(frozen=True, kw_only=True)
class Promotion:
    """What the target's mark said when it was asked last; the target is asked, never the source."""

    settings: Settings
    journal: Journal

    @property
    def remembered(self) -> str | None:
        """When it was promoted, as the mark has it; None when it was not, as far as anybody knows."""
        return self._recall().partition(" ")[2] or None

    def ask(self, now: datetime) -> str | None:
        """Ask the mark; what is remembered when the target cannot be asked now."""
        try:
            promoted = self._read()
        except BackupError:
            promoted = self.remembered
        self.journal.remember(self._key, f"{now.isoformat()} {promoted or ''}")
        return promoted

    def ask_hourly(self, now: datetime) -> str | None:
        """The same, for a look that is repeated every minute."""
        asked_at = self._recall().partition(" ")[0]
        if asked_at and now - datetime.fromisoformat(asked_at) < _ASK_EVERY:
            return self.remembered
        return self.ask(now)

    def forget(self) -> None:
        """A run has succeeded: it is a backup."""
        if self.remembered:
            self.journal.remember(self._key, "")

    @property
    def _key(self) -> str:
        return f"promoted:{self.journal.pair}"

    def _recall(self) -> str:
        return self.journal.recall(self._key) or ""

    def _read(self) -> str | None:
        with Watch("asking the backup database whether it was promoted", _LIMIT_S) as watch:
            server = Server(
                role="target",
                url=self.settings.target,
                application_name="railway-neon-sync/telling",
                watch=watch,
                read_only=True,
                connect_timeout_s=min(5, self.settings.connect_timeout_s),
                tries=1,
            )
            with server.open() as connection:
                state = read_state(connection, server.url.dbname)
        mark = state.mark if state else None
        return mark.promoted if mark else None
