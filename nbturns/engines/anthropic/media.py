"""Images and documents as content blocks of Anthropic's."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

from ...errors import EngineError
from ..json_access import text_of
from ..media import Medium, Part, linked_medium, sendable_medium

OWNER = "anthropic"
IMAGE_TYPES = ("image/jpeg", "image/png", "image/gif", "image/webp")  # of the SDK's Base64ImageSourceParam


def read_medium(part: Mapping[str, Any]) -> Medium | None:
    """Return the medium of a document or image block; None for any other part."""
    part_type, source = part.get("type"), part.get("source")
    if part_type not in ("document", "image") or not isinstance(source, Mapping):
        return None
    title_text = text_of(part.get("title"))
    media_type = text_of(source.get("media_type")) or ("application/pdf" if part_type == "document" else "")
    match source.get("type"):
        case "base64":
            return Medium(media_type=media_type, data=text_of(source.get("data")), name=title_text)
        case "text":
            data = base64.b64encode(text_of(source.get("data")).encode("utf-8", "replace")).decode("ascii")
            return Medium(media_type=media_type or "text/plain", data=data, name=title_text)
        case "url":
            return linked_medium(text_of(source.get("url")), media_type, title_text)
        case "file":
            return Medium(media_type=media_type, file_id=text_of(source.get("file_id")), owner=OWNER, name=title_text)
    return None


def write_medium(part: Any) -> Part:
    """Return a content block for a medium of any provider. Raises EngineError for sound, video and images that Claude refuses."""
    medium = sendable_medium(part, OWNER, "Claude")
    if medium.kind in ("audio", "video"):
        raise EngineError(f"Claude accepts images and documents, not {medium.media_type}", kind="unsupported")
    if medium.kind == "image" and medium.data and medium.media_type not in IMAGE_TYPES:
        raise EngineError(f"Claude accepts JPEG, PNG, GIF and WebP images, not {medium.media_type}", kind="unsupported")
    title_field = {"title": medium.name} if medium.name and medium.kind != "image" else {}
    block_type = "image" if medium.kind == "image" else "document"
    if medium.file_id:
        source = {"type": "file", "file_id": medium.file_id}
    elif medium.url:
        source = {"type": "url", "url": medium.url}
    elif medium.kind == "text":
        source = {"type": "text", "media_type": "text/plain", "data": medium.text}
    else:
        source = {"type": "base64", "media_type": medium.media_type, "data": medium.data}
    return {"type": block_type, "source": source, **title_field}
