"""The address of one PostgreSQL database, read once."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from urllib.parse import quote

from config.url_reading import UrlFault, read_url

__all__ = ["DatabaseUrl", "UrlFault"]


@dataclass(frozen=True, kw_only=True, repr=False)
class DatabaseUrl:
    """Where a database is and how to enter it; host, port and dbname are always set.

    items: libpq's keywords and values, password included; notes: what was dropped or changed, in sentences.
    """

    items: tuple[tuple[str, str], ...]
    secrets: tuple[str, ...]
    notes: tuple[str, ...] = ()

    @classmethod
    def parse(cls, text: str) -> "DatabaseUrl":
        """Read a URL as Neon, Railway and Heroku give it, or a string of keywords (host=... dbname=...).

        Raises UrlFault.
        """
        params, secrets, notes = read_url(text)
        return cls(items=tuple(sorted(params.items())), secrets=secrets, notes=notes)

    @property
    def params(self) -> Mapping[str, str]:
        """libpq's keywords and values, for psycopg2.connect(**params) or a service file; holds the password."""
        return dict(self.items)

    @property
    def host(self) -> str:
        """The host's name or address; for a Unix socket its folder, which begins with a slash."""
        return self.params["host"]

    @property
    def port(self) -> int:
        return int(self.params["port"])

    @property
    def user(self) -> str:
        """The role; empty when the URL names none, so that libpq takes the name of the system's user."""
        return self.params.get("user", "")

    @property
    def dbname(self) -> str:
        return self.params["dbname"]

    @property
    def shown(self) -> str:
        """The URL for people: no password, no parameters."""
        return self._rendered("postgresql", hide=True)

    @property
    def identity(self) -> str:
        """Which database it is, whoever enters it: direct host, port and name."""
        return f"{_direct_host(self.host).lower().rstrip('.')}:{self.port}/{self.dbname}"

    def revealed(self, scheme: str = "postgresql") -> str:
        """The whole URL, password included, for a library that takes nothing else; never for a person."""
        return self._rendered(scheme, hide=False)

    def with_database(self, name: str) -> "DatabaseUrl":
        """The same server and user, another database."""
        return self._with(dbname=name)

    def direct(self) -> "tuple[DatabaseUrl, str | None]":
        """The URL that passes by Neon's pooler, and a sentence about the change, or itself and None.

        Neon marks its pooler (PgBouncer in transaction mode) by `-pooler` at the end of the host's first label.
        No snapshot can be held and no session lock taken through it, and pg_dump fails.
        """
        host = _direct_host(self.host)
        if host == self.host:
            return self, None
        note = f"{self.host} is a pooler, which cannot carry a dump: the direct host {host} is used instead"
        return self._with(host=host), note

    def __repr__(self) -> str:
        return f"DatabaseUrl({self.shown!r})"

    def __str__(self) -> str:
        return self.shown

    def _with(self, **changes: str) -> "DatabaseUrl":
        return replace(self, items=tuple(sorted({**self.params, **changes}.items())))

    def _rendered(self, scheme: str, hide: bool) -> str:
        params = dict(self.items)
        host, port, dbname = params.pop("host"), params.pop("port"), params.pop("dbname")
        entry = quote(params.pop("user", ""), safe="")
        if password := params.pop("password", ""):
            entry += ":" + ("***" if hide else quote(password, safe=""))
        shown = {} if hide else params
        place = f"[{host}]" if ":" in host else host
        if host.startswith("/"):
            place, shown = "", {"host": host, **shown}
        query = "&".join(f"{name}={quote(value, safe='/')}" for name, value in shown.items())
        return (
            f"{scheme}://{entry}{'@' if entry else ''}{place}:{port}/{quote(dbname, safe='')}"
            f"{'?' if query else ''}{query}"
        )


def _direct_host(host: str) -> str:
    label, dot, domain = host.partition(".")
    return label.removesuffix("-pooler") + dot + domain if dot else host
