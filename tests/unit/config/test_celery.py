"""Celery's options: known to Celery, safe by its own record, and beat's three entries."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from celery import Celery
from celery.app.defaults import DEFAULTS

from config.celery import QUEUE, beat_schedule, celery_options, impatient_options
from config.schedule import JOBS
from config.settings import Settings, load_settings

REQUIRED = {
    "DATABASE_URL": "postgresql://ann:geheim1@source.example/shop",
    "RAILWAY_BACKUP_DB_URL": "postgresql://bob:geheim2@target.example/railway",
}
# Read by Celery's Redis backend by this name, and missing from its list of options.
UNLISTED = {"redis_backend_health_check_interval"}


def settings(**texts: str) -> Settings:
    return load_settings({**REQUIRED, **texts}, env_file=None)


@pytest.fixture
def options() -> dict[str, Any]:
    return celery_options(settings())


def test_celery_knows_every_option(options: dict[str, Any]) -> None:
    assert set(options) | set(impatient_options()) <= set(DEFAULTS) | UNLISTED


def test_an_app_takes_them_all(options: dict[str, Any]) -> None:
    app = Celery(set_as_current=False)
    app.conf.update(options)
    assert {name: app.conf[name] for name in options} == options


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("accept_content", ["json"]),
        ("result_accept_content", ["json"]),
        ("task_serializer", "json"),
        ("result_serializer", "json"),
        ("timezone", "UTC"),
        ("enable_utc", True),
        ("imports", ("tasks.pipeline", "tasks.steps")),
        ("task_acks_late", False),
        ("task_time_limit", None),
        ("task_soft_time_limit", None),
        ("worker_prefetch_multiplier", 1),
        ("worker_concurrency", 2),
        ("worker_direct", True),
        ("worker_hijack_root_logger", False),
        ("result_backend_always_retry", True),
        ("broker_connection_retry_on_startup", True),
        ("broker_connection_max_retries", None),
        ("beat_sync_every", 1),
        ("beat_cron_starting_deadline", 600),
        ("worker_send_task_events", True),
        ("task_send_sent_event", True),
        ("task_track_started", True),
        ("result_extended", True),
        ("task_default_queue", QUEUE),
        ("result_expires", 90 * 24 * 3600),
    ],
)
def test_an_option_that_a_failure_taught_us_stays_as_it_is(options: dict[str, Any], name: str, value: object) -> None:
    assert options[name] == value


def test_every_retry_is_long_and_ends(options: dict[str, Any]) -> None:
    policy = options["task_publish_retry_policy"]
    assert 300 <= policy["max_retries"] * policy["interval_max"] <= 3600
    # Pauses are drawn below the maximum: half of it on average.
    paused_s = options["result_backend_max_retries"] * options["result_backend_max_sleep_between_retries_ms"] / 2000
    assert 300 <= paused_s <= 3600


def test_who_waits_at_a_shell_waits_for_seconds() -> None:
    assert impatient_options()["task_publish_retry_policy"]["max_retries"] <= 5
    assert impatient_options()["result_backend_max_retries"] <= 5


def test_the_addresses_and_times_are_those_of_the_settings() -> None:
    options = celery_options(
        settings(
            CELERY_BROKER_URL="valkey://:p@h/1",
            CELERY_RESULT_BACKEND="redis://:q@h/2",
            MISFIRE_GRACE_S="120",
            REPORT_RETENTION_DAYS="10",
        )
    )
    assert options["broker_url"] == "redis://:p@h/1"
    assert options["result_backend"] == "redis://:q@h/2"
    assert options["beat_cron_starting_deadline"] == 120
    assert options["result_expires"] == 864_000


def test_a_broker_that_is_no_redis_gets_none_of_its_options() -> None:
    texts = {"CELERY_BROKER_URL": "amqp://h//", "CELERY_RESULT_BACKEND": "redis://h/1", "LOCK_URL": "redis://h/1"}
    assert "broker_transport_options" not in celery_options(settings(**texts))


def test_beat_has_the_two_jobs_and_reconcile() -> None:
    assert {name: entry["task"] for name, entry in beat_schedule(settings()).items()} == {
        "unified_db_railway_backup_morning": "tasks.run_backup",
        "unified_db_railway_backup_evening": "tasks.run_backup",
        "reconcile": "tasks.reconcile",
    }


@pytest.mark.parametrize("job", JOBS, ids=lambda job: job.job_id)
def test_a_jobs_entry_is_due_at_its_time_and_dies_with_its_grace(job: Any) -> None:
    entry = beat_schedule(settings(MISFIRE_GRACE_S="300"))[job.job_id]
    assert (entry["schedule"].hour, entry["schedule"].minute) == ({job.hour}, {job.minute})
    assert entry["kwargs"] == {"job": job.job_id}
    assert entry["options"]["expires"] == 300
    policy = entry["options"]["retry_policy"]
    assert policy == {"max_retries": 600, "interval_start": 1, "interval_step": 0, "interval_max": 1}


def test_reconcile_is_due_every_minute_and_never_piles_up() -> None:
    entry = beat_schedule(settings())["reconcile"]
    assert entry["schedule"].minute == set(range(60))
    assert entry["options"]["expires"] < 60
    assert entry["options"]["ignore_result"] is True


@pytest.mark.parametrize(("back_at", "due"), [("06:08", True), ("06:10", True), ("06:11", False), ("06:15", False)])
def test_beat_sends_a_missed_slot_within_the_grace_only(back_at: str, due: bool) -> None:
    app = Celery(set_as_current=False)
    app.conf.update(celery_options(settings()))
    schedule = beat_schedule(settings())["unified_db_railway_backup_morning"]["schedule"]
    schedule.app = app
    schedule.nowfun = lambda: datetime.fromisoformat(f"2025-10-22T{back_at}:00+00:00")
    assert schedule.is_due(datetime(2025, 10, 21, 18, 0, 5, tzinfo=UTC)).is_due is due


def test_no_secret_is_in_the_timetable_or_in_any_option_but_the_addresses() -> None:
    options = celery_options(settings(CELERY_BROKER_URL="redis://:geheim3@h/0"))
    rest = {name: value for name, value in options.items() if name not in ("broker_url", "result_backend")}
    assert "geheim" not in json.dumps(rest, default=repr)
