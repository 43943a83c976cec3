"""OpenInference's spans, which Phoenix and its instrumentors write: `llm.input_messages.0.message.role`, and so on.

A span of the kind LLM is a model call. Its messages stand in numbered attributes; `input.value` and `output.value` hold
the request and the reply as they were, and are kept where they say more than the attributes. Spans of tools, agents and chains
stay beside the Run. See `span_conversations.py` for how conversations are made of spans. Source: OpenInference's semantic conventions.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from ..turns import Kind
from .faults import unknown_value
from .importer import Importer
from .otel_genai import in_order, is_simple, nested
from .record_fields import omit_empty, optional_text, to_number, token_usage
from .report import Notes
from .span_conversations import Draft, ModelCall, SpanReader, span_reader
from .spans import Span, span_score

FORMAT = "openinference"
BODIES = ("messages", "input", "contents", "choices", "output", "content", "candidates", "system")
MESSAGES = ("llm.input_messages", "llm.output_messages")
READ = ("llm.model_name", "llm.provider", "llm.finish_reason", "openinference.span.kind")


def call_of(span: Span, notes: Notes) -> ModelCall | None:
    """The model call a span tells of; None when it is a span of another kind."""
    attributes = _flat(span.attributes)
    kind = attributes.get("openinference.span.kind")
    if kind != "LLM" and not (kind is None and any(name.startswith(MESSAGES) for name in attributes)):
        return None
    given = [draft for message in in_order(nested(attributes, MESSAGES[0])) for draft in _drafts(message, span, notes)]
    answered = [
        draft for message in in_order(nested(attributes, MESSAGES[1])) for draft in _drafts(message, span, notes)
    ]
    transcript = {one for one in attributes.values() if isinstance(one, str)}
    extra_fields = {
        name: one
        for name, one in attributes.items()
        if not name.startswith(MESSAGES) and not (name in READ and is_simple(one))
    }
    for name in ("input.value", "output.value"):
        if name in extra_fields:
            extra_fields[name] = _besides(extra_fields[name], transcript - {extra_fields[name]})
    reply = extra_fields.get("output.value")
    return ModelCall(
        given,
        answered,
        _about(span, attributes, reply if isinstance(reply, Mapping) else {}),
        omit_empty(span=omit_empty(extra_fields), events=span.events, **span.extra_fields()),
    )


def _flat(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """Attributes by full names, which some exports write as a tree."""
    made: dict[str, Any] = {}

    def walk(prefix: str, value: Any) -> None:
        if isinstance(value, Mapping) and value:
            for name, one in value.items():
                walk(f"{prefix}{name}.", one)
        elif isinstance(value, list) and any(isinstance(one, Mapping) for one in value):
            for index, one in enumerate(value):
                walk(f"{prefix}{index}.", one)
        else:
            made[prefix[:-1]] = value

    walk("", attributes)
    return made


def _about(span: Span, attributes: Mapping[str, Any], reply: Mapping[str, Any]) -> dict[str, Any]:
    provider = attributes.get("llm.provider") or attributes.get("llm.system")
    model = attributes.get("llm.model_name") or attributes.get("llm.response.model_name")
    count, response = "llm.token_count.", reply.get("id")
    cost = to_number(attributes.get("llm.cost.total"))
    return {
        "provider": provider if isinstance(provider, str) else "",
        "model": model if isinstance(model, str) else "",
        "response_id": response if isinstance(response, str) else "",
        "stop_reason": attributes.get("llm.finish_reason") or ("error" if span.error else ""),
        "cost": None if cost is None else float(cost),
        "usage": token_usage(
            attributes.get(f"{count}prompt"),
            attributes.get(f"{count}completion"),
            cached=attributes.get(f"{count}prompt_details.cache_read"),
            written=attributes.get(f"{count}prompt_details.cache_write"),
            reasoning=attributes.get(f"{count}completion_details.reasoning"),
        ),
        "extra": omit_empty(error=span.error),
    }


def _besides(value: Any, transcript: set[str]) -> Any:
    """What a request or a reply holds besides its messages, if the attributes say all that these say; else all of it."""
    try:
        body = json.loads(value) if isinstance(value, str) else value
    except (ValueError, RecursionError):
        return None if value in transcript else value
    if not isinstance(body, dict):
        return None if isinstance(body, str) and body in transcript else value
    parts = {name: one for name, one in body.items() if name in BODIES}
    if all(text in transcript for text in _texts(parts)):
        return {name: one for name, one in body.items() if name not in parts}
    return value


WORDS = frozenset(
    {"type", "role", "object", "status", "finish_reason", "detail"}
)  # which name a shape, and say nothing


def _texts(value: Any, name: str = "") -> Iterator[str]:
    """What a request's messages say: the texts in it that are no names of shapes."""
    if isinstance(value, Mapping):
        for key, one in value.items():
            yield from _texts(one, key)
    elif isinstance(value, list):
        for one in value:
            yield from _texts(one, name)
    elif isinstance(value, str) and value and name not in WORDS:
        yield value


