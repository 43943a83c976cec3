"""Write HTTP exchanges to a file as they happen, without keys, for tests to play back.

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

from ...packages import require
from ..provider import SECRET, without_secrets

SIGNING = frozenset({"authorization", "proxy-authorization", "x-api-key", "api-key", "x-goog-api-key", "cookie"})
OMITTED_HEADERS = SIGNING | {
    "set-cookie",
    "openai-organization",
    "openai-project",
    "x-amz-security-token",
    "x-amz-date",
}
CONNECTION_HEADERS = frozenset(
    {"content-length", "transfer-encoding", "content-encoding", "connection", "host", "date"}
)
KEYLIKE = re.compile(r"[A-Za-z0-9_\-.]{8,}")
HIDDEN = "…"


def recording(path: str | Path, *, package: str = "httpx2", inner: Any = None) -> Any:
    """Return a transport for an asynchronous client of httpx or httpx2 that writes each exchange to `path`.

    `OpenAI`'s and `Anthropic`'s clients take it as
    `http_client=httpx2.AsyncClient(transport=nt.engines.recording("calls.jsonl"))`;
    `nt.engine(…, record="calls.jsonl")` does the same. `inner` carries the bytes, by
    default the transport of the package.
    """
    require(package)
    http = importlib.import_module(package)
    transport_class = _transport_of(http)
    return transport_class(Path(path).expanduser(), inner or http.AsyncHTTPTransport())


def _transport_of(http: Any) -> Callable[[Path, Any], Any]:
    class Recording(http.AsyncBaseTransport):  # type: ignore[misc]  # of whichever package it is
        """Forwards every request, and writes the exchange when its response has been read."""

        def __init__(self, path: Path, inner: Any) -> None:
            self.path = path
            self.inner = inner

        async def handle_async_request(self, request: Any) -> Any:
            request.headers["accept-encoding"] = "identity"  # so that the file can be read
            sent = await request.aread()
            response = await self.inner.handle_async_request(request)
            response.stream = Teed(response.stream, self.path, request, sent, response)
            return response

        async def aclose(self) -> None:
            await self.inner.aclose()

    class Teed(http.AsyncByteStream):  # type: ignore[misc]
        def __init__(self, stream: Any, path: Path, request: Any, sent: bytes, response: Any) -> None:
            self.stream = stream
            self.chunks: list[bytes] = []
            self.write: Callable[[bytes], None] = lambda body: _write(path, request, sent, response, body)
            self.is_written = False

        async def __aiter__(self) -> AsyncIterator[bytes]:
            async for chunk in self.stream:
                self.chunks.append(chunk)
                yield chunk

        async def aclose(self) -> None:
            await self.stream.aclose()
            if not self.is_written:
                self.is_written = True
                self.write(b"".join(self.chunks))

    return Recording


def _write(path: Path, request: Any, sent: bytes, response: Any, body: bytes) -> None:
    line = json.dumps(exchange(request, sent, response, body), ensure_ascii=False)
    with path.open("a", encoding="utf-8", errors="backslashreplace") as file:
        file.write(f"{line}\n")


def exchange(request: Any, sent: bytes, response: Any, body: bytes) -> dict[str, Any]:
    """Return one exchange as plain data, without keys in headers, address, request and response."""
    keys = sorted(_keys(request), key=len, reverse=True)
    request_data = {
        "method": request.method,
        "path": _path(str(request.url), keys),
        "headers": _headers(request.headers),
    }
    response_data = {"status": response.status_code, "headers": _headers(response.headers), **_body(body, keys)}
    return {"request": {**request_data, **_sent(sent, keys)}, "response": response_data}


def _keys(request: Any) -> Iterable[str]:
    """Return the secrets that this request was signed with."""
    secrets = [str(request.headers.get(name, "")) for name in SIGNING]
    secrets += [value for name, value in parse_qsl(urlsplit(str(request.url)).query) if _is_secret(name)]
    return {word for value in secrets for word in KEYLIKE.findall(value) if word.lower() not in ("bearer", "basic")}


def _is_secret(name: str) -> bool:
    return bool(SECRET.search(name)) or name.lower() in ("key", "sig", "signature", "x-amz-signature")


def without_words(text: str, keys: Iterable[str]) -> str:
    for key in keys:
        text = text.replace(key, HIDDEN)
    return text


def _path(url: str, keys: Iterable[str]) -> str:
    parts = urlsplit(url)
    query = urlencode([(name, HIDDEN if _is_secret(name) else value) for name, value in parse_qsl(parts.query)])
    return without_words(parts.path + (f"?{query}" if query else ""), keys)


def _headers(headers: Mapping[str, str]) -> dict[str, str]:
    lower_names = {name.lower(): value for name, value in headers.items()}
    return {
        name: value
        for name, value in lower_names.items()
        if name not in OMITTED_HEADERS and name not in CONNECTION_HEADERS and not SECRET.search(name)
    }


def _sent(sent: bytes, keys: Iterable[str]) -> dict[str, Any]:
    text = without_words(sent.decode("utf-8", "replace"), keys)
    try:
        return {"json": without_secrets(json.loads(text))}
    except (ValueError, RecursionError):
        return {"body": text}


def _body(body: bytes, keys: Iterable[str]) -> dict[str, str]:
    try:
        return {"body": without_words(body.decode("utf-8"), keys)}
    except UnicodeDecodeError:
        return {"body_base64": base64.b64encode(body).decode("ascii")}
