"""Sessions that continue where their process died.

The last snapshot, decision and tool call of an unfinished execution are in the store. A call with a recorded result is
not run again. A call that began and has no result may have taken effect: a tool that is pure or idempotent runs again,
for any other the execution pauses and asks.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..errors import BusyError
from ..events import Notice, Phase, Snapshot, live_executions
from ..runtime.call_ids import with_block_ids
from ..runtime.execution import Execution
from ..runtime.marks import ANSWERED_BY, BY_TOOL, answer_decisions, with_decisions, with_marked_changes
from ..runtime.prompts import with_interrupted_calls
from ..runtime.tool_loop import Boundary, run_loop
from ..values.portable import escape_surrogates
from ..values.turns import Block, Turn
from .processes import is_running, process_name
from .reader import StoreReader
from .writer import RESUMED, SENT

if TYPE_CHECKING:
    from ..session import Session


@dataclass(frozen=True, slots=True, kw_only=True)
class UnfinishedExecution:
    """An execution without an end, as far as the store has it."""

    id: str
    turn: Turn  # with all recorded answers
    boundary: Boundary | None
    unknown_calls: tuple[Block, ...]  # that began and have no result
    snapshots: tuple[Snapshot, ...]
    next_seq: int
    started_at: float
    pause_count: int
    pause_reason: str  # of the pause it was at; "" for none
    chosen_ids: frozenset[str] | None  # of the calls that the last decision chose, if they may be pending; None is all
    is_stepping: bool
    step: Any
    limit: int | None


def read_unfinished_execution(reader: StoreReader, session_id: str) -> UnfinishedExecution | None:
    """Return the last execution of a session if it did not end. Raises BusyError while its process runs."""
    session = reader.session_number(session_id)
    rows = reader.rows(
        "SELECT number, id, started_at, ended_at, settings, process FROM executions WHERE session = ?"
        " ORDER BY number DESC LIMIT 1", session,
    )  # fmt: skip
    if not rows or rows[0][3] is not None:
        return None
    number, execution_id, started_at, _, settings_text, process = rows[0]
    _refuse_running(session_id, execution_id, process or "")
    settings = json.loads(settings_text or "{}")
    snapshots = tuple(reader.snapshots(number))
    pauses = reader.rows(
        "SELECT seq, number, reason, ended_at, ended_by, iteration, chosen FROM pauses WHERE execution = ? ORDER BY seq",
        number,
    )
    is_paused = bool(pauses) and pauses[-1][3] is None and (not snapshots or pauses[-1][0] > snapshots[-1].seq)
    turn = _latest_turn(reader, number)
    started_ids = {id for (id,) in reader.rows(
        "SELECT call_id FROM tool_executions WHERE execution = ? AND finished_at IS NULL", number
    )}  # fmt: skip
    last_ending = pauses[-1][4] if pauses else None
    return UnfinishedExecution(
        id=execution_id,
        turn=turn,
        boundary=(snapshots[-1].phase, snapshots[-1].iteration) if snapshots else None,
        unknown_calls=tuple(call for call in turn.pending if escape_surrogates(call.tool_call_id) in started_ids),
        snapshots=snapshots,
        next_seq=_next_seq(reader, number),
        started_at=started_at,
        pause_count=(pauses[-1][1] - is_paused) if pauses else 0,
        pause_reason=pauses[-1][2] if is_paused else "",
        chosen_ids=_chosen_ids(pauses[-1], snapshots) if pauses else None,
        is_stepping=last_ending not in ("resume", "timeout") if pauses else bool(settings.get("step")),
        step=settings.get("step", False),
        limit=settings.get("limit"),
    )


def _chosen_ids(pause: Any, snapshots: tuple[Snapshot, ...]) -> frozenset[str] | None:
    """Return the calls that the decision at a pause chose; None where it chose none, or all calls have an answer."""
    seq, *_, iteration, chosen = pause
    later_snapshots = [snapshot for snapshot in snapshots if snapshot.seq > seq]
    is_at_calls = not later_snapshots or (later_snapshots[-1].phase, later_snapshots[-1].iteration) == (
        Phase.POST_INFERENCE,
        iteration,
    )
    return frozenset(json.loads(chosen)) if chosen and is_at_calls else None


def _refuse_running(session_id: str, execution_id: str, process: str) -> None:
    execution = live_executions.get(execution_id)
    is_here = execution is not None and execution.is_of_this_process and not execution.done
    if is_here or (execution is None and is_running(process) and not process != process_name()):
        raise BusyError(
            f"the session {session_id!r} has an execution that still runs in process {process.partition(':')[0]}; "
            "stop it there, or end that process"
        )


def _next_seq(reader: StoreReader, execution: int) -> int:
    """Return a number above those of all recorded events; deltas, which are not recorded, have numbers, too."""
    tables = ("states", "inferences", "tool_executions", "pauses", "notices")
    query = " UNION ALL ".join(f"SELECT max(seq) FROM {table} WHERE execution = ?" for table in tables)  # noqa: S608
    return 1 + max(int(seq) for (seq,) in reader.rows(query, *[execution] * len(tables)) if seq is not None)


def _latest_turn(reader: StoreReader, execution: int) -> Turn:
    """Return the Turn to continue with: the last one, as a decision changed it, and all recorded answers."""
    states = reader.rows(
        "SELECT number, phase FROM states WHERE execution = ? AND phase <> ? ORDER BY seq DESC LIMIT 2", execution, SENT
    )
    turn = reader.turn(states[0][0])
    by = reader.rows("SELECT ended_by FROM pauses WHERE execution = ? ORDER BY seq DESC LIMIT 1", execution)
    decided_by = (by[0][0] if by else "") or "step"
    if states[0][1] == RESUMED:  # as the loop does with the Turn of a decision
        earlier_turn = reader.turn(states[1][0])
        edited_turn = with_marked_changes(turn, earlier_turn, decided_by)
        turn = with_block_ids(edited_turn, earlier_turn, _BlockIds(edited_turn).new)
    answered_turn = reader.with_recorded_answers(turn, execution)
    answers = answered_turn.blocks.tuple_from(len(turn))
    manual_answers = [
        answer for answer in answers if answer.metadata.get(ANSWERED_BY) not in (None, BY_TOOL, "not run")
    ]
    decided_turn = with_decisions(answered_turn, answer_decisions(manual_answers, decided_by, {}))
    return with_block_ids(decided_turn, turn, _BlockIds(decided_turn).new)


class _BlockIds:
    """A source of ids for the blocks of one Turn."""

    def __init__(self, turn: Turn) -> None:
        self._used_ids = {block.id for block in turn}
        self._count = len(turn)

    def new(self) -> str:
        self._count += 1
        id = f"resumed-{self._count}"
        return id if id not in self._used_ids else self.new()


def continue_execution(session: Session, unfinished: UnfinishedExecution, step: Any) -> Execution:
    """Start the unfinished execution in `session`; its calls are answered by the tools of the session."""
    asked_calls = [call for call in unfinished.unknown_calls if _needs_decision(session, call)]
    turn = with_interrupted_calls(unfinished.turn, {call.tool_call_id for call in asked_calls})
    config = session._tool_config_layers.effective_config(session.tool_config, turn, is_prompt=True)
    limit = unfinished.limit or config.max_iterations
    question = _question(asked_calls)
    chosen_ids = unfinished.chosen_ids
    runs_chosen = not question and chosen_ids is not None and not chosen_ids.isdisjoint(turn.calls.pending)
    is_choice_done = chosen_ids is not None and not runs_chosen and bool(turn.calls.pending)

    async def drive(execution: Execution) -> Turn:
        if question:
            execution.emit(Notice(question))  # the view shows it with the pause
        scope = session._scope(config, turn, execution.emit, session._ids.new)
        return await run_loop(
            turn,
            session._recording_engine(),
            scope,
            execution._step_controller,
            limit=limit,
            boundary=unfinished.boundary,
            chosen_ids=chosen_ids if runs_chosen else None,
        )

    def make_execution() -> Execution:
        execution = session._execution(
            drive, turn, id=unfinished.id, step=_steps(unfinished, step), config=config, limit=limit
        )
        execution.continue_record(unfinished.snapshots, unfinished.next_seq, unfinished.started_at)
        reason = question or unfinished.pause_reason or ("step" if is_choice_done else "")
        execution._step_controller.continue_pauses(unfinished.pause_count, reason)
        return execution

    return session._start(make_execution)


def _needs_decision(session: Session, call: Block) -> bool:
    tool = session.tools.get(call.name)
    return tool is None or tool.effect == "effectful"


def _steps(unfinished: UnfinishedExecution, step: Any) -> Any:
    """Return where the execution pauses: as the caller says, else as before."""
    if step is not None:
        return step
    return unfinished.step if unfinished.step and unfinished.is_stepping else unfinished.is_stepping


def _question(calls: Iterable[Block]) -> str:
    """Return the reason of the pause that asks for decisions; "" without a call to decide."""
    names = ", ".join(f"{call.name} ({call.tool_call_id})" for call in calls)
    return names and (
        f"{names} had begun when the process died and may have taken effect; give its result with step(mock=…), "
        "refuse it with step(deny=…), or step() to tell the model that it was interrupted"
    )
