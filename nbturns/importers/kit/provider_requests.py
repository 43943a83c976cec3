"""Requests and replies of Anthropic, Gemini and OpenAI Responses, read by the codecs of the engines.

A codec reads the messages of a request (`history`) and those of a reply (`decode`). This module adds the
positions of messages and the model calls that made them, and keeps values that are not messages.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ...engines import find
from ...values.frozen_json import EMPTY_DICT, freeze
from ...values.inference_results import InferenceResult
from ...values.provenance import FIELDS
from ...values.turns import Block, Run
from . import faults
from .import_report import Notes
from .outcomes import failed_request, outcome_metadata, outcome_of
from .record_fields import omit
from .record_lists import list_reader
from .recorded_calls import recorded_call
from .replies import CODEC_ERRORS, add_reply
from .source import Source
from .transcript import Transcript, other_block
from .unread_messages import add_unread_messages

MODEL_KINDS = frozenset({"llm_text", "reasoning", "tool_call"})


@dataclass(frozen=True, slots=True)
class RequestLayout:
    """The layout of one provider's requests and replies."""

    format: str
    list_name: str  # of the messages in a request: "messages", "contents", "input"
    prompt_names: tuple[str, ...]  # of the system prompt in a request
    parts_name: str  # of the parts in a message; "" where a message is one block
    is_known_type: Callable[[str], bool]  # of parts that become `other` blocks without a note

    def reader(self, is_message: Callable[[Any], bool]) -> Callable[[Source], Iterator[Run]]:
        """Return a reader of such requests, replies, pairs of both, and lists of messages."""
        return list_reader(self.format, is_message, self.read_conversation)

    def read_conversation(self, value: Any, notes: Notes) -> Run:
        """Return the Run of a request, a reply, a pair of both, or a list of messages."""
        call = recorded_call(value)
        call = call if call is not None and call.format == self.format else None
        request = self._request_of(value) if call is None else call.request if call.has_request else None
        document = request if request is not None else call.reply if call is not None else None
        if document is None:
            reason = f"no request or reply of {self.format}; got {faults.describe_value(value)}"
            raise notes.load_error("", failed_request(value) or reason)
        transcript = Transcript(notes)
        if request is not None:
            self._read_request(transcript, request)
        extra_fields = self._extra_fields(document if call is None else {**value, **document})
        if call is not None:
            add_reply(transcript, call, value)
        else:
            add_unread_messages(transcript, extra_fields)
        request_id = extra_fields.get("custom_id", extra_fields.get("id"))
        return transcript.to_run(
            name=request_id if isinstance(request_id, str) else "",
            metadata={FIELDS.name: extra_fields, **outcome_metadata(outcome_of(extra_fields))},
        )

    def _request_of(self, value: Any) -> Mapping[str, Any] | None:
        """Return the request in a value: a list of messages, a request, or the body of a batch; None without one."""
        if isinstance(value, (list, tuple)):
            return {self.list_name: list(value)}
        if not isinstance(value, Mapping):
            return None
        for field_name in ("request", "body", "params"):
            if isinstance(request := value.get(field_name), Mapping) and self.list_name in request:
                return {**omit(value, field_name), **request}
        return value if self.list_name in value else None

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
        blocks_by_message = self.message_blocks(messages)
        call_ends = self._call_ends([blocks or [] for blocks in blocks_by_message])
        id_prefix = f"{transcript.key}/" if transcript.key else ""
        for index, (message, blocks) in enumerate(zip(messages, blocks_by_message, strict=True)):
            transcript.begin_record(f"{self.list_name}[{index}]", index)
            if blocks is None:
                transcript.unknown(faults.wrong_type("", message, dict))
                transcript.add_blocks([other_block(message)])
                continue
            self.report_blocks(transcript, blocks)
            extra_fields = self._message_fields(message) if self.parts_name else None
            inference_result = None
            if index in call_ends:
                inference_id = f"{id_prefix}message-{call_ends[index]}"
                inference_result = InferenceResult(
                    inference_id=inference_id, model=model if isinstance(model, str) else ""
                )
            transcript.add_blocks(blocks, result=inference_result, extra_fields=extra_fields)

    def message_blocks(self, messages: Sequence[Any]) -> list[list[Block] | None]:
        """Return the blocks of each message; None for a value that is not a message.

        All are read together, because results refer to calls in earlier messages.
        """
        readable_indexes = list(range(len(messages)))
        try:
            all_blocks: Sequence[Block] = self._decode_request({self.list_name: messages}).blocks
        except CODEC_ERRORS:
            all_blocks = ()
        are_objects = all(isinstance(message, (dict, Mapping)) for message in messages)
        if not are_objects or len(all_blocks) != sum(map(self._count_parts, messages)):
            readable_indexes = [index for index in readable_indexes if self._is_readable(messages[index])]
            readable_messages = [messages[index] for index in readable_indexes]
            all_blocks = self._decode_request({self.list_name: readable_messages}).blocks if readable_messages else ()
        elif not self.parts_name:
            return [[block] for block in all_blocks]
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

    def report_blocks(self, transcript: Transcript, blocks: Sequence[Block]) -> None:
        """Report parts of an unknown type and results without an id."""
        for block_index, message_block in enumerate(blocks):
            path = f".{self.parts_name}[{block_index}]" if self.parts_name else ""
            if message_block.kind == "other":
                part_type = str(message_block.payload.get("type", next(iter(message_block.payload), "")))
                if not self.is_known_type(part_type):
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


def _is_from_model(message_block: Block) -> bool:
    return message_block.kind in MODEL_KINDS or (message_block.kind == "other" and message_block.role == "assistant")
