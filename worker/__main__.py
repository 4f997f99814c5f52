"""`python -m worker ...` is `railway-neon-sync ...`, whose first lines these are."""

import sys


def main() -> None:
    """The program; Ctrl-C while it still loads shows no traceback."""
    try:
        from worker.cli import main as program  # noqa: PLC0415 - see above
    except KeyboardInterrupt:
        sys.stderr.write("railway-neon-sync: interrupted; nothing was begun\n")
        sys.exit(130)
    program()


if __name__ == "__main__":
    main()
