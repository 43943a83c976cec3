"""The frame of problems: what is suspicious in a conversation, a row for each."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from ..keys import ERROR, INTERRUPTED
from ..render.text import shorten
from ..values.failure_rules import FailureRule, failure_rule
from ..values.inference_results import FinishClass, InferenceResult
from ..values.model_info import find_model
from ..values.turns import Block, Run
from .block_frame import time_of
from .builder import FrameBuilder
from .columns import Column, NamedColumns
from .copies import Copies
from .shared_columns import FILE, RUN_ID, block_id_column, error_text
from .sources import RunSource
from .tool_call_frame import ToolCallRow, tool_call_rows
from .traversal import NewBlock, Row, Traversal, TurnVisit

KINDS = (
    "tool_error",
    "failed_result",
    "unanswered_call",
    "repeated_call",
    "invalid_arguments",
    "model_error",
    "truncated",
    "refused",
    "context_near_limit",
    "long_gap",
    "run_error",
)
REFUSALS = (FinishClass.REFUSED, FinishClass.FILTERED)


@dataclass(frozen=True, slots=True)
class ProblemLimits:
    """The limits from which on something is a problem.

    `repeats` counts identical calls in a Run with identical results, `gap_seconds` is the time without a block, other
    than before a prompt of the user, and `near_limit` a share of the context window.
    """

    repeats: int = 3
    gap_seconds: float = 600
    near_limit: float = 0.9


DEFAULT_LIMITS = ProblemLimits()


@dataclass(slots=True, eq=False)
class ProblemRow(Row):
    """The row of a column of `problems`; `block` is None for a problem of a whole Turn or Run."""

    kind: str
    message: str
    block: Block | None = None
    block_index: int | None = None
    inference_id: str = ""

    @property
    def tool_call_id(self) -> str | None:
        """Id of the tool call, or None."""
        return (self.block.tool_call_id or None) if self.block is not None else None


PROBLEM: tuple[Column, ...] = NamedColumns(
    "PROBLEM",
    (
        Column("kind", lambda row: row.kind, "category", categories=KINDS, doc="tool_error, failed_result, …"),
        RUN_ID,
        Column("turn_index", lambda row: row.turn_index, "Int64", doc="index of the Turn in its Run, from 0"),
        Column("block_index", lambda row: row.block_index, "Int64", doc="index of the block in that Turn, from 0"),
        block_id_column("id of the block, as in `blocks`"),
        Column("tool_call_id", lambda row: row.tool_call_id, "string", doc="id of the tool call"),
        Column("message", lambda row: row.message, "string", doc="the problem in words"),
        Column("inference_id", lambda row: row.inference_id or None, "string", doc="id of the model call"),
        FILE,
    ),
)


class ProblemBuilder(FrameBuilder):
    """A row for each problem of each Run, in the order of the conversation."""

    def begin(self, traversal: Traversal) -> None:
        self._traversal = traversal

    def end(self) -> None:
        traversal = self._traversal
        for row in find_problems(traversal.source.run, traversal.visits, tool_call_rows(traversal)):
            self.buffer.add(row)


def find_problems(
    run: Run, visits: list[TurnVisit], calls: list[ToolCallRow], limits: ProblemLimits = DEFAULT_LIMITS
) -> list[ProblemRow]:
    """Return the problems of a Run that was visited, in the order of the conversation."""
    problems = [*_call_problems(calls), *_repeated_calls(calls, limits.repeats)]
    for visit in visits:
        problems += [*_model_problems(visit, limits.near_limit), *_gaps(visit, limits.gap_seconds)]
    problems += _run_problems(run, visits)
    problems.sort(key=lambda row: (row.turn_index, row.block_index is None, row.block_index or 0))
    return problems


def problems_of_run(
    run: Run, failed: str | FailureRule | None = None, limits: ProblemLimits = DEFAULT_LIMITS
) -> list[ProblemRow]:
    """Return the problems of one Run, without a frame; `failed` is that of `nt.problems`."""
    traversal = Traversal(RunSource(run, run.id), Copies(), failure_rule(failed))
    visits = list(traversal)
    return find_problems(run, visits, tool_call_rows(traversal), limits)


def _call_problems(calls: list[ToolCallRow]) -> Iterator[ProblemRow]:
    for call in calls:
        if not isinstance(call.args, dict) and call.args:
            yield _of_call(call, "invalid_arguments", f"arguments of {call.name or 'a call'}: {shorten(call.args)}")
        if call.answer is None:
            yield _of_call(call, "unanswered_call", f"{call.name or 'a call'} has no result")
        elif call.failed:
            kind, text = ("tool_error", call.error) if call.error else ("failed_result", call.result or "")
            answer = call.answer
            yield ProblemRow(
                answer.visit,
                kind,
                f"{call.name or 'a call'}: {shorten(text or '')}",
                answer.block,
                answer.block_index,
                call.inference_id,
            )
        elif call.answer.block.metadata.raw(INTERRUPTED):
            yield _of_call(call, "tool_error", f"{call.name or 'a call'} was interrupted")


def _of_call(call: ToolCallRow, kind: str, message: str) -> ProblemRow:
    return ProblemRow(call.visit, kind, message, call.block, call.block_index, call.inference_id)


def _repeated_calls(calls: list[ToolCallRow], repeats: int) -> Iterator[ProblemRow]:
    """Yield the calls that had the same arguments and the same result as often as to be a problem."""
    counts: dict[tuple[str, str, str | None], int] = {}
    for call in calls:
        key = (call.name, call.text, call.result)
        counts[key] = counts.get(key, 0) + 1
        if counts[key] == repeats:
            message = f"{call.name or 'a call'} for the {_ordinal(repeats)} time: {shorten(call.text)}"
            yield _of_call(call, "repeated_call", message)


def _ordinal(number: int) -> str:
    ending = "th" if number % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{ending}"


def _model_problems(visit: TurnVisit, near_limit: float) -> Iterator[ProblemRow]:
    for call in visit.model_calls:
        if call.result is None:
            continue
        first: NewBlock | None = call.blocks[-1] if call.blocks else None
        place: tuple[Any, ...] = (first.block, first.index, call.id) if first is not None else (None, None, call.id)
        for kind, message in _problems_of(call.result, near_limit):
            yield ProblemRow(visit, kind, message, *place)


def _problems_of(result: InferenceResult, near_limit: float) -> Iterator[tuple[str, str]]:
    reason = result.stop_reason or str(result.finish_class)
    if error := error_text(result.error):
        yield "model_error", shorten(error)
    elif result.finish_class is FinishClass.ERROR:
        yield "model_error", f"the model call ended with {reason}"
    if result.truncated or result.finish_class is FinishClass.MAX_TOKENS:
        yield "truncated", f"the reply was cut: {reason}"
    if result.finish_class in REFUSALS:
        yield "refused", f"the model call ended with {reason}"
    model = find_model(result.model) if result.usage is not None else None
    if model is not None and model.context_window and result.usage is not None:
        share = result.usage.total_tokens / model.context_window
        if share >= near_limit:
            yield "context_near_limit", f"{share:.0%} of the {model.context_window:,} tokens of {result.model}"


def _gaps(visit: TurnVisit, gap_seconds: float) -> Iterator[ProblemRow]:
    previous = None
    for new in visit.blocks:
        time = time_of(new.block)
        if time is not None and previous is not None and new.block.kind not in ("user", "system"):
            seconds = (time - previous).total_seconds()
            if seconds >= gap_seconds:
                yield ProblemRow(
                    visit, "long_gap", f"{seconds / 60:.0f} minutes before this block", new.block, new.index
                )
        previous = time or previous


def _run_problems(run: Run, visits: list[TurnVisit]) -> Iterator[ProblemRow]:
    for visit in visits:
        if error := error_text(visit.turn.metadata.raw(ERROR)):
            yield ProblemRow(visit, "run_error", shorten(error))
    outcome = run.outcome
    if outcome is not None and visits:
        if outcome.error:
            yield ProblemRow(visits[-1], "run_error", shorten(outcome.error))
        if outcome.limit:
            yield ProblemRow(visits[-1], "run_error", f"the limit {outcome.limit} was reached")
