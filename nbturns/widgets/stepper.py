"""An execution in a cell: its buttons, where it stands, and its blocks as they come.

A button does what its method does, `step()`, `resume()`, `pause()` or `stop()`, and
waits for nothing. Code in other cells and other views may do the same at any time.
"""

from __future__ import annotations

import time
from typing import Any

from ..events import (
    Delta,
    Ended,
    Event,
    InferenceFinished,
    InferenceStarted,
    Notice,
    Paused,
    Resumed,
    Snapshot,
    ToolFinished,
    ToolStarted,
)
from ..execution import Execution
from ..host import call
from ..modules import packed
from ..text import call_line, visible
from .live_table import LiveTable

OVER = ("done", "stopped", "failed")
MOST_WAITING = 8  # calls shown above the table; the table has them all


class Stepper(LiveTable):
    """The live view of one execution."""

    _esm = packed("stepper.js", "block_table.css", "views.css")

    def __init__(self, execution: Execution) -> None:
        self.execution = execution
        self._doing = ""
        self._answering = False
        self._at = time.time()
        self._notices: list[str] = []
        self._running_tools: dict[str, str] = {}
        self._new_from = len(execution.turn)
        super().__init__(execution.turn)
        call(self._begin)

    def __repr__(self) -> str:
        return f"<Stepper of {self.execution!r}>"

    def _repr_html_(self) -> str:
        return self.execution.turn._repr_html_()

    def _plain(self) -> str:
        return repr(self.execution)

    def _still(self) -> dict[str, str]:
        return ended(self.execution)

    # What the execution says, on the host's loop.

    def _begin(self) -> None:
        """Draw it as it stands, and listen from there: nothing can happen in between."""
        self._turn, self._new_from = self.execution.turn, len(self.execution.turn)
        for delta in self.execution.deltas:
            self._streams.add(delta)
        self.execution.listen(self._hear, replay=False)
        self._changed()

    def _hear(self, event: Event) -> None:
        match event:
            case Delta():
                self._streams.add(event)
            case InferenceStarted():
                self._doing, self._answering = "the model is answering", True
            case InferenceFinished():
                self._streams.finished(event)
                self._doing, self._answering = "", False
            case Snapshot(turn=turn):
                self._all_came(turn)
            case ToolStarted(call=block):
                self._running_tools[block.tool_call_id] = visible(block.name)
            case ToolFinished(call=block):
                self._running_tools.pop(block.tool_call_id, None)
            case Resumed(turn=turn):
                self._turn, self._new_from = turn, len(turn)
            case Notice(text=text):
                self._notices = [*self._notices[-4:], visible(text)]
            case Ended(turn=turn):
                self._all_came(turn)
                self._doing, self._answering = "", False
                self._running_tools.clear()
        self._at = event.at or self._at
        if isinstance(event, (Paused, Ended)):
            self._draw.now()
        else:
            self._changed(text=isinstance(event, Delta))

    def _where(self) -> dict[str, Any]:
        """Where it stands, in what the page needs to say so and to know which buttons may be pressed."""
        execution, pause = self.execution, self.execution.paused_at
        snapshots = execution.snapshots
        status: dict[str, Any] = {
            "status": execution.status,
            "doing": f"{', '.join(self._running_tools.values())} running" if self._running_tools else self._doing,
            "snapshots": len(snapshots),
            "iteration": snapshots[-1].iteration if snapshots else 0,
            "phase": str(snapshots[-1].phase) if snapshots else "",
            "tokens": self._turn.usage.total_tokens,
            "new": self._new_from,
            "answering": self._answering,
            "notices": self._notices,
        }
        if execution.error is not None:
            status["error"] = visible(f"{type(execution.error).__name__}: {execution.error}")
        if pause is not None:
            status |= {"pause": pause.number, "reason": pause.reason, "phase": str(pause.phase)}
            waiting = pause.pending
            status["waiting"] = [call_line(block, 400) for block in waiting[:MOST_WAITING]]
            status["calls"] = len(waiting)
        return status

    def _clock(self) -> dict[str, Any]:
        """Seconds since it began, or as many as it took."""
        until = self._at if self.execution.status in OVER else time.time()
        return {"seconds": round(max(until - self.execution.began, 0), 1)}

    # What the page says.

    def _heard(self, message: dict[str, Any]) -> None:
        match message:
            case {"press": "step", "pause": int(number)}:
                self.execution.step(number=number)
            case {"press": "run"}:
                self.execution.resume()
            case {"press": "pause"}:
                self.execution.pause()
                self._changed()
            case {"press": "stop"}:
                self.execution.stop()
            case _:
                super()._heard(message)


def show(execution: Execution) -> None:
    """Show an execution as the output of a cell: live while it runs, a static table when it ended.

    The static one takes the live one's place, so that a saved notebook can always be read.
    """
    from IPython.display import display

    if execution.done:
        display(ended(execution), raw=True)  # type: ignore[no-untyped-call]  # IPython has no types
        return
    stepper = Stepper(execution)
    stepper._ipython_display_()
    execution.listen(lambda event: stepper.freeze() if isinstance(event, Ended) else None)


def ended(execution: Execution) -> dict[str, str]:
    """The static table, under a line that says how it ended."""
    from ..html import execution_html

    return {
        "text/plain": repr(execution),
        "text/html": execution_html(execution.turn, execution.status, execution.error),
    }
