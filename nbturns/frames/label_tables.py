"""Labels in tables that other programs write: CSV files, and the results of Inspect Scout.

A row of our kind has `run_id` and `label`, and perhaps `turn_index`, `block_index`, `note`, `by` and `at`. A row of
Scout has `transcript_id` (the uuid of an Inspect sample, which is the id of its Run), `scanner_name`, `value`, `label`
and `explanation`. Source: inspect_scout, docs/_results-data-frame.md.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ..errors import LoadError, MisuseError
from ..importers.kit.parquet_file import parquet_rows
from ..importers.kit.source import Source
from ..importers.kit.table_rows import csv_rows, is_table, table_rows

NO_FINDING = (None, "", False, "false", "False", "[]", "{}", "null")  # values of a scanner that found nothing
ADVICE = "a row needs run_id and label, or the columns of Inspect Scout: transcript_id, scanner_name, value"


def label_records(source: Any) -> Iterator[dict[str, Any]]:
    """Yield the label of each row of a table or a file as a record of a label file.

    A row of a scanner that found nothing has no label. Raises LoadError for a row of another kind.
    """
    name = str(source) if isinstance(source, (str, os.PathLike)) else ""
    for number, row in enumerate(_rows(source), 1):
        if "scanner_name" in row and "transcript_id" in row:
            if row.get("value") not in NO_FINDING:
                yield _of_finding(row)
        elif row.get("run_id") and row.get("label"):
            yield {field: row[field] for field in RECORD_FIELDS if row.get(field) is not None}
        else:
            raise LoadError(f"no label; {ADVICE}", file=name, position=f"row {number}")


RECORD_FIELDS = ("run_id", "turn_index", "block_index", "digest", "label", "note", "by", "at")


def _rows(source: Any) -> Iterator[Mapping[str, Any]]:
    if is_table(source):
        yield from table_rows(source)
        return
    if not isinstance(source, (str, os.PathLike)):
        raise MisuseError(f"expected a table or the path of a CSV, Parquet or JSON Lines file, got {source!r:.60}")
    path = Path(source).expanduser()
    file_source = Source.of_file(path)
    container = file_source.sample.container
    if container == "parquet":
        yield from parquet_rows(file_source.open(), str(path))
    elif container == "json":
        yield from (row if isinstance(row, Mapping) else {} for _, row in file_source.records())
    else:
        yield from csv_rows(file_source.open())


def _of_finding(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return the label of a result of a scanner; a value other than true is part of it."""
    scanner, value = str(row["scanner_name"]), row.get("value")
    is_true = value is True or value in ("true", "True")
    label = row.get("label") or (scanner if is_true else f"{scanner}: {value}")
    note = str(row.get("explanation") or row.get("answer") or "")
    return {"run_id": str(row["transcript_id"]), "label": str(label), "note": note, "by": scanner}
