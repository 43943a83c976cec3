"""How many tokens a Turn would be as input, before it is sent: counted by the provider, or estimated."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from ..contract import Scope
from ..errors import EngineError
from ..turns import Turn
from .provider import Provider
from .sanitised import sanitised

CHARACTERS = 4  # that make a token of English, near enough, in the tokenisers of all four
IMAGE = 1000  # tokens of an image of common size
DATA = 2000  # characters without a blank, from which on a text is data and no words
ABSENT = frozenset({404, 405, 501})  # a server without that endpoint


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenCount:
    """Input tokens of one request. `source` says whether the provider counted them or they are estimated here."""

    input_tokens: int
    source: Literal["provider_api", "estimate"]
    provider: str
    model: str
    endpoint: str = ""

    @property
    def is_estimate(self) -> bool:
        return self.source == "estimate"

    def __repr__(self) -> str:
        about = "about " if self.is_estimate else ""
        return f"<{about}{self.input_tokens} input tokens, {self.provider}:{self.model}, {self.source}>"


async def counted(
    engine: Any, provider: Provider, turn: Turn, scope: Scope, params: Mapping[str, Any], body: Any
) -> TokenCount:
    """The provider's own count where it has an endpoint that counts, else an estimate from `body`."""
    about = {"provider": provider.name, "model": engine.model}
    counting, post = provider.counting, getattr(engine.transport, "post", None)
    if counting is not None and post is not None:
        asked = counting.request(turn, scope, engine.model, sanitised(provider.name, engine.model, params)[0])
        path = counting.path or getattr(asked, "path", "")
        try:
            answer = await post(path, asked)
        except EngineError as error:
            if error.status not in ABSENT:
                raise
        else:
            usage = counting.usage(answer)
            if usage is None:
                raise EngineError(
                    f"{provider.name} did not answer with a count, but with {answer!r:.80}", kind="bad_response"
                )
            return TokenCount(input_tokens=usage.input_tokens, source="provider_api", endpoint=path, **about)
    return TokenCount(input_tokens=estimate(body), source="estimate", **about)


def estimate(body: Any) -> int:
    """Tokens of a request, near enough to plan with: a quarter of its characters, a thousand for each image."""
    words = images = 0
    for text in _texts(body):
        if len(text) > DATA and " " not in text[:DATA]:
            images += 1
        else:
            words += len(text)
    return -(-words // CHARACTERS) + images * IMAGE


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for name, inner in value.items():
            yield str(name)
            yield from _texts(inner)
    elif isinstance(value, (list, tuple)):
        for inner in value:
            yield from _texts(inner)
