"""JSON laid out to be read: what is short stands on one line, a list of numbers or words fills its lines.

`json.dumps(indent=2)` gives each number of a list a line of its own, and so a page to twenty readings.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from json.encoder import encode_basestring
from typing import Any

LINE_WIDTH = 100  # characters of a line
MAX_WORD_LENGTH = 40  # characters up to which a string in a list is a word
MAX_INDENT_LEVELS = 12  # levels that have lines of their own; what is nested more deeply stands on one
INDENT = "  "


encode_on_one_line = json.JSONEncoder(
    ensure_ascii=False, default=repr
).encode  # one line; what JSON has no shape for as Python does


def format_json(value: Any) -> str:
    """JSON over as many lines as it takes. Raises RecursionError for what is nested too deeply to be written at all."""
    line = encode_on_one_line(value)
    return line if len(line) <= LINE_WIDTH else _format_nested(value, "", 0)


def _format_nested(value: Any, indent: str, used: int) -> str:
    """`used` characters of its first line are taken already."""
    if isinstance(value, str):
        return encode_basestring(value)
    if type(value) is int:
        return repr(value)
    if not isinstance(value, (dict, list, tuple)) or not value or len(indent) >= MAX_INDENT_LEVELS * len(INDENT):
        return encode_on_one_line(value)
    inner = indent + INDENT
    if isinstance(value, dict):
        brackets = "{}"
        names = [f"{encode_basestring(str(name))}: " for name in value]
        parts = [
            name + _format_nested(item, inner, len(inner) + len(name) + 1)
            for name, item in zip(names, value.values(), strict=True)
        ]
    else:
        brackets = "[]"
        parts = [_format_nested(item, inner, len(inner) + 1) for item in value]
    if _fit_on_line(parts, LINE_WIDTH - used):
        return f"{brackets[0]}{', '.join(parts)}{brackets[1]}"
    if isinstance(value, (list, tuple)) and _all_words(value):
        parts = list(_fill_lines(parts, LINE_WIDTH - len(inner)))
    lines = f",\n{inner}".join(parts)
    return f"{brackets[0]}\n{inner}{lines}\n{indent}{brackets[1]}"


def _fit_on_line(parts: Sequence[str], width: int) -> bool:
    width_left = width
    for part in parts:
        width_left -= len(part) + 2
        if width_left < 0 or "\n" in part:
            return False
    return True


def _all_words(values: Sequence[Any]) -> bool:
    """Return True when all values are numbers, None or short strings."""
    return all(
        len(value) <= MAX_WORD_LENGTH if isinstance(value, str) else value is None or isinstance(value, (int, float))
        for value in values
    )


def _fill_lines(parts: Sequence[str], width: int) -> Iterator[str]:
    line: list[str] = []
    width_left = width
    for part in parts:
        width_left -= len(part) + 2
        if width_left < 0 and line:
            yield ", ".join(line)
            line, width_left = [], width - len(part) - 2
        line.append(part)
    yield ", ".join(line)
