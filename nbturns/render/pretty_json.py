"""Compact pretty-printed JSON: short values are on one line, lists of numbers or words fill their lines.

`json.dumps(indent=2)` writes each number of a list on a separate line.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from json.encoder import encode_basestring
from typing import Any

LINE_WIDTH = 100  # characters of a line
MAX_WORD_LENGTH = 40  # characters up to which a string may share a line with others
MAX_INDENT_LEVELS = 12  # more deeply nested values are on one line
INDENT = "  "


encode_on_one_line: Callable[[Any], str] = json.JSONEncoder(
    ensure_ascii=False, default=repr
).encode  # other values than JSON as their repr()


class _Word(str):
    """A number, true, false or null of a JSON text, as it was written."""

    __slots__ = ()


class Members(list[tuple[str, Any]]):
    """The names and values of an object of a JSON text, repeated names included."""


def format_json_text(text: str) -> str:
    """Return a JSON text pretty-printed, with its numbers and repeated names as they were written.

    Raises ValueError for a text that is not JSON, and RecursionError for one that is nested too deeply.
    """
    return _format(parse_json_text(text), encode_text_value)


def parse_json_text(text: str) -> Any:
    """Return the value of a JSON text; objects are lists of pairs of names and values, and numbers are as written."""
    return json.loads(text, object_pairs_hook=Members, parse_float=_Word, parse_int=_Word, parse_constant=_Word)


def encode_text_value(value: Any) -> str:
    """Return a value of a JSON text on one line."""
    match value:
        case _Word():
            return str(value)
        case Members():
            return f"{{{', '.join(f'{encode_basestring(name)}: {encode_text_value(item)}' for name, item in value)}}}"
        case list():
            return f"[{', '.join(map(encode_text_value, value))}]"
    return encode_on_one_line(value)


def format_json(value: Any) -> str:
    """Return a value as pretty-printed JSON. Raises RecursionError for a value that is nested too deeply."""
    return _format(value, encode_on_one_line)


def _format(value: Any, encode: Callable[[Any], str]) -> str:
    line = encode(value)
    return line if len(line) <= LINE_WIDTH else _format_nested(value, "", 0, encode)


def _format_nested(value: Any, indent: str, used_width: int, encode: Callable[[Any], str]) -> str:
    """Return JSON whose first line follows `used_width` characters."""
    if isinstance(value, str) and not isinstance(value, _Word):
        return encode_basestring(value)
    if type(value) is int:
        return repr(value)
    if not isinstance(value, (dict, list, tuple)) or not value or len(indent) >= MAX_INDENT_LEVELS * len(INDENT):
        return encode(value)
    inner_indent = indent + INDENT
    if isinstance(value, (dict, Members)):
        brackets = "{}"
        members = value if isinstance(value, Members) else value.items()
        key_prefixes = [f"{encode_basestring(str(name))}: " for name, _ in members]
        item_texts = [
            key_prefix + _format_nested(item, inner_indent, len(inner_indent) + len(key_prefix) + 1, encode)
            for key_prefix, item in zip(key_prefixes, [item for _, item in members], strict=True)
        ]
    else:
        brackets = "[]"
        item_texts = [_format_nested(item, inner_indent, len(inner_indent) + 1, encode) for item in value]
    if _fit_on_line(item_texts, LINE_WIDTH - used_width):
        return f"{brackets[0]}{', '.join(item_texts)}{brackets[1]}"
    if isinstance(value, (list, tuple)) and _all_words(value):
        item_texts = list(_fill_lines(item_texts, LINE_WIDTH - len(inner_indent)))
    lines = f",\n{inner_indent}".join(item_texts)
    return f"{brackets[0]}\n{inner_indent}{lines}\n{indent}{brackets[1]}"


def _fit_on_line(item_texts: Sequence[str], width: int) -> bool:
    width_left = width
    for item_text in item_texts:
        width_left -= len(item_text) + 2
        if width_left < 0 or "\n" in item_text:
            return False
    return True


def _all_words(values: Sequence[Any]) -> bool:
    """Return True when all values are numbers, None or short strings."""
    return all(
        len(value) <= MAX_WORD_LENGTH if isinstance(value, str) else value is None or isinstance(value, (int, float))
        for value in values
    )


def _fill_lines(item_texts: Sequence[str], width: int) -> Iterator[str]:
    line_items: list[str] = []
    width_left = width
    for item_text in item_texts:
        width_left -= len(item_text) + 2
        if width_left < 0 and line_items:
            yield ", ".join(line_items)
            line_items, width_left = [], width - len(item_text) - 2
        line_items.append(item_text)
    yield ", ".join(line_items)
