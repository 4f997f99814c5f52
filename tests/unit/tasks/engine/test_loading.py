"""What the loader decides without a server."""

from collections.abc import Sequence

import pytest

from tasks.engine.dumpfile_reader import Statement
from tasks.engine.dumpfile_rules import Kind
from tasks.engine.loading_errors import find_culprit
from tasks.engine.loading_session import is_unknown


def _statement(text: bytes, *, line: int = 1, kind: Kind = Kind.SETTING) -> Statement:
    return Statement(text=text, line=line, kind=kind)


@pytest.mark.parametrize(
    ("text", "server_version", "unknown"),
    [
        (b"SET transaction_timeout = 0;", 160_013, True),
        (b"SET transaction_timeout = 0;", 170_000, False),
        (b"SET statement_timeout = 0;", 140_000, False),
    ],
)
def test_transaction_timeout_is_kept_from_servers_before_17(text: bytes, server_version: int, *, unknown: bool) -> None:
    assert is_unknown(_statement(text), server_version=server_version) is unknown


@pytest.mark.parametrize("count", [1, 2, 3, 7, 500])
def test_the_first_failing_statement_is_found_and_none_before_it_is_carried_out_twice(count: int) -> None:
    batch = [_statement(b"", line=number) for number in range(count)]
    for failing in range(count):
        done: list[int] = []

        def works(part: Sequence[Statement], failing: int = failing, done: list[int] = done) -> bool:
            lines = [statement.line for statement in part]
            if failing in lines:
                return False
            done.extend(lines)
            return True

        assert find_culprit(batch, works).line == failing
        assert done == list(range(failing))
