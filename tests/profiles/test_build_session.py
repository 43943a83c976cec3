"""Sessions built from plans, and conversations that keep their sessions."""

from __future__ import annotations

import contextlib
import json
import logging
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier, BrokenBarrierError
from typing import Any

import pytest

import nbturns as nt
from nbturns.events import Event, Paused, Snapshot
from nbturns.profiles import ConversationLookup, Plan, Profiles, load_profiles
from nbturns.runtime.engine_protocol import Engine, Scope


def weather(city: str) -> str:
    "Current weather in a city."
    return f"sunny in {city}"


def search(query: str) -> str:
    "Search."
    return query


CALL = [nt.tool_call("c1", "weather", {"city": "Paris"})]


def team(profiles: dict[str, Any] | None = None, /, **base: Any) -> Profiles:
    data = {"engine": "anthropic:claude-sonnet-4-5", **base}
    return load_profiles({"slug": "team", "profiles": {"base": data, **(profiles or {})}}, env_file=None)


# What a session does.


def test_tools_are_filtered_and_advertised_in_the_order_the_profile_names_them() -> None:
    session = team(tools=["search"])["base"].session(tools=[weather, search], engine=nt.scripted(CALL, "sorry"))
    turn = session.ask("weather?").result(timeout=60)

    assert [tool.name for tool in session.tools] == ["search"]
    assert "weather" in turn.of_kind("tool_use")[0].error  # a call of a tool that is not there is not run
    assert [tool.name for tool in team()["base"].session(tools=[weather, search], engine=nt.scripted("x")).tools] == [
        "weather",
        "search",
    ]


def test_a_missing_tool_is_an_error_when_the_session_is_built() -> None:
    profiles = team(tools=["wether"])
    profiles.resolve("base")  # resolving knows no tools
    with pytest.raises(nt.ProfileError, match="did you mean 'weather'") as caught:
        profiles["base"].session(tools=[weather], engine=nt.scripted("x"))
    assert caught.value.key == "wether"


def test_the_prompt_limit_and_middlewares_of_the_profile_apply(caplog: pytest.LogCaptureFixture) -> None:
    profiles = team(system="Be brief.", loop={"limit": 1}, middleware=["log_calls"], tools=["weather"])
    session = profiles["base"].session(tools=[weather], engine=nt.scripted(CALL, "never asked"))
    with caplog.at_level(logging.INFO, "nbturns"), pytest.raises(nt.LimitReached) as caught:
        session.ask("weather?").result(timeout=60)

    assert caught.value.turn[0].text == "Be brief."
    assert "asking: 1 system, 1 user" in caplog.text


@pytest.mark.parametrize("name", [*nt.middleware.__all__, "systemPrompt", "turnLogging", "reorderToolResults"])
def test_a_profile_names_every_ready_middleware_by_its_function_and_by_geppettos_name(name: str) -> None:
    config = {"prompt": "Be brief."} if name in ("system_prompt", "systemPrompt") else {}
    profiles = team(middleware=[{"name": name, "config": config}])

    session = profiles["base"].session(engine=nt.scripted("hi"))

    assert session.ask("hello").result(timeout=60).text == "hi"


def test_step_mode_and_pause_timeout_of_a_shared_loop_apply() -> None:
    data = {
        "slug": "team",
        "loops": {"careful": {"step": ["post_inference"], "pause_timeout": "50ms", "on_pause_timeout": "stop"}},
        "profiles": {"base": {"engine": "anthropic:x", "loop": "careful"}},
    }
    events: list[Event] = []
    profile = load_profiles(data, env_file=None)["base"]
    session = profile.session(tools=[weather], engine=nt.scripted(CALL, "x"), sinks=[events.append])
    execution = session.ask("weather?")

    assert execution.result(timeout=60, wait=True).metadata[nt.keys.STATUS] == "stopped"
    assert [event.pause.phase for event in events if isinstance(event, Paused)] == ["post_inference"]


