"""Messages of an OpenAI chat in the shapes that are not the usual ones.

Contents in parts, thoughts, refusals, functions of old, calls without an id, what no reference
knows. Each block keeps its own words (`engines/wire.py`), so that the message can be written as it was.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ..blocks import block
from ..engines.openai_chat_reply import WIRE
from ..frozen import EMPTY, freeze, key_name
from ..provenance import ARGUMENTS, MESSAGE, OPENAI_CHAT_FIELDS
from ..turns import Block
from .conversation import other, parsed_arguments

if TYPE_CHECKING:
    from .chat_messages import Reader

TEXTS = ("text", "input_text", "output_text")
THOUGHTS = ("reasoning_content", "reasoning")


def read_odd(reader: Reader, index: int, message: Any) -> None:
    """The blocks of one message, whatever it is."""
    odd = _Odd(reader, index)
    if not isinstance(message, Mapping):
        odd.unknown(f"a message is an object, not {type(message).__name__}")
        odd.keep(other(message), None, {})
        return
    try:
        message = {key_name(name): freeze(value) for name, value in message.items()}
    except TypeError as error:  # nested too deeply
        odd.unknown(str(error))
        odd.keep(other(message), None, {})
        return
    odd.read(message)


class _Odd:
    """One message on its way to blocks."""

    def __init__(self, reader: Reader, index: int) -> None:
        self.reader = reader
        self.index = index

    def guess(self, what: str) -> None:
        self.reader.notes.guess(f"messages[{self.index}]", what)

    def unknown(self, what: str) -> None:
        self.reader.notes.unknown(f"messages[{self.index}]", what)

    def keep(self, one: Block, raw: Any, marks: Mapping[str, Any]) -> None:
        """Add a block with what it is to be written as."""
        one = one._with(metadata=one.metadata.with_raw(**{MESSAGE.name: self.index, **marks}))
        self.reader.blocks.append(one if raw is None else WIRE.marked(one, raw=freeze(raw)))

    def read(self, message: dict[str, Any]) -> None:
        role = message.get("role")
        if role == "assistant":
            self.answered(message)
        elif role in ("system", "developer", "user"):
            kind = "user" if role == "user" else "system"
            rest = {name: value for name, value in message.items() if name not in ("role", "content")}
            said = self.said(message.get("content"))
            self.keep(block(kind, freeze(said), role), message, {OPENAI_CHAT_FIELDS.name: rest} if rest else {})
        elif role in ("tool", "function"):
            self.resulted(message, role)
        else:
            if role is None:
                self.unknown(f"a message has a role; this one has {', '.join(message) or 'nothing'}")
            else:
                self.unknown(f"{role!r:.60} is no role of a chat message")
            kept = block("other", freeze({"message": message}), role if isinstance(role, str) else "")
            self.keep(kept, message if "role" in message else None, {})

    def said(self, content: Any) -> dict[str, Any]:
        """Text and images of a content, which is a string or a list of parts."""
        if isinstance(content, str):
            return {"text": content}
        if not isinstance(content, list):
            return {"text": "" if content is None else json.dumps(content, ensure_ascii=False)}
        texts, images, others = [], [], []
        for part in content:
            kind = part.get("type") if isinstance(part, Mapping) else None
            if kind in TEXTS and isinstance(part.get("text"), str):
                texts.append(part["text"])
            elif kind == "image_url":
                images.append(_image(part.get("image_url")))
            else:
                others.append(part)
                self.unknown(f"content part {kind!r}")
        if len(texts) > 1:
            self.guess(f"{len(texts)} text parts joined by newlines")
        payload: dict[str, Any] = {"text": "\n".join(texts)}
        return payload | ({"images": images} if images else {}) | ({"parts": others} if others else {})

    def answered(self, message: dict[str, Any]) -> None:
        """One reply of the model: a thought, a text, calls; all of one inference. Each block has its piece of it."""
        thoughts = [name for name in THOUGHTS if isinstance(message.get(name), str) and message[name]]
        made = [(block("reasoning", freeze({"text": message[name]})), {name: message.pop(name)}) for name in thoughts]
        made += self.spoken(message)
        made += self.called(message)
        rest = {name: value for name, value in message.items() if name != "role"}
        signed = self.reader.signed(self.index)
        marks = signed | ({OPENAI_CHAT_FIELDS.name: freeze(rest)} if rest else {})
        first, piece = made[0]
        self.keep(first, {"role": "assistant", **rest, **piece}, marks)
        for one, piece in made[1:]:
            self.keep(one, piece, signed)

    def spoken(self, message: dict[str, Any]) -> list[tuple[Block, dict[str, Any]]]:
        refusal = message.get("refusal")
        calls = message.get("tool_calls") or _is_call(message.get("function_call"))
        if not message.get("content") and not refusal and calls:
            return []
        piece: dict[str, Any] = {name: message.pop(name) for name in ("content", "refusal") if name in message}
        payload = self.said(piece.get("content"))
        if refusal:
            payload["refusal"] = refusal
        return [(block("llm_text", freeze(payload), "assistant"), piece)]

    def called(self, message: dict[str, Any]) -> list[tuple[Block, dict[str, Any]]]:
        made = []
        calls = message.pop("tool_calls") if message.get("tool_calls") else []
        if not isinstance(calls, list):
            kind = "dict" if isinstance(calls, Mapping) else type(calls).__name__
            self.unknown(f"tool_calls are a list, not {kind}")
            made.append((other(calls, "assistant"), {"tool_calls": calls}))
            calls = []
        for place, call in enumerate(calls):
            made.append((self.call(place, call), {"tool_calls": [call]}))
        if _is_call(message.get("function_call")):
            legacy = message.pop("function_call")
            made.append((self.call(0, {"id": "", "function": legacy}, of_old=True), {"function_call": legacy}))
        return made

    def call(self, place: int, call: Any, *, of_old: bool = False) -> Block:
        function = call.get("function", call.get("custom")) if isinstance(call, Mapping) else None
        if not isinstance(function, Mapping):
            self.unknown(f"tool_calls[{place}] has no function: {call!r:.60}")
            return other(call, "assistant")
        id = call.get("id")
        if not isinstance(id, str) or not id:
            id = f"call-{self.index}-{place}"
            self.guess(f"{'function_call' if of_old else f'tool_calls[{place}]'} has no id; it is {id} here")
        self.reader.last_call = id
        written = function.get("arguments", function.get("input", ""))
        args, _ = parsed_arguments(written)
        name = str(function.get("name") or "")
        payload = {"id": id, "name": name} | ({"args": {}, "args_raw": written} if args is None else {"args": args})
        one = block("tool_call", freeze(payload))
        exact = args is not None and isinstance(written, str) and written not in ("", "{}")
        return one._with(metadata=one.metadata.with_raw(**{ARGUMENTS.name: written})) if exact else one

    def resulted(self, message: dict[str, Any], role: str) -> None:
        id = message.get("tool_call_id")
        if not isinstance(id, str) or not id:
            id = self.reader.last_call
            if role == "tool":
                self.guess(f"a tool message without tool_call_id; taken to answer {id or 'nothing'}")
        payload = freeze({"id": id, "result": message.get("content"), "error": ""})
        rest = {k: v for k, v in message.items() if k not in ("role", "content", "tool_call_id")}
        self.keep(block("tool_use", payload), message, {OPENAI_CHAT_FIELDS.name: rest} if rest else {})


def _is_call(legacy: Any) -> bool:
    """Whether a `function_call` calls: some servers write one of empty strings beside each reply."""
    return bool(any(legacy.values()) if isinstance(legacy, Mapping) else legacy)


def _image(given: Any) -> Any:
    url = given.get("url") if isinstance(given, Mapping) else given
    detail = given.get("detail") if isinstance(given, Mapping) else None
    return freeze({"url": url} | ({"detail": detail} if detail else EMPTY))
