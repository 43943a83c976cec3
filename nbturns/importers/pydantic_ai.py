"""pydantic-ai's message history, as `ModelMessagesTypeAdapter` writes it.

A list of requests (`system-prompt`, `user-prompt`, `tool-return`, `retry-prompt`) and responses
(`text`, `thinking`, `tool-call`, `file`), each with its `parts`; a response has the usage, which
includes the cache in the input. Source: `pydantic_ai.messages` (versions 0.1 to 2).
"""

from __future__ import annotations

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
    parts = value.get("parts")
    return isinstance(parts, list) and all(isinstance(part, Mapping) and "part_kind" in part for part in parts)


def read_one(value: Any, notes: Notes) -> Run:
    """Return the Run of one history: a list of messages, or an object with `messages`."""
    return run_of_messages(
        value, notes, is_message, lambda transcript: _MessageReader(transcript).read_message, "id", "conversation_id"
    )


class _MessageReader:
    def __init__(self, transcript: Transcript) -> None:
        self.transcript = transcript
        self.instructions: str | None = None

    def read_message(self, record: Any) -> None:
        message = expect(record, dict, "")
        kind = message.get("kind")
        if kind not in ("request", "response"):
            raise unexpected("kind", kind)
        parts = objects(message.get("parts"), "parts")
        first_block = len(self.transcript.blocks)
        known_fields = RESPONSE_FIELDS if kind == "response" else ("instructions",)
        extra_fields = omit(message, "parts", "kind", *known_fields)
        if kind == "response":
            self.add_response(message, parts)
        else:
            self.add_request(message, parts)
        if len(self.transcript.blocks) > first_block:
            self.transcript.add_extra_fields(first_block, extra_fields)
        elif omit_empty(extra_fields):
            self.transcript.add_other(message)

    def add_request(self, message: Mapping[str, Any], parts: list[dict[str, Any]]) -> None:
        time = message.get("timestamp")
        instructions = optional_text(message.get("instructions"), "instructions")
        if instructions and instructions != self.instructions:  # each request repeats them
            self.transcript.add(Kind.SYSTEM, {"text": instructions}, "system", time=time)
        self.instructions = instructions or self.instructions
        for number, part in enumerate(parts):
            self._add_request_part(part, part.get("timestamp") or time, f".parts[{number}]")

    def _add_request_part(self, part: dict[str, Any], time: Any, path: str) -> None:
        transcript, kind, content = self.transcript, part.get("part_kind"), part.get("content")
        extra_fields = omit(part, *REQUEST_PART_FIELDS)
        options: dict[str, Any] = {"time": time, "extra_fields": extra_fields}
        call_id, tool = part.get("tool_call_id"), part.get("tool_name")
        if kind == "system-prompt":
            transcript.add(Kind.SYSTEM, {"text": expect(content, str, "content")}, "system", **options)
        elif kind == "user-prompt":
            transcript.add(Kind.USER, _prompt(content, extra_fields), "user", **options)
        elif kind == "tool-return":
            failed = part.get("outcome") in ("failed", "denied")
            extra_fields |= omit_empty(tool_name=tool)
            error = (content if isinstance(content, str) and content else part["outcome"]) if failed else ""
            transcript.add_result(call_id, None if failed else content, error, **options)
        elif kind == "retry-prompt" and tool is not None:
            extra_fields |= {"part_kind": kind, "tool_name": tool}
            transcript.add_result(call_id, None, content or "try again", **options)
        elif kind == "retry-prompt":
            extra_fields |= {"part_kind": kind} | ({} if isinstance(content, str) else {"content": content})
            transcript.add(Kind.USER, {"text": content if isinstance(content, str) else ""}, "user", **options)
        else:
            transcript.unknown(unknown_value("kind", kind), path)
            transcript.add_other(part)

    def add_response(self, message: Mapping[str, Any], parts: list[dict[str, Any]]) -> None:
        result = self.inference_result(message, any(part.get("part_kind") in CALL_KINDS for part in parts))
        time = message.get("timestamp")
        for number, part in enumerate(parts):
            self._add_response_part(part, result, time, f".parts[{number}]")
        if not parts:
            self.transcript.add(Kind.LLM_TEXT, {"text": ""}, "assistant", result=result, time=time)

    def _add_response_part(self, part: dict[str, Any], result: InferenceResult, time: Any, path: str) -> None:
        transcript, kind, content, id = self.transcript, part.get("part_kind"), part.get("content"), part.get("id")
        extra_fields = omit(part, *RESPONSE_PART_FIELDS)
        options: dict[str, Any] = {"result": result, "time": time, "extra_fields": extra_fields}
        if kind == "text":
            transcript.add(Kind.LLM_TEXT, {"text": expect(content, str, "content")}, "assistant", id, **options)
        elif kind == "thinking":
            signature = omit_empty(signature=part.get("signature"))
            payload = {"text": optional_text(content, "content") or ""} | signature
            transcript.add(Kind.REASONING, payload, "", id, **options)
        elif kind in CALL_KINDS:
            extra_fields |= omit_empty(id=id) | ({"part_kind": kind} if kind != "tool-call" else {})
            transcript.add_call(part.get("tool_call_id"), part.get("tool_name"), part.get("args"), **options)
        elif kind in BUILTIN_RESULT_KINDS:
            extra_fields |= {"part_kind": kind, "tool_name": part.get("tool_name")}
            transcript.add_result(part.get("tool_call_id"), content, time=time, extra_fields=extra_fields)
        elif kind == "file" and (image := _image(content)) is not None:
            transcript.add(Kind.LLM_TEXT, {"text": "", "images": [image]}, "assistant", id, **options)
        else:
            transcript.unknown(unknown_value("kind", kind), path)
            transcript.add_other(part, result=result)

    def inference_result(self, message: Mapping[str, Any], pending: bool) -> InferenceResult:
        counts = object_or_empty(message.get("usage"), "usage")
        details = object_or_empty(counts.get("details"), "details")
        provider_details = object_or_empty(message.get("provider_details"), "provider_details")
        provider_reason = provider_details.get("finish_reason")
        return self.transcript.inference_result(
            provider=message.get("canonical_system") or message.get("provider_name"),
            model=message.get("model_name"),
            response_id=message.get("provider_response_id") or message.get("vendor_id"),
            stop_reason=provider_reason if isinstance(provider_reason, str) else message.get("finish_reason"),
            pending=pending,
            cost=to_float(counts.get("cost")),
            usage=token_usage(
                counts.get("input_tokens", counts.get("request_tokens")),
                counts.get("output_tokens", counts.get("response_tokens")),
                cached=counts.get("cache_read_tokens") or details.get("cached_tokens"),
                written=counts.get("cache_write_tokens"),
                reasoning=counts.get("output_reasoning_tokens") or details.get("reasoning_tokens"),
            ),
            extra={"usage": counts, "finish_reason": message.get("finish_reason")},
        )


