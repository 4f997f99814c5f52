"""A real Flower of an installation, as the README starts it: with a password, read-only, on the loopback interface."""

import base64
import re
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection

from tests.support.installation import REPOSITORY, Installation
from tests.support.workers import Process
from worker.demo.servers import free_port

README = (REPOSITORY / "README.md").read_text()
COLUMNS = re.findall(r"FLOWER_TASKS_COLUMNS=(\S+)", README)[0]
USER, PASSWORD = "operator", "flower-s3cret"


@dataclass(frozen=True)
class Flower:
    """Where it listens."""

    port: int

    def status(self, method: str, path: str, *, authorized: bool = False) -> int:
        """The status code of an answer, asked for without a browser."""
        word = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        with closing(HTTPConnection("127.0.0.1", self.port, timeout=20)) as connection:
            connection.request(method, path, headers={"Authorization": f"Basic {word}"} if authorized else {})
            return connection.getresponse().status

    def url(self, path: str) -> str:
        """With user and password, as a browser takes them."""
        return f"http://{USER}:{PASSWORD}@127.0.0.1:{self.port}{path}"


@contextmanager
def flowering(installation: Installation) -> Iterator[Flower]:
    """Ready when this is entered; it knows only what happens from then on."""
    port = free_port()
    settings = {
        "FLOWER_ADDRESS": "127.0.0.1",
        "FLOWER_PORT": str(port),
        "FLOWER_READ_ONLY": "true",
        "FLOWER_TASKS_COLUMNS": COLUMNS,
        "FLOWER_BASIC_AUTH": f"{USER}:{PASSWORD}",
    }
    command = [sys.executable, "-m", "celery", "-A", "worker", "flower"]
    flower = Process(installation, command, installation.home / "flower.log", settings)
    flower.start("Connected to redis")
    try:
        yield Flower(port)
    finally:
        flower.kill()
