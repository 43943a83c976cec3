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
Pieces = list[tuple[Block, dict[str, Any]]]  # blocks of a reply, each with its part of the message


def read_odd(reader: Reader, index: int, message: Any) -> None:
    """Add the blocks of a message of any shape."""
    odd_message = _OddMessage(reader, index)
    if not isinstance(message, Mapping):
        odd_message.unknown(faults.wrong_type("", message, dict))
        odd_message.add(other_block(message), None, {})
        return
    try:
        message = {key_name(name): freeze(value) for name, value in message.items()}
    except TypeError as error:  # nested too deeply
        odd_message.unknown(str(error))
        odd_message.add(other_block(message), None, {})
        return
    odd_message.read(message)


class _OddMessage:
    """Reads one message."""

    def __init__(self, reader: Reader, index: int) -> None:
        self.reader = reader
        self.index = index
        self.position = f"messages[{index}]"

    def guess(self, message: str, path: str = "") -> None:
        self.reader.transcript.notes.add_guess(f"{self.position}{path}", message)

    def unknown(self, message: str, path: str = "") -> None:
        self.reader.transcript.notes.add_unknown(f"{self.position}{path}", message)

    def add(self, one: Block, verbatim: Any, metadata: Mapping[str, Any]) -> None:
        """Add a block with the part of the message that it is to be written as."""
        one = one._with(metadata=one.metadata.with_raw(**{MESSAGE.name: self.index, **metadata}))
        self.reader.blocks.append(one if verbatim is None else ORIGINALS.attach(one, raw=freeze(verbatim)))

    def read(self, message: dict[str, Any]) -> None:
        role = message.get("role")
        if role == "assistant":
            self.read_reply(message)
        elif role in ("system", "developer", "user"):
            kind = "user" if role == "user" else "system"
            payload = self.payload_of(message.get("content"))
            self.add(make_block(kind, freeze(payload), role), message, _extra_fields(message, "role", "content"))
        elif role in ("tool", "function"):
            self.read_result(message, role)
        else:
            fault = faults.missing_field("role", message) if role is None else faults.unknown_value("role", role)
            self.unknown(fault)
            other = make_block("other", freeze({"message": message}), role if isinstance(role, str) else "")
            self.add(other, message if "role" in message else None, {})

    def payload_of(self, content: Any) -> dict[str, Any]:
        """Return the text and the images of a content, which is a string or a list of parts."""
        if isinstance(content, str):
            return {"text": content}
        if not isinstance(content, list):
            return {"text": "" if content is None else json.dumps(content, ensure_ascii=False)}
        texts, images, others = [], [], []
        for number, part in enumerate(content):
            type = part.get("type") if isinstance(part, Mapping) else None
            if type in TEXT_TYPES and isinstance(part.get("text"), str):
                texts.append(part["text"])
            elif type == "image_url":
                images.append(_image(part.get("image_url")))
            else:
                others.append(part)
                self.unknown(faults.unknown_value("type", type), f".content[{number}]")
        if len(texts) > 1:
            self.guess(f"{len(texts)} text parts are joined by newlines", ".content")
        payload: dict[str, Any] = {"text": "\n".join(texts)}
        return payload | ({"images": images} if images else {}) | ({"parts": others} if others else {})

    def read_reply(self, message: dict[str, Any]) -> None:
        """Add a reply of the model: reasoning, text and tool calls of one model call."""
        pieces: Pieces = [
            (make_block("reasoning", freeze({"text": message[name]})), {name: message.pop(name)})
            for name in REASONING_FIELDS
            if isinstance(message.get(name), str) and message[name]
        ]
        pieces += self.text_pieces(message)
        pieces += self.call_pieces(message)
        extra_fields = omit(message, "role")
        metadata = self.reader.call_metadata(self.index)
        for number, (one, piece) in enumerate(pieces):
            if number == 0:
                first_metadata = metadata | _extra_fields(message, "role")
                self.add(one, {"role": "assistant", **extra_fields, **piece}, first_metadata)
            else:
                self.add(one, piece, metadata)

    def text_pieces(self, message: dict[str, Any]) -> Pieces:
        refusal = message.get("refusal")
        has_calls = message.get("tool_calls") or _is_call(message.get("function_call"))
        if not message.get("content") and not refusal and has_calls:
            return []
        piece: dict[str, Any] = {name: message.pop(name) for name in ("content", "refusal") if name in message}
        payload = self.payload_of(piece.get("content"))
        if refusal:
            payload["refusal"] = refusal
        return [(make_block("llm_text", freeze(payload), "assistant"), piece)]

    def call_pieces(self, message: dict[str, Any]) -> Pieces:
        pieces: Pieces = []
        calls = message.pop("tool_calls") if message.get("tool_calls") else []
        if not isinstance(calls, list):
            self.unknown(faults.wrong_type("", calls, list), ".tool_calls")
            pieces.append((other_block(calls, "assistant"), {"tool_calls": calls}))
            calls = []
        for number, call in enumerate(calls):
            path = f".tool_calls[{number}]"
            pieces.append((self.call_block(call, f"call-{self.index}-{number}", path), {"tool_calls": [call]}))
        if _is_call(message.get("function_call")):
            function = message.pop("function_call")
            call_id = f"call-{self.index}-0"
            one = self.call_block({"id": "", "function": function}, call_id, ".function_call")
            pieces.append((one, {"function_call": function}))
        return pieces

    def call_block(self, call: Any, default_id: str, path: str) -> Block:
        function = call.get("function", call.get("custom")) if isinstance(call, Mapping) else None
        if not isinstance(function, Mapping):
            self.unknown(faults.wrong_type("function", function, dict), path)
            return other_block(call, "assistant")
        id = call.get("id")
        if not isinstance(id, str) or not id:
            id = default_id
            self.guess(faults.no_call_id(id), path)
        self.reader.last_call_id = id
        arguments = function.get("arguments", function.get("input", ""))
        parsed, _ = parse_arguments(arguments)
        name = str(function.get("name") or "")
        payload = {"id": id, "name": name, "args": {} if parsed is None else parsed}
        if parsed is None:
            payload["args_raw"] = arguments
        one = make_block("tool_call", freeze(payload))
        is_text = parsed is not None and isinstance(arguments, str) and arguments not in ("", "{}")
        return one._with(metadata=one.metadata.with_raw(**{ARGUMENTS.name: arguments})) if is_text else one

    def read_result(self, message: dict[str, Any], role: str) -> None:
        id = message.get("tool_call_id")
        if not isinstance(id, str) or not id:
            id = self.reader.last_call_id
            if role == "tool":
                self.guess(faults.no_result_id(id))
        payload = freeze({"id": id, "result": message.get("content"), "error": ""})
        extra_fields = _extra_fields(message, "role", "content", "tool_call_id")
        self.add(make_block("tool_use", payload), message, extra_fields)


def _extra_fields(message: Mapping[str, Any], *names: str) -> dict[str, Any]:
    """Return the metadata for the fields of a message without `names`."""
    extra_fields = omit(message, *names)
    return {OPENAI_CHAT_FIELDS.name: freeze(extra_fields)} if extra_fields else {}


def _is_call(function_call: Any) -> bool:
    """Return True for a `function_call` with content: some servers write one of empty strings in each reply."""
    return bool(any(function_call.values()) if isinstance(function_call, Mapping) else function_call)


def _image(image_url: Any) -> Any:
    url = image_url.get("url") if isinstance(image_url, Mapping) else image_url
    detail = image_url.get("detail") if isinstance(image_url, Mapping) else None
    return freeze({"url": url} | ({"detail": detail} if detail else EMPTY_DICT))
