"""The messages of an Inspect sample as blocks, with the results of the model calls that made them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any

from ..values.blocks import make_block
from ..values.frozen_json import freeze
from ..values.inference_results import DURATION_MS, FinishClass, InferenceResult, Usage
from ..values.turns import Block
from .kit import faults
from .kit.import_report import Notes
from .kit.record_fields import omit, parse_arguments, token_count
from .kit.transcript import Transcript, other_block

ATTACHMENT_REFERENCE = re.compile(r"attachment://([0-9a-f]{32}|\d+)")
MAPPING_TYPES = (dict, Mapping)  # dict first: nearly all are one, and a test for Mapping is slow
BLOCK_FIELDS = frozenset({"role", "content", "tool_calls", "tool_call_id", "error"})


class Attachments:
    """The long strings of a sample, which its messages refer to."""

    def __init__(self, attachments: Any, notes: Notes) -> None:
        self.attachments = attachments if isinstance(attachments, Mapping) else {}
        self.notes = notes

    def resolve(self, value: Any, position: str) -> Any:
        """Return a value with its references replaced; a string that is one reference becomes the same object."""
        value_type = type(value)
        if value_type is str:
            return self._resolve_text(value, position) if "attachment://" in value else value
        if value_type is list:
            return [self.resolve(item_value, position) for item_value in value]
        if value_type is not dict:
            return value
        return {
            field_name: item_value
            if type(item_value) is str and "attachment://" not in item_value
            else self.resolve(item_value, position)
            for field_name, item_value in value.items()
        }

    def _resolve_text(self, text: str, position: str) -> str:
        def replace_reference(reference_match: re.Match[str]) -> str:
            attached_text = self.attachments.get(reference_match[1])
            if isinstance(attached_text, str):
                return attached_text
            self.notes.add_guess(position, f"{reference_match[0]} does not exist in this sample; the reference is kept")
            return reference_match[0]

        whole_reference = ATTACHMENT_REFERENCE.fullmatch(text)
        return (
            replace_reference(whole_reference) if whole_reference else ATTACHMENT_REFERENCE.sub(replace_reference, text)
        )


class SampleEvents:
    """The results of a sample's model calls, by message, and the durations of its tool calls, from its events."""

    def __init__(self, events: Any, output: Any = None, model: str = "") -> None:
        self.last_result = _result_of_output(output, model, None) if isinstance(output, Mapping) else None
        self.counts: Counter[str] = Counter()
        self.results: dict[str, InferenceResult] = {}
        self.calls: dict[str, InferenceResult] = {}  # all model calls, by the id of the reply, else of the event
        self.durations: dict[str, float] = {}
        for event in events if isinstance(events, Iterable) and not isinstance(events, (str, Mapping)) else ():
            if not isinstance(event, Mapping):
                continue
            event_kind = str(event.get("event"))
            self.counts[event_kind] += 1
            if event_kind == "model":
                self._add_model_call(event)
            elif event_kind == "tool" and isinstance(event.get("id"), str):
                self._add_tool_call(event["id"], event)

    def _add_tool_call(self, call_id: str, event: Mapping[str, Any]) -> None:
        if (working_seconds := _finite_or_none(event.get("working_time"))) is not None:
            self.durations[call_id] = working_seconds * 1000

    def _add_model_call(self, event: Mapping[str, Any]) -> None:
        output = event.get("output")
        if not isinstance(output, Mapping):
            return
        inference_result = _result_of_output(
            output, str(event.get("model") or ""), _finite_or_none(event.get("working_time"))
        )
        if event.get("cache") == "read":  # served from Inspect's own cache, which Inspect does not count
            inference_result = inference_result.replace(
                usage=None, extra=freeze({"cache": "read", "usage": output.get("usage")})
            )
        message_id = first_message_id(output) or str(event.get("uuid") or f"event-{sum(self.counts.values())}")
        self.calls[message_id] = inference_result
        for choice in output.get("choices") or ():
            message = choice.get("message") if isinstance(choice, Mapping) else None
            if isinstance(message, Mapping) and isinstance(message.get("id"), str):
                self.results[message["id"]] = inference_result


