"""One candidate of a chat reply, collected from its chunks into the message that a body would have.

Servers differ in what they repeat, leave out and number. The meaning of a chunk is therefore
inferred from the chunks before it and not from the server's name.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ...values.frozen_json import EMPTY_DICT
from ..json_access import frozen_part
from ..provider import DeltaListener, delta

REASONING_FIELDS = (  # servers use one, or two, for the text of the reasoning
    *("reasoning_content", "reasoning", "reasoning_text", "thinking"),
)
CHUNK_ONLY_FIELDS = frozenset({"token_id", "channel", "role"})  # of a delta, not of its message
# Fields of a choice with a rule here; old servers repeat the content in `text`.
COMMON_CHOICE_FIELDS = frozenset({"index", "delta", "message", "finish_reason", "logprobs", "text"})


class Candidate:
    """One choice of a reply under construction. `is_body` tells that it arrives in one piece."""

    finish_reason: str

    def __init__(
        self, index: int, on_delta: DeltaListener | None = None, inference_id: str = "", *, is_body: bool = False
    ) -> None:
        self.finish_reason = ""
        self.choice_fields: dict[str, Any] = {}  # of the choice, not of its message
        self.logprobs: dict[str, Any] = {}
        self._index = index
        self._on_delta = on_delta
        self._inference_id = inference_id
        self._is_body = is_body
        self._block_indexes: dict[Any, int] = {}  # indexes of the blocks that emit deltas, in order
        self._reasoning_texts: dict[str, list[str]] = {}
        self._reasoning_details: list[dict[str, Any]] = []
        self._contents: list[_PartialContent] = []
        self._last_content: _PartialContent | None = None  # the content that the next text may extend
        self._is_list = False
        self._refusal_texts: list[str] = []
        self._tool_calls: list[_PartialCall] = []
        self._calls_by_index: dict[int, _PartialCall] = {}
        self._function_call = _PartialCall(0, [])
        self._audio_fields: dict[str, Any] = {}
        self._extra_fields: dict[str, Any] = {}

    def take(self, choice: Mapping[str, Any]) -> None:
        """Take one choice of a chunk or of a body."""
        for name, value in choice.items():
            if not value or name == "index":
                continue
            if name == "delta" or (name == "message" and "delta" not in choice):
                if isinstance(value, dict):
                    self._take_delta(value)
            elif name == "finish_reason":
                self.finish_reason = value if isinstance(value, str) else self.finish_reason
            elif name == "logprobs":
                self._add_logprobs(value)
            elif name not in COMMON_CHOICE_FIELDS:
                self.choice_fields[name] = merge_values(self.choice_fields.get(name), frozen_part(value))

    def _add_logprobs(self, logprobs: Any) -> None:
        """Append log probabilities; lists grow."""
        for name, new_value in logprobs.items() if isinstance(logprobs, dict) else ():
            if isinstance(new_value, list) and new_value:
                known_list = self.logprobs.setdefault(name, [])
                if isinstance(known_list, list):
                    known_list.extend(frozen_part(new_value))
            elif new_value:
                self.logprobs[name] = frozen_part(new_value)

    def _take_delta(self, message_delta: Mapping[str, Any]) -> None:
        """Take the fields of a delta, or of a whole message."""
        for name, value in message_delta.items():
            if value is None or value == "" or name in CHUNK_ONLY_FIELDS:
                continue
            if name == "content" and type(value) is str:
                self._add_text("text", value, EMPTY_DICT)
                continue
            match name:
                case "content":
                    self._take_content(value)
                case "tool_calls":
                    for call_delta in value if isinstance(value, list) else ():
                        if isinstance(call_delta, dict):
                            self._take_tool_call(call_delta)
                case "function_call":
                    if isinstance(value, dict) and (value.get("name") or value.get("arguments")):
                        self._emit_call_delta(self._function_call, self._function_call.take({"function": value}))
                case "reasoning_content" | "reasoning" | "reasoning_text" | "thinking" if isinstance(value, str):
                    self._add_reasoning(name, value)
                case "reasoning_details" if isinstance(value, list):
                    for detail in value:
                        self._add_reasoning_detail(detail)
                case "refusal" if isinstance(value, str):
                    self._refusal_texts.append(value)
                case "audio" if isinstance(value, dict):
                    self._add_audio(value)
                case _:
                    self._take_extra_field(name, value)

    def _take_extra_field(self, name: str, value: Any) -> None:
        """Keep a field without a rule; lists grow, and empty objects are ignored."""
        if not has_content(value):
            return
        known_value = self._extra_fields.get(name)
        if isinstance(known_value, list) and isinstance(value, list):
            self._extra_fields[name] = [*known_value, *frozen_part(value)]
        else:
            self._extra_fields[name] = merge_values(known_value, frozen_part(value))

    def _emit_delta(self, block_index: int, kind: str, text: str, tool_name: str) -> None:
        if self._on_delta is not None and (text or tool_name):
            self._on_delta(delta(self._inference_id, block_index, kind, text, tool_name))

    def _block_index(self, block_key: Any) -> int:
        """Return the index of a block in the order of first deltas."""
        return self._block_indexes.setdefault(block_key, len(self._block_indexes))

    def _add_reasoning(self, field_name: str, text: str) -> None:
        """Append a piece of reasoning."""
        self._reasoning_texts.setdefault(field_name, []).append(text)
        if next(iter(self._reasoning_texts)) == field_name:  # some servers send it twice, under both names
            self._emit_delta(self._block_index("thoughts"), "reasoning", text, "")

    def _add_reasoning_detail(self, detail: Any) -> None:
        """Take a piece of a reasoning detail; its text grows, and its signature comes last."""
        if not isinstance(detail, dict):
            return
        last_detail = self._reasoning_details[-1] if self._reasoning_details and not self._is_body else {}
        text_field = next((name for name in ("text", "summary") if isinstance(detail.get(name), str)), "")
        continues_last = last_detail and all(last_detail.get(name) == detail.get(name) for name in ("type", "index"))
        if not continues_last or not (text_field or "signature" in detail):
            self._reasoning_details.append(dict(frozen_part(detail)))
            return
        for name, value in detail.items():
            if name == text_field:
                last_detail[name] = f"{last_detail.get(name) or ''}{value}"
            elif value is not None and value != "":
                last_detail[name] = frozen_part(value)

    def _take_content(self, value: Any) -> None:
        """Take a content that is not a plain string."""
        if not isinstance(value, list):
            self._contents.append(_PartialContent("object", frozen_part(value)))
            self._last_content = None
            return
        self._is_list = True
        for content_part in value:
            match content_part:
                case {"type": "text", "text": str(text), **extra_fields}:
                    self._add_text("text", text, extra_fields)
                case {"type": "thinking", "thinking": str() | list() as thinking_value, **extra_fields} if (
                    not self._is_body
                ):
                    self._add_text("thinking", _thinking_text(thinking_value), extra_fields)
                case _:
                    self._contents.append(_PartialContent("part", frozen_part(content_part)))
                    self._last_content = None
                    if self._is_body and isinstance(content_part, dict):
                        thinking_text = _thinking_text(content_part.get("thinking"))
                        self._emit_delta(self._block_index(id(content_part)), "reasoning", thinking_text, "")

    def _add_text(self, content_kind: str, text: str, extra_fields: Mapping[Any, Any]) -> None:
        """Append text to the last content, or begin another."""
        last_content = self._last_content
        if last_content is None or last_content.kind != content_kind or self._is_body:
            last_content = self._last_content = _PartialContent(content_kind)
            self._contents.append(last_content)
        last_content.texts.append(text)
        if extra_fields:
            last_content.extra_fields |= {
                name: frozen_part(value) for name, value in extra_fields.items() if name != "type"
            }
        if text and self._on_delta is not None:
            if last_content.block_index < 0:
                last_content.block_index = self._block_index(id(last_content))
            content_kind = "llm_text" if content_kind == "text" else "reasoning"
            self._on_delta(delta(self._inference_id, last_content.block_index, content_kind, text))

    def _take_tool_call(self, call_delta: Mapping[str, Any]) -> None:
        """Take a piece of a call; find the call that it continues by index, else by position."""
        call_index, partial_call = call_delta.get("index"), None
        has_index = isinstance(call_index, int) and not self._is_body
        if not self._is_body:
            last_call = self._tool_calls[-1] if self._tool_calls else None
            partial_call = self._calls_by_index.get(call_index) if isinstance(call_index, int) else last_call
        if partial_call is None or partial_call.starts_new_call(call_delta, has_index=has_index):
            call_order = call_index if isinstance(call_index, int) and has_index else len(self._tool_calls)
            partial_call = _PartialCall(call_order, [])
            self._tool_calls.append(partial_call)
            if isinstance(call_index, int):
                self._calls_by_index[call_index] = partial_call
        self._emit_call_delta(partial_call, partial_call.take(call_delta))

    def _emit_call_delta(self, partial_call: _PartialCall, text: str) -> None:
        """Emit new arguments; the first delta of a call carries its name."""
        is_first = not partial_call.has_emitted_name and bool(partial_call.name)
        if text or is_first:
            partial_call.has_emitted_name = partial_call.has_emitted_name or is_first
            self._emit_delta(
                self._block_index(id(partial_call)), "tool_call", text, partial_call.name if is_first else ""
            )

    def _add_audio(self, audio: Mapping[str, Any]) -> None:
        """Take a piece of audio; its data and its transcript grow."""
        for name, value in audio.items():
            if has_content(value):
                known_value = self._audio_fields.get(name)
                is_text = name in ("data", "transcript") and isinstance(known_value, str) and isinstance(value, str)
                self._audio_fields[name] = known_value + value if is_text and known_value else frozen_part(value)

    def message(self) -> dict[str, Any]:
        """Return the message so far, as a body would have it, without empty fields."""
        message: dict[str, Any] = {name: "".join(texts) for name, texts in self._reasoning_texts.items()}
        if self._reasoning_details:
            message["reasoning_details"] = self._reasoning_details
        if self._is_list:
            message["content"] = [partial_content.part() for partial_content in self._contents]
        elif self._contents:
            texts = ["".join(partial_content.texts) for partial_content in self._contents]
            first_content = self._contents[0]
            message["content"] = first_content.raw_part if first_content.kind == "object" else "".join(texts)
        if self._refusal_texts:
            message["refusal"] = "".join(self._refusal_texts)
        if self._audio_fields:
            message["audio"] = self._audio_fields
        if self._tool_calls:
            message["tool_calls"] = [
                call.complete_call() for call in sorted(self._tool_calls, key=lambda call: call.call_index)
            ]
        if self._function_call.name or self._function_call.texts:
            message["function_call"] = self._function_call.complete_call()["function"]
        return message | self._extra_fields

    def complete_choice(self) -> dict[str, Any]:
        """Return the candidate as a choice of a body, for one that becomes no blocks."""
        extra_fields = {**self.choice_fields, **({"logprobs": self.logprobs} if self.logprobs else {})}
        finish_reason = self.finish_reason or None
        return {"index": self._index, "message": self.message(), "finish_reason": finish_reason, **extra_fields}


@dataclass(slots=True)
class _PartialContent:
    """One part of a content under construction."""

    kind: str
    raw_part: Any = None
    block_index: int = -1  # -1 before its first delta
    texts: list[str] = field(default_factory=list)
    extra_fields: dict[str, Any] = field(default_factory=dict)

    def part(self) -> Any:
        """Return the part as a body would have it."""
        if self.kind == "text":
            return {"type": "text", "text": "".join(self.texts), **self.extra_fields}
        if self.kind == "thinking":
            return {
                "type": "thinking",
                "thinking": [{"type": "text", "text": "".join(self.texts)}],
                **self.extra_fields,
            }
        return self.raw_part


@dataclass(slots=True)
class _PartialCall:
    """A tool call under construction. A server sends its id and name once, or with every piece."""

    call_index: int
    texts: list[str]
    id: str = ""
    name: str = ""
    call_type: str = "function"  # or "custom", whose argument is a text
    has_emitted_name: bool = False
    extra_fields: dict[str, Any] = field(default_factory=dict)  # of the call, outside its function
    function_fields: dict[str, Any] = field(default_factory=dict)  # of its function, without name and arguments

    def starts_new_call(self, call_delta: Mapping[str, Any], *, has_index: bool) -> bool:
        """Tell whether a piece begins another call, though its index is that of this one or absent."""
        call_id, function_delta = call_delta.get("id"), call_delta.get("function")
        function_delta = function_delta if isinstance(function_delta, dict) else {}
        function_name = function_delta.get("name")
        if isinstance(call_id, str) and call_id:
            if not self.id or call_id == self.id:
                return False
            return not has_index or (bool(function_name) and (function_name != self.name or self._is_complete()))
        return bool(function_name and function_delta.get("arguments")) and bool(self.name) and self._is_complete()

    def _is_complete(self) -> bool:
        """Tell whether the arguments so far are a JSON object."""
        try:
            return isinstance(json.loads("".join(self.texts)), dict)
        except (ValueError, RecursionError):
            return False

    def take(self, call_delta: Mapping[str, Any]) -> str:
        """Take a piece of the call; return the text that it adds to the arguments."""
        call_id = call_delta.get("id")
        has_id = isinstance(call_id, str) and call_id != ""
        added_text = ""
        for name, value in call_delta.items():
            if name == "id":
                self.id = call_id if isinstance(call_id, str) and call_id else self.id
            elif name in ("function", "custom") and isinstance(value, dict):
                if name == "function" or has_content(value):
                    added_text += self._take_function(name, value, has_id=has_id)
            elif name != "index" and has_content(value):
                self.extra_fields[name] = frozen_part(value)
        return added_text

    def _take_function(self, call_type: str, function_delta: Mapping[str, Any], *, has_id: bool) -> str:
        """Take a piece of the function; return the text that it adds to the arguments."""
        self.call_type = call_type
        added_text = ""
        for name, value in function_delta.items():
            if name == "name":
                self._take_name(value, has_id=has_id)
            elif name in ("arguments", "input") and value is not None:
                added_text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
                self.texts.append(added_text)
            elif has_content(value):
                self.function_fields[name] = frozen_part(value)
        return added_text

    def _take_name(self, name: Any, *, has_id: bool) -> None:
        """Take a name, which comes once, again and again, or (without an id) in pieces."""
        if not isinstance(name, str) or not name or name == self.name:
            return
        self.name = name if has_id or name.startswith(self.name) else self.name + name

    def complete_call(self) -> dict[str, Any]:
        """Return the call as a body would have it."""
        arguments_text = "".join(self.texts)
        is_custom = self.call_type == "custom"
        arguments_field = {"input": arguments_text} if is_custom else {"arguments": arguments_text or "{}"}
        function = {"name": self.name, **arguments_field, **self.function_fields}
        return {**({"id": self.id} if self.id else {}), **self.extra_fields, self.call_type: function}


def _thinking_text(thinking_value: Any) -> str:
    """Return the text of a thinking part, which is a string or a list of texts."""
    if isinstance(thinking_value, list):
        return "".join(str(text_part.get("text") or "") for text_part in thinking_value if isinstance(text_part, dict))
    return thinking_value if isinstance(thinking_value, str) else ""


def has_content(value: Any) -> bool:
    """Tell whether a value is more than null, blank, empty or zero; an object counts by its values."""
    return any(value.values()) if isinstance(value, dict) else bool(value)


def merge_values(old_value: Any, new_value: Any) -> Any:
    """Merge a new value into an old one: objects field by field, where null changes nothing; otherwise the new one."""
    if isinstance(old_value, dict) and isinstance(new_value, Mapping):
        new_fields = {name: value for name, value in new_value.items() if value is not None or name not in old_value}
        return old_value | {name: merge_values(old_value.get(name), value) for name, value in new_fields.items()}
    return old_value if new_value is None else new_value
