"""ATIF, the Agent Trajectory Interchange Format of Harbor (versions 1.0 to 1.7).

A trajectory has steps of a system, a user or an agent. A step of an agent is one model call: its reasoning
and text, its tool calls, the observations with their results, and its metrics (`prompt_tokens` includes the
cache). An observation without the id of a call belongs to an action that was no tool call: it is a
`tool_use` without an id. Source: Harbor's RFC 0001 "Agent Trajectory Format".
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..values.inference_results import InferenceResult
from ..values.turns import Kind, Run
from .kit.faults import no_result_id
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
    split_document,
    text_or_empty,
    to_float,
    token_usage,
    unexpected,
)
from .kit.record_lists import document_score
from .kit.transcript import Transcript

FORMAT = "atif"
METRICS = ("prompt_tokens", "completion_tokens", "cached_tokens", "cost_usd")
STEP_FIELDS = ("source", "message", "timestamp", "observation")
AGENT_FIELDS = ("reasoning_content", "tool_calls", "metrics", "model_name")
CALL_FIELDS = ("tool_call_id", "function_name", "arguments")


def is_trajectory(value: Any) -> bool:
    """Return True for a trajectory in ATIF."""
    if not isinstance(value, Mapping):
        return False
    return str(value.get("schema_version")).upper().startswith("ATIF") and "steps" in value


def read_one(value: Any, notes: Notes) -> Run:
    """Return the Run of one trajectory: a Turn for each step of the user."""
    steps, extra_fields = split_document(value, notes, "steps")
    agent = extra_fields.get("agent")
    agent = agent if isinstance(agent, Mapping) else {}
    transcript = Transcript(notes)
    reader = _StepReader(transcript, text_or_empty(agent.get("model_name")))
    transcript.read_records("steps", steps, reader.read_step)
    id = extra_fields.get("trajectory_id") or extra_fields.get("session_id")
    name = text_or_empty(agent.get("name"))
    return transcript.to_run(id=text_or_empty(id), name=name, extra_fields=extra_fields)


class _StepReader:
    def __init__(self, transcript: Transcript, model: str) -> None:
        self.transcript = transcript
        self.model = model

    def read_step(self, record: Any) -> None:
        step = expect(record, dict, "")
        source = step.get("source")
        if source not in ("system", "user", "agent"):
            raise unexpected("source", source)
        transcript, first_block, time = self.transcript, len(self.transcript.blocks), step.get("timestamp")
        texts, images, content = _content(step.get("message"))
        payload = {"text": "\n".join(texts)} | omit_empty(images=images)
        if source == "agent":
            self.add_reply(step, payload, time)
        else:
            transcript.add(Kind.SYSTEM if source == "system" else Kind.USER, payload, source, time=time)
        self.add_observations(step, time)
        known_fields = (*STEP_FIELDS, *AGENT_FIELDS) if source == "agent" else STEP_FIELDS
        transcript.add_extra_fields(first_block, omit(step, *known_fields) | content)

    def add_reply(self, step: Mapping[str, Any], payload: dict[str, Any], time: Any) -> None:
        transcript = self.transcript
        calls = objects(step.get("tool_calls"), "tool_calls")
        result = self.inference_result(step, bool(calls))
        reasoning = optional_text(step.get("reasoning_content"), "reasoning_content")
        if reasoning:
            transcript.add(Kind.REASONING, {"text": reasoning}, result=result, time=time)
        if payload != {"text": ""} or not (reasoning or calls):
            transcript.add(Kind.LLM_TEXT, payload, "assistant", result=result, time=time)
        for call in calls:
            id, name, arguments = (call.get(field) for field in CALL_FIELDS)
            extra_fields = omit(call, *CALL_FIELDS)
            transcript.add_call(id, name, arguments, result=result, time=time, extra_fields=extra_fields)

    def add_observations(self, step: Mapping[str, Any], time: Any) -> None:
        observation = object_or_empty(step.get("observation"), "observation")
        calls = list_or_empty(step.get("tool_calls"), "tool_calls")
        for result in objects(observation.get("results"), "results"):
            call_id = result.get("source_call_id")
            if call_id is None and len(calls) == 1:
                call_id = calls[0].get("tool_call_id")
                self.transcript.guess(no_result_id(call_id))
            extra_fields = omit(result, "source_call_id", "content")
            self.transcript.add_result(call_id, result.get("content"), time=time, extra_fields=extra_fields)
        if extra_fields := omit(observation, "results"):
            self.transcript.add_other({"observation": extra_fields})

    def inference_result(self, step: Mapping[str, Any], pending: bool) -> InferenceResult:
        metrics = object_or_empty(step.get("metrics"), "metrics")
        extra = object_or_empty(metrics.get("extra"), "extra")
        is_copy = bool(step.get("is_copied_context"))  # its tokens are counted in the step that it copies
        counts = {} if is_copy else metrics
        return self.transcript.inference_result(
            model=step.get("model_name") or self.model,
            stop_reason=extra.get("stop_reason") or extra.get("finish_reason"),
            pending=pending,
            cost=to_float(counts.get("cost_usd")),
            usage=token_usage(
                counts.get("prompt_tokens"),
                counts.get("completion_tokens"),
                cached=counts.get("cached_tokens"),
                written=extra.get("cache_creation_input_tokens"),
                reasoning=extra.get("reasoning_tokens"),
            ),
            extra=metrics if is_copy else omit(metrics, *METRICS),
        )


def _content(content: Any) -> tuple[list[str], list[dict[str, Any]], dict[str, Any]]:
    """Return texts and images of a message, and the message itself where they are not all of it."""
    if content is None or isinstance(content, str):
        return [content or ""], [], {}
    parts = objects(expect(content, list, "message"), "message")
    texts = [part["text"] for part in parts if part.get("type") == "text" and isinstance(part.get("text"), str)]
    sources = [part.get("source") for part in parts if part.get("type") == "image"]
    images = [
        omit_empty(file_uri=source.get("path"), media_type=source.get("media_type"))
        for source in sources
        if isinstance(source, Mapping)
    ]
    is_whole = len(parts) < 2 and len(texts) + len(images) == len(parts)
    return texts, images, {} if is_whole else {"message": content}


IMPORTER = Importer(FORMAT, document_score(is_trajectory), document_reader(FORMAT, read_one))
