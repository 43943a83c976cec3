"""`fan_out`: many branches from one Turn, in parallel, with a limit and a budget."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from itertools import product
from typing import Any, TypeAlias

from ..errors import LimitReached, MisuseError, message_of
from ..events import Event, InferenceFinished, Pause, Snapshot
from ..runtime.background_loop import Waiting, call_soon, run_in_worker
from ..runtime.engine_protocol import Engine, Scope
from ..runtime.execution import Execution
from ..session import Session
from ..tools import Tool
from ..values.frozen_json import EMPTY_DICT, FrozenDict, freeze
from ..values.policies import policy_of
from ..values.turns import Run, Turn
from .branch_engines import engine_with

Edit: TypeAlias = "Turn | Callable[[Turn], Turn] | None"


@dataclass(frozen=True, slots=True)
class Branch:
    """One branch: what was changed, and how far it came. `error` is what ended it early, or None."""

    index: int
    engine: Any
    edit: Edit
    params: FrozenDict
    turn: Turn
    error: BaseException | None = None

    @property
    def run(self) -> Run:
        return Run((self.turn,), id=f"branch#{self.index}")

    @property
    def cost(self) -> float | None:
        return self.turn.cost


def fan_out(
    at: Turn | Run | Session | Snapshot | Pause,
    engines: Iterable[Engine | str] = (),
    edits: Iterable[Edit] = (),
    n: int = 1,
    params: Iterable[Mapping[str, Any]] = (),
    tools: Iterable[Tool | Callable[..., Any]] = (),
    limit: int = 4,
    budget: float | None = None,
    executor: Any = None,
    **session_arguments: Any,
) -> Branches:
    """Ask from `at` in one branch for each of engines × edits × params × n, in this order, and return them at once.

    `edits` are Turns, or functions of the Turn; None is the unchanged one. `limit` is the number of branches that run at a
    time. No new model call starts once the known cost of all reaches `budget`, in USD; a model without a
    known price counts as 0 (`branches.calls_without_price`). `executor` is a `concurrent.futures.Executor` or a Dask client; engines are then
    given by name. `session_arguments` are those of Session. A branch cannot pause: what a policy asks for is denied.
    """
    _refuse_misuse(engines, edits, params, n, limit, budget)
    turn, source = _starting_point(at)
    engine_list = list(engines) or ([source.engine] if source is not None else [])
    if not engine_list:
        raise MisuseError("fan_out needs an engine: fan_out(turn, engines=[engine])")
    if executor is not None and not all(isinstance(engine, str) for engine in engine_list):
        raise MisuseError(
            "with executor=, engines are given by name, because clients cannot be sent to another process"
        )
    if source is not None:
        session_arguments = {**_arguments_of(source), **session_arguments}
        session_arguments["policy"] = policy_of(session_arguments["policy"]).within(source.policy.base)
    tools = tuple(tools) or session_arguments.pop("tools", ())
    changes = product(engine_list, list(edits) or [None], list(params) or [EMPTY_DICT], range(n))
    plans = [Branch(i, engine, edit, freeze(p), turn) for i, (engine, edit, p, _) in enumerate(changes)]
    for plan in plans:
        if plan.params and not isinstance(plan.engine, str):
            engine_with(plan.engine, plan.params)  # refuses now what no branch could use
    return Branches(plans, {**session_arguments, "tools": tools}, limit=limit, budget=budget, executor=executor)


def _refuse_misuse(engines: Any, edits: Any, params: Any, n: Any, limit: Any, budget: Any) -> None:
    for name, value in (("engines", engines), ("edits", edits), ("params", params)):
        if isinstance(value, (str, Turn, Mapping)) or not isinstance(value, Iterable):
            raise MisuseError(f"{name} must be a list, like {name}=[…], got {value!r:.60}")
    for name, number in (("n", n), ("limit", limit)):
        if not isinstance(number, int) or isinstance(number, bool) or number < 1:
            raise MisuseError(f"{name} must be an integer of at least 1, got {number!r:.60}")
    if budget is not None and not (isinstance(budget, (int, float)) and budget >= 0):
        raise MisuseError(f"budget must be a number of USD of 0 or more, got {budget!r:.60}")


def _starting_point(at: Any) -> tuple[Turn, Session | None]:
    if isinstance(at, Session):
        return at.latest, at
    if isinstance(at, Run) and len(at):
        return at[-1], None
    turn = at.turn if isinstance(at, (Snapshot, Pause)) else at
    if not isinstance(turn, Turn):
        raise MisuseError(
            f"fan_out expects a Turn, a snapshot, a Run or a session, got {type(at).__name__}: {at!r:.60}"
        )
    return turn, None


def _arguments_of(session: Session) -> dict[str, Any]:
    names = ("system", "tools", "middleware", "tool_config", "policy")
    return {name: getattr(session, name) for name in names}


class Branches(Waiting[tuple[Branch, ...]]):
    """The branches of one `fan_out`: `result()` waits for all, `so_far` are those that have ended."""

    def __init__(
        self,
        plans: list[Branch],
        session_arguments: dict[str, Any],
        *,
        limit: int,
        budget: float | None,
        executor: Any,
    ) -> None:
        self._plans = plans
        self._session_arguments = session_arguments
        self._budget = budget
        self._executor = executor
        self._limit = limit
        self._ended: dict[int, Branch] = {}
        self._executions: set[Execution] = set()
        self._futures: set[Any] = set()
        self._is_stopped = False
        self._watchers: list[Callable[[], object]] = []
        self._started: set[int] = set()
        self.known_cost: float = 0.0
        self.calls_without_price: int = 0
        super().__init__(self._run_all())

    @property
    def so_far(self) -> tuple[Branch, ...]:
        """The branches that have ended, in order."""
        return tuple(self._ended[index] for index in sorted(self._ended))

    def __len__(self) -> int:
        return len(self._plans)

    def stop(self) -> None:
        """Stop the branches that run, and start no other. `result()` has all, as far as they came."""
        self._is_stopped = True
        call_soon(self._stop_all)

    def _stop_all(self) -> None:
        for execution in tuple(self._executions):
            execution.stop()
        for future in tuple(self._futures):
            future.cancel()

    async def _run_all(self) -> tuple[Branch, ...]:
        free_slots = asyncio.Semaphore(self._limit)

        async def run_in_slot(plan: Branch) -> None:
            async with free_slots:
                self._started.add(plan.index)
                self._notify()
                self._ended[plan.index] = await self._run_branch(plan)
                self._notify()

        await asyncio.gather(*map(run_in_slot, self._plans))
        return self.so_far

    def watch(self, watcher: Callable[[], object]) -> Callable[[], object]:
        """Call `watcher` when a branch starts or ends, on the event loop; return a function that ends it."""
        self._watchers.append(watcher)
        return lambda: self._watchers.remove(watcher) if watcher in self._watchers else None

    def _notify(self) -> None:
        for watcher in tuple(self._watchers):
            watcher()

    @property
    def budget(self) -> float | None:
        """The limit of the known cost, in USD."""
        return self._budget

    def state_of(self, index: int) -> str:
        """Return the state of a branch: waiting, running or ended."""
        return "ended" if index in self._ended else "running" if index in self._started else "waiting"

    @property
    def plans(self) -> tuple[Branch, ...]:
        """The changes of each branch, in order; their Turns are those that they begin with."""
        return tuple(self._plans)

    async def _run_branch(self, plan: Branch) -> Branch:
        turn = plan.turn
        try:
            if self._is_stopped:
                raise LimitReached("not started: the branches were stopped")
            self._refuse_beyond_budget()
            edited_turn = plan.turn if plan.edit is None else plan.edit(turn) if callable(plan.edit) else plan.edit
            if not isinstance(edited_turn, Turn):
                raise MisuseError(f"an edit must return a Turn, got {type(edited_turn).__name__}")
            turn = edited_turn
            run_turn = self._run_here if self._executor is None else self._run_elsewhere
            ended_turn, error = await run_turn(plan, turn)
        except (Exception, asyncio.CancelledError) as branch_error:  # one branch must not end the others
            ended_turn, error = getattr(branch_error, "turn", None) or turn, branch_error
        return Branch(plan.index, plan.engine, plan.edit, plan.params, ended_turn, error)

    async def _run_here(self, plan: Branch, turn: Turn) -> tuple[Turn, BaseException | None]:
        arguments = dict(self._session_arguments)
        session = Session(
            engine_with(plan.engine, plan.params),
            **{
                **arguments,
                "middleware": (*arguments.get("middleware", ()), self._guard),
                "sinks": (*arguments.get("sinks", ()), self._count),
            },
        )
        session._call_rules = tuple(rule.without_pauses() for rule in session._call_rules)
        execution = session.ask(turn)
        self._executions.add(execution)
        try:
            return await execution, None
        finally:
            self._executions.discard(execution)

    async def _guard(self, turn: Turn, scope: Scope, engine: Engine) -> Turn:
        self._refuse_beyond_budget(turn)
        return await engine(turn, scope)

    def _refuse_beyond_budget(self, turn: Turn | None = None) -> None:
        if self._budget is not None and self.known_cost >= self._budget:
            raise LimitReached(f"no further model call: the budget of {self._budget:g} USD is spent", turn=turn)

    def _count(self, event: Event) -> None:
        if isinstance(event, InferenceFinished):
            self._add_cost(event.result.cost)

    def _add_cost(self, cost: float | None) -> None:
        self.known_cost += cost or 0.0
        self.calls_without_price += cost is None

    async def _run_elsewhere(self, plan: Branch, turn: Turn) -> tuple[Turn, BaseException | None]:
        """Run a branch in the executor; the budget is checked before it starts."""
        is_dask = type(self._executor).__module__.partition(".")[0] == "distributed"
        options = {"pure": False} if is_dask else {}  # otherwise equal branches would share one result
        future = self._executor.submit(
            run_in_process, plan.engine, dict(plan.params), turn.to_dict(), self._session_arguments, **options
        )
        self._futures.add(future)
        try:
            if isinstance(future, Future):
                turn_data, error_text = await asyncio.wrap_future(future)
            else:
                turn_data, error_text = await run_in_worker(future.result)
        finally:
            self._futures.discard(future)
        ended_turn = Turn.from_dict(turn_data)
        for result in ended_turn.inferences:
            self._add_cost(result.cost)
        return ended_turn, LimitReached(error_text, turn=ended_turn) if error_text else None

    def to_df(self) -> Any:
        """Return a DataFrame with a row per branch that has ended."""
        from .branch_grid import branch_frame

        return branch_frame(self.so_far)

    def _ipython_display_(self) -> None:
        from ..widgets.fan_out_view import FanOutView

        FanOutView(self)._ipython_display_()

    def _display_(self) -> Any:
        """Return the live view for marimo."""
        from ..widgets.fan_out_view import FanOutView

        return FanOutView(self)

    def _repr_html_(self) -> str:
        text: str = self.to_df()._repr_html_()
        return text

    def __repr__(self) -> str:
        spent = f", {self.known_cost:.4f} USD" if self.known_cost else ""
        unknown = f", {self.calls_without_price} model calls without a known price" if self.calls_without_price else ""
        return f"<Branches {len(self._ended)} of {len(self._plans)} ended{spent}{unknown}>"


def run_in_process(
    engine_name: str, params: Mapping[str, Any], turn_data: Mapping[str, Any], session_arguments: Mapping[str, Any]
) -> tuple[dict[str, Any], str]:
    """Run one branch in this process, and return its Turn as plain data and the message of its error."""
    turn = Turn.from_dict(turn_data)
    try:
        session = Session(engine_with(engine_name, params), **session_arguments)
        session._call_rules = tuple(rule.without_pauses() for rule in session._call_rules)
        return session.ask(turn).result(wait=True).to_dict(), ""
    except Exception as error:  # it must cross the border between processes, which not every error can
        ended_turn = getattr(error, "turn", None)
        return (turn if ended_turn is None else ended_turn).to_dict(), f"{type(error).__name__}: {message_of(error)}"


__all__ = ["Branch", "Branches", "fan_out"]
