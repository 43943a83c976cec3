"""Engines by name; and the real client, over a real socket, against a server that plays recorded bytes."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import nbturns as nt
from nbturns.engines import decode, engine, find, request
from nbturns.engines.provider import without_secrets
from nbturns.engines.provider_engine import ProviderEngine
from nbturns.engines.transports.account import AccountVariables
from nbturns.engines.transports.sdk_client import OfficialClient, OfficialTransport, retry_after
from nbturns.events import Delta
from nbturns.runtime.background_loop import Waiting
from tests.engines.recorded_traffic import recorded
from tests.engines.scripted_server import Script, Server, served

FIXTURES = Path(__file__).parents[1] / "fixtures" / "anthropic"
KEY = "sk-ant-not-to-be-seen"
MODEL = "anthropic:claude-test"


def stream(name: str) -> bytes:
    return (FIXTURES / f"{name}.sse").read_bytes()


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.delenv("ANTHROPIC_API_KEY", raising=False)
    pytest.importorskip("anthropic")
    with served(MODEL, KEY, request_id="req_42") as made:
        yield made


def failure(asks: ProviderEngine) -> nt.EngineError:
    with pytest.raises(nt.EngineError) as caught:
        nt.Session(asks).ask("Paris?").result(60)
    assert caught.value.turn[0].text == "Paris?"
    assert caught.value.turn.inferences[0].finish_class == nt.FinishClass.ERROR
    assert caught.value.turn.inferences[0].model.startswith("claude-")
    assert KEY not in "".join(map(str, everything(caught.value)))
    return caught.value


def everything(error: BaseException | None) -> Iterator[object]:
    """What a traceback would show of an error, and of those behind it."""
    while error is not None:
        yield from (error, repr(error), vars(error))
        error = error.__cause__ or error.__context__


# By name.


def test_an_unknown_provider_is_told_of_the_known_ones() -> None:
    with pytest.raises(
        nt.NbturnsError,
        match=r"unknown provider 'anthropc'; did you mean anthropic\?; installed providers: .*anthropic, azure",
    ):
        engine("anthropc:claude-test")


def test_a_name_has_a_model() -> None:
    with pytest.raises(nt.NbturnsError, match="provider:model"):
        engine("anthropic")


def test_claude_is_another_name_of_anthropic() -> None:
    assert find("claude") is find("anthropic")


@pytest.mark.parametrize("name", ["system", "messages", "max_retries"])
def test_what_is_not_the_engines_is_refused(name: str) -> None:
    params: dict[str, Any] = {name: []}

    with pytest.raises(nt.NbturnsError, match=f"{name} is not a parameter of an engine"):
        engine(MODEL, **params)


def test_an_engine_shows_what_it_is_and_no_secret() -> None:
    servers = [{"type": "url", "name": "s", "authorization_token": KEY}]
    made = engine(MODEL, api_key=KEY, temperature=0.5, mcp_servers=servers)

    assert repr(made) == "<anthropic:claude-test temperature=0.5>"
    assert made.describe()["params"]["mcp_servers"][0] == {"type": "url", "name": "s", "authorization_token": "…"}
    assert KEY not in repr(made) + str(made.describe()) + repr(made.transport)
    assert without_secrets({"max_tokens": 9, "budget_tokens": "9"}) == {"max_tokens": 9, "budget_tokens": "9"}


def test_a_missing_package_is_named_with_what_to_do() -> None:
    never_opened: Any = None
    sdk = OfficialClient(
        package="no_such_sdk",
        client_class="",
        open_stream=never_opened,
        read_error=nt.EngineError,
        account=AccountVariables(),
    )

    with pytest.raises(nt.EngineError, match=r"pip install 'nbturns\[no_such_sdk\]'"):
        OfficialTransport(sdk, {}, {})


def test_engines_bring_no_sdk_until_they_are_asked() -> None:
    probe = """
