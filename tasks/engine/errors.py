"""What can go wrong, as a person should read it. The class decides what becomes of the run.

An error says what happened, to what, and what the operator does next. None ever holds a password.
"""

from collections.abc import Sequence


class BackupError(Exception):
    """The base of all our errors: the run stops, and its report says this sentence."""


class SettingsError(BackupError, ValueError):
    """Something that the operator set cannot be used; all faults stand in one message."""


class ServerUnreachable(BackupError, ConnectionError):
    """A database server did not answer. Never a proof that its content is wrong."""


class Refused(BackupError):
    """A server refused a statement of ours and still answers."""


class ToolFailed(BackupError):
    """A program of PostgreSQL ended with an error or could not be started.

    tool: its name; exit_status: None when it was never started or was ended by us; stderr: its last lines.
    """

    def __init__(self, message: str, *, tool: str, exit_status: int | None = None, stderr: str = "") -> None:
        super().__init__(message)
        self.tool, self.exit_status, self.stderr = tool, exit_status, stderr


class NoClient(BackupError):
    """No pg_dump on this machine is as new as the server."""


class DumpRefused(BackupError):
    """A dump file is incomplete, damaged, not the one that was meant, or holds what must not be run."""


class SourceBusy(BackupError):
    """Somebody at the source waited behind our dump for too long, or a table there stayed locked."""


class LoadFailed(BackupError):
    """The target's server refused a statement of the dump."""


class NotEqual(BackupError):
    """A database was read and proved to differ from its manifest.

    differences: one sentence each, the most telling first.
    """

    def __init__(self, message: str, differences: Sequence[str]) -> None:
        super().__init__(message)
        self.differences = tuple(differences)


class DeadlineExceeded(BackupError, TimeoutError):
    """A step took longer than its limit in seconds."""


class LeaseHeld(BackupError):
    """Another run holds the lock; this one is skipped, not failed."""


class RunLost(BackupError):
    """This run is no longer ours to continue: another process took it over, or the lock went to another run."""


class Held(BackupError):
    """A guard forbids to overwrite the target. Nothing was changed; the message names what lifts it."""


class FenceBroken(BackupError):
    """The target's mark is not the one that was read at the safety backup: somebody else published meanwhile."""


class OffsiteFailed(BackupError):
    """The off-site storage did not take, list or give what it should. Never a reason for a run to fail."""


class StorageFull(BackupError, OSError):
    """The disk of the dumps, or the target's, has no room for what must be written."""
