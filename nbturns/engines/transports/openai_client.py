"""Transport by OpenAI's client, for both of its APIs and for compatible servers.

The body goes by `extra_body`, which accepts any field; only what a method's signature requires,
and the model, by which Azure finds its path, are arguments.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from typing import Any

from ...errors import EngineError
from ...packages import is_installed
from ...values.frozen_json import EMPTY_DICT
from ..json_access import detail_of
from ..provider import Transport, without_secrets
from .account import OPENAI_ACCOUNT, given_address
from .background_response import background_response, is_in_background
from .plain_http import HttpServer, has_http_package, http_transport, is_http
from .sdk_client import ErrorReader, OfficialClient, OfficialTransport, OpenStream

TRANSPORT_SETTINGS = frozenset({"client", "headers"})
SETTINGS = TRANSPORT_SETTINGS | frozenset(
    {"api_key", "organization", "project", "base_url", "default_headers", "default_query", "http_client"}
)
BASE_URL = "https://api.openai.com/v1"
LAZY_MODULES = ("resources.chat", "resources.responses")
NO_KEY = "none"  # the client requires a key, a local server does not


def open_response(client: Any, body: Mapping[str, Any], headers: Mapping[str, str]) -> AbstractAsyncContextManager[Any]:
    """Open `POST /responses`; a response in the background is awaited."""
    if not is_in_background(body):
        return _open_stream(client.responses, {}, body, headers)
    resource, extra_headers = client.responses, dict(headers)
    return background_response(
        body,
        lambda: _open_stream(resource, {}, body, headers),
        lambda response_id: resource.with_streaming_response.retrieve(response_id, extra_headers=extra_headers),
        lambda response_id: resource.with_raw_response.cancel(response_id, extra_headers=extra_headers),
    )


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
    error_data = data.get("error") or (data if "message" in data else None) or detail_of(data)
    error = error_data if isinstance(error_data, Mapping) else {"message": error_data}
    names = (error.get("code"), error.get("type"))
    kind = next((word for word in names if isinstance(word, str) and word), "error" if error_data else "bad_response")
    message = error.get("message")
    description = f"expected a response of OpenAI's, got an object with {', '.join(map(str, data)) or 'no fields'}"
    text = message if isinstance(message, str) and message else kind if error_data else description
    if generation := error.get("failed_generation"):  # Groq: the malformed call
        text += f"; it generated {generation!s:.300}"
    engine_error = EngineError(text, kind=kind)
    engine_error.body = without_secrets(data)
    return engine_error


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
        account=OPENAI_ACCOUNT,
        lazy_modules=LAZY_MODULES,
        key_without_account=NO_KEY,
    )

    def transport(settings: Mapping[str, Any]) -> Transport:
        client = settings.get("client")
        has_no_sdk = client is None and not is_installed("openai")
        if is_http(client) or (has_no_sdk and has_http_package()):
            address = given_address(settings) or environment_address()
            server = HttpServer(
                name="openai",
                base_url=BASE_URL,
                path=path,
                account=OPENAI_ACCOUNT,
                needs_key=not address,
                read_error=read_error,
            )
            return http_transport(settings, server)
        client_settings = {name: value for name, value in settings.items() if name not in TRANSPORT_SETTINGS}
        return OfficialTransport(sdk, client_settings, dict(settings.get("headers") or {}), settings.get("client"))

    return transport


def environment_address() -> str:
    """Return the address in OPENAI_BASE_URL; "" without one."""
    return OPENAI_ACCOUNT.address_or("")
