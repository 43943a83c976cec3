"""Transport by the official client of a provider, through its raw streaming responses.

The client handles keys, base URLs, proxies and cloud routing; the codecs write the body and read
the response. The client's own retries are off, because ours are visible.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import inspect
import json
import logging
import math
import re
import sys
import time
import weakref
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import Any, TypeAlias
from urllib.parse import parse_qsl

from ...errors import EngineError, MissingPackageError, MisuseError, StoreError
from ...packages import require
from ...runtime.background_loop import run_in_worker
from ...safety.secret_texts import (
    SHORTEST,
    data_without_texts,
    names_a_secret,
    secrets_in,
    secrets_in_headers,
    secrets_in_url,
    without_texts,
)
from ...safety.visible_text import visible
from ..environment import environment_variable
from ..provider import ResponseStream, kind_at
from . import aws_event_stream
from .account import CREDENTIALS, AccountVariables
from .exchange_recorder import SIGNING_HEADERS, recording
from .redirects import refuse_redirects_of, refused_redirect

CONNECT_TIMEOUT = 10.0  # seconds
RATE_LIMIT_HEADER = re.compile(r"(?:^|-)rate-?limit", re.IGNORECASE)
LOGGER = logging.getLogger("nbturns.engines")

OpenStream: TypeAlias = Callable[[Any, Mapping[str, Any], Mapping[str, str]], AbstractAsyncContextManager[Any]]
ErrorReader: TypeAlias = Callable[[Any], EngineError]


def require_package(package: str, *, extra: str) -> None:
    """Check that the package of an engine is installed. Raises EngineError."""
    try:
        require(package, extra=extra)
    except MissingPackageError as error:
        raise EngineError(str(error), kind="missing_package") from error


@dataclass(frozen=True, slots=True, kw_only=True)
class OfficialClient:
    """The asynchronous client of an SDK.

    `open_stream` opens a request (client, body, headers) like `with_streaming_response`;
    `read_error` makes an EngineError of a parsed error body.
    """

    package: str
    client_class: str
    open_stream: OpenStream
    read_error: ErrorReader
    account: AccountVariables
    lazy_modules: tuple[str, ...] = ()  # modules that it imports at first use
    extra: str = ""  # of nbturns, which brings the package; the package's name unless given
    key_without_account: str = ""  # for a client that demands a key, where only the address is given

    @property
    def server(self) -> str:
        """The name of the server in error messages."""
        return self.package

    def check(self) -> None:
        """Raise EngineError when the package is not installed, without importing it."""
        require_package(self.package, extra=self.extra or self.package)

    @property
    def is_loaded(self) -> bool:
        return all(name in sys.modules for name in self._modules)

    @property
    def _modules(self) -> tuple[str, ...]:
        return (self.package, *(f"{self.package}.{lazy_module}" for lazy_module in self.lazy_modules))

    def load(self) -> None:
        """Import the SDK and the modules that it would import at the first request."""
        for name in self._modules:
            importlib.import_module(name)

    def make_client(self, settings: Mapping[str, Any]) -> Any:
        """Return a client whose only time-out is for connecting; the engine watches the silence."""
        sdk_module = importlib.import_module(self.package)
        client_settings = self._with_key(_with_query_apart(self.account.completed(settings)))
        client_settings.setdefault(
            "timeout", sdk_module.Timeout(None, connect=client_settings.pop("connect_timeout", CONNECT_TIMEOUT))
        )
        if record := client_settings.pop("record", None):
            http_package = http_package_of(sdk_module.DefaultAsyncHttpxClient)
            client_settings["http_client"] = sdk_module.DefaultAsyncHttpxClient(
                transport=recording(record, package=http_package), timeout=client_settings["timeout"]
            )
        client = getattr(sdk_module, self.client_class)(**client_settings, max_retries=0)
        refuse_redirects_of(client)
        return client

    def _with_key(self, settings: dict[str, Any]) -> dict[str, Any]:
        """Return the settings with a stand-in for the key, where the user gave an address and no key."""
        has_address = settings.get("base_url") or environment_variable(*self.account.address)
        has_key = any(settings.get(name) for name in CREDENTIALS) or environment_variable(*self.account.keys)
        if self.key_without_account and has_address and not has_key:
            settings["api_key"] = self.key_without_account
        return settings

    def adopt_client(self, own_client: Any, settings: Mapping[str, Any]) -> Any:
        """Return the user's client without retries. Raises EngineError for one that is not asynchronous."""
        if names := ", ".join(settings):
            raise EngineError(f"{names} cannot be combined with client=; set it on the client", kind="bad_parameter")
        if not inspect.iscoroutinefunction(getattr(own_client, "post", None)):
            raise EngineError(
                f"client must be asynchronous, like {self.package}.{self.client_class}, got {type(own_client).__name__}",
                kind="bad_parameter",
            )
        client = own_client.with_options(max_retries=0)
        refuse_redirects_of(client)
        return client


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
        self.own_client = self.sdk.adopt_client(self.own_client, self.settings)

    async def ready(self) -> None:
        """Import the SDK; errors of the import are raised by `open`."""
        if self.own_client is None and not self.sdk.is_loaded:
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
                self._clients[loop] = self.sdk.make_client(self.settings)
                weakref.finalize(self, close_later, loop, self._clients[loop]).atexit = False
        return self._clients[loop]

    @asynccontextmanager
    async def open(self, body: Mapping[str, Any]) -> AsyncIterator[ResponseStream]:
        """Send `body` and yield the response; leaving the context closes an unfinished connection."""
        client = None
        begun_at = time.perf_counter()
        async with AsyncExitStack() as stack:
            try:
                client = await self._client()
                response = await stack.enter_async_context(self.sdk.open_stream(client, body, self.headers))
            except StoreError:  # of `record=`
                raise
            except Exception as error:  # each client has its own tree of errors, its HTTP package another
                call_error = without_keys(self._connection_error(error), self)
                self._log(body, begun_at, call_error.status or call_error.kind, call_error.request_id)
                raise call_error from None
            response_headers = response.headers
            request_id = response_headers.get("request-id") or response_headers.get("x-request-id") or ""
            self._log(body, begun_at, getattr(response, "status_code", 200), request_id)
            chunks, content_type = _chunks(response, self), response_headers.get("content-type", "")
            if content_type.startswith(aws_event_stream.CONTENT_TYPE):
                chunks, content_type = aws_event_stream.as_server_sent_events(chunks), "text/event-stream"
            try:
                yield ResponseStream(
                    chunks=chunks,
                    content_type=content_type,
                    request_id=request_id,
                    rate_limits=rate_limits(response_headers),
                )
            except EngineError as error:
                without_keys(error, self)
                raise

    def _log(self, body: Mapping[str, Any], begun_at: float, answer: int | str, request_id: str) -> None:
        """Log one call, without its content: server, model, answer and time."""
        if LOGGER.isEnabledFor(logging.DEBUG):
            model, wait = body.get("model") or getattr(body, "model", ""), time.perf_counter() - begun_at
            LOGGER.debug("%s", visible(f"{self.sdk.server} {model}: {answer} after {wait:.3f} s {request_id}"))

    async def post(self, path: str, body: Mapping[str, Any]) -> Any:
        """Return the response to `body` at another path of the server, as plain data."""
        client = None
        try:
            client = await self._client()
            return await client.post(path, body=dict(body), cast_to=object, options={"headers": dict(self.headers)})
        except StoreError:  # of `record=`
            raise
        except Exception as error:  # each client has its own tree of errors, its HTTP package another
            raise without_keys(self._connection_error(error), self) from None

    def __reduce__(self) -> tuple[Any, ...]:
        refuse_keys(self.settings, self.headers, self.sdk.account.keys[0] if self.sdk.account.keys else "its variable")
        return type(self), (self.sdk, self.settings, self.headers, self.own_client)

    async def close(self) -> None:
        """Close the connections of the clients that were made here."""
        clients, self._clients = self._clients, {}
        for loop, client in clients.items():
            if loop is asyncio.get_running_loop():
                await client.close()
            else:
                close_later(loop, client)

    def secrets(self) -> Iterator[str]:
        """Yield the secrets of the requests."""
        for client in (self.own_client, *self._clients.values()):
            yield from client_secrets(client, self.headers, self.settings)
        if self.own_client is None and not self._clients:
            yield from client_secrets(None, self.headers, self.settings)

    def _connection_error(self, error: Exception) -> EngineError:
        """Return the reason why no answer began."""
        if redirect := refused_redirect(error):
            return redirect
        status_code = getattr(error, "status_code", None)
        if isinstance(status_code, int):
            return self._status_error(error, status_code)
        server_name, error_type, error_message = self.sdk.server, type(error).__name__, error_text(error)
        if "authentication" in error_message or "api_key" in error_message:  # the messages of both SDKs
            hint = f"no key for {server_name}: set {self.sdk.account.key_hint}, or pass api_key=…"
            return EngineError(hint, kind="authentication_error")
        if "Connection" in error_type or "Timeout" in error_type:
            return EngineError(f"no answer from {server_name}: {error_type}: {error_message}", kind="connection")
        return EngineError(f"the request could not be sent: {error_type}: {error_message}", kind="request")

    def _status_error(self, error: Any, status: int) -> EngineError:
        """Return the error of an HTTP status: the provider's message, its wait, and its id of the request."""
        headers = error.response.headers
        body = _whole_body(error)
        server_error = self.sdk.read_error(body)
        retry_wait = retry_after(headers)
        retry_wait = server_error.retry_after if retry_wait is None else retry_wait
        wait_hint = f"; try again in {retry_wait:g} s" if retry_wait is not None else ""
        error_kind = kind_at(server_error, status)
        status_error = EngineError(
            f"{self.sdk.server} answered {status} {error_kind}: {server_error}{wait_hint}",
            status=status,
            retry_after=retry_wait,
            request_id=server_error.request_id or headers.get("request-id") or headers.get("x-request-id") or "",
            kind=error_kind,
        )
        status_error.body = server_error.body
        status_error.should_retry = {"true": True, "false": False}.get(headers.get("x-should-retry", ""))
        return status_error


