"""Whether the next run will be done within the limits of its steps, and what to raise when it will not."""

import math
from collections.abc import Callable, Iterator

from tasks.engine.doctor.forecast import Forecast, Size, StepForecast, from_runs, from_sizes
from tasks.engine.doctor.patient import Patient
from tasks.engine.findings import Finding
from tasks.engine.overview import Overview
from tasks.engine.step_titles import STEP_TITLES

_NEAR_THE_LIMIT = 0.8
_RAISED_BY_S = 60
_SETTINGS = {
    "dump_source": "DUMP_TIMEOUT_S",
    "back_up_target": "SAFETY_TIMEOUT_S",
    "restore_target": "RESTORE_TIMEOUT_S",
    "verify_target": "VERIFY_TIMEOUT_S",
    "finish": "OFFSITE_TIMEOUT_S",
}
_BOTH = ("source", "target")


def foretell(patient: Patient, found: Overview, step_limit_s: Callable[[str], float]) -> Iterator[Finding]:
    """A line about the whole run, and one for each step that comes near its limit."""
    limits_s = {name: step_limit_s(name) for name in STEP_TITLES}
    sizes_bytes = {role: known["size_bytes"] for role, known in patient.known.items()}
    forecast = from_runs(found.runs, sizes_bytes, limits_s)
    if forecast is None and all(role in patient.tables for role in _BOTH):
        source, target = (
            Size(
                size_bytes=sizes_bytes[role],
                tables=patient.tables[role],
                round_trip_s=patient.round_trips_s[role],
            )
            for role in _BOTH
        )
        forecast = from_sizes(source, target, limits_s)
    patient.forecast = forecast
    if forecast is None:
        yield Finding(name="duration", state="note", told="not known before the first run, while a database is away")
        return
    near = [step for step in forecast.steps if step.slowest_s > _NEAR_THE_LIMIT * step.limit_s]
    if not near:
        yield Finding(name="duration", state="good", told=_whole(forecast))
    for step in near:
        setting = None if step.name == "finish" and not patient.settings.offsite_url else _SETTINGS.get(step.name)
        told = _near(step, forecast, setting)
        yield Finding(name="duration", state="bad" if forecast.basis == "runs" else "note", told=told)


def _whole(forecast: Forecast) -> str:
    longest = forecast.longest
    return (
        f"a run will take about {_about(forecast.seconds)} s; the longest step, {STEP_TITLES[longest.name]}, about "
        f"{_about(longest.usual_s)} s of {longest.limit_s:.0f} s allowed ({_basis(forecast)})"
    )


def _near(step: StepForecast, forecast: Forecast, setting: str | None) -> str:
    wanted_s = math.ceil(2 * step.slowest_s / _RAISED_BY_S) * _RAISED_BY_S
    remedy = f"raise {setting} to {wanted_s}" if setting else "its limit is fixed: look at what is slow there"
    return (
        f"{STEP_TITLES[step.name]} may need {_about(step.slowest_s)} s of {step.limit_s:.0f} s allowed "
        f"({_basis(forecast)}): {remedy}"
    )


def _basis(forecast: Forecast) -> str:
    if forecast.basis == "formula":
        return "by size and round trip alone: no run has succeeded yet"
    runs = "the last run" if forecast.runs == 1 else f"the last {forecast.runs} runs"
    return f"by {runs} that succeeded, for today's sizes"


def _about(seconds: float) -> str:
    """Two digits: no more of it is known."""
    digits = max(0, math.floor(math.log10(seconds)) - 1) if seconds >= 1 else 0
    return f"{max(1, round(seconds, -digits)):.0f}"
