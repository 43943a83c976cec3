"""Conversations put together from spans of model calls.

Each such span holds all that the model was given. So one that begins with all that an earlier one of its
conversation (`gen_ai.conversation.id`, `session.id`, else its trace) held and answered goes on from there; one that does
not begins a Run of its own. Spans that are no model calls are kept beside the first Run.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from hashlib import sha256
from typing import Any

from ..keyed import keyed
from ..results import INFERENCES, InferenceResult
from ..turns import Kind, Run, Turn
from . import Notes, Source
from .spans import Span, moment, spans_of
from .transcript import Misfit, Transcript, told


@dataclass(slots=True)
class Draft:
    """A block to be, before it is known whether its conversation has it already."""

    kind: str
    payload: dict[str, Any]
    role: str = ""
    beside: dict[str, Any] = field(default_factory=dict)

    def mark(self) -> str:
        """What it says, to be compared; a thought is not given back to a model, and has none."""
        if self.kind == Kind.REASONING:
            return ""
        kind = "said" if self.kind in (Kind.USER, Kind.SYSTEM) else self.kind
        return json.dumps((kind, self.payload), sort_keys=True, default=repr)


@dataclass(slots=True)
class Asked:
    """One model call: what it was given, what it answered, and the record of it (`Transcript.called` takes it)."""

    given: list[Draft]
    answered: list[Draft]
    about: dict[str, Any]
    beside: dict[str, Any] = field(default_factory=dict)


def runs_of(spans: list[Span], notes: Callable[[], Notes], reader: Reader) -> Iterator[Run]:
    """The Runs of each conversation, in the order in which they began."""
    by_trace = {span.trace: span.conversation for span in spans if span.conversation}
    groups: dict[str, list[Span]] = {}
    for span in spans:
        key = span.conversation or by_trace.get(span.trace, "") or span.trace or span.place
        groups.setdefault(key, []).append(span)
    for key, group in groups.items():
        yield from _Group(key, notes).runs(group, reader)


@dataclass(frozen=True, slots=True)
class Reader:
    """How a convention names things: the model call a span tells of, and the messages on any other span."""

    call_of: Callable[[Span, Notes], Asked | None]
    spoken: Callable[[Span, Notes], list[Draft]] = lambda _span, _notes: []


class _Thread:
    """One conversation as far as it is known: a Run to be."""

    def __init__(self, said: Transcript) -> None:
        self.said = said
        self.results: list[tuple[int, InferenceResult]] = []  # with the number of blocks before what it answered
        self.silent: list[Any] = []  # what there is to say of calls that answered nothing

    def go_on(self, given: list[Draft], asked: Asked, span: Span) -> None:
        said = self.said
        said.at = span.place
        said.notes.read += span.records
        for draft in given:
            self.put(draft)
        pending = any(draft.kind == Kind.TOOL_CALL for draft in asked.answered)
        result = said.called(id=span.id or span.place, pending=pending, duration_ms=span.milliseconds, **asked.about)
        self.results.append((len(said.blocks), result))
        for number_of_draft, draft in enumerate(asked.answered):
            beside = {**asked.beside, **draft.beside} if number_of_draft == 0 else draft.beside
            self.put(draft, beside=beside, result=result, at=span.start)
        if not asked.answered:
            self.silent.append({**asked.beside, "span_id": span.id, "start_time": span.start})

    def put(self, draft: Draft, *, beside: dict[str, Any] | None = None, **how: Any) -> None:
        """Write a block; as it is, where it is nested too deeply for one."""
        said = self.said
        try:
            said.add(draft.kind, draft.payload, draft.role, beside=draft.beside if beside is None else beside, **how)
        except TypeError as error:
            said.keep({"kind": draft.kind, **draft.payload}, str(error))

    def run(self, id: str, others: list[Any]) -> Run:
        run = self.said.run(id=id, beside={"spans": others, "calls": self.silent})
        if not self.silent:
            return run
        turns: list[Turn] = []
        for turn in run.turns:  # a call that answered nothing stands in no block: it needs a ledger
            start = len(turns[-1]) if turns else -1
            last = len(turns) + 1 == len(run.turns)
            made = [one.to_dict() for before, one in self.results if start < before and (last or before <= len(turn))]
            turns.append(Turn(turn.blocks, metadata=keyed({INFERENCES.name: made})))
        return Run(turns, id=run.id, name=run.name, metadata=run.metadata, import_report=run.import_report)


class _Group:
    """The spans of one conversation."""

    def __init__(self, key: str, notes: Callable[[], Notes]) -> None:
        self.key = key
        self.notes = notes
        self.threads: list[_Thread] = []
        self.heads: dict[str, _Thread] = {}  # by all that was said and answered

    def runs(self, spans: list[Span], reader: Reader) -> Iterator[Run]:
        others: list[tuple[Span, Notes]] = []
        for span in sorted(spans, key=lambda one: moment(one.start) or 0):
            notes = self.notes()
            try:
                asked = reader.call_of(span, notes)
            except (Misfit, TypeError) as error:
                notes.unknown(span.place, str(error))
                asked = None
            if asked is None:
                others.append((span, notes))
            else:
                self.place(span, asked, notes)
        if not self.threads:
            self.begin(self.notes())
        self.told_elsewhere(others, reader)
        for number_of_thread, thread in enumerate(self.threads):
            of_first = [told(span.raw) for span, _ in others] if number_of_thread == 0 else []
            id = self.key
            if number_of_thread:
                id = f"{self.key}/{thread.results[0][1].inference_id.rpartition('/')[2]}"
            yield thread.run(id, of_first)

    def told_elsewhere(self, others: list[tuple[Span, Notes]], reader: Reader) -> None:
        """What spans say that are no model calls; their messages count where the model's spans have none."""
        first = self.threads[0].said
        for span, notes in others:
            first.notes.unknowns += notes.unknowns
            first.notes.read += span.records
            if any(thread.said.blocks for thread in self.threads):
                continue
            first.at = span.place
            try:
                for draft in reader.spoken(span, first.notes):
                    self.threads[0].put(draft)
            except (Misfit, TypeError) as error:
                first.notes.unknown(span.place, str(error))

    def place(self, span: Span, asked: Asked, notes: Notes) -> None:
        """Let the conversation go on that this call is of, or begin one."""
        marks = [""]
        for draft in asked.given:
            marks.append(_chained(marks[-1], draft))
        known = next((at for at in range(len(marks) - 1, 0, -1) if marks[at] in self.heads), 0)
        thread = self.heads.pop(marks[known]) if known else self.begin(notes)
        if known:
            thread.said.notes.guessed += notes.guessed
            thread.said.notes.unknowns += notes.unknowns
        thread.go_on(asked.given[known:], asked, span)
        end = marks[-1]
        for draft in asked.answered:
            end = _chained(end, draft)
        self.heads[end] = thread

    def begin(self, notes: Notes) -> _Thread:
        said = Transcript(notes)
        said.key = self.key
        self.threads.append(_Thread(said))
        return self.threads[-1]


def _chained(before: str, draft: Draft) -> str:
    mark = draft.mark()
    return sha256((before + mark).encode("utf-8", "surrogatepass")).hexdigest() if mark else before


def reading(format: str, reader: Reader) -> Callable[[Source], Iterator[Run]]:
    """A `read`: all spans of a source are read before the first Run, for they lie in any order."""

    def read(source: Source) -> Iterator[Run]:
        notes = source.notes(format)
        spans = spans_of(source.values(), notes)
        runs = runs_of(spans, lambda: source.notes(format), reader)
        for place, run in enumerate(runs):
            if place == 0 and notes.unknowns:
                report = replace(run.import_report, unknown=(*notes.unknowns, *run.import_report.unknown))
                run = replace(run, import_report=report)
            yield run

    return read
