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
from .kit.record_fields import omit, parse_arguments
from .kit.transcript import Transcript, other_block

REFERENCE = re.compile(r"attachment://([0-9a-f]{32}|\d+)")
OBJECT = (dict, Mapping)  # dict first: nearly all are one, and a test for Mapping is slow
BLOCK_FIELDS = frozenset({"role", "content", "tool_calls", "tool_call_id", "error"})


class Attachments:
    """The long strings of a sample, which its messages refer to."""

    def __init__(self, attachments: Any, notes: Notes) -> None:
        self.attachments = attachments if isinstance(attachments, Mapping) else {}
        self.notes = notes

    def resolve(self, value: Any, position: str) -> Any:
        """Return a value with its references replaced; a string that is one reference becomes the same object."""
        kind = type(value)
        if kind is str:
            return self._resolve_text(value, position) if "attachment://" in value else value
        if kind is list:
            return [self.resolve(item, position) for item in value]
        if kind is not dict:
            return value
        return {
            name: item if type(item) is str and "attachment://" not in item else self.resolve(item, position)
            for name, item in value.items()
        }

    def _resolve_text(self, text: str, position: str) -> str:
        def attachment(match: re.Match[str]) -> str:
            content = self.attachments.get(match[1])
            if isinstance(content, str):
                return content
            self.notes.add_guess(position, f"{match[0]} does not exist in this sample; the reference is kept")
            return match[0]

        whole = REFERENCE.fullmatch(text)
        return attachment(whole) if whole else REFERENCE.sub(attachment, text)


class SampleEvents:
    """The results of a sample's model calls, by message, and the durations of its tool calls, from its events."""

    def __init__(self, events: Any, output: Any = None, model: str = "") -> None:
        self.last_result = _result(output, model, None) if isinstance(output, Mapping) else None
        self.counts: Counter[str] = Counter()
        self.results: dict[str, InferenceResult] = {}
        self.durations: dict[str, float] = {}
        for event in events if isinstance(events, Iterable) and not isinstance(events, (str, Mapping)) else ():
            if not isinstance(event, Mapping):
                continue
            kind = str(event.get("event"))
            self.counts[kind] += 1
            if kind == "model":
                self._add_model_call(event)
            elif kind == "tool" and isinstance(event.get("id"), str):
                self._add_tool_call(event["id"], event)

    def _add_tool_call(self, id: str, event: Mapping[str, Any]) -> None:
        if (seconds := _finite(event.get("working_time"))) is not None:
            self.durations[id] = seconds * 1000

    def _add_model_call(self, event: Mapping[str, Any]) -> None:
        output = event.get("output")
        if not isinstance(output, Mapping):
            return
        result = _result(output, str(event.get("model") or ""), _finite(event.get("working_time")))
        for choice in output.get("choices") or ():
            message = choice.get("message") if isinstance(choice, Mapping) else None
            if isinstance(message, Mapping) and isinstance(message.get("id"), str):
                self.results[message["id"]] = result


def _result(output: Mapping[str, Any], model: str, seconds: float | None) -> InferenceResult:
    """Return the result of a model call from its output; `seconds` is the time it took."""
    provider, answered_by, reason, finish_class = call_outcome(output, model)
    seconds = _finite(output.get("time")) if seconds is None else seconds
    return InferenceResult(
        provider=provider,
        model=answered_by,
        stop_reason=reason,
        finish_class=finish_class,
        truncated=FinishClass.of(reason) is FinishClass.MAX_TOKENS,
        usage=_usage(output.get("usage")),
        duration_ms=None if seconds is None else round(seconds * 1000),
    )


def call_outcome(output: Mapping[str, Any], model: str) -> tuple[str, str, str, FinishClass]:
    """Return provider, model, stop reason and finish class of a model call. `model` is "provider/model"."""
    choices = output.get("choices")
    first = choices[0] if isinstance(choices, list) and choices else None
    reason, message = (first.get("stop_reason"), first.get("message")) if isinstance(first, OBJECT) else (None, None)
    pending = isinstance(message, OBJECT) and bool(message.get("tool_calls"))
    return _cached_outcome(str(output.get("model") or ""), model, str(reason or ""), pending)


