"""pydantic-ai's message history, as `ModelMessagesTypeAdapter` writes it.

A list of requests (`system-prompt`, `user-prompt`, `tool-return`, `retry-prompt`) and responses
(`text`, `thinking`, `tool-call`, `file`), each with its `parts`; a response has the usage, which
includes the cache in the input. Source: pydantic/pydantic-ai at 4fda38988f29,
pydantic_ai_slim/pydantic_ai/messages.py and usage.py (version 2; of older ones the fields that it marks as deprecated).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from ..values.inference_results import InferenceResult
from ..values.turns import Kind, Run
from .kit.faults import unknown_value
from .kit.import_report import Notes
from .kit.importer import Importer
from .kit.record_fields import (
    expect,
    object_or_empty,
    objects,
    omit,
    omit_empty,
    optional_text,
    to_float,
    token_usage,
    unexpected,
)
from .kit.record_lists import item_score, list_reader
from .kit.transcript import Transcript, run_of_messages

FORMAT = "pydantic-ai"
CALL_KINDS = ("tool-call", "builtin-tool-call", "native-tool-call")
BUILTIN_RESULT_KINDS = ("builtin-tool-return", "native-tool-return")
RESPONSE_FIELDS = ("timestamp", "usage", "model_name", "provider_response_id", "vendor_id", "finish_reason")
REQUEST_PART_FIELDS = ("part_kind", "content", "timestamp", "tool_name", "tool_call_id", "outcome")
RESPONSE_PART_FIELDS = ("part_kind", "content", "tool_name", "args", "tool_call_id", "signature", "id")


def is_message(value: Any) -> bool:
    """Return True for a request or a response of pydantic-ai."""
    if not isinstance(value, Mapping) or value.get("kind") not in ("request", "response"):
        return False
    content_parts = value.get("parts")
    return isinstance(content_parts, list) and all(
        isinstance(content_part, Mapping) and "part_kind" in content_part for content_part in content_parts
    )


def read_message_history(document: Any, notes: Notes) -> Run:
    """Return the Run of one history: a list of messages, or an object with `messages`."""
    return run_of_messages(
        document, notes, is_message, lambda transcript: _MessageReader(transcript).read_message, "id", "conversation_id"
    )


class _MessageReader:
    def __init__(self, transcript: Transcript) -> None:
        self.transcript = transcript
        self.instructions: str | None = None

    def read_message(self, record: Any) -> None:
        message = expect(record, dict, "")
        message_kind = message.get("kind")
        if message_kind not in ("request", "response"):
            raise unexpected("kind", message_kind)
        content_parts = objects(message.get("parts"), "parts")
        first_block = len(self.transcript.blocks)
        known_fields = RESPONSE_FIELDS if message_kind == "response" else ("instructions",)
        extra_fields = omit(message, "parts", "kind", *known_fields)
        if message_kind == "response":
            self.add_response(message, content_parts)
        else:
            self.add_request(message, content_parts)
        if len(self.transcript.blocks) > first_block:
            self.transcript.add_extra_fields(first_block, extra_fields)
        elif omit_empty(extra_fields):
            self.transcript.add_other(message)

    def add_request(self, message: Mapping[str, Any], content_parts: list[dict[str, Any]]) -> None:
        timestamp = message.get("timestamp")
        instructions = optional_text(message.get("instructions"), "instructions")
        if instructions and instructions != self.instructions:  # each request repeats them
            self.transcript.add_block(Kind.SYSTEM, {"text": instructions}, "system", time=timestamp)
        self.instructions = instructions or self.instructions
        for part_index, content_part in enumerate(content_parts):
            self._add_request_part(content_part, content_part.get("timestamp") or timestamp, f".parts[{part_index}]")

    def _add_request_part(self, content_part: dict[str, Any], timestamp: Any, path: str) -> None:
        transcript, part_kind, content = self.transcript, content_part.get("part_kind"), content_part.get("content")
        extra_fields = omit(content_part, *REQUEST_PART_FIELDS)
        block_options: dict[str, Any] = {"time": timestamp, "extra_fields": extra_fields}
        call_id, tool_name = content_part.get("tool_call_id"), content_part.get("tool_name")
        if part_kind == "system-prompt":
            transcript.add_block(Kind.SYSTEM, {"text": expect(content, str, "content")}, "system", **block_options)
        elif part_kind == "user-prompt":
            transcript.add_block(Kind.USER, _prompt_payload(content, extra_fields), "user", **block_options)
        elif part_kind == "tool-return":
            is_failure = content_part.get("outcome") in ("failed", "denied")
            extra_fields |= omit_empty(tool_name=tool_name, outcome=content_part["outcome"] if is_failure else None)
            error = (content or content_part["outcome"]) if is_failure else ""
            transcript.add_result(call_id, None if is_failure else content, error, **block_options)
        elif part_kind == "retry-prompt" and tool_name is not None:
            extra_fields |= {"part_kind": part_kind, "tool_name": tool_name}
            transcript.add_result(call_id, None, content or "try again", **block_options)
        elif part_kind == "retry-prompt":
            text = content if isinstance(content, str) else json.dumps(content, ensure_ascii=False)
            extra_fields |= {"part_kind": part_kind} | ({} if text is content else {"content": content})
            transcript.add_block(Kind.USER, {"text": text}, "user", **block_options)
        else:
            transcript.unknown(unknown_value("kind", part_kind), path)
            transcript.add_other(content_part)

    def add_response(self, message: Mapping[str, Any], content_parts: list[dict[str, Any]]) -> None:
        inference_result = self.inference_result(
            message, any(content_part.get("part_kind") in CALL_KINDS for content_part in content_parts)
        )
        timestamp = message.get("timestamp")
        for part_index, content_part in enumerate(content_parts):
            self._add_response_part(content_part, inference_result, timestamp, f".parts[{part_index}]")
        if not content_parts:
            self.transcript.add_block(Kind.LLM_TEXT, {"text": ""}, "assistant", result=inference_result, time=timestamp)

    def _add_response_part(
        self, content_part: dict[str, Any], inference_result: InferenceResult, timestamp: Any, path: str
    ) -> None:
        transcript, part_kind, content, part_id = (
            self.transcript,
            content_part.get("part_kind"),
            content_part.get("content"),
            content_part.get("id"),
        )
        extra_fields = omit(content_part, *RESPONSE_PART_FIELDS)
        block_options: dict[str, Any] = {"result": inference_result, "time": timestamp, "extra_fields": extra_fields}
        if part_kind == "text":
            transcript.add_block(
                Kind.LLM_TEXT, {"text": expect(content, str, "content")}, "assistant", part_id, **block_options
            )
        elif part_kind == "thinking":
            signature_field = omit_empty(signature=content_part.get("signature"))
            payload = {"text": optional_text(content, "content") or ""} | signature_field
            transcript.add_block(Kind.REASONING, payload, "", part_id, **block_options)
        elif part_kind in CALL_KINDS:
            extra_fields |= omit_empty(id=part_id) | ({"part_kind": part_kind} if part_kind != "tool-call" else {})
            transcript.add_call(
                content_part.get("tool_call_id"),
                content_part.get("tool_name"),
                content_part.get("args"),
                **block_options,
            )
        elif part_kind in BUILTIN_RESULT_KINDS:
            extra_fields |= {"part_kind": part_kind, "tool_name": content_part.get("tool_name")}
            transcript.add_result(content_part.get("tool_call_id"), content, time=timestamp, extra_fields=extra_fields)
        elif part_kind == "file" and (image := _image_payload(content)) is not None:
            transcript.add_block(Kind.LLM_TEXT, {"text": "", "images": [image]}, "assistant", part_id, **block_options)
        else:
            transcript.unknown(unknown_value("kind", part_kind), path)
            transcript.add_other(content_part, result=inference_result)

    def inference_result(self, message: Mapping[str, Any], pending: bool) -> InferenceResult:
        token_counts = object_or_empty(message.get("usage"), "usage")
        count_details = object_or_empty(token_counts.get("details"), "details")
        provider_details = object_or_empty(message.get("provider_details"), "provider_details")
        provider_reason = provider_details.get("finish_reason")
        return self.transcript.inference_result(
            provider=message.get("canonical_system") or message.get("provider_name"),
            model=message.get("model_name"),
            response_id=message.get("provider_response_id") or message.get("vendor_id"),
            stop_reason=provider_reason if isinstance(provider_reason, str) else message.get("finish_reason"),
            pending=pending,
            cost=to_float(token_counts.get("cost")),
            usage=token_usage(
                token_counts.get("input_tokens", token_counts.get("request_tokens")),
                token_counts.get("output_tokens", token_counts.get("response_tokens")),
                cache_read_tokens=token_counts.get("cache_read_tokens") or count_details.get("cached_tokens"),
                cache_write_tokens=token_counts.get("cache_write_tokens"),
                reasoning_tokens=token_counts.get("output_reasoning_tokens") or count_details.get("reasoning_tokens"),
            ),
            extra={"usage": token_counts, "finish_reason": message.get("finish_reason")},
        )


def _prompt_payload(content: Any, extra_fields: dict[str, Any]) -> dict[str, Any]:
    """Return texts and images of a prompt; where they are not all of it, the content goes to `extra_fields`."""
    if isinstance(content, str):
        return {"text": content}
    content_items = [content] if isinstance(content, Mapping) else expect(content, list, "content")
    text_parts = [
        content_item if isinstance(content_item, str) else str(content_item.get("content"))
        for content_item in content_items
        if _is_text(content_item)
    ]
    images = [image for content_item in content_items if (image := _image_payload(content_item)) is not None]
    if len(content_items) > 1 or len(text_parts) + len(images) != len(content_items):
        extra_fields["content"] = content
    return {"text": "\n".join(text_parts)} | omit_empty(images=images)


def _is_text(content_item: Any) -> bool:
    return isinstance(content_item, str) or (
        isinstance(content_item, Mapping)
        and content_item.get("kind") == "text-content"
        and isinstance(content_item.get("content"), str)
    )


def _image_payload(content_item: Any) -> dict[str, Any] | None:
    """Return the image of an `ImageUrl`, or of a `BinaryContent`, whose base64 has - and _ for + and /."""
    if not isinstance(content_item, Mapping):
        return None
    media_type = content_item.get("media_type") or content_item.get("_media_type")
    if content_item.get("kind") == "image-url" and isinstance(content_item.get("url"), str):
        vendor_metadata = content_item.get("vendor_metadata")
        detail = vendor_metadata.get("detail") if isinstance(vendor_metadata, Mapping) else None
        return omit_empty(url=content_item["url"], media_type=media_type, detail=detail)
    image_data = content_item.get("data")
    if content_item.get("kind") != "binary" or not isinstance(media_type, str) or not isinstance(image_data, str):
        return None
    base64_text = image_data.replace("-", "+").replace("_", "/")
    return {"media_type": media_type, "content": base64_text} if media_type.startswith("image/") else None


IMPORTER = Importer(FORMAT, item_score(is_message, "messages"), list_reader(FORMAT, is_message, read_message_history))
