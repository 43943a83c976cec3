"""Readers and scores for formats whose conversations are lists of records: messages, items or events."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from ...values.turns import Run
from .import_report import Notes
from .importer import LIKELY, SURE, try_read
from .sample import Sample
from .source import Source

MAX_SCORED_RECORDS = 16  # records of a sample that a score looks at


def list_reader(
    format: str, is_record: Callable[[Any], bool], read_conversation: Callable[[Any, Notes], Run]
) -> Callable[[Source], Iterator[Run]]:
    """Return a reader for conversations that are lists of records, or objects with such a list.

    A file of records, one in a line or all in a list, is one conversation.
    """

    def read_lists(source: Source) -> Iterator[Run]:
        for position, value in _conversations(source, is_record):
            yield from try_read(source, position, read_conversation, value, source.notes(format, position))

    return read_lists


def _conversations(source: Source, is_record: Callable[[Any], bool]) -> Iterator[tuple[str, Any]]:
    sample = source.sample
    if not any(map(is_record, sample.records)):
        yield from source.records()
    elif sample.is_json_lines and not isinstance(sample.value, list):
        yield "", [item for _, item in source.values()]
    else:
        yield from ((position, [value] if is_record(value) else value) for position, value in source.values())


def first_items(sample: Sample, *list_names: str) -> list[Any]:
    """Return the first records of a source: those of a list in a field of `list_names`, or the values themselves."""
    if sample.container != "json":
        return []
    document = sample.record
    list_items = next(
        (document[list_name] for list_name in list_names if isinstance(document.get(list_name), list)), None
    )
    return list(sample.records if list_items is None else list_items)[:MAX_SCORED_RECORDS]


def item_score(is_record: Callable[[Any], bool], *list_names: str) -> Callable[[Sample], int]:
    """Return a score that is sure when most of the first records are of the format."""

    def score_sample(sample: Sample) -> int:
        first_records = first_items(sample, *list_names)
        record_count = sum(map(is_record, first_records))
        return SURE if record_count * 2 > len(first_records) else LIKELY if record_count else 0

    return score_sample


def document_score(is_document: Callable[[Any], bool]) -> Callable[[Sample], int]:
    """Return a score that is sure when any of the first values is a document of the format."""
    return lambda sample: SURE if sample.container == "json" and any(map(is_document, sample.records)) else 0
