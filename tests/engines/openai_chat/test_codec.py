"""Chat completions, read and written, without a network; and through real clients over a real socket."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

import nbturns as nt
from nbturns.engines import decode, engine, find, request
from nbturns.engines.dialects import COMPATIBLE, DIALECTS, dialect_of_url
from nbturns.engines.openai_chat import request as openai_chat
from nbturns.engines.openai_chat.reply import LOGPROBS
from nbturns.engines.openai_chat.request import history
from nbturns.engines.provider_engine import ProviderEngine
from nbturns.engines.transports.plain_http import HttpClient, HttpServer
from nbturns.engines.transports.sse import EventStream, events
from nbturns.events import Delta
from nbturns.keys import CUT
from nbturns.runtime.background_loop import Waiting
from nbturns.runtime.call_ids import PROVIDER_CALL_ID
from nbturns.values.provenance import OPENAI_CHAT_FIELDS as FIELDS
from tests.engines import stream_pieces as pieces
from tests.engines.recorded_traffic import recorded
from tests.engines.scripted_server import Script, Server, served
from tests.engines.test_engines import everything

FIXTURES = Path(__file__).parents[2] / "fixtures" / "openai_chat"
MODEL = "openai-chat:gpt-test"
KEY = "sk-not-to-be-seen"


def stream(name: str) -> bytes:
    return (FIXTURES / f"{name}.sse").read_bytes()


def sse(*chunks: Any, done: bool = True) -> bytes:
    return "".join(f"data: {json.dumps(chunk)}\n\n" for chunk in chunks).encode() + (
        b"data: [DONE]\n\n" if done else b""
    )


def said(delta: Any, stop: str | None = None, index: int = 0, **beside: Any) -> dict[str, Any]:
    """One chunk of a stream."""
    return {"id": "c-1", "model": "m", "choices": [{"index": index, "delta": delta, "finish_reason": stop}], **beside}


def answer(message: Any, stop: str | None = "stop", **beside: Any) -> dict[str, Any]:
    """One body."""
    return {"id": "c-1", "model": "m", "choices": [{"index": 0, "message": message, "finish_reason": stop}], **beside}


def calling(*pieces: dict[str, Any]) -> bytes:
    """A stream of nothing but these pieces of calls."""
    return sse(*(said({"tool_calls": [piece]}) for piece in pieces), said({}, "tool_calls"))


def calls_of(turn: nt.Turn) -> list[tuple[str, Any]]:
    return [(call.name, call.payload.get("args_raw", call.args)) for call in turn.of_kind("tool_call")]


read = partial(pieces.read, openai_chat.PROVIDER)


def body_of(stream: bytes) -> dict[str, Any]:
    """The body of the answer that a stream is of, put together as simply as can be."""
    made: dict[str, Any] = {}
    choices: dict[int, dict[str, Any]] = {}
    for _, text in events(EventStream().feed(stream)):
        chunk = json.loads(text) if text != "[DONE]" else {}
        made |= {k: v for k, v in chunk.items() if k not in ("choices", "usage") and v not in (None, "")}
        made["usage"] = chunk.get("usage") or made.get("usage")
        for choice in chunk.get("choices") or ():
            whole = choices.setdefault(choice["index"], {"index": choice["index"], "message": {"content": None}})
            whole["finish_reason"] = choice.get("finish_reason") or whole.get("finish_reason")
            for name, more in (choice.get("logprobs") or {}).items():
                whole.setdefault("logprobs", {})[name] = (whole.get("logprobs", {}).get(name) or []) + (more or [])
            _grow(whole["message"], choice.get("delta") or {})
    return {**made, "choices": list(choices.values())}


def _grow(message: dict[str, Any], delta: dict[str, Any]) -> None:
    for name, value in delta.items():
        if name == "tool_calls":
            calls = message.setdefault("tool_calls", [])
            for piece in value or ():
                if piece["index"] >= len(calls):
                    begun = {k: v for k, v in piece.items() if k != "index"}
                    calls.append({**begun, "function": {"arguments": "", **piece["function"]}})
                else:
                    calls[piece["index"]]["function"]["arguments"] += piece["function"].get("arguments") or ""
        elif name == "reasoning_details":
            _grow_details(message.setdefault(name, []), value)
        elif isinstance(value, str) and name not in ("role", "channel"):
            message[name] = (message.get(name) or "") + value
        elif value is not None:
            message[name] = value


def _grow_details(details: list[dict[str, Any]], pieces: list[dict[str, Any]]) -> None:
    for piece in pieces:
        if details and (details[-1]["type"], details[-1]["index"]) == (piece["type"], piece["index"]):
            text = details[-1].get("text", "") + (piece.get("text") or "")
            details[-1] |= {k: v for k, v in piece.items() if v} | {"text": text}
        else:
            details.append(dict(piece))


def messages(turn: nt.Turn, model: str = MODEL, **params: Any) -> list[dict[str, Any]]:
    sent: list[dict[str, Any]] = request(model, turn, **params)["messages"]
    return sent


def weather(city: str) -> str:
    "Current weather in a city."
    return f"rain in {city}"


def now() -> str:
    "The time."
    return "noon"


# An answer → blocks.


def test_an_answer_is_read_block_by_block() -> None:
    turn = decode("openai-chat", stream("call"))

    assert [(block.kind, block.role) for block in turn] == [
        ("reasoning", "assistant"),
        ("llm_text", "assistant"),
        ("tool_call", ""),
        ("tool_call", ""),
    ]
    assert [turn[0].text, turn[1].text] == ["Which city?", "I look."]
    assert turn[2].payload == {"id": "call_a", "name": "weather", "args": {"city": "Paris"}}
    assert turn.inferences[0].finish_class == nt.FinishClass.TOOL_CALLS_PENDING


def test_a_stream_and_a_body_give_equal_blocks() -> None:
    streamed, body = decode("openai-chat", stream("call")), decode("openai-chat", (FIXTURES / "call.json").read_bytes())

    assert tuple(streamed) == tuple(body)
    assert streamed.inferences == body.inferences


def test_the_result_counts_and_names_what_it_knows() -> None:
    [result] = decode("openai-chat", stream("text")).inferences

    assert result.usage == nt.Usage(100, 7, cached_tokens=80, cache_creation_input_tokens=5, reasoning_tokens=3)
    assert (result.provider, result.model, result.response_id) == ("openai", "gpt-test", "chatcmpl-01")
    assert (result.stop_reason, result.finish_class) == ("stop", nt.FinishClass.COMPLETED)


def test_deltas_say_which_block_they_belong_to() -> None:
    _, _, heard = read(stream("call"))

    text = {place: "".join(delta.text for delta in heard if delta.index == place) for place in range(4)}
    assert text == {0: "Which city?", 1: "I look.", 2: '{"city": "Paris"}', 3: "{}"}
    assert [(delta.kind, delta.name) for delta in heard if delta.name] == [
        ("tool_call", "weather"),
        ("tool_call", "now"),
    ]


@pytest.mark.parametrize(
    "counts",
    [
        {"prompt_tokens_details": {"cached_tokens": 4}},
        {"prompt_cache_hit_tokens": 4, "prompt_cache_miss_tokens": 5},
        {"num_cached_tokens": 4},
        {"cached_tokens": 4},
        {"cache_read_input_tokens": 4},
    ],
)
def test_what_came_from_a_cache_has_many_names(counts: dict[str, Any]) -> None:
    [result] = decode(
        "openai-chat", answer({"content": "x"}, usage={"prompt_tokens": 9, "completion_tokens": 1, **counts})
    ).inferences

    assert result.usage == nt.Usage(9, 1, cached_tokens=4)


def test_the_last_count_that_is_no_null_wins_field_by_field() -> None:
    usages: list[dict[str, Any]] = [
        {"prompt_tokens": 9, "completion_tokens": None},
        {"completion_tokens": 3, "prompt_tokens_details": {"cached_tokens": 2}},
        {"completion_tokens": None, "prompt_tokens_details": {"audio_tokens": 0}},
    ]

    [result] = decode("openai-chat", sse(*(said({"content": "x"}, "stop", usage=one) for one in usages))).inferences

    assert result.usage == nt.Usage(9, 3, cached_tokens=2)


@pytest.mark.parametrize("name", ["reasoning", "reasoning_content"])
def test_thoughts_have_several_names(name: str) -> None:
    turn = decode("openai-chat", sse(said({name: "Hm"}), said({name: "."}), said({"content": "4"}, "stop")))

    assert [(block.kind, block.text) for block in turn] == [("reasoning", "Hm."), ("llm_text", "4")]


def test_a_thought_said_under_two_names_is_one() -> None:
    turn = decode(
        "openai-chat", sse(said({"reasoning": "Hm", "reasoning_content": "Hm"}), said({"content": "4"}, "stop"))
    )

    assert turn[0].text == "Hm"


def test_details_of_a_thought_grow_together_and_go_back_verbatim() -> None:
    piece = {"type": "reasoning.text", "index": 0, "format": "anthropic-claude-v1"}
    secret = {"type": "reasoning.encrypted", "index": 1, "data": "abc"}
    pieces = [{**piece, "text": "Two "}, {**piece, "text": "and two."}, {**piece, "signature": "sig"}, secret]

    turn = decode(
        "openai-chat", sse(*(said({"reasoning_details": [one]}) for one in pieces), said({"content": "4"}, "stop"))
    )

    assert turn[0].text == "Two and two."
    [message] = messages(turn, "openai-chat:m", dialect="openrouter")
    assert message == {
        "role": "assistant",
        "reasoning_details": [{**piece, "text": "Two and two.", "signature": "sig"}, secret],
        "content": "4",
    }


def test_mistrals_lists_keep_their_order_in_a_stream_and_a_body() -> None:
    thought = {"type": "thinking", "thinking": [{"type": "text", "text": "Two and two."}], "closed": True}
    begun = {"type": "thinking", "thinking": [{"type": "text", "text": "Two and "}]}
    ended = {"type": "thinking", "thinking": [{"type": "text", "text": "two."}], "closed": True}
    source = {"type": "reference", "reference_ids": [1]}
    content = [thought, {"type": "text", "text": "4"}, source]

    body = decode("openai-chat", answer({"content": content}))
    streamed = decode(
        "openai-chat",
        sse(
            said({"content": [begun]}),
            said({"content": [ended]}),
            said({"content": "4"}),
            said({"content": [source]}, "stop"),
        ),
    )

    assert [(block.kind, block.text) for block in body] == [
        ("reasoning", "Two and two."),
        ("llm_text", "4"),
        ("other", ""),
    ]
    assert tuple(body) == tuple(streamed)
    assert messages(body, "openai-chat:m", dialect="mistral") == [{"role": "assistant", "content": content}]


def test_tags_of_thought_stay_text() -> None:
    assert decode("openai-chat", answer({"content": "<think>\nHm.\n</think>4"})).text == "<think>\nHm.\n</think>4"


def test_an_object_in_place_of_a_text_is_its_json() -> None:
    turn = decode("openai-chat", answer({"content": {"city": "Paris"}}))

    assert turn.text == '{"city": "Paris"}'
    assert messages(turn) == [{"role": "assistant", "content": '{"city": "Paris"}'}]


def test_a_refusal_is_a_text_that_says_so() -> None:
    turn = decode("openai-chat", sse(said({"refusal": "I "}), said({"refusal": "won't."}), said({}, "stop")))

    assert turn[0].payload == {"text": "", "refusal": "I won't."}
    assert turn.inferences[0].finish_class == nt.FinishClass.REFUSED
    assert messages(turn) == [{"role": "assistant", "content": None, "refusal": "I won't."}]


def test_sources_weights_sound_and_images_are_kept() -> None:
    message = {
        "content": "x",
        "annotations": [{"type": "url_citation", "url_citation": {"url": "https://example.org"}}],
        "audio": {"id": "audio_1", "data": "AAAA", "transcript": "x", "expires_at": 1},
        "images": [{"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}}],
        "executed_tools": [{"name": "search"}],
    }
    body = answer(message)
    body["choices"][0]["logprobs"] = {"content": [{"token": "x", "logprob": -0.1}], "refusal": None}

    [block] = decode("openai-chat", body)

    assert block.payload["annotations"] == message["annotations"]
    assert block.payload["media"] == [{"type": "audio", **message["audio"]}]  # type: ignore[dict-item]  # it is a dict
    assert block.images == [
        {"type": "image_url", "media_type": "image/png", "content": "iVBORw0KGgo=", "detail": "auto"}
    ]
    assert block.metadata[LOGPROBS] == {"content": [{"token": "x", "logprob": -0.1}]}
    assert block.metadata[FIELDS] == {"executed_tools": [{"name": "search"}]}
    assert messages(nt.turn((block,))) == [{"role": "assistant", "content": "x", "audio": {"id": "audio_1"}}]


def test_sound_comes_in_pieces() -> None:
    pieces = [{"id": "audio_1"}, {"transcript": "It "}, {"data": "AAAA", "transcript": "rains"}, {"data": "BBBB"}]

    turn = decode("openai-chat", sse(*(said({"audio": one}) for one in pieces), said({}, "stop")))

    assert turn[0].payload["media"] == [
        {"type": "audio", "id": "audio_1", "transcript": "It rains", "data": "AAAABBBB"}
    ]


def test_other_candidates_are_kept_and_never_merged() -> None:
    chunks = [said({"content": text}, index=index) for text, index in [("A", 0), ("B", 1), ("a", 0), ("b", 1)]]

    turn = decode("openai-chat", sse(*chunks, said({}, "stop", 1), said({}, "length", 0)))

    assert turn.text == "Aa"
    [result] = turn.inferences
    assert result.extra["candidates"] == [{"index": 1, "message": {"content": "Bb"}, "finish_reason": "stop"}]
    assert result.truncated


# Calls, as servers send them.

TWO = [("f", {"x": 1}), ("g", {"y": 2})]


@pytest.mark.parametrize(
    ("why", "pieces"),
    [
        (
            "numbered, out of order",
            [
                {"index": 1, "id": "b", "function": {"name": "g", "arguments": '{"y"'}},
                {"index": 0, "id": "a", "function": {"name": "f", "arguments": '{"x": 1}'}},
                {"index": 1, "function": {"arguments": ": 2}"}},
            ],
        ),
        (
            "without numbers",
            [
                {"id": "a", "function": {"name": "f", "arguments": '{"x"'}},
                {"function": {"arguments": ": 1}"}},
                {"id": "b", "function": {"name": "g", "arguments": ""}},
                {"function": {"arguments": '{"y": 2}'}},
            ],
        ),
        (
            "id and name with every piece",
            [
                {"index": 0, "id": "a", "function": {"name": "f", "arguments": '{"x"'}},
                {"index": 0, "id": "a", "function": {"name": "f", "arguments": ": 1}"}},
                {"index": 1, "id": "b", "function": {"name": "g", "arguments": '{"y": 2}'}},
                {"index": 1, "id": "b", "function": {"name": "g", "arguments": ""}},
            ],
        ),
        (
            "all with the number 0",
            [
                {"index": 0, "id": "a", "function": {"name": "f", "arguments": '{"x": 1}'}},
                {"index": 0, "id": "b", "function": {"name": "g", "arguments": '{"y": 2}'}},
            ],
        ),
        (
            "neither number nor id",
            [
                {"function": {"name": "f", "arguments": '{"x": 1}'}},
                {"function": {"name": "g", "arguments": '{"y": 2}'}},
            ],
        ),
        (
            "an object for arguments",
            [
                {"index": 0, "id": "a", "type": None, "function": {"name": "f", "arguments": {"x": 1}}},
                {"index": 1, "id": "b", "function": {"name": "g", "arguments": {"y": 2}}},
            ],
        ),
        (
            "a name in pieces",
            [
                {"index": 0, "id": "a", "function": {"name": "f"}},
                {"index": 0, "function": {"arguments": '{"x": 1}'}},
                {"index": 1, "id": "b", "function": {"name": ""}},
                {"index": 1, "function": {"name": "g", "arguments": '{"y": 2}'}},
            ],
        ),
    ],
)
def test_calls_are_put_together_however_they_come(why: str, pieces: list[dict[str, Any]]) -> None:
    turn = decode("openai-chat", calling(*pieces))

    assert calls_of(turn) == TWO, why
    assert len({call.tool_call_id for call in turn.pending}) == 2


def test_a_call_without_an_id_gets_one_that_its_result_names() -> None:
    body = answer({"content": None, "tool_calls": [{"function": {"name": "f", "arguments": None}}]}, "stop")

    [call] = decode("openai-chat", body)

    assert (call.args, call.metadata[PROVIDER_CALL_ID]) == ({}, "")
    asked, replied = messages(nt.turn((call, nt.tool_use(call.tool_call_id, "so"))))
    assert asked["tool_calls"][0]["id"] == replied["tool_call_id"] == call.tool_call_id != ""
    assert decode("openai-chat", body)[0].tool_call_id == call.tool_call_id


def test_the_call_of_old_is_answered_as_of_old() -> None:
    turn = decode(
        "openai-chat",
        answer({"content": None, "function_call": {"name": "f", "arguments": '{"x": 1}'}}, "function_call"),
    )

    assert calls_of(turn) == [("f", {"x": 1})]
    assert messages(turn + nt.tool_use(turn[0].tool_call_id, "so")) == [
        {"role": "assistant", "content": None, "function_call": {"name": "f", "arguments": '{"x": 1}'}},
        {"role": "function", "name": "f", "content": "so"},
    ]


def test_blank_placeholders_say_nothing() -> None:
    blanks = {
        "function_call": {"name": "", "arguments": ""},
        "audio": {"id": "", "data": "", "expires_at": 0},
        "refusal": "",
    }

    [block] = decode("openai-chat", answer({"content": "x", "tool_calls": None, "annotations": None, **blanks}, ""))

    assert block.payload == {"text": "x"}
    assert FIELDS not in block.metadata


def test_a_call_cut_at_the_token_limit_cannot_be_run() -> None:
    first = {"index": 0, "id": "a", "function": {"name": "f", "arguments": '{"x": 1}'}}
    second = {"index": 1, "id": "b", "function": {"name": "g", "arguments": '{"y": '}}

    turn = decode("openai-chat", sse(said({"tool_calls": [first]}), said({"tool_calls": [second]}), said({}, "length")))

    assert [call.metadata.get(CUT) for call in turn] == [None, True]
    assert turn[1].payload["args_raw"] == '{"y": '
    assert turn.inferences[0].truncated
    assert messages(turn)[0]["tool_calls"][1]["function"]["arguments"] == '{"y": '
    elsewhere = messages(turn, dialect="vllm")[0]["tool_calls"][1]["function"]["arguments"]
    assert json.loads(elsewhere) == {"INVALID_JSON": '{"y": '}


# How an answer ends.


@pytest.mark.parametrize(
    ("stop", "finish"),
    [
        ("stop", nt.FinishClass.COMPLETED),
        ("eos", nt.FinishClass.COMPLETED),
        ("", nt.FinishClass.COMPLETED),
        (None, nt.FinishClass.COMPLETED),
        ("model_length", nt.FinishClass.MAX_TOKENS),
        ("content_filter", nt.FinishClass.FILTERED),
        ("a_new_reason", nt.FinishClass.UNKNOWN),
    ],
)
def test_stop_reasons_have_a_finish_class(stop: str | None, finish: nt.FinishClass) -> None:
    [result] = decode("openai-chat", answer({"content": "x"}, stop)).inferences

    assert (result.stop_reason, result.finish_class) == (stop or "", finish)


def test_a_choice_that_was_filtered_has_no_message() -> None:
    filtered = {"hate": {"filtered": True}}
    body = {"choices": [{"index": 0, "finish_reason": "content_filter", "content_filter_results": filtered}]}

    turn = decode("openai-chat", body)

    assert (len(turn), turn.inferences[0].finish_class) == (0, nt.FinishClass.FILTERED)
    assert turn.inferences[0].extra["content_filter_results"] == filtered


def test_azures_first_chunk_is_no_choice_and_no_name() -> None:
    first = {"choices": [], "id": "", "model": "", "object": "", "prompt_filter_results": [{"prompt_index": 0}]}

    turn = decode("openai-chat", sse(first, said({"content": "x"}), said({}, "stop")))

    [result] = turn.inferences
    assert (turn.text, result.response_id, result.model) == ("x", "c-1", "m")
    assert result.extra["prompt_filter_results"] == [{"prompt_index": 0}]


def test_a_clean_end_after_every_finish_reason_is_an_end() -> None:
    chunks = said({"content": "x"}), said({}, "stop"), said({"content": "y"}, index=1)

    assert decode("openai-chat", sse(*chunks[:2], done=False)).text == "x"
    for unfinished in (chunks[:1], chunks, ()):
        with pytest.raises(nt.EngineError) as caught:
            decode("openai-chat", sse(*unfinished, done=False) or b": \n\ndata: {}\n\n")
        assert caught.value.kind == "stream_cut"


def test_an_error_midway_keeps_what_was_said_and_no_half_call() -> None:
    piece = {"index": 0, "id": "a", "type": "function", "function": {"name": "f", "arguments": '{"x": '}}
    error = {"error": {"message": "Overloaded", "code": 529, "metadata": {"provider_name": "Novita", "raw": "busy"}}}
    body = sse(
        said({"content": "It "}), said({"tool_calls": [piece]}), {**said({"content": "rains"}, "error"), **error}
    )

    with pytest.raises(nt.EngineError, match=r"Overloaded \(Novita: busy\) \(at event 3") as caught:
        decode("openai-chat", body)

    turn = caught.value.turn
    assert caught.value.status == 529
    assert turn.pending == ()
    assert turn.inferences[0].finish_class == nt.FinishClass.ERROR


def test_a_stream_may_be_cut_anywhere_and_what_came_is_kept() -> None:
    whole = stream("call")
    for at in range(1, whole.index(b'"finish_reason": "tool_calls"')):
        with pytest.raises(nt.EngineError) as caught:
            decode("openai-chat", whole[:at])
        assert caught.value.kind in ("stream_cut", "bad_response")
        assert not caught.value.turn.pending
        assert all(
            message["content"] == "I look."[: len(message["content"])] for message in messages(caught.value.turn)
        )


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (
            {"error": {"code": "context_length_exceeded", "type": "invalid_request_error", "message": "too long"}},
            "context_length_exceeded",
        ),
        ({"error": {"type": "server_error", "code": None, "message": "too long"}}, "server_error"),
        ({"error": "too long"}, "error"),
        ([{"error": {"code": 400, "message": "too long", "status": "INVALID_ARGUMENT"}}], "error"),
        ({"object": "error", "message": "too long", "type": "BadRequestError", "code": 400}, "BadRequestError"),
        ({**answer({"content": ""}), "error": {"message": "too long", "code": "content_filter"}}, "content_filter"),
    ],
)
def test_errors_inside_an_answer_are_errors(body: Any, kind: str) -> None:
    with pytest.raises(nt.EngineError, match="too long") as caught:
        decode("openai-chat", json.dumps(body))

    assert caught.value.kind == kind


@pytest.mark.parametrize(
    "body", [b"", b"<html>504</html>", b"data: {broken\n\n", b"[]", b'{"models": 7}', b"null", b"{" * 9000]
)
def test_what_is_no_answer_is_an_error_in_words(body: bytes) -> None:
    with pytest.raises(nt.EngineError) as caught:
        decode("openai-chat", body)

    assert (caught.value.kind, len(caught.value.turn)) == ("bad_response", 0)


def test_a_server_that_breaks_off_without_an_error_is_one() -> None:
    with pytest.raises(nt.EngineError, match="insufficient_system_resource") as caught:
        decode("openai-chat", sse(said({"content": "It"}), said({}, "insufficient_system_resource")))

    assert caught.value.turn.text == "It"


# A Turn → a request.


def test_a_request_says_the_turn() -> None:
    turn = nt.turn("Paris?", system="Be brief.") + nt.system("In French.")

    assert request(MODEL, turn, tools=[now], temperature=0) == {
        "model": "gpt-test",
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "Paris?"},
            {"role": "system", "content": "In French."},
        ],
        "tools": [
            {
                "type": "function",
                "function": {
                    "name": "now",
                    "description": "The time.",
                    "parameters": {"type": "object", "properties": {}, "additionalProperties": False},
                },
            }
        ],
        "tool_choice": "auto",
        "temperature": 0,
        "stream": True,
        "stream_options": {"include_usage": True},
    }


def test_a_stream_may_be_asked_for_without_its_usage() -> None:
    assert "stream_options" not in request(MODEL, nt.turn("x"), stream_options=None)
    assert "stream_options" not in request(MODEL, nt.turn("x"), stream=False)
    assert "stream_options" not in request(MODEL, nt.turn("x"), dialect="mistral")


def test_one_reply_is_one_message_and_its_results_come_right_after() -> None:
    calls = nt.assistant("I look."), nt.tool_call("a", "f", {"ü": 1}), nt.tool_call("b", "f")
    rest = nt.user("And?"), nt.tool_use("a", {"ü": None}), nt.tool_use("b", error="no such city"), nt.assistant("So.")

    sent = messages(nt.turn("x") + calls + rest)

    assert [message["role"] for message in sent] == ["user", "assistant", "tool", "tool", "user", "assistant"]
    assert sent[1] == {
        "role": "assistant",
        "content": "I look.",
        "tool_calls": [
            {"id": "a", "type": "function", "function": {"name": "f", "arguments": '{"ü": 1}'}},
            {"id": "b", "type": "function", "function": {"name": "f", "arguments": "{}"}},
        ],
    }
    assert [message["content"] for message in sent[2:4]] == ['{"ü": null}', "no such city"]


@pytest.mark.parametrize(
    "result",
    [
        nt.image("data:image/png;base64,iVBORw0KGgo="),
        [{"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo="}}],
        [{"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}}],
    ],
)
def test_images_in_results_follow_in_a_message_of_the_users(result: Any) -> None:
    calls = nt.tool_call("a", "look"), nt.tool_call("b", "f"), nt.tool_use("a", result), nt.tool_use("b", "so")

    _, first, second, seen = messages(nt.turn(calls))

    assert (first["tool_call_id"], second["content"], seen["role"]) == ("a", "so", "user")
    assert seen["content"] == [{"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}}]


def test_images_and_media_go_beside_the_text() -> None:
    paper = {"type": "file", "file": {"file_id": "file_1"}}
    seen = [nt.image(b"\x89PNG\r\n\x1a\n", detail="low"), nt.image("https://example.org/a.png")]

    [message] = messages(nt.turn(nt.user("Look.", images=seen).edit(media=[paper])))

    assert message["content"] == [
        {"type": "text", "text": "Look."},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo=", "detail": "low"}},
        {"type": "image_url", "image_url": {"url": "https://example.org/a.png"}},
        paper,
    ]
    with pytest.raises(nt.EngineError, match="a chat accepts images, documents and other files"):
        messages(nt.turn(nt.user("Read.").edit(media=[{"type": "document"}])))


def test_foreign_blocks_are_rebuilt_and_foreign_thoughts_left_out() -> None:
    claude = decode("anthropic", (FIXTURES.parent / "anthropic" / "every_block.sse").read_bytes())

    [message] = messages(claude)

    assert message["content"].startswith("Ich prüfe das")
    assert [call["function"]["arguments"] for call in message["tool_calls"]] == ['{"city": "Paris", "days": 2}', "{}"]
    assert set(message) == {"role", "content", "tool_calls"}
    assert messages(claude, dialect="deepseek")[0]["reasoning_content"] == "The user asks for two cities."


# Dialects.


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("https://api.openai.com/v1", "openai"),
        ("https://res.openai.azure.com/openai/v1/", "azure"),
        ("https://api.groq.com/openai/v1", "groq"),
        ("https://router.huggingface.co/novita/v3/openai", "huggingface"),
        ("http://localhost:11434/v1", "ollama"),
        ("http://gpu7:8000/v1", "gpu7"),
        ("https://notgroq.com/v1", "notgroq.com"),
    ],
)
def test_the_dialect_is_told_by_the_host(url: str, name: str) -> None:
    assert dialect_of_url(url).name == name


def test_a_thought_goes_back_where_it_is_taken() -> None:
    turn = decode("openai-chat", sse(said({"reasoning_content": "Hm."}), said({"content": "4"}, "stop")))
    plain = {"role": "assistant", "content": "4"}

    assert messages(turn, "openai-chat:m") == [{**plain, "reasoning_content": "Hm."}]  # the model that had it
    assert messages(turn, "openai-chat:gpt-5") == [plain]
    assert messages(turn, "openai-chat:m", base_url="https://api.groq.com/openai/v1") == [plain]
    assert messages(turn, "openai-chat:m", base_url="https://api.deepseek.com") == [
        {**plain, "reasoning_content": "Hm."}
    ]
    [mistral] = messages(turn, "openai-chat:m", dialect="mistral")
    assert [part["type"] for part in mistral["content"]] == ["thinking", "text"]


def test_each_server_is_asked_in_its_own_words() -> None:
    turn = nt.turn((nt.tool_call("call_1", "f"), nt.tool_use("call_1", 1)))
    required = nt.ToolConfig(tool_choice="required")

    body = request(MODEL, turn, [now], required, dialect="mistral", seed=1, max_completion_tokens=9)

    call, result = body["messages"]
    assert (body["tool_choice"], body["random_seed"], body["max_tokens"]) == ("any", 1, 9)
    assert call["tool_calls"][0]["id"] == result["tool_call_id"]
    assert (len(result["tool_call_id"]), result["name"], call["content"]) == (9, "f", "")
    assert "content" not in messages(turn, dialect="groq")[0]
    assert messages(turn)[0]["content"] is None


def test_system_blocks_may_go_as_the_developers() -> None:
    turn = nt.turn("x", system="s")

    assert messages(turn, system_role="developer")[0]["role"] == "developer"
    assert messages(turn, system_role="developer", dialect="groq")[0]["role"] == "system"


def test_a_dialect_that_is_not_known_is_told_of_those_that_are() -> None:
    with pytest.raises(nt.EngineError, match="unknown dialect 'grok'; known dialects: openai, compatible, azure, groq"):
        request(MODEL, nt.turn("x"), dialect="grok")
    with pytest.raises(nt.EngineError, match="the address of the azure server is unknown"):
        engine(MODEL, dialect="azure")


# What was written goes back as it was.


def test_an_answer_goes_back_word_for_word_as_one_message() -> None:
    turn = nt.turn("two cities") + tuple(decode("openai-chat", stream("call")))
    turn = nt.Turn.from_yaml(turn.to_yaml())

    _, message = messages(turn)

    body = json.loads((FIXTURES / "call.json").read_bytes())["choices"][0]["message"]
    assert message == {name: value for name, value in body.items() if value}


def test_an_edited_block_is_written_anew() -> None:
    turn = decode("openai-chat", stream("call")).edit(2, args={"city": "Rome"})

    [message] = messages(turn)

    assert [call["function"]["arguments"] for call in message["tool_calls"]] == ['{"city": "Rome"}', "{}"]


def test_two_replies_in_a_row_stay_two_messages() -> None:
    first, second = (decode("openai-chat", stream("text").replace(b"chatcmpl-01", id)) for id in (b"c-1", b"c-2"))

    assert len(messages(first + tuple(second))) == 2
    assert len(messages(nt.turn((nt.assistant("a"), nt.assistant("b"))))) == 2


def test_a_recorded_request_comes_back_to_the_letter() -> None:
    sent: list[dict[str, Any]] = [
        {"role": "developer", "content": "s", "name": None},
        {"role": "user", "content": [{"type": "text", "text": "a", "cache_control": {"type": "ephemeral"}}, {"type": "odd"}]},
        {"role": "assistant", "content": None, "reasoning_content": "Hm.", "annotations": [], "tool_calls": [
            {"index": 0, "id": "a", "type": "function", "function": {"name": "f", "arguments": '{ "x":1}'}},
            {"id": "b", "type": "custom", "custom": {"name": "g", "input": "text"}},
        ]},
        {"role": "tool", "tool_call_id": "a", "content": [{"type": "text", "text": "so"}]},
        {"role": "tool", "tool_call_id": "b", "content": "so"},
        {"role": "assistant", "content": [{"type": "text", "text": "a"}, {"type": "refusal", "refusal": "b"}]},
        {"role": "assistant", "content": "", "audio": {"id": "audio_1"}},
        {"role": "judge", "content": "fine"},
    ]  # fmt: skip

    turn = nt.Turn.from_dict(json.loads(json.dumps(history({"messages": sent}).to_dict())))

    assert messages(turn) == sent
    assert [block.kind for block in turn][:5] == ["system", "user", "reasoning", "tool_call", "tool_call"]


def test_no_request_is_an_error_in_words() -> None:
    for strange in ({}, {"messages": [1]}, {"messages": {"role": "user"}}):
        with pytest.raises(nt.EngineError):
            history(strange)


def test_imported_transcripts_can_be_asked_on(tmp_path: Path) -> None:
    call = {"id": "a", "type": "function", "function": {"name": "f", "arguments": '{"x":   1}'}}
    sent = [
        {"role": "user", "content": "x", "name": "Ann"},
        {"role": "assistant", "content": "I look.", "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "a", "content": "so"},
    ]

    assert messages(nt.loads(json.dumps(sent)).latest) == sent


# Anything at all.


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_pieces_of_a_stream_make_no_difference(data: st.DataObject) -> None:
    body = stream(data.draw(st.sampled_from(["call", "text"])))
    cuts = data.draw(st.lists(st.integers(0, len(body)), max_size=40))

    assert read(body, cuts)[:2] == read(body)[:2]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda inside: st.lists(inside, max_size=3) | st.dictionaries(st.text(max_size=5), inside, max_size=3),
    max_leaves=8,
)


def objects(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """Objects with some of these fields, which may hold anything."""
    return st.fixed_dictionaries({}, optional={name: JSON | values for name, values in fields.items()})


FUNCTION = objects(name=st.sampled_from(["f", "g"]), arguments=st.sampled_from(["", "{", "{}", '{"x"', ": 1}", "[]"]))
CALL = objects(index=st.integers(0, 1), id=st.sampled_from(["", "a", "b"]), function=FUNCTION, custom=FUNCTION)
PART = objects(
    type=st.sampled_from(["text", "thinking", "refusal", "odd"]), text=st.text(), thinking=st.text(), refusal=st.text()
)
DETAIL = objects(type=st.just("reasoning.text"), index=st.just(0), text=st.text(), signature=st.text())
MESSAGE = objects(
    content=st.text() | st.lists(PART | JSON, max_size=2),
    refusal=st.text(max_size=1),
    reasoning=st.text(),
    reasoning_content=st.text(),
    reasoning_details=st.lists(DETAIL, max_size=2),
    tool_calls=st.lists(CALL, max_size=2),
    function_call=FUNCTION,
    audio=objects(id=st.text(), data=st.text()),
    annotations=st.lists(JSON, max_size=1),
    images=st.lists(JSON, max_size=1),
)
CHOICE = objects(
    index=st.integers(0, 1),
    delta=MESSAGE,
    message=MESSAGE,
    finish_reason=st.sampled_from(["stop", "length", "tool_calls", "error", ""]),
    logprobs=objects(content=st.lists(JSON, max_size=2)),
)
CHUNK = objects(id=st.just("c-1"), choices=st.lists(CHOICE, max_size=2), usage=JSON, x_groq=JSON)
BODIES = st.binary() | CHUNK.map(lambda body: json.dumps(body).encode())
STREAMS = st.lists(CHUNK, max_size=5).map(lambda chunks: sse(*chunks, done=len(chunks) % 2 == 0))


@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
@given(STREAMS | BODIES, st.sampled_from(sorted(DIALECTS)))
def test_any_bytes_are_a_turn_or_an_error_with_one(body: bytes, dialect: str) -> None:
    try:
        turn = decode("openai-chat", body)
    except nt.EngineError as error:
        turn = error.turn

    assert len(turn.inferences) == 1
    printed = repr(turn.to_dict())
    assert nt.Turn.from_dict(turn.to_dict()).blocks == turn.blocks or "NaN" in printed or "nan" in printed
    json.dumps(request(MODEL, turn, dialect=dialect))


SENT = objects(
    role=st.sampled_from(["system", "user", "assistant", "tool", "odd"]),
    tool_call_id=st.text(),
    content=st.text() | st.lists(PART, max_size=2),
    tool_calls=st.lists(CALL, max_size=2),
    reasoning=st.text(),
)


@settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
@example([{"role": "assistant", "tool_call_id": "", "tool_calls": [{}]}, {"role": "system"}, {"role": "tool"}])
@given(st.lists(SENT, max_size=4))
def test_any_request_comes_back_or_is_an_error(sent: list[dict[str, Any]]) -> None:
    try:
        turn = history({"messages": sent})
    except nt.EngineError:
        return
    received = messages(turn)
    if received != sent and any(
        b.get("role") == "tool" and a.get("role") not in ("assistant", "tool") for a, b in pairwise(sent)
    ):
        received, sent = ordered(received), ordered(sent)  # a result is moved to its call: the provider wants it there
    assert received == sent or "NaN" in json.dumps(sent) or any("role" not in message for message in sent)


def ordered(messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return sorted(messages, key=lambda message: json.dumps(message, sort_keys=True))


# Over a socket.


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    for dialect in DIALECTS.values():
        if dialect.key:
            monkeypatch.delenv(dialect.key, raising=False)
    with served(MODEL, KEY, request_id="req_42") as made:
        yield made
        for client in made.clients:
            Waiting(client.close()).result(60)


def asking(server: Server, way: str, *answers: Script, **params: Any) -> ProviderEngine:
    """An engine that asks this server, through OpenAI's client or by HTTP alone."""
    server.answers += answers
    if way == "http":
        return engine(MODEL, base_url=server.url, api_key=KEY, **{"retries": 0, **params})
    openai = pytest.importorskip("openai")
    server.clients.append(openai.AsyncOpenAI(api_key=KEY, base_url=server.url))
    return engine(MODEL, client=server.clients[-1], **{"retries": 0, **params})


