"""Where people are told: the channels of NOTIFY_URLS and the address of HEARTBEAT_URL, both secret as a whole.

Most of these addresses carry their secret in the path or in the host's place (slack://TokenA/TokenB/TokenC), so what
must be masked is not only a password.
"""

import re
from collections.abc import Iterator
from urllib.parse import unquote, urlsplit

from pydantic import SecretStr

EXAMPLE = "mailto://user:password@example.com"

_BETWEEN = re.compile(r"[,\s]+(?=[A-Za-z][A-Za-z0-9+.-]*://)")
_CHANNEL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://[^\s].*")
_PIECES = re.compile(r"[/:@?&=,;#+\s]+")
_SHORTEST_TOKEN = 12
_LONG = 40  # longer than a host's name is likely to be


def read_channels(value: object) -> tuple[SecretStr, ...]:
    """One or more apprise URLs, with commas or line breaks between them."""
    if isinstance(value, list | tuple):
        texts = [item.get_secret_value() if isinstance(item, SecretStr) else str(item) for item in value]
    else:
        texts = [part for part in _BETWEEN.split(_revealed(value).strip(" \t\r\n,")) if part]
    for number, text in enumerate(texts, start=1):
        if not _CHANNEL.fullmatch(text):
            raise ValueError(f"must be apprise URLs like {EXAMPLE}; number {number} of them is none")
    return tuple(SecretStr(text) for text in texts)


def read_ping_url(value: object) -> SecretStr | None:
    """The address of a dead man's switch, without a signal at its end."""
    if value is None:
        return None
    text = _revealed(value).strip()
    try:
        parts = urlsplit(text)
        sound = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        sound = False
    if not sound or re.search(r"\s", text):
        raise ValueError("must be a URL like https://hc-ping.com/<your check's uuid>")
    return SecretStr(text)


def told_secrets(url: SecretStr) -> set[str]:
    """What of such an address must never be shown: the whole, its path, its password, and all that looks like a token.

    A word (a host's name, a topic, a folder of a webhook) is none: masking it would blank it in every other line.
    """
    text = url.get_secret_value()
    found = {text, *_passwords(text), *_paths(text)}
    for piece in _PIECES.split(text):
        found |= {form for form in (piece, unquote(piece)) if _looks_like_a_token(form)}
    return found - {""}


def _passwords(text: str) -> Iterator[str]:
    entry, at, _ = text.partition("://")[2].partition("?")[0].rpartition("@")
    if at and (password := entry.partition(":")[2]):
        yield password
        yield unquote(password)


def _paths(text: str) -> Iterator[str]:
    """The path as an HTTP library's errors show it."""
    rest = text.partition("://")[2].partition("/")[2].partition("?")[0].rstrip("/")
    if len(rest) >= _SHORTEST_TOKEN:
        yield f"/{rest}"


def _looks_like_a_token(piece: str) -> bool:
    if len(piece) < _SHORTEST_TOKEN or ("." in piece and len(piece) < _LONG):
        return False
    return (any(map(str.isdigit, piece)) and any(map(str.isalpha, piece))) or len(piece) >= 2 * _SHORTEST_TOKEN


def _revealed(value: object) -> str:
    return value.get_secret_value() if isinstance(value, SecretStr) else str(value)
