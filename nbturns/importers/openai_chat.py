"""OpenAI chat messages: a list of them, `{"messages": [...]}`, a line of either, or a message in each line.

Source: the reference of Chat Completions: roles, content parts, `tool_calls` with their arguments as
a JSON string, `tool` messages that answer by `tool_call_id`. The requests of a batch
(`{"custom_id", "body": {"messages"}}`) and files for fine-tuning are read as well.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..engines import decode
from ..errors import EngineError
from ..values.frozen_json import EMPTY_DICT, freeze
from ..values.inference_results import InferenceResult
from ..values.provenance import OPENAI_CHAT_FIELDS
from ..values.turns import Run
from .kit.chat_messages import ROLES, read_messages
from .kit.faults import wrong_type
from .kit.import_report import Notes
from .kit.importer import Importer
from .kit.record_fields import omit
from .kit.record_lists import list_reader
from .kit.sample import Sample
from .kit.transcript import Transcript, other_block

FORMAT = "openai-chat"
OWN_ROLES = frozenset({"developer", "tool", "function"})
OWN_FIELDS = frozenset({"tool_calls", "tool_call_id", "function_call", "refusal", "reasoning_content"})
OWN_PART_TYPES = frozenset({"image_url", "input_audio", "file"})
FOREIGN_PART_TYPES = frozenset(
    {"tool_use", "tool_result", "thinking", "redacted_thinking", "document", "server_tool_use", "image"}
    | {"input_text", "output_text", "input_image", "tool-call", "reasoning"}
)
FOREIGN_FIELDS = frozenset({"type", "parts", "toolCalls", "toolCallId", "kind", "lc", "uuid", "sender", "source"})
PAIR_SCORE = 95  # higher than that of a request alone, which other formats have as well
OWN_MARK_SCORE, PLAIN_TEXTS_SCORE, TEXT_PARTS_SCORE = 85, 50, 35  # scores
MAX_MESSAGES = 100  # number that a score checks


# Detection.


def score_openai_chat(sample: Sample) -> int:
    """Return a score: high for tool calls, their roles and image URLs; lower for plain texts, which fit other formats."""
    if sample.container != "json":
        return 0
    record = sample.record
    if _reply_of(record) is not None:
        return PAIR_SCORE
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


def _reply_of(pair: Any) -> Mapping[str, Any] | None:
    """Return the reply of a recorded pair, a completion of Chat Completions; None for any other value."""
    if not isinstance(pair, Mapping) or _messages_of(pair) is None:
        return None
    reply = pair.get("response")
    choices = reply.get("choices") if isinstance(reply, Mapping) else None
    has_message = isinstance(choices, list) and any(
        isinstance(choice, Mapping) and isinstance(choice.get("message"), Mapping) for choice in choices
    )
    return reply if has_message else None


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
    if isinstance(request, Mapping):
        document = freeze(omit(request, "messages"))
        messages = request.get("messages", _messages_of(request))
    if not isinstance(messages, (list, tuple)):
        raise notes.load_error("", wrong_type("messages", messages, list))
    if messages and not any(isinstance(message, Mapping) for message in messages):
        raise notes.load_error("", wrong_type("messages[0]", messages[0], dict))
    transcript = Transcript(notes)
    reply = _reply_of(request)
    inner_request = document.get("request")
    model = document.get("model", inner_request.get("model") if isinstance(inner_request, Mapping) else None)
    read_messages(transcript, messages, model)
    if reply is not None:
        _read_reply(transcript, reply)
    conversation_id = document.get("id", document.get("custom_id"))
    return transcript.to_run(
        name=conversation_id if isinstance(conversation_id, str) else "", metadata={OPENAI_CHAT_FIELDS.name: document}
    )


def _read_reply(transcript: Transcript, reply: Mapping[str, Any]) -> None:
    """Add the blocks of a completion, with the result of its model call: model, stop reason, usage."""
    transcript.notes.record_count += 1
    transcript.record_starts.append(len(transcript.blocks))
    try:
        reply_turn = decode(FORMAT, reply)
    except (EngineError, TypeError, ValueError, AttributeError) as error:  # errors of the codec for malformed values
        transcript.notes.add_unknown("response", str(error))
        transcript.add_blocks([other_block(reply, "assistant")])
        return
    inference_id = f"{transcript.key}/reply-{len(transcript.blocks)}".lstrip("/")
    inference_result = next(iter(reply_turn.inferences), InferenceResult())
    transcript.add_blocks(reply_turn.blocks, result=inference_result.replace(inference_id=inference_id))


IMPORTER = Importer(FORMAT, score_openai_chat, list_reader(FORMAT, is_message, read_chat))
