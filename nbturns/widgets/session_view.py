"""The live view of a session: its Turns, the execution in progress with the debugger, and a box to ask from."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any, ClassVar

import traitlets

from ..errors import MisuseError
from ..events import Ended, Event, InferenceFinished, InferenceStarted, ToolFinished, ToolStarted
from ..render.es_modules import ViewModule
from ..render.text import visible
from ..render.timeline import Timeline
from ..runtime.background_loop import call_soon
from ..runtime.execution import Execution
from ..safety.visible_text import printable
from ..session import Session
from ..values.turns import Turn
from .run_view import RunView
from .stepper import press_button, retrying_session
from .stepping.debug_state import DebugState
from .stepping.failure_card import engine_label, retry_arguments
from .stepping.going_back import prompt_text

FINISHED_STATES = ("done", "stopped", "failed")
MAX_ENGINES = 50  # that the prompt box offers


class SessionView(DebugState, RunView):
    """The live view of a session, which it follows. `ask` in the view never blocks the cell.

    `session` is the one that is shown: after a fork, or a click on another branch, it is that branch.
    """

    page_writes: ClassVar[frozenset[str]] = RunView.page_writes | {"draft"}
    _esm = ViewModule(
        "session_view.js", "table.css", "block_table.css", "compare.css", "views.css", "calls_lane.css", "stepper.css"
    )
    debug: traitlets.Dict[str, Any] = traitlets.Dict().tag(sync=True)
    draft = traitlets.Unicode(help="the text in the box that is not sent yet").tag(sync=True)

    def __init__(self, session: Session, **settings: Any) -> None:
        self._running_tools: dict[str, str] = {}
        self._former_engines: list[Any] = []  # that the session had before a prompt changed its engine
        self._last_event_time = time.time()
        self._init_debug()
        super().__init__(session, **settings)

    @printable
    def __repr__(self) -> str:
        return f"<SessionView of {self.session!r}>"

    @property
    def session(self) -> Session:
        """The session that is shown."""
        assert isinstance(self._source, Session)
        return self._source

    # On the event loop.

    def _follow(self, session: Session) -> None:
        if session is self._source:
            super()._follow(session)
            if self._debug_execution is None and session.executions:
                self._follow_debug(session.executions[-1])
            self._send_debug_throttled()

    def _on_execution_start(self, execution: Execution) -> None:
        if self._is_closed or execution is self._followed_execution or execution.session not in (None, self._source):
            return
        super()._on_execution_start(execution)
        unfollow_run = self._unfollow
        self._running_tools.clear()
        self._last_event_time = time.time()

        def on_event(event: Event) -> None:
            if execution is self._debug_execution:
                self._on_session_event(event)

        def unfollow() -> None:
            unfollow_run()
            execution.unlisten(on_event)

        self._follow_debug(execution)
        execution.listen(on_event, replay=False)
        self._unfollow = unfollow

    def _on_session_event(self, event: Event) -> None:
        match event:
            case ToolStarted(call=block):
                self._running_tools[block.tool_call_id] = visible(block.name)
            case ToolFinished(call=block):
                self._running_tools.pop(block.tool_call_id, None)
            case Ended():
                self._running_tools.clear()
        self._last_event_time = event.at or self._last_event_time
        self._on_debug_event(event)
        if isinstance(event, (InferenceStarted, InferenceFinished, ToolStarted, ToolFinished)):
            self._send_debug_throttled()

    def _debug_session(self) -> Session:
        return self.session

    def _session_that_retries(self) -> Any:
        return retrying_session(self._source, self._debug_execution)

    def _shown_turn(self) -> Turn:
        return Turn()  # the page has the snapshots of a Turn itself

    def _debug_state(self) -> dict[str, Any]:
        return {**super()._debug_state(), "bar": self._bar_state(), "engines": self._engine_choices()}

    def _bar_state(self) -> dict[str, Any]:
        """Return the state that the control bar shows."""
        execution = self._debug_execution
        if execution is None:
            return {"status": "ready"}
        pause, snapshots, turn = execution.paused_at, execution.snapshots, execution.turn
        bar: dict[str, Any] = {
            "status": execution.status,
            "activity": f"{', '.join(self._running_tools.values())} running" if self._running_tools else self._activity,
            "snapshots": len(snapshots),
            "phase": str(snapshots[-1].phase) if snapshots else "",
            "tokens": turn.usage.total_tokens,
            "cost": turn.cost,
            "model_calls": len(turn.inferences),
        }
        end = self._last_event_time if execution.status in FINISHED_STATES else time.time()
        bar["seconds"] = round(max(end - execution.started_at, 0), 1)
        if pause is not None:
            bar |= {"pause": pause.number, "reason": pause.reason, "phase": str(pause.phase)}
            bar["pending_count"] = len(pause.pending)
        return bar

    # Requests of the page.

    def _handle_message(self, message: Mapping[str, Any]) -> None:
        if self._handle_debug_message(message):
            return
        match message:
            case {"press": "step", "pause": int(number)} if self._debug_execution is not None:
                self._debug_execution.step(number=number)
            case {"press": "run" | "pause" | "stop" as name} if self._debug_execution is not None:
                press_button(self._debug_execution, name)
                self._send_debug_throttled()
            case _:
                super()._handle_message(message)

    def _answer_debug(self, message: Mapping[str, Any]) -> dict[str, Any] | None:
        if message["do"] == "prompt":
            if not (text := prompt_text(message.get("text"))):
                raise MisuseError("the prompt is empty")
            self.session._refuse_if_busy()  # before the engine is changed
            if engine := message.get("engine"):
                self._use_engine(engine)
            self.session.ask(text, step=True if message.get("step") else None)
            return {}
        return super()._answer_debug(message)

    def _engine_choices(self) -> list[str]:
        """Return the name of the session's engine, then those that it and its branches used before."""
        engines = [self.session.engine, *self._former_engines, *(node.session.engine for node in self.session.tree)]
        return list(dict.fromkeys(engine_label(engine) for engine in engines))[:MAX_ENGINES]

    def _use_engine(self, name: Any) -> None:
        """Change the engine of the session to one that was used before, or to one that is named provider:model."""
        engine = self.session.engine
        known_engines = [engine, *self._former_engines, *(node.session.engine for node in self.session.tree)]
        known_engine = next((engine for engine in known_engines if engine_label(engine) == name), None)
        if known_engine is None:
            arguments = retry_arguments(self.session, {"engine": name})
            known_engine = self.session._engine_with(arguments["engine"], {})
        if known_engine is not engine:
            self._former_engines = [*(former for former in self._former_engines if former is not known_engine), engine]
            self.session.engine = known_engine

    def _show_execution(self, execution: Execution) -> None:
        if execution.session is not self._source:
            self._show_session(execution.session)
        self._on_execution_start(execution)

    def _show_session(self, session: Session) -> None:
        """Show another session of the tree: all Turns anew, and its last execution."""
        self._unfollow()
        self._source = session
        self._timeline, self._followed_execution = Timeline(), None
        self._streaming_rows.clear()
        self._activity = ""
        self._debug_execution = None
        for index, turn in enumerate(session.turns):
            self._update_turn(index, turn, self._snapshots_of(turn))
        self.turn = self.phase = -1
        self._number += 1
        self._run_in_cell(self.set_trait, "start", self._full_state())
        self._follow_debug(session.executions[-1] if session.executions else None)
        call_soon(self._follow, session)


__all__ = ["SessionView"]
