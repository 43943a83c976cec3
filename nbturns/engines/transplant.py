"""What of a conversation another provider began is left out when this one goes on with it.

Text, images, tool calls and their results go along. What only its maker can read does
not: signed and encrypted thoughts, and what a provider's own servers did (searches, code
they ran). Sources that stood beside a text go, too; the text stays.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator
from typing import Any

from ..turns import Block, Turn

NAMESPACES = {"anthropic": "claude", "openai": "openai_responses", "openai-chat": "openai_chat", "gemini": "gemini"}
MAKERS = {"claude": "anthropic", "openai_responses": "openai", "openai_chat": "openai-chat", "gemini": "gemini"}
BY_RESULT = {"anthropic": "claude", "claude": "claude", "gemini": "gemini"}  # "openai" may be either of its APIs


def family(block: Block) -> str:
    """The namespace of the API that made a block; "" when nobody says."""
    for namespace in MAKERS:
        if f"{namespace}.wire@v1" in set(block.metadata):
            return namespace
    return BY_RESULT.get(block.inference.provider, "") if block.inference is not None else ""


def foreign(turn: Turn, provider: str) -> list[tuple[int, str]]:
    """The places of what another API made and this one may not be able to read, each with what it is, in words."""
    home = NAMESPACES.get(provider)
    found = (
        (at, block, family(block)) for at, block in enumerate(turn) if block.kind in ("reasoning", "other", "llm_text")
    )
    return [
        (at, f"{what} of {MAKERS[made]}")
        for at, block, made in found
        if home and made not in ("", home) and (what := _what(block))
    ]


def left_out(turn: Turn, provider: str, body: Any) -> list[tuple[int, str]]:
    """What of `foreign` is not in the request `body` that was made of this Turn: some servers are sent thoughts as text."""
    places = foreign(turn, provider)
    sent = set(_strings(body)) if any(turn[at].kind == "reasoning" for at, _ in places) else set()
    return [(at, what) for at, what in places if not (turn[at].kind == "reasoning" and _is_in(turn[at].text, sent))]


def _is_in(text: str, sent: Collection[str]) -> bool:
    return bool(text) and (text in sent or any(text in one for one in sent))


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, (dict, list)):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from _strings(inner)


def _what(block: Block) -> str:
    if block.kind == "reasoning":
        return "thought"
    if block.kind == "llm_text":
        return "list of sources" if block.payload.get("citations") or block.payload.get("annotations") else ""
    if block.role in ("user", "system"):
        return ""
    return str(block.payload.get("type") or next(iter(block.payload), "") or "item")


def told(turn: Turn, provider: str, body: Any) -> str:
    """One sentence for an event; "" when everything goes along."""
    counts = Counter(what for _, what in left_out(turn, provider, body))
    if not counts:
        return ""
    listed = ", ".join(f"{number} × {what}" if number > 1 else what for what, number in counts.items())
    return f"not sent to {provider}, which cannot read it: {listed}"
