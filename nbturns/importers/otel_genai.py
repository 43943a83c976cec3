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
    for message in _numbered(attributes, "gen_ai.prompt"):
        messages += _chat_drafts(message, "user")
    for message in _numbered(attributes, "gen_ai.completion"):
        reply += _chat_drafts(message, "assistant")
    extra_attributes = {
        name: value
        for name, value in attributes.items()
        if not name.startswith(NUMBERED_MESSAGES)
        and name not in MESSAGES
        and not (name in RESULT_ATTRIBUTES and is_simple(value))
    }
    other_events = [event for event in span.events if not str(event.get("name")).startswith("gen_ai.")]
    extra_fields = omit_empty(span=extra_attributes, events=other_events, **span.extra_fields())
    return ModelCall(messages, reply, _result_fields(span), extra_fields)


def other_messages(span: Span, notes: Notes) -> Drafts:
    """Return the messages of a span that is no model call, such as an agent's, for conversations without others."""
    messages, reply = _from_attributes(span, notes)
    all_messages = _json_or_text(span.attributes.get("pydantic_ai.all_messages"))
    records = list_or_empty(all_messages, "pydantic_ai.all_messages")
    return messages + reply or [draft for record in records for draft in drafts_of(record, span.position, notes)]


def is_simple(value: Any) -> bool:
    """Return True for an attribute of a documented type: a text, a number, or a list of them."""
    return all(isinstance(item, (str, int, float)) for item in (value if isinstance(value, list) else [value]))


def _is_model_call(span: Span) -> bool:
    attributes = span.attributes
    operation = attributes.get("gen_ai.operation.name") or attributes.get("llm.request.type")
    if isinstance(operation, str):
        return operation in CHAT_OPERATIONS
    if any(str(event.get("name")).startswith("gen_ai.") for event in span.events):
        return True
    return any(name.startswith(CALL_PREFIXES) for name in attributes)


def _result_fields(span: Span) -> dict[str, Any]:
    attributes, usage, details = span.attributes, "gen_ai.usage.", "gen_ai.usage.details."
    reasons = attributes.get("gen_ai.response.finish_reasons")
    reason = reasons[0] if isinstance(reasons, list) and reasons else reasons
    max_tokens = to_number(attributes.get("gen_ai.request.max_tokens"))
    provider = attributes.get("gen_ai.provider.name") or attributes.get("gen_ai.system")
    model = attributes.get("gen_ai.response.model") or attributes.get("gen_ai.request.model")
    cache_read = attributes.get(f"{details}cache_read_input_tokens")
    cache_written = attributes.get(f"{details}cache_creation_input_tokens")
    return {
        "provider": text_or_empty(provider),
        "model": text_or_empty(model),
        "response_id": text_or_empty(attributes.get("gen_ai.response.id")),
        "stop_reason": "error" if span.error and not reason else reason,
        "max_tokens": None if max_tokens is None else int(max_tokens),
        "cost": to_float(attributes.get("operation.cost", attributes.get(f"{usage}cost"))),
        "usage": token_usage(
            attributes.get(f"{usage}input_tokens", attributes.get(f"{usage}prompt_tokens")),
            attributes.get(f"{usage}output_tokens", attributes.get(f"{usage}completion_tokens")),
            cached=attributes.get(f"{usage}cache_read.input_tokens", cache_read),
            written=attributes.get(f"{usage}cache_creation.input_tokens", cache_written),
            reasoning=attributes.get(f"{details}reasoning_tokens", attributes.get(f"{usage}reasoning_tokens")),
        ),
        "extra": omit_empty(error=span.error),
    }


# Messages in attributes.


def _from_attributes(span: Span, notes: Notes) -> tuple[Drafts, Drafts]:
    """Return the blocks of the messages and of the reply."""
    messages: Drafts = []
    instructions = _json_or_text(span.attributes.get("gen_ai.system_instructions"))
    if instructions:
        parts = instructions if isinstance(instructions, list) else [instructions]
        messages += drafts_of({"role": "system", "parts": parts}, span.position, notes)
    for message in _attribute_list(span, "gen_ai.input.messages"):
        messages += drafts_of(message, span.position, notes)
    reply: Drafts = []
    for message in _attribute_list(span, "gen_ai.output.messages"):
        reply += drafts_of(message, span.position, notes)
        _add_finish_reason(span, message.get("finish_reason"))
    return messages, reply


def _attribute_list(span: Span, name: str) -> list[Any]:
    return list_or_empty(_json_or_text(span.attributes.get(name)), name)


def _add_finish_reason(span: Span, reason: Any) -> None:
    """Add the finish reason of a reply to a span without one."""
    reasons = span.attributes.get("gen_ai.response.finish_reasons")
    span_reason = reasons[0] if isinstance(reasons, list) and reasons else reasons
    if isinstance(reason, str) and reason and not isinstance(span_reason, str):
        span.attributes["gen_ai.response.finish_reasons"] = [reason]


