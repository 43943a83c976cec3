"""Importers of transcripts: one module for each format, which is detected by the content of a file.

`docs/importers.md` shows a complete importer. These are the names it needs:

- `Importer(name, score, read)`, and the scores `SURE`, `LIKELY`, `MAYBE`;
- `Sample`, which a score looks at; `Source`, which a reader reads; `Notes` of one conversation;
- `Transcript`, to which a reader adds blocks, and `ShapeError` for a record of another shape;
- `expect` and the like, which check the type of a field; `omit`, which returns the other fields;
- `document_reader`, `list_reader`, `document_score` and `item_score` for the usual layouts of files.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from typing import Any

from ..errors import LoadError, MissingPackageError
from ..plugins import entry_points, load_plugins, report_failure
from ..values.frozen_json import FrozenDict
from ..values.turns import Run
from .kit.conservation import with_missing_values
from .kit.faults import unreadable
from .kit.import_report import ImportReport as ImportReport
from .kit.import_report import Note as Note
from .kit.import_report import Notes as Notes
from .kit.import_report import join_positions
from .kit.importer import LIKELY as LIKELY
from .kit.importer import MAYBE as MAYBE
from .kit.importer import SURE as SURE
from .kit.importer import Importer as Importer
from .kit.importer import document_reader as document_reader
from .kit.importer import try_read as try_read
from .kit.lenient_json import BLANK_BYTES
from .kit.prices import with_costs
from .kit.record_fields import ShapeError as ShapeError
from .kit.record_fields import expect as expect
from .kit.record_fields import list_or_empty as list_or_empty
from .kit.record_fields import object_or_empty as object_or_empty
from .kit.record_fields import objects as objects
from .kit.record_fields import omit as omit
from .kit.record_fields import omit_empty as omit_empty
from .kit.record_fields import optional_text as optional_text
from .kit.record_fields import pop_text as pop_text
from .kit.record_fields import split_document as split_document
from .kit.record_fields import to_number as to_number
from .kit.record_fields import token_usage as token_usage
from .kit.record_fields import unexpected as unexpected
from .kit.record_lists import document_score as document_score
from .kit.record_lists import first_items as first_items
from .kit.record_lists import item_score as item_score
from .kit.record_lists import list_reader as list_reader
from .kit.sample import HEAD_SIZE
from .kit.sample import Sample as Sample
from .kit.side_files import is_side_file
from .kit.source import Source as Source
from .kit.transcript import Transcript as Transcript
from .kit.transcript import run_of_messages as run_of_messages

OURS = "nbturns"
GROUP = "nbturns.importers"  # of the entry points
MAX_ARCHIVE_DEPTH = 2  # archives in archives


@cache
def importers() -> Mapping[str, Importer]:
    """Return all importers by name: ours, and those of installed packages."""
    from . import nbturns_files

    return FrozenDict({OURS: nbturns_files.IMPORTER, **load_plugins(GROUP, _importer_of)})


def _importer_of(module: Any) -> Importer:
    importer = module.IMPORTER
    if not isinstance(importer, Importer):
        raise TypeError(f"IMPORTER: expected an Importer, got {type(importer).__name__}")
    return importer


def detect_importer(sample: Sample) -> Importer | None:
    """Return the importer with the highest score for a sample; None when all scores are 0."""
    best, highest_score = None, 0
    for importer, name in {importer: name for name, importer in importers().items()}.items():
        try:
            score = importer.score(sample)
        except Exception as error:  # importers of other packages may raise anything
            if name == OURS:
                raise
            report_failure(entry_points(GROUP)[name], error)
            continue
        if score > highest_score:
            best, highest_score = importer, score
    return best


def read_runs(source: Source, format: str | None = None) -> Iterator[Run | Note]:
    """Yield the Runs of a source, and a Note for each thing that cannot be read.

    `format` names the importer; without it the format is detected. Raises LoadError for a source
    that has no conversation; when strict, for all that would be a Note.
    """
    runs = _read_runs(source, format, 0)
    while True:
        try:
            with pause_gc():
                item = next(runs, None)
        except (LoadError, MissingPackageError):
            yield from source.take_problems()
            raise
        except RecursionError:
            raise LoadError("nested too deeply", file=source.file) from None
        except Exception as error:  # importers of other packages may raise anything, and so may damaged files
            raise LoadError(unreadable(error, "the file"), file=source.file) from error
        yield from source.take_problems()
        if item is None:
            return
        yield finished_run(item, source) if isinstance(item, Run) else item


def finished_run(run: Run, source: Source) -> Run:
    """Return the Run of a source with an id and with the costs of its calls; one of ours is as it was saved."""
    is_foreign = run.import_report is not None and run.import_report.format != OURS
    run = source.numbering.numbered(run) if is_foreign else source.numbering.passed(run)
    return with_costs(run) if is_foreign and source.prices and not source.has_priced_calls else run


def _read_runs(source: Source, format: str | None, depth: int) -> Iterator[Run | Note]:
    importer = _find_importer(source, format, depth)
    if importer is not None and format is not None and not _is_recognised(importer, source):
        yield from _checked_runs(importer, source)
    elif importer is not None:
        yield from importer.read(source)
    elif source.sample.container == "zip":
        yield from _runs_of_members(source, format, depth + 1)


def _is_recognised(importer: Importer, source: Source) -> bool:
    """Return True for a source that looks like the format of an importer, or that no values can be read from."""
    sample = source.sample
    if sample.container not in ("json", "text") or (sample.container == "text" and importer.name != OURS):
        return True
    return importer.score(sample) > 0 or (sample.container == "json" and importer.score(source.longer_sample()) > 0)


def _checked_runs(importer: Importer, source: Source) -> Iterator[Run | Note]:
    """Yield the Runs of a source that does not look like the format that was named, with what they lack in the report."""
    runs = list(importer.read(source))
    for item in with_missing_values(runs, source, importer.name):
        report = item.import_report if isinstance(item, Run) else None
        notes = (item,) if isinstance(item, Note) else (*report.unknown, *report.dropped) if report is not None else ()
        if source.strict and notes and isinstance(note := notes[0], Note):
            raise LoadError(note.what, file=note.file, position=note.position)
        yield item


def _runs_of_members(source: Source, format: str | None, depth: int) -> Iterator[Run | Note]:
    """Yield the Runs of each member of an archive of transcripts; a member without any is named in a Note."""
    with source.open_zip() as archive:
        for member_name in archive.names:
            if member_name.endswith("/"):
                continue
            try:
                member = Source.of_bytes(
                    archive.read(member_name), f"{source.file}/{member_name}", strict=source.strict
                )
                member.prices = source.prices
                for item in _read_runs(member, format, depth):
                    yield from member.take_problems()
                    yield item
                yield from member.take_problems()
            except LoadError as error:
                if source.strict:
                    raise
                yield Note(error.reason, join_positions(member_name, error.position), source.file)


def _find_importer(source: Source, format: str | None, depth: int) -> Importer | None:
    """Return the importer of a source, by name or by detection; None for an empty source and an archive of files."""
    if format is not None:
        if format not in importers():
            names = ", ".join(sorted(importers()))
            raise LoadError(f"unknown format {format!r}; the formats are {names}", file=source.file)
        return importers()[format]
    sample = source.sample
    if sample.container != "table" and not sample.values and not sample.head.strip(BLANK_BYTES):
        return None
    importer = detect_importer(sample)
    if importer is None and len(sample.head) >= HEAD_SIZE and sample.container == "json":
        sample = source.longer_sample()
        importer = detect_importer(sample)
    if importer is None and sample.container == "text":
        sample = source.yaml_sample()
        importer = detect_importer(sample)
    if importer is None and sample.container == "zip" and depth < MAX_ARCHIVE_DEPTH and sample.names:
        return None
    if importer is None and is_side_file(source.path):  # what it has is read with its session, or is not a conversation
        return None
    if importer is None:
        source.refuse_broken_json()
        names = ", ".join(sorted({importer.name for importer in importers().values()}))
        reason = f"no format matches this file ({sample.describe()}); the formats are {names}"
        raise LoadError(reason, file=source.file)
    return importer


@contextmanager
def pause_gc() -> Iterator[None]:
    """Pause the garbage collector, which would walk all new values again and again and find nothing."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
