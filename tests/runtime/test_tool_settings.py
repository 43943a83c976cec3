"""Tool settings: ask() over the Turn, over the session, over the defaults, field by field; a tool's own over all."""

from __future__ import annotations

import time
from typing import Any

import pytest

import nbturns as nt
from nbturns.events import Event, Paused
from nbturns.runtime.engine_protocol import Engine
from nbturns.runtime.toolbox import Toolbox
from tests.runtime.test_tool_loop import call, double

TOOL_CONFIG = nt.keys.TOOL_CONFIG
PROVIDERS = ["openai:gpt-4o", "openai-chat:gpt-4o", "anthropic:claude-sonnet-4-5", "gemini:gemini-2.5-flash"]


def stating(config: Any, text: str = "q") -> nt.Turn:
    """Return a Turn whose data states these tool settings, as a file would."""
    data = {"blocks": [{"kind": "user", "payload": {"text": text}}], "data": {TOOL_CONFIG.name: config}}
    return nt.Turn.from_dict(data)


def recorded_scopes(scopes: list[nt.Scope], *answers: nt.Block) -> Engine:
    async def engine(turn: nt.Turn, scope: nt.Scope) -> nt.Turn:
        scopes.append(scope)
        return turn + (answers[len(scopes) - 1] if len(scopes) <= len(answers) else nt.assistant("x"))

    return engine


def test_what_a_turn_states_precedes_the_session_and_the_session_keeps_the_other_fields() -> None:
    scopes: list[nt.Scope] = []
    session = nt.Session(
        recorded_scopes(scopes),
        tools=[double],
        tool_config=nt.ToolConfig(max_iterations=7, tool_choice="required", inline=True),
    )

    turn = session.ask(stating({"execution_timeout": "2s", "max_parallel_tools": 1, "tool_choice": "none"})).result(60)

    expected = nt.ToolConfig(
        max_iterations=7, tool_choice="none", inline=True, execution_timeout=2.0, max_parallel_tools=1
    )
    assert scopes[0].tool_config == expected == turn.data[TOOL_CONFIG]


def test_a_default_value_that_a_turn_states_counts_and_one_it_leaves_out_does_not() -> None:
    scopes: list[nt.Scope] = []
    session = nt.Session(recorded_scopes(scopes), tools=[double], tool_config=nt.ToolConfig(max_iterations=7))

    session.ask(nt.turn("q").with_data(TOOL_CONFIG, nt.ToolConfig(max_iterations=20))).result(60)
    session.ask(nt.turn("q").with_data(TOOL_CONFIG, nt.ToolConfig(inline=True))).result(60)

    assert [scope.tool_config.max_iterations for scope in scopes] == [20, 7]


def test_tools_that_a_turn_switches_off_are_neither_offered_nor_run() -> None:
    scopes: list[nt.Scope] = []
    session = nt.Session(recorded_scopes(scopes, call("a")), tools=[double])

    turn = session.ask(stating({"enabled": False})).result(60)

    assert [len(scope.tools) for scope in scopes] == [0, 0]
    assert turn.of_kind("tool_use")[0].error == "not run: tools are switched off"


def test_the_limit_comes_from_ask_then_from_the_turn_then_from_the_session() -> None:
    def limit_of(turn: nt.Turn, **arguments: Any) -> int:
        calls = [call(str(n)) for n in range(9)]
        session = nt.Session(recorded_scopes([], *calls), tools=[double], tool_config=nt.ToolConfig(max_iterations=4))
        with pytest.raises(nt.LimitReached) as caught:
            session.ask(turn, **arguments).result(60)
        return len(caught.value.turn.inferences)

    assert limit_of(nt.turn("q")) == 4
    assert limit_of(stating({"max_iterations": 3})) == 3
    assert limit_of(stating({"max_iterations": 3}), limit=2) == 2


def test_the_time_out_of_a_tool_precedes_that_of_the_turn() -> None:
    def slow() -> str:
        time.sleep(0.3)
        return "slow"

    def error_of(tool: Any) -> str:
        session = nt.Session(nt.scripted(nt.tool_call("a", "slow"), "x"), tools=[tool])
        return session.ask(stating({"execution_timeout": "50ms"})).result(60).of_kind("tool_use")[0].error

    assert (error_of(slow), error_of(nt.Tool(slow, timeout=30))) == ("timed out after 0.05 s", "")


def test_what_a_turn_allows_is_offered_and_run() -> None:
    def triple(x: int) -> int:
        return 3 * x

    scopes: list[nt.Scope] = []
    session = nt.Session(recorded_scopes(scopes, call("a")), tools=[double, triple])

    turn = session.ask(stating({"allowed": ["triple"]})).result(60)

    assert [tool.name for tool in scopes[0].tools] == ["triple"]
    assert turn.of_kind("tool_use")[0].error == "no tool 'double'; there are: triple"


def test_settings_of_a_turn_last_for_the_conversation_and_a_change_of_the_session_is_heard() -> None:
    scopes: list[nt.Scope] = []
    session = nt.Session(recorded_scopes(scopes), tools=[double])
    session.ask(stating({"max_parallel_tools": 1})).result(60)
    session.tool_config = nt.ToolConfig(max_iterations=5)

    session.ask("more").result(60)
    session.ask(session.latest + nt.user("and more")).result(60)

    assert [(s.tool_config.max_parallel_tools, s.tool_config.max_iterations) for s in scopes] == [
        (1, 20),
        (1, 5),
        (1, 5),
    ]


