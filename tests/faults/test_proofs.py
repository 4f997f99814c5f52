"""What the proofs recorded, and what did not hold, is in the page, beside the part of another command."""

from pathlib import Path

from tests.faults.cell import Cell, Verdict
from tests.faults.document import Page, put_part
from tests.faults.proofs import part, prove

_TESTS = """
from tests.faults.figures import record_figure

def test_that_holds():
    record_figure(section="Bad dumps", what="refused", held=1, of=2, columns=("damage",), rows=[("cut",)])

def test_that_does_not_hold():
    raise AssertionError
"""


def test_the_page_tells_what_was_counted_and_what_did_not_hold(tmp_path: Path) -> None:
    (tmp_path / "test_written.py").write_text(_TESTS)
    proved = prove([str(tmp_path), "-p", "no:cacheprovider"])
    assert len(proved.failures) == 1
    cell = Cell(victim="child", instant="loaded", method="swap")
    verdict = Verdict(cell, outcome="failed", to_outcome_s=4.5, reader_gap_s=0.25)
    matrix = Page(verdicts=[verdict], command="x", commit="y", took_s=60, seed=7, unplayed=3, complete=False)
    path = tmp_path / "page.md"
    put_part(path, "faults", "replaced")
    put_part(path, "proofs", part(proved, took_s=60))
    put_part(path, "faults", matrix.text())
    page = path.read_text()
    assert "| refused | 1/2 |" in page
    assert "### Bad dumps" in page
    assert "test_written.py::test_that_does_not_hold" in page
    assert "| longest time from the blow to a true outcome | 4.5 s (child x loaded (swap)) |" in page
    assert "| longest gap of a reader (swap) | 0.25 s, in 1 cells |" in page
    assert "**A part only" in page
    assert "replaced" not in page
