"""Images, documents and sound in a Turn, translated from the words of one provider into those of another.

Each provider keeps its media in its own shape. `Provider.read_medium` reads a shape into a
`Medium` (bytes, an address, a file of the provider's), and its codec writes a Medium in the
shape that it sends; a medium without such a shape is an error.
"""

from __future__ import annotations

import base64
import binascii
import mimetypes
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from ..errors import EngineError
from ..values.frozen_json import ImageMap
from .json_access import result_json, text_of

Part = dict[str, Any]
TEXT_TYPES = ("text/", "application/json", "application/xml")
TEXT_PARTS = ("text", "input_text", "output_text")
TEXT_PART_FIELDS = frozenset({"type", "text", "annotations", "_meta", "meta", "citations", "cache_control"})
BASE64 = re.compile(r"[A-Za-z0-9+/_\-\s]+(?:={1,2}\s*)?")
IMAGE_FIELDS = frozenset({"media_type", "content", "detail", "name"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Medium:
    """One image, document or sound: base64 `data`, a `url`, or a `file_id` of the provider `owner`."""

    media_type: str = ""
    data: str = ""
    url: str = ""
    file_id: str = ""
    owner: str = ""
    name: str = ""
    detail: str = ""

    @property
    def kind(self) -> str:
        """One of image, audio, video, text and file."""
        first = self.media_type.partition("/")[0]
        if self.media_type.startswith(TEXT_TYPES):
            return "text"
        return first if first in ("image", "audio", "video") else "file"

    @property
    def has_content(self) -> bool:
        """True with bytes, an address or a file."""
        return bool(self.data or self.url or self.file_id)

    @property
    def data_url(self) -> str:
        """The content as a data URL."""
        return f"data:{self.media_type or 'application/octet-stream'};base64,{self.data}"

    @property
    def file_name(self) -> str:
        """The name; without one, a name of its type."""
        return self.name or f"document{mimetypes.guess_extension(self.media_type) or ''}"

    @property
    def text(self) -> str:
        """The content of a text document. Raises EngineError where it is not UTF-8."""
        try:
            return base64.b64decode(self.data, validate=True).decode("utf-8")
        except (binascii.Error, ValueError):
            raise EngineError(
                f"the document {self.name or self.media_type} is not UTF-8 text", kind="unsupported"
            ) from None


# Reading.


def medium(part: Any) -> Medium | None:
    """Return the medium in a part of any installed provider; None where it is not a medium."""
    from .registry import installed_providers

    if not isinstance(part, Mapping):
        return None
    for provider in installed_providers():
        if provider.read_medium is not None and (medium_read := provider.read_medium(part)) is not None:
            return medium_read
    return _geppetto_medium(part)


def _geppetto_medium(part: Mapping[str, Any]) -> Medium | None:
    """Return a medium in the shape of geppetto's images, which may have any media type."""
    content = part.get("content")
    if part.get("type") or not (content or part.get("url")) or isinstance(content, (list, Mapping)):
        return None
    url, data = text_of(part.get("url")), text_of(content)
    return Medium(media_type=text_of(part.get("media_type")), data=data, url=url, name=text_of(part.get("name")))


def linked_medium(url: str, media_type: str, name: str = "", detail: str = "") -> Medium:
    """Return a medium at an address; the type is guessed from its path, else `media_type`."""
    guess = mimetypes.guess_type(urlsplit(url).path)[0] if url else None
    return Medium(media_type=guess or media_type, url=url, name=name, detail=detail)


def inline_medium(data: str, media_type: str, name: str = "", detail: str = "") -> Medium:
    """Return a medium of a data URL, or of base64 alone."""
    if data.startswith("data:"):
        head, _, data = data.partition(",")
        media_type = head.removeprefix("data:").partition(";")[0] or media_type
    return Medium(media_type=media_type, data=data, name=name, detail=detail)


# Writing.


def sendable_medium(part: Any, owner: str, receiver: str) -> Medium:
    """Return the medium in a part that goes to `receiver`, which reads files of `owner` only.

    Raises EngineError for a part without a medium, and for a file of another provider.
    """
    sendable = medium(part)
    if sendable is None or not sendable.has_content:
        raise EngineError(
            f"{receiver} accepts images, documents and other files as media, not {part!r:.80}", kind="unsupported"
        )
    if sendable.file_id and sendable.owner != owner:
        raise EngineError(
            f"{sendable.file_id:.60} is a file of {sendable.owner}, which {receiver} cannot read; pass its bytes or a URL",
            kind="unsupported",
        )
    return sendable


def content_parts(result: Any, text_type: str, write: Callable[[Any], Part]) -> list[Part] | None:
    """Return a tool result that is one medium, or a list of texts and media of any provider, as parts.

    None for any other result: rows that merely look like parts are data. Next to a medium, data becomes text.
    A medium that the provider does not take becomes a text that says so, because it would end the conversation.
    `text_type` is the provider's type of a text: "text" or "input_text".
    """
    items = result if isinstance(result, list) else [result]
    media = [result_medium(item) for item in items]
    if not any(media) and not (isinstance(result, list) and items and all(map(is_text_part, items))):
        return None
    return [
        _written_or_named(item, item_medium, text_type, write)
        if item_medium
        else {"type": text_type, "text": _text_of_item(item)}
        for item, item_medium in zip(items, media, strict=True)
    ]


def _written_or_named(item: Any, item_medium: Medium, text_type: str, write: Callable[[Any], Part]) -> Part:
    name = f"{item_medium.media_type or 'a file'}{f' {item_medium.name}' if item_medium.name else ''}"
    if item_medium.data and not BASE64.fullmatch(item_medium.data):
        return {"type": text_type, "text": f"[{name}: not sent, because its content is not base64]"}
    try:
        return write(_geppetto_image(item, item_medium))
    except EngineError as error:
        if error.kind != "unsupported":
            raise
        return {"type": text_type, "text": f"[{name}: not sent; {error}]"}


def is_text_part(item: Any) -> bool:
    """Tell whether an item of a tool result is a text part; other fields make it a row of data."""
    if not isinstance(item, Mapping) or item.get("type") not in TEXT_PARTS or not isinstance(item.get("text"), str):
        return False
    return all(name in TEXT_PART_FIELDS or value is None for name, value in item.items())


def _text_of_item(item: Any) -> str:
    if is_text_part(item):
        return text_of(item["text"])
    return item if isinstance(item, str) else result_json(item)


def result_medium(item: Any) -> Medium | None:
    """Return the medium of an item of a tool result; None for data that merely looks like one.

    A medium is made by `nt.image`, is base64 with a media type and nothing else, or has the whole shape of a
    part of a provider or of MCP.
    """
    if not isinstance(item, Mapping):
        return None
    if isinstance(item, ImageMap) or (set(item) <= IMAGE_FIELDS and text_of(item.get("content"))):
        image_medium = _geppetto_medium(item)
        is_whole = image_medium is not None and (image_medium.url or "/" in image_medium.media_type)
        return image_medium if is_whole else None
    if mcp_medium := _mcp_medium(item):
        return mcp_medium
    typed_medium = medium(item)
    is_image_map = typed_medium is not None and typed_medium == _geppetto_medium(item)
    return typed_medium if typed_medium is not None and typed_medium.has_content and not is_image_map else None


def _mcp_medium(item: Mapping[str, Any]) -> Medium | None:
    """Return the medium of an image, a sound or an embedded file of an MCP server."""
    part_type, media_type = item.get("type"), text_of(item.get("mimeType"))
    if part_type in ("image", "audio") and media_type.startswith(f"{part_type}/") and text_of(item.get("data")):
        return Medium(media_type=media_type, data=text_of(item["data"]))
    resource = item.get("resource")
    if part_type == "resource" and isinstance(resource, Mapping) and text_of(resource.get("blob")):
        name = text_of(resource.get("uri")).rpartition("/")[2]
        media_type = text_of(resource.get("mimeType")) or mimetypes.guess_type(name)[0] or ""
        return Medium(media_type=media_type, data=text_of(resource["blob"]), name=name) if media_type else None
    return None


def _geppetto_image(item: Mapping[str, Any], item_medium: Medium) -> Mapping[str, Any]:
    """Return a medium in a shape that each codec can write: its own, or that of geppetto's images."""
    if medium(item) is None:
        return {"media_type": item_medium.media_type, "content": item_medium.data, "name": item_medium.name}
    return {**item, "media_type": item_medium.media_type or "image/*"} if isinstance(item, ImageMap) else item