def _prompt(content: Any, extra_fields: dict[str, Any]) -> dict[str, Any]:
    """Return texts and images of a prompt; where they are not all of it, the content goes to `extra_fields`."""
    if isinstance(content, str):
        return {"text": content}
    items = [content] if isinstance(content, Mapping) else expect(content, list, "content")
    texts = [item if isinstance(item, str) else str(item.get("content")) for item in items if _is_text(item)]
    images = [image for item in items if (image := _image(item)) is not None]
    if len(items) > 1 or len(texts) + len(images) != len(items):
        extra_fields["content"] = content
    return {"text": "\n".join(texts)} | omit_empty(images=images)


def _is_text(item: Any) -> bool:
    return isinstance(item, str) or (
        isinstance(item, Mapping) and item.get("kind") == "text-content" and isinstance(item.get("content"), str)
    )


def _image(item: Any) -> dict[str, Any] | None:
    """Return the image of an `ImageUrl`, or of a `BinaryContent`, whose base64 has - and _ for + and /."""
    if not isinstance(item, Mapping):
        return None
    media_type = item.get("media_type") or item.get("_media_type")
    if item.get("kind") == "image-url" and isinstance(item.get("url"), str):
        metadata = item.get("vendor_metadata")
        detail = metadata.get("detail") if isinstance(metadata, Mapping) else None
        return omit_empty(url=item["url"], media_type=media_type, detail=detail)
    data = item.get("data")
    if item.get("kind") != "binary" or not isinstance(media_type, str) or not isinstance(data, str):
        return None
    content = data.replace("-", "+").replace("_", "/")
    return {"media_type": media_type, "content": content} if media_type.startswith("image/") else None


IMPORTER = Importer(FORMAT, item_score(is_message, "messages"), list_reader(FORMAT, is_message, read_one))
