"""Celery's options, each with its reason, and beat's timetable."""

from typing import Any

from celery.schedules import crontab

from config.kinds import keeps_results
from config.schedule import JOBS
from config.settings import Settings

# Our own queue: on a Redis that an application shares with us, its workers take what lies in `celery`.
# Two deployments for two pairs of databases use two database numbers of one Redis (redis://host/0, redis://host/1).
QUEUE = "railway_neon_sync"

_PATIENCE_TRIES = 600
_RECONCILE_EXPIRES_S = 50
OFFSITE_EVERY_MINUTES = 15
_SOCKET_CONNECT_S = 5
_SOCKET_S = 30
_HEALTH_CHECK_S = 25


def celery_options(settings: Settings) -> dict[str, Any]:
    """Everything for app.conf.update()."""
    return {
        **_messages(settings),
        **_results(settings),
        **_worker(),
        **_beat(settings),
        **(_redis_sockets() if keeps_results(settings.celery_broker_url) else {}),
    }


def impatient_options() -> dict[str, Any]:
    """What a process changes in which a person waits: a Redis that is down is told after seconds, not minutes."""
    return {
        "task_publish_retry_policy": _every_second(3),
        "result_backend_max_retries": 1,
        "result_backend_transport_options": {"retry_policy": {"max_retries": 3, "timeout": 5.0}},
    }


def beat_schedule(settings: Settings) -> dict[str, dict[str, Any]]:
    """The two daily jobs under their ids, reconcile every minute, and the off-site copy where there is one."""
    jobs = {
        job.job_id: {
            "task": "tasks.run_backup",
            "schedule": crontab(hour=str(job.hour), minute=str(job.minute)),
            "kwargs": {"job": job.job_id},
            # A message that no worker took within the grace is thrown away. With Redis down at the tick, beat would
            # drop the slot at once; this way it goes on trying for as long as the run may still start.
            "options": {
                "expires": settings.misfire_grace_s,
                "retry": True,
                "retry_policy": _every_second(_PATIENCE_TRIES),
            },
        }
        for job in JOBS
    }
    reconcile = {
        "task": "tasks.reconcile",
        "schedule": crontab(),
        # The next one is due in a minute: piled-up ones would only keep workers busy, beat must not miss 06:00
        # while it tries to send one, and 1,440 results a day would say nothing.
        "options": {
            "expires": _RECONCILE_EXPIRES_S,
            "retry": True,
            "retry_policy": _every_second(5),
            "ignore_result": True,
        },
    }
    offsite = {
        "task": "tasks.copy_offsite",
        "schedule": crontab(minute=f"*/{OFFSITE_EVERY_MINUTES}"),
        "options": {"expires": OFFSITE_EVERY_MINUTES * 60, "retry": True, "retry_policy": _every_second(5)},
    }
    return {**jobs, "reconcile": reconcile, **({"copy_offsite": offsite} if settings.offsite_url else {})}


def _every_second(tries: int) -> dict[str, float]:
    return {"max_retries": tries, "interval_start": 1, "interval_step": 0, "interval_max": 1}


def _messages(settings: Settings) -> dict[str, Any]:
    return {
        "broker_url": settings.celery_broker_url.get_secret_value(),
        # Named: autodiscovery would look for a module `tasks.tasks`.
        "imports": ("tasks.pipeline", "tasks.steps"),
        # JSON only: a pickled message runs code in whoever reads it.
        "accept_content": ["json"],
        "task_serializer": "json",
        "task_default_queue": QUEUE,
        # Acknowledged when it begins. Acknowledged late, a task is delivered again when Redis restarts or its
        # connection is cut, while the first one still works; to see it, cut the worker's TCP connection during a
        # task with acks_late. A run that died is ended by reconcile, which looks at the databases first.
        "task_acks_late": False,
        "task_reject_on_worker_lost": False,
        # A step sends the next one when it has ended well. With Redis away just then, the defaults give up after
        # three tries, mark the step failed and call the rollback of a good run. Finite: inside a worker, None
        # means three. To see it, stop Redis during a step of a chain.
        "task_publish_retry": True,
        "task_publish_retry_policy": _every_second(_PATIENCE_TRIES),
        # No hard or soft time limits: neither fires while the worker reconnects to its broker, and a hard limit calls
        # the link_error callback twice, both times while the old task still works. Each step watches its own deadline.
        "task_time_limit": None,
        "task_soft_time_limit": None,
        # Redis may come up after the worker, and may be away for an hour: the default gives up after 100 tries.
        "broker_connection_retry_on_startup": True,
        "broker_connection_max_retries": None,
        "timezone": "UTC",
        "enable_utc": True,
    }


