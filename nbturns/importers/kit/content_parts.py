"""Messages whose content is a text or a list of parts with a type, as Anthropic's API has them, in sessions of agents.

Agents add fields of their own, leave out ids, and use `output` for `content`: these parts are read one by one, and not by
the codec of the API.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ...values.inference_results import InferenceResult
from ...values.turns import Kind
from .faults import unknown_value
from .record_fields import expect, object_or_empty, objects, omit, omit_empty, optional_text
from .transcript import Transcript

ROLE_KINDS = {"user": Kind.USER, "assistant": Kind.LLM_TEXT, "system": Kind.SYSTEM}
THINKING_TYPES = ("thinking", "redacted_thinking", "reasoning", "think")
THINKING_NAMES = ("thinking", "text", "think", "reasoning")  # of the field with the text
OTHER_TYPES = ("document", "search_result", "server_tool_use", "web_search_tool_result", "audio", "video")
RESULT_FIELDS = ("type", "tool_use_id", "id", "content", "output", "is_error")


def content_parts(content: Any) -> list[dict[str, Any]]:
    """Return the parts of a content; a text is one part. Raises ShapeError for anything else."""
    return objects([{"type": "text", "text": content}] if isinstance(content, str) else content, "content")


def has_calls(parts: Sequence[Mapping[str, Any]]) -> bool:
    """Return True for parts with a tool call."""
    return any(part.get("type") == "tool_use" for part in parts)


def add_parts(
    transcript: Transcript, role: str, parts: Sequence[dict[str, Any]], result: InferenceResult | None = None
) -> None:
    """Add a block for each part of a message; an empty text for a message without parts."""
    for index, part in enumerate(parts):
        _add_part(transcript, role, part, result, f".content[{index}]")
    if not parts:
        transcript.add_block(ROLE_KINDS[role], {"text": ""}, role, result=result)


def _add_part(
    transcript: Transcript, role: str, part: dict[str, Any], result: InferenceResult | None, path: str
) -> None:
    part_type = part.get("type")
    if part_type == "text":
        text, extra_fields = expect(part.get("text"), str, "text"), omit(part, "type", "text")
        transcript.add_block(ROLE_KINDS[role], {"text": text}, role, result=result, extra_fields=extra_fields)
    elif part_type in THINKING_TYPES:
        name = next((name for name in THINKING_NAMES if name in part), "thinking")
        payload = {"text": optional_text(part.get(name), name) or ""} | omit_empty(omit(part, "type", name))
        transcript.add_block(Kind.REASONING, payload, result=result)
    elif part_type in ("image", "image_url"):
        payload = {"text": "", "images": [image_of(part)]}
        transcript.add_block(ROLE_KINDS[role], payload, role, result=result)
    elif part_type == "tool_use":
        call = (part.get("id"), part.get("name"), part.get("input"))
        transcript.add_call(*call, result=result, extra_fields=omit(part, "type", "id", "name", "input"))
    elif part_type == "tool_result":
        add_result_part(transcript, part)
    elif part_type == "file" and isinstance(part.get("content"), str):
        extra_fields = omit(part, "type", "content")
        transcript.add_block(
            ROLE_KINDS[role], {"text": part["content"]}, role, result=result, extra_fields=extra_fields
        )
    else:
        if part_type not in OTHER_TYPES:
            transcript.unknown(unknown_value("type", part_type), path)
        transcript.add_other(part, result=result)


def image_of(part: Mapping[str, Any]) -> dict[str, Any]:
    """Return the image of a part as a block holds it, from its source or its URL."""
    if "image_url" in part:
        image_url = part["image_url"]
        return omit_empty(image_url if isinstance(image_url, Mapping) else {"url": image_url})
    source = object_or_empty(part.get("source"), "source")
    image = omit_empty(content=source.get("data"), media_type=source.get("media_type"), url=source.get("url"))
    return image | omit_empty(omit(part, "type", "source"))


def add_result_part(transcript: Transcript, part: Mapping[str, Any]) -> None:
    """Add the result of a tool: a failed one has its text as the error."""
    value = plain_result(part.get("content", part.get("output")))
    call_id = part.get("tool_use_id", part.get("id"))
    error = (value if isinstance(value, str) and value else "error") if part.get("is_error") is True else ""
    extra_fields = omit(part, *RESULT_FIELDS)
    transcript.add_result(call_id, None if error and error == value else value, error, extra_fields=extra_fields)


def plain_result(value: Any) -> Any:
    """Return the text of a result that is one part with a text; any other value as it is."""
    if isinstance(value, list) and len(value) == 1 and isinstance(value[0], Mapping):
        part = value[0]
        if part.get("type", "text") == "text" and part.keys() <= {"type", "text"} and isinstance(part.get("text"), str):
            return part["text"]
    return value