WAYS = pytest.mark.parametrize("way", ["http", "openai"])


@WAYS
def test_a_session_with_a_tool_loop(server: Server, way: str) -> None:
    text = Script(stream("text").replace(b"chatcmpl-01", b"chatcmpl-02"), headers={"x-request-id": "req_43"})
    asks = asking(server, way, Script(stream("call")), text, temperature=0)
    session = nt.Session(asks, tools=[weather, now])

    turn = session.ask("Paris?").result(60)

    kinds = ["user", "reasoning", "llm_text", "tool_call", "tool_call", "tool_use", "tool_use", "llm_text"]
    assert [block.kind for block in turn] == kinds
    assert (turn.text, [b.result for b in turn.of_kind("tool_use")]) == (
        "It rains in Paris.",
        ["rain in Paris", "noon"],
    )
    first, second = server.asked
    assert first == asks.request(turn[:1], nt.Scope(tools=session.tools))
    assert [message["role"] for message in second["messages"]] == ["user", "assistant", "tool", "tool"]
    assert server.headers[0]["authorization"] == f"Bearer {KEY}"
    assert len(server.connections) == 1
    assert turn.inferences[1].provider == "127.0.0.1"


@WAYS
def test_a_refusal_carries_all_that_was_said(server: Server, way: str) -> None:
    body = {"error": {"message": f"not with {KEY}", "type": "requests", "code": "rate_limit_exceeded"}}
    asks = asking(
        server,
        way,
        Script(json.dumps(body).encode(), 429, "application/json", {"retry-after": "7", "x-request-id": "req_7"}),
    )

    with pytest.raises(nt.EngineError, match="not with …") as caught:
        nt.Session(asks).ask("x").result(60)

    error = caught.value
    assert (error.status, error.kind, error.retry_after) == (429, "rate_limit_exceeded", 7.0)
    assert KEY not in "".join(map(str, everything(error)))
    assert len(server.asked) == 1


