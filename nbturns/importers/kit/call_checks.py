"""Checks of the tool calls of a conversation: each has an id of its own and a result, and each result a call."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from ...values.turns import Block
from . import faults
from .import_report import Notes


def check_calls(
    blocks: Sequence[Block], notes: Notes, position_of: Callable[[int], str], *, results: bool = True
) -> None:
    """Report duplicate tool call ids, results of unknown calls, and, if the format has `results`, calls without one."""
    tool_blocks = (
        (index, block.kind, block.payload.get("id"))
        for index, block in enumerate(blocks)
        if block.kind in CHECKED_KINDS
    )
    for index, fault in call_faults(tool_blocks, results=results):
        notes.add_guess(position_of(index), fault)


CHECKED_KINDS = frozenset({"tool_call", "tool_use", "user"})


def call_faults(tool_blocks: Iterable[tuple[int, str, Any]], *, results: bool = True) -> Iterator[tuple[int, str]]:
    """Yield the index of each block whose call or result does not fit the others, with the reason.

    `tool_blocks` are index, kind and id of each tool call, result and prompt of the user.
    """
    pending_calls: dict[str, int] = {}
    unanswered_calls: dict[str, int] = {}  # calls that had no result before the next prompt of the user
    call_ids: set[str] = set()
    for index, kind, call_id in tool_blocks:
        if kind == "user":
            if pending_calls:
                unanswered_calls |= pending_calls
                pending_calls = {}
        elif type(call_id) is not str:
            continue
        elif kind == "tool_call":
            if call_id in call_ids:
                yield index, faults.duplicate_call_id(call_id)
            call_ids.add(call_id)
            pending_calls[call_id] = index
        elif call_id:  # the importer reports a result without an id
            if call_id not in call_ids:
                yield index, faults.unknown_call(call_id)
            pending_calls.pop(call_id, None)
            unanswered_calls.pop(call_id, None)
    for call_id, index in unanswered_calls.items() if results else ():
        yield index, faults.no_result(call_id)
