"""A data export of Claude's pages: `conversations.json`, alone or in the zip that Anthropic sends.

A conversation has `chat_messages` of a human or the assistant, each with its content blocks (`text`,
`thinking`, `tool_use`, `tool_result`) and the same again as a plain `text`; older exports have the text only.
What was pasted or attached is in `attachments`, with the text that the model was given. Messages name their
parents, so there may be branches. Anthropic does not document the shape. Source: exports of 2023 to 2026;
Sinity/polylogue at d250e578bf73, polylogue/sources/parsers/claude/ai_parser.py.
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
ROOT_ID = "00000000-0000-4000-8000-000000000000"  # the parent of the first message
MESSAGE_FIELDS = ("sender", "text", "content", "created_at", "attachments", "parent_message_uuid")
CONVERSATION_FIELDS = ("uuid", "name", "created_at", "chat_messages")
OTHER_TYPES = ("token_budget", "flag")  # types of parts that become `other` blocks without a note


def is_conversation(value: Any) -> bool:
    """Return True for a conversation of Claude's pages."""
    if not isinstance(value, Mapping) or not isinstance(value.get("chat_messages"), list):
        return False
    messages = value["chat_messages"][:4]
    have_senders = all(isinstance(message, Mapping) and "sender" in message for message in messages)
    return have_senders and ("uuid" in value or bool(messages))


def read_branches(conversation: Any, notes: Notes) -> Iterator[Run]:
    """Yield a Run for each branch of a conversation, the current one first."""
    nodes = _message_nodes(field_of_document(conversation, notes, "chat_messages"))
    current_leaf = conversation.get("current_leaf_message_uuid")
    if not isinstance(current_leaf, str) or current_leaf not in nodes:
        current_leaf = next(reversed(nodes), None)

    def metadata() -> dict[str, Any]:
        extra_fields = omit_empty(omit(conversation, *CONVERSATION_FIELDS))
        metadata_values = {FIELDS.name: freeze_or_json(extra_fields)} if extra_fields else {}
        return metadata_values | (
            {TIMESTAMP.name: str(conversation["created_at"])} if conversation.get("created_at") else {}
        )

    reader = _MessageReader(Transcript(notes))
    tree = Tree(nodes, notes, "chat_messages")
    yield from reader.read_runs(
        tree, current_leaf, conversation_id=conversation.get("uuid"), name=conversation.get("name"), metadata=metadata
    )


def _message_nodes(messages: list[Any]) -> dict[str, dict[str, Any]]:
    """Return each message by its id, with its parent; a message without a parent follows the one before it."""
    nodes: dict[str, dict[str, Any]] = {}
    previous_key = None
    for index, message in enumerate(messages):
        message_fields = message if isinstance(message, Mapping) else {}
        message_id, parent_id = message_fields.get("uuid"), message_fields.get("parent_message_uuid")
        node_key = message_id if isinstance(message_id, str) and message_id and message_id not in nodes else str(index)
        parent_key = previous_key if parent_id is None else None if parent_id == ROOT_ID else parent_id
        nodes[node_key] = {"message": message, "parent": parent_key}
        previous_key = node_key
    return nodes


