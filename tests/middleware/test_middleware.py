"""The ready middlewares, in a session as people use them."""

from __future__ import annotations

import logging
from typing import Any

import pytest

import nbturns as nt
from nbturns.events import Event, Notice
from nbturns.middleware import limits, log_calls, reorder_tool_results, retry, system_prompt


def busy(after: str = "", **settings: Any) -> nt.EngineError:
    return nt.EngineError("the provider is busy", **{"status": 529, "retry_after": 0.0, **settings})


def add(a: int, b: int) -> int:
    "Add two numbers."
    return a + b


def notices(heard: list[Event]) -> list[str]:
    return [event.text for event in heard if isinstance(event, Notice)]


def test_a_busy_provider_is_asked_again_and_each_attempt_is_in_the_ledger() -> None:
    heard: list[Event] = []
    session = nt.Session(nt.scripted(busy(), busy(), "here I am"), middleware=[retry(3)], sinks=[heard.append])

    turn = session.ask("?").result(60)

    assert turn.text == "here I am"
    assert [str(one.finish_class) for one in turn.inferences] == ["error", "error", "completed"]
    assert len(notices(heard)) == 2
    assert "retrying in 0 s (1 of 3)" in notices(heard)[0]


@pytest.mark.parametrize("kind", ["rate_limit_exceeded", "server_error", "overloaded_error"])
def test_a_failure_that_a_stream_reports_before_its_text_is_asked_again(kind: str) -> None:
    session = nt.Session(nt.scripted(nt.EngineError("slow", kind=kind, retry_after=0.0), "here"), middleware=[retry(1)])
    assert session.ask("?").result(60).text == "here"


def test_after_the_last_attempt_the_error_is_the_users() -> None:
    session = nt.Session(nt.scripted(busy(), busy(), busy()), middleware=[retry(1)])

    with pytest.raises(nt.EngineError, match="busy") as caught:
        session.ask("?").result(60)

    assert len(caught.value.turn.inferences) == 2


@pytest.mark.parametrize(
    "error",
    [busy(status=400), busy(status=429, kind="insufficient_quota"), busy(retry_after=3600.0), ValueError("mine")],
)
def test_what_a_wait_will_not_mend_is_not_tried_again(error: Exception) -> None:
    script = nt.scripted(error, "never said")

    with pytest.raises(nt.EngineError):
        nt.Session(script, middleware=[retry(3)]).ask("?").result(60)

    assert script.call_count == 1


def test_a_call_that_had_said_something_is_never_repeated() -> None:
    asked = []

    async def engine(turn: nt.Turn, scope: nt.Scope) -> nt.Turn:
        asked.append(turn)
        raise nt.EngineError("cut", status=503, turn=turn + nt.assistant("half an ans"))

    with pytest.raises(nt.EngineError) as caught:
        nt.Session(engine, middleware=[retry(3)]).ask("?").result(60)

    assert len(asked) == 1
    assert caught.value.turn.text == "half an ans"


def test_a_limit_ends_the_run_before_the_next_call_with_the_turn_as_far_as_it_came() -> None:
    script = nt.scripted(*([nt.tool_call(f"c{n}", "add", {"a": n, "b": 1})] for n in range(5)))
    session = nt.Session(script, tools=[add], middleware=[limits(calls=2)])

    with pytest.raises(nt.LimitReached, match="2 model calls") as caught:
        session.ask("?").result(60)

    assert len(caught.value.turn.inferences) == 2
    assert not caught.value.turn.pending


@pytest.mark.parametrize("limit", [{"tokens": 100}, {"cost": 0.5}, {"seconds": 2.0}])
def test_tokens_money_and_time_are_limits_too(limit: dict[str, Any]) -> None:
    result = nt.InferenceResult(usage=nt.Usage(90, 20), cost=0.6, duration_ms=2500)
    call = nt.Turn([nt.tool_call("c", "add", {"a": 1, "b": 1})], metadata={nt.keys.INFERENCE_RESULT: result})
    session = nt.Session(nt.scripted(call, "never said"), tools=[add], middleware=[limits(**limit)])

    with pytest.raises(nt.LimitReached):
        session.ask("?").result(60)


def test_results_stand_behind_their_calls_in_the_order_of_the_calls() -> None:
    seen: list[nt.Turn] = []

    async def engine(turn: nt.Turn, scope: nt.Scope) -> nt.Turn:
        seen.append(turn)
        return turn + nt.assistant("ok")

    mixed = nt.Turn(
        [
            nt.user("?"),
            nt.tool_call("a", "f", {}),
            nt.tool_call("b", "f", {}),
            nt.user("still there?"),
            nt.tool_use("b", 2),
            nt.tool_use("a", 1),
            nt.tool_use("stray", 0),
        ]
    )
    nt.Session(engine, middleware=[reorder_tool_results()]).ask(mixed).result(60)

    said = [(block.kind, block.tool_call_id or block.text) for block in seen[0]]
    assert said == [
        ("user", "?"),
        ("tool_call", "a"),
        ("tool_call", "b"),
        ("tool_use", "a"),
        ("tool_use", "b"),
        ("user", "still there?"),
        ("tool_use", "stray"),
    ]


def test_a_turn_in_order_goes_on_as_the_very_same() -> None:
    from nbturns.middleware.tool_result_order import with_results_in_order

    turn = nt.Turn([nt.user("?"), nt.tool_call("a", "f", {}), nt.tool_use("a", 1), nt.assistant("!")])

    assert with_results_in_order(turn) is turn


def test_the_log_counts_and_never_quotes(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "nbturns"):
        nt.Session(nt.scripted("the answer is secret"), middleware=[log_calls()]).ask("a secret question").result(60)

    assert "asking: 1 user" in caplog.text
    assert "answered: 1 user, 1 llm_text; completed" in caplog.text
    assert "secret" not in caplog.text


def test_a_session_prints_what_an_ask_goes_through() -> None:
    session = nt.Session(nt.scripted("x"), system="Be brief.", tools=[add], middleware=[retry(), limits(calls=3)])

    said = str(session)

    assert "retry → limits → system prompt → <scripted: 0 of 1 answers given>" in said
    assert "add (effectful)" in said


def test_one_system_prompt_stands_whatever_came() -> None:
    other = nt.turn("?", system="Something else.")
    session = nt.Session(nt.scripted("x"), middleware=[system_prompt("Be brief.")])

    turn = session.ask(other).result(60)

    assert [block.text for block in turn.of_kind("system")] == ["Be brief."]


def test_a_middleware_says_what_it_does_not_take() -> None:
    with pytest.raises(ValueError, match="expected a limit of calls from 0 up, got '2'"):
        limits(calls="2")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="expected the system prompt as a string"):
        system_prompt(5)  # type: ignore[arg-type]
