"""`execution.decisions` and `nt.frames.decisions` list what was decided at pauses."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import nbturns as nt


def look(city: str) -> str:
    "Look at a city."
    return f"{city} is fine"


def calls(*ids: str) -> list[nt.Block]:
    return [nt.tool_call(id, "look", {"city": id}) for id in ids]


def decided(id: str = "s") -> nt.Session:
    """Return a session whose execution had a denied, a mocked, a skipped and an edited call, and an added block."""
    session = nt.Session(nt.scripted(calls("a", "b", "c"), calls("d"), "done"), tools=[look], step=True, id=id)
    execution = session.ask("go")
    execution.next().result(20)
    execution.step(deny={"a": "too far"}, mock={"b": "rain"}, skip=["c"], by="ana").result(20)
    pause = execution.step().result(20)
    assert pause is not None
    turn = pause.turn.edit(-1, args={"city": "Oslo"}) + nt.user("and hurry") + nt.user("please")
    execution.resume(turn, by="bo")
    execution.result(20, wait=True)
    return session


def test_an_execution_lists_its_decisions() -> None:
    session = decided()
    execution = session.execution
    assert execution is not None

    decisions = execution.decisions
    assert [(d.action, d.call_id, d.by) for d in decisions] == [
        ("denied", "a", "ana"),
        ("mock", "b", "ana"),
        ("skipped", "c", "ana"),
        ("edited", "d", "bo"),
        ("added", "", "bo"),
        ("added", "", "bo"),
    ]
    assert (
        decisions[0].reason == "too far" and decisions[1].after is not None and decisions[1].after["result"] == "rain"
    )
    assert decisions[3].before is not None and decisions[3].before["args"] == {"city": "d"}
    assert decisions[3].after is not None and decisions[3].after["args"] == {"city": "Oslo"}
    assert all(abs(d.at - execution.started_at) < 60 for d in decisions)
    listed = session.latest.metadata[nt.keys.DECISIONS]
    assert tuple(listed) == decisions


def test_without_a_decision_there_is_none() -> None:
    execution = nt.Session(nt.scripted("fine")).ask("go")
    execution.result(20)

    assert execution.decisions == ()
    frame = nt.frames.decisions(execution)
    assert len(frame) == 0 and "action" in frame.columns


def test_the_frame_has_a_row_for_each_decision(tmp_path: Path) -> None:
    session = decided()
    path = nt.save(session.run, tmp_path / "run.yaml")
    sources: list[Any] = [session, session.run, session.execution, path, [session.run]]
    for x in sources:
        frame = nt.frames.decisions(x)
        assert list(frame.action) == ["denied", "mock", "skipped", "edited", "added", "added"]
        assert frame.tool_call_id.isna().tolist() == [False] * 4 + [True] * 2
        assert frame.reason[0] == "too far" and frame.reason.isna().tolist() == [False] + [True] * 5
        assert frame.before[3]["args"] == {"city": "d"} and frame.after[3]["args"] == {"city": "Oslo"}
        assert str(frame["at"].dtype).startswith("datetime64") and frame["at"].notna().all()
        assert session.latest[int(frame.block_index[3])].tool_call_id == "d"


def test_a_decision_that_later_turns_list_too_has_one_row() -> None:
    session = decided()
    session.step = False
    session.engine = nt.scripted("more")
    session.ask(session.latest + nt.user("more")).result(20)
    assert len(session.latest.metadata[nt.keys.DECISIONS]) == 6

    frame = nt.frames.decisions(session)
    assert len(frame) == 6 and set(frame.turn_index) == {0}


@pytest.mark.parametrize("backend", ["arrow", "polars"])
def test_it_takes_the_arguments_of_the_other_frames(backend: str) -> None:
    columns = (*nt.frames.DECISION[:1], nt.frames.Column("who", lambda row: row.decision.by, "string"))

    frame: Any = nt.frames.decisions(decided().run, columns=columns, backend=backend)
    names = frame["who"].to_pylist() if backend == "arrow" else frame["who"].to_list()
    assert names == ["ana"] * 3 + ["bo"] * 3 and len(frame.columns) == 2


def test_a_retry_has_the_decisions_of_its_own() -> None:
    async def down(turn: nt.Turn, scope: nt.Scope) -> nt.Turn:
        if turn.of_kind("tool_use") and len(session.turns) == 0:
            raise ValueError("down")
        return turn + (nt.assistant("up") if turn.of_kind("tool_use") else tuple(calls("a")))

    session = nt.Session(down, tools=[look], step=True)
    execution = session.ask("go")
    execution.next().result(20)
    execution.step(skip=["a"])
    execution.next().result(20)
    execution.resume()
    with pytest.raises(nt.EngineError):
        execution.result(20, wait=True)
    session.step = False
    retried = session.retry()
    retried.result(20)

    assert ([d.action for d in execution.decisions], retried.decisions) == (["skipped"], ())
    assert list(nt.frames.decisions(session).action) == ["skipped"]
