"""A data export of Claude's pages: `conversations.json`, alone or in the zip that is sent.

A conversation has `chat_messages` of a human or the assistant, each with its content blocks (`text`, `thinking`,
`tool_use`, `tool_result`) and the same once more as a plain `text`; older exports have the text alone. What was
pasted or attached is in `attachments`, with the text the model was given. A message that names its parent may be
one of several branches. Source: exports of 2023 to 2026; Anthropic documents the way to get one, not its shape.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ..provenance import FIELDS, TIMESTAMP
from ..results import InferenceResult
from ..turns import Kind, Run
from . import Importer, Notes
from .branches import Branches, Tree, exported, scored
from .transcript import (
    Misfit,
    Transcript,
    expected,
    keepable,
    list_or_none,
    object_or_none,
    text_or_none,
    told,
    without,
)

FORMAT = "claude-export"
ROOT = "00000000-0000-4000-8000-000000000000"  # whom the first message names as its parent
TAKEN = ("sender", "text", "content", "created_at", "attachments", "parent_message_uuid")
ABOUT = ("uuid", "name", "created_at", "chat_messages")


def is_conversation(value: Any) -> bool:
    """Whether this is a conversation of Claude's pages."""
    if not isinstance(value, Mapping) or not isinstance(value.get("chat_messages"), list):
        return False
    messages = value["chat_messages"][:4]
    return all(isinstance(one, Mapping) and "sender" in one for one in messages) and ("uuid" in value or bool(messages))


def read_branches(value: Any, notes: Notes) -> Iterator[Run]:
    """One conversation: a Run for each of its branches, the current one first."""
    if not isinstance(value, Mapping) or not isinstance(value.get("chat_messages"), list):
        raise notes.refusal("", "a conversation of Claude's has a list of chat_messages")
    nodes = _nodes(value["chat_messages"])
    current = value.get("current_leaf_message_uuid")
    if not isinstance(current, str) or current not in nodes:
        current = next(reversed(nodes), None)

    def about() -> dict[str, Any]:
        begun = value.get("created_at")
        known = {FIELDS.name: keepable(beside)} if (beside := told(without(value, *ABOUT))) else {}
        return known | ({TIMESTAMP.name: str(begun)} if begun else {})

    reader = _Reader(Transcript(notes))
    yield from reader.runs(
        Tree(nodes, notes, "chat_messages"),
        current,
        reader.message,
        id=value.get("uuid"),
        name=value.get("name"),
        about=about,
    )


def _nodes(messages: list[Any]) -> dict[str, dict[str, Any]]:
    """Each message by its id, with its parent; one that names none follows the one before it."""
    nodes: dict[str, dict[str, Any]] = {}
    before = None
    for place, message in enumerate(messages):
        about = message if isinstance(message, Mapping) else {}
        id, parent = about.get("uuid"), about.get("parent_message_uuid")
        key = id if isinstance(id, str) and id and id not in nodes else str(place)
        nodes[key] = {"message": message, "parent": before if parent is None else None if parent == ROOT else parent}
        before = key
    return nodes


class _Reader(Branches):
    def message(self, raw: Any) -> None:
        message = expected(raw, dict, "a message")
        sender, text = message.get("sender"), text_or_none(message.get("text"), "text") or ""
        if sender not in ("human", "assistant"):
            raise Misfit(f"a message of the sender {sender!r}")
        parts = [expected(part, dict, "a part") for part in list_or_none(message.get("content"), "content")]
        whole = [part["text"] for part in parts if isinstance(part.get("text"), str)]
        rest = without(message, *TAKEN)
        if parts and text not in (between.join(whole) for between in ("", "\n", "\n\n")):
            rest["text"] = text
        parts = [part for part in parts or [{"type": "text", "text": text}] if told(without(part, "type"))]
        first = len(self.said.blocks)
        result = self.result_of(message, parts) if sender == "assistant" else None
        for part in parts:
            self.part(part, message, result)
        for one in list_or_none(message.get("attachments"), "attachments"):
            self.attachment(expected(one, dict, "an attachment"), message)
        if len(self.said.blocks) == first:  # a file alone, or an answer that was stopped at once
            self.part({"type": "text", "text": ""}, message, result)
        self.said.put_beside(first, rest)

    def result_of(self, message: Mapping[str, Any], parts: list[dict[str, Any]]) -> InferenceResult:
        id = message.get("uuid")
        return self.said.called(
            id=id if isinstance(id, str) else "",
            provider="anthropic",
            model=message.get("model"),
            stop_reason=message.get("stop_reason"),
            pending=bool(parts) and parts[-1].get("type") == "tool_use",
        )

    def part(self, part: dict[str, Any], message: Mapping[str, Any], result: InferenceResult | None) -> None:
        said, kind = self.said, part.get("type")
        how: dict[str, Any] = {"result": result, "at": message.get("created_at")}
        if kind in ("text", "voice_note") and result is None:
            text = expected(part.get("text"), str, "a text")
            said.add(Kind.USER, {"text": text}, "user", beside=without(part, "type", "text"), **how)
        elif kind == "text":
            text = expected(part.get("text"), str, "a text")
            said.add(Kind.LLM_TEXT, {"text": text}, "assistant", beside=without(part, "type", "text"), **how)
        elif kind == "thinking":
            text = expected(part.get("thinking"), str, "a thought")
            payload = {"text": text} | told(signature=part.get("signature"))
            said.add(Kind.REASONING, payload, beside=without(part, "type", "thinking", "signature"), **how)
        elif kind == "tool_use":
            args = object_or_none(part.get("input"), "input")
            rest = without(part, "type", "id", "name", "input")
            self.call = said.call(part.get("id"), part.get("name"), args, beside=rest, **how)
        elif kind == "tool_result":
            self.answer(part, message)
        else:
            if kind not in ("token_budget", "flag"):
                said.notes.unknown(said.at, f"a part of the type {kind!r:.60}")
            said.other(part, result=result)

    def answer(self, part: dict[str, Any], message: Mapping[str, Any]) -> None:
        """What a tool answered; in older exports its call, the last one before it, is not named."""
        id = part.get("tool_use_id")
        if id is None:
            self.said.guess("a result that names no call; taken for that of the last one")
            id = self.call
        content = part.get("content")
        texts = content if isinstance(content, list) else []
        plain = bool(texts) and all(isinstance(one, Mapping) and set(one) == {"type", "text"} for one in texts)
        told_ = "\n".join(str(one["text"]) for one in texts) if plain else content
        failed = part.get("is_error") is True
        rest = without(part, "type", "tool_use_id", "content", "is_error")
        self.said.answer(
            id, None if failed else told_, told_ if failed else "", at=message.get("created_at"), beside=rest
        )

    def attachment(self, one: dict[str, Any], message: Mapping[str, Any]) -> None:
        """What was pasted or attached is told to the model with the prompt."""
        text = text_or_none(one.get("extracted_content"), "extracted_content") or ""
        rest = {"attachment": without(one, "extracted_content")}
        self.said.add(Kind.USER, {"text": text}, "user", at=message.get("created_at"), beside=rest)


IMPORTER = Importer(FORMAT, scored(is_conversation), exported(FORMAT, read_branches))
