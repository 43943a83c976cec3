"""ATIF: the trajectories of subagents, embedded or in files of their own, and the tool calls that started them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import nbturns as nt


def trajectory(id: str, call: str, reference: dict[str, Any] | None = None, **fields: Any) -> dict[str, Any]:
    result = {"source_call_id": call, "content": "found"}
    if reference is not None:
        result["subagent_trajectory_ref"] = [reference]  # type: ignore[assignment]
    agent_step = {
        "step_id": 2,
        "source": "agent",
        "message": "",
        "tool_calls": [{"tool_call_id": call, "function_name": "delegate", "arguments": {}}],
        "observation": {"results": [result]},
        "metrics": {"prompt_tokens": 100, "completion_tokens": 5},
    }
    steps = [{"step_id": 1, "source": "user", "message": "go"}, agent_step]
    agent = {"name": f"agent of {id}", "model_name": "gpt-5"}
    return {"schema_version": "ATIF-v1.7", "trajectory_id": id, "agent": agent, "steps": steps, **fields}


def test_embedded_subagents_are_linked_to_the_calls_that_started_them(tmp_path: Path) -> None:
    inner = trajectory("inner", "c3")
    middle = trajectory("middle", "c2", {"trajectory_id": "inner"}, subagent_trajectories=[inner])
    path = tmp_path / "run.json"
    path.write_text(json.dumps(trajectory("outer", "c1", {"trajectory_id": "middle"}, subagent_trajectories=[middle])))

    outer_run, middle_run, inner_run = runs = list(nt.load_all(path, strict=True))

    assert [run.parent_id for run in runs] == ["", "outer", "middle"]
    assert [run.child_ids for run in runs] == [("middle",), ("inner",), ()]
    assert [run.latest.of_kind("tool_call")[0].child_run_id for run in runs] == ["middle", "inner", ""]
    assert inner_run.metadata[nt.keys.ROOT_RUN] == "outer"
    assert (middle_run.metadata[nt.keys.PARENT_TOOL_CALL], outer_run.name) == ("c1", "agent of outer")
    assert sum(run.usage.input_tokens for run in runs) == 300


def test_an_embedded_subagent_that_no_call_names_has_its_trajectory_as_parent(tmp_path: Path) -> None:
    path = tmp_path / "run.json"
    path.write_text(json.dumps(trajectory("outer", "c1", subagent_trajectories=[trajectory("inner", "c3")])))

    outer, inner = nt.load_all(path)

    assert (inner.parent_id, outer.child_ids) == ("outer", ("inner",))


def test_a_subagent_in_a_file_of_its_own_is_named_by_its_call() -> None:
    reference = {"session_id": "session-2", "trajectory_path": "trajectory.summarization-1.json"}

    run = nt.loads(trajectory("outer", "c1", reference))

    assert run.child_ids == ("session-2",)
