"""Images, documents and sound beside a text, from one provider's words into another's.

Each provider keeps what it was given in its own shape. A shape is read here into what
it says (bytes, an address, a provider's file), and written in the shape another takes;
what that other has no shape for is an error, in words.
"""

from __future__ import annotations

import base64
import binascii
import mimetypes
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from ..errors import EngineError
from .lenient import mapping_of, text_of

Part = dict[str, Any]
SOUNDS = {"audio/wav": "wav", "audio/x-wav": "wav", "audio/wave": "wav", "audio/mpeg": "mp3", "audio/mp3": "mp3"}
PLAIN = ("text/", "application/json", "application/xml")


@dataclass(frozen=True, slots=True, kw_only=True)
class Medium:
    """One thing beside a text: base64 `data`, a `url`, or the `file_id` that `owner` knows it by."""

    media_type: str = ""
    data: str = ""
    url: str = ""
    file_id: str = ""
    owner: str = ""
    name: str = ""
    detail: str = ""

    @property
    def kind(self) -> str:
        """What it is: image, audio, video, text, or file."""
        first = self.media_type.partition("/")[0]
        if self.media_type.startswith(PLAIN):
            return "text"
        return first if first in ("image", "audio", "video") else "file"

    @property
    def there(self) -> bool:
        """Whether there is anything of it."""
        return bool(self.data or self.url or self.file_id)

    @property
    def data_url(self) -> str:
        return f"data:{self.media_type or 'application/octet-stream'};base64,{self.data}"

    @property
    def text(self) -> str:
        """The text of a document that is one. Raises EngineError where it is not UTF-8."""
        try:
            return base64.b64decode(self.data, validate=True).decode("utf-8")
        except (binascii.Error, ValueError):
            raise EngineError(
                f"the document {self.name or self.media_type} is no UTF-8 text", kind="unsupported"
            ) from None


# Read, whoever wrote it.


def medium(given: Any) -> Medium | None:
    """What a part of any provider's says; None for one that is no medium, or not known."""
    if not isinstance(given, Mapping):
        return None
    kind = text_of(given.get("type"))
    if kind in ("document", "image") and isinstance(given.get("source"), Mapping):
        return _of_claude(kind, given["source"], text_of(given.get("title")))
    if read := READERS.get(kind):
        return read(given)
    for name in ("inlineData", "inline_data", "fileData", "file_data"):
        if isinstance(given.get(name), Mapping):
            return _of_gemini(given[name])
    if (
        not kind
        and (given.get("content") or given.get("url"))
        and not isinstance(given.get("content"), (list, Mapping))
    ):
        url, data = text_of(given.get("url")), text_of(given.get("content"))  # as geppetto's images, of any type
        return Medium(media_type=text_of(given.get("media_type")), data=data, url=url, name=text_of(given.get("name")))
    return None


def _of_claude(kind: str, source: Mapping[str, Any], title: str) -> Medium | None:
    media_type = text_of(source.get("media_type")) or ("application/pdf" if kind == "document" else "")
    match source.get("type"):
        case "base64":
            return Medium(media_type=media_type, data=text_of(source.get("data")), name=title)
        case "text":
            data = base64.b64encode(text_of(source.get("data")).encode("utf-8", "replace")).decode("ascii")
            return Medium(media_type=media_type or "text/plain", data=data, name=title)
        case "url":
            return _at(text_of(source.get("url")), media_type, title)
        case "file":
            return Medium(media_type=media_type, file_id=text_of(source.get("file_id")), owner="anthropic", name=title)
    return None


def _of_gemini(blob: Mapping[str, Any]) -> Medium:
    media_type = text_of(blob.get("mimeType") or blob.get("mime_type"))
    name = text_of(blob.get("displayName") or blob.get("display_name"))
    if data := text_of(blob.get("data")):
        return Medium(media_type=media_type, data=data, name=name)
    uri = text_of(blob.get("fileUri") or blob.get("file_uri"))
    if uri.startswith("gs://") or "generativelanguage.googleapis.com" in uri:
        return Medium(media_type=media_type, file_id=uri, owner="gemini", name=name)
    return _at(uri, media_type, name)


