"""OpenTelemetry's spans of generative AI: the semantic conventions `gen_ai.*`, in all their forms.

Messages are in attributes (`gen_ai.input.messages`, `gen_ai.output.messages`: JSON of roles and parts; before
that, `gen_ai.prompt.0.role`), or in events and log records (`gen_ai.user.message`, `gen_ai.choice`). Spans come
in OTLP's JSON or in that of the SDK for Python; `span_conversations.py` makes conversations of them.
Source: "Semantic conventions for generative AI" 1.27 to 1.38, and OpenLLMetry's names before them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from ..values.turns import Kind
from .kit.attribute_trees import attribute_tree, numbered_branches
from .kit.faults import unknown_value
from .kit.import_report import Notes
from .kit.importer import Importer
from .kit.record_fields import (
    expect,
    list_or_empty,
    object_or_empty,
    objects,
    omit_empty,
    optional_text,
    text_or_empty,
    to_float,
    to_number,
    token_usage,
)
from .kit.span_conversations import Draft, ModelCall, SpanReader, span_reader
from .kit.spans import Span, span_score

FORMAT = "otel-genai"
CHAT_OPERATIONS = ("chat", "text_completion", "generate_content", "completion", "create_message", "responses")
MESSAGES = ("gen_ai.input.messages", "gen_ai.output.messages", "gen_ai.system_instructions")
NUMBERED_MESSAGES = ("gen_ai.prompt.", "gen_ai.completion.")
# Counts under the names of the convention, of pydantic-ai, OpenLLMetry, Langfuse and Vercel's AI SDK.
CACHE_READ_NAMES = (
    "gen_ai.usage.cache_read.input_tokens", "gen_ai.usage.cache_read_input_tokens", "gen_ai.usage.details.cache_read_input_tokens",
    "gen_ai.usage.details.cache_read_tokens", "gen_ai.usage.details.cached_tokens", "gen_ai.usage.cached_tokens",
    "gen_ai.usage.cached_input_tokens", "gen_ai.usage.input_cached_tokens", "ai.usage.cachedInputTokens", "ai.usage.inputTokenDetails.cacheReadTokens",
)  # fmt: skip
CACHE_WRITE_NAMES = (
    "gen_ai.usage.cache_creation.input_tokens", "gen_ai.usage.cache_creation_input_tokens", "gen_ai.usage.details.cache_creation_input_tokens",
    "gen_ai.usage.details.cache_write_tokens", "gen_ai.usage.cache_write_tokens", "ai.usage.inputTokenDetails.cacheWriteTokens",
)  # fmt: skip
REASONING_NAMES = (
    "gen_ai.usage.details.reasoning_tokens", "gen_ai.usage.reasoning_tokens", "gen_ai.usage.reasoning.output_tokens",
    "gen_ai.usage.output_reasoning_tokens", "ai.usage.reasoningTokens", "ai.usage.outputTokenDetails.reasoningTokens",
)  # fmt: skip
CALL_PREFIXES = (*NUMBERED_MESSAGES, "gen_ai.input.", "gen_ai.response.")  # of attributes of model calls
REPLY_EVENTS = ("gen_ai.choice", "gen_ai.content.completion")
RESULT_ATTRIBUTES = (
    "gen_ai.usage.input_tokens",
    "gen_ai.usage.output_tokens",
    "gen_ai.response.model",
    "gen_ai.response.id",
    "gen_ai.response.finish_reasons",
)
MESSAGE_KINDS = {"system": Kind.SYSTEM, "developer": Kind.SYSTEM, "assistant": Kind.LLM_TEXT}  # by role
Drafts = list[Draft]


def model_call(span: Span, notes: Notes) -> ModelCall | None:
    """Return the model call of a span; None for a span of another kind."""
    if not _is_model_call(span):
        return None
    attributes = dict(span.attributes)
    messages, reply = _from_attributes(span, notes)
    for event in span.events:
        event_messages, event_reply = _from_event(event, span, notes)
        messages += event_messages
        reply += event_reply
    for message in _numbered_messages(attributes, "gen_ai.prompt"):
        messages += _chat_drafts(message, "user")
    for message in _numbered_messages(attributes, "gen_ai.completion"):
        reply += _chat_drafts(message, "assistant")
    extra_attributes = {
        attribute_name: attribute_value
        for attribute_name, attribute_value in attributes.items()
        if not attribute_name.startswith(NUMBERED_MESSAGES)
        and attribute_name not in MESSAGES
        and not (attribute_name in RESULT_ATTRIBUTES and is_simple(attribute_value))
    }
    other_events = [event for event in span.events if not str(event.get("name")).startswith("gen_ai.")]
    extra_fields = omit_empty(span=extra_attributes, events=other_events, **span.extra_fields())
    return ModelCall(messages, reply, _result_fields(span), extra_fields)


def other_messages(span: Span, notes: Notes) -> Drafts:
    """Return the messages of a span of another kind, such as an agent; used for conversations without model calls."""
    messages, reply = _from_attributes(span, notes)
    all_messages = _json_or_text(span.attributes.get("pydantic_ai.all_messages"))
    records = list_or_empty(all_messages, "pydantic_ai.all_messages")
    return messages + reply or [draft for record in records for draft in message_drafts(record, span.position, notes)]


def is_simple(value: Any) -> bool:
    """Return True for an attribute of a documented type: a text, a number, or a list of them."""
    return all(isinstance(item, (str, int, float)) for item in (value if isinstance(value, list) else [value]))


def _is_model_call(span: Span) -> bool:
    attributes = span.attributes
    operation_name = attributes.get("gen_ai.operation.name") or attributes.get("llm.request.type")
    if isinstance(operation_name, str):
        return operation_name in CHAT_OPERATIONS
    if any(str(event.get("name")).startswith("gen_ai.") for event in span.events):
        return True
    return any(attribute_name.startswith(CALL_PREFIXES) for attribute_name in attributes)


def _first_count(attributes: Mapping[str, Any], names: tuple[str, ...]) -> Any:
    return next((attributes[name] for name in names if to_number(attributes.get(name)) is not None), None)


def _result_fields(span: Span) -> dict[str, Any]:
    attributes, usage_prefix = span.attributes, "gen_ai.usage."
    finish_reasons = attributes.get("gen_ai.response.finish_reasons")
    finish_reason = finish_reasons[0] if isinstance(finish_reasons, list) and finish_reasons else finish_reasons
    max_tokens = to_number(attributes.get("gen_ai.request.max_tokens"))
    provider_name = attributes.get("gen_ai.provider.name") or attributes.get("gen_ai.system")
    model_name = attributes.get("gen_ai.response.model") or attributes.get("gen_ai.request.model")
    return {
        "provider": text_or_empty(provider_name),
        "model": text_or_empty(model_name),
        "response_id": text_or_empty(attributes.get("gen_ai.response.id")),
        "stop_reason": "error" if span.error and not finish_reason else finish_reason,
        "max_tokens": None if max_tokens is None else int(max_tokens),
        "cost": to_float(attributes.get("operation.cost", attributes.get(f"{usage_prefix}cost"))),
        "usage": token_usage(
            attributes.get(f"{usage_prefix}input_tokens", attributes.get(f"{usage_prefix}prompt_tokens")),
            attributes.get(f"{usage_prefix}output_tokens", attributes.get(f"{usage_prefix}completion_tokens")),
            cache_read_tokens=_first_count(attributes, CACHE_READ_NAMES),
            cache_write_tokens=_first_count(attributes, CACHE_WRITE_NAMES),
            reasoning_tokens=_first_count(attributes, REASONING_NAMES),
        ),
        "extra": omit_empty(error=span.error),
    }


# Messages in attributes.


def _from_attributes(span: Span, notes: Notes) -> tuple[Drafts, Drafts]:
    """Return the blocks of the messages and of the reply."""
    messages: Drafts = []
    instructions = _json_or_text(span.attributes.get("gen_ai.system_instructions"))
    if instructions:
        instruction_parts = instructions if isinstance(instructions, list) else [instructions]
        messages += message_drafts({"role": "system", "parts": instruction_parts}, span.position, notes)
    for message in _attribute_list(span, "gen_ai.input.messages"):
        messages += message_drafts(message, span.position, notes)
    reply: Drafts = []
    for message in _attribute_list(span, "gen_ai.output.messages"):
        reply += message_drafts(message, span.position, notes)
        _add_finish_reason(span, message.get("finish_reason"))
    return messages, reply


def _attribute_list(span: Span, attribute_name: str) -> list[Any]:
    return list_or_empty(_json_or_text(span.attributes.get(attribute_name)), attribute_name)


def _add_finish_reason(span: Span, finish_reason: Any) -> None:
    """Add the finish reason of a reply to a span without one."""
    span_reasons = span.attributes.get("gen_ai.response.finish_reasons")
    span_reason = span_reasons[0] if isinstance(span_reasons, list) and span_reasons else span_reasons
    if isinstance(finish_reason, str) and finish_reason and not isinstance(span_reason, str):
        span.attributes["gen_ai.response.finish_reasons"] = [finish_reason]


def _json_or_text(value: Any) -> Any:
    """Return the value of an attribute that is JSON; a text that is not JSON as it is; None for an empty text."""
    if isinstance(value, str):
        try:
            return json.loads(value) if value else None
        except (ValueError, RecursionError):
            return value
    return value


def message_drafts(record: Any, position: str, notes: Notes) -> Drafts:
    """Return the blocks of a message with a role and parts."""
    message = expect(record, dict, "message")
    role = optional_text(message.get("role"), "role") or "user"
    if message.get("parts") is None and "content" in message:
        return _chat_drafts(message, role)
    drafts: Drafts = []
    text_parts: list[str] = []
    images: list[dict[str, Any]] = []
    for content_part in list_or_empty(message.get("parts"), "parts"):
        if isinstance(content_part, str):
            text_parts.append(content_part)
            continue
        part_type, part_content = expect(content_part, dict, "part").get("type"), content_part.get("content")
        if part_type == "text" and role == "assistant":
            drafts.append(Draft(Kind.LLM_TEXT, {"text": optional_text(part_content, "content") or ""}, role))
        elif part_type == "text":
            text_parts.append(optional_text(part_content, "content") or "")
        elif (part_image := _image_payload(content_part)) is not None:
            images.append(part_image)
        else:
            drafts.append(_part_draft(content_part, part_type, position, notes))
    if text_parts or images:
        payload = {"text": "\n".join(text_parts)} | omit_empty(images=images)
        drafts.insert(0, Draft(MESSAGE_KINDS.get(role, Kind.USER), payload, role))
    if not drafts and role == "assistant":
        drafts.append(Draft(Kind.LLM_TEXT, {"text": ""}, role))
    return drafts


def _part_draft(content_part: dict[str, Any], part_type: Any, position: str, notes: Notes) -> Draft:
    if part_type in ("tool_call", "server_tool_call"):
        arguments = content_part.get("arguments")
        return _call_draft(content_part.get("id"), content_part.get("name"), arguments)
    if part_type in ("tool_call_response", "server_tool_call_response"):
        tool_result = next(
            (
                content_part[field_name]
                for field_name in ("response", "result", "content")
                if field_name in content_part
            ),
            None,
        )
        call_id = optional_text(content_part.get("id"), "tool call id") or ""
        return Draft(Kind.TOOL_USE, {"id": call_id, "result": tool_result, "error": ""})
    if part_type in ("reasoning", "thinking"):
        return Draft(Kind.REASONING, {"text": optional_text(content_part.get("content"), "content") or ""})
    notes.add_unknown(position, unknown_value("type", part_type))
    return Draft(Kind.OTHER, content_part)


def _call_draft(raw_call_id: Any, tool_name: Any, arguments: Any) -> Draft:
    """Return the block of a tool call. `arguments`: an object, or JSON; anything else is kept in `args_raw`."""
    parsed_arguments = _json_or_text(arguments)
    argument_fields = (
        {"args": parsed_arguments}
        if isinstance(parsed_arguments, Mapping)
        else {"args": {}} | omit_empty(args_raw=arguments)
    )
    call_id = optional_text(raw_call_id, "tool call id") or ""
    return Draft(
        Kind.TOOL_CALL, {"id": call_id, "name": optional_text(tool_name, "tool name") or "", **argument_fields}
    )


def _image_payload(content_part: Mapping[str, Any]) -> dict[str, Any] | None:
    part_type, media_type = content_part.get("type"), content_part.get("mime_type") or content_part.get("media_type")
    is_image = (
        content_part.get("modality") == "image" or str(media_type).startswith("image/") or part_type == "image-url"
    )
    if part_type not in ("blob", "uri", "file", "image-url", "binary") or not is_image:
        return None
    image_data = (
        content_part.get("content") if isinstance(content_part.get("content"), str) else content_part.get("data")
    )
    image_url = content_part.get("uri") or content_part.get("url")
    return omit_empty(media_type=media_type, content=image_data, url=image_url, file_id=content_part.get("file_id"))


# Messages in events and log records.


def _from_event(event: Mapping[str, Any], span: Span, notes: Notes) -> tuple[Drafts, Drafts]:
    """Return the blocks of the messages and of the reply in an event."""
    event_name, event_attributes = str(event.get("name")), object_or_empty(event.get("attributes"), "attributes")
    if not event_name.startswith("gen_ai."):
        return [], []
    if any(message_name in event_attributes for message_name in MESSAGES):  # gen_ai.client.inference.operation.details
        return _from_attributes(Span(span.position, {}, attributes=event_attributes), notes)
    if event_name in ("gen_ai.content.prompt", "gen_ai.content.completion"):
        records = _json_or_text(event_attributes.get(event_name.replace("content.", "")))
        drafts = [draft for record in objects(records, event_name) for draft in _chat_drafts(record, "user")]
        return ([], drafts) if event_name in REPLY_EVENTS else (drafts, [])
    if not event_name.endswith(".message") and event_name not in REPLY_EVENTS:
        return [], []
    body = _event_body(event, event_attributes)
    if event_name == "gen_ai.choice":
        return [], _choice_drafts(body, span)
    return _chat_drafts(body, event_name.removeprefix("gen_ai.").removesuffix(".message")), []


def _event_body(event: Mapping[str, Any], attributes: Mapping[str, Any]) -> dict[str, Any]:
    event_body = event.get("body")
    if event_body is None:
        return {
            attribute_name: _json_or_text(attribute_value) for attribute_name, attribute_value in attributes.items()
        }
    parsed_body = _json_or_text(event_body)
    return expect({} if parsed_body is None else parsed_body, dict, "body")


def _choice_drafts(choice_body: dict[str, Any], span: Span) -> Drafts:
    choice_message = choice_body.get("message")
    choice_message = choice_body if choice_message is None else _json_or_text(choice_message)
    if isinstance(choice_message, str):
        choice_message = {"content": choice_message}
    drafts = _chat_drafts(expect(choice_message, dict, "message"), "assistant")
    _add_finish_reason(span, choice_body.get("finish_reason"))
    return drafts


def _chat_drafts(message: Mapping[str, Any], default_role: str) -> Drafts:
    """Return the blocks of a message like OpenAI's: a content, tool calls, the id of the call that it answers."""
    role = optional_text(message.get("role"), "role") or default_role
    content = message.get("content")
    if (
        isinstance(content, str)
        and content.startswith("[")
        and isinstance(content_parts := _json_or_text(content), list)
    ):
        content = (
            content_parts
            if all(isinstance(content_part, Mapping) and "type" in content_part for content_part in content_parts)
            else content
        )
    if role == "tool":
        call_id = optional_text(message.get("tool_call_id") or message.get("id"), "tool call id") or ""
        return [Draft(Kind.TOOL_USE, {"id": call_id, "result": content, "error": ""})]
    text_parts, images, has_more = _split_content(content)
    tool_calls = _message_calls(message)
    drafts: Drafts = []
    if role != "assistant" or any(text_parts) or images or not tool_calls:
        payload = {"text": "\n".join(text_parts)} | omit_empty(images=images)
        drafts.append(Draft(MESSAGE_KINDS.get(role, Kind.USER), payload, role))
    if has_more and drafts:
        drafts[0].extra_fields = {"content": content}
    for tool_call in tool_calls:
        call_function = tool_call["function"] if isinstance(tool_call.get("function"), Mapping) else tool_call
        drafts.append(_call_draft(tool_call.get("id"), call_function.get("name"), call_function.get("arguments")))
    return drafts


