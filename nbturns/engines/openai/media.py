"""Images, documents and sound as parts of OpenAI's two APIs, whose files both can read."""

from __future__ import annotations

import mimetypes
from collections.abc import Callable, Mapping
from typing import Any

from ...errors import EngineError
from ..json_access import mapping_of, text_of
from ..media import Medium, Part, inline_medium, linked_medium, sendable_medium

OWNER = "openai"
SOUND_FORMATS = {"audio/wav": "wav", "audio/x-wav": "wav", "audio/wave": "wav", "audio/mpeg": "mp3", "audio/mp3": "mp3"}
MediumReader = Callable[[Mapping[str, Any]], Medium]


def _read_file(part: Mapping[str, Any]) -> Medium:
    """Return the medium of an `input_file`, or of the `file` object in a chat."""
    file_name = text_of(part.get("filename"))
    if file_id := text_of(part.get("file_id")):
        return Medium(file_id=file_id, owner=OWNER, name=file_name)
    if file_url := text_of(part.get("file_url")):
        return linked_medium(file_url, "", file_name)
    return inline_medium(
        text_of(part.get("file_data")), mimetypes.guess_type(file_name)[0] or "application/pdf", file_name
    )


def _read_sound(part: Mapping[str, Any]) -> Medium:
    sound_fields = mapping_of(part.get("input_audio"))
    media_type = (
        "audio/mpeg" if sound_fields.get("format") == "mp3" else f"audio/{text_of(sound_fields.get('format')) or 'wav'}"
    )
    return Medium(media_type=media_type, data=text_of(sound_fields.get("data")))


def _read_image(part: Mapping[str, Any]) -> Medium:
    """Return the medium of an `input_image`, or of the `image_url` of a chat, which is an object."""
    image_value = part.get("image_url")
    image_url, detail = text_of(image_value), text_of(part.get("detail"))
    if isinstance(image_value, Mapping):
        image_url, detail = text_of(image_value.get("url")), text_of(image_value.get("detail"))
    if not image_url:
        return Medium(media_type="image/*", file_id=text_of(part.get("file_id")), owner=OWNER, detail=detail)
    if image_url.startswith("data:"):
        return inline_medium(image_url, "image/png", "", detail)
    return linked_medium(image_url, "image/*", "", detail)


def _link_reader(field_name: str, media_type: str) -> MediumReader:
    """Return a reader of parts with an address, which some compatible servers accept."""

    def read_link(part: Mapping[str, Any]) -> Medium:
        link = part.get(field_name)
        url = text_of(link.get("url") if isinstance(link, Mapping) else link)
        return inline_medium(url, media_type) if url.startswith("data:") else linked_medium(url, media_type)

    return read_link


RESPONSES_PARTS: Mapping[str, MediumReader] = {
    "input_file": _read_file,
    "input_image": _read_image,
    "input_audio": _read_sound,
}
CHAT_PARTS: Mapping[str, MediumReader] = {
    "file": lambda part: _read_file(mapping_of(part.get("file"))),
    "image_url": _read_image,
    "input_audio": _read_sound,
    "document_url": _link_reader("document_url", "application/pdf"),
    "video_url": _link_reader("video_url", "video/mp4"),
    "audio_url": _link_reader("audio_url", "audio/mpeg"),
}


def read_responses_medium(part: Mapping[str, Any]) -> Medium | None:
    """Return the medium of a part of Responses; None for any other part."""
    reader = RESPONSES_PARTS.get(text_of(part.get("type")))
    return reader(part) if reader else None


def read_chat_medium(part: Mapping[str, Any]) -> Medium | None:
    """Return the medium of a part of a chat message; None for any other part."""
    reader = CHAT_PARTS.get(text_of(part.get("type")))
    return reader(part) if reader else None


def write_responses_medium(part: Any) -> Part:
    """Return a part of Responses for a medium of any provider. Raises EngineError for video."""
    medium = sendable_medium(part, OWNER, "OpenAI")
    if medium.kind == "image":
        source = {"file_id": medium.file_id} if medium.file_id else {"image_url": medium.url or medium.data_url}
        return {"type": "input_image", **source, "detail": medium.detail or "auto"}
    if medium.kind == "video":
        raise EngineError("OpenAI accepts images, documents and sound, not video", kind="unsupported")
    if medium.kind == "audio" and medium.data:
        return _sound_part(medium, "OpenAI")
    if medium.file_id:
        return {"type": "input_file", "file_id": medium.file_id}
    if medium.url:
        return {"type": "input_file", "file_url": medium.url}
    return {"type": "input_file", "filename": medium.file_name, "file_data": medium.data_url}


def write_chat_medium(part: Any) -> Part:
    """Return a part of a chat message for a medium of any provider. Raises EngineError for a linked document."""
    medium = sendable_medium(part, OWNER, "a chat")
    if medium.kind == "image" and not medium.file_id:
        detail = {"detail": medium.detail} if medium.detail not in ("", "auto") else {}
        return {"type": "image_url", "image_url": {"url": medium.url or medium.data_url, **detail}}
    if medium.kind == "audio" and medium.data:
        return _sound_part(medium, "a chat")
    if medium.file_id:
        return {"type": "file", "file": {"file_id": medium.file_id}}
    if medium.kind == "video":
        return {"type": "video_url", "video_url": {"url": medium.url or medium.data_url}}
    if medium.url:
        raise EngineError(
            f"a chat accepts a document as bytes, not as the URL {medium.url:.80}; load it first", kind="unsupported"
        )
    return {"type": "file", "file": {"filename": medium.file_name, "file_data": medium.data_url}}


def _sound_part(medium: Medium, receiver: str) -> Part:
    sound_format = SOUND_FORMATS.get(medium.media_type, medium.media_type.partition("/")[2])
    if sound_format not in ("wav", "mp3"):
        raise EngineError(f"{receiver} accepts sound as wav or mp3, not {medium.media_type}", kind="unsupported")
    return {"type": "input_audio", "input_audio": {"data": medium.data, "format": sound_format}}
