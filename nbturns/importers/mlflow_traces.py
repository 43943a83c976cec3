"""MLflow's traces: `Trace.to_json()`, lines or lists of it, `traces.json` of an artifact, rows of `search_traces`.

A span of the type LLM or CHAT_MODEL is a model call, one of the type TOOL a tool call. Values of attributes are JSON.
`input_tokens` includes the cache unless the format of the messages is Anthropic's. The session of the trace's metadata
groups traces, and assessments are the outcome of the Run.

Source: mlflow/mlflow 88739b9, mlflow/entities/span.py (`to_dict`, `from_dict`, `from_dict_v2`), mlflow/entities/trace.py
and trace_info.py (`info`, `data`), mlflow/tracing/constant.py (`SpanAttributeKey`, `TraceMetadataKey`, `TokenUsageKey`,
`CostKey`), mlflow/entities/assessment.py (`assessment_name`, `feedback`, `expectation`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from .kit.faults import missing_field
from .kit.importer import Importer
from .kit.message_parts import json_or_text
from .kit.observations import CALL, OTHER, TOOL, Observation, export_reader, export_score, first_text, object_of
from .kit.outcomes import outcome_of
from .kit.record_fields import ShapeError, omit, omit_empty, text_or_empty, to_float, token_usage
from .kit.span_conversations import TraceFields

FORMAT = "mlflow"
KINDS = {"LLM": CALL, "CHAT_MODEL": CALL, "TOOL": TOOL}
PREFIX = "mlflow."
USAGE, COST, MODEL, PROVIDER = "mlflow.chat.tokenUsage", "mlflow.llm.cost", "mlflow.llm.model", "mlflow.llm.provider"
INPUTS, OUTPUTS, SPAN_TYPE = "mlflow.spanInputs", "mlflow.spanOutputs", "mlflow.spanType"
SESSION, TRACE_NAME = "mlflow.trace.session", "mlflow.traceName"
READ_FIELDS = ("attributes", "inputs", "outputs")  # blocks and results have their values
READ_ATTRIBUTES = (INPUTS, OUTPUTS)


def is_trace(value: Any) -> bool:
    """Return True for a trace of MLflow, for its data alone, and for a row with a trace."""
    info, spans = _trace_of(value)
    return bool(spans) and (bool(info) or _is_span(spans[0]))


def _trace_of(value: Any) -> tuple[Mapping[str, Any], list[Any]]:
    """Return the info and the spans of a trace; both are empty for any other value."""
    if not isinstance(value, Mapping):
        return {}, []
    trace = object_of(value.get("trace")) or value
    info, data = object_of(trace.get("info")), object_of(trace.get("data"))
    spans = data.get("spans", trace.get("spans"))
    is_known = isinstance(spans, list) and (not info or not {"trace_id", "request_id"}.isdisjoint(info))
    return (info, spans) if is_known else ({}, [])


def _is_span(value: Any) -> bool:
    attributes = object_of(value.get("attributes")) if isinstance(value, Mapping) else {}
    return any(str(name).startswith(PREFIX) for name in attributes)


def parse_trace(position: str, record: Any, traces: dict[str, TraceFields]) -> Iterator[Observation]:
    """Yield the observations of the spans of a trace."""
    info, spans = _trace_of(record)
    if not spans:
        raise ShapeError(missing_field("data", record if isinstance(record, Mapping) else ()))
    trace_id = first_text(info.get("trace_id"), info.get("request_id"))
    metadata = {**object_of(info.get("request_metadata")), **object_of(info.get("trace_metadata"))}
    session = text_or_empty(json_or_text(metadata.get(SESSION)))
    for index, span in enumerate(spans):
        if isinstance(span, Mapping):
            yield to_observation(f"{position}.data.spans[{index}]".lstrip("."), span, trace_id, session)
    name = text_or_empty(object_of(info.get("tags")).get(TRACE_NAME))
    outcome = outcome_of({"scores": _scores_of(info)})
    traces[trace_id] = TraceFields(name, omit_empty(info), outcome)


def to_observation(position: str, record: Mapping[str, Any], trace_id: str, session: str) -> Observation:
    """Return the observation of a span."""
    attributes = {name: json_or_text(value) for name, value in object_of(record.get("attributes")).items()}
    context = object_of(record.get("context"))
    kind = KINDS.get(str(attributes.get(SPAN_TYPE) or record.get("span_type")), OTHER)
    start, end = (record.get(f"{name}_time_unix_nano", record.get(f"{name}_time")) for name in ("start", "end"))
    inputs = attributes.get(INPUTS, record.get("inputs"))
    fields = omit(record, *READ_FIELDS) | omit_empty(
        attributes=omit(object_of(record.get("attributes")), *READ_ATTRIBUTES)
    )
    return Observation(
        position,
        record,
        trace=trace_id or str(record.get("trace_id") or context.get("trace_id") or ""),
        id=str(record.get("span_id") or context.get("span_id") or ""),
        parent=str(record.get("parent_span_id") or record.get("parent_id") or ""),
        name=text_or_empty(record.get("name")),
        start=start,
        end=end,
        error=_error_of(record),
        kind=kind,
        input=inputs,
        output=attributes.get(OUTPUTS, record.get("outputs")),
        model=first_text(attributes.get(MODEL), object_of(inputs).get("model")),
        provider=text_or_empty(attributes.get(PROVIDER)),
        usage=_usage_of(attributes) if kind == CALL else None,
        cost=to_float(object_of(attributes.get(COST)).get("total_cost")),
        session=session,
        call_fields=omit_empty(fields),
    )


def _error_of(record: Mapping[str, Any]) -> str:
    status = object_of(record.get("status"))
    code = str(status.get("code") or status.get("status_code") or record.get("status_code") or "")
    message = first_text(status.get("message"), status.get("description"), record.get("status_message"))
    return (message or "error") if code.endswith("ERROR") or code == "2" else ""


def _usage_of(attributes: Mapping[str, Any]) -> Any:
    usage = object_of(attributes.get(USAGE))
    cache_read, cache_write = usage.get("cache_read_input_tokens"), usage.get("cache_creation_input_tokens")
    return token_usage(
        usage.get("input_tokens"),
        usage.get("output_tokens"),
        cache_read_tokens=cache_read,
        cache_write_tokens=cache_write,
        cache_in_input=attributes.get("mlflow.message.format") != "anthropic",
    )


def _scores_of(info: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values of the feedback on a trace."""
    scores: dict[str, Any] = {}
    assessments = info.get("assessments")
    for assessment in assessments if isinstance(assessments, list) else ():
        name = first_text(object_of(assessment).get("assessment_name"), object_of(assessment).get("name"))
        feedback = object_of(object_of(assessment).get("feedback"))
        if name and "value" in feedback:
            scores[name] = feedback["value"]
    return scores


IMPORTER = Importer(FORMAT, export_score(is_trace, "traces"), export_reader(FORMAT, parse_trace, "traces"))
