"""An application that reads the backup database all the time, and reconnects at once when it is thrown out."""

import threading
import time
from contextlib import closing, suppress

import psycopg2

_PAUSE_S = 0.05
_CONNECTION_LIVES_S = 1.0  # and then there is a newcomer
_TABLES = "SELECT count(*) FROM pg_catalog.pg_class WHERE relname IN ('users', 'escrows', 'wallets', 'transactions')"


class Reader:
    """Measures how long it was shut out at most, and whether it ever saw a database without tables."""

    def __init__(self, dsn: str) -> None:
        self._dsn = f"{dsn} application_name=reader connect_timeout=30"
        self._over, self._watching = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._read, name="reader", daemon=True)
        self.longest_gap_s = 0.0
        self.saw_no_tables = False
        self._last_success = time.monotonic()

    def forget(self) -> None:
        """Begin to measure anew."""
        self.longest_gap_s, self.saw_no_tables, self._last_success = 0.0, False, time.monotonic()
        self._watching.set()

    def rest(self) -> None:
        """Until `forget`: nobody asks meanwhile."""
        self._watching.clear()

    def start(self) -> "Reader":
        self._thread.start()
        return self

    def stop(self) -> None:
        self._over.set()
        self._thread.join(35)

    def _read(self) -> None:
        while not self._over.wait(_PAUSE_S):
            asked = time.monotonic()
            if not self._watching.is_set():
                continue
            with suppress(psycopg2.Error):  # the gap grows until the next success
                self._read_through_one_connection(asked)

    def _read_through_one_connection(self, asked: float) -> None:
        connected_at = asked
        with closing(psycopg2.connect(self._dsn)) as connection, connection.cursor() as cursor:
            connection.autocommit = True
            while self._watching.is_set() and not self._over.is_set() and asked - connected_at < _CONNECTION_LIVES_S:
                cursor.execute(_TABLES)
                row, now = cursor.fetchone(), time.monotonic()
                self.saw_no_tables |= row == (0,)
                self.longest_gap_s = max(self.longest_gap_s, now - min(asked, self._last_success + _PAUSE_S))
                self._last_success = now
                self._over.wait(_PAUSE_S)
                asked = time.monotonic()
