"""Claude's words, read and written, without a network: by hand-made and by recorded answers."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import nbturns as nt
from nbturns.engines import decode, request
from nbturns.engines.anthropic import request as anthropic
from nbturns.engines.anthropic.reply import ORIGINALS
from nbturns.engines.anthropic.request import history
from nbturns.keys import CUT
from tests.engines import stream_pieces

FIXTURES = Path(__file__).parents[2] / "fixtures" / "anthropic"
MODEL = "anthropic:claude-sonnet-4-5"


def stream(name: str) -> bytes:
    return (FIXTURES / f"{name}.sse").read_bytes()


read = partial(stream_pieces.read, anthropic.PROVIDER)


def messages(turn: nt.Turn, **params: Any) -> list[dict[str, Any]]:
    sent: list[dict[str, Any]] = request(MODEL, turn, **params)["messages"]
    return sent


def contents(turn: nt.Turn) -> list[dict[str, Any]]:
    """The content blocks of a Turn that makes one message."""
    [message] = messages(turn)
    content: list[dict[str, Any]] = message["content"]
    return content


def now() -> str:
    "The time."
    return "noon"


# An answer → blocks.


def test_an_answer_is_read_block_by_block() -> None:
    turn = decode("anthropic", stream("every_block"))

    assert [(block.kind, block.role) for block in turn] == [
        ("reasoning", "assistant"),
        ("reasoning", "assistant"),
        ("llm_text", "assistant"),
        ("llm_text", "assistant"),
        ("tool_call", ""),
        ("tool_call", ""),
        ("other", "assistant"),
        ("other", "assistant"),
    ]
    assert turn[0].payload == {"text": "The user asks for two cities.", "signature": "EqQBCg=="}
    assert turn[1].payload == {"text": "", "data": "EmwKAhgB"}
    assert turn[2].text == "Ich prüfe das – 🌧️ oder ☀️?"
    assert turn[3].payload["citations"][0]["cited_text"] == "Paris"
    assert turn[4].payload == {"id": "toolu_01", "name": "weather", "args": {"city": "Paris", "days": 2}}
    assert turn[5].args == {}
    assert turn[6].payload["input"] == {"query": "rain"}


def test_a_stream_and_a_body_give_equal_blocks() -> None:
    streamed, body = (
        decode("anthropic", stream("every_block")),
        decode("claude", (FIXTURES / "every_block.json").read_bytes()),
    )

    assert tuple(streamed) == tuple(body)
    assert streamed.inferences == body.inferences


def test_the_result_counts_all_input() -> None:
    [result] = decode("anthropic", stream("every_block")).inferences

    assert result.usage == nt.Usage(100, 42, cached_tokens=85, cache_creation_input_tokens=5, reasoning_tokens=7)
    assert result.extra["usage"]["input_tokens"] == 10  # Anthropic's own number, which leaves the cache out
    assert (result.provider, result.model, result.response_id) == ("anthropic", "claude-sonnet-4-5", "msg_01")
    assert (result.stop_reason, result.finish_class) == ("tool_use", nt.FinishClass.TOOL_CALLS_PENDING)


def test_deltas_say_which_block_they_belong_to() -> None:
    _, _, heard = read(stream("every_block"))

    text = {place: "".join(delta.text for delta in heard if delta.index == place) for place in range(8)}
    assert text[0] == "The user asks for two cities."
    assert text[2] == "Ich prüfe das – 🌧️ oder ☀️?"
    assert json.loads(text[4]) == {"city": "Paris", "days": 2}
    assert [(delta.kind, delta.name) for delta in heard if delta.name] == [
        ("tool_call", "weather"),
        ("tool_call", "now"),
    ]
    assert {delta.inference_id for delta in heard} == {"inference-1"}


def test_a_call_cut_at_the_token_limit_cannot_be_run() -> None:
    [call] = decode("anthropic", stream("cut_in_arguments"))

    assert call.metadata[CUT] is True
    assert (call.args, call.payload["args_raw"]) == ({}, '{"city": "Par')
    assert call.inference is not None
    assert (call.inference.finish_class, call.inference.truncated) == (nt.FinishClass.MAX_TOKENS, True)


def test_an_error_midway_keeps_what_was_said_and_no_half_call() -> None:
    with pytest.raises(nt.EngineError, match="Overloaded .at event 7 of the stream, error") as caught:
        decode("anthropic", stream("error_midway"))

    assert (caught.value.kind, caught.value.request_id) == ("overloaded_error", "req_01")
    turn = caught.value.turn
    assert [(block.kind, block.text) for block in turn] == [("llm_text", "It rains"), ("other", "")]
    assert turn[1].payload["partial_json"] == '{"city": "Par'
    assert turn.pending == ()
    assert turn.inferences[0].finish_class == nt.FinishClass.ERROR
    assert messages(turn) == [{"role": "assistant", "content": [{"type": "text", "text": "It rains"}]}]


def test_a_stream_may_be_cut_anywhere_and_what_came_is_kept() -> None:
    whole = stream("call")
    for at in range(1, whole.index(b"event: message_delta")):
        with pytest.raises(nt.EngineError) as caught:
            decode("anthropic", whole[:at])
        assert caught.value.kind in ("stream_cut", "bad_response")
        assert all(call.args == {"city": "Paris"} for call in caught.value.turn.of_kind("tool_call"))


def test_a_clean_end_after_the_stop_reason_is_an_end() -> None:
    whole = stream("text")

    turn = decode("anthropic", whole[: whole.index(b"event: message_stop")])

    assert turn.text == "It rains in Paris."


@pytest.mark.parametrize(
    ("reason", "finish"),
    [
        ("end_turn", nt.FinishClass.COMPLETED),
        ("stop_sequence", nt.FinishClass.COMPLETED),
        ("model_context_window_exceeded", nt.FinishClass.MAX_TOKENS),
        ("pause_turn", nt.FinishClass.CONTINUE),
        ("refusal", nt.FinishClass.REFUSED),
        ("a_new_reason", nt.FinishClass.UNKNOWN),
    ],
)
def test_stop_reasons_have_a_finish_class(reason: str, finish: nt.FinishClass) -> None:
    body = {"content": [{"type": "text", "text": "so"}], "stop_reason": reason}

    [result] = decode("anthropic", body).inferences

    assert (result.stop_reason, result.finish_class) == (reason, finish)


@pytest.mark.parametrize(
    "body", [b"", b"<html>504</html>", b"data: {broken\n\n", b"[]", b'{"input_tokens": "7"}', b"null", b"{" * 9000]
)
def test_what_is_no_answer_is_an_error_in_words(body: bytes) -> None:
    with pytest.raises(nt.EngineError) as caught:
        decode("anthropic", body)

    assert (caught.value.kind, len(caught.value.turn)) == ("bad_response", 0)


# A Turn → a request.


def test_a_request_says_the_turn() -> None:
    def weather(city: str) -> str:
        "Current weather in a city."
        return city

    turn = nt.turn("Paris?", system="Be brief.") + nt.system("Answer in French.")

    assert request("anthropic:claude-opus-4-8", turn, tools=[weather], stop_sequences=["\n\n"]) == {
        "model": "claude-opus-4-8",
        "max_tokens": 4096,
        "system": [{"type": "text", "text": "Be brief."}],
        "messages": [
            {"role": "user", "content": [{"type": "text", "text": "Paris?"}]},
            {"role": "system", "content": [{"type": "text", "text": "Answer in French."}]},
        ],
        "tools": [
            {
                "name": "weather",
                "description": "Current weather in a city.",
                "input_schema": {
                    "type": "object",
                    "properties": {"city": {"type": "string"}},
                    "required": ["city"],
                    "additionalProperties": False,
                },
            }
        ],
        "tool_choice": {"type": "auto"},
        "stop_sequences": ["\n\n"],
        "stream": True,
    }


def test_later_system_blocks_may_go_as_user_text() -> None:
    turn = nt.turn("Paris?") + nt.system("In French.")

    [message] = messages(turn, later_system="user")

    assert message == {
        "role": "user",
        "content": [{"type": "text", "text": "Paris?"}, {"type": "text", "text": "In French."}],
    }


def test_the_results_of_a_reply_make_one_message_with_the_results_first() -> None:
    calls = (
        nt.assistant("I look."),
        nt.tool_call("a", "f", {"x": 1}),
        nt.tool_call("b", "f", {}),
        nt.tool_call("c", "f", {}),
    )
    answers = (
        nt.user("And?"),
        nt.tool_use("a", {"ü": None}),
        nt.tool_use("b", "as is"),
        nt.tool_use("c", error="no such city"),
    )

    asked, replied = messages(nt.Turn() + calls + answers)

    assert asked["role"] == "assistant"
    assert [part["type"] for part in asked["content"]] == ["text", "tool_use", "tool_use", "tool_use"]
    assert replied["role"] == "user"
    assert replied["content"] == [
        {"type": "tool_result", "tool_use_id": "a", "content": '{"ü": null}'},
        {"type": "tool_result", "tool_use_id": "b", "content": "as is"},
        {"type": "tool_result", "tool_use_id": "c", "content": "no such city", "is_error": True},
        {"type": "text", "text": "And?"},
    ]


def test_a_result_may_be_a_list_of_claudes_content_blocks() -> None:
    picture = [{"type": "image", "source": {"type": "url", "url": "https://example.org/a.png"}}]

    [_, answer] = messages(nt.turn((nt.tool_call("a", "f"), nt.tool_use("a", picture))))

    assert answer["content"][0]["content"] == picture


def test_images_go_as_bytes_urls_and_file_ids() -> None:
    seen = [nt.image(b"\x89PNG\r\n\x1a\n"), nt.image("https://example.org/a.png"), nt.image("file_id:file_1")]

    _, *sources = contents(nt.turn(nt.user("Look.", images=seen)))

    assert [image["source"] for image in sources] == [
        {"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo="},
        {"type": "url", "url": "https://example.org/a.png"},
        {"type": "file", "file_id": "file_1"},
    ]


def test_documents_go_as_they_are_and_strange_media_are_refused() -> None:
    paper = {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "…"}}

    assert contents(nt.turn(nt.user("Read.").edit(media=[paper])))[1] == paper
    with pytest.raises(nt.EngineError, match="Claude accepts images, documents and other files"):
        contents(nt.turn(nt.user("Hear.").edit(media=[{"type": "input_audio"}])))


def test_blank_texts_are_left_out() -> None:
    turn = (
        nt.turn(nt.user("", images=["https://example.org/a.png"])) + nt.assistant("") + nt.user(" \n") + nt.user("so")
    )

    assert [part["type"] for part in contents(turn)] == ["image", "text"]


def test_what_another_provider_signed_is_not_sent() -> None:
    thought = nt.reasoning("Hm.", signature="their own")
    foreign = thought.with_metadata(nt.Key("gemini.wire@v1", dict), {"raw": {}, "digest": ""})

    assert contents(nt.turn((nt.reasoning("Hm."), foreign, nt.assistant("4")))) == [{"type": "text", "text": "4"}]
    assert contents(nt.turn((thought,)))[0] == {"type": "thinking", "thinking": "Hm.", "signature": "their own"}


def test_ids_of_other_providers_are_spelt_as_claude_takes_them() -> None:
    turn = nt.turn(
        (nt.tool_call("fc:1/é", "f"), nt.tool_use("fc:1/é", 1), nt.tool_call("fc:1/ü", "f"), nt.tool_use("fc:1/ü", 2))
    )

    first, answer, second, _ = messages(turn)

    assert first["content"][0]["id"] == answer["content"][0]["tool_use_id"] != second["content"][0]["id"]
    assert set(first["content"][0]["id"]) <= set("abcdefghijklmnopqrstuvwxyz0123456789_")


@pytest.mark.parametrize(("choice", "sent"), [("auto", "auto"), ("required", "any"), ("none", "none")])
def test_the_tool_choice_is_said_in_claudes_words(choice: Any, sent: str) -> None:
    body = request(MODEL, nt.turn("x"), tools=[now], tool_config=nt.ToolConfig(tool_choice=choice))

    assert body["tool_choice"] == {"type": sent}


def test_tools_that_are_switched_off_are_not_offered() -> None:
    search = {"type": "web_search_20250305", "name": "web_search"}

    body = request(MODEL, nt.turn("x"), tools=[now, search], tool_config=nt.ToolConfig(enabled=False))

    assert body["tools"] == [search]
    assert "tool_choice" not in body


# What Claude wrote goes back as it was.


def test_an_answer_goes_back_word_for_word_as_one_message() -> None:
    turn = nt.turn("two cities") + tuple(decode("anthropic", stream("every_block")))
    turn = nt.Turn.from_yaml(turn.to_yaml())

    _, message = messages(turn)

    assert message == {
        "role": "assistant",
        "content": json.loads((FIXTURES / "every_block.json").read_bytes())["content"],
    }


def test_an_edited_block_is_written_anew() -> None:
    turn = decode("anthropic", stream("every_block")).edit(4, args={"city": "Rome"})

    content = contents(turn)

    assert content[4] == {"type": "tool_use", "id": "toolu_01", "name": "weather", "input": {"city": "Rome"}}
    assert content[3]["citations"]


def test_two_replies_in_a_row_stay_two_messages() -> None:
    first = decode("anthropic", stream("text"))
    second = decode("anthropic", stream("text").replace(b"msg_01", b"msg_02"))

    assert [message["role"] for message in messages(first + tuple(second))] == ["assistant", "assistant"]
    assert len(messages(first + nt.assistant("so"))) == 1


def test_invalid_arguments_go_back_as_data() -> None:
    [call] = contents(decode("anthropic", stream("cut_in_arguments")))

    assert call["input"] == {"INVALID_JSON": '{"city": "Par'}


def test_every_block_says_where_in_its_reply_it_stood() -> None:
    turn = decode("anthropic", stream("every_block"))

    assert [ORIGINALS.reply_position(block) for block in turn] == [("msg_01", place) for place in range(8)]


def test_no_request_is_an_error_in_words() -> None:
    for strange in ({}, {"messages": [1]}, {"messages": [{"role": "user", "content": [1]}]}):
        with pytest.raises(nt.EngineError):
            history(strange)


# Anything at all.


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_pieces_of_a_stream_make_no_difference(data: st.DataObject) -> None:
    body = stream(data.draw(st.sampled_from(["every_block", "call", "text", "cut_in_arguments"])))
    cuts = data.draw(st.lists(st.integers(0, len(body)), max_size=40))

    blocks, result, _ = read(body, cuts)

    whole, its_result, _ = read(body)
    assert (blocks, result) == (whole, its_result)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda inside: st.lists(inside, max_size=3) | st.dictionaries(st.text(max_size=5), inside, max_size=3),
    max_leaves=8,
)


def objects(kinds: str, **fields: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """Objects of these types, with some of these fields, which may hold anything."""
    some: dict[str, st.SearchStrategy[Any]] = {name: JSON | values for name, values in fields.items()}
    return st.fixed_dictionaries({"type": st.sampled_from(kinds.split())}, optional=some)


CONTENT = objects(
    "text thinking tool_use redacted_thinking odd",
    text=st.text(),
    name=st.text(),
    input=JSON,
    citations=JSON,
    data=JSON,
)
DELTA = objects(
    "text_delta thinking_delta input_json_delta citations_delta compaction_delta odd",
    text=st.text(),
    partial_json=st.text(),
)
MESSAGE = objects(
    "message", id=st.text(), content=st.lists(CONTENT | JSON, max_size=3), usage=JSON, stop_reason=st.just("max_tokens")
)
EVENT = objects(
    "message_start content_block_start content_block_delta content_block_stop message_delta message_stop error odd",
    index=st.integers(0, 2),
    message=MESSAGE,
    content_block=CONTENT,
    delta=DELTA,
    usage=JSON,
)
BODIES = st.binary() | MESSAGE.map(lambda body: json.dumps(body).encode())
STREAMS = st.lists(EVENT, max_size=8).map(lambda events: "".join(f"data: {json.dumps(e)}\n\n" for e in events).encode())


@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
@given(STREAMS | BODIES)
def test_any_bytes_are_a_turn_or_an_error_with_one(body: bytes) -> None:
    try:
        turn = decode("anthropic", body)
    except nt.EngineError as error:
        turn = error.turn

    assert len(turn.inferences) == 1
    assert (
        nt.Turn.from_dict(turn.to_dict()).blocks == turn.blocks
        or "NaN" in repr(turn.to_dict())
        or "nan" in repr(turn.to_dict())
    )
    request(MODEL, turn)
