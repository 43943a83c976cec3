"""Results of MCP tools as values that every provider takes."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

from ...errors import ToolError

TEXT_TYPES = ("text/", "application/json", "application/xml")


def tool_result(result: Mapping[str, Any], *, is_wrapped: bool = False) -> Any:
    """Return the result of a call: a text, structured data, or a list of texts and media.

    `result` is the JSON of a `CallToolResult`. `is_wrapped` says that the server put the value
    into an object of one field. Raises ToolError with the text of a result that is an error.
    """
    parts = [_part(item) for item in result.get("content") or ()]
    texts = [part["text"] for part in parts if part.get("type") == "text"]
    if result.get("isError"):
        raise ToolError("\n".join(texts) or "the tool failed without a message")
    structured = result.get("structuredContent")
    if structured is not None and len(texts) == len(parts):
        return (
            structured["result"]
            if is_wrapped and isinstance(structured, Mapping) and "result" in structured
            else structured
        )
    if len(parts) == 1 and len(texts) == 1:
        return texts[0]
    return parts or None


def _part(item: Mapping[str, Any]) -> dict[str, Any]:
    """Return one content of a result as a text, or as a medium in the form of `nt.image`."""
    kind = item.get("type")
    if kind == "text":
        return {"type": "text", "text": item["text"]}
    if kind in ("image", "audio"):
        return {"media_type": item["mimeType"], "content": item["data"]}
    if kind == "resource":
        resource = item["resource"]
        if "text" in resource:
            return {"type": "text", "text": resource["text"]}
        media_type = resource.get("mimeType") or "application/octet-stream"
        if media_type.startswith(TEXT_TYPES):
            return {"type": "text", "text": base64.b64decode(resource["blob"]).decode("utf-8", "replace")}
        return {"media_type": media_type, "content": resource["blob"], "name": str(resource["uri"]).rsplit("/", 1)[-1]}
    if kind == "resource_link":
        described = [str(item[name]) for name in ("name", "description", "mimeType") if item.get(name)]
        return {"type": "text", "text": f"{item['uri']} ({', '.join(described)})" if described else str(item["uri"])}
    return {"type": "text", "text": str(dict(item))}


__all__ = ["tool_result"]
