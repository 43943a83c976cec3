"""The records of a Claude Code session as blocks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

from ..engines.anthropic import history
from ..engines.anthropic_reply import usage
from ..errors import EngineError
from ..frozen import freeze
from ..results import FinishClass, InferenceResult
from ..turns import Block
from .conversation import other, placed, signed
from .report import Notes

BOOKS = frozenset(
    {"summary", "file-history-snapshot", "queue-operation", "progress", "last-prompt", "custom-title", "ai-title"}
    | {"agent-name", "agent-color", "pr-link", "mode", "permission-mode", "saved_hook_context", "bridge_status"}
    | {"worktree-state", "content-replacement", "tag", "task-summary", "attribution-snapshot", "speculation-accept"}
)
KNOWN_OTHERS = frozenset({"system", "attachment"})
TAKEN = frozenset({"message", "timestamp", "type"})


class Record:
    """One line of a session."""

    def __init__(self, raw: Mapping[str, Any], number: int) -> None:
        self.raw = raw
        self.number = number
        kind = raw.get("type")
        self.kind = kind if isinstance(kind, str) else ""
        self.is_side = raw.get("isSidechain") is True
        message = raw.get("message")
        self.message: Mapping[str, Any] = message if isinstance(message, Mapping) else {}

    @cached_property
    def message_id(self) -> str:
        """The id of the model call that made this; "" for a user's record."""
        id = self.message.get("id")
        return id if self.kind == "assistant" and isinstance(id, str) else ""

    @cached_property
    def answers(self) -> bool:
        """Whether it holds the result of a tool."""
        content = self.message.get("content")
        parts = content if isinstance(content, list) else ()
        return any(isinstance(part, Mapping) and part.get("type") == "tool_result" for part in parts)

    def blocks(self, notes: Notes) -> list[Block]:
        """What it says; what is no message is kept whole."""
        place = f"record {self.number}"
        content = self.message.get("content")
        if self.kind not in ("user", "assistant") or not isinstance(content, (str, list)):
            if self.kind not in KNOWN_OTHERS:
                notes.unknown(place, f"the type {self.kind!r:.60}" if self.kind else "a record without a type")
            return [placed(other(self.raw, "system"), self.number)]
        made: list[Block] = []
        for number, part in enumerate([content] if isinstance(content, str) else content):
            made += self._part(part, number, notes)
        made = made or [other(self.message, self.kind)]
        beside = {name: value for name, value in self.raw.items() if name not in TAKEN}
        beside |= {name: value for name, value in self.message.items() if name not in ("content", "role", "usage")}
        time = self.raw.get("timestamp")
        first = placed(made[0], self.number, freeze(beside), time)
        return [first, *(placed(one, self.number, time=time) for one in made[1:])]

    def _part(self, part: Any, number: int, notes: Notes) -> list[Block]:
        try:
            made = list(history({"messages": [{"role": self.kind, "content": [part]}]}))
        except (EngineError, TypeError, ValueError, AttributeError):  # what hostile shapes make of a codec
            made = []
        if isinstance(part, str) and made:  # a text alone is none in a list
            made = list(history({"messages": [{"role": self.kind, "content": part}]}))
        if not made or made[0].kind == "other":
            kind = part.get("type") if isinstance(part, Mapping) else part
            notes.unknown(f"record {self.number}.content[{number}]", f"the type {kind!r:.60}")
        return made or [other(part, self.kind)]


def blocks_of(records: Sequence[Record], key: str, notes: Notes) -> list[Block]:
    """The blocks of a conversation's records. Those of one message of the model's are of one call."""
    blocks: list[Block] = []
    ends = {one.message_id: one for one in records if one.message_id}  # the last has the whole usage
    for one in records:
        made = one.blocks(notes)
        if one.kind == "assistant" and one.message:
            last = ends.get(one.message_id, one)
            made = signed(made, _result(last, f"{key}{one.message_id or one.raw.get('uuid') or one.number}"))
        blocks += made
    return blocks


def _result(record: Record, id: str) -> InferenceResult:
    message = record.message
    reason = message.get("stop_reason")
    reason = reason if isinstance(reason, str) else ""
    model, request = message.get("model"), record.raw.get("requestId")
    counts = message.get("usage")
    finish = FinishClass.TOOL_CALLS_PENDING if reason == "tool_use" else FinishClass.of(reason)
    return InferenceResult(
        inference_id=id,
        provider="anthropic",
        model=model if isinstance(model, str) else "",
        stop_reason=reason,
        finish_class=finish,
        truncated=finish is FinishClass.MAX_TOKENS,
        usage=usage(counts) if isinstance(counts, Mapping) else None,
        request_id=request if isinstance(request, str) else "",
        response_id=record.message_id,
    )
