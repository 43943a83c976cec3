"""Mistakes in profiles raise a ProfileError that says where and what to do, and quotes no key."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

import nbturns as nt
from nbturns.profiles import Profiles, load_profiles

MARK = "sk-MARKER-1a2b3c"
BASE: dict[str, Any] = {"engine": "anthropic:x", "allow_overrides": True, "tools": ["weather"]}


def weather(city: str) -> str:
    "The weather in a city."
    return f"sunny in {city}"


def profile(fields: dict[str, Any], **settings: Any) -> Profiles:
    return load_profiles({"p": {**BASE, **fields}}, env_file=None, **settings)


def session(
    fields: dict[str, Any], tools: Any = (weather,), session_arguments: Any = None, **settings: Any
) -> nt.Session:
    return profile(fields, **settings)["p"].session(tools=tools, engine=nt.scripted("hi"), **(session_arguments or {}))


def key_as_number(api_key: str) -> int:
    return int(api_key)


def fails() -> None:
    raise KeyError("x")


FILES: list[tuple[bytes, str]] = [
    (b"", "not an empty document"),
    (b"# nothing yet\n", "not an empty document"),
    (b"ANTHROPIC_API_KEY=" + MARK.encode(), "a registry must be a mapping .*, not a string"),
    (b"profiles: {p: {engine: 'anthropic:x'}}", "add one at the top, like slug: team"),
    (b"slug: t\n# caf\xe9\n", "line 2: the file is not UTF-8"),
    (b"slug: t\nprofiles: {}\n---\nslug: u\nprofiles: {}\n", "a file must hold one registry"),
    (
        b"slug: t\nprofiles:\n  p:\n    loop: {limit: 0}\n",
        "line 4: profiles.p.loop.limit must be an integer, 1 or greater",
    ),
    (b"slug: t\nprofiles:\n  p:\n    loop: {execution_timeout: soon}\n", "line 4: .* must be a time of 0 or more"),
    (b"slug: t\nprofiles:\n  p:\n    loop: {pause_timeout: -3}\n", "line 4: .* must be a time of 0 or more"),
    (b"slug: t\nprofiles:\n  p:\n    params: {temperature: .nan}\n", "line 4: temperature must be a number, not nan"),
    (b"slug: t\nprofiles:\n  p:\n    params: {timeout: -1}\n", "line 4: timeout must be a number, 0 or greater"),
    (
        b"slug: t\nprofiles:\n  p:\n    model_info: {cost: {input: -1}}\n",
        "line 4: .*cost.input must be a number, 0 or greater",
    ),
    (b"slug: t\nprofiles:\n  p:\n    model: gpt-5\n", "line 4: .* did you mean 'engine'"),
    (b"slug: t\nprofiles:\n  p:\n    api_key: $TEAM_KEY\n", "line 4: .*write .{env:NAME}"),
    (b"slug: t\nprofiles:\n  p:\n    api_key: ${TEAM_KEY}\n", "line 4: .*write .{env:NAME}"),
    (b"slug: t\nprofiles:\n  p:\n    allow_overrides: [temprature]\n", "line 4: .* did you mean 'temperature'"),
    (b"slug: t\nprofiles:\n  p:\n    sinks: [{name: s, extract: [notes]}]\n", "line 4: .* package:type:version"),
    (b"slug: t\nprofiles:\n  p:\n    middleware: [{retry: {times: 2}}]\n", "line 4: .*must be a name or {name: "),
]


@pytest.mark.parametrize(("text", "message"), FILES, ids=[message for _, message in FILES])
def test_an_invalid_file_is_rejected_with_its_line(text: bytes, message: str, tmp_path: Path) -> None:
    (tmp_path / "team.yaml").write_bytes(text)
    with pytest.raises(nt.ProfileError, match=message) as caught:
        load_profiles(tmp_path / "team.yaml")
    assert caught.value.file.endswith("team.yaml")
    assert MARK not in str(caught.value)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        (
            {"engine": "antropic:x"},
            r"profile notebook/p: unknown provider 'antropic'; did you mean 'anthropic'\? \(notebook/p",
        ),
        ({"base_url": "not an address"}, "base_url must be a URL like"),
        ({"base_url": "http://[half"}, "base_url must be a URL like"),
        ({"inference_settings": {"chat": {"structured_output_mode": "json_schema"}}}, "schema is missing"),
        (
            {"engine": "openai-chat:x", "params": {"presence_penalty": float("nan")}},
            "presence_penalty must be a finite number",
        ),
    ],
)
def test_an_invalid_profile_is_rejected_with_its_source(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(nt.ProfileError, match=message):
        profile(fields).resolve("p")


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ([], "overrides must be a mapping"),
        ({"loop": "careful"}, "loop must be a mapping, like"),
        ({"params": 3}, "params must be a mapping, like"),
        ({"execution_timeout": "soon"}, "execution_timeout must be a time of 0 or more"),
        ({"limit": 0}, "limit must be an integer, 1 or greater"),
        ({"temperature": float("inf")}, "temperature must be a number, not inf"),
        ({"temperature": 0, "params.temperature": 1}, "overridden twice"),
        ({"model": "gpt-5"}, "did you mean 'engine'"),
        ({"base_url": "nope"}, "base_url must be a URL"),
        ({"params.base_url": "http://127.0.0.1"}, "did you mean 'base_url'"),
    ],
)
def test_an_invalid_override_is_rejected(overrides: Any, message: str) -> None:
    with pytest.raises(nt.ProfileError, match=message):
        profile({}).resolve("p", overrides=overrides)
    assert profile({}).resolve("p", overrides=None).overrides == {}


INVALID_CALLS: list[tuple[Callable[[], object], str]] = [
    (lambda: load_profiles(None), "a source must be a path or a mapping, not nothing"),  # type: ignore[arg-type]
    (lambda: load_profiles(["a.yaml"]), r"load_profiles\(a, b\)"),  # type: ignore[arg-type]
    (lambda: profile({}, default=3), "default must be a name"),
    (lambda: profile({}, secrets=3), "secrets must be a mapping or a function"),
    (lambda: profile({}, middleware=["m"]), "middleware must map names to functions"),
    (lambda: profile({}, sinks={"s": 3}), "sinks must map names to functions"),
    (lambda: profile({}).resolve(None, 3), "conversation must be a Conversation"),
    (lambda: session({}, tools=None), "tools must be a list of functions"),
    (lambda: session({}, tools=["weather"]), "tools must be a list of functions"),
    (lambda: session({}, session_arguments={"system": "x"}), "change it with overrides"),
    (lambda: session({"approval": ["weathr"]}), "did you mean 'weather'"),
    (lambda: session({"sinks": ["s"]}, sinks={"s": lambda: 3}), "must return a function, not an integer"),
    (lambda: session({"sinks": ["s"]}, sinks={"s": fails}), "cannot create sink 's': KeyError"),
    (lambda: session({"sinks": ["s"]}), "unknown sink 's'"),
]


@pytest.mark.parametrize(("invalid_call", "message"), INVALID_CALLS, ids=[message for _, message in INVALID_CALLS])
def test_an_argument_of_the_wrong_type_is_rejected_with_the_expected_type(
    invalid_call: Callable[[], object], message: str
) -> None:
    with pytest.raises(nt.ProfileError, match=message):
        invalid_call()


def test_a_folder_without_profiles_is_rejected_and_hidden_files_are_not_read(tmp_path: Path) -> None:
    (tmp_path / ".pre-commit-config.yaml").write_text("repos: []\n")
    with pytest.raises(nt.ProfileError, match=r"no \.yaml file"):
        load_profiles(tmp_path)


def test_top_level_keys_with_x_may_hold_anchors(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("slug: t\nx-usual: &usual {engine: 'anthropic:x'}\nprofiles: {p: {<<: *usual}}\n")
    assert load_profiles(tmp_path / "a.yaml").resolve("p").config.model == "x"


def test_an_unreadable_runtime_names_no_profile() -> None:
    turn = nt.turn("x").with_metadata(nt.keys.RUNTIME, {"runtime_key": 3})
    assert profile({}).resolve(None, turn).chosen_by == "registry default"


@contextmanager
def refusing() -> Iterator[str]:
    """A server that refuses the key and says it back."""

    class Refusing(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            body = json.dumps({"error": {"message": f"Incorrect API key provided: {MARK}", "type": "auth"}}).encode()
            self.send_response(401)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Refusing) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_a_missing_profile_is_reported_with_the_rule_that_chose_it(monkeypatch: pytest.MonkeyPatch) -> None:
    turn = nt.turn("x").with_metadata(nt.keys.RUNTIME, {"runtime_key": "gone/one"})
    with pytest.raises(nt.ProfileError, match=r"no registry 'gone'.*\(named by conversation\)"):
        profile({}).resolve(None, turn)
    monkeypatch.setenv("NBTURNS_PROFILE", "pp")
    with pytest.raises(nt.ProfileError, match=r"did you mean 'p'\? \(named by NBTURNS_PROFILE\)"):
        profile({}).resolve()


# No error quotes a key.


@pytest.mark.parametrize(
    "invalid_call",
    [
        lambda: profile({"api_key": [MARK]}),
        lambda: profile({"inference_settings": {"api": {"api_keys": MARK}}}),
        lambda: profile({"inference_settings": {"api": {"api_keys": {"a": [MARK]}}}}),
        lambda: profile({"inference_settings": {"api_keys": {"a": MARK}}}),
        lambda: profile({"params": {"headers": MARK}}).resolve("p"),
        lambda: profile({}).resolve("p", overrides={"headers": f"Bearer {MARK}"}),
        lambda: profile({}).resolve("p", overrides={"api_key": MARK}),
        lambda: load_profiles({"p": MARK}),
        lambda: session({"middleware": [{"name": "m", "config": {"api_key": MARK}}]}, middleware={"m": key_as_number}),
        lambda: profile({"base_url": f"ftp://u:{MARK}@h/?k={MARK}"}).resolve("p"),
    ],
)
def test_an_error_about_a_key_does_not_quote_it(invalid_call: Callable[[], object]) -> None:
    with pytest.raises(nt.ProfileError) as caught:
        invalid_call()
    assert MARK not in str(caught.value) + repr(caught.value.args)
    assert caught.value.__cause__ is None


@pytest.mark.parametrize(
    "overrides",
    [
        {"extra_body": {"api_key": MARK}},
        {"params": {"headers": {"Authorization": MARK}}},
        {"params.headers": {"X-Other": MARK}},
        {"middleware": [{"name": "m", "config": {"password": MARK, "at": f"https://u:{MARK}@h/"}}]},
        {"base_url": f"https://u:{MARK}@127.0.0.1/v1?k={MARK}"},
    ],
)
def test_a_key_in_an_override_is_never_displayed(overrides: dict[str, Any]) -> None:
    plan = profile({}).resolve("p", overrides=overrides)
    texts = [repr(plan.overrides), repr(plan.fields), str(plan), plan._repr_html_(), repr(plan.config.to_dict())]
    assert not [text for text in texts if MARK in text]


def test_a_base_url_among_the_parameters_is_used_and_displayed_without_password() -> None:
    plan = profile({"params": {"base_url": f"https://u:{MARK}@127.0.0.1/v1", "api_key": MARK}}).resolve("p")
    assert plan.config.to_dict()["base_url"] == "https://127.0.0.1/v1"
    assert plan.config.to_dict()["api_key"] == "…"
    assert plan.signature == profile({"base_url": "https://127.0.0.1/v1"}).resolve("p").signature


@pytest.mark.parametrize("engine", ["anthropic:x", "openai:gpt-5", "openai-chat:x", "gemini:x"])
def test_a_key_echoed_by_the_server_is_in_no_error_and_no_turn(engine: str) -> None:
    with refusing() as url:
        session = profile({"engine": engine, "base_url": url, "api_key": MARK})["p"].session(tools=[weather])
        execution = session.ask("hi")
        with pytest.raises(nt.EngineError) as caught:
            execution.result(timeout=60)
    turn = caught.value.turn
    texts = [
        str(caught.value),
        repr(caught.value),
        repr(session),
        repr(session.engine),
        repr(execution),
        session.run.to_yaml(),
    ]
    texts += [turn.to_yaml() if turn else "", repr(vars(caught.value))]
    assert not [text for text in texts if MARK in text]


def test_concurrent_threads_get_the_same_conversation() -> None:
    conversations = nt.Conversations(profile({}), tools=[weather], engine=lambda _: nt.scripted("hi"))
    with ThreadPoolExecutor(8) as pool:
        created = [*pool.map(lambda i: conversations.get_or_create(f"c{i % 3}"), range(60))]
    assert len({*map(id, created)}) == len(conversations) == 3


@pytest.mark.parametrize("overrides", [{"timeout": 5}, {"headers": {"x-title": "b"}}])
def test_a_conversation_never_keeps_an_engine_that_its_plan_does_not_describe(overrides: dict[str, Any]) -> None:
    conversations = nt.Conversations(profile({}), tools=[weather], engine=lambda _: nt.scripted("hi"))
    first = conversations.get_or_create("one")
    second = conversations.get_or_create("one", overrides=overrides)
    assert second is not first
    assert second.rebuilt
    assert conversations.get_or_create("one", overrides=overrides) is second


def test_close_stops_a_paused_conversation() -> None:
    asks = nt.Turn() + nt.tool_call("c", "weather", {"city": "Oslo"})
    conversations = nt.Conversations(
        profile({"loop": {"step": True}}), [weather], engine=lambda _: nt.scripted(asks, "hi")
    )
    execution = conversations.get_or_create("one").ask("hi")
    with pytest.raises(nt.HeldError):
        execution.result(timeout=60)
    conversations.close("one")
    execution.result(timeout=60, wait=True)
    assert execution.status == "stopped"
