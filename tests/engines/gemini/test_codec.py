"""Gemini's words, read and written: by hand-made answers without a network, and over a real socket."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import nbturns as nt
from nbturns.engines import decode, engine, find, request
from nbturns.engines.gemini import request as gemini
from nbturns.engines.gemini.parts import ORIGINALS, SIGNATURE
from nbturns.engines.gemini.request import SKIP_SIGNATURE, GeminiBody, history
from nbturns.engines.provider_engine import ProviderEngine
from nbturns.events import Delta
from nbturns.keys import CUT, INFERENCE_RESULT
from nbturns.runtime.background_loop import Waiting
from tests.engines import stream_pieces
from tests.engines.scripted_server import Script, Server, served

FIXTURES = Path(__file__).parents[2] / "fixtures" / "gemini"
MODEL = "gemini:gemini-3-flash"
KEY = "AIza-not-to-be-seen"


def stream(name: str) -> bytes:
    return (FIXTURES / f"{name}.sse").read_bytes()


read = partial(stream_pieces.read, gemini.PROVIDER)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    for name in ("GEMINI_API_KEY", "GOOGLE_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    with served(MODEL, KEY) as made:
        yield made


def contents(turn: nt.Turn, **params: Any) -> list[dict[str, Any]]:
    sent: list[dict[str, Any]] = request(MODEL, turn, **params)["contents"]
    return sent


def parts(turn: nt.Turn) -> list[dict[str, Any]]:
    """The parts of a Turn that makes one content."""
    [content] = contents(turn)
    made: list[dict[str, Any]] = content["parts"]
    return made


def weather(city: str) -> str:
    "Current weather in a city."
    return f"rain in {city}"


# An answer → blocks.


def test_an_answer_is_read_part_by_part() -> None:
    turn = decode("gemini", stream("every_part"))

    assert [(block.kind, block.role) for block in turn] == [
        ("reasoning", "assistant"),
        ("llm_text", "assistant"),
        ("llm_text", "assistant"),
        ("other", "assistant"),
        ("other", "assistant"),
        ("other", "assistant"),
        ("other", "assistant"),
        ("tool_call", ""),
        ("tool_call", ""),
        ("tool_call", ""),
        ("reasoning", "assistant"),
    ]
    assert [block.text for block in turn[:3]] == [
        "The user asks for two cities.",
        "Ich prüfe das – 🌧️ oder ☀️?",
        " Paris.",
    ]
    assert turn[7].payload == {"id": "c1", "name": "weather", "args": {"days": 2, "city": "Paris"}}
    assert (turn[9].name, turn[9].args, turn[9].tool_call_id[:5]) == ("now", {}, "call_")  # Gemini gave it no id
    assert turn.text == " Paris."  # the empty text that is signed says nothing
    assert {at: block.metadata[SIGNATURE] for at, block in enumerate(turn) if SIGNATURE in block.metadata} == {
        2: "c2lnMQ==",
        3: "c2lnMg==",
        5: "c2lnNA==",
        7: "c2lnMw==",
        10: "c2lnNQ==",
    }


def test_a_stream_a_list_of_chunks_and_a_body_give_equal_blocks() -> None:
    body = (FIXTURES / "every_part.json").read_bytes()
    chunks = [json.loads(line.removeprefix(b"data: ")) for line in stream("every_part").split(b"\r\n") if line]

    streamed, listed, whole = (decode("google", one) for one in (stream("every_part"), json.dumps(chunks), body))

    assert tuple(streamed) == tuple(listed) == tuple(whole)
    assert streamed.inferences == listed.inferences == whole.inferences


def test_the_result_counts_thoughts_as_output_and_what_tools_read_as_input() -> None:
    [result] = decode("gemini", stream("every_part")).inferences

    assert result.usage == nt.Usage(120, 42, cached_tokens=80, reasoning_tokens=7)
    assert result.extra["usage"]["candidatesTokenCount"] == 35
    assert result.extra["groundingMetadata"]["webSearchQueries"] == ["rain"]
    assert result.extra["finishMessage"] == "Model generated function call(s)."
    assert (result.provider, result.model, result.response_id) == ("gemini", "gemini-3-flash", "r1")
    assert (result.stop_reason, result.finish_class) == ("STOP", nt.FinishClass.TOOL_CALLS_PENDING)


def test_deltas_say_which_block_they_belong_to() -> None:
    _, _, heard = read(stream("every_part"))

    text = {place: "".join(delta.text for delta in heard if delta.index == place) for place in range(11)}
    assert text[0] == "The user asks for two cities."
    assert text[1] == "Ich prüfe das – 🌧️ oder ☀️?"
    assert json.loads(text[7]) == {"city": "Paris", "days": 2}
    assert [(delta.kind, delta.name) for delta in heard if delta.name] == [
        ("tool_call", "weather"),
        ("tool_call", "weather"),
        ("tool_call", "now"),
    ]
    assert {delta.inference_id for delta in heard} == {"inference-1"}


def test_a_call_that_comes_in_pieces_is_one_call() -> None:
    [call], result, heard = read(stream("call_in_pieces"))

    assert call.payload == {
        "id": "c9",
        "name": "weather",
        "args": {"city": "New York", "days": [{"n": 2}, None], "in words": True},
    }
    assert result.finish_class == nt.FinishClass.TOOL_CALLS_PENDING
    assert json.loads("".join(delta.text for delta in heard)) == call.args
    [raw] = parts(nt.turn(call))
    assert raw == {"functionCall": {**call.payload}, "thoughtSignature": "c2ln"}


@pytest.mark.parametrize("path", ["city", "$", "$.a[7]", "$.a..b", "$.city.more", "", None])
def test_a_piece_without_a_place_makes_no_call_that_runs(path: Any) -> None:
    body = stream("call_in_pieces").replace(b'"$.days[0].n"', json.dumps(path).encode())

    [call] = decode("gemini", body)

    assert call.args == {}
    assert "New " in call.payload["args_raw"]


def test_half_a_call_is_data_and_no_call() -> None:
    begun = stream("call_in_pieces").split(b"\r\n\r\n")[:3]

    with pytest.raises(nt.EngineError, match="at event 3") as caught:
        decode("gemini", b"\r\n\r\n".join([*begun, b""]))

    [block] = caught.value.turn
    assert (block.kind, caught.value.kind) == ("other", "stream_cut")
    assert "York" in block.payload["partial_json"]
    assert contents(caught.value.turn) == []


def test_a_call_at_the_token_limit_cannot_be_run() -> None:
    [call] = decode("gemini", stream("cut_call"))

    assert call.metadata[CUT] is True
    assert call.inference is not None
    assert (call.inference.finish_class, call.inference.truncated) == (nt.FinishClass.MAX_TOKENS, True)


def test_an_error_midway_keeps_what_was_said() -> None:
    with pytest.raises(nt.EngineError, match="overloaded. .at event 2 of the stream") as caught:
        decode("gemini", stream("error_midway"))

    assert (caught.value.kind, caught.value.status, caught.value.retry_after) == ("UNAVAILABLE", 503, 1.5)
    assert [block.text for block in caught.value.turn] == ["It rains"]
    assert caught.value.turn.inferences[0].finish_class == nt.FinishClass.ERROR
    assert contents(caught.value.turn) == [{"role": "model", "parts": [{"text": "It rains"}]}]


def test_a_stream_may_be_cut_anywhere_and_what_came_is_kept() -> None:
    whole = stream("call")
    for at in range(1, whole.index(b"finishReason")):
        with pytest.raises(nt.EngineError) as caught:
            decode("gemini", whole[:at])
        assert caught.value.kind in ("stream_cut", "bad_response")
        assert all(call.args == {"city": "Paris"} for call in caught.value.turn.of_kind("tool_call"))


def test_a_finish_reason_in_every_chunk_ends_nothing_early() -> None:
    said = [
        {"candidates": [{"content": {"parts": [{"text": word}]}, "finishReason": "STOP"}]} for word in ("It ", "rains")
    ]

    turn = decode("gemini", "".join(f"data: {json.dumps(chunk)}\n\n" for chunk in said))

    assert turn.text == "It rains"


@pytest.mark.parametrize(
    ("reason", "name", "finish"),
    [
        ("STOP", "STOP", nt.FinishClass.COMPLETED),
        (1, "STOP", nt.FinishClass.COMPLETED),
        (2, "MAX_TOKENS", nt.FinishClass.MAX_TOKENS),
        (77, "77", nt.FinishClass.UNKNOWN),
        ("SAFETY", "SAFETY", nt.FinishClass.FILTERED),
        ("MODEL_ARMOR", "MODEL_ARMOR", nt.FinishClass.FILTERED),
        ("CONTINUATION", "CONTINUATION", nt.FinishClass.CONTINUE),
        ("MALFORMED_FUNCTION_CALL", "MALFORMED_FUNCTION_CALL", nt.FinishClass.ERROR),
        ("A_NEW_REASON", "A_NEW_REASON", nt.FinishClass.UNKNOWN),
    ],
)
def test_stop_reasons_have_a_finish_class(reason: Any, name: str, finish: nt.FinishClass) -> None:
    body = {"candidates": [{"content": {"parts": [{"text": "so"}]}, "finishReason": reason}]}

    [result] = decode("gemini", body).inferences

    assert (result.stop_reason, result.finish_class) == (name, finish)


def test_a_call_is_pending_whatever_the_reason_says() -> None:
    body = {
        "candidates": [
            {"content": {"parts": [{"functionCall": {"name": "f"}}]}, "finishReason": "UNEXPECTED_TOOL_CALL"}
        ]
    }

    [result] = decode("gemini", body).inferences

    assert (result.stop_reason, result.finish_class) == ("UNEXPECTED_TOOL_CALL", nt.FinishClass.TOOL_CALLS_PENDING)


@pytest.mark.parametrize("reason", ["JAILBREAK", 1])
def test_a_blocked_prompt_is_filtered_and_no_error(reason: Any) -> None:
    body = json.dumps({"promptFeedback": {"blockReason": reason}, "usageMetadata": {"promptTokenCount": 9}})

    for written in (body, f"[{body}]", f"data: {body}\n\n"):
        [result] = decode("gemini", written).inferences
        assert result.stop_reason == f"PROMPT_{'SAFETY' if reason == 1 else reason}"
        assert result.finish_class == nt.FinishClass.FILTERED
        assert result.extra["promptFeedback"] == {"blockReason": reason}


def test_other_candidates_and_lists_that_go_on_are_kept() -> None:
    def chunk(word: str) -> dict[str, Any]:
        one = {"content": {"parts": [{"text": word}]}, "logprobsResult": {"chosenCandidates": [{"token": word}]}}
        one["citationMetadata"] = {"citations": [{"uri": "x"}]}
        return {
            "candidates": [one, {"index": 1, "content": {"parts": [{"text": word.upper()}]}, "finishReason": "STOP"}]
        }

    said = [chunk("a"), chunk("b"), {"candidates": [{"finishReason": "STOP"}]}]
    turn = decode("gemini", "".join(f"data: {json.dumps(one)}\n\n" for one in said))

    [result] = turn.inferences
    assert turn.text == "ab"
    assert result.extra["logprobsResult"]["chosenCandidates"] == [{"token": "a"}, {"token": "b"}]
    assert result.extra["citationMetadata"]["citations"] == [{"uri": "x"}]
    assert result.extra["candidates"][0]["content"]["parts"] == [{"text": "A"}, {"text": "B"}]


@pytest.mark.parametrize(
    "body",
    [b"", b"<html>504</html>", b"data: {broken\n\n", b"[]", b'{"totalTokens": "7"}', b"null", b"[7]", b"{" * 9000],
)
def test_what_is_no_answer_is_an_error_in_words(body: bytes) -> None:
    with pytest.raises(nt.EngineError) as caught:
        decode("gemini", body)

    assert (caught.value.kind, len(caught.value.turn)) == ("bad_response", 0)


# A Turn → a request.


def test_a_request_says_the_turn() -> None:
    turn = nt.turn("Paris?", system="Be brief.") + nt.system("Answer in French.")

    body = request(
        MODEL, turn, tools=[weather], temperature=0, max_output_tokens=9, thinking_config={"thinkingBudget": 0}
    )

    assert body == {
        "systemInstruction": {"parts": [{"text": "Be brief."}, {"text": "Answer in French."}]},
        "contents": [{"role": "user", "parts": [{"text": "Paris?"}]}],
        "generationConfig": {"temperature": 0, "maxOutputTokens": 9, "thinkingConfig": {"thinkingBudget": 0}},
        "tools": [
            {
                "functionDeclarations": [
                    {
                        "name": "weather",
                        "description": "Current weather in a city.",
                        "parametersJsonSchema": {
                            "type": "object",
                            "properties": {"city": {"type": "string"}},
                            "required": ["city"],
                            "additionalProperties": False,
                        },
                    }
                ]
            }
        ],
    }


def test_the_model_stands_in_the_path_and_not_in_the_body() -> None:
    def path(model: str, **params: Any) -> str:
        body = request(f"gemini:{model}", nt.turn("x"), **params)
        assert isinstance(body, GeminiBody)
        assert body == {"contents": [{"role": "user", "parts": [{"text": "x"}]}]}
        return body.path

    assert path("gemini-3-flash") == "models/gemini-3-flash:streamGenerateContent?alt=sse"
    assert path("models/m", stream=False) == "models/m:generateContent"
    assert path("tunedModels/mine?key=1") == "tunedModels/mine%3Fkey%3D1:streamGenerateContent?alt=sse"


def test_later_system_blocks_may_go_as_user_text() -> None:
    turn = nt.turn("Paris?", system="Be brief.") + nt.system("In French.")

    body = request(MODEL, turn, later_system="user")

    assert body["systemInstruction"] == {"parts": [{"text": "Be brief."}]}
    assert body["contents"] == [{"role": "user", "parts": [{"text": "Paris?"}, {"text": "In French."}]}]


def test_what_is_not_of_the_generation_stands_in_the_body() -> None:
    body = request(
        MODEL,
        nt.turn("x"),
        safety_settings=[],
        cachedContent="cachedContents/1",
        generation_config={"topK": 1},
        max_tokens=5,
        response_json_schema={"type": "object"},
    )

    assert (body["safetySettings"], body["cachedContent"]) == ([], "cachedContents/1")
    assert body["generationConfig"] == {
        "topK": 1,
        "maxOutputTokens": 5,
        "responseJsonSchema": {"type": "object"},
        "responseMimeType": "application/json",
    }


@pytest.mark.parametrize(("choice", "mode"), [("required", "ANY"), ("none", "NONE")])
def test_the_tool_choice_is_said_in_geminis_words(choice: Any, mode: str) -> None:
    config = nt.ToolConfig(tool_choice=choice)
    search: dict[str, Any] = {"googleSearch": {}}

    body = request(MODEL, nt.turn("x"), tools=[weather, search], tool_config=config)

    assert body["toolConfig"] == {"functionCallingConfig": {"mode": mode}}
    assert body["tools"][1] == search
    off = request(MODEL, nt.turn("x"), tools=[weather, search], tool_config=nt.ToolConfig(enabled=False))
    assert off["tools"] == [search]


def test_the_results_of_a_reply_make_one_content_named_after_their_calls() -> None:
    calls = (nt.assistant("I look."), nt.tool_call("a", "f", {"x": 1}), nt.tool_call("b", "g"), nt.tool_call("c", "f"))
    answers = (nt.tool_use("a", {"ü": None}), nt.tool_use("b", "as is"), nt.tool_use("c", error="no such city"))

    asked, replied, said = contents(nt.Turn() + calls + answers + nt.user("And?"))

    assert asked["role"] == "model"
    assert asked["parts"] == [
        {"text": "I look."},
        {"functionCall": {"name": "f", "args": {"x": 1}}, "thoughtSignature": SKIP_SIGNATURE},
        {"functionCall": {"name": "g", "args": {}}},
        {"functionCall": {"name": "f", "args": {}}},
    ]
    assert replied == {
        "role": "user",
        "parts": [
            {"functionResponse": {"name": "f", "response": {"ü": None}}},
            {"functionResponse": {"name": "g", "response": {"result": "as is"}}},
            {"functionResponse": {"name": "f", "response": {"error": "no such city"}}},
        ],
    }
    assert said == {"role": "user", "parts": [{"text": "And?"}]}


def test_images_go_as_bytes_and_urls_and_files() -> None:
    seen = [
        nt.image(b"\x89PNG\r\n\x1a\n"),
        nt.image("https://example.org/a.png?x=1"),
        nt.image("file_id:files/1", "image/webp"),
        {"file_uri": "gs://bucket/a.jpg"},
    ]

    _, *images = parts(nt.turn(nt.user("Look.", images=seen)))

    assert images == [
        {"inlineData": {"mimeType": "image/png", "data": "iVBORw0KGgo="}},
        {"fileData": {"fileUri": "https://example.org/a.png?x=1", "mimeType": "image/png"}},
        {"fileData": {"fileUri": "https://generativelanguage.googleapis.com/v1beta/files/1"}},
        {"fileData": {"fileUri": "gs://bucket/a.jpg", "mimeType": "image/jpeg"}},
    ]


def test_media_go_as_they_are_and_strange_ones_are_refused() -> None:
    film = {"fileData": {"fileUri": "https://youtu.be/1"}, "videoMetadata": {"fps": 0.2}}

    assert parts(nt.turn(nt.user("See.").edit(media=[film])))[1] == film
    for strange in ({"type": "input_audio"}, "x"):
        with pytest.raises(nt.EngineError, match="Gemini accepts images, documents and other files"):
            parts(nt.turn(nt.user("Hear.").edit(media=[strange])))
    with pytest.raises(nt.EngineError, match="Gemini accepts images"):
        parts(nt.turn(nt.user("Look.").edit(images=[7])))


def test_what_another_provider_thought_is_not_sent() -> None:
    thought = nt.reasoning("Hm.", signature="their own")

    assert parts(nt.turn((thought, nt.assistant("4")))) == [{"text": "4"}]


def test_a_signature_from_a_geppetto_file_goes_back() -> None:
    call = nt.tool_call("a-uuid", "f").with_metadata(SIGNATURE, "c2ln")

    assert parts(nt.turn(call)) == [{"functionCall": {"name": "f", "args": {}}, "thoughtSignature": "c2ln"}]


# What Gemini wrote goes back as it was.


def test_an_answer_goes_back_word_for_word_as_one_content() -> None:
    turn = nt.turn("two cities") + tuple(decode("gemini", stream("every_part")))
    turn = nt.Turn.from_yaml(turn.to_yaml())

    _, content = contents(turn)

    body = json.loads((FIXTURES / "every_part.json").read_bytes())
    assert content == {"role": "model", "parts": body["candidates"][0]["content"]["parts"]}


def test_an_edited_block_is_written_anew_without_its_signature() -> None:
    turn = decode("gemini", stream("every_part")).edit(7, args={"city": "Oslo"}).edit(0, text="Two.")

    content = parts(turn)

    assert content[7] == {
        "functionCall": {"name": "weather", "args": {"city": "Oslo"}, "id": "c1"},
        "thoughtSignature": SKIP_SIGNATURE,  # Gemini 3 refuses a call without one
    }
    assert content[0] == {"text": "Two.", "thought": True}


def test_two_replies_in_a_row_stay_two_contents() -> None:
    first = decode("gemini", stream("text"))
    second = decode("gemini", stream("text").replace(b"r1", b"r2"))

    assert [content["role"] for content in contents(first + tuple(second))] == ["model", "model"]
    assert len(contents(first + nt.assistant("so"))) == 1


def test_every_block_says_where_in_its_reply_it_stood() -> None:
    turn = decode("gemini", stream("every_part"))

    assert [ORIGINALS.reply_position(block) for block in turn] == [("r1", place) for place in range(11)]


def test_a_recorded_request_is_read_in_either_spelling() -> None:
    asked: dict[str, Any] = {
        "system_instruction": {"parts": {"text": "Be brief."}},
        "contents": [
            {"parts": [{"text": "Two."}, {"inline_data": {"mime_type": "image/png", "data": "iVBO"}}]},
            {"role": "model", "parts": [{"function_call": {"name": "f"}}, {"function_call": {"name": "g"}}]},
            {
                "role": "user",
                "parts": [
                    {"function_response": {"name": "g", "response": {"output": 2}}},
                    {"function_response": {"name": "f", "response": {"error": "no"}}},
                ],
            },
            {"role": "model", "parts": [{"text": "Done.", "thought_signature": "c2ln"}]},
        ],
    }

    turn = history(asked)

    assert [block.kind for block in turn] == [
        "system",
        "user",
        "user",
        "tool_call",
        "tool_call",
        "tool_use",
        "tool_use",
        "llm_text",
    ]
    assert [(block.tool_call_id, block.result, block.error) for block in turn[5:7]] == [
        ("call_2", 2, ""),
        ("call_1", None, "no"),
    ]
    assert (turn[2].images[0]["media_type"], turn[7].metadata[SIGNATURE], turn.pending) == ("image/png", "c2ln", ())
    sent = request(MODEL, turn)
    assert sent["systemInstruction"] == {"parts": [{"text": "Be brief."}]}
    assert sent["contents"] == [{"role": "user", **asked["contents"][0]}, *asked["contents"][1:]]
    assert contents(turn.edit(5, result=3))[2]["parts"][0] == {
        "functionResponse": {"name": "g", "response": {"result": 3}}
    }


@pytest.mark.parametrize(
    "strange", [{}, {"contents": 1}, {"contents": [1]}, {"contents": [{"parts": [1]}]}, {"contents": [{"parts": 1}]}]
)
def test_no_request_is_an_error_in_words(strange: Any) -> None:
    with pytest.raises(nt.EngineError):
        history(strange)


# Over a socket.


def failure(asks: ProviderEngine) -> nt.EngineError:
    with pytest.raises(nt.EngineError) as caught:
        nt.Session(asks).ask("Paris?").result(60)
    assert caught.value.turn[0].text == "Paris?"
    assert caught.value.turn.inferences[0].finish_class == nt.FinishClass.ERROR
    assert (
        KEY
        not in f"{caught.value} {caught.value!r} {vars(caught.value)} {caught.value.__cause__} {caught.value.__context__}"
    )
    return caught.value


def test_a_session_with_a_tool_loop_over_a_real_socket(server: Server) -> None:
    asks = server.engine(Script(stream("call")), Script(stream("text").replace(b"r1", b"r2")), temperature=0)
    turn = nt.Session(asks, tools=[weather]).ask("Paris?").result(60)

    assert [block.kind for block in turn] == ["user", "llm_text", "tool_call", "tool_use", "llm_text", "reasoning"]
    assert (turn.text, turn[3].result) == ("It rains in Paris.", "rain in Paris")
    assert [r.response_id for r in turn.inferences] == ["r1", "r2"]
    assert turn[2].tool_call_id.startswith("call_")  # Gemini gave it no id, so the session did
    _, second = server.asked
    assert second["contents"][1]["parts"] == [
        {"text": "I look."},
        {"functionCall": {"name": "weather", "args": {"city": "Paris"}}, "thoughtSignature": "c2ln"},
    ]
    assert second["contents"][2]["parts"] == [
        {"functionResponse": {"name": "weather", "response": {"result": "rain in Paris"}}}
    ]
    again = nt.Turn.from_yaml(turn[:4].to_yaml())
    assert asks.request(again, nt.Scope())["contents"] == second["contents"]
    assert server.paths == ["/v1beta/models/gemini-3-flash:streamGenerateContent?alt=sse"] * 2
    assert len(server.connections) == 1  # one connection serves the whole loop
    assert {(sent["x-goog-api-key"], sent["content-type"]) for sent in server.headers} == {(KEY, "application/json")}


def test_an_answer_may_come_as_one_body(server: Server) -> None:
    body = (FIXTURES / "every_part.json").read_bytes()

    turn = (
        nt.Session(server.engine(Script(body, content_type="application/json"), stream=False), step=True)
        .ask("x")
        .step()
        .result(60)
    )

    assert turn is not None
    assert [block.payload for block in turn.turn[1:]][:7] == [block.payload for block in decode("gemini", body)][:7]
    assert server.paths == ["/v1beta/models/gemini-3-flash:generateContent"]


def test_vertex_is_another_address_and_a_bearer_token(server: Server) -> None:
    address = f"{server.url}/v1/projects/p/locations/l/publishers/google/"
    asks = server.engine(Script(stream("text")), base_url=address, api_key=None, headers={"Authorization": "Bearer t"})

    assert nt.Session(asks).ask("x").result(60).text == "It rains in Paris."
    assert server.paths == [
        "/v1/projects/p/locations/l/publishers/google/models/gemini-3-flash:streamGenerateContent?alt=sse"
    ]
    assert "x-goog-api-key" not in server.headers[0]


def test_a_client_of_the_users_own_is_used_as_it_is(server: Server) -> None:
    import httpx

    async def asked() -> str:
        async with httpx.AsyncClient(base_url=server.url, headers={"x-goog-api-key": KEY, "x-mine": "yes"}) as client:
            server.answers.append(Script(stream("text")))
            turn = await engine(MODEL, client=client)(nt.turn("x"), nt.Scope())
            return turn.text

    assert Waiting(asked()).result(60) == "It rains in Paris."
    assert server.headers[0]["x-mine"] == "yes"
    with pytest.raises(nt.EngineError, match="must be asynchronous"):
        engine(MODEL, client=httpx.Client())


def test_an_engine_may_be_asked_on_any_loop(server: Server) -> None:
    asks = server.engine(
        Script(stream("text"), headers={"x-request-id": "q1"}), Script(stream("text")), Script(stream("text"))
    )

    async def once() -> nt.Turn:
        turn = await asks(nt.turn("x"), nt.Scope())
        await asks.transport.close()  # type: ignore[attr-defined]  # this transport has connections to close
        return turn

    turns = [asyncio.run(once()), asyncio.run(once()), Waiting(once()).result(60)]

    assert [turn.text for turn in turns] == ["It rains in Paris."] * 3
    assert turns[0].metadata[INFERENCE_RESULT].request_id == "q1"


def test_the_engine_brings_no_httpx_until_it_is_asked() -> None:
    probe = """
