"""Large objects: every byte of every one counts, in few round trips."""

import pytest

from tasks.engine.content import LargeObjects
from tasks.engine.content.batches import Batches
from tasks.engine.content.large_objects import read_large_objects
from tasks.engine.content.session import pin_session
from tests.integration.content_support import Database, NewDatabase, session
from worker.demo.servers import PostgresServer


@pytest.fixture
def database(source_server: PostgresServer, new_database: NewDatabase) -> Database:
    return Database(source_server, new_database(source_server, "reading"))


def large_objects(dsn: str) -> LargeObjects:
    with session(dsn) as opened:
        pin_session(opened.connection)
        with Batches(opened.connection) as batches:
            return read_large_objects(batches)


def test_large_objects_are_counted_and_every_byte_of_them_counts(database: Database) -> None:
    database.execute(
        "SELECT lo_create(1), lo_from_bytea(2, 'two'), lo_from_bytea(3, repeat('x', 3 * 1024 * 1024)::bytea)"
    )
    expected = large_objects(database.dsn)
    seen = {expected}
    for change in (
        "SELECT lo_put(2, 1, 'W')",
        "SELECT lo_put(3, 2 * 1024 * 1024, 'y')",
        "SELECT lo_put(3, 3 * 1024 * 1024, 'y')",
        "SELECT lo_unlink(1)",
        "SELECT lo_from_bytea(4, 'two')",
    ):
        database.execute(change)
        seen.add(large_objects(database.dsn))
    assert expected.count == 3
    assert len(seen) == 6


def test_two_large_objects_that_exchange_their_bytes_are_noticed(database: Database) -> None:
    database.execute("SELECT lo_from_bytea(1, 'one'), lo_from_bytea(2, 'two')")
    expected = large_objects(database.dsn)
    database.execute("SELECT lo_put(1, 0, 'two'), lo_put(2, 0, 'one')")
    assert large_objects(database.dsn) != expected


def test_a_hole_in_a_large_object_is_the_zeroes_that_its_restored_copy_holds(
    database: Database, target_server: PostgresServer, new_database: NewDatabase
) -> None:
    database.execute("SELECT lo_from_bytea(1, 'begin'); SELECT lo_put(1, 1024 * 1024 * 2 - 5, 'end of it')")
    copy = Database(target_server, new_database(target_server, "reading"))
    copy.restore_from(database)
    assert large_objects(copy.dsn) == large_objects(database.dsn)


def test_thousands_of_large_objects_take_few_round_trips(database: Database) -> None:
    database.execute("SELECT count(lo_from_bytea(0, g::text::bytea)) FROM generate_series(1, 5000) g")
    with session(database.dsn) as opened:
        with Batches(opened.connection) as batches:
            assert read_large_objects(batches).count == 5000
        assert len(opened.statements) <= 6
