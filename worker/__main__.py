"""`python -m worker ...` is `railway-neon-sync ...`."""

from worker.cli import main

main()
