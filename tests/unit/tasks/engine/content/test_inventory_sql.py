"""The shorthands of the inventory's SQL, and what is read out of a trigger's statement."""

import re
from pathlib import Path

import pytest

import tasks.engine.content
from tasks.engine.content.inventory import trigger_condition
from tasks.engine.content.inventory_sql import expand, inventory_query

NOTES = Path(tasks.engine.content.__file__).with_name("notes.sql")


def test_a_shorthand_takes_arguments_with_commas_parentheses_and_quotes_in_them() -> None:
    assert expand("listed('a, (b', (SELECT array_agg(x, y) FROM z))").startswith("(SELECT 'a, (b' || ' ('")
    assert "unnest((SELECT array_agg(x, y) FROM z))" in expand("listed('a, (b', (SELECT array_agg(x, y) FROM z))")


def test_a_shorthand_within_a_shorthand_is_written_out() -> None:
    assert "relation(" not in expand("listed('a', relation(b))")


def test_a_word_that_ends_like_a_shorthand_is_none() -> None:
    assert expand("SELECT my_type(x), pg_get_ruledef(y)") == "SELECT my_type(x), pg_get_ruledef(y)"


@pytest.mark.parametrize("major", range(14, 19))
@pytest.mark.parametrize("privileges", [False, True])
def test_every_version_is_asked_for_what_it_knows_and_nothing_else(major: int, privileges: bool) -> None:
    query = inventory_query(major, privileges=privileges)
    known = {"indnullsnotdistinct": 15, "pnnspid": 15, "collicurules": 16, "conenforced": 18, "pubgencols": 18}
    assert {name for name in known if name in query} == {name for name, since in known.items() if major >= since}
    assert ("colllocale" in query, "colliculocale" in query) == (major >= 17, major in (15, 16))
    assert ("defaclacl" in query) == privileges
    assert "--" not in query


@pytest.mark.parametrize("major", [14, 18])
def test_nothing_is_asked_about_objects_of_an_empty_catalog_and_all_else_is(major: int) -> None:
    whole = inventory_query(major, privileges=True)
    some = inventory_query(major, privileges=True, empty=frozenset({"pg_policy", "pg_ts_dict"}))
    assert "pg_policy" in whole
    assert "pg_policy" not in some
    assert "policy" in whole
    left_out = whole.count("UNION ALL SELECT") - some.count("UNION ALL SELECT")
    assert left_out == len(["the policies", "a policy", "its USING", "its CHECK", "the dictionaries", "a dictionary"])
    assert some.count("'") % 2 == 0


def test_every_catalog_that_may_be_empty_is_one_that_the_inventory_asks_about() -> None:
    query = inventory_query(18, privileges=True)
    named = re.findall(r"^  \('(pg_\w+)', EXISTS", NOTES.read_text(), re.MULTILINE)
    assert len(named) == 22
    for name in named:
        assert len(inventory_query(18, privileges=True, empty=frozenset({name}))) < len(query), name


@pytest.mark.parametrize(
    ("statement", "condition"),
    [
        ("CREATE TRIGGER t BEFORE UPDATE ON s.t FOR EACH ROW WHEN ((new.a > 1)) EXECUTE FUNCTION f()", "((new.a > 1))"),
        (
            "CREATE TRIGGER t BEFORE UPDATE ON t FOR EACH ROW WHEN (a(b) = ')') EXECUTE FUNCTION f('WHEN (x)')",
            "(a(b) = ')')",
        ),
        (
            'CREATE TRIGGER "WHEN (x)" BEFORE UPDATE ON "WHEN (y" FOR EACH ROW WHEN (true) EXECUTE FUNCTION f()',
            "(true)",
        ),
        (
            "CREATE TRIGGER t AFTER UPDATE ON t WHEN ((CASE WHEN (a) THEN 'it''s (' END = \")\")) EXECUTE f()",
            "((CASE WHEN (a) THEN 'it''s (' END = \")\"))",
        ),
    ],
)
def test_the_condition_of_a_trigger_is_what_stands_in_its_own_when(statement: str, condition: str) -> None:
    assert trigger_condition(statement) == condition
