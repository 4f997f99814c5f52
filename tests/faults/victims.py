"""Who is struck, and how. Each is a function of the scene and of the process that stands at the instant."""

import os
import shutil
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from tests.faults.hurried_times import REDIS_GONE_S, REDIS_LONG_GONE_S
from tests.faults.scene import Scene
from tests.support.installation import tell
from tests.support.workers import wait_until

Strike = Callable[[Scene, int], None]
NETWORK_GONE_S = 4.0
NETWORK_DEAD_S = 20.0
DELAY_S = 0.02


def child(_: Scene, pid: int) -> None:
    """The worker's pool process that works on the step."""
    _signal(pid, signal.SIGKILL)


def main(scene: Scene, _: int) -> None:
    """The worker's main process."""
    _signal(scene.worker.pid, signal.SIGKILL)
    _wait_for_its_end(scene)


def group(scene: Scene, _: int) -> None:
    """The whole worker."""
    with suppress(ProcessLookupError):
        os.killpg(scene.worker.pid, signal.SIGKILL)
    _wait_for_its_end(scene)


def _wait_for_its_end(scene: Scene) -> None:
    """A run that had its outcome already would else be followed by the next cell before a supervisor sees a death."""
    wait_until(scene.worker.ended, "the worker to end")


def paused(_: Scene, pid: int) -> None:
    """SIGSTOP to the process that works; the cell wakes it when somebody else has ended the run."""
    _signal(pid, signal.SIGSTOP)


def frozen(scene: Scene, _: int) -> None:
    """SIGSTOP to the whole worker and its programs, as a host that sleeps; another host's worker goes on meanwhile."""
    for pid in scene.processes():
        _signal(pid, signal.SIGSTOP)


def program(word: bytes) -> Strike:
    """The program with this word among its arguments, which leads a process group of its own."""

    def strike(scene: Scene, _: int) -> None:
        for pid in scene.processes():
            with suppress(OSError):
                if word in Path(f"/proc/{pid}/cmdline").read_bytes():
                    os.killpg(os.getpgid(pid), signal.SIGKILL)

    return strike


def backend(scene: Scene, _: int) -> None:
    """The run's sessions at the target, ended by the server's administrator."""
    ended = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'railway-neon-sync/%'"
    tell(scene.installation.target_server.dsn(), ended)


def backend_crash(scene: Scene, _: int) -> None:
    """A server process of the run dies, so that the whole target goes through crash recovery."""
    for pid, _state in scene.sessions()[:1]:
        _signal(pid, signal.SIGKILL)
    time.sleep(0.2)
    scene.installation.target_server._wait_until_ready()


def target(scene: Scene, _: int) -> None:
    """An immediate stop, as a crash, and a new start."""
    scene.installation.target_server.restart(signal.SIGQUIT)


def source(scene: Scene, _: int) -> None:
    scene.installation.source_server.restart(signal.SIGQUIT)


def redis(scene: Scene, _: int) -> None:
    """Killed, and started again with what its append-only file holds."""
    scene.installation.valkey.stop()
    scene.installation.valkey.start()


def redis_emptied(scene: Scene, _: int) -> None:
    """Killed, and started again with nothing in it: neither messages, nor results, nor the lock."""
    scene.installation.valkey.stop()
    for path in scene.installation.valkey.root.glob("appendonlydir*"):
        shutil.rmtree(path)
    scene.installation.valkey.start()


def redis_gone(seconds: float) -> Strike:
    """Killed, and back after a while, while the run goes on."""

    def strike(scene: Scene, _: int) -> None:
        scene.installation.valkey.stop()
        scene.redis_is_back_at = time.monotonic() + seconds
        scene.later(seconds, scene.installation.valkey.start)

    return strike


def beat(scene: Scene, _: int) -> None:
    """Killed; its supervisor starts it again."""
    assert scene.beat is not None, "no beat is running"
    _signal(scene.beat.pid, signal.SIGKILL)


def network(name: str, how: str) -> Strike:
    """What lies between the worker and a server breaks for a while, or is slow until the run has ended."""

    def strike(scene: Scene, _: int) -> None:
        proxy = scene.proxies[name]
        if how == "reset":
            proxy.reset()
        elif how == "stall":
            proxy.stall()
            scene.later(NETWORK_GONE_S, proxy.flow)
        elif how == "stall for ever":
            proxy.stall()
            scene.later(NETWORK_DEAD_S, proxy.heal)  # long after the limit of every step
        else:
            proxy.delay_s = DELAY_S

    return strike


VICTIMS: dict[str, Strike] = {
    "child": child,
    "main": main,
    "group": group,
    "paused": paused,
    "frozen": frozen,
    "pg_dump": program(b"--snapshot="),
    "psql": program(b"--no-psqlrc"),
    "backend": backend,
    "backend crash": backend_crash,
    "target": target,
    "source": source,
    "redis": redis,
    "redis emptied": redis_emptied,
    "redis gone": redis_gone(REDIS_GONE_S),
    "redis gone for 60 s": redis_gone(REDIS_LONG_GONE_S),
    "beat": beat,
    **{
        f"network {name} {how}": network(name, how)
        for name in ("source", "target", "redis")
        for how in ("reset", "stall", "stall for ever", "delay")
    },
}
# Who only sleeps, and how it is woken.
PAUSED: dict[str, Strike] = {
    "paused": lambda _, pid: _signal(pid, signal.SIGCONT),
    "frozen": lambda scene, _: _wake_all(scene),
}
NO_READER = {"target", "backend crash"}  # a server that is down shuts readers out by definition


def _wake_all(scene: Scene) -> None:
    for pid in scene.processes():
        _signal(pid, signal.SIGCONT)


def _signal(pid: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, number)
