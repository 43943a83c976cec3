"""The codec of chat completions on recorded traffic of OpenAI and 18 others. Skipped where it is not."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

import nbturns as nt
from nbturns.engines import decode, find
from nbturns.engines.openai_chat.reply import Reply
from nbturns.engines.openai_chat.request import history
from nbturns.runtime.call_ids import PROVIDER_CALL_ID
from nbturns.values.frozen_json import EMPTY_DICT
from tests.engines.openai_chat.test_codec import body_of, read
from tests.engines.recorded_traffic import Case, digest, digests, edges, missing, read_in_any_pieces, recorded, said

NO_ANSWER = {"chat-9428c03ede"}  # a server that echoes where it was asked, and has no choices


@pytest.fixture(scope="module")
def tape(shared: Path) -> tuple[Case, ...]:
    return tuple(recorded(shared, "openai_chat"))


def outcome(turn: nt.Turn) -> dict[str, Any]:
    refusal = "".join(block.payload.get("refusal") or "" for block in turn)
    return said(turn) | {
        "calls": [
            (c.metadata.get(PROVIDER_CALL_ID) if PROVIDER_CALL_ID in c.metadata else c.tool_call_id, c.name, args(c))
            for c in turn.of_kind("tool_call")
        ],
        "refusal": digest(refusal) if refusal else None,
    }


def args(call: nt.Block) -> Any:
    return {"__invalid__": call.payload["args_raw"]} if "args_raw" in call.payload else call.args


def wanted(expected: Mapping[str, Any], turn: nt.Turn) -> dict[str, Any]:
    """The oracle writes null for what was not said, finds no arguments invalid, and leaves `function_call` out."""
    none = (None, {"__invalid__": ""})
    calls = [(c["id"] or "", c["name"], {} if c["args"] in none else c["args"]) for c in expected["tool_calls"]]
    legacy = outcome(turn)["calls"] if not calls and expected["stop"] == "function_call" else []
    return {
        **{name: expected[name] or "" for name in ("response_id", "model", "stop")},
        "calls": calls or legacy,
        "refusal": expected["refusal"] and expected["refusal"]["sha1"],
        **digests(expected),
    }


def test_every_recorded_answer_says_what_it_is_expected_to(tape: tuple[Case, ...]) -> None:
    answers = [case for case in tape if case.expected["ok"] and case.id not in NO_ANSWER]
    assert len(answers) > 500

    for case in answers:
        turn = decode("openai-chat", case.body, case.content_type)
        assert outcome(turn) == wanted(case.expected, turn), case.id
        if case.expected["usage"]:
            assert not missing(case.expected["usage"], turn.inferences[0].extra["usage"]), case.id
            assert counted(turn, case.expected["usage"]), case.id


def counted(turn: nt.Turn, usage: Mapping[str, Any]) -> bool:
    counts = turn.inferences[0].usage
    assert counts is not None
    return (counts.input_tokens, counts.output_tokens) == (usage["prompt_tokens"] or 0, usage["completion_tokens"] or 0)


def test_every_recorded_error_is_an_error_with_the_providers_words(tape: tuple[Case, ...]) -> None:
    for case in tape:
        if not case.expected["ok"] or case.id in NO_ANSWER:
            with pytest.raises(nt.EngineError) as caught:
                decode("openai-chat", case.body, case.content_type)
            words = case.expected["error"] or {"message": "object with contentType, method, pathname"}
            assert caught.value.kind == words.get("code", "bad_response"), case.id
            assert words["message"] in str(caught.value), case.id


def test_recorded_streams_may_come_in_any_pieces(tape: tuple[Case, ...]) -> None:
    read_in_any_pieces(tape, read)


def test_a_recorded_stream_and_its_answer_as_a_body_give_equal_blocks(tape: tuple[Case, ...]) -> None:
    streams = [case for case in tape if case.stream and case.expected["ok"]]
    assert len(streams) > 140

    for case in streams:
        blocks, result, _ = read(case.body)
        assert (blocks, result.replace(extra=EMPTY_DICT)) == answer(body_of(case.body)), case.id


def answer(body: dict[str, Any]) -> tuple[tuple[nt.Block, ...], nt.InferenceResult]:
    """The blocks of a body, and its result without what is the server's own."""
    reply = Reply()
    reply.body(body)
    return reply.blocks(), reply.result().replace(extra=EMPTY_DICT)


def test_a_recorded_request_is_read_and_sent_again_unchanged(tape: tuple[Case, ...]) -> None:
    asked = [case for case in tape if case.request is not None]
    assert len(asked) > 500

    for case in asked:
        assert case.request is not None
        turn = nt.Turn.from_dict(json.loads(json.dumps(history(case.request).to_dict())))
        given = {name: value for name, value in case.request.items() if name not in ("model", "messages")}
        again = find("openai-chat").request(turn, nt.Scope(), case.request["model"], given)
        usage = {"stream_options": {"include_usage": True}} if case.request.get("stream") else {}
        assert again == {**usage, **case.request}, case.id


