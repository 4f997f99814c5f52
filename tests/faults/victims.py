"""Who is struck, and how. Each is a function of the scene and of the process that stands at the instant."""

import os
import signal
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from tests.faults.scene import Scene
from tests.support.installation import tell

Strike = Callable[[Scene, int], None]
REDIS_GONE_S = 4.0
NETWORK_GONE_S = 4.0
NETWORK_DEAD_S = 20.0
DELAY_S = 0.02


def child(_: Scene, pid: int) -> None:
    """The worker's pool process that works on the step."""
    _kill(pid)


def main(scene: Scene, _: int) -> None:
    """The worker's main process."""
    _kill(scene.worker.pid)


def group(scene: Scene, _: int) -> None:
    """The whole worker."""
    with suppress(ProcessLookupError):
        os.killpg(scene.worker.pid, signal.SIGKILL)


def paused(_: Scene, pid: int) -> None:
    """SIGSTOP; the cell wakes it when somebody else has ended the run."""
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGSTOP)


def pg_dump(scene: Scene, _: int) -> None:
    """The program, which leads a process group of its own."""
    for path in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            ours = (path / "cwd").readlink() == scene.installation.home
            if ours and b"--snapshot=" in (path / "cmdline").read_bytes():
                os.killpg(os.getpgid(int(path.name)), signal.SIGKILL)


def backend(scene: Scene, _: int) -> None:
    """The run's sessions at the target, ended by the server's administrator."""
    ended = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'railway-neon-sync/%'"
    tell(scene.installation.target_server.dsn(), ended)


def backend_crash(scene: Scene, _: int) -> None:
    """A server process of the run dies, so that the whole target goes through crash recovery."""
    for pid, _state in scene.sessions()[:1]:
        _kill(pid)
    time.sleep(0.2)
    scene.installation.target_server._wait_until_ready()


def target(scene: Scene, _: int) -> None:
    """An immediate stop, as a crash, and a new start."""
    scene.installation.target_server.restart(signal.SIGQUIT)


def source(scene: Scene, _: int) -> None:
    scene.installation.source_server.restart(signal.SIGQUIT)


def redis(scene: Scene, _: int) -> None:
    """Killed, and started again with nothing in it."""
    scene.installation.valkey.stop()
    scene.installation.valkey.start()


def redis_gone(scene: Scene, _: int) -> None:
    """Killed, and back after a while, while the run goes on."""
    scene.installation.valkey.stop()
    _later(REDIS_GONE_S, scene.installation.valkey.start)


def network(name: str, how: str) -> Strike:
    """What lies between the worker and a server breaks for a while."""

    def strike(scene: Scene, _: int) -> None:
        proxy = scene.proxies[name]
        if how == "reset":
            proxy.reset()
        elif how == "stall":
            proxy.stall()
            _later(NETWORK_GONE_S, proxy.flow)
        elif how == "stall for ever":
            proxy.stall()
            _later(NETWORK_DEAD_S, proxy.heal)  # long after the limit of every step
        else:
            proxy.delay_s = DELAY_S
            _later(NETWORK_GONE_S, proxy.flow)

    return strike


VICTIMS: dict[str, Strike] = {
    "child": child,
    "main": main,
    "group": group,
    "paused": paused,
    "pg_dump": pg_dump,
    "backend": backend,
    "backend crash": backend_crash,
    "target": target,
    "source": source,
    "redis": redis,
    "redis gone": redis_gone,
    **{
        f"network {name} {how}": network(name, how)
        for name in ("source", "target", "redis")
        for how in ("reset", "stall", "stall for ever", "delay")
    },
}
NO_READER = {"target", "backend crash"}  # a server that is down shuts readers out by definition
BREAKS_UNLOGGED = {"target", "backend crash"}


def _kill(pid: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def _later(seconds: float, action: Callable[[], object]) -> None:
    timer = threading.Timer(seconds, action)
    timer.daemon = True
    timer.start()
