"""The content digest: what is in it, and what must not be."""

import random
from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.engine.content import (
    Content,
    LargeObjects,
    SchemaObject,
    SequenceContent,
    TableContent,
    content_digest,
    content_from_json,
    from_json,
    to_json,
)
from tests.unit.tasks.engine.content.strategies import CONTENTS

USERS = TableContent(schema="public", name="users", rows=57, fingerprint="123", logged=True)
CACHE = TableContent(schema="public", name="cache", rows=5, fingerprint="9", logged=False)
USERS_ID = SequenceContent(schema="public", name="users_id_seq", last_value=57, is_called=True)
CACHE_ID = SequenceContent(schema="public", name="cache_id_seq", last_value=5, is_called=True, logged=False)
EMAIL = SchemaObject(kind="column", identity="public.users.email", definition="text")
VIEW = SchemaObject(kind="view definition", identity="public.v", definition="SELECT 1", canonical=False, recreate="[]")
CONTENT = Content(
    server_version=170000,
    tables=(USERS, CACHE),
    sequences=(USERS_ID, CACHE_ID),
    objects=(EMAIL, VIEW),
    large_objects=LargeObjects(count=2, fingerprint="77"),
    notes={"extension plpgsql": "1.0"},
)


@pytest.mark.parametrize(
    "changed",
    [
        replace(CONTENT, tables=(replace(USERS, rows=56), CACHE)),
        replace(CONTENT, tables=(replace(USERS, fingerprint="124"), CACHE)),
        replace(CONTENT, tables=(USERS,)),
        replace(CONTENT, tables=(USERS, CACHE, replace(USERS, name="more", rows=0, fingerprint="0"))),
        replace(CONTENT, sequences=(replace(USERS_ID, last_value=58), CACHE_ID)),
        replace(CONTENT, sequences=(replace(USERS_ID, is_called=False), CACHE_ID)),
        replace(CONTENT, objects=(EMAIL,)),
        replace(CONTENT, objects=(replace(EMAIL, definition="varchar(50)"), VIEW)),
        replace(CONTENT, objects=(EMAIL, replace(VIEW, identity="public.w"))),
        replace(CONTENT, objects=(EMAIL, replace(VIEW, kind="table"))),
        replace(CONTENT, large_objects=LargeObjects(count=1, fingerprint="77")),
        replace(CONTENT, large_objects=LargeObjects(count=2, fingerprint="78")),
    ],
)
def test_the_digest_changes_with_rows_objects_types_sequences_and_large_objects(changed: Content) -> None:
    assert content_digest(changed) != content_digest(CONTENT)


@pytest.mark.parametrize(
    "same",
    [
        replace(CONTENT, server_version=180000),
        replace(CONTENT, notes=None),
        replace(CONTENT, objects=(VIEW, EMAIL)),
        replace(CONTENT, objects=(EMAIL, VIEW, SchemaObject(kind="owner", identity="of v", definition="me"))),
        replace(CONTENT, objects=(EMAIL, VIEW, SchemaObject(kind="privileges", identity="on v", definition="all"))),
        replace(CONTENT, objects=(EMAIL, replace(VIEW, definition="SELECT (1)", recreate=None))),
        replace(CONTENT, tables=(USERS, replace(CACHE, rows=0, fingerprint="0"))),
        replace(CONTENT, sequences=(USERS_ID, replace(CACHE_ID, last_value=1, is_called=False))),
    ],
)
def test_the_digest_is_blind_to_upgrades_deparsed_text_rights_and_what_a_crash_empties(same: Content) -> None:
    assert content_digest(same) == content_digest(CONTENT)


@given(CONTENTS, st.randoms())
def test_the_digest_does_not_depend_on_the_order_of_reading(content: Content, chance: random.Random) -> None:
    def shuffled(items: tuple[object, ...]) -> tuple[object, ...]:
        return tuple(chance.sample(items, len(items)))

    shuffle: Callable[..., Content] = replace
    other = shuffle(
        content,
        tables=shuffled(content.tables),
        sequences=shuffled(content.sequences),
        objects=shuffled(content.objects),
    )
    assert content_digest(other) == content_digest(content)


@given(CONTENTS)
def test_the_digest_of_a_manifest_that_was_read_back_is_the_same(content: Content) -> None:
    assert content_digest(content_from_json(from_json("".join(to_json(content)).encode()))) == content_digest(content)
