"""Reading profiles from files in geppetto's form and in the short form, and errors in them."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import nbturns as nt
from nbturns.profiles import Profiles, load_profiles

GOLDEN = """
slug: default
profiles:
  provider-openai:
    slug: provider-openai
    inference_settings:
      chat: {engine: gpt-4o-mini, api_type: openai, temperature: 0.1}
    extensions:
      custom.config@v1: {nested: {foo: base, bar: keep}, items: [a, b], scalar: base}
      custom.other@v1: old
  model-gpt4o:
    slug: model-gpt4o
    stack: [{profile_slug: provider-openai}]
    inference_settings:
      chat: {engine: gpt-4o}
  agent:
    slug: agent
    stack: [{profile_slug: model-gpt4o}]
    inference_settings:
      chat: {temperature: 0.7}
    extensions:
      custom.config@v1: {nested: {foo: leaf}, items: [replaced], scalar: leaf}
      custom.other@v1: [new]
"""


def write_profiles(folder: Path, text: str, name: str = "team.yaml") -> Profiles:
    (folder / name).write_text(text)
    return load_profiles(folder / name)


def load_error(folder: Path, text: str) -> nt.ProfileError:
    with pytest.raises(nt.ProfileError) as caught:
        write_profiles(folder, text)
    return caught.value


def profiles_of(**profiles: Any) -> Profiles:
    return load_profiles(profiles)


# geppetto's golden facts.


def test_a_stack_expands_depth_first_from_base_to_leaf(tmp_path: Path) -> None:
    plan = write_profiles(tmp_path, GOLDEN).resolve("agent")

    assert plan.lineage == ("default/provider-openai", "default/model-gpt4o", "default/agent")


def test_a_shared_base_is_used_once_at_its_first_position(tmp_path: Path) -> None:
    text = """
slug: default
profiles:
  provider-openai: {engine: "openai-chat:x"}
  model-a: {stack: [{profile_slug: provider-openai}]}
  model-b: {stack: [{profile_slug: provider-openai}]}
  agent: {stack: [{profile_slug: model-a}, {profile_slug: model-b}, {profile_slug: provider-openai}]}
"""
    assert [name.partition("/")[2] for name in write_profiles(tmp_path, text).resolve("agent").lineage] == [
        "provider-openai",
        "model-a",
        "model-b",
        "agent",
    ]


def test_the_leaf_wins_and_other_fields_of_the_base_are_inherited(tmp_path: Path) -> None:
    config = write_profiles(tmp_path, GOLDEN).resolve("agent").config

    assert config.engine == "openai-chat:gpt-4o"
    assert config.params["temperature"] == 0.7


def test_extensions_merge_key_by_key_and_lists_and_scalars_are_replaced(tmp_path: Path) -> None:
    extensions = write_profiles(tmp_path, GOLDEN).resolve("agent").extensions

    assert extensions["custom.config@v1"] == {
        "nested": {"foo": "leaf", "bar": "keep"},
        "items": ["replaced"],
        "scalar": "leaf",
    }
    assert extensions["custom.other@v1"] == ["new"]


def test_circular_inheritance_is_an_error_that_shows_the_chain() -> None:
    profiles = profiles_of(a={"like": "b"}, b={"like": "c"}, c={"like": "a"})

    with pytest.raises(nt.ProfileError, match="notebook/a → notebook/b → notebook/c → notebook/a"):
        profiles.resolve("a")


def test_a_stack_too_deep_a_missing_profile_and_a_missing_registry_are_three_errors() -> None:
    deep = {f"p{i}": {"like": f"p{i + 1}"} for i in range(40)} | {"p40": {"engine": "openai:x"}}
    with pytest.raises(nt.ProfileError, match="more than 32 deep"):
        load_profiles(deep).resolve("p0")
    with pytest.raises(nt.ProfileError, match="no profile 'bse' in registry 'notebook'; did you mean 'base'"):
        profiles_of(base={"engine": "openai:x"}, a={"like": "bse"}).resolve("a")
    with pytest.raises(nt.ProfileError, match="no registry 'elsewhere'"):
        profiles_of(a={"like": "elsewhere/base"}).resolve("a")


def test_false_zero_and_an_empty_list_override_but_null_does_not(tmp_path: Path) -> None:
    text = """