def _message_calls(message: Mapping[str, Any]) -> list[dict[str, Any]]:
    tool_calls = _json_or_text(message.get("tool_calls"))
    if isinstance(tool_calls, Mapping):  # numbered attributes
        tool_calls = [
            tool_calls[call_number]
            for call_number in sorted(tool_calls, key=lambda call_number: (len(call_number), call_number))
        ]
    return objects(tool_calls, "tool_calls")


def _split_content(content: Any) -> tuple[list[str], list[dict[str, Any]], bool]:
    """Return texts and images of a content, and whether it has more."""
    if content is None or isinstance(content, str):
        return [content or ""], [], False
    if not isinstance(content, list):
        return [json.dumps(content, ensure_ascii=False, default=repr)], [], True
    text_parts: list[str] = []
    images: list[dict[str, Any]] = []
    for content_part in content:
        if isinstance(content_part, str):
            text_parts.append(content_part)
        elif isinstance(content_part, Mapping) and isinstance(
            content_part.get("text", content_part.get("content")), str
        ):
            text_parts.append(content_part.get("text", content_part.get("content")))
        elif isinstance(content_part, Mapping) and isinstance(image_url := content_part.get("image_url"), Mapping):
            images.append(omit_empty(url=image_url.get("url"), detail=image_url.get("detail")))
        elif isinstance(content_part, Mapping) and (part_image := _image_payload(content_part)) is not None:
            images.append(part_image)
    return text_parts, images, len(content) > 1 or len(text_parts) + len(images) != len(content)


def _numbered_messages(attributes: Mapping[str, Any], prefix: str) -> list[dict[str, Any]]:
    """Return messages whose fields are attributes of their own: `gen_ai.prompt.0.role`."""
    return [message for message in numbered_branches(attribute_tree(attributes, prefix)) if isinstance(message, dict)]


READER = SpanReader(model_call, other_messages)
IMPORTER = Importer(FORMAT, span_score("gen_ai."), span_reader(FORMAT, READER))
