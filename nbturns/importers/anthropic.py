"""Anthropic Messages: requests, replies, pairs of both, lists of messages.

Source: Anthropic's Messages reference; anthropics/anthropic-sdk-python at 009b035305e0, src/anthropic/types
(`MessageCreateParams`, `Message`, `ContentBlock`, `Usage`): a `system` field next to the messages, contents that are a text
or content blocks (`text`, `image`, `tool_use`, `tool_result`, `thinking`, …), replies of the type "message".
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .kit.importer import SURE, Importer
from .kit.provider_requests import RequestLayout
from .kit.recorded_calls import PAIR_SCORE, format_of_reply, recorded_call
from .kit.sample import Sample

FORMAT = "anthropic"
ROLES = frozenset({"user", "assistant", "system"})
OWN_PART_TYPES = frozenset(
    {"tool_use", "tool_result", "thinking", "redacted_thinking", "document", "server_tool_use", "search_result"}
    | {"web_search_tool_result", "mcp_tool_use", "mcp_tool_result", "container_upload"}
)
FOREIGN_PART_TYPES = frozenset({"image_url", "input_text", "output_text", "input_image", "reasoning", "tool-call"})
FOREIGN_FIELDS = frozenset(
    {"tool_calls", "tool_call_id", "function_call", "parts", "toolCalls", "uuid", "lc", "source"}
)
OTHER_TYPES = frozenset(
    {"server_tool_use", "mcp_tool_use", "compaction", "fallback", "container_upload", "tool_reference"}
)  # types of parts that become `other` blocks without a note
SYSTEM_FIELD_SCORE, TEXT_PARTS_SCORE, PLAIN_TEXTS_SCORE = 75, 55, 20  # scores
MAX_MESSAGES = 100  # number that a score checks


def score_anthropic(sample: Sample) -> int:
    """Return a score: high for its own content blocks and replies, lower for a `system` field or texts in parts."""
    record = sample.record
    if sample.container != "json":
        return 0
    if (call := recorded_call(record)) is not None:
        return PAIR_SCORE if call.format == FORMAT else 0
    request = _request_of(record)
    messages = request.get("messages") if "messages" in request else sample.records
    if not isinstance(messages, list) or not messages or "eval" in record:
        return 0
    first_messages = [message for message in messages[:MAX_MESSAGES] if isinstance(message, Mapping)]
    if not first_messages or not all(map(_is_message, first_messages)):
        return 0
    content_parts = [content_part for message in first_messages for content_part in _content_parts(message)]
    part_types = {str(content_part.get("type")) for content_part in content_parts}
    if part_types & FOREIGN_PART_TYPES or not all("type" in content_part for content_part in content_parts):
        return 0
    if part_types & OWN_PART_TYPES or any(
        "cache_control" in content_part or "source" in content_part for content_part in content_parts
    ):
        return SURE
    if "system" in request:
        return SYSTEM_FIELD_SCORE
    if any(message.get("role") == "system" for message in first_messages):
        return 0
    return TEXT_PARTS_SCORE if content_parts else PLAIN_TEXTS_SCORE


def _request_of(record: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the request in a record: that of a pair, the body of a batch request, or the record itself."""
    batch_body, pair_request = record.get("body", record.get("params")), record.get("request")
    if isinstance(batch_body, Mapping):
        return batch_body
    return pair_request if isinstance(pair_request, Mapping) and "messages" in pair_request else record


def _is_message(message: Any) -> bool:
    if not isinstance(message, Mapping) or str(message.get("role")) not in ROLES:
        return False
    if message.get("type", "message") != "message" or not FOREIGN_FIELDS.isdisjoint(message):
        return False
    return isinstance(message.get("content"), (str, list))


def _content_parts(message: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    content = message.get("content")
    return (
        [content_part for content_part in content if isinstance(content_part, Mapping)]
        if isinstance(content, list)
        else []
    )


def _is_known_type(part_type: str) -> bool:
    return part_type in OTHER_TYPES or part_type.endswith("_tool_result")


def _is_message_alone(value: Any) -> bool:
    return _is_message(value) and not format_of_reply(value)


LAYOUT = RequestLayout(FORMAT, "messages", ("system",), "content", _is_known_type)
IMPORTER = Importer(FORMAT, score_anthropic, LAYOUT.reader(_is_message_alone))
