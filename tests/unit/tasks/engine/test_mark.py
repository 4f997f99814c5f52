"""The mark: the only memory that must survive the loss of everything else."""

import pytest

from tasks.engine.mark import Mark, identifier, literal, parse_mark

MARK = Mark(run_id="r", snapshot_at="2026-11-22T06:00:00+00:00", content_digest="d", source="1/2/neondb")


def test_a_mark_comes_back_from_the_comment() -> None:
    assert parse_mark(MARK.as_comment()) == MARK
    assert "\n" not in MARK.as_comment()


@pytest.mark.parametrize(
    "comment", [None, "", "our shop", "[1]", '{"tool": "another"}', '{"tool": "railway-neon-sync"}']
)
def test_what_is_not_our_mark_is_none(comment: str | None) -> None:
    assert parse_mark(comment) is None


def test_a_mark_of_a_newer_version_is_still_read() -> None:
    assert parse_mark(MARK.as_comment().replace("{", '{"new_thing": 1, ', 1)) == MARK


def test_a_name_with_a_quote_stays_a_name() -> None:
    assert identifier('a"; DROP DATABASE b; --') == '"a""; DROP DATABASE b; --"'


@pytest.mark.parametrize(
    ("text", "expected"),
    [(None, "NULL"), ("", "''"), ("it's", "'it''s'"), ("a\\b", "E'a\\\\b'"), ("\\'; --", "E'\\\\''; --'")],
)
def test_a_text_stays_a_text_under_any_setting(text: str | None, expected: str) -> None:
    assert literal(text) == expected
