"""`session.retry()` asks a model call again, from the Turn that it was sent."""

from __future__ import annotations

from typing import Any

import pytest

import nbturns as nt


class Flaky:
    """An engine that raises the exceptions among its answers; `sent` are the Turns that it was called with."""

    def __init__(self, *answers: Any) -> None:
        self.answers = list(answers)
        self.sent: list[nt.Turn] = []

    async def __call__(self, turn: nt.Turn, scope: nt.Scope) -> nt.Turn:
        self.sent.append(turn)
        answer = self.answers.pop(0)
        if isinstance(answer, BaseException):
            raise answer
        return turn + (nt.assistant(answer) if isinstance(answer, str) else answer)


def look(city: str) -> str:
    "Look at a city."
    return f"{city} is fine"


def call(id: str) -> nt.Block:
    return nt.tool_call(id, "look", {"city": id})


def failed(session: nt.Session, prompt: str = "go") -> nt.Turn:
    with pytest.raises(nt.EngineError):
        session.ask(prompt).result(20)
    return session.latest


def kinds(turn: nt.Turn) -> list[str]:
    return [block.kind for block in turn]


def test_the_failed_call_is_asked_again_from_the_turn_that_it_was_sent() -> None:
    engine = Flaky(call("a"), ValueError("down"), "done")
    session = nt.Session(engine, tools=[look], system="Be brief.")
    failed_turn = failed(session)

    turn = session.retry().result(20)

    assert turn.text == "done"
    assert [block.id for block in engine.sent[2]] == [block.id for block in engine.sent[1]]
    assert session.turns == (failed_turn, turn)
    assert turn.id != failed_turn.id
    assert kinds(turn) == ["system", "user", "tool_call", "tool_use", "llm_text"]
    assert nt.keys.ERROR not in turn.metadata and turn.metadata[nt.keys.STATUS] == "done"


def test_each_model_call_is_counted_once() -> None:
    session = nt.Session(Flaky(call("a"), ValueError("down"), "done"), tools=[look])
    failed_turn = failed(session)
    turn = session.retry().result(20)

    assert (len(failed_turn.inferences), len(turn.inferences)) == (2, 1)
    ids = [result.inference_id for result in session.run.inferences]
    assert len(ids) == len(set(ids)) == 3
    frame = nt.frames.inferences(session)
    assert sorted(frame.inference_id) == sorted(ids)


def test_a_retry_may_fail_and_be_retried() -> None:
    session = nt.Session(Flaky(ValueError("1"), ValueError("2"), "done"))
    failed(session)
    with pytest.raises(nt.EngineError):
        session.retry().result(20)

    assert session.retry().result(20).text == "done"
    assert [turn.metadata[nt.keys.STATUS] for turn in session.turns] == ["failed", "failed", "done"]


def test_the_call_of_a_snapshot_or_an_inference_id_is_asked_again() -> None:
    engine = Flaky(call("a"), call("b"), "done", "again 1", "again 2", "again 3", "again 4")
    session = nt.Session(engine, tools=[look])
    execution = session.ask("go")
    turn = execution.result(20)
    second = turn.inferences[1].inference_id
    boundaries = [snapshot for snapshot in execution.snapshots if snapshot.iteration == 1]

    places: list[Any] = [second, *boundaries]
    for at in places:
        again = session.retry(at).result(20)
        assert kinds(again) == ["user", "tool_call", "tool_use", "llm_text"]
        assert again[:3].same_content(engine.sent[1])
        assert len(again.inferences) == 1
    assert len(session.turns) == 5


def test_middlewares_wrap_the_call_again_and_what_they_inserted_is_there_once() -> None:
    async def hint(turn: nt.Turn, scope: nt.Scope, engine: Any) -> nt.Turn:
        return await engine(turn + nt.user("hint"), scope)  # type: ignore[no-any-return]

    engine = Flaky(ValueError("down"), "done")
    session = nt.Session(engine, middleware=[hint])
    failed(session)

    assert [block.text for block in session.retry().result(20)] == ["go", "hint", "done"]


def test_the_edited_turn_of_a_pause_is_asked_again() -> None:
    engine = Flaky(ValueError("down"), "done")
    session = nt.Session(engine, step={"pre_inference"})
    execution = session.ask("go")
    pause = execution.next().result(20)
    assert pause is not None
    execution.resume(pause.turn.edit(0, text="edited"))
    with pytest.raises(nt.EngineError):
        execution.result(20, wait=True)

    retried = session.retry()
    retried.resume()
    assert [block.text for block in retried.result(20, wait=True)] == ["edited", "done"]


def test_a_loaded_run_is_retried_without_the_partial_answer() -> None:
    async def breaks(turn: nt.Turn, scope: nt.Scope) -> nt.Turn:
        if len(turn.of_kind("tool_use")):
            raise nt.EngineError("cut", turn=turn + nt.assistant("half an ans"))
        return turn + call("a")

    session = nt.Session(breaks, tools=[look])
    assert failed(session).text == "half an ans"
    loaded = nt.Session(Flaky("whole"), tools=[look], run=nt.Run.from_yaml(session.run.to_yaml()))

    turn = loaded.retry().result(20)
    assert kinds(turn) == ["user", "tool_call", "tool_use", "llm_text"]
    assert turn.text == "whole"
    assert [result.inference_id for result in turn.inferences][0] not in {
        result.inference_id for result in session.run.inferences
    }


def test_another_engine_answers_and_a_plain_function_refuses_params() -> None:
    session = nt.Session(Flaky(ValueError("down")))
    failed(session)

    with pytest.raises(nt.MisuseError, match="takes no parameters"):
        session.retry(temperature=0)
    assert len(session.turns) == 1
    with pytest.raises(nt.MisuseError, match="expected an engine"):
        session.retry(engine=3)
    assert session.retry(engine=nt.scripted("other")).result(20).text == "other"


def test_the_type_of_the_answer_is_required_again() -> None:
    session = nt.Session(Flaky(ValueError("down"), '{"value": [1, 2]}'))
    with pytest.raises(nt.EngineError):
        session.ask("go", output=list[int]).result(20)

    assert session.retry().result(20).output == [1, 2]


@pytest.mark.parametrize("at", [None, "no such id", 3])
def test_without_such_a_call_it_is_misuse(at: Any) -> None:
    session = nt.Session(nt.scripted("fine"))
    with pytest.raises(nt.MisuseError):
        session.retry(at)
    session.ask("go").result(20)
    with pytest.raises(nt.MisuseError):
        session.retry(at)
    assert len(session.turns) == 1


def test_another_execution_must_be_over() -> None:
    session = nt.Session(nt.scripted(call("a"), "done"), tools=[look], step=True)
    execution = session.ask("go")
    execution.next().result(20)
    with pytest.raises(nt.BusyError):
        session.retry()
    execution.stop()
