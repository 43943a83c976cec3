"""The values of a file that an importer of another format left out, or kept in metadata alone.

An importer knows what it leaves out of its own format. A file that does not look like the format that was named is
compared with its Runs, value by value: a value that they lack is dropped, a text of a message that no block has is
unknown.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from ...values.provenance import ARGUMENTS
from ...values.turns import Run
from .import_report import ImportReport, Note, join_positions
from .record_fields import json_or_none
from .source import Source

CONTENT_NAMES = frozenset(
    {"content", "contents", "text", "value", "thinking", "reasoning", "reasoning_content", "arguments", "args", "input"}
    | {"output", "result", "parts", "delta", "message", "response", "prompt", "thought", "observation", "errorText"}
)  # of fields whose texts are those of a message
MAX_NOTES = 200
MAX_DEPTH = 120


def with_missing_values(runs: list[Run], source: Source, format: str) -> Iterator[Run | Note]:
    """Yield the Runs of a file that does not look like `format`; the report of the first names what they lack."""
    unknown_notes, dropped_notes = _missing_notes(runs, source)
    if not runs:
        yield from dropped_notes[:MAX_NOTES]
        return
    if unknown_notes or dropped_notes:
        report = runs[0].import_report or ImportReport(format, len(runs), len(runs[0].latest), file=source.file)
        unknown = (*report.unknown, *unknown_notes[:MAX_NOTES])
        report = replace(report, unknown=unknown).with_dropped(tuple(_shortened(dropped_notes, source)))
        runs[0] = replace(runs[0], import_report=report)
    yield from runs


def _missing_notes(runs: list[Run], source: Source) -> tuple[list[Note], list[Note]]:
    known_values, block_values = _Values(), _Values()
    for run in runs:
        known_values.add(run.to_dict())
        for block in (block for turn in run.turns for block in turn.blocks):
            block_values.add({block.kind: block.payload})
            block_values.add(block.metadata.raw(ARGUMENTS))
    unknown_notes: list[Note] = []
    dropped_notes: list[Note] = []
    for position, document in source.values():
        for path, name, value in _leaves(document):
            if not known_values.has(value):
                note = Note(f"{value!r:.60} is left out", join_positions(position, path), source.file)
                dropped_notes.append(note)
            elif isinstance(value, str) and name in CONTENT_NAMES and not block_values.has(value):
                note = Note(f"{value!r:.60} is in no block", join_positions(position, path), source.file)
                unknown_notes.append(note)
    if runs and not block_values.texts and known_values.texts:
        unknown_notes.append(Note("no block was made of this file", "", source.file))
    return unknown_notes, dropped_notes


def _shortened(notes: list[Note], source: Source) -> list[Note]:
    if len(notes) <= MAX_NOTES:
        return notes
    return [*notes[:MAX_NOTES], Note(f"{len(notes) - MAX_NOTES:,} more values are left out", "", source.file)]


class _Values:
    """The values in some data, those in JSON texts included."""

    def __init__(self) -> None:
        self.texts: set[str] = set()
        self.others: set[Any] = set()
        self._joined = ""

    def add(self, value: Any, depth: int = 0) -> None:
        self._joined = ""
        if isinstance(value, Mapping) and depth < MAX_DEPTH:
            self.texts.update(map(str, value))
            for item in value.values():
                self.add(item, depth + 1)
        elif isinstance(value, (list, tuple)) and depth < MAX_DEPTH:
            for item in value:
                self.add(item, depth + 1)
        elif isinstance(value, str):
            self.texts.add(value)
            if value[:1] in ("{", "["):
                self.add(json_or_none(value), depth + 1)
        else:
            self.others.add((type(value) is bool, value))

    def has(self, value: Any) -> bool:
        """Return whether a value is among these, or in one of the texts; a JSON text is, when its values are."""
        if not isinstance(value, str):
            return (type(value) is bool, value) in self.others or str(value) in self.texts
        if value in self.texts:
            return True
        self._joined = self._joined or "\0".join(self.texts)
        if len(value) > 3 and value in self._joined:
            return True
        inner_value = json_or_none(value) if value[:1] in ("{", "[") else None
        return isinstance(inner_value, (dict, list)) and all(self.has(item) for _, _, item in _leaves(inner_value))


def _leaves(value: Any, path: str = "", name: str = "", depth: int = 0) -> Iterator[tuple[str, str, Any]]:
    """Yield each text, number and boolean with its path and the name of its field; an empty text is none."""
    if isinstance(value, Mapping):
        for field_name, item in value.items():
            last_name = str(field_name).rpartition(".")[2]  # of an attribute of a span
            yield from _leaves(item, f"{path}.{field_name}".lstrip("."), last_name, depth + 1)
    elif isinstance(value, (list, tuple)):
        for index, item in enumerate(value):
            yield from _leaves(item, f"{path}[{index}]", name, depth + 1)
    elif value is not None and value != "":
        yield path, name, value
