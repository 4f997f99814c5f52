"""When the last verification may take rows as they were proved."""

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from tasks.engine import verification
from tasks.engine.content import Content, TableContent
from tasks.engine.mark import Mark

MARK = Mark(run_id="ours", snapshot_at="2025-01-01", content_digest="digest", source="source")
SOURCE: Any = SimpleNamespace(
    content_digest="digest",
    content=Content(
        server_version=180000,
        tables=(TableContent(schema="public", name="t", rows=1, fingerprint="7", logged=True),),
        sequences=(),
        objects=(),
    ),
)


def a_run(*, closer: str | None = None, **proved: Any) -> Any:
    known = {"digest": "digest", "snapshot": "1:2: @3.4", "comment": MARK.as_comment(), **proved}
    return SimpleNamespace(id="ours", closer=closer, facts={"proved": known})


def test_they_are_the_sources() -> None:
    found = verification._as_proved(a_run(), SOURCE, lambda: None)
    assert found is not None
    assert (found.rows, found.mark) == ({("public", "t"): (1, "7")}, MARK.as_comment())


@pytest.mark.parametrize(
    "run",
    [
        SimpleNamespace(id="ours", closer=None, facts={}),
        a_run(closer="another process"),
        a_run(digest="another"),
        a_run(snapshot=None),
        a_run(comment=None),
        a_run(comment=replace(MARK, run_id="the last one").as_comment()),
    ],
)
def test_they_are_read_where_something_else_was_proved_or_the_run_is_ended_by_another(run: Any) -> None:
    """As what a rollback put back in a transaction that did not come to its COMMIT."""
    assert verification._as_proved(run, SOURCE, lambda: None) is None
