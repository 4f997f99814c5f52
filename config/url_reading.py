"""Reads a database's address as people write it, with libpq's own parser and the checks that libpq leaves out."""

import ipaddress
import re
from collections.abc import Mapping
from urllib.parse import quote

import psycopg2
from psycopg2.extensions import parse_dsn

EXAMPLE = "postgresql://user:password@host:5432/database"
DEFAULT_PORT = 5432

_SCHEME = re.compile(r"postgres(?:ql)?(?:\+\w+)?://", re.IGNORECASE)
_OTHER_SCHEME = re.compile(r"[a-z][a-z0-9+.-]{0,20}://", re.IGNORECASE)
_HOST_NAME = re.compile(r"[\w.-]+")
_PARAMETER = re.compile(r"[A-Za-z_][\w.-]{0,40}")

_ENCODE = "a password that holds @ / : ? # % or a space must be percent-encoded (@ as %40, / as %2F, % as %25 ...)"
_CHOICES: Mapping[str, tuple[str, ...]] = {
    "sslmode": ("disable", "allow", "prefer", "require", "verify-ca", "verify-full"),
    "channel_binding": ("disable", "prefer", "require"),
}
# What other programs write where libpq wants sslmode (asyncpg: ssl=require, JDBC: ssl=true, node: no-verify).
# Dropping these would quietly give up the encryption that was asked for.
_SSL = {"true": "require", "1": "require", "no-verify": "require", "false": "disable", "0": "disable"}
# libpq knows these, but they change what a dump reads or how it is written.
_NOT_OURS = ("client_encoding", "replication")
_SECRET_KEYWORDS = ("password", "sslpassword", "oauth_client_secret", "scram_client_key", "scram_server_key")


class UrlFault(ValueError):
    """A database URL cannot be used; the sentence shows nothing that could be a part of its password.

    predicate: the sentence without its subject, to be put after a setting's name.
    """

    def __init__(self, predicate: str) -> None:
        super().__init__(f"the database URL {predicate}")
        self.predicate = predicate


def read_url(text: str) -> tuple[dict[str, str], tuple[str, ...], tuple[str, ...]]:
    """libpq's parameters, each form in which a secret among them may turn up, and what was dropped or changed.

    host, port and dbname are always among the parameters. Raises UrlFault.
    """
    notes: list[str] = []
    if "\0" in text:
        raise UrlFault("cannot be read: it holds a null character")  # libpq would stop reading there
    text, as_written = _unquoted(text.strip(), notes), ""
    if scheme := _SCHEME.match(text):
        body = text[scheme.end() :]
        params = _read_uri(body, notes)
        as_written = _split(body)[0][:-1].partition(":")[2]
    elif other := _OTHER_SCHEME.match(text):
        raise UrlFault(f"begins with {other.group()}, not with postgresql://")
    else:
        params = _read_keywords(text)
    params = _checked(params, notes)
    return params, _secrets(params, as_written), tuple(notes)


def _unquoted(text: str, notes: list[str]) -> str:
    # `docker run --env-file` hands quotes on as a part of the value.
    if len(text) > 1 and text[0] == text[-1] and text[0] in "'\"":
        notes.append("the quotes around the URL were dropped")
        return text[1:-1].strip()
    return text


def _split(body: str) -> tuple[str, str]:
    """User and password as they are written, with the @ behind them, and the rest: where libpq parts them."""
    end = body.partition("/")[0].rfind("@") + 1
    return body[:end], body[end:]


def _read_uri(body: str, notes: list[str]) -> dict[str, str]:
    credentials, address = _split(body)
    # libpq takes the first @ for the end of the password, and shows what follows as a host in its errors.
    if "@" in credentials[:-1] or "@" in address:
        raise UrlFault(f"holds an @ too many: {_ENCODE}")
    place, _, query = address.partition("?")
    if place.count("/") > 1:
        raise UrlFault(f"holds a / too many: {_ENCODE}")
    kept = "&".join(_parameters(query, notes))
    return _parsed(f"postgresql://{credentials}{place}" + f"?{kept}" * bool(kept))


