"""A ChatGPT export: `conversations.json`, alone or in the zip that ChatGPT sends.

A conversation is a tree (`mapping`: nodes with a message, a parent, children): an edited prompt and a
regenerated answer are branches. Each path from the root to a leaf is a Run, the one on screen
(`current_node`) first; two paths share the blocks that they have in common. `recipient` is the tool that a
message calls, messages of the `tool` are results; they have no ids, so a result belongs to the call that it
is a child of. OpenAI does not document the shape. Source: exports of 2023 to 2026;
Sinity/polylogue at d250e578bf73, polylogue/sources/parsers/chatgpt.py, browser-extension/src/backfill/page_transport.js
(`finish_details`) and tests/unit/sources/test_parsers_chatgpt.py (`is_visually_hidden_from_conversation`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import NoneType
from typing import Any

from ..values.inference_results import InferenceResult
from ..values.provenance import FIELDS, TIMESTAMP
from ..values.turns import Kind, Run
from .kit.branches import BranchReader, Tree, export_reader, export_score
from .kit.faults import no_result_id
from .kit.import_report import Notes
from .kit.importer import Importer
from .kit.record_fields import (
    expect,
    field_of_document,
    list_or_empty,
    object_or_empty,
    objects,
    omit,
    omit_empty,
    optional_text,
    text_or_empty,
    unexpected,
)
from .kit.transcript import Transcript, freeze_or_json

FORMAT = "chatgpt-export"
PROMPT_TYPES = ("text", "multimodal_text")
CONTEXT_TYPES = ("user_editable_context", "model_editable_context")  # custom instructions
CONTENT_FIELDS = ("content_type", "parts", "text", "result")
MESSAGE_FIELDS = ("id", "author", "create_time", "content", "recipient")


def is_conversation(value: Any) -> bool:
    """Return True for a conversation of ChatGPT: nodes with children."""
    if not isinstance(value, Mapping) or not isinstance(value.get("mapping"), Mapping):
        return False
    nodes = list(value["mapping"].values())[:4]
    return "current_node" in value or any(isinstance(node, Mapping) and "children" in node for node in nodes)


def read_branches(conversation: Any, notes: Notes) -> Iterator[Run]:
    """Yield a Run for each branch of a conversation, the current one first."""
    tree = Tree(field_of_document(conversation, notes, "mapping", dict), notes)
    reader = _MessageReader(Transcript(notes))

    def metadata() -> dict[str, Any]:
        lost_records = omit_empty(nodes=tree.invalid_nodes, empty=reader.empty_messages)
        metadata_values = {FIELDS.name: freeze_or_json(omit(conversation, "mapping", "title") | lost_records)}
        return metadata_values | (
            {TIMESTAMP.name: str(conversation["create_time"])} if conversation.get("create_time") else {}
        )

    conversation_id, title = conversation.get("conversation_id") or conversation.get("id"), conversation.get("title")
    yield from reader.read_runs(
        tree, conversation.get("current_node"), conversation_id=conversation_id, name=title, metadata=metadata
    )


class _MessageReader(BranchReader):
    def __init__(self, transcript: Transcript) -> None:
        super().__init__(transcript)
        self.empty_messages: list[Any] = []

    def read_node_message(self, record: Any) -> None:
        message = expect(record, dict, "")
        author = expect(message.get("author"), dict, "author")
        content = expect(message.get("content"), dict, "content")
        message_metadata = object_or_empty(message.get("metadata"), "metadata")
        role, content_type = author.get("role"), content.get("content_type")
        is_hidden = bool(message_metadata.get("is_visually_hidden_from_conversation")) or message.get("weight") == 0
        timestamp, message_id = message.get("create_time"), optional_text(message.get("id"), "id") or ""
        text_parts, images, has_more = _split_content(content)
        joined_text = "\n".join(text_parts)
        other_content = content if has_more else omit(content, *CONTENT_FIELDS)
        extra_fields = omit(message, *MESSAGE_FIELDS)
        extra_fields |= omit_empty(author=omit(author, "role"), content=other_content)
        block_options: dict[str, Any] = {"time": timestamp, "extra_fields": extra_fields}
        if content_type in CONTEXT_TYPES:
            self.transcript.add_block(
                Kind.SYSTEM, {"text": _context_text(content)}, str(role), message_id, **block_options
            )
        elif role == "tool":
            self.add_result(message, joined_text, images, extra_fields)
        elif role == "assistant" and content_type != "reasoning_recap":
            self.add_reply(message, content, joined_text, images, extra_fields | omit_empty(hidden=is_hidden or None))
        elif content_type in PROMPT_TYPES and not (joined_text or images or has_more):
            self.empty_messages.append(message)
        elif role in ("system", "developer"):
            self.transcript.add_block(Kind.SYSTEM, {"text": joined_text}, role, message_id, **block_options)
        elif role == "user" and not is_hidden:
            self.transcript.add_block(
                Kind.USER, {"text": joined_text} | omit_empty(images=images), "user", message_id, **block_options
            )
        elif role in ("user", "assistant"):
            self.transcript.add_other(message)
        else:
            raise unexpected("role", role)

    def add_reply(
        self,
        message: Mapping[str, Any],
        content: Mapping[str, Any],
        joined_text: str,
        images: list[Any],
        extra_fields: dict[str, Any],
    ) -> None:
        """Add reasoning, a tool call or a text of the model."""
        transcript, message_id, recipient = self.transcript, message.get("id"), message.get("recipient") or "all"
        inference_result = self.inference_result(message, recipient != "all")
        block_options: dict[str, Any] = {
            "result": inference_result,
            "time": message.get("create_time"),
            "extra_fields": extra_fields,
        }
        if content.get("content_type") == "thoughts":
            payload, extra_fields["content"] = _reasoning_payload(content), content
            transcript.add_block(Kind.REASONING, payload, "", message_id, **block_options)
        elif recipient != "all":
            self.pending_call_id = text_or_empty(message_id) or transcript.position
            transcript.add_call(self.pending_call_id, recipient, joined_text, **block_options)
        elif not (joined_text or images or extra_fields.get("content")):
            self.empty_messages.append(message)
        elif extra_fields.pop("hidden", None):
            transcript.add_other(message, result=inference_result)
        else:
            transcript.add_block(
                Kind.LLM_TEXT,
                {"text": joined_text} | omit_empty(images=images),
                "assistant",
                message_id,
                **block_options,
            )

    def add_result(
        self, message: Mapping[str, Any], result_text: str, images: list[Any], extra_fields: dict[str, Any]
    ) -> None:
        """Add the result of a tool, which has its name but no id; it belongs to the last call before it."""
        if not self.pending_call_id:
            self.transcript.guess(no_result_id(""))
        is_error = message["content"].get("content_type") == "system_error"
        self.transcript.add_result(
            self.pending_call_id,
            None if is_error else result_text,
            result_text if is_error else "",
            block_id=message.get("id"),
            time=message.get("create_time"),
            extra_fields=extra_fields | omit_empty(images=images),
        )

    def inference_result(self, message: Mapping[str, Any], pending: bool) -> InferenceResult:
        message_metadata = object_or_empty(message.get("metadata"), "metadata")
        finish_details = object_or_empty(message_metadata.get("finish_details"), "finish_details")
        return self.transcript.inference_result(
            id=text_or_empty(message.get("id")),
            provider="openai",
            model=message_metadata.get("model_slug"),
            request_id=message_metadata.get("request_id"),
            stop_reason=finish_details.get("type"),
            pending=pending,
        )


def _context_text(content: Mapping[str, Any]) -> str:
    text_parts = omit(content, "content_type").values()
    return "\n\n".join(text for text in text_parts if isinstance(text, str) and text)


def _reasoning_payload(content: Mapping[str, Any]) -> dict[str, Any]:
    thoughts = objects(content.get("thoughts"), "thoughts")
    text_parts = [text for thought in thoughts if (text := text_or_empty(thought.get("content")))]
    text_parts = text_parts or [part for part in list_or_empty(content.get("parts"), "parts") if isinstance(part, str)]
    summaries = [text for thought in thoughts if (text := text_or_empty(thought.get("summary")))]
    summary = [{"type": "summary_text", "text": text} for text in summaries]
    return {"text": "\n\n".join(text_parts)} | omit_empty(summary=summary)


def _split_content(content: Mapping[str, Any]) -> tuple[list[str], list[dict[str, Any]], bool]:
    """Return texts and images of a message, and whether its parts have more."""
    if "parts" not in content:
        whole_text = content.get("text", content.get("result"))
        return ([whole_text] if isinstance(whole_text, str) else []), [], not isinstance(whole_text, (str, NoneType))
    text_parts: list[str] = []
    images: list[dict[str, Any]] = []
    has_more = False
    for content_part in list_or_empty(content["parts"], "parts"):
        if isinstance(content_part, str):
            text_parts.append(content_part)
        elif isinstance(content_part, Mapping) and content_part.get("content_type") == "image_asset_pointer":
            image_fields = omit(content_part, "asset_pointer", "content_type")
            images.append(omit_empty(file_uri=content_part.get("asset_pointer"), **image_fields))
        elif isinstance(content_part, Mapping) and content_part.get("content_type") == "audio_transcription":
            text_parts.append(optional_text(content_part.get("text"), "text") or "")
            has_more = True
        else:
            has_more = True
    return text_parts, images, has_more or len(text_parts) > 1


IMPORTER = Importer(FORMAT, export_score(is_conversation), export_reader(FORMAT, is_conversation, read_branches))
