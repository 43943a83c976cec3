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


def runs_of(spans: list[Span], new_notes: Callable[[], Notes], reader: SpanReader) -> Iterator[Run]:
    """Yield the Runs of each conversation, in the order in which the conversations began."""
    conversations = {span.trace: span.conversation for span in spans if span.conversation}
    groups: dict[str, list[Span]] = {}
    for span in spans:
        key = span.conversation or conversations.get(span.trace, "") or span.trace or span.position
        groups.setdefault(key, []).append(span)
    for key, group in groups.items():
        yield from _SpanGroup(key, new_notes).runs(group, reader)


class _Thread:
    """A sequence of model calls of which each continues the one before; it becomes a Run."""

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
            self.add(draft)
        pending = any(draft.kind == Kind.TOOL_CALL for draft in call.reply)
        result = transcript.inference_result(
            id=span.id or span.position, pending=pending, duration_ms=span.duration_ms, **call.result_fields
        )
        self.results.append((len(transcript.blocks), result))
        for number, draft in enumerate(call.reply):
            call_fields = call.extra_fields if number == 0 else {}
            self.add(draft, call_fields, result=result, time=span.start)
        if not call.reply:
            self.empty_calls.append({**call.extra_fields, "span_id": span.id, "start_time": span.start})

    def add(self, draft: Draft, call_fields: dict[str, Any] | None = None, **options: Any) -> None:
        """Add a block; one that is nested too deeply as an `other` block."""
        fields = {**(call_fields or {}), **draft.extra_fields}
        try:
            self.transcript.add(draft.kind, draft.payload, draft.role, extra_fields=fields, **options)
        except TypeError as error:
            self.transcript.add_unknown({"kind": draft.kind, **draft.payload}, str(error))

    def to_run(self, id: str, other_spans: list[Any]) -> Run:
        run = self.transcript.to_run(id=id, extra_fields={"spans": other_spans, "calls": self.empty_calls})
        if not self.empty_calls:
            return run
        turns: list[Turn] = []
        for turn in run.turns:  # a call without a reply is in no block, so the Turn needs a list of its calls
            start = len(turns[-1]) if turns else -1
            is_last = len(turns) + 1 == len(run.turns)
            results = [
                result.to_dict() for count, result in self.results if start < count and (is_last or count <= len(turn))
            ]
            turns.append(Turn(turn.blocks, metadata=metadata_from_dict({INFERENCES.name: results})))
        return Run(turns, id=run.id, name=run.name, metadata=run.metadata, import_report=run.import_report)


class _SpanGroup:
    """The spans of one conversation."""

    def __init__(self, key: str, new_notes: Callable[[], Notes]) -> None:
        self.key = key
        self.new_notes = new_notes
        self.threads: list[_Thread] = []
        self.threads_by_content: dict[str, _Thread] = {}  # by a hash of all messages and replies

    def runs(self, spans: list[Span], reader: SpanReader) -> Iterator[Run]:
        other_spans: list[tuple[Span, Notes]] = []
        for span in sorted(spans, key=lambda span: to_seconds(span.start) or 0):
            notes = self.new_notes()
            try:
                call = reader.model_call(span, notes)
            except (ShapeError, TypeError) as error:
                notes.add_unknown(span.position, str(error))
                call = None
            if call is None:
                other_spans.append((span, notes))
            else:
                self.add_call(span, call, notes)
        if not self.threads:
            self.begin_thread(self.new_notes())
        self.read_other_spans(other_spans, reader)
        for number, thread in enumerate(self.threads):
            raw_spans = [omit_empty(span.raw) for span, _ in other_spans] if number == 0 else []
            first_id = thread.results[0][1].inference_id if number else ""
            yield thread.to_run(f"{self.key}/{first_id.rpartition('/')[2]}" if number else self.key, raw_spans)

    def read_other_spans(self, other_spans: list[tuple[Span, Notes]], reader: SpanReader) -> None:
        """Take the notes of other spans, and their messages where no model call has any."""
        thread = self.threads[0]
        transcript = thread.transcript
        for span, notes in other_spans:
            transcript.notes.unknown += notes.unknown
            transcript.notes.record_count += span.record_count
            if any(each.transcript.blocks for each in self.threads):
                continue
            transcript.begin_record(span.position)
            try:
                for draft in reader.messages(span, transcript.notes):
                    thread.add(draft)
            except (ShapeError, TypeError) as error:
                transcript.unknown(str(error))

    def add_call(self, span: Span, call: ModelCall, notes: Notes) -> None:
        """Add a model call to the thread that it continues, or to a new one."""
        hashes = [""]
        for draft in call.messages:
            hashes.append(_chained_hash(hashes[-1], draft))
        lengths = range(len(hashes) - 1, 0, -1)
        known = next((length for length in lengths if hashes[length] in self.threads_by_content), 0)
        thread = self.threads_by_content.pop(hashes[known]) if known else self.begin_thread(notes)
        if known:
            thread.transcript.notes.guessed += notes.guessed
            thread.transcript.notes.unknown += notes.unknown
        thread.add_call(call.messages[known:], call, span)
        content_hash = hashes[-1]
        for draft in call.reply:
            content_hash = _chained_hash(content_hash, draft)
        self.threads_by_content[content_hash] = thread

    def begin_thread(self, notes: Notes) -> _Thread:
        transcript = Transcript(notes)
        transcript.key = self.key
        self.threads.append(_Thread(transcript))
        return self.threads[-1]


def _chained_hash(previous_hash: str, draft: Draft) -> str:
    content = draft.fingerprint()
    return sha256((previous_hash + content).encode("utf-8", "surrogatepass")).hexdigest() if content else previous_hash


def span_reader(format: str, reader: SpanReader) -> Callable[[Source], Iterator[Run]]:
    """Return a reader that takes all spans of a source before the first Run, because they come in any order."""

    def read(source: Source) -> Iterator[Run]:
        notes = source.notes(format)
        spans = read_spans(source.values(), notes)
        for index, run in enumerate(runs_of(spans, lambda: source.notes(format), reader)):
            if index == 0 and notes.unknown and run.import_report is not None:
                report = replace(run.import_report, unknown=(*notes.unknown, *run.import_report.unknown))
                run = replace(run, import_report=report)
            yield run

    return read
