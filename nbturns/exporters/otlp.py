"""OTLP's JSON with the GenAI conventions: a `chat` span for each reply, with all messages that came before it.

A result of a tool that no reply follows has a span of its own, `execute_tool`.

Texts, images, reasoning, calls and results read back as they are, results that are not text too; of model calls the
model, provider, tokens, stop reason and, where the time is known, the duration. Lost are: prompts after the last reply,
cost, other metadata, ids of blocks, earlier Turns that the latest does not continue, and blocks of unknown kinds. Errors
of tools come back as results.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from hashlib import sha256
from typing import Any

from ..values.blocks import Block
from ..values.frozen_json import thaw
from ..values.inference_results import InferenceResult, UnknownCount
from ..values.provenance import TIMESTAMP
from ..values.times import parsed_time
from ..values.turns import Run, Turn
from .message_steps import Step, answer_text, conversation_steps, json_text, runs_of

TOKENS = {
    "gen_ai.usage.input_tokens": "input_tokens",
    "gen_ai.usage.output_tokens": "output_tokens",
    "gen_ai.usage.cache_read.input_tokens": "cached_tokens",
    "gen_ai.usage.cache_creation.input_tokens": "cache_creation_input_tokens",
    "gen_ai.usage.reasoning.output_tokens": "reasoning_tokens",
}


def otlp_text(value: Turn | Run | Sequence[Run]) -> str:
    """Return the spans of one conversation or several as JSON."""
    spans = [span for number, run in enumerate(runs_of(value)) for span in _spans(run, number)]
    scope_spans = [{"scope": {"name": "nbturns"}, "spans": spans}]
    resource = {"attributes": [_attribute("service.name", "nbturns")]}
    return json_text({"resourceSpans": [{"resource": resource, "scopeSpans": scope_spans}]}) + "\n"


def _spans(run: Run, number: int) -> Iterator[dict[str, Any]]:
    key = run.id or json_text([[block.kind, block.payload] for block in run.latest])
    key += f"#{number}" if number else ""  # several Runs may have one id
    digest = sha256(key.encode("utf-8", "backslashreplace")).hexdigest()
    sent: list[str] = []  # JSON of the messages so far: each span has all of them
    steps = list(conversation_steps(run))
    last_reply = max((index for index, step in enumerate(steps) if step.kind == "reply"), default=-1)
    for index, step in enumerate(steps):
        message = json_text({"role": _role(step), "parts": [part for block in step.blocks for part in _parts(block)]})
        span_id = sha256(f"{digest}/{step.start}".encode()).hexdigest()[:16]
        if step.kind == "reply":
            yield _span(digest[:32], span_id, run, step, sent, [message])
        sent.append(message)
        if last_reply < 0 and index == len(steps) - 1:
            yield _span(digest[:32], span_id, run, step, sent, [])
        elif 0 <= last_reply < index and step.kind == "result":
            yield from (_tool_span(digest[:32], run, block) for block in step.blocks)


def _role(step: Step) -> str:
    block = step.blocks[0]
    return {"prompt": block.role or block.kind, "reply": "assistant", "result": "tool"}[step.kind]


def _parts(block: Block) -> Iterator[dict[str, Any]]:
    match block.kind:
        case "reasoning":
            yield {"type": "reasoning", "content": block.text}
        case "tool_call":
            raw = block.payload.get("args_raw") or block.payload.get("args")
            arguments = raw if isinstance(raw, str) else thaw(block.args)
            yield {"type": "tool_call", "id": block.tool_call_id, "name": block.name, "arguments": arguments}
        case "tool_use":
            answer = answer_text(block) if block.error else thaw(block.result)
            yield {"type": "tool_call_response", "id": block.tool_call_id, "response": answer}
        case _:
            yield {"type": "text", "content": block.text}
            for image in block.images:
                yield _image_part(thaw(image))


def _image_part(image: dict[str, Any]) -> dict[str, Any]:
    place = "content" if image.get("content") else "url"
    part_type, name = ("blob", "content") if place == "content" else ("uri", "uri")
    part = {"type": part_type, "modality": "image", "mime_type": image.get("media_type"), name: image.get(place)}
    return {name: value for name, value in part.items() if value is not None}


def _span(trace_id: str, span_id: str, run: Run, step: Step, sent: list[str], replies: list[str]) -> dict[str, Any]:
    result = step.result or InferenceResult()
    values = {
        "gen_ai.operation.name": "chat",
        "gen_ai.conversation.id": run.id or None,
        "gen_ai.input.messages": f"[{', '.join(sent)}]",
        "gen_ai.output.messages": f"[{', '.join(replies)}]",
        "gen_ai.provider.name": result.provider or None,
        "gen_ai.request.model": result.model or None,
        "gen_ai.response.id": result.response_id or None,
        **{name: _known(getattr(result.usage, field, None)) for name, field in TOKENS.items()},
    }
    attributes = [_attribute(name, value) for name, value in values.items() if value is not None]
    if result.stop_reason:
        reasons = {"arrayValue": {"values": [{"stringValue": result.stop_reason}]}}
        attributes.append({"key": "gen_ai.response.finish_reasons", "value": reasons})
    name = f"chat {result.model}".rstrip()
    ids = {"traceId": trace_id, "spanId": span_id, "name": name, "kind": 3}
    return {**ids, **_times(step.blocks[0], result), "attributes": attributes}


def _tool_span(trace_id: str, run: Run, result: Block) -> dict[str, Any]:
    """Return the span of a result that no reply follows; a later `chat` span has the others in its messages."""
    call = next((block for block in run.latest.of_kind("tool_call") if block.tool_call_id == result.tool_call_id), None)
    answer = answer_text(result) if result.error else thaw(result.result)
    values = {
        "gen_ai.operation.name": "execute_tool",
        "gen_ai.conversation.id": run.id or None,
        "gen_ai.tool.name": call.name if call is not None else None,
        "gen_ai.tool.call.id": result.tool_call_id,
    }
    attributes = [_attribute(name, value) for name, value in values.items() if value is not None]
    attributes.append({"key": "gen_ai.tool.call.result", "value": _any_value(answer)})
    span_id = sha256(f"{trace_id}/{result.tool_call_id}".encode("utf-8", "backslashreplace")).hexdigest()[:16]
    name = f"execute_tool {call.name if call is not None else ''}".rstrip()
    return {"traceId": trace_id, "spanId": span_id, "name": name, "kind": 1, "attributes": attributes}


def _known(count: int | None) -> int | None:
    return None if isinstance(count, UnknownCount) else count


def _attribute(name: str, value: Any) -> dict[str, Any]:
    return {"key": name, "value": {"intValue": str(value)} if isinstance(value, int) else {"stringValue": value}}


def _any_value(value: Any) -> dict[str, Any]:
    """Return a value as OTLP writes it."""
    match value:
        case bool():
            return {"boolValue": value}
        case int():
            return {"intValue": str(value)}
        case float():
            return {"doubleValue": value}
        case list():
            return {"arrayValue": {"values": [_any_value(item) for item in value]}}
        case dict():
            return {"kvlistValue": {"values": [{"key": key, "value": _any_value(item)} for key, item in value.items()]}}
    return {} if value is None else {"stringValue": str(value)}


def _times(block: Block, result: InferenceResult) -> dict[str, str]:
    """Return the start and the end of a span, where they are known."""
    timestamp = block.metadata.get(TIMESTAMP)
    time = parsed_time(timestamp) if timestamp is not None else None
    if time is None:
        return {}
    start = round(time.timestamp() * 1_000_000) * 1_000
    end = {} if result.duration_ms is None else {"endTimeUnixNano": str(start + result.duration_ms * 1_000_000)}
    return {"startTimeUnixNano": str(start), **end}