def first_message_id(output: Mapping[str, Any]) -> str:
    """Return the id of the reply in an output; "" without one."""
    for choice in output.get("choices") or ():
        message = choice.get("message") if isinstance(choice, Mapping) else None
        if isinstance(message, Mapping) and isinstance(message.get("id"), str):
            return str(message["id"])
    return ""


def message_ids(messages: Iterable[Any]) -> set[str]:
    """Return the ids of messages, without those that are not a text."""
    return {
        message["id"] for message in messages if isinstance(message, Mapping) and isinstance(message.get("id"), str)
    }


def calls_outside(messages: Sequence[Any], events: SampleEvents, key: str) -> list[InferenceResult]:
    """Return the model calls whose reply is not in the messages: those before a compaction, of subagents, of graders."""
    final_ids = message_ids(messages)
    calls = {call_id: result for call_id, result in events.calls.items() if call_id not in final_ids}
    final_index = find_last_reply(messages)
    if events.last_result and final_index >= 0 and str(messages[final_index].get("id")) not in events.results:
        own_ids = [call_id for call_id, result in calls.items() if result.usage == events.last_result.usage]
        for call_id in own_ids[-1:]:  # the last reply, whose event has another id
            del calls[call_id]
    id_prefix = f"{key}/" if key else ""
    return [result.replace(inference_id=f"{id_prefix}{call_id}") for call_id, result in calls.items()]


def _result_of_output(output: Mapping[str, Any], model: str, duration_seconds: float | None) -> InferenceResult:
    """Return the result of a model call from its output; `duration_seconds` is the duration of the call in seconds."""
    provider, answered_by, stop_reason, finish_class = call_outcome(output, model)
    duration_seconds = _finite_or_none(output.get("time")) if duration_seconds is None else duration_seconds
    return InferenceResult(
        provider=provider,
        model=answered_by,
        stop_reason=stop_reason,
        finish_class=finish_class,
        truncated=FinishClass.of(stop_reason) is FinishClass.MAX_TOKENS,
        usage=_read_usage(output.get("usage")),
        duration_ms=None if duration_seconds is None else round(duration_seconds * 1000),
    )


def call_outcome(output: Mapping[str, Any], model: str) -> tuple[str, str, str, FinishClass]:
    """Return provider, model, stop reason and finish class of a model call. `model` is "provider/model"."""
    output_choices = output.get("choices")
    first_choice = output_choices[0] if isinstance(output_choices, list) and output_choices else None
    stop_reason, choice_message = (
        (first_choice.get("stop_reason"), first_choice.get("message"))
        if isinstance(first_choice, MAPPING_TYPES)
        else (None, None)
    )
    has_tool_calls = isinstance(choice_message, MAPPING_TYPES) and bool(choice_message.get("tool_calls"))
    return _cached_outcome(str(output.get("model") or ""), model, str(stop_reason or ""), has_tool_calls)


@lru_cache(1_024)  # a log has thousands of calls with few outcomes
def _cached_outcome(
    answered_by: str, model: str, stop_reason: str, has_tool_calls: bool
) -> tuple[str, str, str, FinishClass]:
    provider, _, model_name = model.partition("/")
    return (
        provider if model_name else "",
        answered_by or model_name or model,
        stop_reason,
        FinishClass.of(stop_reason, pending=has_tool_calls),
    )


def _read_usage(token_counts: Any) -> Usage | None:
    """Return the tokens of a call. Inspect leaves the cache out of the input where the provider does; the total shows it."""
    if not isinstance(token_counts, Mapping):
        return None
    count_names = (
        "input_tokens",
        "output_tokens",
        "total_tokens",
        "input_tokens_cache_read",
        "input_tokens_cache_write",
    )
    input_tokens, output_tokens, total_tokens, cache_read_tokens, cache_write_tokens = (
        int(_finite_or_none(token_counts.get(count_name)) or 0) for count_name in count_names
    )
    cached_tokens = cache_read_tokens + cache_write_tokens
    if (not total_tokens and cached_tokens > input_tokens) or (
        total_tokens
        >= input_tokens + output_tokens + cache_read_tokens + cache_write_tokens
        > input_tokens + output_tokens
    ):
        input_tokens += cached_tokens
    return Usage(
        input_tokens,
        output_tokens,
        token_count(token_counts.get("input_tokens_cache_read")),
        token_count(token_counts.get("input_tokens_cache_write")),
        token_count(token_counts.get("reasoning_tokens")),
    )


