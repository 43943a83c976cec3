"""The state that the mouse side of an execution shows, and the requests of its pages.

A view has it as the trait `debug`: small, numbered, and sent when it changed. Entries of the snapshot slider are sent
once; a page that misses a number asks for all. Requests are messages with "do"; each is answered with its "debug_id".
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ...errors import EndedError, MisuseError, message_of
from ...events import (
    Delta,
    Ended,
    Event,
    InferenceFinished,
    InferenceStarted,
    Notice,
    Paused,
    Resumed,
    Snapshot,
    Started,
    ToolFinished,
    ToolStarted,
)
from ...render.text import visible
from ...runtime.execution import Execution
from ...values.blocks import Block
from ..throttle import Throttle
from .breakpoint_forms import add_breakpoint, breakpoint_rows, change_breakpoint
from .call_cards import call_cards, call_faults
from .call_fields import json_text
from .failure_card import failure_card, retry_settings
from .going_back import GoingBack, recorded_length
from .page_decisions import RefusedEdit, decide, edited_call
from .rail_entries import RailEntries
from .rule_rows import decision_rows, rule_of_page, rule_rows, without_rule
from .step_targets import step_to

STATES_PER_SECOND = 20


class DebugState(GoingBack):
    """A mixin of a view of an execution. The view has a trait `debug`, `set_trait`, `send` and `_run_in_cell`."""

    set_trait: Any
    send: Any
    _run_in_cell: Callable[..., None]
    _session_that_retries: Callable[[], Any]

    def _init_debug(self) -> None:
        self._rail = RailEntries()
        self._debug_number = 0
        self._debug_execution: Execution | None = None
        self._sent_debug: dict[str, Any] = {}
        self._cards: tuple[Any, dict[str, Any] | None] = (None, None)
        self._send_debug_throttled = Throttle(self._send_debug, STATES_PER_SECOND)

    def _debug_session(self) -> Any:
        """Return the session of the execution; None for an execution without one."""
        return getattr(self._debug_execution, "session", None)

    # On the event loop.

    def _follow_debug(self, execution: Execution | None) -> None:
        """Show another execution, with all its events so far."""
        self._debug_execution = execution
        self._rail = RailEntries()
        self._cards = (None, None)
        for event in execution.events if execution is not None else ():
            self._rail.add_event(event)
        self._sent_debug = {}
        self._send_debug_throttled()

    def _on_debug_event(self, event: Event) -> None:
        """Take over an event of the execution that is shown."""
        if isinstance(event, (Delta, InferenceStarted, InferenceFinished, ToolStarted, ToolFinished, Notice, Started)):
            return
        self._rail.add_event(event)
        if isinstance(event, (Paused, Ended)):
            self._send_debug_throttled.now()
        elif isinstance(event, (Snapshot, Resumed)):
            self._send_debug_throttled()

    def _debug_state(self) -> dict[str, Any]:
        """Return the state without the entries of the slider."""
        execution, session = self._debug_execution, self._debug_session()
        state: dict[str, Any] = {
            "execution": "" if execution is None else execution.id,
            "snapshots": len(self._rail.entries),
            "has_session": session is not None,
        }
        if session is not None:
            state |= {"rules": rule_rows(session), "branch": self._branch_state(session)}
            if (live_from := recorded_length(session)) is not None:
                state["live_from"] = live_from
        if execution is None:
            return {**state, "status": "ready"}
        pause = execution.paused_at
        state |= {
            "status": execution.status,
            "pause": 0 if pause is None else pause.number,
            "breakpoints": breakpoint_rows(execution, pause),
            "decisions": decision_rows(execution),
            "cards": self._current_cards(execution),
        }
        if (failure := failure_card(execution, can_retry=self._session_that_retries() is not None)) is not None:
            state["failure"] = failure
            if session is not None:
                state["retry"] = retry_settings(session)
        return state

    def _current_cards(self, execution: Execution) -> dict[str, Any] | None:
        """Return the cards of the current pause, made once."""
        pause = execution.paused_at
        if pause is None:
            return None
        if self._cards[0] is not pause:
            self._cards = (pause, call_cards(pause, execution._tool_of))
        return self._cards[1]

    def _send_debug(self) -> None:
        """Send the state if it changed."""
        state = self._debug_state()
        start, entries = self._rail.take_unsent()
        if state == self._sent_debug and not entries:
            return
        self._sent_debug = state
        self._debug_number += 1
        rail = {"from": start, "entries": [[*entry] for entry in entries]}
        self._run_in_cell(self.set_trait, "debug", {"number": self._debug_number, "rail": rail, **state})

    # Requests of the page.

    def _handle_debug_message(self, message: Mapping[str, Any]) -> bool:
        """Carry out a request of a page and answer it; return False for a message of another kind."""
        if not isinstance(message.get("do"), str):
            return False
        answer: dict[str, Any]
        try:
            answer = self._answer_debug(message) or {}
        except RefusedEdit as refusal:
            answer = {"error": visible(message_of(refusal)), "call": refusal.call_id, "faults": refusal.faults}
        except Exception as error:  # the page displays any error and continues
            answer = {"error": visible(f"{message_of(error) or type(error).__name__}")}
        if isinstance(id := message.get("debug_id"), str):
            self._run_in_cell(self.send, {"debug_id": id[:40], **answer})
        self._send_debug_throttled()
        return True

    def _answer_debug(self, message: Mapping[str, Any]) -> dict[str, Any] | None:
        action = message["do"]
        if action == "state":
            self._rail.send_all()
            self._sent_debug = {}
            return None
        if (answer := self._answer_going_back(action, message)) is not None:
            return answer
        execution = self._debug_execution
        if execution is None:
            raise MisuseError("nothing is running yet")
        match action:
            case "decide":
                self._refuse_ended(execution)
                decide(execution, message)
            case "step_to":
                self._refuse_ended(execution)
                step_to(execution, message)
            case "check":
                return {"faults": self._faults(execution, message)}
            case "args_json":
                return {"json": self._args_json(execution, message)}
            case "breakpoint_add":
                add_breakpoint(execution, message)
            case "breakpoint_change":
                change_breakpoint(execution, message)
            case "rule_add" | "rule_remove":
                self._change_rules(action, message)
            case _:
                raise MisuseError(f"unknown request {action!r:.40}")
        return None

    def _refuse_ended(self, execution: Execution) -> None:
        if execution.done:
            raise EndedError("this execution is over")

    def _waiting_call(self, execution: Execution, message: Mapping[str, Any]) -> Block | None:
        """Return the waiting call that a message names."""
        pause = execution.paused_at
        calls = () if pause is None else pause.pending
        return next((call for call in calls if call.tool_call_id == message.get("call")), None)

    def _args_json(self, execution: Execution, message: Mapping[str, Any]) -> str:
        """Return the arguments that a form holds, as JSON."""
        call = self._waiting_call(execution, message)
        if call is None:
            raise MisuseError("this call no longer waits")
        return json_text(edited_call(call, message, execution._tool_of(call)).args, indent=2)

    def _faults(self, execution: Execution, message: Mapping[str, Any]) -> list[dict[str, str]]:
        """Return what is wrong with the arguments that a form holds."""
        call = self._waiting_call(execution, message)
        tool = None if call is None else execution._tool_of(call)
        if call is None or tool is None:
            return []
        try:
            return call_faults(tool, edited_call(call, message, tool))
        except MisuseError as error:
            name, _, _ = message_of(error).partition(":")
            return [{"name": name, "text": visible(message_of(error))}]

    def _change_rules(self, action: str, message: Mapping[str, Any]) -> None:
        session = self._debug_session()
        if session is None:
            raise MisuseError("this execution has no session, so it has no rules")
        if action == "rule_add":
            session.policy = session.policy.with_rule(rule_of_page(message.get("rule")))
        else:
            session.policy = without_rule(session.policy, message.get("index"))


__all__ = ["DebugState"]
