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
from .sample import Sample

MODEL_PREFIXES = ("gen_ai.", "llm.", "openinference.", "ai.operationId")  # of the attributes of model calls
MAX_SPANS = 64  # number of spans in a record that a score checks
ENVELOPES = ("resourceSpans", "resource_spans", "resourceLogs", "resource_logs")
SCOPES = ("scopeSpans", "scope_spans", "scopeLogs", "scope_logs", "instrumentationLibrarySpans")
SCOPE_RECORDS = ("spans", "logRecords", "log_records")
CONVERSATION_IDS = ("gen_ai.conversation.id", "session.id", "conversation.id", "langfuse.session.id")
LOG_ATTRIBUTES = ("gen_ai.system", "gen_ai.provider.name", *CONVERSATION_IDS)  # that go to the span of a log record
RawObject = Mapping[str, Any]
READ_FIELDS = frozenset(
    {"attributes", "events", "context", "name", "resource", "start_time", "startTimeUnixNano", "start_time_unix_nano"}
    | {"end_time", "endTimeUnixNano", "end_time_unix_nano", "traceId", "trace_id", "spanId", "span_id"}
)
READ_LOG_FIELDS = frozenset(
    {"body", "attributes", "event_name", "eventName", "traceId", "trace_id", "spanId", "span_id"}
)


@dataclass(slots=True)
class Span:
    """A span in one shape: attributes flat, ids as they were written, times in nanoseconds or as written."""

    position: str
    raw: RawObject
    trace: str = ""
    id: str = ""
    parent: str = ""
    name: str = ""
    start: Any = None
    end: Any = None
    attributes: dict[str, Any] = field(default_factory=dict)
    events: list[RawObject] = field(default_factory=list)  # each with name, attributes, and perhaps a body
    error: str = ""
    resource: Any = None  # the program that made it
    invalid_fields: dict[str, Any] = field(default_factory=dict)  # fields of another shape than documented
    record_count: int = 1  # the span and its log records
    log_fields: list[RawObject] = field(default_factory=list)  # of its log records, except their content

    @property
    def conversation(self) -> str:
        """The id of the conversation; "" without one."""
        ids = (self.attributes.get(name) for name in CONVERSATION_IDS)
        return next((id for id in ids if isinstance(id, str) and id), "")

    def extra_fields(self) -> dict[str, Any]:
        """Return the fields of the span that are not attributes."""
        fields = {"name": self.name, "trace_id": self.trace, "end_time": self.end, "resource": self.resource}
        other_fields = {name: value for name, value in self.raw.items() if name not in READ_FIELDS}
        return {**fields, **other_fields, **omit_empty(log_records=self.log_fields), **self.invalid_fields}

    def raw_fields(self) -> dict[str, Any]:
        """Return the span as it was written, with the program that made it."""
        return {**omit_empty(resource=self.resource), **omit_empty(self.raw)}

    @property
    def duration_ms(self) -> int | None:
        """The duration in milliseconds; None without a start or an end."""
        return span_duration(self.start, self.end)


def span_duration(start_time: Any, end_time: Any) -> int | None:
    """Return the milliseconds between two times; None where one of them is not known."""
    start, end = to_seconds(start_time), to_seconds(end_time)
    return None if start is None or end is None or end < start else round((end - start) * 1000)


def to_seconds(time: Any) -> float | None:
    """Return a time in seconds since 1970; `time` is ISO 8601, or nanoseconds since 1970."""
    if isinstance(time, str) and not time.isdigit():
        try:
            return datetime.fromisoformat(time).timestamp()
        except (ValueError, OverflowError):
            return None
    number = to_number(time)
    if number is None:
        return None
    return number / next((scale for least, scale in TIME_SCALES if abs(number) >= least), 1e9)


TIME_SCALES = ((1e17, 1e9), (1e14, 1e6), (1e11, 1e3), (1e8, 1))  # of a time since 1970, by its size: to seconds


# The JSON forms.


