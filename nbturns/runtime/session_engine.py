"""The loop of a session as an engine of another session."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..events import Event, Snapshot
from ..values.turns import Turn
from .engine_protocol import Engine, ModelCall, Scope
from .step_controller import StepController
from .tool_loop import run_loop


class SessionEngine:
    """The loop of a session as an engine; `recording_engine` gets each of its model calls."""

    def __init__(self, session: Any) -> None:
        self._session = session

    async def __call__(self, turn: Turn, scope: Scope) -> Turn:
        return await self.signing_engine(id)(turn, scope)

    def signing_engine(self, record_call: Callable[[ModelCall], object]) -> Engine:
        session, recording_engine = self._session, self._session._recording_engine(record_call)
        tool_config = session.tool_config

        async def engine(turn: Turn, scope: Scope) -> Turn:
            def emit_outside(event: Event) -> object:  # snapshots are taken by the outer loop alone
                return None if isinstance(event, Snapshot) else scope.emit(event)

            inner_scope = session._scope(tool_config, turn, emit_outside, scope.new_id)
            inner_scope = inner_scope.replace(call_rules=tuple(rule.without_pauses() for rule in session._call_rules))
            return await run_loop(
                turn,
                recording_engine,
                inner_scope,
                StepController(False, tool_config, emit_outside),
                limit=tool_config.max_iterations,
            )

        return engine

    def __repr__(self) -> str:
        return f"<{self._session!r:.40} as an engine: {self._session.engine!r:.60}>"
