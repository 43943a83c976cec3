"""Our own files and geppetto's: Turns and Runs as YAML, JSON, and JSON Lines."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from ..errors import LoadError
from ..serde import is_ours, run_from_dict, runs_from_yaml
from ..turns import Run
from . import OURS, SURE, Importer, Sample, Source, attempt
from .report import Notes

_yaml = re.compile(r"(?m)^(?:\{\s*)?['\"]?(blocks|turns)['\"]?\s*:")


def score(sample: Sample) -> int:
    """A Turn has blocks, a Run has turns that have them."""
    if sample.container == "text":
        return SURE if _yaml.search(sample.text) else 0
    return SURE if sample.container == "json" and _is_ours(sample.record) else 0


def _is_ours(record: Mapping[str, Any]) -> bool:
    """A long Run may be cut in its last Turn."""
    turns = record.get("turns")
    if isinstance(turns, list) and turns and "version" in record:
        return isinstance(turns[0], Mapping) and "blocks" in turns[0]
    return is_ours(record)


def read(source: Source) -> Iterator[Run]:
    if source.sample.container == "text":
        yield from _from_yaml(source)
        return
    for position, value in source.records():
        if (run := attempt(source, position, run_of, source, position, value)) is not None:
            yield run


def _from_yaml(source: Source) -> Iterator[Run]:
    notes = [source.notes(OURS)]

    def guess(where: str, what: str) -> None:
        notes[-1].guess(where, what)

    try:
        for one in runs_from_yaml(source.content(), file=source.file, strict=source.strict, guess=guess):
            yield _reported(one, notes[-1])
            notes.append(source.notes(OURS))
    except LoadError:
        source.refuse_broken_json()
        raise


def run_of(source: Source, position: str, value: Any) -> Run:
    """The Run of one value, a Turn or a Run."""
    notes = source.notes(OURS, position)
    try:
        run = run_from_dict(value, file=source.file, strict=source.strict, guess=notes.guess)
    except LoadError as error:
        where = ", ".join(part for part in (position, error.position) if part)
        raise LoadError(error.reason, file=source.file, position=where) from None
    return _reported(run, notes)


def _reported(run: Run, notes: Notes) -> Run:
    """Our own files have a report only where something in them was guessed."""
    return replace(run, import_report=notes.report(len(run.latest))) if notes.guessed else run


IMPORTER = Importer(OURS, score, read)
