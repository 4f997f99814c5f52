"""What a command plays."""

from pathlib import Path

import pytest

from tests.bench.figures import CASES
from tests.bench.plan import PAGE, read_plan


def test_all_of_it_plays_every_data_set_at_least_five_times_and_writes_the_page() -> None:
    plan = read_plan([], [])
    assert [*plan.matches, *(["T"] if plan.tables else [])] == ["S", "W", "M", "L", "T"]
    assert plan.idle
    assert plan.page == PAGE
    matches = [match for each in plan.matches.values() for match in each]
    assert min(match.rounds for match in matches) >= 5
    assert {tuple(match.cases) for match in matches} == {CASES}
    assert {(match.data.name, match.round_trip_s) for match in matches} == {
        *(("S", 0.0), ("S", 0.08), ("W", 0.0), ("W", 0.08)),
        *(("M", 0.0), ("L", 0.0)),
    }
    for match in matches:
        names = {ours.name for ours in match.ours} | {peer.name for peer in match.peers}
        assert names >= {"worker", "psql", "restore"}
        assert match.data.name == "L" or names >= {"engine", "pgcopydb", "baseline"}


def test_the_quick_one_needs_no_large_data_is_cut_after_two_minutes_and_writes_nothing() -> None:
    plan = read_plan(["--quick"], [])
    assert list(plan.matches) == ["S", "W", "M/10"]
    assert not plan.tables
    assert plan.at_most_s is not None
    assert plan.at_most_s <= 120
    assert plan.page is None
    assert {match.round_trip_s for name in ("S", "W") for match in plan.matches[name]} == {0.08}


@pytest.mark.parametrize("choice", ["--only engine", "--cases first", "--rounds 1", "--wire 80", "--profile"])
def test_a_part_is_not_written_unless_that_is_asked_for(choice: str) -> None:
    assert read_plan(choice.split(), []).page is None
    assert read_plan([*choice.split(), "--page", "there.md"], []).page == Path("there.md")


def test_who_is_not_there_does_not_take_part() -> None:
    plan = read_plan(["--data", "S"], ["pgcopydb"])
    assert all(peer.name != "pgcopydb" for match in plan.matches["S"] for peer in match.peers)


def test_a_misspelt_name_is_told_with_those_that_there_are(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        read_plan(["--only", "engin"], [])
    assert "engin is none of worker, engine, psql" in capsys.readouterr().err