slug: team
profiles:
  base:
    inference_settings:
      chat: {engine: gpt-4o, api_type: openai, stream: true, temperature: 0.5, stop: [x]}
      openai: {n: 2}
  leaf:
    stack: [{profile_slug: base}]
    inference_settings:
      chat: {stream: false, temperature: 0, stop: []}
      openai: {n: null}
"""
    params = write_profiles(tmp_path, text).resolve("leaf").config.params

    assert (params["stream"], params["temperature"], params["stop"], params["n"]) == (False, 0, [], 2)


def test_a_client_timeout_survives_a_stack_under_either_of_its_names(tmp_path: Path) -> None:
    text = """
slug: team
profiles:
  base: {inference_settings: {chat: {engine: x}, client: {timeout_second: 90}}}
  leaf: {stack: [{profile_slug: base}]}
"""
    assert write_profiles(tmp_path, text).resolve("leaf").config.client == {"timeout": 90}


def test_the_cost_of_a_model_is_replaced_as_a_whole() -> None:
    base = {
        "engine": "openai:gpt-9",
        "model_info": {"context_window": 9, "cost": {"input": 1, "output": 2, "cache_read": 3}},
    }
    leaf = {"like": "base", "model_info": {"cost": {"input": 5, "output": 6}}}
    info = load_profiles({"base": base, "leaf": leaf}).resolve("leaf").config.model_info

    assert info is not None
    assert info.prices == nt.Prices(5, 6)
    assert info.context_window == 9


def test_middlewares_are_replaced_in_place_by_name_and_id_and_new_ones_come_after(tmp_path: Path) -> None:
    text = """
slug: default
profiles:
  base:
    inference_settings: {chat: {engine: x}}
    runtime:
      system_prompt: base prompt
      tools: [calculator]
      middlewares: [{name: agentmode, id: planner, config: {mode: plan}}, {name: logger, config: {level: info}}]
  leaf:
    stack: [{profile_slug: base}]
    runtime:
      tools: [search]
      middlewares: [{name: agentmode, id: planner, config: {mode: act}}, {name: logger, config: {level: debug}}, {name: telemetry, id: trace}]
"""
    config = write_profiles(tmp_path, text).resolve("leaf").config

    assert config.system == "base prompt"
    assert config.tools == ("search",)
    assert [(use.key, dict(use.config)) for use in config.middleware] == [
        ("agentmode#planner", {"mode": "act"}),
        ("logger", {"level": "debug"}),
        ("telemetry#trace", {}),
    ]


def test_the_extension_of_pinocchio_adds_its_tools_and_keeps_a_prompt_that_is_not_replaced(tmp_path: Path) -> None:
    text = """
slug: default
profiles:
  base:
    inference_settings: {chat: {engine: x}}
    extensions:
      pinocchio.webchat_runtime@v1: {system_prompt: hello, tools: [a, b], middlewares: [{name: retry, enabled: false}]}
  leaf:
    stack: [{profile_slug: base}]
    extensions:
      pinocchio.webchat_runtime@v1: {system_prompt: "", tools: [b, c]}
"""
    config = write_profiles(tmp_path, text).resolve("leaf").config

    assert (config.system, config.tools, config.middleware) == ("hello", ("a", "b", "c"), ())


@pytest.mark.parametrize(
    ("api_type", "engine"),
    [
        ("openai", "openai-chat:m"),
        ("open-responses", "openai:m"),
        ("openai-responses", "openai:m"),
        ("claude", "anthropic:m"),
        ("anthropic", "anthropic:m"),
        ("gemini", "gemini:m"),
        ("groq", "groq:m"),
        ("fireworks", "fireworks:m"),
    ],
)
def test_an_api_type_selects_a_provider(api_type: str, engine: str) -> None:
    profile = {"inference_settings": {"chat": {"engine": "m", "api_type": api_type}}}
    assert load_profiles({"p": profile}).resolve("p").config.engine == engine


def test_the_name_of_a_compatible_server_sets_its_address() -> None:
    config = (
        load_profiles({"p": {"inference_settings": {"chat": {"engine": "m", "api_type": "groq"}}}}).resolve("p").config
    )
    assert config.base_url == "https://api.groq.com/openai/v1"


def test_responses_falls_back_to_the_keys_and_addresses_of_its_aliases() -> None:
    api = {
        "api_keys": {"openai-api-key": "${env:K_API_KEY}"},
        "base_urls": {"openai-responses-base-url": "http://here/v1"},
    }
    settings = {"api": api, "chat": {"engine": "m", "api_type": "open-responses"}}
    config = load_profiles({"p": {"inference_settings": settings}}).resolve("p").config
    assert (repr(config.api_key), config.base_url) == ("${env:K_API_KEY}", "http://here/v1")


# The short form.


def test_the_short_form_equals_the_long_form() -> None:
    profiles = profiles_of(
        base={"engine": "openai:gpt-5", "params": {"temperature": 1}},
        brief={
            "like": "base",
            "engine": "anthropic:claude-sonnet-4-5",
            "system": "Be brief.",
            "tools": ["weather"],
            "params": {"max_tokens": 200},
            "loop": {"limit": 5},
        },
    )
    config = profiles.resolve("brief").config

    assert config.engine == "anthropic:claude-sonnet-4-5"
    assert config.params == {"temperature": 1, "max_tokens": 200}
    assert (config.system, config.tools, config.loop.limit) == ("Be brief.", ("weather",), 5)


def test_a_shared_loop_can_be_extended_by_a_profile(tmp_path: Path) -> None:
    text = """
