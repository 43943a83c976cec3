"""Anthropic Messages: requests, replies, pairs of both, lists of messages.

Facts: Anthropic's Messages reference: `system` beside the messages, contents that are a text or
content blocks (`text`, `image`, `tool_use`, `tool_result`, `thinking`, …), replies of the type "message".
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .importer import SURE, Importer
from .provider_requests import RequestLayout
from .source import Sample

FORMAT = "anthropic"
ROLES = frozenset({"user", "assistant", "system"})
OWN_PARTS = frozenset(
    {"tool_use", "tool_result", "thinking", "redacted_thinking", "document", "server_tool_use", "search_result"}
    | {"web_search_tool_result", "mcp_tool_use", "mcp_tool_result", "container_upload"}
)
FOREIGN_PARTS = frozenset({"image_url", "input_text", "output_text", "input_image", "reasoning", "tool-call"})
FOREIGN_NAMES = frozenset({"tool_calls", "tool_call_id", "function_call", "parts", "toolCalls", "uuid", "lc", "source"})
KNOWN = frozenset({"server_tool_use", "mcp_tool_use", "compaction", "fallback", "container_upload", "tool_reference"})
WITH_SYSTEM, IN_PARTS, IN_TEXTS = 75, 55, 20


def score(sample: Sample) -> int:
    """Sure of its own content blocks and replies; a `system` beside messages, or texts in parts, are likely its own."""
    record = sample.record
    if sample.container != "json":
        return 0
    if _is_reply(record):
        return SURE
    pair = record.get("request")
    request = pair if isinstance(pair, Mapping) and "messages" in pair else record
    request = record["body"] if isinstance(record.get("body"), Mapping) else request
    messages = request.get("messages") if "messages" in request else sample.records
    if not isinstance(messages, list) or not messages or "eval" in record:
        return 0
    some = [message for message in messages[:100] if isinstance(message, Mapping)]
    if not some or not all(_is_message(message) for message in some):
        return 0
    parts = [part for message in some for part in _parts(message)]
    types = {str(part.get("type")) for part in parts}
    if types & FOREIGN_PARTS or not all("type" in part for part in parts):
        return 0
    if types & OWN_PARTS or any("cache_control" in part or "source" in part for part in parts):
        return SURE
    if "system" in request:
        return WITH_SYSTEM
    return 0 if any(message.get("role") == "system" for message in some) else IN_PARTS if parts else IN_TEXTS


def _is_message(message: Any) -> bool:
    if not isinstance(message, Mapping) or str(message.get("role")) not in ROLES:
        return False
    if message.get("type", "message") != "message" or not FOREIGN_NAMES.isdisjoint(message):
        return False
    return isinstance(message.get("content"), (str, list))


def _parts(message: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    content = message.get("content")
    return [part for part in content if isinstance(part, Mapping)] if isinstance(content, list) else []


def _is_reply(value: Mapping[str, Any]) -> bool:
    return (
        value.get("type") == "message"
        and value.get("role") == "assistant"
        and isinstance(value.get("content"), list)
        and "stop_reason" in value
        and "messages" not in value
    )


def _is_known(type: str) -> bool:
    return type in KNOWN or type.endswith("_tool_result")


LAYOUT = RequestLayout(FORMAT, "messages", ("system",), "content", _is_reply, _is_known)


def _is_alone(record: Mapping[str, Any]) -> bool:
    return _is_message(record) and not _is_reply(record)


IMPORTER = Importer(FORMAT, score, LAYOUT.reader(_is_alone))
