"""Bytes carried by a provider's official client, through its raw door.

Keys, base URLs, proxies and the routing of clouds stay the client's; what is sent and
how it is read is ours. Its own retries are off, because ours can be seen.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import inspect
import math
import sys
import time
import weakref
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import Any, TypeAlias

from ..errors import EngineError, MissingPackageError, MisuseError
from ..frozen import EMPTY
from ..host import in_worker
from ..packages import require
from . import amazon_stream
from .provider import SECRET, ResponseStream, kind_at
from .recording import KEYLIKE, SIGNING, recording

CONNECT = 10.0  # seconds

Door: TypeAlias = Callable[[Any, Mapping[str, Any], Mapping[str, str]], AbstractAsyncContextManager[Any]]
Explain: TypeAlias = Callable[[Any], EngineError]


def need(package: str, *, extra: str) -> None:
    """Check that the package of an engine is installed. Raises EngineError."""
    try:
        require(package, extra=extra)
    except MissingPackageError as error:
        raise EngineError(str(error), kind="missing_package") from error


@dataclass(frozen=True, slots=True, kw_only=True)
class Official:
    """An SDK's asynchronous client: where it is, which door of it is ours, what its errors say.

    `door` opens a request (client, body, headers) as its `with_streaming_response`;
    `explain` makes an EngineError of a parsed error body.
    """

    package: str
    kind: str
    door: Door
    explain: Explain
    key_hint: str
    later: tuple[str, ...] = ()  # what it imports only when it is used

    @property
    def server(self) -> str:
        """Who is on the other side, in the words of an error."""
        return self.package

    def check(self) -> None:
        """Raise EngineError when the package is not there; costs no import of it."""
        need(self.package, extra=self.package)

    @property
    def loaded(self) -> bool:
        return all(name in sys.modules for name in self._modules)

    @property
    def _modules(self) -> tuple[str, ...]:
        return (self.package, *(f"{self.package}.{lazily}" for lazily in self.later))

    def load(self) -> None:
        """Import the SDK, with what it would import at the first request, when others would have to wait for it."""
        for name in self._modules:
            importlib.import_module(name)

    def make(self, settings: Mapping[str, Any]) -> Any:
        """A client of these settings. It waits for ever but for a connection: silence is watched where events are read."""
        module = importlib.import_module(self.package)
        given = dict(settings)
        given.setdefault("timeout", module.Timeout(None, connect=given.pop("connect_timeout", CONNECT)))
        if record := given.pop("record", None):
            package = http_package(module.DefaultAsyncHttpxClient)
            inner = recording(record, package=package)
            given["http_client"] = module.DefaultAsyncHttpxClient(transport=inner, timeout=given["timeout"])
        return getattr(module, self.kind)(**given, max_retries=0)

    def adopted(self, own: Any, settings: Mapping[str, Any]) -> Any:
        """A client of the user's, as it is used here. Raises EngineError for one that is not asynchronous."""
        if given := ", ".join(settings):
            raise EngineError(f"{given}: the client that was given has its own; set it there", kind="bad_parameter")
        if not inspect.iscoroutinefunction(getattr(own, "post", None)):
            raise EngineError(
                f"client must be asynchronous, like {self.package}.{self.kind}; this one is {type(own).__name__}",
                kind="bad_parameter",
            )
        return own.with_options(max_retries=0)


