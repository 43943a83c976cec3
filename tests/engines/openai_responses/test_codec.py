"""OpenAI's words, read and written, without a network: by hand-made and by recorded answers."""

from __future__ import annotations

import json
from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import nbturns as nt
from nbturns.engines import decode, find, request
from nbturns.engines.openai_responses import request as openai_responses
from nbturns.engines.openai_responses.history import history
from nbturns.engines.openai_responses.reply import ORIGINALS, Reply
from nbturns.events import Delta
from nbturns.keys import CUT
from tests.engines import stream_pieces

FIXTURES = Path(__file__).parents[2] / "fixtures" / "openai_responses"
MODEL = "openai:gpt-5"


def stream(name: str) -> bytes:
    return (FIXTURES / f"{name}.sse").read_bytes()


def body(name: str) -> dict[str, Any]:
    whole: dict[str, Any] = json.loads((FIXTURES / f"{name}.json").read_bytes())
    return whole


read = partial(stream_pieces.read, openai_responses.PROVIDER)


def items(turn: nt.Turn, **params: Any) -> list[dict[str, Any]]:
    sent: list[dict[str, Any]] = request(MODEL, turn, **params)["input"]
    return sent


def answered(text: str, id: str = "resp_1", **beside: Any) -> nt.Turn:
    """A reply of one message, preceded by a thought."""
    thought = {"type": "reasoning", "id": f"rs_{id}", "summary": [], "encrypted_content": "gAAA"}
    message = {"type": "message", "id": f"msg_{id}", "role": "assistant", "status": "completed"}
    content = [{"type": "output_text", "text": text, "annotations": []}]
    return decode(
        "openai", {"id": id, "status": "completed", "output": [thought, {**message, "content": content}], **beside}
    )


def now() -> str:
    "The time."
    return "noon"


# An answer → blocks.


def test_an_answer_is_read_item_by_item() -> None:
    turn = decode("openai", stream("every_item"))

    assert [block.kind for block in turn] == [
        *("reasoning", "other", "llm_text", "reasoning", "tool_call", "tool_call", "tool_call", "other", "other")
    ]
    assert turn[0].text == "The user asks \n\nfor two cities."
    assert (turn[0].payload["encrypted_content"], turn[0].payload["item_id"]) == ("gAAAAB1", "rs_1")
    assert turn[1].payload["action"]["query"] == "rain"
    assert turn[2].text == "Ich prüfe das – 🌧️ oder ☀️?"
    assert turn[2].payload["annotations"][0]["title"] == "Paris"
    assert turn[3].text == "Now the calls."
    assert (turn[4].tool_call_id, turn[4].name, turn[4].args) == ("call_1", "weather", {"city": "Paris", "days": 2})
    assert (turn[5].args, turn[6].args) == ({}, {"input": "print(1)\n"})
    assert turn[8].payload == {"type": "thing_of_tomorrow", "id": "tt_1", "depth": 1.5}


def test_a_stream_and_a_body_give_equal_blocks() -> None:
    streamed, at_once = decode("openai", stream("every_item")), decode("openai-responses", body("every_item"))

    assert tuple(streamed) == tuple(at_once)
    assert streamed.inferences == at_once.inferences


def test_the_result_says_who_answered_and_what_it_took() -> None:
    [result] = decode("openai", stream("every_item")).inferences

    assert result.usage == nt.Usage(100, 42, cached_tokens=80, cache_creation_input_tokens=5, reasoning_tokens=7)
    assert (result.provider, result.model, result.response_id) == ("openai", "gpt-5-2025-08-07", "resp_1")
    assert (result.stop_reason, result.finish_class) == ("completed", nt.FinishClass.TOOL_CALLS_PENDING)
    assert result.extra["service_tier"] == "default"
    assert "tools" not in result.extra  # the request's own words need not be on every block


def test_deltas_say_which_block_they_belong_to() -> None:
    _, _, heard = read(stream("every_item"))

    text = {place: "".join(delta.text for delta in heard if delta.index == place) for place in range(9)}
    assert (text[0], text[2], text[3]) == (
        "The user asks \n\nfor two cities.",
        "Ich prüfe das – 🌧️ oder ☀️?",
        "Now the calls.",
    )
    assert json.loads(text[4]) == {"city": "Paris", "days": 2}
    assert (text[6], text[7]) == ("print(1)\n", "")
    assert [(d.kind, d.name) for d in heard if d.name] == [("tool_call", name) for name in ("weather", "now", "code")]
    assert {delta.inference_id for delta in heard} == {"inference-1"}


