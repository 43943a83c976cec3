"""ATIF, the Agent Trajectory Interchange Format of Harbor, version 1.6: one trajectory as JSON.

Texts, reasoning, calls and text results read back as they are, and of model calls the model, tokens, cost and stop
reason. Lost are: images, other values of model calls and metadata, ids of blocks, earlier Turns that the latest does
not continue, blocks of unknown kinds, and a result before any step. Results that are not text come back as JSON text,
errors as the text of a result, and arguments that are not an object as they are kept by the importer.
"""

from __future__ import annotations

from typing import Any

from ..values.blocks import Block
from ..values.frozen_json import thaw
from ..values.inference_results import InferenceResult, UnknownCount
from ..values.provenance import TIMESTAMP
from ..values.turns import Run, Turn
from .message_steps import Step, answer_text, conversation_steps, json_text

VERSION = "ATIF-v1.6"


def atif_text(value: Turn | Run) -> str:
    """Return the trajectory of a conversation as JSON."""
    run = value if isinstance(value, Run) else Run((value,))
    models = [result.model for result in run.inferences if result.model]
    agent = {"name": run.name, "version": "unknown"} | ({"model_name": models[0]} if models else {})
    trajectory = {"schema_version": VERSION, "session_id": run.id, "agent": agent, "steps": atif_steps(run)}
    return json_text(trajectory) + "\n"


def atif_steps(run: Run) -> list[dict[str, Any]]:
    """Return the steps of a trajectory; a result is an observation of the step before it."""
    steps: list[dict[str, Any]] = []
    counted: set[str] = set()
    for step in conversation_steps(run):
        if step.kind == "result":
            if steps:
                block = step.blocks[0]
                observation = steps[-1].setdefault("observation", {"results": []})
                observation["results"].append({"source_call_id": block.tool_call_id, "content": answer_text(block)})
            continue
        steps.append({"step_id": len(steps) + 1, **_times(step.blocks[0]), **_fields(step, counted)})
    return steps


def _times(block: Block) -> dict[str, Any]:
    timestamp = block.metadata.get(TIMESTAMP)
    return {} if timestamp is None else {"timestamp": timestamp}


def _fields(step: Step, counted: set[str]) -> dict[str, Any]:
    block = step.blocks[0]
    if step.kind == "prompt":
        return {"source": block.kind, "message": block.text}
    reasoning, texts, calls = (step.of_kind(kind) for kind in ("reasoning", "llm_text", "tool_call"))
    fields: dict[str, Any] = {"source": "agent", "message": texts[0].text if texts else ""}
    if reasoning:
        fields["reasoning_content"] = reasoning[0].text
    if calls:
        fields["tool_calls"] = [
            {"tool_call_id": call.tool_call_id, "function_name": call.name, "arguments": _arguments(call)}
            for call in calls
        ]
    result = step.result
    if result is None or (result.inference_id and result.inference_id in counted):
        return fields | {"llm_call_count": 0}
    counted.add(result.inference_id)
    return fields | ({"model_name": result.model} if result.model else {}) | _metrics(result)


def _arguments(call: Block) -> Any:
    raw = call.payload.get("args_raw") or call.payload.get("args")
    return raw if isinstance(raw, str) else thaw(call.args)


def _metrics(result: InferenceResult) -> dict[str, Any]:
    """Return the metrics of a model call, without unknown ones."""
    usage = result.usage
    counts: dict[str, Any] = {"cost_usd": result.cost if result.cost_source != "table" else None}
    extra: dict[str, Any] = {"stop_reason": result.stop_reason or None}
    if usage is not None:
        counts |= {
            "prompt_tokens": usage.input_tokens,
            "completion_tokens": usage.output_tokens,
            "cached_tokens": usage.cached_tokens,
        }
        extra |= {
            "cache_creation_input_tokens": usage.cache_creation_input_tokens or None,
            "reasoning_tokens": usage.reasoning_tokens or None,
        }
    known_extra = {name: value for name, value in extra.items() if value is not None}
    metrics = {name: value for name, value in counts.items() if not (value is None or isinstance(value, UnknownCount))}
    metrics |= {"extra": known_extra} if known_extra else {}
    return {"metrics": metrics} if metrics else {}
