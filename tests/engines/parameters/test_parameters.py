"""What an engine is told: parameters with types, settings of a Turn, and what a model would refuse."""

from __future__ import annotations

import importlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import nbturns as nt
from nbturns.engines import find, params, request
from nbturns.engines.parameters.schema import check_params
from nbturns.events import Notice
from nbturns.values.inference_settings import (
    CLAUDE_INFERENCE_CONFIG,
    OPENAI_INFERENCE_CONFIG,
    STRUCTURED_OUTPUT_CONFIG,
    ClaudeInferenceConfig,
    InferenceConfig,
    OpenAIInferenceConfig,
    StructuredOutputConfig,
)
from tests.engines.recorded_traffic import loader

MODELS = {
    "anthropic": "anthropic:claude-sonnet-4-5",
    "openai": "openai:gpt-4.1",
    "openai-chat": "openai-chat:gpt-4.1",
    "gemini": "gemini:gemini-2.5-flash",
}
FAMILIES = {
    "openai_chat": "openai-chat",
    "openai_responses": "openai",
    "anthropic_messages": "anthropic",
    "gemini": "gemini",
}
NOT_PARAMS = {"model", "messages", "system", "input", "contents", "systemInstruction", "system_instruction"}
ASKED = ("messages", "chat.completions", "responses", "generateContent", "streamGenerateContent")
SCHEMA = {
    "type": "object",
    "properties": {"city": {"type": "string", "minLength": 1}, "degrees": {"type": "number", "default": 0}},
    "required": ["city"],
}


def recorded_params(shared: Path) -> list[tuple[str, str, dict[str, Any], int]]:
    """Provider, model, parameters and status of every recorded request."""
    found = []
    for case in loader(shared).load(str(shared / "wire" / "dev")):
        asked = (case["request"] or {}).get("json")
        if isinstance(asked, dict) and case["endpoint"] in ASKED:
            given = {name: value for name, value in asked.items() if name not in NOT_PARAMS}
            found.append((FAMILIES[case["family"]], asked.get("model", ""), given, case["response"]["status"]))
    return found


def test_every_recorded_parameter_is_in_the_table_and_fits_its_type(shared: Path) -> None:
    asked = recorded_params(shared)
    assert len(asked) > 1500

    for provider, _, given, _ in asked:
        body_only = replace(find(provider), settings=frozenset())
        check_params(body_only, given)
        check_params(body_only, given.get("generationConfig") or {})


def test_nothing_a_server_accepted_is_taken_out(shared: Path) -> None:
    for provider, model, given, status in recorded_params(shared):
        if status == 200:
            assert find(provider).remove_refused(model, given) == (given, []), model


@pytest.mark.parametrize(
    ("provider", "type"),
    [
        ("anthropic", "anthropic.types.beta.message_create_params:MessageCreateParamsBase"),
        ("openai", "openai.types.responses.response_create_params:ResponseCreateParamsBase"),
        ("openai-chat", "openai.types.chat.completion_create_params:CompletionCreateParamsBase"),
    ],
)
def test_the_table_knows_every_parameter_of_the_official_client(provider: str, type: str) -> None:
    module, _, name = type.partition(":")
    pytest.importorskip(module.partition(".")[0])

    theirs = set(getattr(importlib.import_module(module), name).__annotations__) - NOT_PARAMS - {"betas"}

    assert theirs - params(provider).keys() == set()


@pytest.mark.parametrize("provider", MODELS)
def test_a_misspelt_parameter_is_refused_with_the_one_that_was_meant(provider: str) -> None:
    with pytest.raises(
        nt.EngineError, match="unknown parameter 'temprature' of .*; did you mean temperature.*extra_body"
    ):
        nt.engine(MODELS[provider], temprature=0)
    with pytest.raises(nt.EngineError, match="temperature of .*: it is 'hot'"):
        nt.engine(MODELS[provider], temperature="hot")


@pytest.mark.parametrize("provider", MODELS)
def test_what_no_table_knows_goes_by_extra_body(provider: str) -> None:
    body = request(MODELS[provider], nt.turn("x"), extra_body={"brand_new": {"a": 1}})

    assert body["brand_new"] == {"a": 1}


def test_extra_body_reaches_into_what_is_there() -> None:
    body = request("gemini:gemini-2.5-flash", nt.turn("x"), temperature=0, extra_body={"generationConfig": {"new": 1}})

    assert body["generationConfig"] == {"temperature": 0, "new": 1}
    assert body.path.startswith("models/gemini-2.5-flash:")  # type: ignore[attr-defined]  # a dict that knows its URL


PORTABLE: dict[str, Any] = {"max_tokens": 9, "stop": ["END"], "temperature": 0.5, "reasoning_effort": "low"}