def test_an_item_that_comes_whole_is_heard_once() -> None:
    heard: list[Delta] = []
    reply = Reply(heard.append)
    done = [
        {"type": "response.output_item.done", "output_index": n, "item": item}
        for n, item in enumerate(body("every_item")["output"])
    ]

    for event in done:
        reply.event("", event)

    assert [block.payload for block in reply.blocks()] == [block.payload for block in read(stream("every_item"))[0]]
    assert [(d.index, d.text) for d in heard][:3] == [
        (0, "The user asks \n\nfor two cities."),
        (2, "Ich prüfe das – 🌧️ oder ☀️?"),
        (3, "Now the calls."),
    ]


def test_the_items_that_were_done_stand_where_the_last_word_has_none() -> None:
    whole = stream("call")
    start = whole.index(b"event: response.completed")
    bare = b'data: {"type":"response.completed","response":{"id":"resp_1","status":"completed","output":[]}}\n\n'

    assert read(whole[:start] + bare)[0] == read(whole)[0]


def test_items_that_were_never_done_are_put_together_from_their_pieces() -> None:
    kept = [event for event in stream("call").split(b"\n\n") if b"item.done" not in event and b"completed" not in event]
    end = b'data: {"type":"response.completed","response":{"id":"resp_1","status":"completed","output":[]}}\n\n'

    blocks = read(b"\n\n".join(kept) + b"\n\n" + end)[0]

    assert [block.kind for block in blocks] == ["reasoning", "llm_text", "tool_call"]
    assert (blocks[1].text, blocks[2].args) == ("I look.", {"city": "Paris"})
    assert ORIGINALS.raw_item(blocks[1])["content"] == [{"type": "output_text", "text": "I look.", "annotations": []}]


def test_a_call_cut_at_the_token_limit_cannot_be_run() -> None:
    turn = decode("openai", stream("cut_in_arguments"))

    assert [CUT in call.metadata for call in turn] == [False, True]
    assert (turn[1].args, turn[1].payload["args_raw"]) == ({}, '{"city": "Par')
    assert turn.inferences[0].truncated
    assert turn.inferences[0].stop_reason == "incomplete:max_output_tokens"


def test_a_refusal_is_told_from_an_answer() -> None:
    turn = decode("openai", stream("refusal"))

    assert (turn[0].text, turn[0].payload["refusal"]) == ("", "I won't.")
    assert turn.inferences[0].finish_class == nt.FinishClass.REFUSED


@pytest.mark.parametrize(
    ("status", "reason", "finish"),
    [
        ("completed", None, nt.FinishClass.COMPLETED),
        ("complete", None, nt.FinishClass.COMPLETED),
        ("incomplete", "max_output_tokens", nt.FinishClass.MAX_TOKENS),
        ("incomplete", "content_filter", nt.FinishClass.FILTERED),
        ("incomplete", "steered", nt.FinishClass.INTERRUPTED),
        ("incomplete", "a_new_reason", nt.FinishClass.UNKNOWN),
        ("cancelled", None, nt.FinishClass.INTERRUPTED),
        ("queued", None, nt.FinishClass.CONTINUE),
        ("in_progress", None, nt.FinishClass.CONTINUE),
    ],
)
def test_statuses_have_a_finish_class(status: str, reason: str | None, finish: nt.FinishClass) -> None:
    details = {"reason": reason} if reason else None

    [result] = answered("so", status=status, incomplete_details=details).inferences

    assert (result.stop_reason, result.finish_class) == (f"{status}:{reason}" if reason else status, finish)
    assert result.truncated == (finish == nt.FinishClass.MAX_TOKENS)