def test_the_next_request_of_a_recorded_session_follows_from_our_turn(tape: tuple[Case, ...]) -> None:
    followed = 0
    for at, case in enumerate(tape):
        before = next((early for early in reversed(tape[:at]) if goes_on(early, case)), None)
        if before is None or case.id in CHANGED:
            continue
        assert before.request is not None and case.request is not None
        turn = history(before.request) + tuple(decode("openai-chat", before.body))
        for message in case.request["messages"][len(before.request["messages"]) + 1 :]:
            turn += fresh(message)
        sent = nt.engines.request(f"openai-chat:{case.request['model']}", turn)
        assert plain(sent["messages"]) == plain(case.request["messages"]), case.id
        followed += 1
    assert followed == 85


# The client that recorded these changed what the model had said: blanks in arguments and in JSON texts, a thought put
# into the text, calls left out.
CHANGED = {"chat-1d3c3b34c4", "chat-59f6f01cdb", "chat-0ab9d1aec6", "chat-9220aab624", "chat-c151b1b321"} | {
    "chat-de27b6138b",
    "chat-9e1ec0127a",
}


def goes_on(early: Case, late: Case) -> bool:
    if early.session != late.session or early.status != 200 or not early.expected["ok"]:
        return False
    if early.request is None or late.request is None:
        return False
    first, then = plain(early.request["messages"]), plain(late.request["messages"])
    return then[: len(first)] == first and len(then) > len(first) and then[len(first)]["role"] == "assistant"


def plain(messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Messages without what makes no difference: null and empty fields, a text as string or list, annotations."""
    return [
        {name: value for name, value in _plain(message).items() if value not in (None, "", [])} for message in messages
    ]


def _plain(message: dict[str, Any]) -> dict[str, Any]:
    content = message.get("content")
    if isinstance(content, list) and len(content) == 1 and content[0]["type"] == "text":
        content = content[0]["text"]
    return {k: v for k, v in message.items() if k != "annotations"} | {"content": content}


def fresh(message: dict[str, Any]) -> tuple[nt.Block, ...]:
    """A message as somebody using nbturns would have made it."""
    if message["role"] == "user" and isinstance(message["content"], str):
        return (nt.user(message["content"]),)
    if message["role"] == "tool" and isinstance(message["content"], str):
        return (nt.tool_use(message["tool_call_id"], message["content"]),)
    return tuple(history({"messages": [message]}))


ALIKE: dict[str, Callable[[bytes], bytes]] = {
    "CRLF": lambda body: body.replace(b"\n", b"\r\n"),
    "heartbeats": lambda body: body.replace(b"\n\n", b"\n\n: still here\n\n"),
    "no space": lambda body: body.replace(b"data: ", b"data:"),
    "BOM": lambda body: b"\xef\xbb\xbf" + body,
    "id and retry": lambda body: b"retry: 3000\n" + body.replace(b"data: ", b"id: 1\ndata: "),
}


def test_recorded_streams_may_be_written_in_any_way(tape: tuple[Case, ...]) -> None:
    for case in tape:
        if case.stream and case.expected["ok"] and b"\r" not in case.body:
            whole = read(case.body)[:2]
            for name, write in ALIKE.items():
                assert read(write(case.body))[:2] == whole, (case.id, name)


def test_recorded_streams_cut_or_broken_anywhere_keep_what_had_come(tape: tuple[Case, ...]) -> None:
    chance = random.Random(7)
    broken = 0
    for case in tape:
        if not case.stream or not case.expected["ok"]:
            continue
        whole = read(case.body)[0]
        end = next(re.finditer(rb'"finish_reason": ?"|\[DONE\]', case.body)).start()
        for at in chance.sample(range(1, end), 6):
            assert_partial(case.body[:at], whole)
            error = b'data: {"error":{"message":"The server is overloaded","type":"server_error","code":null}}\n\n'
            begun = case.body[: case.body.rfind(b"\n\n", 0, at) + 2] if b"\n\n" in case.body[:at] else b""
            assert assert_partial(begun + error, whole).kind == "server_error", case.id
            broken += 1
    assert broken > 700


def assert_partial(body: bytes, whole: tuple[nt.Block, ...]) -> nt.EngineError:
    """Reading this fails, with no more than the beginning of what the whole answer says, and no call."""
    with pytest.raises(nt.EngineError) as caught:
        decode("openai-chat", body, "text/event-stream")
    assert caught.value.turn.inferences[0].finish_class == nt.FinishClass.ERROR
    assert not caught.value.turn.pending
    for kind in ("llm_text", "reasoning"):
        said, all = ("".join(b.text for b in blocks if b.kind == kind) for blocks in (caught.value.turn, whole))
        assert all.startswith(said)
    return caught.value


def test_made_faults_end_as_they_should(shared: Path) -> None:
    cases = [case for case in edges(shared, "openai_chat") if b"event: response." not in case.body]
    assert len(cases) >= 6  # the files of the others were written over by streams of the Responses API

    for case in cases:
        with pytest.raises(nt.EngineError) as caught:
            decode("openai-chat", case.body, case.content_type, status=case.status)
        assert case.expected["outcome"] == "error"
        assert caught.value.kind == case.expected["type"], case.id
        assert case.expected["message"] in str(caught.value)
        assert caught.value.turn.inferences[0].finish_class == nt.FinishClass.ERROR
