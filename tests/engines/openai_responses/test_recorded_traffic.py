"""The Responses codec on recorded traffic: every answer read, every request written again. Skipped where it is not."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

import nbturns as nt
from nbturns.engines import decode, engine, find, request
from nbturns.engines.openai_responses.history import history
from nbturns.engines.transports import background_response
from nbturns.keys import OPENAI_RESPONSES_ITEM_TYPE, OPENAI_RESPONSES_WIRE
from nbturns.runtime.background_loop import Waiting
from tests.engines.openai_responses.test_codec import FIXTURES, MODEL, body, read, stream
from tests.engines.recorded_traffic import Case, digest, digests, edges, fate, read_in_any_pieces, recorded, said
from tests.engines.scripted_server import Handler, Script, Server, served

ANSWERS = ("responses", "responses.retrieve")
KEY = "sk-not-to-be-seen"
TERMINAL = ("response.completed", "response.incomplete")


@pytest.fixture(scope="module")
def tape(shared: Path) -> tuple[Case, ...]:
    return tuple(recorded(shared, "openai_responses"))


def outcome(turn: nt.Turn) -> dict[str, Any]:
    types = ("function_call", "custom_tool_call")  # the expectation has no calls of OpenAI's own tools
    calls = [call for call in turn.of_kind("tool_call") if call.metadata[OPENAI_RESPONSES_ITEM_TYPE] in types]
    parts = [  # the expectation has them without the lines between them
        part["text"]
        for block in turn.of_kind("reasoning")
        for name in ("summary", "content")
        for part in block.metadata[OPENAI_RESPONSES_WIRE]["raw"].get(name) or ()
    ]
    return said(turn) | {
        "reasoning": digest("".join(parts)),
        "tool_calls": [
            {"id": c.tool_call_id, "name": c.name, "args": c.args, "item_id": c.payload.get("item_id")} for c in calls
        ],
        "blocks": len(turn),
        "refused": "".join(block.payload.get("refusal", "") for block in turn),
    }


def wanted(expected: Mapping[str, Any]) -> dict[str, Any]:
    same = ("response_id", "model", "stop", "tool_calls")
    refused = {"refused": (expected.get("refusal") or {"head": ""})["head"]}
    return {name: expected[name] for name in same} | digests(expected) | refused | {"blocks": len(expected["items"])}


def test_every_recorded_answer_says_what_it_is_expected_to(tape: tuple[Case, ...]) -> None:
    answers = [case for case in tape if case.expected["ok"] and case.endpoint in ANSWERS]
    assert len(answers) > 400

    for case in answers:
        turn = decode("openai", case.body, case.content_type)
        assert outcome(turn) == wanted(case.expected), case.id
        [result] = turn.inferences
        counts = case.expected["usage"]
        assert (result.extra.get("usage") or None) == counts, case.id
        if counts:
            assert result.usage is not None
            assert result.usage.total_tokens == counts["total_tokens"], case.id


def test_every_recorded_error_is_an_error_with_the_providers_words(tape: tuple[Case, ...]) -> None:
    for case in tape:
        if not case.expected["ok"]:
            with pytest.raises(nt.EngineError) as caught:
                decode("openai", case.body, case.content_type)
            words = case.expected["error"]
            assert caught.value.kind == (words["code"] or words["type"]), case.id
            assert words["message"] in str(caught.value), case.id


def test_recorded_streams_may_come_in_any_pieces(tape: tuple[Case, ...]) -> None:
    read_in_any_pieces(tape, read)


def test_recorded_streams_may_be_broken_in_any_way(tape: tuple[Case, ...]) -> None:
    chance = random.Random(11)
    streams = [case for case in tape if case.stream and case.expected["ok"] and len(case.body) < 60_000]
    for _ in range(300):
        case = chance.choice(streams)
        whole = {
            (call.tool_call_id, call.payload.get("args_raw", call.args))
            for call in decode("openai", case.body).of_kind("tool_call")
        }
        try:
            turn = decode("openai", broken(case.body, chance))
        except nt.EngineError as error:
            turn = error.turn
        assert len(turn.inferences) == 1, case.id
        assert whole >= {(c.tool_call_id, c.args) for c in turn.of_kind("tool_call") if "args_raw" not in c.payload}, (
            case.id
        )
        request(MODEL, turn)


def broken(body: bytes, chance: random.Random) -> bytes:
    """A stream cut, or with events left out, told twice or in another order, or with garbage between them."""
    events = body.split(b"\n\n")
    at, other = chance.randrange(len(events)), chance.randrange(len(events))
    match chance.randrange(5):
        case 0:
            return body[: chance.randrange(len(body))]
        case 1:
            del events[at]
        case 2:
            events.insert(other, events[at])
        case 3:
            events[at], events[other] = events[other], events[at]
        case _:
            events.insert(at, chance.randbytes(30))
    return b"\n\n".join(events)


def test_a_recorded_stream_and_its_own_last_word_as_a_body_are_equal(tape: tuple[Case, ...]) -> None:
    compared = 0
    for case in tape:
        if case.stream and case.expected["ok"]:
            events = [json.loads(line[5:]) for line in case.body.splitlines() if line.startswith(b"data:")]
            [last] = [event["response"] for event in events if event.get("type") in TERMINAL]
            if last["output"]:
                assert tuple(decode("openai", last)) == tuple(decode("openai", case.body)), case.id
                compared += 1
    assert compared > 90


def test_recorded_deltas_are_the_texts_of_their_blocks(tape: tuple[Case, ...]) -> None:
    for case in tape:
        if case.stream and case.expected["ok"]:
            blocks, _, heard = read(case.body)
            for place, block in enumerate(blocks):
                said = "".join(delta.text for delta in heard if delta.index == place)
                assert said == block.text or block.kind == "tool_call", (case.id, place)


def test_a_recorded_request_is_read_and_sent_again_unchanged(tape: tuple[Case, ...]) -> None:
    asked = [case for case in tape if case.request is not None and "input" in case.request]
    assert len(asked) > 440

    for case in asked:
        assert case.request is not None
        again = find("openai").request(history(case.request), nt.Scope(), case.request["model"], params(case.request))
        assert again == case.request, case.id


def params(asked: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in asked.items() if name not in ("model", "input", "instructions")}


# The client that recorded these changed what the model had said: it put a call into words, left out a server's item
# or a thought, wrote words of its own, or renamed the arguments of a tool search.
CHANGED = {
    *("resp-2e0dbc5129", "resp-0fa54e846c", "resp-b5603e39ee"),  # a call, a thought, put into words
    *("resp-5288398c60", "resp-0992f262c9", "resp-77867a7f46", "resp-47851a55ae"),  # an empty message before a call
    *("resp-201fd33791", "resp-3306f3e7b6"),  # a server's item left out
    *("resp-acf60a809f", "resp-5fde15dd23"),  # a tool search's `paths` renamed `queries`
    *("resp-ecb23ec055", "resp-e205725d32"),  # an id, an answer, that it made up; the second was refused
}


def test_the_next_request_of_a_recorded_session_follows_from_our_turn(tape: tuple[Case, ...]) -> None:
    followed = 0
    for at, case in enumerate(tape):
        before = next((early for early in reversed(tape[:at]) if goes_on(early, case)), None)
        if before is None or case.id in CHANGED:
            continue
        assert before.request is not None and case.request is not None
        reply = decode("openai", before.body)
        turn = history(before.request) + tuple(reply)
        asked = listed(case.request["input"])
        start = len(listed(before.request["input"]))
        ids = renamed(asked[start : start + len(reply)], reply)
        turn += tuple(block for item in asked[start + len(reply) :] for block in fresh(item, ids))
        sent = listed(request(MODEL, turn, **params(case.request))["input"])
        assert says(plain(asked, ids), plain(sent, {})), case.id
        followed += 1
    assert followed > 90


def goes_on(early: Case, late: Case) -> bool:
    if early.session != late.session or early.endpoint != "responses" or early.status != 200:
        return False
    if early.request is None or late.request is None or "input" not in late.request:
        return False
    first, then = plain(listed(early.request["input"]), {}), plain(listed(late.request["input"]), {})
    return then[: len(first)] == first and len(then) > len(first) and _is_the_models(then[len(first)])


def _is_the_models(item: dict[str, Any]) -> bool:
    return item.get("role") == "assistant" or item["type"] not in ("message", "function_call_output")


def listed(given: Any) -> list[Any]:
    return [{"role": "user", "content": given}] if isinstance(given, str) else given


def renamed(items: list[Any], reply: nt.Turn) -> dict[str, str]:
    """The ids of calls a recording client made up, and what they were."""
    theirs = [item["call_id"] for item in items if item.get("type") == "function_call"]
    return dict(zip(theirs, (call.tool_call_id for call in reply.of_kind("tool_call")), strict=False))


def says(recorded: Any, ours: Any) -> bool:
    """Whether all that was recorded is there; clients leave out ids, phases and annotations that OpenAI wrote."""
    if isinstance(recorded, dict):
        return isinstance(ours, dict) and all(says(value, ours.get(name)) for name, value in recorded.items())
    if isinstance(recorded, list):
        return isinstance(ours, list) and len(recorded) == len(ours) and all(map(says, recorded, ours))
    return bool(recorded == ours)


def plain(items: list[dict[str, Any]], ids: Mapping[str, str]) -> list[dict[str, Any]]:
    """Items without what makes no difference to OpenAI: null fields, statuses, a text as string or list."""
    return [_plain_item(item, ids) for item in items]


def _plain_item(item: dict[str, Any], ids: Mapping[str, str]) -> dict[str, Any]:
    said: dict[str, Any] = {"type": "message"} | {k: v for k, v in _without_nulls(item).items() if k != "status"}
    if said["type"] == "message":
        content = item["content"]
        parts = [{"type": "text", "text": content}] if isinstance(content, str) else content
        said["content"] = [_plain_part(part) for part in parts]
    if said["type"] == "function_call":
        said["arguments"] = json.loads(said["arguments"])
    if "call_id" in said:
        said["call_id"] = ids.get(said["call_id"], said["call_id"])
    return said


def _plain_part(part: dict[str, Any]) -> dict[str, Any]:
    text = {"type": "text"} if part["type"] in ("input_text", "output_text") else {}
    return {**_without_nulls(part), **text}


def _without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _without_nulls(v) for k, v in value.items() if v not in (None, [])}
    return [_without_nulls(one) for one in value] if isinstance(value, list) else value


def fresh(item: dict[str, Any], ids: Mapping[str, str]) -> tuple[nt.Block, ...]:
    """An item of the user's as somebody using nbturns would have made it."""
    if item.get("type") == "function_call_output":
        return (nt.tool_use(ids.get(item["call_id"], item["call_id"]), item["output"]),)
    if item.get("role") == "user" and isinstance(item["content"], str):
        return (nt.user(item["content"]),)
    return tuple(history({"input": [item]}))


