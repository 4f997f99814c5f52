"""The status page in a real browser: it fetches nothing, everybody can read it, and it knows how old it has become."""

import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from selenium.webdriver.common.keys import Keys

from tasks.engine.overview import Overview
from tasks.engine.page import words
from tasks.engine.page.writing import page_of
from tests.support.browser import CHECKS, PHONE, Browser, browsing
from tests.support.reports import a_drill, a_history, a_report, an_overview

HOSTILE = (
    '</title></script></style>"\'><img src=x onerror="document.title=\'owned\'"><script>document.title="owned"</script>'
)
PAGE_JS = (Path(__file__).parents[2] / "tasks" / "engine" / "page" / "page.js").read_text()
# Written some minutes ago, as a page is that somebody opens.
NOW = datetime.now(UTC).replace(microsecond=0) - timedelta(minutes=4)
UNHEARD = "channel {} (slack) did not take '❌ Railway backup failed' in 5 of 5 tries: it answered 404"
DAMAGED = a_drill(NOW, ok=False, rto_s=None, prove_s=None, error="table public.users: 57 rows instead of 58")
MISHAPS = {9: "failed", 10: "failed", 30: "skipped", 55: "missed", 70: "held", 90: "rolled_back"}


def histories() -> dict[str, Overview]:
    """One for each thing that the page can have to say."""
    usual = a_history(NOW, days=60, mishaps=MISHAPS)
    told = {f"last run {name}": a_history(NOW, days=9, mishaps={0: name}) for name in ("failed", "held", "missed")}
    return {
        "good": an_overview(usual, NOW, last_drill=a_drill()),
        **{name: an_overview(reports, NOW) for name, reports in told.items()},
        "rollback failed": an_overview(a_history(NOW, days=9, mishaps={0: "rollback_failed"}), NOW),
        "stale": an_overview(
            a_history(NOW, days=9, mishaps={0: "rolled_back", 1: "failed", 2: "missed"}), NOW, last_drill=DAMAGED
        ),
        "promoted": an_overview(a_history(NOW, days=9, mishaps={0: "held"}), NOW, promoted_at="2026-11-20 03:12 UTC"),
        "no run": an_overview([], NOW, problems=("there is no journal: nothing ran here yet, or it was lost",)),
        "one run": an_overview(a_history(NOW, days=1)[:1], NOW),
        "hostile": hostile(),
    }


def hostile() -> Overview:
    reports = a_history(NOW, days=3, mishaps={0: "failed"})
    for report in reports:
        report["source_stats"] = {HOSTILE: 5, "users": 3}
        report["backup_stats"] = {HOSTILE: 5, "users": 3}
        for step in report["steps"]:
            step["summary"] = HOSTILE
    reports[-1] |= {"error": f"\u202e{HOSTILE}\x1b[31m", "warnings": [HOSTILE], "host": HOSTILE, "job_id": HOSTILE}
    return an_overview(reports, NOW, problems=(HOSTILE,), last_drill=a_drill(NOW, ok=False, error=HOSTILE))


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with browsing() as opened:
        yield opened


def saved(overview: Overview, folder: Path, untold: Sequence[str] = ()) -> str:
    path = folder / "status.html"
    path.write_text(page_of(overview, untold), encoding="utf-8")
    return path.as_uri()


@pytest.mark.parametrize("name", list(histories()))
def test_it_is_readable_for_everybody_and_asks_nobody_for_anything(name: str, browser: Browser, tmp_path: Path) -> None:
    untold = {"stale": [UNHEARD.format(number) for number in range(5)], "hostile": [HOSTILE]}
    url = saved(histories()[name], tmp_path, untold.get(name, ()))
    for theme, width in (("light", 1200), ("dark", PHONE)):
        browser.open(url, theme=theme, width=width)
        assert browser.run(CHECKS) == [], (theme, width)
        browser.run("for (const part of document.querySelectorAll('details')) part.open = true")
        # The rest of what `problems` looks for does not depend on theme and width.
        assert (browser.problems() if theme == "light" else browser.run(CHECKS)) == [], (theme, width, "all opened")
        assert browser.console() == []
        assert browser.requests() == [url]


def test_it_is_dark_where_the_reader_wants_it_dark(browser: Browser, tmp_path: Path) -> None:
    url, brightness = saved(histories()["good"], tmp_path), []
    for theme in ("light", "dark"):
        browser.open(url, theme=theme)
        colour = browser.run("return getComputedStyle(document.body).backgroundColor")
        brightness.append(sum(map(int, re.findall(r"\d+", colour))))
    assert brightness[0] > 600
    assert brightness[1] < 150