def test_the_same_words_are_told_to_each_provider_in_its_own() -> None:
    turn = nt.turn("x")

    claude = request("anthropic:claude-sonnet-4-6", turn, **PORTABLE)
    chat = request("openai-chat:gpt-5.1", turn, **{**PORTABLE, "reasoning_effort": "none"})
    gpt = request("openai:gpt-5", turn, max_tokens=9, reasoning_effort="low", reasoning_summary="auto")
    gemini = request(MODELS["gemini"], turn, **PORTABLE, thinking_budget=100)

    assert (claude["max_tokens"], claude["stop_sequences"], claude["temperature"]) == (9, ["END"], 0.5)
    assert claude["output_config"] == {"effort": "low"}
    assert (chat["max_completion_tokens"], chat["stop"], chat["reasoning_effort"]) == (9, ["END"], "none")
    assert (gpt["max_output_tokens"], gpt["reasoning"]) == (9, {"effort": "low", "summary": "auto"})
    assert gemini["generationConfig"] == {
        "temperature": 0.5,
        "maxOutputTokens": 9,
        "stopSequences": ["END"],
        "thinkingConfig": {"thinkingBudget": 100},
    }


def test_what_a_turn_says_of_its_next_call_wins_over_the_engine() -> None:
    config = InferenceConfig(temperature=0.1, max_response_tokens=7, stop=[])
    turn = nt.turn("x").with_data(nt.keys.INFERENCE_CONFIG, config)

    claude = request(MODELS["anthropic"], turn, temperature=1, max_tokens=100, stop_sequences=["END"])
    chat = request(
        MODELS["openai-chat"],
        turn.with_data(OPENAI_INFERENCE_CONFIG, OpenAIInferenceConfig(n=2, store=True)),
        temperature=1,
        stop=["END"],
    )
    user = request(
        MODELS["anthropic"],
        nt.turn("x").with_data(CLAUDE_INFERENCE_CONFIG, ClaudeInferenceConfig(user_id="u", top_k=3)),
    )

    assert (claude["temperature"], claude["max_tokens"], "stop_sequences" in claude) == (0.1, 7, False)
    assert (chat["temperature"], chat["max_completion_tokens"], chat["n"], chat["store"]) == (0.1, 7, 2, True)
    assert "stop" not in chat
    assert (user["metadata"], user["top_k"]) == ({"user_id": "u"}, 3)


def test_a_turn_chooses_whether_a_tool_is_called() -> None:
    def weather(city: str) -> str:
        "Current weather."
        return city

    turn = nt.turn("x").with_data(nt.keys.TOOL_CONFIG, nt.ToolConfig(tool_choice="required"))
    body = request(MODELS["anthropic"], turn, tools=[weather])

    assert body["tool_choice"] == {"type": "any"}
    assert request(MODELS["anthropic"], nt.turn("x"), tools=[weather])["tool_choice"] == {"type": "auto"}


@pytest.mark.parametrize(
    ("model", "given", "sent"),
    [
        ("openai:gpt-5", {"temperature": 0, "top_p": 0.5}, {}),
        ("openai:gpt-5.2", {"temperature": 0}, {"temperature": 0}),
        ("openai:gpt-5.2", {"temperature": 0, "reasoning": {"effort": "high"}}, {"reasoning": {"effort": "high"}}),
        ("openai:o3", {"temperature": 1, "max_output_tokens": 5}, {"max_output_tokens": 5}),
        ("openai:gpt-5-chat-latest", {"temperature": 0}, {"temperature": 0}),
        ("openai:gpt-4o", {"reasoning": {"effort": "low"}}, {}),
        ("openai-chat:o4-mini", {"max_tokens": 5, "presence_penalty": 1}, {"max_completion_tokens": 5}),
        ("anthropic:claude-opus-4-8", {"temperature": 0.2, "top_k": 5}, {"max_tokens": 4096}),
        ("anthropic:claude-opus-4-6", {"temperature": 0.2}, {"temperature": 0.2, "max_tokens": 4096}),
        (
            "anthropic:claude-sonnet-4-5",
            {"thinking": {"type": "enabled", "budget_tokens": 2000}, "temperature": 0, "tool_choice": {"type": "any"}},
            {
                "thinking": {"type": "enabled", "budget_tokens": 2000},
                "max_tokens": 6096,
                "tool_choice": {"type": "auto"},
            },
        ),
    ],
)
def test_what_a_reasoning_model_refuses_is_not_sent(model: str, given: dict[str, Any], sent: dict[str, Any]) -> None:
    body = request(model, nt.turn("x"), stream=False, **given)

    beside = NOT_PARAMS | {"stream"}
    assert {name: value for name, value in body.items() if name not in beside} == sent


