"""The model calls of an SDK's client: requests and replies of the client of httpx or httpx2 below it.

A transport between the client and its own one copies what passes. It never reads a reply before the caller does,
and changes neither requests nor replies. Keys are removed when a request is read.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from functools import partial
from itertools import count
from typing import Any

from ..errors import MisuseError
from ..importers import http_exchanges
from ..importers.kit.spans import Span
from .capture_source import CaptureSource
from .captured import Captured
from .captured_call import CapturedCall, KeyRemovers
from .capturing_transport import CapturingTransport
from .growing_runs import ReadSpan

HTTP_PACKAGES = ("httpx", "httpx2")
CLIENT_CLASSES = ("Client", "AsyncClient")
# Attributes with the client below: of openai and anthropic, of google-genai, and of models of LangChain and pydantic-ai.
INNER_CLIENTS = (
    "_client", "_api_client", "_httpx_client", "_async_httpx_client", "root_client", "root_async_client", "client",
    "async_client",
)  # fmt: skip
LOOP_CLIENT_METHOD = "_client_for_running_loop"  # of google-genai
MAX_DEPTH = 4  # clients in clients


def capture_client(client: Any) -> Captured:
    """Return the capture of a client. Raises MisuseError for a value without a client of httpx or httpx2."""
    http_clients = list({id(found): found for found in _http_clients(client, MAX_DEPTH)}.values())
    if not http_clients:
        raise MisuseError(
            f"nt.capture: expected a client of openai, anthropic, google-genai, httpx or httpx2, got "
            f"{type(client).__module__}.{type(client).__qualname__}"
        )
    capture = ClientCapture()
    for http_client in http_clients:
        capture.install(http_client)
    return Captured(capture)


def _http_clients(client: Any, depth: int) -> Iterator[Any]:
    """Yield the clients of httpx and httpx2 that a client uses."""
    if _http_package(client) is not None:
        yield client
    elif depth and not isinstance(client, (type, str, bytes, int, float, list, dict, tuple)) and client is not None:
        for name in INNER_CLIENTS:
            inner = getattr(client, "__dict__", {}).get(name)
            if inner is not None and inner is not client:
                yield from _http_clients(inner, depth - 1)


def _http_package(client: Any) -> Any:
    """Return the package of a client of httpx or httpx2; None for any other value."""
    for base in type(client).__mro__:
        package = base.__module__.partition(".")[0]
        if package in HTTP_PACKAGES and base.__name__ in CLIENT_CLASSES:
            return sys.modules[package]
    return None


class ClientCapture(CaptureSource[CapturedCall]):
    """The calls of some clients; each client has a transport that adds them."""

    def __init__(self) -> None:
        super().__init__(http_exchanges.READER, lambda _: http_exchanges.FORMAT)
        self.other_count: int = 0  # requests that are not model calls
        self._open_calls: dict[int, CapturedCall] = {}  # by number
        self._open_read: dict[int, tuple[int, ReadSpan | None]] = {}  # what was read of them, with the number of parts
        self._numbers = count(1)
        self._clients: list[Any] = []
        self._loop_methods: list[tuple[Any, Any, Any]] = []  # client, our method, its own method
        self._removers = KeyRemovers()

    def install(self, http_client: Any) -> None:
        """Put a transport between a client and its own ones."""
        wrap = partial(CapturingTransport, http_package=_http_package(http_client), capture=self)
        http_client._transport = wrap(http_client._transport)
        for pattern, transport in http_client._mounts.items():
            http_client._mounts[pattern] = transport and wrap(transport)
        self._clients.append(http_client)
        if hasattr(http_client, LOOP_CLIENT_METHOD):
            self._install_in_loop_clients(http_client)

    def _install_in_loop_clients(self, http_client: Any) -> None:
        """Capture the clients that an asynchronous client of google-genai makes for each event loop."""
        original_method = getattr(http_client, LOOP_CLIENT_METHOD)

        def captured_loop_client() -> Any:
            loop_client = original_method()
            try:
                if self.is_active and not any(loop_client is client for client in self._clients):
                    self.install(loop_client)
            except Exception as error:  # nothing in a capture disturbs the agent
                self.keep_error(error)
            return loop_client

        setattr(http_client, LOOP_CLIENT_METHOD, captured_loop_client)
        self._loop_methods.append((http_client, captured_loop_client, original_method))

    def stop(self) -> None:
        """Give each client its own transports back."""
        self.is_active = False
        for http_client in self._clients:
            http_client._transport = self._without(http_client._transport)
            for pattern, transport in http_client._mounts.items():
                http_client._mounts[pattern] = self._without(transport)
        self._clients.clear()
        for http_client, captured_method, original_method in self._loop_methods:
            if getattr(http_client, LOOP_CLIENT_METHOD) is captured_method:
                setattr(http_client, LOOP_CLIENT_METHOD, original_method)
        self._loop_methods.clear()

    def _without(self, transport: Any) -> Any:
        """Return the transport below that of this capture; one of another capture stays on top."""
        if not isinstance(transport, CapturingTransport):
            return transport
        if transport.capture is self:
            return transport.inner
        transport.inner = self._without(transport.inner)
        return transport

    # What the transports tell.

    def begin(self, request: Any, http_package: Any) -> CapturedCall | None:
        """Return the call of a request; None for a request that is not a model call."""
        if not self.is_active or request.method != "POST" or not hasattr(request, "_content"):
            return None
        number = next(self._numbers)
        call = self._open_calls[number] = CapturedCall(number, request, http_package)
        self.changed()
        return call

    def finish(self, call: CapturedCall, error: BaseException | None = None) -> None:
        """Take the end of a call, once."""
        if call.end is not None:
            return
        call.error = error
        call.end = time.time_ns()
        self.put(call, call.size + len(call.request.content))
        self._open_calls.pop(call.number, None)

    # What readers ask.

    def _prepared(self, items: list[CapturedCall]) -> list[CapturedCall]:
        return sorted(items, key=lambda call: call.end or 0)

    def _read(self, item: CapturedCall) -> None:
        self._open_read.pop(item.number, None)
        span = self._span_of(item)
        if span is None:
            self.other_count += 1
        else:
            self.growing_runs.add(span)

    def _span_of(self, call: CapturedCall) -> Span | None:
        """Return a call as a span; None for a request that is not a model call."""
        exchange = call.exchange(self._removers)
        if not http_exchanges.format_of(exchange):
            return None
        name = f"call {call.number}"
        trace = self.id if call.number == 1 else f"{self.id}/{name}"
        return Span(name, {"exchange": exchange}, trace=trace, id=name, start=exchange.start, end=exchange.end)

    def _open_spans(self) -> list[ReadSpan]:
        items: list[ReadSpan] = []
        for number, call in list(self._open_calls.items()):
            if call.end is not None:
                continue
            part_count, item = self._open_read.get(number, (-1, None))
            if part_count != len(call.chunks):
                part_count = len(call.chunks)
                try:
                    span = self._span_of(call)
                    item = None if span is None else self.growing_runs.read(span)
                except Exception as error:  # nothing in a capture disturbs the agent
                    self.keep_error(error)
                self._open_read[number] = (part_count, item)
            if item is not None:
                items.append(item)
        return items

    @property
    def has_open_calls(self) -> bool:
        return bool(self._open_calls)

    def explain_nothing(self) -> str:
        """Return why there may be no Run."""
        if self.other_count:
            return f"{self.other_count:,} requests went to addresses that are not model calls"
        return "the client sent no request since nt.capture(client)"
