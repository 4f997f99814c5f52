"""What somebody changed, in a few words."""

from dataclasses import replace

from tasks.engine.content import (
    Content,
    LargeObjects,
    SchemaObject,
    SequenceContent,
    TableContent,
    describe_changes,
    describe_losses,
    describe_tables,
)


def table(name: str, rows: int, fingerprint: str = "1") -> TableContent:
    return TableContent(schema="public", name=name, rows=rows, fingerprint=fingerprint, logged=True)


BEFORE = Content(
    server_version=170000,
    tables=(table("old", 3), table("users", 57), table("wallets", 45)),
    sequences=(SequenceContent(schema="public", name="users_id_seq", last_value=57, is_called=True),),
    objects=(SchemaObject(kind="view", identity="public.rich", definition="SELECT 1"),),
)


def test_tables_are_named_with_what_happened_to_their_rows() -> None:
    after = replace(BEFORE, tables=(table("new", 2), table("users", 58), table("wallets", 45, "2")))
    assert describe_changes(BEFORE, after) == (
        "table public.new is new, with 2 rows, table public.old is gone, it had 3 rows, "
        "table public.users had 57 rows and has 58, table public.wallets: some of its 45 rows were changed"
    )


def test_sequences_large_objects_and_other_objects_are_named() -> None:
    after = replace(
        BEFORE,
        sequences=(SequenceContent(schema="public", name="users_id_seq", last_value=60, is_called=True),),
        large_objects=LargeObjects(count=1, fingerprint="5"),
        objects=(),
    )
    assert describe_changes(BEFORE, after) == (
        "sequence public.users_id_seq moved from 57 to 60, large objects: there were 0, there are 1, "
        "view public.rich is gone"
    )


def test_what_belongs_to_a_new_table_is_not_told_beside_it() -> None:
    after = replace(
        BEFORE,
        tables=(*BEFORE.tables, table("zoo", 0)),
        objects=(
            *BEFORE.objects,
            SchemaObject(kind="table", identity="public.zoo", definition="ordinary"),
            SchemaObject(kind="column", identity="public.zoo.id", definition="integer"),
        ),
    )
    assert describe_changes(BEFORE, after) == "table public.zoo is new, with 0 rows"


def test_a_definition_alone_is_said_to_be_one() -> None:
    after = replace(BEFORE, objects=(replace(BEFORE.objects[0], definition="SELECT 2"),))
    assert describe_changes(BEFORE, after) == "definitions only"


def test_losses_are_told_by_what_each_table_had_and_would_have_the_largest_first() -> None:
    after = replace(BEFORE, tables=(table("new", 9), table("users", 58), table("wallets", 1)))
    assert describe_losses(BEFORE, after) == "public.wallets 45 to 1, public.old 3 to 0"


def test_many_are_the_first_few_and_a_number() -> None:
    many = Content(server_version=170000, tables=tuple(table(f"t{n}", n) for n in range(9)), sequences=(), objects=())
    assert describe_tables(many) == "public.t8 8, public.t7 7, public.t6 6, public.t5 5, public.t4 4 and 4 more"
