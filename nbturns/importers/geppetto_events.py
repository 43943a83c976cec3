"""Geppetto's event logs: an event in each line, as its sinks publish them, alone or as `{"event": …, "meta": …}`.

The event that finishes a segment has its whole text, so deltas add nothing, except where a stream was cut: then
the last one has the text so far. A run (`run_id`) is a Turn. Such a log has no prompts, except that of
`run-started`. Source: go-go-golems/geppetto at a119860d07a0,
pkg/events and pkg/turns/inference_result.go (`interrupted`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from ..values.inference_results import INFERENCE_ID, INFERENCE_RESULT, FinishClass, InferenceResult
from ..values.turns import Kind, Run
from .kit.faults import missing_field, unknown_value
from .kit.import_report import Notes
from .kit.importer import Importer
from .kit.record_fields import (
    ShapeError,
    expect,
    object_or_empty,
    omit,
    omit_empty,
    optional_text,
    text_or_empty,
    to_number,
    token_usage,
)
from .kit.record_lists import item_score
from .kit.source import Source
from .kit.transcript import Transcript

FORMAT = "geppetto-events"
SEGMENT_EVENTS = ("text-segment-started", "text-delta", "reasoning-segment-started", "reasoning-delta")
SEGMENT_ENDS = {"text-segment-finished": Kind.LLM_TEXT, "reasoning-segment-finished": Kind.REASONING}
MODEL_CALL_EVENTS = ("provider-call-started", "provider-call-metadata-updated", "provider-call-finished")
TOOL_CALL_PARTS = ("tool-call-started", "tool-call-arguments-delta")
BOUNDARY_EVENTS = ("run-finished", "tool-execution-started", "tool-call-finished")
OTHER_EVENTS = (
    "error",
    "interrupt",
    "log",
    "info",
    "run-stopped",
    "run-failed",
    "debugger.pause",
    "agent-mode-switch",
    "citation",
)
BUILTIN_TOOLS = (
    "web-search-",
    "file-search-",
    "code-interpreter-",
    "mcp-",
    "image-generation-",
    "tool-search-",
)
CALL_FIELDS = ("stop_reason", "usage", "duration_ms", "finish_class", "stop_sequence")
Fields = Mapping[str, Any]


def unwrap_event(value: Any) -> Fields | None:
    """Return the event in a line, which may be wrapped; None for another value."""
    if not isinstance(value, Mapping):
        return None
    wrapped = value.get("event")
    event: Fields = wrapped if isinstance(wrapped, Mapping) else value
    meta = event.get("meta")
    if not isinstance(event.get("type"), str) or not isinstance(meta, Mapping):
        return None
    return event if "correlation" in event or "message_id" in meta else None


def is_event(value: Any) -> bool:
    """Return True for a line with an event."""
    return unwrap_event(value) is not None


def read_log(values: Iterable[tuple[str, Any]], notes: Notes) -> Run:
    """Return the Run of all events of a log."""
    transcript = Transcript(notes)
    event_reader = _EventReader(transcript)
    for position, log_line in values:
        transcript.read_record(position, log_line, event_reader.read_line)
    event_reader.add_unfinished()
    event_reader.sign_blocks()
    return transcript.to_run(id=event_reader.session_id, extra_fields={"settings": event_reader.settings})


class _EventReader:
    def __init__(self, transcript: Transcript) -> None:
        transcript.turn_starts = [0]
        self.transcript = transcript
        self.run_id = ""
        self.last_call_key = ""  # of the last model call of the run
        self.session_id = ""
        self.settings: Any = None
        self.open_segments: dict[str, tuple[Kind, str, Fields]] = {}  # kind, text so far, correlation
        self.open_tool_calls: dict[str, tuple[str, str, Fields]] = {}  # name, arguments so far, correlation
        self.model_calls: dict[str, dict[str, Any]] = {}  # the fields of each model call, by its key
        self.call_keys: dict[int, str] = {}  # the model call of each block, by the index of the block

    def read_line(self, record: Any) -> None:
        event = unwrap_event(record)
        if event is None:
            raise ShapeError(missing_field("meta", record if isinstance(record, Mapping) else ()))
        event_type, event_meta = event["type"], object_or_empty(event.get("meta"), "meta")
        correlation = object_or_empty(event.get("correlation"), "correlation")
        envelope_meta = record.get("meta") if record.get("event") is event else {}
        self.begin_run(event_meta, correlation)
        if event_type in MODEL_CALL_EVENTS:
            all_meta = {**event_meta, **(envelope_meta if isinstance(envelope_meta, Mapping) else {})}
            self.update_model_call(event, all_meta, correlation)
        elif event_type in SEGMENT_EVENTS:
            self.extend_segment(event, correlation)
        elif event_type in SEGMENT_ENDS:
            self.end_segment(event, correlation, SEGMENT_ENDS[event_type])
        elif event_type in TOOL_CALL_PARTS:
            self.extend_tool_call(event, correlation)
        elif event_type == "tool-call-requested":
            self.add_tool_call(event, correlation)
        elif event_type == "tool-result-ready":
            self.add_result(event)
        elif event_type == "run-started":
            if run_prompt := optional_text(event.get("prompt"), "prompt"):
                self.transcript.add_block(Kind.USER, {"text": run_prompt}, "user")
        elif event_type in OTHER_EVENTS or event_type.startswith(BUILTIN_TOOLS):
            if event_type in ("error", "interrupt"):
                self.fail_model_call(event_type, correlation)
            self.transcript.add_other(event)
        elif event_type not in BOUNDARY_EVENTS:
            self.transcript.add_unknown(event, unknown_value("type", event_type))

    def begin_run(self, meta: Fields, correlation: Fields) -> None:
        """Take the session of an event; an event of another run begins a Turn."""
        session_ids = (meta.get("session_id"), correlation.get("session_id"))
        self.session_id = self.session_id or next(
            (session_id for session_id in session_ids if isinstance(session_id, str)), ""
        )
        run_id = correlation.get("run_id") or meta.get("inference_id") or meta.get("message_id")
        if isinstance(run_id, str) and run_id != self.run_id:
            self.add_unfinished()
            if self.transcript.blocks:
                self.transcript.start_turn()
            self.run_id, self.last_call_key = run_id, ""
        extra_meta = meta.get("extra")
        if self.settings is None and isinstance(extra_meta, Mapping):
            self.settings = extra_meta.get("settings")

    def call_key(self, correlation: Fields) -> str:
        """Return the key of the model call of an event."""
        call_key = correlation.get("provider_call_id") or correlation.get("run_id") or self.run_id
        return expect(call_key, str, "provider_call_id")

    def update_model_call(self, event: Fields, meta: Fields, correlation: Fields) -> None:
        """Keep the fields of a model call; those of a later event win."""
        self.last_call_key = self.call_key(correlation)
        call_fields = self.model_calls.setdefault(self.last_call_key, {})
        call_fields.update(
            {field_name: meta[field_name] for field_name in ("model", "max_tokens") if meta.get(field_name)}
        )
        call_fields.update(
            {field_name: event[field_name] for field_name in CALL_FIELDS if event.get(field_name) not in (None, "")}
        )
        extra_meta = meta.get("extra")
        if isinstance(extra_meta, Mapping):
            call_fields["extra"] = omit(extra_meta, "settings")

    # Text and reasoning.

    def extend_segment(self, event: Fields, correlation: Fields) -> None:
        kind = Kind.REASONING if str(event["type"]).startswith("reasoning") else Kind.LLM_TEXT
        segment_id = optional_text(correlation.get("segment_id"), "segment_id") or kind
        _, text_so_far, _ = self.open_segments.get(segment_id, (kind, "", correlation))
        whole_text = optional_text(event.get("text"), "text")
        text_delta = optional_text(event.get("delta"), "delta")
        self.open_segments[segment_id] = (
            kind,
            text_so_far + (text_delta or "") if whole_text is None else whole_text,
            correlation,
        )

    def end_segment(self, event: Fields, correlation: Fields, kind: Kind) -> None:
        segment_id = optional_text(correlation.get("segment_id"), "segment_id") or kind
        _, text_so_far, _ = self.open_segments.pop(segment_id, (kind, "", correlation))
        whole_text = optional_text(event.get("text"), "text")
        extra_fields = omit_empty(source=event.get("source"), finish_reason=event.get("finish_reason"))
        self.add_text(kind, text_so_far if whole_text is None else whole_text, correlation, segment_id, extra_fields)

    def add_text(
        self, kind: Kind, segment_text: str, correlation: Fields, segment_id: str, extra_fields: Fields
    ) -> None:
        self.call_keys[len(self.transcript.blocks)] = self.call_key(correlation)
        role, block_id = "assistant" if kind == Kind.LLM_TEXT else "", "" if segment_id == kind else segment_id
        self.transcript.add_block(kind, {"text": segment_text}, role, block_id, extra_fields=extra_fields)

    def add_unfinished(self) -> None:
        """Add the texts and tool calls of a stream that ended before they did."""
        for open_id, (kind, text_so_far, correlation) in self.open_segments.items():
            if text_so_far:
                self.add_text(kind, text_so_far, correlation, open_id, {"cut": True})
        self.open_segments.clear()
        for open_id, (tool_name, arguments, correlation) in self.open_tool_calls.items():
            self.call_keys[len(self.transcript.blocks)] = self.call_key(correlation)
            self.transcript.add_call(open_id, tool_name, arguments, extra_fields={"cut": True})
        self.open_tool_calls.clear()

    def fail_model_call(self, event_type: str, correlation: Fields) -> None:
        """End a model call that failed or was interrupted; the event itself, which follows, is of that call."""
        self.add_unfinished()
        call_key = self.call_key(correlation)
        if "provider_call_id" not in correlation:
            call_key = self.last_call_key or call_key
        stop_reason = "error" if event_type == "error" else "interrupted"
        self.model_calls.setdefault(call_key, {}).setdefault("stop_reason", stop_reason)
        self.call_keys[len(self.transcript.blocks)] = call_key

    # Tool calls.

    def extend_tool_call(self, event: Fields, correlation: Fields) -> None:
        """Keep a tool call that has started, for the case that its request never comes."""
        call_id = _tool_call_id(event, correlation)
        tool_name, arguments_so_far, _ = self.open_tool_calls.get(call_id, ("", "", correlation))
        tool_name = optional_text(event.get("tool_name"), "tool_name") or tool_name
        whole_arguments = optional_text(event.get("arguments"), "arguments")
        arguments_delta = optional_text(event.get("delta"), "delta") or ""
        self.open_tool_calls[call_id] = (
            tool_name,
            arguments_so_far + arguments_delta if whole_arguments is None else whole_arguments,
            correlation,
        )

    def add_tool_call(self, event: Fields, correlation: Fields) -> None:
        call_id = _tool_call_id(event, correlation)
        self.open_tool_calls.pop(call_id, None)
        self.call_keys[len(self.transcript.blocks)] = self.call_key(correlation)
        extra_fields = omit_empty(correlation=correlation)
        self.transcript.add_call(call_id, event.get("tool_name"), event.get("input"), extra_fields=extra_fields)

    def add_result(self, event: Fields) -> None:
        result_value, status = event.get("result"), event.get("status")
        correlation = object_or_empty(event.get("correlation"), "correlation")
        error_text = ""
        if status == "error":  # written as "Error: …", after the result if there is one
            if isinstance(result_value, str):
                value_before, _, error_text = result_value.rpartition("Error: ")
                result_value = value_before.removesuffix(" | ") or None
            error_text = error_text or "error"
        other_status = None if status in ("success", "error") else status
        extra_fields = omit_empty(tool_name=event.get("tool_name"), status=other_status)
        call_id = event.get("tool_call_id") or correlation.get("tool_call_id")
        self.transcript.add_result(call_id, result_value, error_text, extra_fields=extra_fields)

    # Model calls.

    def sign_blocks(self) -> None:
        """Add the result of its model call to each block that a model made."""
        blocks = self.transcript.blocks
        calls_with_tools = {
            call_key for index, call_key in self.call_keys.items() if blocks[index].kind == Kind.TOOL_CALL
        }
        results_by_call: dict[str, InferenceResult] = {}
        for index, call_key in self.call_keys.items():
            if call_key not in results_by_call:
                results_by_call[call_key] = self.call_result(call_key, call_key in calls_with_tools)
            metadata_values = {INFERENCE_ID.name: call_key, INFERENCE_RESULT.name: results_by_call[call_key].to_dict()}
            blocks[index] = blocks[index]._with(metadata=blocks[index].metadata.with_raw(**metadata_values))

    def call_result(self, call_key: str, pending: bool) -> InferenceResult:
        call_fields = self.model_calls.get(call_key, {})
        usage_field = call_fields.get("usage")
        token_counts: Fields = usage_field if isinstance(usage_field, Mapping) else {}
        duration, max_tokens = to_number(call_fields.get("duration_ms")), to_number(call_fields.get("max_tokens"))
        finish_class = call_fields.get("finish_class")
        is_finish_class = finish_class in list(FinishClass)
        base_result = self.transcript.inference_result(
            model=text_or_empty(call_fields.get("model")),
            stop_reason=call_fields.get("stop_reason"),
            pending=pending,
            usage=token_usage(
                token_counts.get("input_tokens"),
                token_counts.get("output_tokens"),
                cache_read_tokens=token_counts.get("cache_read_input_tokens") or token_counts.get("cached_tokens"),
                cache_write_tokens=token_counts.get("cache_creation_input_tokens"),
            ),
            duration_ms=None if duration is None else round(duration),
            max_tokens=None if max_tokens is None else int(max_tokens),
            extra=omit_empty(
                call_fields.get("extra") or {},
                stop_sequence=call_fields.get("stop_sequence"),
                finish_class=None if is_finish_class else finish_class,
            ),
        )
        provider = call_key.partition(":")[0] if ":" in call_key else ""
        result_fields = {
            **base_result.to_dict(),
            "provider": provider,
            "inference_id": call_key,
            "finish_class": FinishClass(str(finish_class)) if is_finish_class else base_result.finish_class,
        }
        return replace(InferenceResult.from_dict(result_fields), inference_id=call_key)


def _tool_call_id(event: Fields, correlation: Fields) -> str:
    return expect(event.get("tool_call_id") or correlation.get("tool_call_id"), str, "tool_call_id")


def read_geppetto_log(source: Source) -> Iterator[Run]:
    """Yield the Run of all events of a file, in lines or in a list."""
    yield read_log(source.records(), source.notes(FORMAT))


IMPORTER = Importer(FORMAT, item_score(is_event), read_geppetto_log)
