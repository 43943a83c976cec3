"""Plain HTTP by httpx or its successor, for servers without a client of their own and for missing SDKs.

The key goes only to the server it belongs to: it is `api_key=`, or the environment's for that server.
"""

from __future__ import annotations

import asyncio
import importlib
import inspect
import json
import os
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, TypeAlias

from ...errors import EngineError
from ...packages import is_installed
from ..dialects import Dialect
from ..provider import Transport
from .exchange_recorder import SIGNING_HEADERS, recording
from .sdk_client import CONNECT_TIMEOUT, ErrorReader, OfficialClient, OfficialTransport, OpenStream

PACKAGES = ("httpx", "httpx2")  # the same interface; httpx2 continues httpx
TRANSPORT_SETTINGS = ("client", "headers", "default_headers", "dialect", "betas")
POLL = 1.0  # seconds
HeadersForBody: TypeAlias = Callable[[Mapping[str, Any], Mapping[str, str]], dict[str, str]]


def is_http(client: Any) -> bool:
    """Tell whether the user's client is one of httpx or its successor, and not of an SDK."""
    return hasattr(client, "build_request") and hasattr(client, "send") and not hasattr(client, "with_options")


def chat_transport(settings: Mapping[str, Any], dialect: Dialect, read_error: ErrorReader) -> Transport:
    """Return the transport to a chat server of this dialect. Raises EngineError when its address is unknown."""
    return http_transport(
        settings,
        name=dialect.name,
        base_url=dialect.base_url,
        path="/chat/completions",
        key=dialect.key or "",
        signed=lambda key: {dialect.key_header: f"Bearer {key}" if dialect.key_header == "authorization" else key},
        read_error=read_error,
    )


