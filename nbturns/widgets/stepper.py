"""The live view of an execution: buttons, waiting calls, snapshots, and blocks as they arrive.

Each button calls a method of the execution or its session without waiting. Code in other cells and other views may do
the same at any time. After a retry or a fork the view shows the new execution in place of the old one.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

import traitlets

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
from ..render.annotations import turn_ending
from ..render.es_modules import ViewModule
from ..render.html import turn_html
from ..render.output_page import page_data
from ..render.text import conversation_outline, visible
from ..runtime.background_loop import call_soon
from ..runtime.execution import Execution
from ..runtime.retries import failed_call
from ..safety.visible_text import printable
from ..session import Session
from ..values.turns import Turn
from .live_table import LiveTable
from .stepping.debug_state import DebugState

FINISHED_STATES = ("done", "stopped", "failed")
MAX_NOTICES = 5


class Stepper(DebugState, LiveTable):
    """The live view of one execution, and of the retries and forks that are made with its buttons.

    `execution` is the one that is shown.
    """

    _esm = ViewModule("stepper.js", "block_table.css", "views.css", "compare.css", "stepper.css")
    debug: traitlets.Dict[str, Any] = traitlets.Dict().tag(sync=True)

    def __init__(self, execution: Execution, *, markdown: bool = False) -> None:
        self.execution = execution
        self._activity = ""
        self._model_is_answering = False
        self._last_event_time = time.time()
        self._notices: list[str] = []
        self._running_tools: dict[str, str] = {}
        self._first_new_block = len(execution.turn)
        self._unfollow: Callable[[], object] = lambda: None
        self._init_debug()
        super().__init__(execution.turn, markdown=markdown)
        call_soon(self._start_listening)

    @printable
    def __repr__(self) -> str:
        return f"<Stepper of {self.execution!r}>"

    def _repr_html_(self) -> str:
        return turn_html(self.execution.turn, markdown=self.markdown)

    def _plain_text(self) -> str:
        return f"{self.execution!r}\n{conversation_outline(self.execution.turn)}"

    def _page_data(self) -> Mapping[str, Any] | None:
        return page_data(self.execution.turn, markdown=self.markdown)

    def _static_bundle(self) -> dict[str, str]:
        return execution_bundle(self.execution)

    # Events of the execution, on the background event loop.

    def _start_listening(self) -> None:
        """Show the current state and subscribe; both happen on the event loop, so no event is missed."""
        if self._is_closed:
            return
        execution = self.execution
        self._turn, self._first_new_block = execution.turn, len(execution.turn)
        for delta in execution.deltas:
            self._streaming_rows.add(delta)
        notices = [visible(event.text) for event in execution._events if isinstance(event, Notice)]
        self._notices = notices[-MAX_NOTICES:]

        def on_event(event: Event) -> None:
            if execution is self.execution:
                self._on_event(event)

        self._follow_debug(execution)
        execution.listen(on_event, replay=False)
        self._unfollow = lambda: execution.unlisten(on_event)
        self._until_closed(self._unfollow)
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
                self._notices = [*self._notices, visible(text)][-MAX_NOTICES:]
            case Ended(turn=turn):
                self._finish_streaming(turn)
                self._activity, self._model_is_answering = "", False
                self._running_tools.clear()
        self._last_event_time = event.at or self._last_event_time
        if isinstance(event, (Paused, Ended)):
            self._send_throttled.now()
            self._refresh_page()
        else:
            self._schedule_send(text=isinstance(event, Delta))
        self._on_debug_event(event)

    def _show_execution(self, execution: Execution) -> None:
        """Show another execution in place of this one."""
        self._unfollow()
        self.execution = execution
        self._streaming_rows.clear()
        self._running_tools.clear()
        self._activity, self._model_is_answering = "", False
        self._last_event_time = time.time()
        self._start_listening()

    def _show_session(self, session: Session) -> None:
        """Show the last execution of another session; a fork that has none yet is shown as a Turn."""
        if session.execution is not None:
            self._show_execution(session.execution)
            return
        self._notices = [*self._notices, "this branch was not asked anything yet: nt.view(session)"][-MAX_NOTICES:]
        self._schedule_send()

    def _shown_turn(self) -> Turn:
        return self._turn

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
            "cost": self._turn.cost,
            "model_calls": len(self._turn.inferences),
            "first_new": self._first_new_block,
            "answering": self._model_is_answering,
            "notices": self._notices,
        }
        if execution.status in FINISHED_STATES:
            status |= {"ending": turn_ending(self._turn), "can_retry": self._session_that_retries() is not None}
        if pause is not None:
            status |= {"pause": pause.number, "reason": pause.reason, "phase": str(pause.phase)}
            status["pending_count"] = len(pause.pending)
        return status

    def _elapsed(self) -> dict[str, Any]:
        """Return the seconds since the start, or the total duration."""
        end = self._last_event_time if self.execution.status in FINISHED_STATES else time.time()
        return {"seconds": round(max(end - self.execution.started_at, 0), 1)}

    def _session_that_retries(self) -> Any:
        """Return the session of the execution, if it can ask the failed call again; else None."""
        return retrying_session(getattr(self.execution, "session", None), self.execution)

    # Messages from the page.

    def _handle_message(self, message: dict[str, Any]) -> None:
        """Handle a click on a button, or a request of the page; invalid messages are ignored."""
        if self._handle_debug_message(message):
            return
        match message:
            case {"press": "step", "pause": int(number)}:
                self.execution.step(number=number)
            case {"press": "retry"} if self._session_that_retries() is not None:
                self._handle_debug_message({"do": "retry"})
            case {"press": str(name)}:
                press_button(self.execution, name)
                self._schedule_send()
            case _:
                super()._handle_message(message)


def press_button(execution: Execution, name: str) -> None:
    """Call the method of a button."""
    with suppress(EndedError):  # a click on a button of the last moment
        match name:
            case "run":
                execution.resume()
            case "pause":
                execution.pause()
            case "stop":
                execution.stop()


def retrying_session(session: Any, execution: Execution | None) -> Any:
    """Return `session` if its last execution is this one, which failed in a model call; else None."""
    if session is None or execution is None or session.execution is not execution or execution.status != "failed":
        return None
    return session if failed_call(execution.turn) is not None else None


def show(execution: Execution) -> None:
    """Display an execution as the output of a cell: live while it runs, static when it has ended.

    The static table replaces the live view, so a saved notebook is always readable. After a failure the view stays, with
    the buttons to retry and to fork.
    """
    from IPython.display import display

    if execution.done:
        display(execution_bundle(execution), raw=True)  # type: ignore[no-untyped-call]  # IPython has no types
        return
    stepper = Stepper(execution)
    stepper._ipython_display_()

    def freeze_at_end(event: Event) -> None:
        if isinstance(event, Ended) and event.status != "failed":
            stepper.freeze()

    execution.listen(freeze_at_end)


def execution_bundle(execution: Execution) -> dict[str, str]:
    """Return the MIME bundle of the static table with a line about how the execution ended."""
    from ..render.html import execution_html

    return {
        "text/plain": f"{execution!r}\n{conversation_outline(execution.turn)}",
        "text/html": execution_html(execution.turn, execution.status, execution.error),
    }
