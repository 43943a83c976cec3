"""ATIF, the Agent Trajectory Interchange Format of Harbor (versions 1.0 to 1.7).

A trajectory has steps of a system, a user or an agent. A step of an agent is one model call: its reasoning
and text, its tool calls, the observations with their results, and its metrics (`prompt_tokens` includes the
cache). An observation without the id of a call belongs to an action that was not a tool call: it is a
`tool_use` without an id. Source: Harbor 0.26.0,
harbor/models/trajectories (`Trajectory`, `Step`, `Observation`, `ObservationResult`, `Metrics`, `SubagentTrajectoryRef`:
all fields read, and the versions that added them); names of counts in `metrics.extra` are those of agents.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from ..values.inference_results import InferenceResult
from ..values.provenance import BRANCH_OF, PARENT_RUN
from ..values.turns import Kind, Run
from .kit.faults import no_result_id
from .kit.import_report import Notes, join_positions
from .kit.importer import Importer, try_read
from .kit.links import link_runs, mark_children
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
    to_number,
    token_usage,
    unexpected,
)
from .kit.record_lists import document_score
from .kit.source import Source
from .kit.transcript import Transcript

FORMAT = "atif"
MAX_DEPTH = 40  # subagents of subagents
METRICS = ("prompt_tokens", "completion_tokens", "cached_tokens", "cost_usd")
STEP_FIELDS = ("source", "message", "timestamp", "observation")
AGENT_FIELDS = ("reasoning_content", "tool_calls", "metrics", "model_name")
CALL_FIELDS = ("tool_call_id", "function_name", "arguments")


def is_trajectory(value: Any) -> bool:
    """Return True for a trajectory in ATIF."""
    if not isinstance(value, Mapping):
        return False
    return str(value.get("schema_version")).upper().startswith("ATIF") and "steps" in value


def read_trajectory(trajectory: Any, notes: Notes) -> Run:
    """Return the Run of one trajectory: a Turn for each step of the user."""
    steps, extra_fields = split_document(trajectory, notes, "steps")
    agent_fields = extra_fields.get("agent")
    agent_fields = agent_fields if isinstance(agent_fields, Mapping) else {}
    transcript = Transcript(notes)
    reader = _StepReader(transcript, text_or_empty(agent_fields.get("model_name")))
    transcript.read_records("steps", steps, reader.read_step)
    mark_children(transcript.blocks, reader.children)
    trajectory_id = extra_fields.get("trajectory_id") or extra_fields.get("session_id")
    agent_name = text_or_empty(agent_fields.get("name"))
    return transcript.to_run(id=text_or_empty(trajectory_id), name=agent_name, extra_fields=extra_fields)


class _StepReader:
    def __init__(self, transcript: Transcript, model: str) -> None:
        self.transcript = transcript
        self.model = model
        self.children: dict[str, str] = {}  # the trajectory that a tool call started, by the id of the call

    def read_step(self, record: Any) -> None:
        step = expect(record, dict, "")
        step_source = step.get("source")
        if step_source not in ("system", "user", "agent"):
            raise unexpected("source", step_source)
        transcript, first_block, timestamp = self.transcript, len(self.transcript.blocks), step.get("timestamp")
        text_parts, images, content = _split_content(step.get("message"))
        payload = {"text": "\n".join(text_parts)} | omit_empty(images=images)
        if step_source == "agent":
            self.add_reply(step, payload, timestamp)
        else:
            transcript.add_block(
                Kind.SYSTEM if step_source == "system" else Kind.USER, payload, step_source, time=timestamp
            )
        self.add_observations(step, timestamp)
        known_fields = (*STEP_FIELDS, *AGENT_FIELDS) if step_source == "agent" else STEP_FIELDS
        transcript.add_extra_fields(first_block, omit(step, *known_fields) | content)

    def add_reply(self, step: Mapping[str, Any], payload: dict[str, Any], timestamp: Any) -> None:
        transcript = self.transcript
        tool_calls = objects(step.get("tool_calls"), "tool_calls")
        inference_result = self.step_result(step, bool(tool_calls))
        reasoning = optional_text(step.get("reasoning_content"), "reasoning_content")
        if reasoning:
            transcript.add_block(Kind.REASONING, {"text": reasoning}, result=inference_result, time=timestamp)
        if payload != {"text": ""} or not (reasoning or tool_calls):
            transcript.add_block(Kind.LLM_TEXT, payload, "assistant", result=inference_result, time=timestamp)
        for tool_call in tool_calls:
            call_id, tool_name, arguments = (tool_call.get(field_name) for field_name in CALL_FIELDS)
            extra_fields = omit(tool_call, *CALL_FIELDS)
            transcript.add_call(
                call_id, tool_name, arguments, result=inference_result, time=timestamp, extra_fields=extra_fields
            )

    def add_observations(self, step: Mapping[str, Any], timestamp: Any) -> None:
        observation = object_or_empty(step.get("observation"), "observation")
        tool_calls = list_or_empty(step.get("tool_calls"), "tool_calls")
        for tool_result in objects(observation.get("results"), "results"):
            call_id = tool_result.get("source_call_id")
            if call_id is None and len(tool_calls) == 1:
                call_id = tool_calls[0].get("tool_call_id")
                self.transcript.guess(no_result_id(call_id))
            if isinstance(call_id, str) and (child_id := _subagent_id(tool_result)):
                self.children.setdefault(call_id, child_id)
            extra_fields = omit(tool_result, "source_call_id", "content")
            self.transcript.add_result(call_id, tool_result.get("content"), time=timestamp, extra_fields=extra_fields)
        if extra_fields := omit(observation, "results"):
            self.transcript.add_other({"observation": extra_fields})

    def step_result(self, step: Mapping[str, Any], pending: bool) -> InferenceResult | None:
        """Return the result of the model call of a step; None for a step that says it made none."""
        if to_number(step.get("llm_call_count")) == 0:
            return None
        metrics = object_or_empty(step.get("metrics"), "metrics")
        extra_metrics = object_or_empty(metrics.get("extra"), "extra")
        is_copy = bool(step.get("is_copied_context"))  # its tokens are counted in the step that it copies
        token_counts = {} if is_copy else metrics
        return self.transcript.inference_result(
            model=step.get("model_name") or self.model,
            stop_reason=extra_metrics.get("stop_reason") or extra_metrics.get("finish_reason"),
            pending=pending,
            cost=to_float(token_counts.get("cost_usd")),
            usage=token_usage(
                token_counts.get("prompt_tokens"),
                token_counts.get("completion_tokens"),
                cache_read_tokens=token_counts.get("cached_tokens"),
                cache_write_tokens=extra_metrics.get("cache_creation_input_tokens"),
                reasoning_tokens=extra_metrics.get("reasoning_tokens"),
            ),
            extra=metrics if is_copy else omit(metrics, *METRICS),
        )


def _subagent_id(tool_result: Mapping[str, Any]) -> str:
    """Return the id of the trajectory that a result refers to; "" without one."""
    references = tool_result.get("subagent_trajectory_ref")
    reference = references[0] if isinstance(references, list) and references else references
    if not isinstance(reference, Mapping):
        return ""
    return text_or_empty(reference.get("trajectory_id")) or text_or_empty(reference.get("session_id"))


def _split_content(content: Any) -> tuple[list[str], list[dict[str, Any]], dict[str, Any]]:
    """Return texts and images of a message, and the message itself where they are not all of it."""
    if content is None or isinstance(content, str):
        return [content or ""], [], {}
    content_parts = objects(expect(content, list, "message"), "message")
    text_parts = [
        content_part["text"]
        for content_part in content_parts
        if content_part.get("type") == "text" and isinstance(content_part.get("text"), str)
    ]
    image_sources = [
        content_part.get("source") for content_part in content_parts if content_part.get("type") == "image"
    ]
    images = [
        omit_empty(file_uri=image_source.get("path"), media_type=image_source.get("media_type"))
        for image_source in image_sources
        if isinstance(image_source, Mapping)
    ]
    is_whole = len(content_parts) < 2 and len(text_parts) + len(images) == len(content_parts)
    return text_parts, images, {} if is_whole else {"message": content}


def read_trajectories(source: Source) -> Iterator[Run]:
    """Yield each trajectory, and after it those of its subagents, at any depth."""
    for position, value in source.records():
        yield from link_runs(list(_read_tree(source, position, value, ("", ""), 0)))


def _read_tree(source: Source, position: str, trajectory: Any, ancestors: tuple[str, str], depth: int) -> Iterator[Run]:
    """Yield a trajectory, then its subagents; `ancestors` are the ids of the first trajectory and of the parent."""
    subagents = trajectory.get("subagent_trajectories") if isinstance(trajectory, Mapping) else None
    has_subagents = isinstance(subagents, list) and depth < MAX_DEPTH
    own_part = omit(trajectory, "subagent_trajectories") if has_subagents else trajectory
    for run in try_read(source, position, read_trajectory, own_part, source.notes(FORMAT, position)):
        root_id, parent_id = ancestors
        links = {BRANCH_OF.name: root_id, PARENT_RUN.name: parent_id}
        yield replace(run, metadata=run.metadata.with_raw(**links)) if root_id else run
        ancestors = (root_id or run.id, run.id)
    for index, subagent in enumerate(subagents or () if has_subagents else ()):
        subagent_position = join_positions(position, f"subagent_trajectories[{index}]")
        yield from _read_tree(source, subagent_position, subagent, ancestors, depth + 1)


IMPORTER = Importer(FORMAT, document_score(is_trajectory), read_trajectories)
