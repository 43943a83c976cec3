"""Blocks as messages of the GenAI semantic conventions: roles and parts, as JSON in attributes of spans."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from typing import Any

from ..values.frozen_json import thaw
from ..values.turns import Block, Kind

ASSISTANT_KINDS = (Kind.LLM_TEXT, Kind.REASONING, Kind.TOOL_CALL)


def prompt_attributes(blocks: Sequence[Block]) -> dict[str, str]:
    """Return the attributes of the messages that a model is given; a single system prompt has its own."""
    attributes: dict[str, str] = {}
    system_count = sum(block.kind == Kind.SYSTEM for block in blocks)
    if system_count == 1 and blocks[0].kind == Kind.SYSTEM:
        attributes["gen_ai.system_instructions"] = to_json(_parts(blocks[0]))
        blocks = blocks[1:]
    attributes["gen_ai.input.messages"] = to_json(messages(blocks))
    return attributes


def reply_attributes(blocks: Iterable[Block], finish_reason: str) -> dict[str, str]:
    """Return the attribute of the reply of a model."""
    parts = [part for block in blocks for part in _parts(block)]
    reply = {"role": "assistant", "parts": parts, "finish_reason": finish_reason}
    return {"gen_ai.output.messages": to_json([reply])} if parts else {}


def messages(blocks: Iterable[Block]) -> list[dict[str, Any]]:
    """Return blocks as messages; what a model said between two prompts is one message."""
    numbered_roles = [(_role(block), index, block) for index, block in enumerate(blocks)]
    grouped = groupby(numbered_roles, key=lambda item: (item[0], 0 if item[0] == "assistant" else item[1]))
    return [
        {"role": role, "parts": [part for _, _, block in group for part in _parts(block)]}
        for (role, _), group in grouped
    ]


def to_json(value: Any) -> str:
    """Return a value as the JSON of an attribute."""
    return json.dumps(thaw(value), ensure_ascii=False)


def _role(block: Block) -> str:
    if block.kind in ASSISTANT_KINDS:
        return "assistant"
    if block.kind == Kind.TOOL_USE:
        return "tool"
    if block.kind == Kind.SYSTEM:
        return "system"
    return "user" if block.kind == Kind.USER else block.role or "user"


def _parts(block: Block) -> list[dict[str, Any]]:
    if block.kind == Kind.TOOL_CALL:
        arguments = block.payload.get("args", {})
        return [{"type": "tool_call", "id": block.tool_call_id, "name": block.name, "arguments": thaw(arguments)}]
    if block.kind == Kind.TOOL_USE:
        error = {"error": block.error} if block.error else {}
        return [{"type": "tool_call_response", "id": block.tool_call_id, "response": thaw(block.result), **error}]
    if block.kind == Kind.REASONING:
        return [{"type": "reasoning", "content": block.text}]
    if block.kind in (Kind.LLM_TEXT, Kind.USER, Kind.SYSTEM):
        return [{"type": "text", "content": block.text}, *map(_image_part, block.images)]
    return [{"type": str(block.kind), **thaw(block.payload)}]


def _image_part(image: Any) -> dict[str, Any]:
    if not isinstance(image, Mapping):
        return {"type": "image", "content": thaw(image)}
    media_type = {"mime_type": image["media_type"]} if image.get("media_type") else {}
    if image.get("content"):
        return {"type": "blob", "modality": "image", **media_type, "content": image["content"]}
    if image.get("url"):
        return {"type": "uri", "modality": "image", **media_type, "uri": image["url"]}
    return {"type": "file", "modality": "image", **media_type, "file_id": image.get("file_id")}
