"""Requests and replies of Anthropic, Gemini and OpenAI Responses, read by the codecs of the engines.

A codec reads the messages of a request (`history`) and those of a reply (`decode`). This module adds the
positions of messages and the model calls that made them, and keeps values that are not messages.
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
CODEC_ERRORS = (EngineError, TypeError, ValueError, AttributeError)  # errors of codecs for malformed values


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
        return list_reader(self.format, is_message, self.read_conversation)

    def read_conversation(self, value: Any, notes: Notes) -> Run:
        """Return the Run of a request, a reply, a pair of both, or a list of messages."""
        request, reply = self._split_pair(value)
        document = reply if request is None else request
        if document is None:
            raise notes.load_error("", f"no request or reply of {self.format}; got {faults.describe_value(value)}")
        transcript = Transcript(notes)
        if request is not None:
            self._read_request(transcript, request)
        if reply is not None:
            self._read_reply(transcript, reply)
        extra_fields = self._extra_fields(document)
        request_id = extra_fields.get("id")
        return transcript.to_run(
            name=request_id if isinstance(request_id, str) else "", metadata={FIELDS.name: extra_fields}
        )

    def _split_pair(self, value: Any) -> tuple[Mapping[str, Any] | None, Mapping[str, Any] | None]:
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
        """Return the fields of a request other than its messages: model, tools, parameters."""
        try:
            return freeze(omit(document, self.list_name, *self.prompt_names, "content", "output", "candidates"))
        except TypeError:
            return EMPTY_DICT

    # Requests.

    def _read_request(self, transcript: Transcript, request: Mapping[str, Any]) -> None:
        request_messages = request.get(self.list_name)
        request_messages = [request_messages] if isinstance(request_messages, Mapping) else request_messages
        if not isinstance(request_messages, (list, tuple, str)):
            raise transcript.notes.load_error("", faults.wrong_type(self.list_name, request_messages, list))
        self._read_prompt(transcript, request)
        if isinstance(request_messages, str):
            transcript.begin_record(self.list_name)
            transcript.add_blocks(self._history(transcript, {self.list_name: request_messages}, request_messages))
            transcript.notes.record_count += 1
            return
        self._read_messages(transcript, request_messages, request.get("model"))
        transcript.notes.record_count += len(request_messages)

    def _read_prompt(self, transcript: Transcript, request: Mapping[str, Any]) -> None:
        prompts = {name: request[name] for name in self.prompt_names if request.get(name) is not None}
        prompt = next(iter(prompts.values()), None)
        transcript.begin_record(next(iter(prompts), ""))
        extra_fields = self._message_fields(prompt) if isinstance(prompt, Mapping) else None  # Gemini's has a role
        blocks = self._history(transcript, {**prompts, self.list_name: []}, prompts)
        transcript.add_blocks(blocks, extra_fields=extra_fields)

    def _history(self, transcript: Transcript, request: Mapping[str, Any], content: Any) -> list[Block]:
        """Return the blocks of a request; an `other` block of its content where the codec fails."""
        try:
            return list(self._decode_request(request))
        except CODEC_ERRORS as error:
            if not content:
                return []
            transcript.unknown(str(error))
            return [other_block(content, "system")]

    def _decode_request(self, request: Mapping[str, Any]) -> Any:
        read_history = find(self.format).history
        assert read_history is not None
        return read_history(request)

    def _read_messages(self, transcript: Transcript, messages: Sequence[Any], model: Any) -> None:
        blocks_by_message = self._message_blocks(messages)
        call_ends = self._call_ends([blocks or [] for blocks in blocks_by_message])
        id_prefix = f"{transcript.key}/" if transcript.key else ""
        for index, (message, blocks) in enumerate(zip(messages, blocks_by_message, strict=True)):
            transcript.begin_record(f"{self.list_name}[{index}]", index)
            if blocks is None:
                transcript.unknown(faults.wrong_type("", message, dict))
                transcript.add_blocks([other_block(message)])
                continue
            self._report_blocks(transcript, blocks)
            extra_fields = self._message_fields(message) if self.parts_name else None
            inference_result = None
            if index in call_ends:
                inference_id = f"{id_prefix}message-{call_ends[index]}"
                inference_result = InferenceResult(
                    inference_id=inference_id, model=model if isinstance(model, str) else ""
                )
            transcript.add_blocks(blocks, result=inference_result, extra_fields=extra_fields)

    def _message_blocks(self, messages: Sequence[Any]) -> list[list[Block] | None]:
        """Return the blocks of each message; None for a value that is not a message.

        All are read together, because results refer to calls in earlier messages.
        """
        readable_indexes = list(range(len(messages)))
        try:
            all_blocks: Sequence[Block] = self._decode_request({self.list_name: messages}).blocks
        except CODEC_ERRORS:
            all_blocks = ()
        are_objects = all(isinstance(message, Mapping) for message in messages)
        if not are_objects or len(all_blocks) != sum(map(self._count_parts, messages)):
            readable_indexes = [index for index in readable_indexes if self._is_readable(messages[index])]
            readable_messages = [messages[index] for index in readable_indexes]
            all_blocks = self._decode_request({self.list_name: readable_messages}).blocks if readable_messages else ()
        remaining_blocks = iter(all_blocks)
        blocks_by_message: list[list[Block] | None] = [None] * len(messages)
        for index in readable_indexes:
            message = messages[index]
            own_blocks = [next(remaining_blocks) for _ in range(self._count_parts(message))]
            blocks_by_message[index] = own_blocks or [other_block(message, str(message.get("role")))]
        return blocks_by_message

    def _message_fields(self, message: Mapping[str, Any]) -> dict[str, Any]:
        """Return the fields of a message except its parts, and `parts_name` with {} when the parts are an object."""
        is_object = isinstance(message.get(self.parts_name), Mapping)
        return omit(message, self.parts_name) | ({self.parts_name: {}} if is_object else {})

    def _is_readable(self, message: Any) -> bool:
        try:
            block_count = len(self._decode_request({self.list_name: [freeze(message)]}))
        except CODEC_ERRORS:
            return False
        return isinstance(message, Mapping) and block_count == self._count_parts(message)

    def _count_parts(self, message: Mapping[str, Any]) -> int:
        if not self.parts_name:
            return 1
        parts = message.get(self.parts_name)
        return len(parts) if isinstance(parts, (list, tuple)) else int(bool(parts))

    def _report_blocks(self, transcript: Transcript, blocks: Sequence[Block]) -> None:
        for block_index, message_block in enumerate(blocks):
            path = f".{self.parts_name}[{block_index}]" if self.parts_name else ""
            part_type = str(message_block.payload.get("type", next(iter(message_block.payload), "")))
            if message_block.kind == "other" and not self.is_known_type(part_type):
                transcript.unknown(faults.unknown_value("type", part_type), path)
            elif message_block.kind == "tool_use" and not message_block.payload.get("id"):
                transcript.guess(faults.no_result_id(""), path)

    def _call_ends(self, blocks_by_message: Sequence[list[Block]]) -> dict[int, int]:
        """Return, for each message of the model, the index of the last message of its model call.

        Where messages have no parts, neighbours are of one call.
        """
        call_ends: dict[int, int] = {}
        for index in reversed(range(len(blocks_by_message))):
            if blocks_by_message[index] and all(map(_is_from_model, blocks_by_message[index])):
                call_ends[index] = index if self.parts_name else call_ends.get(index + 1, index)
        return call_ends

    # Replies.

    def _read_reply(self, transcript: Transcript, reply: Mapping[str, Any]) -> None:
        """Add the blocks of a reply, with the result of its model call: model, stop reason, usage."""
        transcript.notes.record_count += 1
        transcript.begin_record(self.pair_names[1])
        try:
            reply_turn = decode(self.format, reply)
        except EngineError as error:
            transcript.unknown(str(error))
            transcript.add_blocks([other_block(reply, "assistant")])
            return
        inference_id = f"{transcript.key}/reply-{len(transcript.blocks)}".lstrip("/")
        inference_result = next(iter(reply_turn.inferences), InferenceResult())
        transcript.add_blocks(reply_turn.blocks, result=inference_result.replace(inference_id=inference_id))


def _is_from_model(message_block: Block) -> bool:
    return message_block.kind in MODEL_KINDS or (message_block.kind == "other" and message_block.role == "assistant")
