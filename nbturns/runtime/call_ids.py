"""Calls that cannot be told apart get ids of their own, so none is lost and none is run twice.

Some servers give calls no id, or the same one again. A Turn from elsewhere may hold
both; a call of the model in a session is seen to by `engine_protocol.signing`.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable

from ..values.blocks import Block
from ..values.metadata import Key
from ..values.persistent_list import PersistentList
from ..values.turns import Turn

PROVIDER_CALL_ID: Key[str] = Key("nbturns.provider_call_id@v1", str)


def with_distinct_call_ids(turn: Turn, new_id: Callable[[], str]) -> tuple[Turn, tuple[str, ...]]:
    """`turn` with an id on each call, unanswered ones each their own; and what was done, in words.

    A result without an id answers the oldest call without one.
    """
    results = Counter(block.tool_call_id for block in turn if block.kind == "tool_use")
    calls: Counter[str] = Counter()
    nameless: deque[str] = deque()
    notices: list[str] = []

    def named(index: int, block: Block) -> Block:
        id = block.tool_call_id
        if block.kind == "tool_use" and not id and nameless:
            return block.edit(id=nameless.popleft())
        if block.kind != "tool_call":
            return block
        calls[id] += 1
        if id and calls[id] <= max(1, results[id]):
            return block
        distinct_id = f"call_{new_id()}"
        if not id:
            nameless.append(distinct_id)
        old_id = f"the id {id} of a call before it" if id else "no id"
        notices.append(f"block {index}: the call of {block.name or 'a tool'} had {old_id}; it is {distinct_id} here")
        return block.edit(id=distinct_id).with_metadata(PROVIDER_CALL_ID, id)

    blocks = [named(index, block) for index, block in enumerate(turn)]
    return (turn._with(blocks=PersistentList(blocks)) if notices else turn), tuple(notices)
