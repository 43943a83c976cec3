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
from . import Importer, Notes
from .listed import conversations, scored
from .transcript import (
    Misfit,
    Transcript,
    expected,
    list_or_none,
    number,
    object_or_none,
    of_messages,
    text_or_none,
    told,
    usage,
    without,
)

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
    return of_messages(value, notes, is_message, lambda said: _Reader(said).message, "id", "conversation_id")


class _Reader:
    def __init__(self, said: Transcript) -> None:
        self.said = said
        self.instructions: str | None = None

    def message(self, raw: Any) -> None:
        message = expected(raw, dict, "a message")
        kind = message.get("kind")
        if kind not in ("request", "response"):
            raise Misfit(f"a message of the kind {kind!r}")
        parts = [expected(part, dict, "a part") for part in list_or_none(message.get("parts"), "parts")]
        before = len(self.said.blocks)
        rest = without(message, "parts", "kind", *(ABOUT if kind == "response" else ("instructions",)))
        if kind == "response":
            self.response(message, parts)
        else:
            self.request(message, parts)
        if len(self.said.blocks) > before:
            self.said.put_beside(before, rest)
        elif told(rest):
            self.said.other(message)

    def request(self, message: Mapping[str, Any], parts: list[dict[str, Any]]) -> None:
        at = message.get("timestamp")
        instructions = text_or_none(message.get("instructions"), "instructions")
        if instructions and instructions != self.instructions:  # they go along with each request
            self.said.add(Kind.SYSTEM, {"text": instructions}, "system", at=at)
        self.instructions = instructions or self.instructions
        for part in parts:
            rest = without(part, "part_kind", "content", "timestamp", "tool_name", "tool_call_id", "outcome")
            self._request_part(part, part.get("timestamp") or at, rest)

    def _request_part(self, part: dict[str, Any], at: Any, rest: dict[str, Any]) -> None:
        said, kind, content = self.said, part.get("part_kind"), part.get("content")
        if kind == "system-prompt":
            said.add(Kind.SYSTEM, {"text": expected(content, str, "content")}, "system", at=at, beside=rest)
        elif kind == "user-prompt":
            said.add(Kind.USER, _written(content, rest), "user", at=at, beside=rest)
        elif kind == "tool-return":
            failed = part.get("outcome") in ("failed", "denied")
            rest |= told(tool_name=part.get("tool_name"))
            error = (content if isinstance(content, str) and content else part["outcome"]) if failed else ""
            said.answer(part.get("tool_call_id"), None if failed else content, error, at=at, beside=rest)
        elif kind == "retry-prompt" and part.get("tool_name") is not None:
            rest |= {"part_kind": kind, "tool_name": part["tool_name"]}
            said.answer(part.get("tool_call_id"), None, content or "try again", at=at, beside=rest)
        elif kind == "retry-prompt":
            text = content if isinstance(content, str) else ""
            rest |= {"part_kind": kind} | ({} if isinstance(content, str) else {"content": content})
            said.add(Kind.USER, {"text": text}, "user", at=at, beside=rest)
        else:
            said.keep(part, f"a part of the kind {kind!r}")

    def response(self, message: Mapping[str, Any], parts: list[dict[str, Any]]) -> None:
        result = self.result(message, any(part.get("part_kind") in MADE for part in parts))
        at = message.get("timestamp")
        for part in parts:
            self._response_part(part, result, at)
        if not parts:
            self.said.add(Kind.LLM_TEXT, {"text": ""}, "assistant", result=result, at=at)

    def _response_part(self, part: dict[str, Any], result: InferenceResult, at: Any) -> None:
        said, kind, content = self.said, part.get("part_kind"), part.get("content")
        rest = without(part, "part_kind", "content", "tool_name", "args", "tool_call_id", "signature", "id")
        how: dict[str, Any] = {"result": result, "at": at, "beside": rest}
        if kind == "text":
            said.add(Kind.LLM_TEXT, {"text": expected(content, str, "content")}, "assistant", part.get("id"), **how)
        elif kind == "thinking":
            payload = {"text": text_or_none(content, "content") or ""} | told(signature=part.get("signature"))
            said.add(Kind.REASONING, payload, "", part.get("id"), **how)
        elif kind in MADE:
            rest |= told(id=part.get("id")) | ({"part_kind": kind} if kind != "tool-call" else {})
            said.call(part.get("tool_call_id"), part.get("tool_name"), part.get("args"), **how)
        elif kind in RAN:
            rest |= {"part_kind": kind, "tool_name": part.get("tool_name")}
            said.answer(part.get("tool_call_id"), content, at=at, beside=rest)
        elif kind == "file" and (image := _image(content)) is not None:
            said.add(Kind.LLM_TEXT, {"text": "", "images": [image]}, "assistant", part.get("id"), **how)
        else:
            said.notes.unknown(said.at, f"a part of the kind {kind!r}")
            said.other(part, result=result)

    def result(self, message: Mapping[str, Any], pending: bool) -> InferenceResult:
        counts = object_or_none(message.get("usage"), "usage")
        details = object_or_none(counts.get("details"), "details")
        about = object_or_none(message.get("provider_details"), "provider_details")
        written = about.get("finish_reason")
        id = message.get("provider_response_id") or message.get("vendor_id")
        cost = number(counts.get("cost"))
        return self.said.called(
            provider=message.get("canonical_system") or message.get("provider_name"),
            model=message.get("model_name"),
            response_id=id,
            stop_reason=written if isinstance(written, str) else message.get("finish_reason"),
            pending=pending,
            cost=None if cost is None else float(cost),
            usage=usage(
                counts.get("input_tokens", counts.get("request_tokens")),
                counts.get("output_tokens", counts.get("response_tokens")),
                cached=counts.get("cache_read_tokens") or details.get("cached_tokens"),
                written=counts.get("cache_write_tokens"),
                reasoning=counts.get("output_reasoning_tokens") or details.get("reasoning_tokens"),
            ),
            extra={"usage": counts, "finish_reason": message.get("finish_reason")},
        )


def _written(content: Any, rest: dict[str, Any]) -> dict[str, Any]:
    """What a user said: texts and images; the parts as they are go beside where that is not all of it."""
    if isinstance(content, str):
        return {"text": content}
    items = [content] if isinstance(content, Mapping) else expected(content, list, "content")
    texts = [item if isinstance(item, str) else str(item.get("content")) for item in items if _is_text(item)]
    images = [image for item in items if (image := _image(item)) is not None]
    if len(items) > 1 or len(texts) + len(images) != len(items):
        rest["content"] = content
    return {"text": "\n".join(texts)} | told(images=images)


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
        return told(url=item["url"], media_type=media, detail=detail)
    data = item.get("data")
    if item.get("kind") != "binary" or not isinstance(media, str) or not isinstance(data, str):
        return None
    return {"media_type": media, "content": data.replace("-", "+").replace("_", "/")} if media[:6] == "image/" else None


IMPORTER = Importer(FORMAT, scored(is_message, "messages"), conversations(FORMAT, is_message, read_one))
