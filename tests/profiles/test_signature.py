"""The signature changes exactly when the request to the provider changes; real requests are compared."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import nbturns as nt
from nbturns.profiles import load_profiles
from nbturns.runtime.engine_protocol import Scope

ENGINES = ["anthropic:claude-sonnet-4-5", "openai:gpt-4o", "openai-chat:gpt-4o", "gemini:gemini-2.5-flash"]


def weather(city: str) -> str:
    "The weather in a city."
    return city


def clock() -> str:
    "The time."
    return "noon"


def signature_and_request(fields: dict[str, Any]) -> tuple[str, str]:
    """Return the signature of a profile and the first request of its session, as JSON."""
    profiles = load_profiles({"p": fields}, env_file=None, secrets=lambda name: "k" if "KEY" in name else None)
    requests: list[Any] = []
    session = profiles["p"].session([weather, clock])
    engine: Any = session.engine

    async def record_request(turn: nt.Turn, scope: Scope) -> nt.Turn:
        requests.append(engine.request(turn, scope))
        return turn + nt.assistant("seen")

    session = profiles["p"].session([weather, clock], engine=record_request)
    session.ask("hi").result(timeout=60)
    assert requests
    return profiles.resolve("p").signature, json.dumps(requests, sort_keys=True)


sent_fields = st.fixed_dictionaries(
    {},
    optional={
        "system": st.sampled_from(["", "Be kind.", "Be brief."]),
        "tools": st.sampled_from([[], ["weather"], ["clock", "weather"], ["weather", "clock"]]),
        "tool_choice": st.sampled_from(["auto", "none", "required"]),
        "params": st.fixed_dictionaries(
            {},
            optional={
                "temperature": st.sampled_from([0, 0.5, 1]),
                "top_p": st.sampled_from([0.1, 0.9]),
                "max_tokens": st.sampled_from([1, 4096]),
                "stop": st.sampled_from([["a"], ["a", "b"]]),
                "extra_body": st.sampled_from([{"user": "a"}, {"user": "b"}]),
                "stream": st.booleans(),
            },
        ),
        "inference_settings": st.sampled_from(
            [
                {"chat": {"temperature": 0.5}},
                {
                    "chat": {
                        "structured_output_mode": "json_schema",
                        "structured_output_name": "a",
                        "structured_output_schema": {"type": "object", "properties": {}},
                    }
                },
            ]
        ),
    },
)
unsent_fields = st.fixed_dictionaries(
    {},
    optional={
        "loop": st.sampled_from([{"limit": 3}, {"execution_timeout": "5s"}]),
        "approval": st.sampled_from(["never", "always", ["weather"]]),
        "api_key": st.sampled_from(["one", "${env:OTHER_KEY}"]),
        "allow_overrides": st.booleans(),
        "description": st.text(max_size=5),
        "extensions": st.sampled_from([{"my.thing@v1": 1}, {"my.thing@v1": {"a": 2}}]),
        "model_info": st.sampled_from([{"cost": {"input": 1}}, {"context_window": 9}]),
    },
)
unsent_params = st.fixed_dictionaries(
    {}, optional={"retries": st.integers(0, 3), "timeout": st.integers(1, 9), "raw": st.booleans()}
)


@pytest.mark.parametrize("engine", ENGINES)
@settings(max_examples=15)
@given(first=sent_fields, second=sent_fields)
def test_different_requests_have_different_signatures(
    engine: str, first: dict[str, Any], second: dict[str, Any]
) -> None:
    (a, sent_a), (b, sent_b) = (
        signature_and_request({"engine": engine, "api_key": "k", **fields}) for fields in (first, second)
    )
    assert a != b or sent_a == sent_b


@pytest.mark.parametrize("engine", ENGINES)
@settings(max_examples=10)
@given(fields=sent_fields, extra_fields=unsent_fields, params=unsent_params)
def test_the_signature_ignores_unsent_fields(
    engine: str, fields: dict[str, Any], extra_fields: dict[str, Any], params: dict[str, Any]
) -> None:
    if not fields.get("tools", ["weather"]):
        extra_fields = {
            name: value for name, value in extra_fields.items() if name != "approval"
        }  # of a tool there is not
    profile = {"engine": engine, "api_key": "k", **fields}
    assert signature_and_request(profile) == signature_and_request(
        {**profile, **extra_fields, "params": {**profile.get("params", {}), **params}}
    )


texts = st.sampled_from(["a", "b", ""])
profile_layer = st.fixed_dictionaries(
    {},
    optional={
        "system": texts,
        "tools": st.lists(st.sampled_from("xyz"), unique=True, max_size=2),
        "params": st.fixed_dictionaries(
            {}, optional={"temperature": st.sampled_from([0, 1]), "top_k": st.sampled_from([1, 2])}
        ),
        "middleware": st.lists(st.sampled_from(["retry", "limits", "log_calls"]), unique=True, max_size=3),
        "extensions": st.sampled_from([{"m.a@v1": 1}, {"m.a@v1": {"b": 1}}, {"m.a@v1": {"b": {"c": 2}, "d": 3}}]),
        "loop": st.fixed_dictionaries({}, optional={"limit": st.integers(1, 3), "inline": st.booleans()}),
        "model_info": st.sampled_from([{"cost": {"input": 1}}, {"cost": {"output": 2}}, {"context_window": 3}]),
    },
)


@settings(max_examples=40)
@given(st.tuples(profile_layer, profile_layer, profile_layer, profile_layer))
def test_merging_a_stack_is_associative(layers: tuple[dict[str, Any], ...]) -> None:
    a, b, c, d = layers
    profiles = load_profiles(
        {
            "a": {"engine": "anthropic:x", **a},
            "b": b,
            "c": c,
            "d": d,
            "ab": {"like": ["a", "b"]},
            "cd": {"like": ["c", "d"]},
            "flat": {"like": ["a", "b", "c", "d"]},
            "pairs": {"like": ["ab", "cd"]},
            "chain": {"like": ["ab", "c", "d"]},
        },
        env_file=None,
    )
    flat, pairs, chain = (profiles.resolve(name) for name in ("flat", "pairs", "chain"))
    assert flat.config == pairs.config == chain.config
    assert flat.extensions == pairs.extensions == chain.extensions
    assert flat.sources == pairs.sources == chain.sources
