"""Move tool results behind their calls, because some providers refuse any other order."""

from __future__ import annotations

from ..runtime.engine_protocol import Engine, Middleware, Scope
from ..values.persistent_list import PersistentList
from ..values.turns import Block, Turn


def reorder_tool_results() -> Middleware:
    """Return a middleware that moves results behind the consecutive calls they answer, in their order.

    Calls and results are matched by the id of the call; blocks need no ids of their own.
    A result without a call keeps its place.
    """

    async def layer(turn: Turn, scope: Scope, engine: Engine) -> Turn:
        return await engine(with_results_in_order(turn), scope)

    return layer


def with_results_in_order(turn: Turn) -> Turn:
    """Return the Turn with its results in order; the same object when nothing moves."""
    results: dict[str, list[Block]] = {}
    for block in turn:
        if block.kind == "tool_use":
            results.setdefault(block.tool_call_id, []).append(block)
    ordered: list[Block] = []
    pending_results: list[Block] = []  # results of the current run of calls
    placed_ids: set[int] = set()
    for block in turn:
        if id(block) in placed_ids:
            continue
        if block.kind == "tool_call":
            call_results = [result for result in results.pop(block.tool_call_id, ()) if id(result) not in placed_ids]
            placed_ids |= set(map(id, call_results))
            pending_results += call_results
        else:
            ordered += pending_results
            pending_results = []
        ordered.append(block)
    ordered += pending_results
    if all(call_results is original for call_results, original in zip(ordered, turn, strict=True)):
        return turn
    return turn._with(blocks=PersistentList(ordered))
