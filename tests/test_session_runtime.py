"""What a session was made from is written on its Turns, and its breakpoints hold every execution."""

from __future__ import annotations

import nbturns as nt
from nbturns.events import Snapshot


def weather(city: str) -> str:
    "Current weather in a city."
    return f"sunny in {city}"


def scripted() -> nt.engines.Scripted:
    return nt.scripted([nt.tool_call("c1", "weather", {"city": "Paris"})], "It is sunny.")


def test_a_breakpoint_of_the_session_holds_each_execution_before_its_tools_run() -> None:
    def before_weather(snapshot: Snapshot) -> bool:
        return snapshot.phase == "post_inference" and any(call.name == "weather" for call in snapshot.turn.pending)

    session = nt.Session(scripted(), tools=[weather], break_when=[before_weather])
    execution = session.ask("weather in Paris?")
    pause = execution.next().result(timeout=60)
    assert pause is not None
    assert [call.name for call in pause.pending] == ["weather"]
    assert pause.reason == "breakpoint: before_weather"
    execution.resume()
    assert execution.result(timeout=60).text == "It is sunny."


def test_the_runtime_of_a_session_is_on_every_turn_and_goes_with_a_fork() -> None:
    session = nt.Session(nt.scripted("one", "two"), runtime={"runtime_key": "team/base"})
    session.ask("a").result(timeout=60)
    session.ask("b").result(timeout=60)
    assert [turn.metadata[nt.keys.RUNTIME] for turn in session.turns] == [{"runtime_key": "team/base"}] * 2
    assert session.fork().runtime == {"runtime_key": "team/base"}