def _of_file(given: Mapping[str, Any]) -> Medium:
    """OpenAI's `input_file`, and what stands in the `file` of a chat."""
    name = text_of(given.get("filename"))
    if id := text_of(given.get("file_id")):
        return Medium(file_id=id, owner="openai", name=name)
    if url := text_of(given.get("file_url")):
        return _at(url, "", name)
    return _said(text_of(given.get("file_data")), mimetypes.guess_type(name)[0] or "application/pdf", name)


def _of_sound(given: Mapping[str, Any]) -> Medium:
    sound = mapping_of(given.get("input_audio"))
    media_type = "audio/mpeg" if sound.get("format") == "mp3" else f"audio/{text_of(sound.get('format')) or 'wav'}"
    return Medium(media_type=media_type, data=text_of(sound.get("data")))


def _of_image(given: Mapping[str, Any]) -> Medium:
    """OpenAI's `input_image`, and the `image_url` of a chat, which is an object."""
    said = given.get("image_url")
    url, detail = text_of(said), text_of(given.get("detail"))
    if isinstance(said, Mapping):
        url, detail = text_of(said.get("url")), text_of(said.get("detail"))
    if not url:
        return Medium(media_type="image/*", file_id=text_of(given.get("file_id")), owner="openai", detail=detail)
    return _said(url, "image/png", "", detail) if url.startswith("data:") else _at(url, "image/*", "", detail)


def _of_address(name: str, media_type: str) -> Callable[[Mapping[str, Any]], Medium]:
    def read(given: Mapping[str, Any]) -> Medium:
        said = given.get(name)
        url = text_of(said.get("url") if isinstance(said, Mapping) else said)
        return _said(url, media_type, "") if url.startswith("data:") else _at(url, media_type, "")

    return read


READERS: dict[str, Callable[[Mapping[str, Any]], Medium]] = {
    "input_file": _of_file,
    "file": lambda given: _of_file(mapping_of(given.get("file"))),
    "input_audio": _of_sound,
    "input_image": _of_image,
    "image_url": _of_image,
    "document_url": _of_address("document_url", "application/pdf"),
    "video_url": _of_address("video_url", "video/mp4"),
    "audio_url": _of_address("audio_url", "audio/mpeg"),
}


def _at(url: str, media_type: str, name: str, detail: str = "") -> Medium:
    guessed = mimetypes.guess_type(urlsplit(url).path)[0] if url else None
    return Medium(media_type=guessed or media_type, url=url, name=name, detail=detail)


def _said(data: str, media_type: str, name: str, detail: str = "") -> Medium:
    """Bytes in a data URL, or as base64 alone."""
    if data.startswith("data:"):
        head, _, data = data.partition(",")
        media_type = head.removeprefix("data:").partition(";")[0] or media_type
    return Medium(media_type=media_type, data=data, name=name, detail=detail)


# Write, for each.


def for_claude(given: Any) -> Part:
    """A content block of Claude's. Raises EngineError for what Claude does not take."""
    what = _known(given, "anthropic", "Claude")
    if what.kind in ("audio", "video"):
        raise EngineError(f"Claude takes images and documents, no {what.media_type}", kind="unsupported")
    titled = {"title": what.name} if what.name and what.kind != "image" else {}
    kind = "image" if what.kind == "image" else "document"
    if what.file_id:
        return {"type": kind, "source": {"type": "file", "file_id": what.file_id}, **titled}
    if what.url:
        return {"type": kind, "source": {"type": "url", "url": what.url}, **titled}
    if what.kind == "text":
        return {"type": kind, "source": {"type": "text", "media_type": "text/plain", "data": what.text}, **titled}
    source = {"type": "base64", "media_type": what.media_type, "data": what.data}
    return {"type": kind, "source": source, **titled}


