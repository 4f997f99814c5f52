"""Somebody who works on the source while a backup runs."""

import secrets
import threading
from contextlib import closing
from types import TracebackType
from typing import Self

import psycopg2
import psycopg2.extensions

_PAUSE_S = 0.001

# One after the other, each a transaction of its own; %(n)s is its name.
_WORK = (
    """
    WITH person AS (
        INSERT INTO public.users (email, display_name, country, password_hash)
        VALUES ('writer' || %(n)s || '@example.com', 'Writer', 'DE', 'x') RETURNING id
    ), wallet AS (
        INSERT INTO public.wallets (user_id, currency, balance, address)
        SELECT id, 'EUR', 10, 'w' FROM person RETURNING id
    )
    INSERT INTO public.transactions (reference, wallet_id, kind, amount)
    SELECT md5('writer' || %(n)s)::uuid, id, 'deposit', 10 FROM wallet
    """,
    """
    INSERT INTO public.escrows (buyer_id, seller_id, title, terms, amount, due_on)
    SELECT max(id), min(id), 'written ' || %(n)s, '', 1, '2026-01-01' FROM public.users
    """,
    """
    UPDATE public.wallets SET balance = balance + CASE WHEN id < 20 THEN 1 ELSE 2 END WHERE id <= 45
    """,
    """
    UPDATE public.escrows SET status = 'funded' WHERE status = 'draft'
    """,
    # All but the newest: the table never looks again as it did before.
    """
    DELETE FROM public.transactions WHERE id IN (
        SELECT id FROM public.transactions WHERE id > 234 ORDER BY id DESC OFFSET 1)
    """,
    """
    SELECT nextval('public.escrow_numbers') FROM generate_series(1, 3)
    """,
)


class Writer:
    """Inserts, updates and deletes on the demo's four tables, all the time, until it is stopped.

    with Writer(source_dsn) as writer: ...; afterwards `writer.transactions` have been committed, and whatever
    failed is raised. Sequences move too. For a database that holds the demo's application (`fidelity.fill` does).
    """

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        self._token = secrets.token_hex(4)  # so that a second writer's rows are new ones
        self._ended = threading.Event()
        self._progress = threading.Condition()
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._write, name="writer", daemon=True)
        self.transactions = 0

    def __enter__(self) -> Self:
        """Returns when the first transactions have been committed."""
        self._thread.start()
        self.wait_for(len(_WORK))
        return self

    def wait_for(self, transactions: int, timeout_s: float = 30.0) -> None:
        """Return when that many more transactions have been committed, or when the writer has failed."""
        goal = self.transactions + transactions
        with self._progress:
            if not self._progress.wait_for(lambda: self.transactions >= goal or self._failure, timeout_s):
                raise AssertionError(f"the writer did not get {transactions} transactions done in {timeout_s} s")

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._thread.join(timeout=60)
        if error is not None:
            return  # the test's own failure is the one to be seen
        if self._failure is not None:
            raise AssertionError(f"the writer failed after {self.transactions} transactions") from self._failure
        assert not self._thread.is_alive(), "the writer is stuck behind a lock"
        assert self.transactions >= len(_WORK), "the writer never got to write"

    def _write(self) -> None:
        try:
            with closing(psycopg2.connect(self._dsn)) as connection:
                connection.autocommit = True
                with connection.cursor() as cursor:
                    self._work_until_ended(cursor)
        except BaseException as failure:  # noqa: BLE001 - raised again in the thread that looks
            with self._progress:
                self._failure = failure
                self._progress.notify_all()

    def _work_until_ended(self, cursor: psycopg2.extensions.cursor) -> None:
        while not self._ended.is_set():
            cursor.execute(_WORK[self.transactions % len(_WORK)], {"n": f"{self._token}-{self.transactions}"})
            with self._progress:
                self.transactions += 1
                self._progress.notify_all()
            self._ended.wait(_PAUSE_S)
