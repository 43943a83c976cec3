"""Marks of what a person changed, and why an execution ended early.

The execution makes the marks, by comparing the Turn it gets back at a pause with the one it gave.
Values make none: `turn.edit()` alone leaves no trace.
"""

from __future__ import annotations

import asyncio
from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass
from time import time as now
from typing import Any

from ..errors import message_of
from ..values.blocks import Block
from ..values.frozen_json import FrozenDict, freeze
from ..values.metadata import Key
from ..values.persistent_list import PersistentList
from ..values.secret_text import without_secrets
from ..values.turns import Turn

ANSWERED_BY: Key[str] = Key("nbturns.answered_by@v1", str)  # on a tool_use block: one of ANSWERERS
EDITED: Key[dict[str, Any]] = Key("nbturns.edited@v1", dict)  # {by, at, before}; before is None for an added block
STATUS: Key[str] = Key("nbturns.status@v1", str)  # how the execution of a Turn ended: done, stopped or failed
ERROR: Key[dict[str, Any]] = Key("nbturns.error@v1", dict)  # why the execution of a Turn ended early: {type, message}

APPROVED = "approved"  # an action of decisions that a person wrote into a Turn
BY_TOOL, BY_MOCK, DENIED, SKIPPED, RECORDED, NOT_RUN = "tool", "mock", "denied", "skipped", "recorded", "not run"
ANSWERERS = (BY_TOOL, BY_MOCK, DENIED, SKIPPED, RECORDED, NOT_RUN)
MAX_MESSAGE_LENGTH = 4_000  # characters of the message of an error
STOPPED_ERROR: FrozenDict = FrozenDict(type="Stopped", message="the execution was stopped before its end")


def ending_of(error: BaseException | None) -> str:
    """Return how an error ends a model call: "interrupted", "error", or "" without one."""
    return "" if error is None else "interrupted" if isinstance(error, asyncio.CancelledError) else "error"


def error_record(error: BaseException) -> FrozenDict:
    """Return the type and the message of an error, without secrets and of limited length."""
    if isinstance(error, asyncio.CancelledError):
        return STOPPED_ERROR
    message = without_secrets(message_of(error))
    if len(message) > MAX_MESSAGE_LENGTH:
        message = f"{message[:MAX_MESSAGE_LENGTH]}… ({len(message):,} characters)"
    return FrozenDict(type=type(error).__name__, message=message)


