"""SWE-agent's trajectories (`.traj`): the history that a model saw, and the steps of the trajectory.

`history` has OpenAI-like messages with the `agent` they belong to. In older files an action is a text and
its observation a message of the user; in newer ones they are tool calls and results. `trajectory` has a step
for each action, with its time and the state after it; `info` has the cost of the whole. A task is one Turn,
because the output of a tool is no prompt. Source: SWE-agent's documentation, "Output files".
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..values.turns import Kind, Run
from .kit.faults import wrong_type
from .kit.import_report import Notes
from .kit.importer import Importer, document_reader
from .kit.record_fields import (
    expect,
    list_or_empty,
    object_or_empty,
    objects,
    omit,
    omit_empty,
    optional_text,
    text_or_empty,
    unexpected,
)
from .kit.record_lists import document_score
from .kit.transcript import Transcript

FORMAT = "swe-agent"
ROLES = ("system", "user", "assistant", "tool")
MESSAGE_FIELDS = ("role", "content", "tool_calls", "tool_call_ids", "thinking_blocks")
MISSING = object()


def is_trajectory(value: Any) -> bool:
    """Return True for a history whose messages have an agent, and for steps of a trajectory."""
    if not isinstance(value, Mapping):
        return False
    history, steps = value.get("history"), value.get("trajectory")
    if isinstance(history, list) and history:
        first = history[0]
        return isinstance(first, Mapping) and "agent" in first and "role" in first
    if isinstance(steps, list) and steps:
        first = steps[0]
        return isinstance(first, Mapping) and "action" in first and "observation" in first
    return False


def read_one(value: Any, notes: Notes) -> Run:
    """Return the Run of one trajectory, which has one Turn."""
    document = value if isinstance(value, Mapping) else {}
    history, trajectory = document.get("history"), document.get("trajectory")
    if not isinstance(history, list) and not isinstance(trajectory, list):
        raise notes.load_error("", wrong_type("history", history, list))
    steps = [step for step in trajectory if isinstance(step, Mapping)] if isinstance(trajectory, list) else []
    transcript = Transcript(notes)
    reader = _MessageReader(transcript, steps)
    transcript.read_records("history", history if isinstance(history, list) else [], reader.read_message)
    reader.add_remaining_steps()
    transcript.turn_starts = [0]
    extra_fields = omit(document, "history", "trajectory")
    if not isinstance(trajectory, list) or len(steps) != len(trajectory):
        extra_fields["trajectory"] = trajectory
    if not isinstance(history, list):
        extra_fields["history"] = history
    return transcript.to_run(name=text_or_empty(document.get("environment")), extra_fields=extra_fields)


class _MessageReader:
    def __init__(self, transcript: Transcript, steps: list[Mapping[str, Any]]) -> None:
        self.transcript = transcript
        self.steps = steps
        self.next_step = 0

    def read_message(self, record: Any) -> None:
        message = expect(record, dict, "")
        role = message.get("role")
        if role not in ROLES:
            raise unexpected("role", role)
        first_block = len(self.transcript.blocks)
        extra_fields = omit(message, *MESSAGE_FIELDS)
        if role == "assistant":
            extra_fields = self.add_action(message, extra_fields)
        elif role == "tool":
            self.add_results(message)
        else:
            texts, images, has_more = _content(message.get("content"))
            kind = Kind.SYSTEM if role == "system" else Kind.USER
            self.transcript.add(kind, {"text": "\n".join(texts)} | omit_empty(images=images), role)
            extra_fields |= {"content": message["content"]} if has_more else {}
        self.transcript.add_extra_fields(first_block, extra_fields)

    def add_action(self, message: Mapping[str, Any], extra_fields: dict[str, Any]) -> dict[str, Any]:
        """Add a reply and return the fields that no block holds, with the step of the trajectory."""
        transcript = self.transcript
        calls = objects(message.get("tool_calls"), "tool_calls")
        texts, _, has_more = _content(message.get("content"))
        text = "\n".join(texts)
        result = transcript.inference_result(pending=bool(calls))
        for thought in objects(message.get("thinking_blocks"), "thinking_blocks"):
            thinking = optional_text(thought.get("thinking"), "thinking") or ""
            transcript.add(Kind.REASONING, {"text": thinking} | omit(thought, "thinking", "type"), result=result)
        if text or not calls:
            transcript.add(Kind.LLM_TEXT, {"text": text}, "assistant", result=result)
        for call in calls:
            function = object_or_empty(call.get("function"), "function")
            transcript.add_call(call.get("id"), function.get("name"), function.get("arguments"), result=result)
        if step := self._take_step(message):
            repeated_fields = {
                "action": message.get("action"),
                "thought": message.get("thought"),
                "response": text,
            }
            extra_fields |= {"step": _without_repeated(step, repeated_fields)}
        extra_fields |= {"content": message["content"]} if has_more else {}
        return omit(extra_fields, "thought") if extra_fields.get("thought") == text else extra_fields

    def add_results(self, message: Mapping[str, Any]) -> None:
        call_ids = list_or_empty(message.get("tool_call_ids"), "tool_call_ids") or [message.get("tool_call_id")]
        for call_id in call_ids:
            self.transcript.add_result(call_id, message.get("content"))

    def _take_step(self, message: Mapping[str, Any]) -> Mapping[str, Any] | None:
        """Return the step of an action: the next one with the same action. Demonstrations have none."""
        if self.next_step < len(self.steps) and not message.get("is_demo"):
            step, action = self.steps[self.next_step], message.get("action")
            if action is None or str(step.get("action")).strip() == str(action).strip():
                self.next_step += 1
                return step
        return None

    def add_remaining_steps(self) -> None:
        """Add steps that the history lacks: often the last one, which the model did not see."""
        for index in range(self.next_step, len(self.steps)):
            self.transcript.begin_record(f"trajectory[{index}]")
            self.transcript.add_other(self.steps[index])


def _content(content: Any) -> tuple[list[str], list[dict[str, Any]], bool]:
    """Return texts and images of a message, and whether it has more."""
    if content is None or isinstance(content, str):
        return [content or ""], [], False
    parts = objects(expect(content, list, "content"), "content")
    texts = [part["text"] for part in parts if part.get("type") == "text" and isinstance(part.get("text"), str)]
    urls = [part.get("image_url") for part in parts if part.get("type") == "image_url"]
    images = [omit_empty(url=url.get("url"), detail=url.get("detail")) for url in urls if isinstance(url, Mapping)]
    return texts, images, len(parts) > 1 or len(texts) + len(images) != len(parts)


def _without_repeated(step: Mapping[str, Any], message_fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of a step that do not repeat its message."""
    return {name: value for name, value in step.items() if value != message_fields.get(name, MISSING)}


IMPORTER = Importer(FORMAT, document_score(is_trajectory), document_reader(FORMAT, read_one))
