"""Where errors become sentences and exit codes, and where settings are read for a person who waits."""

import errno
import os
import sys
import traceback
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any, TypeVar

import click

from config.logs import harmless, mask
from config.settings import Settings, SettingsFault, load_settings
from tasks.engine.errors import BackupError

EXIT_CODES = {
    "succeeded": 0,
    "failed": 1,
    "rolled_back": 1,
    "missed": 1,
    "held": 3,
    "skipped": 4,
    "rollback_failed": 5,
}
FAILED, USAGE, INTERRUPTED = 1, 2, 130

_DEBUG, _SECRETS, _FAILURE = (f"railway_neon_sync.{name}" for name in ("debug", "secrets", "failure"))
# Nobody's bug: a disk that can only be read, that is broken, or whose server went away.
_DISK = frozenset({errno.EROFS, errno.EIO, errno.ESTALE, errno.ENOTCONN})
_Command = TypeVar("_Command", bound=Callable[..., Any])


class ExplainingGroup(click.Group):
    """Ends with a sentence on standard error and an exit code, whatever a command raises."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except (click.exceptions.Exit, click.ClickException, BrokenPipeError):
            raise
        except click.Abort as unanswered:
            # click makes the same of Ctrl-C at a question and of nobody there to answer it, as under cron
            if isinstance(unanswered.__context__, KeyboardInterrupt):
                _tell(ctx, "interrupted; nothing was changed")
                ctx.exit(INTERRUPTED)
            _tell(ctx, f"nobody answered, and nothing was changed; how to answer in the command: {_help_of(ctx)}")
            ctx.exit(USAGE)
        except SettingsFault as fault:
            _tell(ctx, settings_lines(fault))
            ctx.exit(USAGE)
        except BackupError as error:
            _tell(ctx, str(error))
            ctx.exit(_failure(ctx))
        except PermissionError as error:
            _tell(ctx, f"this user may not open {error.filename}: type it as the user who runs the worker (sudo -u)")
            ctx.exit(_failure(ctx))
        except KeyboardInterrupt as interruption:
            _tell(ctx, f"interrupted; {str(interruption) or 'nothing was changed'}")
            ctx.exit(INTERRUPTED)
        except Exception as error:  # noqa: BLE001 - the last resort: a bug, told as such
            _tell(ctx, _of_the_disk(error) or _unexpected(ctx, error))
            ctx.exit(_failure(ctx))


def debug_option(command: _Command) -> _Command:
    """`--debug`, before or after the command's name."""

    def switch_on(ctx: click.Context, _: click.Parameter, wanted: bool) -> None:
        ctx.meta[_DEBUG] = wanted or _debugging(ctx)

    return click.option(
        "--debug",
        is_flag=True,
        expose_value=False,
        is_eager=True,
        callback=switch_on,
        help="Show every log line, and where an error came from.",
    )(command)


def debugging() -> bool:
    """Whether the command that runs now was called with --debug."""
    return _debugging(click.get_current_context())


def fail_with(code: int) -> None:
    """The exit status of the command that runs now, whatever stops it, in place of 1."""
    click.get_current_context().meta[_FAILURE] = code


def read_settings(*, without: Collection[str] = ()) -> Settings:
    """The settings, with their warnings told on standard error. Raises SettingsFault, which tells every fault.

    without: URLs that need not be set: on the day when a database is gone, nobody should have to invent its address.
    """
    settings = load_settings(without=without)
    remember_secrets(settings.secrets)
    for warning in settings.warnings:
        say(f"warning: {warning}")
    if settings.unset and (folder := _folder_without_settings()):
        say(f"note: {folder}")
    return settings


def remember_secrets(secrets: tuple[str, ...]) -> None:
    """What must never stand in a message of this command."""
    click.get_current_context().meta[_SECRETS] = secrets


def say(text: str) -> None:
    """One line for a person, on standard error."""
    click.echo(text, err=True)


def _debugging(ctx: click.Context) -> bool:
    return bool(ctx.meta.get(_DEBUG))


def _failure(ctx: click.Context) -> int:
    return int(ctx.meta.get(_FAILURE, FAILED))


def _of_the_disk(error: Exception) -> str | None:
    if isinstance(error, OSError) and error.errno in _DISK and error.filename:
        return f"{error.filename} cannot be used: {error.strerror}; see the disk on which it lies"
    return None


def _unexpected(ctx: click.Context, error: Exception) -> str:
    hint = "" if _debugging(ctx) else "; with --debug it shows where"
    return f"an unexpected error, {type(error).__name__}: {error}{hint}"


def _help_of(ctx: click.Context) -> str:
    return f"{ctx.find_root().info_name} {ctx.invoked_subcommand} --help"


def _folder_without_settings() -> str | None:
    """At night most settings are missing because somebody stands in another folder."""
    if os.environ.get("RNS_ENV_FILE") or Path(".env").is_file():
        return None
    return f"there is no .env in {Path.cwd()}: if it lies in another folder, go there and type this again"


def settings_lines(fault: SettingsFault) -> str:
    """Every fault, and whether somebody stands in the wrong folder; a line each."""
    count = len(fault.faults)
    folder = _folder_without_settings() if any(" is not set" in sentence for sentence in fault.faults) else None
    lines = "".join(f"\n  {sentence}" for sentence in (*fault.faults, *([folder] if folder else ())))
    return f"{'a setting' if count == 1 else f'{count} settings'} cannot be used:{lines}"


def _tell(ctx: click.Context, text: str) -> None:
    secrets = ctx.meta.get(_SECRETS, ())
    if _debugging(ctx):
        sys.stderr.write(harmless(mask(traceback.format_exc(), secrets)))
    say(harmless(mask(f"{ctx.find_root().info_name}: {text}", secrets)))
