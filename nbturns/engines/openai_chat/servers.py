"""The servers that speak Chat Completions: where each is, what signs its requests, and its engine prefix."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...packages import is_installed
from ..dialects import OPENAI, Dialect, dialect_of_url
from ..environment import variable
from ..provider import Transport
from ..transports import openai_client
from ..transports.account import OPENAI_ACCOUNT, AccountVariables, given_address
from ..transports.plain_http import HttpServer, http_transport, is_http
from .reply import error_of

PATH = "/chat/completions"


def chat_transport(settings: Mapping[str, Any], dialect: Dialect = OPENAI) -> Transport:
    """Return the transport: OpenAI's client for OpenAI and for a client of the user's, else plain HTTP."""
    settings = {name: value for name, value in settings.items() if name != "dialect"}
    is_openai = "base_url" not in settings or dialect_of_url(str(settings["base_url"])) is OPENAI
    uses_sdk = dialect is OPENAI and is_openai and is_installed("openai")
    client = settings.get("client")
    if (uses_sdk and client is None) or (client is not None and not is_http(client)):
        return openai_client.transport_by(openai_client.open_completion, PATH, error_of)(settings)
    return http_transport(settings, _http_server(settings, dialect))


def _http_server(settings: Mapping[str, Any], dialect: Dialect) -> HttpServer:
    """Return what plain HTTP must know of the server of this dialect."""
    openai_address = "" if given_address(settings) else OPENAI_ACCOUNT.address_or("")
    is_of_openai_variable = bool(openai_address) and dialect_of_url(openai_address).name == dialect.name
    keys = [dialect.key, "OPENAI_API_KEY" if is_of_openai_variable else ""]
    account = OPENAI_ACCOUNT if dialect is OPENAI else AccountVariables()
    return HttpServer(
        name=dialect.name,
        base_url=openai_address if is_of_openai_variable else _address_of(dialect),
        path=PATH,
        account=AccountVariables(
            keys=tuple(dict.fromkeys(filter(None, keys))),
            tokens=(dialect.bearer,) if dialect.bearer else (),
            organization=account.organization,
            project=account.project,
            headers=account.headers,
        ),
        key_header=dialect.key_header,
        read_error=error_of,
        needs_key=bool(dialect.key) and dialect.needs_key,
        address_hint=" or ".join(dialect.address),
    )


def _address_of(dialect: Dialect) -> str:
    """Return the address of a server: the user's in the environment, else its own."""
    address = variable(*dialect.address)
    if not address:
        return dialect.base_url
    address = address if "://" in address else f"http://{address}"  # OLLAMA_HOST is a host and a port
    address = address.replace("//0.0.0.0", "//127.0.0.1").rstrip("/")  # which a server listens on, and no client asks
    return address if address.endswith("/v1") else f"{address}{dialect.address_path}"
