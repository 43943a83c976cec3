"""Spans and log records of OpenTelemetry's SDK as plain data, in the shape of `ReadableSpan.to_json`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def plain_span(span: Any) -> dict[str, Any]:
    """Return a span."""
    from opentelemetry.sdk.util import ns_to_iso_str

    context, status, parent = span.context, span.status, span.parent
    fields: dict[str, Any] = {
        "name": span.name,
        "context": {"trace_id": trace_id_text(context.trace_id), "span_id": span_id_text(context.span_id)},
        "kind": str(span.kind),
        "parent_id": None if parent is None else span_id_text(parent.span_id),
        "start_time": ns_to_iso_str(span.start_time) if span.start_time else None,
        "end_time": ns_to_iso_str(span.end_time) if span.end_time else None,
        "status": {"status_code": status.status_code.name},
        "attributes": plain(span.attributes or {}),
        "events": [
            {
                "name": event.name,
                "timestamp": ns_to_iso_str(event.timestamp),
                "attributes": plain(event.attributes or {}),
            }
            for event in span.events
        ],
        "resource": {"attributes": plain(span.resource.attributes)},
    }
    if status.description:
        fields["status"]["description"] = status.description
    return fields


def plain_log_record(record: Any) -> dict[str, Any]:
    """Return a log record."""
    return {
        "body": plain(record.body),
        "attributes": plain(record.attributes or {}),
        "event_name": getattr(record, "event_name", None),
        "timestamp": record.timestamp or record.observed_timestamp,
        "trace_id": trace_id_text(record.trace_id or 0),
        "span_id": span_id_text(record.span_id or 0),
    }


def trace_id_text(trace_id: int) -> str:
    """Return the id of a trace as the SDK writes it."""
    return f"0x{trace_id:032x}"


def span_id_text(span_id: int) -> str:
    """Return the id of a span as the SDK writes it."""
    return f"0x{span_id:016x}"


def plain(value: Any) -> Any:
    """Return a value of an attribute or of a body with dicts and lists."""
    if value is None or isinstance(value, (str, bool, int, float)):
        return value
    if isinstance(value, Mapping):
        return {str(name): plain(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    return value
