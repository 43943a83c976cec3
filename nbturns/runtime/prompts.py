"""The blocks of a prompt, and the answers to the calls that an earlier execution left open."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from ..errors import MisuseError
from ..values.turns import Block, Turn, tool_use, user
from .marks import NOT_RUN, STATUS, answered_by
from .toolbox import INTERRUPTED, INTERRUPTED_MESSAGE

UNKNOWN_MESSAGE = "no result of this call is recorded: it may have run"


def prompt_blocks(prompt: Any) -> tuple[Any, ...]:
    """Return the blocks of a prompt; each text is a user block. Other objects are refused by the Turn.

    Raises MisuseError for a blank prompt.
    """
    is_list = isinstance(prompt, Iterable) and not isinstance(prompt, (str, bytes, Block, Mapping))
    items = tuple(prompt) if is_list else (prompt,)
    blocks = tuple(user(item) if isinstance(item, str) else item for item in items)
    for block in blocks:
        _refuse_blank(block)
    return blocks


def _refuse_blank(block: Any) -> None:
    """Raise MisuseError for a user block without content, because models reject it."""
    if not isinstance(block, Block) or block.kind != "user":
        return
    if not any(value.strip() if isinstance(value, str) else value for value in block.payload.values()):
        raise MisuseError(f"the prompt is blank: {block.text!r:.60}; pass a text or an image")


def with_open_calls_answered(turn: Turn, *, is_loaded: bool) -> Turn:
    """Return the Turn with an error for each pending call, because providers reject open calls.

    The errors say what is known. Nothing is known of the calls of a Turn that was loaded without the status of
    its execution, or that no session has made.
    """
    if not turn.calls.pending:
        return turn
    has_status = STATUS in turn.metadata
    answers: list[Block] = []
    for call in turn.calls.pending.values():
        if call.metadata.get(INTERRUPTED):
            answers.append(tool_use(call.tool_call_id, error=INTERRUPTED_MESSAGE))
        elif has_status or (call.inference_id and not is_loaded):
            answers.append(answered_by(tool_use(call.tool_call_id, error="not run: stopped"), NOT_RUN))
        else:
            answers.append(tool_use(call.tool_call_id, error=UNKNOWN_MESSAGE))
    return turn + tuple(answers)


def with_interrupted_calls(turn: Turn, call_ids: Collection[str]) -> Turn:
    """Return the Turn with a mark on the calls whose tools had started when the execution was stopped."""
    for index, block in enumerate(turn if call_ids else ()):
        if block.kind == "tool_call" and block.tool_call_id in call_ids:
            turn = turn.replace(index, block.with_metadata(INTERRUPTED, True))
    return turn


def without_interrupted_marks(turn: Turn, call_ids: Collection[str]) -> Turn:
    """Return the Turn without that mark on these calls, so that they run again."""
    for index, block in enumerate(turn if call_ids else ()):
        if block.kind == "tool_call" and block.tool_call_id in call_ids and INTERRUPTED in block.metadata:
            turn = turn.replace(index, block._with(metadata=block.metadata.without(INTERRUPTED)))
    return turn


def merged_fields(turn_fields: Any, session_fields: Any) -> Any:
    """Return the fields that a Turn and its session state; those of the session precede. Other values are replaced."""
    if isinstance(turn_fields, Mapping) and isinstance(session_fields, Mapping):
        return {**turn_fields, **session_fields}
    return session_fields