def test_an_error_midway_keeps_what_was_said_and_no_half_call() -> None:
    with pytest.raises(nt.EngineError, match="had an error. .at event 6 of the stream, error") as caught:
        decode("openai", stream("error_midway"))

    assert caught.value.kind == "server_error"
    turn = caught.value.turn
    assert [(block.kind, block.text) for block in turn] == [("llm_text", "It rains"), ("other", "")]
    assert turn[1].payload["partial_json"] == '{"city": "Par'
    assert turn.pending == ()
    assert turn.inferences[0].finish_class == nt.FinishClass.ERROR
    [said] = items(turn)
    assert said == {"type": "message", "role": "assistant", "content": "It rains"}


@pytest.mark.parametrize(
    "event",
    [
        {"type": "error", "code": "server_error", "message": "It broke.", "param": None},
        {"type": "error", "error": {"type": "server_error", "message": "It broke."}},
        {"error": {"type": "x", "code": "server_error", "message": "It broke."}},
        {
            "type": "response.failed",
            "response": {"id": "r", "status": "failed", "error": {"code": "server_error", "message": "It broke."}},
        },
    ],
)
def test_an_error_is_read_in_every_shape(event: dict[str, Any]) -> None:
    with pytest.raises(nt.EngineError, match="It broke") as caught:
        decode("openai", f"data: {json.dumps(event)}\n\n")

    assert caught.value.kind == "server_error"


def test_a_failed_response_keeps_its_blocks_and_its_usage() -> None:
    failed = {**body("every_item"), "status": "failed", "error": {"code": "server_error", "message": "It broke."}}

    with pytest.raises(nt.EngineError, match="It broke") as caught:
        decode("openai", failed)

    assert len(caught.value.turn) == 9
    assert caught.value.turn.usage.input_tokens == 100
    assert caught.value.turn.inferences[0].extra["reason"] == "server_error"


def test_a_stream_may_be_cut_anywhere_and_what_came_is_kept() -> None:
    whole = stream("call")
    for at in range(1, whole.index(b"event: response.completed"), 3):
        with pytest.raises(nt.EngineError) as caught:
            decode("openai", whole[:at])
        assert caught.value.kind in ("stream_cut", "bad_response")
        assert all(call.args == {"city": "Paris"} for call in caught.value.turn.of_kind("tool_call"))


@pytest.mark.parametrize(
    "body", [b"", b"<html>504</html>", b"data: {broken\n\n", b"[]", b'{"input_tokens": "7"}', b"null", b"{" * 9000]
)
def test_what_is_no_answer_is_an_error_in_words(body: bytes) -> None:
    with pytest.raises(nt.EngineError) as caught:
        decode("openai", body)

    assert (caught.value.kind, len(caught.value.turn)) == ("bad_response", 0)


# A Turn → a request.


