"""A local server that answers as providers did: recorded exchanges over real sockets, faults on request.

    python -m nbturns.testing.server [FILE_OR_FOLDER …] --port 4020

It speaks all four dialects. `base_url` of an engine says what is wanted:

    http://127.0.0.1:4020            the exchange with this question; 404 that names the nearest, if there is none
    …/_case/ID                       whatever is asked, this exchange
    …/_session/ID                    the k-th request gets the k-th exchange of that session; `_session/ID@NAME` counts apart
    …/_fault/status=429,times=2/…    before any of these: the first two requests are refused, the third is answered

Faults: `status=429` `retry-after=1` (seconds) `cut=1500` (bytes, then the connection
breaks) `stall=1500` (bytes, then silence) `chunk=17` (bytes a piece) `delay-ms=5` (between
pieces) `times=2` (how many requests have it; all, if it is not said). Headers named
`x-fault-cut` and so on do the same. `GET /_log` lists what was asked, `POST /_reset` forgets it.
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

from ..host import Waiting
from .exchanges import Exchange, difference, plain, read

FAULTS = frozenset({"status", "retry-after", "cut", "stall", "chunk", "delay-ms", "times"})
REASON = {200: "OK", 404: "Not Found", 429: "Too Many Requests"}
FOR_EVER = 3600.0  # seconds
JSON = "application/json"


class Server:
    """Plays exchanges. `url` is where it listens, `log` what it was asked."""

    def __init__(self, exchanges: Iterable[Exchange]) -> None:
        self.exchanges = tuple(exchanges)
        self.log: list[dict[str, Any]] = []
        self.url = ""
        self._by_id = {exchange.id: exchange for exchange in self.exchanges}
        self._sessions: dict[str, list[Exchange]] = {}
        for exchange in self.exchanges:
            self._sessions.setdefault(exchange.session, []).append(exchange)
        for session in self._sessions.values():
            session.sort(key=lambda exchange: exchange.seq)
        self._asked: dict[str, int] = {}
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.StreamWriter] = set()

    async def start(self, port: int = 0, host: str = "127.0.0.1") -> None:
        """Listen; port 0 is any that is free."""
        self._server = await asyncio.start_server(self._connected, host, port, limit=2**26)
        self.url = f"http://{host}:{self._server.sockets[0].getsockname()[1]}"

    async def stop(self) -> None:
        """Close every connection and listen no more."""
        if self._server is not None:
            self._server.close()
        for writer in tuple(self._open):
            writer.transport.abort()

    async def wait(self) -> None:
        assert self._server is not None
        await self._server.serve_forever()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open.add(writer)
        try:
            while await self._one(reader, writer):
                pass
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError, TimeoutError):
            pass  # the client has gone, or the server goes
        finally:
            self._open.discard(writer)
            writer.close()

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Answer one request; whether another may follow on this connection."""
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        method, path, _ = head[0].split(" ", 2)
        headers = {
            name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:-2])
        }
        sent = await reader.readexactly(int(headers.get("content-length") or 0))
        if path in ("/_log", "/_reset", "/_health"):
            return await self._controlled(path, writer)
        asked = _json(sent)
        faults, rest = self._faults(path, headers)
        exchange, found = self._found(rest, asked)
        self.log.append({"method": method, "path": rest, "headers": _told(headers), "json": asked, **found})
        if "status" in faults:
            await _refuse(writer, faults, exchange)
            return True
        if exchange is None:
            await _write(
                writer,
                404,
                {"content-type": JSON},
                json.dumps({"error": {"type": "no_such_exchange", "message": self._nearest(found)}}).encode(),
            )
            return True
        return await _play(writer, exchange, faults)

    async def _controlled(self, path: str, writer: asyncio.StreamWriter) -> bool:
        if path == "/_reset":
            self.log.clear()
            self._asked.clear()
        said: Any = self.log if path == "/_log" else {"ok": True, "exchanges": len(self.exchanges)}
        await _write(writer, 200, {"content-type": JSON}, json.dumps(said).encode())
        return True

    def _faults(self, path: str, headers: Mapping[str, str]) -> tuple[dict[str, str], str]:
        """What is to go wrong with this request, and its path without that."""
        given = {name.removeprefix("x-fault-"): value for name, value in headers.items() if name.startswith("x-fault-")}
        rest = path
        if path.startswith("/_fault/"):
            said, _, rest = path.removeprefix("/_fault/").partition("/")
            given |= dict(one.split("=", 1) for one in unquote(said).split(",") if "=" in one)
            rest = f"/{rest}"
        faults = {name: value for name, value in given.items() if name in FAULTS}
        if "times" in faults and self._count(f"fault {path.partition('?')[0]}") >= int(faults["times"]):
            return {}, rest
        return faults, rest

    def _count(self, what: str) -> int:
        """How often this happened before."""
        before = self._asked.get(what, 0)
        self._asked[what] = before + 1
        return before

    def _found(self, path: str, asked: Any) -> tuple[Exchange | None, dict[str, Any]]:
        if path.startswith("/_case/"):
            exchange = self._by_id.get(path.split("/")[2])
        elif path.startswith("/_session/"):
            name = unquote(path.split("/")[2])
            session = self._sessions.get(name.partition("@")[0], [])
            at = self._count(f"session {name}")
            exchange = session[at] if at < len(session) else None
        else:
            exchange = self._same(path, asked)
        if exchange is not None:
            unlike = list(difference(plain(exchange.asked), plain(asked))) if exchange.asked is not None else []
            return exchange, {"exchange": exchange.id, "difference": unlike}
        near = [
            (len(list(difference(plain(one.asked), plain(asked)))), one) for one in self.exchanges[:500] if one.asked
        ]
        nearest = min(near, key=lambda pair: pair[0], default=(0, None))[1]
        unlike = list(difference(plain(nearest.asked), plain(asked))) if nearest else []
        return None, {"exchange": None, "nearest": nearest.id if nearest else None, "difference": unlike[:20]}

    def _nearest(self, found: Mapping[str, Any]) -> str:
        """What the server has in place of what it has not."""
        if found["nearest"] is None:
            return f"no exchange with this question; it answers what speaks of {', '.join(self.words) or 'nothing'}"
        unlike = "; ".join(found["difference"][:5])
        return f"no exchange with this question; the nearest is {found['nearest']}, which differs: {unlike}"

    @property
    def words(self) -> list[str]:
        """What a question must say to be answered, whatever else it says."""
        return sorted({str(one.when.get("says", "")) for one in self.exchanges if one.when})

    def _same(self, path: str, asked: Any) -> Exchange | None:
        """The exchange with this question, streamed if it is to be streamed."""
        streams = "streamGenerateContent" in path or (isinstance(asked, Mapping) and asked.get("stream") is True)
        fit = [one for one in self.exchanges if one.fits(path, asked)] or [
            one for one in self.exchanges if one.suits(path, asked)
        ]
        return next((one for one in fit if one.streams is streams), next(iter(fit), None))


