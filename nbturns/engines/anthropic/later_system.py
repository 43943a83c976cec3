"""The places of system blocks inside a conversation, as Claude takes them.

Facts: Anthropic's page on system messages inside a conversation. One stands behind a message of the user and
before one of the assistant or at the end; it has text alone, and two never follow each other.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ...values.turns import Block


def placed_system_blocks(blocks: Iterable[Block], later_role: str) -> Iterator[tuple[Block, str]]:
    """Yield the blocks behind the head, each with the role of its message.

    Between two replies, system blocks move behind the user's; with nothing of the user there, they are user text.
    """
    waiting: list[Block] = []
    for block in blocks:
        if _role(block) == "assistant":
            yield from _placed(waiting, later_role)
            waiting = []
            yield block, "assistant"
        else:
            waiting.append(block)
    yield from _placed(waiting, later_role)


def _placed(blocks: list[Block], later_role: str) -> Iterator[tuple[Block, str]]:
    users = [block for block in blocks if _role(block) == "user"]
    if later_role != "system" or not users:
        return iter([(block, "user") for block in blocks])
    later = [block for block in blocks if _role(block) == "system"]
    return iter([*((block, "user") for block in users), *((block, "system") for block in later)])


def _role(block: Block) -> str:
    """Return the role of the message that a block belongs to."""
    if block.kind in ("user", "tool_use"):
        return "user"
    if block.kind == "system" or (block.kind == "other" and block.role == "system"):
        return "user" if block.payload.get("images") or block.payload.get("media") else "system"
    return "user" if block.kind == "other" and block.role == "user" else "assistant"
