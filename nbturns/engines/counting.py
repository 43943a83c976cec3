"""How the tokens of a request are counted by the provider itself, before it is sent.

A body for the endpoint that counts, and what its answer says; the bytes are carried by
whoever carries requests.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

from ..contract import Scope
from ..frozen import freeze
from ..results import FinishClass, InferenceResult, Usage
from ..turns import Turn

Ask = Callable[[Turn, Scope, str, Mapping[str, Any]], dict[str, Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Counting:
    """One provider's endpoint that counts.

    `request` takes what `Provider.request` takes (Turn, scope, model, params) and makes the
    body. `path` is where it is posted, in the words of the provider's own client; Gemini's has
    the model in it, and is the `path` of the body. `total` is the field of the answer that
    holds the count, `cached` the one that says how much of it was in a cache.
    """

    request: Ask
    total: str
    path: str = ""
    cached: str = ""

    def usage(self, answer: Any) -> Usage | None:
        """The tokens that the answer of the endpoint counts; None when it is no such answer."""
        tokens = answer.get(self.total) if isinstance(answer, Mapping) else None
        if type(tokens) is not int or tokens < 0:
            return None
        cached = answer.get(self.cached)
        return Usage(input_tokens=tokens, cached_tokens=cached if type(cached) is int else 0)

    def result(self, answer: Any) -> InferenceResult | None:
        """The record of a call that counted and said nothing; it costs nothing."""
        usage = self.usage(answer)
        if usage is None:
            return None
        return InferenceResult(
            finish_class=FinishClass.COMPLETED, usage=usage, cost=0.0, extra=freeze({"usage": answer})
        )


def only(body: Mapping[str, Any], names: Collection[str]) -> dict[str, Any]:
    """What of a request the endpoint takes; the rest it would refuse."""
    return {name: value for name, value in body.items() if name in names}
