"""Messages of an OpenAI chat in other shapes than the usual ones.

Contents in parts, thoughts, refusals, legacy function calls, tool calls without an id, undocumented
fields. Each block keeps its part of the message verbatim (`engines/verbatim.py`), so that the message
can be written as it was.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ...engines.openai_chat.reply import ORIGINALS
from ...values.blocks import make_block
from ...values.frozen_json import EMPTY_DICT, freeze, key_name
from ...values.provenance import ARGUMENTS, MESSAGE, OPENAI_CHAT_FIELDS
from ...values.turns import Block
from . import faults
from .record_fields import omit, parse_arguments
from .transcript import other_block

if TYPE_CHECKING:
    from .chat_messages import Reader

TEXT_TYPES = ("text", "input_text", "output_text")
REASONING_FIELDS = ("reasoning_content", "reasoning")
BlockPieces = list[tuple[Block, dict[str, Any]]]  # blocks of a reply, each with its part of the message


def read_unusual_message(chat_reader: Reader, index: int, message: Any) -> None:
    """Add the blocks of a message of any shape."""
    message_reader = _UnusualMessage(chat_reader, index)
    if not isinstance(message, Mapping):
        message_reader.unknown(faults.wrong_type("", message, dict))
        message_reader.add_block(other_block(message), None, {})
        return
    try:
        message = {key_name(name): freeze(value) for name, value in message.items()}
    except TypeError as error:  # nested too deeply
        message_reader.unknown(str(error))
        message_reader.add_block(other_block(message), None, {})
        return
    message_reader.read_by_role(message)


class _UnusualMessage:
    """Reads one message."""

    def __init__(self, reader: Reader, index: int) -> None:
        self.reader = reader
        self.index = index
        self.position = f"messages[{index}]"

    def guess(self, message: str, path: str = "") -> None:
        self.reader.transcript.notes.add_guess(f"{self.position}{path}", message)

    def unknown(self, message: str, path: str = "") -> None:
        self.reader.transcript.notes.add_unknown(f"{self.position}{path}", message)

    def add_block(self, new_block: Block, verbatim_part: Any, metadata: Mapping[str, Any]) -> None:
        """Add a block with the part of the message that it is to be written as."""
        new_block = new_block._with(metadata=new_block.metadata.with_raw(**{MESSAGE.name: self.index, **metadata}))
        self.reader.blocks.append(
            new_block if verbatim_part is None else ORIGINALS.attach(new_block, raw=freeze(verbatim_part))
        )

    def read_by_role(self, message: dict[str, Any]) -> None:
        role = message.get("role")
        if role == "assistant":
            self.read_reply(message)
        elif role in ("system", "developer", "user"):
            kind = "user" if role == "user" else "system"
            payload = self.read_content(message.get("content"))
            self.add_block(
                make_block(kind, freeze(payload), role), message, _extra_metadata(message, "role", "content")
            )
        elif role in ("tool", "function"):
            self.read_result(message, role)
        else:
            fault_text = faults.missing_field("role", message) if role is None else faults.unknown_value("role", role)
            self.unknown(fault_text)
            other_message = make_block("other", freeze({"message": message}), role if isinstance(role, str) else "")
            self.add_block(other_message, message if "role" in message else None, {})

    def read_content(self, content: Any) -> dict[str, Any]:
        """Return the text and the images of a content, which is a string or a list of parts."""
        if isinstance(content, str):
            return {"text": content}
        if not isinstance(content, list):
            return {"text": "" if content is None else json.dumps(content, ensure_ascii=False)}
        texts, images, other_parts = [], [], []
        for part_index, part in enumerate(content):
            part_type = part.get("type") if isinstance(part, Mapping) else None
            if part_type in TEXT_TYPES and isinstance(part.get("text"), str):
                texts.append(part["text"])
            elif part_type == "image_url":
                images.append(_image_fields(part.get("image_url")))
            else:
                other_parts.append(part)
                self.unknown(faults.unknown_value("type", part_type), f".content[{part_index}]")
        if len(texts) > 1:
            self.guess(f"{len(texts)} text parts are joined by newlines", ".content")
        payload: dict[str, Any] = {"text": "\n".join(texts)}
        return payload | ({"images": images} if images else {}) | ({"parts": other_parts} if other_parts else {})

    def read_reply(self, message: dict[str, Any]) -> None:
        """Add a reply of the model: reasoning, text and tool calls of one model call."""
        block_pieces: BlockPieces = [
            (make_block("reasoning", freeze({"text": message[name]})), {name: message.pop(name)})
            for name in REASONING_FIELDS
            if isinstance(message.get(name), str) and message[name]
        ]
        block_pieces += self.text_pieces(message)
        block_pieces += self.call_pieces(message)
        extra_fields = omit(message, "role")
        call_metadata = self.reader.call_metadata(self.index)
        for block_index, (new_block, piece) in enumerate(block_pieces):
            if block_index == 0:
                first_metadata = call_metadata | _extra_metadata(message, "role")
                self.add_block(new_block, {"role": "assistant", **extra_fields, **piece}, first_metadata)
            else:
                self.add_block(new_block, piece, call_metadata)

    def text_pieces(self, message: dict[str, Any]) -> BlockPieces:
        refusal = message.get("refusal")
        has_calls = message.get("tool_calls") or _is_call(message.get("function_call"))
        if not message.get("content") and not refusal and not message.get("audio") and has_calls:
            return []
        audio = message.get("audio")
        names = ("content", "refusal", "audio") if isinstance(audio, Mapping) and audio else ("content", "refusal")
        text_fields: dict[str, Any] = {name: message.pop(name) for name in names if name in message}
        payload = self.read_content(text_fields.get("content"))
        if "audio" in text_fields:
            payload["media"] = [{"type": "audio", **text_fields["audio"]}]
        if refusal:
            payload["refusal"] = refusal
        return [(make_block("llm_text", freeze(payload), "assistant"), text_fields)]

    def call_pieces(self, message: dict[str, Any]) -> BlockPieces:
        block_pieces: BlockPieces = []
        calls = message.pop("tool_calls") if message.get("tool_calls") else []
        if not isinstance(calls, list):
            self.unknown(faults.wrong_type("", calls, list), ".tool_calls")
            block_pieces.append((other_block(calls, "assistant"), {"tool_calls": calls}))
            calls = []
        for call_index, call in enumerate(calls):
            path = f".tool_calls[{call_index}]"
            block_pieces.append(
                (self.call_block(call, f"call-{self.index}-{call_index}", path), {"tool_calls": [call]})
            )
        if _is_call(message.get("function_call")):
            legacy_function = message.pop("function_call")
            call_id = f"call-{self.index}-0"
            call_block = self.call_block({"id": "", "function": legacy_function}, call_id, ".function_call")
            block_pieces.append((call_block, {"function_call": legacy_function}))
        return block_pieces

    def call_block(self, call: Any, default_id: str, path: str) -> Block:
        function = call.get("function", call.get("custom")) if isinstance(call, Mapping) else None
        if not isinstance(function, Mapping):
            self.unknown(faults.wrong_type("function", function, dict), path)
            return other_block(call, "assistant")
        call_id = call.get("id")
        if not isinstance(call_id, str) or not call_id:
            call_id = default_id
            self.guess(faults.no_call_id(call_id), path)
        self.reader.last_call_id = call_id
        arguments = function.get("arguments", function.get("input", ""))
        parsed_arguments, _ = parse_arguments(arguments)
        function_name = str(function.get("name") or "")
        payload = {"id": call_id, "name": function_name, "args": {} if parsed_arguments is None else parsed_arguments}
        if parsed_arguments is None:
            payload["args_raw"] = arguments
        call_block = make_block("tool_call", freeze(payload))
        is_json_text = parsed_arguments is not None and isinstance(arguments, str) and arguments not in ("", "{}")
        return (
            call_block._with(metadata=call_block.metadata.with_raw(**{ARGUMENTS.name: arguments}))
            if is_json_text
            else call_block
        )

    def unanswered_call_id(self, tool_name: Any) -> str:
        """Return the id of the first call of the last reply without a result: one of this tool, else of any; "" without one."""
        answered_ids: set[str] = set()
        calls: list[Block] = []
        for earlier_block in reversed(self.reader.blocks):
            if earlier_block.kind == "tool_call":
                calls.append(earlier_block)
            elif calls or earlier_block.kind != "tool_use":
                break
            else:
                answered_ids.add(earlier_block.tool_call_id)
        open_calls = [call for call in reversed(calls) if call.tool_call_id not in answered_ids]
        named_calls = [call for call in open_calls if call.name == tool_name]
        return next((call.tool_call_id for call in (*named_calls, *open_calls)), "")

    def read_result(self, message: dict[str, Any], role: str) -> None:
        call_id = message.get("tool_call_id")
        if not isinstance(call_id, str) or not call_id:
            call_id = self.unanswered_call_id(message.get("name")) or self.reader.last_call_id
            if role == "tool":
                self.guess(faults.no_result_id(call_id))
        result_payload = freeze({"id": call_id, "result": message.get("content"), "error": ""})
        extra_fields = _extra_metadata(message, "role", "content", "tool_call_id")
        self.add_block(make_block("tool_use", result_payload), message, extra_fields)


def _extra_metadata(message: Mapping[str, Any], *names: str) -> dict[str, Any]:
    """Return the metadata for the fields of a message without `names`."""
    extra_fields = omit(message, *names)
    return {OPENAI_CHAT_FIELDS.name: freeze(extra_fields)} if extra_fields else {}


def _is_call(function_call: Any) -> bool:
    """Return True for a `function_call` with content: some servers write one of empty strings in each reply."""
    return bool(any(function_call.values()) if isinstance(function_call, Mapping) else function_call)


def _image_fields(image_value: Any) -> Any:
    image_url_text = image_value.get("url") if isinstance(image_value, Mapping) else image_value
    detail = image_value.get("detail") if isinstance(image_value, Mapping) else None
    return freeze({"url": image_url_text} | ({"detail": detail} if detail else EMPTY_DICT))