def test_a_request_says_the_turn() -> None:
    def weather(city: str) -> str:
        "Current weather in a city."
        return city

    turn = nt.turn("Paris?", system="Be brief.")
    text = {"format": {"type": "json_schema", "name": "answer", "schema": {"type": "object"}, "strict": True}}

    assert request(MODEL, turn, tools=[weather], text=text, parallel_tool_calls=False, service_tier="flex") == {
        "model": "gpt-5",
        "input": [
            {"type": "message", "role": "system", "content": [{"type": "input_text", "text": "Be brief."}]},
            {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Paris?"}]},
        ],
        "tools": [
            {
                "type": "function",
                "name": "weather",
                "description": "Current weather in a city.",
                "parameters": {
                    "type": "object",
                    "properties": {"city": {"type": "string"}},
                    "required": ["city"],
                    "additionalProperties": False,
                },
                "strict": False,
            }
        ],
        "tool_choice": "auto",
        "text": text,
        "parallel_tool_calls": False,
        "service_tier": "flex",
        "stream": True,
    }


def test_what_another_provider_said_goes_plain_and_without_ids() -> None:
    said = (
        nt.reasoning("Hm.", encrypted_content="theirs", item_id="rs_9"),
        nt.assistant("I look."),
        nt.tool_call("a", "f", {"ü": 1}),
        nt.tool_call("b", "f", {}),
        nt.Block("other", {"type": "server_tool_use"}, "assistant"),
    )
    foreign = tuple(block.with_metadata(nt.Key("claude.wire@v1", dict), {"raw": {}, "digest": ""}) for block in said)

    assert items(nt.turn((*foreign, nt.tool_use("a", {"ü": None}), nt.tool_use("b", error="no such city")))) == [
        {"type": "message", "role": "assistant", "content": "I look."},
        {"type": "function_call", "call_id": "a", "name": "f", "arguments": '{"ü": 1}'},
        {"type": "function_call", "call_id": "b", "name": "f", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "a", "output": '{"ü": null}'},
        {"type": "function_call_output", "call_id": "b", "output": "no such city"},
    ]


def test_thoughts_of_a_geppetto_file_are_sent_with_what_they_led_to() -> None:
    thought = nt.reasoning("Hm.", encrypted_content="gAAA", item_id="rs_1")
    call = nt.tool_call("a", "f").edit(item_id="fc_1")

    assert items(nt.turn((thought, call, nt.tool_use("a", "so"))))[:2] == [
        {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "gAAA"},
        {"type": "function_call", "id": "fc_1", "call_id": "a", "name": "f", "arguments": "{}"},
    ]


def test_images_and_files_go_beside_the_text() -> None:
    seen = [
        nt.image(b"\x89PNG\r\n\x1a\n"),
        nt.image("https://example.org/a.png", detail="low"),
        nt.image("file_id:file_1"),
    ]
    paper = {"type": "input_file", "filename": "a.pdf", "file_data": "data:application/pdf;base64,AA=="}

    [message] = items(nt.turn(nt.user("Look.", images=seen).edit(media=[paper])))

    assert message["content"] == [
        {"type": "input_text", "text": "Look."},
        {"type": "input_image", "image_url": "data:image/png;base64,iVBORw0KGgo=", "detail": "auto"},
        {"type": "input_image", "image_url": "https://example.org/a.png", "detail": "low"},
        {"type": "input_image", "file_id": "file_1", "detail": "auto"},
        paper,
    ]
    with pytest.raises(nt.EngineError, match="OpenAI accepts images, documents and other files"):
        items(nt.turn(nt.user("Read.").edit(media=[{"type": "document"}])))


def test_a_result_may_be_a_list_of_openais_content() -> None:
    picture = [{"type": "input_image", "image_url": "https://example.org/a.png"}]

    [_, answer] = items(nt.turn((nt.tool_call("a", "f"), nt.tool_use("a", picture))))

    assert answer["output"] == picture


def test_an_id_that_is_too_long_is_shortened_in_call_and_answer() -> None:
    call, answer = items(nt.turn((nt.tool_call("x" * 99, "f"), nt.tool_use("x" * 99, 1))))

    assert call["call_id"] == answer["call_id"]
    assert len(call["call_id"]) <= 64


@pytest.mark.parametrize("choice", ["auto", "required", "none"])
def test_the_tool_choice_is_said(choice: Any) -> None:
    assert (
        request(MODEL, nt.turn("x"), tools=[now], tool_config=nt.ToolConfig(tool_choice=choice))["tool_choice"]
        == choice
    )
    named = {"type": "function", "name": "now"}
    assert request(MODEL, nt.turn("x"), tools=[now], tool_choice=named)["tool_choice"] == named


def test_what_is_said_of_a_tool_of_the_session_is_said_instead_of_ours() -> None:
    custom, search = {"type": "custom", "name": "now"}, {"type": "web_search"}

    body = request(MODEL, nt.turn("x"), tools=[now, custom, search])

    assert body["tools"] == [custom, search]
    off = request(MODEL, nt.turn("x"), tools=[now, search], tool_config=nt.ToolConfig(enabled=False))
    assert (off["tools"], "tool_choice" in off) == ([search], False)


def test_the_input_is_the_turns() -> None:
    with pytest.raises(nt.EngineError, match="unknown parameter 'input' of openai"):
        request(MODEL, nt.turn("x"), input="y")


# What OpenAI wrote goes back as it was.


def test_an_answer_goes_back_word_for_word() -> None:
    turn = nt.turn("two cities") + tuple(decode("openai", stream("every_item"))) + nt.user("so?")
    turn = nt.Turn.from_yaml(turn.to_yaml())

    assert items(turn)[1:-1] == body("every_item")["output"]


def test_an_edited_block_is_written_anew_and_keeps_what_was_not_edited() -> None:
    turn = decode("openai", stream("every_item")).edit(2, text="Let me see.").edit(4, args={"city": "Rome"}) + nt.user(
        "so?"
    )

    sent = items(turn)

    assert (sent[2]["id"], sent[2]["phase"], sent[2]["content"][0]["text"]) == ("msg_1", "commentary", "Let me see.")
    assert sent[4] == {**body("every_item")["output"][4], "arguments": '{"city": "Rome"}'}


def test_custom_calls_are_answered_in_kind() -> None:
    reply = decode("openai", stream("every_item"))
    turn = reply.edit(6, args={"input": "print(2)"}) + (nt.tool_use("call_3", "2"), nt.tool_use("call_1", "rain"))

    *_, first, second = items(turn)

    assert items(turn)[6] == {**body("every_item")["output"][6], "input": "print(2)"}
    assert first == {"type": "custom_tool_call_output", "call_id": "call_3", "output": "2"}
    assert second["type"] == "function_call_output"
    later = items(turn, previous_response_id="resp_1")
    assert [item["type"] for item in later] == ["custom_tool_call_output", "function_call_output"]


def test_a_thought_goes_only_before_what_it_led_to() -> None:
    turn = nt.turn("x") + tuple(answered("one")) + nt.user("y") + tuple(answered("two", "resp_2"))

    assert [item["type"] for item in items(turn)] == [
        "message",
        "reasoning",
        "message",
        "message",
        "reasoning",
        "message",
    ]
    assert [item["type"] for item in items(turn.drop(2))] == ["message", "message", "reasoning", "message"]
    assert [item["type"] for item in items(turn[:2])] == ["message"]


def test_a_message_whose_thought_is_gone_goes_without_its_id() -> None:
    turn = nt.turn("x") + tuple(answered("one"))

    assert items(turn)[-1]["id"] == "msg_resp_1"
    assert "id" not in items(turn.drop(1))[-1]


def test_stateless_use_asks_for_what_makes_thoughts_readable() -> None:
    turn = nt.turn("x")

    assert request(MODEL, turn, store=False)["include"] == ["reasoning.encrypted_content"]
    both = request(MODEL, turn, store=False, include=["file_search_call.results"])["include"]
    assert both == ["file_search_call.results", "reasoning.encrypted_content"]
    assert "include" not in request(MODEL, turn)
    assert "include" not in request("openai:gpt-4.1-mini", turn, store=False)  # refused by models that do not reason
    assert request(MODEL, turn, store=False, include=[])["include"] == []


def test_stateless_use_sends_no_thought_that_only_the_server_knows() -> None:
    unread = decode(
        "openai",
        {"id": "r", "output": [{"type": "reasoning", "id": "rs_1", "summary": []}, body("every_item")["output"][2]]},
    )

    assert [item["type"] for item in items(unread)] == ["reasoning", "message"]
    assert [item["type"] for item in items(unread, store=False)] == ["message"]


def test_with_a_previous_response_only_what_came_after_is_sent() -> None:
    turn = (
        nt.turn("x", system="s")
        + tuple(answered("one"))
        + nt.user("y")
        + tuple(answered("two", "resp_2"))
        + nt.user("z")
    )

    assert len(items(turn, previous_response_id="resp_1")) == 4
    last = request(MODEL, turn, previous_response_id="latest")
    assert (last["previous_response_id"], [item["content"][0]["text"] for item in last["input"]]) == ("resp_2", ["z"])
    assert len(items(turn, previous_response_id="resp_elsewhere")) == len(items(turn))


def test_the_latest_response_is_one_that_nobody_edited() -> None:
    turn = nt.turn("x") + tuple(answered("one")) + nt.user("y") + tuple(answered("two", "resp_2")) + nt.user("z")

    edited = request(MODEL, turn.edit(5, text="other"), previous_response_id="latest")
    assert (edited["previous_response_id"], len(edited["input"])) == ("resp_1", 4)
    assert "previous_response_id" not in request(MODEL, turn.edit(2, text="other"), previous_response_id="latest")
    assert "previous_response_id" not in request(MODEL, nt.turn("x"), previous_response_id="latest")


def test_in_a_conversation_only_what_it_does_not_hold_is_sent() -> None:
    turn = nt.turn("x") + tuple(answered("one", conversation={"id": "conv_1"})) + nt.user("y")

    assert len(items(turn, conversation="conv_1")) == len(items(turn, conversation={"id": "conv_1"})) == 1
    assert len(items(turn, conversation="conv_2")) == 4


def test_instructions_are_sent_whatever_the_server_holds() -> None:
    asked = {"instructions": "Be brief.", "input": [{"role": "user", "content": "x"}]}
    turn = history(asked) + tuple(answered("one")) + nt.user("y")

    body = request(MODEL, turn, previous_response_id="resp_1")

    assert (body["instructions"], len(body["input"])) == ("Be brief.", 1)
    assert request(MODEL, turn.edit(0, text="Be long."))["instructions"] == "Be long."


def test_a_recorded_request_is_read_block_by_block() -> None:
    picture = {"type": "input_image", "image_url": "data:image/png;base64,iVBORw0KGgo=", "detail": "high"}
    asked: dict[str, Any] = {
        "instructions": "Be brief.",
        "input": [
            {"role": "developer", "content": "In French."},
            {"role": "user", "content": [{"type": "input_text", "text": "Look."}, picture]},
            {"role": "assistant", "content": "I look."},
            {"type": "function_call", "call_id": "a", "name": "f", "arguments": "{}"},
            {"type": "function_call_output", "call_id": "a", "output": "so"},
            {"type": "mcp_approval_response", "approval_request_id": "m", "approve": True},
        ],
    }

    turn = history(asked)

    assert [(block.kind, block.role) for block in turn] == [
        ("system", "system"),
        ("system", "developer"),
        ("user", "user"),
        ("llm_text", "assistant"),
        ("tool_call", ""),
        ("tool_use", ""),
        ("other", "user"),
    ]
    assert turn[2].images == [{"media_type": "image/png", "content": "iVBORw0KGgo=", "detail": "high"}]
    assert turn.pending == ()
    assert find("openai").request(turn, nt.Scope(), "gpt-5", {}) == {"model": "gpt-5", **asked}
    assert items(turn.edit(2, text="See."))[1]["content"] == [{"type": "input_text", "text": "See."}, picture]


def test_an_input_that_is_a_string_stays_one_where_it_is_alone() -> None:
    turn = history({"input": "Paris?"})

    assert request(MODEL, turn)["input"] == "Paris?"
    assert items(turn + nt.user("so?"))[0] == {"role": "user", "content": "Paris?"}


def test_no_request_is_an_error_in_words() -> None:
    for strange in ({}, {"input": 1}, {"input": [1]}):
        with pytest.raises(nt.EngineError):
            history(strange)


# Anything at all.


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_pieces_of_a_stream_make_no_difference(data: st.DataObject) -> None:
    body = stream(data.draw(st.sampled_from(["every_item", "call", "text", "cut_in_arguments", "refusal"])))
    cuts = data.draw(st.lists(st.integers(0, len(body)), max_size=40))

    assert read(body, cuts)[:2] == read(body)[:2]


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_a_shuffled_stream_gives_no_half_call_for_a_whole_one(data: st.DataObject) -> None:
    events = stream("call").removesuffix(b"\n\n").split(b"\n\n")
    chosen = data.draw(st.lists(st.sampled_from(events), max_size=20))

    try:
        turn = decode("openai", b"\n\n".join(chosen) + b"\n\n")
    except nt.EngineError as error:
        turn = error.turn

    assert all(call.args == {"city": "Paris"} or "args_raw" in call.payload for call in turn.of_kind("tool_call"))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda inside: st.lists(inside, max_size=3) | st.dictionaries(st.text(max_size=5), inside, max_size=3),
    max_leaves=8,
)


