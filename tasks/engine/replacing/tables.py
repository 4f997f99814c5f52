"""The fourth way, where only rows changed: what differs is written, in one transaction, into the tables that stand.

Readers go on meanwhile: they see the old rows until the COMMIT. Writers to these tables wait.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace

from tasks.engine.changed_tables import Changed
from tasks.engine.connections import raw_connection
from tasks.engine.content import Content, Earlier, TableName, earlier, holding, read_content, read_rows, with_rows
from tasks.engine.content.session import put_off, reading_settings_undone
from tasks.engine.content.session import run as execute
from tasks.engine.faultpoints import fault_point
from tasks.engine.guards import NOT_OVERWRITTEN, demand_unwritten
from tasks.engine.loading_tables import load_tables
from tasks.engine.mark import literal, qualified
from tasks.engine.proof import demand_equal
from tasks.engine.replacing import fence
from tasks.engine.replacing.filling import SESSION
from tasks.engine.replacing.in_place import Ahead, InPlace
from tasks.engine.replacing.interface import Replacement
from tasks.engine.run import Run

# Rows of other tables may point to what is written again: constraints hold at the source, and so in an equal copy.
_SILENT = "SET LOCAL session_replication_role = replica"
# It changes nothing, takes the lock that makes nextval wait (sequences have no LOCK), and gives the sequence a new file
# (seen on 14 to 18), which a ROLLBACK takes away with what setval writes into it: setval alone would stay.
_LOCK_SEQUENCES = """
    SELECT string_agg(format('ALTER SEQUENCE %s CACHE %s', seqrelid::regclass, seqcache), '; ')
    FROM pg_sequence WHERE seqrelid = ANY (ARRAY[{}]::regclass[])
"""

_SHARE = 0.1  # autovacuum_analyze_scale_factor's default


class ChangedTables(InPlace):
    """One transaction from the first lock to the mark: whatever happens before its COMMIT never happened."""

    def __init__(self, run: Run, what: Replacement, changed: Changed, ahead: Ahead | None = None) -> None:
        super().__init__(run, what, ahead)
        self._changed = changed

    def prepare(self) -> None:
        connection, run, what = self._connection, self.run, self.what
        put_off(connection, _SILENT)
        fence.take_lock_and_check(connection, run.target_name, what.expected)
        run.still_ours()
        self._lock()
        self._demand_unwritten_here()
        fault_point("tables.locked")
        run.progress.begin("loading", of_tables=len(self._changed.tables), of_bytes=what.manifest.size_bytes)
        differ = load_tables(
            raw_connection(connection),
            what.dump,
            what.manifest,
            tables=self._changed.tables,
            large=self._changed.large,
            session_settings=SESSION,
            keys=what.keys,
            progress=run.progress.bytes_done,
            check=run.watch.check,
        )
        self._set_sequences()
        fault_point("loaded")
        self._gather_statistics(differ)
        fault_point("filled", connection)

    def prove(self) -> Content:
        """Also that nobody wrote elsewhere: the other tables were not locked."""
        manifest = self.what.manifest
        found = read_content(
            self._connection,
            progress=self.run.progress.tables_done,
            privileges=manifest.privileges,
            before=self._before(but=self._changed.tables),
        )
        self._demand_unwritten_elsewhere(found)
        demand_equal(manifest.content, found, self._connection, what="the prepared copy")
        return found

    def _gather_statistics(self, differ: Mapping[TableName, int]) -> None:
        """Of tables of which a tenth differs, as the server itself would: ahead of what the proof asks first."""
        rows = {name: max(number, 1) for name, (number, _) in holding(self.what.manifest.content.tables).items()}
        worth = [name for name in self._changed.tables if differ.get(name, rows[name]) >= rows[name] * _SHARE]
        if worth:
            put_off(self._connection, f"ANALYZE {', '.join(_names(worth))}")

    def _demand_unwritten_here(self) -> None:
        """Now that nobody else can write to what is to be written."""
        before = self._changed.before
        with reading_settings_undone(self._connection):
            names = {*self._changed.tables, *self._changed.sequences}
            rows = read_rows(self._connection, names, before=self._before())
        found = with_rows(before, *rows)
        demand_unwritten(found, before, self.run.target_name, told=NOT_OVERWRITTEN)

    def _demand_unwritten_elsewhere(self, found: Content) -> None:
        changed, before = self._changed, self._changed.before
        tables = [each for each in before.tables if (each.schema, each.name) in changed.tables]
        sequences = [each for each in before.sequences if (each.schema, each.name) in changed.sequences]
        demand_unwritten(with_rows(found, tables, sequences), before, self.run.target_name, told=NOT_OVERWRITTEN)

    def _before(self, *, but: Collection[TableName] = ()) -> Earlier | None:
        """The safety backup's reading, of all tables but these."""
        before = self._changed.before
        known = earlier(before, snapshot=before.snapshot)
        return known and replace(known, rows={name: holds for name, holds in known.rows.items() if name not in but})

    def _lock(self) -> None:
        if names := ", ".join(f"ONLY {name}" for name in _names(self._changed.tables)):
            put_off(self._connection, f"LOCK TABLE {names} IN EXCLUSIVE MODE")
        if sequences := ", ".join(map(literal, _names(self._changed.sequences))):
            lock = execute(self._connection, _LOCK_SEQUENCES.format(sequences)).scalar_one()
            execute(self._connection, lock)

    def _set_sequences(self) -> None:
        values = [
            f"SELECT pg_catalog.setval({literal(qualified(name))}, {last_value}, {str(is_called).lower()})"
            for name, (last_value, is_called) in self._changed.sequences.items()
        ]
        if values:
            execute(self._connection, "; ".join(values))


def _names(tables: Iterable[TableName]) -> list[str]:
    return [qualified(table) for table in sorted(tables)]
