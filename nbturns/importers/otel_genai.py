"""OpenTelemetry's spans of generative AI: the semantic conventions `gen_ai.*`, in all their forms.

Messages stand in attributes (`gen_ai.input.messages`, `gen_ai.output.messages`: JSON of roles and parts; before
that, with `gen_ai.prompt.0.role`), or in events and log records (`gen_ai.user.message`, `gen_ai.choice`). Spans are read
from OTLP's JSON and from the JSON of the SDK for Python; see `span_conversations.py` for how conversations are made of them.
Source: "Semantic conventions for generative AI" 1.27 to 1.38, and OpenLLMetry's names before them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from ..turns import Kind
from .faults import unknown_value
from .importer import Importer
from .record_fields import expect, list_or_empty, object_or_empty, omit_empty, optional_text, to_number, token_usage
from .report import Notes
from .span_conversations import Draft, ModelCall, SpanReader, span_reader
from .spans import Span, span_score

FORMAT = "otel-genai"
CHATS = ("chat", "text_completion", "generate_content", "completion", "create_message", "responses")
MESSAGES = ("gen_ai.input.messages", "gen_ai.output.messages", "gen_ai.system_instructions")
OUTPUT = ("gen_ai.choice", "gen_ai.content.completion")
READ = (
    *MESSAGES,
    "gen_ai.usage.input_tokens",
    "gen_ai.usage.output_tokens",
    "gen_ai.response.model",
    "gen_ai.response.id",
    "gen_ai.response.finish_reasons",
)


def call_of(span: Span, notes: Notes) -> ModelCall | None:
    """The model call a span tells of; None when it tells of none."""
    attributes = dict(span.attributes)
    if not _is_call(span):
        return None
    given, answered = _from_attributes(span, notes)
    for event in span.events:
        more, transcript = _from_event(event, span, notes)
        given += more
        answered += transcript
    older, replies = _numbered(attributes, "gen_ai.prompt"), _numbered(attributes, "gen_ai.completion")
    given += [draft for message in older for draft in _legacy(message, "user")]
    answered += [draft for message in replies for draft in _legacy(message, "assistant")]
    extra_fields = {
        name: one for name, one in attributes.items() if not name.startswith(("gen_ai.prompt.", "gen_ai.completion."))
    }
    extra_fields = {
        name: one for name, one in extra_fields.items() if name not in READ or not (name in MESSAGES or is_simple(one))
    }
    kept = [one for one in span.events if not str(one.get("name")).startswith("gen_ai.")]
    return ModelCall(given, answered, _about(span), omit_empty(span=extra_fields, events=kept, **span.extra_fields()))


def spoken(span: Span, notes: Notes) -> list[Draft]:
    """The messages on a span that is no model call: an agent's, for where the model's own spans have none."""
    given, answered = _from_attributes(span, notes)
    listed = list_or_empty(_parsed(span.attributes.get("pydantic_ai.all_messages")), "pydantic_ai.all_messages")
    return given + answered or [draft for message in listed for draft in drafts_of(message, span.position, notes)]


def is_simple(value: Any) -> bool:
    """Whether an attribute has the type it should: a text, a number, or a list of them."""
    return all(isinstance(one, (str, int, float)) for one in (value if isinstance(value, list) else [value]))


def _is_call(span: Span) -> bool:
    attributes = span.attributes
    operation = attributes.get("gen_ai.operation.name") or attributes.get("llm.request.type")
    if isinstance(operation, str):
        return operation in CHATS
    if any(str(event.get("name")).startswith("gen_ai.") for event in span.events):
        return True
    return any(
        name.startswith(("gen_ai.prompt.", "gen_ai.completion.", "gen_ai.input.", "gen_ai.response."))
        for name in attributes
    )


def _about(span: Span) -> dict[str, Any]:
    attributes = span.attributes
    reasons = attributes.get("gen_ai.response.finish_reasons")
    reason = reasons[0] if isinstance(reasons, list) and reasons else reasons
    if span.error and not reason:
        reason = "error"
    cost = to_number(attributes.get("operation.cost", attributes.get("gen_ai.usage.cost")))
    provider = attributes.get("gen_ai.provider.name") or attributes.get("gen_ai.system")
    model = attributes.get("gen_ai.response.model") or attributes.get("gen_ai.request.model")
    response, most = attributes.get("gen_ai.response.id"), to_number(attributes.get("gen_ai.request.max_tokens"))
    detail = "gen_ai.usage.details."
    return {
        "provider": provider if isinstance(provider, str) else "",
        "model": model if isinstance(model, str) else "",
        "response_id": response if isinstance(response, str) else "",
        "stop_reason": reason,
        "max_tokens": None if most is None else int(most),
        "cost": None if cost is None else float(cost),
        "usage": token_usage(
            attributes.get("gen_ai.usage.input_tokens", attributes.get("gen_ai.usage.prompt_tokens")),
            attributes.get("gen_ai.usage.output_tokens", attributes.get("gen_ai.usage.completion_tokens")),
            cached=attributes.get(
                "gen_ai.usage.cache_read.input_tokens", attributes.get(f"{detail}cache_read_input_tokens")
            ),
            written=attributes.get(
                "gen_ai.usage.cache_creation.input_tokens", attributes.get(f"{detail}cache_creation_input_tokens")
            ),
            reasoning=attributes.get(f"{detail}reasoning_tokens", attributes.get("gen_ai.usage.reasoning_tokens")),
        ),
        "extra": omit_empty(error=span.error),
    }


# Messages in attributes.


def _from_attributes(span: Span, notes: Notes) -> tuple[list[Draft], list[Draft]]:
    given: list[Draft] = []
    instructions = _parsed(span.attributes.get("gen_ai.system_instructions"))
    if instructions:
        parts = instructions if isinstance(instructions, list) else [instructions]
        given += drafts_of({"role": "system", "parts": parts}, span.position, notes)
    for message in list_or_empty(_parsed(span.attributes.get("gen_ai.input.messages")), "gen_ai.input.messages"):
        given += drafts_of(message, span.position, notes)
    answered: list[Draft] = []
    for message in list_or_empty(_parsed(span.attributes.get("gen_ai.output.messages")), "gen_ai.output.messages"):
        answered += drafts_of(message, span.position, notes)
        _ended(span, message.get("finish_reason"))
    return given, answered


def _ended(span: Span, reason: Any) -> None:
    """Why a reply ended, as the reply says it: for where its span does not."""
    written = span.attributes.get("gen_ai.response.finish_reasons")
    told_there = written[0] if isinstance(written, list) and written else written
    if isinstance(reason, str) and reason and not isinstance(told_there, str):
        span.attributes["gen_ai.response.finish_reasons"] = [reason]


def _parsed(value: Any) -> Any:
    """An attribute that is JSON; a text that is none is itself."""
    if isinstance(value, str):
        try:
            return json.loads(value) if value else None
        except (ValueError, RecursionError):
            return value
    return value


def drafts_of(raw: Any, place: str, notes: Notes) -> list[Draft]:
    """The blocks of a message of roles and parts."""
    message = expect(raw, dict, "")
    role = optional_text(message.get("role"), "role") or "user"
    parts = message.get("parts")
    if parts is None and "content" in message:
        return _legacy(message, role)
    made: list[Draft] = []
    texts: list[str] = []
    images: list[dict[str, Any]] = []
    for part in list_or_empty(parts, "parts"):
        if isinstance(part, str):
            texts.append(part)
            continue
        kind = expect(part, dict, "a part").get("type")
        content = part.get("content")
        if kind == "text" and role == "assistant":
            made.append(Draft(Kind.LLM_TEXT, {"text": optional_text(content, "content") or ""}, role))
        elif kind == "text":
            texts.append(optional_text(content, "content") or "")
        elif (image := _image(part)) is not None:
            images.append(image)
        else:
            made.append(_part(part, kind, place, notes))
    if texts or images:
        payload = {"text": "\n".join(texts)} | omit_empty(images=images)
        kind = {"system": Kind.SYSTEM, "developer": Kind.SYSTEM, "assistant": Kind.LLM_TEXT}.get(role, Kind.USER)
        made.insert(0, Draft(kind, payload, role))
    if not made and role == "assistant":
        made.append(Draft(Kind.LLM_TEXT, {"text": ""}, role))
    return made


def _part(part: dict[str, Any], kind: Any, place: str, notes: Notes) -> Draft:
    if kind in ("tool_call", "server_tool_call"):
        given = _parsed(part.get("arguments")) if isinstance(part.get("arguments"), str) else part.get("arguments")
        return _call(part.get("id"), part.get("name"), given, part.get("arguments"))
    if kind in ("tool_call_response", "server_tool_call_response"):
        held = next((name for name in ("response", "result", "content") if name in part), None)
        id = optional_text(part.get("id"), "the id of a result") or ""
        result = None if held is None else part[held]
        return Draft(Kind.TOOL_USE, {"id": id, "result": result, "error": ""})
    if kind in ("reasoning", "thinking"):
        return Draft(Kind.REASONING, {"text": optional_text(part.get("content"), "content") or ""})
    notes.add_unknown(place, unknown_value("type", kind))
    return Draft(Kind.OTHER, part)


def _call(id: Any, name: Any, given: Any, written: Any) -> Draft:
    known = optional_text(id, "the id of a call") or ""
    args = {"args": given} if isinstance(given, Mapping) else {"args": {}} | omit_empty(args_raw=written)
    return Draft(Kind.TOOL_CALL, {"id": known, "name": optional_text(name, "the name of a tool") or "", **args})


def _image(part: Mapping[str, Any]) -> dict[str, Any] | None:
    kind, media = part.get("type"), part.get("mime_type") or part.get("media_type")
    pictured = part.get("modality") == "image" or str(media).startswith("image/") or kind == "image-url"
    if kind not in ("blob", "uri", "file", "image-url", "binary") or not pictured:
        return None
    content = part.get("content") if isinstance(part.get("content"), str) else part.get("data")
    return omit_empty(
        media_type=media, content=content, url=part.get("uri") or part.get("url"), file_id=part.get("file_id")
    )


# Messages in events and log records.


def _from_event(event: Mapping[str, Any], span: Span, notes: Notes) -> tuple[list[Draft], list[Draft]]:
    name, attributes = str(event.get("name")), object_or_empty(event.get("attributes"), "attributes")
    if not name.startswith("gen_ai."):
        return [], []
    if any(one in attributes for one in MESSAGES):  # `gen_ai.client.inference.operation.details`
        return _from_attributes(Span(span.position, {}, attributes=attributes), notes)
    body = event.get("body")
    body = _parsed(body) if body is not None else {one: _parsed(held) for one, held in attributes.items()}
    if name in ("gen_ai.content.prompt", "gen_ai.content.completion"):
        listed = list_or_empty(_parsed(attributes.get(name.replace("content.", ""))), name)
        drafts = [draft for one in listed for draft in _legacy(expect(one, dict, "a message"), "user")]
        return ([], drafts) if name in OUTPUT else (drafts, [])
    if not name.endswith(".message") and name not in OUTPUT:
        return [], []
    held = expect({} if body is None else body, dict, "the body of an event")
    if name == "gen_ai.choice":
        message = held.get("message")
        message = _parsed(message) if message is not None else held
        if isinstance(message, str):
            message = {"content": message}
        drafts = _legacy(expect(message, dict, "a message"), "assistant")
        _ended(span, held.get("finish_reason"))
        return [], drafts
    role = name.removeprefix("gen_ai.").removesuffix(".message")
    return _legacy(held, role), []


def _legacy(message: Mapping[str, Any], role: str) -> list[Draft]:
    """The blocks of a message like OpenAI's: a content, calls, the id of the call it answers."""
    role = optional_text(message.get("role"), "role") or role
    content = message.get("content")
    if isinstance(content, str) and content[:1] == "[" and isinstance(parts := _parsed(content), list):
        content = parts if all(isinstance(one, Mapping) and "type" in one for one in parts) else content
    id = message.get("tool_call_id") or message.get("id")
    if role == "tool":
        return [
            Draft(Kind.TOOL_USE, {"id": optional_text(id, "the id of a result") or "", "result": content, "error": ""})
        ]
    texts, images, others = _content(content)
    made: list[Draft] = []
    calls = _calls(message)
    if role == "assistant":
        if any(texts) or images or not calls:
            made.append(Draft(Kind.LLM_TEXT, {"text": "\n".join(texts)} | omit_empty(images=images), role))
    else:
        kind = Kind.SYSTEM if role in ("system", "developer") else Kind.USER
        made.append(Draft(kind, {"text": "\n".join(texts)} | omit_empty(images=images), role))
    if others and made:
        made[0].extra_fields = {"content": content}
    for call in calls:
        function = call.get("function") if isinstance(call.get("function"), Mapping) else call
        assert isinstance(function, Mapping)
        written = function.get("arguments")
        made.append(_call(call.get("id"), function.get("name"), _parsed(written), written))
    return made


