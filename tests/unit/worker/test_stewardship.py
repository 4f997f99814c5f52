"""What `promote` says of the content that becomes production."""

from datetime import UTC, datetime

import pytest

from tasks.engine.mark import Mark
from tasks.engine.stewardship import UNMARKED
from worker.commands.stewardship import told_content

NOW = datetime(2026, 11, 22, 18, 30, tzinfo=UTC)
THEN = "2026-11-22T06:00:00+00:00"


@pytest.mark.parametrize(
    ("mark", "said"),
    [
        ({}, f"its content is of {THEN} (12.5 hours old), copied by run r"),
        (
            {"restored": str(NOW)},
            f"its content is of {THEN} (12.5 hours old), copied by run r, restored by hand on {NOW}",
        ),
        (
            {"run_id": "adopted", "adopted": THEN},
            f"its content was adopted on {THEN}: how old it was then, this tool cannot know",
        ),
        ({"run_id": UNMARKED}, "it bore no mark of ours: how old its content is, this tool cannot know"),
        ({"snapshot_at": "yesterday"}, "its content is of yesterday, copied by run r"),
    ],
)
def test_the_age_is_told_as_far_as_the_mark_knows_it(mark: dict[str, str], said: str) -> None:
    facts = {"run_id": "r", "snapshot_at": THEN, "content_digest": "d", "source": "s", **mark}
    assert told_content(Mark(**facts), NOW) == said  # type: ignore[arg-type]
