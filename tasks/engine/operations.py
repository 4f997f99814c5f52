"""The steps of a run: each reads what earlier ones kept, does one thing, keeps what it found, and sums it up."""

from tasks.engine import checking, dumping, finishing, guards, restoring, verification
from tasks.engine.ahead import make_safety_backup, taken_over, target_backed_up
from tasks.engine.content import statistics
from tasks.engine.errors import RunLost
from tasks.engine.faultpoints import fault_point
from tasks.engine.manifest import Manifest, read_own
from tasks.engine.manifest import summary as dump_summary
from tasks.engine.mark import TargetState
from tasks.engine.replacing.clearing import demand_locks
from tasks.engine.replacing.sweeping import sweep
from tasks.engine.run import Run


def verify_connections(run: Run) -> str:
    """Step 1; returns a summary for people, as every step."""
    run.progress.begin("looking at both databases")
    checked = checking.verify_connections(run)
    sweep(run, checked.target["beside"])
    return checked.summary()


def dump_source(run: Run) -> str:
    """Steps 2 and 3: they share one snapshot."""
    with target_backed_up(run):
        manifest = dumping.dump_source(run)
    stats = statistics(manifest.content, run.settings.stats_tables)
    warnings = [f"the table {name} does not exist in the source" for name, rows in stats.items() if rows is None]
    if manifest.size_bytes < run.settings.min_dump_bytes:
        warnings.append(
            f"the dump has only {manifest.size_bytes} bytes (MIN_DUMP_BYTES is {run.settings.min_dump_bytes}); it is "
            "complete and holds every row that was counted"
        )
    run.warn(*warnings)
    run.keep(source_stats=stats, source_dump=dump_summary(manifest))
    return _describe_dump(manifest)


def back_up_target(run: Run) -> str:
    """Step 4: mostly it was made beside the dump of the source."""
    ahead = taken_over(run)
    manifest = ahead or make_safety_backup(run)
    run.keep(safety_dump=dump_summary(manifest))
    return _describe_dump(manifest) + (", backed up beside the dump of the source" if ahead else "")


def check_guards(run: Run) -> str:
    """Between the safety backup and the restore: may this target be overwritten by this source?"""
    run.progress.begin("judging")
    source, safety, expected = _manifests(run)
    judged = guards.check_guards(run, source, safety, expected.mark)
    if run.facts["method"] == "in_place":
        with run.target.open() as connection:
            demand_locks(connection, to_make=run.facts["source"]["objects"])
    return judged


def restore_target(run: Run) -> str:
    """Step 5."""
    source, safety, expected = _manifests(run)
    restored = restoring.restore_target(run, source, safety, expected)
    run.warn(*restored.notes)
    return restored.summary()


def verify_target(run: Run) -> str:
    """Step 6; after it nothing rolls the copy back."""
    source, safety, _ = _manifests(run)
    verified = verification.verify_target(run, source, safety)
    fault_point("verified.before_journal")
    if not run.journal.mark_verified(run.id, closer=run.closer):
        raise RunLost("another process has ended this run meanwhile; this one stops")
    return verified.summary()


def clean_up(run: Run) -> str:
    """Step 7."""
    run.progress.begin("tidying up")
    return finishing.finish(run).summary()


def _manifests(run: Run) -> tuple[Manifest, Manifest, TargetState]:
    return (
        read_own(run.paths.source_dump, run_id=run.id, known=run.facts["source_dump"]),
        read_own(run.paths.safety_dump, run_id=run.id, known=run.facts["safety_dump"]),
        TargetState(**run.facts["expected"]),
    )


def _describe_dump(manifest: Manifest) -> str:
    told = dump_summary(manifest)
    same = f" (the same file as {told['same_as']}, which the target still holds)" if told["same_as"] else ""
    return f"{told['file']}{same}: {told['size_bytes'] / 2**20:.2f} MB, {told['tables']} tables, {told['rows']} rows"
