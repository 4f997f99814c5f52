"""Where a dump is restored to: an address that need not stand in the process list."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from config.settings import Settings, demand_set
from config.urls import DatabaseUrl, UrlFault
from worker.commands.boundary import remember_secrets

Command = TypeVar("Command", bound=Callable[..., Any])

HELP = (
    "The database: a URL, `-` to be asked for it, `@FILE` to read it from a file, or `target` for RAILWAY_BACKUP_DB_URL"
)


def read_place(text: str | None, settings: Settings, *, option: str, variable: str) -> DatabaseUrl:
    """The address that an option or, without it, a variable gives; past any pooler, its password masked from now on."""
    given = text if text is not None else os.environ.get(variable)
    if not given:
        raise click.UsageError(f"say where: {option} URL, {option} - to be asked for it, or the variable {variable}")
    if given == "target":
        demand_set(settings, "RAILWAY_BACKUP_DB_URL")
        return settings.target
    try:
        url = DatabaseUrl.parse(_read(given, option)).direct()[0]
    except UrlFault as fault:
        raise click.UsageError(f"the address of {option} {fault.predicate}") from None
    remember_secrets((*settings.secrets, *url.secrets))
    return url


def identity_option(command: Command) -> Command:
    """`--identity FILE`: the secret key of age for encrypted dumps."""
    return click.option(
        "--identity",
        "keys",
        metavar="FILE",
        callback=_read_keys,
        type=click.Path(),
        help="The file of age's secret key, for an encrypted dump.",
    )(command)


def _read_keys(_ctx: click.Context, _parameter: click.Parameter, path: str | None) -> tuple[str, ...]:
    if path is None:
        return ()
    from tasks.engine.packing import key_of  # noqa: PLC0415 - age, for whom needs it

    try:
        return (key_of(Path(path).read_text(encoding="utf-8")),)
    except (OSError, UnicodeDecodeError):
        raise click.UsageError("the file that --identity names cannot be read") from None
    except Exception:  # noqa: BLE001 - age says of each mistake in a key another thing, and may repeat the key
        raise click.UsageError("the file that --identity names must hold one secret key of age") from None


def complete_places(
    _ctx: click.Context, _parameter: click.Parameter, begun: str
) -> list[click.shell_completion.CompletionItem]:
    """For the shell."""
    return [click.shell_completion.CompletionItem(word) for word in ("target", "-") if word.startswith(begun)]


def _read(given: str, option: str) -> str:
    if given == "-":
        return str(click.prompt("The database's URL", hide_input=True, err=True))
    if not given.startswith("@"):
        return given
    try:
        return Path(given[1:]).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no text"
        raise click.UsageError(f"the file that {option} names cannot be read: {reason}") from None
