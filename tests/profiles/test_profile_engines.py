"""Engines of profiles over a real socket: address, key, parameters and prices arrive, and no secret is kept."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import nbturns as nt
from nbturns.profiles import load_profiles
from nbturns.testing.server import serve

PROVIDERS = ["anthropic:claude-sonnet-5", "openai:gpt-5", "openai-chat:gpt-4o", "gemini:gemini-2.5-flash"]


@pytest.mark.parametrize("engine", PROVIDERS)
def test_the_server_receives_the_settings_and_the_prices_make_the_cost(engine: str) -> None:
    with serve() as server:
        data = {
            "engine": engine,
            "base_url": server.url + ("/v1" if engine.startswith("openai") else ""),
            "api_key": "${env:TEAM_API_KEY}",
            "system": "Be brief.",
            "params": {"max_tokens": 99},
            "model_info": {"cost": {"input": 1_000_000, "output": 0}},
        }
        secrets = {"TEAM_API_KEY": "sk-of-the-team"}.get
        profiles = load_profiles({"p": data}, env_file=None, secrets=secrets, allow_hosts=["127.0.0.1"])
        turn = profiles["p"].session().ask("Hamlet?").result(timeout=60)
        request = json.dumps(server.log[-1])

    assert "Be brief." in request
    assert "99" in request
    assert turn.cost == pytest.approx(turn.usage.input_tokens)
    assert "sk-of-the-team" not in turn.to_yaml()


def test_registries_of_installed_packages_have_the_lowest_precedence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "team_profiles.py").write_text(
        'def profiles():\n    return {"slug": "package", "profiles": {"base": {"engine": "openai:of-the-package"}}}\n'
    )
    metadata_folder = tmp_path / "team_profiles-1.dist-info"
    metadata_folder.mkdir()
    (metadata_folder / "METADATA").write_text("Metadata-Version: 2.1\nName: team_profiles\nVersion: 1\n")
    (metadata_folder / "entry_points.txt").write_text("[nbturns.profiles]\nteam = team_profiles:profiles\n")
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])

    assert load_profiles().resolve().config.model == "of-the-package"
    profiles = load_profiles({"mine": {"like": "package/base", "engine": "openai:mine"}})
    assert profiles.resolve().name == "notebook/mine"
    assert "base" in profiles


@settings(max_examples=45)
@given(
    secret=st.text(st.characters(codec="ascii", categories=["L", "N"]), min_size=12, max_size=40).map("MARK".__add__),
    place=st.sampled_from(["api_key", "keys", "headers", "middleware", "sinks", "extension", "url", "proxy", "query"]),
)
def test_no_secret_is_displayed_wherever_the_profile_has_it(secret: str, place: str) -> None:
    places: dict[str, dict[str, Any]] = {
        "api_key": {"api_key": secret},
        "keys": {"inference_settings": {"api": {"api_keys": {"claude-api-key": secret, "other-api-key": secret}}}},
        "headers": {"params": {"headers": {"Cookie": secret}}},
        "middleware": {"middleware": [{"name": "keyed", "config": {"deep": {"password": secret}}}]},
        "sinks": {"sinks": [{"name": "keyed", "config": {"access_token": secret}}]},
        "extension": {"extensions": {"my.thing@v1": {"credentials": secret, "deep": [{"api_key": secret}]}}},
        "url": {"base_url": f"https://u:{secret}@127.0.0.1:1/v1"},
        "query": {"base_url": f"https://127.0.0.1:1/v1?key={secret}"},
        "proxy": {"inference_settings": {"client": {"proxy_url": f"http://u:{secret}@127.0.0.1:2"}}},
    }
    fields = places[place]
    profiles = load_profiles({"p": {"engine": "anthropic:x", "allow_overrides": True, **fields}}, env_file=None)
    plan = profiles.resolve("p")
    picker: Any = nt.view(profiles)
    states = [
        picker.get_state(),
        *(child.get_state() for child in (picker._profile_list, picker._plan_table, *picker._fields.children)),
    ]
    texts = [repr(plan), str(plan), plan._repr_html_(), plan.signature, repr(plan.config), str(plan.config)]
    texts += [repr(plan.config.params), repr(plan.fields), repr(plan.runtime), repr(plan.extensions), repr(states)]
    texts += [repr(profiles), profiles._repr_html_(), repr(picker), json.dumps(plan.config.to_dict(), default=str)]
    texts += [nt.Run([nt.turn("x").with_metadata(nt.keys.RUNTIME, plan.runtime)]).to_yaml()]
    with pytest.raises(nt.ProfileError) as caught:
        profiles.resolve("p", overrides={"nothing": secret[:0]})
    texts.append(str(caught.value))

    assert not [text for text in texts if secret in text]
    profiles_with_other_secret = {
        "p": {
            "engine": "anthropic:x",
            "allow_overrides": True,
            **json.loads(json.dumps(fields).replace(secret, "other")),
        }
    }
    assert load_profiles(profiles_with_other_secret, env_file=None).resolve("p").signature == plan.signature