def objects(kinds: Iterable[str], **fields: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """Objects of these types, with some of these fields, which may hold anything."""
    some: dict[str, st.SearchStrategy[Any]] = {name: JSON | values for name, values in fields.items()}
    return st.fixed_dictionaries({"type": st.sampled_from(list(kinds)) | JSON}, optional=some)


PART = objects(
    ["output_text", "refusal", "input_text", "input_image", "reasoning_text", "odd"],
    text=st.text(),
    annotations=JSON,
    refusal=JSON,
    image_url=st.text(),
    detail=JSON,
)
ITEM = objects(
    ["message", "reasoning", "function_call", "custom_tool_call", "function_call_output", "web_search_call", "odd"],
    id=st.text(),
    role=st.sampled_from(["user", "assistant", "system"]),
    content=st.lists(PART | JSON, max_size=3),
    summary=st.lists(PART, max_size=2),
    encrypted_content=st.text(),
    name=st.text(),
    call_id=st.text(),
    arguments=st.text(),
    input=st.text(),
    output=JSON,
    status=st.sampled_from(["completed", "incomplete"]),
)
RESPONSE = objects(
    ["response"],
    id=st.text(),
    output=st.lists(ITEM | JSON, max_size=3),
    usage=JSON,
    status=st.sampled_from(["completed", "incomplete", "failed", "queued"]),
    incomplete_details=st.just({"reason": "max_output_tokens"}),
)
EVENT = objects(
    [
        *("response.created", "response.output_item.added", "response.output_item.done", "response.output_text.delta"),
        *("response.refusal.delta", "response.reasoning_summary_text.delta", "response.function_call_arguments.delta"),
        *("response.custom_tool_call_input.delta", "response.output_text.annotation.added", "response.completed"),
        *("response.incomplete", "response.failed", "error", "odd"),
    ],
    output_index=st.integers(0, 2),
    content_index=st.integers(0, 1),
    item_id=st.text(),
    item=ITEM,
    delta=st.text(),
    annotation=JSON,
    response=RESPONSE,
)
BODIES = st.binary() | RESPONSE.map(lambda body: json.dumps(body).encode())
STREAMS = st.lists(EVENT | JSON, max_size=8).map(
    lambda events: "".join(f"data: {json.dumps(e)}\n\n" for e in events).encode()
)


@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
@given(STREAMS | BODIES)
def test_any_bytes_are_a_turn_or_an_error_with_one(body: bytes) -> None:
    try:
        turn = decode("openai", body)
    except nt.EngineError as error:
        turn = error.turn

    assert len(turn.inferences) == 1
    assert nt.Turn.from_dict(turn.to_dict()).blocks == turn.blocks or "nan" in repr(turn.to_dict()).lower()
    request(MODEL, turn)
    request(MODEL, turn, previous_response_id="latest", store=False)


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(ITEM, max_size=4))
def test_any_items_go_back_as_they_came_but_for_thoughts_that_led_nowhere(given: list[dict[str, Any]]) -> None:
    turn = history({"input": given})

    kept = [item for item in items(turn) if item.get("type") != "reasoning"]

    assert json.dumps(kept) == json.dumps([item for item in given if item.get("type") != "reasoning"])


