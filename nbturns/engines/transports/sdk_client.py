"""Transport by the official client of a provider, through its raw streaming responses.

The client handles keys, base URLs, proxies and cloud routing; the codecs write the body and read
the response. The client's own retries are off, because ours are visible.
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

from ...errors import EngineError, MissingPackageError, MisuseError
from ...packages import require
from ...runtime.background_loop import run_in_worker
from ...values.frozen_json import EMPTY_DICT
from ..provider import SECRET, ResponseStream, kind_at
from . import aws_event_stream
from .exchange_recorder import KEYLIKE, SIGNING, recording

CONNECT = 10.0  # seconds

OpenStream: TypeAlias = Callable[[Any, Mapping[str, Any], Mapping[str, str]], AbstractAsyncContextManager[Any]]
Explain: TypeAlias = Callable[[Any], EngineError]


def need(package: str, *, extra: str) -> None:
    """Check that the package of an engine is installed. Raises EngineError."""
    try:
        require(package, extra=extra)
    except MissingPackageError as error:
        raise EngineError(str(error), kind="missing_package") from error


@dataclass(frozen=True, slots=True, kw_only=True)
class OfficialClient:
    """The asynchronous client of an SDK.

    `open_stream` opens a request (client, body, headers) like `with_streaming_response`;
    `explain` makes an EngineError of a parsed error body.
    """

    package: str
    kind: str
    open_stream: OpenStream
    explain: Explain
    key_hint: str
    lazy_modules: tuple[str, ...] = ()  # modules that it imports at first use

    @property
    def server(self) -> str:
        """The name of the server in error messages."""
        return self.package

    def check(self) -> None:
        """Raise EngineError when the package is not installed, without importing it."""
        need(self.package, extra=self.package)

    @property
    def loaded(self) -> bool:
        return all(name in sys.modules for name in self._modules)

    @property
    def _modules(self) -> tuple[str, ...]:
        return (self.package, *(f"{self.package}.{lazily}" for lazily in self.lazy_modules))

    def load(self) -> None:
        """Import the SDK and the modules that it would import at the first request."""
        for name in self._modules:
            importlib.import_module(name)

    def make(self, settings: Mapping[str, Any]) -> Any:
        """Return a client whose only time-out is for connecting; the engine watches the silence."""
        module = importlib.import_module(self.package)
        client_settings = dict(settings)
        client_settings.setdefault(
            "timeout", module.Timeout(None, connect=client_settings.pop("connect_timeout", CONNECT))
        )
        if record := client_settings.pop("record", None):
            package = http_package_of(module.DefaultAsyncHttpxClient)
            inner = recording(record, package=package)
            client_settings["http_client"] = module.DefaultAsyncHttpxClient(
                transport=inner, timeout=client_settings["timeout"]
            )
        return getattr(module, self.kind)(**client_settings, max_retries=0)

    def adopted(self, own_client: Any, settings: Mapping[str, Any]) -> Any:
        """Return the user's client without retries. Raises EngineError for one that is not asynchronous."""
        if names := ", ".join(settings):
            raise EngineError(f"{names} cannot be combined with client=; set it on the client", kind="bad_parameter")
        if not inspect.iscoroutinefunction(getattr(own_client, "post", None)):
            raise EngineError(
                f"client must be asynchronous, like {self.package}.{self.kind}, got {type(own_client).__name__}",
                kind="bad_parameter",
            )
        return own_client.with_options(max_retries=0)


