"""The steps of a Kimi session: each is a model call, its tools and their results, which are recorded one by one.

Source: MoonshotAI/kimi-cli at 4a550effdfcb, src/kimi_cli/wire/types.py (`ContentPart`, `ToolCall`, `ToolResult`,
`StatusUpdate`), packages/kosong/src/kosong/chat_provider/__init__.py (`TokenUsage`: `input_other` without the cache,
`output`, `input_cache_read`, `input_cache_creation`), tooling/__init__.py (`ToolReturnValue`: `is_error`, `output`, `message`);
MoonshotAI/kimi-code at 261a1e17eb75, packages/agent-core/src/loop/events.ts (the same in camel case, `finishReason`,
`llmFirstTokenLatencyMs`, `llmStreamDurationMs`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ..values.inference_results import InferenceResult, Usage
from ..values.turns import Kind
from .kit.content_parts import add_parts, content_parts, plain_result
from .kit.record_fields import (
    expect,
    object_or_empty,
    omit,
    omit_empty,
    optional_text,
    text_or_empty,
    to_number,
    token_usage,
)
from .kit.transcript import Transcript

COUNT_NAMES = ("input_other", "output", "input_cache_read", "input_cache_creation")
CAMEL_NAMES = ("inputOther", "output", "inputCacheRead", "inputCacheCreation")


def usage_of(counts: Mapping[str, Any]) -> Usage | None:
    """Return the tokens of a call, the cache in the input."""
    names = CAMEL_NAMES if "inputOther" in counts else COUNT_NAMES
    other, output, cache_read, cache_write = (to_number(counts.get(name)) for name in names)
    if other is not None:
        other += (cache_read or 0) + (cache_write or 0)
    return token_usage(other, output, cache_read_tokens=cache_read, cache_write_tokens=cache_write)


@dataclass(slots=True)
class Step:
    """The records of a step so far."""

    id: str = ""
    time: Any = None
    position: str = ""
    parts: list[dict[str, Any]] = field(default_factory=list)
    results: list[tuple[Mapping[str, Any], Any]] = field(default_factory=list)  # with their times
    counts: Mapping[str, Any] = field(default_factory=dict)
    model: str = ""
    stop_reason: str = ""
    fields: dict[str, Any] = field(default_factory=dict)

    def add_part(self, part: Mapping[str, Any]) -> None:
        """Add a part of the reply; a text goes on with the text before it. Raises ShapeError for a part of another shape."""
        for name in ("think", "id", "name"):
            optional_text(part.get(name), name)
        if part.get("type") == "text":
            expect(part.get("text"), str, "text")
        last_part = self.parts[-1] if self.parts else {}
        for kind, name in (("text", "text"), ("think", "think")):
            if part.get("type") == last_part.get("type") == kind and not last_part.get("encrypted"):
                last_part[name] = text_or_empty(last_part.get(name)) + text_or_empty(part.get(name))
                last_part |= omit_empty(encrypted=part.get("encrypted"))
                return
        self.parts.append(dict(part))

    def add_result(self, value: Mapping[str, Any], time: Any) -> None:
        """Add the result of a tool. Raises ShapeError for a result of another shape."""
        optional_text(value.get("tool_call_id", value.get("toolCallId")), "tool call id")
        object_or_empty(value.get("return_value", value.get("result")), "return_value")
        self.results.append((value, time))

    def add_arguments(self, text: Any) -> None:
        """Add more of the arguments of the last tool call."""
        calls = [part for part in self.parts if part.get("type") == "tool_use"]
        if calls:
            calls[-1]["input"] = text_or_empty(calls[-1].get("input")) + text_or_empty(text)


class StepReader:
    """Adds the blocks of steps and prompts, and knows which messages the model sees."""

    def __init__(self, transcript: Transcript, thread: str = "") -> None:
        self.transcript = transcript
        self.thread = thread  # a prefix of the ids of its calls
        self.model = ""
        self.step: Step | None = None
        self.step_count: int = 0
        self.history: list[tuple[int, int, str]] = []  # the blocks and the role of each message that the model sees
        self.last_prompt: str = ""
        self.calls_without_blocks: list[InferenceResult] = []

    def open_step(self, position: str, time: Any) -> Step:
        """Return the step that is being recorded, or a new one."""
        if self.step is None:
            self.step_count += 1
            self.step = Step(f"{self.thread}step-{self.step_count}", time, position)
        return self.step

    def begin_step(self, position: str, time: Any) -> None:
        self.end_step()
        self.open_step(position, time)

    def end_step(self) -> None:
        """Add the blocks of the step that was recorded: the reply, then the results of its tools."""
        step, transcript, self.step = self.step, self.transcript, None
        if step is None:
            return
        self.last_prompt = ""
        result = self.result_of(step)
        if not step.parts and not step.results and not step.counts:
            return  # it was interrupted before the model answered
        transcript.begin_record(step.position)
        first_block = len(transcript.blocks)
        add_parts(transcript, "assistant", step.parts, result)
        transcript.set_times(first_block, step.time)
        transcript.add_extra_fields(first_block, step.fields)
        self.history.append((first_block, len(transcript.blocks), "assistant"))
        for value, time in step.results:
            self.add_result(value, time)

    def result_of(self, step: Step) -> InferenceResult:
        fields = step.fields
        first_token, stream = (
            to_number(fields.get(f"llm{name}Ms")) for name in ("FirstTokenLatency", "StreamDuration")
        )
        return self.transcript.inference_result(
            id=step.id,
            model=step.model or self.model or None,
            stop_reason=step.stop_reason,
            pending=any(part.get("type") == "tool_use" for part in step.parts),
            usage=usage_of(step.counts),
            duration_ms=None if first_token is None or stream is None else int(first_token + stream),
            time_to_first_token_ms=None if first_token is None else int(first_token),
            extra={"usage": step.counts},
        )

    def add_result(self, value: Mapping[str, Any], time: Any) -> None:
        """Add the result of a tool: an error has a message or the output as its text."""
        call_id = value.get("tool_call_id", value.get("toolCallId"))
        returned = object_or_empty(value.get("return_value", value.get("result")), "return_value")
        output, message = plain_result(returned.get("output")), text_or_empty(returned.get("message"))
        has_failed = returned.get("is_error") is True or returned.get("isError") is True
        error = (message or (output if isinstance(output, str) else "") or "error") if has_failed else ""
        output = message if output in (None, "", []) and not has_failed else output
        first_block = len(self.transcript.blocks)
        extra_fields = omit(
            returned, "output", "is_error", "isError", *(("message",) if has_failed or output == message else ())
        )
        known_names = ("tool_call_id", "toolCallId", "return_value", "result", "type", "uuid", "parentUuid")
        extra_fields |= omit(value, *known_names)
        kept_output = None if output in ("", [], error) else output
        self.transcript.add_result(call_id, kept_output, error, time=time, extra_fields=extra_fields)
        self.history.append((first_block, len(self.transcript.blocks), "tool"))

    def add_prompt(
        self, position: str, content: Any, time: Any, extra_fields: Mapping[str, Any], role: str = "user"
    ) -> bool:
        """Add a prompt and return True; a message that repeats the last one is its copy in the context."""
        self.end_step()
        parts = content_parts(content)
        text = "\n".join(text_or_empty(part.get("text")) for part in parts)
        if text and text == self.last_prompt:
            self.last_prompt = ""
            return False
        self.last_prompt = text
        transcript, first_block = self.transcript, len(self.transcript.blocks)
        transcript.begin_record(position)
        add_parts(transcript, role, parts)
        transcript.set_times(first_block, time)
        transcript.add_extra_fields(first_block, extra_fields)
        self.history.append((first_block, len(transcript.blocks), role))
        return True

    def begin_context(self, carried_messages: list[tuple[int, int, str]]) -> None:
        """Begin a context with earlier messages, each a range of blocks and its role."""
        self.end_step()
        if self.transcript.blocks:
            self.transcript.start_context()
        for start, end, _ in carried_messages:
            self.transcript.carry_blocks(start, end)
        self.history = list(carried_messages)

    def compact(self, position: str, summary: str, kept_from: Any, time: Any, extra_fields: Mapping[str, Any]) -> None:
        """Begin a context with a summary, and the messages from the index `kept_from` on."""
        self.end_step()
        carried_messages = self.history[kept_from:] if type(kept_from) is int and kept_from >= 0 else []
        if self.transcript.blocks:
            self.transcript.start_context()
        first_block = len(self.transcript.blocks)
        if summary:
            self.transcript.begin_record(position)
            self.transcript.add_block(Kind.USER, {"text": summary}, "user", time=time, extra_fields=extra_fields)
        for start, end, _ in carried_messages:
            self.transcript.carry_blocks(start, end)
        self.history = [(first_block, len(self.transcript.blocks), "user"), *carried_messages]

    def undo(self, count: Any) -> None:
        """Take back the last prompts and what followed them."""
        self.end_step()
        prompts = [index for index, (_, _, role) in enumerate(self.history) if role == "user"]
        if type(count) is int and 0 < count <= len(prompts):
            self.begin_context(self.history[: prompts[-count]])