@WAYS
def test_a_connection_that_breaks_keeps_what_had_come(server: Server, way: str) -> None:
    with pytest.raises(nt.EngineError) as caught:
        nt.Session(asking(server, way, Script(stream("text"), cut=400))).ask("x").result(60)

    assert caught.value.kind == "stream_cut"
    assert caught.value.turn[-1].text.startswith("It rains")


@WAYS
def test_an_answer_may_come_as_one_body(server: Server, way: str) -> None:
    asks = asking(
        server, way, Script((FIXTURES / "call.json").read_bytes(), content_type="application/json"), stream=False
    )

    turn = Waiting(asks(nt.turn("x"), nt.Scope())).result(60)

    assert turn[1:].blocks == read(stream("call"))[0]
    assert server.asked[0]["stream"] is False


def test_stop_hangs_up_at_once_and_keeps_what_was_said(server: Server) -> None:
    heard = threading.Event()
    asks = asking(server, "http", Script(stream("text")[:400] + b": still here\n\n" * 10_000, chunk=50, pause=0.05))
    execution = nt.Session(asks, sinks=[lambda event: heard.set() if isinstance(event, Delta) else None]).ask("x")
    assert heard.wait(60)

    execution.stop()
    turn = execution.result(60)  # the server would go on for ten minutes

    assert (execution.status, turn[-1].text[:8]) == ("stopped", "It rains")
    assert turn.inferences[0].finish_class == nt.FinishClass.INTERRUPTED
    assert server.hung_up.wait(60)


