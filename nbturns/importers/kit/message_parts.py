"""Parts of messages in the notations of all APIs, as drafts of blocks: texts, thoughts, tool calls, results, images.

Traces of model calls have messages of any API, often of several in one file. A part is known by its type or by the
field that only this kind of part has. Source: the references of Chat Completions (`tool_calls`, `image_url`),
Responses (items and their parts), Anthropic's Messages (content blocks), Gemini (`functionCall`, `inlineData`, also in
the snake case of its Python SDK), Bedrock Converse (`toolUse`, `toolResult`), the AI SDK (`tool-call`, `tool-result`)
and the GenAI conventions of OpenTelemetry (`tool_call_response`, `blob`).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from ...values.turns import Kind
from .drafts import Draft
from .faults import unknown_value, wrong_type
from .record_fields import json_or_none, omit, omit_empty, text_or_empty

CALL_TYPES = frozenset(
    {"tool_call", "tool-call", "tool_use", "server_tool_use", "server_tool_call", "mcp_tool_use", "function_call"}
    | {"function", "custom_tool_call", "tool-invocation"}
)
RESULT_TYPES = frozenset(
    {"tool_result", "tool-result", "tool_call_response", "server_tool_call_response", "function_call_output"}
    | {"custom_tool_call_output", "mcp_tool_result", "tool-error"}
)
REASONING_TYPES = frozenset(
    {"reasoning", "thinking", "redacted_thinking", "Microsoft.Extensions.AI.TextReasoningContent"}
)
TEXT_TYPES = frozenset({"text", "input_text", "output_text", "refusal", ""})
INNER_CALLS = ("function_call", "functionCall", "toolUse", "function", "custom", "tool_call")
INNER_RESULTS = ("function_response", "functionResponse", "toolResult")
CALL_IDS = ("call_id", "toolCallId", "tool_call_id", "toolUseId", "tool_use_id", "id")
CALL_NAMES = ("name", "toolName", "tool_name")
CALL_ARGUMENTS = ("arguments", "args", "input", "parameters")
RESULT_VALUES = ("response", "result", "output", "content")
PART_FIELDS = frozenset(
    {"type", "text", "refusal", "thinking", "reasoning", "summary", "thought", "signature", "thoughtSignature"}
    | {
        "thought_signature",
        "protectedData",
        "data",
        "encrypted_content",
        "reasoningContent",
        "image_url",
        "inline_data",
    }
    | {"inlineData", "source", "mime_type", "media_type", "mimeType", "mediaType", "uri", "url", "file_id", "image"}
    | {"is_error", "isError", "error", "detail"}
    | {*INNER_CALLS, *INNER_RESULTS, *CALL_IDS, *CALL_NAMES, *CALL_ARGUMENTS, *RESULT_VALUES}
)  # of which the blocks have the values
IMAGE_TYPES = ("image_url", "input_image", "image", "blob", "uri", "file", "image-url", "binary")


def part_draft(part: Any, role: str) -> Draft:
    """Return the block of one part of a message; an `other` block for a part that is not understood."""
    if isinstance(part, str):
        return text_draft(part, role)
    if not isinstance(part, Mapping):
        return Draft(Kind.OTHER, {"value": part}, role, unknown=wrong_type("part", part, dict, str))
    draft = _result(part) or _call(part) or _reasoning(part) or _image(part, role) or _text(part, role)
    if draft is not None:
        extra_fields = {name: value for name, value in part.items() if name not in PART_FIELDS}
        if extra_fields and (present_fields := omit_empty(extra_fields)):
            draft.extra_fields = {**present_fields, **draft.extra_fields}
        return draft
    return Draft(Kind.OTHER, dict(part), role, unknown=unknown_value("type", part.get("type", next(iter(part), None))))


def text_draft(text: str, role: str, **payload: Any) -> Draft:
    """Return the block of a text: an answer of the model, a system prompt, or a prompt."""
    kind = {"assistant": Kind.LLM_TEXT, "system": Kind.SYSTEM, "developer": Kind.SYSTEM}.get(role, Kind.USER)
    return Draft(kind, {"text": text, **payload}, role)


def call_draft(call_id: Any, name: Any, arguments: Any) -> Draft:
    """Return the block of a tool call. `arguments`: an object, or JSON; anything else is kept in `args_raw`."""
    parsed = json_or_text(arguments)
    fields = {"args": parsed} if isinstance(parsed, Mapping) else {"args": {}} | omit_empty(args_raw=arguments)
    return Draft(Kind.TOOL_CALL, {"id": id_text(call_id), "name": text_or_empty(name), **fields})


def result_draft(call_id: Any, value: Any, error: Any = "", name: Any = "") -> Draft:
    """Return the block of the result of a tool call; the name of the tool is kept for results without an id."""
    payload = {"id": id_text(call_id), "result": value, "error": text_or_empty(error)}
    return Draft(Kind.TOOL_USE, payload, "", omit_empty(name=name if isinstance(name, str) else ""))


def type_of(part: Mapping[str, Any]) -> str:
    """Return the type of a part or a message; "" without one."""
    return text_or_empty(part.get("type"))


def id_text(value: Any) -> str:
    """Return the id of a call as text; of several ids, as Microsoft's agents write them, the last is that of the call."""
    last = value[-1] if isinstance(value, (list, tuple)) and value else value
    return last if isinstance(last, str) else "" if last is None or isinstance(last, (list, tuple)) else str(last)


