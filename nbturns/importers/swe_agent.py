"""SWE-agent's trajectories (`.traj`): the history that a model saw, and the steps of the trajectory.

`history` has OpenAI-like messages with the `agent` they belong to. In older files an action is a text and
its observation a message of the user; in newer ones they are tool calls and results. `trajectory` has a step
for each action, with its time and the state after it; `info` has the cost of the whole. A task is one Turn,
because the output of a tool is not a prompt. Source: SWE-agent/SWE-agent at
3ea751c087f3, docs/usage/trajectories.md, sweagent/types.py and sweagent/agent/agents.py (`exit_status`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..values.outcome import Outcome
from ..values.turns import Kind, Run
from .kit.faults import wrong_type
from .kit.import_report import Notes
from .kit.importer import Importer, document_reader
from .kit.outcomes import outcome_metadata, outcome_of
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
MISSING_FIELD = object()


def is_trajectory(value: Any) -> bool:
    """Return True for a history whose messages have an agent, and for steps of a trajectory."""
    if not isinstance(value, Mapping):
        return False
    history, steps = value.get("history"), value.get("trajectory")
    if isinstance(history, list) and history:
        first_record = history[0]
        return isinstance(first_record, Mapping) and "agent" in first_record and "role" in first_record
    if isinstance(steps, list) and steps:
        first_record = steps[0]
        return isinstance(first_record, Mapping) and "action" in first_record and "observation" in first_record
    return False


def read_trajectory(trajectory_file: Any, notes: Notes) -> Run:
    """Return the Run of one trajectory, which has one Turn."""
    document = trajectory_file if isinstance(trajectory_file, Mapping) else {}
    history, trajectory_steps = document.get("history"), document.get("trajectory")
    if not isinstance(history, list) and not isinstance(trajectory_steps, list):
        raise notes.load_error("", wrong_type("history", history, list))
    steps = (
        [step for step in trajectory_steps if isinstance(step, Mapping)] if isinstance(trajectory_steps, list) else []
    )
    transcript = Transcript(notes)
    reader = _MessageReader(transcript, steps)
    transcript.read_records("history", history if isinstance(history, list) else [], reader.read_message)
    reader.add_remaining_steps()
    transcript.turn_starts = [0]
    extra_fields = omit(document, "history", "trajectory")
    if not isinstance(trajectory_steps, list) or len(steps) != len(trajectory_steps):
        extra_fields["trajectory"] = trajectory_steps
    if not isinstance(history, list):
        extra_fields["history"] = history
    metadata = outcome_metadata(_outcome(document.get("info")))
    name = text_or_empty(document.get("environment"))
    return transcript.to_run(name=name, extra_fields=extra_fields, metadata=metadata)


def _outcome(info: Any) -> Outcome | None:
    """Return the submission, and the status with which the agent ended when it did not submit."""
    if not isinstance(info, Mapping):
        return None
    submission, status = info.get("submission"), text_or_empty(info.get("exit_status"))
    reason = status.removeprefix("submitted (").removesuffix(")")
    return outcome_of(
        {},
        answer=submission if isinstance(submission, str) else None,
        limit=reason if reason.startswith("exit_") and "error" not in reason else None,
        error=reason if "error" in reason else None,
    )


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
            text_parts, images, has_more = _split_content(message.get("content"))
            kind = Kind.SYSTEM if role == "system" else Kind.USER
            self.transcript.add_block(kind, {"text": "\n".join(text_parts)} | omit_empty(images=images), role)
            extra_fields |= {"content": message["content"]} if has_more else {}
        self.transcript.add_extra_fields(first_block, extra_fields)

    def add_action(self, message: Mapping[str, Any], extra_fields: dict[str, Any]) -> dict[str, Any]:
        """Add a reply and return the fields that no block holds, with the step of the trajectory."""
        transcript = self.transcript
        tool_calls = objects(message.get("tool_calls"), "tool_calls")
        text_parts, _, has_more = _split_content(message.get("content"))
        joined_text = "\n".join(text_parts)
        inference_result = transcript.inference_result(pending=bool(tool_calls))
        for thinking_block in objects(message.get("thinking_blocks"), "thinking_blocks"):
            thinking_text = optional_text(thinking_block.get("thinking"), "thinking") or ""
            transcript.add_block(
                Kind.REASONING,
                {"text": thinking_text} | omit(thinking_block, "thinking", "type"),
                result=inference_result,
            )
        if joined_text or not tool_calls:
            transcript.add_block(Kind.LLM_TEXT, {"text": joined_text}, "assistant", result=inference_result)
        for tool_call in tool_calls:
            call_function = object_or_empty(tool_call.get("function"), "function")
            transcript.add_call(
                tool_call.get("id"), call_function.get("name"), call_function.get("arguments"), result=inference_result
            )
        if trajectory_step := self._take_step(message):
            repeated_fields = {
                "action": message.get("action"),
                "thought": message.get("thought"),
                "response": joined_text,
            }
            extra_fields |= {"step": _without_repeated(trajectory_step, repeated_fields)}
        extra_fields |= {"content": message["content"]} if has_more else {}
        return omit(extra_fields, "thought") if extra_fields.get("thought") == joined_text else extra_fields

    def add_results(self, message: Mapping[str, Any]) -> None:
        call_ids = list_or_empty(message.get("tool_call_ids"), "tool_call_ids") or [message.get("tool_call_id")]
        for call_id in call_ids:
            self.transcript.add_result(call_id, message.get("content"))

    def _take_step(self, message: Mapping[str, Any]) -> Mapping[str, Any] | None:
        """Return the step of an action: the next one with the same action. Demonstrations have none."""
        if self.next_step < len(self.steps) and not message.get("is_demo"):
            next_step, message_action = self.steps[self.next_step], message.get("action")
            if message_action is None or str(next_step.get("action")).strip() == str(message_action).strip():
                self.next_step += 1
                return next_step
        return None

    def add_remaining_steps(self) -> None:
        """Add steps that the history lacks: often the last one, which the model did not see."""
        for index in range(self.next_step, len(self.steps)):
            self.transcript.begin_record(f"trajectory[{index}]")
            self.transcript.add_other(self.steps[index])


def _split_content(content: Any) -> tuple[list[str], list[dict[str, Any]], bool]:
    """Return texts and images of a message, and whether it has more."""
    if content is None or isinstance(content, str):
        return [content or ""], [], False
    content_parts = objects(expect(content, list, "content"), "content")
    text_parts = [
        content_part["text"]
        for content_part in content_parts
        if content_part.get("type") == "text" and isinstance(content_part.get("text"), str)
    ]
    image_urls = [
        content_part.get("image_url") for content_part in content_parts if content_part.get("type") == "image_url"
    ]
    images = [
        omit_empty(url=image_url.get("url"), detail=image_url.get("detail"))
        for image_url in image_urls
        if isinstance(image_url, Mapping)
    ]
    return text_parts, images, len(content_parts) > 1 or len(text_parts) + len(images) != len(content_parts)


def _without_repeated(step: Mapping[str, Any], message_fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of a step that do not repeat its message."""
    return {
        field_name: field_value
        for field_name, field_value in step.items()
        if field_value != message_fields.get(field_name, MISSING_FIELD)
    }


IMPORTER = Importer(FORMAT, document_score(is_trajectory), document_reader(FORMAT, read_trajectory))
