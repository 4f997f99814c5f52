"""Content as JSON, its statistics, and what counts as empty."""

from dataclasses import replace

import pytest
from hypothesis import given

from tasks.engine.content import (
    Content,
    LargeObjects,
    SchemaObject,
    SequenceContent,
    TableContent,
    TableName,
    content_from_json,
    from_json,
    is_empty,
    statistics,
    to_json,
    with_sequences,
)
from tests.unit.tasks.engine.content.strategies import CONTENTS

NOTHING = Content(server_version=170000, tables=(), sequences=(), objects=())


def table(name: str, rows: int, *parents: TableName, schema: str = "public") -> TableContent:
    return TableContent(schema=schema, name=name, rows=rows, fingerprint="1", logged=True, parents=parents)


def holding(*tables: TableContent, **more: object) -> Content:
    return replace(NOTHING, tables=tables, **more)  # type: ignore[arg-type]


def public(name: str) -> TableName:
    return ("public", name)


@given(CONTENTS)
def test_content_survives_the_trip_through_json_text(content: Content) -> None:
    assert content_from_json(from_json("".join(to_json(content)).encode())) == content


def test_a_table_counts_its_own_rows() -> None:
    assert statistics(holding(table("users", 57), table("wallets", 0)), ["users", "wallets"]) == {
        "users": 57,
        "wallets": 0,
    }


def test_a_table_that_is_not_there_counts_as_null() -> None:
    assert statistics(holding(table("users", 57)), ["escrows"]) == {"escrows": None}


def test_public_comes_before_another_schema_of_the_same_table() -> None:
    content = holding(table("users", 1, schema="billing"), table("users", 2))
    assert statistics(content, ["users", "billing.users"]) == {"users": 2, "billing.users": 1}


def test_the_only_schema_that_has_the_table_is_meant() -> None:
    assert statistics(holding(table("users", 1, schema="app")), ["users"]) == {"users": 1}


def test_a_table_that_two_schemas_have_is_nobodys_without_its_schema() -> None:
    content = holding(table("users", 1, schema="app"), table("users", 2, schema="old"))
    assert statistics(content, ["users"]) == {"users": None}


def test_a_schema_in_the_name_is_taken_at_its_word() -> None:
    assert statistics(holding(table("users", 1)), ["app.users"]) == {"app.users": None}


def test_a_dot_may_be_part_of_a_tables_name() -> None:
    content = holding(table("a.b", 3), table("d", 5, schema="x.c"))
    assert statistics(content, ["a.b", "public.a.b", "x.c.d"]) == {"a.b": 3, "public.a.b": 3, "x.c.d": 5}


def test_names_are_taken_in_the_case_in_which_they_are_written() -> None:
    assert statistics(holding(table("Users", 1)), ["users", "Users"]) == {"users": None, "Users": 1}


def test_a_partitioned_table_counts_its_leaves_over_all_levels() -> None:
    content = holding(
        table("y2025", 10, public("log")),
        table("y2026_1", 3, public("y2026"), schema="archive"),
        table("y2026_2", 4, public("y2026")),
        table("other", 100),
        partitioned=(public("log"), public("y2026"), public("bare")),
        partition_parents=((public("y2026"), public("log")),),
    )
    assert statistics(content, ["log", "y2026", "bare"]) == {"log": 17, "y2026": 7, "bare": 0}


def test_an_inheritance_parent_counts_every_descendant_once() -> None:
    content = holding(
        table("root", 1),
        table("left", 10, public("root")),
        table("right", 100, public("root")),
        table("both", 1000, public("left"), public("right")),
    )
    assert statistics(content, ["root", "left", "both"]) == {"root": 1111, "left": 1010, "both": 1000}


def test_the_dumps_sequence_values_replace_those_that_were_read() -> None:
    first = SequenceContent(schema="public", name="a", last_value=1, is_called=False)
    second = replace(first, name="b", logged=False)
    content = with_sequences(replace(NOTHING, sequences=(first, second)), {("public", "b"): (7, True)})
    assert content.sequences == (first, replace(second, last_value=7, is_called=True))


def test_a_providers_new_database_is_empty_whatever_extensions_it_brings() -> None:
    objects = (
        SchemaObject(kind="schema", identity="public", definition=""),
        SchemaObject(kind="comment", identity="on schema public", definition="standard public schema"),
        SchemaObject(kind="extension", identity="vector", definition="in schema public"),
        SchemaObject(kind="comment", identity="on extension vector", definition="vector data type"),
        SchemaObject(kind="owner", identity="of schema public", definition="pg_database_owner"),
        SchemaObject(kind="privileges", identity="on schema public", definition=""),
    )
    assert is_empty(NOTHING)
    assert is_empty(replace(NOTHING, objects=objects, tables=(table("configuration", 0),)))


@pytest.mark.parametrize(
    "more",
    [
        {"tables": (table("users", 1),)},
        {"objects": (SchemaObject(kind="table", identity="public.users", definition=""),)},
        {"objects": (SchemaObject(kind="comment", identity="on schema billing", definition=""),)},
        {"large_objects": LargeObjects(count=1, fingerprint="5")},
        {"objects": (SchemaObject(kind="function", identity="public.f()", definition=""),)},
        {"objects": (SchemaObject(kind="schema", identity="billing", definition=""),)},
    ],
    ids="".join,
)
def test_whatever_a_user_made_makes_a_database_not_empty(more: dict[str, object]) -> None:
    assert not is_empty(replace(NOTHING, **more))  # type: ignore[arg-type]
