"""`make faults`: the kill matrix, random instants, and docs/reliability.md."""

import argparse
import secrets
import shlex
import signal
import sys
import time
from pathlib import Path

from tests.faults.document import document
from tests.faults.matrix import Matrix, commit
from tests.faults.plan import cells, in_rounds, random_cells

PAGE = Path(__file__).parents[2] / "docs" / "reliability.md"


def main() -> int:
    """0 when every cell held."""
    options = _options()
    matrix = Matrix(tell=_tell, logs=options.logs)
    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, lambda *_: matrix.stop.set())
    began = time.monotonic()
    seed = options.seed if options.seed is not None else secrets.randbelow(10**6)
    _tell(f"seed {seed}")
    planned = [] if options.only_random else list(cells(options.victims, options.methods, options.instants))
    chance = list(random_cells(options.random, seed, options.methods))
    _tell(f"{len(planned)} cells and {len(chance)} random instants")
    matrix.play([*((cell,) for cell in planned), *in_rounds(chance)], lanes=options.lanes)
    page = document(
        matrix.verdicts,
        command=f"python -m tests.faults {shlex.join(sys.argv[1:])}" if sys.argv[1:] else "make faults",
        commit=commit(),
        took_s=time.monotonic() - began,
        seed=seed,
        unplayed=matrix.unplayed,
        complete=not matrix.unplayed
        and not (options.victims or options.methods or options.instants or options.only_random),
    )
    (options.page or PAGE).write_text(page)
    _tell(page)
    return int(any(verdict.failures for verdict in matrix.verdicts))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make faults", description=__doc__)
    for name in ("victims", "methods", "instants"):
        parser.add_argument(f"--{name}", type=lambda text: text.split(","), default=[], help="names joined by commas")
    parser.add_argument("--random", type=int, default=300, metavar="N", help="so many random instants")
    parser.add_argument("--only-random", action="store_true", help="without the matrix")
    parser.add_argument("--seed", type=int, help="of the random instants")
    parser.add_argument("--lanes", type=int, default=2, help="scenes for each method at once")
    parser.add_argument("--page", type=Path, help="instead of docs/reliability.md")
    parser.add_argument("--logs", type=Path, help="a folder for the worker's log of each cell that did not hold")
    return parser.parse_args()


def _tell(text: str) -> None:
    print(text, flush=True)  # noqa: T201 - a program's output


if __name__ == "__main__":
    sys.exit(main())
