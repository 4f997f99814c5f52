"""Figures of other proofs find their way into the page."""

from pathlib import Path

import pytest

from tests.faults.figures import FOLDER_VARIABLE, as_lines, as_tables, collect, record_figure


def test_what_is_recorded_twice_is_one_figure_with_all_its_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(FOLDER_VARIABLE, str(tmp_path))
    for case, held in (("cut|off", 20), ("empty", 0)):
        record_figure(
            section="Bad dumps",
            what="refused",
            held=held,
            of=20,
            columns=("damage", "refused"),
            rows=[(case, f"{held}/20")],
        )
    figures = collect(tmp_path)
    assert as_lines(figures) == [("refused", "20/40")]
    assert as_tables(figures).splitlines() == [
        "### Bad dumps",
        "",
        "refused: 20/40",
        "",
        "| damage | refused |",
        "| --- | --- |",
        r"| cut\|off | 20/20 |",
        "| empty | 0/20 |",
    ]


def test_nothing_is_written_when_nobody_collects(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(FOLDER_VARIABLE, raising=False)
    monkeypatch.chdir(tmp_path)
    record_figure(section="Bad dumps", what="refused", held=1, of=1)
    assert list(tmp_path.iterdir()) == []


def test_a_row_of_another_length_is_refused() -> None:
    with pytest.raises(ValueError, match="has not 2 cells"):
        record_figure(section="Bad dumps", what="refused", held=1, of=1, columns=("a", "b"), rows=[("1",)])
