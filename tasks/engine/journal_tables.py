"""The journal's tables."""

from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Dialect

metadata = sa.MetaData()


class Instant(sa.types.TypeDecorator[datetime]):
    """An aware instant in UTC, stored as text that sorts as time does, the same in every database."""

    impl = sa.String(40)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> str | None:  # noqa: ARG002
        return value.astimezone(UTC).isoformat(timespec="microseconds") if value else None

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        return datetime.fromisoformat(value) if value else None


meta = sa.Table(
    "rns_meta",
    metadata,
    sa.Column("key", sa.String(100), primary_key=True),
    sa.Column("value", sa.Text, nullable=False),
)

runs = sa.Table(
    "rns_runs",
    metadata,
    sa.Column("run_id", sa.String(100), primary_key=True),
    sa.Column("pair", sa.String(20), nullable=False, index=True),
    sa.Column("job_id", sa.String(100), nullable=False),
    sa.Column("slot", Instant),  # the instant of the timetable; null for a run by hand
    sa.Column("stamp", sa.String(20), nullable=False),
    sa.Column("started_at", Instant, nullable=False),
    sa.Column("host", sa.String(255), nullable=False),
    sa.Column("state", sa.String(10), nullable=False),
    sa.Column("outcome", sa.String(20)),
    sa.Column("error", sa.Text),
    sa.Column("closer", sa.String(100)),
    sa.Column("restore_began_at", Instant),
    sa.Column("verified_at", Instant),
    sa.Column("ended_at", Instant),
    sa.Column("alive_until", Instant, nullable=False),
    sa.Column("options", sa.JSON, nullable=False),
    sa.Column("facts", sa.JSON, nullable=False),
    sa.Column("report", sa.JSON),
    sa.UniqueConstraint("pair", "job_id", "slot"),
)

steps = sa.Table(
    "rns_steps",
    metadata,
    sa.Column("run_id", sa.String(100), primary_key=True),
    sa.Column("name", sa.String(50), primary_key=True),
    sa.Column("state", sa.String(10), nullable=False),
    sa.Column("began_at", Instant, nullable=False),
    sa.Column("took_s", sa.Float),
    sa.Column("summary", sa.Text),
)

# What people are to be told, and how far each channel has it.
notices = sa.Table(
    "rns_notices",
    metadata,
    sa.Column("key", sa.String(200), primary_key=True),  # what may be told only once
    sa.Column("pair", sa.String(20), nullable=False, index=True),
    sa.Column("kind", sa.String(20), nullable=False),
    sa.Column("cause", sa.Text, nullable=False),
    sa.Column("title", sa.Text, nullable=False),
    sa.Column("body", sa.Text, nullable=False),
    sa.Column("made_at", Instant, nullable=False),
)

deliveries = sa.Table(
    "rns_deliveries",
    metadata,
    sa.Column("key", sa.String(200), primary_key=True),
    sa.Column("channel", sa.String(20), primary_key=True),  # an id: the address is a secret
    sa.Column("pair", sa.String(20), nullable=False, index=True),
    sa.Column("state", sa.String(10), nullable=False),  # waiting, sent, failed, dropped
    sa.Column("tries", sa.Integer, nullable=False),
    sa.Column("due_at", Instant, nullable=False),
    sa.Column("error", sa.Text),
    sa.Column("reported", sa.Boolean, nullable=False),  # whether a run's report has told that it failed
)
