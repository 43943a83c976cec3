"""A local server that replays recorded exchanges of model providers over real sockets, with faults on request.

    python -m nbturns.testing.server [FILE_OR_FOLDER …] --port 4020

It supports all four dialects. The `base_url` of an engine selects the response:

    http://127.0.0.1:4020            the exchange with an equal request; else 404 with the most similar one
    …/_case/ID                       this exchange for every request
    …/_session/ID                    the k-th exchange of the session for the k-th request; `_session/ID@NAME` counts separately
    …/_fault/status=429,times=2/…    before any of these: the first two requests fail

Faults: `status=429`, `retry-after=1` (seconds), `cut=1500` (bytes before the connection breaks), `stall=1500` (bytes
before silence), `chunk=17` (bytes per part), `delay-ms=5` (between parts), `times=2` (number of affected requests;
default: all). Headers named `x-fault-cut` and so on have the same effect. `GET /_log` returns the received requests,
`POST /_reset` clears them.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from ..runtime.background_loop import Waiting
from .exchanges import Exchange, read_exchanges

FAULTS = frozenset({"status", "retry-after", "cut", "stall", "chunk", "delay-ms", "times"})
REASON_PHRASES = {200: "OK", 404: "Not Found", 429: "Too Many Requests"}
STALL_SECONDS = 3600.0  # seconds
JSON_TYPE = "application/json"


class Server:
    """A server that replays exchanges. `url` is its address, `log` lists the received requests."""

    url: str

    def __init__(self, exchanges: Iterable[Exchange]) -> None:
        self.exchanges: tuple[Exchange, ...] = tuple(exchanges)
        self.log: list[dict[str, Any]] = []
        self.url = ""
        self._by_id = {exchange.id: exchange for exchange in self.exchanges}
        self._sessions: dict[str, list[Exchange]] = {}
        for exchange in self.exchanges:
            self._sessions.setdefault(exchange.session, []).append(exchange)
        for session in self._sessions.values():
            session.sort(key=lambda exchange: exchange.seq)
        self._counters: dict[str, int] = {}
        self._server: asyncio.Server | None = None
        self._open_connections: set[asyncio.StreamWriter] = set()

    async def start(self, port: int = 0, host: str = "127.0.0.1") -> None:
        """Start listening; port 0 selects a free port."""
        self._server = await asyncio.start_server(self._on_connection, host, port, limit=2**26)
        self.url = f"http://{host}:{self._server.sockets[0].getsockname()[1]}"

    async def stop(self) -> None:
        """Close all connections and stop listening."""
        if self._server is not None:
            self._server.close()
        for writer in tuple(self._open_connections):
            writer.transport.abort()

    async def wait(self) -> None:
        """Serve until cancelled."""
        assert self._server is not None
        await self._server.serve_forever()

    async def _on_connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer the requests of one connection."""
        self._open_connections.add(writer)
        try:
            while await self._handle_request(reader, writer):
                pass
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError, TimeoutError):
            pass  # the client disconnected or the server stops
        finally:
            self._open_connections.discard(writer)
            writer.close()

    async def _handle_request(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Answer one request. Return whether the connection can be used for another one."""
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        method, path, _ = head[0].split(" ", 2)
        headers = {
            name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:-2])
        }
        body = await reader.readexactly(int(headers.get("content-length") or 0))
        if path in ("/_log", "/_reset", "/_health"):
            return await self._handle_control(path, writer)
        request = _parse_json(body)
        faults, remaining_path = self._requested_faults(path, headers)
        exchange, match = self._find_exchange(remaining_path, request)
        self.log.append(
            {"method": method, "path": remaining_path, "headers": _loggable_headers(headers), "json": request, **match}
        )
        if "status" in faults:
            await _send_error(writer, faults, exchange)
            return True
        if exchange is None:
            await _write(
                writer,
                404,
                {"content-type": JSON_TYPE},
                json.dumps({"error": {"type": "no_such_exchange", "message": self._not_found_message(match)}}).encode(),
            )
            return True
        return await _send_recorded(writer, exchange, faults)

    async def _handle_control(self, path: str, writer: asyncio.StreamWriter) -> bool:
        if path == "/_reset":
            self.log.clear()
            self._counters.clear()
        response: Any = self.log if path == "/_log" else {"ok": True, "exchanges": len(self.exchanges)}
        await _write(writer, 200, {"content-type": JSON_TYPE}, json.dumps(response).encode())
        return True

    def _requested_faults(self, path: str, headers: Mapping[str, str]) -> tuple[dict[str, str], str]:
        """Return the requested faults, and the path without the part that requests them."""
        settings = {
            name.removeprefix("x-fault-"): value for name, value in headers.items() if name.startswith("x-fault-")
        }
        remaining_path = path
        if path.startswith("/_fault/"):
            fault_text, _, remaining_path = path.removeprefix("/_fault/").partition("/")
            settings |= dict(setting.split("=", 1) for setting in unquote(fault_text).split(",") if "=" in setting)
            remaining_path = f"/{remaining_path}"
        faults = {name: value for name, value in settings.items() if name in FAULTS}
        if "times" in faults and self._count(f"fault {path.partition('?')[0]}") >= int(faults["times"]):
            return {}, remaining_path
        return faults, remaining_path

    def _count(self, key: str) -> int:
        """Return how often this was called with `key` before."""
        count = self._counters.get(key, 0)
        self._counters[key] = count + 1
        return count

    def _find_exchange(self, path: str, request: Any) -> tuple[Exchange | None, dict[str, Any]]:
        """Return the exchange for a request, or None, and the details for the log."""
        if path.startswith("/_case/"):
            exchange = self._by_id.get(path.split("/")[2])
        elif path.startswith("/_session/"):
            name = unquote(path.split("/")[2])
            session = self._sessions.get(name.partition("@")[0], [])
            index = self._count(f"session {name}")
            exchange = session[index] if index < len(session) else None
        else:
            exchange = self._matching_exchange(path, request)
        if exchange is not None:
            differences = exchange.differences(request) if exchange.request is not None else []
            return exchange, {"exchange": exchange.id, "difference": differences}
        candidates = [
            (len(exchange.differences(request)), exchange) for exchange in self.exchanges[:500] if exchange.request
        ]
        nearest = min(candidates, key=lambda pair: pair[0], default=(0, None))[1]
        differences = nearest.differences(request) if nearest else []
        return None, {"exchange": None, "nearest": nearest.id if nearest else None, "difference": differences[:20]}

    def _not_found_message(self, match: Mapping[str, Any]) -> str:
        """Return an error message that names the most similar exchange."""
        if match["nearest"] is None:
            return f"no exchange matches this request; known phrases: {', '.join(self.known_phrases) or 'none'}"
        differences = "; ".join(match["difference"][:5])
        return f"no exchange matches this request; the most similar is {match['nearest']}, which differs: {differences}"

    @property
    def known_phrases(self) -> list[str]:
        """The phrases that a request must contain to be answered by a conditional exchange."""
        return sorted({str(exchange.when.get("says", "")) for exchange in self.exchanges if exchange.when})

    def _matching_exchange(self, path: str, request: Any) -> Exchange | None:
        """Return the exchange that matches the request, with the same streaming option if there is one."""
        streams = "streamGenerateContent" in path or (isinstance(request, Mapping) and request.get("stream") is True)
        matches = [exchange for exchange in self.exchanges if exchange.matches_exactly(path, request)] or [
            exchange for exchange in self.exchanges if exchange.matches_condition(path, request)
        ]
        return next((exchange for exchange in matches if exchange.streams is streams), next(iter(matches), None))


def _parse_json(body: bytes) -> Any:
    try:
        return json.loads(body) if body else None
    except (ValueError, RecursionError):
        return {"unreadable": body[:200].decode("utf-8", "replace")}


def _loggable_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """Return the headers without secrets."""
    secret = ("authorization", "api-key", "x-api-key", "x-goog-api-key", "cookie")
    return {name: "…" if name in secret else value for name, value in headers.items()}


async def _send_error(writer: asyncio.StreamWriter, faults: Mapping[str, str], exchange: Exchange | None) -> None:
    status = int(faults["status"])
    kind = {429: "rate_limit_error", 529: "overloaded_error", 401: "authentication_error"}.get(status, "api_error")
    body: Any = {"type": "error", "error": {"type": kind, "code": kind, "message": f"requested fault: {status}"}}
    if exchange is not None and "enerateContent" in exchange.path:
        body = {"error": {"code": status, "status": "UNAVAILABLE", "message": f"requested fault: {status}"}}
    headers = {"content-type": JSON_TYPE, **({"retry-after": faults["retry-after"]} if "retry-after" in faults else {})}
    await _write(writer, status, headers, json.dumps(body).encode())


def _response_head(status: int, headers: Mapping[str, str], length: int | None) -> bytes:
    """Return the status line and headers; without a `length` the body is chunked."""
    framing_headers = {"transfer-encoding": "chunked"} if length is None else {"content-length": str(length)}
    recorded_headers = {
        name: value
        for name, value in headers.items()
        if name not in ("content-length", "transfer-encoding", "content-encoding", "connection")
    }
    lines = [
        f"HTTP/1.1 {status} {REASON_PHRASES.get(status, 'Status')}",
        *(f"{name}: {value}" for name, value in {**recorded_headers, **framing_headers}.items()),
    ]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1", "replace")


async def _write(writer: asyncio.StreamWriter, status: int, headers: Mapping[str, str], body: bytes) -> None:
    writer.write(_response_head(status, headers, len(body)) + body)
    await writer.drain()


async def _send_recorded(writer: asyncio.StreamWriter, exchange: Exchange, faults: Mapping[str, str]) -> bool:
    """Send the recorded response, or its part before a fault. Return whether the connection is still usable."""
    end = min((int(faults[name]) for name in ("cut", "stall") if name in faults), default=None)
    headers = {**exchange.headers, "x-exchange": exchange.id}
    if not exchange.streams and end is None and "chunk" not in faults:
        await _write(writer, exchange.status, headers, exchange.body)
        return True
    writer.write(_response_head(exchange.status, headers, None))
    delay = float(faults.get("delay-ms", 0)) / 1000
    for part in _body_parts(exchange, end, int(faults.get("chunk", 0))):
        writer.write(b"%x\r\n%s\r\n" % (len(part), part))
        await writer.drain()
        if delay:
            await asyncio.sleep(delay)
    if end is None:
        writer.write(b"0\r\n\r\n")
        await writer.drain()
        return True
    if "stall" in faults:
        await asyncio.sleep(STALL_SECONDS)
    writer.transport.abort() if "cut" not in faults else writer.close()
    return False


def _body_parts(exchange: Exchange, end: int | None, size: int) -> Iterator[bytes]:
    """Yield the recorded body up to `end`, split by `size`, as recorded, or after each event."""
    body = exchange.body if end is None else exchange.body[:end]
    if size:
        split_offsets: Iterable[int] = range(size, len(body), size)
    elif exchange.chunks:
        split_offsets = (offset for offset in exchange.chunks if offset < len(body))
    else:
        separator = b"\r\n\r\n" if b"\r\n\r\n" in body else b"\n\n"
        split_offsets = _event_ends(body, separator)
    start = 0
    for offset in split_offsets:
        if offset > start:
            yield body[start:offset]
            start = offset
    if start < len(body):
        yield body[start:]


def _event_ends(body: bytes, separator: bytes) -> Iterator[int]:
    offset = body.find(separator)
    while offset >= 0:
        yield offset + len(separator)
        offset = body.find(separator, offset + len(separator))


@contextlib.contextmanager
def serve(*paths: str | Path, port: int = 0, exchanges: Iterable[Exchange] | None = None) -> Iterator[Server]:
    """Run a server in the background for the duration of a `with` block; `server.url` is its base URL."""
    server = Server(read_exchanges(paths) if exchanges is None else exchanges)
    Waiting(server.start(port)).result(10)
    try:
        yield server
    finally:
        Waiting(server.stop()).result(10)


async def _serve_forever(server: Server, port: int) -> None:
    await server.start(port)
    phrases = f" with the phrases {', '.join(server.known_phrases)}" if server.known_phrases else ""
    sys.stdout.write(f"{server.url} replays {len(server.exchanges)} exchanges{phrases}; press Ctrl-C to stop\n")
    sys.stdout.flush()
    await server.wait()


def main(arguments: list[str] | None = None) -> None:
    """Run the server until it is interrupted."""
    description, _, epilog = (__doc__ or "").partition("\n")
    parser = argparse.ArgumentParser(
        prog="python -m nbturns.testing.server",
        description=description,
        epilog=epilog,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("paths", nargs="*", help="recorded exchanges; default: those shipped with nbturns")
    parser.add_argument("--port", type=int, default=4020, help="0 for a free port")
    options = parser.parse_args(arguments)
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_serve_forever(Server(read_exchanges(options.paths)), options.port))


if __name__ == "__main__":
    main()
