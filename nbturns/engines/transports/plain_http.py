"""Plain HTTP by httpx2 or httpx, for servers without a client of their own and for missing SDKs.

The key goes only to the server it belongs to: it is `api_key=`, or the environment's for that server, and
a redirect to another server loses it.
"""

from __future__ import annotations

import importlib
import inspect
import json
import re
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, TypeAlias

from ...errors import EngineError
from ...packages import is_installed
from ..environment import variable
from ..provider import Transport
from .account import AccountVariables, given_address
from .background_response import background_response, is_in_background
from .exchange_recorder import SIGNING_HEADERS, recording
from .redirects import limited_stream, redirect_error
from .sdk_client import CONNECT_TIMEOUT, ErrorReader, OfficialClient, OfficialTransport

PACKAGES = ("httpx2", "httpx")  # the same interface; httpx2 continues httpx
TRANSPORT_SETTINGS = ("client", "headers", "default_headers", "dialect", "betas")
CLIENT_ONLY_SETTINGS = ("connect_timeout", "record", "http_client")  # of clients that are made here
REDIRECTS = frozenset({307, 308})  # statuses that repeat the same request elsewhere
MOST_REDIRECTS = 5
VERSION_IN_PATH = re.compile(r"/v1(alpha|beta)?\d*(/|$)")  # Vertex: …/v1/projects/P/locations/L/publishers/google
Headers: TypeAlias = dict[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpServer:
    """The facts about one server that plain HTTP needs.

    `path` is that of its endpoint; "" selects the `path` of each body, which names the model, below the
    `version` of the API. `key_header` takes the key; `add_headers` makes all headers of a request from its
    body and its other headers. `needs_key` tells that it answers nobody without one.
    """

    name: str
    path: str
    read_error: ErrorReader
    base_url: str = ""
    version: str = ""
    account: AccountVariables = AccountVariables()  # noqa: RUF009  # a value, which never changes
    key_header: str = "authorization"
    add_headers: Callable[[Mapping[str, Any], Mapping[str, str]], Headers] | None = None
    needs_key: bool = True
    address_hint: str = ""  # the variables that may hold its address, for messages


def is_http(client: Any) -> bool:
    """Tell whether the user's client is one of httpx or its successor, and not of an SDK."""
    return hasattr(client, "build_request") and hasattr(client, "send") and not hasattr(client, "with_options")


def has_http_package() -> bool:
    """Tell whether a package for plain HTTP is installed."""
    return any(map(is_installed, PACKAGES))


def http_transport(settings: Mapping[str, Any], server: HttpServer) -> Transport:
    """Return the transport to a server by plain HTTP.

    Raises EngineError when its address is unknown, and for a client that is not asynchronous.
    """
    own_client = settings.get("client")
    if own_client is not None and not inspect.iscoroutinefunction(getattr(own_client, "send", None)):
        raise EngineError(
            f"client must be asynchronous, like httpx2.AsyncClient, got {type(own_client).__name__}",
            kind="bad_parameter",
        )
    if own_client is not None and (names := [name for name in CLIENT_ONLY_SETTINGS if name in settings]):
        raise EngineError(
            f"{', '.join(names)} cannot be combined with client=; set it on the client", kind="bad_parameter"
        )
    if not url_of_server(settings, server).startswith(("http://", "https://")):
        raise EngineError(
            f"the address of the {server.name} server is unknown; pass base_url=, like http://localhost:8000/v1"
            + (f", or set {server.address_hint}" if server.address_hint else ""),
            kind="bad_parameter",
        )
    package = next(filter(is_installed, PACKAGES), PACKAGES[0])
    for client in (settings.get("http_client"), own_client):
        package = package if client is None else _package_of(client, package)
    factory = HttpClientFactory(
        package=package,
        client_class="AsyncClient",
        open_stream=_open_endpoint,
        read_error=server.read_error,
        account=server.account,
        http_server=server,
    )
    headers = {**(settings.get("default_headers") or {}), **(settings.get("headers") or {})}
    client_settings = {name: value for name, value in settings.items() if name not in TRANSPORT_SETTINGS}
    client_settings["base_url"] = url_of_server(settings, server)
    return OfficialTransport(factory, client_settings, headers, own_client)


def url_of_server(settings: Mapping[str, Any], server: HttpServer) -> str:
    """Return the address for these settings: the user's, else that of the environment, else the server's own."""
    return given_address(settings) or server.account.address_or(server.base_url)


def _package_of(client: Any, default: str) -> str:
    """Return the HTTP package of a client, which may be of a class of the user's own."""
    modules = (base_class.__module__.partition(".")[0] for base_class in type(client).__mro__)
    return next((module for module in modules if module in PACKAGES), default)


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpClientFactory(OfficialClient):
    """Makes clients of an HTTP package for one server."""

    http_server: HttpServer

    @property
    def server(self) -> str:
        return self.http_server.name

    def make_client(self, settings: Mapping[str, Any]) -> Any:
        package = importlib.import_module(self.package)
        http = settings.get("http_client")
        if http is None:
            wait = package.Timeout(None, connect=settings.get("connect_timeout", CONNECT_TIMEOUT))
            inner = recording(settings["record"], package=self.package) if settings.get("record") else None
            http = package.AsyncClient(timeout=wait, transport=inner)
        return self._client_of(http, settings)

    def adopt_client(self, own_client: Any, settings: Mapping[str, Any]) -> Any:
        return self._client_of(own_client, settings)

    def _client_of(self, http: Any, settings: Mapping[str, Any]) -> HttpClient:
        package = importlib.import_module(self.package)
        return HttpClient(
            http=http,
            base=package.URL(settings["base_url"]).copy_merge_params(settings.get("default_query") or {}),
            server=self.http_server,
            connection_error=package.TransportError,
            settings=settings,
        )


@dataclass(slots=True, kw_only=True, repr=False)
class HttpClient:
    """An HTTP client with the address of one server; the key is looked up for each request."""

    http: Any
    base: Any
    server: HttpServer
    connection_error: type[Exception]  # of the package, without a connection
    settings: Mapping[str, Any] = field(default_factory=dict)

    @property
    def api_key(self) -> str:
        """The key or token that signs the requests."""
        return self.server.account.credential(self.settings)[0]

    async def close(self) -> None:
        await self.http.aclose()

    def url(self, path: str) -> Any:
        """Return an address of the server, with the query of the base URL."""
        if not path.startswith("/"):
            has_version = not self.server.version or VERSION_IN_PATH.search(self.base.path)
            path = f"/{path}" if has_version else f"/{self.server.version}/{path}"
        path, _, query = path.partition("?")
        root = self.base.copy_with(query=None, fragment=None)
        url = type(root)(f"{str(root).rstrip('/')}{path}").copy_merge_params(self.base.params)
        return url.copy_merge_params(dict(pair.split("=", 1) for pair in query.split("&"))) if query else url

    def signed(self, body: Any, given_headers: Mapping[str, str]) -> Headers:
        """Return all headers of a request. Raises LookupError without the key that the server needs."""
        account = self.server.account
        headers = {**account.more_headers(), **_account_headers(account, self.settings), **given_headers}
        if self.server.add_headers is not None:
            headers = self.server.add_headers(body if isinstance(body, Mapping) else {}, headers)
        names = {name.lower() for name in (*headers, *self.http.headers)}
        if names & SIGNING_HEADERS or getattr(self.http, "auth", None) is not None:
            return headers
        key, is_token = account.credential(self.settings)
        if key:
            return {**headers, **_signature(key, "authorization" if is_token else self.server.key_header)}
        if self.server.needs_key:
            raise LookupError("no authentication")
        return headers

    async def post(self, path: str, *, body: Any, cast_to: Any, options: Mapping[str, Any]) -> Any:
        """Return the response to a POST as plain data, like the official clients."""
        del cast_to
        async with self.opened("POST", path, body, options["headers"]) as response:
            return json.loads(await response.read())

    @asynccontextmanager
    async def opened(self, method: str, path: str, body: Any, headers: Mapping[str, str]) -> AsyncIterator[Any]:
        """Yield a response whose body is still arriving. Raises HttpStatusError for an error status."""
        content = None if body is None else json.dumps(body, separators=(",", ":")).encode("ascii")
        content_type = {} if content is None else {"content-type": "application/json"}
        accepted = {"accept": "application/json, text/event-stream", **content_type}
        # Headers by no name: notebooks show what names hold where an error passed.
        response = await self._sent(
            self.http.build_request(
                method, self.url(path), content=content, headers={**accepted, **self.signed(body, headers)}
            )
        )
        try:
            if not 200 <= response.status_code < 300:
                response.stream = limited_stream(response.stream)
                raise HttpStatusError(response, _error_body(await response.aread()))
            yield SimpleNamespace(headers=response.headers, iter_bytes=response.aiter_bytes, read=response.aread)
        finally:
            await response.aclose()

    async def _sent(self, request: Any) -> Any:
        """Return the response to a request; redirects on the same host are followed. Raises EngineError for others."""
        for _ in range(MOST_REDIRECTS):
            try:
                response = await self.http.send(request, stream=True, follow_redirects=False)
            except self.connection_error as error:
                raise ConnectionError(f"{type(error).__name__}: {error}") from None
            location = response.headers.get("location")
            if response.status_code < 300 or not location:
                return response
            await response.aclose()
            if redirect := redirect_error(response.status_code, str(response.url), response.headers):
                raise redirect
            if response.status_code not in REDIRECTS:
                raise HttpStatusError(response, f"a redirect to {location[:200]}")
            request.headers.pop("host", None)
            request = self.http.build_request(
                request.method, request.url.join(location), content=request.content, headers=request.headers
            )
        raise ConnectionError(f"more than {MOST_REDIRECTS} redirects")


def _signature(key: str, header: str) -> Headers:
    """Return the header with a key or token."""
    return {header: f"Bearer {key}" if header == "authorization" else key}


def _account_headers(account: AccountVariables, settings: Mapping[str, Any]) -> Headers:
    """Return the headers with OpenAI's organization and project."""
    values = {
        "openai-organization": settings.get("organization") or variable(*account.organization),
        "openai-project": settings.get("project") or variable(*account.project),
    }
    return {name: str(value) for name, value in values.items() if value}


class HttpStatusError(Exception):
    """A response with an HTTP error status."""

    def __init__(self, response: Any, body: Any) -> None:
        super().__init__(str(response.status_code))
        self.status_code: int = response.status_code
        self.response = response
        self.body = body


def _open_endpoint(
    client: HttpClient, body: Mapping[str, Any], headers: Mapping[str, str]
) -> AbstractAsyncContextManager[Any]:
    """Open the endpoint of a server; a response in the background is awaited."""
    path = client.server.path or str(getattr(body, "path", ""))
    if not path:
        raise EngineError("this body names no model: make it with nt.engines.request", kind="request")
    if not is_in_background(body):
        return client.opened("POST", path, body, headers)
    return background_response(
        body,
        lambda: client.opened("POST", path, body, headers),
        lambda response_id: client.opened("GET", f"{path}/{response_id}", None, headers),
        lambda response_id: client.post(
            f"{path}/{response_id}/cancel", body={}, cast_to=object, options={"headers": headers}
        ),
    )


def _error_body(content: bytes) -> Any:
    try:
        body = json.loads(content)
    except (ValueError, RecursionError):
        return content[:500].decode("utf-8", "replace")
    return body[0] if isinstance(body, list) and body else body
