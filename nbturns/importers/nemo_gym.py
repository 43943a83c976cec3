"""Rollouts of NeMo Gym, and rows of other trainers that have the same fields: `responses_create_params`, `response`, `reward`.

A row is one rollout: the request as OpenAI's Responses takes it, and one response with the items of all model calls,
tools and simulated users of the rollout; its `usage` is the sum of these calls, so a rollout counts as one. Some agents
write a list of items for each step, each with all items before it. A row without a response is a task.

Source: NVIDIA-NeMo/Gym 07d6b0d, nemo_gym/base_resources_server.py (`BaseRunRequest`, `BaseVerifyResponse`: request,
response, reward), nemo_gym/global_config.py (`_ng_task_index`, `_ng_rollout_index`, `agent_ref`),
responses_api_agents/simple_agent/app.py (the sum of `usage`), resources_servers/aviary/schemas.py (`contains_transitions`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ..values.metadata import metadata_from_dict
from ..values.provenance import FIELDS
from ..values.turns import Run
from .kit.faults import wrong_type
from .kit.import_report import Notes
from .kit.importer import Importer, document_reader
from .kit.outcomes import outcome_metadata, outcome_of
from .kit.record_fields import omit, omit_empty, text_or_empty
from .kit.sample import Sample
from .kit.transcript import freeze_or_json
from .openai_responses import LAYOUT

FORMAT = "nemo-gym"
REQUEST, RESPONSE = "responses_create_params", "response"
SCORE = 100  # no other format has a field of this name, and pairs of a request and a reply have 95


def score_rollout(sample: Sample) -> int:
    """Return SCORE for rows with the parameters of a request under NeMo Gym's name."""
    request = sample.record.get(REQUEST) if sample.container == "json" else None
    return SCORE if isinstance(request, Mapping) and "input" in request else 0


def read_rollout(row: Any, notes: Notes) -> Run:
    """Return the Run of a rollout, or of a task without one."""
    request = row.get(REQUEST) if isinstance(row, Mapping) else None
    if not isinstance(request, Mapping):
        raise notes.load_error("", wrong_type(REQUEST, request, dict))
    response = row.get(RESPONSE)
    call = {"request": request}
    if isinstance(response, Mapping):
        call[RESPONSE] = {**response, "output": items_of(response.get("output"))}
    run = LAYOUT.read_conversation(call, notes)
    fields = omit(row, REQUEST, RESPONSE)
    fields |= omit_empty({REQUEST: omit_empty(omit(request, "input", "instructions"))})
    fields |= omit_empty({RESPONSE: omit_empty(omit(response, "output"))} if isinstance(response, Mapping) else {})
    outcome = outcome_of(row, error=text_or_empty(row.get("exception_type")) or None)
    metadata = {FIELDS.name: freeze_or_json(fields), **outcome_metadata(outcome)}
    return replace(run, name=_name_of(row), metadata=metadata_from_dict(metadata))


def items_of(output: Any) -> Any:
    """Return the items of a response; of steps that each repeat all before it, the items of the last."""
    if not isinstance(output, list) or not output or not all(isinstance(step, list) for step in output):
        return output
    items: list[Any] = []
    for step in output:
        items = step if step[: len(items)] == items else [*items, *step]
    return items


def _name_of(row: Mapping[str, Any]) -> str:
    task, rollout = (row.get(name) for name in ("_ng_task_index", "_ng_rollout_index"))
    if isinstance(task, int) and isinstance(rollout, int):
        return f"task {task}, rollout {rollout}"
    names = (row.get(name) for name in ("id", "instance_id", "task_id", "name", "uuid"))
    return next((name for name in names if isinstance(name, str) and name), "")


IMPORTER = Importer(FORMAT, score_rollout, document_reader(FORMAT, read_rollout))
