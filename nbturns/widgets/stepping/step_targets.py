"""The targets of the Step menu: one call, the next model call, a tool, the end of the iteration."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...errors import MisuseError
from ...events import Phase, Snapshot
from ...runtime.execution import Execution
from .page_decisions import BY_VIEW, step_arguments

MAX_TOOL_LENGTH = 200


def step_to(execution: Execution, message: Mapping[str, Any]) -> None:
    """Continue to a target. Waiting calls run as the forms stand. A message for an earlier pause has no effect.

    The targets: "call" runs the first waiting call alone; "model" pauses after the next model call; "iteration"
    after the tools, or at the end; "tool" before a call of the tool `tool` (a glob).
    """
    pause = execution.paused_at
    if pause is None or message.get("pause") != pause.number:
        return
    arguments = step_arguments(pause, message.get("calls") or {}, execution._tool_of)
    run_ids = arguments.pop("run")
    match message.get("target"):
        case "call":
            if not pause.pending:
                raise MisuseError("no call waits here")
            first_id = next((id for id in run_ids), pause.pending[0].tool_call_id)
            execution.step(arguments["turn"], only=[first_id], number=pause.number, by=BY_VIEW)
            return
        case "model":
            execution.break_when(phase=Phase.POST_INFERENCE, name="after the next model call", once=True)
        case "iteration":
            execution.break_when(_ends_iteration, name="the end of the iteration", once=True)
        case "tool":
            tool = message.get("tool")
            if not isinstance(tool, str) or not 0 < len(tool) <= MAX_TOOL_LENGTH:
                raise MisuseError(f"a tool is named by a pattern, like delete_*, got {tool!r:.60}")
            execution.break_when(tool=tool, name=f"tool {tool}", once=True)
        case target:
            raise MisuseError(f"unknown target {target!r:.40}")
    execution.resume(**arguments, by=BY_VIEW)


def _ends_iteration(snapshot: Snapshot) -> bool:
    return snapshot.phase in (Phase.POST_TOOLS, Phase.FINAL)


__all__ = ["step_to"]
