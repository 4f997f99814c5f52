"""Step 6: the backup database, through its real URL, against the source as it was when it was dumped."""

import logging
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from threading import Event
from typing import Any

from sqlalchemy.engine import Connection

from tasks.engine.background import beside
from tasks.engine.content import (
    Content,
    Earlier,
    compare_content,
    definitions_digest,
    describe_changes,
    earlier,
    read_content,
    statistics,
)
from tasks.engine.errors import FenceBroken, Held, NotEqual, ServerUnreachable
from tasks.engine.faultpoints import fault_point
from tasks.engine.guards import (
    NOT_OVERWRITTEN,
    demand_same_properties,
    demand_same_rights,
    demand_unwritten,
    written_meanwhile,
)
from tasks.engine.manifest import Manifest
from tasks.engine.mark import TargetState, parse_mark, read_state
from tasks.engine.proof import demand_equal
from tasks.engine.run import Run

log = logging.getLogger(__name__)

_RETRY_S = 2.0


@dataclass(frozen=True, kw_only=True)
class Verified:
    """The target is proved equal to the source's snapshot."""

    stats: dict[str, int | None]
    read_again: bool  # also the rows

    def counts(self) -> str:
        return ", ".join(f"{rows} {name}" for name, rows in self.stats.items() if rows is not None)

    def summary(self) -> str:
        known = "" if self.read_again else "; its rows as they were proved: no transaction has written since"
        return f"equal to the source as it was dumped: {self.counts() or 'no statistics table exists'}{known}"


def verify_target(run: Run, source: Manifest, safety: Manifest) -> Verified:
    """NotEqual when the target was read and differs; a target that cannot be reached is asked again until the limit.

    Before that, with swap, a second look at the database that was replaced: Held when somebody wrote to it
    after the safety backup.
    """
    while True:
        try:
            return confirm(run, source, safety, unlogged=True)
        except ServerUnreachable as error:
            run.watch.check()
            log.warning("the verification waits: %s", error, extra={"event": "verification_waits"})
            time.sleep(min(_RETRY_S, run.watch.remaining_s))


def confirm(run: Run, source: Manifest, safety: Manifest, *, unlogged: bool) -> Verified:
    """One verification of a published copy. unlogged=False after a possible crash of the server.

    Held where nothing was loaded and the content differs: then somebody else wrote what stands there.
    """
    run.progress.begin("verifying")
    unwritten = Event()
    with _target_read(run, source, unwritten.set) as read:
        rights = None if run.settings.keep_owners else safety.grants
        _demand_previous_unwritten(run, safety.content, rights, safety.properties)
        connection, content = read()
        fault_point("verify_target.middle")
        verified = Verified(stats=statistics(content, run.settings.stats_tables), read_again=not unwritten.is_set())
        run.keep(backup_stats=verified.stats, definitions=definitions_digest(content))
        try:
            demand_equal(source.content, content, connection, what="the backup database", unlogged=unlogged)
        except NotEqual as error:
            # Not for rows alone that a crash empties: they were nobody's write.
            if run.nothing_replaced and compare_content(source.content, content, connection, unlogged=False):
                told = "it stands there, beside what this run brought" if run.wrote_tables else NOT_OVERWRITTEN
                what = describe_changes(source.content, content)
                raise Held(written_meanwhile(run.target_name, what, told=told)) from error
            raise
    log.info("✅ Railway backup verification: %s", verified.counts(), extra={"event": "verified"})
    return verified


@contextmanager
def _target_read(
    run: Run, source: Manifest, unwritten: Callable[[], None]
) -> Iterator[Callable[[], tuple[Connection, Content]]]:
    """Read the target beside other work. What comes back waits for it; FenceBroken when the mark is not this run's.

    unwritten: is called when nobody wrote since the copy was proved, so that its rows need not be read again.
    """
    before = _as_proved(run, source, unwritten)
    with ExitStack() as session:

        def read() -> tuple[Connection, Content]:
            connection = session.enter_context(run.target.open(repeatable=True))
            _demand_our_mark(run, connection)
            return connection, read_content(
                connection, progress=run.progress.tables_done, privileges=source.privileges, before=before
            )

        with beside(read, name="reading the target") as reading:
            yield reading.result


def _as_proved(run: Run, source: Manifest, unwritten: Callable[[], None]) -> Earlier | None:
    """What the published copy held when it was proved; None: all of it is to be read a second time."""
    proved = run.facts.get("proved")
    # Whoever ends a run that died reads all: a rollback that did not come to its end has proved something, too.
    if proved is None or run.closer is not None:
        return None
    mark = parse_mark(proved["comment"])
    if proved["digest"] != source.content_digest or mark is None or mark.run_id != run.id:
        return None
    known = earlier(source.content, snapshot=proved["snapshot"], mark=proved["comment"])
    return known and replace(known, unwritten=unwritten)


def _demand_our_mark(run: Run, connection: Connection) -> None:
    state = read_state(connection, run.target_name)
    if state is None or state.mark is None or state.mark.run_id != run.id:
        raise FenceBroken(
            f"the backup database {run.target_name} does not carry this run's mark any more: somebody else "
            "published to it; it is left alone"
        )


def look_at_previous(run: Run, expected: Content, rights: str | None, properties: Mapping[str, Any]) -> None:
    """Nobody can write to the replaced database now; Held when somebody did, before it was replaced.

    rights: in it, as a manifest has them; none where they were not to be kept. properties: what it had of its own.
    """
    run.progress.begin("looking again at what was replaced")
    _demand_previous_unwritten(run, expected, rights, properties)


def _demand_previous_unwritten(run: Run, expected: Content, rights: str | None, properties: Mapping[str, Any]) -> None:
    told = "what was written is kept and the old content has its place again"
    if run.nothing_replaced or run.facts["method"] != "swap":
        return
    try:
        # Read only: what functions of its content would write, the session that reads the copy might wait for, and
        # each of the two is waited for by us: no server sees that deadlock.
        with replace(run.target, read_only=True).open(run.previous_name, repeatable=True) as connection:
            demand_unwritten(read_content(connection), expected, run.target_name, told=told)
            demand_same_rights(connection, rights, run.target_name, told=told)
            demand_same_properties(connection, run.previous_name, properties, run.target_name, told=told)
    except ServerUnreachable:
        if previous_state(run) is None:
            return
        raise


def previous_state(run: Run) -> TargetState | None:
    """The database that this run replaced by swap, while it is still there."""
    with run.target.open(run.facts["maintenance"], autocommit=True) as connection:
        return read_state(connection, run.previous_name)