@pytest.mark.parametrize(
    ("approval", "waits"),
    [("never", False), ("always", True), ("effectful", True), (["weather"], True), (["search"], False)],
)
def test_the_approval_policy_selects_the_calls_that_wait_for_approval(approval: Any, waits: bool) -> None:
    session = team(approval=approval)["base"].session(tools=[weather, search], engine=nt.scripted(CALL, "done"))
    execution = session.ask("weather?")
    pause = execution.next().result(timeout=60)

    assert (pause is not None) == waits
    if pause is not None:
        assert pause.reason == "breakpoint: approval"
        execution.resume()
    assert execution.result(timeout=60).text == "done"


def test_a_pure_tool_needs_no_approval_under_the_effectful_policy() -> None:
    tools = [nt.Tool(weather, effect="pure")]
    session = team(approval="effectful")["base"].session(tools=tools, engine=nt.scripted(CALL, "done"))
    assert session.ask("weather?").result(timeout=60).text == "done"


def test_custom_middlewares_and_sinks_are_built_by_name_with_their_config() -> None:
    events: list[tuple[str, Event]] = []

    def shouting(times: int = 1) -> Any:
        async def layer(turn: nt.Turn, scope: Scope, engine: Engine) -> nt.Turn:
            return await engine(turn + nt.user("!" * times), scope)

        return layer

    data = {
        "engine": "anthropic:x",
        "middleware": [{"name": "loudly", "config": {"times": 3}}],
        "sinks": [{"name": "list", "config": {"label": "a"}, "extract": ["notes:todo:v1"]}],
    }
    profiles = load_profiles(
        {"p": data},
        env_file=None,
        middleware={"loudly": shouting},
        sinks={"list": lambda label: lambda event: events.append((label, event))},
    )
    turn = profiles["p"].session(engine=nt.scripted("a<notes:todo:v1>buy milk</notes:todo:v1>b")).ask("hi").result(60)

    assert turn[1].text == "!!!"
    extracted: list[Any] = [event for _, event in events if type(event).__name__ == "Extracted"]
    assert [event.text for event in extracted if event.stage == "completed"] == ["buy milk"]
    assert {label for label, _ in events} == {"a"}


@pytest.mark.parametrize(
    ("use", "message", "key"),
    [
        ("retyr", "did you mean 'retry'", "middleware.retyr"),
        ({"name": "retry", "config": {"tims": 2}}, "did you mean 'times'", "middleware.retry.config.tims"),
    ],
)
def test_an_unknown_middleware_or_an_unsuitable_config_is_an_error(use: Any, message: str, key: str) -> None:
    with pytest.raises(nt.ProfileError, match=message) as caught:
        team(middleware=[use])["base"].session(engine=nt.scripted("x"))
    assert caught.value.key == key


