"""The files of a session that have fixed names and are in one folder: its metadata, its totals, its messages."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from .side_files import side_value, side_values
from .source import Source


def sibling(source: Source, name: str) -> Path | None:
    """Return the path of the file with this name in the folder of a source; None for the source itself and without a folder."""
    path = source.path.with_name(name) if source.path is not None else None
    return None if path == source.path else path


def sibling_records(source: Source, name: str) -> list[Any]:
    """Return the JSON values in the file with this name in the folder of a source; none without such a file."""
    return [value for _, value in side_values(source, sibling(source, name))]


def sibling_object(source: Source, name: str) -> dict[str, Any]:
    """Return the JSON object in the file with this name in the folder of a source; an empty one without such a file."""
    value = side_value(source, sibling(source, name))
    return value if isinstance(value, dict) else {}
