"""Image maps in geppetto's form: a mapping with a URL, bytes, or a provider's file id."""

from __future__ import annotations

import binascii
import os
from collections.abc import Mapping
from typing import Any

from ..errors import LoadError, MisuseError
from .frozen_json import FrozenDict, ImageMap, encode_base64, freeze

DETAIL_LEVELS = ("low", "high", "auto", "original")


def image(
    source: str | os.PathLike[str] | bytes, media_type: str | None = None, detail: str | None = None
) -> FrozenDict:
    """Return an image map for `user(..., images=[...])` from a path, an http(s) or data URL, bytes, or `file_id:…`.

    Raises LoadError for an unreadable path, and MisuseError for content of unknown media type
    without `media_type` and for a data URL that is not base64.
    """
    if isinstance(source, (bytearray, memoryview)):
        source = bytes(source)
    if not isinstance(source, (str, bytes, os.PathLike)):
        raise MisuseError(
            f"an image must be a path, a URL, bytes or an image map, got {type(source).__name__}: {source!r:.60}"
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
        image_map["content"] = encode_base64(content)
    if detail is not None:
        image_map["detail"] = normal_detail(detail)
    return ImageMap(image_map)


def _read_image_file(path: str | os.PathLike[str]) -> tuple[bytes, str | None]:
    """Return the bytes of a file, and the media type of its suffix or None."""
    import mimetypes

    from ..safety.regular_files import read_regular

    try:
        content = read_regular(os.path.expanduser(path))  # noqa: PTH111  # pathlib would slow down `import nbturns`
    except (OSError, ValueError) as error:  # ValueError: a name with NUL
        raise LoadError(
            f"the image cannot be read: {getattr(error, 'strerror', None) or error}", file=os.fspath(path)
        ) from None
    type_by_name = mimetypes.guess_type(os.fspath(path))[0]
    return content, type_by_name if type_by_name and not type_by_name.startswith("text/") else None


def normal_image(raw_image: Mapping[str, Any]) -> FrozenDict:
    """Return an image map in normal form: base64 content, `url` for a URL, a known `detail`.

    Raises ValueError like geppetto for content without a media type and for a data URL that is
    not base64.
    """
    image_map = {k: v for k, v in raw_image.items() if k != "image_url"}
    image_url = raw_image.get("url") or raw_image.get("image_url")
    if isinstance(image_url, Mapping):  # nested as in OpenAI's API, found in hand-written files
        image_map.setdefault("detail", image_url.get("detail", "auto"))
        image_url = image_url.get("url")
    image_content = raw_image.get("content")
    if isinstance(image_url, str) and image_url:
        if image_url.startswith("data:"):
            image_map["media_type"], image_map["content"] = parse_data_url(image_url)
            image_map.pop("url", None)
        else:
            image_map["url"] = image_url
    elif image_content is not None and not raw_image.get("file_id") and not raw_image.get("file_uri"):
        image_map |= _normal_content(image_content, raw_image.get("media_type"))
    if not any(
        isinstance(image_map.get(name), str) and image_map[name] for name in ("url", "content", "file_id", "file_uri")
    ):
        raise MisuseError(f"an image map needs a url, content, a file_id or a file_uri, got {dict(raw_image)!r:.60}")
    if "detail" in image_map:
        image_map["detail"] = normal_detail(image_map["detail"])
    frozen: FrozenDict = freeze(image_map)
    return frozen


def normal_or_raw_image(raw_image: Any) -> Any:
    """Return an image map in normal form; an invalid one unchanged."""
    try:
        return normal_image(raw_image) if isinstance(raw_image, Mapping) else raw_image
    except (ValueError, TypeError):  # files may have invalid images
        return raw_image


def _normal_content(content: Any, media_type: Any) -> dict[str, Any]:
    if isinstance(content, str) and content.startswith("data:"):
        url_media_type, base64_text = parse_data_url(content)
        return {"media_type": url_media_type, "content": base64_text}
    if not media_type:
        raise MisuseError("image content requires a media_type")
    if isinstance(content, (bytes, bytearray, memoryview)):
        return {"content": encode_base64(content)}
    if isinstance(content, (list, tuple)):  # geppetto writes bytes as a list of integers
        return {"content": encode_base64(bytes(content))}
    if not _is_base64(content):  # geppetto takes other text as the bytes themselves
        return {"content": encode_base64(str(content).encode())}
    return {}


def image_bytes(image: Mapping[str, Any]) -> bytes | None:
    """Return the bytes of an image map with content; None for a URL or a file id."""
    content = image.get("content")
    return binascii.a2b_base64(content) if isinstance(content, str) and content else None


def parse_data_url(url: str) -> tuple[str, str]:
    """Return the media type and the base64 text of a data URL. Raises ValueError when it is not base64."""
    url_header, comma, base64_text = url.partition(",")
    if not comma or not url_header.endswith(";base64") or not _is_base64(base64_text):
        raise MisuseError(f"a data URL must be base64, like data:image/png;base64,…, got {url:.40}…")
    return url_header.removeprefix("data:").removesuffix(";base64").split(";")[
        0
    ] or "application/octet-stream", base64_text


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
    magic_numbers = {b"\x89PNG\r\n": "image/png", b"\xff\xd8\xff": "image/jpeg", b"GIF8": "image/gif"}
    if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
        return "image/webp"
    return next(
        (media_type for magic_number, media_type in magic_numbers.items() if content.startswith(magic_number)), None
    )
