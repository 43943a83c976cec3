"""Where requests go and what signs them by default, for each provider, transport, prefix and variable."""

from __future__ import annotations

import importlib
import json
import logging
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import nbturns as nt
from nbturns.engines.registry import find
from nbturns.runtime.background_loop import Waiting
from tests.engines.scripted_server import Script, Server, served
from tests.engines.sdk_http import http_package

KEY = "k-of-this-test"
PACKAGES = ("httpx", "httpx2")
REPLIES: dict[str, dict[str, Any]] = {
    "anthropic": {"type": "message", "id": "m", "role": "assistant", "model": "m", "stop_reason": "end_turn"}
    | {"content": [{"type": "text", "text": "ok"}], "usage": {"input_tokens": 1, "output_tokens": 1}},
    "openai": {"id": "r", "object": "response", "status": "completed", "model": "m"}
    | {"output": [{"type": "message", "id": "i", "content": [{"type": "output_text", "text": "ok"}]}]},
    "openai-chat": {"id": "c", "choices": [{"message": {"content": "ok"}, "finish_reason": "stop"}]},
    "gemini": {"candidates": [{"content": {"parts": [{"text": "ok"}]}, "finishReason": "STOP"}]},
}
MODELS = {"anthropic": "claude-sonnet-5", "openai": "gpt-5.1", "openai-chat": "gpt-4.1", "gemini": "gemini-3-flash"}
ADDRESSES = {
    "anthropic": "https://api.anthropic.com/v1/messages",
    "openai": "https://api.openai.com/v1/responses",
    "openai-chat": "https://api.openai.com/v1/chat/completions",
    "gemini": "https://generativelanguage.googleapis.com/v1beta/models/gemini-3-flash:generateContent",
}
SIGNATURES = {  # by HTTP alone
    "anthropic": ("x-api-key", KEY),
    "openai": ("authorization", f"Bearer {KEY}"),
    "openai-chat": ("authorization", f"Bearer {KEY}"),
    "gemini": ("x-goog-api-key", KEY),
}
KEYS = {
    "anthropic": "ANTHROPIC_API_KEY",
    "openai": "OPENAI_API_KEY",
    "openai-chat": "OPENAI_API_KEY",
    "gemini": "GEMINI_API_KEY",
}
VARIABLES = "ANTHROPIC_API_KEY ANTHROPIC_AUTH_TOKEN ANTHROPIC_BASE_URL OPENAI_API_KEY OPENAI_BASE_URL OPENAI_ORG_ID"
VARIABLES += " OPENAI_PROJECT_ID GOOGLE_API_KEY GEMINI_API_KEY GOOGLE_GEMINI_BASE_URL OLLAMA_HOST"