@dataclass(slots=True, repr=False, eq=False, weakref_slot=True)
class OfficialTransport:
    """Opens requests with a client that is made at first use, or with one of the user's.

    Each event loop has its own client. The clients are closed when the transport is garbage
    collected. `headers` are sent with every request.
    """

    sdk: OfficialClient
    settings: Mapping[str, Any]
    headers: Mapping[str, str]
    own_client: Any = None
    _clients: dict[asyncio.AbstractEventLoop, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.own_client is None:
            self.sdk.check()
            return
        self.own_client = self.sdk.adopted(self.own_client, self.settings)

    async def ready(self) -> None:
        """Import the SDK; errors of the import are raised by `open`."""
        if self.own_client is None and not self.sdk.loaded:
            with contextlib.suppress(ImportError):
                await run_in_worker(self.sdk.load)

    async def _client(self) -> Any:
        if self.own_client is not None:
            return self.own_client
        loop = asyncio.get_running_loop()
        if loop not in self._clients:
            # An import of an SDK takes a second, and others live on this loop.
            await run_in_worker(self.sdk.load)
            self._clients = {loop: client for loop, client in self._clients.items() if not loop.is_closed()}
            if loop not in self._clients:
                self._clients[loop] = self.sdk.make(self.settings)
                weakref.finalize(self, close_later, loop, self._clients[loop]).atexit = False
        return self._clients[loop]

    @asynccontextmanager
    async def open(self, body: Mapping[str, Any]) -> AsyncIterator[ResponseStream]:
        """Send `body` and yield the response; leaving the context closes an unfinished connection."""
        client = None
        async with AsyncExitStack() as stack:
            try:
                client = await self._client()
                response = await stack.enter_async_context(self.sdk.open_stream(client, body, self.headers))
            except Exception as error:  # each client has its own tree of errors, its HTTP package another
                raise without_keys(self._connection_error(error), client, self.headers) from None
            headers = response.headers
            id = headers.get("request-id") or headers.get("x-request-id") or ""
            chunks, type = _chunks(response, client), headers.get("content-type", "")
            if type.startswith(aws_event_stream.CONTENT_TYPE):
                chunks, type = aws_event_stream.as_text(chunks), "text/event-stream"
            try:
                yield ResponseStream(chunks=chunks, content_type=type, request_id=id)
            except EngineError as error:
                without_keys(error, client, self.headers)
                raise

    async def post(self, path: str, body: Mapping[str, Any]) -> Any:
        """Return the response to `body` at another path of the server, as plain data."""
        client = None
        try:
            client = await self._client()
            return await client.post(path, body=dict(body), cast_to=object, options={"headers": dict(self.headers)})
        except Exception as error:  # each client has its own tree of errors, its HTTP package another
            raise without_keys(self._connection_error(error), client, self.headers) from None

    def __reduce__(self) -> tuple[Any, ...]:
        refuse_keys(self.settings, self.headers, self.sdk.key_hint)
        return type(self), (self.sdk, self.settings, self.headers, self.own_client)

    async def close(self) -> None:
        """Close the connections of the clients that were made here."""
        clients, self._clients = self._clients, {}
        for client in clients.values():
            await client.close()

    def secrets(self) -> Iterator[str]:
        """Yield the keys that sign the requests."""
        for client in (self.own_client, *self._clients.values()):
            yield from _keys(client, self.headers)

    def _connection_error(self, error: Exception) -> EngineError:
        """Return the reason why no answer began."""
        status = getattr(error, "status_code", None)
        if isinstance(status, int):
            return self._status_error(error, status)
        server, error_type, text = self.sdk.server, type(error).__name__, error_text(error)
        if "authentication" in text or "api_key" in text:  # the messages of both SDKs
            hint = f"no key for {server}: set {self.sdk.key_hint}, or pass api_key=…"
            return EngineError(hint, kind="authentication_error")
        if "Connection" in error_type or "Timeout" in error_type:
            return EngineError(f"no answer from {server}: {error_type}: {text}", kind="connection")
        return EngineError(f"the request could not be sent: {error_type}: {text}", kind="request")

    def _status_error(self, error: Any, status: int) -> EngineError:
        """Return the error of an HTTP status: the provider's message, its wait, and its id of the request."""
        headers = error.response.headers
        body = error.body if isinstance(error.body, Mapping) else {"error": str(error.body or error)[:500]}
        server_error = self.sdk.explain(body)
        wait = retry_after(headers)
        wait = server_error.retry_after if wait is None else wait
        wait_hint = f"; try again in {wait:g} s" if wait is not None else ""
        kind = kind_at(server_error, status)
        status_error = EngineError(
            f"{self.sdk.server} answered {status} {kind}: {server_error}{wait_hint}",
            status=status,
            retry_after=wait,
            request_id=server_error.request_id or headers.get("request-id") or headers.get("x-request-id") or "",
            kind=kind,
        )
        status_error.should_retry = {"true": True, "false": False}.get(headers.get("x-should-retry", ""))
        return status_error


def close_later(loop: asyncio.AbstractEventLoop, client: Any) -> None:
    """Close a client on the loop it lives on, from any thread."""
    if not loop.is_closed():
        loop.call_soon_threadsafe(lambda: asyncio.ensure_future(client.close(), loop=loop))


async def _chunks(response: Any, client: Any) -> AsyncIterator[bytes]:
    try:
        async for chunk in response.iter_bytes():
            yield chunk
    except Exception as error:  # the HTTP package's own, whichever it is
        message = f"the connection broke before the answer was complete: {type(error).__name__}: {error_text(error)}"
        raise without_keys(EngineError(message, kind="stream_cut"), client) from None


def refuse_keys(settings: Mapping[str, Any], headers: Mapping[str, str], variable: str) -> None:
    """Raise MisuseError where a pickle would hold a key that was given in code."""
    names = [*settings, *headers, *(settings.get("default_headers") or {})]
    if any(name.lower() in SIGNING or SECRET.search(name) for name in names):
        raise MisuseError(
            f"an engine with a key cannot be pickled, because the pickle would hold the key; set {variable} instead"
        )


def error_text(error: Exception) -> str:
    """Return the text of an error and of its cause, where clients put the reason."""
    return " ".join(dict.fromkeys(filter(None, (str(error), str(error.__cause__ or ""))))) or "no reason given"


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Return the seconds to wait from `retry-after-ms` or `retry-after` (seconds, or an HTTP date)."""
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


def http_package_of(client: type) -> str:
    """Return the HTTP package of a client class: httpx, or its successor."""
    return next(base.__module__ for base in client.__mro__ if base.__name__ == "AsyncClient").partition(".")[0]


def without_keys(error: EngineError, client: Any, headers: Mapping[str, str] = EMPTY_DICT) -> EngineError:
    """Return the error with keys removed from its text, which a server may have repeated."""
    text = str(error)
    for key in _keys(client, headers):
        text = text.replace(key, "…")
    error.args = (text,)
    return error


def _keys(client: Any, headers: Mapping[str, str]) -> Iterator[str]:
    for name in ("api_key", "auth_token", "access_token", "aws_secret_key", "aws_session_token"):
        key = getattr(client, name, None)
        if isinstance(key, str) and len(key) > 3:
            yield key
    for name, value in headers.items():
        if (name.lower() in SIGNING or SECRET.search(name)) and isinstance(value, str):
            yield from (word for word in KEYLIKE.findall(value) if word.lower() != "bearer")
