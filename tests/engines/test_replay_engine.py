"""Replay and scripts: the same answers as recorded, and an error that says where a conversation left them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import nbturns as nt
from tests.runtime.test_tool_loop import call, double

SCRIPT = ([nt.reasoning("hm", signature="sig"), call("a", 2)], "four", [call("b", 3), call("c", 4)], "six and eight")


def recorded(*answers: Any, prompts: str = "xy", **how: Any) -> nt.Session:
    session = nt.Session(nt.scripted(*(answers or SCRIPT)), tools=[double], system="S", **how)
    for prompt in prompts:
        session.ask(prompt).result(60)
    return session


def again(engine: Any, prompts: str = "xy") -> nt.Session:
    session = nt.Session(engine, tools=[double], system="S")
    for prompt in prompts:
        session.ask(prompt).result(60)
    return session


def test_a_replay_says_what_the_recording_says_with_its_results() -> None:
    tape = recorded(
        nt.Turn((call("a"),)).with_metadata(
            nt.keys.INFERENCE_RESULT, nt.InferenceResult(model="m", usage=nt.Usage(7, 2), cost=0.5)
        ),
        "done",
        prompts="x",
    )

    new = again(nt.replay(tape.run), "x")

    assert new.latest.same_content(tape.latest)
    assert (new.usage, new.latest.inferences[0].model) == (nt.Usage(7, 2), "m")
    assert {b.id for b in new.latest}.isdisjoint(b.id for b in tape.latest)


def test_a_replay_works_from_a_run_a_turn_and_a_file(tmp_path: Path) -> None:
    tape = recorded()
    files = [nt.save(tape.run, tmp_path / f"tape{suffix}") for suffix in (".yaml", ".json", ".jsonl")]

    sources: list[Any] = [tape.run, tape.latest, *files, str(files[0])]
    for source in sources:
        assert again(nt.replay(source)).latest.same_content(tape.latest)
    assert repr(nt.replay(tape.run)) == "<replay of 4 model calls>"


def test_what_a_block_carried_is_replayed_with_it() -> None:
    mark: nt.Key[str] = nt.Key("claude.mark@v1", str)
    tape = recorded([nt.assistant("a").with_metadata(mark, "kept")], prompts="x")

    block = again(nt.replay(tape.run), "x").latest[-1]

    assert (block.metadata[mark], block.inference_id == tape.latest[-1].inference_id) == ("kept", False)


def test_one_engine_answers_the_same_question_alike_however_often() -> None:
    engine = nt.replay(recorded().run)

    first, second = again(engine), again(engine)
    fork = first.fork(0).ask("y").result(60)

    assert first.latest.same_content(second.latest) and fork.same_content(first.latest)


def test_a_question_the_recording_was_never_asked_is_drift_with_the_place_and_both_sides() -> None:
    session = nt.Session(nt.replay(recorded().run), tools=[double], system="S")
    session.ask("x").result(60)

    with pytest.raises(
        nt.DriftError,
        match=r"departs from the recording at block 6: recorded 'user y', got 'user z'; see error\.difference",
    ) as caught:
        session.ask("z").result(60)

    assert "-y" in caught.value.difference and "+z" in caught.value.difference
    assert caught.value.turn[-1].text == "z"


def test_a_tool_that_answers_otherwise_is_drift_at_its_result() -> None:
    def double(x: int) -> int:
        return 3 * x

    session = nt.Session(nt.replay(recorded().run), tools=[double], system="S")
    with pytest.raises(nt.DriftError, match="at block 4: recorded 'tool_use 4', got 'tool_use 6'"):
        session.ask("x").result(60)


def test_going_on_behind_the_end_is_drift_that_says_nothing_was_recorded() -> None:
    session = again(nt.replay(recorded().run))

    with pytest.raises(nt.DriftError, match="recorded 'nothing', got"):
        session.ask("more").result(60)


def test_a_recording_without_answers_says_so() -> None:
    with pytest.raises(nt.DriftError, match="the recording has no model call"):
        nt.Session(nt.replay(nt.turn("q"))).ask("q").result(60)


def test_a_chat_transcript_is_replayed_too(shared: Path) -> None:
    run = next(nt.load_all(shared / "transcripts" / "dev" / "openai-chat" / "tau_airline.jsonl"))
    engine = nt.replay(run)

    for turn in run:
        prompt = max(i for i, b in enumerate(turn) if b.kind == "user") + 1
        asked = turn[:prompt]
        answered = nt.Session(engine, step={"post_inference"}).ask(asked)
        pause = answered.next().result(60)
        if len(turn) > prompt:
            assert pause is not None and pause.turn.same_content(turn[: len(pause.turn)])
        answered.stop()


def test_a_paced_replay_streams_word_by_word_and_says_the_same() -> None:
    tape = recorded("one two three", prompts="x")
    events: list[Any] = []

    nt.Session(nt.replay(tape.run, pace=0.001), system="S", sinks=[events.append]).ask("x").result(60)

    assert [e.text for e in events if type(e).__name__ == "Delta"] == ["one ", "two ", "three"]


# Scripts.


def test_a_script_answers_in_order_with_texts_blocks_turns_and_errors() -> None:
    session = nt.Session(
        nt.scripted(
            "a", nt.assistant("b"), [nt.reasoning("r"), nt.assistant("c")], nt.turn(nt.assistant("d")), OSError("down")
        )
    )

    assert [session.ask("q").result(60).text for _ in range(4)] == ["a", "b", "c", "d"]
    with pytest.raises(nt.EngineError, match="OSError: down"):
        session.ask("q").result(60)
    with pytest.raises(nt.ScriptExhausted, match="no answer left after 5 model calls"):
        session.ask("q").result(60)


def test_what_no_model_could_say_is_refused_when_the_script_is_made() -> None:
    with pytest.raises(TypeError, match="expected Blocks"):
        nt.scripted(5)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="expected Blocks"):
        nt.scripted(["a", "b"])  # type: ignore[list-item]
