"""Rows of a Turn as they go to a page: compact, and what is long only begun.

What joins rows is known here for the whole Turn, whichever part of it is in the page:
the result of a call, how many blocks of each kind there are, which tools.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from ..chunks import PersistentList
from ..pairs import Pairs
from ..rows import BODY, body_of, call_key, row
from ..text import visible
from ..turns import Block

PICTURE = 6_000  # characters of an image's data URL that go along with its row
TOOL = ("tool_call", "tool_use")
MESSAGES = ("system", "user", "llm_text", "reasoning")


class Joined:
    """What the blocks of a Turn have to do with each other. Grows with the Turn."""

    def __init__(self, blocks: PersistentList[Block]) -> None:
        self.blocks: PersistentList[Block] = PersistentList()
        self.kinds: Counter[str] = Counter()
        self.tools: dict[str, None] = {}  # names, in the order in which they are first called
        self._pairs = Pairs()
        self._append(blocks)

    def of(self, blocks: PersistentList[Block]) -> Joined:
        """What is known of `blocks`, from what is known of those it begins with."""
        if blocks is self.blocks:
            return self
        if len(blocks) > len(self.blocks) == blocks.shared(self.blocks):
            self._append(blocks)
            return self
        return Joined(blocks)

    def _append(self, blocks: PersistentList[Block]) -> None:
        start = len(self.blocks)
        self.kinds.update([block.kind for block in blocks.since(start)])
        for index, block in enumerate(blocks.since(start), start):
            if block.kind in TOOL:
                if call := block.tool_call_id:
                    self._pairs.add(block.kind, call, index, id(block))
                if block.kind == "tool_call":
                    self.tools.setdefault(visible(block.name))
        self.blocks = blocks

    def partner(self, block: Block) -> int | None:
        """Where the result of a call is, or the call that a result answers."""
        if block.kind not in TOOL or not block.tool_call_id:
            return None
        return self._pairs.partner(block.kind, block.tool_call_id, id(block))

    def tool(self, block: Block) -> str:
        """The name of the tool a block calls, or whose result it is."""
        if block.kind == "tool_call":
            return visible(block.name)
        at = self.partner(block) if block.kind == "tool_use" else None
        return "" if at is None else visible(self.blocks[at].name)

    def row(self, index: int, block: Block) -> dict[str, Any]:
        """The row of the block at `index`, in the shape `static/row_source.js` describes."""
        made: dict[str, Any] = dict(row(block))
        text = made.pop("body", None)
        if text is None:
            beginning = body_beginning(block)
            made |= {"body": beginning, "cut": True, "got": len(beginning)}
        else:
            made["body"] = text
        made.pop("icon", None)
        if not made["fold"]:
            del made["fold"]
        if block.kind in MESSAGES or (block.kind != "tool_call" and "fold" not in made):
            del made["head"]  # the page takes it from the body
        if block.kind == "tool_use":
            made["name"] = self.tool(block)
        if (partner := self.partner(block)) is not None:
            made["partner"] = partner
        if key := made.get("inference"):
            before = self.blocks[index - 1] if index else None
            made["lead"] = before is None or call_key(before) != key
        if images := made.get("images"):
            made["images"] = [image if len(image) <= PICTURE else "" for image in images]
        return made


def body_beginning(block: Block) -> str:
    """The first characters of a long body."""
    return body_of(block)[:BODY]


def fitting(rows: Iterable[dict[str, Any]], size: int) -> list[dict[str, Any]]:
    """As many of these rows as come to `size` characters of JSON, but at least one."""
    taken: list[dict[str, Any]] = []
    for made in rows:
        size -= len(json.dumps(made, ensure_ascii=False))
        if taken and size < 0:
            break
        taken.append(made)
    return taken


def difference(before: PersistentList[Block], after: PersistentList[Block]) -> tuple[int, int, int]:
    """What makes `after` of `before`: from which index on, how many gave way, how many came.

    By identity, so that a Turn that grew or was edited is compared in no time.
    """
    start = after.shared(before)
    most = min(len(before), len(after)) - start
    end = 0
    if most:
        for one, other in zip(reversed(before), reversed(after), strict=False):
            if end == most or one is not other:
                break
            end += 1
    return start, len(before) - start - end, len(after) - start - end


def carried(indices: Sequence[int], before: PersistentList[Block], after: PersistentList[Block]) -> list[int]:
    """Where blocks stand after a change; those that gave way are left out."""
    if not indices or max(indices) < after.shared(before):
        return list(indices)
    places = {id(block): i for i, block in enumerate(after)}
    moved = (places.get(id(before[i])) for i in indices)
    return [i for i in moved if i is not None]
