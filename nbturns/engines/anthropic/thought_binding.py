"""Signed thoughts, which newer Claude models bind to all that came before them.

Each thought keeps a digest of what its request held: system prompt, tools and messages. Where the next request
holds something else before it (an edit at a pause, a fork, other tools), Claude would refuse the thought.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from typing import Any

from ...values.metadata import Key
from ...values.turns import Block, Turn
from .models import claude_model

PREFIX: Key[str] = Key("claude.prefix@v1", str)  # digest of what a signed thought was bound to
BETA = "thinking-binding-controls-2026-08-01"  # the header with which a request may say what happens on a mismatch
DROP = {"prefix_mismatch_behavior": "drop_block"}


def signed(blocks: tuple[Block, ...], body: Mapping[str, Any]) -> tuple[Block, ...]:
    """Return the blocks of a reply; each signed thought with the digest of the request that it answers."""
    if not claude_model(str(body.get("model"))).binds_thoughts or not any(map(_signature, blocks)):
        return blocks
    prefix = list(_prefix_digests(body))[-1]
    return tuple(block.with_metadata(PREFIX, prefix) if _signature(block) else block for block in blocks)


def unbound_thoughts(turn: Turn, body: Mapping[str, Any]) -> int:
    """Return the number of signed thoughts in a request that something changed before, or whose binding is unknown."""
    prefixes = {signature: block.metadata.get(PREFIX) for block in turn if (signature := _signature(block))}
    if not prefixes:
        return 0
    return sum(
        prefixes.get(str(part.get("signature") or part.get("data") or ""), "") != digest
        for message, digest in zip(body["messages"], _prefix_digests(body), strict=False)
        for part in message["content"]
        if isinstance(part, Mapping) and part.get("type") in ("thinking", "redacted_thinking")
    )


def without_thoughts(turn: Turn) -> Turn:
    """Return the Turn without signed thoughts."""
    return Turn(tuple(block for block in turn if not _signature(block)), data=turn.data, metadata=turn.metadata)


def _signature(block: Block) -> str:
    if block.kind != "reasoning":
        return ""
    return str(block.payload.get("signature") or block.payload.get("data") or "")


def _prefix_digests(body: Mapping[str, Any]) -> Iterator[str]:
    """Yield the digest of all that comes before each message, and that of the whole."""
    state = hashlib.sha256(_canonical([body.get("system"), body.get("tools")]))
    for message in body["messages"]:
        yield state.hexdigest()
        state.update(_canonical(message))
    yield state.hexdigest()


def _canonical(value: Any) -> bytes:
    return json.dumps(_without_cache_marks(value), sort_keys=True, separators=(",", ":")).encode("ascii")


def _without_cache_marks(value: Any) -> Any:
    """Return a value without `cache_control`, to which nothing is bound."""
    if isinstance(value, Mapping):
        return {name: _without_cache_marks(item) for name, item in value.items() if name != "cache_control"}
    return [_without_cache_marks(item) for item in value] if isinstance(value, (list, tuple)) else value