def test_made_faults_end_as_they_should(shared: Path) -> None:
    cases = list(edges(shared, "openai_responses"))
    assert len(cases) > 25

    for case in cases:
        assert fate(case, "openai", read, FINISH) == case.expected["outcome"], case.id


FINISH = {"content_filter": "filtered"}  # the data's word → ours


# Over a socket.


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    for name in ("OPENAI_API_KEY", "OPENAI_ADMIN_KEY", "OPENAI_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    pytest.importorskip("openai")
    with served("openai:gpt-test", KEY, request_id="req_42") as made:
        yield made


def asking(server: Server, *answers: Script, **params: Any) -> Any:
    server.answers += answers
    return engine("openai:gpt-test", base_url=f"{server.url}/v1", **{"api_key": KEY, "retries": 0, **params})


def test_a_session_with_a_tool_loop_over_the_real_client(server: Server) -> None:
    def weather(city: str) -> str:
        "Current weather in a city."
        return f"rain in {city}"

    asks = asking(server, Script(stream("call")), Script(stream("text").replace(b"resp_1", b"resp_2")), temperature=0)
    session = nt.Session(asks, tools=[weather])

    turn = session.ask("Paris?").result(60)

    kinds = ["user", "reasoning", "llm_text", "tool_call", "tool_use", "llm_text"]
    assert [block.kind for block in turn] == kinds
    assert (turn.text, turn[4].result) == ("It rains in Paris.", "rain in Paris")
    assert [r.response_id for r in turn.inferences] == ["resp_1", "resp_2"]
    first, second = server.asked
    assert first == asks.request(turn[:1], nt.Scope(tools=session.tools))
    assert [item["type"] for item in second["input"]] == [
        *("message", "reasoning", "message", "function_call", "function_call_output")
    ]
    assert server.headers[0]["authorization"] == f"Bearer {KEY}"
    assert len(server.connections) == 1


def test_the_latest_response_carries_the_loop(server: Server) -> None:
    def weather(city: str) -> str:
        "Current weather in a city."
        return f"rain in {city}"

    asks = asking(
        server,
        Script(stream("call")),
        Script(stream("text").replace(b"resp_1", b"resp_2")),
        previous_response_id="latest",
    )

    nt.Session(asks, tools=[weather]).ask("Paris?").result(60)

    first, second = server.asked
    assert "previous_response_id" not in first
    assert (second["previous_response_id"], [item["type"] for item in second["input"]]) == (
        "resp_1",
        ["function_call_output"],
    )


def test_a_server_of_ones_own_needs_no_key(server: Server) -> None:
    asks = engine("openai:local", base_url=server.url, stream=False)
    server.answers.append(Script((FIXTURES / "every_item.json").read_bytes(), content_type="application/json"))

    turn = Waiting(asks(nt.turn("x"), nt.Scope())).result(60)

    assert [block.payload for block in turn[1:]] == [block.payload for block in decode("openai", body("every_item"))]
    assert server.asked[0] == {**request("openai:local", nt.turn("x")), "stream": False}


def test_a_refusal_carries_all_that_was_said(server: Server) -> None:
    said = {"error": {"message": f"not with {KEY}", "type": "tokens", "param": None, "code": "rate_limit_exceeded"}}
    headers = {"retry-after-ms": "1500", "request-id": "", "x-request-id": "req_7"}
    asks = asking(server, Script(json.dumps(said).encode(), 429, "application/json", headers))

    with pytest.raises(nt.EngineError, match="not with …") as caught:
        nt.Session(asks).ask("x").result(60)

    error = caught.value
    assert (error.status, error.kind, error.retry_after, error.request_id) == (429, "rate_limit_exceeded", 1.5, "req_7")
    assert len(server.asked) == 1  # no retry that nobody sees


def test_a_missing_key_is_said_before_anything_is_sent(server: Server) -> None:
    with pytest.raises(nt.EngineError, match="no key for openai: set OPENAI_API_KEY") as caught:
        nt.Session(engine(MODEL)).ask("x").result(60)

    assert caught.value.kind == "authentication_error"


def test_a_client_of_the_users_own_is_used_as_it_is(server: Server) -> None:
    import openai

    client = openai.AsyncAzureOpenAI(api_key=KEY, azure_endpoint=server.url, api_version="preview")
    server.answers.append(Script(stream("text")))

    turn = nt.Session(engine("openai:mine", client=client)).ask("x").result(60)

    assert (turn.text, server.headers[0]["api-key"]) == ("It rains in Paris.", KEY)
    Waiting(client.close()).result(60)


def test_a_response_in_the_background_is_waited_for(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    done = (FIXTURES / "every_item.json").read_bytes()
    waits = [
        Script(json.dumps({"id": "resp_1", "status": s, "output": []}).encode(), content_type="application/json")
        for s in ("queued", "in_progress")
    ]
    asked: list[str] = []

    def again(handler: Handler) -> None:
        asked.append(handler.path)
        handler.play(server.answers.pop(0))

    monkeypatch.setattr(Handler, "do_GET", again, raising=False)
    monkeypatch.setattr(background_response, "POLL", 0.01)
    asks = asking(server, *waits, Script(done, content_type="application/json"), background=True, stream=False)

    turn = Waiting(asks(nt.turn("x"), nt.Scope())).result(60)

    assert [block.payload for block in turn[1:]] == [block.payload for block in decode("openai", done)]
    assert asked == ["/v1/responses/resp_1"] * 2


def test_recorded_bytes_come_through_the_real_client_as_they_are(server: Server, tape: tuple[Case, ...]) -> None:
    asks = asking(server)
    cases = [case for case in tape if case.endpoint in ANSWERS]
    assert len(cases) > 440

    for case in cases:
        server.answers.append(Script(case.body, case.status, case.content_type, chunk=4000))
        expected = case.expected["error"] or {}
        try:
            turn = Waiting(asks(nt.turn("x"), nt.Scope())).result(60)
        except nt.EngineError as error:
            assert (error.kind, error.status) == (expected["code"] or expected["type"], case.status), case.id
            continue
        assert case.expected["ok"]
        assert [b.payload for b in turn[1:]] == [b.payload for b in decode("openai", case.body)], case.id
