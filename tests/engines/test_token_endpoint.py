"""Tokens counted by the provider before anything is sent: what is asked, and what is read of the answer."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import nbturns as nt
from nbturns.engines import decode, find
from nbturns.engines.anthropic.request import history as claude_history
from nbturns.engines.gemini.history import history as gemini_history
from nbturns.engines.openai_responses.history import history as openai_history
from tests.engines.recorded_traffic import Case, recorded

COUNTS = ("count_tokens", "countTokens", "responses.input_tokens")


def asked(provider: str, model: str, turn: nt.Turn, **params: Any) -> dict[str, Any]:
    counting = find(provider).counting
    assert counting is not None
    return counting.request(turn, nt.Scope(), model, params)


def test_a_count_asks_what_would_be_sent_without_what_limits_the_answer() -> None:
    turn = nt.turn("2+2?", system="Be brief.")
    whole = {"thinking": {"type": "adaptive"}, "max_tokens": 9, "temperature": 0, "stream": True}

    claude = asked("anthropic", "claude-x", turn, **whole)
    gpt = asked("openai", "gpt-x", turn, reasoning={"effort": "low"}, max_output_tokens=9, store=False)

    assert claude.keys() == {"model", "system", "messages", "thinking"}
    assert gpt.keys() == {"model", "input", "reasoning"}


def test_gemini_counts_a_whole_request_and_vertex_the_parts_that_count() -> None:
    turn = nt.turn("2+2?", system="Be brief.")
    provider = find("gemini")
    assert provider.at is not None
    vertex = provider.at({"base_url": "https://aiplatform.googleapis.com/v1/projects/p/locations/l/publishers/google"})
    assert vertex.counting is not None

    body = asked("gemini", "gemini-x", turn, temperature=0)
    flat = vertex.counting.request(turn, nt.Scope(), "gemini-x", {"safetySettings": []})

    assert body == {
        "generateContentRequest": {
            "model": "models/gemini-x",
            **provider.request(turn, nt.Scope(), "gemini-x", {"temperature": 0}),
        }
    }
    assert body.path == "models/gemini-x:countTokens"  # type: ignore[attr-defined]  # a dict that knows its URL
    assert flat.keys() == {"systemInstruction", "contents"}


@pytest.mark.parametrize(
    ("provider", "body", "tokens", "cached"),
    [
        ("anthropic", {"input_tokens": 11}, 11, 0),
        ("openai", {"object": "response.input_tokens", "input_tokens": 15}, 15, 0),
        ("gemini", {"totalTokens": 9, "cachedContentTokenCount": 4}, 9, 4),
    ],
)
def test_a_count_is_a_turn_that_says_nothing_and_costs_nothing(
    provider: str, body: dict[str, Any], tokens: int, cached: int
) -> None:
    turn = decode(provider, body)

    assert (len(turn), turn.usage, turn.cost) == (0, nt.Usage(tokens, 0, cached_tokens=cached), 0)
    assert turn.inferences[0].extra["usage"] == body


@pytest.mark.parametrize("body", [{"input_tokens": None}, {"input_tokens": -1}, {"input_tokens": True}, {}, []])
def test_what_is_no_count_stays_an_error(body: Any) -> None:
    with pytest.raises(nt.EngineError):
        decode("anthropic", json.dumps(body))


def test_chat_completions_count_nothing() -> None:
    assert find("openai-chat").counting is None


def counts(shared: Path, family: str) -> Iterator[Case]:
    return (case for case in recorded(shared, family) if case.endpoint in COUNTS and case.status == 200)


@pytest.mark.parametrize(
    ("provider", "family", "field", "read"),
    [
        ("anthropic", "anthropic_messages", "input_tokens", claude_history),
        ("openai", "openai_responses", "input_tokens", openai_history),
        ("gemini", "gemini", "totalTokens", gemini_history),
    ],
)
def test_every_recorded_count_is_read_and_asked_again(
    shared: Path, provider: str, family: str, field: str, read: Any
) -> None:
    cases = list(counts(shared, family))
    assert cases

    for case in cases:
        assert case.request is not None
        turn = decode(provider, case.body, case.content_type)
        assert f'"{field}":{turn.usage.input_tokens}'.encode() in case.body.replace(b" ", b""), case.id
        request = case.request.get("generateContentRequest", case.request)
        given = {name: value for name, value in request.items() if name not in SAID}
        again = asked(provider, request.get("model", "x"), read(request), **given)
        again = again.get("generateContentRequest", again)
        assert {name: again[name] for name in request if name != "model"} == spelt(request), case.id


SAID = ("messages", "system", "input", "instructions", "contents", "systemInstruction", "model")


def spelt(request: dict[str, Any]) -> dict[str, Any]:
    """A request but for its model, which has two names in Gemini, with a list where one part stood alone, and no role of the system's."""
    body = {name: value for name, value in request.items() if name != "model"}
    if parts := body.get("systemInstruction", {}).get("parts"):
        body["systemInstruction"] = {"parts": parts if isinstance(parts, list) else [parts]}
    return body
