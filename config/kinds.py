"""The kinds of values that a setting can be: how its text is read, and what is said when it cannot be.

A reader raises ValueError with the sentence without its subject ("must be ..."); the setting's name and, where
it is no secret, its value are put around it by whoever loads the settings. No reader repeats a secret.
"""

import difflib
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, get_args
from urllib.parse import SplitResult, quote, unquote, urlsplit, urlunsplit

import pyrage
from pydantic import BeforeValidator, GetCoreSchemaHandler, PlainSerializer, PlainValidator, SecretStr, ValidationInfo
from pydantic_core import CoreSchema, core_schema

from config.told_urls import read_channels, read_ping_url
from config.urls import DatabaseUrl, UrlFault

_WHOLE = re.compile(r"[+-]?[0-9]{1,18}")
_TRUTH = {"true": True, "yes": True, "on": True, "1": True, "false": False, "no": False, "off": False, "0": False}
_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*", re.IGNORECASE)
METRICS_NAME = "metrics.prom"
_REDIS = ("redis", "rediss")
# The same server under a newer name; neither kombu nor redis-py knows these.
_SYNONYMS = {"valkey": "redis", "valkeys": "rediss"}
_STORAGES = ("s3", "gs", "az", "file")
_BROKER_EXAMPLE = "redis://:password@host:6379/0"
_ENCODE = "a password that holds @ / : ? # or % must be percent-encoded (@ as %40, / as %2F ...)"


class FollowsAFault(ValueError):
    """A default cannot be worked out, because the setting that it follows is at fault itself."""


@dataclass(frozen=True)
class Secret:
    """Marks a setting whose value is never shown, and which may be read from the file that NAME_FILE names."""


@dataclass(frozen=True)
class Shown:
    """How the table of settings shows a default that is worked out, or that has no value."""

    text: str


@dataclass(frozen=True)
class Whole:
    """A whole number of something, within bounds that are both allowed."""

    unit: str
    at_least: int = 1
    at_most: int = 10**9

    def read(self, value: object) -> int:
        if isinstance(value, str) and _WHOLE.fullmatch(value.strip()):
            value = int(value)
        if not isinstance(value, int) or isinstance(value, bool) or value < self.at_least:
            bound = " above 0" if self.at_least == 1 else f", at least {self.at_least}"
            raise ValueError(f"must be a whole number of {self.unit}{bound}")
        if value > self.at_most:
            raise ValueError(f"must be a whole number of {self.unit}, at most {self.at_most}")
        return value

    def __get_pydantic_core_schema__(self, source: object, _handler: GetCoreSchemaHandler) -> CoreSchema:
        schema = core_schema.no_info_plain_validator_function(self.read)
        return core_schema.nullable_schema(schema) if type(None) in get_args(source) else schema


@dataclass(frozen=True)
class Choice:
    """One word of several, in any case; declared with the Literal type that lists them."""

    def __get_pydantic_core_schema__(self, source: object, _handler: GetCoreSchemaHandler) -> CoreSchema:
        words = {str(word).lower(): word for word in get_args(source)}

        def read(value: object) -> object:
            if (key := str(value).strip().lower()) not in words:
                raise ValueError(f"must be one of {', '.join(words.values())}")
            return words[key]

        return core_schema.no_info_plain_validator_function(read)


def _read_truth(value: object) -> bool:
    if (key := str(value).strip().lower()) not in _TRUTH:
        raise ValueError("must be true or false")
    return _TRUTH[key]


def _read_names(value: object) -> tuple[str, ...]:
    """Table names, schema-qualified or not, in their order; commas part them."""
    parts = value.split(",") if isinstance(value, str) else value
    if not isinstance(parts, list | tuple):
        raise ValueError("must be table names with commas between them")
    names = tuple(name for part in parts if (name := str(part).strip()))
    if not names or not all(name.isprintable() for name in names):
        raise ValueError("must be one or more table names with commas between them")
    if len(set(names)) < len(names):
        raise ValueError("must name each table only once")
    return names


def _read_recipients(value: object) -> tuple[str, ...]:
    """age's public keys, commas or white space between them; a secret key in their place is refused, unshown."""
    parts = re.split(r"[,\s]+", value) if isinstance(value, str) else value
    if not isinstance(parts, list | tuple):
        raise ValueError("must be public keys of age with commas between them")
    keys = tuple(str(part) for part in parts if str(part))
    for key in keys:
        try:
            pyrage.x25519.Recipient.from_str(key)
        except pyrage.RecipientError:
            raise ValueError("must be public keys of age (age1...), with commas between them") from None
    return keys


