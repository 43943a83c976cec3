"""Messages of agents that write OpenAI's chat messages with fields of their own: times, ids, models, tokens.

An importer of such an agent makes a subclass of `AgentMessageReader` and overrides the methods that say what its fields mean.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...values.inference_results import InferenceResult
from ...values.turns import Kind
from .outcomes import error_text
from .record_fields import expect, objects, omit, omit_empty, text_or_empty, unexpected
from .reply_blocks import Content, OpenCalls, RequestedCall, add_reply_blocks, split_content
from .transcript import Transcript

PROMPT_KINDS = {"user": Kind.USER, "system": Kind.SYSTEM, "developer": Kind.SYSTEM}
REASONING_FIELDS = ("reasoning_content", "reasoning")
MESSAGE_FIELDS = (
    "role",
    "content",
    "tool_calls",
    "tool_call_id",
    "reasoning",
    "reasoning_content",
    "timestamp",
    "error",
)


class AgentMessageReader:
    """Adds the blocks of one message after the other."""

    id_name = "id"  # of the field with the id of a message
    time_name = "timestamp"
    known_fields: tuple[str, ...] = MESSAGE_FIELDS  # of a message, which its blocks hold
    failures: tuple[str, ...] = ()  # what the result of a tool that failed begins with: words, or a tag around it

    def __init__(self, transcript: Transcript, model: str = "") -> None:
        self.transcript = transcript
        self.model = model  # of replies that do not name theirs
        self.open_calls: OpenCalls = OpenCalls(transcript)

    # What an agent's fields mean.

    def result_fields(self, message: Mapping[str, Any]) -> dict[str, Any]:
        """Return what a reply says of its model call: `model`, `usage`, `cost`, … as in `Transcript.inference_result`."""
        return {"model": text_or_empty(message.get("model")) or None}

    def split_reply(self, message: Mapping[str, Any], text: str) -> tuple[str, list[RequestedCall]]:
        """Return the text and the tool calls of a reply, whose content has this text."""
        return text, requested_calls(message.get("tool_calls"))

    def is_result(self, message: Mapping[str, Any]) -> bool:
        """Return True for the result of a tool."""
        return message.get("role") == "tool"

    def begin_message(self, message: Mapping[str, Any]) -> None:
        """Take note of a message before its blocks are added: it may begin a new context."""

    # Reading.

    def read_message(self, record: Any) -> None:
        """Add the blocks of a message."""
        message = expect(record, dict, "")
        role = message.get("role")
        if not isinstance(role, str) or (role not in PROMPT_KINDS and role not in ("assistant", "tool")):
            raise unexpected("role", role)
        self.begin_message(message)
        transcript, content = self.transcript, split_content(message.get("content"))
        first_block, message_id = len(transcript.blocks), text_or_empty(message.get(self.id_name))
        extra_fields = omit(message, *self.known_fields, self.time_name, *((self.id_name,) if message_id else ()))
        extra_fields |= omit_empty(other_parts=content.other_parts)
        if self.is_result(message):
            self.add_result(message, content, message_id)
        elif role == "assistant":
            self.add_reply(message, content, message_id)
        else:
            payload = {"text": content.text} | omit_empty(images=content.images)
            transcript.add_block(PROMPT_KINDS[role], payload, role, message_id)
        transcript.set_times(first_block, message.get(self.time_name))
        transcript.add_extra_fields(first_block, extra_fields)

    def add_reply(self, message: Mapping[str, Any], content: Content, message_id: str) -> None:
        """Add a reply with its thoughts, its text and its tool calls."""
        text, calls = self.split_reply(message, content.text)
        result = self.call_result(message, message_id, bool(calls))
        call_ids = add_reply_blocks(
            self.transcript,
            result,
            text=text,
            reasoning=[*content.thoughts, *(text_or_empty(message.get(name)) for name in REASONING_FIELDS)],
            images=content.images,
            calls=calls,
            id=message_id,
        )
        for call_id, call in zip(call_ids, calls, strict=True):
            self.open_calls.add(call_id, call.name)

    def call_result(self, message: Mapping[str, Any], message_id: str, pending: bool) -> InferenceResult:
        """Return the result of the model call of a reply."""
        fields = self.result_fields(message)
        fields["model"] = fields.get("model") or self.model or None
        return self.transcript.inference_result(id=message_id, pending=pending, **fields)

    def add_result(self, message: Mapping[str, Any], content: Content, message_id: str) -> None:
        """Add the result of a tool; one without the id of a call answers the first call that has no result."""
        call_id = text_or_empty(message.get("tool_call_id") or message.get("call_id"))
        call_id = self.open_calls.take(call_id, text_or_empty(message.get("name")))
        text = content.text
        value: Any = message.get("content") if content.images or content.other_parts else text
        has_failed = message.get("is_error") is True or text.startswith(self.failures or "\0")
        reported_error = error_text(message.get("error")) or ""
        error = reported_error or ((_without_tag(text) or "error") if has_failed else "")
        self.transcript.add_result(call_id, None if error == value else value, error, block_id=message_id)


def _without_tag(text: str) -> str:
    """Return a text without the tag around it, if it has one."""
    tag, end, content = text.partition(">") if text.startswith("<") else ("", "", text)
    return content.strip().removesuffix(f"</{tag[1:]}>") if end else text


def requested_calls(value: Any) -> list[RequestedCall]:
    """Return tool calls in OpenAI's shape, or with name and arguments beside the id."""
    calls: list[RequestedCall] = []
    for call in objects(value, "tool_calls"):
        function = call.get("function")
        inner = function if isinstance(function, Mapping) else call
        extra_fields = omit(call, "id", "type", "function", "name", "arguments")
        if inner is not call:
            extra_fields |= omit(inner, "name", "arguments")
        name = function if isinstance(function, str) else inner.get("name")
        calls.append(RequestedCall(call.get("id"), name, inner.get("arguments"), extra_fields))
    return calls
