"""The other proofs are run, and what they recorded and did not hold is in the page."""

from pathlib import Path

from tests.faults.cell import Cell, Verdict
from tests.faults.document import Page
from tests.faults.proofs import Proofs

_TESTS = """
from tests.faults.figures import record_figure

def test_that_holds():
    record_figure(section="Bad dumps", what="refused", held=1, of=2, columns=("damage",), rows=[("cut",)])

def test_that_does_not_hold():
    raise AssertionError
"""


def test_the_page_tells_what_the_other_proofs_counted_and_which_did_not_hold(tmp_path: Path) -> None:
    (tmp_path / "test_written.py").write_text(_TESTS)
    proofs = Proofs(lambda _: None, selection=(str(tmp_path),))
    proofs.start()
    proofs.wait()
    assert proofs.passed == 1
    assert len(proofs.failures) == 1
    cell = Cell(victim="child", instant="loaded", method="swap")
    verdict = Verdict(cell, outcome="failed", to_outcome_s=4.5, reader_gap_s=0.25)
    page = Page(
        verdicts=[verdict],
        proofs=proofs,
        command="x",
        commit="y",
        took_s=60,
        seed=7,
        in_a_row=(1, 3),
        unplayed=3,
        complete=False,
    ).text()
    assert "| refused | 1/2 |" in page
    assert "## Bad dumps" in page
    assert "test_written.py::test_that_does_not_hold failed" in page
    assert "| longest time from the blow to a true outcome | 4.5 s (child x loaded (swap)) |" in page
    assert "| longest gap of a reader (swap) | 0.25 s, in 1 cells |" in page
    assert "**A part only" in page
