"""Plain HTTP, by httpx or its successor: for servers without a client of their own, and where an SDK is not installed.

The key goes to the server it was meant for and to no other: it is `api_key=`, or what
the environment has for that server.
"""

from __future__ import annotations

import asyncio
import importlib
import inspect
import json
import os
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, TypeAlias

from ..errors import EngineError
from ..packages import installed
from .dialects import Dialect
from .provider import Transport
from .recording import SIGNING, recording
from .transport import CONNECT, Door, Explain, Official, OfficialTransport

PACKAGES = ("httpx", "httpx2")  # the same interface; the second goes on where the first has stopped
OWN = ("client", "headers", "default_headers", "dialect", "betas")
POLL = 1.0  # seconds
Versioned: TypeAlias = Callable[[Mapping[str, Any], Mapping[str, str]], dict[str, str]]


def is_http(client: Any) -> bool:
    """Whether a client of the user's is one of httpx or its successor, and no SDK's."""
    return hasattr(client, "build_request") and hasattr(client, "send") and not hasattr(client, "with_options")


def over_http(settings: Mapping[str, Any], dialect: Dialect, explain: Explain) -> Transport:
    """The transport to a chat server of this dialect. Raises EngineError when it is not known where that is."""
    return plainly(
        settings,
        name=dialect.name,
        base_url=dialect.base_url,
        path="/chat/completions",
        key=dialect.key or "",
        signed=lambda key: {dialect.key_header: f"Bearer {key}" if dialect.key_header == "authorization" else key},
        explain=explain,
    )


def plainly(
    settings: Mapping[str, Any],
    *,
    name: str,
    base_url: str,
    path: str,
    key: str,
    signed: Callable[[str], dict[str, str]],
    explain: Explain,
    versioned: Versioned | None = None,
) -> Transport:
    """The transport to a server, by HTTP alone. `key` names the environment's variable with its key.

    `versioned` makes the headers of a request from its body and the headers there are.
    """
    own = settings.get("client")
    if own is not None and not inspect.iscoroutinefunction(getattr(own, "send", None)):
        raise EngineError(
            f"client must be asynchronous, like httpx.AsyncClient; this one is {type(own).__name__}",
            kind="bad_parameter",
        )
    url = str(settings.get("base_url") or getattr(own, "base_url", "") or base_url)
    if not url.startswith(("http://", "https://")):
        raise EngineError(
            f"where is the {name} server? pass base_url=, like http://localhost:8000/v1", kind="bad_parameter"
        )
    package = next(filter(installed, PACKAGES), PACKAGES[0])
    package = type(own).__module__.partition(".")[0] if own is not None else package
    sdk = Http(
        package=package,
        kind="",
        door=_versioned_door(versioned),
        explain=explain,
        key_hint=key,
        name=name,
        path=path,
        signed=signed,
    )
    headers = {**(settings.get("default_headers") or {}), **(settings.get("headers") or {})}
    made = {name: value for name, value in settings.items() if name not in OWN}
    return OfficialTransport(sdk, {**made, "base_url": url, "given": frozenset(headers)}, headers, own)


@dataclass(frozen=True, slots=True, kw_only=True)
class Http(Official):
    """A client made of an HTTP package alone, for one server."""

    name: str
    path: str
    signed: Callable[[str], dict[str, str]]

    @property
    def server(self) -> str:
        return self.name

    def make(self, settings: Mapping[str, Any]) -> Any:
        package = importlib.import_module(self.package)
        http = settings.get("http_client")
        if http is None:
            wait = package.Timeout(None, connect=settings.get("connect_timeout", CONNECT))
            inner = recording(settings["record"], package=self.package) if settings.get("record") else None
            http = package.AsyncClient(timeout=wait, transport=inner)
        return self._around(http, settings)

    def adopted(self, own: Any, settings: Mapping[str, Any]) -> Any:
        return self._around(own, settings)

    def _around(self, http: Any, settings: Mapping[str, Any]) -> Client:
        package = importlib.import_module(self.package)
        key = str(settings.get("api_key") or settings.get("auth_token") or os.environ.get(self.key_hint, ""))
        known = {name.lower() for name in (*settings.get("given", ()), *http.headers)}
        if not key and self.key_hint and not known & SIGNING:
            raise LookupError("no authentication")
        about = {"openai-organization": settings.get("organization"), "openai-project": settings.get("project")}
        return Client(
            http=http,
            base=package.URL(settings["base_url"]).copy_merge_params(settings.get("default_query") or {}),
            path=self.path,
            api_key=key,
            lost=package.TransportError,
            headers={
                **(self.signed(key) if key and not known & SIGNING else {}),
                **{name: value for name, value in about.items() if value},
            },
        )


