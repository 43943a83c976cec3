"""Filter, search and sort the blocks of a Turn in the kernel, which has all of them.

The page does the same with the rows it has (`static/row_source.js`).
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Any

from ..render.block_rows import block_body
from ..values.inference_results import DURATION_MS, InferenceResult
from ..values.turns import Block
from .row_payloads import BlockIndex

SortValue = str | float | None


# Sort values of a block and of its model call, by column. Unknown values come last.
BLOCK_SORT_VALUES: dict[str, Callable[[Block], SortValue]] = {
    "kind": attrgetter("kind"),
    "role": lambda block: block.role or None,
    "content": lambda block: len(block_body(block)),
}
CALL_SORT_VALUES: dict[str, Callable[[InferenceResult], SortValue]] = {
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


def sort_value(block: Block, column: str) -> SortValue:
    """Return the value by which a block is sorted in a column; None if it is unknown."""
    if column in BLOCK_SORT_VALUES:
        return BLOCK_SORT_VALUES[column](block)
    result = block.inference
    call_value = None if result is None else CALL_SORT_VALUES[column](result)
    return block.metadata.get(DURATION_MS) if call_value is None and column == "time" else call_value


@dataclass(frozen=True, slots=True)
class FilterSort:
    """The filters and the order of the displayed blocks.

    An empty `kinds` means all. `sort` is a column, with a leading "-" for descending order, or "" for the order of the
    Turn.
    """

    search: str = ""
    only_matches: bool = False
    kinds: tuple[str, ...] = ()
    tool: str = ""
    sort: str = ""

    @classmethod
    def from_message(cls, settings: Any) -> FilterSort:
        """Return the settings in a message of a page; invalid values are ignored."""
        settings = settings if isinstance(settings, Mapping) else {}
        search, tool, sort = (str(settings.get(name) or "") for name in ("search", "tool", "sort"))
        kinds = settings.get("kinds")
        return cls(
            search,
            bool(settings.get("only_matches")),
            tuple(map(str, kinds)) if isinstance(kinds, list) else (),
            tool,
            sort,
        )

    @property
    def is_default(self) -> bool:
        """True if all blocks are displayed in the order of the Turn."""
        return not ((self.search and self.only_matches) or self.kinds or self.tool or self.sort)

    def order(self, block_index: BlockIndex) -> Sequence[int]:
        """Return the indices of the displayed blocks."""
        blocks = block_index.blocks
        if self.is_default:
            return range(len(blocks))
        matching_indices = [index for index, block in enumerate(blocks) if self._matches_filters(block, block_index)]
        return _sorted_indices(matching_indices, block_index, self.sort)

    def _matches_filters(self, block: Block, block_index: BlockIndex) -> bool:
        if self.kinds and block.kind not in self.kinds:
            return False
        if self.tool and block_index.tool_name(block) != self.tool:
            return False
        return not (self.search and self.only_matches) or self.search.lower() in searchable_text(block, block_index)

    def find_match(
        self, block_index: BlockIndex, order: Sequence[int], position: int, step: int
    ) -> dict[str, int] | None:
        """Return the next match after `position` in the direction `step` (1 or -1), wrapping around; None without a match.

        The result has the match's position, its number, the number of matches, and its offset in the body.
        """
        search = self.search.lower()
        if not search:
            return None
        texts = (searchable_text(block_index.blocks[index], block_index) for index in order)
        matches = [match for match, text in enumerate(texts) if search in text]
        if not matches:
            return None
        next_number, previous_number = bisect_right(matches, position), bisect_left(matches, position) - 1
        number = (next_number if step > 0 else previous_number) % len(matches)
        offset = block_body(block_index.blocks[order[matches[number]]]).lower().find(search)
        return {
            "position": matches[number],
            "number": number + 1,
            "count": len(matches),
            "offset": max(offset, 0),
        }


def searchable_text(block: Block, block_index: BlockIndex) -> str:
    """Return the text of a block that is searched, in lower case."""
    if block.kind in ("user", "llm_text", "system", "reasoning") and block.text:
        return block.text.lower()
    return f"{block_index.tool_name(block)}\n{block_body(block)}".lower()


def _sorted_indices(indices: list[int], block_index: BlockIndex, sort: str) -> list[int]:
    """Return the indices sorted by a column, with unknown values last."""
    name, descending = sort.removeprefix("-"), sort.startswith("-")
    if name == "number":
        return indices[::-1] if descending else indices
    if name not in BLOCK_SORT_VALUES and name not in CALL_SORT_VALUES:
        return indices
    keys: dict[int, Any] = {index: sort_value(block_index.blocks[index], name) for index in indices}
    known_indices = [index for index in indices if keys[index] is not None]
    known_indices.sort(key=keys.__getitem__, reverse=descending)
    return known_indices + [index for index in indices if keys[index] is None]
