"""The live view of an execution: buttons, status, and blocks as they arrive.

Each button calls the execution method of the same name (`step()`, `resume()`, `pause()`, `stop()`) without waiting.
Code in other cells and other views may do the same at any time.
"""

from __future__ import annotations

import time
from contextlib import suppress
from typing import Any

from ..errors import EndedError
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
from ..render.es_modules import packed_module
from ..render.text import call_line, visible
from ..runtime.background_loop import call_soon
from ..runtime.execution import Execution
from .live_table import LiveTable

FINISHED_STATES = ("done", "stopped", "failed")
MAX_LISTED_CALLS = 8  # above the table, which shows all of them


class Stepper(LiveTable):
    """The live view of one execution."""

    _esm = packed_module("stepper.js", "block_table.css", "views.css")

    def __init__(self, execution: Execution) -> None:
        self.execution = execution
        self._activity = ""
        self._model_is_answering = False
        self._last_event_time = time.time()
        self._notices: list[str] = []
        self._running_tools: dict[str, str] = {}
        self._first_new_block = len(execution.turn)
        super().__init__(execution.turn)
        call_soon(self._start_listening)

    def __repr__(self) -> str:
        return f"<Stepper of {self.execution!r}>"

    def _repr_html_(self) -> str:
        return self.execution.turn._repr_html_()

    def _plain_text(self) -> str:
        return repr(self.execution)

    def _static_bundle(self) -> dict[str, str]:
        return execution_bundle(self.execution)

    # Events of the execution, on the background event loop.

    def _start_listening(self) -> None:
        """Show the current state and subscribe; both happen on the event loop, so no event is missed."""
        self._turn, self._first_new_block = self.execution.turn, len(self.execution.turn)
        for delta in self.execution.deltas:
            self._streaming_rows.add(delta)
        self.execution.listen(self._on_event, replay=False)
        self._schedule_send()

    def _on_event(self, event: Event) -> None:
        """Update the state after an event and send it to the page."""
        match event:
            case Delta():
                self._streaming_rows.add(event)
            case InferenceStarted():
                self._activity, self._model_is_answering = "the model is answering", True
            case InferenceFinished():
                self._streaming_rows.inference_finished(event)
                self._activity, self._model_is_answering = "", False
            case Snapshot(turn=turn):
                self._finish_streaming(turn)
            case ToolStarted(call=block):
                self._running_tools[block.tool_call_id] = visible(block.name)
            case ToolFinished(call=block):
                self._running_tools.pop(block.tool_call_id, None)
            case Resumed(turn=turn):
                self._turn, self._first_new_block = turn, len(turn)
            case Notice(text=text):
                self._notices = [*self._notices[-4:], visible(text)]
            case Ended(turn=turn):
                self._finish_streaming(turn)
                self._activity, self._model_is_answering = "", False
                self._running_tools.clear()
        self._last_event_time = event.at or self._last_event_time
        if isinstance(event, (Paused, Ended)):
            self._send_throttled.now()
        else:
            self._schedule_send(text=isinstance(event, Delta))

    def _status(self) -> dict[str, Any]:
        """Return the state of the execution as the page needs it for the status line and the buttons."""
        execution, pause = self.execution, self.execution.paused_at
        snapshots = execution.snapshots
        status: dict[str, Any] = {
            "status": execution.status,
            "activity": f"{', '.join(self._running_tools.values())} running" if self._running_tools else self._activity,
            "snapshots": len(snapshots),
            "iteration": snapshots[-1].iteration if snapshots else 0,
            "phase": str(snapshots[-1].phase) if snapshots else "",
            "tokens": self._turn.usage.total_tokens,
            "first_new": self._first_new_block,
            "answering": self._model_is_answering,
            "notices": self._notices,
        }
        if execution.error is not None:
            status["error"] = visible(f"{type(execution.error).__name__}: {execution.error}")
        if pause is not None:
            status |= {"pause": pause.number, "reason": pause.reason, "phase": str(pause.phase)}
            pending_calls = pause.pending
            status["pending_calls"] = [call_line(block, 400) for block in pending_calls[:MAX_LISTED_CALLS]]
            status["pending_count"] = len(pending_calls)
        return status

    def _elapsed(self) -> dict[str, Any]:
        """Return the seconds since the start, or the total duration."""
        end = self._last_event_time if self.execution.status in FINISHED_STATES else time.time()
        return {"seconds": round(max(end - self.execution.started_at, 0), 1)}

    # Messages from the page.

    def _handle_message(self, message: dict[str, Any]) -> None:
        """Handle a click on a button, or a request of the page; invalid messages are ignored."""
        match message:
            case {"press": "step", "pause": int(number)}:
                self.execution.step(number=number)
            case {"press": "run"}:
                with suppress(EndedError):  # a click on a button of the last moment
                    self.execution.resume()
            case {"press": "pause"}:
                self.execution.pause()
                self._schedule_send()
            case {"press": "stop"}:
                self.execution.stop()
            case _:
                super()._handle_message(message)


def show(execution: Execution) -> None:
    """Display an execution as the output of a cell: live while it runs, static when it has ended.

    The static table replaces the live view, so a saved notebook is always readable.
    """
    from IPython.display import display

    if execution.done:
        display(execution_bundle(execution), raw=True)  # type: ignore[no-untyped-call]  # IPython has no types
        return
    stepper = Stepper(execution)
    stepper._ipython_display_()
    execution.listen(lambda event: stepper.freeze() if isinstance(event, Ended) else None)


def execution_bundle(execution: Execution) -> dict[str, str]:
    """Return the MIME bundle of the static table with a line about how the execution ended."""
    from ..render.html import execution_html

    return {
        "text/plain": repr(execution),
        "text/html": execution_html(execution.turn, execution.status, execution.error),
    }
