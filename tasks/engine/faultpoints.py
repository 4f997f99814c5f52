"""Named instants at which a test can stop, kill or break a run; inert unless RNS_FAULT is set.

RNS_FAULT holds `name=action` pairs joined by commas; an action is one of
`kill` (SIGKILL to this process), `killgroup` (to its process group), `stop` (SIGSTOP to this process),
`raise` (an error of ours), `wait:FILE` (tell by FILE.reached, which holds this process's id; go on when FILE
exists), or, where the instant has a session, `sql:FILE` (run these statements in it).
"""

import os
import signal
import time
from pathlib import Path

from sqlalchemy.engine import Connection

from tasks.engine.errors import BackupError

_WAIT_LIMIT_S = 120.0


def fault_point(name: str, connection: Connection | None = None) -> None:
    """The instant called `name` is reached. In production: nothing happens. connection: the session at work then."""
    if "RNS_FAULT" not in os.environ:
        return
    actions = dict(pair.split("=", 1) for pair in os.environ["RNS_FAULT"].split(",") if "=" in pair)
    action = actions.get(name)
    if action is not None:
        _act(name, action, connection)


def _act(name: str, action: str, connection: Connection | None) -> None:
    kind, _, argument = action.partition(":")
    if kind == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    elif kind == "killgroup":
        os.killpg(os.getpgrp(), signal.SIGKILL)
    elif kind == "stop":
        os.kill(os.getpid(), signal.SIGSTOP)
    elif kind == "raise":
        raise BackupError(f"broken on purpose at {name}")
    elif kind == "wait":
        _wait_for(Path(argument))
    elif kind == "sql" and connection is not None:
        connection.exec_driver_sql(Path(argument).read_text())


def _wait_for(gate: Path) -> None:
    gate.with_name(f"{gate.name}.reached").write_text(str(os.getpid()))
    give_up = time.monotonic() + _WAIT_LIMIT_S
    while not gate.exists() and time.monotonic() < give_up:
        time.sleep(0.01)
