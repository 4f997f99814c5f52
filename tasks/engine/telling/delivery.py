"""From the outbox to people: every channel for itself, each try within a deadline, so often and no more."""

import logging
import threading
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from config.logs import mask
from config.settings import Settings
from tasks.engine.errors import BackupError
from tasks.engine.faultpoints import fault_point
from tasks.engine.journal import Journal
from tasks.engine.overview import read_overview
from tasks.engine.telling import pings, texts
from tasks.engine.telling.channels import channels_of, send
from tasks.engine.telling.notice import PING, Notice
from tasks.engine.telling.outbox import MOST_TRIES, Delivery, Outbox, Undelivered
from tasks.engine.telling.survey import survey

log = logging.getLogger(__name__)

SWITCH = "switch"  # the dead man's switch among the channels of the outbox
_SWITCH_LABEL = "the dead man's switch"


@dataclass(frozen=True, kw_only=True)
class Way:
    """One way out. send: raises BackupError when it was in vain."""

    label: str
    send: Callable[[Delivery], None]


def deliver(*, settings: Settings, journal: Journal, now: datetime) -> None:
    """Try what waits in the outbox, all channels at once. Never raises: what could not be told is told again later."""
    ways, queues = ways_of(settings), defaultdict(list)
    try:
        newest_ping = journal.outbox.newest(PING)
        for delivery in journal.outbox.due(now):
            if delivery.channel not in ways or (delivery.kind == PING and delivery.key != newest_ping):
                journal.outbox.drop(delivery)  # nobody is there to hear it, or a later run has said how things are
            else:
                queues[delivery.channel].append(delivery)
    except BackupError as error:
        log.warning("the outbox cannot be used: %s", error, extra={"event": "outbox_unavailable"})
    threads = [
        threading.Thread(
            target=_carry, args=(ways[channel], queue, journal.outbox, settings.secrets), name="delivery", daemon=True
        )
        for channel, queue in queues.items()
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def ways_of(settings: Settings) -> dict[str, Way]:
    """Every way out by its id in the outbox."""
    ways = {
        channel.id: Way(label=channel.label, send=lambda delivery, channel=channel: send(channel, _notice(delivery)))  # type: ignore[misc]
        for channel in channels_of(settings.notify_urls)
    }
    if settings.heartbeat_url is not None:
        url = settings.heartbeat_url
        ways[SWITCH] = Way(
            label=_SWITCH_LABEL, send=lambda it: pings.ping(url, it.title, run_id=it.cause, body=it.body)
        )
    return ways


def trial_deliveries(settings: Settings, journal: Journal, *, host: str, now: datetime) -> dict[str, Delivery]:
    """A test for each way out, by its id, in no outbox; the dead man's switch gets a signal that changes nothing."""
    notice = texts.trial(survey(read_overview(settings, journal, now=now, last_runs=None), settings), host=host)
    return {
        channel: Delivery(
            key="",
            channel=channel,
            kind=notice.kind,
            cause="",
            title=pings.LOG if channel == SWITCH else notice.title,
            body=notice.body,
            tries=0,
        )
        for channel in ways_of(settings)
    }


def untold(settings: Settings, journal: Journal | None) -> list[str]:
    """The same sentences as problems of an overview; of a journal that cannot be read another one tells."""
    try:
        return sentences(journal.outbox.undelivered(), settings) if journal else []
    except BackupError:
        return []


def sentences(undelivered: Sequence[Undelivered], settings: Settings) -> list[str]:
    """What a report or a person at the command line is told of what did not arrive."""
    labels = {channel: way.label for channel, way in ways_of(settings).items()}
    return [
        f"{labels.get(one.channel, 'a channel that is no longer set')} did not take {_named(one)} in {one.tries} of "
        f"{MOST_TRIES} tries: {one.error}; test it with: railway-neon-sync notify-test"
        for one in undelivered
    ]


def _named(one: Undelivered) -> str:
    return "the end of a run" if one.kind == PING else f"'{one.title}'"


def _carry(way: Way, queue: Sequence[Delivery], outbox: Outbox, secrets: Sequence[str]) -> None:
    """The oldest first; after one in vain the others wait for the next time."""
    for delivery in queue:
        try:
            if outbox.take(delivery, datetime.now(UTC)) and not _try(way, delivery, outbox, secrets):
                return
        except BackupError as error:
            log.warning("the outbox cannot be used: %s", error, extra={"event": "outbox_unavailable"})
            return


def _try(way: Way, delivery: Delivery, outbox: Outbox, secrets: Sequence[str]) -> bool:
    fault_point("telling.taken")
    try:
        way.send(delivery)
    except Exception as error:  # noqa: BLE001 - whatever a channel's library raises, the others are told
        reason = mask(str(error) if isinstance(error, BackupError) else f"{type(error).__name__}: {error}", secrets)
        over = outbox.failed(delivery, reason, datetime.now(UTC))
        log.warning(
            "%s did not take the notice %r (try %d of %d%s): %s",
            way.label,
            delivery.title,
            delivery.tries + 1,
            MOST_TRIES,
            ", given up" if over else "",
            reason,
            extra={"event": "notice_failed", "channel": way.label},
        )
        return False
    outbox.sent(delivery)
    log.info(
        "told %s: %s", way.label, delivery.title or "success", extra={"event": "notice_sent", "channel": way.label}
    )
    return True


def _notice(delivery: Delivery) -> Notice:
    return Notice(kind=delivery.kind, title=delivery.title, body=delivery.body)
