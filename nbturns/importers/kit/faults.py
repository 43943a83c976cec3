"""The wording of the faults that importers report: one sentence for a fault, whatever the format.

These sentences go into the report of an import and, when reading is strict, into a LoadError.
The position, which the reader adds, says where in the file: "line 3, messages[2].content[0]".
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

TYPE_LABELS: dict[Any, str] = {
    str: "a string",
    int: "a number",
    float: "a number",
    dict: "an object",
    list: "a list",
    bool: "a boolean",
    type(None): "null",
}
INVALID_UTF_8 = "invalid UTF-8 bytes were replaced by �"


def describe_value(value: Any) -> str:
    """Return the JSON type of a value and its beginning, such as "a string: 'x'"."""
    json_type = dict if isinstance(value, Mapping) else list if isinstance(value, (list, tuple)) else type(value)
    type_label = TYPE_LABELS.get(json_type, json_type.__name__)
    return type_label if value is None else f"{type_label}: {value!r:.40}"


def wrong_type(field_name: str, value: Any, *expected: type) -> str:
    """Report a value of another JSON type than the format documents; `field_name` may be empty."""
    expected_labels = dict.fromkeys(
        TYPE_LABELS.get(expected_type, expected_type.__name__) for expected_type in expected
    )
    target_label = f" for {field_name}" if field_name else ""
    return f"expected {' or '.join(expected_labels)}{target_label}, got {describe_value(value)}"


def unknown_value(field_name: str, value: Any) -> str:
    """Report a value of a field that the format does not document, such as an unknown type or role."""
    return f"unknown {field_name} {value!r:.60}"


def missing_field(field_name: str, fields: Iterable[Any]) -> str:
    """Report a record without a field that every record of the format has."""
    return f"no field {field_name!r}; the fields are {', '.join(map(str, list(fields)[:6])) or 'none'}"


# Tool calls and their results.


def no_call_id(new_id: str) -> str:
    return f"tool call without an id; {new_id!r:.60} is used"


def duplicate_call_id(call_id: str) -> str:
    return f"tool call id {call_id!r:.60} is used twice; both calls are kept"


def no_result_id(call_id: str) -> str:
    consequence = f"it is assigned to the tool call {call_id!r:.60}" if call_id else "it belongs to no tool call"
    return f"tool result without the id of a call; {consequence}"


def unknown_call(call_id: str) -> str:
    return f"tool result for {call_id!r:.60}, but no tool call has this id"


def no_result(call_id: str) -> str:
    return f"tool call {call_id!r:.60} has no result"


# Records that form a tree.


def unknown_parent(parent_id: Any, consequence: str) -> str:
    return f"parent {parent_id!r:.60} does not exist; {consequence}"


# Unreadable content.


def unreadable(error: BaseException, subject: str = "") -> str:
    """Report content that raised an unexpected error."""
    return f"{subject} cannot be read: {type(error).__name__}: {error}".lstrip()
