"""Readers and scores for formats whose conversations are lists of records: messages, items or events."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from ...values.turns import Run
from .import_report import Notes
from .importer import LIKELY, SURE, try_read
from .source import Sample, Source

MAX_ITEMS = 16  # records of a sample that a score looks at


def list_reader(
    format: str, is_item: Callable[[Any], bool], read_one: Callable[[Any, Notes], Run]
) -> Callable[[Source], Iterator[Run]]:
    """Return a reader for conversations that are lists of records, or objects with such a list.

    A file of records, one in a line or all in a list, is one conversation.
    """

    def read(source: Source) -> Iterator[Run]:
        for position, value in _conversations(source, is_item):
            yield from try_read(source, position, read_one, value, source.notes(format, position))

    return read


def _conversations(source: Source, is_item: Callable[[Any], bool]) -> Iterator[tuple[str, Any]]:
    sample = source.sample
    if not any(map(is_item, sample.records)):
        yield from source.records()
    elif sample.lines and not isinstance(sample.value, list):
        yield "", [item for _, item in source.values()]
    else:
        yield from ((position, [value] if is_item(value) else value) for position, value in source.values())


def first_items(sample: Sample, *names: str) -> list[Any]:
    """Return the first records of a source: those of a list under one of `names`, or the values themselves."""
    if sample.container != "json":
        return []
    document = sample.record
    items = next((document[name] for name in names if isinstance(document.get(name), list)), None)
    return list(sample.records if items is None else items)[:MAX_ITEMS]


def item_score(is_item: Callable[[Any], bool], *names: str) -> Callable[[Sample], int]:
    """Return a score that is sure when most of the first records are of the format."""

    def score(sample: Sample) -> int:
        items = first_items(sample, *names)
        count = sum(map(is_item, items))
        return SURE if count * 2 > len(items) else LIKELY if count else 0

    return score


def document_score(is_document: Callable[[Any], bool]) -> Callable[[Sample], int]:
    """Return a score that is sure when any of the first values is a document of the format."""
    return lambda sample: SURE if sample.container == "json" and any(map(is_document, sample.records)) else 0