import sys, nbturns as nt
nt.engine("gemini:m", api_key="k"); nt.engines.request("gemini:m", nt.turn("x"))
print([name for name in ("httpx", "httpx2", "google", "anthropic", "pandas") if name in sys.modules])
"""
    told = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True, timeout=60)

    assert told.stdout.strip() == "[]"


def test_a_refusal_carries_all_that_was_said(server: Server) -> None:
    delay = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "38s"}
    said = {"error": {"code": 429, "message": f"not with {KEY}", "status": "RESOURCE_EXHAUSTED", "details": [delay]}}

    for body in (said, [said]):
        error = failure(server.engine(Script(json.dumps(body).encode(), 429, "application/json")))
        assert (error.status, error.kind, error.retry_after) == (429, "RESOURCE_EXHAUSTED", 38.0)
        assert "not with …; try again in 38 s" in str(error)
    assert len(server.asked) == 2  # no retry that nobody sees


def test_a_page_of_a_proxy_is_an_error_in_words(server: Server) -> None:
    page = b"<html>Bad gateway</html>"

    refused = failure(server.engine(Script(page, 502, "text/html", {"retry-after": "7"})))
    pretended = failure(server.engine(Script(page, 200, "text/html")))

    assert (refused.status, refused.kind, refused.retry_after) == (502, "http_502", 7.0)
    assert "Bad gateway" in str(refused)
    assert (pretended.kind, pretended.status) == ("bad_response", None)


def test_a_connection_that_breaks_keeps_what_had_come(server: Server) -> None:
    error = failure(server.engine(Script(stream("text"), cut=300)))

    assert (error.kind, [block.text for block in error.turn]) == ("stream_cut", ["Paris?", "It rains"])
    assert error.turn.inferences[0].model == "gemini-3-flash"


def test_a_server_that_falls_silent_is_left_in_time(server: Server) -> None:
    error = failure(server.engine(Script(stream("text"), pause=60, chunk=300), timeout=2))

    assert error.kind == "timeout"
    assert "the answer stopped for" in str(error)


def test_nobody_there_is_a_connection_error(server: Server) -> None:
    error = failure(server.engine(base_url="http://127.0.0.1:9"))

    assert (error.kind, error.status) == ("connection", None)


def test_a_missing_key_is_said_before_anything_is_sent(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    error = failure(server.engine(api_key=None))

    assert (error.kind, server.asked) == ("authentication_error", [])
    assert "GEMINI_API_KEY" in str(error)
    monkeypatch.setenv("GEMINI_API_KEY", KEY)
    assert (
        nt.Session(server.engine(Script(stream("text")), api_key=None)).ask("x").result(60).text == "It rains in Paris."
    )


def test_stop_hangs_up_at_once_and_keeps_what_was_said(server: Server) -> None:
    heard = threading.Event()
    asks = server.engine(Script(stream("text")[:300] + b": still here\r\n\r\n" * 10_000, chunk=50, pause=0.05))
    execution = nt.Session(asks, sinks=[lambda event: heard.set() if isinstance(event, Delta) else None]).ask("x")
    assert heard.wait(60)

    execution.stop()
    turn = execution.result(60)  # the server would go on for ten minutes

    assert turn[-1].text.startswith("It rains")
    assert turn.inferences[0].finish_class == nt.FinishClass.INTERRUPTED
    assert server.hung_up.wait(60)


def test_the_key_is_not_to_be_seen() -> None:
    made = engine(MODEL, api_key=KEY, temperature=0.5)

    assert repr(made) == "<gemini:gemini-3-flash temperature=0.5>"
    assert KEY not in repr(made.transport) + str(made.describe())
    assert find("google") is find("gemini")


# Anything at all.


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_pieces_of_a_stream_make_no_difference(data: st.DataObject) -> None:
    body = stream(data.draw(st.sampled_from(["every_part", "call", "text", "cut_call", "call_in_pieces"])))
    cuts = data.draw(st.lists(st.integers(0, len(body)), max_size=40))

    blocks, result, _ = read(body, cuts)

    assert (blocks, result) == read(body)[:2]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda inside: st.lists(inside, max_size=3) | st.dictionaries(st.text(max_size=5), inside, max_size=3),
    max_leaves=6,
)


def objects(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Objects with some of these fields, which may hold anything."""
    some: dict[str, st.SearchStrategy[Any]] = {name: JSON | values for name, values in fields.items()}
    return st.fixed_dictionaries({}, optional=some) | JSON