@pytest.fixture(autouse=True)
def no_account(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Hide the account of whoever runs the tests."""
    monkeypatch.chdir(tmp_path)
    for name in VARIABLES.split():
        monkeypatch.delenv(name, raising=False)


def without_sdks(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("openai", "anthropic"):
        monkeypatch.setitem(__import__("sys").modules, name, None)


@pytest.fixture(params=["sdk", "http"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Whether the official clients are installed."""
    if request.param == "http":
        without_sdks(monkeypatch)
    return str(request.param)


def recorder(package: str, sent: list[Any], reply: dict[str, Any]) -> Any:
    """Return a client that records its requests and answers each with this reply."""
    http = importlib.import_module(package)

    async def answer(request: Any) -> Any:
        await request.aread()
        sent.append(request)
        return http.Response(200, json=reply)

    return http.AsyncClient(transport=http.MockTransport(answer))


def asked(name: str, *, client_name: str = "http_client", package: str = "", **params: Any) -> Any:
    """Ask an engine of this provider through a client that only records; return the request."""
    sent: list[Any] = []
    provider = find(name.partition(":")[0])
    family = name.partition(":")[0] if name.partition(":")[0] in REPLIES else provider.name
    client = recorder(package or http_package(family).__name__, sent, REPLIES[family])
    name = name if ":" in name else f"{name}:{MODELS[name]}"
    engine = nt.engine(name, stream=False, retries=0, **{client_name: client}, **params)
    assert nt.Session(engine).ask("hi").result(30).text == "ok"
    assert len(sent) == 1
    return sent[0]


@pytest.mark.parametrize("provider", ADDRESSES)
def test_the_default_request_goes_to_the_providers_own_server(provider: str, way: str) -> None:
    request = asked(provider, api_key=KEY)

    header, value = SIGNATURES[provider]
    header, value = ("authorization", f"Bearer {KEY}") if way == "sdk" and provider == "anthropic" else (header, value)
    body = json.loads(request.content)
    assert (request.method, str(request.url)) == ("POST", ADDRESSES[provider])
    assert (request.headers[header], request.headers["content-type"]) == (value, "application/json")
    assert body == nt.engines.request(f"{provider}:{MODELS[provider]}", nt.turn("hi"), stream=False)
    if provider == "anthropic":
        assert request.headers["anthropic-version"] == "2026-10-21"


@pytest.mark.parametrize("provider", ADDRESSES)
@pytest.mark.parametrize("package", PACKAGES)
def test_a_client_of_httpx_or_httpx2_without_an_address_goes_to_the_providers_own(provider: str, package: str) -> None:
    request = asked(provider, client_name="client", package=package, api_key=KEY)

    header, value = SIGNATURES[provider]
    assert (str(request.url), request.headers[header]) == (ADDRESSES[provider], value)


@pytest.mark.parametrize("provider", ["anthropic", "gemini", "openai", "openai-chat"])
def test_a_client_and_no_key_is_an_error_of_the_engine(provider: str) -> None:
    import httpx2

    engine = nt.engine(f"{provider}:{MODELS[provider]}", client=httpx2.AsyncClient(), retries=0)

    with pytest.raises(nt.EngineError, match="no key for .*: set [A-Z_]+") as caught:
        nt.Session(engine).ask("hi").result(30)
    assert caught.value.kind == "authentication_error"


def test_a_client_that_signs_by_itself_needs_no_key() -> None:
    import httpx2

    sent: list[Any] = []
    client = recorder("httpx2", sent, REPLIES["anthropic"])
    client.auth = httpx2.BasicAuth("user", "pass")

    nt.Session(nt.engine("anthropic:m", client=client, base_url="https://gateway.test", stream=False)).ask("x").result(
        9
    )

    assert sent[0].headers["authorization"].startswith("Basic ")
    assert "x-api-key" not in sent[0].headers


# Variables of the environment.


@pytest.mark.parametrize(
    ("provider", "variable", "path"),
    [
        ("openai", "OPENAI_BASE_URL", "/v1/responses"),
        ("openai-chat", "OPENAI_BASE_URL", "/v1/chat/completions"),
        ("anthropic", "ANTHROPIC_BASE_URL", "/v1/v1/messages"),
        ("gemini", "GOOGLE_GEMINI_BASE_URL", "/v1/models/gemini-3-flash:generateContent"),
    ],
)
@pytest.mark.parametrize("place", ["environment", ".env"])
def test_the_address_of_the_environment_gets_the_key(
    provider: str, variable: str, path: str, place: str, way: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    said = {variable: "https://gateway.test/v1", KEYS[provider]: KEY}
    if place == ".env":
        (tmp_path / ".env").write_text("".join(f"{name}={value}\n" for name, value in said.items()))
    else:
        for name, value in said.items():
            monkeypatch.setenv(name, value)

    request = asked(provider)

    assert str(request.url) == f"https://gateway.test{path}"
    assert KEY in "".join(request.headers.values())


def test_a_bearer_token_of_anthropics_is_sent_as_one(way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTHROPIC_AUTH_TOKEN", KEY)

    request = asked("anthropic")

    assert request.headers["authorization"] == f"Bearer {KEY}"
    assert "x-api-key" not in request.headers


@pytest.mark.parametrize("provider", ["openai", "openai-chat"])
def test_organization_and_project_go_with_the_request(provider: str, way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_ORG_ID", "org-1")
    monkeypatch.setenv("OPENAI_PROJECT_ID", "proj-1")

    request = asked(provider, api_key=KEY)

    assert (request.headers["openai-organization"], request.headers["openai-project"]) == ("org-1", "proj-1")
    assert "openai-organization" not in asked("groq:llama", api_key=KEY).headers


def test_the_environment_comes_before_the_file_and_code_before_both(
    way: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / ".env").write_text("OPENAI_API_KEY=from-file\nOPENAI_BASE_URL=https://file.test/v1\n")
    monkeypatch.setenv("OPENAI_API_KEY", "from-environment")

    request = asked("openai")
    given = asked("openai", api_key="from-code", base_url="https://code.test/v1")

    assert (request.url.host, request.headers["authorization"]) == ("file.test", "Bearer from-environment")
    assert (given.url.host, given.headers["authorization"]) == ("code.test", "Bearer from-code")


def test_a_gateway_of_the_environment_without_a_key_is_asked_without_one(
    way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", "http://localhost:9999/v1")

    assert asked("openai").url.port == 9999
    assert "authorization" not in asked("openai-chat").headers


# Prefixes of compatible servers.

SERVERS = {
    "ollama": ("http://localhost:11434/v1", "OLLAMA_API_KEY"),
    "openrouter": ("https://openrouter.ai/api/v1", "OPENROUTER_API_KEY"),
    "groq": ("https://api.groq.com/openai/v1", "GROQ_API_KEY"),
    "mistral": ("https://api.mistral.ai/v1", "MISTRAL_API_KEY"),
    "deepseek": ("https://api.deepseek.com", "DEEPSEEK_API_KEY"),
    "xai": ("https://api.x.ai/v1", "XAI_API_KEY"),
    "together": ("https://api.together.xyz/v1", "TOGETHER_API_KEY"),
    "fireworks": ("https://api.fireworks.ai/inference/v1", "FIREWORKS_API_KEY"),
    "lmstudio": ("http://localhost:1234/v1", "LMSTUDIO_API_KEY"),
    "vllm": ("http://localhost:8000/v1", "VLLM_API_KEY"),
}


@pytest.mark.parametrize("prefix", SERVERS)
def test_a_prefix_sets_address_key_and_dialect(prefix: str, way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    address, variable = SERVERS[prefix]
    monkeypatch.setenv(variable, KEY)
    monkeypatch.setenv("OPENAI_API_KEY", "of-openai")

    default = asked(f"{prefix}:m")
    elsewhere = asked(f"{prefix}:m", base_url="https://gateway.test/v1")

    assert str(default.url) == f"{address}/chat/completions"
    assert default.headers["authorization"] == f"Bearer {KEY}" == elsewhere.headers["authorization"]
    assert elsewhere.url.host == "gateway.test"
    turn = nt.engines.decode(prefix, REPLIES["openai-chat"])
    assert turn.inferences[0].provider == prefix


@pytest.mark.parametrize("prefix", ["ollama", "lmstudio", "vllm"])
def test_a_local_server_needs_no_key(prefix: str) -> None:
    assert "authorization" not in asked(f"{prefix}:m").headers


@pytest.mark.parametrize("prefix", ["groq", "mistral", "xai"])
def test_a_server_on_the_internet_needs_its_own_key(prefix: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)

    with pytest.raises(nt.EngineError, match=f"no key for {prefix}: set {prefix.upper()}_API_KEY"):
        nt.Session(nt.engine(f"{prefix}:m", base_url="http://127.0.0.1:9", retries=0)).ask("x").result(60)


def test_azure_is_found_by_its_endpoint(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(nt.EngineError, match="AZURE_OPENAI_ENDPOINT"):
        nt.engine("azure:gpt-5.1")
    monkeypatch.setenv("AZURE_OPENAI_ENDPOINT", "https://mine.openai.azure.com/")
    monkeypatch.setenv("AZURE_OPENAI_API_KEY", KEY)

    request = asked("azure:gpt-5.1")

    assert str(request.url) == "https://mine.openai.azure.com/openai/v1/chat/completions"
    assert (request.headers["api-key"], "authorization" in request.headers) == (KEY, False)


def test_ollama_is_found_by_its_host(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OLLAMA_HOST", "0.0.0.0:5000")

    assert str(asked("ollama:llama3").url) == "http://127.0.0.1:5000/v1/chat/completions"


def test_bedrock_is_claude_behind_amazons_client(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("anthropic")
    monkeypatch.setenv("AWS_BEARER_TOKEN_BEDROCK", KEY)
    monkeypatch.setenv("AWS_REGION", "eu-west-1")
    sent: list[Any] = []
    client = recorder("httpx2", sent, REPLIES["anthropic"])

    engine = nt.engine("bedrock:anthropic.claude-sonnet-4-6", http_client=client, stream=False, retries=0)
    turn = nt.Session(engine).ask("hi").result(30)

    assert (turn.text, turn.inferences[0].provider) == ("ok", "anthropic")
    assert sent[0].url.host == "bedrock-runtime.eu-west-1.amazonaws.com"
    assert sent[0].headers["authorization"] == f"Bearer {KEY}"


# Redirects.


@pytest.fixture
def two_servers() -> Iterator[Callable[[str], tuple[Server, Server]]]:
    with served("x", KEY) as first, served("x", KEY) as second:

        def servers(provider: str) -> tuple[Server, Server]:
            first.answers.append(Script(b"{}", 307, headers={"location": f"{second.url}/elsewhere"}))
            second.answers.append(Script(json.dumps(REPLIES[provider]).encode(), content_type="application/json"))
            return first, second

        yield servers


@pytest.mark.parametrize("provider", ADDRESSES)
@pytest.mark.parametrize("own_client", [False, True])
def test_a_redirect_to_another_server_gets_neither_key_nor_prompt(
    provider: str, own_client: bool, way: str, two_servers: Callable[[str], tuple[Server, Server]]
) -> None:
    import httpx2

    first, second = two_servers(provider)
    client = httpx2.AsyncClient(follow_redirects=True, headers={"x-api-key": KEY}) if own_client else None
    params: dict[str, Any] = {"client": client} if client is not None else {}
    engine = nt.engine(f"{provider}:m", base_url=first.url, api_key=KEY, stream=False, retries=0, **params)

    with pytest.raises(nt.EngineError, match="redirected the request to another host"):
        nt.Session(engine).ask("hi").result(30)
    if client is not None:
        Waiting(client.aclose()).result(60)

    assert (len(first.asked), second.asked) == (1, [])


def test_a_redirect_on_the_same_server_is_followed(way: str) -> None:
    with served("gemini:m", KEY) as server:
        moved = Script(b"{}", 308, headers={"location": "/elsewhere"})
        answer = Script(json.dumps(REPLIES["gemini"]).encode(), content_type="application/json")
        turn = nt.Session(server.engine(moved, answer, stream=False)).ask("hi").result(30)

    assert (turn.text, server.paths[1], server.asked[0] == server.asked[1]) == ("ok", "/elsewhere", True)
    assert server.headers[1]["x-goog-api-key"] == KEY


# What is told of a call.


def test_a_call_is_logged_without_its_content(way: str, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG, "nbturns"):
        asked("anthropic", api_key=KEY)

    [line] = [record.getMessage() for record in caplog.records if record.name.startswith("nbturns")]
    assert "anthropic claude-sonnet-5: 200 after" in line
    assert "hi" not in line.split()
    assert KEY not in line


def test_what_is_left_of_the_limits_is_on_the_result(way: str) -> None:
    limits = {"x-ratelimit-remaining-tokens": "149", "anthropic-ratelimit-requests-remaining": "7"}
    with served("anthropic:m", KEY, **{name.replace("-", "_"): value for name, value in limits.items()}) as server:
        answer = Script(json.dumps(REPLIES["anthropic"]).encode(), content_type="application/json")
        turn = nt.Session(server.engine(answer, stream=False)).ask("hi").result(30)

    assert turn.inferences[0].extra["rate_limits"] == limits


# Responses in the background.


@pytest.mark.parametrize("stream", [False, True])
def test_a_stop_cancels_a_response_in_the_background(stream: bool, way: str) -> None:
    queued = {"id": "resp_7", "object": "response", "status": "queued", "output": []}
    created = f"data: {json.dumps({'type': 'response.created', 'response': queued})}\n\n".encode()
    begun = (
        Script(created, linger=30) if stream else Script(json.dumps(queued).encode(), content_type="application/json")
    )
    with served("openai:m", KEY) as server:
        asks = server.engine(begun, Script(b"{}", content_type="application/json"), background=True, stream=stream)
        execution = nt.Session(asks).ask("hi")
        while not server.paths:
            time.sleep(0.01)
        time.sleep(0.2)
        execution.stop()
        execution.result(30)

    assert server.paths == ["/responses", "/responses/resp_7/cancel"]


def test_a_session_closes_its_client_at_the_end_of_with(way: str) -> None:
    reply = json.dumps(REPLIES["anthropic"]).encode()
    with served("anthropic:m", KEY) as server:
        answers = [Script(reply, content_type="application/json") for _ in range(3)]
        engine = server.engine(*answers, stream=False)
        with nt.Session(engine) as session:
            session.ask("one").result(30)
            session.ask("two").result(30)
        assert len(server.connections) == 1
        nt.Session(engine).ask("three").result(30)

    assert len(server.connections) == 2


@pytest.mark.parametrize(
    ("provider", "body", "fee"),
    [
        (
            "anthropic",
            {"usage": {"input_tokens": 0, "output_tokens": 0, "server_tool_use": {"web_search_requests": 3}}},
            0.03,
        ),
        ("openai", {"output": [{"type": "web_search_call", "id": "w", "action": {"type": "search"}}] * 2}, 0.02),
        ("gemini", {"candidates": [{"groundingMetadata": {"webSearchQueries": ["a", "b", "a"]}}]}, 0.028),
    ],
)
def test_web_searches_are_in_the_cost(provider: str, body: dict[str, Any], fee: float) -> None:
    models = {"anthropic": "claude-sonnet-4-5", "openai": "gpt-5.1", "gemini": "gemini-3-flash-preview"}
    counts: dict[str, dict[str, Any]] = {
        "anthropic": {"model": models["anthropic"]},
        "openai": {"model": models["openai"], "usage": {"input_tokens": 0, "output_tokens": 0}},
        "gemini": {"modelVersion": models["gemini"], "usageMetadata": {"promptTokenCount": 0}},
    }
    info = nt.ModelInfo(id=models[provider], prices=nt.Prices(1, 1))
    whole = {**REPLIES[provider], **counts[provider], **body}
    if provider == "gemini":
        whole["candidates"][0] |= {"finishReason": "STOP", "content": {"parts": [{"text": "x"}]}}

    assert nt.engines.decode(provider, whole, model_info=info).cost == pytest.approx(fee)
