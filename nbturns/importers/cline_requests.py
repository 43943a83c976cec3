"""The model calls of a Cline task: their tokens are in the messages of its page, `api_req_started`.

Source: cline/cline at 21cb8d2525bc, apps/vscode/src/shared/ExtensionMessage.ts (`ClineMessage`, `ClineApiReqInfo`:
`tokensIn` without the cache, `tokensOut`, `cacheWrites`, `cacheReads`, `cost`, `cancelReason`); RooCodeInc/Roo-Code at
cb836567180a, packages/types/src/message.ts (`apiProtocol`; of "openai" `tokensIn` includes the cache).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..values.inference_results import Usage
from .kit.record_fields import json_or_none, text_or_empty, to_float, to_number, token_usage

COUNT_NAMES = ("tokensIn", "tokensOut", "cacheReads", "cacheWrites")


@dataclass(frozen=True, slots=True)
class Request:
    """A request to a model, as the page shows it."""

    time: float
    fields: Mapping[str, Any]

    @property
    def usage(self) -> Usage | None:
        """The tokens of the request; None while they are unknown."""
        tokens_in, tokens_out, cache_read, cache_write = (to_number(self.fields.get(name)) for name in COUNT_NAMES)
        if not any((tokens_in, tokens_out, cache_read, cache_write)):
            return None
        return token_usage(
            tokens_in,
            tokens_out,
            cache_read_tokens=cache_read,
            cache_write_tokens=cache_write,
            cache_in_input=self.fields.get("apiProtocol") == "openai",
        )

    @property
    def cost(self) -> float | None:
        """The cost that the page shows; 0 of a model without a price is unknown."""
        return to_float(self.fields.get("cost")) or None

    @property
    def stop_reason(self) -> str:
        """The reason of a request that was cancelled or failed; "" for any other."""
        reason = text_or_empty(self.fields.get("cancelReason"))
        return {"user_cancelled": "interrupted"}.get(reason, "error" if reason else "")


def requests_of(messages: Sequence[Any]) -> list[Request]:
    """Return the requests in the messages of a page."""
    found = [message for message in messages if isinstance(message, Mapping)]
    started = [message for message in found if message.get("say") == "api_req_started"]
    return [Request(to_number(message.get("ts")) or 0, request_fields(message)) for message in started]


def request_fields(message: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the fields of a request, which are JSON in the text of a message, without the request itself."""
    fields = json_or_none(text_or_empty(message.get("text")))
    own_fields = (
        {name: value for name, value in fields.items() if name != "request"} if isinstance(fields, dict) else {}
    )
    return {**own_fields, **{name: message[name] for name in ("apiProtocol",) if name in message}}


def requests_of_replies(requests: Sequence[Request], times: Sequence[float | None]) -> list[Request | None]:
    """Return the request of each reply: the last one before its time, or in order where replies have no times."""
    if all(times):
        return [
            _last_before(requests, time or 0, times[index - 1] or 0 if index else 0) for index, time in enumerate(times)
        ]
    counted = [request for request in requests if request.usage is not None]
    candidates: Sequence[Request] = requests if len(requests) == len(times) else counted
    return [candidates[index] if index < len(candidates) else None for index in range(len(times))]


def _last_before(requests: Sequence[Request], end: float, start: float) -> Request | None:
    found = [request for request in requests if start <= request.time <= end]
    return found[-1] if found else None
