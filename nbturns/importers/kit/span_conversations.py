"""Conversations made of the spans of model calls.

Each such span has all messages that the model was given. A span whose messages begin with all messages
and the reply of an earlier span continues that one, and so does one whose messages begin with the results of its tool
calls; any other begins a Run of its own. Spans of other conversations
(`gen_ai.conversation.id`, `session.id`) are never continued. A span of a tool call has the duration of the call, and
its arguments and result where no model call has them; a conversation that begins in such a span is that of a subagent.
Other spans are kept with the first Run of their trace.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from ...values.inference_results import INFERENCES, InferenceResult
from ...values.metadata import metadata_from_dict
from ...values.outcome import Outcome
from ...values.provenance import PARENT_TOOL_CALL
from ...values.turns import Kind, Run, Turn
from .continuations import Continuation, Continuations
from .drafts import Draft, message_hashes
from .import_report import Notes
from .links import link_runs, mark_children
from .outcomes import outcome_metadata
from .record_fields import ShapeError
from .source import Source
from .span_tools import ToolSpan, ToolSpans
from .spans import Span, read_spans, to_seconds
from .transcript import Transcript

NOT_ENDED = "has not ended"  # the end of the note about a span that is open


@dataclass(slots=True)
class ModelCall:
    """One model call: its messages, its reply, and its result or the fields of it (for `Transcript.inference_result`).

    A call with an `id` has only the messages that are new after the call whose id is `follows`; None for the first one.
    """

    messages: list[Draft]
    reply: list[Draft]
    result_fields: dict[str, Any]
    extra_fields: dict[str, Any] = field(default_factory=dict)
    result: InferenceResult | None = None
    hashes: list[str] = field(default_factory=list)  # of the beginnings of the messages, the empty one first
    id: int | None = None
    follows: int | None = None


@dataclass(frozen=True, slots=True)
class TraceFields:
    """The values that an export has of a whole trace: its name, its outcome, and all others."""

    name: str = ""
    fields: dict[str, Any] = field(default_factory=dict)
    outcome: Outcome | None = None


@dataclass(frozen=True, slots=True)
class SpanReader:
    """A naming convention: how to read a model call, a tool call, and the messages of any other span.

    `traces` has the values of whole traces, by their ids.
    """

    model_call: Callable[[Span, Notes], ModelCall | None]
    tool_call: Callable[[Span], ToolSpan | None] = lambda _span: None
    messages: Callable[[Span], list[Draft]] = lambda _span: []
    traces: Mapping[str, TraceFields] = field(default_factory=dict)


def read_span_groups(spans: list[Span], new_notes: Callable[[], Notes], reader: SpanReader) -> Iterator[Run]:
    """Yield the Runs of each conversation, in the order in which the conversations began."""
    conversation_ids = {span.trace: span.conversation for span in spans if span.conversation}
    span_groups: dict[str, list[Span]] = {}
    for span in spans:
        group_key = span.conversation or conversation_ids.get(span.trace, "")
        span_groups.setdefault(group_key, []).append(span)
    for group_key, group_spans in span_groups.items():
        yield from _SpanGroup(group_key, new_notes).runs(group_spans, reader)


class _CallThread:
    """A sequence of model calls, each a continuation of the one before; it becomes a Run."""

    def __init__(self, transcript: Transcript) -> None:
        self.transcript = transcript
        self.first_span: Span | None = None
        self.run_id: str = transcript.key
        self.parent_call_id = ""
        self.content_hash = ""  # of all blocks
        self.request_hash = ""  # of the messages of the last call
        self.open_calls: list[str] = []  # the ids of the tool calls in the last reply
        self.trace_ids: dict[str, None] = {}  # of its spans, in order
        self.traces: list[TraceFields] = []  # of its traces that no thread before it has
        self.raw_spans: list[Any] = []  # spans of other kinds
        self.results: list[tuple[int, InferenceResult]] = []  # with the number of blocks before the reply
        self.empty_calls: list[Any] = []  # the extra fields of calls without a reply

    def add_call(self, messages: list[Draft], call: ModelCall, span: Span) -> None:
        """Add the new messages of a model call, and its reply."""
        transcript = self.transcript
        self.first_span = self.first_span or span
        self.trace_ids.setdefault(span.trace)
        transcript.begin_record(span.position)
        transcript.notes.record_count += span.record_count
        for draft in messages:
            self.add_draft(draft)
        has_tool_calls = any(draft.kind == Kind.TOOL_CALL for draft in call.reply)
        result = transcript.inference_result(
            id=span.id or span.position, pending=has_tool_calls, duration_ms=span.duration_ms, **call.result_fields
        )
        if call.result is not None:
            duration = call.result.duration_ms if span.duration_ms is None else span.duration_ms
            result = call.result.replace(inference_id=result.inference_id, duration_ms=duration)
        self.results.append((len(transcript.blocks), result))
        for draft_index, draft in enumerate(call.reply):
            call_fields = call.extra_fields if draft_index == 0 else {}
            self.add_draft(draft, call_fields, result=result, time=span.start)
        if not call.reply:
            self.empty_calls.append({**call.extra_fields, "span_id": span.id, "start_time": span.start})

    def add_draft(self, draft: Draft, call_fields: dict[str, Any] | None = None, **options: Any) -> None:
        """Add a block; one that is nested too deeply as an `other` block."""
        extra_fields = {**(call_fields or {}), **draft.extra_fields}
        if draft.unknown:
            self.transcript.unknown(draft.unknown)
        if draft.guess:
            self.transcript.guess(draft.guess)
        try:
            self.transcript.add_block(
                draft.kind, draft.payload, draft.role, extra_fields=extra_fields, metadata=draft.metadata, **options
            )
        except TypeError as error:
            self.transcript.add_unknown({"kind": draft.kind, **draft.payload}, str(error))

    def to_run(self) -> Run:
        outcomes = [trace.outcome for trace in self.traces if trace.outcome is not None]
        run = self.transcript.to_run(
            id=self.run_id,
            name=next((trace.name for trace in self.traces if trace.name), ""),
            extra_fields={
                "spans": self.raw_spans,
                "calls": self.empty_calls,
                "traces": [trace.fields for trace in self.traces if trace.fields],
            },
            metadata={PARENT_TOOL_CALL.name: self.parent_call_id, **outcome_metadata(next(iter(outcomes), None))},
        )
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
    """The spans of one conversation, or all spans without one; `key` is the id of the conversation."""

    def __init__(self, key: str, new_notes: Callable[[], Notes]) -> None:
        self.key = key
        self.new_notes = new_notes
        self.threads: list[_CallThread] = []
        self.threads_by_id: dict[int, _CallThread] = {}  # of the calls with an id
        self.threads_by_key: dict[str, _CallThread] = {}  # the first one of a conversation, or of a trace
        self.continuations = Continuations[_CallThread]()

    def runs(self, spans: list[Span], reader: SpanReader) -> list[Run]:
        other_spans: list[tuple[Span, Notes]] = []
        tool_spans: list[ToolSpan] = []
        for span in sorted(spans, key=lambda span: to_seconds(span.start) or 0):
            notes = self.new_notes()
            try:
                model_call = reader.model_call(span, notes)
                tool_span = reader.tool_call(span) if model_call is None else None
            except (ShapeError, TypeError) as error:
                notes.add_unknown(span.position, str(error))
                model_call = tool_span = None
            if span.raw.get("open") is True:
                notes.add_dropped(span.position, f"this {'call' if model_call else 'span'} {NOT_ENDED}")
            if model_call is not None:
                self.add_call(span, model_call, notes)
                continue
            other_spans.append((span, notes))
            if tool_span is not None:
                tool_spans.append(tool_span)
        self.read_other_spans(other_spans, reader)
        index = ToolSpans(self.threads)
        tool_spans = [tool_span for tool_span in tool_spans if index.add(tool_span, self.thread_of(tool_span.span))]
        child_ids = self.find_parents({span.id: span for span in spans if span.id}, tool_spans)
        for thread in self.threads:
            mark_children(thread.transcript.blocks, child_ids)
        self.set_traces(reader.traces)
        return link_runs([thread.to_run() for thread in self.threads])

    def set_traces(self, traces: Mapping[str, TraceFields]) -> None:
        """Give each trace to the first thread that has spans of it."""
        seen_ids: set[str] = set()
        for thread in self.threads:
            new_ids = [trace_id for trace_id in thread.trace_ids if trace_id not in seen_ids]
            thread.traces = [traces[trace_id] for trace_id in new_ids if trace_id in traces]
            seen_ids.update(new_ids)

    def read_other_spans(self, other_spans: list[tuple[Span, Notes]], reader: SpanReader) -> None:
        """Take the notes of other spans, and their messages where no model call has any."""
        with_blocks = {id(thread) for thread in self.threads if thread.transcript.blocks}
        for span, notes in other_spans:
            thread = self.thread_of(span)
            transcript = thread.transcript
            thread.raw_spans.append(span.raw_fields())
            thread.trace_ids.setdefault(span.trace)
            transcript.notes.unknown += notes.unknown
            transcript.notes.dropped += notes.dropped
            transcript.notes.record_count += span.record_count
            if id(thread) in with_blocks or (self.key and with_blocks):
                continue
            transcript.begin_record(span.position)
            try:
                for draft in reader.messages(span):
                    thread.add_draft(draft)
            except (ShapeError, TypeError) as error:
                transcript.unknown(str(error))

    def find_parents(self, spans_by_id: dict[str, Span], tool_spans: list[ToolSpan]) -> dict[str, str]:
        """Set the tool call that started each conversation, and return the conversations by these calls."""
        tools_by_id = {tool_span.span.id: tool_span for tool_span in tool_spans}
        child_ids: dict[str, str] = {}
        for thread in self.threads:
            span, seen_ids = thread.first_span, set[str]()
            while span is not None and span.id not in seen_ids:
                seen_ids.add(span.id)
                span = spans_by_id.get(span.parent)
                if span is not None and span.id in tools_by_id:
                    thread.parent_call_id = tools_by_id[span.id].call_id
                    child_ids.setdefault(thread.parent_call_id, thread.run_id)
                    break
        return child_ids

    def thread_of(self, span: Span) -> _CallThread:
        """Return the first thread of the conversation or of the trace of a span; a new one where there is none."""
        key = self.key or span.trace or span.position
        return self.threads_by_key.get(key) or self.begin_thread(self.new_notes(), span)

    def add_call(self, span: Span, call: ModelCall, notes: Notes) -> None:
        """Add a model call to the thread that it continues, or to a new one."""
        hashes = call.hashes or message_hashes(call.messages)
        continuation: Continuation[_CallThread] | None = None
        if call.id is not None:
            known_thread = None if call.follows is None else self.threads_by_id.get(call.follows)
            continuation = None if known_thread is None else Continuation(known_thread, call.messages, is_whole=False)
        elif not call.messages and not call.reply:
            continuation = Continuation(self.thread_of(span), [])
        else:
            continuation = self.continuations.find(span, call, hashes)
        if continuation is None:
            continuation = Continuation(self.begin_thread(notes, span), call.messages)
        else:
            continuation.thread.transcript.notes.guessed += notes.guessed
            continuation.thread.transcript.notes.unknown += notes.unknown
            continuation.thread.transcript.notes.dropped += notes.dropped
        thread = continuation.thread
        thread.add_call(continuation.new_messages, call, span)
        if call.id is not None:
            self.threads_by_id[call.id] = thread
        self.threads_by_key.setdefault(self.key or span.trace or span.position, thread)
        self.continuations.remember(continuation, span, call, hashes[-1])

    def begin_thread(self, notes: Notes, span: Span) -> _CallThread:
        transcript = Transcript(notes)
        transcript.key = self.key or span.trace or span.position
        thread = _CallThread(transcript)
        if transcript.key in self.threads_by_key:
            thread.run_id = f"{transcript.key}/{span.id or span.position}"
        self.threads_by_key.setdefault(transcript.key, thread)
        self.threads.append(thread)
        return thread


def span_reader(format: str, new_reader: Callable[[], SpanReader]) -> Callable[[Source], Iterator[Run]]:
    """Return a reader that takes all spans of a source before the first Run, because they come in any order."""

    def read_span_runs(source: Source) -> Iterator[Run]:
        source_notes = source.notes(format)
        spans = read_spans(source.values(), source_notes)
        for index, run in enumerate(read_span_groups(spans, lambda: source.notes(format), new_reader())):
            if index == 0 and source_notes.unknown and run.import_report is not None:
                report = replace(run.import_report, unknown=(*source_notes.unknown, *run.import_report.unknown))
                run = replace(run, import_report=report)
            yield run

    return read_span_runs