def for_openai(given: Any) -> Part:
    """A part of an item of OpenAI's Responses."""
    what = _known(given, "openai", "OpenAI")
    if what.kind == "image":
        source = {"file_id": what.file_id} if what.file_id else {"image_url": what.url or what.data_url}
        return {"type": "input_image", **source, "detail": what.detail or "auto"}
    if what.kind == "video":
        raise EngineError("OpenAI takes images, documents and sound, no video", kind="unsupported")
    if what.kind == "audio" and what.data:
        return _sound(what, "OpenAI")
    if what.file_id:
        return {"type": "input_file", "file_id": what.file_id}
    if what.url:
        return {"type": "input_file", "file_url": what.url}
    return {"type": "input_file", "filename": _named(what), "file_data": what.data_url}


def for_chat(given: Any) -> Part:
    """A part of a message of Chat Completions."""
    what = _known(given, "openai", "a chat")
    if what.kind == "image" and not what.file_id:
        detail = {"detail": what.detail} if what.detail not in ("", "auto") else {}
        return {"type": "image_url", "image_url": {"url": what.url or what.data_url, **detail}}
    if what.kind == "audio" and what.data:
        return _sound(what, "a chat")
    if what.file_id:
        return {"type": "file", "file": {"file_id": what.file_id}}
    if what.kind == "video":
        return {"type": "video_url", "video_url": {"url": what.url or what.data_url}}
    if what.url:
        raise EngineError(
            f"a chat takes a document as bytes, not from {what.url:.80}; load it first", kind="unsupported"
        )
    return {"type": "file", "file": {"filename": _named(what), "file_data": what.data_url}}


def for_gemini(given: Any) -> Part:
    """A part of Gemini's content."""
    what = _known(given, "gemini", "Gemini")
    kind = {"mimeType": what.media_type} if what.media_type and not what.media_type.endswith("/*") else {}
    if what.data:
        return {"inlineData": {"mimeType": what.media_type or "application/octet-stream", "data": what.data}}
    return {"fileData": {"fileUri": what.file_id or what.url, **kind}}


def _known(given: Any, family: str, called: str) -> Medium:
    """What `given` says, if `family` can know it. Raises EngineError where it cannot."""
    what = medium(given)
    if what is None or not what.there:
        raise EngineError(
            f"{called} takes images, documents and other files beside a text, not {given!r:.80}", kind="unsupported"
        )
    if what.file_id and what.owner != family:
        raise EngineError(
            f"{what.file_id:.60} is a file of {what.owner}, which {called} cannot read; give its bytes or a URL",
            kind="unsupported",
        )
    return what


def _sound(what: Medium, called: str) -> Part:
    form = SOUNDS.get(what.media_type, what.media_type.partition("/")[2])
    if form not in ("wav", "mp3"):
        raise EngineError(f"{called} takes sound as wav or mp3, not {what.media_type}", kind="unsupported")
    return {"type": "input_audio", "input_audio": {"data": what.data, "format": form}}


def _named(what: Medium) -> str:
    """A file has a name there; one without gets one of its type."""
    return what.name or f"document{mimetypes.guess_extension(what.media_type) or ''}"


# A result that is a list of contents.


def contents(result: Any, own: str, write: Callable[[Any], Part]) -> list[Part] | None:
    """A result that is a list of texts and media of any provider, as parts; None for any other.

    `own` is what a text is called there: "text" or "input_text".
    """
    if not isinstance(result, list) or not result:
        return None
    made: list[Part] = []
    for one in result:
        if not isinstance(one, Mapping):
            return None
        if one.get("type") in ("text", "input_text", "output_text") and isinstance(one.get("text"), str):
            made.append({"type": own, "text": one["text"]})
        elif (what := medium(one)) is not None and what.there and (one.get("type") or what.media_type):
            made.append(write(one))
        else:
            return None
    return made
