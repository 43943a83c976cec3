"""OpenInference's spans, which Phoenix and its instrumentors write: `llm.input_messages.0.message.role`, and so on.

A span of the kind LLM is a model call. Its messages are in numbered attributes; `input.value` and `output.value`
have the request and the reply as they were, and are kept where they have more than the attributes. Spans of
tools, agents and chains are kept with the Run. `span_conversations.py` makes conversations of spans. Source:
Arize-ai/openinference at 1fe497f1d9f4, spec/semantic_conventions.md.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from ..values.turns import Kind
from .kit.attribute_trees import attribute_tree, numbered_branches
from .kit.drafts import Draft
from .kit.faults import unknown_value
from .kit.import_report import Notes
from .kit.importer import Importer
from .kit.record_fields import omit, omit_empty, optional_text, text_or_empty, to_float, token_usage
from .kit.span_conversations import ModelCall, SpanReader, span_reader
from .kit.span_tools import ToolSpan
from .kit.spans import Span, span_score
from .kit.tool_span_values import OBSERVATION, calls_in_text, span_arguments, span_result
from .otel_genai import is_simple

FORMAT = "openinference"
BODY_FIELDS = ("messages", "input", "contents", "choices", "output", "content", "candidates", "system")
INPUT_MESSAGES, OUTPUT_MESSAGES = MESSAGES = ("llm.input_messages", "llm.output_messages")
RESULT_ATTRIBUTES = ("llm.model_name", "llm.provider", "llm.finish_reason", "openinference.span.kind")
SHAPE_FIELDS = frozenset(
    {"type", "role", "object", "status", "finish_reason", "detail"}
)  # fields whose texts are not content
REASONING_TYPES = ("reasoning", "thinking", "redacted_thinking")
CALL_TYPES = ("tool_use", "tool_call")


def model_call(span: Span, notes: Notes) -> ModelCall | None:
    """Return the model call of a span; None for a span of another kind."""
    attributes = _flatten_tree(span.attributes)
    kind = attributes.get("openinference.span.kind")
    if kind != "LLM" and not (
        kind is None and any(attribute_name.startswith(MESSAGES) for attribute_name in attributes)
    ):
        return None
    messages, reply = (
        [
            draft
            for message in numbered_branches(attribute_tree(attributes, prefix))
            for draft in _message_drafts(message, span, notes)
        ]
        for prefix in MESSAGES
    )
    _set_observations(messages)
    attribute_texts = {attribute_value for attribute_value in attributes.values() if isinstance(attribute_value, str)}
    extra_attributes = {
        attribute_name: attribute_value
        for attribute_name, attribute_value in attributes.items()
        if not attribute_name.startswith(MESSAGES)
        and not (attribute_name in RESULT_ATTRIBUTES and is_simple(attribute_value))
    }
    for attribute_name in ("input.value", "output.value"):
        if attribute_name in extra_attributes:
            extra_attributes[attribute_name] = _extra_body(
                extra_attributes[attribute_name], attribute_texts - {extra_attributes[attribute_name]}
            )
    reply_body = extra_attributes.get("output.value")
    return ModelCall(
        messages,
        reply,
        _result_fields(span, attributes, reply_body if isinstance(reply_body, Mapping) else {}),
        omit_empty(span=omit_empty(extra_attributes), events=span.events, **span.extra_fields()),
    )


def tool_call(span: Span) -> ToolSpan | None:
    """Return the tool call of a span of the kind TOOL; None for any other span."""
    attributes = _flatten_tree(span.attributes)
    if attributes.get("openinference.span.kind") != "TOOL":
        return None
    call_id, name = (
        next((attributes[key] for key in keys if attributes.get(key) is not None), None)
        for keys in (("tool_call.id", "tool.id"), ("tool.name", "tool_call.function.name"))
    )
    result_id, result = span_result(attributes)
    tool_name = text_or_empty(name) or span.name
    id = text_or_empty(call_id) or result_id
    return ToolSpan(span, id, tool_name, span_arguments(attributes), result, span.error)


def _set_observations(drafts: list[Draft]) -> None:
    """Make results of the observations that smolagents writes as texts after tool calls."""
    call_ids: list[str] = []
    for draft in drafts:
        text = draft.payload.get("text")
        if draft.kind == Kind.TOOL_CALL:
            call_ids.append(draft.payload["id"])
        elif call_ids and draft.role == "tool-response" and isinstance(text, str) and text.startswith(OBSERVATION):
            draft.kind, draft.role = Kind.TOOL_USE, ""
            draft.payload = {"id": call_ids.pop(), "result": text.removeprefix(OBSERVATION), "error": ""}
            call_ids.clear()


def _flatten_tree(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """Return attributes by their full names, which some exports write as a tree."""
    flat_attributes: dict[str, Any] = {}

    def add_branch(prefix: str, value: Any) -> None:
        if isinstance(value, Mapping) and value:
            for field_name, item in value.items():
                add_branch(f"{prefix}{field_name}.", item)
        elif isinstance(value, list) and any(isinstance(item, Mapping) for item in value):
            for index, item in enumerate(value):
                add_branch(f"{prefix}{index}.", item)
        else:
            flat_attributes[prefix[:-1]] = value

    add_branch("", attributes)
    return flat_attributes


def _result_fields(span: Span, attributes: Mapping[str, Any], reply: Mapping[str, Any]) -> dict[str, Any]:
    count_prefix = "llm.token_count."
    return {
        "provider": text_or_empty(attributes.get("llm.provider") or attributes.get("llm.system")),
        "model": text_or_empty(attributes.get("llm.model_name") or attributes.get("llm.response.model_name")),
        "response_id": text_or_empty(reply.get("id")),
        "stop_reason": attributes.get("llm.finish_reason") or ("error" if span.error else ""),
        "cost": to_float(attributes.get("llm.cost.total")),
        "usage": token_usage(
            attributes.get(f"{count_prefix}prompt"),
            attributes.get(f"{count_prefix}completion"),
            cache_read_tokens=attributes.get(f"{count_prefix}prompt_details.cache_read"),
            cache_write_tokens=attributes.get(f"{count_prefix}prompt_details.cache_write"),
            reasoning_tokens=attributes.get(f"{count_prefix}completion_details.reasoning"),
        ),
        "extra": omit_empty(error=span.error),
    }


def _extra_body(value: Any, known_texts: set[str]) -> Any:
    """Return a request or a reply without its messages, where the attributes have all their texts; else all of it."""
    try:
        parsed_body = json.loads(value) if isinstance(value, str) else value
    except (ValueError, RecursionError):
        return None if value in known_texts else value
    if not isinstance(parsed_body, dict):
        return None if isinstance(parsed_body, str) and parsed_body in known_texts else value
    message_fields = {field_name: item for field_name, item in parsed_body.items() if field_name in BODY_FIELDS}
    if all(text in known_texts for text in _content_texts(message_fields)):
        return omit(parsed_body, *message_fields)
    return value


def _content_texts(value: Any, parent_name: str = "") -> Iterator[str]:
    """Yield the texts in the messages of a request that are content and no names of shapes."""
    if isinstance(value, Mapping):
        for field_name, item in value.items():
            yield from _content_texts(item, field_name)
    elif isinstance(value, list):
        for item in value:
            yield from _content_texts(item, parent_name)
    elif isinstance(value, str) and value and parent_name not in SHAPE_FIELDS:
        yield value


def _message_drafts(numbered_message: Any, span: Span, notes: Notes) -> list[Draft]:
    """Return the blocks of a message."""
    is_object = isinstance(numbered_message, Mapping)
    message = numbered_message.get("message", numbered_message) if is_object else {}
    role = optional_text(message.get("role"), "role") or "user"
    text_parts, images, other_parts = _split_contents(message)
    call_id = message.get("tool_call_id")
    if role in ("tool", "function") or isinstance(call_id, str):
        payload = {"id": optional_text(call_id, "tool_call_id") or "", "result": "\n".join(text_parts), "error": ""}
        extra_fields = omit_empty(images=images, name=message.get("name"), contents=other_parts)
        return [Draft(Kind.TOOL_USE, payload, "", extra_fields)]
    call_drafts = [_call_draft(numbered_call) for numbered_call in numbered_branches(message.get("tool_calls"))]
    if isinstance(message.get("function_call_name"), str):
        arguments = message.get("function_call_arguments_json")
        call_drafts.append(_call_draft({"name": message["function_call_name"], "arguments": arguments}))
    drafts = [Draft(Kind.REASONING, payload) for payload in _reasoning_payloads(message)]
    payload = {"text": "\n".join(text_parts)} | omit_empty(images=images)
    if role == "tool-call" and (written_calls := calls_in_text(payload["text"])):
        return [_call_draft(written_call) for written_call in written_calls]
    if role not in ("assistant", "model", "ai"):
        drafts.append(Draft(Kind.SYSTEM if role in ("system", "developer") else Kind.USER, payload, role))
    elif any(text_parts) or images or not (call_drafts or drafts):
        drafts.append(Draft(Kind.LLM_TEXT, payload, "assistant"))
    for content_part in other_parts:
        notes.add_unknown(span.position, unknown_value("type", content_part.get("type")))
    return drafts + call_drafts + [Draft(Kind.OTHER, content_part) for content_part in other_parts]


def _content_parts(message: Mapping[str, Any]) -> Iterator[Any]:
    for numbered_content in numbered_branches(message.get("contents")):
        yield (
            numbered_content.get("message_content", numbered_content)
            if isinstance(numbered_content, Mapping)
            else {"text": numbered_content}
        )


def _split_contents(message: Mapping[str, Any]) -> tuple[list[str], list[dict[str, Any]], list[dict[str, Any]]]:
    """Return texts, images and other parts of a message."""
    content = message.get("content")
    text_parts = [content] if isinstance(content, str) else []
    if content is not None and not isinstance(content, (str, Mapping)):
        text_parts = [json.dumps(content, ensure_ascii=False, default=repr)]
    images: list[dict[str, Any]] = []
    other_parts: list[dict[str, Any]] = []
    for content_part in _content_parts(message):
        part_type, part_text = content_part.get("type"), content_part.get("text")
        if part_type in REASONING_TYPES or part_type in CALL_TYPES:
            continue
        image_field = content_part.get("image")
        image_field = image_field.get("image") or image_field if isinstance(image_field, Mapping) else None
        image_url = image_field.get("url") if isinstance(image_field, Mapping) else None
        if isinstance(image_url, str):
            images.append({"url": image_url})
        elif isinstance(part_text, str):
            if part_text not in text_parts or content is None:
                text_parts.append(part_text)
        else:
            other_parts.append(dict(content_part))
    return text_parts, images, other_parts


def _reasoning_payloads(message: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for content_part in _content_parts(message):
        if isinstance(content_part, Mapping) and content_part.get("type") in REASONING_TYPES:
            reasoning_text = text_or_empty(content_part.get("text", content_part.get("thinking")))
            yield {"text": reasoning_text} | omit_empty(
                signature=content_part.get("signature"), data=content_part.get("data")
            )


def _call_draft(numbered_call: Any) -> Draft:
    tool_call = numbered_call.get("tool_call", numbered_call) if isinstance(numbered_call, Mapping) else {}
    tool_call = tool_call if isinstance(tool_call, Mapping) else {}
    call_function = tool_call["function"] if isinstance(tool_call.get("function"), Mapping) else tool_call
    arguments = call_function.get("arguments")
    try:
        parsed_arguments = json.loads(arguments) if isinstance(arguments, str) and arguments else arguments
    except (ValueError, RecursionError):
        parsed_arguments = None
    call_id = optional_text(tool_call.get("id"), "tool call id") or ""
    tool_name = optional_text(call_function.get("name"), "tool name") or ""
    argument_fields = (
        {"args": parsed_arguments}
        if isinstance(parsed_arguments, Mapping)
        else {"args": {}} | omit_empty(args_raw=arguments)
    )
    return Draft(Kind.TOOL_CALL, {"id": call_id, "name": tool_name, **argument_fields})


READER = SpanReader(model_call, tool_call)
IMPORTER = Importer(FORMAT, span_score("openinference.", "llm."), span_reader(FORMAT, lambda: READER))
