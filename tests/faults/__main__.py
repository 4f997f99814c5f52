"""`make faults`: the kill matrix, random instants, and their part of docs/reliability.md."""

import argparse
import secrets
import shlex
import signal
import sys
import time
from itertools import pairwise
from pathlib import Path

from tests.faults.document import PAGE, Page, commit, put_part
from tests.faults.matrix import Matrix
from tests.faults.plan import cells, random_cells


def main() -> int:
    """0 when every cell held."""
    options = _options()
    began = time.monotonic()

    def tell(text: str) -> None:
        print(f"[{time.monotonic() - began:6.0f} s] {text}", flush=True)  # noqa: T201 - a program's output

    matrix = Matrix(tell=tell, logs=options.logs)
    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, lambda *_: matrix.stop.set())
    seed = options.seed if options.seed is not None else secrets.randbelow(10**6)
    chosen = bool(options.victims or options.methods or options.instants or options.only_random)
    planned = [] if options.only_random else list(cells(options.victims, options.methods, options.instants))
    chance = list(random_cells(options.random, seed, options.methods))
    tell(f"{len(planned)} cells and {len(chance)} random instants, seed {seed}")
    matrix.play([*planned, *chance], lanes=options.lanes)
    text = Page(
        verdicts=matrix.verdicts,
        command=_typed(sys.argv[1:]),
        commit=commit(),
        took_s=time.monotonic() - began,
        seed=seed,
        unplayed=matrix.unplayed,
        complete=not (matrix.unplayed or chosen),
    ).text()
    put_part(options.page, "faults", text)
    tell(f"written: {options.page}\n{text}")
    return int(any(verdict.failures for verdict in matrix.verdicts))


def _typed(words: list[str]) -> str:
    """What was asked for; where the page and the logs went to is nobody's business."""
    asked = [word for before, word in pairwise(["", *words]) if not {before, word} & {"--logs", "--page"}]
    return f"python -m tests.faults {shlex.join(asked)}" if asked else "make faults"


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make faults", description=__doc__)
    for name in ("victims", "methods", "instants"):
        parser.add_argument(f"--{name}", type=lambda text: text.split(","), default=[], help="names joined by commas")
    parser.add_argument("--random", type=int, default=300, metavar="N", help="so many random instants")
    parser.add_argument("--only-random", action="store_true", help="without the matrix")
    parser.add_argument("--seed", type=int, help="of the random instants")
    parser.add_argument("--lanes", type=int, default=3, help="scenes for each method at once, on the average")
    parser.add_argument("--page", type=Path, default=PAGE, help="instead of docs/reliability.md")
    parser.add_argument("--logs", type=Path, help="a folder for the worker's log of each cell that did not hold")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
