"""How most formats lie in files: a conversation a document or a line, or an item of one a line."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from ..turns import Run
from . import LIKELY, SURE, Notes, Sample, Source, attempt

LOOKED_AT = 16  # items


def conversations(
    format: str, is_item: Callable[[Any], bool], read_one: Callable[[Any, Notes], Run]
) -> Callable[[Source], Iterator[Run]]:
    """A `read` for conversations that are lists of items, or objects that hold such a list.

    A file of items, one a line or in a list, is one conversation.
    """

    def read(source: Source) -> Iterator[Run]:
        for position, value in _values(source, is_item):
            if (run := attempt(source, position, read_one, value, source.notes(format, position))) is not None:
                yield run

    return read


def _values(source: Source, is_item: Callable[[Any], bool]) -> Iterator[tuple[str, Any]]:
    sample = source.sample
    if not any(map(is_item, sample.records)):
        yield from source.records()
    elif sample.lines and not isinstance(sample.value, list):
        yield "", [item for _, item in source.values()]
    else:
        yield from source.values()


def looked_at(sample: Sample, *names: str) -> list[Any]:
    """The items at the head of a source: in a list under one of `names`, or lying there by themselves."""
    if sample.container != "json":
        return []
    record = sample.record
    listed = next((record[name] for name in names if isinstance(record.get(name), list)), None)
    return list(sample.records if listed is None else listed)[:LOOKED_AT]


def scored(is_item: Callable[[Any], bool], *names: str) -> Callable[[Sample], int]:
    """A `score`: sure when most of the items at the head are of this format."""

    def score(sample: Sample) -> int:
        items = looked_at(sample, *names)
        known = sum(map(is_item, items))
        return SURE if known * 2 > len(items) else LIKELY if known else 0

    return score


def of_document(is_document: Callable[[Any], bool]) -> Callable[[Sample], int]:
    """A `score` for documents that tell by themselves what they are."""
    return lambda sample: SURE if sample.container == "json" and any(map(is_document, sample.records)) else 0