@lru_cache(1_024)  # a log has thousands of calls with few outcomes
def _cached_outcome(answered_by: str, model: str, reason: str, pending: bool) -> tuple[str, str, str, FinishClass]:
    provider, _, name = model.partition("/")
    return provider if name else "", answered_by or name or model, reason, FinishClass.of(reason, pending=pending)


def _usage(counts: Any) -> Usage | None:
    """Return the tokens of a call. Inspect leaves the cache out of the input where the provider does; the total shows it."""
    if not isinstance(counts, Mapping):
        return None
    names = ("input_tokens", "output_tokens", "total_tokens", "input_tokens_cache_read", "input_tokens_cache_write")
    input, output, total, read, written = (int(_finite(counts.get(name)) or 0) for name in names)
    if total >= input + output + read + written > input + output:
        input += read + written
    return Usage(input, output, read, written, int(_finite(counts.get("reasoning_tokens")) or 0))


def _finite(value: Any) -> float | None:
    is_finite = isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < 1e15
    return value if is_finite else None


def read_messages(
    transcript: Transcript, messages: Sequence[Any], attachments: Attachments, events: SampleEvents, model: str
) -> None:
    """Add the blocks of a sample's messages. `model` is that of replies without an event of their model call."""
    key = f"{transcript.key}/" if transcript.key else ""
    final_index = last_reply(messages)
    for index, unresolved in enumerate(messages):
        position = f"messages[{index}]"
        transcript.begin_record(position, index)
        if not isinstance(unresolved, Mapping):
            transcript.unknown(faults.wrong_type("", unresolved, dict))
            transcript.add_blocks([other_block(unresolved)])
            continue
        message = attachments.resolve(unresolved, position)
        blocks = blocks_of(message, position, events, transcript.notes)
        result = None
        if message.get("role") == "assistant":
            result = events.results.get(str(message.get("id"))) or (
                events.last_result if index == final_index else None
            )
            if result is None:
                provider, answered_by = model_of(message, model)
                result = InferenceResult(provider=provider, model=answered_by)
            result = result.replace(inference_id=f"{key}{message.get('id') or position}")
        transcript.add_blocks(blocks, result=result, extra_fields=extra_fields_of(message))
    transcript.notes.record_count += len(messages)


def last_reply(messages: Sequence[Any]) -> int:
    """Return the index of the last reply, which the output of a sample is about; -1 without one."""
    for index in range(len(messages) - 1, -1, -1):
        message = messages[index]
        if isinstance(message, Mapping) and message.get("role") == "assistant":
            return index
    return -1


def model_of(message: Mapping[str, Any], model: str) -> tuple[str, str]:
    """Return provider and model of a reply without an event of its model call. `model` is "provider/model"."""
    provider, _, name = model.partition("/")
    own_model = message.get("model")
    answered_by = own_model if isinstance(own_model, str) and own_model else name or model
    return provider if name else "", answered_by


