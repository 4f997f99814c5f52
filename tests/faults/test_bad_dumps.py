"""Damaged dumps: each is refused, and as far as anybody can know before anything is begun at the target."""

from collections.abc import Iterator, Sequence

import pytest

from tests.faults.dump_trials import Trial, Trials, trials
from tests.faults.figures import RecordFigure
from worker.demo.servers import PostgresServer, ValkeyServer

pytestmark = pytest.mark.faults
SECTION = "Bad dumps"
# Written so by pg_dump itself, in a whole run each; all of them are played by `make faults`.
CHOICE = ("COMMIT in the middle", "the rows of one table missing", "another run's")


@pytest.fixture(scope="module")
def scene(
    source_server: PostgresServer,
    target_server: PostgresServer,
    valkey_server: ValkeyServer,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Trials]:
    with trials(source_server, target_server, valkey_server, tmp_path_factory.mktemp("dumps")) as made:
        yield made


def failures(found: Sequence[Trial], *, hidden: Sequence[str] = ()) -> list[str]:
    return [failure for trial in found for failure in trial.failures(may_begin=trial.what in hidden)]


def test_at_least_forty_dumps_are_damaged_each_in_another_way(scene: Trials) -> None:
    assert len({bad.content for bad in scene.bad}) == len({bad.what for bad in scene.bad}) == len(scene.bad) >= 40


@pytest.mark.figures
@pytest.mark.parametrize("with_manifest", [False, True], ids=["the file", "the file and its manifest"])
def test_what_was_damaged_after_it_was_examined_is_refused_before_anything_is_begun(
    scene: Trials, with_manifest: bool, record_figure: RecordFigure
) -> None:
    found = scene.after_examination(with_manifest=with_manifest)
    wrong = failures(found)
    damaged = "dumps and their manifests" if with_manifest else "dumps"
    record_figure(
        section=SECTION,
        what=f"{damaged} that were damaged after they were examined: refused before anything at the target was begun",
        held=len(found) - len(wrong),
        of=len(scene.bad),
    )
    assert len(found) == len(scene.bad)
    assert wrong == []


@pytest.mark.parametrize("way", ["swap", "changed_tables"])
@pytest.mark.parametrize("what", CHOICE)
def test_what_pg_dump_itself_wrote_damaged_is_refused_by_its_text_or_by_the_proof(
    scene: Trials, what: str, way: str
) -> None:
    [bad] = [bad for bad in scene.bad if bad.what == what]
    assert failures([scene.as_dumped(bad, way)], hidden=[bad.what] if bad.hidden else []) == []


@pytest.mark.figures
@pytest.mark.long
@pytest.mark.timeout(2400)
@pytest.mark.parametrize("method", ["swap", "in_place", "changed_tables"])
def test_whatever_pg_dump_writes_damaged_nothing_of_it_is_published(
    scene: Trials, method: str, record_figure: RecordFigure
) -> None:
    """Its manifest agrees with it. What no reader of the file can see, the proof sees in the prepared copy."""
    found = [scene.as_dumped(bad, method) for bad in scene.bad]
    wrong = failures(found, hidden=[bad.what for bad in scene.bad if bad.hidden])
    record_figure(
        section=SECTION,
        what=f"dumps that pg_dump itself wrote damaged: nothing of them published ({method})",
        held=len(found) - len({failure.partition(":")[0] for failure in wrong}),
        of=len(found),
        columns=("damage", "noticed by"),
        rows=[(trial.what, trial.noticed_by) for trial in found],
    )
    assert wrong == []
