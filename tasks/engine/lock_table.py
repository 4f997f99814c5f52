"""How many locks on tables a server has room for: each transaction keeps its own until it ends."""

from dataclasses import dataclass

from sqlalchemy.engine import Connection

_PER_TRANSACTION = "current_setting('max_locks_per_transaction')::int"
_TRANSACTIONS = "(current_setting('max_connections')::int + current_setting('max_prepared_transactions')::int)"
_QUESTION = f"SELECT {_PER_TRANSACTION}, {_TRANSACTIONS}"
ROOM = f"SELECT {_PER_TRANSACTION} * {_TRANSACTIONS} AS room"
"""The question for LockTable.room alone."""


@dataclass(frozen=True, kw_only=True)
class LockTable:
    """per_transaction: the setting; transactions: by how many it is multiplied."""

    per_transaction: int
    transactions: int

    @property
    def room(self) -> int:
        """For so many locks in all; the server has a little more."""
        return self.per_transaction * self.transactions

    def setting_for(self, locks: int) -> int:
        """What max_locks_per_transaction must be so that there is room for so many."""
        return -(-locks // self.transactions)


def read_lock_table(connection: Connection) -> LockTable:
    per_transaction, transactions = connection.exec_driver_sql(_QUESTION).one()
    return LockTable(per_transaction=per_transaction, transactions=transactions)
