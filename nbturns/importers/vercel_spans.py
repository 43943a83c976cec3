"""Spans of the Vercel AI SDK: `ai.generateText.doGenerate` and its relatives are model calls, `ai.toolCall` is a tool call.

The messages are JSON in `ai.prompt.messages`, the reply is in `ai.response.*`. The spans around them (`ai.generateText`)
repeat both and are not calls of their own. Source: vercel/ai at ed857f50f112,
content/docs/03-ai-sdk-core/60-telemetry.mdx and packages/otel/src/legacy-open-telemetry.ts (names of AI SDK 4 to 6).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .http_exchanges import _drafts
from .kit.drafts import Draft
from .kit.import_report import Notes
from .kit.record_fields import json_or_none, omit_empty, text_or_empty, token_usage
from .kit.span_conversations import ModelCall, SpanReader
from .kit.span_tools import ToolSpan
from .kit.spans import Span
from .vercel_messages import read_vercel_messages

OPERATION = "ai.operationId"
CALL_ENDINGS = (".doGenerate", ".doStream")
TOOL_OPERATION = "ai.toolCall"
READ_NAMES = ("ai.prompt.messages", "ai.response.text", "ai.response.reasoning", "ai.response.toolCalls", "ai.response.object")  # fmt: skip
INPUT_TOKENS = ("gen_ai.usage.input_tokens", "ai.usage.inputTokens", "ai.usage.promptTokens")
OUTPUT_TOKENS = ("gen_ai.usage.output_tokens", "ai.usage.outputTokens", "ai.usage.completionTokens")
CACHED_TOKENS = ("ai.usage.cachedInputTokens", "ai.usage.inputTokenDetails.cacheReadTokens")
WRITTEN_TOKENS = ("ai.usage.inputTokenDetails.cacheWriteTokens",)
REASONING_TOKENS = ("ai.usage.reasoningTokens", "ai.usage.outputTokenDetails.reasoningTokens")


def is_vercel(span: Span) -> bool:
    """Return True for a span of the AI SDK."""
    return isinstance(span.attributes.get(OPERATION), str)


def model_call(span: Span, notes: Notes) -> ModelCall | None:
    """Return the model call of a span; None for a span of another kind."""
    attributes = span.attributes
    if not text_or_empty(attributes.get(OPERATION)).endswith(CALL_ENDINGS):
        return None
    messages = _message_drafts(_json(attributes.get("ai.prompt.messages")) or [], notes)
    reply_parts = list(_reply_parts(attributes))
    reply = _message_drafts([{"role": "assistant", "content": reply_parts}] if reply_parts else [], notes)
    other_attributes = {name: value for name, value in attributes.items() if name not in READ_NAMES}
    extra_fields = omit_empty(span=other_attributes, events=span.events, **span.extra_fields())
    return ModelCall(messages, reply, _result_fields(span), extra_fields)


def tool_call(span: Span) -> ToolSpan | None:
    """Return the tool call of a span; None for a span of another kind."""
    attributes = span.attributes
    if attributes.get(OPERATION) != TOOL_OPERATION:
        return None
    id, name = (text_or_empty(attributes.get(f"ai.toolCall.{field}")) for field in ("id", "name"))
    arguments = attributes.get("ai.toolCall.args", attributes.get("ai.toolCall.input"))
    result = attributes.get("ai.toolCall.result", attributes.get("ai.toolCall.output"))
    return ToolSpan(span, id, name, arguments, _json(result), span.error)


def _message_drafts(messages: Any, notes: Notes) -> list[Draft]:
    if not messages:
        return []
    read_notes = Notes(notes.format, notes.file)
    run = read_vercel_messages(messages, read_notes)
    notes.unknown += read_notes.unknown
    return _drafts(run.latest.blocks)


def _reply_parts(attributes: Mapping[str, Any]) -> Any:
    """Yield the parts of the reply as a message has them."""
    for name, part_type in (("reasoning", "reasoning"), ("text", "text"), ("object", "text")):
        if text := text_or_empty(attributes.get(f"ai.response.{name}")):
            yield {"type": part_type, "text": text}
    for call in _json(attributes.get("ai.response.toolCalls")) or ():
        if isinstance(call, Mapping):
            yield {**omit_empty(call), "type": "tool-call"}


def _result_fields(span: Span) -> dict[str, Any]:
    attributes = span.attributes
    reasons = attributes.get("gen_ai.response.finish_reasons")
    reason = reasons[0] if isinstance(reasons, list) and reasons else attributes.get("ai.response.finishReason")
    counts = [
        next((attributes[name] for name in names if attributes.get(name) is not None), None)
        for names in (INPUT_TOKENS, OUTPUT_TOKENS, CACHED_TOKENS, WRITTEN_TOKENS, REASONING_TOKENS)
    ]
    models = (attributes.get(name) for name in ("gen_ai.response.model", "ai.response.model", "gen_ai.request.model", "ai.model.id"))  # fmt: skip
    return {
        "provider": text_or_empty(attributes.get("gen_ai.system") or attributes.get("ai.model.provider")).partition(".")[0],
        "model": next((model for model in models if isinstance(model, str)), ""),
        "response_id": text_or_empty(attributes.get("gen_ai.response.id") or attributes.get("ai.response.id")),
        "stop_reason": reason or ("error" if span.error else ""),
        "usage": token_usage(
            counts[0],
            counts[1],
            cache_read_tokens=counts[2],
            cache_write_tokens=counts[3],
            reasoning_tokens=counts[4],
        ),
        "extra": omit_empty(error=span.error),
    }  # fmt: skip


def _json(value: Any) -> Any:
    """Return the value of an attribute that is JSON; any other text as it is."""
    parsed = json_or_none(value) if isinstance(value, str) else None
    return value if parsed is None else parsed


READER = SpanReader(model_call, tool_call)
