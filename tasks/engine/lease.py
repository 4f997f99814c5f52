"""The lease: the Redis lock that says early and cheaply that a run is busy. The danger itself is kept out elsewhere.

A paused worker learns of a lost lease only when it wakes, and a Redis that restarts forgets it; so the lease
never decides whether somebody may write: the journal and the fence at the server do.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import redis
from redis.lock import Lock

from tasks.engine.dumpfile_rules import harmless
from tasks.engine.errors import BackupError, RunLost

_SOCKET_TIMEOUT_S = 5.0
_LONGEST_HOLDER = 300


class LockUnavailable(BackupError):
    """Redis does not answer, so nobody can say whether a run is going."""


class WrongJournal(BackupError):
    """Another worker of this lock remembers its runs in another journal."""


@dataclass(frozen=True, kw_only=True)
class Lease:
    """A lock for one pair of databases; its token is the run's id, so that every process of the run can renew it."""

    client: redis.Redis = field(repr=False)  # older clients show their password in it
    pair: str

    @property
    def key(self) -> str:
        return f"railway-neon-sync:{self.pair}:lock"

    def acquire(self, run_id: str, *, ttl_s: float) -> str | None:
        """Take the lock: None when it is ours now, else the run id of who holds it."""
        with _explained():
            if self._lock(ttl_s).acquire(blocking=False, token=run_id):
                return None
            holder = self._holder()
        if holder == run_id:
            self.renew(run_id, ttl_s=ttl_s)
            return None
        return holder or self.acquire(run_id, ttl_s=ttl_s)  # it expired between the two questions

    def renew(self, run_id: str, *, ttl_s: float) -> None:
        """Keep the lock for ttl_s more. Merely gone: taken again. Another's: RunLost."""
        with _explained():
            lock = self._lock(ttl_s)
            lock.local.token = run_id.encode()
            try:
                lock.extend(ttl_s, replace_ttl=True)
                return
            except redis.exceptions.LockNotOwnedError:
                if lock.acquire(blocking=False, token=run_id):
                    return
            holder = self._holder()
        raise RunLost(f"the lock went to run {holder}; this run stops")

    def release(self, run_id: str) -> None:
        """Give the lock back if it is this run's; another's stays."""
        with _explained():
            lock = self._lock(1)
            lock.local.token = run_id.encode()
            try:
                lock.release()
            except redis.exceptions.LockError:
                return

    def holder(self) -> str | None:
        """The run that holds the lock."""
        with _explained():
            return self._holder()

    def agree_on_journal(self, journal_id: str) -> None:
        """Refuse to work beside a worker that has another memory.

        The id stands without an end; `forget_journal` is for who moves to a new journal on purpose.
        """
        with _explained():
            self.client.set(self._journal_key, journal_id, nx=True)
        _demand_same(self.remembered_journal(), journal_id)

    def demand_agreed(self, journal_id: str | None) -> None:
        """The same, only asked: nothing is wrong where none is remembered. None: there is no journal here yet."""
        if (found := self.remembered_journal()) is not None:
            _demand_same(found, journal_id or "not made yet")

    def remembered_journal(self) -> str | None:
        """The id of the journal with which these two databases are copied."""
        with _explained():
            return _text(self.client.get(self._journal_key))

    def forget_journal(self) -> None:
        """The next run's is remembered in its place."""
        with _explained():
            self.client.delete(self._journal_key)

    @property
    def _journal_key(self) -> str:
        return f"railway-neon-sync:{self.pair}:journal"

    def _holder(self) -> str | None:
        return _text(self.client.get(self.key))

    def _lock(self, ttl_s: float) -> Lock:
        # Not thread-local: the heartbeat renews from a thread of its own.
        return Lock(self.client, self.key, timeout=ttl_s, thread_local=False)


def open_lease(url: str, *, pair: str) -> Lease:
    """A lease over its own connection to Redis; sockets time out, so that a stalled Redis stalls nobody."""
    client = redis.Redis.from_url(
        url,
        socket_timeout=_SOCKET_TIMEOUT_S,
        socket_connect_timeout=_SOCKET_TIMEOUT_S,
        socket_keepalive=True,
    )
    return Lease(client=client, pair=pair)


def _demand_same(found: str | None, ours: str) -> None:
    if found != ours:
        raise WrongJournal(
            "another installation works on these two databases with another journal, or the journal of before was "
            f"lost (that one {found}, ours {ours}); set JOURNAL_URL and BACKUP_DIR alike on every host, or, "
            "when the other one is gone for good, type: railway-neon-sync take-over"
        )


def _text(value: Any) -> str | None:
    """As words that may stand in a message: whoever writes to Redis may have written anything."""
    return (
        harmless(value.decode(errors="backslashreplace"), limit=_LONGEST_HOLDER) if isinstance(value, bytes) else value
    )


@contextmanager
def _explained() -> Iterator[None]:
    try:
        yield
    except redis.exceptions.LockError:
        raise
    except redis.exceptions.RedisError as error:
        raise LockUnavailable(
            f"Redis, which holds the lock, cannot be used ({type(error).__name__}); see that it runs and that "
            "CELERY_BROKER_URL (or LOCK_URL) is right, or use `railway-neon-sync run --here`"
        ) from None
