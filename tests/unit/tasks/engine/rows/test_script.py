"""What psql is told to do."""

from tasks.engine.rows.kept import segments
from tasks.engine.rows.listing import Listed, Listing
from tasks.engine.rows.script import rows_script


def listed(number: int) -> Listed:
    name = b"t%d" % number
    return Listed(schema=b"public", name=name, owner=b"somebody", quoted=b"public." + name, columns=(b"id", b"note"))


def strings_for(tables: int) -> list[bytes]:
    every = tuple(listed(number) for number in range(tables))
    listing = Listing(tables=every, sequences=every, views=(), created=frozenset())
    return list(
        rows_script(
            segments(listing, {}),
            listing.sequences,
            mark=b"mark",
            snapshot="1-1",
            server_major=18,
            keep_owners=False,
            lock_timeout_s=5,
        )
    )


def test_two_hundred_tables_and_their_sequences_are_one_round_trip() -> None:
    [string] = strings_for(200)
    assert string.count(b";\n") - string.count(b"\\;\n") == 1


def test_so_many_tables_that_their_locks_would_count_are_several() -> None:
    strings = strings_for(1_200)
    assert [string.count(b"IN ACCESS SHARE MODE") for string in strings] == [1, 1, 1]
    assert all(string.startswith(b"BEGIN") and string.endswith(b"COMMIT;\n") for string in strings)
