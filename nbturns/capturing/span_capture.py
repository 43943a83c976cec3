"""The spans of OpenTelemetry that frameworks and instrumentations make in this process, as Runs.

A processor keeps the spans of model calls, tools and agents, and the log records with messages that belong to them; the
importers of OpenInference and of the GenAI conventions make Runs of them. Nothing is sent anywhere.
"""

from __future__ import annotations

from typing import Any

from ..importers import openinference, otel_genai, vercel_spans
from ..importers.kit.drafts import Draft
from ..importers.kit.import_report import Notes
from ..importers.kit.span_conversations import ModelCall, SpanReader
from ..importers.kit.span_tools import ToolSpan
from ..importers.kit.spans import Span, read_spans
from ..packages import require
from .capture_source import CaptureSource
from .captured import Captured
from .growing_runs import ReadSpan
from .instrumentations import installation_hint
from .plain_spans import plain_log_record, plain_span, span_id_text, trace_id_text
from .processors import active_captures, leave, process_provider

# Attributes of OpenInference's spans; "llm.request.type" is one of OpenLLMetry.
OPENINFERENCE_PREFIXES = ("openinference.", "llm.input_messages", "llm.output_messages", "llm.model_name", "llm.token_count")  # fmt: skip
MODEL_PREFIXES = ("openinference.", "llm.", "gen_ai.", "ai.", "pydantic_ai.", "traceloop.")
EVENT_PREFIX = "gen_ai."  # of the names of events and log records


def _is_openinference(span: Span) -> bool:
    return _has_prefix(span.attributes, OPENINFERENCE_PREFIXES)


def _importer_of(span: Span) -> SpanReader:
    if vercel_spans.is_vercel(span):
        return vercel_spans.READER
    return openinference.READER if _is_openinference(span) else otel_genai.READER


def _model_call(span: Span, notes: Notes) -> ModelCall | None:
    return _importer_of(span).model_call(span, notes)


def _tool_call(span: Span) -> ToolSpan | None:
    return _importer_of(span).tool_call(span)


def _messages(span: Span) -> list[Draft]:
    return _importer_of(span).messages(span)


def _format_of(span: Span) -> str:
    return openinference.FORMAT if _is_openinference(span) else otel_genai.FORMAT


READER = SpanReader(_model_call, _tool_call, _messages)


def capture_spans(tracer_provider: Any = None) -> Captured:
    """Return the capture of the spans of a tracer provider, by default that of the process."""
    require("opentelemetry.sdk", extra="otel")
    capture = SpanCapture()
    active_captures(tracer_provider or process_provider("trace")).append(capture)
    active_captures(process_provider("_logs")).append(capture)
    return Captured(capture)


class SpanCapture(CaptureSource[Any]):
    """The spans and log records of a capture: those that ended, and those that are open."""

    def __init__(self) -> None:
        super().__init__(READER, _format_of)
        self.other_count: int = 0  # spans that ended and are of no model call, tool or agent
        self._count = 0
        self._open: dict[int, Any] = {}  # spans of the SDK by their ids
        self._open_read: dict[int, tuple[Any, ReadSpan]] = {}  # what was read of them, with what they had
        self._log_records: dict[tuple[str, str], list[dict[str, Any]]] = {}  # of open spans, by their ids

    # What the processors tell.

    def begin(self, span: Any) -> None:
        """Take a span that started."""
        if self.is_active:
            self._open[span.context.span_id] = span
            self.changed()

    def finish(self, span: Any) -> None:
        """Take a span that ended."""
        if self._open.pop(span.context.span_id, None) is None and not self.is_active:
            return
        self.put(span, sum(len(value) for value in (span.attributes or {}).values() if isinstance(value, str)))
        if not self.is_active and not self._open:
            leave(self)

    def emit(self, record: Any) -> None:
        """Take a log record with a message of a model call."""
        name = getattr(record, "event_name", None) or (record.attributes or {}).get("event.name", "")
        is_of_own_span = record.span_id in self._open or (self.is_active and not record.span_id)
        if is_of_own_span and str(name).startswith(EVENT_PREFIX):
            self.put(plain_log_record(record), len(str(record.body)))

    def stop(self) -> None:
        """Take no further spans; those that are open are taken when they end."""
        self.is_active = False
        if not self._open:
            leave(self)

    def clear(self) -> None:
        """Forget what was captured; spans that are open are kept."""
        super().clear()
        if not self.is_active:
            self._open.clear()
            leave(self)

    # What readers ask.

    def _prepared(self, items: list[Any]) -> list[Any]:
        """Return the spans; log records are added to those that they belong to."""
        for span in list(self._open.values()):
            if span.end_time is not None:  # another processor raised an exception, so this one was not called
                self._open.pop(span.context.span_id, None)
                items.append(span)
        spans = [item for item in items if not isinstance(item, dict)]
        for record in items:
            if isinstance(record, dict):
                self._log_records.setdefault((record["trace_id"], record["span_id"]), []).append(record)
        return sorted(spans, key=lambda span: span.end_time or 0)

    def _read(self, item: Any) -> None:
        self._open_read.pop(item.context.span_id, None)
        log_records = self._log_records.pop(_ids(item), [])
        if not log_records and not _is_of_model(item):
            self.other_count += 1
            return
        self.growing_runs.add(self._span_of(item, log_records))

    def _span_of(self, span: Any, log_records: list[dict[str, Any]]) -> Span:
        self._count += 1
        plain = plain_span(span)
        if span.end_time is None:
            plain["open"] = True
        notes = Notes(otel_genai.FORMAT, self.id)
        [read, *_] = read_spans([(f"span {self._count}", [plain, *log_records])], notes)
        read.position = f"span {self._count}"
        return read

    def _open_spans(self) -> list[ReadSpan]:
        items: list[ReadSpan] = []
        for span_id, span in list(self._open.items()):
            try:
                log_records = self._log_records.get(_ids(span), [])
                if not log_records and not _is_of_model(span):
                    continue
                state = (len(span.attributes or {}), len(span.events), len(log_records))
                if self._open_read.get(span_id, (None,))[0] != state:
                    read = self.growing_runs.read(self._span_of(span, log_records))
                    self._open_read[span_id] = (state, read)
                items.append(self._open_read[span_id][1])
            except Exception as error:  # nothing in a capture disturbs the agent
                self.keep_error(error)
        return items

    @property
    def has_open_calls(self) -> bool:
        return bool(self._open)

    def explain_nothing(self) -> str:
        """Return why there may be no Run, and which instrumentation to install."""
        count = self.other_count + len(self._open)
        reason = f"{count:,} spans came, none of a model call" if count else "no span came"
        return f"{reason}: no instrumentation of model calls is active; {installation_hint()}"


def _ids(span: Any) -> tuple[str, str]:
    return trace_id_text(span.context.trace_id), span_id_text(span.context.span_id)


def _is_of_model(span: Any) -> bool:
    """Return whether a span has attributes or events of a model call, a tool or an agent."""
    return _has_prefix(span.attributes or {}, MODEL_PREFIXES) or any(
        event.name.startswith(EVENT_PREFIX) for event in span.events
    )


def _has_prefix(attributes: Any, prefixes: tuple[str, ...]) -> bool:
    return any(name.startswith(prefixes) for name in attributes)
