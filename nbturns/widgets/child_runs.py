"""The Runs that tool calls started, for the view of the Run that called them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ..render.block_rows import model_call_cells_by_key
from ..render.readable_values import readable_turn
from ..render.run_heading import heading_entry
from ..render.text import visible
from ..render.timeline import pool_row
from ..render.totals import count_phrase, usage_phrases
from ..values.turns import Block, Run

MAX_BLOCKS = 300  # blocks of a child that are shown below its call


class ChildRuns:
    """The Runs among which the children of a Run are looked for, by their ids as a page knows them."""

    def __init__(self, runs: Iterable[Run]) -> None:
        self._runs = {visible(run.id): run for run in runs if run.id}

    def entries(self, run: Run) -> dict[str, Any]:
        """Return the heading and the totals of each child of a Run, by its id."""
        entries: dict[str, Any] = {}
        for child_id in map(visible, run.child_ids if self._runs else ()):
            child = self._runs.get(child_id)
            if child is None or child is run:
                continue
            results = [result for turn in child.turns[-1:] for result in turn.inferences]
            hidden_count = len(child.latest) - MAX_BLOCKS if len(child) else 0
            note = [f"{hidden_count:,} more blocks in its own view"] if hidden_count > 0 else []
            phrases = [count_phrase(len(child.latest) if len(child) else 0, "block"), *usage_phrases(results), *note]
            entries[child_id] = {**heading_entry(child), "phrases": phrases}
        return entries

    def blocks(self, child_id: Any) -> list[Block]:
        """Return the first blocks of a child; none for an id that a page may have made up."""
        child = self._runs.get(child_id) if isinstance(child_id, str) else None
        return [] if child is None or not len(child) else list(readable_turn(child.latest).blocks.head(MAX_BLOCKS))

    def answer(self, child_id: str) -> dict[str, Any]:
        """Return the rows of a child, or an error if it is not known."""
        blocks = self.blocks(child_id)
        if not blocks:
            return {"error": "this Run is not part of the view, or has no blocks"}
        return {"child": {"rows": list(map(pool_row, blocks)), "calls": model_call_cells_by_key(blocks)}}