def _read_offsite(value: object) -> str | None:
    """A place in a storage; None when nothing was set."""
    text = str(value or "").strip().rstrip("/")
    if not text:
        return None
    parts = _split(text)
    if parts is None or parts.scheme not in _STORAGES or not (parts.netloc or parts.path) or "@" in text or parts.query:
        raise ValueError(f"must be a place such as s3://bucket/folder; there are {', '.join(_STORAGES)}, keys apart")
    return text


def _read_endpoint(value: object) -> str | None:
    """A server's address; None when nothing was set."""
    text = str(value or "").strip().rstrip("/")
    if not text:
        return None
    parts = _split(text)
    if (
        parts is None
        or parts.scheme not in ("http", "https")
        or not parts.netloc
        or "@" in text
        or parts.query
        or parts.fragment
    ):
        raise ValueError("must be an address such as https://s3.example.org, without a key in it")
    return text


def _split(text: str) -> SplitResult | None:
    """None for what is no address; what the library says of it would show a key that somebody wrote into it."""
    try:
        return urlsplit(text)
    except ValueError:
        return None


def _read_region(value: object) -> str:
    if not re.fullmatch(r"[a-z0-9-]{1,40}", text := str(value).strip()):
        raise ValueError("must be the name of a region, such as eu-central-1")
    return text


def _read_optional_secret(value: object) -> SecretStr | None:
    text = _revealed(value).strip() if value is not None else ""
    return SecretStr(text) if text else None


def _read_path(value: object) -> Path:
    # Absolute, so that a process which changes its folder (a daemon, a pool child) means the same place.
    if not str(value).strip() or "\0" in str(value):
        raise ValueError("must be the path of a folder")
    return Path(str(value).strip()).expanduser().absolute()


def _read_file(value: object, others: ValidationInfo) -> Path:
    """A file whose folder is BACKUP_DIR when none is named."""
    if value is not None:
        if not str(value).strip() or "\0" in str(value) or "://" in str(value):
            raise ValueError("must be the path of a file")
        return Path(str(value).strip()).expanduser().absolute()
    folder: Path | None = others.data.get("backup_dir")
    if folder is None:
        raise FollowsAFault
    return folder / METRICS_NAME


def _read_database(value: object) -> DatabaseUrl:
    return value if isinstance(value, DatabaseUrl) else DatabaseUrl.parse(_revealed(value))


def _read_journal_url(value: object) -> SecretStr:
    text = _revealed(value).strip()
    if text.startswith("sqlite:///") and len(text) > len("sqlite:///") and ":memory:" not in text:
        return SecretStr(text)
    if text.startswith("sqlite:"):
        raise ValueError("must name a file, sqlite:///path/journal.sqlite3: a journal in memory forgets its runs")
    try:
        return SecretStr(DatabaseUrl.parse(text).revealed("postgresql+psycopg2"))
    except UrlFault as fault:
        raise ValueError(f"must be an sqlite:/// or a postgresql:// URL; this one {fault.predicate}") from None


def _read_service(value: object) -> SecretStr:
    text = _revealed(value).strip()
    scheme, separator, rest = text.partition("://")
    if not separator or not _SCHEME.fullmatch(scheme):
        raise ValueError(f"must be a URL like {_BROKER_EXAMPLE}")
    scheme = _SYNONYMS.get(scheme.lower(), scheme)
    if scheme not in _REDIS and (meant := difflib.get_close_matches(scheme.lower(), _REDIS, n=1, cutoff=0.8)):
        raise ValueError(f"begins with {scheme}://: did you mean {meant[0]}://?")
    text = f"{scheme}://{rest}"
    return SecretStr(_checked_redis(text) if scheme in _REDIS else text)


def _checked_redis(text: str) -> str:
    try:
        parts = urlsplit(text)
        _port = parts.port
    except ValueError:
        raise ValueError(f"cannot be read; it should look like {_BROKER_EXAMPLE}, and {_ENCODE}") from None
    if parts.fragment or "@" in parts.path + parts.query:
        raise ValueError(f"holds an @ or a # too many: {_ENCODE}")
    if not re.fullmatch(r"(/[0-9]*)?", parts.path):
        raise ValueError(f"must name its database by a number, as in {_BROKER_EXAMPLE}")
    return urlunsplit(parts._replace(query=_certificate_check(parts.scheme, parts.query)))


def _certificate_check(scheme: str, query: str) -> str:
    # celery refuses a rediss:// result backend that does not say whether certificates are checked, which is how
    # every provider hands such URLs out; and it writes CERT_NONE where redis-py wants `none`.
    query = re.sub(r"(?<=ssl_cert_reqs=)CERT_(\w+)", lambda found: found[1].lower(), query)
    if scheme == "rediss" and "ssl_cert_reqs=" not in query:
        query += "&" * bool(query) + "ssl_cert_reqs=required"
    return query


