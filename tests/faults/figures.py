"""Figures of other proofs than the kill matrix: a test counts, and `make proofs` puts it into docs/reliability.md.

A test that belongs to the page bears `@pytest.mark.figures` and takes the fixture `record_figure`:

    @pytest.mark.figures
    def test_every_damaged_dump_is_refused(record_figure: RecordFigure, ...) -> None:
        ...
        record_figure(
            section="Bad dumps",  # the heading of its table in the page
            what="bad dumps refused before the target is touched",  # its line among the figures
            held=refused,
            of=len(dumps),
            columns=("damage", "refused"),  # the table; none: only the line
            rows=[("cut at a line's end", "20/20"), ...],
        )
        assert refused == len(dumps)  # after it was recorded: a figure that is not full is told, too

Recorded more than once for the same `section` and `what`, as the cases of a parametrised test do, it is one figure:
`held` and `of` are added, the rows follow each other. `what` may be recorded that is not hoped to be full ("noticed
by counting rows"): only a test that fails makes `make proofs` fail.

`make proofs` runs `pytest -m 'figures or long'` with RNS_FIGURES_DIR naming a folder; without that variable, as in
`make test`, recording does nothing. What takes minutes and is no part of `make test` bears `@pytest.mark.long`, too.
"""

import json
import os
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Protocol

FOLDER_VARIABLE = "RNS_FIGURES_DIR"


@dataclass(frozen=True, kw_only=True)
class Figure:
    """`held` of `of` cases, and a table of them."""

    section: str
    what: str
    held: int
    of: int
    columns: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()

    def __add__(self, other: "Figure") -> "Figure":
        return replace(self, held=self.held + other.held, of=self.of + other.of, rows=self.rows + other.rows)


class RecordFigure(Protocol):
    """What the fixture `record_figure` gives."""

    def __call__(
        self,
        *,
        section: str,
        what: str,
        held: int,
        of: int,
        columns: Sequence[str] = (),
        rows: Iterable[Sequence[object]] = (),
    ) -> None: ...


def record_figure(
    *,
    section: str,
    what: str,
    held: int,
    of: int,
    columns: Sequence[str] = (),
    rows: Iterable[Sequence[object]] = (),
) -> None:
    """Leave a figure for the page; nothing when nobody collects."""
    cells = tuple(tuple(str(cell) for cell in row) for row in rows)
    if any(len(row) != len(columns) for row in cells):
        raise ValueError(f"a row of {what!r} has not {len(columns)} cells")
    figure = Figure(section=section, what=what, held=held, of=of, columns=tuple(columns), rows=cells)
    if folder := os.environ.get(FOLDER_VARIABLE):
        path = Path(folder) / f"{uuid.uuid4()}.json"
        path.with_suffix(".part").write_text(json.dumps(asdict(figure)))
        path.with_suffix(".part").rename(path)


def collect(folder: Path) -> list[Figure]:
    """All that was recorded there, in the order of recording; one for each section and what."""
    found: dict[tuple[str, str], Figure] = {}
    for path in sorted(folder.glob("*.json"), key=lambda path: path.stat().st_mtime_ns):
        words = json.loads(path.read_text())
        figure = Figure(**{**words, "columns": tuple(words["columns"]), "rows": tuple(map(tuple, words["rows"]))})
        key = figure.section, figure.what
        found[key] = found[key] + figure if key in found else figure
    return list(found.values())


def as_lines(figures: Sequence[Figure]) -> list[tuple[str, str]]:
    """For the page's table of figures."""
    return [(figure.what, f"{figure.held}/{figure.of}") for figure in figures]


def as_tables(figures: Sequence[Figure]) -> str:
    """A section of the page for each that has rows."""
    parts: list[str] = []
    for section in dict.fromkeys(figure.section for figure in figures if figure.rows):
        parts.append(f"### {section}\n")
        for figure in figures:
            if figure.section == section and figure.rows:
                parts += [f"{figure.what}: {figure.held}/{figure.of}\n", _table(figure), ""]
    return "\n".join(parts)


def _table(figure: Figure) -> str:
    head = [figure.columns, ("---",) * len(figure.columns)]
    return "\n".join(
        f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |" for row in [*head, *figure.rows]
    )
