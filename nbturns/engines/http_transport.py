"""Plain HTTP, for servers that have no client of their own, by httpx or its successor.

The key goes to the server it was meant for and to no other: it is `api_key=`, or what
the environment has for that server's dialect.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

from ..errors import EngineError
from .dialects import Dialect
from .provider import Transport
from .transport import Explain, Official, OfficialTransport

PACKAGES = ("httpx", "httpx2")  # the same interface; the second goes on where the first has stopped
CONNECT, READ = 5.0, 600.0  # seconds, as the official clients wait


def over_http(settings: Mapping[str, Any], dialect: Dialect, explain: Explain) -> Transport:
    """The transport to a server of this dialect. Raises EngineError when it is not known where that is."""
    url = str(settings.get("base_url") or dialect.base_url)
    if not url.startswith(("http://", "https://")):
        raise EngineError(
            f"where is the {dialect.name} server? pass base_url=, like http://localhost:8000/v1", kind="bad_parameter"
        )
    package = next((name for name in PACKAGES if importlib.util.find_spec(name)), PACKAGES[0])
    sdk = Http(package=package, kind="", door=_door, explain=explain, key_hint=dialect.key, dialect=dialect)
    headers = {**(settings.get("default_headers") or {}), **(settings.get("headers") or {})}
    made = {name: value for name, value in settings.items() if name not in ("client", "headers", "default_headers")}
    return OfficialTransport(sdk, {**made, "base_url": url}, headers)


@dataclass(frozen=True, slots=True, kw_only=True)
class Http(Official):
    """A client made of an HTTP package alone, for a server of this dialect."""

    dialect: Dialect

    @property
    def server(self) -> str:
        return self.dialect.name

    def make(self, settings: Mapping[str, Any]) -> Any:
        package = importlib.import_module(self.package)
        timeout = settings.get("timeout")
        wait = package.Timeout(READ, connect=CONNECT) if timeout is None else timeout
        key = settings.get("api_key") or os.environ.get(self.dialect.key or "", "")
        if not key and self.dialect.key:
            raise LookupError("no authentication")
        about = {"openai-organization": settings.get("organization"), "openai-project": settings.get("project")}
        return Client(
            http=settings.get("http_client") or package.AsyncClient(timeout=wait),
            url=package.URL(_completions(settings["base_url"])).copy_merge_params(settings.get("default_query") or {}),
            api_key=key,
            lost=package.TransportError,
            headers={**_authorized(key, self.dialect), **{name: value for name, value in about.items() if value}},
        )


@dataclass(slots=True, kw_only=True, repr=False)
class Client:
    """An HTTP client, where it asks and with which headers."""

    http: Any
    url: Any
    api_key: str
    headers: Mapping[str, str]
    lost: type[Exception]  # what the package raises when there is no connection

    async def close(self) -> None:
        await self.http.aclose()


class Refused(Exception):
    """An HTTP answer that is no success."""

    def __init__(self, response: Any, body: Any) -> None:
        super().__init__(str(response.status_code))
        self.status_code: int = response.status_code
        self.response = response
        self.body = body


@asynccontextmanager
async def _door(client: Client, body: Mapping[str, Any], headers: Mapping[str, str]) -> AsyncIterator[Any]:
    sent = {
        "content-type": "application/json",
        "accept": "application/json, text/event-stream",
        **client.headers,
        **headers,
    }
    content = json.dumps(body).encode("ascii")
    try:
        response = await client.http.send(
            client.http.build_request("POST", client.url, content=content, headers=sent), stream=True
        )
    except client.lost as error:
        raise ConnectionError(f"{type(error).__name__}: {error}") from None
    try:
        if not 200 <= response.status_code < 300:
            raise Refused(response, _readable(await response.aread()))
        yield SimpleNamespace(headers=response.headers, iter_bytes=response.aiter_bytes)
    finally:
        await response.aclose()


def _readable(content: bytes) -> Any:
    try:
        said = json.loads(content)
    except (ValueError, RecursionError):
        return content[:500].decode("utf-8", "replace")
    return said[0] if isinstance(said, list) and said else said


def _completions(base_url: str) -> str:
    """The address of the one door we use, before the query of the base URL if that has one."""
    path, mark, query = base_url.partition("?")
    return f"{path.rstrip('/')}/chat/completions{mark}{query}"


def _authorized(key: str, dialect: Dialect) -> dict[str, str]:
    if not key:
        return {}
    return {dialect.key_header: f"Bearer {key}" if dialect.key_header == "authorization" else key}