def test_the_engine_is_built_with_the_settings_of_the_profile(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-of-the-team")
    profiles = team(api_key="${env:ANTHROPIC_API_KEY}", params={"max_tokens": 200, "temperature": 0, "top_k": 3})
    engine: Any = profiles["base"].session().engine

    body = engine.request(nt.turn("hi"), Scope())
    assert (body["model"], body["max_tokens"], body["temperature"], body["top_k"]) == ("claude-sonnet-4-5", 200, 0, 3)
    assert "sk-of-the-team" not in repr(engine) + json.dumps(engine.describe(), default=str)


def test_structured_output_of_a_profile_is_in_the_request() -> None:
    schema = {
        "type": "object",
        "properties": {"a": {"type": "integer"}},
        "required": ["a"],
        "additionalProperties": False,
    }
    chat = {
        "engine": "gpt-4o",
        "api_type": "openai",
        "structured_output_mode": "json_schema",
        "structured_output_name": "answer",
        "structured_output_schema": schema,
    }
    profiles = load_profiles({"p": {"inference_settings": {"chat": chat}, "api_key": "sk-x"}}, env_file=None)
    session = profiles["p"].session()
    requests: list[Any] = []

    async def record_request(turn: nt.Turn, scope: Scope) -> nt.Turn:
        requests.append(session_engine.request(turn, scope))
        return turn + nt.assistant('{"a": 1}')

    session_engine: Any = session.engine
    profiles["p"].session(engine=record_request).ask("hi").result(timeout=60)
    assert requests[0]["response_format"]["json_schema"]["schema"] == schema


def test_the_cost_uses_the_price_of_the_profile() -> None:
    info = {"cost": {"input": 1000, "output": 2000}}
    session = team(model_info=info, api_key="sk-x")["base"].session()
    engine: Any = session.engine
    assert engine.model_info.cost(nt.Usage(input_tokens=1000, output_tokens=1000)) == pytest.approx(3.0)


def test_every_turn_records_its_profile_signature_and_loop() -> None:
    profiles = team(loop={"limit": 3})
    session = profiles["base"].session(engine=nt.scripted("one", "two"))
    session.ask("a").result(timeout=60)
    session.ask("b").result(timeout=60)

    for turn in session.turns:
        runtime = turn.metadata[nt.keys.RUNTIME]
        assert runtime["runtime_key"] == "team/base"
        assert runtime["runtime_fingerprint"] == profiles.resolve("base").signature
        assert runtime["loop"]["limit"] == 3
        assert "scripted" in runtime["engine"]  # records that the profile's engine was replaced


# Secrets.


MARK = "sk-MARKER-9f8e7d"


def profiles_with_secret(marked: Any) -> Profiles:
    return load_profiles({"slug": "team", "profiles": {"p": marked}}, env_file=None)


@pytest.mark.parametrize(
    "fields",
    [
        {"api_key": MARK},
        {"inference_settings": {"api": {"api_keys": {"claude-api-key": MARK, "openai-api-key": MARK}}}},
        {"base_url": f"https://user:{MARK}@127.0.0.1:1/v1?key={MARK}"},
        {"inference_settings": {"api": {"base_urls": {"claude-base-url": f"https://{MARK}@127.0.0.1:1/"}}}},
        {"params": {"headers": {"Authorization": f"Bearer {MARK}", "X-Other": MARK}}},
        {"params": {"api_key": MARK}},
        {"middleware": [{"name": "keyed", "config": {"api_key": MARK, "nested": {"password": MARK}}}]},
        {"sinks": [{"name": "keyed_sink", "config": {"api_key": MARK}}]},
        {"inference_settings": {"client": {"proxy_url": f"http://u:{MARK}@127.0.0.1:2"}}},
        {"extensions": {"my.thing@v1": {"token": MARK, "list": [{"secret": MARK}]}}},
        {"params": {"extra_body": {"auth_token": MARK}}},
    ],
    ids=lambda fields: next(iter(fields)),
)
def test_a_secret_is_never_displayed_or_saved(
    fields: dict[str, Any], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    data = {"engine": "anthropic:claude-sonnet-4-5", **fields}
    profiles = load_profiles(
        {"slug": "team", "profiles": {"p": data, "default": {"engine": "anthropic:x"}}},
        env_file=None,
        middleware={"keyed": lambda api_key, nested: lambda turn, scope, engine: engine(turn, scope)},
        sinks={"keyed_sink": lambda api_key: lambda event: None},
    )
    plan = profiles.resolve("p")
    texts = [repr(plan), str(plan), plan._repr_html_(), plan.signature, json.dumps(plan.runtime), repr(profiles)]
    texts += [
        profiles._repr_html_(),
        repr(plan.config),
        str(plan.config),
        json.dumps(plan.config.to_dict(), default=str),
    ]
    texts += [repr(plan.config.params), repr(plan.fields), repr(plan.difference(profiles.resolve("default")))]
    texts += [repr(profiles["p"]), str(profiles["p"]), profiles["p"]._repr_html_(), repr(plan.extensions)]
    session = profiles["p"].session(engine=nt.scripted("hello"))
    turn = session.ask("hi").result(timeout=60)
    texts += [turn.to_yaml(), session.run.to_yaml(), turn._repr_html_(), repr(session), str(session), repr(turn)]
    nt.save(session.run, tmp_path / "run.html")
    texts.append((tmp_path / "run.html").read_text())
    for broken in ({"temperature": "x"}, {"nothing": 1}):
        with pytest.raises(nt.ProfileError) as caught:
            profiles.resolve("p", overrides=broken)
        texts += [str(caught.value), repr(caught.value)]
    texts.append(caplog.text)

    assert not [text for text in texts if MARK in text]


def test_a_secret_cannot_be_pickled_or_compared_with_text() -> None:
    import pickle

    secret = profiles_with_secret({"engine": "anthropic:x", "api_key": MARK}).resolve("p").config.api_key
    assert repr(secret) == str(secret) == f"{secret}" == "<secret>"
    with pytest.raises(TypeError, match="cannot be pickled"):
        pickle.dumps(secret)
    assert secret != MARK


def test_the_signature_does_not_depend_on_the_key(monkeypatch: pytest.MonkeyPatch) -> None:
    signature = profiles_with_secret({"engine": "anthropic:x", "api_key": "sk-one"}).resolve("p").signature
    assert signature == profiles_with_secret({"engine": "anthropic:x", "api_key": "sk-two"}).resolve("p").signature


def test_a_secret_is_looked_up_in_a_function_then_the_environment_then_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".env").write_text('TEAM_API_KEY="from the file"\n')
    data = {"p": {"engine": "anthropic:x", "api_key": "${env:TEAM_API_KEY}"}}

    def key(**where: Any) -> Any:
        profiles = load_profiles(data, allow_env=["TEAM_API_KEY"], **where)
        return profiles.secrets.reveal(profiles.resolve("p").config.api_key, "api_key")

    monkeypatch.delenv("TEAM_API_KEY", raising=False)
    assert key(env_file=tmp_path / ".env") == "from the file"
    monkeypatch.setenv("TEAM_API_KEY", "from the environment")
    assert key(env_file=tmp_path / ".env") == "from the environment"
    assert key(secrets={"TEAM_API_KEY": "from a function"}.get) == "from a function"


def test_a_secret_in_the_keyring_is_found_there() -> None:
    keyring = pytest.importorskip("keyring")
    from keyring.backend import KeyringBackend

    class Memory(KeyringBackend):  # a machine without a desktop has no keyring of its own
        priority = 1.0

        def get_password(self, service: str, username: str) -> str | None:
            return "from the keyring" if (service, username) == ("anthropic", "team") else None

        def set_password(self, service: str, username: str, password: str) -> None: ...

        def delete_password(self, service: str, username: str) -> None: ...

    original_keyring = keyring.get_keyring()
    keyring.set_keyring(Memory())  # type: ignore[no-untyped-call]
    try:
        profiles = load_profiles(
            {"p": {"engine": "anthropic:x", "api_key": "${keyring:anthropic/team}"}}, env_file=None
        )
        assert profiles.secrets.reveal(profiles.resolve("p").config.api_key, "api_key") == "from the keyring"
        profiles_without_secret = load_profiles(
            {"p": {"engine": "anthropic:x", "api_key": "${keyring:anthropic/other}"}}, env_file=None
        )
        with pytest.raises(nt.ProfileError, match="not in the keyring"):
            profiles_without_secret["p"].session()
    finally:
        keyring.set_keyring(original_keyring)


# Many conversations.


def new_conversations(profiles: Profiles, **arguments: Any) -> nt.Conversations:
    return nt.Conversations(
        profiles, tools=[weather, search], engine=lambda plan: nt.scripted(*["hello"] * 9), **arguments
    )


def test_a_conversation_keeps_its_session_while_its_signature_is_unchanged() -> None:
    conversations = new_conversations(
        team({"other": {"like": "base", "system": "Be brief."}}, allow_overrides=["limit"])
    )
    first = conversations.get_or_create("one", profile="base")
    first.ask("hi").result(timeout=60)

    assert conversations.get_or_create("one") is first
    assert conversations.get_or_create("one", profile="base") is first
    assert conversations.get_or_create("two", profile="base") is not first
    assert conversations.list() == ("one", "two")
    assert (first.id, first.profile, first.rebuilt) == ("one", "team/base", ())


def test_another_signature_rebuilds_the_session_with_the_same_history() -> None:
    conversations = new_conversations(team({"other": {"like": "base", "system": "Be brief."}}))
    first = conversations.get_or_create("one", profile="base")
    first.ask("hi").result(timeout=60)
    second = conversations.get_or_create("one", profile="other")

    assert second is not first
    assert second.turns == first.turns
    assert second.rebuilt == (("system", None, "Be brief."),)
    turn = second.ask("again").result(timeout=60)
    assert turn[0].text == "Be brief."
    assert conversations.get_or_create("one") is second  # the conversation keeps its profile


def test_concurrent_threads_that_rebuild_a_conversation_get_the_same_one() -> None:
    barrier = Barrier(4, timeout=60)

    def engine(plan: Plan) -> Engine:
        if plan.name == "team/other" and not barrier.broken:
            with contextlib.suppress(BrokenBarrierError):
                barrier.wait()
            barrier.abort()  # all four threads are building now; only this race matters
        return nt.scripted(*["hello"] * 9)

    profiles = team({"other": {"like": "base", "system": "Be brief."}})
    conversations = nt.Conversations(profiles, engine=engine)
    conversations.get_or_create("one", profile="base").ask("hi").result(timeout=60)
    with ThreadPoolExecutor(4) as threads:
        conversations_by_thread = list(
            threads.map(lambda _: conversations.get_or_create("one", profile="other"), range(4))
        )

    assert len({id(conversation) for conversation in conversations_by_thread}) == 1
    assert conversations.get("one") is conversations_by_thread[0]
    assert list(conversations) == [conversations_by_thread[0]]
    assert len(conversations_by_thread[0].turns) == 1


def test_loop_settings_apply_without_a_rebuild_and_are_recorded() -> None:
    conversations = new_conversations(team(allow_overrides=True))
    first = conversations.get_or_create("one")
    same = conversations.get_or_create("one", overrides={"limit": 3, "step": True})

    assert same is first
    assert (first.tool_config.max_iterations, first.step) == (3, True)
    turn = first.ask("hi").result(timeout=60, wait=True)
    assert turn.metadata[nt.keys.RUNTIME]["loop"]["limit"] == 3


def test_a_running_conversation_is_not_rebuilt() -> None:
    conversations = new_conversations(team({"other": {"like": "base", "system": "x"}}))
    execution = conversations.get_or_create("one", profile="base").ask("hi", step={"pre_inference"})
    execution.next().result(timeout=60)
    with pytest.raises(nt.BusyError, match="paused"):
        conversations.get_or_create("one", profile="other")
    execution.stop()


def test_conversations_are_found_by_id_and_by_execution_and_can_be_closed() -> None:
    conversations = new_conversations(team())
    lookup: ConversationLookup = conversations
    conversation = conversations.get_or_create("one")
    execution = conversation.ask("hi")
    execution.result(timeout=60)

    assert lookup.get("one") is conversation
    assert lookup.find_by_execution(execution.id) is conversation
    assert lookup.find_by_execution("nobody") is None
    conversations.close("one")
    assert (len(conversations), lookup.get("one")) == (0, None)
    with pytest.raises(nt.ProfileError, match="'one'"):
        conversations.close("one")


class Folder:
    """A store in a folder: a YAML file a conversation, written at the end of each execution."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.turns: dict[str, list[nt.Turn]] = {}

    def __call__(self, event: Event) -> None:
        if isinstance(event, Snapshot) and event.phase is nt.Phase.FINAL:
            id = event.turn.metadata[nt.keys.SESSION_ID]
            before = self.load(id).turns if (self.path / f"{id}.yaml").exists() else ()
            nt.save(nt.Run((*before, event.turn), id=id), self.path / f"{id}.yaml")

    def load(self, run_id: str) -> nt.Run:
        if not (self.path / f"{run_id}.yaml").exists():
            raise KeyError(run_id)
        return nt.load(self.path / f"{run_id}.yaml")


def test_a_stored_conversation_continues_with_its_profile(tmp_path: Path) -> None:
    profiles = team({"other": {"like": "base", "system": "Be brief."}})
    new_conversations(profiles, store=Folder(tmp_path)).get_or_create("one", profile="other").ask("hi").result(
        timeout=60
    )
    resumed = new_conversations(profiles, store=Folder(tmp_path)).get_or_create("one")

    assert resumed.profile == "team/other"
    assert resumed.plan.chosen_by == "conversation"
    assert [block.text for block in resumed.latest] == ["Be brief.", "hi", "hello"]
    resumed.ask("again").result(timeout=60)
    assert len(Folder(tmp_path).load("one")) == 2


def test_resolving_twice_gives_equal_plans() -> None:
    profiles = team(system="x")
    first, second = profiles.resolve("base"), profiles.resolve("base")
    assert isinstance(first, Plan)
    assert first.config == second.config
    assert first.fields == second.fields
