"""When a run must not overwrite."""

from dataclasses import replace

import pytest

from tasks.engine.content import Content, SchemaObject, TableContent, content_digest
from tasks.engine.guards import Shrink, foreign_target, measure_shrink, written_target
from tasks.engine.manifest import Manifest
from tasks.engine.mark import Mark

STATS = ("users", "escrows")


def holding(**rows: int) -> Content:
    """A database with these tables in public and so many rows in each."""
    tables = tuple(
        TableContent(schema="public", name=name, rows=count, fingerprint=str(count * 7), logged=True)
        for name, count in sorted(rows.items())
    )
    objects = tuple(
        SchemaObject(kind="table", identity=f"public.{table.name}", definition="ordinary") for table in tables
    )
    return Content(server_version=170000, tables=tables, sequences=(), objects=objects)


def safety(content: Content) -> Manifest:
    return Manifest(
        kind="safety",
        run_id="r",
        stamp="20261122_060000",
        taken_at="2026-11-22T06:00:00+00:00",
        database="railway",
        identity="1/2/railway",
        server_version="17.1",
        client_version="17.1",
        wal_position=None,
        file="backup_safety_20261122_060000.sql",
        size_bytes=1,
        sha256="0",
        content_digest=content_digest(content),
        content=content,
        privileges=True,
        properties={},
        grants=None,
    )


def mark_of(content: Content, promoted: str | None = None) -> Mark:
    return Mark(
        run_id="earlier",
        snapshot_at="2026-11-21T18:00:00+00:00",
        content_digest=content_digest(content),
        source="1/1/neondb",
        promoted=promoted,
    )


def test_a_database_with_data_and_no_mark_might_be_anybodys() -> None:
    (reason,) = foreign_target(safety(holding(users=57)), None)
    assert "1 table with 57 rows" in reason
    assert reason.endswith("railway-neon-sync adopt")


def test_an_empty_database_needs_no_mark() -> None:
    assert foreign_target(safety(holding()), None) == []


def test_our_own_untouched_copy_may_be_overwritten() -> None:
    content = holding(users=57)
    assert written_target(safety(content), mark_of(content)) == []


def test_a_copy_that_somebody_wrote_to_is_held() -> None:
    (reason,) = written_target(safety(holding(users=58)), mark_of(holding(users=57)))
    assert "was written to since the copy of 2026-11-21T18:00:00+00:00" in reason
    assert "adopt" in reason
    assert "promote" in reason


def test_a_promoted_copy_is_production_and_is_held_although_nobody_wrote_to_it() -> None:
    content = holding(users=57)
    (reason,) = written_target(safety(content), mark_of(content, promoted="2026-11-22T03:00:00+00:00"))
    assert "production" in reason


def test_what_a_person_restored_by_hand_is_held_although_nobody_wrote_to_it() -> None:
    content = holding(users=57)
    restored = replace(mark_of(content), restored="2026-11-22T03:00:00+00:00")
    (reason,) = written_target(safety(content), restored)
    assert "was restored by hand on 2026-11-22T03:00:00+00:00, to what was dumped at 2026-11-21T18:00:00" in reason
    assert reason.endswith("railway-neon-sync promote")


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ({"users": 57, "escrows": 12}, {"users": 57, "escrows": 12}, None),
        ({"users": 57, "escrows": 12}, {"users": 30, "escrows": 11}, None),
        (
            {"users": 57, "escrows": 12},
            {"users": 57, "escrows": 0},
            Shrink(emptied={"escrows": 12}, rows_before=69, rows_after=57),
        ),
        ({"users": 57, "escrows": 12}, {"users": 57}, Shrink(emptied={"escrows": 12}, rows_before=69, rows_after=57)),
        ({"users": 100}, {"users": 49}, Shrink(emptied={}, rows_before=100, rows_after=49)),
        ({"users": 100}, {"users": 50}, None),
        ({"logs": 100, "users": 1}, {"users": 1}, Shrink(emptied={}, rows_before=101, rows_after=1)),
        ({}, {"users": 1}, None),
        ({}, {}, None),
    ],
)
def test_a_loss_is_measured_against_what_would_be_overwritten(
    before: dict[str, int], after: dict[str, int], expected: Shrink | None
) -> None:
    assert measure_shrink(holding(**before), holding(**after), tables=STATS, max_percent=50) == expected


@pytest.mark.parametrize(("percent", "held"), [(0, True), (10, False), (100, False)])
def test_how_much_may_be_lost_is_a_setting(percent: int, held: bool) -> None:
    found = measure_shrink(holding(users=100), holding(users=90), tables=STATS, max_percent=percent)
    assert (found is not None) is held


def test_an_accepted_loss_accepts_no_larger_one() -> None:
    shown = Shrink(emptied={"escrows": 12}, rows_before=100, rows_after=40)
    assert shown.within(shown)
    assert Shrink(emptied={}, rows_before=100, rows_after=45).within(shown)
    assert not Shrink(emptied={}, rows_before=100, rows_after=39).within(shown)
    assert not Shrink(emptied={"users": 1}, rows_before=100, rows_after=45).within(shown)
