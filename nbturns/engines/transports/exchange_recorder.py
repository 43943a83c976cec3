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

SIGNING_HEADERS = frozenset(
    {"authorization", "proxy-authorization", "x-api-key", "api-key", "x-goog-api-key", "cookie"}
)
OMITTED_HEADERS = SIGNING_HEADERS | {
    "set-cookie",
    "openai-organization",
    "openai-project",
    "x-amz-security-token",
    "x-amz-date",
}
CONNECTION_HEADERS = frozenset(
    {"content-length", "transfer-encoding", "content-encoding", "connection", "host", "date"}
)
KEY_PATTERN = re.compile(r"[A-Za-z0-9_\-.]{8,}")
HIDDEN_TEXT = "…"


def recording(path: str | Path, *, package: str = "httpx2", inner: Any = None) -> Any:
    """Return a transport for an asynchronous client of httpx or httpx2 that writes each exchange to `path`.

    `OpenAI`'s and `Anthropic`'s clients take it as
    `http_client=httpx2.AsyncClient(transport=nt.engines.recording("calls.jsonl"))`;
    `nt.engine(…, record="calls.jsonl")` does the same. `inner` carries the bytes, by
    default the transport of the package.
    """
    require(package)
    http_package = importlib.import_module(package)
    transport_class = _recording_transport(http_package)
    return transport_class(Path(path).expanduser(), inner or http_package.AsyncHTTPTransport())


def _recording_transport(http_package: Any) -> Callable[[Path, Any], Any]:
    class Recording(http_package.AsyncBaseTransport):  # type: ignore[misc]  # of whichever package it is
        """Forwards every request, and writes the exchange when its response has been read."""

        def __init__(self, path: Path, inner: Any) -> None:
            self.path = path
            self.inner = inner

        async def handle_async_request(self, request: Any) -> Any:
            request.headers["accept-encoding"] = "identity"  # so that the file can be read
            request_body = await request.aread()
            response = await self.inner.handle_async_request(request)
            response.stream = Teed(response.stream, self.path, request, request_body, response)
            return response

        async def aclose(self) -> None:
            await self.inner.aclose()

    class Teed(http_package.AsyncByteStream):  # type: ignore[misc]
        def __init__(self, stream: Any, path: Path, request: Any, request_body: bytes, response: Any) -> None:
            self.stream = stream
            self.chunks: list[bytes] = []
            self.write: Callable[[bytes], None] = lambda body: _write(path, request, request_body, response, body)
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


def _write(path: Path, request: Any, request_body: bytes, response: Any, response_body: bytes) -> None:
    json_line = json.dumps(exchange(request, request_body, response, response_body), ensure_ascii=False)
    with path.open("a", encoding="utf-8", errors="backslashreplace") as file:
        file.write(f"{json_line}\n")


def exchange(request: Any, request_body: bytes, response: Any, response_body: bytes) -> dict[str, Any]:
    """Return one exchange as plain data, without keys in headers, address, request and response."""
    keys = sorted(_keys(request), key=len, reverse=True)
    request_data = {
        "method": request.method,
        "path": _safe_path(str(request.url), keys),
        "headers": _safe_headers(request.headers),
    }
    response_data = {
        "status": response.status_code,
        "headers": _safe_headers(response.headers),
        **_response_body(response_body, keys),
    }
    return {"request": {**request_data, **_request_body(request_body, keys)}, "response": response_data}


def _keys(request: Any) -> Iterable[str]:
    """Return the secrets that this request was signed with."""
    secret_values = [str(request.headers.get(name, "")) for name in SIGNING_HEADERS]
    secret_values += [value for name, value in parse_qsl(urlsplit(str(request.url)).query) if _is_secret(name)]
    return {
        key_text
        for value in secret_values
        for key_text in KEY_PATTERN.findall(value)
        if key_text.lower() not in ("bearer", "basic")
    }


def _is_secret(name: str) -> bool:
    return bool(SECRET.search(name)) or name.lower() in ("key", "sig", "signature", "x-amz-signature")


def without_keys_in_text(text: str, keys: Iterable[str]) -> str:
    """Return the text with "…" in place of each key."""
    for key in keys:
        text = text.replace(key, HIDDEN_TEXT)
    return text


def _safe_path(url: str, keys: Iterable[str]) -> str:
    url_parts = urlsplit(url)
    query = urlencode(
        [(name, HIDDEN_TEXT if _is_secret(name) else value) for name, value in parse_qsl(url_parts.query)]
    )
    return without_keys_in_text(url_parts.path + (f"?{query}" if query else ""), keys)


def _safe_headers(headers: Mapping[str, str]) -> dict[str, str]:
    headers_by_name = {name.lower(): value for name, value in headers.items()}
    return {
        name: value
        for name, value in headers_by_name.items()
        if name not in OMITTED_HEADERS and name not in CONNECTION_HEADERS and not SECRET.search(name)
    }


def _request_body(request_body: bytes, keys: Iterable[str]) -> dict[str, Any]:
    body_text = without_keys_in_text(request_body.decode("utf-8", "replace"), keys)
    try:
        return {"json": without_secrets(json.loads(body_text))}
    except (ValueError, RecursionError):
        return {"body": body_text}


def _response_body(response_body: bytes, keys: Iterable[str]) -> dict[str, str]:
    try:
        return {"body": without_keys_in_text(response_body.decode("utf-8"), keys)}
    except UnicodeDecodeError:
        return {"body_base64": base64.b64encode(response_body).decode("ascii")}
