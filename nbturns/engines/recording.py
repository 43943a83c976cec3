"""HTTP exchanges written to a file as they happen, without keys: what a test can be played from.

One exchange a line, as JSON: `request` (method, path, headers, json) and `response`
(status, headers, body). `python -m nbturns.testing.server FILE` plays it back.
"""

from __future__ import annotations

import base64
import importlib
import json
import re
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from ..packages import require
from .provider import SECRET, without_secrets

SIGNING = frozenset({"authorization", "proxy-authorization", "x-api-key", "api-key", "x-goog-api-key", "cookie"})
NOT_KEPT = SIGNING | {"set-cookie", "openai-organization", "openai-project", "x-amz-security-token", "x-amz-date"}
OF_THE_WIRE = frozenset({"content-length", "transfer-encoding", "content-encoding", "connection", "host", "date"})
KEYLIKE = re.compile(r"[A-Za-z0-9_\-.]{8,}")
HIDDEN = "…"


def recording(path: str | Path, *, package: str = "httpx2", inner: Any = None) -> Any:
    """A transport for an asynchronous client of httpx or httpx2 that writes each exchange to `path`.

    `OpenAI`'s and `Anthropic`'s clients take it as
    `http_client=httpx2.AsyncClient(transport=nt.engines.recording("calls.jsonl"))`;
    `nt.engine(…, record="calls.jsonl")` does so by itself. `inner` carries the bytes, by
    default the package's own transport.
    """
    require(package)
    http = importlib.import_module(package)
    made = _transport_of(http)
    return made(Path(path).expanduser(), inner or http.AsyncHTTPTransport())


def _transport_of(http: Any) -> Callable[[Path, Any], Any]:
    class Recording(http.AsyncBaseTransport):  # type: ignore[misc]  # of whichever package it is
        """Passes everything on, and writes it down when the answer has been read."""

        def __init__(self, path: Path, inner: Any) -> None:
            self.path = path
            self.inner = inner

        async def handle_async_request(self, request: Any) -> Any:
            request.headers["accept-encoding"] = "identity"  # what is written is to be read
            sent = await request.aread()
            response = await self.inner.handle_async_request(request)
            response.stream = Teed(response.stream, self.path, request, sent, response)
            return response

        async def aclose(self) -> None:
            await self.inner.aclose()

    class Teed(http.AsyncByteStream):  # type: ignore[misc]
        def __init__(self, stream: Any, path: Path, request: Any, sent: bytes, response: Any) -> None:
            self.stream = stream
            self.kept: list[bytes] = []
            self.write: Callable[[bytes], None] = lambda body: _write(path, request, sent, response, body)
            self.whole = False

        async def __aiter__(self) -> AsyncIterator[bytes]:
            async for chunk in self.stream:
                self.kept.append(chunk)
                yield chunk

        async def aclose(self) -> None:
            await self.stream.aclose()
            if not self.whole:
                self.whole = True
                self.write(b"".join(self.kept))

    return Recording


def _write(path: Path, request: Any, sent: bytes, response: Any, body: bytes) -> None:
    line = json.dumps(exchange(request, sent, response, body), ensure_ascii=False)
    with path.open("a", encoding="utf-8", errors="backslashreplace") as file:
        file.write(f"{line}\n")


def exchange(request: Any, sent: bytes, response: Any, body: bytes) -> dict[str, Any]:
    """One exchange as plain data, without what is secret: no key in headers, address, request or answer."""
    keys = sorted(_keys(request), key=len, reverse=True)
    asked = {"method": request.method, "path": _path(str(request.url), keys), "headers": _headers(request.headers)}
    answered = {"status": response.status_code, "headers": _headers(response.headers), **_body(body, keys)}
    return {"request": {**asked, **_sent(sent, keys)}, "response": answered}


def _keys(request: Any) -> Iterable[str]:
    """The secrets this request was signed with."""
    given = [str(request.headers.get(name, "")) for name in SIGNING]
    given += [value for name, value in parse_qsl(urlsplit(str(request.url)).query) if _is_secret(name)]
    return {word for value in given for word in KEYLIKE.findall(value) if word.lower() not in ("bearer", "basic")}


def _is_secret(name: str) -> bool:
    return bool(SECRET.search(name)) or name.lower() in ("key", "sig", "signature", "x-amz-signature")


def without(text: str, keys: Iterable[str]) -> str:
    for key in keys:
        text = text.replace(key, HIDDEN)
    return text


def _path(url: str, keys: Iterable[str]) -> str:
    parts = urlsplit(url)
    query = urlencode([(name, HIDDEN if _is_secret(name) else value) for name, value in parse_qsl(parts.query)])
    return without(parts.path + (f"?{query}" if query else ""), keys)


def _headers(headers: Mapping[str, str]) -> dict[str, str]:
    low = {name.lower(): value for name, value in headers.items()}
    return {
        name: value
        for name, value in low.items()
        if name not in NOT_KEPT and name not in OF_THE_WIRE and not SECRET.search(name)
    }


def _sent(sent: bytes, keys: Iterable[str]) -> dict[str, Any]:
    text = without(sent.decode("utf-8", "replace"), keys)
    try:
        return {"json": without_secrets(json.loads(text))}
    except (ValueError, RecursionError):
        return {"body": text}


def _body(body: bytes, keys: Iterable[str]) -> dict[str, str]:
    try:
        return {"body": without(body.decode("utf-8"), keys)}
    except UnicodeDecodeError:
        return {"body_base64": base64.b64encode(body).decode("ascii")}
