"""The page as text: escaped, self-contained, and with a policy that fits what is in it."""

import base64
import hashlib
import re
from typing import Any

import pytest

from tasks.engine.overview import Overview
from tasks.engine.page import words
from tasks.engine.page.writing import page_of
from tests.support.reports import NOW, a_drill, a_history, an_overview

PAGE = page_of(an_overview(a_history(NOW, days=20, mishaps={3: "failed"}), NOW))


def test_the_policy_allows_the_script_and_the_style_of_the_page_and_nothing_else() -> None:
    policy = re.findall(r'<meta http-equiv="Content-Security-Policy" content="([^"]*)">', PAGE)[0].replace("&#39;", "'")
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    hashes = {
        tag: base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        for tag, text in re.findall(r"<(script|style)>(.*?)</\1>", PAGE, re.DOTALL)
    }
    assert rules == {
        "default-src": "'none'",
        "script-src": f"'sha256-{hashes['script']}'",
        "style-src": f"'sha256-{hashes['style']}'",
        "img-src": "data:",
        "base-uri": "'none'",
        "form-action": "'none'",
    }
    assert PAGE.index("Content-Security-Policy") < PAGE.index("<style>")


def test_it_names_no_other_place() -> None:
    addresses = re.findall(r"(?:src|href|action|data)=\"([^\"]*)\"|url\(|@import|https?://[^\"'<\s]+", PAGE)
    assert [address for address in addresses if not address.startswith("data:image/svg+xml,")] == []


def test_no_attribute_holds_style_or_script() -> None:
    """The policy would refuse them, and the page look broken."""
    assert re.findall(r"<[^>]*\s(?:style|on\w+)=", PAGE.partition("<body>")[2].partition("<script>")[0]) == []


def test_it_holds_what_a_person_asks_first() -> None:
    for needed in ("The copy is good", "3 h 11 min", "2026-11-25 06:00 UTC", "in 8 h 48 min", "5,200", "1 failed"):
        assert needed in text_of(PAGE), needed


def text_of(page: str) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", page.partition("<body>")[2]).split())


def drilled(**others: Any) -> Overview:
    return an_overview(a_history(NOW, days=2), NOW, **others)


def test_it_says_how_long_a_restore_was_measured_to_take_and_when() -> None:
    said = text_of(page_of(drilled(last_drill=a_drill())))
    assert "Last drill 19.3 s 68.47 MB restored and proved, 2026-11-20 06:12 UTC" in said
    assert "Last drill none yet measure a restore: railway-neon-sync drill" in text_of(page_of(drilled()))


def test_a_dump_that_could_not_be_restored_on_trial_is_told_with_its_error() -> None:
    said = text_of(page_of(drilled(last_drill=a_drill(ok=False, rto_s=None, error="a row is missing"))))
    assert "Last drill ✗ failed 2026-11-20 06:12 UTC" in said
    assert "The last drill failed source_db_backup_20261119_180003.sql could not be restored and proved: a row" in said


def test_notices_that_did_not_arrive_are_told_the_newest_of_them() -> None:
    assert "did not arrive" not in text_of(page_of(drilled()))
    said = text_of(page_of(drilled(), [f"channel {number} did not take it" for number in range(5)]))
    assert "Notices that did not arrive channel 2 did not take it channel 3" in said
    assert "and 2 before them" in said


def test_a_hostile_name_is_escaped_wherever_it_stands() -> None:
    hostile = "</script><img src=x>&\"'\u202e"
    reports = a_history(NOW, days=3, mishaps={0: "failed"})
    for report in reports:
        report |= {"source_stats": {hostile: 1}, "backup_stats": {hostile: 1}, "error": hostile, "host": hostile}
        report |= {"warnings": [hostile], "job_id": hostile, "method": hostile, "outcome": report["outcome"]}
    reports[-1]["outcome"] = hostile
    page = page_of(an_overview(reports, NOW, problems=(hostile,)))
    assert page.count("&lt;/script&gt;&lt;img src=x&gt;&amp;&#34;&#39;\\u202e") > 10
    assert "<img" not in page
    assert page.count("</script>") == 1
    assert "\u202e" not in page


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0, "less than a minute"),
        (61, "1 min"),
        (3_600, "1 h"),
        (10_000, "2 h 46 min"),
        (172_799, "47 h 59 min"),
        (172_800, "2 d"),
        (900_000, "10 d 10 h"),
        (-9, "less than a minute"),
    ],
)
def test_an_age_is_told_in_its_two_largest_units(seconds: float, said: str) -> None:
    assert words.age(seconds) == said


@pytest.mark.parametrize(
    ("n_bytes", "said"), [(0, "0 B"), (9_000, "8.79 KB"), (2_453_667, "2.34 MB"), (3 * 2**30, "3.00 GB")]
)
def test_a_size_is_told_in_powers_of_1024_as_the_log_tells_it(n_bytes: int, said: str) -> None:
    assert words.size(n_bytes) == said


def test_counts_durations_and_changes_are_told_in_full() -> None:
    assert [words.count(rows) for rows in (None, 0, 1_234_567)] == ["–", "0", "1,234,567"]
    assert [words.took(seconds) for seconds in (None, 2.34, 99.9, 252)] == ["–", "2.3 s", "99.9 s", "4 min 12 s"]
    changes = [words.change(*pair) for pair in ((1, 1), (None, 1), (1, 1_002), (5, 2))]
    assert changes == ["", "", "+1,001", "−3"]
