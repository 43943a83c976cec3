"""ATIF, the Agent Trajectory Interchange Format of Harbor (versions 1.0 to 1.7).

A trajectory has steps of a system, a user or an agent. An agent's step is one model call: what it thought
and said, its calls, the observations that answer them, and its metrics (`prompt_tokens` counts the cache).
An observation that names no call answers an action that was no call: it is a `tool_use` without an id.
Source: Harbor's RFC 0001 "Agent Trajectory Format".
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..results import InferenceResult
from ..turns import Kind, Run
from .importer import Importer, document_reader
from .listed import document_score
from .record_fields import (
    ShapeError,
    expect,
    list_or_empty,
    object_or_empty,
    omit,
    omit_empty,
    optional_text,
    to_number,
    token_usage,
)
from .report import Notes
from .transcript import Transcript

FORMAT = "atif"
METRICS = ("prompt_tokens", "completion_tokens", "cached_tokens", "cost_usd")


def is_trajectory(value: Any) -> bool:
    """Whether this is a trajectory in ATIF."""
    if not isinstance(value, Mapping):
        return False
    return str(value.get("schema_version")).upper().startswith("ATIF") and "steps" in value


def read_one(value: Any, notes: Notes) -> Run:
    """One trajectory as a Run: a Turn per step of the user's that something followed."""
    if not isinstance(value, Mapping) or not isinstance(value.get("steps"), (list, tuple)):
        raise notes.load_error("", "a trajectory in ATIF has a list of steps")
    agent = value.get("agent")
    model = agent.get("model_name") if isinstance(agent, Mapping) else ""
    reader = _Reader(Transcript(notes), model if isinstance(model, str) else "")
    reader.transcript.read_records("steps", value["steps"], reader.step)
    id = value.get("trajectory_id") or value.get("session_id")
    name = agent.get("name") if isinstance(agent, Mapping) else ""
    return reader.transcript.to_run(
        id=id if isinstance(id, str) else "",
        name=name if isinstance(name, str) else "",
        extra_fields=omit(value, "steps"),
    )


class _Reader:
    def __init__(self, transcript: Transcript, model: str) -> None:
        self.transcript = transcript
        self.model = model

    def step(self, raw: Any) -> None:
        step = expect(raw, dict, "a step")
        source = step.get("source")
        if source not in ("system", "user", "agent"):
            raise ShapeError(f"a step of the source {source!r}")
        transcript, before, time = self.transcript, len(self.transcript.blocks), step.get("timestamp")
        texts, images, extra_fields = _content(step.get("message"))
        payload = {"text": "\n".join(texts)} | omit_empty(images=images)
        if source == "agent":
            self.agent(step, payload, time)
        else:
            transcript.add(Kind.SYSTEM if source == "system" else Kind.USER, payload, source, time=time)
        self.observed(step, time)
        taken = ("source", "message", "timestamp", "observation") + (
            ("reasoning_content", "tool_calls", "metrics", "model_name") if source == "agent" else ()
        )
        transcript.add_extra_fields(before, omit(step, *taken) | extra_fields)

    def agent(self, step: Mapping[str, Any], payload: dict[str, Any], time: Any) -> None:
        transcript = self.transcript
        calls = [expect(call, dict, "a call") for call in list_or_empty(step.get("tool_calls"), "tool_calls")]
        result = self.result(step, bool(calls))
        thought = optional_text(step.get("reasoning_content"), "reasoning_content")
        if thought:
            transcript.add(Kind.REASONING, {"text": thought}, result=result, time=time)
        if payload != {"text": ""} or not (thought or calls):
            transcript.add(Kind.LLM_TEXT, payload, "assistant", result=result, time=time)
        for call in calls:
            extra_fields = omit(call, "tool_call_id", "function_name", "arguments")
            transcript.add_call(
                call.get("tool_call_id"),
                call.get("function_name"),
                call.get("arguments"),
                result=result,
                time=time,
                extra_fields=extra_fields,
            )

    def observed(self, step: Mapping[str, Any], time: Any) -> None:
        observation = object_or_empty(step.get("observation"), "observation")
        calls = list_or_empty(step.get("tool_calls"), "tool_calls")
        for one in list_or_empty(observation.get("results"), "results"):
            answer = expect(one, dict, "a result")
            id = answer.get("source_call_id")
            if id is None and len(calls) == 1:
                id = calls[0].get("tool_call_id")
                self.transcript.guess(f"an observation that names no call; taken for that of the only call, {id!r}")
            extra_fields = omit(answer, "source_call_id", "content")
            self.transcript.add_result(id, answer.get("content"), time=time, extra_fields=extra_fields)
        if more := omit(observation, "results"):
            self.transcript.add_other({"observation": more})

    def result(self, step: Mapping[str, Any], pending: bool) -> InferenceResult:
        metrics = object_or_empty(step.get("metrics"), "metrics")
        more = object_or_empty(metrics.get("extra"), "extra")
        copied = bool(step.get("is_copied_context"))  # its tokens were counted where it was first
        cost = None if copied else to_number(metrics.get("cost_usd"))
        counts = {} if copied else metrics
        return self.transcript.inference_result(
            model=step.get("model_name") or self.model,
            stop_reason=more.get("stop_reason") or more.get("finish_reason"),
            pending=pending,
            cost=None if cost is None else float(cost),
            usage=token_usage(
                counts.get("prompt_tokens"),
                counts.get("completion_tokens"),
                cached=counts.get("cached_tokens"),
                written=more.get("cache_creation_input_tokens"),
                reasoning=more.get("reasoning_tokens"),
            ),
            extra=metrics if copied else omit(metrics, *METRICS),
        )


def _content(content: Any) -> tuple[list[str], list[dict[str, Any]], dict[str, Any]]:
    """Texts and images of a message, and the message itself where they are not all of it."""
    if content is None or isinstance(content, str):
        return [content or ""], [], {}
    parts = [expect(part, dict, "a part") for part in expect(content, list, "message")]
    texts = [part["text"] for part in parts if part.get("type") == "text" and isinstance(part.get("text"), str)]
    sources = [part.get("source") for part in parts if part.get("type") == "image"]
    images = [
        omit_empty(file_uri=source.get("path"), media_type=source.get("media_type"))
        for source in sources
        if isinstance(source, Mapping)
    ]
    whole = len(parts) < 2 and len(texts) + len(images) == len(parts)
    return texts, images, {} if whole else {"message": content}


IMPORTER = Importer(FORMAT, document_score(is_trajectory), document_reader(FORMAT, read_one))
