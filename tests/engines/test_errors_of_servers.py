"""What an error of a server carries: its whole body, and what is no error at all."""

from __future__ import annotations

import json
import sys
from typing import Any

import pytest

import nbturns as nt
from tests.engines.scripted_server import Script, served

KEY = "sk-of-this-test-1234"
PROVIDERS = ("anthropic:m", "openai:m", "openai-chat:m", "gemini:m")


@pytest.fixture(params=["sdk", "http"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Whether the official clients are installed."""
    if request.param == "http":
        for name in ("openai", "anthropic"):
            monkeypatch.setitem(sys.modules, name, None)
    return str(request.param)


def asked(name: str, answer: Script, **params: Any) -> nt.Turn:
    with served(name, KEY) as server:
        return nt.Session(server.engine(answer, **params)).ask("hi").result(30)


def failure(name: str, answer: Script, **params: Any) -> nt.EngineError:
    with pytest.raises(nt.EngineError) as caught:
        asked(name, answer, **params)
    return caught.value


def refusal(body: Any, status: int = 400) -> Script:
    return Script(json.dumps(body).encode(), status, "application/json")


@pytest.mark.parametrize("name", PROVIDERS)
def test_the_body_of_a_refusal_is_on_the_error_without_keys(name: str, way: str) -> None:
    body = {"error": {"message": "no", "type": "invalid", "param": "messages[2]", "seen": f"Bearer {KEY}"}}

    error = failure(name, refusal(body))

    assert error.body["error"]["param"] == "messages[2]"
    assert KEY not in repr(error.body)


@pytest.mark.parametrize("name", PROVIDERS)
def test_a_detail_is_the_message_of_an_error(name: str, way: str) -> None:
    error = failure(name, refusal({"detail": "Model not loaded"}, 404))

    assert "Model not loaded" in str(error)
    assert error.status == 404


@pytest.mark.parametrize("name", PROVIDERS)
@pytest.mark.parametrize("detail", ["out of memory", [{"loc": ["body"], "msg": "out of memory"}]])
def test_a_detail_in_a_stream_is_an_error_and_no_empty_turn(name: str, detail: Any) -> None:
    stream = f"data: {json.dumps({'detail': detail})}\n\ndata: [DONE]\n\n".encode()

    assert "out of memory" in str(failure(name, Script(stream)))


def test_a_call_that_groq_could_not_read_is_in_the_error() -> None:
    body = {"error": {"message": "Failed to call", "code": "tool_use_failed", "failed_generation": "<function=f{"}}

    error = failure("groq:llama", refusal(body))

    assert "<function=f{" in str(error)
    assert error.kind == "tool_use_failed"
    assert error.body["error"]["failed_generation"] == "<function=f{"


@pytest.mark.parametrize("status", [400, 200])
@pytest.mark.parametrize("name", ["azure:gpt", "openai-chat:gpt"])
def test_a_prompt_that_azure_filters_is_filtered_and_no_error(name: str, status: int) -> None:
    reasons = {"code": "ResponsibleAIPolicyViolation", "content_filter_result": {"hate": {"filtered": True}}}
    body = {"error": {"code": "content_filter", "message": "filtered", "innererror": reasons, "status": 400}}

    turn = asked(name, refusal(body, status), stream=False)

    [result] = turn.inferences
    assert (result.finish_class, turn.text) == (nt.FinishClass.FILTERED, "")
    assert result.extra["error"]["error"]["innererror"]["content_filter_result"]["hate"]["filtered"] is True


@pytest.mark.parametrize("field", ["reasoning_content", "reasoning", "reasoning_text", "thinking"])
def test_a_thought_is_reasoning_whatever_its_field_is_called(field: str) -> None:
    message = {"role": "assistant", field: "I think.", "content": "Yes."}
    turn = nt.engines.decode("openai-chat", {"choices": [{"message": message, "finish_reason": "stop"}]})

    assert [(block.kind, block.text) for block in turn] == [("reasoning", "I think."), ("llm_text", "Yes.")]


def test_a_reply_that_gemini_gave_up_is_an_error_with_its_words() -> None:
    reply = {"candidates": [{"finishReason": "MALFORMED_FUNCTION_CALL", "finishMessage": "Malformed call: w("}]}

    error = failure("gemini:gemini-3-flash", refusal(reply, 200), stream=False)

    assert "Malformed call: w(" in str(error)
    assert error.turn.inferences[0].finish_class == nt.FinishClass.ERROR
