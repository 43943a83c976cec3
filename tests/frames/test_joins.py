"""All frames of recorded conversations join on their keys, both ways, and add up."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import nbturns as nt
from nbturns import frames

RUN, TURN = ["run_id"], ["run_id", "turn_index"]
PLACE = [*TURN, "block_index"]
CALL = ["run_id", "inference_id"]
FORMATS = (
    "ag-ui aider anthropic atif claude-code gemini geppetto inspect langchain openai-chat openai-responses"
    " openhands openinference otel-genai pydantic-ai swe-agent tau-bench vercel-ui"
).split()


def keys(frame: pd.DataFrame, names: list[str]) -> set[tuple[Any, ...]]:
    """The keys of the rows that have one."""
    return set(frame[names].dropna().itertuples(index=False, name=None))


def joined(found: frames.Frames) -> None:
    """Every key is there once, and every reference is met, from either side."""
    blocks, turns, calls, tools, snapshots = (
        found.blocks,
        found.turns,
        found.inferences,
        found.tool_calls,
        found.snapshots,
    )
    for frame, key in ((blocks, PLACE), (turns, TURN), (calls, CALL), (tools, PLACE)):
        assert not frame.duplicated(key).any()
    assert not blocks.duplicated(["run_id", "block_id"]).any()
    assert not turns.duplicated(["run_id", "turn_id"]).any()
    assert not calls.duplicated([*TURN, "inference_index"]).any()
    assert not snapshots.duplicated(["run_id", "snapshot_index"]).any()
    assert not found.reports.duplicated(RUN).any()

    for frame in (blocks, calls, tools):
        assert keys(frame, TURN) <= keys(turns, TURN)
    assert keys(snapshots, TURN) == keys(turns, TURN)
    assert keys(found.reports, RUN) <= keys(turns, RUN)
    assert keys(blocks, CALL) == keys(calls[calls.blocks > 0], CALL)
    assert keys(tools, CALL) <= keys(calls, CALL)

    called, resulted = blocks[blocks.kind == "tool_call"], blocks[blocks.kind == "tool_use"]
    assert keys(tools, PLACE) == keys(called, PLACE)
    assert keys(tools, ["run_id", "block_id"]) == keys(called, ["run_id", "block_id"])
    answered = tools[tools.answered]
    at = ["run_id", "result_turn_index", "result_block_index"]
    assert keys(answered, at) <= keys(resulted, PLACE)
    assert keys(answered, ["run_id", "result_block_id"]) <= keys(resulted, ["run_id", "block_id"])
    assert len(keys(answered, at)) == len(keys(answered, ["run_id", "result_block_id"])) == len(answered)

    made = blocks.groupby(CALL, dropna=True).size()
    told = calls.set_index(CALL).blocks
    assert made.to_dict() == told[told > 0].to_dict()
    assert turns.new_blocks.sum() == len(blocks)
    assert turns.inferences.sum() == len(calls)
    assert turns.tool_calls.sum() == len(tools)
    assert turns.tool_results.sum() == len(resulted)
    for name in ("input_tokens", "output_tokens", "cached_tokens", "reasoning_tokens", "total_tokens"):
        assert turns[name].sum() == calls[name].sum()
    assert blocks.characters.tolist() == blocks.text.str.len().tolist()


@pytest.mark.parametrize("format", FORMATS)
def test_all_frames_of_a_recorded_format_join_both_ways(shared: Path, format: str) -> None:
    joined(frames.read(shared / "transcripts/dev" / format))


def test_a_result_without_an_id_of_its_own_is_named_as_in_blocks() -> None:
    call = {"id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    found = frames.read(
        nt.loads(
            [
                {"role": "user", "content": "q"},
                {"role": "assistant", "content": None, "tool_calls": [call]},
                {"role": "tool", "tool_call_id": "a", "content": "r"},
            ]
        )
    )

    joined(found)

    result = found.blocks.set_index("block_id").loc[found.tool_calls.result_block_id]
    assert result.text.tolist() == ["r"]


def test_sessions_saved_and_stepped_join_as_well(tmp_path: Path) -> None:
    def add(a: int, b: int) -> int:
        "Add two numbers."
        return a + b

    script = (
        [nt.tool_call("c", "add", {"a": 1, "b": 2})],
        "three",
        [nt.tool_call("d", "add", {"a": 3, "b": 4})],
        "seven",
    )
    session = nt.Session(nt.scripted(*script), tools=[add])
    execution = session.ask("1 + 2?", step=True)
    pause = execution.next().result(60)
    assert pause is not None
    execution.step(pause.turn.edit(-1, args={"a": 2, "b": 1})).result(60)
    execution.resume()
    execution.result(60)
    session.ask("3 + 4?").result(60)
    nt.save(session.run, tmp_path / "one.yaml")
    (tmp_path / "two.jsonl").write_text(json.dumps(session.run.to_dict()) + "\n")

    for one in (session, session.run, tmp_path):
        joined(frames.read(one))
    assert len(frames.snapshots(execution)) == len(execution.snapshots)
    joined(frames.read(execution))
