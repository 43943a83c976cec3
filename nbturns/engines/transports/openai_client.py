"""Transport by OpenAI's client, for both of its APIs and for compatible servers.

The body goes by `extra_body`, which accepts any field; only what a method's signature requires,
and the model, by which Azure finds its path, are arguments.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

from ...errors import EngineError
from ...packages import is_installed
from ...values.frozen_json import EMPTY_DICT
from ..provider import Transport
from .plain_http import PACKAGES, POLL, http_transport, is_http, unfinished_response_id
from .sdk_client import ErrorReader, OfficialClient, OfficialTransport, OpenStream

TRANSPORT_SETTINGS = frozenset({"client", "headers"})
SETTINGS = TRANSPORT_SETTINGS | frozenset(
    {"api_key", "organization", "project", "base_url", "default_headers", "default_query", "http_client"}
)
BASE_URL = "https://api.openai.com/v1"
LAZY_MODULES = ("resources.chat", "resources.responses")
NO_KEY = "none"  # the client requires a key, a local server does not


@asynccontextmanager
async def open_response(client: Any, body: Mapping[str, Any], headers: Mapping[str, str]) -> AsyncIterator[Any]:
    """Open `POST /responses`; a response in the background is polled until it has ended."""
    stream = _open_stream(client.responses, {}, body, headers)
    while True:
        async with stream as response:
            response_id = (
                unfinished_response_id(await response.read())
                if body.get("background") and not body.get("stream")
                else ""
            )
            if not response_id:
                yield response
                return
        await asyncio.sleep(POLL)
        stream = client.responses.with_streaming_response.retrieve(response_id, extra_headers=dict(headers))


def open_completion(
    client: Any, body: Mapping[str, Any], headers: Mapping[str, str]
) -> AbstractAsyncContextManager[Any]:
    """Open `POST /chat/completions`; the messages in `extra_body` override the empty ones."""
    return _open_stream(client.chat.completions, {"messages": []}, body, headers)


def _open_stream(
    resource: Any, required: Mapping[str, Any], body: Mapping[str, Any], headers: Mapping[str, str]
) -> AbstractAsyncContextManager[Any]:
    signature_fields = {name: body[name] for name in ("model", "stream") if name in body}
    other_fields = {name: value for name, value in body.items() if name not in signature_fields}
    stream: AbstractAsyncContextManager[Any] = resource.with_streaming_response.create(
        **signature_fields, **required, extra_headers=dict(headers), extra_body=other_fields
    )
    return stream


def error_of(data: Any) -> EngineError:
    """Return the error of an error body or an error event; `kind` is its code, or its type.

    The object is nested in `error` or flat, and `error` may be a mere string.
    """
    data = data if isinstance(data, Mapping) else EMPTY_DICT
    error_data = data.get("error") or (data if "message" in data else None)
    error = error_data if isinstance(error_data, Mapping) else {"message": error_data}
    names = (error.get("code"), error.get("type"))
    kind = next((word for word in names if isinstance(word, str) and word), "error" if error_data else "bad_response")
    message = error.get("message")
    description = f"expected a response of OpenAI's, got an object with {', '.join(map(str, data)) or 'no fields'}"
    return EngineError(
        message if isinstance(message, str) and message else kind if error_data else description, kind=kind
    )


def transport_by(
    open_stream: OpenStream, path: str, read_error: ErrorReader = error_of
) -> Callable[[Mapping[str, Any]], Transport]:
    """Return a function that makes the transport of a provider from its settings.

    `headers` are sent with every request; `client` is an asynchronous one of the user's.
    Without the package `openai`, and for a client of httpx, it is plain HTTP to `path`.
    """
    sdk = OfficialClient(
        package="openai",
        client_class="AsyncOpenAI",
        open_stream=open_stream,
        read_error=read_error,
        key_hint="OPENAI_API_KEY",
        lazy_modules=LAZY_MODULES,
    )

    def transport(settings: Mapping[str, Any]) -> Transport:
        client = settings.get("client")
        has_no_sdk = client is None and not is_installed("openai")
        if is_http(client) or (has_no_sdk and any(map(is_installed, PACKAGES))):
            return http_transport(
                settings,
                name="openai",
                base_url=BASE_URL,
                path=path,
                key="" if settings.get("base_url") or str(getattr(client, "base_url", "")) else "OPENAI_API_KEY",
                signed=lambda key: {"authorization": f"Bearer {key}"},
                read_error=read_error,
            )
        client_settings = {name: value for name, value in settings.items() if name not in TRANSPORT_SETTINGS}
        if "base_url" in client_settings and not os.environ.get("OPENAI_API_KEY"):
            client_settings.setdefault("api_key", NO_KEY)
        return OfficialTransport(sdk, client_settings, dict(settings.get("headers") or {}), settings.get("client"))

    return transport
