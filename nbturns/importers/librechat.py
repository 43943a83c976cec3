"""LibreChat's exports of a conversation as JSON, and the messages of its API and database.

A message names the one before it (`parentMessageId`), or has those after it in `children` (`messagesTree`): each path to a
last one is a Run, that to the newest message first. A reply has a text, or a content in parts: `text`, `think`, `tool_call`
with its output. `tokenCount` is that of the message alone, so that the input of a call is unknown. Source:
danny-avila/LibreChat, packages/data-provider/src/schemas.ts at 002298f064a3 (`tMessageSchema`), types/runs.ts at
00db22ae08b8 and types/agents.ts at 04e1c83a6de4 (`think`; `tool_call` with `name`, `args`, `output`), types/assistants.ts
at 58d67a30a280 (a `function` in a call, a text with a `value`), packages/data-schemas/src/types/message.ts at 00b3bc32f0f5
(`tokenCount`, `finish_reason`), client/src/hooks/Conversations/useExportConversation.ts at ffec4535295a (fields of an
export). Untested on real files.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ..values.inference_results import UNKNOWN_COUNT, InferenceResult, Usage
from ..values.provenance import FIELDS, TIMESTAMP
from ..values.turns import Kind, Run
from .kit.branches import BranchReader, Tree
from .kit.import_report import Notes
from .kit.importer import SURE, Importer, try_read_all
from .kit.record_fields import (
    expect,
    list_or_empty,
    object_of_document,
    object_or_empty,
    omit,
    omit_empty,
    text_or_empty,
    to_number,
)
from .kit.sample import Sample
from .kit.source import Source
from .kit.transcript import Transcript, freeze_or_json

FORMAT = "librechat"
MESSAGE_FIELDS = (
    *("messageId", "conversationId", "children", "text", "content", "isCreatedByUser", "createdAt"),
    *("model", "finish_reason", "tokenCount"),
)


def is_message(value: Any) -> bool:
    """Return True for a message of LibreChat."""
    return (
        isinstance(value, Mapping)
        and "messageId" in value
        and "parentMessageId" in value
        and "isCreatedByUser" in value
    )


def is_conversation(value: Any) -> bool:
    """Return True for an export with messages."""
    messages = _messages_of(value)
    return bool(messages) and is_message(messages[0])


def _messages_of(value: Any) -> list[Any]:
    """Return the messages of an export: a list, a tree in a recursive one, or a message alone."""
    fields = value if isinstance(value, Mapping) else {}
    messages = fields.get("messages", fields.get("messagesTree"))
    return [messages] if isinstance(messages, Mapping) else messages if isinstance(messages, list) else []


def score_librechat(sample: Sample) -> int:
    """Return a score higher than SURE for exports and messages of LibreChat."""
    records = sample.records if sample.container == "json" else []
    return SURE + 6 if any(is_conversation(value) or is_message(value) for value in records) else 0


def read_conversations(source: Source) -> Iterator[Run]:
    """Yield each conversation with its branches; messages alone are one for each `conversationId`."""
    loose: dict[str, list[Any]] = {}
    for position, value in source.records():
        if is_message(value):
            loose.setdefault(text_or_empty(value.get("conversationId")), []).append(value)
        else:
            yield from try_read_all(
                source, position, lambda *values: list(_read_branches(*values)), value, source.notes(FORMAT, position)
            )
    for conversation_id, messages in loose.items():
        document = {"conversationId": conversation_id, "messages": messages}
        yield from try_read_all(
            source, "", lambda *values: list(_read_branches(*values)), document, source.notes(FORMAT)
        )


def _read_branches(document: Any, notes: Notes) -> Iterator[Run]:
    if not is_conversation(document):
        raise notes.load_error("", "no conversation with messages")
    nodes: dict[str, Any] = {}
    for message in _flat_messages(_messages_of(document)):
        message_id = text_or_empty(message.get("messageId")) or f"message {len(nodes)}"
        nodes[message_id] = {"parent": text_or_empty(message.get("parentMessageId")), "message": message}
    for node in nodes.values():  # the first messages name a root that does not exist
        node["parent"] = node["parent"] if node["parent"] in nodes else None
    times = {node_id: text_or_empty(node["message"].get("createdAt")) for node_id, node in nodes.items()}
    current_id = max(nodes, key=lambda node_id: times[node_id]) if all(times.values()) else list(nodes)[-1]
    reader = _MessageReader(Transcript(notes), object_of_document(document.get("options"), "options", notes))

    def metadata() -> dict[str, Any]:
        time = document.get("createdAt") or document.get("exportAt")
        fields = omit(document, "messages", "messagesTree", "title", "conversationId")
        return {FIELDS.name: freeze_or_json(omit_empty(fields))} | ({TIMESTAMP.name: str(time)} if time else {})

    conversation_id = text_or_empty(document.get("conversationId")) or text_or_empty(
        next(iter(nodes.values()))["message"].get("conversationId")
    )
    yield from reader.read_runs(
        Tree(nodes, notes, "messages"),
        current_id,
        conversation_id=conversation_id,
        name=document.get("title"),
        metadata=metadata,
    )


def _flat_messages(messages: list[Any]) -> Iterator[dict[str, Any]]:
    """Yield messages, each followed by those in its `children`."""
    waiting = list(reversed(messages))
    while waiting:
        message = waiting.pop()
        if not isinstance(message, dict):
            message = {"value": message}
        yield message
        waiting += reversed(list_or_empty(message.get("children"), "children"))


class _MessageReader(BranchReader):
    def __init__(self, transcript: Transcript, options: Mapping[str, Any]) -> None:
        super().__init__(transcript)
        self.model = text_or_empty(options.get("model"))

    def read_node_message(self, record: Any) -> None:
        message, transcript = expect(record, dict, ""), self.transcript
        is_user = expect(message.get("isCreatedByUser"), bool, "isCreatedByUser")
        text, parts = text_or_empty(message.get("text")), list_or_empty(message.get("content"), "content")
        message_id, first_block = text_or_empty(message.get("messageId")), len(transcript.blocks)
        if is_user:
            transcript.add_block(Kind.USER, {"text": text or _joined_text(parts)}, "user", message_id)
        else:
            result = self.call_result(message, message_id, parts)
            for index, part in enumerate(parts):
                self.add_part(expect(part, dict, f"content[{index}]"), index, message_id, result)
            if text and text not in _joined_text(parts):
                transcript.add_block(Kind.LLM_TEXT, {"text": text}, "assistant", message_id, result=result)
            if len(transcript.blocks) == first_block:
                transcript.add_block(Kind.LLM_TEXT, {"text": ""}, "assistant", message_id, result=result)
        transcript.set_times(first_block, message.get("createdAt"))
        fields = omit(message, *MESSAGE_FIELDS) | (omit_empty(tokenCount=message.get("tokenCount")) if is_user else {})
        transcript.add_extra_fields(first_block, fields)

    def add_part(self, part: dict[str, Any], index: int, message_id: str, result: InferenceResult) -> None:
        transcript, part_type = self.transcript, part.get("type")
        call = part.get("tool_call")
        if part_type == "think" or isinstance(part.get("think"), str):
            transcript.add_block(Kind.REASONING, {"text": _text_of(part.get("think"))}, result=result)
        elif part_type == "text":
            block_id = message_id if index == 0 else f"{message_id}.{index}"
            transcript.add_block(
                Kind.LLM_TEXT, {"text": _text_of(part.get("text"))}, "assistant", block_id, result=result
            )
        elif part_type == "tool_call" and isinstance(call, Mapping):
            function = object_or_empty(call.get("function"), "function")
            arguments = call.get("args", function.get("arguments"))
            call_id = text_or_empty(call.get("id")) or f"{message_id} call {index}"
            name = call.get("name", function.get("name"))
            extra_fields = omit(call, "id", "name", "args", "output", "type", "function")
            transcript.add_call(call_id, name, arguments, result=result, extra_fields=extra_fields)
            output = call.get("output", function.get("output"))
            if output is not None:
                has_failed = isinstance(output, str) and output.startswith("Error processing tool")
                transcript.add_result(call_id, None if has_failed else output, output if has_failed else "")
        else:
            transcript.add_other(part, result=result)

    def call_result(self, message: Mapping[str, Any], message_id: str, parts: list[Any]) -> InferenceResult:
        tokens = to_number(message.get("tokenCount"))
        return self.transcript.inference_result(
            id=message_id,
            model=text_or_empty(message.get("model")) or self.model or None,
            stop_reason=text_or_empty(message.get("finish_reason")),
            pending=bool(parts) and isinstance(parts[-1], Mapping) and parts[-1].get("type") == "tool_call",
            usage=None if tokens is None else Usage(UNKNOWN_COUNT, int(tokens)),
        )


def _text_of(value: Any) -> str:
    """Return a text, which may be in the field `value` of an object."""
    return text_or_empty(value.get("value") if isinstance(value, Mapping) else value)


def _joined_text(parts: list[Any]) -> str:
    texts = [_text_of(part.get("text")) for part in parts if isinstance(part, Mapping) and part.get("type") == "text"]
    return "\n".join(texts)


IMPORTER = Importer(FORMAT, score_librechat, read_conversations)
