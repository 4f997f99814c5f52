"""What is decided of two servers without asking them again."""

import pytest

from tasks.engine.checking import demand_versions
from tasks.engine.errors import BackupError


@pytest.mark.parametrize(("source", "target"), [(14, 14), (14, 18), (17, 18)])
@pytest.mark.parametrize("allow_older", [False, True])
def test_a_target_as_new_as_the_source_or_newer_is_no_news(source: int, target: int, *, allow_older: bool) -> None:
    assert demand_versions({"major": source}, {"major": target}, allow_older=allow_older) is None


def test_an_older_target_is_refused_unless_it_is_allowed_and_then_warned_of() -> None:
    with pytest.raises(BackupError, match=r"PostgreSQL 18, the backup database only 17.*ALLOW_OLDER_TARGET=true"):
        demand_versions({"major": 18}, {"major": 17}, allow_older=False)
    told = demand_versions({"major": 18}, {"major": 17}, allow_older=True)
    assert told is not None
    assert "PostgreSQL 17, older than the source's 18" in told
