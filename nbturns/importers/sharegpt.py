"""ShareGPT's form of training data: `conversations` of messages that say who they are `from` and their `value`.

`function_call` is a call as JSON, `observation` its answer; neither has an id, so an answer is taken for that of
the first call that waits. `system` and `tools` may stand beside. Source: the data formats of FastChat, Axolotl
and LLaMA-Factory, which train on such files.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..turns import Kind, Run
from . import Importer, Notes
from .json_text import parse
from .listed import conversations, scored
from .transcript import Misfit, Transcript, expected, messages_of, named, text_or_none, without

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
    messages, beside = messages_of([value] if is_message(value) else value, notes, "conversations")
    model = beside.get("model")
    reader = _Reader(Transcript(notes), model if isinstance(model, str) else None)
    if isinstance(system := beside.get("system"), str):
        if system:
            reader.said.add(Kind.SYSTEM, {"text": system}, "system")
        del beside["system"]
    reader.said.records("conversations", messages, reader.message)
    return reader.said.run(id=named(beside, "id", "conversation_id"), name=named(beside, "title"), beside=beside)


class _Reader:
    def __init__(self, said: Transcript, model: str | None) -> None:
        self.said = said
        self.model = model
        self.waiting: list[str] = []  # ids of calls
        self.calls = 0

    def message(self, raw: Any) -> None:
        message = expected(raw, dict, "a message")
        said, rest = self.said, without(message, "from", "value")
        sender = expected(message.get("from"), str, "from")
        who, value = sender.strip().lower(), message.get("value")
        if who in CALL:
            self.called(value, rest)
        elif who in ANSWER:
            self.answered(value, rest)
        elif who == "system":
            said.add(Kind.SYSTEM, {"text": expected(value, str, "value")}, "system", beside=rest)
        elif who in HUMAN:
            said.add(Kind.USER, {"text": expected(value, str, "value")}, "user", beside=rest)
        elif who in MODEL:
            result = said.called(model=self.model)
            said.add(Kind.LLM_TEXT, {"text": expected(value, str, "value")}, "assistant", result=result, beside=rest)
        else:
            raise Misfit(f"a message from {sender!r}")

    def called(self, value: Any, rest: dict[str, Any]) -> None:
        """One call, or several at once."""
        written = _json(value) if isinstance(value, str) else value
        calls = written if isinstance(written, list) else [written]
        if not calls or not all(isinstance(one, Mapping) and isinstance(one.get("name"), str) for one in calls):
            raise Misfit("a call that is no JSON with a name")
        result = self.said.called(model=self.model, pending=True)
        for one in calls:
            beside = rest | without(one, "name", "arguments", "id")
            id = text_or_none(one.get("id"), "id") or f"call_{self.calls}"
            self.calls += 1
            args = one.get("arguments")
            self.waiting.append(self.said.call(id, one["name"], args, result=result, beside=beside))
            rest = {}

    def answered(self, value: Any, rest: dict[str, Any]) -> None:
        if not self.waiting:
            self.said.guess("an answer to no call; it is kept without one")
        self.said.answer(self.waiting.pop(0) if self.waiting else "", value, beside=rest)


def _json(text: str) -> Any:
    try:
        return parse(text)
    except (ValueError, RecursionError):
        return None


IMPORTER = Importer(FORMAT, scored(is_message, "conversations"), conversations(FORMAT, is_message, read_one))
