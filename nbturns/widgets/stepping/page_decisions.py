"""The decisions that a page sends for the waiting calls of a pause, as the arguments of `execution.step`.

Nothing of a message is trusted: a call must wait at this pause, an edit must fit its tool, and texts are limited.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...errors import MisuseError
from ...events import Pause
from ...runtime.execution import Execution
from ...tools import Tool
from ...values.blocks import Block, tool_use
from ...values.turns import Turn
from .call_cards import ToolOf, call_faults, mocked_result
from .call_fields import MAX_TEXT_LENGTH, edited_args, json_text

BY_VIEW = "view"  # who decided, in the decisions and marks
ACTIONS = ("run", "result", "deny", "skip")


class RefusedEdit(MisuseError):
    """An edit that does not fit its tool. `faults` are in words, per argument."""

    def __init__(self, message: str, call_id: str, faults: list[dict[str, str]]) -> None:
        super().__init__(message)
        self.call_id = call_id
        self.faults = faults


def decide(execution: Execution, message: Mapping[str, Any]) -> None:
    """Carry out the decisions of a message. Raises MisuseError for what this pause does not accept.

    `then` is "one" (the calls of the message alone), "step" or "resume". A message for an earlier pause has no effect.
    """
    pause = execution.paused_at
    if pause is None or message.get("pause") != pause.number:
        return
    then = message.get("then")
    arguments = step_arguments(pause, message.get("calls") or {}, execution._tool_of)
    run_ids = arguments.pop("run")
    if then == "one":
        execution.step(**arguments, only=run_ids, number=pause.number, by=BY_VIEW)
    elif then == "resume":
        execution.resume(**arguments, by=BY_VIEW)
    else:
        execution.step(**arguments, number=pause.number, by=BY_VIEW)


def step_arguments(pause: Pause, decisions: Any, tool_of: ToolOf) -> dict[str, Any]:
    """Return the arguments of `step` for these decisions, by call id; "run" lists the calls that run."""
    if not isinstance(decisions, Mapping):
        raise MisuseError(f"expected decisions by call id, got {decisions!r:.60}")
    calls = {call.tool_call_id: call for call in pause.pending}
    turn = pause.turn
    deny: dict[str, str] = {}
    mock: dict[str, Any] = {}
    skip: list[str] = []
    run: list[str] = []
    errors: list[Block] = []
    for id, decision in decisions.items():
        call = calls.get(id)
        if call is None or not isinstance(decision, Mapping):
            raise MisuseError(f"no call {id!r:.60} waits here")
        text = decision.get("text") or ""
        if not isinstance(text, str) or len(text) > MAX_TEXT_LENGTH:
            raise MisuseError(f"{call.name}: expected a text of at most {MAX_TEXT_LENGTH:,} characters")
        match decision.get("do"):
            case "run":
                turn = _with_edit(turn, call, decision, tool_of(call))
                run.append(id)
            case "deny":
                deny[id] = text
            case "skip":
                skip.append(id)
            case "result" if decision.get("error"):
                errors.append(tool_use(id, None, text or "failed"))
            case "result":
                mock[id] = _result_of(call, text, is_json=bool(decision.get("json")))
            case action:
                raise MisuseError(f"a decision must be one of {', '.join(ACTIONS)}, got {action!r:.60}")
    changed_turn = turn + tuple(errors) if errors else turn
    return {
        "turn": None if changed_turn is pause.turn else changed_turn,
        "deny": deny or None,
        "mock": mock or None,
        "skip": skip,
        "run": run,
    }


def _result_of(call: Block, text: str, *, is_json: bool) -> Any:
    try:
        return mocked_result(text, is_json=is_json)
    except (ValueError, RecursionError):
        raise MisuseError(f"{call.name}: the result is not JSON: {text.strip()[:40]!r}") from None


def edited_call(call: Block, edit: Mapping[str, Any], tool: Tool | None) -> Block:
    """Return a call with the arguments of a page; the same object if nothing changed. Raises MisuseError."""
    args = edited_args(call.args, None if tool is None else tool.parameters, edit)
    if args is call.args or json_text(args) == json_text(call.args):
        return call
    return call.edit(args=args)


def _with_edit(turn: Turn, call: Block, edit: Mapping[str, Any], tool: Tool | None) -> Turn:
    changed_call = edited_call(call, edit, tool)
    if changed_call is call:
        return turn
    if tool is None:
        raise MisuseError(f"{call.name}: no tool has this name, so its arguments cannot be checked")
    if faults := call_faults(tool, changed_call):
        raise RefusedEdit("; ".join(fault["text"] for fault in faults), call.tool_call_id, faults)
    index = next(index for index in range(len(turn) - 1, -1, -1) if turn[index] is call)
    return turn.replace(index, changed_call)


__all__ = ["BY_VIEW", "RefusedEdit", "decide", "edited_call", "step_arguments"]
