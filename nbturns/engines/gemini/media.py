"""Images, documents, sound and video as parts of Gemini's contents."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..json_access import text_of
from ..media import Medium, Part, linked_medium, sendable_medium

OWNER = "gemini"
MEDIUM_FIELDS = ("inlineData", "inline_data", "fileData", "file_data")


def read_medium(part: Mapping[str, Any]) -> Medium | None:
    """Return the medium of an inline or file part; None for any other part."""
    blob = next((part[name] for name in MEDIUM_FIELDS if isinstance(part.get(name), Mapping)), None)
    if blob is None:
        return None
    media_type = text_of(blob.get("mimeType") or blob.get("mime_type"))
    name = text_of(blob.get("displayName") or blob.get("display_name"))
    if data := text_of(blob.get("data")):
        return Medium(media_type=media_type, data=data, name=name)
    uri = text_of(blob.get("fileUri") or blob.get("file_uri"))
    if uri.startswith("gs://") or "generativelanguage.googleapis.com" in uri:
        return Medium(media_type=media_type, file_id=uri, owner=OWNER, name=name)
    return linked_medium(uri, media_type, name)


def write_medium(part: Any) -> Part:
    """Return a part for a medium of any provider."""
    medium = sendable_medium(part, OWNER, "Gemini")
    if medium.data:
        return {"inlineData": {"mimeType": medium.media_type or "application/octet-stream", "data": medium.data}}
    has_type = medium.media_type and not medium.media_type.endswith("/*")
    media_type = {"mimeType": medium.media_type} if has_type else {}
    return {"fileData": {"fileUri": medium.file_id or medium.url, **media_type}}
