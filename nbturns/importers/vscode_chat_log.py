"""The log of changes in which newer versions of VS Code keep a chat: the document, then what changed in it.

Source: microsoft/vscode, src/vs/workbench/contrib/chat/common/model/objectMutationLog.ts at ce1580aa66c1 (`kind` 0 the
document, 1 a value to set, 2 values to push, after those before `i`, 3 a value to delete; `k` is the path, `v` the value);
kenn-io/agentsview at 538600744d1b, internal/parser/vscode_copilot.go.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .kit.record_fields import ShapeError, expect

INITIAL, SET, PUSH, DELETE = range(4)


def is_change(value: Any) -> bool:
    """Return True for a line of a log: its kind, and a document or a path."""
    if not isinstance(value, Mapping) or type(value.get("kind")) is not int or not INITIAL <= value["kind"] <= DELETE:
        return False
    is_document = value["kind"] == INITIAL and isinstance(value.get("v"), Mapping)
    return is_document or (isinstance(value.get("k"), list) and value["kind"] != INITIAL)


def apply_change(document: Any, change: Mapping[str, Any]) -> Any:
    """Return the document after a change. Raises ShapeError for a path that it does not have."""
    kind, value = change["kind"], change.get("v")
    if kind == INITIAL:
        return value
    path = expect(change.get("k"), list, "k")
    if not path:
        raise ShapeError("the path of a change is empty")
    target = document
    for key in path[:-1]:
        target = _item(target, key)
    if kind == SET:
        _set(target, path[-1], value)
    elif kind == DELETE:
        _set(target, path[-1], None)
    else:
        if isinstance(target, dict) and isinstance(path[-1], str):
            target.setdefault(path[-1], [])
        items = _item(target, path[-1])
        start = change.get("i")
        if type(start) is int and 0 <= start <= len(expect(items, list, "k")):
            del items[start:]
        expect(items, list, "k").extend(expect([] if value is None else value, list, "v"))
    return document


def _item(target: Any, key: Any) -> Any:
    if isinstance(target, list) and type(key) is int and 0 <= key < len(target):
        return target[key]
    if isinstance(target, dict) and isinstance(key, str) and key in target:
        return target[key]
    raise ShapeError(f"the document has no {key!r:.60}")


def _set(target: Any, key: Any, value: Any) -> None:
    if isinstance(target, dict) and isinstance(key, str):
        target[key] = value
    elif isinstance(target, list) and type(key) is int and 0 <= key <= len(target):
        target[key : key + 1] = [value]
    else:
        raise ShapeError(f"the document has no {key!r:.60}")
