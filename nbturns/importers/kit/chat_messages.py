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
from ...values.times import parsed_time
from ...values.turns import Block
from . import lenient_json
from .record_fields import parse_arguments
from .transcript import Transcript

ROLES = frozenset({"system", "developer", "user", "assistant", "tool", "function"})
SEPARATE_FIELDS = frozenset(
    {"refusal", "function_call", "reasoning_content", "reasoning", "reasoning_details", "audio"}
)
INFERENCE_ID_NAME, RESULT_NAME, MESSAGE_INDEX_NAME, EXTRA_FIELDS_NAME = (
    INFERENCE_ID.name,
    INFERENCE_RESULT.name,
    MESSAGE.name,
    OPENAI_CHAT_FIELDS.name,
)
ARGUMENTS_NAME = ARGUMENTS.name
TIME_FIELDS = frozenset({"timestamp", "created_at", "createdAt", "create_time", "time", "ts"})
TIME_TYPES = frozenset({str, int, float})
# The fields that the blocks of a message hold, by the shape of the message.
PROMPT_FIELDS, RESULT_FIELDS = frozenset({"role", "content"}), frozenset({"role", "content", "tool_call_id"})
REPLY_FIELDS = frozenset({"role", "content", "tool_calls"})
CALL_FIELDS = frozenset({"role", "tool_calls"})  # the content, which is null, "" or missing, is kept
NULL_CONTENT = FrozenDict({"content": None})
SCALAR_TYPES = frozenset({str, int, float, bool, type(None)})


def read_messages(transcript: Transcript, messages: Sequence[Any], model: Any = "") -> None:
    """Add the blocks of chat messages to a transcript. `model` is that of the replies, if the file names it."""
    from .chat_messages_fallback import read_unusual_message

    reader = Reader(transcript, model if isinstance(model, str) else "")
    readers, add_record_start, blocks = reader.readers_by_role, transcript.record_starts.append, transcript.blocks
    for index, message in enumerate(messages):
        first_block = len(blocks)
        add_record_start(first_block)
        try:
            is_usual = readers[message["role"]](index, message)
        except (TypeError, KeyError, IndexError):  # not an object, or an unknown role
            is_usual = False
        if not is_usual:
            read_unusual_message(reader, index, message)
        if type(message) is dict and len(message) > 2 and not TIME_FIELDS.isdisjoint(message):
            transcript.set_times(first_block, time_of_message(message))
    transcript.notes.record_count += len(messages)


