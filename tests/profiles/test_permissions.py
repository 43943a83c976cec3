"""A profile from elsewhere reads no variable and sends no key without permission, and shows no secret."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

import nbturns as nt
from nbturns.testing.server import Server, serve

OTHER, OWN = "Hq27sLw90zPd51cK", "sk-Hq27sLw90zPd51cK-own"


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLOUD_SECRET_ACCESS_KEY", OTHER)
    monkeypatch.setenv("HOME_TOWN", OTHER)
    monkeypatch.setenv("OPENAI_API_KEY", OWN)
    monkeypatch.setenv("ANTHROPIC_API_KEY", OWN)
    monkeypatch.setenv("GOOGLE_API_KEY", OWN)
    monkeypatch.delenv("NBTURNS_PROFILE", raising=False)


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with serve() as server:
        yield server


STOLEN = {"": "${env:CLOUD_SECRET_ACCESS_KEY}", "plain name": "${env:HOME_TOWN}"}
FIELDS: dict[str, Any] = {
    "api_key": lambda reference: {"api_key": reference},
    "params.user": lambda reference: {"params": {"user": reference}},
    "params.metadata": lambda reference: {"params": {"metadata": {"a": [reference]}}},
    "params.extra_body": lambda reference: {"params": {"extra_body": {"x": reference}}},
    "params.headers": lambda reference: {"params": {"headers": {"x-a": reference}}},
    "params.stop": lambda reference: {"params": {"stop": [reference]}},
    "system": lambda reference: {"system": f"You are {reference}"},
    "base_url path": lambda reference: {"base_url": "{server}/" + reference},
    "base_url query": lambda reference: {"base_url": "{server}?a=" + reference},
    "engine": lambda reference: {"engine": f"openai-chat:{reference}"},
    "middleware": lambda reference: {"middleware": [{"name": "log_calls", "config": {"logger": reference}}]},
    "tool_choice": lambda reference: {"tool_choice": reference},
}


@pytest.mark.parametrize("reference", STOLEN.values(), ids=STOLEN)
@pytest.mark.parametrize("field", FIELDS)
def test_a_profile_reads_no_variable_that_was_not_allowed(field: str, reference: str, server: Server) -> None:
    data = {"engine": "openai-chat:m", "api_key": "k", "base_url": server.url + "/v1", **FIELDS[field](reference)}
    data["base_url"] = data["base_url"].replace("{server}", server.url)
    server.log.clear()

    with pytest.raises(nt.ProfileError) as caught:
        nt.load_profiles({"a": data}, env_file=None)["a"].session().ask("q").result(20)

    assert "allow_env" in str(caught.value) or "secret" in str(caught.value) or "tool_choice" in str(caught.value)
    assert OTHER not in str(caught.value)
    assert server.log == []


@pytest.mark.parametrize(
    "engine", ["openai-chat:m", "openai:gpt-5", "anthropic:claude-sonnet-5", "gemini:gemini-2.5-flash"]
)
@pytest.mark.parametrize("key", ["${env:OPENAI_API_KEY}", "${env:ANTHROPIC_API_KEY}", None, "header"])
def test_the_users_key_does_not_go_to_the_server_of_a_profile(engine: str, key: str | None, server: Server) -> None:
    data: dict[str, Any] = {"engine": engine, "base_url": server.url}
    if key == "header":
        data["params"] = {"headers": {"x-api-key": "${env:OPENAI_API_KEY}"}}
    elif key:
        data["api_key"] = key
    server.log.clear()

    with pytest.raises(nt.NbturnsError) as caught:
        nt.load_profiles({"a": data}, env_file=None)["a"].session().ask("never recorded").result(20)

    assert OWN not in json.dumps(server.log) + str(caught.value)
    assert key is None or ("allow_hosts" in str(caught.value) and server.log == [])


def test_a_key_of_one_provider_does_not_go_to_another(server: Server) -> None:
    for engine in ("anthropic:claude-sonnet-5", "gemini:g"):
        profiles = nt.load_profiles({"a": {"engine": engine, "api_key": "${env:OPENAI_API_KEY}"}}, env_file=None)
        with pytest.raises(nt.ProfileError, match="allow_hosts"):
            profiles["a"].session()


@pytest.mark.parametrize("allowed", ["127.0.0.1", "127.0.0.*", "{port}", "{url}"])
def test_an_allowed_host_receives_the_key(allowed: str, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GATEWAY_KEY", OWN)
    hosts = [allowed.format(port=server.url.removeprefix("http://"), url=server.url + "/v1")]
    data = {"engine": "openai-chat:gpt-4o", "base_url": server.url + "/v1", "api_key": "${env:GATEWAY_KEY}"}

    profiles = nt.load_profiles({"a": data}, env_file=None, allow_env=["GATEWAY_KEY"], allow_hosts=hosts)
    session: Any = profiles["a"].session()

    assert session.engine.transport.settings["api_key"] == OWN
    with pytest.raises(nt.ProfileError, match="allow_hosts"):
        nt.load_profiles({"a": data}, env_file=None, allow_env=["GATEWAY_KEY"], allow_hosts=["127.0.0.1:1"])[
            "a"
        ].session()


def test_the_standard_name_works_without_permission() -> None:
    data = {"engine": "anthropic:claude-sonnet-5", "api_key": "${env:ANTHROPIC_API_KEY}"}
    session: Any = nt.load_profiles({"a": data}, env_file=None)["a"].session()

    assert session.engine.transport.settings["api_key"] == OWN


@pytest.mark.parametrize("field", ["allow_env", "allow_hosts"])
def test_a_permission_is_a_list(field: str) -> None:
    arguments: dict[str, Any] = {field: "OPENAI_API_KEY"}
    with pytest.raises(nt.ProfileError, match=f"{field} must be a list"):
        nt.load_profiles({"a": {"engine": "openai:x"}}, **arguments)


SHOWN: dict[str, dict[str, Any]] = {
    "api_key": {"api_key": OWN},
    "a parameter": {"params": {"user": "${env:HOME_TOWN}"}},
    "a key in a parameter": {"params": {"user": OWN}},
    "a header": {"params": {"headers": {"x-tenant": OTHER}}},
    "extra_body": {"params": {"extra_body": {"auth": OTHER}}},
    "an address in extra_body": {"params": {"extra_body": {"endpoint": f"https://h.test/?sig={OTHER}"}}},
    "userinfo": {"base_url": f"https://user:{OTHER}@h.test/v1"},
    "a query": {"base_url": f"https://h.test/v1?key={OTHER}"},
    "a path": {"base_url": f"https://h.test/{OTHER}/v1"},
    "a path from the environment": {"base_url": "https://h.test/${env:CLOUD_SECRET_ACCESS_KEY}/v1"},
    "middleware": {
        "middleware": [{"name": "custom", "config": {"url": f"https://u:{OTHER}@h.test/?sig={OTHER}", "token": OTHER}}]
    },
    "an extension": {"extensions": {"my.thing@v1": {"token": OTHER}}},
}


@pytest.mark.parametrize("place", SHOWN)
def test_plans_pickers_and_sessions_show_no_secret(place: str) -> None:
    def custom(url: str = "", token: str = "") -> Any:
        return lambda turn, scope, engine: engine(turn, scope)

    data = {"engine": "openai-chat:m", "allow_overrides": True, "api_key": "k", **SHOWN[place]}
    profiles = nt.load_profiles(
        {"a": data}, env_file=None, middleware={"custom": custom}, allow_env=["*"], allow_hosts=["h.test"]
    )
    plan = profiles.resolve("a")
    session: Any = profiles["a"].session()
    picker: Any = nt.widgets.ProfilePicker(profiles)
    state = [widget.get_state() for widget in (picker, *picker._fields.children, picker._plan_table)]
    shown = [
        str(plan),
        repr(plan),
        plan._repr_html_(),
        str(plan.config),
        plan.signature,
        repr(plan.runtime),
        repr(plan.fields),
    ]
    shown += [repr(profiles), profiles._repr_html_(), str(session), repr(session), session._repr_html_(), repr(state)]
    shown += [repr(session.engine), repr(session.engine.describe()), repr(vars(session.engine))]

    if place == "a parameter":  # a plain variable that the user allowed is a value of the profile
        shown = shown[-1:]
    assert [index for index, text in enumerate(shown) if OWN in text or OTHER in text] == []


def test_an_error_of_a_profile_shows_no_key() -> None:
    for wrong in (
        {"api_key": [OWN]},
        {"params": {"temperature": OWN}},
        {"engine": f"openai:{OWN}"},
        {"limit": OWN},
        {OWN: 1},
    ):
        with pytest.raises(nt.NbturnsError) as caught:
            nt.load_profiles({"a": {"engine": "openai-chat:m", **wrong}}, env_file=None)["a"].session()
        assert OWN not in str(caught.value) + repr(vars(caught.value)), wrong
