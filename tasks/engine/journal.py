"""The journal: what every run needs to know of itself, and what may happen only once.

A small database beside the dumps (SQLite by default), never in Redis and never inside what is overwritten.
Each change that must not happen twice is a compare-and-set: one statement, whose row count is the answer.
"""

import copy
import uuid
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, Self

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from tasks.engine.journal_engine import (
    JournalGone,
    JournalUnavailable,
    NoJournal,
    demand_id,
    explained,
    open_engine,
    place_of,
)
from tasks.engine.journal_records import LONGEST_ALLOWANCE, RunRecord, StepRecord
from tasks.engine.journal_statements import comes_next, facts_of, keep, once, put
from tasks.engine.journal_tables import meta, metadata, runs, steps
from tasks.engine.progress import PHASES, Phase
from tasks.engine.telling.outbox import Outbox

__all__ = ["Journal", "JournalGone", "JournalUnavailable", "NoJournal", "RunRecord", "StepRecord"]

_SCHEMA_VERSION = "1"
_ID = "journal_id"


class Journal:
    """The memory of one pair of databases; make one in each process, never share it across a fork."""

    def __init__(self, url: str, *, pair: str, create: bool = True) -> None:
        """create: it is made where there is none; without it, NoJournal. Its use raises JournalGone when it is gone."""
        self.pair = pair
        self._engine = open_engine(url, create=create)
        with self._writing() as connection:
            if not (create or sa.inspect(connection).has_table(meta.name)):
                raise NoJournal(place_of(self._engine))
            metadata.create_all(connection)
            self.id = once(connection, _ID, str(uuid.uuid4()))
            self.created_at = datetime.fromisoformat(once(connection, "created_at", _now().isoformat()))
            version = once(connection, "schema_version", _SCHEMA_VERSION)
        if version != _SCHEMA_VERSION:
            raise JournalUnavailable(
                f"the journal has schema version {version}, this program knows {_SCHEMA_VERSION}; "
                "use the program's newer version, or another JOURNAL_URL"
            )
        demand_id(self._engine, sa.select(meta.c.value).where(meta.c.key == _ID), self.id)

    @property
    def outbox(self) -> Outbox:
        """What people are to be told."""
        return Outbox(self._engine, pair=self.pair)

    @classmethod
    def reopen(cls, url: str, *, pair: str, journal_id: str) -> Self:
        """The journal of this id, and no other: JournalGone when it is not there."""
        try:
            journal = cls(url, pair=pair, create=False)
        except NoJournal:
            raise JournalGone("the journal is not there any more") from None
        if journal.id != journal_id:
            raise JournalGone(f"the journal {place_of(journal._engine)} is another one now")
        return journal

    def close(self) -> None:
        self._engine.dispose()

    def demand_there(self) -> None:
        """Raise JournalGone when it is not; whatever else is the matter with it, its use tells."""
        try:
            self.recall(_ID)
        except JournalGone:
            raise
        except JournalUnavailable:
            return

    def demand_writable(self) -> None:
        """Raise JournalUnavailable when nothing can be written; nothing is."""
        with self._reading() as connection, connection.begin() as attempt:
            connection.execute(meta.update().where(meta.c.key == _ID).values(value=self.id))
            attempt.rollback()

    def begin_run(
        self,
        run_id: str,
        *,
        job_id: str,
        slot: datetime | None,
        stamp: str,
        started_at: datetime,
        host: str,
        allowance_s: float,
        options: Mapping[str, Any],
    ) -> bool:
        """Write a new run down; False when this run, or its job's slot, is known already."""
        row = {
            "run_id": run_id,
            "pair": self.pair,
            "job_id": job_id,
            "slot": slot,
            "stamp": stamp,
            "started_at": started_at,
            "host": host,
            "state": "open",
            "alive_until": _now() + timedelta(seconds=allowance_s),
            "options": dict(options),
            "facts": {},
        }
        try:
            with self._writing() as connection:
                connection.execute(runs.insert().values(row))
        except sa.exc.IntegrityError:
            return False
        return True

    def run(self, run_id: str) -> RunRecord | None:
        return next(iter(self._select(runs.c.run_id == run_id)), None)

    def run_of_slot(self, job_id: str, slot: datetime) -> RunRecord | None:
        return next(iter(self._select((runs.c.job_id == job_id) & (runs.c.slot == slot))), None)

    def open_runs(self) -> list[RunRecord]:
        """Runs without an outcome, oldest first."""
        return self._select(runs.c.state != "ended")

    def runs(self, *, limit: int | None = None) -> list[RunRecord]:
        """The newest runs first."""
        return self._select(sa.true(), newest_first=True, limit=limit)

    def steps(self, run_id: str) -> list[StepRecord]:
        with self._reading() as connection:
            rows = connection.execute(sa.select(steps).where(steps.c.run_id == run_id).order_by(steps.c.began_at))
            return [
                StepRecord(
                    name=row.name,
                    state=row.state,
                    began_at=row.began_at,
                    took_s=row.took_s,
                    summary=row.summary,
                )
                for row in rows
            ]

    def claim_step(self, run_id: str, name: str, *, alive_s: float) -> bool:
        """Take a step: once only, only while the run is open, and only when the steps before it are done.

        The steps' order is among the run's options; a message that comes out of order takes nothing.
        """
        with self._writing() as connection:
            still_open = connection.execute(self._update_open(run_id, alive_until=_in(alive_s))).rowcount
            if not still_open or not comes_next(connection, run_id, name):
                return False
            try:
                connection.execute(steps.insert().values(run_id=run_id, name=name, state="working", began_at=_now()))
            except sa.exc.IntegrityError:
                return False
        return True

    def end_step(
        self,
        run_id: str,
        name: str,
        *,
        state: str,
        took_s: float,
        summary: str,
        alive_s: float,
        phases: Sequence[Phase] = (),
    ) -> bool:
        """A step is over; the run may stay silent for alive_s until its next one begins. False: no longer open."""
        with self._writing() as connection:
            if phases:
                known = facts_of(connection, run_id).get(PHASES, {})
                keep(connection, run_id, {PHASES: {**known, name: [phase.as_json() for phase in phases]}})
            connection.execute(
                steps.update()
                .where(steps.c.run_id == run_id, steps.c.name == name)
                .values(state=state, took_s=took_s, summary=summary)
            )
            return bool(connection.execute(self._update_open(run_id, alive_until=_in(alive_s))).rowcount)

    def beat(self, run_id: str, *, state: str, closer: str | None, alive_s: float) -> bool:
        """Say that the run is alive; False when somebody else has it now."""
        condition = (runs.c.run_id == run_id) & (runs.c.state == state)
        condition &= runs.c.closer.is_(None) if closer is None else runs.c.closer == closer
        return self._change(condition, alive_until=_in(alive_s))

    def keep(self, run_id: str, **facts: Any) -> None:
        """Remember facts of a run, as JSON values; earlier ones of other names stay."""
        with self._writing() as connection:
            keep(connection, run_id, facts)

    def begin_restore(self, run_id: str) -> bool:
        """From now on a failure means a rollback. False when the run is not open any more."""
        return self._change(self._open(run_id), restore_began_at=_now())

    def mark_verified(self, run_id: str, *, closer: str | None = None) -> bool:
        """The point of no return. False when somebody else has the run."""
        condition = self._open(run_id) if closer is None else self._closing(run_id, closer)
        return self._change(condition, verified_at=_now())

    def claim_closing(self, run_id: str, closer: str, *, alive_s: float) -> bool:
        """Take a run in order to end it: an open one, or one whose closer has fallen silent."""
        free = (runs.c.state == "open") | ((runs.c.state == "closing") & (runs.c.alive_until < _now()))
        return self._change((runs.c.run_id == run_id) & free, state="closing", closer=closer, alive_until=_in(alive_s))

    def claim_silent(self, run_id: str, closer: str, *, now: datetime, alive_s: float) -> bool:
        """Take a run whose heartbeat has stopped; False when it lives, has ended, or somebody was faster."""
        over = (runs.c.alive_until < now) | (runs.c.alive_until > now + LONGEST_ALLOWANCE)
        silent = (runs.c.run_id == run_id) & (runs.c.state != "ended") & over
        return self._change(silent, state="closing", closer=closer, alive_until=_in(alive_s))

    def release_closing(self, run_id: str, closer: str, *, alive_s: float) -> None:
        """Give a run back that could not be ended now (the target cannot be reached): reconcile tries again."""
        self._change(self._closing(run_id, closer), alive_until=_in(alive_s))

    def end_run(
        self,
        run_id: str,
        *,
        outcome: str,
        error: str | None,
        report: Mapping[str, Any],
        closer: str | None = None,
    ) -> bool:
        """Write the final outcome; the first one stays. False when the run had ended or is somebody else's.

        No run has succeeded that was not verified, whoever says so.
        """
        condition = self._open(run_id) if closer is None else self._closing(run_id, closer)
        if outcome == "succeeded":
            condition &= runs.c.verified_at.is_not(None)
        values = {"state": "ended", "outcome": outcome, "error": error, "report": dict(report), "ended_at": _now()}
        with self._writing() as connection:
            ended = bool(connection.execute(runs.update().where(condition).values(**values)).rowcount)
            if ended and outcome not in {"skipped", "missed"}:
                # By their clock's stamps runs cannot be put in order: a clock may have been set back in between.
                put(connection, f"last_ended:{self.pair}", run_id)
            if ended and outcome == "succeeded":
                put(connection, f"last_succeeded:{self.pair}", run_id)
        return ended

    def forget_before(self, instant: datetime, *, except_stamps: Collection[str] = ()) -> int:
        """Delete ended runs that started before; returns how many. A run whose dump is there is still needed."""
        old = (runs.c.pair == self.pair) & (runs.c.state == "ended") & (runs.c.started_at < instant)
        old &= runs.c.stamp.not_in(except_stamps)
        with self._writing() as connection:
            connection.execute(steps.delete().where(steps.c.run_id.in_(sa.select(runs.c.run_id).where(old))))
            return connection.execute(runs.delete().where(old)).rowcount

    def stamps_in_use(self) -> set[str]:
        """Of the runs without an outcome, those of other pairs too: their files may lie in the same folder."""
        with self._reading() as connection:
            return set(connection.execute(sa.select(runs.c.stamp).where(runs.c.state != "ended")).scalars())

    def of_other_pairs(self) -> "list[Journal]":
        """The memories of other pairs of databases that are kept in the same place."""
        query = sa.select(runs.c.pair).where(runs.c.pair != self.pair).distinct().order_by(runs.c.pair)
        with self._reading() as connection:
            pairs = connection.execute(query).scalars().all()
        others = [copy.copy(self) for _ in pairs]
        for other, pair in zip(others, pairs, strict=True):
            other.pair = pair
        return others

    def recall(self, key: str) -> str | None:
        with self._reading() as connection:
            return connection.execute(sa.select(meta.c.value).where(meta.c.key == key)).scalar_one_or_none()

    def remember(self, key: str, value: str) -> None:
        with self._writing() as connection:
            put(connection, key, value)

    def last_ended(self) -> str | None:
        """The id of the run that has ended last of those that were begun at all, whatever the clock said."""
        return self.recall(f"last_ended:{self.pair}")

    def last_succeeded(self) -> str | None:
        return self.recall(f"last_succeeded:{self.pair}")

    def _open(self, run_id: str) -> sa.ColumnElement[bool]:
        return (runs.c.run_id == run_id) & (runs.c.state == "open")

    def _closing(self, run_id: str, closer: str) -> sa.ColumnElement[bool]:
        return (runs.c.run_id == run_id) & (runs.c.state == "closing") & (runs.c.closer == closer)

    def _update_open(self, run_id: str, **values: Any) -> sa.Update:
        return runs.update().where(self._open(run_id)).values(**values)

    def _change(self, condition: sa.ColumnElement[bool], **values: Any) -> bool:
        with self._writing() as connection:
            return bool(connection.execute(runs.update().where(condition).values(**values)).rowcount)

    def _select(
        self, condition: sa.ColumnElement[bool], *, newest_first: bool = False, limit: int | None = None
    ) -> list[RunRecord]:
        order = runs.c.started_at.desc() if newest_first else runs.c.started_at
        query = sa.select(runs).where(runs.c.pair == self.pair, condition).order_by(order, runs.c.run_id)
        with self._reading() as connection:
            rows = connection.execute(query.limit(limit) if limit else query).mappings().all()
        return [RunRecord(**row) for row in rows]

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


def _in(seconds: float) -> datetime:
    return _now() + timedelta(seconds=seconds)