def is_span(value: Any) -> bool:
    """Return True for a span or a log record, of OTLP or of the SDK for Python."""
    if not isinstance(value, Mapping):
        return False
    if any(name in value for name in ENVELOPES) or _is_row(value):
        return True
    if isinstance(data := value.get("data"), list) and len(data) > 0:  # of Phoenix's API
        return is_span(data[0])
    if _is_flat(value):
        return True
    if isinstance(value.get("attributes"), Mapping):
        context = value.get("context")
        return (isinstance(context, Mapping) and "trace_id" in context) or ("trace_id" in value and "span_id" in value)
    return isinstance(value.get("attributes"), list) and ("traceId" in value or "spanId" in value)


def _is_row(value: Any) -> bool:
    """Return True for a row of a table of spans, as Phoenix writes it: `context.span_id`, `attributes.llm.model_name`."""
    return isinstance(value, Mapping) and "context.span_id" in value


def _span_of_row(row: RawObject) -> dict[str, Any]:
    """Return the span of a row of a table; a value that the span does not have is null there."""
    span: dict[str, Any] = {"context": {}, "attributes": {}}
    for name, value in row.items():
        group, _, field_name = name.partition(".")
        if group in ("context", "attributes") and field_name:
            span[group] |= omit_empty({field_name: value})
        elif value is not None:
            span[name] = value
    return span


def _is_flat(value: RawObject) -> bool:
    """Return True for the attributes of a span without the span, as some exporters write them."""
    return "attributes" not in value and any(name.startswith(MODEL_PREFIXES) for name in value if isinstance(name, str))


def read_spans(documents: Iterable[tuple[str, Any]], notes: Notes) -> list[Span]:
    """Return all spans; log records become events of the spans that they belong to."""
    spans: dict[tuple[str, str], Span] = {}
    log_records: list[tuple[str, RawObject, tuple[str, str, dict[str, Any]]]] = []
    for document_position, document in documents:
        for position, raw_record, resource in _iter_records(document_position, document):
            notes.record_count += 1
            try:
                if _is_log_record(raw_record):
                    log_records.append((position, raw_record, _log_event(raw_record)))
                    continue
                span = _to_span(position, raw_record, resource)
            except (ShapeError, ValueError, TypeError, AttributeError) as error:
                notes.add_unknown(position, f"not a span: {error}")
                span = Span(position, raw_record if isinstance(raw_record, Mapping) else {"value": raw_record})
            if span.invalid_fields:
                notes.add_unknown(
                    position, f"fields of another shape than documented: {', '.join(span.invalid_fields)}"
                )
            spans[(span.trace, span.id or position)] = span
    for position, raw_record, (trace_id, span_id, log_event) in log_records:
        span = spans.setdefault(
            (trace_id, span_id or position), Span(position, {}, trace=trace_id, id=span_id, record_count=0)
        )
        span.record_count += 1
        span.log_fields.append({name: value for name, value in raw_record.items() if name not in READ_LOG_FIELDS})
        span.attributes = {**log_event.pop("span"), **span.attributes}
        span.events.append(log_event)
    return list(spans.values())


def _iter_records(position: str, document: Any) -> Iterator[tuple[str, Any, RawObject]]:
    """Yield the spans and log records in a value, with their positions and the attributes of their resource."""
    if isinstance(document, list):
        for index, item in enumerate(document):
            yield from _iter_records(f"{position}[{index}]", item)
        return
    if isinstance(document, Mapping) and isinstance(document.get("data"), list) and is_span(document):
        yield from _iter_records(join_positions(position, "data"), document["data"])
        return
    envelope = next((name for name in ENVELOPES if name in document), "") if isinstance(document, Mapping) else ""
    if not envelope:
        yield position, _span_of_row(document) if _is_row(document) else document, {}
        return
    for group_position, resource_group in _positioned_items(document[envelope], join_positions(position, envelope)):
        resource = _first_field(resource_group, "resource")
        resource_attributes = flat_attributes(_first_field(resource, "attributes")) or omit_empty(resource=resource)
        scope_items = list(_positioned_items(_first_field(resource_group, *SCOPES), f"{group_position}.scopes"))
        if not scope_items and resource_group != {}:
            yield group_position, resource_group, {}  # read_spans reports it: it is not a span
        for scope_position, scope in scope_items:
            scope_name = _first_field(scope, "scope", "instrumentationLibrary")
            scope_attributes = {**resource_attributes, **({"scope": scope_name} if scope_name else {})}
            records = _first_field(scope, *SCOPE_RECORDS)
            items = list(_positioned_items(records, scope_position))
            if not items and not isinstance(records, list):
                yield scope_position, scope, {}
            yield from ((item_position, item, scope_attributes) for item_position, item in items)


