"""Geppetto's event logs: an event a line, as its sinks publish them, alone or as `{"event": …, "meta": …}`.

What a segment said stands whole in its finishing event, so deltas add nothing, unless a stream was cut: then the last
one tells how far it came. A run (`run_id`) is a Turn. Prompts are not in such a log, but for `run-started`'s.
Source: geppetto's `pkg/events`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from ..results import INFERENCE_ID, INFERENCE_RESULT, FinishClass, InferenceResult
from ..turns import Kind, Run
from .faults import missing_field, unknown_value
from .importer import Importer
from .listed import item_score
from .record_fields import ShapeError, expect, object_or_empty, omit, omit_empty, optional_text, to_number, token_usage
from .report import Notes
from .source import Source
from .transcript import Transcript

FORMAT = "geppetto-events"
SEGMENTS = ("text-segment-started", "text-delta", "reasoning-segment-started", "reasoning-delta")
ENDS = {"text-segment-finished": Kind.LLM_TEXT, "reasoning-segment-finished": Kind.REASONING}
CALLS = ("provider-call-started", "provider-call-metadata-updated", "provider-call-finished")
FRAMES = (
    "run-finished",
    "tool-call-started",
    "tool-call-arguments-delta",
    "tool-execution-started",
    "tool-call-finished",
)
OTHERS = (
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
LATER = ("web-search-", "file-search-", "code-interpreter-", "mcp-", "image-generation-", "tool-search-")


def event_of(value: Any) -> Mapping[str, Any] | None:
    """The event in a line, which may be wrapped; None when it is none."""
    if not isinstance(value, Mapping):
        return None
    event = value.get("event") if isinstance(value.get("event"), Mapping) else value
    assert isinstance(event, Mapping)
    meta = event.get("meta")
    if not isinstance(event.get("type"), str) or not isinstance(meta, Mapping):
        return None
    return event if "correlation" in event or "message_id" in meta else None


def read_all(values: Iterable[tuple[str, Any]], notes: Notes) -> Run:
    """The events of a log as one Run."""
    reader = _Reader(Transcript(notes))
    for position, value in values:
        reader.transcript.read_record(position, value, reader.line)
    reader.cut()
    reader.sign()
    return reader.transcript.to_run(id=reader.session, extra_fields={"settings": reader.settings})


class _Reader:
    def __init__(self, transcript: Transcript) -> None:
        transcript.turn_starts = [0]
        self.transcript = transcript
        self.run = ""
        self.last = ""  # the model call that was told of last, in this run
        self.session = ""
        self.settings: Any = None
        self.open: dict[str, tuple[Kind, str, Mapping[str, Any]]] = {}  # segments that have not ended
        self.begun: dict[str, tuple[str, str, Mapping[str, Any]]] = {}  # calls of which only pieces came
        self.calls: dict[str, dict[str, Any]] = {}  # what is known of each model call
        self.of: dict[int, str] = {}  # which call made a block

    def line(self, raw: Any) -> None:
        event = event_of(raw)
        if event is None:
            raise ShapeError(missing_field("type", raw if isinstance(raw, Mapping) else ()))
        kind, meta = event["type"], object_or_empty(event.get("meta"), "meta")
        about = object_or_empty(event.get("correlation"), "correlation")
        outer = raw.get("meta") if raw.get("event") is event else {}
        self.place(meta, about)
        if kind in CALLS:
            self.called(event, {**meta, **(outer if isinstance(outer, Mapping) else {})}, about)
        elif kind in SEGMENTS:
            self.piece(event, about)
        elif kind in ENDS:
            self.ended(event, about, ENDS[kind])
        elif kind == "tool-call-requested":
            self.requested(event, about)
        elif kind == "tool-result-ready":
            self.answered(event)
        elif kind == "run-started":
            prompt = optional_text(event.get("prompt"), "prompt")
            if prompt:
                self.transcript.add(Kind.USER, {"text": prompt}, "user")
        elif kind in FRAMES:
            self.framed(event, about)
        elif kind in OTHERS or kind.startswith(LATER):
            if kind in ("error", "interrupt"):
                self.broken(kind, about)
            self.transcript.add_other(event)
        else:
            self.transcript.add_unknown(event, unknown_value("type", kind))

    def place(self, meta: Mapping[str, Any], about: Mapping[str, Any]) -> None:
        """Which session and run this is of; another run is another Turn."""
        self.session = self.session or next(
            (one for one in (meta.get("session_id"), about.get("session_id")) if isinstance(one, str)), ""
        )
        run = about.get("run_id") or meta.get("inference_id") or meta.get("message_id")
        if isinstance(run, str) and run != self.run:
            self.cut()
            if self.transcript.blocks:
                self.transcript.start_turn()
            self.run, self.last = run, ""
        extra = meta.get("extra")
        if self.settings is None and isinstance(extra, Mapping):
            self.settings = extra.get("settings")

    def call(self, about: Mapping[str, Any]) -> dict[str, Any]:
        return self.calls.setdefault(self.call_id(about), {})

    def call_id(self, about: Mapping[str, Any]) -> str:
        id = about.get("provider_call_id") or about.get("run_id") or self.run
        return expect(id, str, "provider_call_id")

    def called(self, event: Mapping[str, Any], meta: Mapping[str, Any], about: Mapping[str, Any]) -> None:
        """Keep what an event tells of a model call; the last one knows best."""
        known, self.last = self.call(about), self.call_id(about)
        known["order"] = known.get("order", len(self.calls))
        for name in ("model", "max_tokens"):
            if meta.get(name):
                known[name] = meta[name]
        for name in ("stop_reason", "usage", "duration_ms", "finish_class", "stop_sequence"):
            if event.get(name) not in (None, ""):
                known[name] = event[name]
        extra = meta.get("extra")
        if isinstance(extra, Mapping):
            known["extra"] = omit(extra, "settings")

    def piece(self, event: Mapping[str, Any], about: Mapping[str, Any]) -> None:
        kind = Kind.REASONING if str(event["type"]).startswith("reasoning") else Kind.LLM_TEXT
        id = optional_text(about.get("segment_id"), "segment_id") or kind
        _, before, _ = self.open.get(id, (kind, "", about))
        text = optional_text(event.get("text"), "text")
        delta = optional_text(event.get("delta"), "delta")
        self.open[id] = (
            kind,
            before if text is None and delta is None else text if text is not None else before + (delta or ""),
            about,
        )

    def ended(self, event: Mapping[str, Any], about: Mapping[str, Any], kind: Kind) -> None:
        id = optional_text(about.get("segment_id"), "segment_id") or kind
        _, so_far, _ = self.open.pop(id, (kind, "", about))
        text = optional_text(event.get("text"), "text")
        extra_fields = omit_empty(source=event.get("source"), finish_reason=event.get("finish_reason"))
        self.write(kind, text if text is not None else so_far, about, id if id != kind else "", extra_fields)

    def write(self, kind: Kind, text: str, about: Mapping[str, Any], id: str, extra_fields: Mapping[str, Any]) -> None:
        self.of[len(self.transcript.blocks)] = self.call_id(about)
        self.transcript.add(
            kind, {"text": text}, "assistant" if kind == Kind.LLM_TEXT else "", id, extra_fields=extra_fields
        )

    def cut(self) -> None:
        """What was being said, or called, when the stream ended without saying that it did."""
        for id, (kind, text, about) in self.open.items():
            if text:
                self.write(kind, text, about, id if id != kind else "", {"cut": True})
        self.open.clear()
        for id, (name, written, about) in self.begun.items():
            self.of[len(self.transcript.blocks)] = self.call_id(about)
            self.transcript.add_call(id, name, written, extra_fields={"cut": True})
        self.begun.clear()

    def broken(self, kind: str, about: Mapping[str, Any]) -> None:
        """A model call that failed, or was interrupted: it made at least the event that says so, which follows."""
        self.cut()
        id = self.call_id(about) if "provider_call_id" in about else self.last or self.call_id(about)
        self.calls.setdefault(id, {}).setdefault("stop_reason", "error" if kind == "error" else "interrupted")
        self.of[len(self.transcript.blocks)] = id

    def framed(self, event: Mapping[str, Any], about: Mapping[str, Any]) -> None:
        """Remember a call that has begun, in case that it never is requested."""
        if event["type"] in ("tool-call-started", "tool-call-arguments-delta"):
            id = expect(event.get("tool_call_id") or about.get("tool_call_id"), str, "tool_call_id")
            name, written, _ = self.begun.get(id, ("", "", about))
            name = optional_text(event.get("tool_name"), "tool_name") or name
            whole = optional_text(event.get("arguments"), "arguments")
            written = whole if whole is not None else written + (optional_text(event.get("delta"), "delta") or "")
            self.begun[id] = (name, written, about)

    def requested(self, event: Mapping[str, Any], about: Mapping[str, Any]) -> None:
        id = expect(event.get("tool_call_id") or about.get("tool_call_id"), str, "tool_call_id")
        self.begun.pop(id, None)
        self.of[len(self.transcript.blocks)] = self.call_id(about)
        self.transcript.add_call(
            id, event.get("tool_name"), event.get("input"), extra_fields=omit_empty(correlation=about)
        )

    def answered(self, event: Mapping[str, Any]) -> None:
        result, status = event.get("result"), event.get("status")
        about = object_or_empty(event.get("correlation"), "correlation")
        id = event.get("tool_call_id") or about.get("tool_call_id")
        error = ""
        if status == "error":  # written as "Error: …", after the result if there is one
            before, _, error = result.rpartition("Error: ") if isinstance(result, str) else (result, "", "")
            result, error = (
                (before.removesuffix(" | ") or None) if isinstance(before, str) else before,
                error or "error",
            )
        extra_fields = omit_empty(
            tool_name=event.get("tool_name"), status=None if status in ("success", "error") else status
        )
        self.transcript.add_result(id, result, error, extra_fields=extra_fields)

    def sign(self) -> None:
        """Put the record of its model call on each block that one made."""
        had_calls = {self.of[index] for index in self.of if self.transcript.blocks[index].kind == Kind.TOOL_CALL}
        results: dict[str, InferenceResult] = {}
        for index, id in self.of.items():
            if id not in results:
                results[id] = self.result(id, id in had_calls)
            known = {INFERENCE_ID.name: id, INFERENCE_RESULT.name: results[id].to_dict()}
            one = self.transcript.blocks[index]
            self.transcript.blocks[index] = one._with(metadata=one.metadata.with_raw(**known))

    def result(self, id: str, pending: bool) -> InferenceResult:
        known = self.calls.get(id, {})
        counts = known.get("usage") if isinstance(known.get("usage"), Mapping) else {}
        assert isinstance(counts, Mapping)
        duration, most, model = (
            to_number(known.get("duration_ms")),
            to_number(known.get("max_tokens")),
            known.get("model"),
        )
        provider = id.partition(":")[0] if ":" in id else ""
        read, wrote = (
            counts.get("cache_read_input_tokens") or counts.get("cached_tokens"),
            counts.get("cache_creation_input_tokens"),
        )
        made = self.transcript.inference_result(
            model=model if isinstance(model, str) else "",
            stop_reason=known.get("stop_reason"),
            pending=pending,
            usage=token_usage(counts.get("input_tokens"), counts.get("output_tokens"), cached=read, written=wrote),
            duration_ms=None if duration is None else round(duration),
            max_tokens=None if most is None else int(most),
            extra=omit_empty(known.get("extra") or {}, stop_sequence=known.get("stop_sequence")),
        )
        written = known.get("finish_class")
        finish = FinishClass(written) if written in set(FinishClass) else made.finish_class
        whole = {**made.to_dict(), "provider": provider, "inference_id": id, "finish_class": finish}
        return replace(InferenceResult.from_dict(whole), inference_id=id)


def read(source: Source) -> Iterator[Run]:
    """The events of a file, one a line or in a list, as one Run."""
    yield read_all(source.records(), source.notes(FORMAT))


IMPORTER = Importer(FORMAT, item_score(lambda value: event_of(value) is not None), read)
