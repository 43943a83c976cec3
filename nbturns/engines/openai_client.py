"""OpenAI's own client, for both of its APIs and for every server that imitates them.

The body goes by `extra_body`, which passes any field and looks at none; what a method's
signature demands is named beside it, and Azure finds its path by the model.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

from ..errors import EngineError
from ..frozen import EMPTY
from ..packages import installed
from .http_transport import PACKAGES, POLL, http_transport, is_http, unfinished_response_id
from .provider import Transport
from .transport import Door, Explain, Official, OfficialTransport

OWN = frozenset({"client", "headers"})
SETTINGS = OWN | frozenset(
    {"api_key", "organization", "project", "base_url", "default_headers", "default_query", "http_client"}
)
HOME = "https://api.openai.com/v1"
LATER = ("resources.chat", "resources.responses")
NO_KEY = "none"  # the client insists on one, and a server of one's own asks for none


@asynccontextmanager
async def responses(client: Any, body: Mapping[str, Any], headers: Mapping[str, str]) -> AsyncIterator[Any]:
    """The raw door of `POST /responses`; one that works in the background is asked again until it has ended."""
    opened = _opened(client.responses, {}, body, headers)
    while True:
        async with opened as response:
            id = (
                unfinished_response_id(await response.read())
                if body.get("background") and not body.get("stream")
                else ""
            )
            if not id:
                yield response
                return
        await asyncio.sleep(POLL)
        opened = client.responses.with_streaming_response.retrieve(id, extra_headers=dict(headers))


def completions(client: Any, body: Mapping[str, Any], headers: Mapping[str, str]) -> AbstractAsyncContextManager[Any]:
    """The raw door of `POST /chat/completions`; the messages of `extra_body` win over the empty ones."""
    return _opened(client.chat.completions, {"messages": []}, body, headers)


def _opened(
    resource: Any, demanded: Mapping[str, Any], body: Mapping[str, Any], headers: Mapping[str, str]
) -> AbstractAsyncContextManager[Any]:
    named = {name: body[name] for name in ("model", "stream") if name in body}
    beside = {name: value for name, value in body.items() if name not in named}
    opened: AbstractAsyncContextManager[Any] = resource.with_streaming_response.create(
        **named, **demanded, extra_headers=dict(headers), extra_body=beside
    )
    return opened


def refusal(data: Any) -> EngineError:
    """The error that an error body, or an error event of a stream, describes; `kind` is its code, or its type.

    The object is nested in `error` or flat, and `error` may be a mere string.
    """
    data = data if isinstance(data, Mapping) else EMPTY
    said = data.get("error") or (data if "message" in data else None)
    error = said if isinstance(said, Mapping) else {"message": said}
    named = (error.get("code"), error.get("type"))
    kind = next((word for word in named if isinstance(word, str) and word), "error" if said else "bad_response")
    words = error.get("message")
    other = f"this is no answer of OpenAI's, but an object of {', '.join(map(str, data)) or 'nothing'}"
    return EngineError(words if isinstance(words, str) and words else kind if said else other, kind=kind)


def by(door: Door, path: str, explain: Explain = refusal) -> Callable[[Mapping[str, Any]], Transport]:
    """What makes the transport of a provider that is asked through this door, from its settings.

    `headers` go with every request; `client` is an asynchronous one of the user's own.
    Where the client's package is not installed, or the user's client is httpx's, it is
    plain HTTP to `path`.
    """
    sdk = Official(
        package="openai", kind="AsyncOpenAI", door=door, explain=explain, key_hint="OPENAI_API_KEY", later=LATER
    )

    def transport(settings: Mapping[str, Any]) -> Transport:
        client = settings.get("client")
        absent = client is None and not installed("openai")
        if is_http(client) or (absent and any(map(installed, PACKAGES))):
            return http_transport(
                settings,
                name="openai",
                base_url=HOME,
                path=path,
                key="" if settings.get("base_url") or str(getattr(client, "base_url", "")) else "OPENAI_API_KEY",
                signed=lambda key: {"authorization": f"Bearer {key}"},
                explain=explain,
            )
        made = {name: value for name, value in settings.items() if name not in OWN}
        if "base_url" in made and not os.environ.get("OPENAI_API_KEY"):
            made.setdefault("api_key", NO_KEY)
        return OfficialTransport(sdk, made, dict(settings.get("headers") or {}), settings.get("client"))

    return transport