def test_what_was_not_sent_is_said_once_in_an_event() -> None:
    heard: list[str] = []
    engine = nt.engine("openai:gpt-5", api_key="k", base_url="http://127.0.0.1:9", temperature=0, seed=3)
    session = nt.Session(engine, sinks=[lambda event: heard.append(event.text) if isinstance(event, Notice) else None])

    with pytest.raises(nt.EngineError):
        session.ask("x").result(60)

    assert "not sent: seed; openai has no such parameter" in heard
    assert any("temperature=0" in text and "gpt-5 refuses" in text for text in heard)


def shaped(provider: str, **changes: Any) -> dict[str, Any]:
    shape = StructuredOutputConfig(name="weather report", schema=SCHEMA, **changes)
    return request(MODELS[provider], nt.turn("x").with_data(STRUCTURED_OUTPUT_CONFIG, shape))


def test_the_shape_of_an_answer_is_told_to_each_provider_in_its_own_words() -> None:
    format = shaped("openai")["text"]["format"]
    chat = shaped("openai-chat")["response_format"]
    claude = shaped("anthropic")["output_config"]["format"]["schema"]
    gemini = shaped("gemini")["generationConfig"]

    assert (format["type"], format["name"], format["strict"]) == ("json_schema", "weather_report", True)
    assert format["schema"]["required"] == ["city", "degrees"]  # a strict schema requires all it names
    assert format["schema"]["additionalProperties"] is False
    assert chat["json_schema"]["schema"] == format["schema"]
    assert claude["properties"]["city"] == {"type": "string", "description": "minLength 1"}
    assert claude["required"] == ["city"]
    assert (gemini["responseMimeType"], gemini["responseJsonSchema"]) == ("application/json", SCHEMA)
    assert "text" not in shaped("openai", mode="off")


def test_a_schema_that_cannot_be_closed_is_not_strict() -> None:
    free = {"type": "object", "properties": {"m": {"type": "object", "additionalProperties": {"type": "integer"}}}}
    turn = nt.turn("x").with_data(STRUCTURED_OUTPUT_CONFIG, StructuredOutputConfig(schema=free))

    format = request(MODELS["openai"], turn)["text"]["format"]

    assert (format["strict"], format["schema"]) == (False, free)


def test_a_model_without_schemas_is_told_in_words() -> None:
    turn = nt.turn("x", system="Be brief.").with_data(STRUCTURED_OUTPUT_CONFIG, StructuredOutputConfig(schema=SCHEMA))

    body = request("anthropic:claude-3-haiku-20240307", turn)

    assert "output_config" not in body
    assert json.dumps(SCHEMA) in body["system"][1]["text"]
    assert len(turn) == 2  # what is kept is the Turn without


def test_server_tools_that_a_turn_names_are_asked_for_beside_the_engines_own() -> None:
    turn = nt.turn("news?").with_data(nt.keys.RESPONSES_SERVER_TOOLS, [{"type": "web_search"}])
    body = nt.engines.request("openai:gpt-5", turn, tools=[{"type": "code_interpreter", "container": {"type": "auto"}}])

    assert [tool["type"] for tool in body["tools"]] == ["code_interpreter", "web_search"]
    assert "tools" not in nt.engines.request("openai-chat:gpt-5", turn)


def test_a_key_in_the_wrong_place_is_not_quoted() -> None:
    key = "sk-MARKER-0123456789"
    with pytest.raises(
        nt.EngineError, match="max_tokens of anthropic: it looks like a key, which goes into api_key="
    ) as one:
        nt.engine("anthropic:claude-sonnet-5-5", max_tokens=key)
    profiles = {"slug": "team", "profiles": {"base": {"engine": "openai:gpt-5.1", "params": {"max_tokens": key}}}}
    with pytest.raises(nt.ProfileError, match="max_tokens must be an integer, not a string") as other:
        nt.load_profiles(profiles, env_file=None)

    assert key not in f"{one.value!r}{other.value!r}"


def test_geppettos_own_settings_of_a_provider_are_translated() -> None:
    claude = request(MODELS["anthropic"], nt.turn("x"), user_id="u", metadata={"team": "t"})
    gemini = request("gemini:gemini-3-flash", nt.turn("x"), include_thoughts=True, thinking_level="HIGH")

    assert claude["metadata"] == {"user_id": "u", "team": "t"}
    assert gemini["generationConfig"]["thinkingConfig"] == {"includeThoughts": True, "thinkingLevel": "HIGH"}
    with pytest.raises(nt.EngineError, match="unknown parameter 'user_id' of openai"):
        nt.engine(MODELS["openai"], user_id="u")
