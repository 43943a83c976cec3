"""ShareGPT's form of training data: `conversations` of messages that say who they are `from` and their `value`.

`function_call` is a call as JSON, `observation` its answer; neither has an id, so an answer is taken for that of
the first call that waits. `system` and `tools` may stand beside. Source: the data formats of FastChat, Axolotl
and LLaMA-Factory, which train on such files.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..turns import Kind, Run
from .importer import Importer
from .json_text import parse
from .listed import item_score, list_reader
from .record_fields import ShapeError, expect, omit, optional_text, pop_text, split_document
from .report import Notes
from .transcript import Transcript

FORMAT = "sharegpt"
HUMAN = frozenset({"human", "user"})
MODEL = frozenset({"gpt", "assistant", "model", "chatgpt", "bing", "bard", "claude"})
CALL = frozenset({"function_call", "tool_call"})
ANSWER = frozenset({"observation", "tool", "tool_response", "function_response"})


def is_message(value: Any) -> bool:
    """Whether this says who it is from, and its value."""
    return isinstance(value, Mapping) and isinstance(value.get("from"), str) and "value" in value


def read_one(value: Any, notes: Notes) -> Run:
    """One conversation: an object that has it as `conversations`, a list of messages, or one of them."""
    messages, other_fields = split_document([value] if is_message(value) else value, notes, "conversations")
    model = other_fields.get("model")
    reader = _Reader(Transcript(notes), model if isinstance(model, str) else None)
    if isinstance(system := other_fields.get("system"), str):
        if system:
            reader.transcript.add(Kind.SYSTEM, {"text": system}, "system")
        del other_fields["system"]
    reader.transcript.read_records("conversations", messages, reader.message)
    return reader.transcript.to_run(
        id=pop_text(other_fields, "id", "conversation_id"),
        name=pop_text(other_fields, "title"),
        extra_fields=other_fields,
    )


class _Reader:
    def __init__(self, transcript: Transcript, model: str | None) -> None:
        self.transcript = transcript
        self.model = model
        self.waiting: list[str] = []  # ids of calls
        self.calls = 0

    def message(self, raw: Any) -> None:
        message = expect(raw, dict, "a message")
        transcript, extra_fields = self.transcript, omit(message, "from", "value")
        sender = expect(message.get("from"), str, "from")
        who, value = sender.strip().lower(), message.get("value")
        if who in CALL:
            self.called(value, extra_fields)
        elif who in ANSWER:
            self.answered(value, extra_fields)
        elif who == "system":
            transcript.add(Kind.SYSTEM, {"text": expect(value, str, "value")}, "system", extra_fields=extra_fields)
        elif who in HUMAN:
            transcript.add(Kind.USER, {"text": expect(value, str, "value")}, "user", extra_fields=extra_fields)
        elif who in MODEL:
            result = transcript.inference_result(model=self.model)
            transcript.add(
                Kind.LLM_TEXT,
                {"text": expect(value, str, "value")},
                "assistant",
                result=result,
                extra_fields=extra_fields,
            )
        else:
            raise ShapeError(f"a message from {sender!r}")

    def called(self, value: Any, extra_fields: dict[str, Any]) -> None:
        """One call, or several at once."""
        written = _json(value) if isinstance(value, str) else value
        calls = written if isinstance(written, list) else [written]
        if not calls or not all(isinstance(one, Mapping) and isinstance(one.get("name"), str) for one in calls):
            raise ShapeError("a call that is no JSON with a name")
        result = self.transcript.inference_result(model=self.model, pending=True)
        for one in calls:
            other_fields = extra_fields | omit(one, "name", "arguments", "id")
            id = optional_text(one.get("id"), "id") or f"call_{self.calls}"
            self.calls += 1
            args = one.get("arguments")
            self.waiting.append(
                self.transcript.add_call(id, one["name"], args, result=result, extra_fields=other_fields)
            )
            extra_fields = {}

    def answered(self, value: Any, extra_fields: dict[str, Any]) -> None:
        if not self.waiting:
            self.transcript.guess("an answer to no call; it is kept without one")
        self.transcript.add_result(self.waiting.pop(0) if self.waiting else "", value, extra_fields=extra_fields)


def _json(text: str) -> Any:
    try:
        return parse(text)
    except (ValueError, RecursionError):
        return None


IMPORTER = Importer(FORMAT, item_score(is_message, "conversations"), list_reader(FORMAT, is_message, read_one))