class Reader:
    """Adds the blocks of the messages of one conversation."""

    last_call_id: Any

    def __init__(self, transcript: Transcript, model: str = "") -> None:
        self.transcript = transcript
        self.blocks: list[Block] = transcript.blocks
        self.last_call_id = ""
        self._id_prefix = f"{transcript.key}/message-" if transcript.key else "message-"
        self._model_field = {"model": model} if model else {}
        self._parse_json = lenient_json.fast_parser()
        self.readers_by_role: dict[Any, Callable[[int, dict[str, Any]], bool]] = {
            "system": self._add_prompt,
            "developer": self._add_prompt,
            "user": self._add_prompt,
            "assistant": self._add_reply,
            "tool": self._add_result,
        }

    def call_metadata(self, index: int) -> dict[str, Any]:
        """Return the metadata of the blocks of a reply: the id and the result of their model call."""
        inference_id = f"{self._id_prefix}{index}"
        return {
            INFERENCE_ID_NAME: inference_id,
            RESULT_NAME: FrozenDict({"inference_id": inference_id, **self._model_field, "finish_class": "unknown"}),
        }

    # These methods return False and add nothing for a message of another shape.

    def _add_prompt(self, index: int, message: dict[str, Any]) -> bool:
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

    def _add_result(self, index: int, message: dict[str, Any]) -> bool:
        content, call_id = message.get("content"), message.get("tool_call_id")
        if type(content) is not str or type(call_id) is not str or not call_id:
            return False
        metadata = (
            NO_METADATA
            if len(message) == 3
            else unchecked_metadata(FrozenDict(_with_extra_fields({}, index, message, RESULT_FIELDS)))
        )
        self.blocks.append(make_block("tool_use", FrozenDict(id=call_id, result=content, error=""), "", "", metadata))
        return True

    def _add_reply(self, index: int, message: dict[str, Any]) -> bool:
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
        if len(message) > 2 and not SEPARATE_FIELDS.isdisjoint(message) and any(map(message.get, SEPARATE_FIELDS)):
            return False
        inference_id = f"{self._id_prefix}{index}"
        inference_result = FrozenDict({"inference_id": inference_id, **self._model_field, "finish_class": "unknown"})
        call_metadata: dict[str, Any] = {INFERENCE_ID_NAME: inference_id, RESULT_NAME: inference_result}
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
            metadata = {
                INFERENCE_ID_NAME: inference_id,
                RESULT_NAME: inference_result,
                EXTRA_FIELDS_NAME: NULL_CONTENT,
                MESSAGE_INDEX_NAME: index,
            }
        else:
            metadata = {MESSAGE_INDEX_NAME: index, **_with_extra_fields(call_metadata, index, message, CALL_FIELDS)}
        for call in calls or ():
            self._add_call(call, metadata)
            metadata = {INFERENCE_ID_NAME: inference_id, RESULT_NAME: inference_result}
        return True

    def _add_call(self, call: dict[str, Any], metadata: dict[str, Any]) -> None:
        """Add a tool call. Its arguments are kept as text, too, because servers write the same JSON in different ways."""
        function, call_id = call["function"], call["id"]
        self.last_call_id = call_id
        arguments = function["arguments"]
        parsed_arguments = self._parse_arguments(arguments)
        if parsed_arguments is None:
            payload = FrozenDict(id=call_id, name=function["name"], args=EMPTY_DICT, args_raw=arguments)
        else:
            payload = FrozenDict(id=call_id, name=function["name"], args=parsed_arguments)
            if arguments != "{}":
                metadata[ARGUMENTS_NAME] = arguments
        self.blocks.append(make_block("tool_call", payload, "", "", unchecked_metadata(FrozenDict(metadata))))

    def _parse_arguments(self, arguments: str) -> FrozenDict | None:
        """Return the arguments of a tool call as an object; None when they are not one."""
        if not arguments:
            return EMPTY_DICT
        try:
            parsed_arguments = self._parse_json(arguments)
        except (ValueError, TypeError):
            parsed_arguments, _ = parse_arguments(arguments)
        if type(parsed_arguments) is not dict:
            return None
        for value in parsed_arguments.values():
            if type(value) not in SCALAR_TYPES:
                break
        else:
            return FrozenDict(parsed_arguments)
        try:
            frozen_arguments: FrozenDict = freeze(parsed_arguments)
        except TypeError:  # nested deeper than a block can hold
            return None
        return frozen_arguments


def time_of_message(message: Mapping[str, Any]) -> Any:
    """Return when a message was written, which programs that log messages add to them; None without a time."""
    times = (message[name] for name in message if name in TIME_FIELDS)
    return next((time for time in times if type(time) in TIME_TYPES and parsed_time(str(time)) is not None), None)


def _with_extra_fields(
    metadata: dict[str, Any], index: int, message: Mapping[str, Any], known_fields: frozenset[str]
) -> dict[str, Any]:
    """Return metadata with the fields of a message that its blocks do not hold."""
    extra_fields = {name: value for name, value in message.items() if name not in known_fields}
    return (
        {**metadata, EXTRA_FIELDS_NAME: freeze(extra_fields), MESSAGE_INDEX_NAME: index} if extra_fields else metadata
    )


def _have_usual_shape(calls: list[Any]) -> bool:
    """Return True when tool calls have the documented fields and no others."""
    for call in calls:
        if type(call) is not dict or len(call) != 3 or call.get("type") != "function":
            return False
        function, call_id = call.get("function"), call.get("id")
        if type(function) is not dict or len(function) != 2 or type(call_id) is not str or not call_id:
            return False
        if type(function.get("name")) is not str or type(function.get("arguments")) is not str:
            return False
    return bool(calls)