def _json_or_text(value: Any) -> Any:
    """Return the value of an attribute that is JSON; a text that is not JSON as it is; None for an empty text."""
    if isinstance(value, str):
        try:
            return json.loads(value) if value else None
        except (ValueError, RecursionError):
            return value
    return value


def drafts_of(record: Any, position: str, notes: Notes) -> Drafts:
    """Return the blocks of a message with a role and parts."""
    message = expect(record, dict, "message")
    role = optional_text(message.get("role"), "role") or "user"
    if message.get("parts") is None and "content" in message:
        return _chat_drafts(message, role)
    drafts: Drafts = []
    texts: list[str] = []
    images: list[dict[str, Any]] = []
    for part in list_or_empty(message.get("parts"), "parts"):
        if isinstance(part, str):
            texts.append(part)
            continue
        type, content = expect(part, dict, "part").get("type"), part.get("content")
        if type == "text" and role == "assistant":
            drafts.append(Draft(Kind.LLM_TEXT, {"text": optional_text(content, "content") or ""}, role))
        elif type == "text":
            texts.append(optional_text(content, "content") or "")
        elif (image := _image(part)) is not None:
            images.append(image)
        else:
            drafts.append(_part_draft(part, type, position, notes))
    if texts or images:
        payload = {"text": "\n".join(texts)} | omit_empty(images=images)
        drafts.insert(0, Draft(MESSAGE_KINDS.get(role, Kind.USER), payload, role))
    if not drafts and role == "assistant":
        drafts.append(Draft(Kind.LLM_TEXT, {"text": ""}, role))
    return drafts


def _part_draft(part: dict[str, Any], type: Any, position: str, notes: Notes) -> Draft:
    if type in ("tool_call", "server_tool_call"):
        arguments = part.get("arguments")
        return _call_draft(part.get("id"), part.get("name"), arguments)
    if type in ("tool_call_response", "server_tool_call_response"):
        result = next((part[name] for name in ("response", "result", "content") if name in part), None)
        id = optional_text(part.get("id"), "tool call id") or ""
        return Draft(Kind.TOOL_USE, {"id": id, "result": result, "error": ""})
    if type in ("reasoning", "thinking"):
        return Draft(Kind.REASONING, {"text": optional_text(part.get("content"), "content") or ""})
    notes.add_unknown(position, unknown_value("type", type))
    return Draft(Kind.OTHER, part)


def _call_draft(id: Any, name: Any, arguments: Any) -> Draft:
    """Return the block of a tool call. `arguments`: an object, or JSON; anything else is kept in `args_raw`."""
    parsed = _json_or_text(arguments)
    args = {"args": parsed} if isinstance(parsed, Mapping) else {"args": {}} | omit_empty(args_raw=arguments)
    call_id = optional_text(id, "tool call id") or ""
    return Draft(Kind.TOOL_CALL, {"id": call_id, "name": optional_text(name, "tool name") or "", **args})


def _image(part: Mapping[str, Any]) -> dict[str, Any] | None:
    type, media_type = part.get("type"), part.get("mime_type") or part.get("media_type")
    is_image = part.get("modality") == "image" or str(media_type).startswith("image/") or type == "image-url"
    if type not in ("blob", "uri", "file", "image-url", "binary") or not is_image:
        return None
    content = part.get("content") if isinstance(part.get("content"), str) else part.get("data")
    url = part.get("uri") or part.get("url")
    return omit_empty(media_type=media_type, content=content, url=url, file_id=part.get("file_id"))


# Messages in events and log records.


def _from_event(event: Mapping[str, Any], span: Span, notes: Notes) -> tuple[Drafts, Drafts]:
    """Return the blocks of the messages and of the reply in an event."""
    name, attributes = str(event.get("name")), object_or_empty(event.get("attributes"), "attributes")
    if not name.startswith("gen_ai."):
        return [], []
    if any(message_name in attributes for message_name in MESSAGES):  # gen_ai.client.inference.operation.details
        return _from_attributes(Span(span.position, {}, attributes=attributes), notes)
    if name in ("gen_ai.content.prompt", "gen_ai.content.completion"):
        records = _json_or_text(attributes.get(name.replace("content.", "")))
        drafts = [draft for record in objects(records, name) for draft in _chat_drafts(record, "user")]
        return ([], drafts) if name in REPLY_EVENTS else (drafts, [])
    if not name.endswith(".message") and name not in REPLY_EVENTS:
        return [], []
    body = _event_body(event, attributes)
    if name == "gen_ai.choice":
        return [], _choice_drafts(body, span)
    return _chat_drafts(body, name.removeprefix("gen_ai.").removesuffix(".message")), []


