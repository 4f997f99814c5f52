"""What many tests of whole runs share."""

import pytest


@pytest.fixture(params=["swap", "in_place"])
def method(request: pytest.FixtureRequest) -> str:
    """RESTORE_METHOD, one after the other."""
    return str(request.param)
