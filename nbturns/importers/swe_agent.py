"""SWE-agent's trajectories (`.traj`): the history a model saw, and the steps beside it.

`history` holds OpenAI-like messages with the `agent` they belong to; in the older way of working an
action is text and what came of it a message of the user's, in the newer one they are calls and results.
`trajectory` has a step per action, with its time and the state after it; `info` what it all cost. One
task is one Turn: what a tool printed is no prompt. Source: SWE-agent's documentation, "Output files".
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..turns import Kind, Run
from .importer import Importer, document_reader
from .listed import document_score
from .record_fields import ShapeError, expect, list_or_empty, object_or_empty, omit, omit_empty, optional_text
from .report import Notes
from .transcript import Transcript

FORMAT = "swe-agent"
ROLES = ("system", "user", "assistant", "tool")


def is_trajectory(value: Any) -> bool:
    """Whether this is a document of SWE-agent's: a history whose messages have an agent, or steps of a trajectory."""
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
    """One trajectory as a Run of one Turn."""
    if not isinstance(value, Mapping) or not any(
        isinstance(value.get(name), list) for name in ("history", "trajectory")
    ):
        raise notes.load_error("", "a trajectory of SWE-agent has a history")
    reader = _Reader(Transcript(notes))
    steps = value.get("trajectory")
    reader.steps = [step for step in steps if isinstance(step, Mapping)] if isinstance(steps, list) else []
    history = value.get("history")
    reader.transcript.read_records("history", history if isinstance(history, list) else [], reader.message)
    reader.remaining_steps()
    reader.transcript.turn_starts = [0]
    odd = {"trajectory": steps} if not isinstance(steps, list) or len(reader.steps) != len(steps) else {}
    odd |= {} if isinstance(history, list) else {"history": history}
    environment = value.get("environment")
    return reader.transcript.to_run(
        name=environment if isinstance(environment, str) else "",
        extra_fields=omit(value, "history", "trajectory") | odd,
    )


class _Reader:
    def __init__(self, transcript: Transcript) -> None:
        self.transcript = transcript
        self.steps: list[Mapping[str, Any]] = []
        self.step = 0  # the next one

    def message(self, raw: Any) -> None:
        message = expect(raw, dict, "a message")
        role = message.get("role")
        if role not in ROLES:
            raise ShapeError(f"a message of the role {role!r}")
        before = len(self.transcript.blocks)
        extra_fields = omit(message, "role", "content", "tool_calls", "tool_call_ids", "thinking_blocks")
        if role == "assistant":
            extra_fields = self.action(message, extra_fields)
        elif role == "tool":
            self.results(message)
        else:
            texts, images, others = _content(message.get("content"))
            kind = Kind.SYSTEM if role == "system" else Kind.USER
            self.transcript.add(kind, {"text": "\n".join(texts)} | omit_empty(images=images), role)
            extra_fields |= {"content": message["content"]} if others else {}
        self.transcript.add_extra_fields(before, extra_fields)

    def action(self, message: Mapping[str, Any], extra_fields: dict[str, Any]) -> dict[str, Any]:
        """What the model said and called, with the step of the trajectory that is about it."""
        transcript = self.transcript
        calls = [expect(call, dict, "a call") for call in list_or_empty(message.get("tool_calls"), "tool_calls")]
        texts, _, others = _content(message.get("content"))
        text = "\n".join(texts)
        result = transcript.inference_result(pending=bool(calls))
        for thought in list_or_empty(message.get("thinking_blocks"), "thinking_blocks"):
            one = expect(thought, dict, "a thinking block")
            payload = {"text": optional_text(one.get("thinking"), "thinking") or ""} | omit(one, "thinking", "type")
            transcript.add(Kind.REASONING, payload, result=result)
        if text or not calls:
            transcript.add(Kind.LLM_TEXT, {"text": text}, "assistant", result=result)
        for call in calls:
            function = object_or_empty(call.get("function"), "a function")
            transcript.add_call(call.get("id"), function.get("name"), function.get("arguments"), result=result)
        if step := self._step_of(message):
            extra_fields |= {
                "step": _but(step, action=message.get("action"), thought=message.get("thought"), response=text)
            }
        extra_fields |= {"content": message["content"]} if others else {}
        return omit(extra_fields, "thought") if extra_fields.get("thought") == text else extra_fields

    def results(self, message: Mapping[str, Any]) -> None:
        ids = list_or_empty(message.get("tool_call_ids"), "tool_call_ids") or [message.get("tool_call_id")]
        content = message.get("content")
        for id in ids:
            self.transcript.add_result(id, content)

    def _step_of(self, message: Mapping[str, Any]) -> Mapping[str, Any] | None:
        """The step of this action: the next one that did the same. Demonstrations have none."""
        if self.step < len(self.steps) and not message.get("is_demo"):
            step = self.steps[self.step]
            if message.get("action") is None or str(step.get("action")).strip() == str(message["action"]).strip():
                self.step += 1
                return step
        return None

    def remaining_steps(self) -> None:
        """Steps that the history does not have: the last one often, after which nobody was asked again."""
        for index in range(self.step, len(self.steps)):
            self.transcript.position, self.transcript.index = f"trajectory[{index}]", None
            self.transcript.add_other(self.steps[index])


def _content(content: Any) -> tuple[list[str], list[dict[str, Any]], bool]:
    """Texts and images of a message, and whether there is more."""
    if content is None or isinstance(content, str):
        return [content or ""], [], False
    parts = [expect(part, dict, "a part") for part in expect(content, list, "content")]
    texts = [part["text"] for part in parts if part.get("type") == "text" and isinstance(part.get("text"), str)]
    urls = [part.get("image_url") for part in parts if part.get("type") == "image_url"]
    images = [omit_empty(url=url.get("url"), detail=url.get("detail")) for url in urls if isinstance(url, Mapping)]
    return texts, images, len(parts) > 1 or len(texts) + len(images) != len(parts)


def _but(step: Mapping[str, Any], **known: Any) -> dict[str, Any]:
    """What a step says that its message does not say already."""
    return {name: value for name, value in step.items() if value != known.get(name, _NOWHERE)}


_NOWHERE = object()


IMPORTER = Importer(FORMAT, document_score(is_trajectory), document_reader(FORMAT, read_one))
