"""A server on this machine that plays scripts to a provider's client: any bytes, slowly, broken off."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from nbturns.engines import engine
from nbturns.engines.provider_engine import ProviderEngine


@dataclass
class Script:
    """What the server answers next: status, body, headers; slowly, or broken off after some bytes."""

    body: bytes = b""
    status: int = 200
    content_type: str = "text/event-stream"
    headers: Mapping[str, str] = field(default_factory=dict)
    chunk: int = 100
    pause: float = 0.0
    cut: int | None = None
    linger: float = 0.0


class Server(ThreadingHTTPServer):
    """`name` and `key` are of the engines that ask it; `says` are headers of every answer."""

    daemon_threads = True

    def __init__(self, name: str, key: str, says: Mapping[str, str]) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.name, self.key, self.says = name, key, says
        self.answers: list[Script] = []
        self.asked: list[dict[str, Any]] = []
        self.paths: list[str] = []
        self.headers: list[dict[str, str]] = []
        self.connections: set[Any] = set()
        self.hung_up = threading.Event()
        self.closing = threading.Event()  # nobody waits for an answer any more
        self.clients: list[Any] = []  # of the tests that ask it

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def engine(self, *answers: Script, **params: Any) -> ProviderEngine:
        self.answers += answers
        return engine(self.name, **{"base_url": self.url, "api_key": self.key, "retries": 0, **params})


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: Server

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""

    def do_POST(self) -> None:
        self.server.connections.add(self.client_address)
        self.server.paths.append(self.path)
        self.server.headers.append({name.lower(): value for name, value in self.headers.items()})
        self.server.asked.append(json.loads(self.rfile.read(int(self.headers["content-length"]))))
        script = self.server.answers.pop(0)
        try:
            self.play(script)
        except OSError:
            self.server.hung_up.set()
            self.close_connection = True

    def play(self, script: Script) -> None:
        self.send_response(script.status)
        sent = {"content-type": script.content_type, "transfer-encoding": "chunked", **self.server.says}
        for name, value in {**sent, **script.headers}.items():
            self.send_header(name, value)
        self.end_headers()
        for start in range(0, len(script.body), script.chunk):
            if script.cut is not None and start >= script.cut:
                self.close_connection = True
                return
            piece = script.body[start : start + script.chunk]
            self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
            self.server.closing.wait(script.pause)
        self.server.closing.wait(script.linger)
        self.wfile.write(b"0\r\n\r\n")


@contextmanager
def served(name: str, key: str, **says: str) -> Iterator[Server]:
    """A server that plays scripts, on a thread of its own; `says` are headers of every answer, with `_` for `-`."""
    made = Server(name, key, {header.replace("_", "-"): value for header, value in says.items()})
    thread = threading.Thread(target=made.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield made
    finally:
        made.closing.set()
        made.shutdown()
        made.server_close()
        thread.join()
