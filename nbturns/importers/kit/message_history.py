"""The messages of a model call, read without reading again what an earlier call of the conversation had.

Each call of a loop repeats all messages before it: a file of n calls has n²/2 messages, and n of them are new. The
beginning that a call shares with an earlier one is found by comparing values, or the JSON text of the list; its
blocks, their hashes and what is known of its tool calls are taken from there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from ...values.turns import Kind
from . import faults
from .drafts import Draft, message_hashes
from .record_fields import json_or_none

MAX_ENTRIES = 16  # conversations that are remembered


@dataclass(slots=True)
class CallIds:
    """The tool calls so far: their number, their tools, and those without a result."""

    count: int = 0
    tool_names: set[str] = field(default_factory=set)
    pending: list[tuple[str, str]] = field(default_factory=list)  # names and ids

    def copy(self) -> CallIds:
        return CallIds(self.count, set(self.tool_names), list(self.pending))

    def complete(self, drafts: Iterable[Draft]) -> None:
        """Set an id on each tool call without one, and on each result without one that of its call."""
        for draft in drafts:
            if draft.kind == Kind.TOOL_CALL:
                self._complete_call(draft)
            elif draft.kind == Kind.TOOL_USE:
                self._complete_result(draft)

    def _complete_call(self, draft: Draft) -> None:
        name, call_id = draft.payload.get("name") or "", draft.payload.get("id")
        if not call_id:
            call_id = draft.payload["id"] = f"{name or 'call'}-{self.count}"
            draft.guess = faults.no_call_id(call_id)
        self.count += 1
        self.tool_names.add(name)
        self.pending.append((name, call_id))

    def _complete_result(self, draft: Draft) -> None:
        call_id = draft.payload.get("id")
        if not call_id and self.pending:
            named_calls = [call for call in self.pending if call[0] == draft.extra_fields.get("name")]
            call_id = draft.payload["id"] = (named_calls or self.pending)[0][1]
            draft.guess = faults.no_result_id(call_id)
        self.pending = [call for call in self.pending if call[1] != call_id]


@dataclass(slots=True)
class Messages:
    """The blocks of messages, the hashes of their beginnings (the empty one first), and the tool calls in them."""

    drafts: list[Draft] = field(default_factory=list)
    hashes: list[str] = field(default_factory=lambda: [""])
    call_ids: CallIds = field(default_factory=CallIds)

    def copy(self) -> Messages:
        return Messages(list(self.drafts), list(self.hashes), self.call_ids.copy())

    def add(self, drafts: Sequence[Draft]) -> None:
        """Add the blocks of a message."""
        self.call_ids.complete(drafts)
        self.drafts += drafts
        self.hashes += message_hashes(drafts, self.hashes[-1])[1:]


@dataclass(slots=True)
class _Entry:
    """A list of messages that was read, as JSON text or as values, after other messages."""

    start_hash: str  # of the messages before the list
    text: str  # without the closing bracket; "" for values
    values: list[Any]
    messages: Messages


class MessageHistory:
    """Remembers the lists of messages of the last calls."""

    def __init__(self) -> None:
        self.entries: list[_Entry] = []

    def read(self, value: Any, before: Messages, read_message: Callable[[Any, Messages], None]) -> Messages | None:
        """Return the messages before a list and those of the list; None for a value that is not a list.

        `value` is a list, or JSON text of one; `read_message` adds the blocks of one message.
        """
        start_hash = before.hashes[-1]
        entry = self._known_beginning(value, start_hash)
        new_values = _new_values(value, entry)
        if new_values is None:
            return None
        messages = (before if entry is None else entry.messages).copy()
        for new_value in new_values:
            read_message(new_value, messages)
        if entry is not None:
            self.entries.remove(entry)
        text = value.rstrip()[:-1].rstrip() if isinstance(value, str) else ""
        self.entries.insert(0, _Entry(start_hash, text, [] if text else value, messages))
        del self.entries[MAX_ENTRIES:]
        return messages

    def _known_beginning(self, value: Any, start_hash: str) -> _Entry | None:
        """Return the longest list that was read before and that a list begins with; None without one."""
        best: _Entry | None = None
        for entry in self.entries:
            is_longer = best is None or len(entry.messages.drafts) > len(best.messages.drafts)
            if is_longer and entry.start_hash == start_hash and _begins_with(value, entry):
                best = entry
        return best


def _begins_with(value: Any, entry: _Entry) -> bool:
    if isinstance(value, str):
        return bool(entry.text) and value.startswith(entry.text) and value[len(entry.text) :].lstrip()[:1] in (",", "]")
    return not entry.text and isinstance(value, list) and value[: len(entry.values)] == entry.values


def _new_values(value: Any, entry: _Entry | None) -> list[Any] | None:
    """Return the messages of a list after a known beginning; None for a value that is not a list."""
    if isinstance(value, list):
        return value[len(entry.values) if entry is not None else 0 :]
    if not isinstance(value, str):
        return None
    text = value if entry is None else f"[{value[len(entry.text) :].lstrip().removeprefix(',')}"
    values = json_or_none(text) if value.lstrip()[:1] == "[" else None
    return values if isinstance(values, list) else None
