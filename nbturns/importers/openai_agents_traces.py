"""Traces of openai-agents, as its exporters write them: `trace` and `trace.span` objects, in lines, a list or `{"data": […]}`.

A span of the type `generation` is a model call with its messages; one of the type `response` has only the id and the tokens of
its reply, unless a processor of the user's has added `input` and `response`. A `function` is a tool call, and a conversation in
one is that of a subagent (an agent as a tool). `group_id` groups traces. Source: openai/openai-agents-python at 1b3e9f5353c7,
src/agents/tracing/span_data.py (`export` of each type: all fields read), spans.py (`SpanImpl.export`), traces.py
(`TraceImpl.export`: `workflow_name`, `group_id`, `metadata`), processors.py (`BackendSpanExporter`: `data`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from .kit.faults import missing_field
from .kit.observations import CALL, OTHER, TOOL, Observation, export_reader, export_score, first_text, object_of
from .kit.outcomes import error_text
from .kit.record_fields import ShapeError, omit, omit_empty, text_or_empty
from .kit.span_conversations import TraceFields
from .kit.usage_values import usage_of

KINDS = {"generation": CALL, "response": CALL, "function": TOOL}
OBJECTS = ("trace", "trace.span")
READ_FIELDS = ("input", "output", "response")  # of the data of a span; blocks and results have their values
LISTS = ("data", "spans")
MODEL_PROVIDER = "openai"


def is_record(value: Any) -> bool:
    """Return True for a trace or a span."""
    if not isinstance(value, Mapping) or value.get("object") not in OBJECTS or not isinstance(value.get("id"), str):
        return False
    is_span = isinstance(value.get("span_data"), Mapping)
    return is_span if value["object"] == "trace.span" else "workflow_name" in value


def parse_record(position: str, record: Any, traces: dict[str, TraceFields]) -> Iterator[Observation]:
    """Yield the observation of a span; keep the values of a trace."""
    if not is_record(record):
        raise ShapeError(missing_field("span_data", record if isinstance(record, Mapping) else ()))
    if record["object"] == "trace":
        name = text_or_empty(record.get("workflow_name"))
        traces[record["id"]] = TraceFields(name, omit_empty(omit(record, "object", "id", "workflow_name")))
    else:
        yield to_observation(position, record)


def to_observation(position: str, record: Mapping[str, Any]) -> Observation:
    """Return the observation of a span."""
    data = record["span_data"]
    kind = KINDS.get(text_or_empty(data.get("type")), OTHER)
    reply = data.get("response", data.get("output"))
    return Observation(
        position,
        record,
        trace=text_or_empty(record.get("trace_id")),
        id=record["id"],
        parent=text_or_empty(record.get("parent_id")),
        name=text_or_empty(data.get("name")),
        start=record.get("started_at"),
        end=record.get("ended_at"),
        error=error_text(record.get("error")) or "",
        kind=kind,
        input=data.get("input"),
        output=reply,
        model=first_text(data.get("model"), object_of(reply).get("model")),
        provider=MODEL_PROVIDER if data.get("type") == "response" else "",
        usage=usage_of(data.get("usage")) if kind == CALL else None,
        response_id=text_or_empty(data.get("response_id")),
        call_fields=omit_empty({**omit(record, "span_data"), "span_data": omit(data, *READ_FIELDS)}),
    )


def new_reader(format: str) -> Any:
    """Return the reader of traces."""
    return export_reader(format, parse_record, *LISTS)


score_traces = export_score(is_record, *LISTS)
