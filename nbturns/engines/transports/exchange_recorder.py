"""Write HTTP exchanges to a file as they happen, without keys, for tests to play back.

One exchange a line, as JSON: `request` (method, path, headers, json) and `response`
(status, headers, body). `python -m nbturns.testing.server FILE` plays it back.
"""

from __future__ import annotations

import base64
import importlib
import json
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from ...packages import require
from ...safety.file_writing import append_line
from ...safety.secret_texts import (
    HIDDEN_TEXT,
    data_without_texts,
    is_public_header,
    public_url,
    secrets_in_body,
    secrets_in_headers,
    secrets_in_url,
)
from ...safety.split_secrets import stream_without_texts
from ..provider import without_secrets

SIGNING_HEADERS = frozenset(
    {"authorization", "proxy-authorization", "x-api-key", "api-key", "x-goog-api-key", "cookie"}
)


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
    append_line(path, json_line.encode("utf-8", "backslashreplace"))


def exchange(request: Any, request_body: bytes, response: Any, response_body: bytes) -> dict[str, Any]:
    """Return one exchange as plain data, without secrets in headers, address, request and response."""
    body = _parsed(request_body)
    secrets = secrets_in_headers(request.headers) | secrets_in_url(str(request.url)) | secrets_in_body(body)
    request_data = {
        "method": request.method,
        "path": _public_target(str(request.url)),
        "headers": _public_headers(request.headers),
        **({"body": request_body.decode("utf-8", "replace")} if body is None else {"json": without_secrets(body)}),
    }
    response_data = {
        "status": response.status_code,
        "headers": _public_headers(response.headers),
        **_response_body(response_body, secrets),
    }
    plain: dict[str, Any] = data_without_texts({"request": request_data, "response": response_data}, secrets)
    return plain


def _public_target(url: str) -> str:
    """Return path and query of an address without secrets."""
    url_parts = urlsplit(public_url(url, for_file=True))
    return url_parts.path + (f"?{url_parts.query}" if url_parts.query else "")


def _public_headers(headers: Mapping[str, str]) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items() if is_public_header(name)}


def _parsed(body: bytes) -> Any:
    """Return the JSON of a body; None for any other."""
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None


def _response_body(response_body: bytes, secrets: Iterable[str]) -> dict[str, str]:
    try:
        return {"body": stream_without_texts(response_body.decode("utf-8"), secrets)}
    except UnicodeDecodeError:
        for secret in secrets:
            response_body = response_body.replace(secret.encode("utf-8", "surrogatepass"), HIDDEN_TEXT.encode())
        return {"body_base64": base64.b64encode(response_body).decode("ascii")}
