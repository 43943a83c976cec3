"""Decisions that a Turn brings along, for example from a file that a colleague edited.

The last decision that the Turn lists for a pending call counts. It never lifts what a policy asks for or denies,
and an approval of an effectful call must be confirmed unless the Turn is trusted.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..errors import MisuseError
from ..tools import Tool
from ..values.blocks import Block, tool_use
from ..values.turns import Turn
from .marks import APPROVED, BY_MOCK, DECISIONS, DENIED, SKIPPED, DecisionRecord, answered_by

USABLE_ACTIONS = (APPROVED, DENIED, BY_MOCK, SKIPPED)
PAST_ACTIONS = ("edited", "added", "dropped")  # what the Turn already shows


class ListedDecisions:
    """The rule of the decisions that a Turn lists for its pending calls."""

    def __init__(self, turn: Turn, *, is_trusted: bool) -> None:
        self._is_trusted = is_trusted
        for record in turn.metadata.get(DECISIONS) or ():
            if record.call_id in turn.calls.pending:
                _require_known(record)
        self._records: dict[str, DecisionRecord] = {
            record.call_id: record
            for record in turn.metadata.get(DECISIONS) or ()
            if record.call_id in turn.calls.pending and record.action in USABLE_ACTIONS
        }

    def __bool__(self) -> bool:
        return bool(self._records)

    def answer(self, call: Block, tool: Tool | None) -> tuple[Block, None] | None:
        del tool
        record = self._records.get(call.tool_call_id)
        if record is None or record.action == APPROVED:
            return None
        result, error = None, "skipped: this call was not run"
        if record.action == DENIED:
            error = f"denied: {record.reason}" if record.reason else "denied"
        elif record.action == BY_MOCK:
            payload: Any = record.after or {}
            result, error = payload.get("result"), str(payload.get("error") or "")
        return answered_by(tool_use(call.tool_call_id, result, error), record.action), None

    def pause_reason(self, call: Block, tool: Tool | None) -> str:
        record = self._records.get(call.tool_call_id)
        is_harmless = tool is not None and tool.effect != "effectful"
        if record is None or record.action != APPROVED or self._is_trusted or is_harmless:
            return ""
        return f"{call.name} was approved in the Turn; confirm it, or ask with decisions=True"

    def copy(self) -> ListedDecisions:
        return self

    def without_pauses(self) -> ListedDecisions:
        return self


def _require_known(record: DecisionRecord) -> None:
    """Raise MisuseError for a decision that would be ignored, because its call would then run."""
    if record.action not in (*USABLE_ACTIONS, *PAST_ACTIONS):
        raise MisuseError(
            f"call {record.call_id!r:.60}: unknown action {record.action!r:.60}; use one of {', '.join(USABLE_ACTIONS)}"
        )
    if record.action == BY_MOCK and not isinstance(record.after, Mapping | None):
        raise MisuseError(f"call {record.call_id!r:.60}: a mock needs after: {{result: …}}, got {record.after!r:.60}")


__all__ = ["ListedDecisions"]
