"""Recorded model calls: a request and its reply in one record, under the names that programs give the two.

SDK recorders, gateways (LiteLLM, Batch output), DSPy's history and the spans of tracers all write such records. The
reply decides the format. Source: the references of the four APIs; LiteLLM's `StandardLoggingPayload`
(litellm/types/utils.py); DSPy's `BaseLM.history` (dspy/clients/base_lm.py); OpenAI's Batch output.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ...values.frozen_json import EMPTY_DICT
from .record_fields import json_or_none, object_or_empty, omit, to_number
from .text_completions import TEXT_COMPLETION, as_completion

CHAT, RESPONSES, ANTHROPIC, GEMINI = "openai-chat", "openai", "anthropic", "gemini"
PAIR_SCORE = 95  # of a request and a reply; higher than that of a request alone, which other formats have as well
REQUEST_NAMES = ("request", "body", "request_body", "input", "inputs", "kwargs", "params")
REPLY_NAMES = ("response", "output", "outputs", "completion", "reply", "result", "response_body", "raw_response")
CALL_NAMES = frozenset({*REQUEST_NAMES, *REPLY_NAMES, "prompt", "choices", "candidates", "content"})  # of such records
ENVELOPE_NAMES = ("body", "data", "response", "message")  # of a reply within a reply field: Batch output has one
LIST_NAMES = {RESPONSES: "input", GEMINI: "contents"}  # of the messages in a request; "messages" in the others
CHAT_ROLES = frozenset({"system", "developer", "user", "assistant", "tool", "function"})
MESSAGE_FIELDS = frozenset({"content", "tool_calls", "function_call"})


@dataclass(frozen=True, slots=True)
class RecordedCall:
    """A model call: the format of its reply, its request with the messages (empty for a reply alone), and the reply."""

    format: str
    request: Mapping[str, Any]
    reply: Mapping[str, Any]
    reply_name: str = ""  # the field of the record that has the reply; "" for a reply alone

    @property
    def has_request(self) -> bool:
        return LIST_NAMES.get(self.format, "messages") in self.request


def recorded_call(record: Any) -> RecordedCall | None:
    """Return the model call that a record is; None for a record that is not one."""
    if not isinstance(record, Mapping):
        return None
    record = as_completion(record)
    if format := format_of_reply(record):
        list_name = LIST_NAMES.get(format, "messages")
        has_messages = list_name in record and isinstance(record[list_name], (list, str))
        return RecordedCall(format, record if has_messages else EMPTY_DICT, record)
    for reply_name, raw_reply in sorted(_replies(record), key=_order_of_reply):
        reply = as_completion(raw_reply)
        format = format_of_reply(reply)
        request = _request_of(record, format or CHAT, reply_name)
        if format:
            return RecordedCall(format, request or EMPTY_DICT, reply, reply_name)
        if request is not None and (chat_reply := _chat_reply(reply)) is not None:
            return RecordedCall(CHAT, request, chat_reply, reply_name)
    return None


def _order_of_reply(named_reply: tuple[str, Any]) -> int:
    """Return 0 for a reply with messages, and more for texts, beside which a record may have more of the reply."""
    reply = named_reply[1]
    if isinstance(reply, str):
        return 2
    return 1 if isinstance(reply, Mapping) and reply.get("object") == TEXT_COMPLETION else 0


def format_of_reply(reply: Any) -> str:
    """Return the format of a whole reply of one of the four APIs; "" for any other value."""
    if not isinstance(reply, Mapping):
        return ""
    output, content, candidates = (reply.get(name) for name in ("output", "content", "candidates"))
    if any(isinstance(choice.get("message"), Mapping) for choice in _objects_of(reply.get("choices"))):
        return CHAT
    if isinstance(output, list) and (reply.get("object") == "response" or "status" in reply):
        is_plain = not any(isinstance(item, Mapping) and "message" in item for item in output)
        return RESPONSES if is_plain else ""
    if reply.get("type") == "message" and reply.get("role") == "assistant" and isinstance(content, list):
        return ANTHROPIC if "stop_reason" in reply and "messages" not in reply else ""
    return GEMINI if any("content" in candidate for candidate in _objects_of(candidates)) else ""


def call_details(record: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a record says of its call beside request and reply: cost, duration_ms, usage, model, time."""
    details: dict[str, Any] = {}
    costs = [to_number(record.get(name)) for name in ("cost", "response_cost", "cost_usd")]
    details["cost"] = next((float(cost) for cost in costs if cost is not None), None)
    durations = [(to_number(record.get(name)), scale) for name, scale in DURATION_SCALES.items()]
    start, end = to_number(record.get("startTime")), to_number(record.get("endTime"))
    if start is not None and end is not None and end >= start:
        durations.append((end - start, 1000))
    details["duration_ms"] = next((round(value * scale) for value, scale in durations if value is not None), None)
    usage = record.get("usage")
    details["usage"] = usage if isinstance(usage, Mapping) and usage else record if "prompt_tokens" in record else None
    details["model"] = record.get("model") if isinstance(record.get("model"), str) else None
    details["time"] = next((record[name] for name in ("timestamp", "startTime") if record.get(name)), None)
    return details