def _positioned_items(value: Any, position: str) -> Iterator[tuple[str, Any]]:
    """Yield the items of a list with their positions; a value that is not a list is the only item."""
    if isinstance(value, list):
        yield from ((f"{position}[{index}]", item) for index, item in enumerate(value))
    elif value is not None:
        yield position, value


def _list_or_empty(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _object_or_empty(value: Any) -> RawObject:
    return value if isinstance(value, Mapping) else {}


def _first_field(value: Any, *names: str) -> Any:
    return next((value[name] for name in names if name in value), None) if isinstance(value, Mapping) else None


def flat_attributes(attributes: Any) -> dict[str, Any]:
    """Return attributes by name: a mapping is one already, OTLP has a list of keys and typed values."""
    if isinstance(attributes, Mapping):
        return dict(attributes)
    attribute_pairs = [
        attribute_pair
        for attribute_pair in _list_or_empty(attributes)
        if isinstance(attribute_pair, Mapping) and isinstance(attribute_pair.get("key"), str)
    ]
    return {attribute_pair["key"]: untyped_value(attribute_pair.get("value")) for attribute_pair in attribute_pairs}


def untyped_value(any_value: Any) -> Any:
    """Return the value in an `AnyValue` of OTLP; an empty one is None."""
    if any_value == {}:
        return None
    if not isinstance(any_value, Mapping) or len(any_value) != 1:
        return any_value
    [(value_type, typed_value)] = any_value.items()
    if value_type in ("arrayValue", "array_value"):
        return [untyped_value(item) for item in _list_or_empty(_first_field(typed_value, "values"))]
    if value_type in ("kvlistValue", "kvlist_value"):
        return flat_attributes(_first_field(typed_value, "values"))
    if value_type in ("intValue", "int_value"):
        return int(typed_value) if isinstance(typed_value, str) and typed_value.lstrip("-").isdigit() else typed_value
    return typed_value if value_type.endswith(("Value", "_value")) else any_value


def _to_span(position: str, raw_span: Any, resource: RawObject) -> Span:
    if isinstance(raw_span, Mapping) and _is_flat(raw_span):
        return Span(position, raw_span, attributes=dict(raw_span), resource=resource)
    if not isinstance(raw_span, Mapping) or "attributes" not in raw_span:
        raise ShapeError(missing_field("attributes", raw_span if isinstance(raw_span, Mapping) else ()))
    span_context, attributes = _object_or_empty(raw_span.get("context")), flat_attributes(raw_span["attributes"])
    raw_events = [event for event in _list_or_empty(raw_span.get("events")) if isinstance(event, Mapping)]
    resource_ids = {name: value for name, value in resource.items() if name in CONVERSATION_IDS}
    return Span(
        position,
        raw_span,
        trace=_as_text(span_context.get("trace_id") or raw_span.get("traceId") or raw_span.get("trace_id")),
        id=_as_text(span_context.get("span_id") or raw_span.get("spanId") or raw_span.get("span_id")),
        parent=_as_text(raw_span.get("parent_id") or raw_span.get("parentSpanId") or raw_span.get("parent_span_id")),
        name=_as_text(raw_span.get("name")),
        start=raw_span.get("start_time") or raw_span.get("startTimeUnixNano") or raw_span.get("start_time_unix_nano"),
        end=raw_span.get("end_time") or raw_span.get("endTimeUnixNano") or raw_span.get("end_time_unix_nano"),
        attributes={**resource_ids, **_kind_of(raw_span, attributes), **attributes},
        events=[{**event, "attributes": flat_attributes(event.get("attributes"))} for event in raw_events],
        error=_error_message(raw_span),
        resource=raw_span.get("resource") or resource,
        invalid_fields=_invalid_fields(raw_span, attributes),
    )


def _kind_of(raw_span: RawObject, attributes: RawObject) -> dict[str, Any]:
    """Return the attribute of OpenInference's kind where a span of Phoenix has it in a field of its own."""
    kind = raw_span.get("span_kind")
    is_known = "openinference.span.kind" not in attributes and "openinference" not in attributes
    return {"openinference.span.kind": kind} if isinstance(kind, str) and kind.isupper() and is_known else {}


def _error_message(raw_span: RawObject) -> str:
    """Return the error of a span; "" for a span that did not fail."""
    status = _object_or_empty(raw_span.get("status"))
    status_codes = (status.get("status_code"), status.get("code"), raw_span.get("status_code"))
    has_failed = "ERROR" in status_codes or status.get("code") in (2, "STATUS_CODE_ERROR")
    status_message = status.get("description") or status.get("message") or raw_span.get("status_message")
    return (_as_text(status_message) or "error") if has_failed else ""


def _invalid_fields(raw_span: RawObject, attributes: RawObject) -> dict[str, Any]:
    """Return the events and attributes that are not of the documented shape, as they are."""
    invalid_fields: dict[str, Any] = {}
    raw_events = raw_span.get("events")
    if raw_events is not None and not (isinstance(raw_events, list) and all(map(_is_event, raw_events))):
        invalid_fields["events"] = raw_events
    if not isinstance(raw_span["attributes"], (list, Mapping)) or len(attributes) < len(raw_span["attributes"]):
        invalid_fields["attributes"] = raw_span["attributes"]
    return invalid_fields


def _is_event(raw_event: Any) -> bool:
    """Return True for an event whose attributes can all be read."""
    if not isinstance(raw_event, Mapping):
        return False
    attributes = raw_event.get("attributes")
    return attributes is None or (
        isinstance(attributes, (list, Mapping)) and len(flat_attributes(attributes)) == len(attributes)
    )


def _is_log_record(raw_record: Any) -> bool:
    return isinstance(raw_record, Mapping) and (
        "body" in raw_record or "event_name" in raw_record or "eventName" in raw_record
    )


def _log_event(raw_record: RawObject) -> tuple[str, str, dict[str, Any]]:
    """Return the trace and the span of a log record, and the record as an event of that span."""
    event_attributes = flat_attributes(raw_record.get("attributes"))
    trace_id, span_id = (
        _as_text(raw_record.get("trace_id") or raw_record.get("traceId")),
        _as_text(raw_record.get("span_id") or raw_record.get("spanId")),
    )
    event_name = raw_record.get("event_name") or raw_record.get("eventName") or event_attributes.pop("event.name", "")
    span_attributes = {
        event_name: value for event_name, value in event_attributes.items() if event_name in LOG_ATTRIBUTES
    }
    time = _first_field(raw_record, "timestamp", "timeUnixNano") or _first_field(
        raw_record, "observed_timestamp", "observedTimeUnixNano"
    )
    span_event = {
        "name": _as_text(event_name),
        "attributes": event_attributes,
        "body": untyped_value(raw_record.get("body")),
        "time": time,
        "span": span_attributes,
    }
    return trace_id, span_id, span_event


def _as_text(value: Any) -> str:
    return value if isinstance(value, str) else "" if value is None else str(value)


# Detection.


def span_score(*name_prefixes: str) -> Callable[[Sample], int]:
    """Return a score that is sure when most of the first spans of model calls have attributes with these prefixes."""

    def score_sample(sample: Sample) -> int:
        if sample.container != "json":
            return 0
        own_count = model_count = 0
        for record in filter(is_span, sample.records):
            for _, raw_record, _ in islice(_iter_records("", record), MAX_SPANS):
                span_names = _all_names(raw_record)
                own_count += any(name.startswith(name_prefixes) for name in span_names)
                model_count += any(name.startswith(MODEL_PREFIXES) for name in span_names)
        return SURE if own_count * 2 > model_count else min(own_count, 1)

    return score_sample


def _all_names(raw_record: Any) -> list[str]:
    """Return the names of a span or a log record: of its attributes, of its events, and its own."""
    if not isinstance(raw_record, Mapping):
        return []
    attributes = raw_record if _is_flat(raw_record) else flat_attributes(raw_record.get("attributes"))
    names = [str(name) for name in attributes]
    names += [str(raw_record.get(name)) for name in ("event_name", "eventName")]
    return names + [
        str(event.get("name")) for event in _list_or_empty(raw_record.get("events")) if isinstance(event, Mapping)
    ]
