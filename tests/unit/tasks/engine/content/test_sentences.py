"""Names and definitions as a sentence shows them."""

import pytest

from tasks.engine.content.sentences import both_sides, name_of, shown


def test_a_name_is_quoted_where_it_is_not_plain_and_only_there() -> None:
    assert name_of(("public", "users")) == "public.users"
    assert name_of(("select", 'a"B')) == 'select."a""B"'


@pytest.mark.parametrize(
    "sign", ["\x00", "\n", "\r", "\x1b", "\x7f", "\x9b", "\u202e", "\u2028", "\u200b", "\ufeff", "\ud800"]
)
def test_no_sign_that_a_terminal_obeys_or_a_reader_does_not_see_is_shown(sign: str) -> None:
    assert sign not in shown(f"a{sign}b")
    assert shown(f"a{sign}b").startswith("a\\")


def test_what_people_write_is_shown_as_it_is() -> None:
    assert shown("Größe 😀 日本 'it''s' 100 %") == "Größe 😀 日本 'it''s' 100 %"


def test_long_texts_are_cut_to_where_they_differ() -> None:
    there, wanted = both_sides("x" * 500 + " there", "x" * 500 + " wanted")
    assert there.endswith("x there")
    assert wanted.endswith("x wanted")
    assert there.startswith("…")
    assert max(len(there), len(wanted)) < 100


def test_a_text_that_only_goes_on_is_cut_to_where_it_goes_on() -> None:
    there, wanted = both_sides("y" * 300, "y" * 300 + " and more")
    assert there != wanted
    assert wanted.endswith("and more")


def test_nothing_is_said_in_a_word() -> None:
    assert both_sides("", "not null") == ("nothing", "not null")


def test_the_hash_of_a_password_is_not_shown() -> None:
    assert both_sides("a, password=#0123456789abcdef", "b, password=#fedcba9876543210") == (
        "a, password=(hidden)",
        "b, password=(hidden)",
    )


def test_a_sentence_is_never_endless() -> None:
    assert len(shown("z" * 10_000)) == 500
