"""From the end of a run, or from a look at the clock, to what stands in the outbox for people."""

import logging
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from config.settings import Settings
from tasks.engine.journal import Journal
from tasks.engine.overview import read_overview
from tasks.engine.telling import deciding, pings, texts
from tasks.engine.telling.channels import channels_of
from tasks.engine.telling.delivery import SWITCH
from tasks.engine.telling.notice import PING, RECOVERED, RESTING, SUCCEEDED, TROUBLES, Notice, Situation, Told
from tasks.engine.telling.promotion import Promotion
from tasks.engine.telling.survey import count_outcomes, later_one_was_missed, survey, week_before

log = logging.getLogger(__name__)

_RESTS = TROUBLES - {"rollback_failed"}  # that one nobody may sleep through


def announce(report: Mapping[str, Any], *, settings: Settings, journal: Journal, now: datetime) -> None:
    """Put into the outbox what the end of a run is worth. Doing it again makes nothing twice."""
    overview, told = read_overview(settings, journal, now=now, last_runs=None), journal.outbox.told()
    superseded = later_one_was_missed(report["run_id"], overview.runs)
    promoted = _promotion_at(report, settings, journal, now)
    kind = deciding.kind_for_run(
        report, told, now=now, each_success=settings.notify_success == "each", superseded=superseded
    )
    if promoted and kind in _RESTS:
        kind = deciding.kind_at_rest(told)
    situation = survey(overview, settings)
    if kind is not None:
        notice = _notice(kind, report, situation, told, promoted or "")
        _put(f"run:{report['run_id']}", notice, deciding.cause_of(report), settings, journal)
    if settings.heartbeat_url is not None and not superseded:
        _put_ping(report, situation, journal, rests=bool(promoted))


def look(*, settings: Settings, journal: Journal, now: datetime) -> None:
    """Tell that the newest verified copy is too old, and the digest of the week: each once, whoever looks first."""
    overview = read_overview(settings, journal, now=now, last_runs=None)
    situation = survey(overview, settings)
    if overview.freshness == "stale":
        since = overview.copy.snapshot_at if overview.copy else overview.known_since or journal.created_at
        _tell_stale(situation, since, settings, journal)
    if settings.notify_success == "weekly" and (due := deciding.digest_due(now, installed=journal.created_at)):
        week = count_outcomes(week_before(due, overview.runs))
        notice = texts.digest(replace(situation, outcomes=week), until=due)
        _put(deciding.digest_key(due), notice, "", settings, journal)


def _notice(kind: str, report: Mapping[str, Any], situation: Situation, told: list[Told], promoted: str) -> Notice:
    if kind == RESTING:
        return texts.resting(promoted, situation)
    if kind == SUCCEEDED:
        return texts.succeeded(report, situation)
    if kind == RECOVERED:
        trouble = deciding.open_trouble(told)
        since = deciding.trouble_began(told) or situation.now
        return texts.recovered(report, situation, trouble=trouble.kind if trouble else "", since=since)
    return texts.of_run(report, situation)


def _promotion_at(report: Mapping[str, Any], settings: Settings, journal: Journal, now: datetime) -> str | None:
    """Whether the target is production by now, asked of its mark when a run did not succeed."""
    promotion, outcome = Promotion(settings=settings, journal=journal), report["outcome"]
    if outcome == "succeeded":
        promotion.forget()
        return None
    if outcome not in _RESTS:
        return None
    someone_is_told = settings.notify_urls or settings.heartbeat_url
    return promotion.ask(now) if someone_is_told else promotion.remembered


def _tell_stale(situation: Situation, since: datetime, settings: Settings, journal: Journal) -> None:
    limit = timedelta(seconds=settings.stale_after_s)
    key = f"stale:{since:%Y%m%dT%H%M%S}:{deciding.stale_day(situation.now, since=since, limit=limit)}"
    if journal.outbox.knows(key):
        return
    if promoted := Promotion(settings=settings, journal=journal).ask_hourly(situation.now):
        if deciding.kind_at_rest(journal.outbox.told()) is not None:
            _put(f"resting:{promoted}", texts.resting(promoted, situation), "", settings, journal)
        return
    notice = texts.stale(situation, limit=limit, since=since)
    if _put(key, notice, "", settings, journal):
        log.error("🔔 %s: %s", notice.title, notice.body.replace("\n", " "), extra={"event": "stale"})


def _put(key: str, notice: Notice, cause: str, settings: Settings, journal: Journal) -> bool:
    channels = [channel.id for channel in channels_of(settings.notify_urls)]
    return journal.outbox.put(key, notice, cause=cause, channels=channels)


def _put_ping(report: Mapping[str, Any], situation: Situation, journal: Journal, *, rests: bool) -> None:
    """The end of a run for the dead man's switch."""
    signal = pings.signal_of(report["outcome"], rests=rests)
    if signal is not None:
        notice = Notice(kind=PING, title=signal, body=texts.of_ping(report, situation, rests=rests))
        journal.outbox.put(f"ping:{report['run_id']}", notice, cause=report["run_id"], channels=[SWITCH])
