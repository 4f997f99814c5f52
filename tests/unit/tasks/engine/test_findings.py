"""Points that are examined one after the other, and what hangs on one that fails."""

import errno
from collections.abc import Iterator

from tasks.engine.errors import BackupError
from tasks.engine.findings import Finding, Point, all_good, examine


def fails() -> str:
    raise BackupError("it is broken; mend it")


def two() -> Iterator[Finding]:
    yield Finding(name="two", state="good", told="one half")
    yield Finding(name="two", state="note", told="the other half, for your information")


def test_a_point_that_hangs_on_a_bad_one_says_so_and_so_does_what_hangs_on_that() -> None:
    told: list[Finding] = []
    points = (
        Point(name="good", look=lambda: "fine"),
        Point(name="bad", look=fails),
        Point(name="after", look=lambda: "never asked", needs=("good", "bad")),
        Point(name="later", look=lambda: "never asked", needs=("after",)),
        Point(name="beside", look=lambda: "fine too", needs=("good",)),
    )
    found = examine(points, told.append)
    assert found == told
    assert [(finding.state, finding.told) for finding in found] == [
        ("good", "fine"),
        ("bad", "it is broken; mend it"),
        ("open", "cannot be examined while this fails: bad"),
        ("open", "cannot be examined while this fails: after"),
        ("good", "fine too"),
    ]
    assert not all_good(found)


def test_a_point_may_find_several_things_and_a_note_is_no_fault() -> None:
    found = examine([Point(name="two", look=two), Point(name="next", look=lambda: "fine", needs=("two",))])
    assert [finding.state for finding in found] == ["good", "note", "good"]
    assert all_good(found)


def test_what_another_user_alone_may_open_is_bad_and_does_not_end_the_examination() -> None:
    def denied() -> str:
        raise PermissionError(errno.EACCES, "Permission denied", "/b/reports")

    found = examine([Point(name="copy", look=denied), Point(name="after it", look=lambda: "good")])
    assert [finding.state for finding in found] == ["bad", "good"]
    assert "may not open /b/reports: type it as the user who runs the worker" in found[0].told