def _whole_body(error: Any) -> Mapping[str, Any]:
    """Return the body of an error response; OpenAI's client keeps only its inner object."""
    try:
        body = json.loads(error.response.content)
    except Exception:  # a response that was not read, in whichever HTTP package it is
        body = error.body
    body = body[0] if isinstance(body, list) and body else body
    return body if isinstance(body, Mapping) else {"error": str(error.body or error)[:500]}


def _with_query_apart(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings with the query of the base URL as default query; the clients would append paths to it."""
    base_url, separator, query = str(settings.get("base_url") or "").partition("?")
    if not separator:
        return dict(settings)
    default_query = {**dict(parse_qsl(query, keep_blank_values=True)), **(settings.get("default_query") or {})}
    return {**settings, "base_url": base_url, "default_query": default_query}


def close_later(loop: asyncio.AbstractEventLoop, client: Any) -> None:
    """Close a client on the loop it lives on, from any thread."""
    if not loop.is_closed():
        loop.call_soon_threadsafe(lambda: asyncio.ensure_future(client.close(), loop=loop))


async def _chunks(response: Any, transport: Any) -> AsyncIterator[bytes]:
    try:
        async for chunk in response.iter_bytes():
            yield chunk
    except StoreError:  # of `record=`
        raise
    except Exception as error:  # the HTTP package's own, whichever it is
        message = f"the connection broke before the answer was complete: {type(error).__name__}: {error_text(error)}"
        raise without_keys(EngineError(message, kind="stream_cut"), transport) from None


def refuse_keys(settings: Mapping[str, Any], headers: Mapping[str, str], key_variable: str) -> None:
    """Raise MisuseError where a pickle would hold a key that was given in code."""
    field_names = [*settings, *headers, *(settings.get("default_headers") or {})]
    if any(name.lower() in SIGNING_HEADERS or names_a_secret(name) for name in field_names):
        raise MisuseError(
            f"an engine with a key cannot be pickled, because the pickle would hold the key; set {key_variable} instead"
        )


def error_text(error: Exception) -> str:
    """Return the text of an error and of its cause, where clients put the reason."""
    return " ".join(dict.fromkeys(filter(None, (str(error), str(error.__cause__ or ""))))) or "no reason given"


def rate_limits(headers: Mapping[str, str]) -> dict[str, str]:
    """Return the headers that tell what is left of the account's limits."""
    return {name.lower(): value for name, value in headers.items() if RATE_LIMIT_HEADER.search(name)}


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Return the seconds to wait from `retry-after-ms` or `retry-after` (seconds, or an HTTP date)."""
    for name, units_per_second in (("retry-after-ms", 1000), ("retry-after", 1)):
        try:
            wait_seconds = float(headers[name]) / units_per_second
        except (KeyError, ValueError):
            continue
        return wait_seconds if math.isfinite(wait_seconds) and wait_seconds > 0 else 0.0
    try:
        return max(0.0, parsedate_to_datetime(headers["retry-after"]).timestamp() - time.time())
    except (KeyError, ValueError, TypeError, OverflowError):
        return None


def http_package_of(client_class: type) -> str:
    """Return the HTTP package of a client class: httpx, or its successor."""
    return next(
        base_class.__module__ for base_class in client_class.__mro__ if base_class.__name__ == "AsyncClient"
    ).partition(".")[0]


def without_keys(error: EngineError, transport: Any) -> EngineError:
    """Return the error without the secrets of its transport, which a server may have repeated."""
    secrets = tuple(transport.secrets())
    error.args = (without_texts(str(error), secrets),)
    error.request_id = without_texts(error.request_id, secrets)
    if error.body is not None:
        error.body = data_without_texts(error.body, secrets)
    return error


def client_secrets(client: Any, headers: Mapping[str, Any], settings: Mapping[str, Any]) -> Iterator[str]:
    """Yield the secrets that requests are sent with: keys, headers, and those in the address."""
    for name in ("api_key", "auth_token", "access_token", "aws_secret_key", "aws_session_token"):
        value = getattr(client, name, None)
        if isinstance(value, str) and len(value) >= SHORTEST:
            yield value
    url = str(settings.get("base_url") or getattr(client, "base_url", None) or getattr(client, "base", None) or "")
    yield from secrets_in_url(url)
    for name in ("default_headers", "headers"):
        yield from secrets_in_headers(settings.get(name) or {})
    yield from secrets_in_headers(headers)
    yield from secrets_in({name: value for name, value in settings.items() if isinstance(value, (str, Mapping))})
