"""OpenAI chat messages: a list of them, `{"messages": [...]}`, a line of either, or a message in each line.

Source: the reference of Chat Completions; openai/openai-python at e43b422412a9, src/openai/types/chat: roles, content
parts, `tool_calls` with their arguments as a JSON string, `tool` messages that answer by `tool_call_id`. The requests of a
batch (`{"custom_id", "body": {"messages"}}`) and files for fine-tuning are read as well.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ..values.frozen_json import EMPTY_DICT, freeze
from ..values.provenance import OPENAI_CHAT_FIELDS
from ..values.turns import Run
from . import anthropic, bedrock_converse, openai_responses
from .kit.chat_messages import ROLES, read_messages
from .kit.faults import wrong_type
from .kit.import_report import Notes
from .kit.importer import Importer
from .kit.outcomes import failed_request, outcome_metadata, outcome_of
from .kit.provider_requests import RequestLayout
from .kit.record_fields import omit
from .kit.record_lists import list_reader
from .kit.recorded_calls import PAIR_SCORE, recorded_call
from .kit.replies import add_reply
from .kit.sample import Sample
from .kit.transcript import Transcript
from .kit.unread_messages import add_unread_messages

FORMAT = "openai-chat"
OWN_ROLES = frozenset({"developer", "tool", "function"})
OWN_FIELDS = frozenset({"tool_calls", "tool_call_id", "function_call", "refusal", "reasoning_content"})
OWN_PART_TYPES = frozenset({"image_url", "input_audio", "file"})
FOREIGN_PART_TYPES = frozenset(
    {"tool_use", "tool_result", "thinking", "redacted_thinking", "document", "server_tool_use", "image"}
    | {"input_text", "output_text", "input_image", "tool-call", "reasoning"}
)
FOREIGN_FIELDS = frozenset({"type", "parts", "toolCalls", "toolCallId", "kind", "lc", "uuid", "sender", "source"})
OWN_MARK_SCORE, PLAIN_TEXTS_SCORE, TEXT_PARTS_SCORE = 85, 50, 35  # scores
MAX_MESSAGES = 100  # number that a score checks


# Detection.


def score_openai_chat(sample: Sample) -> int:
    """Return a score: high for tool calls, their roles and image URLs; lower for plain texts, which fit other formats."""
    if sample.container != "json":
        return 0
    record = sample.record
    if (call := recorded_call(record)) is not None:
        return PAIR_SCORE if call.format == FORMAT else 0
    messages = _messages_of(record)
    if messages is None:
        messages = list(sample.records)
    elif "system" in record:
        return 0
    if not messages or not is_message(messages[0]):
        return 0
    first_messages = [message for message in messages[:MAX_MESSAGES] if isinstance(message, Mapping)]
    if any(map(_is_foreign, first_messages)):
        return 0
    if any(map(_has_own_mark, first_messages)):
        return OWN_MARK_SCORE
    has_parts = any(isinstance(message.get("content"), list) for message in first_messages)
    has_system = any(message.get("role") == "system" for message in first_messages)
    return TEXT_PARTS_SCORE if has_parts and not has_system else PLAIN_TEXTS_SCORE


def _messages_of(request: Any) -> Any:
    """Return the list of messages in an object, or in its request or body; None without one."""
    if not isinstance(request, Mapping):
        return None
    messages = request.get("messages")
    for field_name in ("body", "request"):
        if messages is None and isinstance(inner_request := request.get(field_name), Mapping):
            messages = inner_request.get("messages")
    return messages if isinstance(messages, list) else None


def is_message(message: Any) -> bool:
    """Return True for a value with a role and a content like those of a chat message."""
    if not isinstance(message, Mapping) or not isinstance(role := message.get("role"), str) or role not in ROLES:
        return False
    if "content" not in message and OWN_FIELDS.isdisjoint(message):
        return False
    return message.get("content") is None or isinstance(message["content"], (str, list, Mapping))


def _is_foreign(message: Mapping[str, Any]) -> bool:
    """Return True for a message with a mark of another format: Anthropic's content blocks, OpenAI's response items."""
    return not FOREIGN_FIELDS.isdisjoint(message) or not FOREIGN_PART_TYPES.isdisjoint(_part_types(message))


def has_own_call(message: Any) -> bool:
    """Return True for a message with tool calls, or a result, as OpenAI's chat has them."""
    return isinstance(message, Mapping) and bool(message.get("tool_calls") or message.get("tool_call_id"))