class _MessageReader(BranchReader):
    def read_node_message(self, record: Any) -> None:
        message = expect(record, dict, "")
        sender, plain_text = message.get("sender"), optional_text(message.get("text"), "text") or ""
        if sender not in ("human", "assistant"):
            raise unexpected("sender", sender)
        content_parts = objects(message.get("content"), "content")
        part_texts = [
            content_part["text"] for content_part in content_parts if isinstance(content_part.get("text"), str)
        ]
        extra_fields = omit(message, *MESSAGE_FIELDS)
        if content_parts and plain_text not in (separator.join(part_texts) for separator in ("", "\n", "\n\n")):
            extra_fields["text"] = plain_text
        content_parts = [
            content_part
            for content_part in content_parts or [{"type": "text", "text": plain_text}]
            if omit_empty(omit(content_part, "type"))
        ]
        first_block = len(self.transcript.blocks)
        inference_result = self.inference_result(message, content_parts) if sender == "assistant" else None
        for part_index, content_part in enumerate(content_parts):
            self.add_part(content_part, message, inference_result, f".content[{part_index}]")
        for attachment in objects(message.get("attachments"), "attachments"):
            self.add_attachment(attachment, message)
        if len(self.transcript.blocks) == first_block:  # a file alone, or an answer that was stopped at once
            self.add_part({"type": "text", "text": ""}, message, inference_result, "")
        self.transcript.add_extra_fields(first_block, extra_fields)

    def inference_result(self, message: Mapping[str, Any], content_parts: list[dict[str, Any]]) -> InferenceResult:
        return self.transcript.inference_result(
            id=text_or_empty(message.get("uuid")),
            provider="anthropic",
            model=message.get("model"),
            stop_reason=message.get("stop_reason"),
            pending=bool(content_parts) and content_parts[-1].get("type") == "tool_use",
        )

    def add_part(
        self,
        content_part: dict[str, Any],
        message: Mapping[str, Any],
        inference_result: InferenceResult | None,
        path: str,
    ) -> None:
        transcript, part_type = self.transcript, content_part.get("type")
        block_options: dict[str, Any] = {"result": inference_result, "time": message.get("created_at")}
        if part_type == "text" or (part_type == "voice_note" and inference_result is None):
            kind, role = (Kind.USER, "user") if inference_result is None else (Kind.LLM_TEXT, "assistant")
            part_text = expect(content_part.get("text"), str, "text")
            transcript.add_block(
                kind, {"text": part_text}, role, extra_fields=omit(content_part, "type", "text"), **block_options
            )
        elif part_type == "thinking":
            part_text = expect(content_part.get("thinking"), str, "thinking")
            payload = {"text": part_text} | omit_empty(signature=content_part.get("signature"))
            extra_fields = omit(content_part, "type", "thinking", "signature")
            transcript.add_block(Kind.REASONING, payload, extra_fields=extra_fields, **block_options)
        elif part_type == "tool_use":
            arguments = object_or_empty(content_part.get("input"), "input")
            extra_fields = omit(content_part, "type", "id", "name", "input")
            self.pending_call_id = transcript.add_call(
                content_part.get("id"), content_part.get("name"), arguments, extra_fields=extra_fields, **block_options
            )
        elif part_type == "tool_result":
            self.add_result(content_part, message, path)
        else:
            if part_type not in OTHER_TYPES:
                transcript.unknown(unknown_value("type", part_type), path)
            transcript.add_other(content_part, result=inference_result)

    def add_result(self, content_part: dict[str, Any], message: Mapping[str, Any], path: str) -> None:
        """Add the result of a tool; in older exports it has no id, and belongs to the last call before it."""
        call_id = content_part.get("tool_use_id")
        if call_id is None:
            call_id = self.pending_call_id
            self.transcript.guess(no_result_id(call_id), path)
        content = content_part.get("content")
        text_parts = content if isinstance(content, list) else []
        is_plain = bool(text_parts) and all(
            isinstance(text_part, Mapping) and set(text_part) == {"type", "text"} for text_part in text_parts
        )
        result_content = "\n".join(str(text_part["text"]) for text_part in text_parts) if is_plain else content
        is_error = content_part.get("is_error") is True
        self.transcript.add_result(
            call_id,
            None if is_error else result_content,
            result_content if is_error else "",
            time=message.get("created_at"),
            extra_fields=omit(content_part, "type", "tool_use_id", "content", "is_error"),
        )

    def add_attachment(self, attachment: dict[str, Any], message: Mapping[str, Any]) -> None:
        """Add a text that was pasted or attached: the model is given it with the prompt."""
        pasted_text = optional_text(attachment.get("extracted_content"), "extracted_content") or ""
        extra_fields = {"attachment": omit(attachment, "extracted_content")}
        timestamp = message.get("created_at")
        self.transcript.add_block(Kind.USER, {"text": pasted_text}, "user", time=timestamp, extra_fields=extra_fields)


IMPORTER = Importer(FORMAT, export_score(is_conversation), export_reader(FORMAT, is_conversation, read_branches))
