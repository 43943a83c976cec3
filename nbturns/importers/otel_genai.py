"""OpenTelemetry's spans of generative AI: the semantic conventions `gen_ai.*`, in all their forms.

Messages are in attributes (`gen_ai.input.messages`, `gen_ai.output.messages`: JSON of roles and parts; before that,
`gen_ai.prompt.0.role`), or in events and log records (`gen_ai.user.message`, `gen_ai.choice`). Spans come in OTLP's JSON or
in that of the SDK for Python; `span_conversations.py` makes conversations of them. Spans of the Vercel AI SDK have names of
their own: `vercel_spans.py`. Source: "Semantic conventions for generative AI" 1.27 to 1.38:
open-telemetry/semantic-conventions at 384d66161cb1, model/gen-ai; traceloop/openllmetry at 93429cfb9767,
packages/opentelemetry-semantic-conventions-ai (names before them); pydantic/pydantic-ai at 4fda38988f29,
pydantic_ai_slim/pydantic_ai/_instrumentation.py and models/instrumented.py (`operation.cost`, `tool_response`,
`pydantic_ai.all_messages`), usage.py (`gen_ai.usage.details.*`); vercel/ai at ed857f50f112,
packages/otel/src/legacy-open-telemetry.ts (`ai.*`); langfuse/langfuse at 62751446149b,
packages/shared/src/server/otel/OtelIngestionProcessor.ts (other spellings of counts).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from . import vercel_spans
from .kit import lenient_json
from .kit.attribute_trees import attribute_tree, numbered_branches
from .kit.drafts import Draft
from .kit.faults import wrong_type
from .kit.import_report import Notes
from .kit.importer import Importer
from .kit.message_history import MessageHistory
from .kit.message_parts import json_or_text
from .kit.message_values import MessageReader, prompt_drafts
from .kit.record_fields import (
    expect,
    first_number,
    object_or_empty,
    objects,
    omit,
    omit_empty,
    text_or_empty,
    to_float,
    to_number,
    token_usage,
)
from .kit.span_conversations import ModelCall, SpanReader, span_reader
from .kit.span_tools import ToolSpan
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
# Values of a tool call under the names of the convention, of pydantic-ai, of Vercel's AI SDK and of OpenLLMetry.
TOOL_NAMES = ("gen_ai.tool.name", "ai.toolCall.name")
TOOL_CALL_IDS = ("gen_ai.tool.call.id", "ai.toolCall.id")
TOOL_ARGUMENTS = ("gen_ai.tool.call.arguments", "tool_arguments", "ai.toolCall.args", "traceloop.entity.input")
TOOL_RESULTS = ("gen_ai.tool.call.result", "tool_response", "ai.toolCall.result", "traceloop.entity.output")
CALL_PREFIXES = (*NUMBERED_MESSAGES, "gen_ai.input.", "gen_ai.response.")  # of attributes of model calls
REPLY_EVENTS = ("gen_ai.choice", "gen_ai.content.completion")
RESULT_ATTRIBUTES = (
    "gen_ai.usage.input_tokens",
    "gen_ai.usage.output_tokens",
    "gen_ai.response.model",
    "gen_ai.response.id",
    "gen_ai.response.finish_reasons",
)


def new_reader() -> SpanReader:
    """Return the reader of the spans of one source."""
    history = MessageHistory()

    def read_call(span: Span, notes: Notes) -> ModelCall | None:
        return vercel_spans.model_call(span, notes) if vercel_spans.is_vercel(span) else model_call(span, history)

    def read_tool_call(span: Span) -> ToolSpan | None:
        return vercel_spans.tool_call(span) if vercel_spans.is_vercel(span) else tool_call(span)

    return SpanReader(read_call, read_tool_call, other_messages)


def model_call(span: Span, history: MessageHistory | None = None) -> ModelCall | None:
    """Return the model call of a span; None for a span of another kind."""
    if not _is_model_call(span):
        return None
    attributes = dict(span.attributes)
    request = MessageReader(history=history)
    reply = MessageReader()
    _read_attributes(span, request, reply)
    for event in (*span.events, *_attribute_events(attributes)):
        _read_event(event, span, request, reply)
    for prefix, reader, role in (("gen_ai.prompt", request, "user"), ("gen_ai.completion", reply, "assistant")):
        reader.read_messages(_numbered_messages(attributes, prefix), role)
    reply.messages.call_ids.count = request.messages.call_ids.count
    _add_finish_reason(span, reply.stop_reason)
    extra_attributes = {
        attribute_name: attribute_value
        for attribute_name, attribute_value in attributes.items()
        if not attribute_name.startswith(NUMBERED_MESSAGES)
        and attribute_name not in MESSAGES
        and not (attribute_name in RESULT_ATTRIBUTES and is_simple(attribute_value))
    }
    other_events = [event for event in span.events if not str(event.get("name")).startswith("gen_ai.")]
    extra_fields = omit_empty(span=extra_attributes, events=other_events, **span.extra_fields())
    messages = request.messages
    call_fields = _result_fields(span)
    return ModelCall(list(messages.drafts), reply.messages.drafts, call_fields, extra_fields, hashes=messages.hashes)


def tool_call(span: Span) -> ToolSpan | None:
    """Return the tool call of a span; None for a span of another kind."""
    attributes = span.attributes
    name = next((attributes[key] for key in TOOL_NAMES if isinstance(attributes.get(key), str)), "")
    if attributes.get("gen_ai.operation.name") != "execute_tool" and not name:
        return None
    call_id, arguments, result = (
        next((attributes[key] for key in keys if attributes.get(key) is not None), None)
        for keys in (TOOL_CALL_IDS, TOOL_ARGUMENTS, TOOL_RESULTS)
    )
    tool_name = name or span.name.removeprefix("execute_tool ")
    return ToolSpan(span, text_or_empty(call_id), tool_name, json_or_text(arguments), result, span.error)


def other_messages(span: Span) -> list[Draft]:
    """Return the messages of a span of another kind, such as an agent; used for conversations without model calls."""
    request, reply = MessageReader(), MessageReader()
    _read_attributes(span, request, reply)
    drafts = request.messages.drafts + reply.messages.drafts
    if not drafts:
        request.read_messages(json_or_text(span.attributes.get("pydantic_ai.all_messages")) or [], "user")
    return drafts or request.messages.drafts


def is_simple(value: Any) -> bool:
    """Return True for an attribute of a documented type: a text, a number, or a list of them."""
    return all(isinstance(item, (str, int, float)) for item in (value if isinstance(value, list) else [value]))


def _is_model_call(span: Span) -> bool:
    attributes = span.attributes
    operation_name = attributes.get("gen_ai.operation.name") or attributes.get("llm.request.type")
    if isinstance(operation_name, str):
        return operation_name in CHAT_OPERATIONS
    if any(str(event.get("name")).startswith("gen_ai.") for event in (*span.events, *_attribute_events(attributes))):
        return True
    return any(attribute_name.startswith(CALL_PREFIXES) for attribute_name in attributes)


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
            cache_read_tokens=first_number(attributes, CACHE_READ_NAMES),
            cache_write_tokens=first_number(attributes, CACHE_WRITE_NAMES),
            reasoning_tokens=first_number(attributes, REASONING_NAMES),
        ),
        "extra": omit_empty(error=span.error),
    }


# Messages in attributes.


def _read_attributes(span: Span, request: MessageReader, reply: MessageReader) -> None:
    """Read the messages and the reply in the attributes of a span."""
    instructions = json_or_text(span.attributes.get("gen_ai.system_instructions"))
    if instructions:
        request.messages.add(prompt_drafts(instructions))
    for name, reader, role in (
        ("gen_ai.input.messages", request, "user"),
        ("gen_ai.output.messages", reply, "assistant"),
    ):
        value = span.attributes.get(name)
        if value and not reader.read_messages(value, role):
            _read_damaged(name, value, reader, role)


def _read_damaged(name: str, value: Any, reader: MessageReader, role: str) -> None:
    """Read the messages before the cut of an attribute with a limited length; any other value is an `other` block."""
    beginning = lenient_json.parse_beginning(value.encode("utf-8", "replace")) if isinstance(value, str) else None
    if isinstance(beginning, list) and beginning and reader.read_messages(beginning, role):
        reader.messages = reader.messages.copy()
        last_draft = reader.messages.drafts[-1]
        reader.messages.drafts[-1] = replace(last_draft, unknown=f"{name} is cut here, and read up to the cut")
        return
    known_value = json_or_text(value)
    reader.messages.add([Draft("other", {name: known_value}, role, unknown=wrong_type(name, known_value, list))])


def _add_finish_reason(span: Span, finish_reason: Any) -> None:
    """Add the finish reason of a reply to a span without one."""
    span_reasons = span.attributes.get("gen_ai.response.finish_reasons")
    span_reason = span_reasons[0] if isinstance(span_reasons, list) and span_reasons else span_reasons
    if isinstance(finish_reason, str) and finish_reason and not isinstance(span_reason, str):
        span.attributes["gen_ai.response.finish_reasons"] = [finish_reason]


# Messages in events and log records.


def _attribute_events(attributes: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the events that a span has as JSON in its attribute `events`, as pydantic-ai writes them."""
    records = json_or_text(attributes.get("events"))
    names = (
        [record for record in records if isinstance(record, Mapping) and "event.name" in record]
        if isinstance(records, list)
        else []
    )
    return [{"name": record["event.name"], "body": omit(record, "event.name")} for record in names]


