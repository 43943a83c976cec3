"""What nbturns offers to the tests of others: assertions that show the Turn, and a server that plays recordings."""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest

import nbturns as nt
from nbturns.events import Notice
from nbturns.testing import assert_turn, serve
from nbturns.testing.exchanges import read_exchanges
from nbturns.testing.server import Server
from tests.dialects import DIALECTS, KEY, engine, weather


def test_assertions_on_a_turn_can_be_chained() -> None:
    session = nt.Session(nt.scripted(nt.tool_call("c", "weather", {"city": "Paris"}), "Umbrella."), tools=[weather])
    turn = session.ask("Paris?").result(60)

    chain = assert_turn(turn).calls("weather", times=1).with_args(city="Paris").answered("rain").before("final")
    chain.says("Umbrella").is_complete().uses_at_most(0).calls_of_a_model(2).satisfies(lambda turn: len(turn) == 4)
    assert_turn(session).has_kinds("user", "tool_call", "tool_use", "llm_text")


@pytest.mark.parametrize(
    ("claim", "reason"),
    [
        (lambda turn: turn.calls("add"), r"expected a call add\(\)"),
        (lambda turn: turn.calls("weather", times=2), "expected 2 calls of weather, got 1"),
        (lambda turn: turn.calls("weather").with_args(city="Rome"), "city='Rome', got 'Paris'"),
        (lambda turn: turn.calls("weather", city="Rome"), r"expected a call weather\(city='Rome'\)"),
        (lambda turn: turn.calls("weather").answered("snow"), "to return 'snow'"),
        (lambda turn: turn.calls("weather").answered(error="late"), "to fail with 'late'"),
        (lambda turn: turn.says("Umbrella").calls("weather"), "after block 3"),
        (lambda turn: turn.says("sun"), "to say 'sun'"),
        (lambda turn: turn.says("Umbrella").before("final"), "expected final after block 3"),
        (lambda turn: turn.has_kinds("user"), "expected the kinds user, got"),
        (lambda turn: turn.costs_at_most(1), "an unknown cost"),
        (lambda turn: turn.calls_of_a_model(3), "expected 3 model calls, got 2"),
        (lambda turn: turn.with_args(a=1), r"use .calls\(…\) first"),
        (lambda turn: turn.satisfies(lambda turn: False), "is not true"),
    ],
)
def test_a_failed_assertion_shows_the_turn(claim: Any, reason: str) -> None:
    session = nt.Session(nt.scripted(nt.tool_call("c", "weather", {"city": "Paris"}), "Umbrella."), tools=[weather])
    turn = session.ask("Paris?").result(60)

    with pytest.raises(AssertionError, match=reason) as caught:
        claim(assert_turn(turn))
    assert "[1] tool_call weather(city='Paris')" in str(caught.value)


@pytest.mark.parametrize("name", DIALECTS)
@pytest.mark.parametrize("stream", [True, False])
def test_the_server_speaks_every_dialect(server: Server, name: str, stream: bool) -> None:
    deltas: dict[str, str] = {}

    def on_event(event: Any) -> None:
        if type(event).__name__ == "Delta":
            deltas[event.kind] = deltas.get(event.kind, "") + event.text

    session = nt.Session(engine(server, name, stream=stream), tools=[weather], sinks=[on_event])
    turn = session.ask("What is the weather in Paris?").result(60)

    assert_turn(turn).calls("weather", city="Paris").answered("rain").says("umbrella").is_complete()
    assert turn.usage.total_tokens > 80
    assert json.loads(deltas["tool_call"]) == {"city": "Paris"}
    assert turn.text in deltas["llm_text"]
    assert all(result.time_to_first_token_ms is not None for result in turn.inferences)
    assert "".join(block.text for block in turn.of_kind("reasoning")) == deltas.get("reasoning", "")
    assert KEY not in json.dumps(server.log)


@pytest.mark.parametrize("name", DIALECTS)
def test_a_busy_provider_is_retried_and_every_attempt_is_recorded(server: Server, name: str) -> None:
    notices: list[str] = []
    session = nt.Session(
        engine(server, name, "/_fault/status=429,retry-after=0.01,times=2"),
        sinks=[lambda event: notices.append(event.text) if isinstance(event, Notice) else None],
    )

    turn = session.ask("Say hello.").result(60)

    assert [result.attempts for result in turn.inferences] == [1, 2, 3]
    assert [result.finish_class for result in turn.inferences] == ["error", "error", "completed"]
    last = turn[-1].inference
    assert last is not None
    assert last.attempts == 3
    assert ["retrying in 0.01 s (1 of 2)" in notices[0], "(2 of 2)" in notices[1], len(notices)] == [True, True, 2]
    assert nt.Turn.from_yaml(turn.to_yaml()).inferences == turn.inferences


