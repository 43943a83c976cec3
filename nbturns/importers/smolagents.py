"""Memory of smolagents: the system prompt and the steps of an agent.

A step is a task, a plan, an action or a final answer, without a type: its fields tell which. The observations of an action
are one text for all of its tool calls, so they are the result of its last call. Source: huggingface/smolagents at
e3a5b8994b30, src/smolagents/memory.py, monitoring.py (`TokenUsage`, `Timing`) and models.py (`SystemPromptStep`,
`TaskStep`, `PlanningStep`, `ActionStep`, `FinalAnswerStep`; `AgentMemory.get_full_steps`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..values.inference_results import InferenceResult
from ..values.turns import Kind, Run
from .kit.import_report import Notes
from .kit.importer import SURE, Importer
from .kit.record_fields import (
    expect,
    object_of_document,
    object_or_empty,
    objects,
    omit,
    omit_empty,
    split_document,
    to_float,
    token_usage,
    unexpected,
)
from .kit.record_lists import list_reader
from .kit.sample import Sample
from .kit.transcript import Transcript

FORMAT = "smolagents"
MAX_STEPS = 16  # that a score checks
ACTION_FIELDS = (
    "step_number", "timing", "model_input_messages", "tool_calls", "error", "model_output_message", "model_output",
    "observations", "token_usage",
)  # fmt: skip
PLAN_FIELDS = ("plan", "timing", "model_input_messages", "model_output_message", "token_usage")


def is_step(value: Any) -> bool:
    """Return True for a task, a plan or an action."""
    if not isinstance(value, Mapping):
        return False
    is_action = "step_number" in value and ("observations" in value or "model_output" in value)
    return is_action or ("plan" in value and "model_output_message" in value) or ("task" in value and len(value) <= 2)


def score_smolagents(sample: Sample) -> int:
    """Return SURE for a memory or a list of steps with an action among them."""
    if sample.container != "json":
        return 0
    steps = sample.record.get("steps", sample.value)
    steps = steps if isinstance(steps, list) else []
    has_action = any(isinstance(step, Mapping) and "step_number" in step for step in steps)
    return SURE if steps and has_action and all(map(is_step, steps[:MAX_STEPS])) else 0


def read_memory(document: Any, notes: Notes) -> Run:
    """Return the Run of a memory, or of a list of steps."""
    steps, extra_fields = split_document(document, notes, "steps")
    transcript = Transcript(notes)
    prompt = object_of_document(extra_fields.get("system_prompt"), "system_prompt", notes)
    if isinstance(prompt_text := prompt.get("system_prompt"), str) and prompt_text:
        del extra_fields["system_prompt"]
        transcript.begin_record("system_prompt")
        transcript.add_block(Kind.SYSTEM, {"text": prompt_text}, "system")
    transcript.read_records("steps", steps, _StepReader(transcript).read_step)
    return transcript.to_run(extra_fields=extra_fields)


class _StepReader:
    """Adds the blocks of each step to a transcript."""

    def __init__(self, transcript: Transcript) -> None:
        self.transcript = transcript

    def read_step(self, record: Any) -> None:
        step = expect(record, dict, "")
        if "system_prompt" in step:
            self.transcript.add_block(
                Kind.SYSTEM, {"text": expect(step["system_prompt"], str, "system_prompt")}, "system"
            )
        elif "task" in step:
            text = expect(step["task"], str, "task")
            self.transcript.add_block(Kind.USER, {"text": text}, "user", extra_fields=omit(step, "task"))
        elif "plan" in step:
            text = expect(step["plan"], str, "plan")
            result, extra_fields = self.inference_result(step, pending=False), omit(step, *PLAN_FIELDS)
            time = object_or_empty(step.get("timing"), "timing").get("start_time")
            self.transcript.add_block(
                Kind.LLM_TEXT, {"text": text}, "assistant", result=result, extra_fields=extra_fields, time=time
            )
        elif "step_number" in step:
            self.read_action(step)
        else:
            raise unexpected("step", next(iter(step), None))

    def read_action(self, step: dict[str, Any]) -> None:
        transcript, first_block = self.transcript, len(self.transcript.blocks)
        tool_calls = objects(step.get("tool_calls"), "tool_calls")
        result = self.inference_result(step, pending=bool(tool_calls))
        text = step.get("model_output")
        if isinstance(text, str) and text:
            transcript.add_block(Kind.LLM_TEXT, {"text": text}, "assistant", result=result)
        elif not tool_calls and text is not None:
            transcript.add_other({"model_output": text}, result=result)
        call_ids = [self.add_call(tool_call, result) for tool_call in tool_calls]
        self.add_observations(step, call_ids)
        if len(transcript.blocks) == first_block:
            transcript.add_other(step, result=result)
            return
        transcript.set_times(first_block, object_or_empty(step.get("timing"), "timing").get("start_time"))
        transcript.add_extra_fields(first_block, omit(step, *ACTION_FIELDS, *(("action_output",) if call_ids else ())))

    def add_call(self, tool_call: dict[str, Any], result: InferenceResult) -> str:
        function = object_or_empty(tool_call.get("function"), "function")
        arguments = function.get("arguments")
        if not isinstance(arguments, Mapping):
            arguments = {} if arguments is None else {"arguments": arguments}  # code of a CodeAgent is a text
        return self.transcript.add_call(tool_call.get("id"), function.get("name"), arguments, result=result)

    def add_observations(self, step: dict[str, Any], call_ids: list[str]) -> None:
        observations, error = step.get("observations"), step.get("error")
        error_text = error.get("message", error) if isinstance(error, Mapping) else error
        if not call_ids:
            if observations is not None or error is not None:
                self.transcript.add_other(omit_empty(observations=observations, error=error))
            return
        if len(call_ids) > 1:
            self.transcript.guess(f"the observations of {len(call_ids)} tool calls are one text; the last call gets it")
        for call_id in call_ids[:-1]:
            self.transcript.add_result(call_id, None)
        value = observations if observations is not None else step.get("action_output")
        self.transcript.add_result(call_ids[-1], value, error_text or "")

    def inference_result(self, step: Mapping[str, Any], *, pending: bool) -> InferenceResult:
        token_counts = object_or_empty(step.get("token_usage"), "token_usage")
        message = object_or_empty(step.get("model_output_message"), "model_output_message")
        token_counts = token_counts or object_or_empty(message.get("token_usage"), "token_usage")
        duration = to_float(object_or_empty(step.get("timing"), "timing").get("duration"))
        return self.transcript.inference_result(
            pending=pending,
            usage=token_usage(token_counts.get("input_tokens"), token_counts.get("output_tokens"))
            if token_counts
            else None,
            extra=omit_empty(
                timing=step.get("timing"),
                model_input_messages=step.get("model_input_messages"),
                model_output_message=omit(message, "content", "tool_calls"),
            ),
            duration_ms=None if duration is None else round(duration * 1000),
        )


IMPORTER = Importer(FORMAT, score_smolagents, list_reader(FORMAT, is_step, read_memory))