@dataclass(slots=True, repr=False, eq=False, weakref_slot=True)
class OfficialTransport:
    """Opens requests with a client that is made when first needed, or with one of the user's own.

    A client belongs to the event loop it is first used on; on another loop another one
    is made. They hang up when nobody holds this any more. `headers` go with every request.
    """

    sdk: Official
    settings: Mapping[str, Any]
    headers: Mapping[str, str]
    own: Any = None
    _made: dict[asyncio.AbstractEventLoop, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.own is None:
            self.sdk.check()
            return
        self.own = self.sdk.adopted(self.own, self.settings)

    async def ready(self) -> None:
        """Have the SDK imported, all that a first request needs; `open` does the rest, and says what is wrong."""
        if self.own is None and not self.sdk.loaded:
            with contextlib.suppress(ImportError):
                await in_worker(self.sdk.load)

    async def _client(self) -> Any:
        if self.own is not None:
            return self.own
        here = asyncio.get_running_loop()
        if here not in self._made:
            # An import of an SDK takes a second, and others live on this loop.
            await in_worker(self.sdk.load)
            self._made = {loop: client for loop, client in self._made.items() if not loop.is_closed()}
            if here not in self._made:
                self._made[here] = self.sdk.make(self.settings)
                weakref.finalize(self, hang_up, here, self._made[here]).atexit = False
        return self._made[here]

    @asynccontextmanager
    async def open(self, body: Mapping[str, Any]) -> AsyncIterator[ResponseStream]:
        """Send `body`; give the answer as it comes. Leaving closes the connection if more would come."""
        client = None
        async with AsyncExitStack() as stack:
            try:
                client = await self._client()
                response = await stack.enter_async_context(self.sdk.door(client, body, self.headers))
            except Exception as error:  # each client has its own tree of errors, its HTTP package another
                raise without_keys(self._unopened(error), client, self.headers) from None
            headers = response.headers
            id = headers.get("request-id") or headers.get("x-request-id") or ""
            chunks, type = _chunks(response, client), headers.get("content-type", "")
            if type.startswith(amazon_stream.CONTENT_TYPE):
                chunks, type = amazon_stream.as_text(chunks), "text/event-stream"
            try:
                yield ResponseStream(chunks=chunks, content_type=type, request_id=id)
            except EngineError as error:
                without_keys(error, client, self.headers)
                raise

    async def post(self, path: str, body: Mapping[str, Any]) -> Any:
        """What the server answers to `body` at another path than the one that is asked for answers, as plain data."""
        client = None
        try:
            client = await self._client()
            return await client.post(path, body=dict(body), cast_to=object, options={"headers": dict(self.headers)})
        except Exception as error:  # each client has its own tree of errors, its HTTP package another
            raise without_keys(self._unopened(error), client, self.headers) from None

    def __reduce__(self) -> tuple[Any, ...]:
        refuse_keys(self.settings, self.headers, self.sdk.key_hint)
        return type(self), (self.sdk, self.settings, self.headers, self.own)

    async def close(self) -> None:
        """Close the connections of the clients that were made here."""
        made, self._made = self._made, {}
        for client in made.values():
            await client.close()

    def secrets(self) -> Iterator[str]:
        """The keys that requests are signed with."""
        for client in (self.own, *self._made.values()):
            yield from _keys(client, self.headers)

    def _unopened(self, error: Exception) -> EngineError:
        """Why no answer began."""
        status = getattr(error, "status_code", None)
        if isinstance(status, int):
            return self._refused(error, status)
        server, what, said = self.sdk.server, type(error).__name__, words(error)
        if "authentication" in said or "api_key" in said:  # as Anthropic says it, and as OpenAI does
            hint = f"no key for {server}: set {self.sdk.key_hint}, or pass api_key=…"
            return EngineError(hint, kind="authentication_error")
        if "Connection" in what or "Timeout" in what:
            return EngineError(f"no answer from {server}: {what}: {said}", kind="connection")
        return EngineError(f"the request could not be sent: {what}: {said}", kind="request")

    def _refused(self, error: Any, status: int) -> EngineError:
        """What an HTTP error says: the provider's own words, when it may be tried again, and its name for the request."""
        headers = error.response.headers
        body = error.body if isinstance(error.body, Mapping) else {"error": str(error.body or error)[:500]}
        said = self.sdk.explain(body)
        wait = retry_after(headers)
        wait = said.retry_after if wait is None else wait
        again = f"; try again in {wait:g} s" if wait is not None else ""
        kind = kind_at(said, status)
        refused = EngineError(
            f"{self.sdk.server} answered {status} {kind}: {said}{again}",
            status=status,
            retry_after=wait,
            request_id=said.request_id or headers.get("request-id") or headers.get("x-request-id") or "",
            kind=kind,
        )
        refused.should_retry = {"true": True, "false": False}.get(headers.get("x-should-retry", ""))
        return refused


def hang_up(loop: asyncio.AbstractEventLoop, client: Any) -> None:
    """Close a client on the loop it lives on, from any thread."""
    if not loop.is_closed():
        loop.call_soon_threadsafe(lambda: asyncio.ensure_future(client.close(), loop=loop))


async def _chunks(response: Any, client: Any) -> AsyncIterator[bytes]:
    try:
        async for chunk in response.iter_bytes():
            yield chunk
    except Exception as error:  # the HTTP package's own, whichever it is
        said = f"the connection broke before the answer was complete: {type(error).__name__}: {words(error)}"
        raise without_keys(EngineError(said, kind="stream_cut"), client) from None


def refuse_keys(settings: Mapping[str, Any], headers: Mapping[str, str], variable: str) -> None:
    """Raise MisuseError where a pickle would hold a key that was given in code."""
    named = [*settings, *headers, *(settings.get("default_headers") or {})]
    if any(name.lower() in SIGNING or SECRET.search(name) for name in named):
        raise MisuseError(f"an engine with a key is not pickled, for the key would be in it; set {variable} instead")


def words(error: Exception) -> str:
    """What an error says, and what the one behind it says: clients put the reason there."""
    return " ".join(dict.fromkeys(filter(None, (str(error), str(error.__cause__ or ""))))) or "no reason given"


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds to wait, from `retry-after-ms` or `retry-after` (seconds, or an HTTP date)."""
    for name, unit in (("retry-after-ms", 1000), ("retry-after", 1)):
        try:
            wait = float(headers[name]) / unit
        except (KeyError, ValueError):
            continue
        return wait if math.isfinite(wait) and wait > 0 else 0.0
    try:
        return max(0.0, parsedate_to_datetime(headers["retry-after"]).timestamp() - time.time())
    except (KeyError, ValueError, TypeError, OverflowError):
        return None


def http_package(client: type) -> str:
    """The name of the HTTP package that a client class is made of: httpx, or its successor."""
    return next(base.__module__ for base in client.__mro__ if base.__name__ == "AsyncClient").partition(".")[0]


def without_keys(error: EngineError, client: Any, headers: Mapping[str, str] = EMPTY) -> EngineError:
    """The error without a key in its words, should a server have repeated one."""
    said = str(error)
    for key in _keys(client, headers):
        said = said.replace(key, "…")
    error.args = (said,)
    return error


def _keys(client: Any, headers: Mapping[str, str]) -> Iterator[str]:
    for name in ("api_key", "auth_token", "access_token", "aws_secret_key", "aws_session_token"):
        key = getattr(client, name, None)
        if isinstance(key, str) and len(key) > 3:
            yield key
    for name, value in headers.items():
        if (name.lower() in SIGNING or SECRET.search(name)) and isinstance(value, str):
            yield from (word for word in KEYLIKE.findall(value) if word.lower() != "bearer")
