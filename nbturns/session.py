"""A conversation over time: its Turns so far, and at most one execution in progress."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from inspect import iscoroutinefunction
from typing import Any
from uuid import uuid4

from .errors import BusyError, MisuseError
from .events import Event, Notice, Pause, Sink, Snapshot
from .middleware.checked_output import CheckedOutput
from .middleware.system_prompts import session_prompt, with_session_prompt
from .runtime.background_loop import background_loop, start_lock
from .runtime.call_ids import with_distinct_call_ids
from .runtime.engine_protocol import Engine, Middleware, ModelCall, Scope, recording_engine, with_block_ids
from .runtime.execution import STATUS, Execution
from .runtime.prompts import prompt_blocks, with_open_calls_answered
from .runtime.step_controller import Breakpoint, StepController, parse_pause_phases
from .runtime.tool_config import ToolConfigLayers
from .runtime.tool_loop import run_loop
from .runtime.toolbox import TOOL_CONFIG, Toolbox, ToolConfig
from .tools import Tool
from .values.frozen_json import freeze
from .values.inference_results import INFERENCE_RESULT, INFERENCES, OUTPUT, Usage
from .values.metadata import Key
from .values.turns import Block, Run, Turn

SESSION_ID: Key[str] = Key("geppetto.session_id@v1", str)
EXECUTION_ID: Key[str] = Key("geppetto.inference_id@v1", str)
RUNTIME: Key[Any] = Key("geppetto.runtime@v1", Any)
TOOL_DEFINITIONS: Key[list[dict[str, Any]]] = Key("geppetto.tool_definitions@v1", list[dict[str, Any]])


class Session:
    """A conversation with one engine: ask, and ask again.

    `middleware` wraps each model call, the first outermost. `sinks` receive every event,
    `on_snapshot` only the snapshots. `step=True` pauses every execution at its boundaries, a set
    of phases pauses it at these; `break_when` are breakpoints of every execution, each a function
    of a snapshot. `run` is a history to continue. `runtime` describes the source of the session
    and is written on every Turn.
    """

    def __init__(
        self,
        engine: Engine,
        *,
        system: str = "",
        tools: Iterable[Tool | Callable[..., Any]] = (),
        middleware: Iterable[Middleware] = (),
        sinks: Iterable[Sink] = (),
        on_snapshot: Callable[[Snapshot], object] | None = None,
        tool_config: ToolConfig = ToolConfig(),  # noqa: B008  # a value, which never changes
        step: bool | Iterable[str] = False,
        break_when: Iterable[Breakpoint] = (),
        id: str | None = None,
        run: Run | None = None,
        runtime: Mapping[str, Any] | None = None,
    ) -> None:
        _refuse_misuse(engine, system, tool_config, run)
        parse_pause_phases(step)
        self.id = id or (run.id if run else "") or uuid4().hex
        self.engine = engine
        self.system = system
        self.tools = tools if isinstance(tools, Toolbox) else Toolbox(tools)
        self.middleware = _require_callables(middleware, "middleware")
        self.sinks = _require_callables(sinks, "sinks")
        self.on_snapshot = on_snapshot
        _require_callables(() if on_snapshot is None else (on_snapshot,), "on_snapshot")
        self.tool_config = tool_config
        self.step = step
        self.break_when = _require_callables(break_when, "break_when")
        self.runtime = None if runtime is None else freeze(runtime)
        self.execution: Execution | None = None
        self._executions: list[Execution] = []
        self._watchers: list[Callable[[Execution], object]] = []
        self._turns: tuple[Turn, ...] = run.turns if run else ()
        self._ids = _IdSource()
        self._tool_config_layers = ToolConfigLayers()
        if unknown_tools := [name for name in tool_config.allowed or () if name not in self.tools]:
            tool_names = ", ".join(tool.name for tool in self.tools) or "none"
            raise MisuseError(
                f"tool_config allows {unknown_tools[0]!r}, which is not a tool of this session; its tools: {tool_names}"
            )

    @property
    def turns(self) -> tuple[Turn, ...]:
        """The Turns so far, one per execution, the oldest first."""
        return self._turns

    @property
    def latest(self) -> Turn:
        """The last Turn; before the first, a Turn with only the system prompt."""
        return self._turns[-1] if self._turns else with_session_prompt(Turn(), self.system)

    @property
    def run(self) -> Run:
        """The conversation so far, as a Run."""
        return Run(self._turns, id=self.id)

    @property
    def usage(self) -> Usage:
        return self.run.usage

    @property
    def cost(self) -> float | None:
        return self.run.cost

    def ask(
        self,
        prompt: str | Block | Iterable[str | Block] | Turn,
        *,
        step: bool | Iterable[str] | None = None,
        limit: int | None = None,
        output: Any = None,
    ) -> Execution:
        """Add `prompt` to the conversation, start an execution and return it at once.

        Each text is a user block. A Turn as prompt is continued, its pending calls first; tool settings in
        its data take precedence over those of the session. `limit` is the number of model calls. `output` is the required type of the answer, for example a pydantic model: `turn.output` is
        then an object of it, and an answer that does not match is requested again. Raises BusyError
        while another execution of this session is not over.
        """
        if limit is not None and (not isinstance(limit, int) or isinstance(limit, bool) or limit < 1):
            raise MisuseError(f"limit must be a number of model calls, at least 1, got {limit!r:.60}")
        output_checks = () if output is None else (CheckedOutput(output),)
        blocks = prompt if isinstance(prompt, Turn) else prompt_blocks(prompt)
        with start_lock():  # two threads may ask at the same time
            self._refuse_if_busy()
            background_loop()  # raises where no execution can run
            execution = self._make_execution(blocks, self.step if step is None else step, limit, output_checks)
            self._executions.append(execution)
            self.execution = execution  # before the start, because sinks use it
            execution.start()
        for watcher in tuple(self._watchers):
            watcher(execution)
        return execution

    def _refuse_if_busy(self) -> None:
        execution = self.execution
        if execution is None or execution.status in ("done", "stopped", "failed"):
            return
        if not execution.is_of_this_process:
            raise BusyError("this session's execution runs in the process that forked this one; ask session.fork()")
        raise BusyError(
            f"this session's execution is {execution.status}; take its result(), step() it to the end, or stop() it"
        )

    def _make_execution(
        self, prompt: Turn | tuple[Block, ...], step: Any, limit: int | None, output_checks: tuple[Middleware, ...]
    ) -> Execution:
        execution_id = self._ids.new()
        config = self._tool_config_layers.effective_config(
            self.tool_config, prompt if isinstance(prompt, Turn) else self.latest, is_prompt=isinstance(prompt, Turn)
        )
        turn, notices = with_distinct_call_ids(self._seed(prompt, execution_id, config), self._ids.new)
        max_calls = config.max_iterations if limit is None else limit

        async def drive(execution: Execution) -> Turn:
            for text in notices:
                execution.emit(Notice(text))
            scope = self._scope(config, turn, execution.emit, self._ids.new)
            return await run_loop(
                turn, self._recording_engine(shape=output_checks), scope, execution._step_controller, limit=max_calls
            )

        return Execution(
            drive,
            turn,
            id=execution_id,
            step=step,
            break_when=self.break_when,
            config=config,
            sinks=(*self.sinks, *((self._snapshot_sink,) if self.on_snapshot else ())),
            settle=self._accept,
        )

    def _scope(self, config: ToolConfig, turn: Turn, emit: Sink, new_id: Callable[[], str]) -> Scope:
        turn_config = turn.data.get(TOOL_CONFIG)
        return Scope(tools=self.tools, tool_config=config, emit=emit, new_id=new_id, turn_config=turn_config)

    def _recording_engine(
        self, record_call: Callable[[ModelCall], object] = id, shape: tuple[Middleware, ...] = ()
    ) -> Engine:
        """Return the engine that the loop calls: wrapped in the middlewares and the system prompt."""
        layers = (*self.middleware, session_prompt(self.system)) if self.system else self.middleware
        return recording_engine(self.engine, (*shape, *layers), record_call)

    def as_engine(self) -> Engine:
        """Return this session as an engine for another session.

        The engine runs this session's loop on the Turn it gets, with its own engine, system prompt,
        middlewares, tools and limit, and returns the Turn with all new blocks. Each model call signs
        its own blocks and its events reach the outer session. History and steps of this session are
        not used, so it may serve several sessions at once.
        """
        return _SessionEngine(self)

    @property
    def executions(self) -> tuple[Execution, ...]:
        """Every execution so far, the oldest first."""
        return tuple(self._executions)

    def watch(self, watcher: Callable[[Execution], object]) -> None:
        """Call `watcher` with each execution from now on, when it starts."""
        self._watchers.append(watcher)

    def unwatch(self, watcher: Callable[[Execution], object]) -> None:
        if watcher in self._watchers:
            self._watchers.remove(watcher)

    def stop(self) -> None:
        """Stop the execution in progress, if there is one."""
        if self.execution is not None:
            self.execution.stop()

    def fork(self, at: Snapshot | Turn | int | None = None) -> Session:
        """Return a new session with the same engine and tools that continues from `at`.

        `at` is a snapshot, a Turn, or an index into `turns`; None is the latest Turn. This
        session does not change.
        """
        if at is None:
            turns = self._turns
        elif isinstance(at, int):
            if not -len(self._turns) <= at < len(self._turns):
                raise IndexError(f"index {at} is out of range (this session has {len(self._turns)} Turns)")
            turns = self._turns[: range(len(self._turns))[at] + 1]
        else:
            turn = at.turn if isinstance(at, (Snapshot, Pause)) else at
            if not isinstance(turn, Turn):
                raise MisuseError(f"fork() expects a snapshot, a Turn or an index of a Turn, got {at!r:.60}")
            turns = (*(earlier_turn for earlier_turn in self._turns if _is_beginning_of(earlier_turn, turn)), turn)
        return Session(
            self.engine,
            system=self.system,
            tools=self.tools,
            middleware=self.middleware,
            sinks=self.sinks,
            on_snapshot=self.on_snapshot,
            tool_config=self.tool_config,
            step=self.step,
            break_when=self.break_when,
            run=Run(turns),
            runtime=self.runtime,
        )

    def _snapshot_sink(self, event: Event) -> None:
        if isinstance(event, Snapshot) and self.on_snapshot is not None:
            self.on_snapshot(event)

    def _seed(self, prompt: Turn | tuple[Block, ...], execution_id: str, config: ToolConfig) -> Turn:
        """Return the first Turn of an execution: the conversation so far and the prompt, with ids."""
        if isinstance(prompt, Turn):
            turn = prompt
        else:
            turn = with_open_calls_answered(self.latest)
            turn = turn._with(metadata=turn.metadata.without(INFERENCE_RESULT, INFERENCES, STATUS, OUTPUT), id="")
            turn = turn + prompt
        if not len(turn):
            raise MisuseError("the Turn has no blocks; pass a prompt")
        turn = with_block_ids(turn, Turn(), self._ids.new)
        tool_definitions = [
            {"name": tool.name, "description": tool.description, "parameters": tool.parameters} for tool in self.tools
        ]
        metadata = turn.metadata.without(STATUS).with_raw(**{SESSION_ID.name: self.id, EXECUTION_ID.name: execution_id})
        if self.runtime is not None:
            metadata = metadata.with_raw(**{RUNTIME.name: self.runtime})
        data = turn.data
        if tool_definitions:
            data = data.with_raw(**{TOOL_CONFIG.name: config.to_dict(), TOOL_DEFINITIONS.name: tool_definitions})
        return turn._with(id=turn.id or self._ids.new(), metadata=metadata, data=data)

    def _accept(self, turn: Turn) -> None:
        self._turns = (*self._turns, turn)

    def _repr_html_(self) -> str:
        return self.run._repr_html_()

    def __repr__(self) -> str:
        turn_count = len(self._turns)
        return f"<Session {turn_count} turn{'s' * (turn_count != 1)}{', ' + self.execution.status if self.execution else ''}>"

    def __str__(self) -> str:
        """Describe the layers of an `ask`, outermost first."""
        layers = [_layer_name(layer) for layer in self.middleware] + (["system prompt"] if self.system else [])
        tools = ", ".join(f"{tool.name} ({tool.effect})" for tool in self.tools) or "none"
        lines = {
            "session": f"{self.id}, {len(self._turns)} turn{'s' * (len(self._turns) != 1)}",
            "asks": " → ".join([*layers, repr(self.engine)]),
            "tools": tools,
            "limit": f"{self.tool_config.max_iterations} model calls",
            "steps": "pauses at its boundaries" if self.step else "no pauses",
        }
        return "\n".join(f"{name:8}{description}" for name, description in lines.items())


class _SessionEngine:
    """The loop of a session as an engine; `recording_engine` gets each of its model calls."""

    def __init__(self, session: Session) -> None:
        self._session = session

    async def __call__(self, turn: Turn, scope: Scope) -> Turn:
        return await self.signing_engine(id)(turn, scope)

    def signing_engine(self, record_call: Callable[[ModelCall], object]) -> Engine:
        session, recording_engine = self._session, self._session._recording_engine(record_call)
        tool_config = session.tool_config

        async def engine(turn: Turn, scope: Scope) -> Turn:
            def emit_outside(event: Event) -> None:
                if not isinstance(event, Snapshot):  # snapshots are taken by the outer loop alone
                    scope.emit(event)

            inner_scope = session._scope(tool_config, turn, emit_outside, scope.new_id)
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


def _refuse_misuse(engine: Any, system: Any, tool_config: Any, run: Any) -> None:
    if not callable(engine):
        hint = "; use session.as_engine()" if isinstance(engine, Session) else ""
        raise MisuseError(
            f'expected an engine, like nt.engine("anthropic:…") or nt.scripted(…), got {engine!r:.60}{hint}'
        )
    if not isinstance(system, str):
        raise MisuseError(f"system must be a str, got {type(system).__name__}: {system!r:.60}")
    if not isinstance(tool_config, ToolConfig):
        raise MisuseError(f"tool_config must be an nt.ToolConfig(...), got {tool_config!r:.60}")
    if run is not None and not isinstance(run, Run):
        raise MisuseError(f"run must be an nt.Run, like nt.load(path), got {type(run).__name__}: {run!r:.60}")


def _require_callables(functions: Any, name: str) -> tuple[Any, ...]:
    if callable(functions) or isinstance(functions, str) or not isinstance(functions, Iterable):
        raise MisuseError(f"{name} must be a list of functions, like {name}=[...], got {functions!r:.60}")
    checked_functions = tuple(functions)
    if not_callable := [function for function in checked_functions if not callable(function)]:
        raise MisuseError(f"{name} must be a list of functions; {not_callable[0]!r:.60} is not callable")
    if name != "middleware" and (
        async_functions := [function for function in checked_functions if iscoroutinefunction(function)]
    ):
        raise MisuseError(
            f"{name} must be plain functions, because they are not awaited; {async_functions[0]!r:.60} is async"
        )
    return checked_functions


def _layer_name(layer: Middleware) -> str:
    """Return the name of a middleware; one of nbturns has the name of the function that made it."""
    name: str = getattr(layer, "name", "") or getattr(layer, "__qualname__", type(layer).__qualname__)
    return name.partition(".<locals>")[0]


def _is_beginning_of(earlier: Turn, turn: Turn) -> bool:
    """Return True when `turn` begins with all blocks of `earlier`, and has more."""
    return len(earlier) < len(turn) and earlier.blocks.shared_length(turn.blocks) == len(earlier)


class _IdSource:
    """A source of short ids that no other session makes."""

    def __init__(self) -> None:
        self._prefix = uuid4().hex[:10]
        self._count = 0

    def new(self) -> str:
        self._count += 1
        return f"{self._prefix}-{self._count}"
