"""A Run as plain data for a page: each block once, and each Turn and phase as ranges of blocks.

Turns share most of their blocks, so the size of a Turn is that of its new blocks. A page with
the blocks can show any Turn at any phase without further requests.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TypeAlias

from ..events import Snapshot
from ..values.inference_results import InferenceResult
from ..values.persistent_list import PersistentList
from ..values.turns import Block, Run, Turn
from .annotations import last_call_error, turn_ending
from .block_rows import BODY_LENGTH, block_body, block_head, block_row
from .calls_lane import FIRST_REQUEST, Request, TextLengths, context_window, lane_calls
from .comparison import Change
from .text import shorten, visible
from .totals import count_phrase, usage_phrases
from .turn_summaries import TurnSummary, inferred_phases

Stretch: TypeAlias = list[int]
"""A range of positions in the pool: the first, and the one after the last."""

REPORT_SECTIONS = ("guessed", "unknown", "dropped")
MAX_REPORT_LINES = 200  # lines of an importer's report
MAX_CHANGES = 100  # changes in the entry of a Turn; further ones are counted
MAX_CHANGE_LENGTH = 4_000  # characters of a text in a change


class BlockPool:
    """The blocks of all Turns, each once, in order of appearance."""

    def __init__(self) -> None:
        self.blocks: list[Block] = []
        self._positions: dict[int, int] = {}
        self._previous: tuple[PersistentList[Block], list[Stretch]] = (PersistentList(), [])

    def stretches(self, blocks: PersistentList[Block]) -> list[Stretch]:
        """Return the places of these blocks; new blocks are appended."""
        previous_blocks, previous_stretches = self._previous
        shared_count = blocks.shared_length(previous_blocks)
        stretches = _first_stretches(previous_stretches, shared_count)
        for block in blocks.since(shared_count):
            position = self._position_of(block)
            if stretches and stretches[-1][1] == position:
                stretches[-1][1] += 1
            else:
                stretches.append([position, position + 1])
        self._previous = (blocks, stretches)
        return [list(stretch) for stretch in stretches]

    def _position_of(self, block: Block) -> int:
        place = self._positions.get(id(block))  # the pool keeps the block, so its id() stays unique
        if place is None:
            place = self._positions[id(block)] = len(self.blocks)
            self.blocks.append(block)
        return place


def _first_stretches(stretches: list[Stretch], length: int) -> list[Stretch]:
    head_stretches: list[Stretch] = []
    for start, end in stretches:
        if length <= 0:
            break
        head_stretches.append([start, min(end, start + length)])
        length -= end - start
    return head_stretches


def turn_entry(summary: TurnSummary, pool: BlockPool) -> dict[str, Any]:
    """Return the timeline entry of a Turn, without unknown values."""
    entry: dict[str, Any] = {
        "index": summary.index,
        "title": summary.title,
        "state": summary.state,
        "blocks": len(summary.turn),
        "stretches": pool.stretches(summary.turn.blocks),
        "calls": len(summary.results),
        "phrases": usage_phrases(summary.results),
        "phases": list(_phase_entries(summary, pool)),
        **_usage_totals(summary),
    }
    if ending := turn_ending(summary.turn):
        entry["ending"] = ending
        entry["can_retry"] = bool(last_call_error(summary.turn))
    if summary.is_extension:
        return {
            **entry,
            "added": len(summary.turn) - summary.shared_count,
            "fresh": [[summary.shared_count, len(summary.turn)]],
        }
    comparison = summary.comparison
    change_counts = {what: count for what, count in comparison.counts.items() if what != "same"}
    changes = comparison.changes
    new_indexes = [row.b_index for row in changes if row.b_index is not None]
    return {
        **entry,
        **change_counts,
        "fresh": _to_stretches(new_indexes),
        "changes": [change_entry(row) for row in changes[:MAX_CHANGES]],
        "more_changes": max(0, len(changes) - MAX_CHANGES),
    }


def _usage_totals(summary: TurnSummary) -> dict[str, Any]:
    totals: dict[str, Any] = {}
    if (usage := summary.usage) is not None:
        totals |= {"input": usage.input_tokens, "output": usage.output_tokens, "cached": usage.cached_tokens}
    if (cost := summary.cost) is not None:
        totals["cost"] = cost
    if (duration_ms := summary.duration_ms) is not None:
        totals["ms"] = duration_ms
    models = {visible(result.model) for result in summary.results if result.model}
    return {**totals, "models": sorted(models)} if models else totals


def _phase_entries(summary: TurnSummary, pool: BlockPool) -> Iterable[dict[str, Any]]:
    previous_blocks = summary.previous_turn.blocks
    for snapshot in summary.phases:
        blocks = snapshot.turn.blocks
        entry: dict[str, Any] = {"phase": str(snapshot.phase), "iteration": snapshot.iteration, "blocks": len(blocks)}
        if blocks.shared_length(previous_blocks) < len(previous_blocks):
            entry["fresh"] = _new_stretches(blocks, previous_blocks)
        if blocks.shared_length(summary.turn.blocks) < len(blocks):  # it was edited afterwards
            entry["stretches"] = pool.stretches(blocks)
        yield entry
        previous_blocks = blocks


def _new_stretches(blocks: PersistentList[Block], previous_blocks: PersistentList[Block]) -> list[Stretch]:
    previous_ids = {id(block) for block in previous_blocks}
    return _to_stretches([position for position, block in enumerate(blocks) if id(block) not in previous_ids])


def _to_stretches(positions: Iterable[int]) -> list[Stretch]:
    stretches: list[Stretch] = []
    for position in sorted(positions):
        if stretches and stretches[-1][1] == position:
            stretches[-1][1] += 1
        else:
            stretches.append([position, position + 1])
    return stretches


def change_entry(row: Change, max_characters: int | None = MAX_CHANGE_LENGTH) -> dict[str, Any]:
    """Return a pair of blocks for a page, with at most `max_characters` characters of text."""
    block = row.b or row.a
    entry: dict[str, Any] = {"what": row.what, "kind": visible(row.kind)}
    index_fields = {"a": row.a_index, "b": row.b_index, "a_turn": row.a_turn, "b_turn": row.b_turn}
    entry |= {field_name: block_index for field_name, block_index in index_fields.items() if block_index is not None}
    if row.what == "same":
        return {**entry, "head": block_head(block) if block else ""}
    if fields := row.fields:
        entry["fields"] = [visible(field_name) for field_name in fields]
    if row.only_white_space:
        entry["space"] = True
    entry["pieces"] = (
        list(map(list, row.pieces)) if max_characters is None else list(_limited_pieces(row, max_characters))
    )
    return entry


def _limited_pieces(row: Change, characters_left: int) -> Iterable[list[Any]]:
    for what, text in row.pieces:
        if characters_left <= 0:
            yield ["cut", ""]
            return
        yield (
            [what, text[:characters_left], len(text) - characters_left] if len(text) > characters_left else [what, text]
        )
        characters_left -= len(text)


def pool_row(block: Block, max_characters: int | None = BODY_LENGTH) -> dict[str, Any]:
    """Return the row of a block for a page (`static/row_source.js`), with at most `max_characters` of its body."""
    page_row: dict[str, Any] = dict(block_row(block))
    body = block_body(block)
    cut = max_characters is not None and len(body) > max_characters
    page_row["body"] = body[:max_characters] if cut else body
    if cut:
        page_row["cut"] = True
    page_row.pop("icon", None)
    if block.kind != "tool_call":
        page_row.pop("head", None)
    if not page_row.get("fold"):
        page_row.pop("fold", None)
    return page_row


def report_entry(run: Run) -> dict[str, Any] | None:
    """Return the import report (guessed, unknown, dropped); None for files of nbturns."""
    report = run.import_report
    if report is None:
        return None
    report_lines = [(name, visible(str(line))) for name in REPORT_SECTIONS for line in getattr(report, name, ())]
    counts = {"record": getattr(report, "read", 0), "block": getattr(report, "blocks", 0)}
    count_phrases = [count_phrase(count, name) for name, count in counts.items() if count]
    count_phrases += [f"{len(getattr(report, name)):,} {name}" for name in REPORT_SECTIONS if getattr(report, name, ())]
    return {
        "head": f"read as {visible(str(getattr(report, 'format', '')))}: {', '.join(count_phrases) or 'nothing to tell'}",
        "dropped": len(getattr(report, "dropped", ())),
        "lines": [f"{name}: {shorten(line, 300)}" for name, line in report_lines[:MAX_REPORT_LINES]],
    }


class Timeline:
    """The entries of the Turns of a Run, updated as the Run grows."""

    def __init__(self) -> None:
        self.pool: BlockPool = BlockPool()
        self.entries: list[dict[str, Any]] = []
        self.turns: list[Turn] = []
        self._results: list[tuple[InferenceResult, ...]] = []  # the model calls of each Turn
        self._requests: list[Request] = []  # the last one of each Turn
        self._lengths = TextLengths()
        self._turn_of_call: dict[object, int] = {}  # the index of the Turn of each model call

    def put(self, index: int, turn: Turn, snapshots: Iterable[Snapshot] | None = None, state: str = "") -> None:
        """Append or replace the Turn at `index` and drop later ones; `state` is the status of an unfinished Turn."""
        previous_turn = self.turns[index - 1] if index else Turn()
        new_results = tuple(
            result
            for result in turn.inferences
            if self._turn_of_call.setdefault(result.inference_id or result, index) == index
        )
        turn_phases = inferred_phases(turn, previous_turn) if snapshots is None else snapshots
        summary = TurnSummary(index, turn, previous_turn, new_results, tuple(turn_phases))
        previous_request = self._requests[index - 1] if index else FIRST_REQUEST
        calls, request = lane_calls(turn, summary.shared_count, new_results, previous_request, self._lengths)
        entry = {**turn_entry(summary, self.pool), "lane": calls}
        if (window := context_window(new_results)) is not None:
            entry["window"] = window
        del self.entries[index:], self.turns[index:], self._results[index:], self._requests[index:]
        self.entries.append({**entry, "state": state} if state else entry)
        self.turns.append(turn)
        self._results.append(new_results)
        self._requests.append(request)

    @property
    def head(self) -> str:
        """The totals as text."""
        results = [result for summary_results in self._results for result in summary_results]
        parts = [count_phrase(len(self.entries), "turn"), count_phrase(self._block_count, "block")]
        return " · ".join([*parts, *usage_phrases(results)])

    @property
    def _block_count(self) -> int:
        """The number of blocks in the Turns; the pool also has those that only a phase or an earlier update had."""
        count = counted_end = 0
        for start, end in sorted({(start, end) for entry in self.entries for start, end in entry["stretches"]}):
            count += max(0, end - max(start, counted_end))
            counted_end = max(counted_end, end)
        return count
