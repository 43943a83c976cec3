"""Samples: the head of a source, by which format detection finds the importer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from . import lenient_json
from .faults import describe_value
from .lenient_json import BLANK_BYTES

HEAD_SIZE = 1 << 16  # bytes of a sample
SAMPLE_VALUES = 32  # values at the head of a list or of JSON Lines


@dataclass(frozen=True, slots=True)
class Sample:
    """The head of a source, by which importers detect their format. Nothing in it is checked yet.

    `container` is "json" (a document or JSON Lines), "text" (YAML too), "zip" or "sqlite". `values` are
    the first JSON values; a document that is longer than the head ends anywhere. `names` are the
    members of a zip, or the tables and columns (`table.column`) of a database; the `values` of a zip are those of its `conversations.json`. `head` has the first 64 KB.
    `is_json_lines` is True when the values are lines of JSON Lines and not one document.
    """

    container: str
    head: bytes = b""
    values: tuple[Any, ...] = ()
    names: tuple[str, ...] = ()
    is_json_lines: bool = False

    @property
    def value(self) -> Any:
        """The first JSON value: the document, or that of the first line; None without one."""
        return self.values[0] if self.values else None

    @property
    def records(self) -> list[Mapping[str, Any]]:
        """The first JSON objects: those of the lines, of the list that is the document, or the document itself."""
        candidates = self.value if isinstance(self.value, list) and self.value else self.values
        return [value for value in candidates[:SAMPLE_VALUES] if isinstance(value, (dict, Mapping))]

    @property
    def record(self) -> Mapping[str, Any]:
        """The first of `records`; an empty object without any."""
        return next(iter(self.records), {})

    @property
    def text(self) -> str:
        """The head as text."""
        return self.head.decode("utf-8-sig", "replace")

    def describe(self) -> str:
        """Return a few words for an error message: "an object with the fields id, text"."""
        first_value = self.value
        if first_value is None:
            first_text = self.text.strip()
            return (
                f"a text that begins with {first_text!r:.60}"
                if self.container == "text"
                else f"a {self.container} file"
            )
        if isinstance(first_value, Mapping):
            field_names = ", ".join(map(str, list(first_value)[:6]))
            return f"an object with the fields {field_names}" if field_names else "an empty object"
        return describe_value(first_value)


def replace_invalid_utf8(text: bytes) -> bytes:
    """Return the text with bytes that are not UTF-8 replaced."""
    try:
        text.decode("utf-8")
    except UnicodeDecodeError:
        return text.decode("utf-8", "replace").encode()
    return text


def parse_head(head_bytes: bytes, *, is_complete: bool) -> tuple[tuple[Any, ...], bool]:
    """Return the JSON values at the head, and whether each is a line; no values for a text that is not JSON."""
    head_text = head_bytes.lstrip(BLANK_BYTES)
    lines = [line for line in head_text.split(b"\n", SAMPLE_VALUES)[:SAMPLE_VALUES] if line.strip(BLANK_BYTES)]
    first_values = _values_of_line(lines[0]) if lines else ()
    if first_values and isinstance(first_values[0], (dict, list)):
        later_values = [value for line in lines[1:] for value in _values_of_line(line)]
        return (*first_values, *later_values), len(lines) > 1 or len(first_values) > 1
    if head_text[:1] in (b"{", b"["):
        document = (_parse_or_none(head_text) if is_complete else None) or lenient_json.parse_beginning(head_text)
        if isinstance(document, (dict, list)) and document:
            return (document,), False
    line_objects = [value for line in lines if line[:1] == b"{" and isinstance(value := _parse_or_none(line), dict)]
    return (tuple(line_objects), True) if len(line_objects) * 2 >= len(lines) else ((), False)


def _values_of_line(line: bytes) -> tuple[Any, ...]:
    value = _parse_or_none(line.strip(BLANK_BYTES))
    if value is not None:
        return (value,)
    starts_like_json = line.lstrip(b"\0," + BLANK_BYTES)[:1] in (
        b"{",
        b"[",
    )  # a line of YAML or text may hold JSON, too
    return lenient_json.parse_damaged_line(line)[0] if starts_like_json else ()


def _parse_or_none(text: bytes) -> Any:
    try:
        return lenient_json.parse(text)
    except (ValueError, RecursionError):
        return None
