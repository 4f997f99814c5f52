"""Figures as a JSON file: what was said in each round trip is left out."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tests.bench.counting import Count
from tests.bench.figures import Cell, Figures, Finding, Section
from tests.bench.measured import Measured


def save(figures: Figures, path: Path) -> None:
    """Runs one a line, so that a new measurement is a small difference."""
    document = {
        "sections": [asdict(section) for section in figures.sections.values()],
        "runs": [
            {**asdict(cell), "round": number, **_run(run)}
            for cell, runs in figures.runs.items()
            for number, run in runs.items()
        ],
        "counted": [{**asdict(cell), **_run(run)} for cell, run in figures.counted.items()],
        "foretold": [{**asdict(cell), "seconds": round(value, 3)} for cell, value in figures.foretold.items()],
        "findings": [asdict(finding) for finding in figures.findings.values()],
        "absent": [{"name": name, "why": why} for name, why in figures.absent.items()],
        "failures": [{"what": line} for line in figures.failures],
    }
    parts = [f'"{name}": [{_lines(rows)}]' for name, rows in document.items()]
    path.write_text("{" + ",\n".join(parts) + "}\n")


def load(path: Path) -> Figures:
    """Nothing where there is no file."""
    if not path.exists():
        return Figures()
    found: Mapping[str, list[dict[str, Any]]] = json.loads(path.read_text())
    figures = Figures(
        sections={each["data"]: Section(**each) for each in found["sections"]},
        counted={_cell(each): _measured(each) for each in found["counted"]},
        foretold={_cell(each): each["seconds"] for each in found["foretold"]},
        findings={each["name"]: Finding(**each) for each in found["findings"]},
        absent={each["name"]: each["why"] for each in found["absent"]},
        failures=[each["what"] for each in found["failures"]],
    )
    for each in found["runs"]:
        figures.keep(_cell(each), each["round"], _measured(each))
    return figures


def _lines(rows: list[dict[str, Any]]) -> str:
    return "\n" + ",\n".join(json.dumps(row, ensure_ascii=False) for row in rows) + "\n" if rows else ""


def _run(run: Measured) -> dict[str, Any]:
    return {
        "seconds": round(run.seconds, 3),
        "source_cpu_s": round(run.source_cpu_s, 2),
        "target_cpu_s": round(run.target_cpu_s, 2),
        "peak_bytes": run.peak_bytes,
        "disk_bytes": run.disk_bytes,
        "report_steps": run.report_steps,
        "source_wire": _count(run.source_wire),
        "target_wire": _count(run.target_wire),
    }


def _count(count: Count | None) -> dict[str, Any] | None:
    if count is None:
        return None
    found = {name: value for name, value in vars(count).items() if name != "turns"}
    return {**found, "open_s": round(count.open_s, 3)}


def _cell(found: Mapping[str, Any]) -> Cell:
    return Cell(**{name: found[name] for name in ("data", "round_trip_ms", "contestant", "case")})


def _measured(found: Mapping[str, Any]) -> Measured:
    own = {name: value for name, value in found.items() if name not in {*Cell.__dataclass_fields__, "round"}}
    wires = {name: Count(**own[name]) if own[name] else None for name in ("source_wire", "target_wire")}
    return Measured(**{**own, **wires})