@pytest.mark.parametrize("status", ["queued", "in_progress"])
def test_a_response_in_the_background_says_what_it_has_and_makes_no_call_of_a_half(status: str) -> None:
    said = {"type": "message", "id": "msg_1", "role": "assistant", "content": [{"type": "output_text", "text": "It r"}]}
    call = {"type": "function_call", "id": "fc_1", "call_id": "c1", "name": "weather", "arguments": '{"city":'}
    done = {**call, "id": "fc_0", "call_id": "c0", "arguments": "{}", "status": "completed"}
    items = [done, {**said, "status": "in_progress"}, {**call, "status": "in_progress"}]

    turn = decode("openai", {"id": "resp_1", "object": "response", "status": status, "output": items})

    assert [(block.kind, block.text) for block in turn] == [("tool_call", ""), ("llm_text", "It r"), ("other", "")]
    assert [call.tool_call_id for call in turn.pending] == ["c0"]
    assert (turn.inferences[0].stop_reason, turn.inferences[0].finish_class) == (status, "tool_calls_pending")
    assert turn[1].metadata.get(ORIGINALS.item_key) is None  # half a message is nothing to send back


@pytest.mark.parametrize("status", ["queued", "in_progress"])
def test_a_response_that_has_not_begun_is_to_be_asked_for_again(status: str) -> None:
    turn = decode("openai", {"id": "resp_1", "object": "response", "status": status, "background": True, "output": []})

    assert (len(turn), turn.inferences[0].response_id, turn.inferences[0].finish_class) == (0, "resp_1", "continue")
