"""Model calls that continue others: a call that was given all that an earlier one was given, and its reply.

Programs repeat a conversation in different ways. Three are known:

- the messages begin with all messages and the reply of an earlier call;
- they begin with all messages of an earlier call, and have the tool calls of its reply, or results without ids, after
  them: the reply was written in another form, or its calls are each followed by their result;
- they begin with results of tool calls, or with these calls and their results: only new messages were recorded.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from ...values.turns import Kind
from .drafts import Draft, known_prefix, message_hashes
from .spans import Span


class Thread(Protocol):
    """A sequence of model calls, with what is known of its last one."""

    content_hash: str
    request_hash: str
    open_calls: list[str]


class Call(Protocol):
    """The messages and the reply of a model call."""

    messages: list[Draft]
    reply: list[Draft]


T = TypeVar("T", bound=Thread)


@dataclass(frozen=True, slots=True)
class Continuation(Generic[T]):
    """A thread that a call continues, and the messages of the call that the thread does not have."""

    thread: T
    new_messages: list[Draft]
    is_whole: bool = True  # the messages of the call are those of the thread and the new ones


class Continuations(Generic[T]):
    """The threads of a group, by what their last calls were given and replied."""

    def __init__(self) -> None:
        self.by_content: dict[str, T] = {}  # by a hash of all messages and replies
        self.by_request: dict[str, T] = {}  # by a hash of the messages of the last call
        self.by_call: dict[tuple[str, str], T] = {}  # by the trace and the id of a tool call in the last reply

    def find(self, span: Span, call: Call, hashes: Sequence[str]) -> Continuation[T] | None:
        """Return the thread that a call continues; None without one. `hashes` are those of the beginnings of its messages."""
        if length := known_prefix(hashes, self.by_content):
            return Continuation(self.by_content[hashes[length]], call.messages[length:])
        length = known_prefix(hashes, self.by_request)
        if length and (continuation := _after_request(self.by_request[hashes[length]], call.messages[length:])):
            return continuation
        return self._answered(span, call)

    def _answered(self, span: Span, call: Call) -> Continuation[T] | None:
        """Return the thread with the tool calls whose results a call begins with; None without one."""
        start = next((index for index, draft in enumerate(call.messages) if draft.kind != Kind.TOOL_CALL), None)
        if start is None or call.messages[start].kind != Kind.TOOL_USE:
            return None
        thread = self.by_call.get((span.trace, call.messages[start].payload["id"]))
        return None if thread is None else Continuation(thread, call.messages[start:], is_whole=False)

    def remember(self, continuation: Continuation[T], span: Span, call: Call, request_hash: str) -> None:
        """Take a call as the last one of its thread."""
        thread = continuation.thread
        if self.by_content.get(thread.content_hash) is thread:
            del self.by_content[thread.content_hash]
        if self.by_request.get(thread.request_hash) is thread:
            del self.by_request[thread.request_hash]
        if not continuation.is_whole:
            request_hash = message_hashes(continuation.new_messages, thread.content_hash)[-1]
        thread.request_hash = request_hash
        thread.content_hash = message_hashes(call.reply, request_hash)[-1]
        thread.open_calls = [draft.payload["id"] for draft in call.reply if draft.kind == Kind.TOOL_CALL]
        self.by_content[thread.content_hash] = thread
        if thread.open_calls:
            self.by_request[request_hash] = thread
        self.by_call |= {(span.trace, call_id): thread for call_id in thread.open_calls}


def _after_request(thread: T, messages: list[Draft]) -> Continuation[T] | None:
    """Return a continuation of a thread when the messages have the tool calls of its last reply, or their results."""
    call_ids = {draft.payload["id"] for draft in messages if draft.kind == Kind.TOOL_CALL}
    if call_ids and call_ids.issuperset(thread.open_calls):
        first_new = (
            next(index for index, draft in enumerate(messages) if draft.kind == Kind.TOOL_USE)
            if any(draft.kind == Kind.TOOL_USE for draft in messages)
            else len(messages)
        )
        new_messages = [
            draft
            for index, draft in enumerate(messages)
            if not (draft.kind == Kind.TOOL_CALL and draft.payload["id"] in thread.open_calls) and index >= first_new
        ]
        return Continuation(thread, new_messages)
    results = [draft for draft in messages if draft.kind == Kind.TOOL_USE]
    if (
        not call_ids
        and messages
        and messages[0].kind == Kind.TOOL_USE
        and not any(draft.payload["id"] for draft in results)
    ):
        for draft, call_id in zip(results, thread.open_calls, strict=False):
            draft.payload["id"] = call_id
        return Continuation(thread, messages)
    return None
