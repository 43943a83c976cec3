"""OpenAI Responses: requests, replies, pairs of both, lists of items.

Source: OpenAI's Responses reference: `input` is a text or a list of items (`message`, `reasoning`,
`function_call`, `function_call_output`, …), a reply is an object "response" with its items in `output`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .kit.importer import LIKELY, SURE, Importer
from .kit.provider_requests import RequestLayout
from .kit.source import Sample

FORMAT = "openai"
TYPES = frozenset({"message", "reasoning", "function_call", "function_call_output", "item_reference", "compaction"})
OWN_TYPES = TYPES - {"message"}
OWN_PART_TYPES = frozenset({"input_text", "output_text", "input_image", "input_file"})
ROLES = frozenset({"user", "assistant", "system", "developer"})
MAX_ITEMS = 100  # that a score looks at


def score(sample: Sample) -> int:
    """Return SURE for its own items, parts and replies, and LIKELY for an `input` of plain messages."""
    record = sample.record
    if sample.container != "json" or not record:
        return 0
    if _is_reply(record):
        return SURE
    request = _request_of(record)
    if "messages" in request or "eval" in request:
        return 0
    items = request.get("input", sample.records)
    if isinstance(items, str):
        return LIKELY if "model" in request or "instructions" in request else 0
    first_items = [item for item in items[:MAX_ITEMS] if isinstance(item, Mapping)] if isinstance(items, list) else []
    if not first_items or not all(map(_is_item, first_items)):
        return 0
    if any(item.get("type") in OWN_TYPES or _has_own_part(item) for item in first_items):
        return SURE
    return LIKELY + 5 if "input" in request else 0


def _request_of(record: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the request in a record: that of a pair, the body of a batch request, or the record itself."""
    for name in ("body", "request"):
        request = record.get(name)
        if isinstance(request, Mapping) and "input" in request:
            return request
    return record


def _is_item(item: Any) -> bool:
    if not isinstance(item, Mapping):
        return False
    type = item.get("type", "message" if "role" in item else None)
    if not isinstance(type, str) or "data" in item:
        return False
    if type == "message":
        role = item.get("role")
        return isinstance(role, str) and role in ROLES and "content" in item and "tool_calls" not in item
    return type in TYPES or type.endswith(("_call", "_call_output", "_output")) or type.startswith("mcp_")


def _has_own_part(item: Mapping[str, Any]) -> bool:
    content = item.get("content")
    parts = content if isinstance(content, list) else []
    return any(isinstance(part, Mapping) and str(part.get("type")) in OWN_PART_TYPES for part in parts)


def _is_reply(value: Mapping[str, Any]) -> bool:
    return isinstance(value.get("output"), list) and (value.get("object") == "response" or "status" in value)


def _is_known_type(type: str) -> bool:
    return type in TYPES or type.endswith(("_call", "_output", "_response")) or type.startswith(("mcp_", "program"))


LAYOUT = RequestLayout(FORMAT, "input", ("instructions",), "", _is_reply, _is_known_type)
IMPORTER = Importer(FORMAT, score, LAYOUT.reader(_is_item))
