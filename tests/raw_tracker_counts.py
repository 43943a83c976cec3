"""Counts of exports of Langfuse and of rollouts of NeMo Gym, taken from their raw JSON.

Shares nothing with the importers. A generation of Langfuse that contains generations is a wrapper and is not counted.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


def count_langfuse(path: Path) -> tuple[int, int, int, float]:
    """Return model calls, input tokens, output tokens and cost of a trace."""
    observations = json.loads(path.read_text(encoding="utf-8"))["observations"]
    parents = {item["id"]: item.get("parentObservationId") for item in observations}
    generations = {item["id"]: item for item in observations if item["type"] == "GENERATION"}
    wrappers: set[str] = set()
    for id in generations:
        parent = parents[id]
        while parent:
            if parent in generations:
                wrappers.add(parent)
            parent = parents.get(parent)
    leaves = [item for id, item in generations.items() if id not in wrappers]
    totals = [0, 0]
    for item in leaves:
        usage = {name: value for name, value in (item.get("usageDetails") or {}).items() if name != "total"}
        names: tuple[set[str], ...] = ({"input"}, {"output"})
        if sum(usage.get(name, 0) for name in ("input", "output")) != (item.get("usageDetails") or {}).get("total"):
            names = tuple(
                {name for name in usage if name.startswith(starts)}
                for starts in (("input", "prompt"), ("output", "completion"))
            )
        for side, of_side in enumerate(names):
            totals[side] += sum(usage.get(name, 0) for name in of_side)
    return len(leaves), totals[0], totals[1], sum(item.get("totalCost") or 0 for item in leaves)


def count_rollouts(path: Path) -> tuple[int, int, int, int, float]:
    """Return rollouts, input tokens, output tokens, tool calls and the sum of the rewards."""
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    usages: list[dict[str, Any]] = [row["response"].get("usage") or {} for row in rows]
    calls = [item for row in rows for item in row["response"]["output"] if item["type"] == "function_call"]
    tokens = [sum(usage.get(name, 0) for usage in usages) for name in ("input_tokens", "output_tokens")]
    return len(rows), tokens[0], tokens[1], len(calls), sum(row["reward"] for row in rows)