slug: team
loops:
  careful: {limit: 3, step: [post_inference], pause_timeout: 1m30s, on_pause_timeout: stop}
profiles:
  a: {engine: "openai:x", loop: careful}
  b: {engine: "openai:x", loop: {like: careful, limit: 9}}
"""
    profiles = write_profiles(tmp_path, text)
    a, b = profiles.resolve("a").config.loop, profiles.resolve("b").config.loop

    assert (a.name, a.limit, a.step, a.pause_timeout, a.on_pause_timeout) == (
        "careful",
        3,
        ("post_inference",),
        90.0,
        "stop",
    )
    assert (b.name, b.limit, b.pause_timeout) == ("careful", 9, 90.0)


# Several sources.


def test_the_last_registry_wins_for_profiles_with_the_same_name(tmp_path: Path) -> None:
    (tmp_path / "team.yaml").write_text('slug: team\nprofiles: {a: {engine: "openai:old"}, b: {engine: "openai:b"}}')
    (tmp_path / "mine.yaml").write_text('slug: mine\nprofiles: {a: {like: team/a, engine: "openai:new"}}')
    profiles = load_profiles(tmp_path / "team.yaml", tmp_path / "mine.yaml")

    assert profiles.resolve("a").config.model == "new"
    assert profiles.resolve("team/a").config.model == "old"
    assert profiles.resolve("b").registry == "team"
    assert list(profiles) == ["a", "team/a", "b"]
    assert profiles.resolve().name == "mine/a"  # the default of the last registry


def test_the_same_registry_twice_is_an_error_that_names_both_sources(tmp_path: Path) -> None:
    for name in ("one.yaml", "two.yaml"):
        (tmp_path / name).write_text('slug: team\nprofiles: {a: {engine: "openai:x"}}')
    with pytest.raises(nt.ProfileError, match=r"'team' is in two sources: .*one\.yaml and .*two\.yaml"):
        load_profiles(tmp_path)
    with pytest.raises(nt.ProfileError, match="two sources"):
        load_profiles(f"{tmp_path / 'one.yaml'}, {tmp_path / 'two.yaml'}")


def test_a_geppetto_database_is_read_with_its_go_names(tmp_path: Path) -> None:
    settings = {
        "API": {"APIKeys": {"openai-api-key": "sk-secret"}, "BaseUrls": {}},
        "Chat": {"Engine": "gpt-4o", "ApiType": "openai", "MaxResponseTokens": 50, "TopP": None, "Stop": []},
        "Client": {"Timeout": 60_000_000_000, "TimeoutSeconds": 60},
        "OpenAI": {"N": None, "LogitBias": {}},
    }
    payload = {
        "slug": "base",
        "default_profile_slug": "default",
        "profiles": {"default": {"slug": "default", "inference_settings": settings}},
    }
    path = tmp_path / "profiles.db"
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(
            "CREATE TABLE profile_registries (slug TEXT PRIMARY KEY, payload_json TEXT NOT NULL, updated_at_ms INTEGER)"
        )
        connection.execute("INSERT INTO profile_registries VALUES ('base', ?, 0)", (json.dumps(payload),))
    for name in (path, f"sqlite:{path}"):
        config = load_profiles(name).resolve().config
        assert (config.engine, config.params["max_tokens"], config.client["timeout"]) == ("openai-chat:gpt-4o", 50, 60)
        assert repr(config.api_key) == "<secret>"


# What is wrong, and where.


@pytest.mark.parametrize(
    ("text", "line", "key", "message"),
    [
        (
            "slug: t\nprofiles:\n  a:\n    inference_settings:\n      chat:\n        temprature: 1\n",
            6,
            "temprature",
            "did you mean 'temperature'",
        ),
        ("slug: t\nprofiles:\n  a:\n    systm: hello\n", 4, "systm", "did you mean 'system'"),
        ("slug: t\nprofiles:\n  a:\n    loop: {limt: 3}\n", 4, "limt", "did you mean 'limit'"),
        ("slug: t\nprofiles:\n  a:\n    engine: gpt-5\n", 4, "engine", "provider:model"),
        (
            'slug: t\nprofiles:\n  a:\n    engine: "openai:x"\n    params:\n      max_tokens: lots\n',
            6,
            "max_tokens",
            "must be an integer",
        ),
        (
            'slug: t\nprofiles:\n  a:\n    engine: "openai:x"\n    params:\n      max_token: 3\n',
            6,
            "max_token",
            "did you mean 'max_tokens'",
        ),
        (
            "slug: t\nprofiles:\n  a:\n    loop: carefull\nloops: {careful: {limit: 3}}\n",
            4,
            "loop",
            "did you mean 'careful'",
        ),
        ("slug: t\nprofiles:\n  a:\n    middleware:\n      - {nam: retry}\n", 5, "middleware", "a name"),
        ("slug: t\nprofils: {}\n", None, "", "profiles:"),
        ("registries: {}\n", 1, "registries", "a file must hold one registry"),
        (
            "slug: t\ndefault_profile_slug: a\nprofiles: {}\n",
            2,
            "default_profile_slug",
            "name the default profile `default`",
        ),
        ("default:\n  runtime: {system_prompt: hello}\n", None, "", "are an old format"),
        (
            "slug: t\nprofiles:\n  a: {inference_settings: {api_keys: {x: y}}}\n",
            3,
            "api_keys",
            "inference_settings.api",
        ),
        ("slug: Bad Name!\nprofiles: {}\n", 1, "slug", "letters"),
        ("slug: t\nprofiles:\n  a: {extensions: {nonsense: 1}}\n", 3, "nonsense", "my.feature@v1"),
        ("slug: t\nprofiles: [\n", 3, "", "YAML"),
    ],
)
def test_an_invalid_file_is_rejected_with_file_line_and_a_suggestion(
    tmp_path: Path, text: str, line: int | None, key: str, message: str
) -> None:
    error = load_error(tmp_path, text)

    assert error.file == str(tmp_path / "team.yaml")
    assert f"line {line}" in error.position if line else not error.position
    assert key in error.key
    assert message in str(error)


def test_a_missing_file_is_an_error_that_names_it(tmp_path: Path) -> None:
    with pytest.raises(nt.ProfileError, match=r"nowhere\.yaml: cannot be read"):
        load_profiles(tmp_path / "nowhere.yaml")


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(
                    [
                        "slug",
                        "profiles",
                        "engine",
                        "params",
                        "loop",
                        "stack",
                        "like",
                        "tools",
                        "middleware",
                        "name",
                        "inference_settings",
                        "chat",
                        "api",
                        "api_keys",
                        "extensions",
                        "a.b@v1",
                        "x",
                    ]
                ),
                inner,
                max_size=5,
            )
        ),
        max_leaves=20,
    )
)
def test_any_mapping_gives_profiles_or_a_profile_error(data: Any) -> None:
    if not isinstance(data, Mapping):
        return
    try:
        profiles = load_profiles(data)
        for name in profiles:
            str(profiles.resolve(name))
    except nt.ProfileError:
        pass


@given(st.binary(max_size=200) | st.text(alphabet="slug:profiles{}[]- \n&*!|>'\"#a", max_size=80).map(str.encode))
def test_any_file_gives_profiles_or_a_profile_error(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "any.yaml"
    path.write_bytes(data)
    try:
        load_profiles(path)
    except nt.ProfileError:
        pass


def test_a_base_in_another_registry_is_suggested() -> None:
    team = {"slug": "team", "profiles": {"base": {"engine": "anthropic:claude-sonnet-5-5"}}}
    mine = {"slug": "mine", "profiles": {"brief": {"like": "base", "system": "Be brief."}}}

    with pytest.raises(nt.ProfileError, match="no profile 'base' in registry 'mine'; did you mean team/base"):
        nt.load_profiles(team, mine, env_file=None).resolve("brief")
