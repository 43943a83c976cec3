"""Distinct ids for tool calls, so that each call runs exactly once.

Some servers give calls no id, or repeat one. This module renames the calls of a Turn from
elsewhere; `engine_protocol.signing_engine` does it for the model calls of a session.
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
    """Return `turn` with a distinct id on each unanswered call, and a notice for each new id.

    A result without an id answers the oldest call without one.
    """
    result_counts = Counter(block.tool_call_id for block in turn if block.kind == "tool_use")
    call_counts: Counter[str] = Counter()
    generated_ids: deque[str] = deque()
    notices: list[str] = []

    def with_distinct_id(index: int, block: Block) -> Block:
        id = block.tool_call_id
        if block.kind == "tool_use" and not id and generated_ids:
            return block.edit(id=generated_ids.popleft())
        if block.kind != "tool_call":
            return block
        call_counts[id] += 1
        if id and call_counts[id] <= max(1, result_counts[id]):
            return block
        distinct_id = f"call_{new_id()}"
        if not id:
            generated_ids.append(distinct_id)
        old_id = f"the id {id} of an earlier call" if id else "no id"
        notices.append(f"block {index}: the call of {block.name or 'a tool'} had {old_id}; its new id is {distinct_id}")
        return block.edit(id=distinct_id).with_metadata(PROVIDER_CALL_ID, id)

    blocks = [with_distinct_id(index, block) for index, block in enumerate(turn)]
    return (turn._with(blocks=PersistentList(blocks)) if notices else turn), tuple(notices)


def contains_tool_call(blocks: tuple[Block, ...]) -> bool:
    """Return True when one of the blocks is a tool call."""
    for block in blocks:  # noqa: SIM110  # runs for each model call, and any() takes twice as long
        if block.kind == "tool_call":
            return True
    return False


def with_block_ids(turn: Turn, known_turn: Turn, new_id: Callable[[], str]) -> Turn:
    """Return `turn` with an id on each block that is not in `known_turn` and has none."""
    for index in range(turn.blocks.shared_length(known_turn.blocks), len(turn)):
        if not turn.blocks[index].id:
            turn = turn.replace(index, turn.blocks[index]._with(id=new_id()))
    return turn
