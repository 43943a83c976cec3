"""The transport to Anthropic: its own client where it is installed, else plain HTTP; versions and betas of the API."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from typing import Any

from ...packages import is_installed
from ...values.frozen_json import EMPTY_DICT
from ..provider import Transport
from ..transports.account import AccountVariables
from ..transports.plain_http import HttpServer, has_http_package, http_transport, is_http
from ..transports.sdk_client import OfficialClient, OfficialTransport
from .model_rules import SAMPLING_PARAMS
from .reply import error_of
from .thought_binding import BETA

VERSION = "2026-10-21"  # of the API, for clients other than Anthropic's
OLD_VERSION = "2023-06-01"  # the last one in which any Claude accepts sampling parameters
VERSION_HEADER = {"anthropic-version": VERSION}


class _UnlistedName(str):
    """A model name that equals no other string, so that the client does not warn of deprecated models.

    With warnings as errors, that warning would end the call.
    """

    __slots__ = ()
    __hash__ = object.__hash__

    def __eq__(self, value: object) -> bool:
        return self is value


def _open_stream(client: Any, body: Mapping[str, Any], headers: Mapping[str, str]) -> AbstractAsyncContextManager[Any]:
    """Open the raw streaming response; `extra_body` carries every field that the signature does not require."""
    signature_names = ("max_tokens", "messages", "stream")
    stream: AbstractAsyncContextManager[Any] = client.messages.with_streaming_response.create(
        model=_UnlistedName(body["model"]),
        **{name: body[name] for name in signature_names if name in body},
        extra_headers=_with_version(body, headers),
        extra_body={name: value for name, value in body.items() if name not in (*signature_names, "model")},
    )
    return stream


def _all_headers(body: Mapping[str, Any], headers: Mapping[str, str]) -> dict[str, str]:
    """Return the headers of a request by plain HTTP."""
    return _with_version(body, {**VERSION_HEADER, **headers})


def _with_version(body: Mapping[str, Any], headers: Mapping[str, str]) -> dict[str, str]:
    """Return the headers, with the older API version for sampling parameters, which the newer one refuses, and betas."""
    needs_old_version = (
        any(name in body for name in SAMPLING_PARAMS) and headers.get("anthropic-version", VERSION) == VERSION
    )
    versioned_headers = {**headers, **({"anthropic-version": OLD_VERSION} if needs_old_version else {})}
    if "block_binding" in (body.get("thinking") or EMPTY_DICT):
        betas = [*filter(None, headers.get("anthropic-beta", "").split(",")), BETA]
        versioned_headers["anthropic-beta"] = ",".join(dict.fromkeys(betas))
    return versioned_headers


ACCOUNT = AccountVariables(
    address=("ANTHROPIC_BASE_URL",),
    keys=("ANTHROPIC_API_KEY",),
    tokens=("ANTHROPIC_AUTH_TOKEN",),
    headers=("ANTHROPIC_CUSTOM_HEADERS",),
)
SDK = OfficialClient(
    package="anthropic",
    client_class="AsyncAnthropic",
    open_stream=_open_stream,
    read_error=error_of,
    account=ACCOUNT,
)
SERVER = HttpServer(
    name="anthropic",
    base_url="https://api.anthropic.com",
    path="/v1/messages",
    account=ACCOUNT,
    key_header="x-api-key",
    read_error=error_of,
    add_headers=_all_headers,
)
ACCOUNT_HEADERS = {"workspace_id": "anthropic-workspace-id", "user_profile_id": "anthropic-user-profile-id"}
TRANSPORT_SETTINGS = frozenset({"client", "headers", "betas", *ACCOUNT_HEADERS})
CLIENT_SETTINGS = frozenset(
    {"api_key", "auth_token", "credentials", "config", "profile"}
    | {"base_url", "default_headers", "default_query", "http_client"}
)


def transport(settings: Mapping[str, Any]) -> Transport:
    """Return the transport of a client: Anthropic's SDK if it is installed, else plain HTTP.

    `betas` are names of the `anthropic-beta` header, `headers` are sent with every request.
    """
    headers = headers_of(settings)
    client = settings.get("client")
    has_no_sdk = client is None and not is_installed("anthropic")
    if is_http(client) or (has_no_sdk and has_http_package()):
        return http_transport({**settings, "headers": headers}, SERVER)
    client_settings = {name: value for name, value in settings.items() if name not in TRANSPORT_SETTINGS}
    return OfficialTransport(SDK, client_settings, headers, client)


def headers_of(settings: Mapping[str, Any]) -> dict[str, str]:
    """Return the headers of every request, with the names of `betas`, the workspace and the user's profile."""
    headers = dict(settings.get("headers") or {})
    headers |= {header: str(settings[name]) for name, header in ACCOUNT_HEADERS.items() if settings.get(name)}
    if settings.get("betas"):
        headers["anthropic-beta"] = ",".join(settings["betas"])
    return headers