@dataclass(slots=True, kw_only=True, repr=False)
class Client:
    """An HTTP client, where it asks and with which headers."""

    http: Any
    base: Any
    path: str
    api_key: str
    lost: type[Exception]  # what the package raises when there is no connection
    headers: Mapping[str, str] = field(default_factory=dict)

    async def close(self) -> None:
        await self.http.aclose()

    def url(self, path: str) -> Any:
        """An address of the server; the query of the base URL, if it has one, stays."""
        return self.base.copy_with(path=f"{self.base.path.rstrip('/')}{path}")

    async def post(self, path: str, *, body: Any, cast_to: Any, options: Mapping[str, Any]) -> Any:
        """As the official clients post: what is answered, as plain data."""
        del cast_to
        async with self.opened("POST", path, body, options["headers"]) as response:
            return json.loads(await response.read())

    @asynccontextmanager
    async def opened(self, method: str, path: str, body: Any, headers: Mapping[str, str]) -> AsyncIterator[Any]:
        """An answer that has begun to come. Raises Refused for one that is no success."""
        sent = {"accept": "application/json, text/event-stream", **self.headers, **headers}
        content = None
        if body is not None:
            sent["content-type"] = "application/json"
            content = json.dumps(body, separators=(",", ":")).encode("ascii")
        try:
            request = self.http.build_request(method, self.url(path), content=content, headers=sent)
            response = await self.http.send(request, stream=True)
        except self.lost as error:
            raise ConnectionError(f"{type(error).__name__}: {error}") from None
        try:
            if not 200 <= response.status_code < 300:
                raise Refused(response, _readable(await response.aread()))
            yield SimpleNamespace(headers=response.headers, iter_bytes=response.aiter_bytes, read=response.aread)
        finally:
            await response.aclose()


class Refused(Exception):
    """An HTTP answer that is no success."""

    def __init__(self, response: Any, body: Any) -> None:
        super().__init__(str(response.status_code))
        self.status_code: int = response.status_code
        self.response = response
        self.body = body


def _versioned_door(versioned: Versioned | None) -> Door:
    if versioned is None:
        return _door
    return lambda client, body, headers: _door(client, body, versioned(body, headers))


@asynccontextmanager
async def _door(client: Client, body: Mapping[str, Any], headers: Mapping[str, str]) -> AsyncIterator[Any]:
    """One answer; a response that works in the background is asked for again until it has ended."""
    method, path = "POST", client.path
    sent: Mapping[str, Any] | None = body
    while True:
        async with client.opened(method, path, sent, headers) as response:
            waits = body.get("background") and not body.get("stream")
            if not waits or not (id := working(await response.read())):
                yield response
                return
        await asyncio.sleep(POLL)
        method, path, sent = "GET", f"{client.path}/{id}", None


def working(answer: bytes) -> str:
    """The id of a response that has not ended, "" for any other answer."""
    try:
        said = json.loads(answer)
    except (ValueError, RecursionError):
        return ""
    known = isinstance(said, Mapping) and said.get("status") in ("queued", "in_progress")
    return str(said.get("id") or "") if known else ""


def _readable(content: bytes) -> Any:
    try:
        said = json.loads(content)
    except (ValueError, RecursionError):
        return content[:500].decode("utf-8", "replace")
    return said[0] if isinstance(said, list) and said else said