def json_or_text(value: Any) -> Any:
    """Return the value of a text that is JSON; a text that is not JSON as it is; None for an empty text."""
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value) if value else None
    except (ValueError, RecursionError):
        return value


def structured(value: Any) -> Any:
    """Return the list or object that a text holds as JSON; any other value as it is."""
    parsed = json_or_none(value) if isinstance(value, str) and value.lstrip()[:1] in ("{", "[", '"') else None
    return value if parsed is None else parsed


def first_value(fields: Mapping[str, Any], names: tuple[str, ...]) -> Any:
    """Return the first value under any of the names; None without one."""
    return next((fields[name] for name in names if fields.get(name) is not None), None)


def _call(part: Mapping[str, Any]) -> Draft | None:
    inner = next((part[name] for name in INNER_CALLS if isinstance(part.get(name), Mapping)), None)
    is_call = type_of(part) in CALL_TYPES or ("toolCallId" in part and "toolName" in part)
    if inner is None and not is_call:
        return None
    call = {**omit(part, *INNER_CALLS), **(inner or part)}
    if isinstance(call.get("name"), Mapping):  # a definition of a tool, not a call
        return None
    return call_draft(
        first_value(call, CALL_IDS) or first_value(part, CALL_IDS),
        first_value(call, CALL_NAMES),
        first_value(call, CALL_ARGUMENTS),
    )


def _result(part: Mapping[str, Any]) -> Draft | None:
    inner = next((part[name] for name in INNER_RESULTS if isinstance(part.get(name), Mapping)), None)
    if inner is None and type_of(part) not in RESULT_TYPES:
        return None
    fields = part if inner is None else inner
    value, error = result_value(first_value(fields, RESULT_VALUES)), text_or_empty(fields.get("error"))
    has_failed = any(fields.get(name) is True for name in ("is_error", "isError")) or fields.get("status") == "error"
    if (has_failed or type_of(part) == "tool-error") and not error:
        error = value if isinstance(value, str) and value else json.dumps(value, ensure_ascii=False, default=repr)
        value = None
    return result_draft(first_value(fields, CALL_IDS), value, error, first_value(fields, CALL_NAMES))


def result_value(value: Any) -> Any:
    """Return the value of a result: of parts that are one text that text, of `{"type": "json", "value": …}` the value."""
    if isinstance(value, Mapping) and "value" in value and type_of(value) in ("text", "json"):
        return value["value"]
    if isinstance(value, list) and value and all(isinstance(part, Mapping) for part in value):
        texts = [part.get("text") for part in value if set(part) <= {"type", "text", "annotations"}]
        if len(texts) == len(value) == 1 and isinstance(texts[0], str):
            return texts[0]
    return value


def _reasoning(part: Mapping[str, Any]) -> Draft | None:
    is_reasoning = type_of(part) in REASONING_TYPES or part.get("thought") is True
    if not is_reasoning and not isinstance(part.get("reasoningContent"), Mapping):
        return None
    fields: Mapping[str, Any] = part
    for name in ("reasoningContent", "reasoningText", "content"):
        if isinstance(fields.get(name), Mapping):
            fields = fields[name]
    texts = first_value(fields, ("text", "thinking", "reasoning", "content", "summary"))
    if isinstance(texts, list):
        texts = "\n".join(str(item.get("text", "")) if isinstance(item, Mapping) else str(item) for item in texts)
    signature = first_value(fields, ("signature", "thoughtSignature", "thought_signature", "protectedData"))
    encrypted = omit_empty(signature=signature, data=fields.get("data"), content=fields.get("encrypted_content"))
    return Draft(Kind.REASONING, {"text": text_or_empty(texts)} | encrypted)


def _image(part: Mapping[str, Any], role: str) -> Draft | None:
    image = image_payload(part)
    return None if image is None else text_draft("", role, images=[image])


def image_payload(part: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the payload of an image; None for any other part."""
    inline = next((part[name] for name in ("inline_data", "inlineData") if isinstance(part.get(name), Mapping)), None)
    source = part.get("source") if isinstance(part.get("source"), Mapping) else None
    fields = inline or source or part
    media_type = first_value(fields, ("mime_type", "media_type", "mimeType", "mediaType"))
    part_type = type_of(part)
    url = part.get("image_url")
    if url is not None and part_type in ("", "image_url", "input_image"):
        link = url if isinstance(url, Mapping) else {"url": url}
        return omit_empty(url=link.get("url"), detail=link.get("detail"))
    is_image = part_type in ("image", "image-url") or part.get("modality") == "image"
    if not (is_image or str(media_type).startswith("image/")) or (inline is None and part_type not in IMAGE_TYPES):
        return None
    content = next((fields[name] for name in ("content", "data", "image") if isinstance(fields.get(name), str)), None)
    link = first_value(fields, ("uri", "url"))
    return omit_empty(media_type=media_type, content=content, url=link, file_id=fields.get("file_id"))


def _text(part: Mapping[str, Any], role: str) -> Draft | None:
    if str(part.get("type", "")) not in TEXT_TYPES:
        return None
    text = first_value(part, ("text", "content", "refusal"))
    if isinstance(text, Mapping):  # of Assistants: {"value": …, "annotations": […]}
        text = text.get("value")
    if not isinstance(text, str):
        return None
    return text_draft(text, role, **({"refusal": text} if type_of(part) == "refusal" else {}))
