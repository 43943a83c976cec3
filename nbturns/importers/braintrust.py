"""Braintrust's spans: rows of a project's logs or of an experiment, as lines, a list, or `{"events": […]}` of the API.

A span of the type `llm` is a model call, one of the type `tool` a tool call. `prompt_tokens` includes the cache.

Source: braintrustdata/braintrust-sdk a696a72, js/src/generated_types.ts (`ProjectLogsEvent`, `ExperimentEvent`,
`SpanAttributes`: all fields read), js/src/wrappers/anthropic-tokens-util.ts (`prompt_tokens` with the cache),
e2e/scenarios/*/__snapshots__/*.log-payloads.json (inputs and outputs of model calls, names of metrics).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from .kit.faults import missing_field
from .kit.importer import Importer
from .kit.observations import (
    CALL,
    OTHER,
    TOOL,
    Observation,
    conversation_id,
    export_reader,
    export_score,
    first_text,
    object_of,
)
from .kit.outcomes import error_text, outcome_of
from .kit.record_fields import ShapeError, omit, omit_empty, text_or_empty, to_float, token_usage
from .kit.span_conversations import TraceFields

FORMAT = "braintrust"
KINDS = {"llm": CALL, "tool": TOOL}
READ_FIELDS = ("input", "output")  # blocks and results have their values


def is_row(value: Any) -> bool:
    """Return True for a span of Braintrust."""
    if not isinstance(value, Mapping) or not {"span_id", "root_span_id"} <= value.keys():
        return False
    return not {"span_attributes", "metrics", "span_parents"}.isdisjoint(value)


def parse_row(position: str, record: Any, traces: dict[str, TraceFields]) -> Iterator[Observation]:
    """Yield the observation of a span."""
    if not is_row(record):
        raise ShapeError(missing_field("span_id", record if isinstance(record, Mapping) else ()))
    span = to_observation(position, record)
    yield span
    if not span.parent:
        outcome = outcome_of({"scores": omit_empty(object_of(record.get("scores")))}, target=record.get("expected"))
        traces.setdefault(span.trace, TraceFields(span.name, outcome=outcome))


def to_observation(position: str, record: Mapping[str, Any]) -> Observation:
    """Return the observation of a row."""
    attributes, metrics = object_of(record.get("span_attributes")), object_of(record.get("metrics"))
    metadata, parents = object_of(record.get("metadata")), record.get("span_parents")
    kind = KINDS.get(str(attributes.get("type")), OTHER)
    return Observation(
        position,
        record,
        trace=str(record["root_span_id"]),
        id=str(record["span_id"]),
        parent=str(parents[0]) if isinstance(parents, list) and parents else "",
        name=first_text(attributes.get("name"), record.get("name")),
        start=_nanoseconds(metrics.get("start")) or record.get("created"),
        end=_nanoseconds(metrics.get("end")),
        error=error_text(record.get("error")) or "",
        kind=kind,
        input=record.get("input"),
        output=record.get("output"),
        model=text_or_empty(metadata.get("model")),
        provider=text_or_empty(metadata.get("provider")),
        usage=_usage_of(metrics) if kind == CALL else None,
        cost=to_float(metrics.get("estimated_cost")),
        stop_reason=first_text(metadata.get("stop_reason"), metadata.get("finish_reason")),
        session=conversation_id(metadata),
        call_fields=omit_empty(omit(record, *READ_FIELDS)),
    )


def _usage_of(metrics: Mapping[str, Any]) -> Any:
    return token_usage(
        metrics.get("prompt_tokens"),
        metrics.get("completion_tokens"),
        cache_read_tokens=metrics.get("prompt_cached_tokens"),
        cache_write_tokens=metrics.get("prompt_cache_creation_tokens"),
        reasoning_tokens=metrics.get("completion_reasoning_tokens"),
    )


def _nanoseconds(seconds: Any) -> int | None:
    number = to_float(seconds)
    return None if number is None else round(number * 1e9)


IMPORTER = Importer(
    FORMAT, export_score(is_row, "events", "rows", "data"), export_reader(FORMAT, parse_row, "events", "rows", "data")
)
