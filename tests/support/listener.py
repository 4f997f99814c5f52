"""A real HTTP server that hears what is sent to it, and answers well, badly, late, or never."""

import json
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit


@dataclass(frozen=True, kw_only=True)
class Heard:
    """One request."""

    path: str
    query: dict[str, str]
    text: str

    @property
    def json(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.text)
        return found


@dataclass
class Listener:
    """What was heard, and how to answer: `ok`, `500`, `hang` (until released), `drip` (byte after byte), `reset`."""

    port: int
    how: str = "ok"
    heard: list[Heard] = field(default_factory=list)
    released: threading.Event = field(default_factory=threading.Event)

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def at(self, path: str) -> list[Heard]:
        """The requests to one path, in their order."""
        return [request for request in self.heard if request.path == path]

    @property
    def titles(self) -> list[str]:
        """Of the notices that came as JSON."""
        return [request.json["title"] for request in self.heard if request.text.startswith("{")]


@contextmanager
def listening() -> Iterator[Listener]:
    """A listener on a free port of this machine."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            parts = urlsplit(self.path)
            text = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
            query = {name: values[0] for name, values in parse_qs(parts.query).items()}
            listener.heard.append(Heard(path=parts.path, query=query, text=text))
            _answer(self, listener)

        def log_message(self, *_: object) -> None:
            """Silent."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    listener = Listener(port=server.server_address[1])
    thread = threading.Thread(target=lambda: server.serve_forever(poll_interval=0.02), daemon=True)
    thread.start()
    try:
        yield listener
    finally:
        listener.released.set()
        server.shutdown()
        server.server_close()
        thread.join()


def _answer(handler: BaseHTTPRequestHandler, listener: Listener) -> None:
    if listener.how == "hang":
        listener.released.wait(60)
    if listener.how == "reset":
        handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        handler.connection.close()
        handler.close_connection = True
        return
    handler.send_response(500 if listener.how == "500" else 200)
    if listener.how == "drip":
        handler.send_header("Content-Length", "1000")
        handler.end_headers()
        while not listener.released.wait(0.1):
            handler.wfile.write(b".")
            handler.wfile.flush()
    handler.send_header("Content-Length", "0")
    handler.end_headers()
