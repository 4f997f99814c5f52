"""Has anything changed? When loading the dump would make what stands in the target already, nothing is loaded.

That asks for more than equal content: a load also brings what no proof looks at, and that must stand there as well.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from operator import attrgetter

from sqlalchemy.engine import Connection

from tasks.engine import carry_over
from tasks.engine.changed_tables import Changed, Proved, changed_tables, proved_parts
from tasks.engine.content import compare_content, describe_changes
from tasks.engine.database_properties import properties_from
from tasks.engine.full_runs import why_full
from tasks.engine.grants import grants_from_json
from tasks.engine.manifest import Manifest
from tasks.engine.mark import Mark, TargetState
from tasks.engine.run import Run

_SHOWN = 3
_USUAL = "pg_default"
_LOCALE = attrgetter("encoding", "collate", "ctype", "provider", "locale", "icu_rules")
_PUBLIC = ("schema", ("public",))  # nobody's of ours: the server gives it its owner
# What a load does to a database besides filling it: each is a sentence when it would make a difference now.
_OWN = """
    WITH own AS (
        SELECT c.* FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' AND NOT EXISTS (
            SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.objsubid = 0
                AND d.deptype = 'e')
    )
    SELECT
        (SELECT min(quote_ident(relname)) FROM own WHERE relkind = 'm' AND relispopulated),
        (SELECT min(quote_ident(relname)) FROM own WHERE relkind = 'r' AND reltuples < 0),
        (SELECT min(quote_ident(name)) FROM pg_available_extensions WHERE installed_version <> default_version),
        (SELECT min(quote_ident(collname)) FROM pg_collation c
         WHERE collversion <> pg_collation_actual_version(c.oid) AND EXISTS (
             SELECT FROM pg_depend d WHERE d.refclassid = 'pg_collation'::regclass AND d.refobjid = c.oid)),
        {database}
"""
_SENTENCES = (
    "the materialised view {} is computed again by each load",
    "the table {} was never analysed, as after an upgrade of the server",
    "the server offers another version of the extension {} than the one that the copy has",
    "the server sorts by another version of the collation {} than the copy's indexes",
    "the server sorts by another version of the collation of the database {} than the copy's indexes",
)
_DEFAULT_COLLATION = """
    (SELECT datname FROM pg_database
     WHERE datname = current_database() AND datcollversion <> pg_database_collation_actual_version(oid))