def _event_body(event: Mapping[str, Any], attributes: Mapping[str, Any]) -> dict[str, Any]:
    body = event.get("body")
    if body is None:
        return {name: _json_or_text(value) for name, value in attributes.items()}
    parsed = _json_or_text(body)
    return expect({} if parsed is None else parsed, dict, "body")


def _choice_drafts(body: dict[str, Any], span: Span) -> Drafts:
    message = body.get("message")
    message = body if message is None else _json_or_text(message)
    if isinstance(message, str):
        message = {"content": message}
    drafts = _chat_drafts(expect(message, dict, "message"), "assistant")
    _add_finish_reason(span, body.get("finish_reason"))
    return drafts


def _chat_drafts(message: Mapping[str, Any], default_role: str) -> Drafts:
    """Return the blocks of a message like OpenAI's: a content, tool calls, the id of the call that it answers."""
    role = optional_text(message.get("role"), "role") or default_role
    content = message.get("content")
    if isinstance(content, str) and content.startswith("[") and isinstance(parts := _json_or_text(content), list):
        content = parts if all(isinstance(part, Mapping) and "type" in part for part in parts) else content
    if role == "tool":
        id = optional_text(message.get("tool_call_id") or message.get("id"), "tool call id") or ""
        return [Draft(Kind.TOOL_USE, {"id": id, "result": content, "error": ""})]
    texts, images, has_more = _content(content)
    calls = _calls(message)
    drafts: Drafts = []
    if role != "assistant" or any(texts) or images or not calls:
        payload = {"text": "\n".join(texts)} | omit_empty(images=images)
        drafts.append(Draft(MESSAGE_KINDS.get(role, Kind.USER), payload, role))
    if has_more and drafts:
        drafts[0].extra_fields = {"content": content}
    for call in calls:
        function = call["function"] if isinstance(call.get("function"), Mapping) else call
        drafts.append(_call_draft(call.get("id"), function.get("name"), function.get("arguments")))
    return drafts


def _calls(message: Mapping[str, Any]) -> list[dict[str, Any]]:
    calls = _json_or_text(message.get("tool_calls"))
    if isinstance(calls, Mapping):  # numbered attributes
        calls = [calls[name] for name in sorted(calls, key=lambda name: (len(name), name))]
    return objects(calls, "tool_calls")


def _content(content: Any) -> tuple[list[str], list[dict[str, Any]], bool]:
    """Return texts and images of a content, and whether it has more."""
    if content is None or isinstance(content, str):
        return [content or ""], [], False
    if not isinstance(content, list):
        return [json.dumps(content, ensure_ascii=False, default=repr)], [], True
    texts: list[str] = []
    images: list[dict[str, Any]] = []
    for part in content:
        if isinstance(part, str):
            texts.append(part)
        elif isinstance(part, Mapping) and isinstance(part.get("text", part.get("content")), str):
            texts.append(part.get("text", part.get("content")))
        elif isinstance(part, Mapping) and isinstance(image_url := part.get("image_url"), Mapping):
            images.append(omit_empty(url=image_url.get("url"), detail=image_url.get("detail")))
        elif isinstance(part, Mapping) and (image := _image(part)) is not None:
            images.append(image)
    return texts, images, len(content) > 1 or len(texts) + len(images) != len(content)


def _numbered(attributes: Mapping[str, Any], prefix: str) -> list[dict[str, Any]]:
    """Return messages whose fields are attributes of their own: `gen_ai.prompt.0.role`."""
    return [message for message in in_order(to_tree(attributes, prefix)) if isinstance(message, dict)]


def to_tree(attributes: Mapping[str, Any], prefix: str) -> dict[str, Any]:
    """Return the attributes below a prefix as a tree: `a.0.b` is `{"0": {"b": …}}`."""
    tree: dict[str, Any] = {}
    for name, value in attributes.items():
        if not name.startswith(prefix + "."):
            continue
        *steps, last = name.removeprefix(prefix + ".").split(".")
        node = tree
        for step in steps:
            child = node.setdefault(step, {})
            if not isinstance(child, dict):
                child = node[step] = {"": child}
            node = child
        node[last] = value if not isinstance(node.get(last), dict) else {**node[last], "": value}
    return tree


def in_order(tree: Any) -> list[Any]:
    """Return the numbered branches of a tree in the order of their numbers."""
    if isinstance(tree, list):
        return tree
    if not isinstance(tree, Mapping):
        return []
    return [tree[name] for name in sorted((name for name in tree if name.isdigit()), key=int)]


READER = SpanReader(model_call, other_messages)
IMPORTER = Importer(FORMAT, span_score("gen_ai."), span_reader(FORMAT, READER))