@dataclass(frozen=True, slots=True, kw_only=True)
class DecisionRecord:
    """A decision of a person at a pause.

    `action` is mock, denied, skipped, edited, added or dropped. `before` and `after` are payloads of
    blocks, None without one. `at` is in seconds since the epoch, `by` as in the Resumed event.
    """

    action: str
    by: str
    at: float
    call_id: str = ""
    block_id: str = ""
    before: FrozenDict | None = None
    after: FrozenDict | None = None
    reason: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as on disk, without empty ones."""
        decision_fields = {name: getattr(self, name) for name in DecisionRecord.__dataclass_fields__}
        return {name: value for name, value in decision_fields.items() if value not in ("", None)}

    @classmethod
    def from_dict(cls, decision_fields: Mapping[str, Any]) -> DecisionRecord:
        known_fields = {name: value for name, value in decision_fields.items() if name in cls.__dataclass_fields__}
        return cls(**{name: freeze(value) for name, value in known_fields.items()})


DECISIONS: Key[PersistentList[DecisionRecord]] = Key("nbturns.decisions@v1", PersistentList[DecisionRecord])


def decisions_of(turn: Turn) -> tuple[DecisionRecord, ...]:
    """Return the decisions that a Turn lists, the oldest first."""
    listed_decisions = turn.metadata.get(DECISIONS)
    return () if listed_decisions is None else tuple(listed_decisions)


def answered_by(answer: Block, answerer: str) -> Block:
    """Return a tool result with the mark of who gave it, one of ANSWERERS."""
    return answer._with(metadata=answer.metadata.with_raw(**{ANSWERED_BY.name: answerer}))


def with_decisions(turn: Turn, decisions: Iterable[DecisionRecord]) -> Turn:
    """Return the Turn with these decisions after those that it lists."""
    added_decisions = tuple(decisions)
    if not added_decisions:
        return turn
    listed_decisions = turn.metadata.get(DECISIONS) or PersistentList()
    return turn._with(metadata=turn.metadata.with_frozen(DECISIONS, listed_decisions + added_decisions))


def answer_decisions(answers: Iterable[Block], by: str, reasons: Mapping[str, str]) -> tuple[DecisionRecord, ...]:
    """Return the decisions that gave these answers in place of a tool; `reasons` are by call id."""
    at = now()
    return tuple(
        _decision(
            answer.metadata.get(ANSWERED_BY) or BY_MOCK, by, at, None, answer, reasons.get(answer.tool_call_id, "")
        )
        for answer in answers
    )


def with_marked_changes(turn: Turn, known_turn: Turn, by: str) -> Turn:
    """Return the Turn that a person gave back, with a mark on each block that differs from `known_turn`.

    Changed and added blocks are marked as edited, an added result of a pending call as a mock. The Turn
    lists these decisions, and the dropped blocks.
    """
    comparison = _TurnComparison(turn, known_turn)
    decisions: list[DecisionRecord] = []
    at = now()
    for index, block in comparison.new_blocks:
        known_block = comparison.take_known(index, block)
        marked_block, action = _marked(block, known_block, comparison.pending_ids, by, at)
        if action:
            decisions.append(_decision(action, by, at, known_block, marked_block))
            turn = turn.replace(index, marked_block)
    decisions += [_decision("dropped", by, at, block, None) for block in comparison.known_blocks if block is not None]
    return with_decisions(turn, decisions)


class _TurnComparison:
    """The blocks that two Turns do not share, and the known block that each new one replaces."""

    def __init__(self, turn: Turn, known_turn: Turn) -> None:
        self.start = turn.blocks.shared_length(known_turn.blocks)
        self.pending_ids = {call.tool_call_id for call in known_turn.pending}
        kept_ids = set(map(id, turn.blocks.since(self.start)))
        known_tail = list(known_turn.blocks.since(self.start))
        same_ids = set(map(id, known_tail))
        self.known_blocks: list[Block | None] = [None if id(block) in kept_ids else block for block in known_tail]
        self.new_blocks = [
            (index, block)
            for index, block in enumerate(turn.blocks.since(self.start), self.start)
            if id(block) not in same_ids
        ]
        self._same_length = len(turn) == len(known_turn)

    def take_known(self, index: int, block: Block) -> Block | None:
        """Return the known block that `block` replaces, once: the one of its id, of its call, or at its index."""
        for position, known_block in enumerate(self.known_blocks):
            if known_block is not None and self._is_replaced(known_block, position, index, block):
                self.known_blocks[position] = None
                return known_block
        return None

    def _is_replaced(self, known_block: Block, position: int, index: int, block: Block) -> bool:
        if block.id:
            return block.id == known_block.id
        if block.kind == known_block.kind and (block.tool_call_id or known_block.tool_call_id):
            return block.tool_call_id == known_block.tool_call_id
        return (block.kind == known_block.kind or self._same_length) and position + self.start == index


def _marked(
    block: Block, known_block: Block | None, pending_ids: Container[str], by: str, at: float
) -> tuple[Block, str]:
    """Return the block with its mark, and the action of that mark; "" if nothing changed."""
    if known_block is None:
        if block.kind == "tool_use" and block.tool_call_id in pending_ids:
            return answered_by(block, BY_MOCK), BY_MOCK
        return _with_edit(block, by, at, None), "added"
    if (block.kind, block.role, block.payload) == (known_block.kind, known_block.role, known_block.payload):
        return block, ""
    earlier_edit = known_block.metadata.raw(EDITED)
    original = earlier_edit.get("before") if isinstance(earlier_edit, Mapping) else known_block.payload
    if original == block.payload and block.kind == known_block.kind:
        return block._with(metadata=block.metadata.without(EDITED)), "edited"
    return _with_edit(block, by, at, original), "edited"


def _with_edit(block: Block, by: str, at: float, before: Any) -> Block:
    edit = {"by": by, "at": at, "before": before}
    return block._with(metadata=block.metadata.with_raw(**{EDITED.name: edit}))


def _decision(
    action: str, by: str, at: float, before: Block | None, after: Block | None, reason: str = ""
) -> DecisionRecord:
    block = after or before
    assert block is not None
    return DecisionRecord(
        action=action,
        by=by,
        at=at,
        call_id=block.tool_call_id,
        block_id=block.id,
        before=None if before is None else freeze(before.payload),
        after=None if after is None else freeze(after.payload),
        reason=reason,
    )
