"""The points of an examination, in the order in which they hang on each other."""

from collections.abc import Callable
from functools import cache

from tasks.engine import checking
from tasks.engine.doctor import databases, place
from tasks.engine.doctor.duration import foretell
from tasks.engine.doctor.patient import Patient
from tasks.engine.findings import Point
from tasks.engine.history import journal_if_there
from tasks.engine.overview import Overview, read_overview

_BOTH = ("source", "target")


def points(patient: Patient, step_limit_s: Callable[[str], float]) -> tuple[Point, ...]:
    """step_limit_s: seconds that a step may take."""
    run, settings = patient.run, patient.settings

    def said(demand: Callable[[], object], good: str) -> Callable[[], str]:
        def look() -> str:
            demand()
            return good

        return look

    @cache
    def overview() -> Overview:
        return read_overview(settings, journal_if_there(settings)[0], now=patient.now)

    return (
        Point(name="backup directory", look=lambda: place.see_directory(settings)),
        Point(name="journal", look=lambda: place.see_journal(settings)),
        Point(name="pooler", look=lambda: place.see_pooler(settings)),
        Point(name="source", look=lambda: patient.look_at(run.source)),
        Point(name="target", look=lambda: patient.look_at(run.target)),
        Point(
            name="two databases",
            look=said(lambda: checking.demand_two_databases(run), "source and target are not the same"),
            needs=_BOTH,
        ),
        Point(
            name="right way round",
            look=said(
                lambda: checking.demand_source_is_no_copy(*patient.both),
                "the source carries no mark of a copy",
            ),
            needs=_BOTH,
        ),
        Point(name="source's tables", look=lambda: databases.count_tables(patient, run.source), needs=("source",)),
        Point(
            name="statistics", look=lambda: databases.find_statistics(run.source, settings), needs=("source's tables",)
        ),
        Point(name="target's tables", look=lambda: databases.count_tables(patient, run.target), needs=("target",)),
        Point(name="round trip", look=lambda: databases.tell_round_trips(patient), needs=_BOTH),
        Point(name="versions", look=lambda: databases.compare_versions(patient), needs=_BOTH),
        Point(name="pg_dump", look=lambda: databases.choose_clients(patient), needs=_BOTH),
        Point(
            name="extensions",
            look=said(lambda: checking.demand_extensions(*patient.both, run.target), "the target offers all of them"),
            needs=_BOTH,
        ),
        Point(
            name="target is writable",
            look=said(lambda: checking.demand_writable(patient.known["target"], run.target), "it is no standby server"),
            needs=("target",),
        ),
        Point(
            name="open transactions",
            look=said(
                lambda: checking.demand_no_prepared_transaction(patient.known["target"], run.target),
                "no prepared transaction on the target",
            ),
            needs=("target",),
        ),
        Point(name="method", look=lambda: databases.decide_method(patient), needs=_BOTH),
        Point(name="room", look=lambda: databases.see_room(patient), needs=("backup directory", *_BOTH)),
        Point(name="mark", look=lambda: databases.read_mark(patient), needs=("target's tables",)),
        Point(name="lock", look=lambda: place.see_lock(patient)),
        Point(name="schedule", look=lambda: place.tell_schedule(patient.now)),
        Point(name="copy", look=lambda: place.judge_copy(overview())),
        Point(name="duration", look=lambda: foretell(patient, overview(), step_limit_s)),
    )
