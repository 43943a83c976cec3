"""A conversation over time: its Turns so far, and at most one execution in progress."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Self, Unpack, overload
from uuid import uuid4

from .errors import BusyError, MisuseError
from .events import Event, Notice, Pause, Sink, Snapshot
from .middleware.checked_output import CheckedOutput
from .middleware.system_prompts import session_prompt, with_session_prompt
from .runtime.background_loop import background_loop, start_lock
from .runtime.breakpoints import SnapshotTest
from .runtime.call_ids import with_block_ids, with_distinct_call_ids
from .runtime.call_rules import CallRule, PolicyRule
from .runtime.engine_protocol import Engine, Middleware, ModelCall, Scope, recording_engine
from .runtime.execution import STATUS, Drive, Execution
from .runtime.lineage import Lineage
from .runtime.listed_decisions import ListedDecisions
from .runtime.marks import DECISIONS, ERROR
from .runtime.prompts import merged_fields, prompt_blocks, with_open_calls_answered
from .runtime.retries import execution_of_call, sent_turn
from .runtime.session_arguments import IdSource, describe_session, refuse_misuse, require_callables
from .runtime.session_engine import SessionEngine
from .runtime.step_controller import parse_pause_phases
from .runtime.tool_config import ToolConfigLayers
from .runtime.tool_loop import run_loop
from .runtime.toolbox import TOOL_CONFIG, Toolbox, ToolConfig
from .runtime.typed_output import AskOptions, ExecutionWithOutput, Prompt, T
from .safety.visible_text import printable
from .tools import Tool
from .values.frozen_json import freeze
from .values.inference_results import INFERENCE_RESULT, INFERENCES, OUTPUT, Usage
from .values.metadata import Key
from .values.policies import Policy, Rule, policy_of
from .values.turns import Block, Run, Turn

SESSION_ID: Key[str] = Key("geppetto.session_id@v1", str)
EXECUTION_ID: Key[str] = Key("geppetto.inference_id@v1", str)
RUNTIME: Key[Any] = Key("geppetto.runtime@v1", Any)
TOOL_DEFINITIONS: Key[list[dict[str, Any]]] = Key("geppetto.tool_definitions@v1", list[dict[str, Any]], "data")


class Session:
    """A conversation with one engine: ask, and ask again.

    `middleware` wraps each model call, the first outermost. `sinks` receive every event, `on_snapshot` the snapshots,
    `store` all but the deltas: what it is given is written before the next model call or tool begins. `step=True`
    pauses every execution at its boundaries, a set of phases at these; `break_when` are breakpoints of every execution,
    each a function of a snapshot. `policy` allows, asks for or denies tool calls. `run` is a history to continue. `runtime` describes the source of the session; every Turn has it.
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
        store: Sink | None = None,
        tool_config: ToolConfig = ToolConfig(),  # noqa: B008  # a value, which never changes
        step: bool | Iterable[str] = False,
        break_when: Iterable[SnapshotTest] = (),
        policy: Policy | Iterable[Rule | Mapping[str, Any]] | None = None,
        id: str | None = None,
        run: Run | None = None,
        runtime: Mapping[str, Any] | None = None,
    ) -> None:
        refuse_misuse(engine, system, tool_config, run)
        parse_pause_phases(step)
        self.id: str = id or (run.id if run else "") or uuid4().hex
        self.engine = engine
        self.system = system
        self.tools: Toolbox = tools if isinstance(tools, Toolbox) else Toolbox(tools)
        self.middleware: tuple[Any, ...] = require_callables(middleware, "middleware")
        self.sinks: tuple[Any, ...] = require_callables(sinks, "sinks")
        self.store = store
        require_callables(() if store is None else (store,), "store")
        self.on_snapshot = on_snapshot
        require_callables(() if on_snapshot is None else (on_snapshot,), "on_snapshot")
        self.tool_config = tool_config
        self.step = step
        self.break_when: tuple[Any, ...] = require_callables(break_when, "break_when")
        self._policy_rule = PolicyRule(policy_of(policy))
        self._call_rules: tuple[CallRule, ...] = (self._policy_rule,) if self.policy else ()
        self.runtime: Any | None = None if runtime is None else freeze(runtime)
        self.execution: Execution | None = None
        self._executions: list[Execution] = []
        self._watchers: list[Callable[[Execution], object]] = []
        self._turns: tuple[Turn, ...] = run.turns if run else ()
        self._loaded_turn_count = len(self._turns)  # of the calls left open in these, it is not known which have run
        self._lineage = Lineage(self._turns[-1] if self._turns else None)
        self._ids = IdSource(f"s{uuid4().hex[:9]}")  # digits and an e would be a number in YAML
        self._tool_config_layers = ToolConfigLayers()
        if unknown_tools := [name for name in tool_config.allowed or () if name not in self.tools]:
            tool_names = ", ".join(tool.name for tool in self.tools) or "none"
            raise MisuseError(
                f"tool_config allows {unknown_tools[0]!r}, which is not a tool of this session; its tools: {tool_names}"
            )

    @property
    def policy(self) -> Policy:
        """The rules for tool calls; those of a profile stay. Setting it changes those of an execution in progress, if it had any."""
        return self._policy_rule.policy

    @policy.setter
    def policy(self, policy: Policy | Iterable[Rule | Mapping[str, Any]] | None) -> None:
        self._policy_rule.policy = policy_of(policy).within(self.policy.base)
        if self.policy and self._policy_rule not in self._call_rules:
            self._call_rules = (self._policy_rule, *self._call_rules)

    def rule_hits(self, rule: Rule) -> int:
        """Return the number of calls that a rule of `policy` decided, allowed ones included."""
        return self._policy_rule.hits(rule)

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
        """Tokens of all model calls of the session, each counted once."""
        return self.run.usage

    @property
    def cost(self) -> float | None:
        """USD of all model calls of the session, or None when the cost of one is unknown."""
        return self.run.cost

    @overload
    def ask(self, prompt: Prompt, *, output: type[T], **options: Unpack[AskOptions]) -> ExecutionWithOutput[T]: ...
    @overload
    def ask(self, prompt: Prompt, *, output: Any = ..., **options: Unpack[AskOptions]) -> Execution: ...
    def ask(self, prompt: Prompt, *, step: bool | Iterable[str] | None = None, limit: int | None = None, output: Any = None, decisions: bool = False) -> Execution:  # fmt: skip
        """Add `prompt` to the conversation, start an execution and return it at once.

        Each text is a user block. A Turn is continued, its pending calls first; tool settings in its data take precedence.
        `limit` is the number of model calls. `output` is the required type of the answer, like a pydantic model:
        `turn.output` is then an object of it, and an answer that does not match is requested again. `decisions=True`
        trusts the decisions that a Turn lists (`nt.keys.DECISIONS`); otherwise the approval of an effectful call must be
        confirmed. Raises BusyError while another execution of this session is not over.
        """
        if limit is not None and (not isinstance(limit, int) or isinstance(limit, bool) or limit < 1):
            raise MisuseError(f"limit must be a number of model calls, at least 1, got {limit!r:.60}")
        output_checks = () if output is None else (CheckedOutput(output),)
        blocks = prompt if isinstance(prompt, Turn) else prompt_blocks(prompt)
        rules = (ListedDecisions(prompt, is_trusted=decisions),) if isinstance(prompt, Turn) else ()
        return self._start(
            lambda: self._make_execution(blocks, self.step if step is None else step, limit, output_checks, rules)
        )

    def retry(self, at: Snapshot | str | None = None, engine: Any = None, **params: Any) -> Execution:
        """Ask a model call again, from the Turn that it was sent, and return the execution at once.

        `at` is a snapshot or an inference id; None is the failed call of the last Turn. The failed Turn stays in
        `turns`, the new one follows with an empty ledger. `engine` is another engine or its name, `params` are added
        to its parameters: `session.retry(engine="openai:gpt-5", temperature=0)`. Raises MisuseError without such a
        call, and for parameters of an engine that takes none; BusyError as `ask` does.
        """
        retry_engine = self._engine_with(engine, params)

        def make_execution() -> Execution:
            turn = sent_turn(self._turns, self._executions, at)
            earlier_execution = execution_of_call(self._executions, at)
            output_checks = () if earlier_execution is None else earlier_execution.output_checks
            return self._make_execution(turn, self.step, None, output_checks, engine=retry_engine)

        return self._start(make_execution)

    def _engine_with(self, engine: Any, params: Mapping[str, Any]) -> Engine:
        """Return this engine, else that of the session, with these parameters in addition."""
        if engine is None and not params:
            return self.engine
        from .branches.branch_engines import engine_with

        changed_engine: Engine = engine_with(self.engine if engine is None else engine, params)
        refuse_misuse(changed_engine, self.system, self.tool_config, None)
        return changed_engine

    def _start(self, make_execution: Callable[[], Execution]) -> Execution:
        """Start an execution, unless another one is not over."""
        with start_lock():  # two threads may ask at the same time
            self._refuse_if_busy()
            background_loop()  # raises where no execution can run
            if self._turns and (keep_turns := getattr(self.store, "keep_turns", None)):  # those from before the store
                keep_turns(self.id, self._turns)
            execution = make_execution()
            self._executions.append(execution)
            self.execution = execution  # before the start, because sinks use it
            execution.session = self
            execution.start()
        for watcher in tuple(self._watchers):
            watcher(execution)
        return execution

    def _refuse_if_busy(self) -> None:
        if (execution := self.execution) is None or execution.status in ("done", "stopped", "failed"):
            return
        if not execution.is_of_this_process:
            raise BusyError("this session's execution runs in the process that forked this one; ask session.fork()")
        hint = "take its result(), step() it to the end, or stop() it"
        raise BusyError(f"this session's execution is {execution.status}; {hint}")

    def _make_execution(
        self,
        prompt: Turn | tuple[Block, ...],
        step: Any,
        limit: int | None,
        output_checks: tuple[Middleware, ...],
        rules: tuple[CallRule, ...] = (),
        engine: Engine | None = None,
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
            scope = scope.replace(call_rules=(*scope.call_rules, *filter(None, rules)))
            recorder = self._recording_engine(shape=output_checks, engine=engine, record_layer=execution.record_layer)
            return await run_loop(turn, recorder, scope, execution._step_controller, limit=max_calls)

        execution = self._execution(drive, turn, id=execution_id, step=step, config=config, limit=max_calls)
        execution.output_checks = output_checks
        return execution

    def _execution(self, drive: Drive, turn: Turn, **options: Any) -> Execution:
        """Return an execution with the listeners of this session."""
        return Execution(
            drive,
            turn,
            **options,
            break_when=self.break_when,
            sinks=(*self.sinks, *((self._snapshot_sink,) if self.on_snapshot else ())),
            store=self.store,
            settle=self._accept,
        )

    def _scope(self, config: ToolConfig, turn: Turn, emit: Sink, new_id: Callable[[], str]) -> Scope:
        turn_config = turn.data.get(TOOL_CONFIG)
        scope = Scope(tools=self.tools, tool_config=config, emit=emit, new_id=new_id, turn_config=turn_config)
        return scope.replace(call_rules=self._call_rules) if self._call_rules else scope

    def _recording_engine(
        self,
        record_call: Callable[[ModelCall], object] = id,
        shape: tuple[Middleware, ...] = (),
        engine: Engine | None = None,
        record_layer: Callable[[Any], object] | None = None,
    ) -> Engine:
        """Return the engine that the loop calls: wrapped in the middlewares and the system prompt."""
        layers = (*self.middleware, session_prompt(self.system)) if self.system else self.middleware
        return recording_engine(self.engine if engine is None else engine, (*shape, *layers), record_call, record_layer)

    def as_engine(self) -> Engine:
        """Return this session as an engine for another session.

        The engine runs this session's loop on the Turn it gets, with its own engine, system prompt,
        middlewares, tools and limit, and returns the Turn with all new blocks. Each model call signs
        its own blocks and its events reach the outer session. History and steps of this session are
        not used, so it may serve several sessions at once.
        """
        return SessionEngine(self)

    @property
    def executions(self) -> tuple[Execution, ...]:
        """Every execution so far, the oldest first."""
        return tuple(self._executions)

    def watch(self, watcher: Callable[[Execution], object]) -> None:
        """Call `watcher` with each execution from now on, when it starts."""
        self._watchers.append(watcher)

    def unwatch(self, watcher: Callable[[Execution], object]) -> None:
        """Stop calling `watcher` for new executions."""
        if watcher in self._watchers:
            self._watchers.remove(watcher)

    def stop(self) -> None:
        """Stop the execution in progress, if there is one."""
        if self.execution is not None:
            self.execution.stop()

    def fan_out(self, at: Snapshot | Turn | int | None = None, **arguments: Any) -> Any:
        """Ask in many branches from `at` (as in `fork`), with what this session has: see `nt.fan_out`."""
        from .branches import fan_out

        return fan_out(self if at is None else self._lineage.without(self.fork(at)), **arguments)

    def close(self) -> None:
        """Stop the execution in progress, end the MCP servers of the tools, and close the engine's connections.

        `with` does it at its end.
        """
        self.stop()
        for tool in self.tools:
            tool.close()
        close_engine = getattr(self.engine, "close", None)
        if callable(close_engine):
            close_engine()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def fork(
        self,
        at: Snapshot | Pause | Turn | int | None = None,
        *,
        name: str = "",
        reuse: Iterable[str] = (),
        skip: Iterable[str] = (),
        confirm: Iterable[str] = (),
    ) -> Session:
        """Return a new session with the same engine and tools that continues from `at`.

        `at` is a snapshot, a Turn, or an index into `turns`; None is the latest Turn. This session does not change.
        `reuse`, `skip` and `confirm` name calls that ran after `at`, by call id or by tool: if the fork makes the same call,
        it is answered with the recorded result, not run, or asked for. Raises MisuseError for a call that did not run.
        """
        from .branches.fork_session import fork

        return fork(self, at, name=name, reuse=reuse, skip=skip, confirm=confirm)

    @property
    def tree(self) -> Any:
        """The root of the tree of branches: nodes with .session .parent .children .at .changes."""
        from .branches.session_tree import tree_of

        return tree_of(self)

    def _snapshot_sink(self, event: Event) -> None:
        if isinstance(event, Snapshot) and self.on_snapshot is not None:
            self.on_snapshot(event)

    def _seed(self, prompt: Turn | tuple[Block, ...], execution_id: str, config: ToolConfig) -> Turn:
        """Return the first Turn of an execution: the conversation so far and the prompt, with ids."""
        if isinstance(prompt, Turn):
            turn = prompt
        else:
            turn = with_open_calls_answered(self.latest, is_loaded=len(self._turns) <= self._loaded_turn_count)
            turn = turn._with(
                metadata=turn.metadata.without(INFERENCE_RESULT, INFERENCES, STATUS, OUTPUT, ERROR, DECISIONS), id=""
            )
            turn = turn + prompt
        if not len(turn):
            raise MisuseError("the Turn has no blocks; pass a prompt")
        turn = with_block_ids(turn, Turn(), self._ids.new)
        tool_definitions = [
            {"name": tool.name, "description": tool.description, "parameters": tool.parameters} for tool in self.tools
        ]
        metadata = turn.metadata.without(STATUS, ERROR).with_raw(
            **{SESSION_ID.name: self.id, EXECUTION_ID.name: execution_id}
        )
        if self.runtime is not None:
            metadata = metadata.with_raw(**{RUNTIME.name: merged_fields(metadata.raw(RUNTIME), self.runtime)})
        data = turn.data
        if tool_definitions:
            data = data.with_raw(**{TOOL_CONFIG.name: config.to_dict(), TOOL_DEFINITIONS.name: tool_definitions})
        return turn._with(id=turn.id or self._ids.new(), metadata=metadata, data=data)

    def _accept(self, turn: Turn) -> None:
        self._turns = (*self._turns, turn)

    def _repr_html_(self) -> str:
        return self.run._repr_html_()

    def __repr__(self) -> str:
        status = f", {self.execution.status}" if self.execution else ""
        return f"<Session {len(self._turns)} turn{'s' * (len(self._turns) != 1)}{status}>"

    @printable
    def __str__(self) -> str:
        """Describe the layers of an `ask`, outermost first."""
        return describe_session(self)
