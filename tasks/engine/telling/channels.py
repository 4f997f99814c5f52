"""The channels of NOTIFY_URLS: apprise sends, each channel on its own and within a deadline."""

import hashlib
import logging
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from pydantic import SecretStr

from config.logs import mask
from config.told_urls import told_secrets
from tasks.engine.telling.notice import DIGEST, RECOVERED, SUCCEEDED, Notice
from tasks.engine.telling.within import NotDelivered, within

DEADLINE_S = 15.0
_GOOD = {RECOVERED, SUCCEEDED, DIGEST}


@dataclass(frozen=True, kw_only=True)
class Channel:
    """One way to people. id: stands for the address, which is a secret; label: what people read."""

    id: str
    label: str
    url: SecretStr


def channels_of(urls: Sequence[SecretStr]) -> list[Channel]:
    """The channels in the order of NOTIFY_URLS."""
    return [
        Channel(id=_id_of(url), label=f"channel {number} ({url.get_secret_value().partition('://')[0]})", url=url)
        for number, url in enumerate(urls, start=1)
    ]


def send(channel: Channel, notice: Notice, *, deadline_s: float = DEADLINE_S) -> None:
    """Send one notice. Raises NotDelivered, whose sentence shows no address."""
    within(deadline_s, lambda: _send(channel, notice))


def _send(channel: Channel, notice: Notice) -> None:
    import apprise  # noqa: PLC0415 - half a second, and only for who has a channel

    # The service itself is called, in this thread: apprise's own pools are waited for when the process ends.
    asset = apprise.AppriseAsset(app_id="railway-neon-sync", app_desc="railway-neon-sync", async_mode=False)
    with _Listening() as heard:
        service = apprise.Apprise.instantiate(channel.url.get_secret_value(), asset=asset)
        if service is None:
            raise NotDelivered("apprise does not understand this address: compare it with apprise's list of services")
        taken = service.notify(
            title=notice.title,
            body=notice.body,
            body_format=apprise.NotifyFormat.TEXT,
            notify_type=apprise.NotifyType(_type_of(notice)),
        )
    if not taken:
        raise NotDelivered(mask(heard.reason, sorted(told_secrets(channel.url))))


def _type_of(notice: Notice) -> str:
    """apprise's word, which gives a message its colour and its sign."""
    return "failure" if notice.is_trouble else "success" if notice.kind in _GOOD else "info"


def _id_of(url: SecretStr) -> str:
    return hashlib.sha256(url.get_secret_value().encode()).hexdigest()[:12]


class _Listening(logging.Handler):
    """Hears what apprise logs in this thread while it sends: its only way to say why it could not."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self._thread = threading.get_ident()
        self._lines: list[str] = []

    @property
    def reason(self) -> str:
        return self._lines[-1] if self._lines else "it was refused, and apprise does not say why"

    def emit(self, record: logging.LogRecord) -> None:
        if record.thread == self._thread:
            self._lines.append(" ".join(record.getMessage().split()))

    def __enter__(self) -> Self:
        logging.getLogger("apprise").addHandler(self)
        return self

    def __exit__(self, *_: object) -> None:
        logging.getLogger("apprise").removeHandler(self)
