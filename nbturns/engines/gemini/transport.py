"""Bytes to and from Gemini, carried by httpx: Google's API, Vertex, and gateways to them.

The key goes in a header and never in the URL, because URLs are logged. The URL contains the model,
which the body carries along (see `GeminiBody`).
"""

from __future__ import annotations

import asyncio
import importlib
import inspect
import json
import os
import re
import weakref
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from ...errors import EngineError
from ...runtime.background_loop import run_in_worker
from ..provider import ResponseStream, kind_at
from ..transports.exchange_recorder import recording
from ..transports.sdk_client import CONNECT_TIMEOUT, error_text, refuse_keys, require_package, retry_after, without_keys
from .reply import error_of

GOOGLE_URL = "https://generativelanguage.googleapis.com"
VERSION_IN_PATH = re.compile(r"/v1(alpha|beta)?\d*(/|$)")  # Vertex: …/v1/projects/P/locations/L/publishers/google
SIGNING_HEADERS = frozenset({"authorization", "x-goog-api-key"})
KEY_VARIABLES = ("GOOGLE_API_KEY", "GEMINI_API_KEY")  # in the order in which Google's own client looks


@dataclass(slots=True, repr=False, eq=False, weakref_slot=True)
class GeminiTransport:
    """Opens requests with a client that is made when first needed, or with one of the user's own.

    A client belongs to the event loop it is first used on; on another loop another one
    is made. They are closed when this object is garbage-collected.
    """

    settings: Mapping[str, Any]
    _clients: dict[asyncio.AbstractEventLoop, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        own_client = self.settings.get("client")
        if own_client is None:
            require_package("httpx", extra="gemini")
        if own_client is not None and not inspect.iscoroutinefunction(getattr(own_client, "send", None)):
            client_type = type(own_client).__name__
            raise EngineError(
                f"client must be asynchronous, like httpx.AsyncClient; this one is {client_type}", kind="bad_parameter"
            )
        for name in ("connect_timeout", "record") if own_client is not None else ():
            if name in self.settings:
                raise EngineError(f"{name} cannot be combined with client=; set it on the client", kind="bad_parameter")

    @property
    def api_key(self) -> str:
        return self.settings.get("api_key") or next(filter(None, map(os.environ.get, KEY_VARIABLES)), "")

    async def _client(self) -> Any:
        if self.settings.get("client") is not None:
            return self.settings["client"]
        loop = asyncio.get_running_loop()
        if loop not in self._clients:
            httpx = await run_in_worker(lambda: importlib.import_module("httpx"))  # others live on this loop
            self._clients = {loop: client for loop, client in self._clients.items() if not loop.is_closed()}
            if loop not in self._clients:
                self._clients[loop] = self._new(httpx)
                weakref.finalize(self, _close_later, loop, self._clients[loop]).atexit = False
        return self._clients[loop]

    def _new(self, httpx: Any) -> Any:
        """Return a client whose only time-out is for connecting; the engine watches the silence."""
        httpx_timeout = httpx.Timeout(None, connect=self.settings.get("connect_timeout", CONNECT_TIMEOUT))
        record_path = self.settings.get("record")
        return httpx.AsyncClient(
            timeout=httpx_timeout, transport=recording(record_path, package="httpx") if record_path else None
        )

    @asynccontextmanager
    async def open(self, body: Mapping[str, Any]) -> AsyncIterator[ResponseStream]:
        """Send `body`; give the answer as it comes. Leaving closes the connection if more would come."""
        async with AsyncExitStack() as stack:
            try:
                client = await self._client()
                url, content = self._url(client, body), _encode(body)
                # Headers by no name: notebooks show what names hold where an error passed.
                opened = client.stream("POST", url, content=content, headers=self._headers(client))
                response = await stack.enter_async_context(opened)
                if not response.is_success:
                    raise _status_error(response.status_code, response.headers, await response.aread())
            except EngineError as error:
                raise without_keys(error, self) from None
            except Exception as error:  # the HTTP package's own, whichever it is
                raise without_keys(_connection_error(error), self) from None
            response_headers = response.headers
            request_id = response_headers.get("x-request-id", "")  # gateways name a request, Google does not
            try:
                yield ResponseStream(
                    chunks=self._chunks(response),
                    content_type=response_headers.get("content-type", ""),
                    request_id=request_id,
                )
            except EngineError as error:
                without_keys(error, self)
                raise

    async def post(self, path: str, body: Mapping[str, Any]) -> Any:
        """Return the response to a body that has its own path, as plain data."""
        del path
        async with self.open(body) as answer:
            content = b"".join([chunk async for chunk in answer.chunks])
        try:
            return json.loads(content)
        except (ValueError, RecursionError):
            raise EngineError(f"the response is not JSON: {content[:80]!r}", kind="bad_response") from None

    def secrets(self) -> tuple[str, ...]:
        """Return the keys that sign the requests."""
        return (self.api_key,) if self.api_key else ()

    def __reduce__(self) -> tuple[Any, ...]:
        refuse_keys(self.settings, self.settings.get("headers") or {}, KEY_VARIABLES[0])
        return type(self), (self.settings,)

    async def close(self) -> None:
        """Close the connections of the clients that were made here."""
        clients, self._clients = self._clients, {}
        for client in clients.values():
            await client.aclose()

    def _url(self, client: Any, body: Mapping[str, Any]) -> str:
        model_path = getattr(body, "path", "")
        if not model_path:
            raise EngineError("this body names no model: make it with nt.engines.request", kind="request")
        base_url = str(self.settings.get("base_url") or getattr(client, "base_url", "") or GOOGLE_URL).rstrip("/")
        return (
            f"{base_url}/{model_path}"
            if VERSION_IN_PATH.search(urlsplit(base_url).path)
            else f"{base_url}/v1beta/{model_path}"
        )

    def _headers(self, client: Any) -> dict[str, str]:
        headers = {"content-type": "application/json", **(self.settings.get("headers") or {})}
        if not SIGNING_HEADERS.isdisjoint(name.lower() for name in (*headers, *getattr(client, "headers", ()))):
            return headers
        if not self.api_key:
            hint = f"no key for Gemini: set {' or '.join(KEY_VARIABLES)}, or pass api_key=…, or headers with a bearer token"
            raise EngineError(hint, kind="authentication_error")
        return {**headers, "x-goog-api-key": self.api_key}

    async def _chunks(self, response: Any) -> AsyncIterator[bytes]:
        try:
            async for chunk in response.aiter_bytes():
                yield chunk
        except Exception as error:  # the HTTP package's own, whichever it is
            description = f"{type(error).__name__}: {error_text(error)}"
            message = f"the connection broke before the answer was complete: {description}"
            raise without_keys(EngineError(message, kind="stream_cut"), self) from None


def _encode(body: Mapping[str, Any]) -> bytes:
    """Return ASCII JSON, which can hold half a surrogate pair."""
    return json.dumps(body, separators=(",", ":")).encode("ascii")


def _connection_error(error: Exception) -> EngineError:
    """Return the reason why no answer began."""
    description = f"{type(error).__name__}: {error_text(error)}"
    if isinstance(error, (TypeError, ValueError)):
        return EngineError(f"the request could not be sent: {description}", kind="request")
    return EngineError(f"no answer from Gemini: {description}", kind="connection")


def _status_error(status: int, headers: Mapping[str, str], body: bytes) -> EngineError:
    """Return the error of an HTTP status, with Google's message and the wait before a retry."""
    try:
        error_body = json.loads(body)
    except (ValueError, RecursionError):
        error_body = {"error": body[:500].decode("utf-8", "replace")}
    server_error = error_of(error_body)
    retry_wait = retry_after(headers)
    retry_wait = server_error.retry_after if retry_wait is None else retry_wait
    wait_hint = f"; try again in {retry_wait:g} s" if retry_wait is not None else ""
    error_kind = kind_at(server_error, status)
    return EngineError(
        f"Gemini answered {status} {error_kind}: {server_error}{wait_hint}",
        status=status,
        retry_after=retry_wait,
        kind=error_kind,
    )


def _close_later(loop: asyncio.AbstractEventLoop, client: Any) -> None:
    """Close a client on the loop it lives on, from any thread."""
    if not loop.is_closed():
        loop.call_soon_threadsafe(lambda: asyncio.ensure_future(client.aclose(), loop=loop))
