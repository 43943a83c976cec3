"""What a user writes, checked by mypy and pyright in their strict modes (`make types`); it is not run."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd
from typing_extensions import assert_type

import nbturns as nt
from nbturns.events import Event, Pause, Phase, Snapshot, ToolFinished
from nbturns.testing import assert_turn

MINE = nt.Key("me.score@v1", float)
NOTES = nt.Key("me.notes@v1", list[str], "turn")
MAYBE: nt.Key[int | None] = nt.Key("me.count@v1", int | None)


@dataclass
class Play:
    title: str
    year: int


def weather(city: str) -> dict[str, str]:
    "Current weather in a city."
    return {"city": city}


def on_event(event: Event) -> None:
    if isinstance(event, ToolFinished):
        print(event.call.name, event.duration_ms)


async def echo(turn: nt.Turn, scope: nt.Scope) -> nt.Turn:
    return turn + nt.assistant(f"{scope.iteration}: {turn[-1].text}")


def values() -> None:
    turn = nt.turn("What's 2+2?", system="Be brief.") + nt.assistant("4")
    turn = turn.with_metadata(MINE, 0.9).with_metadata(NOTES, ["short"])
    assert_type(turn.metadata[MINE], float)
    assert_type(turn.metadata.get(NOTES), list[str] | None)
    assert_type(turn.metadata.get(MAYBE), int | None)
    assert_type(turn[0], nt.Block)
    assert_type(turn[0:1], nt.Turn)
    assert_type(turn.edit(0, text="x"), nt.Turn)
    assert_type(turn.cost, float | None)
    assert_type([block.text for block in turn], list[str])
    run = nt.load("run.yaml")
    assert_type(run, nt.Run)
    assert_type(run.latest, nt.Turn)
    assert_type([result.usage.total_tokens for result in run.inferences if result.usage], list[int])


def sessions() -> None:
    engine = nt.scripted(nt.tool_call("call_1", "weather", {"city": "Paris"}), "Rain.")
    session = nt.Session(
        engine, tools=[weather], sinks=[on_event], step=True, tool_config=nt.ToolConfig(max_iterations=3)
    )
    execution = session.ask("How is the weather in Paris?")
    pause = execution.next().result()
    print(pause.phase, [call.name for call in pause.pending])
    pause = execution.step(pause.turn.edit(-1, args={"city": "Lyon"})).result()
    for stop in execution:
        assert_type(stop, Pause)
    assert_type(execution.result(), nt.Turn)
    snapshot: Snapshot = execution.snapshots[0]
    assert_type(snapshot.phase, Phase)
    session.fork(snapshot)


def output() -> None:
    session = nt.Session(nt.scripted('{"title": "Hamlet", "year": 1603}'))
    turn = session.ask("Which play?", output=Play).result()
    assert_type(turn.output, Play)
    assert_type(turn.output.title, str)
    assert_type(session.ask("How many?", output=list[int]).result().output, list[int])


async def awaited() -> None:
    session = nt.Session(echo)
    assert_type(await session.ask("Hi"), nt.Turn)
    turn = await session.ask("Which play?", output=Play)
    assert_type(turn.output, Play)


def frames() -> None:
    run = nt.example()
    assert_type(nt.frames.blocks(run), pd.DataFrame)
    assert_type(nt.frames.tool_calls("*.yaml", failed=r"^denied"), pd.DataFrame)
    assert_type(nt.frames.runs(run, fields=["task"], progress=False), pd.DataFrame)
    assert_type(nt.problems(run), pd.DataFrame)
    words = nt.frames.Column("words", lambda row: len(row.block.text.split()))
    assert_type(nt.frames.blocks(run, columns=(*nt.frames.BLOCK, words)), pd.DataFrame)
    totals = nt.frames.inferences(run).groupby("model")["cost"].sum()
    print(totals)


def tests() -> None:
    assert_turn(nt.example().latest).calls("readings").answered().says("north")
