"""How log lines look: text for people or JSON for machines, each with its run's id, and no secret in any."""

import io
import json
import logging
import math
import re
import sys
import traceback
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, TextIO

NO_RUN = "-"
run_id_var: ContextVar[str] = ContextVar("run_id", default=NO_RUN)

_MASKED = "***"
_SHORTEST_ANYWHERE = 4
# What a terminal obeys or what makes a line read as another: C0 and C1 controls but tab and newline, line and
# paragraph separators, the marks that turn the direction of text, lone surrogates (no UTF-8 for them). The joiners
# inside emoji are not among them.
_HARMFUL = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)
_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName", "run_id"}
_CHATTY = ("celery.", "kombu.")
_FIRST_ARGUMENT = re.compile(r"[(\[]'([^'\s]{1,100})'")
_HANDLER_NAME = "railway-neon-sync"


@contextmanager
def log_context(run_id: str) -> Iterator[None]:
    """Every line that is logged inside bears this run's id."""
    token = run_id_var.set(run_id)
    try:
        yield
    finally:
        run_id_var.reset(token)


def configure_logging(
    level: str,
    format: str,  # noqa: A002  (the operator's word: LOG_FORMAT)
    secrets: Sequence[str],
    stream: TextIO | None = None,
) -> None:
    """Send the root logger's records to the stream (standard error), as `text` or `json`; again is harmless."""
    chosen = sys.stderr if stream is None else stream
    if isinstance(chosen, io.TextIOWrapper):
        # The signs in the fixed messages must arrive, whatever the locale of a container or a cron job is.
        chosen.reconfigure(encoding="utf-8", errors="backslashreplace")
    handler = _Handler(chosen)
    handler.set_name(_HANDLER_NAME)
    handler.setFormatter((JsonLines if format == "json" else TextLines)(secrets))
    root = logging.getLogger()
    for old in [old for old in root.handlers if old.get_name() == _HANDLER_NAME]:
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(level)


def mask(text: str, secrets: Sequence[str]) -> str:
    """The text with `***` in place of every secret, also where repr() or JSON have escaped it."""
    pattern = _pattern(tuple(secrets))
    return pattern.sub(_MASKED, text) if pattern else text


def harmless(text: str) -> str:
    """The text with what a terminal would obey written out (\\x1b); newlines, tabs and emoji stay."""
    return _HARMFUL.sub(lambda found: ascii(found[0])[1:-1], text)


def one_line(text: str) -> str:
    """The same, with newlines and tabs written out too: a sentence that quotes a hostile name stays one line."""
    return harmless(text).replace("\n", "\\n").replace("\t", "\\t")


def cleaned(value: Any, secrets: Sequence[str]) -> Any:
    """A JSON value in which every text is one line, masked and harmless: what others show must be so already."""
    if isinstance(value, str):
        return one_line(mask(value, secrets))
    if isinstance(value, Mapping):
        return {cleaned(key, secrets): cleaned(item, secrets) for key, item in value.items()}
    return [cleaned(item, secrets) for item in value] if isinstance(value, list | tuple) else value


class TextLines(logging.Formatter):
    """One record for people; the lines of a longer one are indented, so that none passes for a record."""

    def __init__(self, secrets: Sequence[str]) -> None:
        super().__init__()
        self._secrets = tuple(secrets)

    def format(self, record: logging.LogRecord) -> str:
        text = "\n".join([_message(record), *_trouble(self, record)])
        text = harmless(mask(text, self._secrets)).replace("\n", "\n    ")
        return f"{_instant(record):%Y-%m-%d %H:%M:%S}Z {record.levelname:<8} [{_run_id(record)}] {text}"


class JsonLines(logging.Formatter):
    """One JSON object a line, in UTF-8: time, level, logger, run_id, message, and the record's extra fields."""

    def __init__(self, secrets: Sequence[str]) -> None:
        super().__init__()
        self._secrets = tuple(secrets)

    def format(self, record: logging.LogRecord) -> str:
        fields: dict[str, Any] = {
            "time": _instant(record).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "run_id": _run_id(record),
            "message": self._plain(_message(record)),
        }
        extra = {name: value for name, value in vars(record).items() if name not in _STANDARD}
        fields |= {name: self._plain(value) for name, value in extra.items() if name not in fields}
        if trouble := _trouble(self, record):
            fields["exception"] = self._plain("\n".join(trouble))
        return json.dumps(fields, ensure_ascii=False)

    def _plain(self, value: object) -> object:
        """The value as JSON can carry it, every text in it masked and made harmless."""
        if value is None or isinstance(value, bool | int) or (isinstance(value, float) and math.isfinite(value)):
            return value
        if isinstance(value, Mapping):
            return {str(self._plain(str(key))): self._plain(item) for key, item in value.items()}
        if isinstance(value, list | tuple | set | frozenset):
            return [self._plain(item) for item in value]
        return harmless(mask(str(value), self._secrets))


class _Handler(logging.StreamHandler[TextIO]):
    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802
        """Stay silent: logging's own answer prints the record's arguments, unmasked."""


def _message(record: logging.LogRecord) -> str:
    try:
        return record.getMessage()
    except (TypeError, ValueError, KeyError):
        return f"{record.msg} (its arguments do not fit it)"


def _trouble(formatter: logging.Formatter, record: logging.LogRecord) -> list[str]:
    stack = [formatter.formatStack(record.stack_info)] if record.stack_info else []
    if not record.exc_info:
        return ([record.exc_text] if record.exc_text else []) + stack
    # While Redis is away Celery warns at every try, each time with a hundred lines; the last one says it.
    if record.levelno <= logging.WARNING and record.name.startswith(_CHATTY):
        return [line.rstrip() for line in traceback.format_exception_only(record.exc_info[1])] + stack
    return [formatter.formatException(record.exc_info), *stack]


def _run_id(record: logging.LogRecord) -> str:
    return harmless(str(getattr(record, "run_id", None) or _run_of_task(record) or run_id_var.get())).replace("\n", " ")


def _run_of_task(record: logging.LogRecord) -> str | None:
    """Celery's own lines about a task: the entry task's id is the run's, and each step has it as its argument."""
    data = getattr(record, "data", None)
    if not isinstance(data, Mapping) or not str(data.get("name")).startswith("tasks."):
        return None
    if data["name"] == "tasks.run_backup":
        return str(data.get("id"))
    found = _FIRST_ARGUMENT.match(str(data.get("args")))
    return found[1] if found else None


def _instant(record: logging.LogRecord) -> datetime:
    return datetime.fromtimestamp(record.created, UTC)


@lru_cache(maxsize=16)
def _pattern(secrets: tuple[str, ...]) -> re.Pattern[str] | None:
    forms = {
        form
        for secret in secrets
        for form in (secret, repr(secret)[1:-1], json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1])
        if form
    }
    # The longest first: of two secrets, one may be the beginning of the other.
    ordered = sorted(forms, key=lambda form: (-len(form), form))
    return re.compile("|".join(map(_as_pattern, ordered))) if ordered else None


def _as_pattern(form: str) -> str:
    # A password of one letter would blank every word that holds it, so it is looked for by itself only.
    return re.escape(form) if len(form) >= _SHORTEST_ANYWHERE else rf"(?<!\w){re.escape(form)}(?!\w)"
