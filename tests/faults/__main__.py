"""`make faults`: the kill matrix, random instants, the other proofs, and docs/reliability.md."""

import argparse
import secrets
import shlex
import signal
import sys
import time
from pathlib import Path

from tests.faults.document import Page
from tests.faults.matrix import Matrix, commit
from tests.faults.plan import cells, in_rounds, random_cells
from tests.faults.proofs import Proofs

PAGE = Path(__file__).parents[2] / "docs" / "reliability.md"


def main() -> int:
    """0 when every cell and every proof held."""
    options = _options()
    began = time.monotonic()

    def tell(text: str) -> None:
        print(f"[{time.monotonic() - began:6.0f} s] {text}", flush=True)  # noqa: T201 - a program's output

    matrix, proofs = Matrix(tell=tell, logs=options.logs), Proofs(tell)

    def stop(*_: object) -> None:
        matrix.stop.set()
        proofs.stop()

    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, stop)
    seed = options.seed if options.seed is not None else secrets.randbelow(10**6)
    chosen = bool(options.victims or options.methods or options.instants or options.only_random)
    planned = [] if options.only_random else list(cells(options.victims, options.methods, options.instants))
    chance = list(random_cells(options.random, seed, options.methods))
    tell(f"{len(planned)} cells and {len(chance)} random instants, seed {seed}")
    if not chosen and not options.without_proofs:
        proofs.start()
    rounds = [*in_rounds(planned, options.in_a_row), *in_rounds(chance, options.random_in_a_row)]
    matrix.play(rounds, lanes=options.lanes)
    proofs.wait()
    page = Page(
        verdicts=matrix.verdicts,
        proofs=proofs,
        command=f"python -m tests.faults {shlex.join(sys.argv[1:])}" if sys.argv[1:] else "make faults",
        commit=commit(),
        took_s=time.monotonic() - began,
        seed=seed,
        in_a_row=(options.in_a_row, options.random_in_a_row),
        unplayed=matrix.unplayed,
        complete=not (matrix.unplayed or chosen or options.without_proofs or proofs.stopped),
    ).text()
    (options.page or PAGE).write_text(page)
    tell(f"written: {options.page or PAGE}\n{page}")
    return int(bool(proofs.failures) or any(verdict.failures for verdict in matrix.verdicts))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make faults", description=__doc__)
    for name in ("victims", "methods", "instants"):
        parser.add_argument(f"--{name}", type=lambda text: text.split(","), default=[], help="names joined by commas")
    parser.add_argument("--random", type=int, default=300, metavar="N", help="so many random instants")
    parser.add_argument("--only-random", action="store_true", help="without the matrix")
    parser.add_argument("--without-proofs", action="store_true", help="without the other proofs")
    parser.add_argument("--seed", type=int, help="of the random instants")
    parser.add_argument("--lanes", type=int, default=3, help="scenes for each method at once")
    parser.add_argument("--in-a-row", type=int, default=1, metavar="N", help="cells, before a run is left alone")
    parser.add_argument("--random-in-a-row", type=int, default=3, metavar="N", help="the same for random instants")
    parser.add_argument("--page", type=Path, help="instead of docs/reliability.md")
    parser.add_argument("--logs", type=Path, help="a folder for the worker's log of each cell that did not hold")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
