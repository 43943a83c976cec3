"""The Turn that a model call was sent, from which `session.retry` asks again."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from ..errors import MisuseError
from ..events import Event, InferenceStarted, Pause, Phase, Resumed, Snapshot
from ..values.inference_results import INFERENCE_RESULT, INFERENCES, OUTPUT, FinishClass, InferenceResult
from ..values.persistent_list import PersistentList
from ..values.turns import Turn
from .marks import DECISIONS, ERROR, STATUS

FAILURES = (FinishClass.ERROR, FinishClass.INTERRUPTED)
HINT = "name one with session.retry(inference_id), or ask with session.ask(...)"


def failed_call(turn: Turn) -> InferenceResult | None:
    """Return the last model call of a Turn, if the execution of the Turn ended early because it failed."""
    results = turn.inferences
    if not results or results[-1].finish_class not in FAILURES or turn.metadata.get(STATUS) == "done":
        return None
    return results[-1]


def sent_turn(turns: Sequence[Turn], executions: Sequence[Any], at: Snapshot | Pause | str | None) -> Turn:
    """Return the Turn that the model call `at` was sent, without what belongs to its execution.

    It is the Turn before the middlewares, which wrap the call again. Raises MisuseError when there is no such call.
    """
    if isinstance(at, (Snapshot, Pause)):
        turn = _turn_of_boundary(turns, executions, at)
    elif isinstance(at, str):
        turn = _turn_of_call(turns, executions, at)
    elif at is None:
        result = failed_call(turns[-1]) if turns else None
        if result is None:
            raise MisuseError(f"no model call failed in the last Turn of this session; {HINT}")
        turn = _turn_of_call(turns, executions, result.inference_id)
    else:
        raise MisuseError(f"retry() expects a snapshot or the inference id of a model call, got {at!r:.60}")
    return turn._with(metadata=turn.metadata.without(INFERENCES, STATUS, OUTPUT, ERROR, DECISIONS), id="")


def execution_of_call(executions: Iterable[Any], at: Any) -> Any:
    """Return the execution that made the model call `at`; None when an earlier process did."""
    for execution in reversed(tuple(executions)):
        if at is None or any(_is_of(event, at) for event in execution.events):
            return execution
    return None


def _is_of(event: Event, at: Any) -> bool:
    """Return True for the snapshot or pause `at`, and for the start of the model call of that id."""
    if isinstance(event, InferenceStarted):
        return bool(event.inference_id == at)
    return event is at or getattr(event, "pause", None) is at


def _turn_of_boundary(turns: Sequence[Turn], executions: Sequence[Any], at: Snapshot | Pause) -> Turn:
    """Return the Turn of the model call after a boundary before one, else of the call before the boundary."""
    is_before = at.phase is Phase.PRE_INFERENCE
    for execution in executions:
        events = execution.events
        position = next((i for i, event in enumerate(events) if _is_of(event, at)), None)
        if position is not None:
            boundary = events[position].seq
            calls = [turn for start, turn in _sent_turns(events) if (start.seq > boundary) is is_before]
            if calls:
                return calls[0 if is_before else -1]
    if is_before:
        return at.turn
    if not (results := at.turn.inferences):
        raise MisuseError(f"no model call was made before this snapshot; {HINT}")
    return _turn_of_call([*turns, at.turn], executions, results[-1].inference_id)


def _turn_of_call(turns: Sequence[Turn], executions: Sequence[Any], inference_id: str) -> Turn:
    for execution in reversed(executions):
        for start, turn in _sent_turns(execution.events):
            if start.inference_id == inference_id:
                return turn
    for turn in turns:  # of an earlier process, or loaded
        ids = [result.inference_id for result in turn.inferences]
        if inference_id and inference_id in ids:
            return _turn_before(turn, ids.index(inference_id))
    raise MisuseError(f"no model call of this session has the inference id {inference_id!r:.60}; see run.inferences")


def _sent_turns(events: Iterable[Event]) -> Iterator[tuple[InferenceStarted, Turn]]:
    """Yield each model call, and the Turn that its loop had before the middlewares."""
    boundary_turn: Turn | None = None
    for event in events:
        if isinstance(event, Snapshot):
            boundary_turn = event.turn if event.phase is Phase.PRE_INFERENCE else None
        elif isinstance(event, Resumed) and event.turn is not event.pause.turn:
            boundary_turn = None  # edited at the pause
        elif isinstance(event, InferenceStarted):
            yield event, event.turn if boundary_turn is None else boundary_turn


def _turn_before(turn: Turn, index: int) -> Turn:
    """Return the blocks of a Turn before those of its model call of that index, and of all later ones."""
    results = turn.inferences
    later_ids = {result.inference_id for result in results[index:]}
    end = next((i for i, block in enumerate(turn) if block.inference_id in later_ids), len(turn))
    metadata = turn.metadata.without(INFERENCE_RESULT)
    if index:
        metadata = metadata.with_frozen(INFERENCE_RESULT, results[index - 1])
    return turn._with(blocks=PersistentList(turn.blocks.head(end)), metadata=metadata)


__all__ = ["execution_of_call", "failed_call", "sent_turn"]