def http_transport(
    settings: Mapping[str, Any],
    *,
    name: str,
    base_url: str,
    path: str,
    key: str,
    signed: Callable[[str], dict[str, str]],
    read_error: ErrorReader,
    versioned: HeadersForBody | None = None,
) -> Transport:
    """Return the transport to a server by plain HTTP. `key` is the environment variable with its key.

    `versioned` makes the headers of a request from its body and its other headers.
    """
    own_client = settings.get("client")
    if own_client is not None and not inspect.iscoroutinefunction(getattr(own_client, "send", None)):
        raise EngineError(
            f"client must be asynchronous, like httpx.AsyncClient, got {type(own_client).__name__}",
            kind="bad_parameter",
        )
    url = str(settings.get("base_url") or getattr(own_client, "base_url", "") or base_url)
    if not url.startswith(("http://", "https://")):
        raise EngineError(
            f"the address of the {name} server is unknown; pass base_url=, like http://localhost:8000/v1",
            kind="bad_parameter",
        )
    package = next(filter(is_installed, PACKAGES), PACKAGES[0])
    package = type(own_client).__module__.partition(".")[0] if own_client is not None else package
    sdk = HttpClientFactory(
        package=package,
        client_class="",
        open_stream=_versioned_door(versioned),
        read_error=read_error,
        key_hint=key,
        name=name,
        path=path,
        signed=signed,
    )
    headers = {**(settings.get("default_headers") or {}), **(settings.get("headers") or {})}
    client_settings = {name: value for name, value in settings.items() if name not in TRANSPORT_SETTINGS}
    return OfficialTransport(
        sdk, {**client_settings, "base_url": url, "given": frozenset(headers)}, headers, own_client
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpClientFactory(OfficialClient):
    """Makes clients of an HTTP package for one server."""

    name: str
    path: str
    signed: Callable[[str], dict[str, str]]

    @property
    def server(self) -> str:
        return self.name

    def make_client(self, settings: Mapping[str, Any]) -> Any:
        package = importlib.import_module(self.package)
        http = settings.get("http_client")
        if http is None:
            wait = package.Timeout(None, connect=settings.get("connect_timeout", CONNECT_TIMEOUT))
            inner = recording(settings["record"], package=self.package) if settings.get("record") else None
            http = package.AsyncClient(timeout=wait, transport=inner)
        return self._client_of(http, settings)

    def adopt_client(self, own_client: Any, settings: Mapping[str, Any]) -> Any:
        return self._client_of(own_client, settings)

    def _client_of(self, http: Any, settings: Mapping[str, Any]) -> HttpClient:
        package = importlib.import_module(self.package)
        key = str(settings.get("api_key") or settings.get("auth_token") or os.environ.get(self.key_hint, ""))
        header_names = {name.lower() for name in (*settings.get("given", ()), *http.headers)}
        if not key and self.key_hint and not header_names & SIGNING_HEADERS:
            raise LookupError("no authentication")
        account_headers = {
            "openai-organization": settings.get("organization"),
            "openai-project": settings.get("project"),
        }
        return HttpClient(
            http=http,
            base=package.URL(settings["base_url"]).copy_merge_params(settings.get("default_query") or {}),
            path=self.path,
            api_key=key,
            connection_error=package.TransportError,
            headers={
                **(self.signed(key) if key and not header_names & SIGNING_HEADERS else {}),
                **{name: value for name, value in account_headers.items() if value},
            },
        )


@dataclass(slots=True, kw_only=True, repr=False)
class HttpClient:
    """An HTTP client with the address and the headers of one server."""

    http: Any
    base: Any
    path: str
    api_key: str
    connection_error: type[Exception]  # of the package, without a connection
    headers: Mapping[str, str] = field(default_factory=dict)

    async def close(self) -> None:
        await self.http.aclose()

    def url(self, path: str) -> Any:
        """Return an address of the server, with the query of the base URL."""
        return self.base.copy_with(path=f"{self.base.path.rstrip('/')}{path}")

    async def post(self, path: str, *, body: Any, cast_to: Any, options: Mapping[str, Any]) -> Any:
        """Return the response to a POST as plain data, like the official clients."""
        del cast_to
        async with self.opened("POST", path, body, options["headers"]) as response:
            return json.loads(await response.read())

    @asynccontextmanager
    async def opened(self, method: str, path: str, body: Any, headers: Mapping[str, str]) -> AsyncIterator[Any]:
        """Yield a response whose body is still arriving. Raises HttpStatusError for an error status."""
        request_headers = {"accept": "application/json, text/event-stream", **self.headers, **headers}
        request_content = None
        if body is not None:
            request_headers["content-type"] = "application/json"
            request_content = json.dumps(body, separators=(",", ":")).encode("ascii")
        try:
            request = self.http.build_request(method, self.url(path), content=request_content, headers=request_headers)
            response = await self.http.send(request, stream=True)
        except self.connection_error as error:
            raise ConnectionError(f"{type(error).__name__}: {error}") from None
        try:
            if not 200 <= response.status_code < 300:
                raise HttpStatusError(response, _error_body(await response.aread()))
            yield SimpleNamespace(headers=response.headers, iter_bytes=response.aiter_bytes, read=response.aread)
        finally:
            await response.aclose()


class HttpStatusError(Exception):
    """A response with an HTTP error status."""

    def __init__(self, response: Any, body: Any) -> None:
        super().__init__(str(response.status_code))
        self.status_code: int = response.status_code
        self.response = response
        self.body = body


def _versioned_door(versioned: HeadersForBody | None) -> OpenStream:
    if versioned is None:
        return _door
    return lambda client, body, headers: _door(client, body, versioned(body, headers))


@asynccontextmanager
async def _door(client: HttpClient, body: Mapping[str, Any], headers: Mapping[str, str]) -> AsyncIterator[Any]:
    """Yield one response; one that runs in the background is polled until it has ended."""
    method, path = "POST", client.path
    request_body: Mapping[str, Any] | None = body
    while True:
        async with client.opened(method, path, request_body, headers) as response:
            in_background = body.get("background") and not body.get("stream")
            if not in_background or not (response_id := unfinished_response_id(await response.read())):
                yield response
                return
        await asyncio.sleep(POLL)
        method, path, request_body = "GET", f"{client.path}/{response_id}", None


def unfinished_response_id(content: bytes) -> str:
    """Return the id of a response that has not ended; "" for any other."""
    try:
        response = json.loads(content)
    except (ValueError, RecursionError):
        return ""
    is_unfinished = isinstance(response, Mapping) and response.get("status") in ("queued", "in_progress")
    return str(response.get("id") or "") if is_unfinished else ""


def _error_body(content: bytes) -> Any:
    try:
        body = json.loads(content)
    except (ValueError, RecursionError):
        return content[:500].decode("utf-8", "replace")
    return body[0] if isinstance(body, list) and body else body
