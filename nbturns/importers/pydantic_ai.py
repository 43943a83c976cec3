"""pydantic-ai's message history, as `ModelMessagesTypeAdapter` writes it.

A list of requests (`system-prompt`, `user-prompt`, `tool-return`, `retry-prompt`) and responses
(`text`, `thinking`, `tool-call`, `file`), each with its `parts`; a response has the usage, which
counts the cache as input. Source: `pydantic_ai.messages` (versions 0.1 to 2).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..results import InferenceResult
from ..turns import Kind, Run
from .importer import Importer
from .listed import item_score, list_reader
from .record_fields import (
    ShapeError,
    expect,
    list_or_empty,
    object_or_empty,
    omit,
    omit_empty,
    optional_text,
    to_number,
    token_usage,
)
from .report import Notes
from .transcript import Transcript, run_of_messages

FORMAT = "pydantic-ai"
MADE = ("tool-call", "builtin-tool-call", "native-tool-call")
RAN = ("builtin-tool-return", "native-tool-return")
ABOUT = ("timestamp", "usage", "model_name", "provider_response_id", "vendor_id", "finish_reason")


def is_message(value: Any) -> bool:
    """Whether this is a request or a response of pydantic-ai, and nothing else."""
    if not isinstance(value, Mapping) or value.get("kind") not in ("request", "response"):
        return False
    parts = value.get("parts")
    return isinstance(parts, list) and all(isinstance(part, Mapping) and "part_kind" in part for part in parts)


def read_one(value: Any, notes: Notes) -> Run:
    """One history: a list of messages, or an object that has it as `messages`."""
    return run_of_messages(
        value, notes, is_message, lambda transcript: _Reader(transcript).message, "id", "conversation_id"
    )


class _Reader:
    def __init__(self, transcript: Transcript) -> None:
        self.transcript = transcript
        self.instructions: str | None = None

    def message(self, raw: Any) -> None:
        message = expect(raw, dict, "a message")
        kind = message.get("kind")
        if kind not in ("request", "response"):
            raise ShapeError(f"a message of the kind {kind!r}")
        parts = [expect(part, dict, "a part") for part in list_or_empty(message.get("parts"), "parts")]
        before = len(self.transcript.blocks)
        extra_fields = omit(message, "parts", "kind", *(ABOUT if kind == "response" else ("instructions",)))
        if kind == "response":
            self.response(message, parts)
        else:
            self.request(message, parts)
        if len(self.transcript.blocks) > before:
            self.transcript.add_extra_fields(before, extra_fields)
        elif omit_empty(extra_fields):
            self.transcript.add_other(message)

    def request(self, message: Mapping[str, Any], parts: list[dict[str, Any]]) -> None:
        time = message.get("timestamp")
        instructions = optional_text(message.get("instructions"), "instructions")
        if instructions and instructions != self.instructions:  # they go along with each request
            self.transcript.add(Kind.SYSTEM, {"text": instructions}, "system", time=time)
        self.instructions = instructions or self.instructions
        for part in parts:
            extra_fields = omit(part, "part_kind", "content", "timestamp", "tool_name", "tool_call_id", "outcome")
            self._request_part(part, part.get("timestamp") or time, extra_fields)

    def _request_part(self, part: dict[str, Any], time: Any, extra_fields: dict[str, Any]) -> None:
        transcript, kind, content = self.transcript, part.get("part_kind"), part.get("content")
        if kind == "system-prompt":
            transcript.add(
                Kind.SYSTEM, {"text": expect(content, str, "content")}, "system", time=time, extra_fields=extra_fields
            )
        elif kind == "user-prompt":
            transcript.add(Kind.USER, _written(content, extra_fields), "user", time=time, extra_fields=extra_fields)
        elif kind == "tool-return":
            failed = part.get("outcome") in ("failed", "denied")
            extra_fields |= omit_empty(tool_name=part.get("tool_name"))
            error = (content if isinstance(content, str) and content else part["outcome"]) if failed else ""
            transcript.add_result(
                part.get("tool_call_id"), None if failed else content, error, time=time, extra_fields=extra_fields
            )
        elif kind == "retry-prompt" and part.get("tool_name") is not None:
            extra_fields |= {"part_kind": kind, "tool_name": part["tool_name"]}
            transcript.add_result(
                part.get("tool_call_id"), None, content or "try again", time=time, extra_fields=extra_fields
            )
        elif kind == "retry-prompt":
            text = content if isinstance(content, str) else ""
            extra_fields |= {"part_kind": kind} | ({} if isinstance(content, str) else {"content": content})
            transcript.add(Kind.USER, {"text": text}, "user", time=time, extra_fields=extra_fields)
        else:
            transcript.add_unknown(part, f"a part of the kind {kind!r}")

    def response(self, message: Mapping[str, Any], parts: list[dict[str, Any]]) -> None:
        result = self.result(message, any(part.get("part_kind") in MADE for part in parts))
        time = message.get("timestamp")
        for part in parts:
            self._response_part(part, result, time)
        if not parts:
            self.transcript.add(Kind.LLM_TEXT, {"text": ""}, "assistant", result=result, time=time)

    def _response_part(self, part: dict[str, Any], result: InferenceResult, time: Any) -> None:
        transcript, kind, content = self.transcript, part.get("part_kind"), part.get("content")
        extra_fields = omit(part, "part_kind", "content", "tool_name", "args", "tool_call_id", "signature", "id")
        how: dict[str, Any] = {"result": result, "time": time, "extra_fields": extra_fields}
        if kind == "text":
            transcript.add(Kind.LLM_TEXT, {"text": expect(content, str, "content")}, "assistant", part.get("id"), **how)
        elif kind == "thinking":
            payload = {"text": optional_text(content, "content") or ""} | omit_empty(signature=part.get("signature"))
            transcript.add(Kind.REASONING, payload, "", part.get("id"), **how)
        elif kind in MADE:
            extra_fields |= omit_empty(id=part.get("id")) | ({"part_kind": kind} if kind != "tool-call" else {})
            transcript.add_call(part.get("tool_call_id"), part.get("tool_name"), part.get("args"), **how)
        elif kind in RAN:
            extra_fields |= {"part_kind": kind, "tool_name": part.get("tool_name")}
            transcript.add_result(part.get("tool_call_id"), content, time=time, extra_fields=extra_fields)
        elif kind == "file" and (image := _image(content)) is not None:
            transcript.add(Kind.LLM_TEXT, {"text": "", "images": [image]}, "assistant", part.get("id"), **how)
        else:
            transcript.notes.add_unknown(transcript.position, f"a part of the kind {kind!r}")
            transcript.add_other(part, result=result)

    def result(self, message: Mapping[str, Any], pending: bool) -> InferenceResult:
        counts = object_or_empty(message.get("usage"), "usage")
        details = object_or_empty(counts.get("details"), "details")
        about = object_or_empty(message.get("provider_details"), "provider_details")
        written = about.get("finish_reason")
        id = message.get("provider_response_id") or message.get("vendor_id")
        cost = to_number(counts.get("cost"))
        return self.transcript.inference_result(
            provider=message.get("canonical_system") or message.get("provider_name"),
            model=message.get("model_name"),
            response_id=id,
            stop_reason=written if isinstance(written, str) else message.get("finish_reason"),
            pending=pending,
            cost=None if cost is None else float(cost),
            usage=token_usage(
                counts.get("input_tokens", counts.get("request_tokens")),
                counts.get("output_tokens", counts.get("response_tokens")),
                cached=counts.get("cache_read_tokens") or details.get("cached_tokens"),
                written=counts.get("cache_write_tokens"),
                reasoning=counts.get("output_reasoning_tokens") or details.get("reasoning_tokens"),
            ),
            extra={"usage": counts, "finish_reason": message.get("finish_reason")},
        )


def _written(content: Any, extra_fields: dict[str, Any]) -> dict[str, Any]:
    """What a user said: texts and images; the parts as they are go beside where that is not all of it."""
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
    """An image's map: `ImageUrl`, or `BinaryContent` of an image, whose base64 spells + and / as - and _."""
    if not isinstance(item, Mapping):
        return None
    media = item.get("media_type") or item.get("_media_type")
    if item.get("kind") == "image-url" and isinstance(item.get("url"), str):
        about = item.get("vendor_metadata")
        detail = about.get("detail") if isinstance(about, Mapping) else None
        return omit_empty(url=item["url"], media_type=media, detail=detail)
    data = item.get("data")
    if item.get("kind") != "binary" or not isinstance(media, str) or not isinstance(data, str):
        return None
    return {"media_type": media, "content": data.replace("-", "+").replace("_", "/")} if media[:6] == "image/" else None


IMPORTER = Importer(FORMAT, item_score(is_message, "messages"), list_reader(FORMAT, is_message, read_one))
