"""Geppetto's event logs: an event in each line, as its sinks publish them, alone or as `{"event": …, "meta": …}`.

The event that finishes a segment has its whole text, so deltas add nothing, except where a stream was cut: then
the last one has the text so far. A run (`run_id`) is a Turn. Such a log has no prompts, except that of
`run-started`. Source: geppetto's `pkg/events`.
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


def event_of(value: Any) -> Fields | None:
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
    return event_of(value) is not None


def read_log(values: Iterable[tuple[str, Any]], notes: Notes) -> Run:
    """Return the Run of all events of a log."""
    transcript = Transcript(notes)
    reader = _EventReader(transcript)
    for position, value in values:
        transcript.read_record(position, value, reader.read_line)
    reader.add_unfinished()
    reader.sign_blocks()
    return transcript.to_run(id=reader.session_id, extra_fields={"settings": reader.settings})


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
        event = event_of(record)
        if event is None:
            raise ShapeError(missing_field("meta", record if isinstance(record, Mapping) else ()))
        type, meta = event["type"], object_or_empty(event.get("meta"), "meta")
        correlation = object_or_empty(event.get("correlation"), "correlation")
        envelope_meta = record.get("meta") if record.get("event") is event else {}
        self.begin_run(meta, correlation)
        if type in MODEL_CALL_EVENTS:
            all_meta = {**meta, **(envelope_meta if isinstance(envelope_meta, Mapping) else {})}
            self.update_model_call(event, all_meta, correlation)
        elif type in SEGMENT_EVENTS:
            self.extend_segment(event, correlation)
        elif type in SEGMENT_ENDS:
            self.end_segment(event, correlation, SEGMENT_ENDS[type])
        elif type in TOOL_CALL_PARTS:
            self.extend_tool_call(event, correlation)
        elif type == "tool-call-requested":
            self.add_tool_call(event, correlation)
        elif type == "tool-result-ready":
            self.add_result(event)
        elif type == "run-started":
            if prompt := optional_text(event.get("prompt"), "prompt"):
                self.transcript.add(Kind.USER, {"text": prompt}, "user")
        elif type in OTHER_EVENTS or type.startswith(BUILTIN_TOOLS):
            if type in ("error", "interrupt"):
                self.fail_model_call(type, correlation)
            self.transcript.add_other(event)
        elif type not in BOUNDARY_EVENTS:
            self.transcript.add_unknown(event, unknown_value("type", type))

    def begin_run(self, meta: Fields, correlation: Fields) -> None:
        """Take the session of an event; an event of another run begins a Turn."""
        session_ids = (meta.get("session_id"), correlation.get("session_id"))
        self.session_id = self.session_id or next((id for id in session_ids if isinstance(id, str)), "")
        run_id = correlation.get("run_id") or meta.get("inference_id") or meta.get("message_id")
        if isinstance(run_id, str) and run_id != self.run_id:
            self.add_unfinished()
            if self.transcript.blocks:
                self.transcript.start_turn()
            self.run_id, self.last_call_key = run_id, ""
        extra = meta.get("extra")
        if self.settings is None and isinstance(extra, Mapping):
            self.settings = extra.get("settings")

    def call_key(self, correlation: Fields) -> str:
        """Return the key of the model call of an event."""
        key = correlation.get("provider_call_id") or correlation.get("run_id") or self.run_id
        return expect(key, str, "provider_call_id")

    def update_model_call(self, event: Fields, meta: Fields, correlation: Fields) -> None:
        """Keep the fields of a model call; those of a later event win."""
        self.last_call_key = self.call_key(correlation)
        fields = self.model_calls.setdefault(self.last_call_key, {})
        fields.update({name: meta[name] for name in ("model", "max_tokens") if meta.get(name)})
        fields.update({name: event[name] for name in CALL_FIELDS if event.get(name) not in (None, "")})
        extra = meta.get("extra")
        if isinstance(extra, Mapping):
            fields["extra"] = omit(extra, "settings")

    # Text and reasoning.

    def extend_segment(self, event: Fields, correlation: Fields) -> None:
        kind = Kind.REASONING if str(event["type"]).startswith("reasoning") else Kind.LLM_TEXT
        id = optional_text(correlation.get("segment_id"), "segment_id") or kind
        _, text_so_far, _ = self.open_segments.get(id, (kind, "", correlation))
        text = optional_text(event.get("text"), "text")
        delta = optional_text(event.get("delta"), "delta")
        self.open_segments[id] = (kind, text_so_far + (delta or "") if text is None else text, correlation)

    def end_segment(self, event: Fields, correlation: Fields, kind: Kind) -> None:
        id = optional_text(correlation.get("segment_id"), "segment_id") or kind
        _, text_so_far, _ = self.open_segments.pop(id, (kind, "", correlation))
        text = optional_text(event.get("text"), "text")
        extra_fields = omit_empty(source=event.get("source"), finish_reason=event.get("finish_reason"))
        self.add_text(kind, text_so_far if text is None else text, correlation, id, extra_fields)

    def add_text(self, kind: Kind, text: str, correlation: Fields, id: str, extra_fields: Fields) -> None:
        self.call_keys[len(self.transcript.blocks)] = self.call_key(correlation)
        role, block_id = "assistant" if kind == Kind.LLM_TEXT else "", "" if id == kind else id
        self.transcript.add(kind, {"text": text}, role, block_id, extra_fields=extra_fields)

    def add_unfinished(self) -> None:
        """Add the texts and tool calls of a stream that ended before they did."""
        for id, (kind, text, correlation) in self.open_segments.items():
            if text:
                self.add_text(kind, text, correlation, id, {"cut": True})
        self.open_segments.clear()
        for id, (name, arguments, correlation) in self.open_tool_calls.items():
            self.call_keys[len(self.transcript.blocks)] = self.call_key(correlation)
            self.transcript.add_call(id, name, arguments, extra_fields={"cut": True})
        self.open_tool_calls.clear()

    def fail_model_call(self, type: str, correlation: Fields) -> None:
        """End a model call that failed or was interrupted; the event itself, which follows, is of that call."""
        self.add_unfinished()
        key = self.call_key(correlation)
        if "provider_call_id" not in correlation:
            key = self.last_call_key or key
        reason = "error" if type == "error" else "interrupted"
        self.model_calls.setdefault(key, {}).setdefault("stop_reason", reason)
        self.call_keys[len(self.transcript.blocks)] = key

    # Tool calls.

    def extend_tool_call(self, event: Fields, correlation: Fields) -> None:
        """Keep a tool call that has started, for the case that its request never comes."""
        id = _tool_call_id(event, correlation)
        name, arguments, _ = self.open_tool_calls.get(id, ("", "", correlation))
        name = optional_text(event.get("tool_name"), "tool_name") or name
        whole = optional_text(event.get("arguments"), "arguments")
        delta = optional_text(event.get("delta"), "delta") or ""
        self.open_tool_calls[id] = (name, arguments + delta if whole is None else whole, correlation)

    def add_tool_call(self, event: Fields, correlation: Fields) -> None:
        id = _tool_call_id(event, correlation)
        self.open_tool_calls.pop(id, None)
        self.call_keys[len(self.transcript.blocks)] = self.call_key(correlation)
        extra_fields = omit_empty(correlation=correlation)
        self.transcript.add_call(id, event.get("tool_name"), event.get("input"), extra_fields=extra_fields)

    def add_result(self, event: Fields) -> None:
        value, status = event.get("result"), event.get("status")
        correlation = object_or_empty(event.get("correlation"), "correlation")
        error = ""
        if status == "error":  # written as "Error: …", after the result if there is one
            if isinstance(value, str):
                before, _, error = value.rpartition("Error: ")
                value = before.removesuffix(" | ") or None
            error = error or "error"
        other_status = None if status in ("success", "error") else status
        extra_fields = omit_empty(tool_name=event.get("tool_name"), status=other_status)
        call_id = event.get("tool_call_id") or correlation.get("tool_call_id")
        self.transcript.add_result(call_id, value, error, extra_fields=extra_fields)

    # Model calls.

    def sign_blocks(self) -> None:
        """Add the result of its model call to each block that a model made."""
        blocks = self.transcript.blocks
        calls_with_tools = {key for index, key in self.call_keys.items() if blocks[index].kind == Kind.TOOL_CALL}
        results: dict[str, InferenceResult] = {}
        for index, key in self.call_keys.items():
            if key not in results:
                results[key] = self.inference_result(key, key in calls_with_tools)
            entries = {INFERENCE_ID.name: key, INFERENCE_RESULT.name: results[key].to_dict()}
            blocks[index] = blocks[index]._with(metadata=blocks[index].metadata.with_raw(**entries))

    def inference_result(self, key: str, pending: bool) -> InferenceResult:
        fields = self.model_calls.get(key, {})
        usage = fields.get("usage")
        counts: Fields = usage if isinstance(usage, Mapping) else {}
        duration, max_tokens = to_number(fields.get("duration_ms")), to_number(fields.get("max_tokens"))
        result = self.transcript.inference_result(
            model=text_or_empty(fields.get("model")),
            stop_reason=fields.get("stop_reason"),
            pending=pending,
            usage=token_usage(
                counts.get("input_tokens"),
                counts.get("output_tokens"),
                cached=counts.get("cache_read_input_tokens") or counts.get("cached_tokens"),
                written=counts.get("cache_creation_input_tokens"),
            ),
            duration_ms=None if duration is None else round(duration),
            max_tokens=None if max_tokens is None else int(max_tokens),
            extra=omit_empty(fields.get("extra") or {}, stop_sequence=fields.get("stop_sequence")),
        )
        finish_class = fields.get("finish_class")
        finish_class = FinishClass(finish_class) if finish_class in set(FinishClass) else result.finish_class
        provider = key.partition(":")[0] if ":" in key else ""
        whole = {**result.to_dict(), "provider": provider, "inference_id": key, "finish_class": finish_class}
        return replace(InferenceResult.from_dict(whole), inference_id=key)


def _tool_call_id(event: Fields, correlation: Fields) -> str:
    return expect(event.get("tool_call_id") or correlation.get("tool_call_id"), str, "tool_call_id")


def read(source: Source) -> Iterator[Run]:
    """Yield the Run of all events of a file, in lines or in a list."""
    yield read_log(source.records(), source.notes(FORMAT))


IMPORTER = Importer(FORMAT, item_score(is_event), read)