def test_a_server_that_falls_silent_is_left_in_time(server: Server) -> None:
    with pytest.raises(nt.EngineError, match="the answer stopped for") as caught:
        nt.Session(asking(server, "http", Script(stream("text")[:400], linger=60), timeout=2)).ask("x").result(60)

    assert (caught.value.kind, caught.value.turn[-1].text[:8]) == ("timeout", "It rains")


def test_nobody_there_and_no_key_are_said(server: Server) -> None:
    with pytest.raises(nt.EngineError, match="no answer from 127.0.0.1: ConnectionError: ConnectError") as caught:
        nt.Session(engine(MODEL, base_url="http://127.0.0.1:9")).ask("x").result(60)
    assert caught.value.kind == "connection"
    with pytest.raises(nt.EngineError, match="no key for groq: set GROQ_API_KEY") as caught:
        nt.Session(engine(MODEL, base_url=server.url, dialect="groq")).ask("x").result(60)
    assert (caught.value.kind, server.asked) == ("authentication_error", [])


def test_a_key_goes_only_to_the_server_it_is_for(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("GROQ_API_KEY", "gsk")
    server.answers += [Script(stream("text")), Script(stream("text"))]

    nt.Session(engine(MODEL, base_url=f"{server.url}/?api-version=1")).ask("x").result(60)
    turn = nt.Session(engine(MODEL, base_url=server.url, dialect="groq")).ask("x").result(60)

    assert ["authorization" in headers for headers in server.headers] == [False, True]
    assert server.headers[1]["authorization"] == "Bearer gsk"
    assert turn.inferences[0].provider == "groq"


def test_nothing_shows_a_key() -> None:
    made = engine(MODEL, base_url="http://localhost:8000/v1", api_key=KEY, temperature=0)

    assert repr(made) == "<openai-chat:gpt-test temperature=0>"
    assert KEY not in repr(made) + str(made.describe()) + repr(made.transport)
    server = HttpServer(name="s", path="", read_error=nt.EngineError)
    client = HttpClient(http=None, base="", server=server, settings={"api_key": KEY}, connection_error=OSError)
    assert KEY not in repr(client)
    assert request(MODEL, nt.turn("x"), base_url="http://localhost:8000/v1", api_key=KEY, dialect=COMPATIBLE).keys() == {
        "model", "messages", "stream", "stream_options",
    }  # fmt: skip


@WAYS
def test_recorded_bytes_come_through_as_they_are(server: Server, shared: Path, way: str) -> None:
    cases = list(recorded(shared, "openai_chat"))[:: 1 if way == "http" else 2]
    asks = asking(server, way)

    for case in cases:
        server.answers.append(Script(case.body, case.status, case.content_type, chunk=1400))
        try:
            turn = Waiting(asks(nt.turn("x"), nt.Scope())).result(60)
        except nt.EngineError as error:
            with pytest.raises(nt.EngineError) as caught:
                decode("openai-chat", case.body)
            assert error.kind == caught.value.kind, case.id
            continue
        assert [b.payload for b in turn[1:]] == [b.payload for b in decode("openai-chat", case.body)], case.id
    assert len(cases) > 250
    assert find("openai-chat").name == "openai-chat"


@pytest.mark.parametrize(
    ("usage", "cost"),
    [
        ({"cost": 0.00005, "is_byok": False}, 0.00005),
        ({"cost": 0.001, "is_byok": True, "cost_details": {"upstream_inference_cost": 0.02}}, 0.021),
        ({"cost": 0}, 0.0),
        ({"cost": "free"}, None),
        ({"cost": -1}, None),
    ],
)
def test_a_cost_that_the_server_tells_is_the_cost(usage: dict[str, Any], cost: float | None) -> None:
    body = {"model": "some/model", "choices": [{"message": {"content": "so"}, "finish_reason": "stop"}]}

    [result] = decode(
        "openai-chat", {**body, "usage": {"prompt_tokens": 1, "completion_tokens": 1, **usage}}
    ).inferences

    assert result.cost == (pytest.approx(cost) if cost is not None else None)