def _json(sent: bytes) -> Any:
    try:
        return json.loads(sent) if sent else None
    except (ValueError, RecursionError):
        return {"unreadable": sent[:200].decode("utf-8", "replace")}


def _told(headers: Mapping[str, str]) -> dict[str, str]:
    """The headers for the log, which is no place for keys."""
    secret = ("authorization", "api-key", "x-api-key", "x-goog-api-key", "cookie")
    return {name: "…" if name in secret else value for name, value in headers.items()}


async def _refuse(writer: asyncio.StreamWriter, faults: Mapping[str, str], exchange: Exchange | None) -> None:
    status = int(faults["status"])
    kind = {429: "rate_limit_error", 529: "overloaded_error", 401: "authentication_error"}.get(status, "api_error")
    said: Any = {"type": "error", "error": {"type": kind, "code": kind, "message": f"as was asked for: {status}"}}
    if exchange is not None and "enerateContent" in exchange.path:
        said = {"error": {"code": status, "status": "UNAVAILABLE", "message": f"as was asked for: {status}"}}
    headers = {"content-type": JSON, **({"retry-after": faults["retry-after"]} if "retry-after" in faults else {})}
    await _write(writer, status, headers, json.dumps(said).encode())


def _head(status: int, headers: Mapping[str, str], length: int | None) -> bytes:
    framed = {"transfer-encoding": "chunked"} if length is None else {"content-length": str(length)}
    kept = {
        name: value
        for name, value in headers.items()
        if name not in ("content-length", "transfer-encoding", "content-encoding", "connection")
    }
    lines = [
        f"HTTP/1.1 {status} {REASON.get(status, 'Status')}",
        *(f"{name}: {value}" for name, value in {**kept, **framed}.items()),
    ]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1", "replace")


