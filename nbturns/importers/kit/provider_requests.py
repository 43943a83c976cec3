"""Requests and replies of Anthropic, Gemini and OpenAI Responses, read by the codecs of the engines.

A codec knows what a request says (`history`) and what a reply says (`decode`). This module adds the
positions of messages, the model calls that made them, and what to do with a value that is no message.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ...engines import decode, find
from ...errors import EngineError
from ...values.frozen_json import EMPTY_DICT, freeze
from ...values.inference_results import InferenceResult
from ...values.provenance import FIELDS
from ...values.turns import Block, Run
from . import faults
from .import_report import Notes
from .record_fields import omit
from .record_lists import list_reader
from .source import Source
from .transcript import Transcript, other_block

MODEL_KINDS = frozenset({"llm_text", "reasoning", "tool_call"})
CODEC_ERRORS = (EngineError, TypeError, ValueError, AttributeError)  # what codecs raise for hostile shapes


@dataclass(frozen=True, slots=True)
class RequestLayout:
    """The layout of one provider's requests and replies."""

    format: str
    list_name: str  # of the messages in a request: "messages", "contents", "input"
    prompt_names: tuple[str, ...]  # of the system prompt in a request
    parts_name: str  # of the parts in a message; "" where a message is one block
    is_reply: Callable[[Mapping[str, Any]], bool]
    is_known_type: Callable[[str], bool]  # of parts that become `other` blocks without a note
    pair_names: tuple[str, str] = field(default=("request", "response"))  # of a recorded pair

    def reader(self, is_message: Callable[[Any], bool]) -> Callable[[Source], Iterator[Run]]:
        """Return a reader of such requests, replies, pairs of both, and lists of messages."""
        return list_reader(self.format, is_message, self.read_one)

    def read_one(self, value: Any, notes: Notes) -> Run:
        """Return the Run of a request, a reply, a pair of both, or a list of messages."""
        request, reply = self._split(value)
        document = reply if request is None else request
        if document is None:
            raise notes.load_error("", f"no request or reply of {self.format}; got {faults.describe_value(value)}")
        transcript = Transcript(notes)
        if request is not None:
            self._read_request(transcript, request)
        if reply is not None:
            self._read_reply(transcript, reply)
        extra_fields = self._extra_fields(document)
        name = extra_fields.get("id")
        return transcript.to_run(name=name if isinstance(name, str) else "", metadata={FIELDS.name: extra_fields})

    def _split(self, value: Any) -> tuple[Mapping[str, Any] | None, Mapping[str, Any] | None]:
        """Return the request and the reply in a value; None for one that it does not have."""
        if isinstance(value, (list, tuple)):
            return {self.list_name: list(value)}, None
        if not isinstance(value, Mapping):
            return None, None
        request, reply = (value.get(name) for name in self.pair_names)
        if isinstance(request, Mapping) and self.list_name in request:
            return request, reply if isinstance(reply, Mapping) and self.is_reply(reply) else None
        if isinstance(value.get("body"), Mapping) and self.list_name in value["body"]:
            return {**value["body"], "custom_id": value.get("custom_id")}, None
        is_reply = self.is_reply(value)
        if self.list_name not in value or (is_reply and not isinstance(value[self.list_name], (list, str))):
            return None, value if is_reply else None
        return value, value if is_reply else None

    def _extra_fields(self, document: Mapping[str, Any]) -> Any:
        """Return the fields of a request that are no messages: model, tools, parameters."""
        try:
            return freeze(omit(document, self.list_name, *self.prompt_names, "content", "output", "candidates"))
        except TypeError:
            return EMPTY_DICT

    # Requests.

    def _read_request(self, transcript: Transcript, request: Mapping[str, Any]) -> None:
        messages = request.get(self.list_name)
        messages = [messages] if isinstance(messages, Mapping) else messages
        if not isinstance(messages, (list, tuple, str)):
            raise transcript.notes.load_error("", faults.wrong_type(self.list_name, messages, list))
        self._read_prompt(transcript, request)
        if isinstance(messages, str):
            transcript.begin_record(self.list_name)
            transcript.add_blocks(self._history(transcript, {self.list_name: messages}, messages))
            transcript.notes.record_count += 1
            return
        self._read_messages(transcript, messages, request.get("model"))
        transcript.notes.record_count += len(messages)

    def _read_prompt(self, transcript: Transcript, request: Mapping[str, Any]) -> None:
        prompts = {name: request[name] for name in self.prompt_names if request.get(name) is not None}
        prompt = next(iter(prompts.values()), None)
        transcript.begin_record(next(iter(prompts), ""))
        extra_fields = self._fields_of(prompt) if isinstance(prompt, Mapping) else None  # Gemini's has a role
        blocks = self._history(transcript, {**prompts, self.list_name: []}, prompts)
        transcript.add_blocks(blocks, extra_fields=extra_fields)

    def _history(self, transcript: Transcript, request: Mapping[str, Any], content: Any) -> list[Block]:
        """Return the blocks of a request; an `other` block of its content where the codec fails."""
        try:
            return list(self._codec(request))
        except CODEC_ERRORS as error:
            if not content:
                return []
            transcript.unknown(str(error))
            return [other_block(content, "system")]

    def _codec(self, request: Mapping[str, Any]) -> Any:
        history = find(self.format).history
        assert history is not None
        return history(request)

    def _read_messages(self, transcript: Transcript, messages: Sequence[Any], model: Any) -> None:
        blocks_of = self._message_blocks(messages)
        call_ends = self._call_ends([blocks or [] for blocks in blocks_of])
        key = f"{transcript.key}/" if transcript.key else ""
        for index, (message, blocks) in enumerate(zip(messages, blocks_of, strict=True)):
            transcript.begin_record(f"{self.list_name}[{index}]", index)
            if blocks is None:
                transcript.unknown(faults.wrong_type("", message, dict))
                transcript.add_blocks([other_block(message)])
                continue
            self._report(transcript, blocks)
            extra_fields = self._fields_of(message) if self.parts_name else None
            result = None
            if index in call_ends:
                id = f"{key}message-{call_ends[index]}"
                result = InferenceResult(inference_id=id, model=model if isinstance(model, str) else "")
            transcript.add_blocks(blocks, result=result, extra_fields=extra_fields)

    def _message_blocks(self, messages: Sequence[Any]) -> list[list[Block] | None]:
        """Return the blocks of each message, None for a value that is none.

        All are read together, because results refer to calls in earlier messages.
        """
        indexes = list(range(len(messages)))
        try:
            blocks: Sequence[Block] = self._codec({self.list_name: messages}).blocks
        except CODEC_ERRORS:
            blocks = ()
        are_objects = all(isinstance(message, Mapping) for message in messages)
        if not are_objects or len(blocks) != sum(map(self._count_parts, messages)):
            indexes = [index for index in indexes if self._is_readable(messages[index])]
            readable = [messages[index] for index in indexes]
            blocks = self._codec({self.list_name: readable}).blocks if readable else ()
        remaining_blocks = iter(blocks)
        blocks_of: list[list[Block] | None] = [None] * len(messages)
        for index in indexes:
            message = messages[index]
            own_blocks = [next(remaining_blocks) for _ in range(self._count_parts(message))]
            blocks_of[index] = own_blocks or [other_block(message, str(message.get("role")))]
        return blocks_of

    def _fields_of(self, message: Mapping[str, Any]) -> dict[str, Any]:
        """Return the fields of a message besides its parts, and the name of parts that are an object and no list."""
        is_object = isinstance(message.get(self.parts_name), Mapping)
        return omit(message, self.parts_name) | ({self.parts_name: {}} if is_object else {})

    def _is_readable(self, message: Any) -> bool:
        try:
            count = len(self._codec({self.list_name: [freeze(message)]}))
        except CODEC_ERRORS:
            return False
        return isinstance(message, Mapping) and count == self._count_parts(message)

    def _count_parts(self, message: Mapping[str, Any]) -> int:
        if not self.parts_name:
            return 1
        parts = message.get(self.parts_name)
        return len(parts) if isinstance(parts, (list, tuple)) else int(bool(parts))

    def _report(self, transcript: Transcript, blocks: Sequence[Block]) -> None:
        for number, one in enumerate(blocks):
            path = f".{self.parts_name}[{number}]" if self.parts_name else ""
            type = str(one.payload.get("type", next(iter(one.payload), "")))
            if one.kind == "other" and not self.is_known_type(type):
                transcript.unknown(faults.unknown_value("type", type), path)
            elif one.kind == "tool_use" and not one.payload.get("id"):
                transcript.guess(faults.no_result_id(""), path)

    def _call_ends(self, blocks_of: Sequence[list[Block]]) -> dict[int, int]:
        """Return, for each message of the model, the index of the last message of its model call.

        Where messages have no parts, neighbours are of one call.
        """
        ends: dict[int, int] = {}
        for index in reversed(range(len(blocks_of))):
            if blocks_of[index] and all(map(_is_from_model, blocks_of[index])):
                ends[index] = index if self.parts_name else ends.get(index + 1, index)
        return ends

    # Replies.

    def _read_reply(self, transcript: Transcript, reply: Mapping[str, Any]) -> None:
        """Add the blocks of a reply, with the result of its model call: model, stop reason, usage."""
        transcript.notes.record_count += 1
        transcript.begin_record(self.pair_names[1])
        try:
            turn = decode(self.format, reply)
        except EngineError as error:
            transcript.unknown(str(error))
            transcript.add_blocks([other_block(reply, "assistant")])
            return
        id = f"{transcript.key}/reply-{len(transcript.blocks)}".lstrip("/")
        result = next(iter(turn.inferences), InferenceResult())
        transcript.add_blocks(turn.blocks, result=result.replace(inference_id=id))


def _is_from_model(one: Block) -> bool:
    return one.kind in MODEL_KINDS or (one.kind == "other" and one.role == "assistant")
