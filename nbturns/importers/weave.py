"""Weave's calls: the lines of a stream of calls, a list of them, `{"calls": […]}`.

A call with tokens of its own in `summary.usage` is a model call; so is one of an operation with the name of a client's
method, if it failed. The usage of a call that contains others is their sum. Costs are those of `summary.weave.costs`.

Source: wandb/weave 5ad4a3d, weave/trace_server/trace_server_interface.py (`CallSchema`, `LLMUsageSchema`,
`LLMCostSchema`, `WeaveSummarySchema`: all fields read); weave/trace/weave_client.py (sums of usage, names of operations).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from .kit.faults import missing_field
from .kit.importer import Importer
from .kit.observations import CALL, OTHER, TOOL, Observation, export_reader, export_score, first_text, object_of
from .kit.record_fields import ShapeError, omit, omit_empty, text_or_empty, to_float
from .kit.span_conversations import TraceFields
from .kit.usage_values import usage_of

FORMAT = "weave"
MODEL_OPERATIONS = (
    "chat.completions.create", "completions.create", "messages.create", "responses.create", "generate_content",
    "chat.complete", "completion", "converse",
)  # fmt: skip
COSTS = ("prompt_tokens_total_cost", "completion_tokens_total_cost")
READ_FIELDS = ("inputs", "output")  # blocks and results have their values


def is_call(value: Any) -> bool:
    """Return True for a call of Weave."""
    return isinstance(value, Mapping) and {"op_name", "trace_id", "started_at", "inputs"} <= value.keys()


def parse_call(position: str, record: Any, traces: dict[str, TraceFields]) -> Iterator[Observation]:
    """Yield the observation of a call."""
    if not is_call(record):
        raise ShapeError(missing_field("op_name", record if isinstance(record, Mapping) else ()))
    call = to_observation(position, record)
    yield call
    if not call.parent:
        traces.setdefault(call.trace, TraceFields(call.name))


def to_observation(position: str, record: Mapping[str, Any]) -> Observation:
    """Return the observation of a call."""
    summary = object_of(record.get("summary"))
    usages = {name: usage for name, usage in object_of(summary.get("usage")).items() if isinstance(usage, Mapping)}
    name = operation_name(record)
    inputs = object_of(record.get("inputs"))
    return Observation(
        position,
        record,
        trace=str(record["trace_id"]),
        id=str(record.get("id") or ""),
        parent=str(record.get("parent_id") or ""),
        name=first_text(record.get("display_name"), name),
        start=record.get("started_at"),
        end=record.get("ended_at"),
        error=text_or_empty(record.get("exception")),
        kind=_kind_of(record, name, bool(usages)),
        input=omit(inputs, "self"),
        output=record.get("output"),
        model=first_text(*usages, inputs.get("model")),
        usage=usage_of(next(iter(usages.values()))) if len(usages) == 1 else None,
        cost=_cost_of(summary),
        tool_name=name if object_of(object_of(record.get("attributes")).get("weave")).get("kind") == "tool" else "",
        session=text_or_empty(record.get("thread_id")),
        call_fields=omit_empty(omit(record, *READ_FIELDS), client=inputs.get("self")),
    )


def operation_name(record: Mapping[str, Any]) -> str:
    """Return the name in a reference like `weave:///entity/project/op/name:digest`; a plain name as it is."""
    return str(record.get("op_name") or "").rpartition("/")[2].partition(":")[0]


def _kind_of(record: Mapping[str, Any], name: str, has_usage: bool) -> str:
    declared = object_of(object_of(record.get("attributes")).get("weave")).get("kind")
    if declared == "tool":
        return TOOL
    return CALL if has_usage or declared == "llm" or name.endswith(MODEL_OPERATIONS) else OTHER


def _cost_of(summary: Mapping[str, Any]) -> float | None:
    costs = object_of(object_of(summary.get("weave")).get("costs"))
    numbers = [to_float(object_of(cost).get(name)) for cost in costs.values() for name in COSTS]
    known_numbers = [number for number in numbers if number is not None]
    return sum(known_numbers) if known_numbers else None


IMPORTER = Importer(FORMAT, export_score(is_call, "calls", "data"), export_reader(FORMAT, parse_call, "calls", "data"))
