"""`nt.capture(client)`: the clients of the SDKs and of httpx, against a server on this machine."""

from __future__ import annotations

import asyncio
import gc
import gzip
import json
import weakref
from pathlib import Path
from typing import Any

import anthropic
import httpx
import httpx2
import openai
import pytest

import nbturns as nt
from nbturns.testing.server import Server
from tests.engines.sdk_http import http_package

KEY = "sk-test-a1b2c3d4e5f6g7h8"
TOOL = {"name": "weather", "parameters": {"type": "object", "properties": {"city": {"type": "string"}}}}
REPLY = {
    "id": "c1",
    "object": "chat.completion",
    "model": "gpt-4.1",
    "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "Hello."}}],
    "usage": {"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7},
}
QUESTION: list[Any] = [{"role": "user", "content": "What is the weather in Paris?"}]
URL = "http://model.test/v1/chat/completions"


def openai_loop(client: openai.OpenAI, *, stream: bool) -> None:
    """Ask, run the tool, ask again."""
    messages = list(QUESTION)
    message: Any
    tools: Any = [{"type": "function", "function": TOOL}]
    for _ in range(2):
        if stream:
            with client.chat.completions.stream(model="gpt-4.1", messages=messages, tools=tools) as events:
                message = events.get_final_completion().choices[0].message
        else:
            message = client.chat.completions.create(model="gpt-4.1", messages=messages, tools=tools).choices[0].message
        calls = [
            {"id": call.id, "type": "function", "function": {"name": "weather", "arguments": call.function.arguments}}
            for call in message.tool_calls or ()
        ]
        if not calls:
            break
        messages.append({"role": "assistant", "content": message.content, "tool_calls": calls})
        messages += [{"role": "tool", "tool_call_id": call["id"], "content": "sunny"} for call in calls]


@pytest.mark.parametrize("stream", [False, True])
def test_a_tool_loop_over_the_openai_client_is_one_run(server: Server, stream: bool) -> None:
    session = "chat-weather-stream" if stream else "chat-weather"
    with openai.OpenAI(api_key=KEY, base_url=f"{server.url}/_session/{session}/v1", max_retries=0) as client:
        transport = client._client._transport
        with nt.capture(client) as captured:
            openai_loop(client, stream=stream)
        assert client._client._transport is transport

    run = captured.run
    kinds = [block.kind for block in run[-1]]
    assert kinds.count("tool_call") == kinds.count("tool_use") == 1
    assert len(run[-1].inferences) == 2
    assert run[-1].usage.output_tokens > 0
    assert all(result.duration_ms is not None for result in run[-1].inferences)
    assert captured.errors == ()
    assert KEY not in str(run.to_dict())


@pytest.mark.parametrize("stream", [False, True])
def test_the_asynchronous_anthropic_client_is_captured(server: Server, stream: bool) -> None:
    async def ask() -> str:
        url = f"{server.url}/_case/anthropic-hello{'-stream' if stream else ''}"
        async with anthropic.AsyncAnthropic(api_key=KEY, base_url=url, max_retries=0) as client:
            captures.append(nt.capture(client))
            arguments: Any = {"model": "claude-sonnet-4-6", "max_tokens": 100, "messages": [QUESTION[0]]}
            if stream:
                async with client.messages.stream(**arguments) as events:
                    message = await events.get_final_message()
            else:
                message = await client.messages.create(**arguments)
            return "".join(block.text for block in message.content if block.type == "text")

    captures: list[Any] = []
    said = asyncio.run(ask())
    captured = captures[0]
    captured.stop()

    assert captured.run[-1].text == said
    assert captured.run[-1].inferences[0].model == "claude-sonnet-4-6"
    assert captured.errors == ()


@pytest.mark.parametrize("package", [httpx, httpx2])
def test_a_plain_client_is_captured_with_its_compressed_reply(package: Any) -> None:
    def answer(request: Any) -> Any:
        stream = package.ByteStream(gzip.compress(json.dumps(REPLY).encode()))
        return package.Response(200, headers={"content-encoding": "gzip"}, stream=stream)

    with package.Client(transport=package.MockTransport(answer)) as client, nt.capture(client) as captured:
        reply = client.post(URL, json={"model": "gpt-4.1", "messages": QUESTION}).json()

    assert reply == REPLY
    assert captured.run[-1].text == "Hello."


@pytest.mark.parametrize("package", [httpx, httpx2])
def test_a_response_that_was_made_with_its_content_is_captured(package: Any) -> None:
    client = package.Client(transport=package.MockTransport(lambda request: package.Response(200, json=REPLY)))
    with nt.capture(client) as captured:
        client.post(URL, json={"model": "gpt-4.1", "messages": QUESTION})
        client.get("http://model.test/v1/models")

    assert captured.run[-1].text == "Hello."


class Parts(httpx2.SyncByteStream):
    """Parts of a reply; `read` counts those that were taken."""

    def __init__(self, parts: list[bytes]) -> None:
        self.parts, self.read = parts, 0

    def __iter__(self) -> Any:
        for part in self.parts:
            self.read += 1
            yield part


def test_a_stream_is_never_read_before_its_caller_and_an_open_one_is_marked() -> None:
    chunks = [
        {
            "id": "c",
            "object": "chat.completion.chunk",
            "model": "m",
            "choices": [{"index": 0, "delta": {"content": text}}],
        }
        for text in ("Good ", "morning", "!")
    ]
    parts = Parts([f"data: {json.dumps(chunk)}\n\n".encode() for chunk in chunks])
    headers = {"content-type": "text/event-stream"}
    client = httpx2.Client(
        transport=httpx2.MockTransport(lambda request: httpx2.Response(200, headers=headers, stream=parts))
    )
    with nt.capture(client) as captured:
        with client.stream("POST", URL, json={"model": "m", "messages": QUESTION, "stream": True}) as response:
            assert parts.read == 0
            taken = response.iter_raw()
            next(taken)
            assert parts.read == 1
            growing = captured.run
            next(taken)
            assert "Good morning" in str(captured.run.to_dict())
        ended = captured.run

    assert "Good" in str(growing.to_dict())
    assert any("has not ended" in note for note in growing.import_report.dropped)
    assert not any("has not ended" in note for note in ended.import_report.dropped)


def test_a_request_without_an_answer_has_its_error_in_the_run_without_the_key() -> None:
    http: Any = http_package("openai")

    def refuse(request: Any) -> Any:
        raise http.ConnectError(f"no route for {KEY}")

    client = openai.OpenAI(
        api_key=KEY,
        base_url="http://model.test/v1",
        max_retries=0,
        http_client=http.Client(transport=http.MockTransport(refuse)),
    )
    with nt.capture(client) as captured, pytest.raises(openai.APIConnectionError):
        client.chat.completions.create(model="gpt-4.1", messages=QUESTION)

    result = captured.run[-1].inferences[0]
    assert result.model == "gpt-4.1"
    assert "ConnectError" in str(result.to_dict())
    assert KEY not in str(captured.run.to_dict())


@pytest.mark.parametrize(
    ("body", "message"), [("slow down", "HTTP 429: slow down"), ("", "HTTP 429: an empty response")]
)
def test_an_error_page_has_its_status_in_the_run_and_the_model_of_the_request(body: str, message: str) -> None:
    http: Any = http_package("openai")
    transport = http.MockTransport(lambda request: http.Response(429, text=body))
    client = openai.OpenAI(api_key=KEY, max_retries=0, http_client=http.Client(transport=transport))
    with nt.capture(client) as captured, pytest.raises(openai.RateLimitError):
        client.chat.completions.create(model="gpt-4.1", messages=QUESTION)
    result = captured.run[-1].inferences[0]
    assert (result.model, result.stop_reason) == ("gpt-4.1", "error")
    assert result.error is not None
    assert result.error["message"] == message


def test_an_exception_in_the_capture_reaches_its_errors_and_not_the_agent(monkeypatch: pytest.MonkeyPatch) -> None:
    from nbturns.capturing import client_capture

    def broken(number: int, request: Any, http_package: Any) -> Any:
        raise ZeroDivisionError("broken")

    monkeypatch.setattr(client_capture, "CapturedCall", broken)
    client = httpx2.Client(transport=httpx2.MockTransport(lambda request: httpx2.Response(200, json=REPLY)))
    with nt.capture(client) as captured:
        assert client.post(URL, json={"model": "m", "messages": QUESTION}).json() == REPLY

    assert [type(error) for error in captured.errors] == [ZeroDivisionError]
    with pytest.raises(nt.MisuseError, match="no model call was captured"):
        _ = captured.run


def test_conversations_of_two_agents_are_two_runs_and_run_is_an_error() -> None:
    client = httpx2.Client(transport=httpx2.MockTransport(lambda request: httpx2.Response(200, json=REPLY)))
    with nt.capture(client) as first, nt.capture(client) as second:
        for text in ("Hello", "Bonjour"):
            client.post(URL, json={"model": "m", "messages": [{"role": "user", "content": text}]})
        first.stop()
        client.post(URL, json={"model": "m", "messages": [{"role": "user", "content": "Hallo"}]})

    assert [run[-1][0].text for run in first.runs] == ["Hello", "Bonjour"]
    assert len(second.runs) == 3
    assert len({run.id for run in second.runs}) == 3
    with pytest.raises(nt.MisuseError, match="there are 2 runs; choose one of captured.runs"):
        _ = first.run
    assert isinstance(client._transport, httpx2.MockTransport)


@pytest.mark.parametrize("value", [42, "client", object(), openai])
def test_a_value_that_is_no_client_is_an_error(value: Any) -> None:
    with pytest.raises(nt.MisuseError, match="expected a client"):
        nt.capture(value)


def test_keys_of_headers_address_and_body_are_in_no_run_and_replies_may_repeat_them() -> None:
    keys = ["sk-first-a1b2c3d4e5f6", "sk-other-f6e5d4c3b2a1", "query-key-1234567890", "body-key-0987654321"]
    replies = iter(keys)

    def answer(request: Any) -> Any:
        choice = {**REPLY["choices"][0], "message": {"role": "assistant", "content": f"Your key is {next(replies)}."}}  # type: ignore[index]
        return httpx2.Response(200, stream=httpx2.ByteStream(json.dumps({**REPLY, "choices": [choice]}).encode()))

    client = httpx2.Client(transport=httpx2.MockTransport(answer))
    with nt.capture(client) as captured:
        for number, name in enumerate(["authorization", "x-api-key", "x-goog-api-key", "api-key"]):
            body = {"model": "m", "messages": QUESTION, "api_key": keys[3], "seed": number}
            key = f"Bearer {keys[number]}" if number == 0 else keys[number]
            client.post(f"{URL}?key={keys[2]}", json=body, headers={name: key})

    written = str([run.to_dict() for run in captured.runs]) + repr(captured)
    assert "Your key is …." in written
    assert not [key for key in keys if key in written]


def test_captured_runs_are_ordinary_runs(tmp_path: Path) -> None:
    client = httpx2.Client(transport=httpx2.MockTransport(lambda request: httpx2.Response(200, json=REPLY)))
    with nt.capture(client) as captured:
        for text in ("Hello", "Bonjour"):
            client.post(URL, json={"model": "gpt-4.1", "messages": [{"role": "user", "content": text}]})
    first, second = captured.runs
    nt.save(first, tmp_path / "run.yaml")

    assert list(nt.frames.runs(captured.runs)["run_id"]) == [first.id, second.id]
    assert nt.load(tmp_path / "run.yaml")[-1].usage == first[-1].usage
    assert nt.compare(first, second).changes
    assert first[-1].cost is not None
    assert len(nt.rerun(first, nt.scripted("Hi.")).ask("Again").result()) == 4


def test_a_capture_adds_no_references_that_outlive_it() -> None:
    client = httpx2.Client(transport=httpx2.MockTransport(lambda request: httpx2.Response(200, json=REPLY)))
    captured = nt.capture(client)
    client.post(URL, json={"model": "gpt-4.1", "messages": QUESTION})
    captured.stop()
    source = weakref.ref(captured._source)
    del captured
    gc.collect()

    assert source() is None


class PerLoopClient(httpx2.AsyncClient):
    """A client like that of google-genai, which has another one for each event loop."""

    def __init__(self, transport: Any) -> None:
        super().__init__(transport=transport)
        self.loop_clients: dict[Any, httpx2.AsyncClient] = {}
        self.transport_of_calls = transport

    def _client_for_running_loop(self) -> httpx2.AsyncClient:
        loop = asyncio.get_running_loop()
        return self.loop_clients.setdefault(loop, httpx2.AsyncClient(transport=self.transport_of_calls))

    async def send(self, request: Any, **options: Any) -> Any:
        return await self._client_for_running_loop().send(request, **options)


def test_a_client_with_a_client_for_each_event_loop_is_captured() -> None:
    transport = httpx2.MockTransport(lambda request: httpx2.Response(200, json=REPLY))
    client = PerLoopClient(transport)

    async def ask(text: str) -> None:
        await client.post(URL, json={"model": "m", "messages": [{"role": "user", "content": text}]})

    with nt.capture(client) as captured:
        asyncio.run(ask("Hello"))
        asyncio.run(ask("Bonjour"))
    asyncio.run(ask("after the end"))

    assert [run[-1][0].text for run in captured.runs] == ["Hello", "Bonjour"]
    assert captured.errors == ()
