"""A short choice of the kill matrix; the whole of it is `make faults`."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from tasks import framing
from tasks.engine import beginning
from tests.faults import hurried_times
from tests.faults.building import scene_of
from tests.faults.cell import Cell
from tests.faults.instants import instants_of
from tests.faults.plan import SCENES, cells, random_cells, victims_of_plan
from tests.faults.playing import follow, play
from tests.faults.scene import Scene
from tests.faults.victims import VICTIMS

CHOICE = (
    Cell(method="swap", victim="group", instant="publish.after"),
    Cell(method="swap", victim="target", instant="publishing.second_rename"),
    Cell(method="in_place", victim="child", instant="publish.after"),
    Cell(method="in_place", victim="paused", instant="publish.before"),
    Cell(method="unchanged", victim="group", instant="publish.after"),
    Cell(method="unchanged", victim="child", instant="rollback.restored"),
    Cell(method="changed_tables", victim="backend", instant="publishing.commit"),
)


@pytest.fixture(scope="module")
def scenes() -> Iterator[Callable[[str], Scene]]:
    """One scene for each method, made when the first cell needs it."""
    with ExitStack() as stack:
        made: dict[str, Scene] = {}

        def scene(method: str) -> Scene:
            if method not in made:
                made[method] = stack.enter_context(scene_of(method))
            return made[method]

        yield scene


@pytest.mark.faults
@pytest.mark.parametrize("cell", CHOICE, ids=str)
def test_whatever_dies_the_copy_is_old_or_new_and_the_next_run_works(
    scenes: Callable[[str], Scene], cell: Cell
) -> None:
    verdict = play(scenes(cell.method), cell)
    follow(scenes(cell.method), verdict)
    assert verdict.failures == []


def test_every_victim_of_the_plan_is_one_and_every_instant_comes() -> None:
    every = {instant for method in SCENES for instant in instants_of(method)}
    for victim, wanted in victims_of_plan().items():
        assert victim in VICTIMS
        assert set(wanted or ()) <= every
    assert set(VICTIMS) == set(victims_of_plan())
    assert len(list(cells([], [], []))) > 300


def test_the_same_seed_strikes_the_same() -> None:
    assert list(random_cells(20, 7, [])) == list(random_cells(20, 7, []))
    assert list(random_cells(20, 7, [])) != list(random_cells(20, 8, []))


def test_the_page_names_the_real_times() -> None:
    assert framing.ALIVE_S == hurried_times.REAL_ALIVE_S
    assert beginning.HANDOVER_ALLOWANCE_S == hurried_times.REAL_HANDOVER_S
