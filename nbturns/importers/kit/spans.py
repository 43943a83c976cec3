"""Spans and log records of OpenTelemetry in their JSON forms: that of OTLP, and that of the SDK for Python.

Source: OTLP's `trace.proto` and `logs.proto` in JSON, and `ReadableSpan.to_json`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from typing import Any

from .faults import missing_field
from .import_report import Notes, join_positions
from .importer import SURE
from .record_fields import ShapeError, omit_empty, to_number
from .source import Sample

MODEL_PREFIXES = ("gen_ai.", "llm.", "openinference.")  # of the attributes of model calls
MAX_SPANS = 64  # of a record, that a score looks at
ENVELOPES = ("resourceSpans", "resource_spans", "resourceLogs", "resource_logs")
SCOPES = ("scopeSpans", "scope_spans", "scopeLogs", "scope_logs", "instrumentationLibrarySpans")
SCOPE_RECORDS = ("spans", "logRecords", "log_records")
CONVERSATION_IDS = ("gen_ai.conversation.id", "session.id", "conversation.id", "langfuse.session.id")
LOG_ATTRIBUTES = ("gen_ai.system", "gen_ai.provider.name", *CONVERSATION_IDS)  # that go to the span of a log record
Raw = Mapping[str, Any]


@dataclass(slots=True)
class Span:
    """A span in one shape: attributes flat, ids as they were written, times in nanoseconds or as written."""

    position: str
    raw: Raw
    trace: str = ""
    id: str = ""
    parent: str = ""
    name: str = ""
    start: Any = None
    end: Any = None
    attributes: dict[str, Any] = field(default_factory=dict)
    events: list[Raw] = field(default_factory=list)  # each with name, attributes, and perhaps a body
    error: str = ""
    resource: Any = None  # the program that made it
    invalid_fields: dict[str, Any] = field(default_factory=dict)  # fields of another shape than documented
    record_count: int = 1  # the span and its log records

    @property
    def conversation(self) -> str:
        """The id of the conversation; "" without one."""
        ids = (self.attributes.get(name) for name in CONVERSATION_IDS)
        return next((id for id in ids if isinstance(id, str) and id), "")

    def extra_fields(self) -> dict[str, Any]:
        """Return the fields of the span that are no attributes."""
        fields = {"name": self.name, "trace_id": self.trace, "end_time": self.end, "resource": self.resource}
        return {**fields, **self.invalid_fields}

    @property
    def duration_ms(self) -> int | None:
        """The duration in milliseconds; None without a start or an end."""
        start, end = to_seconds(self.start), to_seconds(self.end)
        return None if start is None or end is None or end < start else round((end - start) * 1000)


def to_seconds(time: Any) -> float | None:
    """Return a time in seconds since 1970; `time` is ISO 8601, or nanoseconds since 1970."""
    if isinstance(time, str) and not time.isdigit():
        try:
            return datetime.fromisoformat(time).timestamp()
        except (ValueError, OverflowError):
            return None
    nanoseconds = to_number(time)
    return None if nanoseconds is None else nanoseconds / 1e9


# The JSON forms.


def is_span(value: Any) -> bool:
    """Return True for a span or a log record, of OTLP or of the SDK for Python."""
    if not isinstance(value, Mapping):
        return False
    if any(name in value for name in ENVELOPES):
        return True
    if isinstance(value.get("attributes"), Mapping):
        context = value.get("context")
        return (isinstance(context, Mapping) and "trace_id" in context) or ("trace_id" in value and "span_id" in value)
    return isinstance(value.get("attributes"), list) and ("traceId" in value or "spanId" in value)


def read_spans(values: Iterable[tuple[str, Any]], notes: Notes) -> list[Span]:
    """Return all spans; log records become events of the spans that they belong to."""
    spans: dict[tuple[str, str], Span] = {}
    logs: list[tuple[str, Raw, tuple[str, str, dict[str, Any]]]] = []
    for document_position, value in values:
        for position, raw, resource in _records(document_position, value):
            notes.record_count += 1
            try:
                if _is_log(raw):
                    logs.append((position, raw, _log_event(raw)))
                    continue
                span = _span(position, raw, resource)
            except (ShapeError, ValueError, TypeError, AttributeError) as error:
                notes.add_unknown(position, f"not a span: {error}")
                span = Span(position, raw if isinstance(raw, Mapping) else {"value": raw})
            if span.invalid_fields:
                notes.add_unknown(
                    position, f"fields of another shape than documented: {', '.join(span.invalid_fields)}"
                )
            spans[(span.trace, span.id or position)] = span
    for position, raw, (trace, id, event) in logs:
        span = spans.setdefault((trace, id or position), Span(position, raw, trace=trace, id=id, record_count=0))
        span.record_count += 1
        span.attributes = {**event.pop("span"), **span.attributes}
        span.events.append(event)
    return list(spans.values())


def _records(position: str, value: Any) -> Iterator[tuple[str, Any, Raw]]:
    """Yield the spans and log records in a value, with their positions and the attributes of their resource."""
    if isinstance(value, list):
        for index, item in enumerate(value):
            yield from _records(f"{position}[{index}]", item)
        return
    envelope = next((name for name in ENVELOPES if name in value), "") if isinstance(value, Mapping) else ""
    if not envelope:
        yield position, value, {}
        return
    for group_position, group in _items(value[envelope], join_positions(position, envelope)):
        resource = _first(group, "resource")
        attributes = flatten(_first(resource, "attributes")) or omit_empty(resource=resource)
        scopes = list(_items(_first(group, *SCOPES), f"{group_position}.scopes"))
        if not scopes and group != {}:
            yield group_position, group, {}  # which is reported as no span
        for scope_position, scope in scopes:
            scope_name = _first(scope, "scope", "instrumentationLibrary")
            scope_attributes = {**attributes, **({"scope": scope_name} if scope_name else {})}
            records = _first(scope, *SCOPE_RECORDS)
            items = list(_items(records, scope_position))
            if not items and not isinstance(records, list):
                yield scope_position, scope, {}
            yield from ((item_position, item, scope_attributes) for item_position, item in items)


def _items(value: Any, position: str) -> Iterator[tuple[str, Any]]:
    """Yield the items of a list with their positions; a value that is no list as the only item."""
    if isinstance(value, list):
        yield from ((f"{position}[{index}]", item) for index, item in enumerate(value))
    elif value is not None:
        yield position, value


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _object(value: Any) -> Raw:
    return value if isinstance(value, Mapping) else {}


def _first(value: Any, *names: str) -> Any:
    return next((value[name] for name in names if name in value), None) if isinstance(value, Mapping) else None


def flatten(attributes: Any) -> dict[str, Any]:
    """Return attributes by name: a mapping is one already, OTLP has a list of keys and typed values."""
    if isinstance(attributes, Mapping):
        return dict(attributes)
    pairs = [pair for pair in _list(attributes) if isinstance(pair, Mapping) and isinstance(pair.get("key"), str)]
    return {pair["key"]: untyped_value(pair.get("value")) for pair in pairs}


def untyped_value(value: Any) -> Any:
    """Return the value in an `AnyValue` of OTLP."""
    if not isinstance(value, Mapping) or len(value) != 1:
        return value
    [(kind, content)] = value.items()
    if kind in ("arrayValue", "array_value"):
        return [untyped_value(item) for item in _list(_first(content, "values"))]
    if kind in ("kvlistValue", "kvlist_value"):
        return flatten(_first(content, "values"))
    if kind in ("intValue", "int_value"):
        return int(content) if isinstance(content, str) and content.lstrip("-").isdigit() else content
    return content if kind.endswith(("Value", "_value")) else value


def _span(position: str, raw: Any, resource: Raw) -> Span:
    if not isinstance(raw, Mapping) or "attributes" not in raw:
        raise ShapeError(missing_field("attributes", raw if isinstance(raw, Mapping) else ()))
    context, attributes = _object(raw.get("context")), flatten(raw["attributes"])
    events = [event for event in _list(raw.get("events")) if isinstance(event, Mapping)]
    resource_ids = {name: value for name, value in resource.items() if name in CONVERSATION_IDS}
    return Span(
        position,
        raw,
        trace=_text(context.get("trace_id") or raw.get("traceId") or raw.get("trace_id")),
        id=_text(context.get("span_id") or raw.get("spanId") or raw.get("span_id")),
        parent=_text(raw.get("parent_id") or raw.get("parentSpanId") or raw.get("parent_span_id")),
        name=_text(raw.get("name")),
        start=raw.get("start_time") or raw.get("startTimeUnixNano") or raw.get("start_time_unix_nano"),
        end=raw.get("end_time") or raw.get("endTimeUnixNano") or raw.get("end_time_unix_nano"),
        attributes={**resource_ids, **attributes},
        events=[{**event, "attributes": flatten(event.get("attributes"))} for event in events],
        error=_error(raw),
        resource=raw.get("resource") or resource,
        invalid_fields=_invalid_fields(raw, attributes),
    )


def _error(raw: Raw) -> str:
    """Return the error of a span; "" for a span that did not fail."""
    status = _object(raw.get("status"))
    codes = (status.get("status_code"), status.get("code"), raw.get("status_code"))
    failed = "ERROR" in codes or status.get("code") in (2, "STATUS_CODE_ERROR")
    message = status.get("description") or status.get("message") or raw.get("status_message")
    return (_text(message) or "error") if failed else ""


def _invalid_fields(raw: Raw, attributes: Raw) -> dict[str, Any]:
    """Return the events and attributes that are not of the documented shape, as they are."""
    invalid: dict[str, Any] = {}
    events = raw.get("events")
    if events is not None and not (isinstance(events, list) and all(map(_is_event, events))):
        invalid["events"] = events
    if not isinstance(raw["attributes"], (list, Mapping)) or len(attributes) < len(raw["attributes"]):
        invalid["attributes"] = raw["attributes"]
    return invalid


def _is_event(raw: Any) -> bool:
    """Return True for an event of which all attributes can be read."""
    if not isinstance(raw, Mapping):
        return False
    attributes = raw.get("attributes")
    return attributes is None or (
        isinstance(attributes, (list, Mapping)) and len(flatten(attributes)) == len(attributes)
    )


def _is_log(raw: Any) -> bool:
    return isinstance(raw, Mapping) and ("body" in raw or "event_name" in raw or "eventName" in raw)


def _log_event(raw: Raw) -> tuple[str, str, dict[str, Any]]:
    """Return the trace and the span of a log record, and the record as an event of that span."""
    attributes = flatten(raw.get("attributes"))
    trace, id = _text(raw.get("trace_id") or raw.get("traceId")), _text(raw.get("span_id") or raw.get("spanId"))
    name = raw.get("event_name") or raw.get("eventName") or attributes.pop("event.name", "")
    span_attributes = {name: value for name, value in attributes.items() if name in LOG_ATTRIBUTES}
    time = _first(raw, "timestamp", "timeUnixNano") or _first(raw, "observed_timestamp", "observedTimeUnixNano")
    event = {
        "name": _text(name),
        "attributes": attributes,
        "body": untyped_value(raw.get("body")),
        "time": time,
        "span": span_attributes,
    }
    return trace, id, event


def _text(value: Any) -> str:
    return value if isinstance(value, str) else "" if value is None else str(value)


# Detection.


def span_score(*prefixes: str) -> Callable[[Sample], int]:
    """Return a score that is sure when most of the first spans of model calls have attributes with these prefixes."""

    def score(sample: Sample) -> int:
        if sample.container != "json":
            return 0
        own_count = model_count = 0
        for record in filter(is_span, sample.records):
            for _, raw, _ in islice(_records("", record), MAX_SPANS):
                names = _names(raw)
                own_count += any(name.startswith(prefixes) for name in names)
                model_count += any(name.startswith(MODEL_PREFIXES) for name in names)
        return SURE if own_count * 2 > model_count else min(own_count, 1)

    return score


def _names(raw: Any) -> list[str]:
    """Return the names of a span or a log record: of its attributes, of its events, and its own."""
    if not isinstance(raw, Mapping):
        return []
    names = [str(name) for name in flatten(raw.get("attributes"))]
    names += [str(raw.get(name)) for name in ("event_name", "eventName")]
    return names + [str(event.get("name")) for event in _list(raw.get("events")) if isinstance(event, Mapping)]
