"""OpenInference's spans, which Phoenix and its instrumentors write: `llm.input_messages.0.message.role`, and so on.

A span of the kind LLM is a model call. Its messages are in numbered attributes; `input.value` and `output.value`
have the request and the reply as they were, and are kept where they have more than the attributes. Spans of
tools, agents and chains are kept with the Run. `span_conversations.py` makes conversations of spans. Source:
OpenInference's semantic conventions.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from ..values.turns import Kind
from .kit.faults import unknown_value
from .kit.import_report import Notes
from .kit.importer import Importer
from .kit.record_fields import omit, omit_empty, optional_text, text_or_empty, to_float, token_usage
from .kit.span_conversations import Draft, ModelCall, SpanReader, span_reader
from .kit.spans import Span, span_score
from .otel_genai import in_order, is_simple, to_tree

FORMAT = "openinference"
BODY_FIELDS = ("messages", "input", "contents", "choices", "output", "content", "candidates", "system")
INPUT_MESSAGES, OUTPUT_MESSAGES = MESSAGES = ("llm.input_messages", "llm.output_messages")
RESULT_ATTRIBUTES = ("llm.model_name", "llm.provider", "llm.finish_reason", "openinference.span.kind")
SHAPE_FIELDS = frozenset({"type", "role", "object", "status", "finish_reason", "detail"})  # whose texts are no content
REASONING_TYPES = ("reasoning", "thinking", "redacted_thinking")
CALL_TYPES = ("tool_use", "tool_call")


def model_call(span: Span, notes: Notes) -> ModelCall | None:
    """Return the model call of a span; None for a span of another kind."""
    attributes = _flatten(span.attributes)
    kind = attributes.get("openinference.span.kind")
    if kind != "LLM" and not (kind is None and any(name.startswith(MESSAGES) for name in attributes)):
        return None
    messages, reply = (
        [draft for message in in_order(to_tree(attributes, prefix)) for draft in _drafts(message, span, notes)]
        for prefix in MESSAGES
    )
    texts = {value for value in attributes.values() if isinstance(value, str)}
    extra_attributes = {
        name: value
        for name, value in attributes.items()
        if not name.startswith(MESSAGES) and not (name in RESULT_ATTRIBUTES and is_simple(value))
    }
    for name in ("input.value", "output.value"):
        if name in extra_attributes:
            extra_attributes[name] = _extra_body(extra_attributes[name], texts - {extra_attributes[name]})
    body = extra_attributes.get("output.value")
    return ModelCall(
        messages,
        reply,
        _result_fields(span, attributes, body if isinstance(body, Mapping) else {}),
        omit_empty(span=omit_empty(extra_attributes), events=span.events, **span.extra_fields()),
    )


def _flatten(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """Return attributes by their full names, which some exports write as a tree."""
    flat: dict[str, Any] = {}

    def add(prefix: str, value: Any) -> None:
        if isinstance(value, Mapping) and value:
            for name, item in value.items():
                add(f"{prefix}{name}.", item)
        elif isinstance(value, list) and any(isinstance(item, Mapping) for item in value):
            for index, item in enumerate(value):
                add(f"{prefix}{index}.", item)
        else:
            flat[prefix[:-1]] = value

    add("", attributes)
    return flat


def _result_fields(span: Span, attributes: Mapping[str, Any], reply: Mapping[str, Any]) -> dict[str, Any]:
    count = "llm.token_count."
    return {
        "provider": text_or_empty(attributes.get("llm.provider") or attributes.get("llm.system")),
        "model": text_or_empty(attributes.get("llm.model_name") or attributes.get("llm.response.model_name")),
        "response_id": text_or_empty(reply.get("id")),
        "stop_reason": attributes.get("llm.finish_reason") or ("error" if span.error else ""),
        "cost": to_float(attributes.get("llm.cost.total")),
        "usage": token_usage(
            attributes.get(f"{count}prompt"),
            attributes.get(f"{count}completion"),
            cached=attributes.get(f"{count}prompt_details.cache_read"),
            written=attributes.get(f"{count}prompt_details.cache_write"),
            reasoning=attributes.get(f"{count}completion_details.reasoning"),
        ),
        "extra": omit_empty(error=span.error),
    }


def _extra_body(value: Any, known_texts: set[str]) -> Any:
    """Return a request or a reply without its messages, where the attributes have all their texts; else all of it."""
    try:
        body = json.loads(value) if isinstance(value, str) else value
    except (ValueError, RecursionError):
        return None if value in known_texts else value
    if not isinstance(body, dict):
        return None if isinstance(body, str) and body in known_texts else value
    messages = {name: item for name, item in body.items() if name in BODY_FIELDS}
    if all(text in known_texts for text in _texts(messages)):
        return omit(body, *messages)
    return value


def _texts(value: Any, name: str = "") -> Iterator[str]:
    """Yield the texts in the messages of a request that are content and no names of shapes."""
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from _texts(item, key)
    elif isinstance(value, list):
        for item in value:
            yield from _texts(item, name)
    elif isinstance(value, str) and value and name not in SHAPE_FIELDS:
        yield value


def _drafts(numbered_message: Any, span: Span, notes: Notes) -> list[Draft]:
    """Return the blocks of a message."""
    is_object = isinstance(numbered_message, Mapping)
    message = numbered_message.get("message", numbered_message) if is_object else {}
    role = optional_text(message.get("role"), "role") or "user"
    texts, images, others = _contents(message)
    call_id = message.get("tool_call_id")
    if role in ("tool", "function") or isinstance(call_id, str):
        payload = {"id": optional_text(call_id, "tool_call_id") or "", "result": "\n".join(texts), "error": ""}
        extra_fields = omit_empty(images=images, name=message.get("name"), contents=others)
        return [Draft(Kind.TOOL_USE, payload, "", extra_fields)]
    calls = [_call(call) for call in in_order(message.get("tool_calls"))]
    if isinstance(message.get("function_call_name"), str):
        arguments = message.get("function_call_arguments_json")
        calls.append(_call({"name": message["function_call_name"], "arguments": arguments}))
    drafts = [Draft(Kind.REASONING, payload) for payload in _reasoning(message)]
    payload = {"text": "\n".join(texts)} | omit_empty(images=images)
    if role not in ("assistant", "model", "ai"):
        drafts.append(Draft(Kind.SYSTEM if role in ("system", "developer") else Kind.USER, payload, role))
    elif any(texts) or images or not (calls or drafts):
        drafts.append(Draft(Kind.LLM_TEXT, payload, "assistant"))
    for part in others:
        notes.add_unknown(span.position, unknown_value("type", part.get("type")))
    return drafts + calls + [Draft(Kind.OTHER, part) for part in others]


def _parts(message: Mapping[str, Any]) -> Iterator[Any]:
    for content in in_order(message.get("contents")):
        yield content.get("message_content", content) if isinstance(content, Mapping) else {"text": content}


def _contents(message: Mapping[str, Any]) -> tuple[list[str], list[dict[str, Any]], list[dict[str, Any]]]:
    """Return texts, images and other parts of a message."""
    content = message.get("content")
    texts = [content] if isinstance(content, str) else []
    if content is not None and not isinstance(content, (str, Mapping)):
        texts = [json.dumps(content, ensure_ascii=False, default=repr)]
    images: list[dict[str, Any]] = []
    others: list[dict[str, Any]] = []
    for part in _parts(message):
        type, text = part.get("type"), part.get("text")
        if type in REASONING_TYPES or type in CALL_TYPES:
            continue
        image = part.get("image")
        image = image.get("image") or image if isinstance(image, Mapping) else None
        url = image.get("url") if isinstance(image, Mapping) else None
        if isinstance(url, str):
            images.append({"url": url})
        elif isinstance(text, str):
            if text not in texts or content is None:
                texts.append(text)
        else:
            others.append(dict(part))
    return texts, images, others


def _reasoning(message: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for part in _parts(message):
        if isinstance(part, Mapping) and part.get("type") in REASONING_TYPES:
            text = text_or_empty(part.get("text", part.get("thinking")))
            yield {"text": text} | omit_empty(signature=part.get("signature"), data=part.get("data"))


def _call(numbered_call: Any) -> Draft:
    call = numbered_call.get("tool_call", numbered_call) if isinstance(numbered_call, Mapping) else {}
    call = call if isinstance(call, Mapping) else {}
    function = call["function"] if isinstance(call.get("function"), Mapping) else call
    arguments = function.get("arguments")
    try:
        parsed = json.loads(arguments) if isinstance(arguments, str) and arguments else arguments
    except (ValueError, RecursionError):
        parsed = None
    id = optional_text(call.get("id"), "tool call id") or ""
    name = optional_text(function.get("name"), "tool name") or ""
    args = {"args": parsed} if isinstance(parsed, Mapping) else {"args": {}} | omit_empty(args_raw=arguments)
    return Draft(Kind.TOOL_CALL, {"id": id, "name": name, **args})


IMPORTER = Importer(FORMAT, span_score("openinference.", "llm."), span_reader(FORMAT, SpanReader(model_call)))