def _has_own_mark(message: Mapping[str, Any]) -> bool:
    role = message.get("role")
    has_own_role = isinstance(role, str) and role in OWN_ROLES
    return has_own_role or not OWN_FIELDS.isdisjoint(message) or not OWN_PART_TYPES.isdisjoint(_part_types(message))


def _part_types(message: Mapping[str, Any]) -> list[str]:
    content = message.get("content")
    return (
        [str(content_part.get("type")) for content_part in content if isinstance(content_part, Mapping)]
        if isinstance(content, list)
        else []
    )


# Reading.


def read_chat(request: Any, notes: Notes) -> Run:
    """Return the Run of a list of messages, or of an object that has one."""
    document: Mapping[str, Any] = EMPTY_DICT
    messages = request
    call = recorded_call(request)
    call = call if call is not None and call.format == FORMAT else None
    if isinstance(request, Mapping):
        document = freeze(_without_messages(request))
        messages = request.get("messages", _messages_of(request)) if call is None else call.request.get("messages", ())
    if not isinstance(messages, (list, tuple)):
        raise notes.load_error("", failed_request(request) or wrong_type("messages", messages, list))
    if messages and not any(isinstance(message, Mapping) for message in messages):
        raise notes.load_error("", wrong_type("messages[0]", messages[0], dict))
    if call is None and (later_format := _format_of_later_messages(messages)):
        return LATER_READERS[later_format](request, notes)
    transcript = Transcript(notes)
    inner_request = document.get("request")
    model = document.get("model", inner_request.get("model") if isinstance(inner_request, Mapping) else None)
    read_messages(transcript, messages, model)
    if call is not None:
        transcript.record_starts.append(len(transcript.blocks))
        add_reply(transcript, call, request)
    else:
        add_unread_messages(transcript, document)
    conversation_id = document.get("id", document.get("custom_id"))
    return transcript.to_run(
        name=conversation_id if isinstance(conversation_id, str) else "",
        metadata={OPENAI_CHAT_FIELDS.name: document, **outcome_metadata(outcome_of(document))},
    )


def _without_messages(request: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of a request, or of a record with one in its `body` or `request`, without the messages."""
    document = omit(request, "messages")
    for field_name in ("body", "request"):
        inner_request = request.get(field_name)
        if isinstance(inner_request, Mapping) and "messages" not in request:
            document[field_name] = omit(inner_request, "messages")
    return document


def _format_of_later_messages(messages: Sequence[Any]) -> str:
    """Return the format of messages whose marks come after the sample that the format was detected by; "" for a chat."""
    for message in messages:
        if type(message) is not dict or message.get("tool_calls"):
            continue
        message_type, content = message.get("type"), message.get("content")
        if type(message_type) is str and message_type in openai_responses.OWN_ITEM_TYPES and "role" not in message:
            return openai_responses.FORMAT
        if type(content) is list:
            for part in content:
                if type(part) is not dict:
                    continue
                part_type = part.get("type")
                if part_type is None and not bedrock_converse.OWN_PART_NAMES.isdisjoint(part):
                    return bedrock_converse.FORMAT
                if part_type in ("tool_use", "tool_result"):
                    return anthropic.FORMAT
                if type(part_type) is str and part_type in openai_responses.OWN_PART_TYPES:
                    return openai_responses.FORMAT
    return ""


def _read_as(layout: RequestLayout) -> Callable[[Any, Notes], Run]:
    def read_layout(request: Any, notes: Notes) -> Run:
        notes.format = layout.format
        if isinstance(request, Mapping) and isinstance(request.get("messages"), (list, tuple)):
            request = {**omit(request, "messages"), layout.list_name: request["messages"]}
        return layout.read_conversation(request, notes)

    return read_layout


def _read_as_converse(request: Any, notes: Notes) -> Run:
    notes.format = bedrock_converse.FORMAT
    return bedrock_converse.read_conversation(request, notes)


LATER_READERS: dict[str, Callable[[Any, Notes], Run]] = {
    openai_responses.FORMAT: _read_as(openai_responses.LAYOUT),
    anthropic.FORMAT: _read_as(anthropic.LAYOUT),
    bedrock_converse.FORMAT: _read_as_converse,
}
IMPORTER = Importer(FORMAT, score_openai_chat, list_reader(FORMAT, is_message, read_chat))
