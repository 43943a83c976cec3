"""nbturns' and geppetto's own files: Turns and Runs as YAML, JSON and JSON Lines.

Source: `serialization/serde.py`; go-go-golems/geppetto at a119860d07a0, pkg/turns/serde (a Turn as YAML).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from ..errors import LoadError
from ..serialization.serde import is_nbturns_data, run_from_dict, runs_from_yaml
from ..values.turns import Run
from . import OURS
from .kit.import_report import Notes, join_positions
from .kit.importer import SURE, Importer, try_read
from .kit.prices import with_costs
from .kit.sample import Sample
from .kit.source import Source

YAML_FIELD = re.compile(r"(?m)^(?:\{\s*)?['\"]?(blocks|turns)['\"]?\s*:")


def score_nbturns(sample: Sample) -> int:
    """Return SURE for a Turn, which has blocks, and for a Run, which has turns with blocks."""
    if sample.container == "text":
        return SURE if YAML_FIELD.search(sample.text) else 0
    return SURE if sample.container == "json" and _is_ours(sample.record) else 0


def _is_ours(record: Mapping[str, Any]) -> bool:
    """Return True for a Run or a Turn; the last Turn of a long Run may be cut."""
    run_turns = record.get("turns")
    if isinstance(run_turns, list) and run_turns and "version" in record:
        return isinstance(run_turns[0], Mapping) and "blocks" in run_turns[0]
    return is_nbturns_data(record)


def read_nbturns_file(source: Source) -> Iterator[Run]:
    """Yield the Runs of a file."""
    if source.sample.container == "text":
        yield from _read_yaml(source)
        return
    for position, document in source.records():
        yield from try_read(source, position, document_to_run, source, position, document)


def _read_yaml(source: Source) -> Iterator[Run]:
    notes = source.notes(OURS)

    def guess(position: str, message: str) -> None:
        notes.add_guess(position, message)

    def convert(document: Any) -> Run:
        run = run_from_dict(document, file=source.file, strict=source.strict, guess=guess)
        return _with_prices(run, document, source)

    try:
        for run in runs_from_yaml(source.read_yaml(), file=source.file, convert=convert):
            yield _with_report(run, notes)
            notes = source.notes(OURS)
    except LoadError:
        source.refuse_broken_json()
        raise


def document_to_run(source: Source, position: str, document: Any) -> Run:
    """Return the Run of a value that is a Turn or a Run."""
    notes = source.notes(OURS, position)
    try:
        run = run_from_dict(document, file=source.file, strict=source.strict, guess=notes.add_guess)
    except LoadError as error:
        full_position = join_positions(position, error.position)
        raise LoadError(error.reason, file=source.file, position=full_position) from None
    return _with_report(_with_prices(run, document, source), notes)


def _with_prices(run: Run, document: Any, source: Source) -> Run:
    """Add the costs of geppetto's calls; our own documents, which have a version, come back as they were saved."""
    is_ours = not isinstance(document, Mapping) or "version" in document
    return run if is_ours or not source.prices else with_costs(run)


def _with_report(run: Run, notes: Notes) -> Run:
    """Add a report to a Run in which something was guessed; other Runs of ours have none."""
    return replace(run, import_report=notes.report(len(run.latest))) if notes.guessed else run


IMPORTER = Importer(OURS, score_nbturns, read_nbturns_file)
