"""The messages of an OpenAI chat as blocks: the usual shapes, fast.

Most messages have one of four shapes: a text; the result of a tool; a reply with a text, tool calls
or both, and other fields. Their values are not checked again, because a JSON parser made them. Any
other shape is read, more slowly, by `chat_messages_fallback.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ...values.blocks import make_block
from ...values.frozen_json import EMPTY_DICT, FrozenDict, freeze
from ...values.inference_results import INFERENCE_ID, INFERENCE_RESULT
from ...values.metadata import NO_METADATA, unchecked_metadata
from ...values.provenance import ARGUMENTS, MESSAGE, OPENAI_CHAT_FIELDS
from ...values.turns import Block
from . import lenient_json
from .record_fields import parse_arguments
from .transcript import Transcript

ROLES = frozenset({"system", "developer", "user", "assistant", "tool", "function"})
SEPARATE = frozenset({"refusal", "function_call", "reasoning_content", "reasoning", "reasoning_details", "audio"})
ID, RESULT, INDEX, EXTRA_FIELDS = INFERENCE_ID.name, INFERENCE_RESULT.name, MESSAGE.name, OPENAI_CHAT_FIELDS.name
WRITTEN_ARGUMENTS = ARGUMENTS.name
# The fields that the blocks of a message hold, by the shape of the message.
PROMPT_FIELDS, RESULT_FIELDS = frozenset({"role", "content"}), frozenset({"role", "content", "tool_call_id"})
REPLY_FIELDS = frozenset({"role", "content", "tool_calls"})
CALL_FIELDS = frozenset({"role", "tool_calls"})  # the content, which is null, "" or missing, is kept
NULL_CONTENT = FrozenDict({"content": None})
ATOMS = frozenset({str, int, float, bool, type(None)})


def read_messages(transcript: Transcript, messages: Sequence[Any], model: Any = "") -> None:
    """Add the blocks of chat messages to a transcript. `model` is that of the replies, if the file names it."""
    from .chat_messages_fallback import read_odd

    reader = Reader(transcript, model if isinstance(model, str) else "")
    readers, begin, blocks = reader.readers, transcript.record_starts.append, transcript.blocks
    for index, message in enumerate(messages):
        begin(len(blocks))
        try:
            if readers[message["role"]](index, message):
                continue
        except (TypeError, KeyError, IndexError):  # not an object, or an unknown role
            pass
        read_odd(reader, index, message)
    transcript.notes.record_count += len(messages)


class Reader:
    """Adds the blocks of the messages of one conversation."""

    def __init__(self, transcript: Transcript, model: str = "") -> None:
        self.transcript = transcript
        self.blocks: list[Block] = transcript.blocks
        self.last_call_id = ""
        self._key = f"{transcript.key}/message-" if transcript.key else "message-"
        self._model = {"model": model} if model else {}
        self._parse = lenient_json.parser()
        self.readers: dict[Any, Callable[[int, dict[str, Any]], bool]] = {
            "system": self._prompt,
            "developer": self._prompt,
            "user": self._prompt,
            "assistant": self._reply,
            "tool": self._result,
        }

    def call_metadata(self, index: int) -> dict[str, Any]:
        """Return the metadata of the blocks of a reply: the id and the result of their model call."""
        id = f"{self._key}{index}"
        return {ID: id, RESULT: FrozenDict({"inference_id": id, **self._model, "finish_class": "unknown"})}

    # Each of these returns False, and adds nothing, for a message of another shape.

    def _prompt(self, index: int, message: dict[str, Any]) -> bool:
        content = message.get("content")
        if type(content) is not str:
            return False
        role = message["role"]
        metadata = (
            NO_METADATA
            if len(message) == 2
            else unchecked_metadata(FrozenDict(_with_extra_fields({}, index, message, PROMPT_FIELDS)))
        )
        self.blocks.append(
            make_block("user" if role == "user" else "system", FrozenDict(text=content), role, "", metadata)
        )
        return True

    def _result(self, index: int, message: dict[str, Any]) -> bool:
        content, id = message.get("content"), message.get("tool_call_id")
        if type(content) is not str or type(id) is not str or not id:
            return False
        metadata = (
            NO_METADATA
            if len(message) == 3
            else unchecked_metadata(FrozenDict(_with_extra_fields({}, index, message, RESULT_FIELDS)))
        )
        self.blocks.append(make_block("tool_use", FrozenDict(id=id, result=content, error=""), "", "", metadata))
        return True

    def _reply(self, index: int, message: dict[str, Any]) -> bool:
        content, calls = message.get("content"), message.get("tool_calls")
        if calls is None:
            if type(content) is not str or "tool_calls" in message:
                return False
        elif (
            type(calls) is not list
            or (content is not None and type(content) is not str)
            or not _have_usual_shape(calls)
        ):
            return False
        if len(message) > 2 and not SEPARATE.isdisjoint(message) and any(map(message.get, SEPARATE)):
            return False
        id = f"{self._key}{index}"
        result = FrozenDict({"inference_id": id, **self._model, "finish_class": "unknown"})
        call_metadata: dict[str, Any] = {ID: id, RESULT: result}
        if content or not calls:
            metadata = (
                call_metadata
                if len(message) == (3 if calls else 2)
                else _with_extra_fields(call_metadata, index, message, REPLY_FIELDS)
            )
            self.blocks.append(
                make_block(
                    "llm_text", FrozenDict(text=content), "assistant", "", unchecked_metadata(FrozenDict(metadata))
                )
            )
            metadata = call_metadata
        elif len(message) == 3 and content is None and "content" in message:
            metadata = {ID: id, RESULT: result, EXTRA_FIELDS: NULL_CONTENT, INDEX: index}
        else:
            metadata = {INDEX: index, **_with_extra_fields(call_metadata, index, message, CALL_FIELDS)}
        for call in calls or ():
            self._add_call(call, metadata)
            metadata = {ID: id, RESULT: result}
        return True

    def _add_call(self, call: dict[str, Any], metadata: dict[str, Any]) -> None:
        """Add a tool call. Its arguments are kept as text, too, because servers write the same JSON in different ways."""
        function, id = call["function"], call["id"]
        self.last_call_id = id
        arguments = function["arguments"]
        args = self._parse_arguments(arguments)
        if args is None:
            payload = FrozenDict(id=id, name=function["name"], args=EMPTY_DICT, args_raw=arguments)
        else:
            payload = FrozenDict(id=id, name=function["name"], args=args)
            if arguments != "{}":
                metadata[WRITTEN_ARGUMENTS] = arguments
        self.blocks.append(make_block("tool_call", payload, "", "", unchecked_metadata(FrozenDict(metadata))))

    def _parse_arguments(self, arguments: str) -> FrozenDict | None:
        """Return the arguments of a tool call as an object; None when they are not one."""
        if not arguments:
            return EMPTY_DICT
        try:
            args = self._parse(arguments)
        except ValueError:
            args, _ = parse_arguments(arguments)
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


def _with_extra_fields(
    metadata: dict[str, Any], index: int, message: Mapping[str, Any], known_fields: frozenset[str]
) -> dict[str, Any]:
    """Return metadata with the fields of a message that its blocks do not hold."""
    extra_fields = {name: value for name, value in message.items() if name not in known_fields}
    return {**metadata, EXTRA_FIELDS: freeze(extra_fields), INDEX: index} if extra_fields else metadata


def _have_usual_shape(calls: list[Any]) -> bool:
    """Return True when tool calls have the documented fields and no others."""
    for call in calls:
        if type(call) is not dict or len(call) != 3 or call.get("type") != "function":
            return False
        function, id = call.get("function"), call.get("id")
        if type(function) is not dict or len(function) != 2 or type(id) is not str or not id:
            return False
        if type(function.get("name")) is not str or type(function.get("arguments")) is not str:
            return False
    return bool(calls)