def test_without_retries_an_error_is_raised_at_once(server: Server) -> None:
    asks = engine(server, "openai:gpt-5.1", "/_fault/status=503", retries=0)

    with pytest.raises(nt.EngineError) as caught:
        nt.Session(asks).ask("Say hello.").result(60)

    assert (caught.value.status, len(server.log)) == (503, 1)


def test_a_long_retry_after_raises_instead_of_waiting(server: Server) -> None:
    asks = engine(server, "anthropic:claude-sonnet-4-6", "/_fault/status=429,retry-after=38")

    with pytest.raises(nt.EngineError, match="try again in 38 s") as caught:
        nt.Session(asks).ask("Say hello.").result(60)

    assert (caught.value.retry_after, len(server.log)) == (38.0, 1)


@pytest.mark.parametrize("name", DIALECTS)
@pytest.mark.parametrize(("fault", "kind"), [("cut", "stream_cut"), ("stall", "timeout")])
def test_the_received_part_survives_a_fault_without_a_second_request(
    server: Server, name: str, fault: str, kind: str
) -> None:
    prefix = name.partition(":")[0].replace("openai-chat", "chat")
    exchange = next(exchange for exchange in server.exchanges if exchange.id == f"{prefix}-count-stream")
    offset = exchange.body.index(b"20 ")
    asks = engine(server, name, f"/_fault/{fault}={offset}", timeout=4 if fault == "stall" else 60)

    with pytest.raises(nt.EngineError) as caught:
        nt.Session(asks).ask("Please count to forty.").result(60)

    assert caught.value.kind == kind
    assert caught.value.turn.text.startswith("1 2 3 4 5")
    assert caught.value.turn.inferences[0].finish_class == "error"
    assert len(server.log) == 1


def test_an_unknown_request_is_rejected_with_the_differences(tmp_path: Path) -> None:
    file = tmp_path / "calls.jsonl"
    recorded = {"request": {"path": "/v1/messages", "json": {"model": "m", "messages": [{"role": "user"}]}}}
    file.write_text(json.dumps(recorded | {"response": {"status": 200, "body": "{}"}}))

    with serve(file) as server, pytest.raises(urllib.error.HTTPError) as caught:
        post(f"{server.url}/v1/messages", {"model": "other", "messages": [{"role": "user"}]})

    assert caught.value.code == 404
    assert '~ model: \\"m\\" \\u2192 \\"other\\"' in caught.value.read().decode()
    caught.value.close()


def post(url: str, body: Any) -> Any:
    with urllib.request.urlopen(urllib.request.Request(url, json.dumps(body).encode()), timeout=60) as answer:
        return json.load(answer)


def test_an_unknown_request_is_answered_with_the_known_phrases(server: Server) -> None:
    with pytest.raises(nt.EngineError, match="known phrases: count to, hamlet, hello, weather"):
        nt.Session(engine(server, "anthropic:claude-sonnet-4-6")).ask("Who are you?").result(60)


def test_the_server_runs_as_a_program() -> None:
    command = [sys.executable, "-m", "nbturns.testing.server", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as program:
        assert program.stdout is not None
        url = program.stdout.readline().split()[0]
        try:
            asks = nt.engine("openai-chat:gpt-4.1", base_url=f"{url}/v1")
            assert nt.Session(asks).ask("Say hello.").result(60).text.startswith("Hello!")
        finally:
            program.terminate()


def test_a_file_without_exchanges_is_rejected(tmp_path: Path) -> None:
    file = tmp_path / "calls.jsonl"
    file.write_text('{"request": {}}\n')

    with pytest.raises(nt.LoadError, match="line 1: not a recorded exchange"):
        read_exchanges([file])
    with pytest.raises(nt.LoadError, match="no .jsonl file"):
        read_exchanges([_empty_folder(tmp_path)])


def _empty_folder(folder: Path) -> Path:
    path = folder / "empty"
    path.mkdir()
    return path
