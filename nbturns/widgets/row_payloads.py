"""Row payloads of a Turn for the page: compact, with long texts truncated.

A BlockIndex also covers the blocks that are not on the page: it finds the result of a call, counts the blocks of
each kind and lists the tools.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from ..render.block_rows import BODY_LENGTH, block_body, block_row, model_call_key
from ..render.call_pairs import CallPairs
from ..render.text import visible
from ..values.persistent_list import PersistentList
from ..values.turns import Block, Turn

MAX_INLINE_IMAGE = 6_000  # characters of an image's data URL; larger images are sent on request
TOOL_KINDS = ("tool_call", "tool_use")
MESSAGE_KINDS = ("system", "user", "llm_text", "reasoning")


class BlockIndex:
    """An index of the blocks of a Turn, which is extended as the Turn grows."""

    def __init__(self, blocks: PersistentList[Block]) -> None:
        self.blocks: PersistentList[Block] = PersistentList()
        self.kinds: Counter[str] = Counter()
        self.tool_names: dict[str, None] = {}  # an ordered set of names
        self._pairs = CallPairs()
        self._append(blocks)

    def updated(self, blocks: PersistentList[Block]) -> BlockIndex:
        """Return the index of `blocks`; this one is extended if they only append to its blocks."""
        if blocks is self.blocks:
            return self
        if len(blocks) > len(self.blocks) == blocks.shared_length(self.blocks):
            self._append(blocks)
            return self
        return BlockIndex(blocks)

    def _append(self, blocks: PersistentList[Block]) -> None:
        """Add the new blocks at the end of `blocks` to the index."""
        start = len(self.blocks)
        self.kinds.update([block.kind for block in blocks.since(start)])
        for index, block in enumerate(blocks.since(start), start):
            if block.kind in TOOL_KINDS:
                if tool_call_id := block.tool_call_id:
                    self._pairs.add(block.kind, tool_call_id, index, id(block))
                if block.kind == "tool_call":
                    self.tool_names.setdefault(visible(block.name))
        self.blocks = blocks

    def partner_index(self, block: Block) -> int | None:
        """Return the index of the result of a call, or of the call of a result; None without one."""
        if block.kind not in TOOL_KINDS or not block.tool_call_id:
            return None
        return self._pairs.partner(block.kind, block.tool_call_id, id(block))

    def tool_name(self, block: Block) -> str:
        """Return the name of the tool that a block calls or whose result it holds; "" for other blocks."""
        if block.kind == "tool_call":
            return visible(block.name)
        call_index = self.partner_index(block) if block.kind == "tool_use" else None
        return "" if call_index is None else visible(self.blocks[call_index].name)

    def row_payload(self, index: int, block: Block) -> dict[str, Any]:
        """Return the row of the block at `index`, as typed in `static/row_source.js`."""
        payload: dict[str, Any] = dict(block_row(block))
        text = payload.pop("body", None)
        if text is None:
            beginning = body_beginning(block)
            payload |= {"body": beginning, "cut": True, "received": len(beginning)}
        else:
            payload["body"] = text
        payload.pop("icon", None)
        if not payload["fold"]:
            del payload["fold"]
        if block.kind in MESSAGE_KINDS or (block.kind != "tool_call" and "fold" not in payload):
            del payload["head"]  # the page derives it from the body
        if block.kind == "tool_use":
            payload["name"] = self.tool_name(block)
        if (partner_index := self.partner_index(block)) is not None:
            payload["partner"] = partner_index
        if key := payload.get("inference"):
            previous_block = self.blocks[index - 1] if index else None
            payload["first_of_call"] = previous_block is None or model_call_key(previous_block) != key
        if images := payload.get("images"):
            payload["images"] = [image if len(image) <= MAX_INLINE_IMAGE else "" for image in images]
        return payload


def body_beginning(block: Block) -> str:
    """Return the first characters of a long body."""
    return block_body(block)[:BODY_LENGTH]


def rows_within_size(rows: Iterable[dict[str, Any]], size: int) -> list[dict[str, Any]]:
    """Return the leading rows that fit into `size` characters of JSON, but at least one."""
    fitting_rows: list[dict[str, Any]] = []
    for payload in rows:
        size -= len(json.dumps(payload, ensure_ascii=False))
        if fitting_rows and size < 0:
            break
        fitting_rows.append(payload)
    return fitting_rows


def changed_range(old_blocks: PersistentList[Block], new_blocks: PersistentList[Block]) -> tuple[int, int, int]:
    """Return the changed range as (first index, number of removed blocks, number of added blocks).

    Blocks are compared by identity, so the cost does not depend on the length of the texts.
    """
    start = new_blocks.shared_length(old_blocks)
    max_shared_end = min(len(old_blocks), len(new_blocks)) - start
    shared_end = 0
    if max_shared_end:
        for old_block, new_block in zip(reversed(old_blocks), reversed(new_blocks), strict=False):
            if shared_end == max_shared_end or old_block is not new_block:
                break
            shared_end += 1
    return start, len(old_blocks) - start - shared_end, len(new_blocks) - start - shared_end


def remap_indices(
    indices: Sequence[int], old_blocks: PersistentList[Block], new_blocks: PersistentList[Block]
) -> list[int]:
    """Return the new indices of the blocks at `indices`; removed blocks are left out."""
    if not indices or max(indices) < new_blocks.shared_length(old_blocks):
        return list(indices)
    new_indices = {id(block): i for i, block in enumerate(new_blocks)}
    remapped = (new_indices.get(id(old_blocks[i])) for i in indices)
    return [i for i in remapped if i is not None]


def with_blocks_of(turn: Turn, earlier_turn: Turn) -> Turn:
    """Return the Turn with the block objects of an earlier version of it, as far as both begin with equal blocks."""
    count = 0
    for block, earlier_block in zip(turn, earlier_turn, strict=False):
        if block != earlier_block:
            break
        count += 1
    return turn._with(blocks=earlier_turn.blocks.head(count) + turn.blocks.since(count)) if count else turn