PIECE = objects(
    jsonPath=st.sampled_from(["$.a", "$.a[0]", "$.a[1].b", "$"]),
    stringValue=st.text(),
    numberValue=st.floats(allow_nan=False, allow_infinity=False),
)
CALL = objects(
    name=st.text(), id=st.text(), args=JSON, partialArgs=st.lists(PIECE, max_size=3), willContinue=st.booleans()
)
PART = objects(
    text=st.text(),
    thought=st.booleans(),
    thoughtSignature=st.text(),
    functionCall=CALL,
    function_call=CALL,
    inlineData=JSON,
)
REASON = st.sampled_from(["STOP", "MAX_TOKENS", "SAFETY", 1, 2])
CANDIDATE = objects(
    content=objects(parts=st.lists(PART, max_size=3)),
    finishReason=REASON,
    index=st.integers(0, 1),
    citationMetadata=JSON,
)
CHUNK = objects(
    candidates=st.lists(CANDIDATE, max_size=2),
    usageMetadata=objects(promptTokenCount=JSON),
    promptFeedback=objects(blockReason=JSON),
)
BODIES = (
    st.binary()
    | CHUNK.map(lambda body: json.dumps(body).encode())
    | st.lists(CHUNK).map(lambda body: json.dumps(body).encode())
)
STREAMS = st.lists(CHUNK, max_size=6).map(lambda chunks: "".join(f"data: {json.dumps(c)}\n\n" for c in chunks).encode())


