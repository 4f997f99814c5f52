"""`railway-neon-sync doctor`: everything that could fail tonight, with its remedy."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from config.settings import Settings, SettingsFault
from worker.commands.boundary import FAILED, debug_option, read_settings
from worker.commands.interruption import Entrust, stoppable, waiting

if TYPE_CHECKING:
    from tasks.engine.doctor.patient import Patient
    from tasks.engine.findings import Finding

_LIMIT_S = 600.0


@click.command(
    epilog="""
    \b
    Examples:
      railway-neon-sync doctor                 everything, a line each
      railway-neon-sync doctor --json | jq '.findings[] | select(.state == "bad")'

    \b
    Exit codes: 0 nothing is wrong; 1 something is, and its line names the remedy.

    It connects to both databases, which wakes a sleeping source, and changes nothing in either.
    """
)
@click.option("--json", "as_json", is_flag=True, help="The findings as JSON on standard output.")
@debug_option
@click.pass_context
def doctor(ctx: click.Context, *, as_json: bool) -> None:
    """Check everything that could fail tonight: settings, databases, rights, room, Redis, workers, beat, schedule."""
    from tasks.engine.findings import Finding, all_good  # noqa: PLC0415 - no other command waits for the engine
    from tasks.engine.plain import plain  # noqa: PLC0415
    from worker.commands.output import console, finding_line, print_json  # noqa: PLC0415

    screen = console()

    def tell(finding: Finding) -> None:
        if not as_json:
            screen.print(finding_line(finding))

    findings: list[Finding] = []
    figures: dict[str, Any] = {"round_trip_ms": None, "forecast": None}
    try:
        settings = read_settings()
    except SettingsFault as fault:
        findings += [Finding(name="settings", state="bad", told=sentence) for sentence in fault.faults]
        others = Finding(name="everything else", state="open", told="cannot be examined while this fails: settings")
        for finding in (*findings, others):
            tell(finding)
        findings.append(others)
    else:
        findings.append(Finding(name="settings", state="good", told="all can be used"))
        tell(findings[0])
        with waiting(None if as_json else screen) as show:
            found, patient = stoppable(lambda entrust: _examine(settings, entrust, tell, show))
        findings += found
        figures["round_trip_ms"] = {role: 1000 * seconds for role, seconds in patient.round_trips_s.items()}
        figures["forecast"] = patient.forecast
    good = all_good(findings)
    if as_json:
        print_json({"ok": good, "findings": plain(findings), **plain(figures)})
    ctx.exit(0 if good else FAILED)


def _examine(
    settings: Settings, entrust: Entrust, tell: "Callable[[Finding], None]", show: Callable[[str], None]
) -> "tuple[list[Finding], Patient]":
    """show: is given the name of each point before it is looked at."""
    from tasks.engine.by_hand import open_by_hand  # noqa: PLC0415
    from tasks.engine.doctor.patient import Patient, now_utc  # noqa: PLC0415
    from tasks.engine.doctor.points import points  # noqa: PLC0415
    from tasks.engine.findings import examine  # noqa: PLC0415
    from tasks.engine.lease import open_lease  # noqa: PLC0415
    from tasks.framing import step_limit_s  # noqa: PLC0415
    from worker import doctoring  # noqa: PLC0415

    lease = open_lease(settings.lock_url.get_secret_value(), pair=settings.pair)
    with open_by_hand(settings, "doctor", settings.target, limit_s=_LIMIT_S) as run:
        entrust(run.watch)
        patient = Patient(run, now=now_utc(), lease=lease)
        asked = points(patient, lambda name: step_limit_s(settings, name))
        return examine((*asked, *doctoring.points(settings)), tell, show), patient
