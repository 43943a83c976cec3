"""OpenAI chat messages: a list of them, `{"messages": [...]}`, a line of either, or a message a line.

The facts are those of the Chat Completions reference: roles, content parts, `tool_calls`
with their arguments as a JSON string, `tool` messages that answer by `tool_call_id`. The requests
of a batch (`{"custom_id", "body": {"messages"}}`) and fine-tuning files are read as well.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ..frozen import EMPTY, freeze
from ..keyed import NOTHING, keyed
from ..provenance import OPENAI_CHAT_FIELDS
from ..turns import Run
from . import Importer, Notes, Sample, Source, attempt
from .chat_messages import ROLES, read_messages
from .conversation import conversation

FORMAT = "openai-chat"
OWN_ROLES = frozenset({"developer", "tool", "function"})
OWN_NAMES = frozenset({"tool_calls", "tool_call_id", "function_call", "refusal", "reasoning_content"})
OWN_PARTS = frozenset({"image_url", "input_audio", "file"})
FOREIGN_PARTS = frozenset(
    {"tool_use", "tool_result", "thinking", "redacted_thinking", "document", "server_tool_use", "image"}
    | {"input_text", "output_text", "input_image", "tool-call", "reasoning"}
)
FOREIGN_NAMES = frozenset({"type", "parts", "toolCalls", "toolCallId", "kind", "lc", "uuid", "sender", "source"})
SURELY, PLAINLY, PERHAPS = 85, 50, 35
LOOKED_AT = 100  # messages


# Is it one?


def score(sample: Sample) -> int:
    """Sure of what only a chat has (calls, their roles, image URLs); plain roles and texts fit others too."""
    if sample.container != "json":
        return 0
    record = sample.record
    messages = _listed(record)
    if messages is None:
        messages = list(sample.records)
    elif "system" in record:
        return 0
    if not messages or not is_message(messages[0]):
        return 0
    some = [message for message in messages[:LOOKED_AT] if isinstance(message, Mapping)]
    if any(map(_is_foreign, some)):
        return 0
    if any(map(_is_surely, some)):
        return SURELY
    in_parts = any(isinstance(message.get("content"), list) for message in some)
    return PERHAPS if in_parts and not any(message.get("role") == "system" for message in some) else PLAINLY


def _listed(value: Any) -> Any:
    """The list of messages in an object, or in the body of a batch's request; None where there is none."""
    if not isinstance(value, Mapping):
        return None
    messages = value.get("messages")
    if messages is None and isinstance(body := value.get("body"), Mapping):
        messages = body.get("messages")
    return messages if isinstance(messages, list) else None


def is_message(message: Any) -> bool:
    if not isinstance(message, Mapping) or not isinstance(role := message.get("role"), str) or role not in ROLES:
        return False
    return message.get("content") is None or isinstance(message["content"], (str, list, Mapping))


def _is_foreign(message: Mapping[str, Any]) -> bool:
    """Whether it has what only another format has: Anthropic's content blocks, items of OpenAI's Responses."""
    return not FOREIGN_NAMES.isdisjoint(message) or not FOREIGN_PARTS.isdisjoint(_kinds(message))


def _is_surely(message: Mapping[str, Any]) -> bool:
    role = message.get("role")
    own = isinstance(role, str) and role in OWN_ROLES
    return own or not OWN_NAMES.isdisjoint(message) or not OWN_PARTS.isdisjoint(_kinds(message))


def _kinds(message: Mapping[str, Any]) -> list[str]:
    content = message.get("content")
    return [str(part.get("type")) for part in content if isinstance(part, Mapping)] if isinstance(content, list) else []


# Conversations.


def read(source: Source) -> Iterator[Run]:
    for position, value in _conversations(source):
        if (run := attempt(source, position, read_one, value, source.notes(FORMAT, position))) is not None:
            yield run


def _conversations(source: Source) -> Iterator[tuple[str, Any]]:
    sample = source.sample
    if not is_message(sample.record):
        yield from source.records()
    elif sample.lines and not isinstance(sample.value, list):
        yield "", [message for _, message in source.values()]
    else:  # a list of messages, or one of them
        yield from ((at, value if isinstance(value, list) else [value]) for at, value in source.values())


def read_one(value: Any, notes: Notes) -> Run:
    """One conversation: a list of messages, or an object that has one."""
    beside: Mapping[str, Any] = EMPTY
    messages = value
    if isinstance(value, Mapping):
        beside = freeze({name: one for name, one in value.items() if name != "messages"})
        messages = value.get("messages", _listed(value))
    if not isinstance(messages, (list, tuple)):
        raise notes.refusal("", f"chat messages are a list, not {type(messages).__name__}")
    if messages and not any(isinstance(message, Mapping) for message in messages):
        raise notes.refusal("", "chat messages are objects, and there is none among these")
    name = beside.get("id", beside.get("custom_id"))
    return conversation(
        read_messages(messages, notes, beside.get("model")),
        notes,
        name=name if isinstance(name, str) else "",
        metadata=keyed({OPENAI_CHAT_FIELDS.name: beside}) if beside else NOTHING,
    )


IMPORTER = Importer(FORMAT, score, read)