def _results(settings: Settings) -> dict[str, Any]:
    return {
        "result_backend": settings.celery_result_backend.get_secret_value(),
        "result_serializer": "json",
        "result_accept_content": ["json"],
        # As long as the report files: about twenty small keys a day, some 2,000 after 90 days.
        "result_expires": settings.report_retention_days * 24 * 3600,
        # The task's name and its arguments beside the result. Arguments are a run id and plain options, never a URL.
        "result_extended": True,
        # STARTED is what Flower and a waiting caller see of a step that takes minutes.
        "task_track_started": True,
        # A result that cannot be stored marks a step failed that ended well (see the publish policy). The pauses are
        # random below the maximum, so 600 tries outlive ten minutes without Redis, and still end.
        "result_backend_always_retry": True,
        "result_backend_max_retries": _PATIENCE_TRIES,
        "result_backend_max_sleep_between_retries_ms": 2000,
        "result_backend_transport_options": {"retry_policy": {"timeout": 20.0}},
    }


def _worker() -> dict[str, Any]:
    return {
        # Two processes, so that reconcile is not starved by a step; one message each, so that none lies reserved
        # behind a step of minutes while another worker is idle.
        "worker_concurrency": 2,
        "worker_prefetch_multiplier": 1,
        # A queue for each worker: the steps of a run stay with the worker whose disk holds its files.
        "worker_direct": True,
        # Concerns only what is acknowledged late, so nothing of ours: a step goes on while the broker is away. True,
        # because False makes the worker warn of it at each lost connection.
        "worker_cancel_long_running_tasks_on_connection_loss": True,
        # Four seconds, the default, are too few for a pool process to begin on a host that is busy.
        "worker_proc_alive_timeout": 30.0,
        # For Flower: what is sent, received, started and ended.
        "worker_send_task_events": True,
        "task_send_sent_event": True,
        # config.logs formats and masks every line; Celery's handlers would not.
        "worker_hijack_root_logger": False,
        "worker_redirect_stdouts": False,
    }


def _beat(settings: Settings) -> dict[str, Any]:
    return {
        "beat_schedule": beat_schedule(settings),
        # A beat that was down at 06:00 still sends until 06:10. It needs the schedule file of its earlier start:
        # keep that on a volume.
        "beat_cron_starting_deadline": settings.misfire_grace_s,
        # Written down after each emission: killed right after one, beat would else emit it again at its next start.
        "beat_sync_every": 1,
        # `celery inspect ping` reaches beat too (new in Celery 5.7).
        "beat_enable_remote_control": True,
    }


def _redis_sockets() -> dict[str, Any]:
    # A peer that vanished without a word (host gone, NAT entry dropped) is noticed within seconds, not hours.
    # No global_keyprefix: Flower counts a queue under its plain name, and database numbers part deployments too.
    return {
        "broker_transport_options": {
            "socket_connect_timeout": _SOCKET_CONNECT_S,
            "socket_timeout": _SOCKET_S,
            "socket_keepalive": True,
            "health_check_interval": _HEALTH_CHECK_S,
        },
        "redis_socket_connect_timeout": _SOCKET_CONNECT_S,
        "redis_socket_timeout": _SOCKET_S,
        "redis_socket_keepalive": True,
        "redis_retry_on_timeout": True,
        "redis_backend_health_check_interval": _HEALTH_CHECK_S,
    }
