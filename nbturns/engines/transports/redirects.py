"""Refuse redirects to another host, which would carry the conversation, headers and keys to it.

The HTTP packages remove only the header `authorization` from a redirected request.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import urljoin, urlsplit

from ...errors import EngineError
from ...safety.secret_texts import public_url

REDIRECTS = frozenset({301, 302, 303, 307, 308})
MAX_ERROR_BYTES = 1 << 20
DEFAULT_PORTS = {"http": 80, "https": 443}
SDK_HTTP_CLIENT = "_client"  # the attribute in which the official clients keep their HTTP client


def refuse_redirects_of(client: Any) -> None:
    """Let an official client follow redirects on its own host alone."""
    http_client = getattr(client, SDK_HTTP_CLIENT, client)
    hooks = getattr(http_client, "event_hooks", None)
    if isinstance(hooks, dict) and check_redirect not in hooks.get("response", ()):
        http_client.event_hooks = {**hooks, "response": [*hooks.get("response", ()), check_redirect]}


async def check_redirect(response: Any) -> None:
    """Raise EngineError for a redirect to another host; a hook of the HTTP packages. Limit the body of an error."""
    if response.status_code >= 400:
        response.stream = limited_stream(response.stream)
    if error := redirect_error(response.status_code, str(response.url), response.headers):
        await response.aclose()
        raise error


def redirect_error(status: int, url: str, headers: Any) -> EngineError | None:
    """Return the error of a response that redirects to another host; None for any other response."""
    location = headers.get("location") if status in REDIRECTS else None
    if not location or _is_same_host(url, target := urljoin(url, location)):
        return None
    return EngineError(
        f"the server redirected the request to another host, {public_url(target)}; "
        "nothing was sent there; if you trust it, pass it as base_url=",
        status=status,
        kind="redirect",
    )


def refused_redirect(error: BaseException | None) -> EngineError | None:
    """Return the refusal of a redirect that a client has wrapped in errors of its own."""
    for _ in range(5):
        if isinstance(error, EngineError):
            return error
        error = error and error.__cause__
    return None


def _is_same_host(url: str, target: str) -> bool:
    """Tell whether two addresses have the same host and port; http may become https."""
    try:
        parts, target_parts = urlsplit(url), urlsplit(target)
        if parts.hostname != target_parts.hostname or target_parts.scheme not in DEFAULT_PORTS:
            return False
        ports = [part.port or DEFAULT_PORTS.get(part.scheme, 0) for part in (parts, target_parts)]
    except ValueError:
        return False
    is_upgrade = (parts.scheme, target_parts.scheme) == ("http", "https") and ports == [80, 443]
    return is_upgrade or (parts.scheme == target_parts.scheme and ports[0] == ports[1])


def limited_stream(stream: Any) -> Any:
    """Return the stream of an error body, which ends after `MAX_ERROR_BYTES`; some servers never end."""

    class Limited(_stream_class(stream)):  # type: ignore[misc]  # of whichever package it is
        async def __aiter__(self) -> AsyncIterator[bytes]:
            remaining_bytes = MAX_ERROR_BYTES
            async for chunk in stream:
                yield chunk[:remaining_bytes]
                remaining_bytes -= len(chunk)
                if remaining_bytes <= 0:
                    return

        async def aclose(self) -> None:
            await stream.aclose()

    return Limited()


def _stream_class(stream: Any) -> Any:
    return next(base for base in type(stream).__mro__ if base.__name__ == "AsyncByteStream")
