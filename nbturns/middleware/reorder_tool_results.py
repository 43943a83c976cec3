"""Put each result right after the calls it answers: some providers refuse any other order."""

from __future__ import annotations

from ..chunks import PersistentList
from ..contract import Engine, Middleware, Scope
from ..turns import Block, Turn


def reorder_tool_results() -> Middleware:
    """Results stand behind the run of calls they answer, in the order of the calls.

    Calls and results find each other by the call's id; blocks need no ids of their own.
    A result that answers no call stays where it is.
    """

    async def layer(turn: Turn, scope: Scope, engine: Engine) -> Turn:
        return await engine(with_results_in_order(turn), scope)

    return layer


def with_results_in_order(turn: Turn) -> Turn:
    """The same Turn when nothing has to move."""
    results: dict[str, list[Block]] = {}
    for block in turn:
        if block.kind == "tool_use":
            results.setdefault(block.tool_call_id, []).append(block)
    ordered: list[Block] = []
    waiting: list[Block] = []  # the results of the run of calls that is going on
    placed: set[int] = set()
    for block in turn:
        if id(block) in placed:
            continue
        if block.kind == "tool_call":
            mine = [one for one in results.pop(block.tool_call_id, ()) if id(one) not in placed]
            placed |= set(map(id, mine))
            waiting += mine
        else:
            ordered += waiting
            waiting = []
        ordered.append(block)
    ordered += waiting
    if all(mine is theirs for mine, theirs in zip(ordered, turn, strict=True)):
        return turn
    return turn._with(blocks=PersistentList(ordered))
