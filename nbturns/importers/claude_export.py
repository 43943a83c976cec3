"""A data export of Claude's pages: `conversations.json`, alone or in the zip that Anthropic sends.

A conversation has `chat_messages` of a human or the assistant, each with its content blocks (`text`,
`thinking`, `tool_use`, `tool_result`) and the same again as a plain `text`; older exports have the text only.
What was pasted or attached is in `attachments`, with the text that the model was given. Messages name their
parents, so there may be branches. Source: exports of 2023 to 2026; Anthropic does not document their shape.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ..values.inference_results import InferenceResult
from ..values.provenance import FIELDS, TIMESTAMP
from ..values.turns import Kind, Run
from .kit.branches import BranchReader, Tree, export_reader, export_score
from .kit.faults import no_result_id, unknown_value
from .kit.import_report import Notes
from .kit.importer import Importer
from .kit.record_fields import (
    expect,
    field_of_document,
    object_or_empty,
    objects,
    omit,
    omit_empty,
    optional_text,
    text_or_empty,
    unexpected,
)
from .kit.transcript import Transcript, freeze_or_json

FORMAT = "claude-export"
ROOT = "00000000-0000-4000-8000-000000000000"  # the parent of the first message
MESSAGE_FIELDS = ("sender", "text", "content", "created_at", "attachments", "parent_message_uuid")
CONVERSATION_FIELDS = ("uuid", "name", "created_at", "chat_messages")
OTHER_TYPES = ("token_budget", "flag")  # which become `other` blocks without a note


def is_conversation(value: Any) -> bool:
    """Return True for a conversation of Claude's pages."""
    if not isinstance(value, Mapping) or not isinstance(value.get("chat_messages"), list):
        return False
    messages = value["chat_messages"][:4]
    have_senders = all(isinstance(message, Mapping) and "sender" in message for message in messages)
    return have_senders and ("uuid" in value or bool(messages))


def read_branches(value: Any, notes: Notes) -> Iterator[Run]:
    """Yield a Run for each branch of a conversation, the current one first."""
    nodes = _nodes(field_of_document(value, notes, "chat_messages"))
    current = value.get("current_leaf_message_uuid")
    if not isinstance(current, str) or current not in nodes:
        current = next(reversed(nodes), None)

    def metadata() -> dict[str, Any]:
        extra_fields = omit_empty(omit(value, *CONVERSATION_FIELDS))
        entries = {FIELDS.name: freeze_or_json(extra_fields)} if extra_fields else {}
        return entries | ({TIMESTAMP.name: str(value["created_at"])} if value.get("created_at") else {})

    reader = _MessageReader(Transcript(notes))
    tree = Tree(nodes, notes, "chat_messages")
    yield from reader.runs(tree, current, id=value.get("uuid"), name=value.get("name"), metadata=metadata)


def _nodes(messages: list[Any]) -> dict[str, dict[str, Any]]:
    """Return each message by its id, with its parent; a message without a parent follows the one before it."""
    nodes: dict[str, dict[str, Any]] = {}
    previous_key = None
    for index, message in enumerate(messages):
        fields = message if isinstance(message, Mapping) else {}
        id, parent = fields.get("uuid"), fields.get("parent_message_uuid")
        key = id if isinstance(id, str) and id and id not in nodes else str(index)
        parent_key = previous_key if parent is None else None if parent == ROOT else parent
        nodes[key] = {"message": message, "parent": parent_key}
        previous_key = key
    return nodes