def _read_backend(value: object, others: ValidationInfo) -> SecretStr:
    if value is not None:
        return _read_service(value)
    broker = _broker(others)
    if not keeps_results(broker):
        raise ValueError("must be set: the broker cannot keep reports")
    return broker


def _read_lock(value: object, others: ValidationInfo) -> SecretStr:
    url = _lock_at(_broker(others)) if value is None else _read_service(value)
    if url is None:
        raise ValueError(f"must be set, {_BROKER_EXAMPLE}, since the broker is no Redis")
    if not _is_redis(url):
        raise ValueError(f"must be the URL of a Redis, {_BROKER_EXAMPLE}")
    return url


def _broker(others: ValidationInfo) -> SecretStr:
    broker: SecretStr | None = others.data.get("celery_broker_url")
    if broker is None:
        raise FollowsAFault
    return broker


def _lock_at(broker: SecretStr) -> SecretStr | None:
    text = broker.get_secret_value()
    if text.startswith("redis+socket://"):
        return SecretStr("unix" + text.removeprefix("redis+socket"))  # redis-py's word for it
    return broker if _is_redis(broker) else None


def _is_redis(url: SecretStr) -> bool:
    """Whether the lock can be kept there."""
    return url.get_secret_value().partition("://")[0] in (*_REDIS, "unix")


def keeps_results(url: SecretStr) -> bool:
    """Whether a broker can be the result backend too."""
    return url.get_secret_value().partition("://")[0] in (*_REDIS, "redis+socket", "sentinel")


def _revealed(value: object) -> str:
    return value.get_secret_value() if isinstance(value, SecretStr) else str(value)


def service_secrets(url: SecretStr) -> set[str]:
    """The passwords in a broker's or backend's URL: as written, raw, and percent-encoded; of all its servers."""
    found: set[str] = set()
    for part in url.get_secret_value().split(";"):
        authority, at, _ = part.partition("://")[2].rpartition("@")
        written = [authority.partition(":")[2]] if at else []
        written += re.findall(r"[?&](?:\w*password)=([^&]*)", part)
        found |= {form for text in written for raw in (unquote(text),) for form in (text, raw, quote(raw, safe=""))}
    return found - {""}


def _read_journal(value: object, others: ValidationInfo) -> SecretStr:
    if value is not None:
        return _read_journal_url(value)
    folder = others.data.get("backup_dir")
    if folder is None:
        raise FollowsAFault
    return SecretStr(f"sqlite:///{folder}/journal.sqlite3")


# The default of a setting that follows another one; its reader works it out.
FOLLOWS: Any = None


def processors() -> int:
    """How many this process may use; of more than 4, 4."""
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return min(4, usable or 1)


SourceOrTarget = Annotated[DatabaseUrl, PlainValidator(_read_database), PlainSerializer(str), Secret()]
ServiceUrl = Annotated[SecretStr, BeforeValidator(_read_service), Secret()]
BackendUrl = Annotated[SecretStr, BeforeValidator(_read_backend), Secret(), Shown("the broker")]
LockUrl = Annotated[SecretStr, BeforeValidator(_read_lock), Secret(), Shown("the broker, if it is a Redis")]
JournalUrl = Annotated[SecretStr, BeforeValidator(_read_journal), Secret(), Shown("`journal.sqlite3` in `BACKUP_DIR`")]
OffsiteUrl = Annotated[str | None, BeforeValidator(_read_offsite), Shown("nowhere")]
Endpoint = Annotated[str | None, BeforeValidator(_read_endpoint), Shown("Amazon's")]
Region = Annotated[str, BeforeValidator(_read_region)]
OptionalSecret = Annotated[SecretStr | None, BeforeValidator(_read_optional_secret), Secret(), Shown("none")]
AgeRecipients = Annotated[tuple[str, ...], BeforeValidator(_read_recipients), Shown("none")]
TableNames = Annotated[tuple[str, ...], BeforeValidator(_read_names)]
Folder = Annotated[Path, BeforeValidator(_read_path)]
Truth = Annotated[bool, BeforeValidator(_read_truth)]
Channels = Annotated[tuple[SecretStr, ...], BeforeValidator(read_channels), Secret(), Shown("nobody is told")]
PingUrl = Annotated[SecretStr | None, BeforeValidator(read_ping_url), Secret(), Shown("none is pinged")]
MetricsFile = Annotated[Path, BeforeValidator(_read_file), Shown("`metrics.prom` in `BACKUP_DIR`")]
