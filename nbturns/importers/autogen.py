"""AutoGen's saved states, task results and lists of messages.

`AssistantAgentState` has the context of an agent (`UserMessage`, `AssistantMessage` with a text or calls,
`FunctionExecutionResultMessage`), a group chat its `message_thread` (`TextMessage`, `ToolCallRequestEvent`, …), and `TeamState` both:
the thread is the first Run, and the context of each agent one that it started, which has the model calls. Tokens are in
`models_usage`; the model is not in the file. Source: microsoft/autogen at 027ecf0a379b,
python/packages/autogen-core/src/autogen_core/models/_types.py, autogen-agentchat/src/autogen_agentchat/messages.py and
state/_states.py, python/samples/core_streaming_handoffs_fastapi.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ..values.inference_results import InferenceResult
from ..values.provenance import PARENT_RUN
from ..values.turns import Kind, Run
from .kit.import_report import Notes
from .kit.importer import SURE, Importer, try_read_all
from .kit.links import link_runs
from .kit.record_fields import (
    expect,
    object_or_empty,
    objects,
    omit,
    omit_empty,
    text_or_empty,
    to_number,
    token_usage,
    unexpected,
)
from .kit.reply_blocks import RequestedCall, add_reply_blocks, split_content
from .kit.sample import Sample
from .kit.source import Source
from .kit.transcript import Transcript

FORMAT = "autogen"
CALL_TYPES, RESULT_TYPES = ("ToolCallRequestEvent",), ("FunctionExecutionResultMessage", "ToolCallExecutionEvent")
TEXT_TYPES = (
    "AssistantMessage",
    "TextMessage",
    "StopMessage",
    "HandoffMessage",
    "ToolCallSummaryMessage",
    "MultiModalMessage",
    "ThoughtEvent",
)
PROMPT_TYPES = {"UserMessage": Kind.USER, "SystemMessage": Kind.SYSTEM}
OTHER_TYPES = (
    "UserInputRequestedEvent",
    "MemoryQueryEvent",
    "SelectSpeakerEvent",
    "SelectorEvent",
    "CodeGenerationEvent",
    "CodeExecutionEvent",
)
MESSAGE_TYPES = (*CALL_TYPES, *RESULT_TYPES, *TEXT_TYPES, *PROMPT_TYPES, *OTHER_TYPES)
STATE_TYPES = ("TeamState", "AssistantAgentState", "ChatAgentContainerState", "SocietyOfMindAgentState")
MESSAGE_FIELDS = ("type", "content", "source", "thought", "models_usage", "created_at", "id")
CONTEXT_NAMES = ("llm_context", "model_context")


def is_message(value: Any) -> bool:
    """Return True for a message of AutoGen: one of its types, with a source or the results of tools."""
    if not isinstance(value, Mapping) or str(value.get("type")) not in MESSAGE_TYPES or "content" not in value:
        return False
    return "source" in value or value["type"] in ("FunctionExecutionResultMessage", "SystemMessage")


def _is_document(value: Any) -> bool:
    if not isinstance(value, Mapping):
        return False
    if str(value.get("type")) in STATE_TYPES or "message_thread" in value:
        return isinstance(value.get("version", value.get("message_thread")), (str, list))
    messages = value.get("messages")
    return isinstance(messages, list) and bool(messages) and all(map(is_message, messages[:4]))


def score_autogen(sample: Sample) -> int:
    """Return a score higher than SURE for messages and states of AutoGen."""
    records = sample.records if sample.container == "json" else []
    is_own = any(map(_is_document, records)) or (records and all(map(is_message, records)))
    return SURE + 6 if is_own else 0


def read_states(source: Source) -> Iterator[Run]:
    """Yield the conversations of each state, result or list of messages."""
    messages: list[Any] = []
    for position, value in source.records():
        if is_message(value) or not isinstance(value, Mapping):
            messages.append(value)
        else:
            yield from try_read_all(source, position, _read_document, value, source, position)
    if messages:
        yield from try_read_all(source, "", _read_document, {"messages": messages}, source, "")


def _read_document(document: Mapping[str, Any], source: Source, position: str) -> list[Run]:
    lists = list(_message_lists(document, ""))
    has_contexts = any(not is_thread for _, _, is_thread in lists)
    lists.sort(key=lambda named: not named[2])  # the thread of a team first
    runs: list[Run] = []
    for index, (name, messages, is_thread) in enumerate(lists or [("", [], False)]):
        notes = source.notes(FORMAT, ", ".join(filter(None, (position, name))))
        fields = _without_messages(document) if index == 0 else {}
        parent = {PARENT_RUN.name: runs[0].id} if runs and lists[0][2] else {}
        runs.append(_read_messages(messages, name, fields, parent, is_copy=is_thread and has_contexts, notes=notes))
    return link_runs(runs)


def _message_lists(value: Any, name: str) -> Iterator[tuple[str, list[Any], bool]]:
    """Yield the lists of messages in a state: the name of their agent, the messages, and whether they are a thread."""
    if not isinstance(value, Mapping):
        return
    for field_name, item in value.items():
        if field_name == "message_thread" and isinstance(item, list):
            if item or "agent_states" not in value:
                yield name, item, True
        elif field_name == "messages" and isinstance(item, list) and (not item or any(map(is_message, item))):
            yield name, item, False
        elif isinstance(item, Mapping):
            is_agent = field_name not in (*CONTEXT_NAMES, "agent_state", "agent_states", "inner_team_state")
            yield from _message_lists(item, field_name if is_agent else name)


def _without_messages(value: Any) -> Any:
    if not isinstance(value, Mapping):
        return value
    return {name: _without_messages(item) for name, item in value.items() if name not in ("messages", "message_thread")}


def _read_messages(
    messages: Sequence[Any],
    name: str,
    fields: Mapping[str, Any],
    parent: Mapping[str, Any],
    *,
    is_copy: bool,
    notes: Notes,
) -> Run:
    transcript = Transcript(notes)
    transcript.key = f"{transcript.key}/{name}" if name and name not in transcript.key else transcript.key
    transcript.read_records("messages", messages, _MessageReader(transcript, is_copy=is_copy).read_message)
    return transcript.to_run(name=name, extra_fields=fields, metadata=parent)


class _MessageReader:
    def __init__(self, transcript: Transcript, *, is_copy: bool) -> None:
        self.transcript = transcript
        self.is_copy = is_copy  # the model calls are in the contexts of the agents

    def read_message(self, record: Any) -> None:
        message = expect(record, dict, "")
        message_type, content = message.get("type"), message.get("content")
        transcript, first_block = self.transcript, len(self.transcript.blocks)
        if message_type in PROMPT_TYPES or (message_type in TEXT_TYPES and message.get("source") in ("user", "User")):
            kind = PROMPT_TYPES.get(message_type, Kind.USER)
            parts = split_content(content)
            payload = {"text": parts.text} | omit_empty(images=parts.images)
            role = "system" if kind == Kind.SYSTEM else "user"
            transcript.add_block(
                kind, payload, role, message.get("id"), extra_fields=omit_empty(parts=parts.other_parts)
            )
        elif message_type in RESULT_TYPES:
            for result in objects(content, "content"):
                self.add_result(result)
        elif message_type == "ThoughtEvent":
            transcript.add_block(
                Kind.REASONING, {"text": expect(content, str, "content")}, result=self.call_result(message, False)
            )
        elif message_type in TEXT_TYPES or message_type in CALL_TYPES:
            self.add_reply(message, content)
        elif message_type in OTHER_TYPES:
            transcript.add_other(message)
            return
        else:
            raise unexpected("type", message_type)
        transcript.set_times(first_block, message.get("created_at"))
        extra_fields = omit(message, *MESSAGE_FIELDS)
        if len(transcript.blocks) > first_block:
            transcript.add_extra_fields(first_block, extra_fields | omit_empty(source=message.get("source")))

    def add_reply(self, message: Mapping[str, Any], content: Any) -> None:
        is_calls = isinstance(content, list) and all(
            isinstance(item, Mapping) and "arguments" in item for item in content
        )
        calls = (
            [
                RequestedCall(
                    call.get("id"), call.get("name"), call.get("arguments"), omit(call, "id", "name", "arguments")
                )
                for call in content
            ]
            if is_calls
            else []
        )
        parts = split_content([] if is_calls else content)
        add_reply_blocks(
            self.transcript,
            self.call_result(message, bool(calls)),
            text=parts.text,
            reasoning=[text_or_empty(message.get("thought"))],
            images=parts.images,
            calls=calls,
            id=message.get("id"),
            extra_fields=omit_empty(parts=parts.other_parts),
        )

    def call_result(self, message: Mapping[str, Any], pending: bool) -> InferenceResult | None:
        """Return the result of a model call; None for a text that no model wrote, or whose call is in another Run."""
        if self.is_copy or message.get("type") in ("ToolCallSummaryMessage", "HandoffMessage", "StopMessage"):
            return None
        usage = object_or_empty(message.get("models_usage"), "models_usage")
        counts = [to_number(usage.get(name)) for name in ("prompt_tokens", "completion_tokens")]
        return self.transcript.inference_result(
            id=text_or_empty(message.get("id")), pending=pending, usage=token_usage(*counts)
        )

    def add_result(self, result: Mapping[str, Any]) -> None:
        value = result.get("content")
        error = (text_or_empty(value) or "error") if result.get("is_error") is True else ""
        extra_fields = omit(result, "content", "call_id", "is_error")
        self.transcript.add_result(
            result.get("call_id"), None if error == value else value, error, extra_fields=extra_fields
        )


IMPORTER = Importer(FORMAT, score_autogen, read_states)
