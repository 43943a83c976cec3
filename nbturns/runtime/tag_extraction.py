"""Extraction of tagged spans, `<notes:todo:v1> … </notes:todo:v1>`, from streamed text.

A sink wrapped by `extract_tags` gets the text without the spans, and separate events for each span. The Turn
keeps the full text. A tag has geppetto's form, package:type:version, and is matched exactly.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Generator, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeAlias

from ..errors import MisuseError, describe_error
from ..events import Delta, Event, InferenceFinished, Sink, stamp

TAG_PATTERN = re.compile(r"[A-Za-z0-9_.-]+:[A-Za-z0-9_.-]+:[A-Za-z0-9_.-]+")
Extractor: TypeAlias = Callable[[str], Any] | None
"""A function that converts the text of a complete span to a value; None keeps the text."""


@dataclass(frozen=True, slots=True)
class Extracted(Event):
    """A piece of a tagged span, its beginning or its end.

    `stage` is started, delta (`text` is the new piece), completed (`text` is the whole span, `value` the result of
    the extractor) or failed (`error` is the reason: the stream ended inside the span, or the extractor raised).
    `number` counts the spans of one model call from 0.
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
    """Return a sink that removes spans with these tags from the text and passes the rest to `sink`.

    A span without an end gives a failed Extracted event (`malformed="error"`), its text ("text"), or nothing
    ("ignore"). Raises ValueError for an invalid tag.
    """
    for tag in tags:
        if not TAG_PATTERN.fullmatch(tag):
            raise MisuseError(f"a tag must be package:type:version, like notes:todo:v1, got {tag!r}")
    parsers: dict[tuple[str, int], _SpanParser] = {}
    span_counts: dict[str, int] = {}

    def forward(span_events: Iterator[Event], source: Event) -> None:
        for span_event in span_events:
            stamp(span_event, source.seq, source.at, source.execution_id)
            sink(span_event)

    def extract_from_event(event: Event) -> None:
        if isinstance(event, Delta) and event.kind == "llm_text":
            key = (event.inference_id, event.index)
            if key not in parsers:
                parsers[key] = _SpanParser(tags, span_counts)
            forward(parsers[key].feed(event), event)
            return
        if isinstance(event, InferenceFinished):  # of one call; other sessions may share this sink
            inference_id = event.result.inference_id
            for key in [key for key in parsers if inference_id in ("", key[0])]:
                forward(parsers.pop(key).end(malformed), event)
                span_counts.pop(key[0], None)
        sink(event)

    return extract_from_event


class _SpanParser:
    """A parser of the streamed text of one block, which is outside the spans or in one."""

    def __init__(self, tags: Mapping[str, Extractor], counts: dict[str, int]) -> None:
        self._tags = tags
        self._counts = counts
        self._possible_tag = ""  # the end of the text, if it may begin a tag
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
        tag_start, opening_tag = min(
            ((text.find(tag_text), tag_text) for tag in self._tags if (tag_text := f"<{tag}>") in text),
            default=(-1, ""),
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
        self._tag = opening_tag[1:-1]
        self._number = self._counts.get(delta.inference_id, 0)
        self._counts[delta.inference_id] = self._number + 1
        self._span_pieces = []
        yield self._make_event(delta, "started")
        return text[tag_start + len(opening_tag) :]

    def _parse_inside(self, delta: Delta, text: str) -> Generator[Event, None, str]:
        closing_tag = f"</{self._tag}>"
        tag_start = text.find(closing_tag)
        if tag_start < 0:
            overlap = _overlap(text, [closing_tag])
            self._possible_tag = text[len(text) - overlap :]
            yield from self._append_text(delta, text[: len(text) - overlap])
            return ""
        yield from self._append_text(delta, text[:tag_start])
        yield self._completed_event(delta)
        self._tag = ""
        return text[tag_start + len(closing_tag) :]

    def _append_text(self, delta: Delta, text: str) -> Iterator[Event]:
        if text:
            self._span_pieces.append(text)
            yield self._make_event(delta, "delta", text=text)

    def _completed_event(self, delta: Delta) -> Event:
        span_text = "".join(self._span_pieces)
        extractor = self._tags[self._tag]
        try:
            value = span_text if extractor is None else extractor(span_text)
        except BaseException as error:  # the extractor is user code and may raise anything
            return self._make_event(delta, "failed", text=span_text, error=describe_error(error))
        return self._make_event(delta, "completed", text=span_text, value=value)

    def end(self, malformed: str) -> Iterator[Event]:
        """Flush the possible tag as text, and report an open span; called at the end of the model call."""
        if self._last_delta is None:
            return
        if not self._tag:
            if self._possible_tag:
                yield replace(self._last_delta, text=self._possible_tag)
        elif malformed == "text":
            yield replace(self._last_delta, text=f"<{self._tag}>{''.join(self._span_pieces)}{self._possible_tag}")
        elif malformed == "error":
            span_text = "".join(self._span_pieces) + self._possible_tag
            yield self._make_event(
                self._last_delta, "failed", text=span_text, error=f"the text ended before </{self._tag}>"
            )
        self._possible_tag = self._tag = ""

    def _make_event(self, delta: Delta, stage: Any, **more: Any) -> Extracted:
        return Extracted(delta.inference_id, self._tag, self._number, stage, **more)


def _overlap(text: str, tag_texts: list[str]) -> int:
    """Return the length of the longest end of `text` that is the beginning of one of `tag_texts`."""
    max_size = max(map(len, tag_texts), default=1) - 1
    for size in range(min(max_size, len(text)), 0, -1):
        if any(tag_text.startswith(text[-size:]) for tag_text in tag_texts):
            return size
    return 0
