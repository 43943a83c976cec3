"""Choose a profile, apply overrides, and report the source of every field."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import nbturns as nt
from nbturns.profiles import Plan, Profiles, load_profiles

BASE: dict[str, Any] = {
    "engine": "anthropic:claude-sonnet-4-5",
    "system": "You are kind.",
    "tools": ["weather", "search"],
    "params": {"temperature": 0.5, "max_tokens": 300},
    "loop": {"limit": 7},
}


def weather(city: str) -> str:
    "Current weather in a city."
    return f"sunny in {city}"


def search(query: str) -> str:
    "Search."
    return query


def team(**profiles: Any) -> Profiles:
    return load_profiles({"slug": "team", "profiles": {"base": BASE, **profiles}}, env_file=None)


@pytest.fixture(autouse=True)
def unset_profile_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NBTURNS_PROFILE", raising=False)


# Which profile.


def test_the_profile_is_chosen_by_argument_conversation_variable_and_default_in_this_order(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    names = {name: {"like": "base"} for name in ("asked", "had", "set", "mine", "default")}
    profiles = load_profiles(
        {"slug": "team", "profiles": {"base": BASE, **names}}, default={"ana": "mine"}, env_file=None
    )
    monkeypatch.setenv("NBTURNS_PROFILE", "set")

    def choice(*args: Any, **kwargs: Any) -> tuple[str, str]:
        plan = profiles.resolve(*args, **kwargs)
        return plan.profile, plan.chosen_by

    assert choice("asked", "had", who="ana") == ("asked", "argument")
    assert choice(None, "had", who="ana") == ("had", "conversation")
    assert choice(who="ana") == ("set", "NBTURNS_PROFILE")
    monkeypatch.delenv("NBTURNS_PROFILE")
    assert choice(who="ana") == ("mine", "default of ana")
    assert choice(who="ben") == ("default", "registry default")
    assert choice() == ("default", "registry default")


def test_the_default_may_depend_on_user_and_team_by_a_mapping_or_a_function() -> None:
    names = {name: {"like": "base"} for name in ("support", "ana", "all")}
    data = {"slug": "team", "profiles": {"base": BASE, **names}}
    by_mapping = load_profiles(data, default={"team:support": "support", "user:ana": "ana", "*": "all"}, env_file=None)
    by_function = load_profiles(data, default=lambda who: "ana" if who == "ana" else None, env_file=None)

    assert by_mapping.resolve(who={"user": "ana", "team": "support"}).profile == "ana"
    assert by_mapping.resolve(who={"user": "ben", "team": "support"}).profile == "support"
    assert by_mapping.resolve(who={"user": "cid"}).profile == "all"
    assert by_function.resolve(who="ana").profile == "ana"
    assert by_function.resolve(who="ben").chosen_by == "registry default"


def test_a_turn_a_run_and_a_session_remember_their_profile() -> None:
    profiles = team(other={"like": "base"}, default={"like": "base"})
    session = profiles["other"].session(tools=[weather, search], engine=nt.scripted("hello"))
    turn = session.ask("hi").result(timeout=60)

    for conversation in (turn, session.run, session, nt.Run.from_yaml(session.run.to_yaml())):
        plan = profiles.resolve(conversation=conversation)
        assert (plan.name, plan.chosen_by) == ("team/other", "conversation")
    assert profiles.resolve(conversation=nt.turn("hi")).chosen_by == "registry default"


def test_an_unknown_profile_is_an_error_with_a_suggestion() -> None:
    with pytest.raises(nt.ProfileError, match="no profile 'bsae'; did you mean 'base'") as caught:
        team()["bsae"]
    assert caught.value.key == "bsae"
    assert "base" in caught.value.valid_names
    assert "bsae" not in team()
    assert team().get("bsae") is None


def test_resolving_allocates_nothing_and_needs_no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_SUCH_API_KEY", raising=False)
    profiles = team(secret={"like": "base", "api_key": "${env:NO_SUCH_API_KEY}"})

    assert profiles.resolve("secret").config.to_dict()["api_key"] == "${env:NO_SUCH_API_KEY}"
    with pytest.raises(nt.ProfileError, match="NO_SUCH_API_KEY") as caught:
        profiles["secret"].session(tools=[weather, search])
    assert caught.value.key == "api_key"


# Sources of fields.


def test_every_field_of_a_plan_has_its_source() -> None:
    plan = team(leaf={"like": "base", "params": {"temperature": 0}, "allow_overrides": ["max_tokens"]}).resolve(
        "leaf", overrides={"max_tokens": 9}
    )

    assert plan.sources["engine"] == plan.sources["system"] == "team/base"
    assert plan.sources["params.temperature"] == "team/leaf"
    assert plan.sources["params.max_tokens"] == "override"
    assert plan.sources["loop.limit"] == "team/base"
    assert plan.sources["loop.execution_timeout"] == "default"
    assert plan.sources["model_info.context_window"] == "the shipped table" if plan.config.model_info else True
    assert all(field.source for field in plan.fields)
    assert {field.name for field in plan.fields} >= {"engine", "tools", "approval", "tool_choice"}


def test_the_difference_of_two_plans_names_each_field_with_both_values() -> None:
    profiles = team(leaf={"like": "base", "params": {"temperature": 0}, "system": "Be brief."})

    assert profiles.resolve("base").difference(profiles.resolve("leaf")) == (
        ("params.temperature", 0.5, 0),
        ("system", "You are kind.", "Be brief."),
    )


# Overrides.


@pytest.mark.parametrize("policy", [None, False, [], ["tools"]])
def test_a_forbidden_override_is_rejected_with_its_key(policy: Any) -> None:
    profiles = team(leaf={"like": "base"} | ({} if policy is None else {"allow_overrides": policy}))
    with pytest.raises(nt.ProfileError, match="does not allow overriding 'temperature'") as caught:
        profiles.resolve("leaf", overrides={"temperature": 0})
    assert caught.value.key == "temperature"


@pytest.mark.parametrize("policy", [True, ["temperature"], ["params.temperature"], ["params"]])
@pytest.mark.parametrize("overrides", [{"temperature": 0}, {"params": {"temperature": 0}}, {"params.temperature": 0}])
def test_an_allowed_override_applies_in_every_spelling(policy: Any, overrides: dict[str, Any]) -> None:
    plan = team(leaf={"like": "base", "allow_overrides": policy}).resolve("leaf", overrides=overrides)
    assert plan.config.params["temperature"] == 0


def test_zero_false_and_another_engine_override() -> None:
    plan = team(leaf={"like": "base", "allow_overrides": True}).resolve(
        "leaf", overrides={"engine": "openai-chat:gpt-4o", "stream": False, "limit": 2, "system": "x", "seed": 0}
    )
    assert plan.config.engine == "openai-chat:gpt-4o"
    assert (plan.config.params["stream"], plan.config.params["seed"], plan.config.loop.limit) == (False, 0, 2)


@pytest.mark.parametrize(
    ("overrides", "key", "message"),
    [
        ({"temprature": 1}, "temprature", "did you mean 'temperature'"),
        ({"temperature": "hot"}, "temperature", "must be a number"),
        ({"limit": 1.5}, "limit", "must be an integer"),
        ({"limit": 0}, "limit", "1 or greater"),
        ({"tools": "weather"}, "tools", "must be a list"),
        ({"engine": "gpt"}, "engine", "provider:model"),
        ({"engine": "opnai:gpt"}, "engine", "did you mean"),
        ({"allow_overrides": True}, "allow_overrides", "unknown override"),
        ({"widen_tools": True}, "widen_tools", "unknown override"),
        ({"middleware": [{"nam": "x"}]}, "middleware", "a name"),
        ({"service_tier": "fast"}, "service_tier", "auto"),
    ],
)
def test_an_invalid_override_is_rejected_with_its_key(overrides: dict[str, Any], key: str, message: str) -> None:
    with pytest.raises(nt.ProfileError, match=message) as caught:
        team(leaf={"like": "base", "allow_overrides": True}).resolve("leaf", overrides=overrides)
    assert key in caught.value.key


def test_an_override_narrows_the_tools_and_widens_them_only_if_allowed() -> None:
    profiles = team(leaf={"like": "base", "allow_overrides": ["tools"]}, wide={"like": "leaf", "widen_tools": True})

    assert profiles.resolve("leaf", overrides={"tools": ["search"]}).config.tools == ("search",)
    assert profiles.resolve("leaf", overrides={"tools": []}).config.tools == ()
    with pytest.raises(nt.ProfileError, match="'shell'.*only narrow") as caught:
        profiles.resolve("leaf", overrides={"tools": ["search", "shell"]})
    assert caught.value.key == "tools"
    assert profiles.resolve("wide", overrides={"tools": ["shell"]}).config.tools == ("shell",)


# The signature.


SEEN: list[dict[str, Any]] = [
    {"engine": "anthropic:claude-opus-4-1"},
    {"engine": "openai-chat:claude-sonnet-4-5"},
    {"params": {"temperature": 0.4}},
    {"params": {"max_tokens": 301}},
    {"params": {"top_k": 4}},
    {"params": {"stream": False}},
    {"params": {"stop": ["x"]}},
    {"params": {"headers": {"anthropic-beta": "a"}}},
    {"system": "Be brief."},
    {"tools": ["search", "weather"]},
    {"tools": ["weather"]},
    {"tools": []},
    {"tool_choice": "required"},
    {"middleware": ["retry"]},
    {"middleware": [{"name": "retry", "config": {"times": 2}}]},
    {"middleware": ["retry", "limits"]},
    {"middleware": ["limits", "retry"]},
    {"base_url": "http://127.0.0.1:1"},
    {
        "inference_settings": {
            "chat": {"structured_output_mode": "json_schema", "structured_output_schema": {"type": "object"}}
        }
    },
    {
        "inference_settings": {
            "chat": {"structured_output_mode": "json_schema", "structured_output_schema": {"type": "string"}}
        }
    },
    {"inference_settings": {"inference": {"top_p": 0.3}}},
]
UNSEEN: list[dict[str, Any]] = [
    {"loop": {"limit": 3}},
    {"loop": {"step": True, "pause_timeout": 3}},
    {"approval": "always"},
    {"api_key": "sk-other"},
    {"params": {"timeout": 5}},
    {"allow_overrides": True},
    {"description": "another"},
    {"metadata": {"version": 9}},
    {"extensions": {"my.thing@v1": 1}},
    {"sinks": ["log"]},
    {"model_info": {"cost": {"input": 1, "output": 1}}},
]


def signature(**fields: Any) -> str:
    return team(leaf={"like": "base", **fields}).resolve("leaf").config.signature


def test_the_signature_changes_with_everything_the_provider_receives() -> None:
    signatures = [signature(), *(signature(**fields) for fields in SEEN)]
    assert len(set(signatures)) == len(SEEN) + 1


@pytest.mark.parametrize("fields", UNSEEN, ids=str)
def test_the_signature_ignores_what_the_provider_does_not_receive(fields: dict[str, Any]) -> None:
    assert signature(**fields) == signature()


def test_the_signature_does_not_depend_on_the_name_and_spelling_of_the_profile() -> None:
    chat = {"engine": "claude-sonnet-4-5", "api_type": "claude", "temperature": 0.5, "max_response_tokens": 300}
    runtime = {"system_prompt": "You are kind.", "tools": ["weather", "search"]}
    theirs = load_profiles({"x": {"inference_settings": {"chat": chat}, "runtime": runtime}}, env_file=None)
    assert theirs.resolve("x").signature == team().resolve("base").signature


@given(st.permutations([{"temperature": 0.2}, {"top_p": 0.1}, {"top_k": 3}, {"stop": ["a"]}]))
def test_the_order_in_which_parameters_are_written_does_not_matter(order: list[dict[str, Any]]) -> None:
    params = {name: value for param in order for name, value in param.items()}
    assert signature(params=params) == signature(params=dict(sorted(params.items())))


def test_a_model_named_by_the_environment_is_in_the_signature(monkeypatch: pytest.MonkeyPatch) -> None:
    def resolve(model: str) -> Plan:
        monkeypatch.setenv("MY_MODEL", model)
        settings = {"chat": {"engine": "${env:MY_MODEL}", "api_type": "claude"}}
        return load_profiles({"p": {"inference_settings": settings}}, env_file=None, allow_env=["MY_*"]).resolve("p")

    assert resolve("one").config.model == "one"
    assert resolve("one").signature != resolve("two").signature
