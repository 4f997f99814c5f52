"""What changed between two manifests, and between two reports."""

from dataclasses import replace

from tasks.engine.changes import RowsChange, SchemaChange, changed_statistics, changes
from tasks.engine.content import Content, SchemaObject, TableContent


def table(name: str, rows: int, fingerprint: str = "7", schema: str = "public") -> TableContent:
    return TableContent(schema=schema, name=name, rows=rows, fingerprint=fingerprint, logged=True)


def entry(identity: str, definition: str = "d", *, canonical: bool = True) -> SchemaObject:
    return SchemaObject(kind="view", identity=identity, definition=definition, canonical=canonical)


def holding(*tables: TableContent, objects: tuple[SchemaObject, ...] = ()) -> Content:
    return Content(server_version=170000, tables=tables, sequences=(), objects=objects)


def test_rows_that_came_went_or_were_rewritten_are_named_and_equal_tables_are_not() -> None:
    before = holding(table("a", 1), table("b", 2), table("c", 3), table("gone", 4))
    after = holding(table("a", 1), table("b", 5), table("c", 3, "8"), table("new", 0, schema="audit"))
    found = changes(before, after, since_run="r").rows
    assert found == (
        RowsChange(table="audit.new", before=None, after=0),
        RowsChange(table="b", before=2, after=5),
        RowsChange(table="c", before=3, after=3),
        RowsChange(table="gone", before=4, after=None),
    )
    assert [row.difference for row in found] == [None, 3, 0, None]


def test_parts_of_the_schema_that_came_went_or_changed_are_named() -> None:
    before = holding(objects=(entry("same"), entry("gone"), entry("other", "x")))
    after = holding(objects=(entry("same"), entry("new"), entry("other", "y")))
    assert changes(before, after, since_run="r").schema == (
        SchemaChange(what="removed", kind="view", identity="gone"),
        SchemaChange(what="added", kind="view", identity="new"),
        SchemaChange(what="changed", kind="view", identity="other"),
    )


def test_after_an_upgrade_of_the_server_another_spelling_is_no_change_but_another_canonical_definition_is() -> None:
    before = holding(objects=(entry("deparsed", "x", canonical=False), entry("canonical", "x")))
    after = replace(
        holding(objects=(entry("deparsed", "y", canonical=False), entry("canonical", "y"))), server_version=180000
    )
    assert [change.identity for change in changes(before, after, since_run="r").schema or ()] == ["canonical"]


def test_of_an_expired_manifest_the_statistics_are_left() -> None:
    found = changed_statistics({"users": 57, "escrows": 12, "old": 1}, {"users": 60, "escrows": 12}, since_run="r")
    assert found.schema is None
    assert found.rows == (
        RowsChange(table="users", before=57, after=60),
        RowsChange(table="old", before=1, after=None),
    )
