"""The frame of problems: what it finds, and what it leaves out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import nbturns as nt
from nbturns.keys import TIMESTAMP


def kinds(x: Any, **options: Any) -> list[str]:
    return list(nt.problems(x, **options).kind)


def reply(text: str, **result: Any) -> nt.Block:
    value = nt.InferenceResult(**{"inference_id": f"i-{text}", **result})
    block = nt.assistant(text).with_metadata(nt.keys.INFERENCE_RESULT, value)
    return block.with_metadata(nt.keys.INFERENCE_ID, value.inference_id)


def test_a_sound_conversation_has_no_problems() -> None:
    assert kinds(nt.Turn((nt.user("x"), nt.tool_call("c", "f", {}), nt.tool_use("c", "fine"), reply("y")))) == []


def test_problems_of_tool_calls_name_their_block() -> None:
    turn = nt.Turn(
        (
            nt.user("x"),
            nt.tool_call("c1", "f", {}),
            nt.tool_use("c1", error="gone"),
            nt.tool_call("c2", "f", {"a": 1}),
            nt.tool_use("c2", "Error: no"),
            nt.tool_call("c3", "g", {}),
            nt.Block("tool_call", {"id": "c4", "name": "g", "args": {}, "args_raw": "{not json"}),
            nt.tool_use("c4", "ok"),
        )
    )
    frame = nt.problems(turn)
    assert list(frame.columns)[:7] == [
        *("kind", "run_id", "turn_index", "block_index", "block_id", "tool_call_id", "message"),
    ]
    assert list(frame.kind) == ["tool_error", "failed_result", "unanswered_call", "invalid_arguments"]
    assert list(frame.block_index) == [2, 4, 5, 6]
    assert list(frame.tool_call_id) == ["c1", "c2", "c3", "c4"]
    block_ids = dict(zip(*(nt.frames.blocks(turn)[name] for name in ("block_index", "block_id")), strict=True))
    assert [block_ids[index] for index in frame.block_index] == list(frame.block_id)
    assert kinds(turn, failed="nothing at all") == ["tool_error", "unanswered_call", "invalid_arguments"]
    assert kinds(turn, failed=lambda row: row.block.tool_call_id == "c4")[-1] == "failed_result"


def test_the_third_identical_call_is_a_problem_and_another_result_is_none() -> None:
    def calls(*results: str) -> nt.Turn:
        pairs = [(nt.tool_call(f"c{n}", "f", {"a": 1}), nt.tool_use(f"c{n}", r)) for n, r in enumerate(results)]
        return nt.Turn((nt.user("x"), *(block for pair in pairs for block in pair)))

    assert kinds(calls("a", "a", "a", "a")) == ["repeated_call"]
    assert kinds(calls("a", "b", "a", "b")) == []


@pytest.mark.parametrize(
    ("result", "expected"),
    [
        ({"finish_class": nt.FinishClass.MAX_TOKENS, "truncated": True, "stop_reason": "length"}, ["truncated"]),
        ({"finish_class": nt.FinishClass.REFUSED, "stop_reason": "refusal"}, ["refused"]),
        ({"finish_class": nt.FinishClass.ERROR, "stop_reason": "error"}, ["model_error"]),
        ({"error": {"type": "Overloaded", "message": "try later"}}, ["model_error"]),
        ({"model": "gpt-4o", "usage": nt.Usage(127_000, 500)}, ["context_near_limit"]),
        ({"model": "gpt-4o", "usage": nt.Usage(100_000, 500)}, []),
        ({"finish_class": nt.FinishClass.COMPLETED}, []),
    ],
)
def test_problems_of_model_calls(result: dict[str, Any], expected: list[str]) -> None:
    turn = nt.Turn((nt.user("x"), reply("y", **result)))
    frame = nt.problems(turn)
    assert list(frame.kind) == expected
    assert list(frame.inference_id) == ["i-y"] * len(expected)


def test_a_long_gap_is_a_problem_but_not_before_a_prompt() -> None:
    def at(block: nt.Block, time: str) -> nt.Block:
        return block.with_metadata(TIMESTAMP, f"2026-01-01T{time}:00Z")

    turn = nt.Turn((at(nt.user("x"), "10:00"), at(reply("y"), "10:20")))
    assert kinds(turn) == ["long_gap"]
    later = nt.Turn((at(nt.user("x"), "10:00"), at(reply("y"), "10:01"), at(nt.user("z"), "18:00")))
    assert kinds(later) == []


def test_a_failed_run_is_a_problem() -> None:
    run = nt.Run((nt.Turn((nt.user("x"),)),), metadata={nt.keys.OUTCOME: nt.Outcome(error="broken", limit="time")})
    assert kinds(run) == ["run_error", "run_error"]


def test_the_results_of_tau_bench_that_begin_with_error_are_problems(shared: Path) -> None:
    frame = nt.problems(shared / "transcripts/dev/tau-bench/gpt-4o-airline.json")
    assert (frame.kind == "failed_result").sum() == 29
    assert not frame.kind.isin(["tool_error", "unanswered_call", "invalid_arguments"]).any()