def _calls(message: Mapping[str, Any]) -> list[dict[str, Any]]:
    listed = _parsed(message.get("tool_calls"))
    if isinstance(listed, Mapping):  # numbered attributes
        listed = [listed[name] for name in sorted(listed, key=lambda one: (len(one), one))]
    return [expect(call, dict, "a call") for call in list_or_empty(listed, "tool_calls")]


def _content(content: Any) -> tuple[list[str], list[dict[str, Any]], bool]:
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
        elif isinstance(part, Mapping) and isinstance(given := part.get("image_url"), Mapping):
            images.append(omit_empty(url=given.get("url"), detail=given.get("detail")))
        elif isinstance(part, Mapping) and (image := _image(part)) is not None:
            images.append(image)
    return texts, images, len(content) > 1 or len(texts) + len(images) != len(content)


def _numbered(attributes: Mapping[str, Any], prefix: str) -> list[dict[str, Any]]:
    """Messages whose fields are attributes of their own: `gen_ai.prompt.0.role`."""
    tree = nested(attributes, prefix)
    return [one for one in in_order(tree) if isinstance(one, dict)]


def nested(attributes: Mapping[str, Any], prefix: str) -> dict[str, Any]:
    """The attributes below a prefix as a tree: `a.0.b` is `{"0": {"b": …}}`."""
    tree: dict[str, Any] = {}
    for name, value in attributes.items():
        if not name.startswith(prefix + "."):
            continue
        *way, last = name.removeprefix(prefix + ".").split(".")
        here = tree
        for step in way:
            below = here.setdefault(step, {})
            if not isinstance(below, dict):
                below = here[step] = {"": below}
            here = below
        here[last] = value if not isinstance(here.get(last), dict) else {**here[last], "": value}
    return tree


def in_order(tree: Any) -> list[Any]:
    """The branches of a tree that are numbered, in the order of their numbers."""
    if isinstance(tree, list):
        return tree
    if not isinstance(tree, Mapping):
        return []
    return [tree[name] for name in sorted((name for name in tree if name.isdigit()), key=int)]


IMPORTER = Importer(FORMAT, span_score("gen_ai."), span_reader(FORMAT, SpanReader(call_of, spoken)))