def test_a_loaded_conversation_fills_in_what_the_session_does_not_state() -> None:
    scopes: list[nt.Scope] = []
    run = nt.Run((stating({"max_parallel_tools": 1, "max_iterations": 3}) + nt.assistant("a"),))
    session = nt.Session(recorded_scopes(scopes), tools=[double], run=run, tool_config=nt.ToolConfig(max_iterations=9))

    session.ask("more").result(60)

    assert (scopes[0].tool_config.max_parallel_tools, scopes[0].tool_config.max_iterations) == (1, 9)


def test_settings_that_change_at_a_pause_or_in_a_middleware_hold_from_there_on() -> None:
    scopes: list[nt.Scope] = []

    async def require(turn: nt.Turn, scope: nt.Scope, engine: Engine) -> nt.Turn:
        return await engine(turn, scope.replace(tool_config=scope.tool_config.replace(tool_choice="required")))

    session = nt.Session(recorded_scopes(scopes, call("a")), tools=[double], middleware=[require])
    execution = session.ask("q", step=True)
    pause = execution.next().result(60)
    assert pause is not None
    execution.resume(pause.turn.with_data(TOOL_CONFIG, nt.ToolConfig(enabled=False)))
    turn = execution.result(60, wait=True)

    assert [scope.tool_config.tool_choice for scope in scopes] == ["required", "required"]
    assert [scope.tool_config.enabled for scope in scopes] == [True, False]
    assert turn.of_kind("tool_use")[0].error == "not run: tools are switched off"


def test_the_pause_policy_of_a_turn_holds() -> None:
    events: list[Event] = []
    session = nt.Session(nt.scripted(call("a"), "x"), tools=[double], sinks=[events.append], step=True)
    turn = session.ask(stating({"pause_timeout": "20ms", "on_pause_timeout": "resume"})).result(60, wait=True)

    assert turn.text == "x" and sum(isinstance(event, Paused) for event in events) == 1


def test_a_session_as_an_engine_keeps_its_own_settings() -> None:
    scopes: list[nt.Scope] = []
    inner = nt.Session(
        recorded_scopes(scopes), tools=[double], tool_config=nt.ToolConfig(tool_choice="required", max_iterations=2)
    )

    nt.Session(inner.as_engine(), tools=[double]).ask(stating({"tool_choice": "none"})).result(60)

    assert (scopes[0].tool_config.tool_choice, scopes[0].tool_config.max_iterations) == ("required", 2)


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_request_honours_what_the_turn_states(provider: str) -> None:
    def request(config: dict[str, Any]) -> dict[str, Any]:
        return nt.engines.request(
            provider, stating(config), tools=[double], tool_config=nt.ToolConfig(tool_choice="required")
        )

    assert "double" in str(request({})) and "double" not in str(request({"enabled": False}))
    assert "double" not in str(request({"allowed": ["other"]}))
    chosen, required = request({"tool_choice": "none"}), request({"max_iterations": 3})
    assert chosen != required == request({})


def test_one_tool_at_a_time_is_in_the_request() -> None:
    def request(provider: str, config: dict[str, Any], **params: Any) -> dict[str, Any]:
        return nt.engines.request(provider, stating(config), tools=[double], **params)

    one, three = {"max_parallel_tools": 1}, {"max_parallel_tools": 3}
    for provider in ("openai:gpt-4o", "openai-chat:gpt-4o"):
        assert request(provider, one)["parallel_tool_calls"] is False
        assert "parallel_tool_calls" not in request(provider, three)
        assert request(provider, one, parallel_tool_calls=True)["parallel_tool_calls"] is True
    assert "parallel_tool_calls" not in request("openai:o3", one)  # which refuses it
    assert request("anthropic:claude-sonnet-4-5", one)["tool_choice"] == {
        "type": "auto",
        "disable_parallel_tool_use": True,
    }
    no_choice = {**one, "tool_choice": "none"}
    assert request("anthropic:claude-sonnet-4-5", no_choice)["tool_choice"] == {"type": "none"}


# Tools of a middleware.


def test_a_tool_that_a_middleware_offers_is_run() -> None:
    def extra(x: int) -> str:
        return f"extra {x}"

    async def offer(turn: nt.Turn, scope: nt.Scope, engine: Engine) -> nt.Turn:
        return await engine(turn, scope.replace(tools=Toolbox([*scope.tools, extra])))

    calls = [nt.tool_call("a", "extra", {"x": 1}), call("b")]
    session = nt.Session(nt.scripted(calls, "x"), tools=[double], middleware=[offer])
    turn = session.ask("q").result(60)

    assert [(block.result, block.error) for block in turn.of_kind("tool_use")] == [("extra 1", ""), (4, "")]


def test_a_tool_that_a_middleware_withholds_is_not_run() -> None:
    async def withhold(turn: nt.Turn, scope: nt.Scope, engine: Engine) -> nt.Turn:
        return await engine(turn, scope.replace(tools=Toolbox()))

    session = nt.Session(nt.scripted(call("a"), "x"), tools=[double], middleware=[withhold])

    assert session.ask("q").result(60).of_kind("tool_use")[0].error == "no tool 'double'; there are: none"
