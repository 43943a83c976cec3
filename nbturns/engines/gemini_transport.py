"""Bytes to and from Gemini, carried by httpx: Google's API, Vertex, and gateways to them.

The key goes in a header and never in the URL, because URLs are logged. The model stands
in the URL; the body brings it along (see `gemini.Asked`).
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

from ..errors import EngineError
from ..host import in_worker
from .gemini_reply import refusal
from .provider import ResponseStream, kind_at
from .recording import recording
from .transport import CONNECT, need, refuse_keys, retry_after, without_keys, words

GOOGLE = "https://generativelanguage.googleapis.com"
VERSION = re.compile(r"/v1(alpha|beta)?\d*(/|$)")  # Vertex: …/v1/projects/P/locations/L/publishers/google
SIGNED = frozenset({"authorization", "x-goog-api-key"})
KEYS = ("GOOGLE_API_KEY", "GEMINI_API_KEY")  # in the order in which Google's own client looks


@dataclass(slots=True, repr=False, eq=False, weakref_slot=True)
class GeminiTransport:
    """Opens requests with a client that is made when first needed, or with one of the user's own.

    A client belongs to the event loop it is first used on; on another loop another one
    is made. They hang up when nobody holds this any more.
    """

    settings: Mapping[str, Any]
    _made: dict[asyncio.AbstractEventLoop, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        own = self.settings.get("client")
        if own is None:
            need("httpx", extra="gemini")
        if own is not None and not inspect.iscoroutinefunction(getattr(own, "send", None)):
            given = type(own).__name__
            raise EngineError(
                f"client must be asynchronous, like httpx.AsyncClient; this one is {given}", kind="bad_parameter"
            )
        for name in ("connect_timeout", "record") if own is not None else ():
            if name in self.settings:
                raise EngineError(f"{name}: the client that was given has its own; set it there", kind="bad_parameter")

    @property
    def api_key(self) -> str:
        return self.settings.get("api_key") or next(filter(None, map(os.environ.get, KEYS)), "")

    async def _client(self) -> Any:
        if self.settings.get("client") is not None:
            return self.settings["client"]
        here = asyncio.get_running_loop()
        if here not in self._made:
            httpx = await in_worker(lambda: importlib.import_module("httpx"))  # others live on this loop
            self._made = {loop: client for loop, client in self._made.items() if not loop.is_closed()}
            if here not in self._made:
                self._made[here] = self._new(httpx)
                weakref.finalize(self, _hang_up, here, self._made[here]).atexit = False
        return self._made[here]

    def _new(self, httpx: Any) -> Any:
        """A client that waits for ever but for a connection: silence is watched where events are read."""
        wait = httpx.Timeout(None, connect=self.settings.get("connect_timeout", CONNECT))
        record = self.settings.get("record")
        return httpx.AsyncClient(timeout=wait, transport=recording(record, package="httpx") if record else None)

    @asynccontextmanager
    async def open(self, body: Mapping[str, Any]) -> AsyncIterator[ResponseStream]:
        """Send `body`; give the answer as it comes. Leaving closes the connection if more would come."""
        async with AsyncExitStack() as stack:
            try:
                client = await self._client()
                url, content = self._url(client, body), _written(body)
                # Headers by no name: notebooks show what names hold where an error passed.
                opened = client.stream("POST", url, content=content, headers=self._headers(client))
                response = await stack.enter_async_context(opened)
                if not response.is_success:
                    raise _refused(response.status_code, response.headers, await response.aread())
            except EngineError as error:
                raise without_keys(error, self) from None
            except Exception as error:  # the HTTP package's own, whichever it is
                raise without_keys(_unopened(error), self) from None
            headers = response.headers
            id = headers.get("x-request-id", "")  # gateways name a request, Google does not
            try:
                yield ResponseStream(
                    chunks=self._chunks(response), content_type=headers.get("content-type", ""), request_id=id
                )
            except EngineError as error:
                without_keys(error, self)
                raise

    async def post(self, path: str, body: Mapping[str, Any]) -> Any:
        """What Google answers to a body that brings its own path, as plain data."""
        del path
        async with self.open(body) as answer:
            content = b"".join([chunk async for chunk in answer.chunks])
        try:
            return json.loads(content)
        except (ValueError, RecursionError):
            raise EngineError(f"this is no JSON: {content[:80]!r}", kind="bad_response") from None

    def secrets(self) -> tuple[str, ...]:
        """The keys that requests are signed with."""
        return (self.api_key,) if self.api_key else ()

    def __reduce__(self) -> tuple[Any, ...]:
        refuse_keys(self.settings, self.settings.get("headers") or {}, KEYS[0])
        return type(self), (self.settings,)

    async def close(self) -> None:
        """Close the connections of the clients that were made here."""
        made, self._made = self._made, {}
        for client in made.values():
            await client.aclose()

    def _url(self, client: Any, body: Mapping[str, Any]) -> str:
        path = getattr(body, "path", "")
        if not path:
            raise EngineError("this body names no model: make it with nt.engines.request", kind="request")
        base = str(self.settings.get("base_url") or getattr(client, "base_url", "") or GOOGLE).rstrip("/")
        return f"{base}/{path}" if VERSION.search(urlsplit(base).path) else f"{base}/v1beta/{path}"

    def _headers(self, client: Any) -> dict[str, str]:
        headers = {"content-type": "application/json", **(self.settings.get("headers") or {})}
        if not SIGNED.isdisjoint(name.lower() for name in (*headers, *getattr(client, "headers", ()))):
            return headers
        if not self.api_key:
            hint = f"no key for Gemini: set {' or '.join(KEYS)}, or pass api_key=…, or headers with a bearer token"
            raise EngineError(hint, kind="authentication_error")
        return {**headers, "x-goog-api-key": self.api_key}

    async def _chunks(self, response: Any) -> AsyncIterator[bytes]:
        try:
            async for chunk in response.aiter_bytes():
                yield chunk
        except Exception as error:  # the HTTP package's own, whichever it is
            what = f"{type(error).__name__}: {words(error)}"
            said = f"the connection broke before the answer was complete: {what}"
            raise without_keys(EngineError(said, kind="stream_cut"), self) from None


def _written(body: Mapping[str, Any]) -> bytes:
    """As ASCII, so that half a surrogate pair in a text is no reason to fail."""
    return json.dumps(body, separators=(",", ":")).encode("ascii")


def _unopened(error: Exception) -> EngineError:
    """Why no answer began."""
    what = f"{type(error).__name__}: {words(error)}"
    if isinstance(error, (TypeError, ValueError)):
        return EngineError(f"the request could not be sent: {what}", kind="request")
    return EngineError(f"no answer from Gemini: {what}", kind="connection")


def _refused(status: int, headers: Mapping[str, str], body: bytes) -> EngineError:
    """What an HTTP error says: Google's own words, and when it may be tried again."""
    try:
        parsed = json.loads(body)
    except (ValueError, RecursionError):
        parsed = {"error": body[:500].decode("utf-8", "replace")}
    said = refusal(parsed)
    wait = retry_after(headers)
    wait = said.retry_after if wait is None else wait
    again = f"; try again in {wait:g} s" if wait is not None else ""
    kind = kind_at(said, status)
    return EngineError(f"Gemini answered {status} {kind}: {said}{again}", status=status, retry_after=wait, kind=kind)


def _hang_up(loop: asyncio.AbstractEventLoop, client: Any) -> None:
    """Close a client on the loop it lives on, from any thread."""
    if not loop.is_closed():
        loop.call_soon_threadsafe(lambda: asyncio.ensure_future(client.aclose(), loop=loop))
