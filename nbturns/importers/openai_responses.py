"""OpenAI Responses: requests, replies, pairs of both, lists of items.

Source: OpenAI's Responses reference; openai/openai-python at e43b422412a9, src/openai/types/responses: `input` is a text or
a list of items (`message`, `reasoning`, `function_call`, `function_call_output`, …), a reply is an object "response" with
its items in `output`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .kit.importer import LIKELY, SURE, Importer
from .kit.provider_requests import RequestLayout
from .kit.recorded_calls import PAIR_SCORE, recorded_call
from .kit.sample import Sample

FORMAT = "openai"
ITEM_TYPES = frozenset(
    {"message", "reasoning", "function_call", "function_call_output", "item_reference", "compaction"}
)
OWN_ITEM_TYPES = ITEM_TYPES - {"message"}
OWN_PART_TYPES = frozenset({"input_text", "output_text", "input_image", "input_file"})
ROLES = frozenset({"user", "assistant", "system", "developer"})
MAX_SCORED_ITEMS = 100  # number that a score checks


def score_openai_responses(sample: Sample) -> int:
    """Return SURE for its own items, parts and replies, and LIKELY for an `input` of plain messages."""
    record = sample.record
    if sample.container != "json" or not record:
        return 0
    if (call := recorded_call(record)) is not None:
        return PAIR_SCORE if call.format == FORMAT else 0
    request = _request_of(record)
    if "messages" in request or "eval" in request:
        return 0
    input_items = request.get("input", sample.records)
    if isinstance(input_items, str):
        return LIKELY if "model" in request or "instructions" in request else 0
    first_items = (
        [item for item in input_items[:MAX_SCORED_ITEMS] if isinstance(item, Mapping)]
        if isinstance(input_items, list)
        else []
    )
    if not first_items or not all(map(_is_item, first_items)):
        return 0
    if any(item.get("type") in OWN_ITEM_TYPES or _has_own_part(item) for item in first_items):
        return SURE
    return LIKELY + 5 if "input" in request else 0


def _request_of(record: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the request in a record: that of a pair, the body of a batch request, or the record itself."""
    for field_name in ("body", "request"):
        inner_request = record.get(field_name)
        if isinstance(inner_request, Mapping) and "input" in inner_request:
            return inner_request
    return record


def _is_item(item: Any) -> bool:
    if not isinstance(item, Mapping):
        return False
    item_type = item.get("type", "message" if "role" in item else None)
    if not isinstance(item_type, str) or "data" in item:
        return False
    if item_type == "message":
        role = item.get("role")
        return isinstance(role, str) and role in ROLES and "content" in item and "tool_calls" not in item
    return (
        item_type in ITEM_TYPES
        or item_type.endswith(("_call", "_call_output", "_output"))
        or item_type.startswith("mcp_")
    )


def _has_own_part(item: Mapping[str, Any]) -> bool:
    content = item.get("content")
    content_parts = content if isinstance(content, list) else []
    return any(
        isinstance(content_part, Mapping) and str(content_part.get("type")) in OWN_PART_TYPES
        for content_part in content_parts
    )


def _is_known_type(item_type: str) -> bool:
    return (
        item_type in ITEM_TYPES
        or item_type.endswith(("_call", "_output", "_response"))
        or item_type.startswith(("mcp_", "program"))
    )


LAYOUT = RequestLayout(FORMAT, "input", ("instructions",), "", _is_known_type)
IMPORTER = Importer(FORMAT, score_openai_responses, LAYOUT.reader(_is_item))
