"""Demands of some chat servers on messages, and the marks of what to cache that some take."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from ...values.frozen_json import thaw
from ...values.turns import Block
from ..dialects import OPENAI, Dialect
from ..openai.models import takes_cache_breakpoints

WORD_BETWEEN = "Understood."  # of the assistant, where a server does not take a user behind a tool


def with_word_between(messages: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Yield the messages; between a tool's and a user's stands one of the assistant, for servers that demand it."""
    last_role = ""
    for message in messages:
        role = str(message.get("role") or "")
        if last_role == "tool" and role in ("user", "system"):
            yield {"role": "assistant", "content": WORD_BETWEEN}
        last_role = role
        yield message


def cache_marks(block: Block, dialect: Dialect, model: str) -> dict[str, Any]:
    """Return the marks of a block that its server takes of what to cache."""
    payload, marks = block.payload, dict[str, Any]()
    if dialect.cache_control and payload.get("cache_control"):
        marks["cache_control"] = thaw(payload["cache_control"])
    if dialect is OPENAI and takes_cache_breakpoints(model) and payload.get("prompt_cache_breakpoint"):
        marks["prompt_cache_breakpoint"] = thaw(payload["prompt_cache_breakpoint"])
    return marks
