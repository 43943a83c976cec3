"""Marks of what a person changed at a pause, and the reason why an execution ended early."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import nbturns as nt
from nbturns.runtime.marks import error_record
from tests.runtime.test_tool_loop import call, double

EDITED, ANSWERED_BY, DECISIONS, ERROR = nt.keys.EDITED, nt.keys.ANSWERED_BY, nt.keys.DECISIONS, nt.keys.ERROR


def paused(*calls: nt.Block, then: Any = "done", step: Any = True) -> tuple[nt.Execution, nt.Turn]:
    """An execution that waits at its first pause, with the Turn there."""
    answers = (list(calls) or [call("a", 1), call("b", 2), call("c", 3)], then)
    execution = nt.Session(nt.scripted(*answers), tools=[double], step=step).ask("q")
    pause = execution.next().result(60)
    assert pause is not None
    return execution, pause.turn


def answerers(turn: nt.Turn) -> dict[str, str | None]:
    return {block.tool_call_id: block.metadata.get(ANSWERED_BY) for block in turn.of_kind("tool_use")}


def actions(turn: nt.Turn) -> list[tuple[str, str]]:
    return [(decision.action, decision.call_id) for decision in turn.metadata.get(DECISIONS) or ()]


def test_a_result_says_who_gave_it() -> None:
    execution, _ = paused(call("a", 1), call("b", 2), call("c", 3), call("d", 4))

    execution.resume(deny={"a": "too dear"}, mock={"b": 7}, skip=["c"])

    turn = execution.result(60)
    assert answerers(turn) == {"a": "denied", "b": "mock", "c": "skipped", "d": "tool"}
    assert actions(turn) == [("denied", "a"), ("mock", "b"), ("skipped", "c")]
    denied, mocked, _ = turn.metadata[DECISIONS]
    assert (denied.reason, denied.by) == ("too dear", "resume")
    assert dict(mocked.after or ())["result"] == 7


def test_an_edited_block_keeps_the_former_payload_and_the_model_call_that_made_it() -> None:
    execution, turn = paused(call("a", 1))

    execution.resume(turn.edit(1, args={"x": 5}))

    edited = execution.result(60)[1]
    mark = edited.metadata[EDITED]
    assert (mark["by"], mark["before"]["args"], edited.args) == ("resume", {"x": 1}, {"x": 5})
    assert mark["at"] > 1_000_000_000
    assert edited.inference is not None
    assert actions(execution.turn) == [("edited", "a")]


def test_a_second_edit_keeps_what_the_model_wrote_and_an_edit_back_takes_the_mark_away() -> None:
    execution, turn = paused(call("a", 1), step={"post_inference", "post_tools", "final"})

    second = execution.step(turn.edit(1, args={"x": 5})).result(60)
    third = execution.step(second.turn.edit(1, args={"x": 6})).result(60)
    marked = third.turn[1].metadata[EDITED]["before"]["args"]
    execution.resume(third.turn.edit(1, args={"x": 1}))

    assert marked == {"x": 1}
    assert EDITED not in execution.result(60)[1].metadata
    assert actions(execution.turn) == [("edited", "a")] * 3


def test_added_replaced_and_dropped_blocks_are_decisions_and_values_alone_make_none() -> None:
    execution, turn = paused(call("a", 1), call("b", 2))
    changed = turn.replace(0, nt.user("another question")).drop(2) + nt.tool_use("a", 9) + nt.user("and now?")
    assert not any(EDITED in block.metadata for block in changed)

    execution.resume(changed)

    end = execution.result(60)
    assert end[0].metadata[EDITED]["before"] == {"text": "q"}
    assert answerers(end) == {"a": "mock"}
    assert end[3].metadata[EDITED]["before"] is None
    assert sorted(actions(end)) == [("added", ""), ("dropped", "b"), ("edited", ""), ("mock", "a")]


def test_a_pause_that_is_left_unchanged_makes_no_mark() -> None:
    execution, turn = paused(call("a", 1))

    execution.resume(turn)

    assert DECISIONS not in execution.result(60).metadata
    assert not any(EDITED in block.metadata for block in execution.turn)


def test_marks_survive_yaml_and_json_and_are_columns_of_frames(tmp_path: Path) -> None:
    execution, turn = paused(call("a", 1), call("b", 2))
    execution.resume(turn.edit(1, args={"x": 5}), mock={"b": 3})
    end = execution.result(60)

    assert nt.Turn.from_yaml(end.to_yaml()) == end
    assert nt.Turn.from_dict(end.to_dict()).metadata[DECISIONS] == end.metadata[DECISIONS]
    for suffix in ("jsonl", "yaml"):  # by the fast reader, and by Runs
        nt.save(end, tmp_path / f"run.{suffix}")
        blocks = nt.frames.blocks(tmp_path / f"run.{suffix}")
        assert blocks.edited.tolist() == [False, True, False, False, False, False]
        assert blocks[blocks.kind == "tool_use"].answered_by.tolist() == ["tool", "mock"]
    calls = nt.frames.tool_calls(end)
    assert calls.answered_by.tolist() == ["tool", "mock"]
    assert calls.edited.tolist() == [True, False]


def test_a_call_that_did_not_run_is_answered_as_not_run() -> None:
    session = nt.Session(nt.scripted([nt.tool_call("x", "nonesuch", {})], "done"), tools=[double])

    turn = session.ask("q").result(60)

    assert answerers(turn) == {"x": "not run"}


# Why it ended.


def failed(engine: Any, **settings: Any) -> nt.Turn:
    execution: nt.Execution = nt.Session(engine, tools=[double]).ask("q", **settings)
    with pytest.raises(nt.NbturnsError):
        execution.result(60)
    return execution.turn


def test_the_reason_of_a_failed_model_call_is_on_its_result_on_the_turn_and_in_frames() -> None:
    turn = failed(nt.scripted([call("a", 1)], RuntimeError("502 Bad Gateway")))

    assert [result.error for result in turn.inferences] == [
        None,
        {"type": "RuntimeError", "message": "502 Bad Gateway"},
    ]
    assert turn.metadata[ERROR]["type"] == "EngineError"
    assert "502 Bad Gateway" in turn.metadata[ERROR]["message"]
    assert "502 Bad Gateway" in turn.to_yaml()
    assert nt.Turn.from_yaml(turn.to_yaml()).inferences[1].error == turn.inferences[1].error
    assert nt.frames.inferences(turn).error.tolist()[1] == "RuntimeError: 502 Bad Gateway"
    assert "502 Bad Gateway" in nt.frames.turns(turn).error[0]


def test_a_limit_and_a_stop_have_their_reason() -> None:
    limited = failed(nt.scripted([call("a", 1)], [call("b", 1)], "done"), limit=1)
    execution, _ = paused(call("a", 1))
    execution.stop()
    stopped = execution.result(60)

    assert limited.metadata[ERROR]["type"] == "LimitReached"
    assert stopped.metadata[ERROR] == {"type": "Stopped", "message": "the execution was stopped before its end"}


def test_the_next_prompt_begins_without_the_error_and_the_decisions_of_the_last() -> None:
    session = nt.Session(nt.scripted(RuntimeError("boom"), "fine"))
    with pytest.raises(nt.NbturnsError):
        session.ask("q").result(60)

    turn = session.ask("again").result(60)

    assert ERROR not in turn.metadata
    assert DECISIONS not in turn.metadata


@pytest.mark.parametrize(
    "secret",
    [
        "sk-proj-" + "a1B2" * 6,
        "AIza" + "x9Y_" * 8,
        "Bearer " + "t0ken" * 5,
        "https://ada:hunter2@example.org/v1",
        'api_key="s3cr3t-value"',
        "X-Api-Key: 0123456789abcdef",
    ],
)
def test_no_secret_is_part_of_a_recorded_error(secret: str) -> None:
    message = error_record(RuntimeError(f"401 for {secret} at line 3"))["message"]

    hidden = secret.removeprefix("Bearer ").split("://")[-1].split("@")[0].split("=")[-1].split(": ")[-1].strip('"')
    assert hidden not in message
    assert message.startswith("401 for ")
    assert message.endswith(" at line 3")


def test_ordinary_words_of_an_error_stay() -> None:
    message = "502 Bad Gateway: max_tokens=4096, token limit 8000 reached at https://example.org:8080/v1/chat"

    assert error_record(RuntimeError(message))["message"] == message
