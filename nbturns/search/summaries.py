"""Summaries of Runs, so that many are listed without loading them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from ..render.listing import Cell, listing_html
from ..values.inference_results import total_cost, total_usage
from ..values.metadata import Key
from ..values.persistent_list import PersistentList
from ..values.turns import Block, Run
from .words import block_time

STATUS: Key[str] = Key("nbturns.status@v1", str)
TIMES = ("started_at", "ended_at")
LISTED_COLUMNS = ("run_id", "turns", "blocks", "models", "input_tokens", "output_tokens", "started_at", "first_prompt")
MAX_PROMPT_LENGTH = 200
MAX_LISTED_RUNS = 200


def new_blocks(run: Run) -> Iterator[tuple[int, int, Block]]:
    """Yield each block of a Run once, where it first appears, with the indexes of its Turn and in it."""
    seen_ids: set[int] = set()
    previous_blocks: PersistentList[Block] = PersistentList()
    for turn_index, turn in enumerate(run.turns):
        start = turn.blocks.shared_length(previous_blocks)
        for block_index, block in enumerate(turn.blocks.since(start), start):
            if id(block) not in seen_ids:
                seen_ids.add(id(block))
                yield turn_index, block_index, block
        previous_blocks = turn.blocks


def summarize(run: Run) -> dict[str, Any]:
    """Return the summary of a Run; unknown values are missing."""
    blocks = [block for _, _, block in new_blocks(run)]
    return summary_of(run, blocks, map(block_time, blocks))


def summary_of(run: Run, blocks: Sequence[Block], block_times: Iterable[float | None]) -> dict[str, Any]:
    """Return the summary of a Run. `blocks` are its distinct ones, `block_times` their times."""
    results = run.inferences
    usage = total_usage(results) if any(result.usage for result in results) else None
    last_turn = run.latest if len(run) else None
    times = [time for time in block_times if time is not None]
    first_prompt = next((block.text for block in blocks if block.kind == "user" and block.text), "")
    summary: dict[str, Any] = {
        "name": run.name,
        "turns": len(run),
        "blocks": len(last_turn) if last_turn is not None else 0,
        "model_calls": len(results),
        "tool_calls": sum(block.kind == "tool_call" for block in blocks),
        "input_tokens": usage.input_tokens if usage else None,
        "output_tokens": usage.output_tokens if usage else None,
        "cost": total_cost(results) if results else None,
        "models": ", ".join(sorted({result.model for result in results if result.model})),
        "tools": ", ".join(sorted({block.name for block in blocks if block.kind == "tool_call" and block.name})),
        "status": last_turn.metadata.get(STATUS) if last_turn is not None else None,
        "started_at": min(times, default=None),
        "ended_at": max(times, default=None),
        "first_prompt": " ".join(first_prompt[: 4 * MAX_PROMPT_LENGTH].split())[:MAX_PROMPT_LENGTH],
    }
    return {name: value for name, value in summary.items() if value not in (None, "")}


def summaries_html(caption: str, summaries: Iterable[Mapping[str, Any]], note: str = "") -> str:
    """Return the first summaries as a table."""
    rows = [[Cell(_cell_text(name, summary.get(name))) for name in LISTED_COLUMNS] for summary in summaries]
    if len(rows) > MAX_LISTED_RUNS:
        note = f"{len(rows) - MAX_LISTED_RUNS:,} more: .runs() returns all{'; ' if note else ''}{note}"
    columns = ("run", "turns", "blocks", "models", "tokens in", "tokens out", "started", "prompt")
    return listing_html(caption, columns, rows[:MAX_LISTED_RUNS], note)


def _cell_text(name: str, value: Any) -> str:
    if value is None:
        return ""
    if name in TIMES:
        from datetime import UTC, datetime

        return f"{datetime.fromtimestamp(value, UTC):%Y-%m-%d %H:%M}"
    return f"{value:,}" if isinstance(value, int) else str(value)
