"""Images as geppetto keeps them: a map with a URL, bytes, or a provider's file id."""

from __future__ import annotations

import binascii
import os
from collections.abc import Mapping
from typing import Any

from ..errors import LoadError, MisuseError
from .frozen_json import FrozenDict, freeze

DETAIL_LEVELS = ("low", "high", "auto", "original")


def image(
    source: str | os.PathLike[str] | bytes, media_type: str | None = None, detail: str | None = None
) -> FrozenDict:
    """An image for `user(..., images=[...])`: a path, an http(s) or data URL, bytes, or `file_id:…`.

    Raises LoadError for a path that cannot be read, MisuseError for content that is not known
    to be an image or a document and says no `media_type`, and for a data URL that is not base64.
    """
    if isinstance(source, (bytearray, memoryview)):
        source = bytes(source)
    if not isinstance(source, (str, bytes, os.PathLike)):
        raise MisuseError(
            f"an image is a path, a URL, bytes or an image map, not {type(source).__name__}: {source!r:.60}"
        )
    image_map: dict[str, Any] = {}
    if isinstance(source, str) and source.startswith("file_id:"):
        image_map["file_id"] = source.removeprefix("file_id:")
    elif isinstance(source, str) and source.startswith(("http://", "https://")):
        image_map["url"] = source
        if media_type:
            image_map["media_type"] = media_type
    elif isinstance(source, str) and source.startswith("data:"):
        image_map["media_type"], image_map["content"] = parse_data_url(source)
    else:
        content, type_by_name = (source, None) if isinstance(source, bytes) else _read_image_file(source)
        image_map["media_type"] = media_type or _sniff_media_type(content) or type_by_name
        if not image_map["media_type"]:
            raise MisuseError('image content requires a media_type, like media_type="image/png"')
        image_map["content"] = _encode_base64(content)
    if detail is not None:
        image_map["detail"] = normal_detail(detail)
    return FrozenDict(image_map)


def _read_image_file(path: str | os.PathLike[str]) -> tuple[bytes, str | None]:
    """The bytes of a file, and the media type its name speaks of."""
    import mimetypes

    try:
        with open(os.path.expanduser(path), "rb") as file:  # noqa: PTH111, PTH123  # pathlib would weigh on every import
            content = file.read()
    except OSError as error:
        raise LoadError(f"this image cannot be read: {error.strerror}", file=os.fspath(path)) from None
    type_by_name = mimetypes.guess_type(os.fspath(path))[0]
    return content, type_by_name if type_by_name and not type_by_name.startswith("text/") else None


def normal_image(raw: Mapping[str, Any]) -> FrozenDict:
    """One image map in one shape: base64 content, `url` for a URL, a known `detail`.

    Raises ValueError where geppetto does: content without a media type, a data URL
    that is not base64.
    """
    image_map = {k: v for k, v in raw.items() if k != "image_url"}
    url = raw.get("url") or raw.get("image_url")
    if isinstance(url, Mapping):  # OpenAI's own nesting, seen in hand-written files
        image_map.setdefault("detail", url.get("detail", "auto"))
        url = url.get("url")
    content = raw.get("content")
    if isinstance(url, str) and url:
        if url.startswith("data:"):
            image_map["media_type"], image_map["content"] = parse_data_url(url)
            image_map.pop("url", None)
        else:
            image_map["url"] = url
    elif content is not None and not raw.get("file_id") and not raw.get("file_uri"):
        image_map |= _normal_content(content, raw.get("media_type"))
    if not any(
        isinstance(image_map.get(name), str) and image_map[name] for name in ("url", "content", "file_id", "file_uri")
    ):
        raise MisuseError(f"an image map has a url, content, a file_id or a file_uri; this one is {dict(raw)!r:.60}")
    if "detail" in image_map:
        image_map["detail"] = normal_detail(image_map["detail"])
    frozen: FrozenDict = freeze(image_map)
    return frozen


def normal_or_raw_image(raw: Any) -> Any:
    """An image map in one shape, as in `normal_image`; one that has none stays as it is."""
    try:
        return normal_image(raw) if isinstance(raw, Mapping) else raw
    except (ValueError, TypeError):  # a reader of files keeps what it cannot use
        return raw


def _normal_content(content: Any, media_type: Any) -> dict[str, Any]:
    if isinstance(content, str) and content.startswith("data:"):
        url_media_type, text = parse_data_url(content)
        return {"media_type": url_media_type, "content": text}
    if not media_type:
        raise MisuseError("image content requires a media_type")
    if isinstance(content, bytes):
        return {"content": _encode_base64(content)}
    if isinstance(content, (list, tuple)):  # geppetto writes bytes as a list of integers
        return {"content": _encode_base64(bytes(content))}
    if not _is_base64(content):  # what is no base64 are the bytes themselves
        return {"content": _encode_base64(str(content).encode())}
    return {}


def image_bytes(image: Mapping[str, Any]) -> bytes | None:
    """The bytes of an image that carries its content; None for a URL or a file id."""
    content = image.get("content")
    return binascii.a2b_base64(content) if isinstance(content, str) and content else None


def parse_data_url(url: str) -> tuple[str, str]:
    """The media type and base64 text of a data URL. Raises ValueError when it is not base64."""
    head, comma, body = url.partition(",")
    if not comma or not head.endswith(";base64") or not _is_base64(body):
        raise MisuseError(f"a data URL of an image is base64: data:image/png;base64,…; this one is {url:.40}…")
    return head.removeprefix("data:").removesuffix(";base64").split(";")[0] or "application/octet-stream", body


def normal_detail(detail: Any) -> str:
    lowered = str(detail).strip().lower()
    return lowered if lowered in DETAIL_LEVELS else "auto"


def _is_base64(text: Any) -> bool:
    try:
        binascii.a2b_base64(text, strict_mode=True)
    except (binascii.Error, ValueError, TypeError):
        return False
    return True


def _sniff_media_type(content: bytes) -> str | None:
    starts = {b"\x89PNG\r\n": "image/png", b"\xff\xd8\xff": "image/jpeg", b"GIF8": "image/gif"}
    if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
        return "image/webp"
    return next((media_type for start, media_type in starts.items() if content.startswith(start)), None)


def _encode_base64(content: bytes) -> str:
    """Bytes in base64, as `base64.b64encode` has them; that module would cost every import of ours a millisecond."""
    return binascii.b2a_base64(content, newline=False).decode("ascii")
