"""Logfire's records, as its queries return them: `{"rows": […]}`, `{"columns": […]}`, lists and lines of rows.

A record is a span with attributes of OpenTelemetry's conventions, which `otel_genai` reads. The clients that Logfire
instruments itself have the request and the reply in `request_data` and `response_data`.

Source: pydantic/logfire e484a6b, docs/reference/sql.md (the columns of `records`: all read),
logfire/query_client.py (`RowQueryResults`), logfire/_internal/integrations/llm_providers/openai.py and anthropic.py
(`request_data`, `response_data`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ..values.turns import Run
from . import otel_genai
from .kit.drafts import Draft
from .kit.import_report import Notes
from .kit.importer import SURE, Importer
from .kit.message_history import MessageHistory
from .kit.observations import CALL, Observation, export_items, model_call_of, object_of
from .kit.record_fields import omit, omit_empty, text_or_empty
from .kit.sample import Sample
from .kit.source import Source
from .kit.span_conversations import ModelCall, SpanReader, read_span_groups
from .kit.spans import Span

FORMAT = "logfire"
COLUMNS = frozenset({"span_name", "start_timestamp", "attributes", "trace_id", "span_id"})
DATA = ("request_data", "response_data")


def is_record(value: Any) -> bool:
    """Return True for a record of Logfire."""
    return isinstance(value, Mapping) and value.keys() >= COLUMNS


def rows_of(value: Any) -> Any:
    """Return the rows of a result by columns, each with a name and its values; any other value as it is."""
    columns = value.get("columns") if isinstance(value, Mapping) else None
    if (
        not isinstance(columns, list)
        or not columns
        or not all(isinstance(column, Mapping) and "values" in column for column in columns)
    ):
        return value
    names = [str(column.get("name")) for column in columns]
    return {
        "rows": [
            dict(zip(names, row, strict=False)) for row in zip(*(column["values"] for column in columns), strict=False)
        ]
    }


def score_logfire(sample: Sample) -> int:
    """Return a score that is sure for the first record of a result."""
    _, item = next(export_items("", rows_of(sample.record), ("rows",)))
    return SURE + 5 if sample.container == "json" and is_record(item) else 0


def read_logfire(source: Source) -> Iterator[Run]:
    """Yield the Runs of the records of a source."""
    spans: list[Span] = []
    for record_position, record in source.records():
        for position, item in export_items(record_position, rows_of(record), ("rows",)):
            if is_record(item):
                spans.append(to_span(position, item))
            else:
                source.add_problem(position, "not a record: no span_name, start_timestamp and attributes")
    history = MessageHistory()

    def read_call(span: Span, _notes: Notes) -> ModelCall | None:
        return model_call(span, history)

    reader = SpanReader(read_call, otel_genai.tool_call, other_messages)
    yield from read_span_groups(spans, lambda: source.notes(FORMAT), reader)


def to_span(position: str, record: Mapping[str, Any]) -> Observation:
    """Return the span of a record."""
    attributes = dict(object_of(record["attributes"]))
    events = [event for event in _list_of(record.get("otel_events")) if isinstance(event, Mapping)]
    return Observation(
        position,
        record,
        trace=str(record["trace_id"]),
        id=str(record["span_id"]),
        parent=str(record.get("parent_span_id") or ""),
        name=text_or_empty(record.get("span_name")),
        start=record.get("start_timestamp"),
        end=record.get("end_timestamp"),
        error=_error_of(record),
        attributes=attributes,
        events=[{"name": event.get("event_name"), **event} for event in events],
        kind=CALL,
        input=attributes.get("request_data"),
        output=attributes.get("response_data"),
        session=text_or_empty(attributes.get("gen_ai.conversation.id") or attributes.get("session.id")),
    )


def _list_of(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _error_of(record: Mapping[str, Any]) -> str:
    has_failed = record.get("is_exception") is True or record.get("otel_status_code") == "ERROR"
    message = record.get("exception_message") or record.get("otel_status_message")
    return (text_or_empty(message) or "error") if has_failed else ""


def model_call(span: Span, history: MessageHistory) -> ModelCall | None:
    """Return the model call of a span: with the request and the reply of Logfire, else with OpenTelemetry's attributes."""
    call = otel_genai.model_call(span, history)
    if not isinstance(span, Observation) or not isinstance(span.input, Mapping) or (call is not None and call.messages):
        return call
    data_call = model_call_of(span, history)
    if not data_call.messages and not data_call.reply:
        return call
    data_call.extra_fields |= omit_empty(span=omit(span.attributes, *DATA), **span.extra_fields())
    if call is not None:
        known_fields = {name: value for name, value in call.result_fields.items() if value not in (None, "", {})}
        data_call.result_fields |= known_fields
    return data_call


def other_messages(span: Span) -> list[Draft]:
    """Return the messages of a span of another kind; used for conversations without model calls."""
    return otel_genai.other_messages(span)


IMPORTER = Importer(FORMAT, score_logfire, read_logfire)
