"""ShareGPT's form of training data: `conversations` of messages with `from` and `value`.

`function_call` is a tool call as JSON, `observation` its result; neither has an id, so a result belongs to the first call
without one. `system` and `tools` may be fields of the conversation. Source: the programs that train on such files:
hiyouga/LLaMA-Factory at ff6d4d12eeb0, data/README.md; lm-sys/FastChat at 0e6d3e4beaab, data/dummy_conversation.json;
axolotl-ai-cloud/axolotl at 067b021c8b87, docs/dataset-formats/conversation.qmd. Some data sets name the sender after a
model (`chatgpt`, `bing`, …).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..values.turns import Kind, Run
from .kit.faults import no_result_id
from .kit.import_report import Notes
from .kit.importer import Importer
from .kit.record_fields import (
    ShapeError,
    expect,
    json_or_none,
    omit,
    optional_text,
    pop_text,
    split_document,
    unexpected,
)
from .kit.record_lists import item_score, list_reader
from .kit.transcript import Transcript

FORMAT = "sharegpt"
USER_SENDERS = frozenset({"human", "user"})
MODEL_SENDERS = frozenset({"gpt", "assistant", "model", "chatgpt", "bing", "bard", "claude"})
CALL_SENDERS = frozenset({"function_call", "tool_call"})
RESULT_SENDERS = frozenset({"observation", "tool", "tool_response", "function_response"})


def is_message(value: Any) -> bool:
    """Return True for an object with a sender and a value."""
    return isinstance(value, Mapping) and isinstance(value.get("from"), str) and "value" in value


def read_sharegpt_conversation(document: Any, notes: Notes) -> Run:
    """Return the Run of an object with `conversations`, of a list of messages, or of one message."""
    messages, extra_fields = split_document([document] if is_message(document) else document, notes, "conversations")
    model_name = extra_fields.get("model")
    transcript = Transcript(notes)
    reader = _MessageReader(transcript, model_name if isinstance(model_name, str) else None)
    if isinstance(system_prompt := extra_fields.get("system"), str):
        if system_prompt:
            transcript.begin_record("system")
            transcript.add_block(Kind.SYSTEM, {"text": system_prompt}, "system")
        del extra_fields["system"]
    transcript.read_records("conversations", messages, reader.read_message)
    conversation_id, name = pop_text(extra_fields, "id", "conversation_id"), pop_text(extra_fields, "title")
    return transcript.to_run(id=conversation_id, name=name, extra_fields=extra_fields)


class _MessageReader:
    def __init__(self, transcript: Transcript, model: str | None) -> None:
        self.transcript = transcript
        self.model = model
        self.pending_call_ids: list[str] = []
        self.overdue_call_ids: set[str] = set()  # of calls without a result before a later prompt
        self.call_count = 0

    def read_message(self, record: Any) -> None:
        message = expect(record, dict, "")
        transcript, extra_fields = self.transcript, omit(message, "from", "value")
        sender = expect(message.get("from"), str, "from")
        sender_name, value = sender.strip().lower(), message.get("value")
        if sender_name in CALL_SENDERS:
            self.add_calls(value, extra_fields)
        elif sender_name in RESULT_SENDERS:
            self.add_result(value, extra_fields)
        elif sender_name == "system":
            message_text = expect(value, str, "value")
            transcript.add_block(Kind.SYSTEM, {"text": message_text}, "system", extra_fields=extra_fields)
        elif sender_name in USER_SENDERS:
            message_text = expect(value, str, "value")
            transcript.add_block(Kind.USER, {"text": message_text}, "user", extra_fields=extra_fields)
            self.overdue_call_ids.update(self.pending_call_ids)
        elif sender_name in MODEL_SENDERS:
            message_text, inference_result = expect(value, str, "value"), transcript.inference_result(model=self.model)
            transcript.add_block(
                Kind.LLM_TEXT, {"text": message_text}, "assistant", result=inference_result, extra_fields=extra_fields
            )
        else:
            raise unexpected("sender", sender)

    def add_calls(self, value: Any, extra_fields: dict[str, Any]) -> None:
        """Add one tool call, or several parallel ones."""
        parsed_calls = json_or_none(value) if isinstance(value, str) else value
        tool_calls = parsed_calls if isinstance(parsed_calls, list) else [parsed_calls]
        if not tool_calls or not all(
            isinstance(tool_call, Mapping) and isinstance(tool_call.get("name"), str) for tool_call in tool_calls
        ):
            raise ShapeError("the tool call is not JSON with a name")
        inference_result = self.transcript.inference_result(model=self.model, pending=True)
        for tool_call in tool_calls:
            call_fields = extra_fields | omit(tool_call, "name", "arguments", "id")
            call_id = optional_text(tool_call.get("id"), "id") or f"call_{self.call_count}"
            self.call_count += 1
            self.pending_call_ids.append(
                self.transcript.add_call(
                    call_id,
                    tool_call["name"],
                    tool_call.get("arguments"),
                    result=inference_result,
                    extra_fields=call_fields,
                )
            )
            extra_fields = {}

    def add_result(self, value: Any, extra_fields: dict[str, Any]) -> None:
        """Add a result of the first call without one; it is a guess when there is no such call or a later prompt."""
        call_id = self.pending_call_ids.pop(0) if self.pending_call_ids else ""
        if not call_id or call_id in self.overdue_call_ids:
            self.transcript.guess(no_result_id(call_id))
        self.transcript.add_result(call_id, value, extra_fields=extra_fields)


IMPORTER = Importer(
    FORMAT, item_score(is_message, "conversations"), list_reader(FORMAT, is_message, read_sharegpt_conversation)
)
