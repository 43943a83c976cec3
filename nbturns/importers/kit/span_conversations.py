"""Conversations made of the spans of model calls.

Each such span has all messages that the model was given. A span whose messages begin with all messages
and the reply of an earlier span of its conversation (`gen_ai.conversation.id`, `session.id`, else its
trace) continues that one; any other begins a Run of its own. Other spans are kept with the first Run.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from hashlib import sha256
from typing import Any

from ...values.inference_results import INFERENCES, InferenceResult
from ...values.metadata import metadata_from_dict
from ...values.turns import Kind, Run, Turn
from .import_report import Notes
from .record_fields import ShapeError, omit_empty
from .source import Source
from .spans import Span, read_spans, to_seconds
from .transcript import Transcript


@dataclass(slots=True)
class Draft:
    """A block before it is known whether its conversation has it already."""

    kind: str
    payload: dict[str, Any]
    role: str = ""
    extra_fields: dict[str, Any] = field(default_factory=dict)

    def fingerprint(self) -> str:
        """Return the content for comparison; "" for reasoning, which is not sent back to a model."""
        if self.kind == Kind.REASONING:
            return ""
        kind = "prompt" if self.kind in (Kind.USER, Kind.SYSTEM) else self.kind
        return json.dumps((kind, self.payload), sort_keys=True, default=repr)


@dataclass(slots=True)
class ModelCall:
    """One model call: its messages, its reply, and the fields of its result (for `Transcript.inference_result`)."""

    messages: list[Draft]
    reply: list[Draft]
    result_fields: dict[str, Any]
    extra_fields: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class SpanReader:
    """A naming convention: how to read the model call of a span, and the messages of any other span."""

    model_call: Callable[[Span, Notes], ModelCall | None]
    messages: Callable[[Span, Notes], list[Draft]] = lambda _span, _notes: []


def read_span_groups(spans: list[Span], new_notes: Callable[[], Notes], reader: SpanReader) -> Iterator[Run]:
    """Yield the Runs of each conversation, in the order in which the conversations began."""
    conversation_ids = {span.trace: span.conversation for span in spans if span.conversation}
    span_groups: dict[str, list[Span]] = {}
    for span in spans:
        group_key = span.conversation or conversation_ids.get(span.trace, "") or span.trace or span.position
        span_groups.setdefault(group_key, []).append(span)
    for group_key, group_spans in span_groups.items():
        yield from _SpanGroup(group_key, new_notes).runs(group_spans, reader)


class _CallThread:
    """A sequence of model calls, each a continuation of the one before; it becomes a Run."""

    def __init__(self, transcript: Transcript) -> None:
        self.transcript = transcript
        self.results: list[tuple[int, InferenceResult]] = []  # with the number of blocks before the reply
        self.empty_calls: list[Any] = []  # the extra fields of calls without a reply

    def add_call(self, messages: list[Draft], call: ModelCall, span: Span) -> None:
        """Add the new messages of a model call, and its reply."""
        transcript = self.transcript
        transcript.begin_record(span.position)
        transcript.notes.record_count += span.record_count
        for draft in messages:
            self.add_draft(draft)
        has_tool_calls = any(draft.kind == Kind.TOOL_CALL for draft in call.reply)
        result = transcript.inference_result(
            id=span.id or span.position, pending=has_tool_calls, duration_ms=span.duration_ms, **call.result_fields
        )
        self.results.append((len(transcript.blocks), result))
        for draft_index, draft in enumerate(call.reply):
            call_fields = call.extra_fields if draft_index == 0 else {}
            self.add_draft(draft, call_fields, result=result, time=span.start)
        if not call.reply:
            self.empty_calls.append({**call.extra_fields, "span_id": span.id, "start_time": span.start})

    def add_draft(self, draft: Draft, call_fields: dict[str, Any] | None = None, **options: Any) -> None:
        """Add a block; one that is nested too deeply as an `other` block."""
        extra_fields = {**(call_fields or {}), **draft.extra_fields}
        try:
            self.transcript.add_block(draft.kind, draft.payload, draft.role, extra_fields=extra_fields, **options)
        except TypeError as error:
            self.transcript.add_unknown({"kind": draft.kind, **draft.payload}, str(error))

    def to_run(self, run_id: str, other_spans: list[Any]) -> Run:
        run = self.transcript.to_run(id=run_id, extra_fields={"spans": other_spans, "calls": self.empty_calls})
        if not self.empty_calls:
            return run
        turns: list[Turn] = []
        for turn in run.turns:  # a call without a reply is in no block, so the Turn needs a list of its calls
            start_length = len(turns[-1]) if turns else -1
            is_last = len(turns) + 1 == len(run.turns)
            turn_results = [
                result.to_dict()
                for block_count, result in self.results
                if start_length < block_count and (is_last or block_count <= len(turn))
            ]
            turns.append(Turn(turn.blocks, metadata=metadata_from_dict({INFERENCES.name: turn_results})))
        return Run(turns, id=run.id, name=run.name, metadata=run.metadata, import_report=run.import_report)


class _SpanGroup:
    """The spans of one conversation."""

    def __init__(self, key: str, new_notes: Callable[[], Notes]) -> None:
        self.key = key
        self.new_notes = new_notes
        self.threads: list[_CallThread] = []
        self.threads_by_hash: dict[str, _CallThread] = {}  # by a hash of all messages and replies

    def runs(self, spans: list[Span], reader: SpanReader) -> Iterator[Run]:
        other_spans: list[tuple[Span, Notes]] = []
        for span in sorted(spans, key=lambda span: to_seconds(span.start) or 0):
            notes = self.new_notes()
            try:
                model_call = reader.model_call(span, notes)
            except (ShapeError, TypeError) as error:
                notes.add_unknown(span.position, str(error))
                model_call = None
            if model_call is None:
                other_spans.append((span, notes))
            else:
                self.add_call(span, model_call, notes)
        if not self.threads:
            self.begin_thread(self.new_notes())
        self.read_other_spans(other_spans, reader)
        for thread_number, thread in enumerate(self.threads):
            raw_spans = [omit_empty(span.raw) for span, _ in other_spans] if thread_number == 0 else []
            first_id = thread.results[0][1].inference_id if thread_number else ""
            yield thread.to_run(f"{self.key}/{first_id.rpartition('/')[2]}" if thread_number else self.key, raw_spans)

    def read_other_spans(self, other_spans: list[tuple[Span, Notes]], reader: SpanReader) -> None:
        """Take the notes of other spans, and their messages where no model call has any."""
        first_thread = self.threads[0]
        first_transcript = first_thread.transcript
        for span, notes in other_spans:
            first_transcript.notes.unknown += notes.unknown
            first_transcript.notes.record_count += span.record_count
            if any(other_thread.transcript.blocks for other_thread in self.threads):
                continue
            first_transcript.begin_record(span.position)
            try:
                for draft in reader.messages(span, first_transcript.notes):
                    first_thread.add_draft(draft)
            except (ShapeError, TypeError) as error:
                first_transcript.unknown(str(error))

    def add_call(self, span: Span, call: ModelCall, notes: Notes) -> None:
        """Add a model call to the thread that it continues, or to a new one."""
        prefix_hashes = [""]
        for draft in call.messages:
            prefix_hashes.append(_chained_hash(prefix_hashes[-1], draft))
        prefix_lengths = range(len(prefix_hashes) - 1, 0, -1)
        known_length = next(
            (prefix_length for prefix_length in prefix_lengths if prefix_hashes[prefix_length] in self.threads_by_hash),
            0,
        )
        thread = self.threads_by_hash.pop(prefix_hashes[known_length]) if known_length else self.begin_thread(notes)
        if known_length:
            thread.transcript.notes.guessed += notes.guessed
            thread.transcript.notes.unknown += notes.unknown
        thread.add_call(call.messages[known_length:], call, span)
        content_hash = prefix_hashes[-1]
        for draft in call.reply:
            content_hash = _chained_hash(content_hash, draft)
        self.threads_by_hash[content_hash] = thread

    def begin_thread(self, notes: Notes) -> _CallThread:
        transcript = Transcript(notes)
        transcript.key = self.key
        self.threads.append(_CallThread(transcript))
        return self.threads[-1]


def _chained_hash(previous_hash: str, draft: Draft) -> str:
    draft_text = draft.fingerprint()
    return (
        sha256((previous_hash + draft_text).encode("utf-8", "surrogatepass")).hexdigest()
        if draft_text
        else previous_hash
    )


def span_reader(format: str, reader: SpanReader) -> Callable[[Source], Iterator[Run]]:
    """Return a reader that takes all spans of a source before the first Run, because they come in any order."""

    def read_span_runs(source: Source) -> Iterator[Run]:
        source_notes = source.notes(format)
        spans = read_spans(source.values(), source_notes)
        for index, run in enumerate(read_span_groups(spans, lambda: source.notes(format), reader)):
            if index == 0 and source_notes.unknown and run.import_report is not None:
                report = replace(run.import_report, unknown=(*source_notes.unknown, *run.import_report.unknown))
                run = replace(run, import_report=report)
            yield run

    return read_span_runs
