"""Frames of a store: from its records, with the values that they have by way of Turns."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import nbturns as nt
from nbturns import frames
from nbturns.frames import Column
from nbturns.values.label_values import LABELS, Label
from nbturns.values.persistent_list import PersistentList
from tests.frames.comparison import assert_same_frames

FRAMES: dict[str, Callable[..., Any]] = {
    name: getattr(frames, name)
    for name in ("blocks", "turns", "inferences", "tool_calls", "snapshots", "runs")
    + ("problems", "labels", "decisions", "context")
}
COLUMNS = {
    "blocks": frames.BLOCK,
    "turns": frames.TURN,
    "inferences": frames.INFERENCE,
    "tool_calls": frames.TOOL_CALL,
    "snapshots": frames.SNAPSHOT,
    "runs": frames.RUN,
    "problems": frames.PROBLEM,
    "labels": frames.LABEL,
    "decisions": frames.DECISION,
    "context": frames.CONTEXT,
}
LONG = nt.ToolConfig(max_iterations=50)
OWN = Column("own", str, "string")  # a column of the user's: its rows have the Turns themselves


@contextmanager
def used_turns() -> Iterator[list[str]]:
    """Return the places at which a function of Python makes or uses a Turn, meanwhile."""
    places: list[str] = []

    def watch(frame: FrameType, event: str, value: Any) -> None:
        is_made = event == "return" and isinstance(value, nt.Turn)
        if is_made or (event == "call" and isinstance(frame.f_locals.get("self"), nt.Turn)):
            places.append(f"{frame.f_code.co_filename}:{frame.f_lineno} {frame.f_code.co_name}")

    sys.setprofile(watch)
    try:
        yield places
    finally:
        sys.setprofile(None)


def note(text: str) -> str:
    "Keep a text."
    if text == "broken":
        raise ValueError("no paper")
    return f"noted {text}"


def calls(count: int, prefix: str = "call") -> list[Any]:
    return [
        [nt.assistant(f"step {n}"), nt.tool_call(f"{prefix}_0123456789_{n}", "note", {"text": f"text {n}"})]
        for n in range(count)
    ]


def fill(store: nt.TurnStore) -> None:
    """Write sessions with forks, pauses, decisions, failures, stops and labels, and what is odd."""
    engine = nt.scripted(*calls(30), "done", "and again", "a third", *calls(1, "other"), "end")
    session = nt.Session(engine, tools=[note], store=store, system="Be brief.", tool_config=LONG)
    execution = session.ask("go")
    execution.result(timeout=60)
    session.ask("more").result(timeout=60)
    fork = session.fork(execution.snapshots[20])
    fork.ask("from the middle").result(timeout=60)
    edited = session.fork(session.latest.edit(3, text="edited").edit(-1, text="other"))
    edited.ask("after an edit").result(timeout=60)
    paused = nt.Session(nt.scripted(*calls(3, "paused"), "done"), tools=[note], store=store, step=True)
    stepping = paused.ask("step by step")
    pause = stepping.next().result(timeout=60)
    pause = stepping.step(pause.turn.edit(-1, args={"text": "edited"})).result(timeout=60)
    stepping.stop()
    failing = nt.Session(nt.scripted([nt.tool_call("c", "note", {"text": "broken"})], "x"), tools=[note], store=store)
    failing.ask("go").result(timeout=60)
    stopped = nt.Session(nt.scripted(), tools=[note], store=store)
    with pytest.raises(nt.NbturnsError):
        stopped.ask("nothing is scripted").result(timeout=60)
    store.add(nt.example())
    for index, block in enumerate((
        nt.Block("other", {"x": [1]}, extra={"q": 1}), nt.Block("other", {"n": float("nan"), "b": b"x"}),
        nt.user("\ud800"), nt.user("x").with_metadata(LABELS, [Label(label="good")]),
        nt.Block("tool_call", {"id": "t", "name": "note", "args": "not an object"}),
    )):  # fmt: skip
        store.add(nt.Run((nt.Turn((block,)), nt.Turn((nt.user("other"), block))), id=f"odd-{index}"))
    store.add(nt.Run((nt.turn("long").with_id("i" * 100), nt.Turn()), id="long-id", extra={"k": [1]}))
    store.add(nt.Run((), id="empty"))


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> nt.TurnStore:
    store = nt.TurnStore(tmp_path_factory.mktemp("store") / "runs.db")
    fill(store)
    return store


@pytest.mark.parametrize("name", FRAMES)
def test_no_turn_is_made_for_a_frame_of_a_store(store: nt.TurnStore, name: str) -> None:
    frame = FRAMES[name](store)
    with used_turns() as places:
        again = FRAMES[name](store)
    pd.testing.assert_frame_equal(frame, again)
    assert places == []


def test_no_turn_is_made_for_all_frames_in_one_pass(store: nt.TurnStore) -> None:
    frames.read(store)
    with used_turns() as places:
        result = frames.read(store)
        assert len(result.snapshots) and len(result.turns)
    assert places == []


def test_the_turns_that_other_ways_make_are_noticed(store: nt.TurnStore) -> None:
    with used_turns() as places:
        store.load(store.ids()[0])
    assert places
    with used_turns() as places:
        frames.turns(store, columns=(*frames.TURN, OWN))
    assert places


@pytest.mark.parametrize("name", FRAMES)
def test_the_records_give_the_same_frame_as_the_turns(store: nt.TurnStore, name: str) -> None:
    columns = COLUMNS[name]
    frame = FRAMES[name](store, columns=columns)
    by_turns = FRAMES[name](store, columns=(*columns, OWN)).drop(columns="own")
    pd.testing.assert_frame_equal(frame, by_turns)


def test_all_frames_in_one_pass_are_those_by_turns(store: nt.TurnStore) -> None:
    result = assert_same_frames(store)
    assert len(result.snapshots) > 120


def test_the_snapshots_of_a_store_are_those_of_its_session(tmp_path: Path) -> None:
    store = nt.TurnStore(tmp_path / "runs.db")
    engine = nt.scripted(*calls(45), "done", "more", "end")
    earlier = nt.Session(nt.scripted("first"))
    earlier.ask("one").result(timeout=60)
    session = nt.Session(engine, tools=[note], store=store, run=earlier.run, tool_config=LONG)
    session.ask("go").result(timeout=60)
    session.ask("again").result(timeout=60)
    of_session, of_store = frames.snapshots(session), frames.snapshots(store)
    shared = ["turn_index", "blocks", "pending", "added", "removed", "edited", "changed_from", "added_kinds", "text"]
    pd.testing.assert_frame_equal(of_session[shared], of_store[shared])


TEXTS = st.text(st.characters(codec="utf-8"), max_size=4)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | TEXTS | st.floats(-1, 1),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(TEXTS, inner, max_size=2),
    max_leaves=4,
)
IDS = st.sampled_from(["", "a", "block-0123456789", "call_0123456789abcdef"])
RESULTS = st.builds(
    nt.InferenceResult, inference_id=IDS, provider=st.sampled_from(["", "claude", "openai"]), response_id=IDS,
    model=TEXTS, stop_reason=st.sampled_from(["", "stop", "length"]), cost=st.none() | st.floats(0, 1),
    usage=st.none() | st.builds(nt.Usage, st.integers(0, 9), st.integers(0, 9)),
    error=st.none() | st.just({"type": "E", "message": "m"}),
)  # fmt: skip


@st.composite
def blocks(draw: st.DrawFn) -> nt.Block:
    kind = draw(st.sampled_from(["user", "llm_text", "tool_call", "tool_use", "reasoning", "other", "strange"]))
    payload: dict[str, Any] = draw(st.dictionaries(st.sampled_from(["text", "error", "result", "args"]), JSON))
    payload |= {"id": draw(IDS), "name": "note"} if kind.startswith("tool") else {"text": draw(TEXTS)}
    block = nt.Block(kind, payload, id=draw(IDS), extra=draw(st.dictionaries(st.just("q"), JSON)))
    if draw(st.booleans()):
        block = block.with_metadata(nt.keys.INFERENCE_RESULT, draw(RESULTS))
    if draw(st.booleans()):
        block = block.with_metadata(nt.keys.INFERENCE_ID, draw(IDS))
    if draw(st.booleans()):
        values = draw(st.dictionaries(st.sampled_from(ODD_NAMES), JSON, max_size=2))
        block = nt.Block(
            block.kind, block.payload, id=block.id, metadata=block.metadata.with_raw(**values), extra=block.extra
        )
    return block


ODD_NAMES = ["nbturns.duration_ms@v1", "nbturns.answered_by@v1", "nbturns.labels@v1", "nbturns.timestamp@v1", "me.x@v1"]
TURN_NAMES = ["nbturns.status@v1", "nbturns.error@v1", "geppetto.session_id@v1", "geppetto.inference_id@v1", "me.x@v1"]


@st.composite
def runs(draw: st.DrawFn) -> nt.Run:
    pool = draw(st.lists(blocks(), min_size=1, max_size=4))
    turns = []
    for _ in range(draw(st.integers(0, 3))):
        turn = nt.Turn(draw(st.lists(st.sampled_from(pool), max_size=40 if draw(st.booleans()) else 4)), draw(IDS))
        if draw(st.booleans()):
            turn = turn.with_metadata(nt.keys.INFERENCES, PersistentList(draw(st.lists(RESULTS, max_size=2))))
        values = draw(st.dictionaries(st.sampled_from(TURN_NAMES), JSON, max_size=2)) if draw(st.booleans()) else {}
        turns.append(nt.Turn(turn.blocks, turn.id, turn.metadata.with_raw(**values)))
    return nt.Run(tuple(turns), name=draw(TEXTS))


def outcome(read: Callable[[], Any]) -> Any:
    """Return all frames, or the error that reading them raises, as text."""
    try:
        result = read()
    except nt.NbturnsError as error:
        return f"{type(error).__name__}: {error}"
    return (
        {name: getattr(result, name).to_dict("records") for name in frames_of(result)} if result is not None else None
    )


def frames_of(result: frames.Frames) -> list[str]:
    return ["blocks", "turns", "inferences", "tool_calls", "snapshots", "reports", "errors"]


@settings(max_examples=60, deadline=None)
@given(st.lists(runs(), min_size=1, max_size=3), st.booleans())
def test_any_runs_have_the_same_frames_by_both_ways(
    tmp_path_factory: pytest.TempPathFactory, all_runs: list[nt.Run], strict: bool
) -> None:
    store = nt.TurnStore(tmp_path_factory.mktemp("any") / "runs.db")
    for run in all_runs:
        store.add(run)
    by_turns = {
        name: (*columns, OWN)
        for name, columns in COLUMNS.items()
        if name in ("blocks", "turns", "inferences", "tool_calls", "snapshots")
    }

    def without_own(result: frames.Frames) -> frames.Frames:
        for name in by_turns:
            result.tables[name] = result.tables[name].drop_columns(["own"])
        return result

    fast = outcome(lambda: frames.read(store, strict))
    slow = outcome(lambda: without_own(frames.read(store, strict, columns=by_turns)))
    assert str(fast) == str(slow)


def test_rows_of_a_store_lead_back_to_their_turns(store: nt.TurnStore) -> None:
    turns = frames.turns(store)
    run_id = turns.run_id[0]
    rows = turns[turns.run_id == run_id]
    assert frames.to_turns(rows) == store.load(run_id).turns[: len(rows)]
    call = frames.tool_calls(store).iloc[-1]
    assert frames.at(call, store) == store.load(call.run_id)[call.turn_index]
