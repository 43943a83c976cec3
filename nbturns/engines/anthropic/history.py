"""Decode a recorded request of Anthropic's into the blocks of a Turn."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ...errors import EngineError
from ...values.frozen_json import FrozenDict, freeze
from ...values.persistent_list import PersistentList
from ...values.turns import Block, Kind, Turn
from ..json_access import are_parts
from ..media import is_text_part
from .reply import ORIGINALS, decoded

RESULT_PARTS = frozenset(
    {"text", "image", "document", "search_result", "tool_reference"}
)  # types of the parts of a tool_result
MEDIA_TYPES = frozenset({"document", "search_result", "container_upload"})


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
    raw_parts = (content,) if isinstance(content, str) else content
    for index, raw_part in enumerate(raw_parts):
        content_part: FrozenDict = freeze(text_part(raw_part))
        if not isinstance(content_part, Mapping):
            raise EngineError(f"expected a content block object, got {raw_part!r:.60}", kind="bad_request")
        yield ORIGINALS.attach(
            decoded(content_part) if role == "assistant" else _input_block(role, content_part),
            raw=raw_part,
            index=index,
        )


def _input_block(role: str, content_part: Any) -> Block:
    """Return the block of a content block from a user or the system."""
    match content_part.get("type"), content_part:
        case "text", {"text": str(text)}:
            return Block(Kind.SYSTEM if role == "system" else Kind.USER, {"text": text}, role)
        case "image", {"source": Mapping() as source} if image := _image_source(source):
            return Block(Kind.USER, {"text": "", "images": [image]}, role)
        case "tool_result", {"tool_use_id": str(call_id)}:
            content = content_part.get("content")
            error_text = (_joined_text(content) or "failed") if content_part.get("is_error") else ""
            result = content if not error_text or are_parts(content, RESULT_PARTS) else None
            return Block(Kind.TOOL_USE, {"id": call_id, "result": result, "error": error_text})
        case str(part_type), _ if part_type in MEDIA_TYPES:
            return Block(Kind.USER, {"text": "", "media": [content_part]}, role)
    return Block(Kind.OTHER, content_part, role)


def is_complete_part(content_part: Any) -> bool:
    """Return True when a part of a tool result has the fields that its type requires; a row of data may lack them."""
    match content_part:
        case {"type": "text", "text": str()}:
            return is_text_part(content_part)
        case {"type": "image" | "document", "source": {"type": str()}}:
            return True
        case {"type": "search_result", "source": str(), "title": str(), "content": [*_]}:
            return True
        case {"type": "tool_reference", "tool_name": str()}:
            return True
    return False


def _image_source(source: Mapping[str, Any]) -> dict[str, Any] | None:
    match source:
        case {"type": "base64", "media_type": str(media_type), "data": str(base64_data)}:
            return {"media_type": media_type, "content": base64_data}
        case {"type": "url", "url": str(url)}:
            return {"url": url}
        case {"type": "file", "file_id": str(file_id)}:
            return {"file_id": file_id}
    return None


def _joined_text(content: Any) -> str:
    if isinstance(content, str):
        return content
    content_parts = content if isinstance(content, list) else ()
    return "\n".join(
        str(content_part.get("text"))
        for content_part in content_parts
        if isinstance(content_part, Mapping) and content_part.get("type") == "text"
    )


def text_part(raw_part: Any) -> dict[str, Any]:
    """Return a content block; a string becomes one of text."""
    content_part: dict[str, Any] = {"type": "text", "text": raw_part} if isinstance(raw_part, str) else raw_part
    return content_part
