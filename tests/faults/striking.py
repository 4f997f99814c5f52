"""A run is brought to an instant, and held there for the blow."""

import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import psycopg2
import redis
from celery.result import AsyncResult
from kombu.exceptions import OperationalError

from tests.faults.cell import Cell
from tests.faults.instants import BEFORE_BEAT, ENDING, PUBLISHING, is_held_by_program, rolls_back
from tests.faults.scene import Scene
from tests.support.installation import ask
from tests.support.workers import gate, wait_until

_LOOK_S = 2.0
_REACH_S = 60.0
_WAITS_FOR_US = (
    "SELECT pid FROM pg_stat_activity WHERE application_name LIKE 'railway-neon-sync/%' AND wait_event_type = 'Lock'"
)
_WRITTEN_BY_SOMEBODY = "UPDATE public.users SET display_name = 'written by somebody' WHERE id = 4"
WRITTEN = "SELECT count(*) FROM public.users WHERE id = 4 AND display_name = 'written by somebody'"


class EndedBefore(Exception):
    """The run ended before its blow: where the machine is busy, a message waits for longer than the hurried times."""


@contextmanager
def struck(scene: Scene, cell: Cell) -> Iterator[tuple[AsyncResult | None, int, Path | None]]:
    """A run that stands at the cell's instant while inside: the run, the process that is there, and what holds it.

    With the beat as victim, beat sends it: which run that is, the journal knows when it goes on.
    """
    if cell.after_s is not None:
        run = send(scene)
        time.sleep(cell.after_s)
        yield run, _working_child(scene), None
        return
    held = _arm(scene, cell)
    sent = None if cell.victim == "beat" else send(scene)
    if cell.victim == "beat":
        scene.beat_before_its_next_slot()
    if cell.instant == BEFORE_BEAT:
        yield None, scene.worker.pid, None
        return
    if rolls_back(cell.instant):
        _let_somebody_write(scene)
    pid = _reach(scene, held, cell, sent)
    with _publishing_held(scene, cell, held):
        yield sent, pid, held


def send(scene: Scene) -> AsyncResult:
    """Redis may have been killed in the cell before: the client's connection is found dead by the first message."""
    for _ in range(5):
        with suppress(OperationalError, redis.RedisError):
            return scene.client.send()
        time.sleep(0.5)
    raise AssertionError("the run could not be sent")


def release(held: Path) -> None:
    """Let the run go on."""
    if held.suffix == ".hold":
        held.unlink(missing_ok=True)
    else:
        held.touch()


def _arm(scene: Scene, cell: Cell) -> Path:
    home = scene.installation.home
    if is_held_by_program(cell.instant):
        held = home / f"{cell.instant}.hold"
        held.with_name(f"{held.name}.reached").unlink(missing_ok=True)
        held.touch()
        return held
    point = "publish.before" if cell.instant in PUBLISHING else cell.instant
    held = gate(scene.installation, point)
    before = f"publish.after=wait:{gate(scene.installation, 'published')}," if rolls_back(cell.instant) else ""
    scene.worker.fault(f"{before}{point}=wait:{held}")
    return held


def _let_somebody_write(scene: Scene) -> None:
    """To the copy, just after it was published: it must be taken back."""
    published = scene.installation.home / "published.gate"
    reached = published.with_name(f"{published.name}.reached")

    def look() -> bool:
        scene.tend()
        return reached.exists()

    wait_until(look, "the run to publish", _REACH_S)
    scene.installation.on_target(_WRITTEN_BY_SOMEBODY)
    published.touch()


def _reach(scene: Scene, held: Path, cell: Cell, run: AsyncResult | None) -> int:
    """The process that stands at the instant: the worker's child, also where a program is held."""
    reached = held.with_name(f"{held.name}.reached")
    give_up = time.monotonic() + _REACH_S
    look_at = time.monotonic() + _LOOK_S
    while not (reached.exists() and reached.read_text().strip()):
        assert time.monotonic() < give_up, f"the run never came to {cell.instant}: {_where(scene, run)}"
        if time.monotonic() > look_at:
            look_at += _LOOK_S
            row = scene.journal(run.id) if run is not None and cell.instant not in ENDING else None
            if row is not None and row["state"] == "ended":
                raise EndedBefore(f"the run ended before it came to {cell.instant}: {row['outcome']}, {row['error']}")
        scene.tend()  # Celery may end a worker some time after its Redis went away, in the cell before
        time.sleep(0.02)
    pid = int(reached.read_text())
    return _parent(pid) if is_held_by_program(cell.instant) else pid


def _where(scene: Scene, run: AsyncResult | None) -> str:
    """What the journal knows of a run that is not where it should be."""
    row = scene.journal(run.id) if run is not None else None
    return f"{row['state']}, {row['outcome']}, {row['error']}" if row is not None else "it was not begun"


@contextmanager
def _publishing_held(scene: Scene, cell: Cell, held: Path) -> Iterator[None]:
    """For an instant inside the publishing transaction: its server process waits for a lock of ours while inside."""
    if cell.instant not in PUBLISHING:
        yield
        return
    server, name = scene.installation.target_server, scene.installation.target_name
    beside = [
        row[0] for row in ask(server.dsn(), f"SELECT datname FROM pg_database WHERE datname ~ '^{name}__incoming'")
    ]
    statement = PUBLISHING[cell.instant][cell.method].format(target=name, incoming=(beside or [""])[0])
    with closing(psycopg2.connect(server.dsn())) as connection, connection.cursor() as cursor:
        cursor.execute(f"SET lock_timeout = '5s'; {statement}")
        release(held)
        wait_until(lambda: ask(server.dsn(), _WAITS_FOR_US), f"the run to come to {cell.instant}", timeout_s=10)
        yield
        with suppress(psycopg2.Error):  # the server may be the victim
            connection.rollback()


def _parent(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def _working_child(scene: Scene) -> int:
    """The pool process that has worked most, which is likely the one that works."""
    main = scene.worker.pid
    children = [int(word) for word in Path(f"/proc/{main}/task/{main}/children").read_text().split()]
    return max(children, key=_cpu_ticks, default=main)


def _cpu_ticks(pid: int) -> int:
    with suppress(OSError):
        words = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return int(words[11]) + int(words[12])
    return 0
