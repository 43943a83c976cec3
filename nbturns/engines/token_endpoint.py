"""The endpoint of a provider that counts the tokens of a request before it is sent.

It makes the body for the endpoint and reads the response; the transport of requests carries both.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

from ..runtime.engine_protocol import Scope
from ..values.frozen_json import freeze
from ..values.inference_results import FinishClass, InferenceResult, Usage
from ..values.turns import Turn

MakeBody = Callable[[Turn, Scope, str, Mapping[str, Any]], dict[str, Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Counting:
    """A token-counting endpoint.

    `request` takes the arguments of `Provider.request` (Turn, scope, model, params) and makes
    the body. `path` is the address as the provider's own client writes it; "" selects the
    attribute `path` of the body (Gemini's address contains the model). `total` is the field of
    the response with the count, `cached` the one with the tokens that were in a cache.
    """

    request: MakeBody
    total: str
    path: str = ""
    cached: str = ""

    def usage(self, response: Any) -> Usage | None:
        """Return the count in a response of the endpoint; None for any other response."""
        input_tokens = response.get(self.total) if isinstance(response, Mapping) else None
        if type(input_tokens) is not int or input_tokens < 0:
            return None
        cached_tokens = response.get(self.cached)
        return Usage(input_tokens=input_tokens, cached_tokens=cached_tokens if type(cached_tokens) is int else 0)

    def result(self, response: Any) -> InferenceResult | None:
        """Return the record of a call that only counted; it has no output and no cost."""
        usage = self.usage(response)
        if usage is None:
            return None
        return InferenceResult(
            finish_class=FinishClass.COMPLETED, usage=usage, cost=0.0, extra=freeze({"usage": response})
        )


def only_fields(body: Mapping[str, Any], field_names: Collection[str]) -> dict[str, Any]:
    """Return the fields of a request that the endpoint accepts."""
    return {name: value for name, value in body.items() if name in field_names}
