"""What a plan shows before anything is sent, and what a session adds to it."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest

import nbturns as nt

PROFILE = {"engine": "openai-chat:gpt-4.1", "system": "Be brief.", "params": {"temperature": 0.5}, "loop": {"limit": 7, "execution_timeout": "9s"}}  # fmt: skip


def weather(city: str) -> str:
    "Look up the weather."
    return city


def other_weather(city: str) -> str:
    "Look up the weather in a city."
    return city


def profiles(**profile: Any) -> nt.profiles.Profiles:
    return nt.load_profiles({"p": {**PROFILE, **profile}}, env_file=None)


def test_a_plan_shows_the_request_without_sending_it() -> None:
    body = profiles().resolve("p").request("Rain?", tools=[weather])

    assert body["messages"] == [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Rain?"}]
    assert (body["model"], body["temperature"]) == ("gpt-4.1", 0.5)
    assert [tool["function"]["name"] for tool in body["tools"]] == ["weather"]


def test_a_plan_shows_the_request_of_a_turn_after_the_middlewares_of_the_profile() -> None:
    uses = [{"name": "system_prompt", "config": {"prompt": "In French."}}]
    turn = nt.turn("Rain?") + nt.assistant("Yes.") + nt.user("Sure?")

    body = profiles(middleware=uses, system="").resolve("p").request(turn)

    assert [message["content"] for message in body["messages"]] == ["In French.", "Rain?", "Yes.", "Sure?"]


def test_the_signature_of_a_plan_covers_the_definitions_of_its_tools() -> None:
    plan = profiles().resolve("p")
    signatures = [
        plan.with_tools([tool]).signature
        for tool in (weather, nt.Tool(other_weather, name="weather"), nt.Tool(weather, name="forecast"))
    ]

    assert len({plan.signature, *signatures}) == 4
    assert plan.with_tools([weather]).signature == signatures[0]


def test_a_session_and_a_conversation_have_the_signature_of_their_tools() -> None:
    runtimes = []
    for tool in (weather, nt.Tool(other_weather, name="weather")):
        conversations = nt.Conversations(profiles(), tools=[tool], engine=lambda plan: nt.scripted("x"))  # noqa: ARG005
        conversation = conversations.get_or_create("c")
        assert conversations.get_or_create("c") is conversation
        turn = conversation.ask("q").result(60)
        runtimes.append(turn.metadata[nt.keys.RUNTIME]["runtime_fingerprint"])
        assert runtimes[-1] == conversation.plan.signature

    assert runtimes[0] != runtimes[1]


def test_the_tool_config_of_a_session_precedes_that_of_its_profile_field_by_field() -> None:
    session = profiles()["p"].session(engine=nt.scripted("x"), tool_config=nt.ToolConfig(max_iterations=3))

    assert (session.tool_config.max_iterations, session.tool_config.execution_timeout) == (3, 9.0)
    with pytest.raises(nt.ProfileError, match="tool_config must be"):
        profiles()["p"].session(tool_config={"max_iterations": 3})


def test_the_runtime_fields_of_a_turn_are_kept_beside_those_of_the_session() -> None:
    seed = nt.turn("q").with_metadata(nt.keys.RUNTIME, {"app": "shop", "runtime_key": "old"})

    turn = nt.Session(nt.scripted("x"), runtime={"runtime_key": "new"}).ask(seed).result(60)

    assert turn.metadata[nt.keys.RUNTIME] == {"app": "shop", "runtime_key": "new"}


def test_a_conversation_is_found_by_each_of_its_executions() -> None:
    conversations = nt.Conversations(profiles(), engine=lambda plan: nt.scripted("x", "y"))  # noqa: ARG005
    conversation = conversations.get_or_create("c")
    ids = []
    for prompt in ("a", "b"):
        execution = conversation.ask(prompt)
        execution.result(60)
        ids.append(execution.id)

    assert [conversations.find_by_execution(id) for id in ids] == [conversation] * 2
    assert conversations.find_by_execution("other") is None


@pytest.mark.parametrize(
    ("use", "message"),
    [
        ({"name": "retry", "config": {"times": "many"}}, "'retry': times must be an integer, not 'many'"),
        ({"name": "retry", "config": {"backoff": [1]}}, "backoff must be a number"),
        ({"name": "system_prompt", "config": {"prompt": 5}}, "prompt must be a string, not 5"),
        ({"name": "retry", "config": {"tims": 1}}, "no parameter 'tims'; did you mean 'times'"),
    ],
)
def test_the_config_of_a_middleware_is_checked_when_a_profile_is_resolved(use: dict[str, Any], message: str) -> None:
    with pytest.raises(nt.ProfileError, match=message):
        profiles(middleware=[use]).resolve("p")


def settings(**chat: Any) -> dict[str, Any]:
    return {"p": {"inference_settings": {"chat": {"api_type": "openai", "engine": "gpt-4o", **chat}}}}


def test_a_schema_of_geppetto_is_a_json_text() -> None:
    schema = {"type": "object", "properties": {"name": {"type": "string"}}}
    for given in (schema, json.dumps(schema)):
        loaded = nt.load_profiles(
            settings(structured_output_mode="json_schema", structured_output_name="n", structured_output_schema=given),
            env_file=None,
        )
        config = loaded.resolve("p").config.structured_output
        assert config is not None
        assert config.schema == schema
    with pytest.raises(nt.ProfileError, match="structured_output_schema must be a mapping"):
        nt.load_profiles(settings(structured_output_schema="{not JSON"), env_file=None)


def test_a_database_names_its_default_profile(tmp_path: Path) -> None:
    def database(default: str) -> str:
        path = tmp_path / f"{default}.db"
        profiles_by_slug = {slug: {"slug": slug, **settings()["p"]} for slug in ("alpha", "zeta")}
        payload = json.dumps({"slug": "s", "default_profile_slug": default, "profiles": profiles_by_slug})
        with sqlite3.connect(path) as connection:
            connection.execute("CREATE TABLE profile_registries (slug TEXT, payload_json TEXT, updated_at_ms INTEGER)")
            connection.execute("INSERT INTO profile_registries VALUES ('s', ?, 1)", (payload,))
        connection.close()
        return str(path)

    assert nt.load_profiles(database("zeta"), env_file=None).resolve().profile == "zeta"
    assert nt.load_profiles(database(""), env_file=None).resolve().profile == "alpha"
    with pytest.raises(nt.ProfileError, match="default_profile_slug is 'gamma'"):
        nt.load_profiles(database("gamma"), env_file=None)