DURATION_SCALES = {"duration_ms": 1, "latency_ms": 1, "latency_sec": 1000, "latency_seconds": 1000}  # to milliseconds


def _replies(record: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield the values that may be the reply of a record, with the names of their fields."""
    for name in REPLY_NAMES:
        reply = record.get(name)
        if isinstance(reply, str) and reply.lstrip()[:1] in ("{", "["):
            reply = json_or_none(reply) or reply
        if not reply:
            continue
        inner_reply = reply
        for envelope in ENVELOPE_NAMES:
            if (
                as_completion(inner_reply) is inner_reply
                and isinstance(inner_reply, Mapping)
                and isinstance(inner_reply.get(envelope), Mapping)
            ):
                inner_reply = inner_reply[envelope]
        if inner_reply is not reply and format_of_reply(as_completion(inner_reply)):
            yield name, inner_reply
        yield name, reply


def _request_of(record: Mapping[str, Any], format: str, reply_name: str) -> Mapping[str, Any] | None:
    """Return the request of a record, with its messages under the name of the format; None without messages."""
    list_name = LIST_NAMES.get(format, "messages")
    is_messages = _is_chat if list_name == "messages" else _is_list_of_objects
    candidates = [record, *(record[name] for name in REQUEST_NAMES if name != reply_name and name in record)]
    for candidate in candidates:
        value = json_or_none(candidate) if isinstance(candidate, str) and candidate[:1] in ("{", "[") else candidate
        if is_messages(value):
            return {**_parameters(record, reply_name), list_name: value}
        envelope = "body" if isinstance(value, Mapping) and isinstance(value.get("body"), Mapping) else ""
        if envelope and value is not record and list_name not in value:  # an HTTP request
            value = {**omit(value, envelope), **value[envelope]}
        messages = value.get(list_name) if isinstance(value, Mapping) else None
        if is_messages(messages) or (isinstance(messages, str) and messages and list_name == "input"):
            return omit(value, reply_name) if value is record else value
    return next(filter(None, (_prompted(value, list_name, reply_name) for value in candidates)), None)


def _prompted(record: Any, list_name: str, reply_name: str) -> Mapping[str, Any] | None:
    """Return a request with a `prompt` as one with messages; None for any other value."""
    prompt = record.get("prompt") if isinstance(record, Mapping) else None
    if isinstance(prompt, str) and prompt and list_name == "messages":
        prompt = [{"role": "user", "content": prompt}]
    if not _is_chat(prompt):
        return None
    return {**omit(_parameters(record, reply_name), "prompt"), "messages": prompt}


def _parameters(record: Mapping[str, Any], reply_name: str) -> dict[str, Any]:
    return omit(record, reply_name, "messages", *REQUEST_NAMES)


def _chat_reply(reply: Any) -> Mapping[str, Any] | None:
    """Return a value as a completion: a message, its text, `{"message": …}`, or a list of these; None for others."""
    replies = reply if isinstance(reply, (list, tuple)) else [reply]
    choices: list[dict[str, Any]] = []
    for index, item in enumerate(replies):
        message = item.get("message", item) if isinstance(item, Mapping) else item
        if isinstance(message, str):
            message = {"role": "assistant", "content": message}
        elif isinstance(message, Mapping) and "role" not in message and isinstance(message.get("text"), str):
            message = {"role": "assistant", "content": message["text"], **omit(message, "text")}
        if not isinstance(message, Mapping) or message.get("role", "assistant") != "assistant":
            return None
        if MESSAGE_FIELDS.isdisjoint(message):
            return None
        finish_reason = item.get("finish_reason") if isinstance(item, Mapping) else None
        choices.append({"index": index, "message": omit(message, "finish_reason"), "finish_reason": finish_reason})
    return {"choices": choices} if choices else None


def _is_chat(value: Any) -> bool:
    return _is_list_of_objects(value) and all(
        isinstance(message.get("role"), str)
        and message["role"] in CHAT_ROLES
        and not MESSAGE_FIELDS.isdisjoint(message)
        for message in value
    )


def _objects_of(value: Any) -> Sequence[Mapping[str, Any]]:
    return value if _is_list_of_objects(value) else ()


def _is_list_of_objects(value: Any) -> bool:
    return isinstance(value, (list, tuple)) and bool(value) and all(isinstance(item, Mapping) for item in value)


def usage_counts(usage: Mapping[str, Any]) -> dict[str, Any]:
    """Return the counts of a usage object of any of the APIs, by the names that `token_usage` takes."""
    input_details = object_or_empty(usage.get("prompt_tokens_details", usage.get("input_tokens_details")), "details")
    output_details = object_or_empty(
        usage.get("completion_tokens_details", usage.get("output_tokens_details")), "details"
    )
    return {
        "input_tokens": usage.get("prompt_tokens", usage.get("input_tokens")),
        "output_tokens": usage.get("completion_tokens", usage.get("output_tokens")),
        "cache_read_tokens": input_details.get("cached_tokens"),
        "reasoning_tokens": output_details.get("reasoning_tokens"),
    }
