"""What a server said of its full disk is told, whatever psycopg2 raises in the end."""

import itertools

import psycopg2
import psycopg2.errors
import pytest

from tasks.engine.connections import failure_of_full_disk
from tasks.engine.errors import ServerUnreachable, StorageFull

_SAID = 'could not write to file "pg_wal/xlogtemp.7": No space left on device'


def chained(*errors: Exception) -> Exception:
    """The last of them, each raised from the one before."""
    for cause, error in itertools.pairwise(errors):
        error.__cause__ = cause
    return errors[-1]


def test_a_full_disk_is_told_with_what_to_do() -> None:
    found = failure_of_full_disk("target", psycopg2.errors.DiskFull(_SAID), lost=False)
    assert isinstance(found, StorageFull)
    assert str(found) == f"the disk of the target is full: {_SAID}; make room there, then run again"


def test_a_server_that_ended_itself_for_it_is_out_of_reach_and_the_reason_is_told() -> None:
    """Seen with PostgreSQL 17 and psycopg2 2.9 while a COPY was sent."""
    error = chained(psycopg2.errors.DiskFull(_SAID), SystemError("decode"), psycopg2.OperationalError("invalid socket"))
    found = failure_of_full_disk("target", error, lost=True)
    assert isinstance(found, ServerUnreachable)
    assert str(found).startswith(f"the target ended itself, since its disk is full: {_SAID}; make room there")


@pytest.mark.parametrize("error", [None, psycopg2.OperationalError("server closed the connection unexpectedly")])
def test_another_error_is_none_of_a_full_disk(error: Exception | None) -> None:
    assert failure_of_full_disk("target", error, lost=True) is None
