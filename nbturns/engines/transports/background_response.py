"""OpenAI's responses that run in the background: polled until they have ended, cancelled when the user stops."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from types import SimpleNamespace
from typing import Any, TypeAlias

POLL = 1.0  # seconds
CANCEL_TIME = 5.0  # seconds, the longest wait for the server to stop
RESPONSE_ID = re.compile(rb'"response"\s*:\s*\{[^{}]*?"id"\s*:\s*"([^"]{1,200})"')
HEAD = 4_000  # bytes of a stream that contain the id of its response
Opening: TypeAlias = AbstractAsyncContextManager[Any]


def is_in_background(body: Mapping[str, Any]) -> bool:
    """Tell whether a request asks for a response in the background."""
    return bool(body.get("background"))


@contextlib.asynccontextmanager
async def background_response(
    body: Mapping[str, Any],
    create: Callable[[], Opening],
    retrieve: Callable[[str], Opening],
    cancel: Callable[[str], Awaitable[object]],
) -> AsyncIterator[Any]:
    """Yield a response in the background once it has ended, or its stream.

    A task that is cancelled cancels the response at the server as well, which would go on and be billed.
    """
    response_id, opening = "", create()
    try:
        while True:
            async with opening as response:
                if body.get("stream"):
                    stream = _Head(response)
                    try:
                        yield SimpleNamespace(headers=response.headers, iter_bytes=stream.chunks, read=response.read)
                    finally:
                        response_id = stream.response_id
                    return
                unfinished_id = unfinished_response_id(await response.read())
                if not unfinished_id:
                    response_id = ""
                    yield response
                    return
                response_id = unfinished_id
            await asyncio.sleep(POLL)
            opening = retrieve(response_id)
    except asyncio.CancelledError:
        if response_id:
            with contextlib.suppress(Exception):  # the user has stopped; there is nobody to tell
                async with asyncio.timeout(CANCEL_TIME):
                    await cancel(response_id)
        raise


class _Head:
    """The stream of a response, whose head names it."""

    def __init__(self, response: Any) -> None:
        self._response = response
        self._head = b""

    @property
    def response_id(self) -> str:
        found = RESPONSE_ID.search(self._head)
        return found[1].decode("utf-8", "replace") if found else ""

    async def chunks(self) -> AsyncIterator[bytes]:
        async for chunk in self._response.iter_bytes():
            if len(self._head) < HEAD:
                self._head += chunk
            yield chunk


def unfinished_response_id(content: bytes) -> str:
    """Return the id of a response that has not ended; "" for any other."""
    try:
        response = json.loads(content)
    except (ValueError, RecursionError):
        return ""
    is_unfinished = isinstance(response, Mapping) and response.get("status") in ("queued", "in_progress")
    return str(response.get("id") or "") if is_unfinished else ""