"""


@dataclass(frozen=True, kw_only=True)
class Judged:
    """What must be done with the dump. why: it must be used, as the end of a sentence; None: nothing changed.

    changed: all that need be written; None: everything is loaded.
    """

    why: str | None
    notes: tuple[str, ...] = ()  # what a load would have told, and what is so without one
    changed: Changed | None = None

    @property
    def loads_all(self) -> bool:
        return self.why is not None and self.changed is None


def judge(run: Run, source: Manifest, safety: Manifest, expected: TargetState) -> Judged:
    """Both manifests are of exact snapshots: what the source holds, and what the target held at its safety backup."""
    wanted = next(_by_the_mark(run, expected.mark), None)
    differs = _by_the_digests(source, safety)
    forbidden = _why_not_single_tables(run)
    if wanted or (differs and forbidden is not None):
        return Judged(why=wanted or _both(differs, forbidden))
    if stale := next(_by_the_manifests(run, source, safety), None):
        return Judged(why=_both(differs, stale))
    proved = proved_parts(run, expected.mark)
    with run.target.open() as connection:
        judged = _by_the_target(run, source, safety, proved, connection, differs=differs, forbidden=forbidden)
    if judged.loads_all or run.facts["method"] != "swap":  # in_place keeps the database, with its locale
        return judged
    by_swap = _by_swap(run, source, safety)
    return Judged(why=_both(judged.why, by_swap.why)) if by_swap.why else replace(judged, notes=by_swap.notes)


def _by_the_target(
    run: Run,
    source: Manifest,
    safety: Manifest,
    proved: Proved,
    connection: Connection,
    *,
    differs: str | None,
    forbidden: str | None,
) -> Judged:
    """differs: what is known to have changed; None: compare. forbidden: of _why_not_single_tables."""
    if stale := _by_the_server(connection, major=run.facts["target"]["major"]):
        return Judged(why=_both(differs, stale))
    differs = differs or _by_comparison(source, safety, connection)
    if differs is None and (source.load_sha256 is None or source.load_sha256 != proved.sha256):
        differs = "the dump's text is not the last one's, and only what is loaded is proved"
    if differs is None or forbidden is not None:
        return Judged(why=differs and _both(differs, forbidden))
    found = changed_tables(source, safety, proved, connection, folder=run.paths.directory)
    return Judged(why=_both(differs, found)) if isinstance(found, str) else Judged(why=differs, changed=found)


def _why_not_single_tables(run: Run) -> str | None:
    """Why all must be loaded where something changed, empty where a setting says so; None: it need not.

    Whatever the last restore failed of, such as its limit, a load of all need not meet.
    """
    if not run.settings.changed_tables_only:
        return ""
    last = run.journal.last_ended()
    record = run.journal.run(last) if last else None
    failed = record is not None and record.outcome != "succeeded" and record.restore_began_at is not None
    return "all is loaded, since the last run's restore failed" if failed else None


def _both(*why: str | None) -> str:
    return "; ".join(filter(None, why))


def _by_the_mark(run: Run, mark: Mark | None) -> Iterator[str]:
    if mark is None:
        yield "no copy of ours stands there yet"
    elif full := why_full(run):
        yield full
    elif mark.adopted is not None:
        yield f"what stands there was adopted on {mark.adopted}, and not loaded by a run"


def _by_the_digests(source: Manifest, safety: Manifest) -> str | None:
    if source.content_digest == safety.content_digest:
        return None
    return f"since the last copy: {describe_changes(safety.content, source.content)}"


def _by_comparison(source: Manifest, safety: Manifest, connection: Connection) -> str | None:
    differences = compare_content(source.content, safety.content, connection)
    return f"since the last copy: {'; '.join(differences[:_SHOWN])}" if differences else None


def _by_the_manifests(run: Run, source: Manifest, safety: Manifest) -> Iterator[str]:
    if _column_order(source) is None or _column_order(source) != _column_order(safety):
        yield "the columns of a table come in another order"
    if not run.settings.keep_owners and _has_owners(safety):
        yield "an object belongs to another role than ours, and a load makes all of them ours"


def _column_order(manifest: Manifest) -> str | None:
    return (manifest.content.notes or {}).get("column order")


def _has_owners(safety: Manifest) -> bool:
    """Objects of other roles: of a copy with KEEP_OWNERS, or given away since."""
    if safety.grants is None:
        return True
    return any(each.owner and each.identity != _PUBLIC for each in grants_from_json(safety.grants).objects)


def _by_the_server(connection: Connection, *, major: int) -> str | None:
    found = connection.exec_driver_sql(_OWN.format(database=_DEFAULT_COLLATION if major >= 15 else "NULL")).one()
    for name, sentence in zip(found, _SENTENCES, strict=True):
        if name is not None:
            return sentence.format(name)
    return None


def _by_swap(run: Run, source: Manifest, safety: Manifest) -> Judged:
    """Would the database that swap makes be another one?"""
    theirs, ours = properties_from(source.properties), properties_from(safety.properties)
    if _LOCALE(theirs) == _LOCALE(ours) and ours.tablespace == _USUAL:
        return Judged(why=None)
    with run.target.open(run.facts["maintenance"], autocommit=True) as connection:
        made, notes = carry_over.locale_choice(theirs, ours, connection)
        present, _ = carry_over.locale_choice(ours, ours, connection)
    if made != present or (ours.tablespace != _USUAL and "TABLESPACE" not in made):
        return Judged(why="a load would make a database of another encoding, locale or tablespace")
    return Judged(why=None, notes=tuple(notes))
