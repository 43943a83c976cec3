"""Spans that a model marks in its text, `<notes:todo:v1> … </notes:todo:v1>`, taken out of the stream.

A sink behind `extracting` hears the text without the spans, and each span as events of its own. The Turn keeps
what the model said, whole. The form of a tag is geppetto's: package, type and version, matched exactly.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Generator, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeAlias

from ..errors import MisuseError
from ..events import Delta, Event, InferenceFinished, Sink, stamp

TAG_PATTERN = re.compile(r"[A-Za-z0-9_.-]+:[A-Za-z0-9_.-]+:[A-Za-z0-9_.-]+")
Extractor: TypeAlias = Callable[[str], Any] | None
"""What makes a value of a span's text, when it is complete; None leaves it a text."""


@dataclass(frozen=True, slots=True)
class Extracted(Event):
    """Some of a marked span, or its end.

    `stage` is started, delta (`text` is what came), completed (`text` is all of it, `value` what the extractor made
    of it) or failed (`error` says why: the stream ended inside the span, or the extractor raised). `number`
    counts the spans of one model call from 0.
    """

    inference_id: str
    tag: str
    number: int
    stage: Literal["started", "delta", "completed", "failed"]
    text: str = ""
    value: Any = None
    error: str = ""


def extract_tags(
    sink: Sink, tags: Mapping[str, Extractor], *, malformed: Literal["error", "text", "ignore"] = "error"
) -> Sink:
    """A sink that takes spans with these tags out of the text before `sink` hears it.

    `malformed` says what becomes of a span whose end never comes: a failed Extracted ("error"), the text as it
    stood ("text"), or nothing ("ignore"). Raises ValueError for what is no tag.
    """
    for tag in tags:
        if not TAG_PATTERN.fullmatch(tag):
            raise MisuseError(f"a tag is package:type:version, like notes:todo:v1, not {tag!r}")
    streams: dict[tuple[str, int], _SpanParser] = {}
    counts: dict[str, int] = {}

    def hear(event: Event) -> None:
        if isinstance(event, Delta) and event.kind == "llm_text":
            key = (event.inference_id, event.index)
            if key not in streams:
                streams[key] = _SpanParser(tags, counts)
            for span_event in streams[key].feed(event):
                stamp(span_event, event.seq, event.at)
                sink(span_event)
            return
        if isinstance(event, InferenceFinished):
            for spans in streams.values():
                for span_event in spans.end(malformed):
                    stamp(span_event, event.seq, event.at)
                    sink(span_event)
            streams.clear()
            counts.clear()
        sink(event)

    return hear


class _SpanParser:
    """The text of one block on its way: outside the spans, or in one."""

    def __init__(self, tags: Mapping[str, Extractor], counts: dict[str, int]) -> None:
        self._tags = tags
        self._counts = counts
        self._possible_tag = ""  # what may be the beginning of a tag
        self._tag = ""
        self._number = 0
        self._span_pieces: list[str] = []
        self._last_delta: Delta | None = None

    def feed(self, delta: Delta) -> Iterator[Event]:
        self._last_delta = delta
        text, self._possible_tag = self._possible_tag + delta.text, ""
        while text:
            text = yield from (self._parse_inside(delta, text) if self._tag else self._parse_outside(delta, text))

    def _parse_outside(self, delta: Delta, text: str) -> Generator[Event, None, str]:
        tag_start, opening = min(
            ((text.find(mark), mark) for tag in self._tags if (mark := f"<{tag}>") in text), default=(-1, "")
        )
        if tag_start < 0:
            overlap = _overlap(text, [f"<{tag}>" for tag in self._tags])
            self._possible_tag = text[len(text) - overlap :]
            plain_text = text[: len(text) - overlap]
            if plain_text:
                yield replace(delta, text=plain_text)
            return ""
        if tag_start:
            yield replace(delta, text=text[:tag_start])
        self._tag = opening[1:-1]
        self._number = self._counts.get(delta.inference_id, 0)
        self._counts[delta.inference_id] = self._number + 1
        self._span_pieces = []
        yield self._make_event(delta, "started")
        return text[tag_start + len(opening) :]

    def _parse_inside(self, delta: Delta, text: str) -> Generator[Event, None, str]:
        closing = f"</{self._tag}>"
        tag_start = text.find(closing)
        if tag_start < 0:
            overlap = _overlap(text, [closing])
            self._possible_tag = text[len(text) - overlap :]
            yield from self._append_text(delta, text[: len(text) - overlap])
            return ""
        yield from self._append_text(delta, text[:tag_start])
        yield self._completed_event(delta)
        self._tag = ""
        return text[tag_start + len(closing) :]

    def _append_text(self, delta: Delta, text: str) -> Iterator[Event]:
        if text:
            self._span_pieces.append(text)
            yield self._make_event(delta, "delta", text=text)

    def _completed_event(self, delta: Delta) -> Event:
        whole = "".join(self._span_pieces)
        extractor = self._tags[self._tag]
        try:
            value = whole if extractor is None else extractor(whole)
        except Exception as error:  # the user's own function; the span's event says what it raised
            return self._make_event(delta, "failed", text=whole, error=f"{type(error).__name__}: {error}")
        return self._make_event(delta, "completed", text=whole, value=value)

    def end(self, malformed: str) -> Iterator[Event]:
        """The call is over: what was held back is text after all, and an open span will not be closed."""
        if self._last_delta is None:
            return
        if not self._tag:
            if self._possible_tag:
                yield replace(self._last_delta, text=self._possible_tag)
        elif malformed == "text":
            yield replace(self._last_delta, text=f"<{self._tag}>{''.join(self._span_pieces)}{self._possible_tag}")
        elif malformed == "error":
            whole = "".join(self._span_pieces) + self._possible_tag
            yield self._make_event(
                self._last_delta, "failed", text=whole, error=f"the text ended before </{self._tag}>"
            )
        self._possible_tag = self._tag = ""

    def _make_event(self, delta: Delta, stage: Any, **more: Any) -> Extracted:
        return Extracted(delta.inference_id, self._tag, self._number, stage, **more)


def _overlap(text: str, marks: list[str]) -> int:
    """Return the length of the longest end of `text` that is the beginning of one of `marks`."""
    longest = max(map(len, marks), default=1) - 1
    for size in range(min(longest, len(text)), 0, -1):
        if any(mark.startswith(text[-size:]) for mark in marks):
            return size
    return 0
