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
from .branches import BranchReader, Tree, export_reader, export_score
from .importer import Importer
from .record_fields import ShapeError, expect, list_or_empty, object_or_empty, omit, omit_empty, optional_text
from .report import Notes
from .transcript import Transcript, freeze_or_json

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
        raise notes.load_error("", "a conversation of Claude's has a list of chat_messages")
    nodes = _nodes(value["chat_messages"])
    current = value.get("current_leaf_message_uuid")
    if not isinstance(current, str) or current not in nodes:
        current = next(reversed(nodes), None)

    def metadata() -> dict[str, Any]:
        begun = value.get("created_at")
        known = {FIELDS.name: freeze_or_json(other_fields)} if (other_fields := omit_empty(omit(value, *ABOUT))) else {}
        return known | ({TIMESTAMP.name: str(begun)} if begun else {})

    reader = _Reader(Transcript(notes))
    yield from reader.runs(
        Tree(nodes, notes, "chat_messages"),
        current,
        id=value.get("uuid"),
        name=value.get("name"),
        metadata=metadata,
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


class _Reader(BranchReader):
    def message(self, raw: Any) -> None:
        message = expect(raw, dict, "a message")
        sender, text = message.get("sender"), optional_text(message.get("text"), "text") or ""
        if sender not in ("human", "assistant"):
            raise ShapeError(f"a message of the sender {sender!r}")
        parts = [expect(part, dict, "a part") for part in list_or_empty(message.get("content"), "content")]
        whole = [part["text"] for part in parts if isinstance(part.get("text"), str)]
        extra_fields = omit(message, *TAKEN)
        if parts and text not in (between.join(whole) for between in ("", "\n", "\n\n")):
            extra_fields["text"] = text
        parts = [part for part in parts or [{"type": "text", "text": text}] if omit_empty(omit(part, "type"))]
        first = len(self.transcript.blocks)
        result = self.result_of(message, parts) if sender == "assistant" else None
        for part in parts:
            self.part(part, message, result)
        for one in list_or_empty(message.get("attachments"), "attachments"):
            self.attachment(expect(one, dict, "an attachment"), message)
        if len(self.transcript.blocks) == first:  # a file alone, or an answer that was stopped at once
            self.part({"type": "text", "text": ""}, message, result)
        self.transcript.add_extra_fields(first, extra_fields)

    def result_of(self, message: Mapping[str, Any], parts: list[dict[str, Any]]) -> InferenceResult:
        id = message.get("uuid")
        return self.transcript.inference_result(
            id=id if isinstance(id, str) else "",
            provider="anthropic",
            model=message.get("model"),
            stop_reason=message.get("stop_reason"),
            pending=bool(parts) and parts[-1].get("type") == "tool_use",
        )

    def part(self, part: dict[str, Any], message: Mapping[str, Any], result: InferenceResult | None) -> None:
        transcript, kind = self.transcript, part.get("type")
        how: dict[str, Any] = {"result": result, "time": message.get("created_at")}
        if kind in ("text", "voice_note") and result is None:
            text = expect(part.get("text"), str, "a text")
            transcript.add(Kind.USER, {"text": text}, "user", extra_fields=omit(part, "type", "text"), **how)
        elif kind == "text":
            text = expect(part.get("text"), str, "a text")
            transcript.add(Kind.LLM_TEXT, {"text": text}, "assistant", extra_fields=omit(part, "type", "text"), **how)
        elif kind == "thinking":
            text = expect(part.get("thinking"), str, "a thought")
            payload = {"text": text} | omit_empty(signature=part.get("signature"))
            transcript.add(Kind.REASONING, payload, extra_fields=omit(part, "type", "thinking", "signature"), **how)
        elif kind == "tool_use":
            args = object_or_empty(part.get("input"), "input")
            extra_fields = omit(part, "type", "id", "name", "input")
            self.pending_call_id = transcript.add_call(
                part.get("id"), part.get("name"), args, extra_fields=extra_fields, **how
            )
        elif kind == "tool_result":
            self.answer(part, message)
        else:
            if kind not in ("token_budget", "flag"):
                transcript.notes.add_unknown(transcript.position, f"a part of the type {kind!r:.60}")
            transcript.add_other(part, result=result)

    def answer(self, part: dict[str, Any], message: Mapping[str, Any]) -> None:
        """What a tool answered; in older exports its call, the last one before it, is not named."""
        id = part.get("tool_use_id")
        if id is None:
            self.transcript.guess("a result that names no call; taken for that of the last one")
            id = self.pending_call_id
        content = part.get("content")
        texts = content if isinstance(content, list) else []
        plain = bool(texts) and all(isinstance(one, Mapping) and set(one) == {"type", "text"} for one in texts)
        told_ = "\n".join(str(one["text"]) for one in texts) if plain else content
        failed = part.get("is_error") is True
        extra_fields = omit(part, "type", "tool_use_id", "content", "is_error")
        self.transcript.add_result(
            id,
            None if failed else told_,
            told_ if failed else "",
            time=message.get("created_at"),
            extra_fields=extra_fields,
        )

    def attachment(self, one: dict[str, Any], message: Mapping[str, Any]) -> None:
        """What was pasted or attached is told to the model with the prompt."""
        text = optional_text(one.get("extracted_content"), "extracted_content") or ""
        extra_fields = {"attachment": omit(one, "extracted_content")}
        self.transcript.add(
            Kind.USER, {"text": text}, "user", time=message.get("created_at"), extra_fields=extra_fields
        )


IMPORTER = Importer(FORMAT, export_score(is_conversation), export_reader(FORMAT, read_branches))
