"""Secrets that a server repeats in an event stream: whole, or in pieces that successive events carry."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any

from .secret_texts import HIDDEN_TEXT, secret_notations, without_texts

Path = tuple[Any, ...]  # the names that lead to a text of an event; an item of a list has none
Piece = tuple[int, Any, Any]  # the number of its line, the object or list that has it, and its name or index there


def stream_without_texts(text: str, secrets: Iterable[str]) -> str:
    """Return the text of a response with "…" in place of each secret, also of one in several pieces."""
    secrets = tuple(secrets)
    text = without_texts(text, secrets)
    if not secrets or "data:" not in text:
        return text
    lines = text.split("\n")
    events: dict[int, Any] = {}
    pieces: dict[Path, list[Piece]] = {}
    for number, line in enumerate(lines):
        if line.startswith("data:"):
            try:
                events[number] = json.loads(line[5:])
            except (ValueError, RecursionError):
                continue
            for path, container, name in _texts_in(events[number], ()):
                pieces.setdefault(path, []).append((number, container, name))
    changed_lines = {number for parts in pieces.values() for number in _hide(parts, secrets)}
    for number in changed_lines:
        lines[number] = f"data: {json.dumps(events[number], ensure_ascii=False)}"
    return "\n".join(lines)


def _texts_in(value: Any, path: Path) -> Iterator[tuple[Path, Any, Any]]:
    if isinstance(value, (dict, list)):
        for name, item in value.items() if isinstance(value, dict) else enumerate(value):
            item_path = (*path, name) if isinstance(value, dict) else path
            if isinstance(item, str):
                yield item_path, value, name
            else:
                yield from _texts_in(item, item_path)


def _hide(pieces: list[Piece], secrets: Iterable[str]) -> Iterator[int]:
    """Hide the secrets in the joined text of some pieces, and yield the numbers of the changed lines."""
    joined_text = "".join([container[name] for _, container, name in pieces])
    hidden = bytearray(len(joined_text))
    for notation in secret_notations(secrets):
        start = joined_text.find(notation)
        while start >= 0:
            hidden[start : start + len(notation)] = b"\1" * len(notation)
            start = joined_text.find(notation, start + len(notation))
    start = 0
    for number, container, name in pieces if any(hidden) else ():
        piece = container[name]
        marks = hidden[start : start + len(piece)]
        start += len(piece)
        if any(marks):
            remaining_text = "".join(letter for letter, is_hidden in zip(piece, marks, strict=True) if not is_hidden)
            container[name] = remaining_text + HIDDEN_TEXT
            yield number
