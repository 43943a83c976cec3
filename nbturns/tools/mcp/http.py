"""The transport to a server at an address, with answers of limited length."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

CONNECT_SECONDS = 30.0
READ_SECONDS = 300.0  # a server may hold a stream open
CLOSE_SECONDS = 2.0


@asynccontextmanager
async def http_transport(url: str, headers: Mapping[str, str], max_bytes: int) -> AsyncIterator[tuple[Any, Any]]:
    """Connect to a server by streamable HTTP and yield the streams of its messages."""
    import httpx2
    from mcp.client.streamable_http import streamable_http_client

    timeout = httpx2.Timeout(CONNECT_SECONDS, read=READ_SECONDS)
    hooks = {"response": [_limit_answers_to(max_bytes)]}
    async with httpx2.AsyncClient(headers=dict(headers), timeout=timeout, event_hooks=hooks) as client:
        transport = streamable_http_client(url, http_client=client, max_sse_event_size=max_bytes)
        async with transport as (incoming, outgoing):
            yield incoming, outgoing


def _limit_answers_to(max_bytes: int) -> Any:
    """Return a hook that cuts the JSON answers of a client; events are limited by their own setting."""
    import httpx2

    class LimitedStream(httpx2.AsyncByteStream):
        def __init__(self, stream: Any) -> None:
            self._stream = stream

        async def __aiter__(self) -> AsyncIterator[bytes]:
            length = 0
            async for chunk in self._stream:
                length += len(chunk)
                if length > max_bytes:
                    raise httpx2.StreamError(f"the answer is longer than {max_bytes / 1e6:g} MB")
                yield chunk

        async def aclose(self) -> None:
            await self._stream.aclose()

    async def limit(response: Any) -> None:
        if response.headers.get("content-type", "").lower().startswith("application/json"):
            response.stream = LimitedStream(response.stream)

    return limit


__all__ = ["http_transport"]
