"""Count the input tokens of a Turn before it is sent: by the provider, or by an estimate."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from ..errors import EngineError
from ..runtime.engine_protocol import Scope
from ..safety.visible_text import printable
from ..values.turns import Turn
from .sendable_turn import sendable_body

if TYPE_CHECKING:
    from .provider_engine import ProviderEngine

CHARACTERS_PER_TOKEN = 4  # of English, roughly, in every tokeniser
IMAGE_TOKENS = 1000  # of an image of common size
DATA_LENGTH = 2000  # characters without a blank, from which on a text is data and not words
MISSING_ENDPOINT_STATUSES = frozenset({404, 405, 501})  # a server without that endpoint


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenCount:
    """Input tokens of one request; `source` tells who counted: the provider, or an estimate."""

    input_tokens: int
    source: Literal["provider_api", "estimate"]
    provider: str
    model: str
    endpoint: str = ""

    @property
    def is_estimate(self) -> bool:
        """True if the count was estimated, and not asked of the provider."""
        return self.source == "estimate"

    @printable
    def __repr__(self) -> str:
        about = "about " if self.is_estimate else ""
        return f"<{about}{self.input_tokens} input tokens, {self.provider}:{self.model}, {self.source}>"


async def count_tokens(
    engine: ProviderEngine, turn: Turn, scope: Scope, params: Mapping[str, Any], body: Any
) -> TokenCount:
    """Return the count of the provider's endpoint where it has one, else an estimate from `body`."""
    provider, counting = engine.provider, engine.provider.counting
    labels = {"provider": provider.name, "model": engine.model}
    post = getattr(engine.transport, "post", None)
    if counting is not None and post is not None:
        fitted_turn, fitted_scope, fitted_params, _ = engine.fitted(turn, scope, params)
        count_body = sendable_body(counting.request(fitted_turn, fitted_scope, engine.model, fitted_params))
        endpoint_path = counting.path or getattr(count_body, "path", "")
        try:
            response = await post(endpoint_path, count_body)
        except EngineError as error:
            if error.status not in MISSING_ENDPOINT_STATUSES:
                raise
        else:
            usage = counting.usage(response)
            if usage is None:
                raise EngineError(
                    f"expected a token count from {provider.name}, got {response!r:.80}", kind="bad_response"
                )
            return TokenCount(input_tokens=usage.input_tokens, source="provider_api", endpoint=endpoint_path, **labels)
    return TokenCount(input_tokens=estimate(body), source="estimate", **labels)


def estimate(body: Any) -> int:
    """Return a rough count for a request body: a quarter of its characters, a thousand for each image."""
    character_count = image_count = 0
    for text in _texts(body):
        if len(text) > DATA_LENGTH and " " not in text[:DATA_LENGTH]:
            image_count += 1
        else:
            character_count += len(text)
    return -(-character_count // CHARACTERS_PER_TOKEN) + image_count * IMAGE_TOKENS


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for name, inner_value in value.items():
            yield str(name)
            yield from _texts(inner_value)
    elif isinstance(value, (list, tuple)):
        for inner_value in value:
            yield from _texts(inner_value)