def _drafts(numbered: Any, span: Span, notes: Notes) -> list[Draft]:
    message = numbered.get("message", numbered) if isinstance(numbered, Mapping) else {}
    role = optional_text(message.get("role"), "role") or "user"
    texts, images, others = _contents(message)
    id = message.get("tool_call_id")
    if role in ("tool", "function") or isinstance(id, str):
        known = optional_text(id, "the id of a result") or ""
        other_fields = omit_empty(images=images, name=message.get("name"), contents=others)
        return [Draft(Kind.TOOL_USE, {"id": known, "result": "\n".join(texts), "error": ""}, "", other_fields)]
    calls = [_call(one) for one in in_order(message.get("tool_calls"))]
    if isinstance(message.get("function_call_name"), str):
        calls.append(
            _call({"name": message["function_call_name"], "arguments": message.get("function_call_arguments_json")})
        )
    made = [Draft(Kind.REASONING, thought) for thought in _thoughts(message)]
    payload = {"text": "\n".join(texts)} | omit_empty(images=images)
    if role in ("assistant", "model", "ai"):
        if any(texts) or images or not (calls or made):
            made.append(Draft(Kind.LLM_TEXT, payload, "assistant"))
        made += calls
    else:
        made.append(Draft(Kind.SYSTEM if role in ("system", "developer") else Kind.USER, payload, role))
        made += calls
    made += [Draft(Kind.OTHER, one) for one in others]
    for one in others:
        notes.add_unknown(span.position, unknown_value("type", one.get("type")))
    return made


def _contents(message: Mapping[str, Any]) -> tuple[list[str], list[dict[str, Any]], list[dict[str, Any]]]:
    """Texts, images, and what is neither, of a message."""
    content = message.get("content")
    texts = [content] if isinstance(content, str) else []
    if content is not None and not isinstance(content, (str, Mapping)):
        texts = [json.dumps(content, ensure_ascii=False, default=repr)]
    images: list[dict[str, Any]] = []
    others: list[dict[str, Any]] = []
    for one in in_order(message.get("contents")):
        part = one.get("message_content", one) if isinstance(one, Mapping) else {"text": one}
        kind, text = part.get("type"), part.get("text")
        if kind in ("tool_use", "tool_call", "reasoning", "thinking", "redacted_thinking"):
            continue
        image = part.get("image")
        url = (
            (image.get("image") or image).get("url")
            if isinstance(image, Mapping) and isinstance(image.get("image", image), Mapping)
            else None
        )
        if isinstance(url, str):
            images.append({"url": url})
        elif isinstance(text, str):
            if text not in texts or content is None:
                texts.append(text)
        else:
            others.append(dict(part))
    return texts, images, others


def _thoughts(message: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for one in in_order(message.get("contents")):
        part = one.get("message_content", one) if isinstance(one, Mapping) else {}
        if isinstance(part, Mapping) and part.get("type") in ("reasoning", "thinking", "redacted_thinking"):
            text = part.get("text", part.get("thinking"))
            yield {"text": text if isinstance(text, str) else ""} | omit_empty(
                signature=part.get("signature"), data=part.get("data")
            )


def _call(numbered: Any) -> Draft:
    call = numbered.get("tool_call", numbered) if isinstance(numbered, Mapping) else {}
    call = call if isinstance(call, Mapping) else {}
    function = call["function"] if isinstance(call.get("function"), Mapping) else call
    written = function.get("arguments")
    try:
        args = json.loads(written) if isinstance(written, str) and written else written
    except (ValueError, RecursionError):
        args = None
    payload = {"args": args} if isinstance(args, Mapping) else {"args": {}} | omit_empty(args_raw=written)
    id, name = (
        optional_text(call.get("id"), "the id of a call"),
        optional_text(function.get("name"), "the name of a tool"),
    )
    return Draft(Kind.TOOL_CALL, {"id": id or "", "name": name or "", **payload})


IMPORTER = Importer(FORMAT, span_score("openinference.", "llm."), span_reader(FORMAT, SpanReader(call_of)))
