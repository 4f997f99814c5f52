"""The dead man's switch: a service that raises the alarm when it is *not* pinged (Healthchecks' convention).

Start, success and failure are three addresses: URL/start, URL, URL/fail; `rid` pairs a run's start with its end.
"""

import logging
import threading
import uuid
from contextvars import copy_context
from urllib.parse import urlencode, urlsplit, urlunsplit

from pydantic import SecretStr

from tasks.engine.errors import BackupError
from tasks.engine.telling.within import NotDelivered, within

log = logging.getLogger(__name__)

DEADLINE_S = 10.0
START, SUCCESS, FAILURE, LOG = "start", "", "fail", "log"
_SOCKET_S = 5.0
_FAILED = {"event": "notice_failed", "channel": "switch"}
_LONGEST_BODY_BYTES = 10_000


def signal_of(outcome: str, *, rests: bool) -> str | None:
    """What the end of a run is to the switch; None: nothing, another run is at work.

    rests: the target was promoted, so that no success can be: that the schedule lives is success enough.
    """
    if outcome == "skipped":
        return None
    return SUCCESS if outcome == "succeeded" or (rests and outcome != "rollback_failed") else FAILURE


def ping(url: SecretStr, signal: str, *, run_id: str | None, body: str, deadline_s: float = DEADLINE_S) -> None:
    """Send one signal. Raises NotDelivered, whose sentence shows no address."""
    address = address_of(url.get_secret_value(), signal, run_id)
    within(deadline_s, lambda: _post(address, body))


def ping_start(url: SecretStr | None, run_id: str) -> None:
    """Tell that a run begins, without waiting: best effort, and never tried again."""
    if url is None:
        return

    def send() -> None:
        try:
            ping(url, START, run_id=run_id, body=f"run {run_id} begins")
        except BackupError as error:
            log.warning("the dead man's switch did not hear that the run begins: %s", error, extra=_FAILED)

    threading.Thread(target=copy_context().run, args=(send,), name="start ping", daemon=True).start()


def address_of(url: str, signal: str, run_id: str | None) -> str:
    """Where a signal goes. A query of the URL stays; a run id that is no UUID is turned into one, always the same."""
    parts = urlsplit(url)
    path = parts.path.rstrip("/") + (f"/{signal}" if signal else "")
    rid = urlencode({"rid": _as_uuid(run_id)}) if run_id else ""
    return urlunsplit(parts._replace(path=path, query="&".join(filter(None, [parts.query, rid]))))


def _as_uuid(run_id: str) -> str:
    try:
        return str(uuid.UUID(run_id))
    except ValueError:
        return str(uuid.uuid5(uuid.NAMESPACE_URL, f"railway-neon-sync:{run_id}"))


def _post(address: str, body: str) -> None:
    import requests  # noqa: PLC0415 - only for who has a switch

    data = body.encode()[:_LONGEST_BODY_BYTES]
    headers = {"Content-Type": "text/plain; charset=utf-8", "User-Agent": "railway-neon-sync"}
    try:
        answer = requests.post(address, data=data, headers=headers, timeout=_SOCKET_S)
    except requests.Timeout:
        raise NotDelivered(f"no answer within {_SOCKET_S:g} s") from None
    except requests.RequestException as error:  # its text shows the address
        raise NotDelivered(f"it cannot be reached ({type(error).__name__})") from None
    if not answer.ok:
        raise NotDelivered(f"it answered {answer.status_code}")