def test_the_age_is_that_of_now_when_it_is_opened_later(browser: Browser, tmp_path: Path) -> None:
    written = datetime.now(UTC) - timedelta(hours=2, minutes=30)
    overview = an_overview([a_report(written - timedelta(minutes=15))], written)
    browser.open(saved(overview, tmp_path))
    assert browser.text(".age .big") in {"2 h 44 min old", "2 h 45 min old"}
    assert browser.run("return document.documentElement.dataset.tone") == "good"
    assert float(browser.run("return parseFloat(document.querySelector('.done').getAttribute('width'))")) > 20


def test_without_scripts_it_says_how_old_the_copy_was_and_when(browser: Browser, tmp_path: Path) -> None:
    written = datetime.now(UTC) - timedelta(hours=2, minutes=30)
    overview = an_overview([a_report(written - timedelta(minutes=15))], written)
    browser.open(saved(overview, tmp_path), script=False)
    assert "14 min old when this page was written" in " ".join(browser.text(".age").split())
    assert f"{written:%Y-%m-%d %H:%M} UTC" in browser.text("header")
    assert browser.problems() == []


def test_a_page_that_was_good_says_that_the_copy_is_too_old_once_it_is(browser: Browser, tmp_path: Path) -> None:
    written = datetime.now(UTC) - timedelta(hours=20)
    browser.open(saved(an_overview([a_report(written - timedelta(minutes=15))], written), tmp_path))
    assert [heading for heading in browser.text().splitlines() if "copy is" in heading] == ["The copy is too old"]
    assert browser.driver.title.startswith("The copy is too old")
    assert "railway-neon-sync run" in browser.text()
    assert browser.run("return document.documentElement.dataset.tone") == "bad"
    assert browser.problems() == []


def test_a_page_that_no_run_followed_says_so(browser: Browser, tmp_path: Path) -> None:
    """Nobody wrote it anew: beat or the worker may be gone, and so nothing else would tell."""
    written = datetime.now(UTC) - timedelta(hours=12, minutes=40)
    url = saved(an_overview([a_report(written - timedelta(minutes=1))], written), tmp_path)
    browser.open(url)
    assert "A run should have ended since this page was written" in browser.text()
    browser.open(saved(an_overview([a_report(NOW - timedelta(minutes=1))], NOW), tmp_path))
    assert "A run should have ended" not in browser.text()


def test_hostile_values_are_text_and_stay_text(browser: Browser, tmp_path: Path) -> None:
    browser.open(saved(hostile(), tmp_path))
    assert browser.driver.title != "owned"
    assert browser.run("return document.querySelectorAll('img, iframe, object').length") == 0
    assert browser.run("return document.scripts.length") == 1
    assert HOSTILE in browser.text("section[aria-labelledby=rows]")
    assert "\\u202e" in browser.text("section[aria-labelledby=report]")
    assert "\u202e" not in browser.driver.page_source


def test_even_markup_that_got_in_could_do_nothing(browser: Browser, tmp_path: Path) -> None:
    """The policy, should the escaping ever fail: no script, no picture, no style from elsewhere."""
    path = tmp_path / "status.html"
    page = page_of(an_overview([], NOW))
    bad = '<script>document.title="owned"</script><img src="http://127.0.0.1:9/x"><p onclick="x" style="color:red">'
    path.write_text(page.replace("<main>", f"<main>{bad}"), encoding="utf-8")
    browser.open(path.as_uri())
    assert browser.driver.title != "owned"
    assert len(browser.console()) >= 3
    assert all("Content Security Policy" in line for line in browser.console())


def test_the_numbers_behind_a_chart_are_reached_by_keyboard(browser: Browser, tmp_path: Path) -> None:
    browser.open(saved(histories()["good"], tmp_path))
    body = browser.driver.find_element("tag name", "body")
    for _ in range(10):
        body.send_keys(Keys.TAB)
        body = browser.driver.switch_to.active_element
        if body.tag_name == "summary":
            break
    assert body.tag_name == "summary"
    body.send_keys(Keys.ENTER)
    assert browser.text("details[open] td") != ""
    assert browser.run("return getComputedStyle(document.activeElement).outlineStyle") == "solid"


def test_the_script_says_an_age_in_the_words_of_the_rest(browser: Browser, tmp_path: Path) -> None:
    browser.open(saved(an_overview([], NOW), tmp_path))
    say = PAGE_JS[PAGE_JS.index("const say =") : PAGE_JS.index("const since")]
    ages = [0, 59, 60, 61, 3599, 3600, 3660, 7261, 86400, 172799, 172800, 180000, 259200, 9_999_999, -5]
    assert browser.run(f"{say} return arguments[0].map(say)", ages) == [words.age(age) for age in ages]
