"""Gemini's codec on recorded traffic: every answer read, every request written again. Skipped where it is not."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

import nbturns as nt
from nbturns.engines import decode, find, request
from nbturns.engines.gemini.history import history
from nbturns.engines.gemini.parts import SIGNATURE
from nbturns.runtime.background_loop import Waiting
from nbturns.runtime.call_ids import PROVIDER_CALL_ID
from tests.engines.gemini.test_codec import KEY, MODEL, read
from tests.engines.recorded_traffic import Case, digests, edges, fate, missing, read_in_any_pieces, recorded, said
from tests.engines.scripted_server import Script, Server, served

CODES = {1: "STOP"}  # what some clients of Vertex write


@pytest.fixture(scope="module")
def tape(shared: Path) -> tuple[Case, ...]:
    return tuple(recorded(shared, "gemini"))


@pytest.fixture
def server() -> Iterator[Server]:
    with served(MODEL, KEY) as made:
        yield made


def is_answer(case: Case) -> bool:
    return case.status == 200 and case.endpoint != "countTokens"


def outcome(turn: nt.Turn) -> dict[str, Any]:
    return said(turn) | {
        "tool_calls": [{"id": id_of(c), "name": c.name, "args": c.args} for c in turn.of_kind("tool_call")],
        "n_signatures": sum(SIGNATURE in block.metadata for block in turn),
    }


def id_of(call: nt.Block) -> str:
    """The id that Gemini gave a call; "" where it gave none, and the call got one here."""
    given = call.metadata.get(PROVIDER_CALL_ID)
    assert call.tool_call_id
    return call.tool_call_id if given is None else given


def wanted(expected: Mapping[str, Any]) -> dict[str, Any]:
    calls = [call | {"id": call["id"] or ""} for call in expected["tool_calls"]]
    return {
        "response_id": expected["response_id"] or "",
        "model": expected["model"],
        "stop": CODES.get(expected["stop"], expected["stop"]),
        "tool_calls": calls,
        "n_signatures": expected["n_signatures"],
    } | digests(expected)


def test_every_recorded_answer_says_what_it_is_expected_to(tape: tuple[Case, ...]) -> None:
    answers = [case for case in tape if is_answer(case) and case.expected["ok"]]
    assert len(answers) > 290

    for case in answers:
        turn = decode("gemini", case.body, case.content_type)
        assert outcome(turn) == wanted(case.expected), case.id
        assert not missing(case.expected["usage"], turn.inferences[0].extra["usage"]), case.id


def test_tokens_add_up_to_the_total_of_google(tape: tuple[Case, ...]) -> None:
    for case in filter(is_answer, tape):
        [result] = decode("gemini", case.body, case.content_type).inferences
        assert result.usage is not None
        assert result.usage.total_tokens == result.extra["usage"]["totalTokenCount"], case.id


def test_a_list_of_chunks_says_what_the_same_chunks_say_as_a_stream(tape: tuple[Case, ...]) -> None:
    lists = [case for case in tape if is_answer(case) and case.body.lstrip().startswith(b"[")]
    assert len(lists) == 6

    for case in lists:
        events = b"".join(b"data: %s\r\n\r\n" % json.dumps(chunk).encode() for chunk in json.loads(case.body))
        listed, streamed = decode("gemini", case.body), decode("gemini", events)
        assert listed == streamed, case.id
        assert listed.inferences[0].finish_class in ("completed", "tool_calls_pending"), case.id


def test_recorded_errors_are_errors_with_the_providers_words(tape: tuple[Case, ...]) -> None:
    others = [case for case in tape if case.status != 200]
    assert len(others) >= 5

    for case in others:
        with pytest.raises(nt.EngineError) as caught:
            decode("gemini", case.body, case.content_type)
        words = json.loads(case.body)["error"]
        assert caught.value.kind == words["status"], case.id
        assert words["message"] in str(caught.value), case.id


def test_recorded_streams_may_come_in_any_pieces(tape: tuple[Case, ...]) -> None:
    read_in_any_pieces(tape, read)


def test_a_recorded_stream_that_breaks_keeps_its_beginning(tape: tuple[Case, ...]) -> None:
    broken = 0
    for case in tape:
        if not case.stream or not is_answer(case):
            continue
        whole, end = decode("gemini", case.body), case.body.index(b'"finishReason"')
        for at in (case.body.find(b"\r\n\r\n") + 4, end // 2, end):
            if 4 <= at <= end:
                begun = cut_off(case.body[:at])
                said = "".join(block.text for block in begun)
                assert "".join(block.text for block in whole).startswith(said), (case.id, at)
                assert begun.of_kind("tool_call") == () or begun.inferences[0].finish_class == "error"
                broken += 1
    assert broken > 80


def cut_off(body: bytes) -> nt.Turn:
    with pytest.raises(nt.EngineError) as caught:
        decode("gemini", body)
    assert caught.value.kind in ("stream_cut", "bad_response")
    turn: nt.Turn = caught.value.turn
    return turn


def test_a_body_and_its_parts_as_chunks_say_the_same(tape: tuple[Case, ...]) -> None:
    """A recorded body is written as a stream: a chunk a part, plain text in two, and the finish behind."""
    bodies = [case for case in tape if is_answer(case) and case.body.lstrip().startswith(b"{")]
    assert len(bodies) > 240

    for case in bodies:
        body = json.loads(case.body)
        whole, streamed = decode("gemini", case.body), decode("gemini", as_stream(body))
        assert streamed.blocks == whole.blocks, case.id
        assert streamed.inferences == whole.inferences, case.id


def as_stream(body: dict[str, Any]) -> bytes:
    beside = {name: value for name, value in body.items() if name != "candidates"}
    [candidate] = body["candidates"]
    last = {name: value for name, value in candidate.items() if name != "content"}
    pieces = [piece for part in (candidate.get("content") or {}).get("parts") or () for piece in halves(part)]
    chunks = [{"candidates": [{"content": {"parts": [piece], "role": "model"}}], **beside} for piece in pieces]
    chunks.append({"candidates": [{"content": {"parts": [{"text": ""}]}, **last}], **beside})
    return b"".join(b"data: %s\r\n\r\n" % json.dumps(chunk).encode() for chunk in chunks)


def halves(part: dict[str, Any]) -> list[dict[str, Any]]:
    if not part.keys() <= {"text", "thought"} or len(part["text"]) < 2:
        return [part]
    middle = len(part["text"]) // 2
    return [part | {"text": part["text"][:middle]}, part | {"text": part["text"][middle:]}]


def test_a_recorded_request_is_read_and_sent_again_unchanged(tape: tuple[Case, ...]) -> None:
    asked = [case for case in tape if case.request is not None and "contents" in case.request]
    assert len(asked) > 310

    for case in asked:
        assert case.request is not None
        params = {k: v for k, v in case.request.items() if k not in ("contents", "systemInstruction")}
        again = find("gemini").request(history(case.request), nt.Scope(), "gemini-x", params)
        assert spelt(again) == spelt(case.request), case.id


def spelt(body: dict[str, Any]) -> dict[str, Any]:
    """A request without what Google does not tell apart: one object for a list of one, the role of the system."""
    said = {**body, "contents": [dict(content) for content in body["contents"]]}
    if "systemInstruction" in body:
        said["systemInstruction"] = {"parts": listed(body["systemInstruction"]["parts"])}
    for content in said["contents"]:
        content["parts"] = listed(content["parts"])
    return said


def listed(parts: Any) -> list[Any]:
    return parts if isinstance(parts, list) else [parts]


# The clients that recorded these changed what Gemini had said.
CHANGED = {
    *("gem-6036835101", "gem-f5b23af176", "gem-82e99c72dc"),  # the JSON written anew, without its signature
    *("gem-10636152a0", "gem-5b2b2b8288"),  # a text without its signature
    *("gem-14558701bc", "gem-a987853681"),  # a call without its id
    "gem-e3e0032549",  # a call of the client's own beside Gemini's
    "gem-9952e2807e",  # a signature on a call of gemini-2.0, which had none
}


def test_the_next_request_of_a_recorded_session_follows_from_our_turn(tape: tuple[Case, ...]) -> None:
    followed = 0
    for at, case in enumerate(tape):
        before = next((early for early in reversed(tape[:at]) if goes_on(early, case)), None)
        if before is None or case.id in CHANGED:
            continue
        assert before.request is not None and case.request is not None
        reply = decode("gemini", before.body)
        turn = history(before.request) + tuple(reply)
        rest = plain(case.request)[len(plain(before.request)) + 1 :]
        turn += tuple(fresh(part) for content in rest for part in content["parts"])
        assert plain(request(f"gemini:{reply.inferences[0].model}", turn)) == plain(case.request), case.id
        followed += 1
    assert followed == 75


def goes_on(early: Case, late: Case) -> bool:
    if early.session != late.session or not is_answer(early):
        return False
    if early.request is None or late.request is None or "contents" not in late.request:
        return False
    first, then = plain(early.request), plain(late.request)
    return then[: len(first)] == first and len(then) > len(first) and then[len(first)]["role"] == "model"


def plain(body: dict[str, Any]) -> list[dict[str, Any]]:
    """Contents in one spelling, neighbours of one role as one, without empty texts that nobody signed."""
    merged: list[dict[str, Any]] = []
    for content in body["contents"]:
        parts = [part for part in map(plain_part, listed(content["parts"])) if part != {"text": ""}]
        if merged and merged[-1]["role"] == content["role"]:
            merged[-1]["parts"] += parts
        else:
            merged.append({"role": content["role"], "parts": parts})
    return merged


def plain_part(part: dict[str, Any]) -> dict[str, Any]:
    said = {camel(name): value for name, value in part.items()}
    for name in ("functionCall", "functionResponse"):
        if name in said:
            said[name] = {k: v for k, v in said[name].items() if k != "id" or not v.startswith("pyd_ai_")}
    if "functionCall" in said:
        said["functionCall"].setdefault("args", {})
    for name in ("toolCall", "toolResponse", "inlineData", "fileData"):
        if name in said:
            said[name] = {camel(k): v for k, v in said[name].items()}
    if "thoughtSignature" in said:  # bytes, in either alphabet of base64
        said["thoughtSignature"] = said["thoughtSignature"].replace("-", "+").replace("_", "/")
    return said


def camel(name: str) -> str:
    return re.sub(r"_([a-z])", lambda found: found[1].upper(), name)


def fresh(part: dict[str, Any]) -> nt.Block:
    """A part of the user's as somebody using nbturns would have made it."""
    if "text" in part:
        return nt.user(part["text"])
    if "functionResponse" not in part:
        return history({"contents": [{"role": "user", "parts": [part]}]})[0]
    answer = part["functionResponse"]
    if answer["response"].get("error"):
        return nt.tool_use(answer.get("id", ""), error=answer["response"]["error"])
    made = nt.tool_use(answer.get("id", ""), answer["response"])
    return made.edit(media=answer["parts"]) if "parts" in answer else made


def test_made_faults_end_as_they_should(shared: Path) -> None:
    cases = list(edges(shared, "gemini"))
    assert len(cases) > 10

    for case in cases:
        assert fate(case, "gemini", read, {"content_filter": "filtered"}) == case.expected["outcome"], case.id


def test_recorded_bytes_come_through_the_real_client_as_they_are(server: Server, tape: tuple[Case, ...]) -> None:
    asks = server.engine()

    for case in tape:
        server.answers.append(Script(case.body, case.status, case.content_type, chunk=700))
        expected = None if is_answer(case) else json.loads(case.body).get("error", {}).get("status", "bad_response")
        try:
            turn = Waiting(asks(nt.turn("x"), nt.Scope())).result(60)
        except nt.EngineError as error:
            assert (error.kind, error.status) == (expected, case.status if case.status != 200 else None), case.id
            continue
        assert expected is None
        assert [said_in(b) for b in turn[1:]] == [said_in(b) for b in decode("gemini", case.body)], case.id


def said_in(block: nt.Block) -> dict[str, Any]:
    """A payload with Gemini's own id of a call; only a session, or `decode`, gives one of ours."""
    given = block.metadata.get(PROVIDER_CALL_ID)
    return {**block.payload, **({} if given is None else {"id": given})}
