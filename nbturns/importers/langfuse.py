"""Langfuse's exports: a trace with its observations, lines or lists of observations, traces of the public API.

An observation of the type GENERATION is a model call, one of the type TOOL a tool call. Times, ids, parents and names
are read under the names of the web page's download and of the public API (`traceId`, `parentObservationId`,
`startTime`, `statusMessage`, `usageDetails`, `costDetails`, `totalCost`) and under those of the exports to blob storage
(`trace_id`, `parent_observation_id`, `start_time`, `usage_details`, `cost_details`). `usageDetails` counts each token
once: `input_cache_read` is not in `input` unless the total says so. Scores are the outcome of the Run; a session groups
traces.

Source: langfuse/langfuse 6275144, fern/apis/server/definition/commons.yml (Trace, Observation, Score: all fields read),
packages/shared/src/server/repositories/observations_converters.ts (details of usage and costs),
worker/src/__tests__/chatml/framework-traces/*.trace.json (the download of a trace).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from .kit.faults import missing_field
from .kit.import_report import join_positions
from .kit.importer import Importer
from .kit.message_parts import first_value, structured
from .kit.observations import (
    CALL,
    OTHER,
    TOOL,
    Observation,
    export_reader,
    export_score,
)
from .kit.outcomes import outcome_of
from .kit.record_fields import ShapeError, omit, omit_empty, text_or_empty, to_float
from .kit.span_conversations import TraceFields
from .kit.usage_values import additive_usage, usage_of

FORMAT = "langfuse"
KINDS = {"GENERATION": CALL, "TOOL": TOOL}
TYPES = frozenset(
    {"SPAN", "EVENT", "GENERATION", "AGENT", "TOOL", "CHAIN", "RETRIEVER", "EVALUATOR", "EMBEDDING", "GUARDRAIL"}
)
TRACE_IDS = ("traceId", "trace_id")
PARENT_IDS = ("parentObservationId", "parent_observation_id")
START_TIMES, END_TIMES = ("startTime", "start_time"), ("endTime", "end_time")
MODELS = ("model", "providedModelName", "provided_model_name")
USAGES, COSTS = ("usageDetails", "usage_details", "usage"), ("costDetails", "cost_details")
TOTAL_COSTS = ("totalCost", "total_cost", "calculatedTotalCost")
PROVIDERS = ("gen_ai.provider.name", "gen_ai.system", "llm.provider", "llm.system", "ls_provider", "ai.model.provider")
READ_FIELDS = ("input", "output")  # blocks and results have their values


def is_observation(value: Any) -> bool:
    """Return True for an observation of Langfuse."""
    if not isinstance(value, Mapping) or text_or_empty(value.get("type")) not in TYPES:
        return False
    return first_value(value, TRACE_IDS) is not None and first_value(value, START_TIMES) is not None


def is_trace(value: Any) -> bool:
    """Return True for a trace with its observations."""
    if not isinstance(value, Mapping) or not isinstance(observations := value.get("observations"), list):
        return False
    trace = value.get("trace", value)
    return isinstance(trace, Mapping) and "id" in trace and all(map(is_observation, observations[:4]))


def parse_record(position: str, record: Any, traces: dict[str, TraceFields]) -> Iterator[Observation]:
    """Yield the observations of a trace, or an observation."""
    if is_trace(record):
        trace = record["trace"] if isinstance(record.get("trace"), Mapping) else omit(record, "observations")
        traces[str(trace["id"])] = trace_fields(trace)
        for index, item in enumerate(record["observations"]):
            if isinstance(item, Mapping):
                yield to_observation(join_positions(position, f"observations[{index}]"), item, trace)
    elif is_observation(record):
        yield to_observation(position, record, {})
    else:
        raise ShapeError(missing_field("traceId", record if isinstance(record, Mapping) else ()))


def to_observation(position: str, record: Mapping[str, Any], trace: Mapping[str, Any]) -> Observation:
    """Return the observation of a record of a trace."""
    metadata = structured(record.get("metadata"))
    attributes = _attributes_of(metadata)
    is_tool = attributes.get("openinference.span.kind") == "TOOL" or "gen_ai.tool.name" in attributes
    kind = KINDS.get(str(record.get("type")), TOOL if is_tool else OTHER)
    session = trace.get("sessionId") or record.get("sessionId") or record.get("session_id")
    return Observation(
        position,
        record,
        trace=str(first_value(record, TRACE_IDS) or trace.get("id") or ""),
        id=str(record.get("id") or ""),
        parent=str(first_value(record, PARENT_IDS) or ""),
        name=text_or_empty(record.get("name")),
        start=first_value(record, START_TIMES),
        end=first_value(record, END_TIMES),
        error=_error_of(record),
        kind=kind,
        input=record.get("input"),
        output=record.get("output"),
        model=text_or_empty(first_value(record, MODELS)),
        provider=text_or_empty(first_value(attributes, PROVIDERS)),
        usage=_usage_of(record),
        cost=_cost_of(record),
        tool_call_id=text_or_empty(first_value(attributes, ("gen_ai.tool.call.id", "ai.toolCall.id", "tool_call.id"))),
        tool_name=text_or_empty(first_value(attributes, ("gen_ai.tool.name", "ai.toolCall.name", "tool.name"))),
        session=text_or_empty(session),
        call_fields=omit_empty(omit(record, *READ_FIELDS)),
    )


def _attributes_of(metadata: Any) -> Mapping[str, Any]:
    """Return the attributes of the OpenTelemetry span of an observation, with its own metadata."""
    if not isinstance(metadata, Mapping):
        return {}
    attributes = structured(metadata.get("attributes"))
    return {**metadata, **(attributes if isinstance(attributes, Mapping) else {})}


def _error_of(record: Mapping[str, Any]) -> str:
    message = record.get("statusMessage") or record.get("status_message")
    return (text_or_empty(message) or "error") if record.get("level") == "ERROR" else ""


def _usage_of(record: Mapping[str, Any]) -> Any:
    usage = structured(first_value(record, USAGES))
    if not isinstance(usage, Mapping) or not any(usage.values()):
        return None
    return additive_usage(usage) or usage_of(usage)


def _cost_of(record: Mapping[str, Any]) -> float | None:
    """Return the cost of an observation; 0 is that of a model without prices unless the client has reported it."""
    costs = structured(first_value(record, COSTS))
    costs = costs if isinstance(costs, Mapping) else {}
    cost = to_float(first_value(record, TOTAL_COSTS))
    cost = to_float(costs.get("total")) if cost is None else cost
    return cost or None


def trace_fields(trace: Mapping[str, Any]) -> TraceFields:
    """Return the values of a trace; the web page's download has the values of its metadata as JSON text."""
    scores = trace.get("scores")
    values: dict[str, Any] = {}
    for score in scores if isinstance(scores, list) else ():
        if isinstance(score, Mapping) and isinstance(score.get("name"), str):
            values[score["name"]] = first_value(score, ("stringValue", "value"))
    fields = {name: value for name, value in omit_empty(trace).items() if name != "observations"}
    outcome = outcome_of({"scores": {name: value for name, value in values.items() if value is not None}})
    return TraceFields(text_or_empty(trace.get("name")), fields, outcome)


IMPORTER = Importer(
    FORMAT,
    export_score(lambda value: is_trace(value) or is_observation(value), "data"),
    export_reader(FORMAT, parse_record, "data"),
)
