"""Arguments and results as the instrumentations of OpenInference write them on spans of tool calls.

`tool.parameters` has the arguments or the JSON Schema of the tool; `input.value` the arguments, the only argument as
text (LangChain), or what Python's call got (smolagents). `output.value` is the result, or LangChain's message with it.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping
from typing import Any

from .record_fields import json_or_none

ARGUMENT_NAMES = ("tool_call.function.arguments", "input.value", "tool.parameters")
CALLING_TOOLS = "Calling tools:\n"  # begins a message of smolagents
OBSERVATION = "Observation:\n"


def span_arguments(attributes: Mapping[str, Any]) -> Any:
    """Return the arguments of a tool call; a text when they are not an object, and None when there are none."""
    candidates = [attributes[name] for name in ARGUMENT_NAMES if attributes.get(name) is not None]
    for value in candidates:
        arguments = json_or_none(value) if isinstance(value, str) else value
        if isinstance(arguments, Mapping):
            return _python_arguments(arguments)
    return candidates[0] if candidates else None


def _python_arguments(arguments: Mapping[str, Any]) -> Any:
    """Return the keywords of a call in Python that has no other arguments."""
    keywords = arguments.get("kwargs")
    if isinstance(keywords, Mapping) and not arguments.get("args") and "args" in arguments:
        return keywords
    return arguments


def span_result(attributes: Mapping[str, Any]) -> tuple[str, Any]:
    """Return the id of the tool call, if the result has it, and the result."""
    value = attributes.get("output.value")
    message = json_or_none(value) if isinstance(value, str) and value.startswith("{") else None
    data = message.get("data") if isinstance(message, Mapping) and message.get("type") == "tool" else None
    if not isinstance(data, Mapping) or not isinstance(data.get("tool_call_id"), str) or "content" not in data:
        return "", value
    return data["tool_call_id"], data["content"]


def calls_in_text(text: str) -> list[dict[str, Any]]:
    """Return the tool calls that smolagents writes as a text; none for any other text."""
    if not text.startswith(CALLING_TOOLS):
        return []
    try:
        calls = ast.literal_eval(text.removeprefix(CALLING_TOOLS))
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return []
    are_calls = isinstance(calls, list) and all(isinstance(call, dict) for call in calls)
    return [call for call in calls if isinstance(call.get("function"), dict)] if are_calls else []