async def _write(writer: asyncio.StreamWriter, status: int, headers: Mapping[str, str], body: bytes) -> None:
    writer.write(_head(status, headers, len(body)) + body)
    await writer.drain()


async def _play(writer: asyncio.StreamWriter, exchange: Exchange, faults: Mapping[str, str]) -> bool:
    """Send the answer as it was recorded, or as far as it is to come; whether the connection is still good."""
    end = min((int(faults[name]) for name in ("cut", "stall") if name in faults), default=None)
    headers = {**exchange.headers, "x-exchange": exchange.id}
    if not exchange.streams and end is None and "chunk" not in faults:
        await _write(writer, exchange.status, headers, exchange.body)
        return True
    writer.write(_head(exchange.status, headers, None))
    delay = float(faults.get("delay-ms", 0)) / 1000
    for piece in _pieces(exchange, end, int(faults.get("chunk", 0))):
        writer.write(b"%x\r\n%s\r\n" % (len(piece), piece))
        await writer.drain()
        if delay:
            await asyncio.sleep(delay)
    if end is None:
        writer.write(b"0\r\n\r\n")
        await writer.drain()
        return True
    if "stall" in faults:
        await asyncio.sleep(FOR_EVER)
    writer.transport.abort() if "cut" not in faults else writer.close()
    return False


def _pieces(exchange: Exchange, end: int | None, size: int) -> Iterator[bytes]:
    body = exchange.body if end is None else exchange.body[:end]
    if size:
        places: Iterable[int] = range(size, len(body), size)
    elif exchange.chunks:
        places = (at for at in exchange.chunks if at < len(body))
    else:
        mark = b"\r\n\r\n" if b"\r\n\r\n" in body else b"\n\n"
        places = _ends(body, mark)
    start = 0
    for at in places:
        if at > start:
            yield body[start:at]
            start = at
    if start < len(body):
        yield body[start:]


def _ends(body: bytes, mark: bytes) -> Iterator[int]:
    at = body.find(mark)
    while at >= 0:
        yield at + len(mark)
        at = body.find(mark, at + len(mark))


@contextlib.contextmanager
def serve(*paths: str | Path, port: int = 0, exchanges: Iterable[Exchange] | None = None) -> Iterator[Server]:
    """A server for the time of a `with`, beside the executions: `server.url` is the base URL to use."""
    server = Server(read(paths) if exchanges is None else exchanges)
    Waiting(server.start(port)).result(10)
    try:
        yield server
    finally:
        Waiting(server.stop()).result(10)


async def _for_ever(server: Server, port: int) -> None:
    await server.start(port)
    about = f" about {', '.join(server.words)}" if server.words else ""
    sys.stdout.write(f"{server.url} plays {len(server.exchanges)} exchanges{about}; Ctrl-C ends it\n")
    sys.stdout.flush()
    await server.wait()


def main(arguments: list[str] | None = None) -> None:
    """Serve until interrupted."""
    said, _, rest = (__doc__ or "").partition("\n")
    parser = argparse.ArgumentParser(
        prog="python -m nbturns.testing.server",
        description=said,
        epilog=rest,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("paths", nargs="*", help="recorded exchanges; without any, those that come with nbturns")
    parser.add_argument("--port", type=int, default=4020, help="0 for any that is free")
    asked = parser.parse_args(arguments)
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_for_ever(Server(read(asked.paths)), asked.port))


if __name__ == "__main__":
    main()