def _finite_or_none(value: Any) -> float | None:
    is_finite = isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < 1e15
    return value if is_finite else None


def read_messages(
    transcript: Transcript, messages: Sequence[Any], attachments: Attachments, events: SampleEvents, model: str
) -> None:
    """Add the blocks of a sample's messages. `model` is that of replies without an event of their model call."""
    id_prefix = f"{transcript.key}/" if transcript.key else ""
    final_index = find_last_reply(messages)
    for index, raw_message in enumerate(messages):
        position = f"messages[{index}]"
        transcript.begin_record(position, index)
        if not isinstance(raw_message, Mapping):
            transcript.unknown(faults.wrong_type("", raw_message, dict))
            transcript.add_blocks([other_block(raw_message)])
            continue
        message = attachments.resolve(raw_message, position)
        message_blocks = message_to_blocks(message, position, events, transcript.notes)
        inference_result = None
        if message.get("role") == "assistant":
            inference_result = events.results.get(str(message.get("id"))) or (
                events.last_result if index == final_index else None
            )
            if inference_result is None:
                provider, answered_by = split_model(message, model)
                inference_result = InferenceResult(provider=provider, model=answered_by)
            inference_result = inference_result.replace(inference_id=f"{id_prefix}{message.get('id') or position}")
        transcript.add_blocks(message_blocks, result=inference_result, extra_fields=extra_message_fields(message))
    transcript.notes.record_count += len(messages)


def find_last_reply(messages: Sequence[Any]) -> int:
    """Return the index of the last reply, which the output of a sample is about; -1 without one."""
    for index in range(len(messages) - 1, -1, -1):
        message = messages[index]
        if isinstance(message, Mapping) and message.get("role") == "assistant":
            return index
    return -1


def split_model(message: Mapping[str, Any], model: str) -> tuple[str, str]:
    """Return provider and model of a reply without an event of its model call. `model` is "provider/model"."""
    provider, _, model_name = model.partition("/")
    own_model = message.get("model")
    answered_by = own_model if isinstance(own_model, str) and own_model else model_name or model
    return provider if model_name else "", answered_by


