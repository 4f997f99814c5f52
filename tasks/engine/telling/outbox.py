"""The outbox: notices in the journal, so that none is forgotten by a crash and none is made twice.

A notice's key is unique, so of several workers that see the same trouble one makes the notice. A delivery is taken
by compare-and-set; who takes one and dies leaves it due again after a minute: told at least once.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from tasks.engine.journal_engine import explained
from tasks.engine.journal_tables import deliveries, notices
from tasks.engine.telling.notice import PING, Notice, Told

_TAKEN_FOR = timedelta(seconds=60)
_PAUSES = (timedelta(minutes=1), timedelta(minutes=5), timedelta(minutes=15), timedelta(hours=1))
MOST_TRIES = len(_PAUSES) + 1
_REMEMBERED = 50


@dataclass(frozen=True, kw_only=True)
class Delivery:
    """One notice for one channel. tries: how often it was tried before."""

    key: str
    channel: str
    kind: str
    cause: str
    title: str
    body: str
    tries: int


@dataclass(frozen=True, kw_only=True)
class Undelivered:
    """A notice that a channel did not take, so far or at all."""

    key: str
    channel: str
    kind: str
    title: str
    tries: int
    error: str
    given_up: bool


class Outbox:
    """The notices of one pair of databases."""

    def __init__(self, engine: Engine, *, pair: str) -> None:
        self._engine, self._pair = engine, pair

    def told(self) -> list[Told]:
        """Earlier notices for people, the newest first."""
        query = sa.select(notices).where(notices.c.pair == self._pair, notices.c.kind != PING)
        with self._reading() as connection:
            rows = connection.execute(query.order_by(notices.c.made_at.desc()).limit(_REMEMBERED)).all()
        return [Told(kind=row.kind, cause=row.cause, made_at=row.made_at) for row in rows]

    def knows(self, key: str) -> bool:
        """Whether this notice was made before."""
        with self._reading() as connection:
            query = sa.select(notices.c.key).where(notices.c.key == self._full(key))
            return connection.execute(query).one_or_none() is not None

    def newest(self, kind: str) -> str | None:
        """The key, as a delivery has it, of the newest notice of a kind."""
        query = sa.select(notices.c.key).where(notices.c.pair == self._pair, notices.c.kind == kind)
        with self._reading() as connection:
            return connection.execute(query.order_by(notices.c.made_at.desc()).limit(1)).scalar_one_or_none()

    def put(self, key: str, notice: Notice, *, cause: str, channels: Sequence[str]) -> bool:
        """Make a notice, with a delivery for each channel, due at once; False when this key was made before."""
        key, now = self._full(key), _now()
        row = {"key": key, "pair": self._pair, "kind": notice.kind, "cause": cause, "made_at": now}
        row |= {"title": notice.title, "body": notice.body}
        delivery = {"key": key, "pair": self._pair, "state": "waiting", "tries": 0, "due_at": now, "reported": False}
        try:
            with self._writing() as connection:
                connection.execute(notices.insert().values(row))
                for channel in channels:
                    connection.execute(deliveries.insert().values(channel=channel, **delivery))
        except sa.exc.IntegrityError:
            return False
        return True

    def due(self, now: datetime) -> list[Delivery]:
        """What waits to be delivered, the oldest first."""
        query = (
            sa.select(deliveries, notices.c.kind, notices.c.cause, notices.c.title, notices.c.body)
            .join(notices, notices.c.key == deliveries.c.key)
            .where(deliveries.c.pair == self._pair, deliveries.c.state == "waiting", deliveries.c.due_at <= now)
            .order_by(notices.c.made_at)
        )
        names = Delivery.__dataclass_fields__
        with self._reading() as connection:
            return [
                Delivery(**{name: row[name] for name in names}) for row in connection.execute(query).mappings().all()
            ]

    def take(self, delivery: Delivery, now: datetime) -> bool:
        """Take a delivery in order to try it; False when another process was faster."""
        return self._change(
            delivery, deliveries.c.tries == delivery.tries, tries=delivery.tries + 1, due_at=now + _TAKEN_FOR
        )

    def sent(self, delivery: Delivery) -> None:
        self._change(delivery, state="sent", error=None)

    def drop(self, delivery: Delivery) -> None:
        """Its channel is no longer set, or what it says is overtaken."""
        self._change(delivery, state="dropped")

    def failed(self, delivery: Delivery, error: str, now: datetime) -> bool:
        """A try was in vain; True when it was the last one."""
        over = delivery.tries + 1 >= MOST_TRIES
        later = {"state": "failed"} if over else {"due_at": now + _PAUSES[delivery.tries]}
        self._change(delivery, error=error, reported=False, **later)
        return over

    def undelivered(self, *, unreported: bool = False) -> list[Undelivered]:
        """What was tried in vain, the oldest first; unreported: only what no report has told yet."""
        query = (
            sa.select(deliveries, notices.c.kind, notices.c.title)
            .join(notices, notices.c.key == deliveries.c.key)
            .where(
                deliveries.c.pair == self._pair,
                deliveries.c.state.in_(("waiting", "failed")),
                deliveries.c.error.is_not(None),
            )
            .order_by(notices.c.made_at)
        )
        if unreported:
            query = query.where(deliveries.c.reported.is_(False))
        with self._reading() as connection:
            rows = connection.execute(query).all()
        return [
            Undelivered(
                key=row.key,
                channel=row.channel,
                kind=row.kind,
                title=row.title,
                tries=row.tries,
                error=row.error,
                given_up=row.state == "failed",
            )
            for row in rows
        ]

    def mark_reported(self, undelivered: Sequence[Undelivered]) -> None:
        """A run's report has told of these."""
        with self._writing() as connection:
            for one in undelivered:
                this = (deliveries.c.key == one.key) & (deliveries.c.channel == one.channel)
                connection.execute(deliveries.update().where(this).values(reported=True))

    def forget_before(self, instant: datetime) -> None:
        old = sa.select(notices.c.key).where(notices.c.pair == self._pair, notices.c.made_at < instant)
        with self._writing() as connection:
            connection.execute(deliveries.delete().where(deliveries.c.key.in_(old)))
            connection.execute(notices.delete().where(notices.c.pair == self._pair, notices.c.made_at < instant))

    def _full(self, key: str) -> str:
        return f"{self._pair}:{key}"

    def _change(self, delivery: Delivery, *conditions: sa.ColumnElement[bool], **values: object) -> bool:
        this = (deliveries.c.key == delivery.key) & (deliveries.c.channel == delivery.channel)
        waiting = this & (deliveries.c.state == "waiting")
        with self._writing() as connection:
            return bool(connection.execute(deliveries.update().where(waiting, *conditions).values(**values)).rowcount)

    @contextmanager
    def _writing(self) -> Iterator[Connection]:
        with explained(), self._engine.begin() as connection:
            yield connection

    @contextmanager
    def _reading(self) -> Iterator[Connection]:
        with explained(), self._engine.connect() as connection:
            yield connection


def _now() -> datetime:
    return datetime.now(UTC)