@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
@given(STREAMS | BODIES)
def test_any_bytes_are_a_turn_or_an_error_with_one(body: bytes) -> None:
    try:
        turn = decode("gemini", body)
    except nt.EngineError as error:
        turn = error.turn

    assert len(turn.inferences) == 1
    assert nt.Turn.from_dict(turn.to_dict()).blocks == turn.blocks or "NaN" in json.dumps(turn.to_dict())
    request(MODEL, turn)


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    st.lists(
        st.fixed_dictionaries({"role": st.sampled_from(["user", "model"]), "parts": st.lists(PART, max_size=3) | PART})
    )
)
def test_any_history_is_read_and_sent_again_or_refused_in_words(said: list[Any]) -> None:
    try:
        turn = history({"contents": said})
    except nt.EngineError:
        return

    sent = [part for content in contents(turn) for part in content["parts"]]

    assert sent == [
        part
        for content in said
        for part in (content["parts"] if isinstance(content["parts"], list) else [content["parts"]])
        if content["parts"]
    ]


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_a_damaged_stream_keeps_what_could_be_read(data: st.DataObject) -> None:
    """Events cut, swapped, told twice, and garbage between them."""
    name = data.draw(st.sampled_from(["every_part", "call", "call_in_pieces"]))
    events = stream(name).split(b"\r\n\r\n")
    places = st.integers(0, len(events) - 1)
    for damage in data.draw(st.lists(st.sampled_from(["swap", "twice", "drop", "garbage", "cut"]), max_size=4)):
        at = data.draw(places) % len(events)
        if damage == "swap":
            events[at], events[0] = events[0], events[at]
        elif damage == "twice":
            events.insert(at, events[at])
        elif damage == "drop" and len(events) > 1:
            events.pop(at)
        elif damage == "garbage":
            events.insert(at, data.draw(st.binary(max_size=30)))
        else:
            events[at] = events[at][: data.draw(st.integers(0, len(events[at])))]

    try:
        turn = decode("gemini", b"\r\n\r\n".join(events))
    except nt.EngineError as error:
        turn = error.turn

    ran = [call.args for call in turn.of_kind("tool_call") if "args_raw" not in call.payload]
    assert name == "call_in_pieces" or all(args in WHOLE for args in ran)
    request(MODEL, turn)


WHOLE = [{"days": 2, "city": "Paris"}, {"city": "Rome"}, {"city": "Paris"}, {}]
