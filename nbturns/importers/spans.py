"""Spans and log records of OpenTelemetry, in whatever JSON they come: OTLP's, or that of the SDK for Python.

Source: OTLP's `trace.proto` and `logs.proto` in JSON, and `ReadableSpan.to_json`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from typing import Any

from . import SURE, Notes, Sample
from .transcript import Misfit, number, told

TELLING = ("gen_ai.", "llm.", "openinference.")
LOOKED_AT = 64  # spans of a record
OUTERMOST = ("resourceSpans", "resource_spans", "resourceLogs", "resource_logs")
SCOPES = ("scopeSpans", "scope_spans", "scopeLogs", "scope_logs", "instrumentationLibrarySpans")
CONVERSATIONS = ("gen_ai.conversation.id", "session.id", "conversation.id", "langfuse.session.id")


@dataclass(slots=True)
class Span:
    """One span, in one shape: attributes flat, ids as they were written, times in nanoseconds or as written."""

    place: str
    raw: Mapping[str, Any]
    trace: str = ""
    id: str = ""
    parent: str = ""
    name: str = ""
    start: Any = None
    end: Any = None
    attributes: dict[str, Any] = field(default_factory=dict)
    events: list[Mapping[str, Any]] = field(default_factory=list)  # each with name, attributes, and perhaps a body
    error: str = ""
    resource: Any = None  # what it was of, and who wrote it down
    odd: dict[str, Any] = field(default_factory=dict)  # what is not of the shape it should be
    records: int = 1  # it, and the log records that are its

    @property
    def conversation(self) -> str:
        found = (self.attributes.get(name) for name in CONVERSATIONS)
        return next((one for one in found if isinstance(one, str) and one), "")

    def about(self) -> dict[str, Any]:
        """What there is to say of it beside its attributes."""
        return {"name": self.name, "trace_id": self.trace, "end_time": self.end, "resource": self.resource, **self.odd}

    @property
    def milliseconds(self) -> int | None:
        start, end = moment(self.start), moment(self.end)
        return None if start is None or end is None or end < start else round((end - start) * 1000)


def moment(written: Any) -> float | None:
    """A time in seconds: ISO 8601, or nanoseconds since 1970."""
    if isinstance(written, str) and not written.isdigit():
        try:
            return datetime.fromisoformat(written).timestamp()
        except (ValueError, OverflowError):
            return None
    counted = number(written)
    return None if counted is None else counted / 1e9


# In whatever JSON they come.


def is_span(value: Any) -> bool:
    """Whether this is a span or a log record: of OTLP, or as the SDK for Python writes them."""
    if not isinstance(value, Mapping):
        return False
    if any(name in value for name in OUTERMOST):
        return True
    if isinstance(value.get("attributes"), Mapping):
        context = value.get("context")
        return (isinstance(context, Mapping) and "trace_id" in context) or ("trace_id" in value and "span_id" in value)
    return isinstance(value.get("attributes"), list) and ("traceId" in value or "spanId" in value)


def spans_of(values: Iterable[tuple[str, Any]], notes: Notes) -> list[Span]:
    """All spans; log records go to the spans they belong to."""
    spans: dict[tuple[str, str], Span] = {}
    logs: list[tuple[str, str, dict[str, Any], str, Mapping[str, Any]]] = []
    for position, value in values:
        for place, one, resource in _each(position, value):
            notes.read += 1
            try:
                read = _log(one) if _is_log(one) else _span(place, one, resource)
            except (Misfit, ValueError, TypeError, AttributeError) as error:
                notes.unknown(place, f"it is no span: {error}")
                read = Span(place, one if isinstance(one, Mapping) else {"value": one})
            if isinstance(read, Span) and read.odd:
                notes.unknown(place, f"{', '.join(read.odd)} of it cannot be read; kept beside its blocks")
            if isinstance(read, Span):
                spans[(read.trace, read.id or place)] = read
            else:
                logs.append((*read, place, one))
    for trace, id, event, place, raw in logs:
        span = spans.setdefault((trace, id or place), Span(place, raw, trace=trace, id=id, records=0))
        span.records += 1
        span.attributes = {**event.pop("span"), **span.attributes}
        span.events.append(event)
    return list(spans.values())


def _each(position: str, value: Any) -> Iterator[tuple[str, Any, Mapping[str, Any]]]:
    """The spans and log records in a value, with their places and the resource they belong to."""
    if isinstance(value, list):
        for index, one in enumerate(value):
            yield from _each(f"{position}[{index}]", one)
        return
    if not isinstance(value, Mapping):
        yield position, value, {}
        return
    outer = next((name for name in OUTERMOST if name in value), "")
    if not outer:
        yield position, value, {}
        return
    for at, held in _listed(value[outer], f"{position}{outer}"):
        resource = _first(held, "resource")
        about = flat(_first(resource, "attributes")) or told(resource=resource)
        scopes = list(_listed(_first(held, *SCOPES), f"{at}.scopes"))
        if not scopes and held != {}:
            yield at, held, {}  # what it is will be told
        for place, scope in scopes:
            named = _first(scope, "scope", "instrumentationLibrary")
            resource_and_scope = {**about, **({"scope": named} if named else {})}
            spans = list(_listed(_first(scope, "spans", "logRecords", "log_records"), place))
            if not spans and not isinstance(_first(scope, "spans", "logRecords", "log_records"), list):
                yield place, scope, {}
            yield from ((where, span, resource_and_scope) for where, span in spans)


def _listed(value: Any, place: str) -> Iterator[tuple[str, Any]]:
    """The items of a list with their places; what should be a list and is none, by itself."""
    if isinstance(value, list):
        yield from ((f"{place}[{index}]", one) for index, one in enumerate(value))
    elif value is not None:
        yield place, value


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _first(value: Any, *names: str) -> Any:
    return next((value[name] for name in names if name in value), None) if isinstance(value, Mapping) else None


def flat(attributes: Any) -> dict[str, Any]:
    """Attributes by name: a mapping is one already, OTLP has a list of keys and typed values."""
    if isinstance(attributes, Mapping):
        return dict(attributes)
    pairs = [one for one in _list(attributes) if isinstance(one, Mapping) and isinstance(one.get("key"), str)]
    return {one["key"]: plain(one.get("value")) for one in pairs}


def plain(value: Any) -> Any:
    """The value in OTLP's `AnyValue`."""
    if not isinstance(value, Mapping) or len(value) != 1:
        return value
    [(kind, held)] = value.items()
    if kind in ("arrayValue", "array_value"):
        return [plain(one) for one in _list(_first(held, "values"))]
    if kind in ("kvlistValue", "kvlist_value"):
        return flat(_first(held, "values"))
    if kind in ("intValue", "int_value"):
        return int(held) if isinstance(held, str) and held.lstrip("-").isdigit() else held
    return held if kind.endswith(("Value", "_value")) else value