def _read_event(event: Mapping[str, Any], span: Span, request: MessageReader, reply: MessageReader) -> None:
    """Read the messages and the reply in an event."""
    event_name, event_attributes = str(event.get("name")), object_or_empty(event.get("attributes"), "attributes")
    if not event_name.startswith("gen_ai."):
        return
    if any(message_name in event_attributes for message_name in MESSAGES):  # gen_ai.client.inference.operation.details
        _read_attributes(Span(span.position, {}, attributes=event_attributes), request, reply)
    elif event_name in ("gen_ai.content.prompt", "gen_ai.content.completion"):
        reader = reply if event_name in REPLY_EVENTS else request
        for record in objects(json_or_text(event_attributes.get(event_name.replace("content.", ""))), event_name):
            reader.messages.add(reader.message_drafts(record, "user"))
    elif event_name == "gen_ai.choice":
        reply.messages.add(_choice_drafts(_event_body(event, event_attributes), span, reply))
    elif event_name.endswith(".message"):
        role = event_name.removeprefix("gen_ai.").removesuffix(".message")
        body = _event_body(event, event_attributes)
        request.messages.add(request.message_drafts({"role": role, **omit_empty(body)}))


def _event_body(event: Mapping[str, Any], attributes: Mapping[str, Any]) -> dict[str, Any]:
    event_body = event.get("body")
    if event_body is None:
        return {attribute_name: json_or_text(attribute_value) for attribute_name, attribute_value in attributes.items()}
    parsed_body = json_or_text(event_body)
    return expect({} if parsed_body is None else parsed_body, dict, "body")


def _choice_drafts(choice_body: dict[str, Any], span: Span, reply: MessageReader) -> list[Draft]:
    choice_message = choice_body.get("message")
    choice_message = choice_body if choice_message is None else json_or_text(choice_message)
    if isinstance(choice_message, str):
        choice_message = {"content": choice_message}
    drafts = reply.message_drafts(expect(choice_message, dict, "message"), "assistant")
    _add_finish_reason(span, choice_body.get("finish_reason"))
    return drafts


def _numbered_messages(attributes: Mapping[str, Any], prefix: str) -> list[dict[str, Any]]:
    """Return messages whose fields are attributes of their own: `gen_ai.prompt.0.role`."""
    return [message for message in numbered_branches(attribute_tree(attributes, prefix)) if isinstance(message, dict)]


READER = SpanReader(lambda span, _notes: model_call(span), tool_call, other_messages)  # of spans that come alone
IMPORTER = Importer(FORMAT, span_score("gen_ai.", vercel_spans.OPERATION), span_reader(FORMAT, new_reader))
