"""The messages of an Inspect sample as blocks, with the results of the model calls that made them.

Source: UKGovernmentBEIS/inspect_ai at 499e6152e7b8, src/inspect_ai/model/_chat_message.py and tool/_tool_call.py.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from ..values.blocks import make_block
from ..values.frozen_json import freeze
from ..values.inference_results import DURATION_MS, InferenceResult
from ..values.turns import Block
from .inspect_events import SampleEvents, find_last_reply
from .kit import faults
from .kit.import_report import Notes
from .kit.record_fields import omit, parse_arguments
from .kit.transcript import Transcript, other_block

ATTACHMENT_REFERENCE = re.compile(r"attachment://([0-9a-f]{32}|\d+)")
MAPPING_TYPES = (dict, Mapping)  # dict first: nearly all are one, and a test for Mapping is slow
BLOCK_FIELDS = frozenset({"role", "content", "tool_calls", "tool_call_id", "error"})


class Attachments:
    """The long strings of a sample, which its messages refer to."""

    def __init__(self, attachments: Any, notes: Notes) -> None:
        self.attachments: Mapping[str, Any] = attachments if isinstance(attachments, Mapping) else {}
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
            inference_result = events.take_result(raw_message) or (events.last_result if index == final_index else None)
            if inference_result is None:
                provider, answered_by = split_model(message, model)
                inference_result = InferenceResult(provider=provider, model=answered_by)
            inference_result = inference_result.replace(inference_id=f"{id_prefix}{message.get('id') or position}")
        transcript.add_blocks(message_blocks, result=inference_result, extra_fields=extra_message_fields(message))
    transcript.notes.record_count += len(messages)


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
