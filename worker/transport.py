"""Kombu's Redis transport, made patient with a queue in which something else than Celery's messages lies.

Without this one element that is no message ends the worker ("Unrecoverable error"); one that is nearly a message is
put back when it ends, and ends the next worker too. To see it: `redis-cli LPUSH railway_neon_sync '{}'`.
"""

import base64
import binascii
import json
import logging
from collections.abc import Mapping
from typing import Any

from kombu.transport import TRANSPORT_ALIASES, redis

log = logging.getLogger(__name__)

_LONGEST_NAME = 80
_TEXTS = ("task", "id", "root_id", "parent_id", "eta", "lang", "origin", "argsrepr", "kwargsrepr")
_SHAPE = (list, dict, dict)  # of a task's body
# Queues of whoever watches, Flower for one: a worker sends what happens to its tasks there, several in one message.
_EVENT_QUEUES = "celeryev."


class PatientChannel(redis.Channel):
    """A channel that drops what is not even JSON."""

    def _brpop_read(self, **options: Any) -> bool | None:
        try:
            found: bool | None = super()._brpop_read(**options)  # type: ignore[no-untyped-call]
        except ValueError as error:  # the one of json.loads, or of bytes that are no UTF-8
            _tell(f"it is no JSON ({type(error).__name__})", queue="our queue")
            return True
        return found


class PatientTransport(redis.Transport):
    """Hands on what has the shape of a message, and drops the rest, which it tells."""

    Channel = PatientChannel

    def _deliver(self, message: Any, queue: str) -> None:
        if fault := what_is_wrong(message, of_events=queue.startswith(_EVENT_QUEUES)):
            _tell(fault, queue=queue)
            return
        super()._deliver(message, queue)  # type: ignore[no-untyped-call]


def use_patient_transport() -> None:
    """In this process, for every redis:// and rediss:// broker."""
    for scheme in ("redis", "rediss"):
        TRANSPORT_ALIASES[scheme] = f"{__name__}:{PatientTransport.__name__}"


def what_is_wrong(message: object, *, of_events: bool = False) -> str | None:
    """Why the worker could not even refuse this message; None for one that has a message's shape.

    What it asks for is Celery's to judge: an unknown task, arguments that do not fit, a pickled body are refused there.
    """
    if not isinstance(message, Mapping):
        return "it is no message"
    properties, headers = message.get("properties"), message.get("headers")
    if not isinstance(properties, Mapping) or not _has_address(properties):
        return "its properties are missing"
    if not isinstance(headers, Mapping) or not _are_headers(headers):
        return "its headers are no message's"
    body = _body(message.get("body"), properties.get("body_encoding"))
    if not body:
        return "its body cannot be decoded"
    other_kind = message.get("content-type") != "application/json"
    if other_kind or (of_events and _has_shape_of_events(body)) or _has_shape(body, of_task="task" in headers):
        return None
    return "its body is no task's"


def _has_address(properties: Mapping[str, object]) -> bool:
    return isinstance(properties.get("delivery_info"), Mapping) and isinstance(properties.get("delivery_tag"), str)


def _are_headers(headers: Mapping[str, object]) -> bool:
    """A task expires at an instant written as text, a question to the worker (`inspect ping`) after so many seconds."""
    expires = headers.get("expires")
    of_its_kind = _is_text(expires) if "task" in headers else isinstance(expires, int | float | None)
    return of_its_kind and all(_is_text(headers.get(name)) for name in _TEXTS)


def _is_text(value: object) -> bool:
    return value is None or isinstance(value, str)


def _body(body: object, encoding: object) -> bytes | None:
    if not isinstance(body, str) or encoding not in {None, "base64"}:
        return None
    try:
        return base64.b64decode(body, validate=True) if encoding else body.encode()
    except (binascii.Error, ValueError):
        return None


def _has_shape(body: bytes, *, of_task: bool) -> bool:
    """Arguments, keyword arguments and what to do next, or what the worker itself is asked to do."""
    try:
        found = json.loads(body)
    except ValueError:
        return False
    if not of_task:
        return isinstance(found, dict)
    if not isinstance(found, list) or len(found) != len(_SHAPE):
        return False
    return all(isinstance(part, kind) for part, kind in zip(found, _SHAPE, strict=True))


def _has_shape_of_events(body: bytes) -> bool:
    try:
        found = json.loads(body)
    except ValueError:
        return False
    return isinstance(found, list) and all(isinstance(event, dict) for event in found)


def _tell(fault: str, *, queue: str) -> None:
    """Without its content: that is somebody else's, and may hold anything."""
    log.error(
        "something in %s that is no message of Celery was dropped: %s; see who else writes to this Redis",
        queue[:_LONGEST_NAME],
        fault,
        extra={"event": "message_dropped"},
    )
