"""Decode a recorded request of Anthropic's into the blocks of a Turn."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ...errors import EngineError
from ...values.frozen_json import FrozenDict, freeze
from ...values.persistent_list import PersistentList
from ...values.turns import Block, Kind, Turn
from ..json_access import are_parts
from .reply import ORIGINALS, decoded

RESULT_PARTS = frozenset(
    {"text", "image", "document", "search_result", "tool_reference"}
)  # types of the parts of a tool_result
MEDIA = frozenset({"document", "search_result", "container_upload"})


def history(request: Mapping[str, Any]) -> Turn:
    """Return the blocks of a recorded request, `system` first; encoding them gives the same request.

    Other parameters are not part of a Turn. Raises EngineError for a value that is not a request.
    """
    request = freeze(request)
    if not isinstance(request, Mapping) or not isinstance(request.get("messages"), list):
        raise EngineError("expected a request of Anthropic's with a list of messages", kind="bad_request")
    blocks = list(_message_blocks("system", request.get("system") or ()))
    for message in request["messages"]:
        if not isinstance(message, Mapping):
            raise EngineError(f"expected a message object, got {message!r:.60}", kind="bad_request")
        blocks += _message_blocks(str(message.get("role")), message.get("content") or ())
    return Turn(PersistentList(blocks))


def _message_blocks(role: str, content: Any) -> Iterator[Block]:
    parts = (content,) if isinstance(content, str) else content
    for index, raw in enumerate(parts):
        part: FrozenDict = freeze(text_part(raw))
        if not isinstance(part, Mapping):
            raise EngineError(f"expected a content block object, got {raw!r:.60}", kind="bad_request")
        yield ORIGINALS.attach(decoded(part) if role == "assistant" else _input_block(role, part), raw=raw, index=index)


def _input_block(role: str, part: Any) -> Block:
    """Return the block of a content block from a user or the system."""
    match part.get("type"), part:
        case "text", {"text": str(text)}:
            return Block(Kind.SYSTEM if role == "system" else Kind.USER, {"text": text}, role)
        case "image", {"source": Mapping() as source} if image := _image_source(source):
            return Block(Kind.USER, {"text": "", "images": [image]}, role)
        case "tool_result", {"tool_use_id": str(id)}:
            content = part.get("content")
            error_text = (_joined_text(content) or "failed") if part.get("is_error") else ""
            result = content if not error_text or are_parts(content, RESULT_PARTS) else None
            return Block(Kind.TOOL_USE, {"id": id, "result": result, "error": error_text})
        case str(type), _ if type in MEDIA:
            return Block(Kind.USER, {"text": "", "media": [part]}, role)
    return Block(Kind.OTHER, part, role)


def _image_source(source: Mapping[str, Any]) -> dict[str, Any] | None:
    match source:
        case {"type": "base64", "media_type": str(media_type), "data": str(data)}:
            return {"media_type": media_type, "content": data}
        case {"type": "url", "url": str(url)}:
            return {"url": url}
        case {"type": "file", "file_id": str(id)}:
            return {"file_id": id}
    return None


def _joined_text(content: Any) -> str:
    if isinstance(content, str):
        return content
    parts = content if isinstance(content, list) else ()
    return "\n".join(
        str(part.get("text")) for part in parts if isinstance(part, Mapping) and part.get("type") == "text"
    )


def text_part(raw: Any) -> dict[str, Any]:
    """Return a content block; a string becomes one of text."""
    part: dict[str, Any] = {"type": "text", "text": raw} if isinstance(raw, str) else raw
    return part