def _span(place: str, raw: Any, resource: Mapping[str, Any]) -> Span:
    if not isinstance(raw, Mapping) or "attributes" not in raw:
        raise Misfit("it has no attributes")
    context = raw.get("context") if isinstance(raw.get("context"), Mapping) else {}
    assert isinstance(context, Mapping)
    status = raw.get("status") if isinstance(raw.get("status"), Mapping) else {}
    assert isinstance(status, Mapping)
    failed = status.get("status_code") == "ERROR" or status.get("code") in (2, "STATUS_CODE_ERROR", "ERROR")
    failed = failed or raw.get("status_code") == "ERROR"
    message = status.get("description") or status.get("message") or raw.get("status_message")
    events = [one for one in _list(raw.get("events")) if isinstance(one, Mapping)]
    known = flat(raw["attributes"])
    odd = {}
    listed = raw.get("events")
    if listed is not None and not (isinstance(listed, list) and all(map(_is_event, listed))):
        odd["events"] = listed
    if not isinstance(raw["attributes"], (list, Mapping)) or len(known) < len(raw["attributes"]):
        odd["attributes"] = raw["attributes"]
    return Span(
        place,
        raw,
        trace=_text(context.get("trace_id") or raw.get("traceId") or raw.get("trace_id")),
        id=_text(context.get("span_id") or raw.get("spanId") or raw.get("span_id")),
        parent=_text(raw.get("parent_id") or raw.get("parentSpanId") or raw.get("parent_span_id")),
        name=_text(raw.get("name")),
        start=raw.get("start_time") or raw.get("startTimeUnixNano") or raw.get("start_time_unix_nano"),
        end=raw.get("end_time") or raw.get("endTimeUnixNano") or raw.get("end_time_unix_nano"),
        attributes={
            **{name: one for name, one in resource.items() if name in CONVERSATIONS},
            **known,
        },
        events=[{**one, "attributes": flat(one.get("attributes"))} for one in events],
        error=(_text(message) or "error") if failed else "",
        resource=raw.get("resource") or resource,
        odd=odd,
    )


def _is_event(raw: Any) -> bool:
    """Whether all of an event can be read."""
    if not isinstance(raw, Mapping):
        return False
    attributes = raw.get("attributes")
    return attributes is None or (isinstance(attributes, (list, Mapping)) and len(flat(attributes)) == len(attributes))


def _is_log(raw: Any) -> bool:
    return isinstance(raw, Mapping) and ("body" in raw or "event_name" in raw or "eventName" in raw)


def _log(raw: Mapping[str, Any]) -> tuple[str, str, dict[str, Any]]:
    """A log record as an event of its span."""
    attributes = flat(raw.get("attributes"))
    trace, id = _text(raw.get("trace_id") or raw.get("traceId")), _text(raw.get("span_id") or raw.get("spanId"))
    name = raw.get("event_name") or raw.get("eventName") or attributes.pop("event.name", "")
    about = {
        one: held
        for one, held in attributes.items()
        if one in ("gen_ai.system", "gen_ai.provider.name", *CONVERSATIONS)
    }
    time = _first(raw, "timestamp", "timeUnixNano") or _first(raw, "observed_timestamp", "observedTimeUnixNano")
    event = {"name": _text(name), "attributes": attributes, "body": plain(raw.get("body")), "time": time, "span": about}
    return trace, id, event


def _text(value: Any) -> str:
    return value if isinstance(value, str) else "" if value is None else str(value)


# In files.


def scoring(*prefixes: str) -> Callable[[Sample], int]:
    """A `score`: sure when the first attributes that tell of a model are of this convention."""

    def score(sample: Sample) -> int:
        if sample.container != "json":
            return 0
        ours = others = 0
        for record in sample.records:
            if is_span(record):
                for _, one, _ in islice(_each("", record), LOOKED_AT):
                    names = _names(one)
                    ours += any(name.startswith(prefixes) for name in names)
                    others += any(name.startswith(TELLING) for name in names)
        return SURE if ours * 2 > others else min(ours, 1)

    return score


def _names(raw: Any) -> list[str]:
    """The names of what a span or a log record holds: attributes, events, its own."""
    if not isinstance(raw, Mapping):
        return []
    names = [str(name) for name in flat(raw.get("attributes"))]
    names += [str(raw.get(name)) for name in ("event_name", "eventName")]
    return names + [str(event.get("name")) for event in _list(raw.get("events")) if isinstance(event, Mapping)]
