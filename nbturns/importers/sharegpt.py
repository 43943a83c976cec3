"""ShareGPT's form of training data: `conversations` of messages with `from` and `value`.

`function_call` is a tool call as JSON, `observation` its result; neither has an id, so a result belongs to the
first call without one. `system` and `tools` may be fields of the conversation. Source: the data formats of
FastChat, Axolotl and LLaMA-Factory, which train on such files.
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


def read_one(value: Any, notes: Notes) -> Run:
    """Return the Run of an object with `conversations`, of a list of messages, or of one message."""
    messages, extra_fields = split_document([value] if is_message(value) else value, notes, "conversations")
    model = extra_fields.get("model")
    transcript = Transcript(notes)
    reader = _MessageReader(transcript, model if isinstance(model, str) else None)
    if isinstance(system := extra_fields.get("system"), str):
        if system:
            transcript.begin_record("system")
            transcript.add(Kind.SYSTEM, {"text": system}, "system")
        del extra_fields["system"]
    transcript.read_records("conversations", messages, reader.read_message)
    id, name = pop_text(extra_fields, "id", "conversation_id"), pop_text(extra_fields, "title")
    return transcript.to_run(id=id, name=name, extra_fields=extra_fields)


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
        name, value = sender.strip().lower(), message.get("value")
        if name in CALL_SENDERS:
            self.add_calls(value, extra_fields)
        elif name in RESULT_SENDERS:
            self.add_result(value, extra_fields)
        elif name == "system":
            text = expect(value, str, "value")
            transcript.add(Kind.SYSTEM, {"text": text}, "system", extra_fields=extra_fields)
        elif name in USER_SENDERS:
            text = expect(value, str, "value")
            transcript.add(Kind.USER, {"text": text}, "user", extra_fields=extra_fields)
            self.overdue_call_ids.update(self.pending_call_ids)
        elif name in MODEL_SENDERS:
            text, result = expect(value, str, "value"), transcript.inference_result(model=self.model)
            transcript.add(Kind.LLM_TEXT, {"text": text}, "assistant", result=result, extra_fields=extra_fields)
        else:
            raise unexpected("sender", sender)

    def add_calls(self, value: Any, extra_fields: dict[str, Any]) -> None:
        """Add one tool call, or several parallel ones."""
        parsed = json_or_none(value) if isinstance(value, str) else value
        calls = parsed if isinstance(parsed, list) else [parsed]
        if not calls or not all(isinstance(call, Mapping) and isinstance(call.get("name"), str) for call in calls):
            raise ShapeError("the tool call is not JSON with a name")
        result = self.transcript.inference_result(model=self.model, pending=True)
        for call in calls:
            call_fields = extra_fields | omit(call, "name", "arguments", "id")
            id = optional_text(call.get("id"), "id") or f"call_{self.call_count}"
            self.call_count += 1
            self.pending_call_ids.append(
                self.transcript.add_call(
                    id, call["name"], call.get("arguments"), result=result, extra_fields=call_fields
                )
            )
            extra_fields = {}

    def add_result(self, value: Any, extra_fields: dict[str, Any]) -> None:
        """Add a result of the first call without one; a guess where there is none, or where a prompt came since."""
        call_id = self.pending_call_ids.pop(0) if self.pending_call_ids else ""
        if not call_id or call_id in self.overdue_call_ids:
            self.transcript.guess(no_result_id(call_id))
        self.transcript.add_result(call_id, value, extra_fields=extra_fields)


IMPORTER = Importer(FORMAT, item_score(is_message, "conversations"), list_reader(FORMAT, is_message, read_one))
