"""Runs that grow by one call after the other.

Each call has all messages that the model was given. A call is read once, when it has ended, and only what is new in its
messages is kept, so that time and memory grow with the conversation and not with its square. Calls of one trace or
one conversation, and calls that continue each other, are a part; only the parts that changed are made anew.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from itertools import count

from ..importers import Source, finished_run
from ..importers.kit.drafts import Draft, known_prefix, message_hashes
from ..importers.kit.import_report import Notes
from ..importers.kit.record_fields import ShapeError
from ..importers.kit.span_conversations import ModelCall, SpanReader, read_span_groups
from ..importers.kit.span_tools import ToolSpan
from ..importers.kit.spans import CONVERSATION_IDS, Span, to_seconds
from ..render.text import shorten
from ..values.turns import Kind, Run

MAX_NAME = 60  # characters

Key = tuple[str, str]
# The last calls, and a key of the part of each, by conversation and hash of all messages; equal agents have equal ones.
Ends = dict[Key, list[tuple[int, Key]]]


@dataclass(frozen=True, slots=True)
class GrowingRun:
    """A Run, whether spans of it are open, and the ids of its open calls, whose replies are incomplete."""

    run: Run
    is_open: bool = False
    open_calls: frozenset[str] = frozenset()


@dataclass(slots=True)
class ReadSpan:
    """A span after it was read: its call with the messages that are new, or its tool call, or its messages."""

    span: Span
    notes: Notes
    call: ModelCall | None = None
    tool: ToolSpan | None = None
    messages: list[Draft] = field(default_factory=list)
    hashes: list[str] = field(default_factory=list)  # of the messages of a call that is open
    end: Key | None = None  # under which a call that continues this one finds it
    taken_end: tuple[Key, tuple[int, Key]] | None = None  # of the call that this one continues


@dataclass(slots=True, eq=False)
class Part:
    """Spans that belong together, and their Runs when they were last made."""

    keys: list[Key]
    spans: list[ReadSpan] = field(default_factory=list)
    runs: list[GrowingRun] | None = None
    start: float = float("inf")

    def add(self, item: ReadSpan) -> None:
        self.spans.append(item)
        self.start = min(self.start, to_seconds(item.span.start) or 0)
        self.runs = None


class GrowingRuns:
    """The Runs of spans that end one after the other. Not safe for threads: the caller holds a lock."""

    def __init__(self, file: str, reader: SpanReader, format_of: Callable[[Span], str]) -> None:
        self.file = file
        self.reader = reader
        self.format_of = format_of
        self.errors: list[Exception] = []  # of the last `runs()`
        self._parts: dict[Key, Part] = {}
        self._ends: Ends = {}
        self._inner_calls: dict[str, list[tuple[ReadSpan, Key]]] = {}  # by the id of the span around them
        self._tool_calls: dict[Key, Key] = {}  # a key of the part of each, by conversation and id
        self._conversations: dict[str, str] = {}  # by trace
        self._numbers = count(1)

    def clear(self) -> None:
        """Forget all spans."""
        for values in (self._parts, self._ends, self._inner_calls, self._tool_calls, self._conversations):
            values.clear()

    def note_conversation(self, span: Span) -> None:
        """Take the conversation that a span names for the other spans of its trace."""
        if span.conversation and span.trace:
            self._conversations[span.trace] = span.conversation

    def add(self, span: Span) -> None:
        """Take a span that has ended."""
        self.note_conversation(span)
        item = self.read(span)
        part = self._part_of(span)
        if item.call is not None:
            conversation = self._conversation_of(span)
            self._drop_calls_inside(span)
            if length := known_prefix(item.hashes, _EndsOf(self._ends, conversation)):
                end_key = (conversation, item.hashes[length])
                item.taken_end = (end_key, self._ends[end_key][0])
                item.call.follows, part_key = item.taken_end[1]
                self._remove_end(end_key, item.call.follows)
                part = self._merge(self._parts[part_key], part)
                del item.call.messages[:length]
            item.call.id = next(self._numbers)
            ending_hash = message_hashes(item.call.reply, item.hashes[-1])[-1]
            item.end = (conversation, ending_hash)
            self._ends.setdefault(item.end, []).append((item.call.id, part.keys[0]))
            if span.parent:
                self._inner_calls.setdefault(span.parent, []).append((item, part.keys[0]))
            call_ids = [draft.payload["id"] for draft in item.call.reply if draft.kind == Kind.TOOL_CALL]
            self._tool_calls |= {(conversation, call_id): part.keys[0] for call_id in call_ids}
            item.hashes = []
            _forget_messages(span)
        elif not part.spans and (caller := self._part_of_tool(item)) is not None:
            part = self._merge(caller, part)
        part.add(item)

    def _drop_calls_inside(self, span: Span) -> None:
        """Drop the calls in the span of a call: those of an SDK that reports the same call as a framework around it."""
        for item, part_key in self._inner_calls.pop(span.id, ()):
            if item.call is not None and item.call.id is not None and item.end is not None:
                self._remove_end(item.end, item.call.id)
                if item.taken_end is not None:
                    self._ends.setdefault(item.taken_end[0], []).insert(0, item.taken_end[1])
                item.call, self._parts[part_key].runs = None, None

    def _remove_end(self, key: Key, call_id: int) -> None:
        self._ends[key] = [end for end in self._ends.get(key, ()) if end[0] != call_id]
        if not self._ends[key]:
            del self._ends[key]

    def _part_of_tool(self, item: ReadSpan) -> Part | None:
        """Return the part with the call of a tool span, whose trace becomes that of the part; None without one."""
        if item.tool is None or not item.tool.call_id:
            return None
        part_key = self._tool_calls.get((self._conversation_of(item.span), item.tool.call_id))
        part = None if part_key is None else self._parts.get(part_key)
        if part is not None:
            item.span.trace = next(name for kind, name in part.keys if kind == "trace")
        return part

    def read(self, span: Span) -> ReadSpan:
        """Return a span after it was read, with all messages of its call."""
        item = ReadSpan(span, self._new_notes(span))
        try:
            item.call = self.reader.model_call(span, item.notes)
            if item.call is not None:
                item.hashes = item.call.hashes or message_hashes(item.call.messages)
                return item
            item.tool = self.reader.tool_call(span)
            item.messages = self.reader.messages(span)
        except (ShapeError, TypeError) as error:
            item.notes.add_unknown(span.position, str(error))
        return item

    def runs(self, open_spans: Sequence[ReadSpan] = ()) -> list[GrowingRun]:
        """Return all Runs in the order in which they began; `open_spans` are shown with what they have until now."""
        self.errors = []
        open_parts = self._with_open_spans(open_spans)
        for part in {id(part): part for part in self._parts.values()}.values():
            if part not in open_parts and part.runs is None:
                part.runs = self._made_runs(part, ())
        dated_runs = [
            (part.start, self._made_runs(part, items) if (items := open_parts.get(part)) else part.runs or [])
            for part in {id(part): part for part in (*self._parts.values(), *open_parts)}.values()
        ]
        dated_runs.sort(key=lambda item: item[0])
        return [run for _, runs in dated_runs for run in runs]

    def _with_open_spans(self, open_spans: Sequence[ReadSpan]) -> dict[Part, list[ReadSpan]]:
        """Return the open spans of each part; a span that belongs to none has a part of its own."""
        for item in open_spans:
            self.note_conversation(item.span)
        found: dict[Part, list[ReadSpan]] = {}
        own_parts: dict[Key, Part] = {}
        open_calls = {item.span.id for item in open_spans if item.call is not None}
        continued_ends: Counter[Key] = Counter()  # ends that other open calls continue
        for number, item in enumerate(open_spans, 1):
            keys = self._keys_of(item.span)
            part = next((parts[key] for parts in (self._parts, own_parts) for key in keys if key in parts), None)
            part = part or self._part_of_tool(item)
            is_same_call = item.span.parent in open_calls or item.span.id in self._inner_calls
            if item.call is not None and is_same_call:  # it is shown once
                continue
            if (call := item.call) is not None:
                ends = _EndsOf(self._ends, self._conversation_of(item.span), continued_ends)
                call = replace(call, id=-number)
                if length := known_prefix(item.hashes, ends):
                    call.messages = call.messages[length:]
                    call.follows, part_key = ends.take(item.hashes[length])
                    part = self._parts[part_key]
                item = replace(item, call=call)
            if part is None:
                part = Part(keys)
                part.start = to_seconds(item.span.start) or 0
            if part.keys is keys:
                own_parts |= dict.fromkeys(keys, part)
            found.setdefault(part, []).append(item)
        return found

    def _made_runs(self, part: Part, open_spans: Sequence[ReadSpan]) -> list[GrowingRun]:
        """Return the Runs of a part; an exception is one of the capture."""
        try:
            return self._read_runs([*part.spans, *open_spans], bool(open_spans))
        except Exception as error:  # nothing in a capture disturbs the agent
            self.errors.append(error)
            return part.runs or []

    def _read_runs(self, items: list[ReadSpan], is_open: bool) -> list[GrowingRun]:
        by_span = {id(item.span): item for item in items}
        format = next((item.notes.format for item in items if item.call is not None), items[0].notes.format)
        source = Source.of_data(None, self.file)

        def model_call(span: Span, notes: Notes) -> ModelCall | None:
            item = by_span[id(span)]
            notes.guessed += item.notes.guessed
            notes.unknown += item.notes.unknown
            notes.dropped += item.notes.dropped
            return item.call

        def messages(span: Span) -> list[Draft]:
            return by_span[id(span)].messages

        def tool_call(span: Span) -> ToolSpan | None:
            tool = by_span[id(span)].tool
            return None if tool is None else replace(tool)

        reader = SpanReader(model_call, tool_call, messages)
        runs = read_span_groups([item.span for item in items], lambda: source.notes(format), reader)
        open_calls = frozenset(
            item.span.id or item.span.position for item in items if item.call is not None and item.span.raw.get("open")
        )
        return [GrowingRun(finished_run(_named(run), source), is_open, open_calls) for run in runs]

    # Parts.

    def _conversation_of(self, span: Span) -> str:
        return span.conversation or self._conversations.get(span.trace, "")

    def _keys_of(self, span: Span) -> list[Key]:
        conversation = self._conversation_of(span)
        keys = [("conversation", conversation)] if conversation else []
        return [*keys, ("trace", span.trace or span.position)]

    def _part_of(self, span: Span) -> Part:
        """Return the part of a span; the parts that the span joins become one."""
        part: Part | None = None
        for key in self._keys_of(span):
            other_part = self._parts.get(key)
            if other_part is not None:
                part = other_part if part is None or part is other_part else self._merge(part, other_part)
        part = part or Part([])
        for key in self._keys_of(span):
            if key not in self._parts:
                self._parts[key] = part
                part.keys.append(key)
        return part

    def _merge(self, part: Part, other_part: Part) -> Part:
        """Return the first part with the spans of the other one."""
        if part is other_part:
            return part
        if len(part.spans) < len(other_part.spans):
            part, other_part = other_part, part
        part.spans += other_part.spans
        part.start = min(part.start, other_part.start)
        part.runs = None
        for key in other_part.keys:
            self._parts[key] = part
        part.keys += other_part.keys
        return part

    def _new_notes(self, span: Span) -> Notes:
        return Notes(self.format_of(span), self.file)


class _EndsOf:
    """The hashes of the ends of one conversation, without those that are taken."""

    def __init__(self, ends: Ends, conversation: str, taken_counts: Counter[Key] | None = None) -> None:
        self.ends = ends
        self.conversation = conversation
        self.taken_counts = Counter[Key]() if taken_counts is None else taken_counts

    def __contains__(self, content_hash: object) -> bool:
        key = (self.conversation, str(content_hash))
        return len(self.ends.get(key, ())) > self.taken_counts[key]

    def take(self, content_hash: str) -> tuple[int, Key]:
        """Return the call and the part of an end, which no other call continues."""
        key = (self.conversation, content_hash)
        self.taken_counts[key] += 1
        return self.ends[key][self.taken_counts[key] - 1]


def _named(run: Run) -> Run:
    """Return a Run with a name: its first prompt."""
    prompts = (block.text for block in run.latest if block.kind == Kind.USER and block.text.strip())
    return run if run.name else replace(run, name=shorten(next(prompts, ""), MAX_NAME))


def _forget_messages(span: Span) -> None:
    """Drop what a call has of its span."""
    span.attributes = {name: value for name, value in span.attributes.items() if name in CONVERSATION_IDS}
    span.raw, span.events, span.log_fields = {}, [], []