def extra_message_fields(message: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of a message that its blocks do not hold."""
    return {
        field_name: field_value
        for field_name, field_value in message.items()
        if field_name not in BLOCK_FIELDS and field_value is not None
    }


def message_to_blocks(message: Mapping[str, Any], position: str, events: SampleEvents, notes: Notes) -> list[Block]:
    """Return the blocks of one message, at least one, without metadata of the message and of its model call."""
    message_blocks = _MessageReader(message, position, notes).to_blocks(events)
    return message_blocks or [other_block(message, str(message.get("role") or ""))]


class _MessageReader:
    """Makes the blocks of one message."""

    def __init__(self, message: Mapping[str, Any], position: str, notes: Notes) -> None:
        self.message = message
        self.position = position
        self.notes = notes

    def to_blocks(self, events: SampleEvents) -> list[Block]:
        match self.message.get("role"):
            case "system" | "user" as message_role:
                payload, other_blocks = self._prompt_payload(self.message.get("content"))
                return [make_block(message_role, freeze(payload), message_role), *other_blocks]
            case "assistant":
                return [*self._reply_blocks(), *self._call_blocks()]
            case "tool":
                return [self._result_block(events)]
            case message_role:
                self.notes.add_unknown(self.position, faults.unknown_value("role", message_role))
                return [other_block(self.message, str(message_role or ""))]

    def _prompt_payload(self, content: Any) -> tuple[dict[str, Any], list[Block]]:
        """Return text and images of a content, and blocks of its other parts."""
        if not isinstance(content, list):
            return {"text": content if isinstance(content, str) else "" if content is None else str(content)}, []
        text_parts, images, other_blocks = [], [], list[Block]()
        for part_index, content_part in enumerate(content):
            match content_part:
                case {"type": "text", "text": str(part_text)}:
                    text_parts.append(part_text)
                case {"type": "image", "image": str(image_url)}:
                    images.append(
                        {"url": image_url} | ({"detail": content_part["detail"]} if content_part.get("detail") else {})
                    )
                case _:
                    other_blocks.append(self._other_block(content_part, part_index, str(self.message.get("role"))))
        return {"text": "\n".join(text_parts)} | ({"images": images} if images else {}), other_blocks

    def _other_block(self, content_part: Any, part_index: int, role: str) -> Block:
        part_type = content_part.get("type") if isinstance(content_part, Mapping) else None
        if part_type not in ("audio", "video", "data", "document", "tool_use"):
            self.notes.add_unknown(f"{self.position}.content[{part_index}]", faults.unknown_value("type", part_type))
        return other_block(content_part, role)

    def _reply_blocks(self) -> list[Block]:
        content = self.message.get("content")
        if isinstance(content, str):
            is_empty = not content and self.message.get("tool_calls")
            return [] if is_empty else [make_block("llm_text", freeze({"text": content}), "assistant")]
        reply_blocks = list[Block]()
        for part_index, content_part in enumerate(content if isinstance(content, list) else ()):
            match content_part:
                case {"type": "text", "text": str(part_text)}:
                    payload = {"text": part_text, **_omit_falsy(omit(content_part, "type", "text"))}
                    reply_blocks.append(make_block("llm_text", freeze(payload), "assistant"))
                case {"type": "reasoning", "reasoning": str(part_text)}:
                    payload = {"text": part_text, **_omit_falsy(omit(content_part, "type", "reasoning"))}
                    reply_blocks.append(make_block("reasoning", freeze(payload), "assistant"))
                case {"type": "image", "image": str(image_url)}:
                    reply_blocks.append(
                        make_block("llm_text", freeze({"text": "", "images": [{"url": image_url}]}), "assistant")
                    )
                case _:
                    reply_blocks.append(self._other_block(content_part, part_index, "assistant"))
        return reply_blocks

    def _call_blocks(self) -> list[Block]:
        tool_calls = self.message.get("tool_calls")
        call_blocks = []
        for call_index, tool_call in enumerate(tool_calls if isinstance(tool_calls, list) else ()):
            position = f"{self.position}.tool_calls[{call_index}]"
            function_name = tool_call.get("function") if isinstance(tool_call, Mapping) else None
            if not isinstance(function_name, str):
                self.notes.add_unknown(position, faults.wrong_type("function", function_name, str))
                call_blocks.append(other_block(tool_call, "assistant"))
                continue
            call_id = tool_call.get("id")
            if not isinstance(call_id, str) or not call_id:
                call_id = f"call-{self.position}-{call_index}"
                self.notes.add_guess(position, faults.no_call_id(call_id))
            parsed_arguments, _ = parse_arguments(tool_call.get("arguments"))
            payload = {
                "id": call_id,
                "name": function_name,
                "args": {} if parsed_arguments is None else parsed_arguments,
            }
            if parsed_arguments is None:
                payload["args_raw"] = tool_call.get("arguments")
            extra_fields = omit(tool_call, "id", "function", "arguments", "type")
            payload |= {name: value for name, value in extra_fields.items() if value is not None}
            call_blocks.append(make_block("tool_call", freeze(payload)))
        return call_blocks

    def _result_block(self, events: SampleEvents) -> Block:
        call_id, content, error = (self.message.get(name) for name in ("tool_call_id", "content", "error"))
        if not isinstance(call_id, str) or not call_id:
            call_id = ""
            self.notes.add_guess(self.position, faults.no_result_id(""))
        error_text = error if isinstance(error, str) else ""
        if isinstance(error, Mapping):
            error_text = str(error.get("message") or error.get("type") or "failed")
        result_block = make_block("tool_use", freeze({"id": call_id, "result": content, "error": error_text}))
        duration_ms = events.durations.get(call_id)
        return result_block if duration_ms is None else result_block.with_metadata(DURATION_MS, float(duration_ms))


def _omit_falsy(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {field_name: field_value for field_name, field_value in fields.items() if field_value}