def extra_fields_of(message: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of a message that its blocks do not hold."""
    return {name: value for name, value in message.items() if name not in BLOCK_FIELDS and value is not None}


def blocks_of(message: Mapping[str, Any], position: str, events: SampleEvents, notes: Notes) -> list[Block]:
    """Return the blocks of one message, at least one, without metadata of the message and of its model call."""
    blocks = _MessageReader(message, position, notes).blocks(events)
    return blocks or [other_block(message, str(message.get("role") or ""))]


class _MessageReader:
    """Makes the blocks of one message."""

    def __init__(self, message: Mapping[str, Any], position: str, notes: Notes) -> None:
        self.message = message
        self.position = position
        self.notes = notes

    def blocks(self, events: SampleEvents) -> list[Block]:
        match self.message.get("role"):
            case "system" | "user" as role:
                payload, others = self._prompt(self.message.get("content"))
                return [make_block(role, freeze(payload), role), *others]
            case "assistant":
                return [*self._reply(), *self._calls()]
            case "tool":
                return [self._result(events)]
            case role:
                self.notes.add_unknown(self.position, faults.unknown_value("role", role))
                return [other_block(self.message, str(role or ""))]

    def _prompt(self, content: Any) -> tuple[dict[str, Any], list[Block]]:
        """Return text and images of a content, and blocks of its other parts."""
        if not isinstance(content, list):
            return {"text": content if isinstance(content, str) else "" if content is None else str(content)}, []
        texts, images, others = [], [], list[Block]()
        for number, part in enumerate(content):
            match part:
                case {"type": "text", "text": str(text)}:
                    texts.append(text)
                case {"type": "image", "image": str(url)}:
                    images.append({"url": url} | ({"detail": part["detail"]} if part.get("detail") else {}))
                case _:
                    others.append(self._other(part, number, str(self.message.get("role"))))
        return {"text": "\n".join(texts)} | ({"images": images} if images else {}), others

    def _other(self, part: Any, number: int, role: str) -> Block:
        type = part.get("type") if isinstance(part, Mapping) else None
        if type not in ("audio", "video", "data", "document", "tool_use"):
            self.notes.add_unknown(f"{self.position}.content[{number}]", faults.unknown_value("type", type))
        return other_block(part, role)

    def _reply(self) -> list[Block]:
        content = self.message.get("content")
        if isinstance(content, str):
            is_empty = not content and self.message.get("tool_calls")
            return [] if is_empty else [make_block("llm_text", freeze({"text": content}), "assistant")]
        blocks = list[Block]()
        for number, part in enumerate(content if isinstance(content, list) else ()):
            match part:
                case {"type": "text", "text": str(text)}:
                    payload = {"text": text, **_filled(omit(part, "type", "text"))}
                    blocks.append(make_block("llm_text", freeze(payload), "assistant"))
                case {"type": "reasoning", "reasoning": str(text)}:
                    payload = {"text": text, **_filled(omit(part, "type", "reasoning"))}
                    blocks.append(make_block("reasoning", freeze(payload), "assistant"))
                case {"type": "image", "image": str(url)}:
                    blocks.append(make_block("llm_text", freeze({"text": "", "images": [{"url": url}]}), "assistant"))
                case _:
                    blocks.append(self._other(part, number, "assistant"))
        return blocks

    def _calls(self) -> list[Block]:
        calls = self.message.get("tool_calls")
        blocks = []
        for number, call in enumerate(calls if isinstance(calls, list) else ()):
            position = f"{self.position}.tool_calls[{number}]"
            function = call.get("function") if isinstance(call, Mapping) else None
            if not isinstance(function, str):
                self.notes.add_unknown(position, faults.wrong_type("function", function, str))
                blocks.append(other_block(call, "assistant"))
                continue
            id = call.get("id")
            if not isinstance(id, str) or not id:
                id = f"call-{self.position}-{number}"
                self.notes.add_guess(position, faults.no_call_id(id))
            args, _ = parse_arguments(call.get("arguments"))
            payload = {"id": id, "name": function, "args": {} if args is None else args}
            if args is None:
                payload["args_raw"] = call.get("arguments")
            extra_fields = omit(call, "id", "function", "arguments", "type")
            payload |= {name: value for name, value in extra_fields.items() if value is not None}
            blocks.append(make_block("tool_call", freeze(payload)))
        return blocks

    def _result(self, events: SampleEvents) -> Block:
        id, content, error = (self.message.get(name) for name in ("tool_call_id", "content", "error"))
        if not isinstance(id, str) or not id:
            id = ""
            self.notes.add_guess(self.position, faults.no_result_id(""))
        error_text = error if isinstance(error, str) else ""
        if isinstance(error, Mapping):
            error_text = str(error.get("message") or error.get("type") or "failed")
        result = make_block("tool_use", freeze({"id": id, "result": content, "error": error_text}))
        duration = events.durations.get(id)
        return result if duration is None else result.with_metadata(DURATION_MS, float(duration))


def _filled(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value}
