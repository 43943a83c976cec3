"""The messages of an OpenAI chat as blocks, wherever they stand: the usual shapes, fast.

Most messages have one of four shapes, and of these the blocks tell all: a text; a result;
a reply with a text, calls or both, and names beside them. Their parts are made without a second
look, because a JSON parser made them. Any other shape takes its time in `odd_chat_messages.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ..blocks import block
from ..frozen import EMPTY, FrozenDict, freeze
from ..keyed import NOTHING, bag
from ..provenance import ARGUMENTS, MESSAGE, OPENAI_CHAT_FIELDS
from ..results import INFERENCE_ID, INFERENCE_RESULT
from ..turns import Block
from . import json_text
from .conversation import parsed_arguments, place_of
from .report import Notes

ROLES = frozenset({"system", "developer", "user", "assistant", "tool", "function"})
SEPARATE = frozenset({"refusal", "function_call", "reasoning_content", "reasoning", "reasoning_details", "audio"})
ID, RESULT, INDEX, FIELDS = INFERENCE_ID.name, INFERENCE_RESULT.name, MESSAGE.name, OPENAI_CHAT_FIELDS.name
WRITTEN = ARGUMENTS.name
SAID, RESULTED = frozenset({"role", "content"}), frozenset({"role", "content", "tool_call_id"})
ANSWERED = frozenset({"role", "content", "tool_calls"})
CALLED = frozenset(
    {"role", "tool_calls"}
)  # whether the content of a reply that only calls is null, "" or not there stands beside
NULL = FrozenDict({"content": None})
ATOMS = frozenset({str, int, float, bool, type(None)})


def read_messages(messages: Sequence[Any], notes: Notes, model: Any = "") -> list[Block]:
    """The blocks of chat messages; what was remarkable is in `notes`. `model` answered them, where that is known."""
    from .odd_chat_messages import read_odd

    reader = Reader(notes, model if isinstance(model, str) else "")
    usual = reader.usual
    for index, message in enumerate(messages):
        try:
            if usual[message["role"]](index, message):
                continue
        except (TypeError, KeyError, IndexError):  # no object, or a role that nobody knows
            pass
        read_odd(reader, index, message)
    notes.read += len(messages)
    return reader.blocks


class Reader:
    """Turns the messages of one conversation into blocks."""

    def __init__(self, notes: Notes, model: str = "") -> None:
        self.notes = notes
        self.blocks: list[Block] = []
        self.last_call = ""
        self._key = f"{place}/message-" if (place := place_of(notes)) else "message-"
        self._model = {"model": model} if model else {}
        self._parse = json_text.parser()
        self.usual: dict[Any, Callable[[int, dict[str, Any]], bool]] = {
            "system": self._said,
            "developer": self._said,
            "user": self._said,
            "assistant": self._answered,
            "tool": self._resulted,
        }

    def signed(self, index: int) -> dict[str, Any]:
        """What the blocks of the reply with this index carry: the id and the record of their model call."""
        id = f"{self._key}{index}"
        return {ID: id, RESULT: FrozenDict({"inference_id": id, **self._model, "finish_class": "unknown"})}

    # Each of these says whether the message has its shape; if not, it has done nothing.

    def _said(self, index: int, message: dict[str, Any]) -> bool:
        content = message.get("content")
        if type(content) is not str:
            return False
        role = message["role"]
        marks = NOTHING if len(message) == 2 else bag(FrozenDict(_beside({}, index, message, SAID)))
        self.blocks.append(block("user" if role == "user" else "system", FrozenDict(text=content), role, "", marks))
        return True

    def _resulted(self, index: int, message: dict[str, Any]) -> bool:
        content, id = message.get("content"), message.get("tool_call_id")
        if type(content) is not str or type(id) is not str or not id:
            return False
        marks = NOTHING if len(message) == 3 else bag(FrozenDict(_beside({}, index, message, RESULTED)))
        self.blocks.append(block("tool_use", FrozenDict(id=id, result=content, error=""), "", "", marks))
        return True

    def _answered(self, index: int, message: dict[str, Any]) -> bool:
        content, calls = message.get("content"), message.get("tool_calls")
        if calls is None:
            if type(content) is not str or "tool_calls" in message:
                return False
        elif type(calls) is not list or (content is not None and type(content) is not str) or not _are_usual(calls):
            return False
        if len(message) > 2 and not SEPARATE.isdisjoint(message) and any(map(message.get, SEPARATE)):
            return False
        id = f"{self._key}{index}"
        result = FrozenDict({"inference_id": id, **self._model, "finish_class": "unknown"})
        signed: dict[str, Any] = {ID: id, RESULT: result}
        if content or not calls:
            marks = signed if len(message) == (3 if calls else 2) else _beside(signed, index, message, ANSWERED)
            self.blocks.append(block("llm_text", FrozenDict(text=content), "assistant", "", bag(FrozenDict(marks))))
            marks = signed
        elif len(message) == 3 and content is None and "content" in message:
            marks = {ID: id, RESULT: result, FIELDS: NULL, INDEX: index}
        else:
            marks = {INDEX: index, **_beside(signed, index, message, CALLED)}
        for call in calls or ():
            self._called(call, marks)
            marks = {ID: id, RESULT: result}
        return True

    def _called(self, call: dict[str, Any], marks: dict[str, Any]) -> None:
        """One call, `marks` its own. Its arguments are kept as they were written, too: servers spell JSON each their way."""
        function, id = call["function"], call["id"]
        self.last_call = id
        written = function["arguments"]
        args = self._object(written)
        if args is None:
            payload = FrozenDict(id=id, name=function["name"], args=EMPTY, args_raw=written)
        else:
            payload = FrozenDict(id=id, name=function["name"], args=args)
            if written != "{}":
                marks[WRITTEN] = written
        self.blocks.append(block("tool_call", payload, "", "", bag(FrozenDict(marks))))

    def _object(self, written: str) -> FrozenDict | None:
        """The arguments of a call as an object; None when they are none."""
        if not written:
            return EMPTY
        try:
            args = self._parse(written)
        except ValueError:
            args, _ = parsed_arguments(written)
        if type(args) is not dict:
            return None
        for value in args.values():
            if type(value) not in ATOMS:
                break
        else:
            return FrozenDict(args)
        try:
            frozen: FrozenDict = freeze(args)
        except TypeError:  # nested deeper than a block can hold
            return None
        return frozen


def _beside(marks: dict[str, Any], index: int, message: Mapping[str, Any], told: frozenset[str]) -> dict[str, Any]:
    """`marks`, and what a message has beside the names that its blocks tell of."""
    rest = {name: value for name, value in message.items() if name not in told}
    return {**marks, FIELDS: freeze(rest), INDEX: index} if rest else marks


def _are_usual(calls: list[Any]) -> bool:
    """Whether calls have all that a call has, and nothing else, so that they can be written as they were."""
    for call in calls:
        if type(call) is not dict or len(call) != 3 or call.get("type") != "function":
            return False
        function, id = call.get("function"), call.get("id")
        if type(function) is not dict or len(function) != 2 or type(id) is not str or not id:
            return False
        if type(function.get("name")) is not str or type(function.get("arguments")) is not str:
            return False
    return bool(calls)
