"""Which blocks of a Turn are shown, and in what order: filtered, searched and sorted in the kernel, which has them all.

The page does the same by itself with the rows it has (`static/row_source.js`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Any

from ..results import DURATION_MS, InferenceResult
from ..rows import body_of
from ..turns import Block
from .page_rows import Joined

Value = str | float | None


# What a block is sorted by, and what a model call is, by name of column. What is not known comes last.
OF_BLOCK: dict[str, Callable[[Block], Value]] = {
    "kind": attrgetter("kind"),
    "role": lambda block: block.role or None,
    "content": lambda block: len(body_of(block)),
}
OF_CALL: dict[str, Callable[[InferenceResult], Value]] = {
    "provider": lambda result: result.provider or None,
    "model": lambda result: result.model or None,
    "stop": lambda result: result.stop_reason or None,
    "finish": lambda result: str(result.finish_class),
    "tokens": lambda result: None if result.usage is None else result.usage.total_tokens,
    "cached": lambda result: None if result.usage is None else result.usage.cached_tokens,
    "reasoning": lambda result: None if result.usage is None else result.usage.reasoning_tokens,
    "cost": attrgetter("cost"),
    "time": attrgetter("duration_ms"),
    "first": attrgetter("time_to_first_token_ms"),
}


def value(block: Block, column: str) -> Value:
    """What a block is sorted by in a column; None when it is not known."""
    if column in OF_BLOCK:
        return OF_BLOCK[column](block)
    result = block.inference
    found = None if result is None else OF_CALL[column](result)
    return block.metadata.get(DURATION_MS) if found is None and column == "time" else found


@dataclass(frozen=True, slots=True)
class Arrangement:
    """What to show: `kinds` empty means all; `sort` is a column, after "-" descending, "" as in the Turn."""

    search: str = ""
    only: bool = False
    kinds: tuple[str, ...] = ()
    tool: str = ""
    sort: str = ""

    @classmethod
    def read(cls, given: Any) -> Arrangement:
        """What a page says it shows; what it never says is passed over."""
        given = given if isinstance(given, Mapping) else {}
        search, tool, sort = (str(given.get(name) or "") for name in ("search", "tool", "sort"))
        kinds = given.get("kinds")
        return cls(
            search, bool(given.get("only")), tuple(map(str, kinds)) if isinstance(kinds, list) else (), tool, sort
        )

    @property
    def natural(self) -> bool:
        """Whether all blocks are shown, as in the Turn."""
        return not ((self.search and self.only) or self.kinds or self.tool or self.sort)

    def order(self, joined: Joined) -> Sequence[int]:
        """The indices of the blocks that are shown."""
        blocks = joined.blocks
        if self.natural:
            return range(len(blocks))
        shown = [index for index, block in enumerate(blocks) if self._shows(block, joined)]
        return _sorted(shown, joined, self.sort)

    def _shows(self, block: Block, joined: Joined) -> bool:
        if self.kinds and block.kind not in self.kinds:
            return False
        if self.tool and joined.tool(block) != self.tool:
            return False
        return not (self.search and self.only) or self.search.lower() in sought(block, joined)

    def match(self, joined: Joined, order: Sequence[int], position: int, step: int) -> dict[str, int] | None:
        """The next block that has what is searched for, around the end if need be."""
        low = self.search.lower()
        found = [place for place, index in enumerate(order) if low and low in sought(joined.blocks[index], joined)]
        if not found:
            return None
        after = [place for place in found if place > position] if step > 0 else [p for p in found if p < position]
        at = (after or found)[0] if step > 0 else (after or found)[-1]
        inside = body_of(joined.blocks[order[at]]).lower().find(low)
        return {"position": at, "number": found.index(at) + 1, "count": len(found), "at": max(inside, 0)}


def sought(block: Block, joined: Joined) -> str:
    """All that a search looks through, in small letters."""
    if block.kind in ("user", "llm_text", "system", "reasoning") and block.text:
        return block.text.lower()
    return f"{joined.tool(block)}\n{body_of(block)}".lower()


def _sorted(shown: list[int], joined: Joined, sort: str) -> list[int]:
    name, down = sort.removeprefix("-"), sort.startswith("-")
    if name == "number":
        return shown[::-1] if down else shown
    if name not in OF_BLOCK and name not in OF_CALL:
        return shown
    keys: dict[int, Any] = {index: value(joined.blocks[index], name) for index in shown}
    known = [index for index in shown if keys[index] is not None]
    known.sort(key=keys.__getitem__, reverse=down)
    return known + [index for index in shown if keys[index] is None]