class _MessageReader(BranchReader):
    def message(self, record: Any) -> None:
        message = expect(record, dict, "")
        sender, text = message.get("sender"), optional_text(message.get("text"), "text") or ""
        if sender not in ("human", "assistant"):
            raise unexpected("sender", sender)
        parts = objects(message.get("content"), "content")
        texts = [part["text"] for part in parts if isinstance(part.get("text"), str)]
        extra_fields = omit(message, *MESSAGE_FIELDS)
        if parts and text not in (separator.join(texts) for separator in ("", "\n", "\n\n")):
            extra_fields["text"] = text
        parts = [part for part in parts or [{"type": "text", "text": text}] if omit_empty(omit(part, "type"))]
        first_block = len(self.transcript.blocks)
        result = self.inference_result(message, parts) if sender == "assistant" else None
        for number, part in enumerate(parts):
            self.add_part(part, message, result, f".content[{number}]")
        for attachment in objects(message.get("attachments"), "attachments"):
            self.add_attachment(attachment, message)
        if len(self.transcript.blocks) == first_block:  # a file alone, or an answer that was stopped at once
            self.add_part({"type": "text", "text": ""}, message, result, "")
        self.transcript.add_extra_fields(first_block, extra_fields)

    def inference_result(self, message: Mapping[str, Any], parts: list[dict[str, Any]]) -> InferenceResult:
        return self.transcript.inference_result(
            id=text_or_empty(message.get("uuid")),
            provider="anthropic",
            model=message.get("model"),
            stop_reason=message.get("stop_reason"),
            pending=bool(parts) and parts[-1].get("type") == "tool_use",
        )

    def add_part(
        self, part: dict[str, Any], message: Mapping[str, Any], result: InferenceResult | None, path: str
    ) -> None:
        transcript, type = self.transcript, part.get("type")
        options: dict[str, Any] = {"result": result, "time": message.get("created_at")}
        if type == "text" or (type == "voice_note" and result is None):
            kind, role = (Kind.USER, "user") if result is None else (Kind.LLM_TEXT, "assistant")
            text = expect(part.get("text"), str, "text")
            transcript.add(kind, {"text": text}, role, extra_fields=omit(part, "type", "text"), **options)
        elif type == "thinking":
            text = expect(part.get("thinking"), str, "thinking")
            payload = {"text": text} | omit_empty(signature=part.get("signature"))
            extra_fields = omit(part, "type", "thinking", "signature")
            transcript.add(Kind.REASONING, payload, extra_fields=extra_fields, **options)
        elif type == "tool_use":
            arguments = object_or_empty(part.get("input"), "input")
            extra_fields = omit(part, "type", "id", "name", "input")
            self.pending_call_id = transcript.add_call(
                part.get("id"), part.get("name"), arguments, extra_fields=extra_fields, **options
            )
        elif type == "tool_result":
            self.add_result(part, message, path)
        else:
            if type not in OTHER_TYPES:
                transcript.unknown(unknown_value("type", type), path)
            transcript.add_other(part, result=result)

    def add_result(self, part: dict[str, Any], message: Mapping[str, Any], path: str) -> None:
        """Add the result of a tool; in older exports it has no id, and belongs to the last call before it."""
        call_id = part.get("tool_use_id")
        if call_id is None:
            call_id = self.pending_call_id
            self.transcript.guess(no_result_id(call_id), path)
        content = part.get("content")
        texts = content if isinstance(content, list) else []
        is_plain = bool(texts) and all(isinstance(text, Mapping) and set(text) == {"type", "text"} for text in texts)
        value = "\n".join(str(text["text"]) for text in texts) if is_plain else content
        failed = part.get("is_error") is True
        self.transcript.add_result(
            call_id,
            None if failed else value,
            value if failed else "",
            time=message.get("created_at"),
            extra_fields=omit(part, "type", "tool_use_id", "content", "is_error"),
        )

    def add_attachment(self, attachment: dict[str, Any], message: Mapping[str, Any]) -> None:
        """Add a text that was pasted or attached: the model is given it with the prompt."""
        text = optional_text(attachment.get("extracted_content"), "extracted_content") or ""
        extra_fields = {"attachment": omit(attachment, "extracted_content")}
        time = message.get("created_at")
        self.transcript.add(Kind.USER, {"text": text}, "user", time=time, extra_fields=extra_fields)


IMPORTER = Importer(FORMAT, export_score(is_conversation), export_reader(FORMAT, read_branches))
