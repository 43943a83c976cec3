"""Branches as a frame: what each changed, how it ended, and where it differs from the first."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ..errors import message_of
from ..packages import require
from ..runtime.execution import STATUS
from ..values.turns import Turn

if TYPE_CHECKING:
    from .branch_runs import Branch


def branch_frame(branches: Sequence[Branch]) -> Any:
    """Return a row per branch. `divergence` is the index of the first block that differs from the first branch's."""
    require("pandas")
    import pandas as pd

    columns = "branch engine edit params status error text blocks input_tokens output_tokens cost duration_ms divergence".split()  # noqa: SIM905
    rows = [_row(branch, branches[0].turn) for branch in branches]
    frame = pd.DataFrame(rows, columns=columns)
    return frame.astype({"cost": "Float64", "duration_ms": "Int64", "divergence": "Int64", "input_tokens": "Int64", "output_tokens": "Int64"})  # fmt: skip


def _row(branch: Branch, first_turn: Turn) -> dict[str, Any]:
    turn, usage = branch.turn, branch.turn.usage
    durations = [result.duration_ms for result in turn.inferences if result.duration_ms is not None]
    return {
        "branch": branch.index,
        "engine": branch.engine if isinstance(branch.engine, str) else repr(branch.engine)[:100],
        "edit": "" if branch.edit is None else getattr(branch.edit, "__name__", "a Turn"),
        "params": ", ".join(f"{name}={value}" for name, value in branch.params.items()),
        "status": turn.metadata.get(STATUS) or ("failed" if branch.error else ""),
        "error": "" if branch.error is None else message_of(branch.error),
        "text": turn.text,
        "blocks": len(turn),
        "input_tokens": usage.input_tokens,
        "output_tokens": usage.output_tokens,
        "cost": turn.cost,
        "duration_ms": sum(durations) if durations else None,
        "divergence": divergence(first_turn, turn),
    }


def divergence(first: Turn, other: Turn) -> int | None:
    """Return the index of the first block that differs, or None; ids and metadata are not compared."""
    for index, (block, other_block) in enumerate(zip(first, other, strict=False)):
        if (block.kind, _content(block)) != (other_block.kind, _content(other_block)):
            return index
    return None if len(first) == len(other) else min(len(first), len(other))


def _content(block: Any) -> dict[str, Any]:
    return {name: value for name, value in block.payload.items() if name != "id"}


__all__ = ["branch_frame", "divergence"]
