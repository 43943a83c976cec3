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
from . import Importer, Notes, each_record
from .listed import of_document
from .transcript import (
    Misfit,
    Transcript,
    expected,
    list_or_none,
    number,
    object_or_none,
    text_or_none,
    told,
    usage,
    without,
)

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
        raise notes.refusal("", "a trajectory in ATIF has a list of steps")
    agent = value.get("agent")
    model = agent.get("model_name") if isinstance(agent, Mapping) else ""
    reader = _Reader(Transcript(notes), model if isinstance(model, str) else "")
    reader.said.records("steps", value["steps"], reader.step)
    id = value.get("trajectory_id") or value.get("session_id")
    name = agent.get("name") if isinstance(agent, Mapping) else ""
    return reader.said.run(
        id=id if isinstance(id, str) else "", name=name if isinstance(name, str) else "", beside=without(value, "steps")
    )


class _Reader:
    def __init__(self, said: Transcript, model: str) -> None:
        self.said = said
        self.model = model

    def step(self, raw: Any) -> None:
        step = expected(raw, dict, "a step")
        source = step.get("source")
        if source not in ("system", "user", "agent"):
            raise Misfit(f"a step of the source {source!r}")
        said, before, at = self.said, len(self.said.blocks), step.get("timestamp")
        texts, images, rest = _content(step.get("message"))
        payload = {"text": "\n".join(texts)} | told(images=images)
        if source == "agent":
            self.agent(step, payload, at)
        else:
            said.add(Kind.SYSTEM if source == "system" else Kind.USER, payload, source, at=at)
        self.observed(step, at)
        taken = ("source", "message", "timestamp", "observation") + (
            ("reasoning_content", "tool_calls", "metrics", "model_name") if source == "agent" else ()
        )
        said.put_beside(before, without(step, *taken) | rest)

    def agent(self, step: Mapping[str, Any], payload: dict[str, Any], at: Any) -> None:
        said = self.said
        calls = [expected(call, dict, "a call") for call in list_or_none(step.get("tool_calls"), "tool_calls")]
        result = self.result(step, bool(calls))
        thought = text_or_none(step.get("reasoning_content"), "reasoning_content")
        if thought:
            said.add(Kind.REASONING, {"text": thought}, result=result, at=at)
        if payload != {"text": ""} or not (thought or calls):
            said.add(Kind.LLM_TEXT, payload, "assistant", result=result, at=at)
        for call in calls:
            rest = without(call, "tool_call_id", "function_name", "arguments")
            said.call(
                call.get("tool_call_id"),
                call.get("function_name"),
                call.get("arguments"),
                result=result,
                at=at,
                beside=rest,
            )

    def observed(self, step: Mapping[str, Any], at: Any) -> None:
        observation = object_or_none(step.get("observation"), "observation")
        calls = list_or_none(step.get("tool_calls"), "tool_calls")
        for one in list_or_none(observation.get("results"), "results"):
            answer = expected(one, dict, "a result")
            id = answer.get("source_call_id")
            if id is None and len(calls) == 1:
                id = calls[0].get("tool_call_id")
                self.said.guess(f"an observation that names no call; taken for that of the only call, {id!r}")
            rest = without(answer, "source_call_id", "content")
            self.said.answer(id, answer.get("content"), at=at, beside=rest)
        if more := without(observation, "results"):
            self.said.other({"observation": more})

    def result(self, step: Mapping[str, Any], pending: bool) -> InferenceResult:
        metrics = object_or_none(step.get("metrics"), "metrics")
        more = object_or_none(metrics.get("extra"), "extra")
        copied = bool(step.get("is_copied_context"))  # its tokens were counted where it was first
        cost = None if copied else number(metrics.get("cost_usd"))
        counts = {} if copied else metrics
        return self.said.called(
            model=step.get("model_name") or self.model,
            stop_reason=more.get("stop_reason") or more.get("finish_reason"),
            pending=pending,
            cost=None if cost is None else float(cost),
            usage=usage(
                counts.get("prompt_tokens"),
                counts.get("completion_tokens"),
                cached=counts.get("cached_tokens"),
                written=more.get("cache_creation_input_tokens"),
                reasoning=more.get("reasoning_tokens"),
            ),
            extra=metrics if copied else without(metrics, *METRICS),
        )


def _content(content: Any) -> tuple[list[str], list[dict[str, Any]], dict[str, Any]]:
    """Texts and images of a message, and the message itself where they are not all of it."""
    if content is None or isinstance(content, str):
        return [content or ""], [], {}
    parts = [expected(part, dict, "a part") for part in expected(content, list, "message")]
    texts = [part["text"] for part in parts if part.get("type") == "text" and isinstance(part.get("text"), str)]
    sources = [part.get("source") for part in parts if part.get("type") == "image"]
    images = [
        told(file_uri=source.get("path"), media_type=source.get("media_type"))
        for source in sources
        if isinstance(source, Mapping)
    ]
    whole = len(parts) < 2 and len(texts) + len(images) == len(parts)
    return texts, images, {} if whole else {"message": content}


IMPORTER = Importer(FORMAT, of_document(is_trajectory), each_record(FORMAT, read_one))
