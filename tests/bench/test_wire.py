"""The wire: everything passes as it was, never earlier than told, side by side, and is counted."""

import hashlib
import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager

import psycopg2
import pytest

from tests.bench.counting import union_s
from tests.bench.wire import Wire
from worker.demo.servers import PostgresServer

_ROUND_TRIP_S = 0.05


@contextmanager
def echoing() -> Iterator[int]:
    """A server that sends back what it is sent, to its end; the port."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                threading.Thread(target=_echo, args=(connection,), daemon=True).start()

        threading.Thread(target=serve, daemon=True).start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)


def _echo(connection: socket.socket) -> None:
    with connection:
        while block := connection.recv(65536):
            connection.sendall(block)
        connection.shutdown(socket.SHUT_WR)


def _said_and_heard(port: int, said: bytes) -> bytes:
    """What comes back when this is sent, and then the end."""
    with socket.create_connection(("127.0.0.1", port)) as client:
        threading.Thread(target=_say, args=(client, said), daemon=True).start()
        heard = bytearray()
        while block := client.recv(65536):
            heard += block
    return bytes(heard)


def _say(client: socket.socket, said: bytes) -> None:
    client.sendall(said)
    client.shutdown(socket.SHUT_WR)


@pytest.mark.parametrize("round_trip_s", [0.0, _ROUND_TRIP_S])
def test_all_bytes_pass_as_they_were_and_the_end_passes_too(round_trip_s: float) -> None:
    said = os.urandom(1_000_000) * 80  # more than may be on the way at once
    with echoing() as port, Wire(port, round_trip_s) as wire:
        heard = _said_and_heard(wire.port, said)
        count = wire.take()
    assert hashlib.sha256(heard).digest() == hashlib.sha256(said).digest()
    assert (count.up_bytes, count.down_bytes) == (len(said), len(said))


def test_a_round_trip_takes_at_least_what_was_told_and_so_does_opening() -> None:
    with echoing() as port, Wire(port, _ROUND_TRIP_S) as wire:
        began = time.monotonic()
        with socket.create_connection(("127.0.0.1", wire.port)) as client:
            for number in range(4):
                client.sendall(b"%d" % number)
                assert client.recv(10) == b"%d" % number
                assert time.monotonic() - began >= _ROUND_TRIP_S * (number + 2)
        count = wire.take()
    assert count.round_trips == 1 + 4
    assert count.open_s >= 5 * _ROUND_TRIP_S


def test_what_is_sent_without_waiting_is_one_round_trip() -> None:
    """Ten blocks, each so late that it is a block of its own, are all sent before the first comes back."""
    with echoing() as port, Wire(port, 2.0) as wire, socket.create_connection(("127.0.0.1", wire.port)) as client:
        for _ in range(10):
            client.sendall(b"x" * 1000)
            time.sleep(0.01)
        heard = 0
        while heard < 10_000:
            heard += len(client.recv(65536))
        assert wire.take().round_trips == 1 + 1


def test_the_next_count_begins_at_nothing() -> None:
    with echoing() as port, Wire(port) as wire:
        _said_and_heard(wire.port, b"something")
        assert wire.take().bytes == 18
        assert (wire.take().bytes, wire.take().round_trips, wire.take().connections) == (0, 0, 0)


def test_where_nobody_listens_the_connection_ends_at_once() -> None:
    with socket.create_server(("127.0.0.1", 0)) as nobody:
        port = nobody.getsockname()[1]
    with Wire(port) as wire, socket.create_connection(("127.0.0.1", wire.port), timeout=20) as client:
        try:
            heard = client.recv(1)
        except ConnectionResetError:
            heard = b""
    assert heard == b""


def test_each_statement_is_a_round_trip_and_tells_its_beginning(source_server: PostgresServer) -> None:
    with Wire(source_server.port) as wire:
        dsn = source_server.dsn().replace(f"port={source_server.port}", f"port={wire.port}")
        with closing(psycopg2.connect(dsn)) as connection:
            connection.autocommit = True
            words = [turn.said for turn in wire.take().turns]
            assert words == ["(whether there is TLS)", "(the session's parameters)", *2 * ["(the password)"]]
            with connection.cursor() as cursor:
                for statement in ("SELECT 1", "SELECT 2; SELECT 3"):
                    cursor.execute(statement)
        count = wire.take()
    assert [turn.said for turn in count.turns] == ["SELECT 1", "SELECT 2; SELECT 3"]
    assert (count.round_trips, count.connections) == (2, 0)


def test_time_with_a_connection_open_is_counted_once() -> None:
    assert union_s([(1.0, 3.0), (2.0, 4.0), (2.5, 2.6), (10.0, 11.0)]) == 4.0
