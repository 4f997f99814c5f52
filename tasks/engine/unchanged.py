"""Has anything changed? When loading the dump would make what stands in the target already, nothing is loaded.

That asks for more than equal content: a load also brings what no proof looks at, and that must stand there as well.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from operator import attrgetter

from sqlalchemy.engine import Connection

from tasks.engine import carry_over
from tasks.engine.content import compare_content, describe_changes
from tasks.engine.database_properties import properties_from
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
             SELECT FROM pg_depend d WHERE d.refclassid = 'pg_collation'::regclass AND d.refobjid = c.oid))
"""
_SENTENCES = (
    "the materialised view {} is computed again by each load",
    "the table {} was never analysed, as after an upgrade of the server",
    "the server offers another version of the extension {} than the one that the copy has",
    "the server sorts by another version of the collation {} than the copy's indexes",
)
_DEFAULT_COLLATION = """
    SELECT datcollversion <> pg_database_collation_actual_version(oid) FROM pg_database
    WHERE datname = current_database()
"""


@dataclass(frozen=True, kw_only=True)
class Judged:
    """Whether the dump must be loaded. why: the reason, as the end of a sentence; None: nothing changed."""

    why: str | None
    notes: tuple[str, ...] = ()  # what a load would have told, and what is so without one


def judge(run: Run, source: Manifest, safety: Manifest, expected: TargetState) -> Judged:
    """Both manifests are of exact snapshots: what the source holds, and what the target held at its safety backup."""
    why = next(_by_the_papers(run, source, safety, expected.mark), None)
    if why is not None:
        return Judged(why=why)
    with run.target.open() as connection:
        why = _by_the_server(connection, major=run.facts["target"]["major"])
        if why is None:
            differences = compare_content(source.content, safety.content, connection)
            why = f"since the last copy: {'; '.join(differences[:_SHOWN])}" if differences else None
    if why is None and (source.load_sha256 is None or source.load_sha256 != _proved(run, expected.mark)):
        why = "the dump's text is not the last one's, and only what is loaded is proved"
    if why is not None or run.facts["method"] != "swap":  # in_place keeps the database, with its locale
        return Judged(why=why)
    return _by_swap(run, source, safety)


def _by_the_papers(run: Run, source: Manifest, safety: Manifest, mark: Mark | None) -> Iterator[str]:
    if run.settings.full_runs:
        yield "FULL_RUNS asks for it"
    if mark is None:
        yield "no copy of ours stands there yet"
    elif mark.adopted is not None:
        yield f"what stands there was adopted on {mark.adopted}, and not loaded by a run"
    if source.content_digest != safety.content_digest:
        yield f"since the last copy: {describe_changes(safety.content, source.content)}"
    if _column_order(source) is None or _column_order(source) != _column_order(safety):
        yield "the columns of a table come in another order"
    if not run.settings.keep_owners and _has_owners(safety):
        yield "an object belongs to another role than ours, and a load makes all of them ours"


def _proved(run: Run, mark: Mark | None) -> str | None:
    """The load_sha256 of the dump that the copy was made of, or of one that was equal to it: that text is proved.

    Nothing else proves the rows of a dump that is not loaded: its manifest says what the source held.
    """
    record = run.journal.run(mark.run_id) if mark is not None else None
    if record is None or record.outcome != "succeeded":
        return None
    known: str | None = (record.facts.get("source_dump") or {}).get("load_sha256")
    return known


def _column_order(manifest: Manifest) -> str | None:
    return (manifest.content.notes or {}).get("column order")


def _has_owners(safety: Manifest) -> bool:
    """Objects of other roles: of a copy with KEEP_OWNERS, or given away since."""
    if safety.grants is None:
        return True
    return any(each.owner and each.identity != _PUBLIC for each in grants_from_json(safety.grants).objects)


def _by_the_server(connection: Connection, *, major: int) -> str | None:
    found = connection.exec_driver_sql(_OWN).one()
    for name, sentence in zip(found, _SENTENCES, strict=True):
        if name is not None:
            return sentence.format(name)
    if major >= 15 and connection.exec_driver_sql(_DEFAULT_COLLATION).scalar_one():
        return "the server sorts by another version of the database's collation than the copy's indexes"
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