def _parameters(query: str, notes: list[str]) -> list[str]:
    """The query's parameters that libpq takes, each as name=value."""
    return [kept for part in query.split("&") if part and (kept := _parameter(part, notes))]


def _parameter(part: str, notes: list[str]) -> str | None:
    name, equals, value = part.partition("=")
    if not equals or not _PARAMETER.fullmatch(name):
        raise UrlFault(f"has something after its ? that is not name=value: {_ENCODE}")
    if name == "sslmode" and value in _SSL:
        notes.append(f"sslmode={value} is not PostgreSQL's; read as sslmode={_SSL[value]}")
        return f"sslmode={_SSL[value]}"
    if name == "ssl":
        mode = _SSL.get(value, value)
        notes.append(f"the parameter ssl is not PostgreSQL's; read as sslmode={mode}" * (mode in _CHOICES["sslmode"]))
        return f"sslmode={mode}"
    if not _known_to_libpq(name):
        notes.append(f"the parameter {name} is not PostgreSQL's and was dropped")
        return None
    return part


def _known_to_libpq(name: str) -> bool:
    try:
        return bool(parse_dsn(f"{name}=x"))
    except psycopg2.ProgrammingError:
        return False


def _read_keywords(text: str) -> dict[str, str]:
    if "=" not in text:
        raise UrlFault(f"is not a PostgreSQL URL, which looks like {EXAMPLE}")
    return _parsed(text)


def _parsed(text: str) -> dict[str, str]:
    try:
        return {name: value for name, value in parse_dsn(text).items() if value}
    except (psycopg2.Error, ValueError):
        # libpq's sentence repeats the part that it could not read: often a piece of the password.
        pass
    if "://" in text:
        raise UrlFault(f"cannot be read; it should look like {EXAMPLE}, and {_ENCODE}")
    raise UrlFault("cannot be read as keywords: each is name=value, and a value with spaces stands in '...'")


def _checked(params: dict[str, str], notes: list[str]) -> dict[str, str]:
    """The parameters with host, port and dbname all set and sound."""
    dropped = [name for name in _NOT_OURS if params.pop(name, None)]
    notes += [f"the parameter {name} would change what is read and was dropped" for name in dropped]
    if "service" in params:
        raise UrlFault(f"names a service; write out host, user and database: {EXAMPLE}")
    if not params.get("dbname"):
        raise UrlFault(f"names no database; it should look like {EXAMPLE}")
    if "host" not in params:
        # libpq would take PGHOST, or a folder that differs from one build of it to the next.
        raise UrlFault(f"names no host: {EXAMPLE}, or for a local socket postgresql:///db?host=/var/run/postgresql")
    _check_host(params["host"])
    _check_choices(params)
    return {**params, "port": _port(params.get("port", str(DEFAULT_PORT)))}


def _check_host(host: str) -> None:
    if "," in host:
        raise UrlFault("names several hosts; a copy is made from one server to one server")
    if host.startswith("/") or _HOST_NAME.fullmatch(host):
        return
    try:
        ipaddress.IPv6Address(host)
    except ValueError:
        # What stands there may be the tail of a badly quoted password: it is not shown.
        raise UrlFault(f"has a host that cannot be one; {_ENCODE}") from None


def _port(text: str) -> str:
    # Of postgresql://user:pass/word@host/db libpq takes `pass` for the port: it is not shown.
    if not (text.isascii() and text.isdigit() and 0 < int(text) < 65536):
        raise UrlFault(f"has a port that is not a number from 1 to 65535; {_ENCODE}")
    return str(int(text))


def _check_choices(params: Mapping[str, str]) -> None:
    for name, choices in _CHOICES.items():
        if name in params and params[name] not in choices:
            raise UrlFault(f"has an unknown {name}; it must be one of {', '.join(choices)}")


def _secrets(params: Mapping[str, str], as_written: str) -> tuple[str, ...]:
    """Each form in which a secret of the URL may turn up: raw, percent-encoded, and as it was written."""
    found = {as_written}
    for keyword in _SECRET_KEYWORDS:
        if value := params.get(keyword):
            found |= {value, quote(value, safe=""), quote(value, safe=" +"), quote(value)}
    return tuple(sorted(found - {""}))
