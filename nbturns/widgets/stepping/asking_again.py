"""Asking a model again: without some blocks, or with a new limit."""

from __future__ import annotations

from typing import Any

from ...errors import LimitReached, MisuseError
from ...render.block_rows import block_head
from ...render.text import shorten, visible
from ...runtime.execution import Execution
from ...session import Session
from ...values.turns import Turn

MAX_CHOICES = 2_000  # blocks that a page can tick off; longer Turns are shortened in code
MAX_LIMIT = 10_000  # model calls


def block_choices(turn: Turn) -> list[dict[str, Any]]:
    """Return a row for each block of a Turn; `partners` are the rows that leave with it: its call or its results."""
    if len(turn) > MAX_CHOICES:
        raise MisuseError(f"this Turn has {len(turn):,} blocks; leave some out with session.fan_out(edits=[…])")
    places: dict[str, list[int]] = {}
    for index, block in enumerate(turn):
        if block.tool_call_id:
            places.setdefault(block.tool_call_id, []).append(index)
    return [
        {
            "row": index,
            "kind": block.kind,
            "head": visible(shorten(block_head(block), 120)),
            "partners": [row for row in places.get(block.tool_call_id, ()) if row != index],
        }
        for index, block in enumerate(turn)
    ]


def turn_without(turn: Turn, rows: Any) -> Turn:
    """Return a Turn without these blocks and their partners. Raises MisuseError for rows that it does not have."""
    if not isinstance(rows, list) or not all(isinstance(row, int) and not isinstance(row, bool) for row in rows):
        raise MisuseError(f"expected a list of block numbers, got {rows!r:.60}")
    if unknown_rows := [row for row in rows if not 0 <= row < len(turn)]:
        raise MisuseError(f"block {unknown_rows[0]} is out of range (there are {len(turn)})")
    if not rows:
        raise MisuseError("no block is left out; untick one")
    partners = {row: choice["partners"] for row, choice in enumerate(block_choices(turn))}
    left_out = {*rows, *(partner for row in rows for partner in partners[row])}
    if len(left_out) == len(turn):
        raise MisuseError("no block is left; keep one")
    first = min(left_out)
    return turn[:first] + tuple(
        block for row, block in enumerate(turn.blocks.since(first), first) if row not in left_out
    )


def continue_at_limit(session: Session, limit: Any) -> Execution:
    """Continue the last execution of a session, which reached its limit, for at most `limit` model calls."""
    if not isinstance(limit, int) or isinstance(limit, bool) or not 1 <= limit <= MAX_LIMIT:
        raise MisuseError(f"the limit must be a number of model calls, at least 1, at most {MAX_LIMIT:,}")
    execution = session.execution
    if execution is None or not isinstance(execution.error, LimitReached):
        raise MisuseError("the last execution did not reach its limit")
    return session.ask(session.latest, limit=limit)


__all__ = ["block_choices", "continue_at_limit", "turn_without"]
