"""The page, its tables and its charts."""

import re
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from tests.bench.charts import Bar, bars
from tests.bench.figures import COPY, Figures
from tests.bench.page import write_page
from tests.bench.plan import PAGE
from tests.bench.tables import mb, ratio_text, seconds, table
from tests.bench.test_figures import section
from tests.bench.test_goals import keep

_SVG = "{http://www.w3.org/2000/svg}"


def measured() -> Figures:
    figures = Figures(sections={"W": section("W")}, absent={"pgcopydb": "it is not here"})
    keep(figures, "W", 80, "psql", COPY, 200.0, 210.0)
    keep(figures, "W", 80, "worker", "first", 100.0, 110.0, report_steps={"dump_source": 60.0, "finish": 10.0})
    return figures


def test_the_introduction_stays_and_the_results_are_written_below_it(tmp_path: Path) -> None:
    page = tmp_path / "performance.md"
    page.write_text("# By hand\n\n<!-- results -->\nold\n<!-- end of results -->\n\nThe end.\n")
    write_page(page, measured())
    text = page.read_text()
    assert text.startswith("# By hand\n\n<!-- results -->\n## Goals")
    assert text.endswith("<!-- end of results -->\n\nThe end.\n")
    assert "\nold\n" not in text


def test_the_page_says_what_is_not_reached_who_was_not_there_and_when_it_was(tmp_path: Path) -> None:
    page = tmp_path / "performance.md"
    page.write_text(PAGE.read_text())
    write_page(page, measured())
    text = page.read_text()
    assert re.search(r"\| W, 80 ms, first run.*\| 0\.51 \(0\.50 to 0\.52\) +\| \*\*no\*\*", text)
    assert "0 of 13 are reached, 12 were not measured." in text
    assert "`pgcopydb` was not measured: it is not here." in text
    assert "Measured by `make bench` on 2026-11-27 09:00 UTC, of commit abc" in text


def test_the_pictures_that_the_page_shows_are_there(tmp_path: Path) -> None:
    page = tmp_path / "performance.md"
    page.write_text(PAGE.read_text())
    write_page(page, measured())
    named = re.findall(r"!\[[^\]]*\]\(([^)]+)\)", page.read_text())
    assert named == ["pictures/performance-w-80ms.svg", "pictures/performance-w-80ms-steps.svg"]
    for name in named:
        assert ET.parse(tmp_path / name).getroot().tag == f"{_SVG}svg"  # noqa: S314 - our own file


def test_a_second_command_leaves_what_it_did_not_measure(tmp_path: Path) -> None:
    page = tmp_path / "performance.md"
    page.write_text(PAGE.read_text())
    write_page(page, measured())
    other = Figures(sections={"S": section("S", commit="def")})
    keep(other, "S", 0, "engine", "first", 1.0)
    write_page(page, other)
    text = page.read_text()
    assert "of commit abc" in text
    assert "of commit def" in text


def test_bars_are_as_long_as_their_seconds() -> None:
    rows = [
        Bar(label="one & all", pieces=(("ours", 4.0),), figure="4 s", low=3.0, high=8.0),
        Bar(label="two", pieces=(("k0", 1.0), ("k1", 2.0)), figure="3 s"),
    ]
    drawing = ET.fromstring(bars("Seconds < minutes", rows, [("k0", "one")]))  # noqa: S314 - our own text
    widths = {
        each.get("class"): float(each.get("width", 0))
        for each in drawing.iter(f"{_SVG}rect")
        if each.get("height") == "15"
    }
    assert widths["ours"] == pytest.approx(4 * widths["k0"], abs=0.5)
    assert widths["k1"] == pytest.approx(2 * widths["k0"], abs=0.5)
    spread = next(each for each in drawing.iter(f"{_SVG}line") if each.get("class") == "spread")
    assert float(spread.get("x2", 0)) - float(spread.get("x1", 0)) == pytest.approx(5 * widths["k0"], abs=0.5)
    assert [each.text for each in drawing.iter(f"{_SVG}text") if each.text in {"one & all", "Seconds < minutes"}]


def test_a_drawing_has_colours_for_light_and_for_dark() -> None:
    drawing = bars("Nothing", [])
    light, _, dark = drawing.partition("@media (prefers-color-scheme: dark)")
    for name in (".ours", ".k0", ".k6", ".grid", "text"):
        assert name in light
        assert name in dark


def test_figures_stand_to_the_right_and_words_to_the_left() -> None:
    assert table(["who", "took"], [["ours", "1.00 s"], ["theirs", "12.0 s"]]) == (
        "| who    |   took |\n| ------ | -----: |\n| ours   | 1.00 s |\n| theirs | 12.0 s |\n"
    )


def test_numbers_are_as_exact_as_they_are_good_for() -> None:
    assert [seconds(each) for each in (0.123, 12.34, 123.4)] == ["0.12 s", "12.3 s", "123 s"]
    assert [mb(each * 2**20) for each in (0.123, 12.34, 123.4)] == ["0.12 MB", "12.3 MB", "123 MB"]
    assert [ratio_text(each) for each in (1.234, 0.1, 0.025)] == ["1.23", "0.10", "1/40"]
