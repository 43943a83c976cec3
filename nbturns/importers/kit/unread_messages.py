"""Messages in fields that an importer does not read, which must not be in metadata alone without a note."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from .transcript import Transcript

MAX_DEPTH = 4  # levels of a field that are searched
MAX_ITEMS = 64  # items of a list that are searched
SCHEMA_FIELDS = frozenset(
    {"tools", "functions", "tool_choice", "response_format", "json_schema", "schema", "parameters"}
)
CONTENT_FIELDS = frozenset({"content", "contents", "parts", "tool_calls", "function_call", "text"})
CALL_FIELDS = frozenset({"tool_calls", "toolCalls", "tool_results", "toolResults", "choices", "candidates"})


def add_unread_messages(transcript: Transcript, fields: Mapping[str, Any]) -> None:
    """Add an `other` block, and a note, for each field with messages that were not read."""
    for field_name, value in unread_messages(fields):
        transcript.begin_record(field_name)
        transcript.add_unknown({field_name: value}, "messages in this field are not read")


def unread_messages(fields: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield each field that has messages, tool calls or their results, with its value."""
    for field_name, value in fields.items():
        if field_name not in SCHEMA_FIELDS and _has_messages(value, MAX_DEPTH):
            yield field_name, value


def _has_messages(value: Any, depth: int) -> bool:
    if isinstance(value, Mapping):
        role = value.get("role")
        if isinstance(role, str) and not CONTENT_FIELDS.isdisjoint(value):
            return True
        if any(isinstance(value[name], (list, tuple)) and value[name] for name in CALL_FIELDS if name in value):
            return True
        return depth > 0 and any(
            _has_messages(item, depth - 1) for name, item in value.items() if name not in SCHEMA_FIELDS
        )
    if isinstance(value, (list, tuple)):
        return depth > 0 and any(_has_messages(item, depth - 1) for item in value[:MAX_ITEMS])
    return False