import sys, nbturns as nt
nt.engine("anthropic:m", api_key="k"); nt.engines.request("anthropic:m", nt.turn("x"))
print([name for name in ("anthropic", "httpx", "httpx2", "openai", "pandas") if name in sys.modules])
"""
    told = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True, timeout=60)

    assert told.stdout.strip() == "[]"


def test_request_leaves_the_clients_settings_out() -> None:
    body = request(MODEL, nt.turn("x"), api_key=KEY, base_url="http://x", betas=["b"], stream=False)

    assert body == {
        "model": "claude-test",
        "max_tokens": 4096,
        "messages": [{"role": "user", "content": [{"type": "text", "text": "x"}]}],
        "stream": False,
    }


def test_decode_takes_bytes_text_and_dicts() -> None:
    body = (FIXTURES / "every_block.json").read_text(encoding="utf-8")

    assert decode("anthropic", body) == decode("anthropic", body.encode()) == decode("anthropic", json.loads(body))
    assert decode("anthropic", stream("text").decode()).text == "It rains in Paris."


@pytest.mark.parametrize(
    ("headers", "wait"),
    [
        ({"retry-after": "7"}, 7.0),
        ({"retry-after-ms": "1500", "retry-after": "9"}, 1.5),
        ({"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT"}, 0.0),
        ({"retry-after": "inf"}, 0.0),
        ({"retry-after": "soon"}, None),
        ({}, None),
    ],
)
def test_the_time_to_wait_is_read_in_every_form(headers: dict[str, str], wait: float | None) -> None:
    assert retry_after(headers) == wait


# Over a socket.


def test_a_session_with_a_tool_loop_over_the_real_client(server: Server) -> None:
    def weather(city: str) -> str:
        "Current weather in a city."
        return f"rain in {city}"

    heard: list[Delta] = []
    asks = server.engine(Script(stream("call")), Script(stream("text").replace(b"msg_01", b"msg_02")), temperature=0)
    session = nt.Session(
        asks, tools=[weather], sinks=[lambda event: heard.append(event) if isinstance(event, Delta) else None]
    )
    turn = session.ask("Paris?").result(60)

    assert [block.kind for block in turn] == ["user", "llm_text", "tool_call", "tool_use", "llm_text"]
    assert (turn.text, turn[3].result) == ("It rains in Paris.", "rain in Paris")
    assert [(r.response_id, r.request_id, r.max_tokens) for r in turn.inferences] == [
        ("msg_01", "req_42", 4096),
        ("msg_02", "req_42", 4096),
    ]
    assert "".join(delta.text for delta in heard if delta.kind == "llm_text") == "I look.It rains in Paris."
    first, second = server.asked
    assert first == asks.request(turn[:1], nt.Scope(tools=session.tools))
    assert [message["role"] for message in second["messages"]] == ["user", "assistant", "user"]
    assert len(server.connections) == 1  # one connection serves the whole loop


def test_an_answer_may_come_as_one_body(server: Server) -> None:
    body = (FIXTURES / "every_block.json").read_bytes()
    asks = server.engine(Script(body, content_type="application/json"), stream=False)

    turn = Waiting(asks(nt.turn("x"), nt.Scope())).result(60)

    assert turn[1:].blocks == decode_bare(body)
    assert server.asked[0]["stream"] is False


def decode_bare(body: bytes) -> tuple[nt.Block, ...]:
    """The blocks of a reply as an engine adds them, before they are signed."""
    reply = find("anthropic").reply(lambda delta: None, "")
    reply.body(json.loads(body))
    return reply.blocks()


def test_headers_and_betas_go_with_the_request(server: Server) -> None:
    headers = {"anthropic-version": "2023-06-01"}
    asks = server.engine(Script(stream("text")), betas=["files-api", "context-1m"], headers=headers)

    nt.Session(asks).ask("x").result(60)

    [sent] = server.headers
    assert (sent["anthropic-beta"], sent["anthropic-version"]) == ("files-api,context-1m", "2023-06-01")


def test_a_client_of_the_users_own_is_used_as_it_is(server: Server) -> None:
    import anthropic

    server.answers += [Script(stream("text"), linger=0)]
    client = anthropic.AsyncAnthropic(api_key=KEY, base_url=server.url, default_headers={"x-mine": "yes"})

    turn = nt.Session(engine(MODEL, client=client)).ask("x").result(60)

    assert (turn.text, server.headers[0]["x-mine"]) == ("It rains in Paris.", "yes")
    Waiting(client.close()).result(60)
    with pytest.raises(nt.EngineError, match="must be asynchronous"):
        engine(MODEL, client=anthropic.Anthropic(api_key=KEY))
    with pytest.raises(nt.EngineError, match="api_key cannot be combined with client="):
        engine(MODEL, client=client, api_key=KEY)


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, "invalid_request_error"),
        (401, "authentication_error"),
        (429, "rate_limit_error"),
        (529, "overloaded_error"),
    ],
)
def test_a_refusal_carries_all_that_was_said(server: Server, status: int, kind: str) -> None:
    said = {"type": "error", "error": {"type": kind, "message": f"not with {KEY}"}, "request_id": "req_7"}
    asks = server.engine(Script(json.dumps(said).encode(), status, "application/json", {"retry-after": "7"}))

    error = failure(asks)

    assert (error.status, error.kind, error.retry_after, error.request_id) == (status, kind, 7.0, "req_7")
    assert "not with" in str(error)
    assert len(server.asked) == 1  # no retry that nobody sees


def test_a_page_of_a_proxy_is_an_error_in_words(server: Server) -> None:
    page = b"<html>Bad gateway</html>"

    refused = failure(server.engine(Script(page, 502, "text/html")))
    pretended = failure(server.engine(Script(page, 200, "text/html")))

    assert (refused.status, refused.kind) == (502, "http_502")
    assert "Bad gateway" in str(refused)
    assert pretended.kind == "bad_response"
    assert "<html>" in str(pretended)


def test_a_connection_that_breaks_keeps_what_had_come(server: Server) -> None:
    error = failure(server.engine(Script(stream("text"), cut=600)))

    assert error.kind == "stream_cut"
    assert "at event" in str(error)
    assert [block.text for block in error.turn] == ["Paris?", "It rains"]
    assert error.turn.inferences[0].usage == nt.Usage(100, 1, 85, 5)


def test_a_stream_that_stops_without_its_end_is_no_success(server: Server) -> None:
    error = failure(server.engine(Script(stream("text")[:600])))

    assert (error.kind, error.turn[-1].text) == ("stream_cut", "It rains")


def test_a_server_that_falls_silent_is_left_in_time(server: Server) -> None:
    error = failure(server.engine(Script(stream("text")[:600], linger=60), timeout=2))

    assert (error.kind, error.turn[-1].text) == ("timeout", "It rains")
    assert "the answer stopped for 2 s" in str(error)


def test_nobody_there_is_a_connection_error() -> None:
    pytest.importorskip("anthropic")

    error = failure(engine(MODEL, base_url="http://127.0.0.1:9", api_key=KEY))

    assert (error.kind, error.status) == ("connection", None)


def test_a_missing_key_is_said_before_anything_is_sent(server: Server) -> None:
    error = failure(engine(MODEL, base_url=server.url))

    assert (error.kind, server.asked) == ("authentication_error", [])
    assert "ANTHROPIC_API_KEY" in str(error)


def test_a_server_that_never_hangs_up_holds_nobody(server: Server) -> None:
    asks = server.engine(Script(stream("text"), linger=120))

    assert nt.Session(asks).ask("x").result(60).text == "It rains in Paris."


def test_stop_hangs_up_at_once_and_keeps_what_was_said(server: Server) -> None:
    heard = threading.Event()
    asks = server.engine(Script(stream("text")[:600] + b": still here\n\n" * 10_000, chunk=50, pause=0.05))
    execution = nt.Session(asks, sinks=[lambda event: heard.set() if isinstance(event, Delta) else None]).ask("x")
    assert heard.wait(60)

    execution.stop()
    turn = execution.result(60)  # the server would go on for ten minutes

    assert execution.status == "stopped"
    assert turn[-1].text.startswith("It rains")
    assert turn.inferences[0].finish_class == nt.FinishClass.INTERRUPTED
    assert server.hung_up.wait(60)


def test_an_engine_may_be_asked_on_any_loop(server: Server) -> None:
    asks = server.engine(Script(stream("text")), Script(stream("text")), Script(stream("text")))

    async def once() -> str:
        turn = await asks(nt.turn("x"), nt.Scope())
        await asks.transport.close()  # type: ignore[attr-defined]  # this transport has connections to close
        return turn.text

    said = [asyncio.run(once()), asyncio.run(once()), Waiting(once()).result(60)]

    assert said == ["It rains in Paris."] * 3


def test_recorded_bytes_come_through_the_real_client_as_they_are(server: Server, shared: Path) -> None:
    cases = [case for case in recorded(shared, "anthropic_messages") if case.endpoint == "messages"]
    asks = server.engine()

    for case in cases:
        server.answers.append(Script(case.body, case.status, case.content_type, chunk=700))
        expected = None if case.expected["ok"] else case.expected["error"]["type"]
        try:
            turn = Waiting(asks(nt.turn("x"), nt.Scope())).result(60)
        except nt.EngineError as error:
            assert (error.kind, error.status) == (expected, case.status), case.id
            continue
        assert expected is None
        assert [b.payload for b in turn[1:]] == [b.payload for b in decode("anthropic", case.body)], case.id
    assert len(cases) > 400
