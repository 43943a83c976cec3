"""Captures of what goes wrong: exporters, spans without an end, threads, interrupts, and captures that are dropped."""

from __future__ import annotations

import asyncio
import gc
import json
import os
import signal
import threading
import tracemalloc
from collections.abc import Iterator
from typing import Any

import httpx2
import openai
import pytest
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExporter

import nbturns as nt
from tests.capturing.test_client_capture import QUESTION, REPLY, URL
from tests.capturing.test_span_capture import CALL, FIRST, SECOND, chat, message, text
from tests.model_server import ANSWER, serve_model


@pytest.fixture
def provider() -> Iterator[TracerProvider]:
    made = TracerProvider()
    yield made
    made.shutdown()


def client_of_replies() -> httpx2.Client:
    return httpx2.Client(transport=httpx2.MockTransport(lambda request: httpx2.Response(200, json=REPLY)))


class RaisingExporter(SpanExporter):
    def export(self, spans: Any) -> Any:
        raise OSError("no collector")


class RaisingProcessor(SpanProcessor):
    def on_end(self, span: Any) -> None:
        raise OSError("no collector")


def test_an_exporter_that_raises_takes_nothing_from_the_capture(provider: TracerProvider) -> None:
    provider.add_span_processor(SimpleSpanProcessor(RaisingExporter()))
    with nt.capture(provider) as captured:
        chat(provider.get_tracer("agent"), FIRST, message("assistant", text("Sunny.")))

    assert captured.run[-1].text == "Sunny."
    assert captured.errors == ()


def test_a_processor_that_raises_before_ours_leaves_no_span_open(provider: TracerProvider) -> None:
    provider.add_span_processor(RaisingProcessor())
    with nt.capture(provider) as captured:
        with pytest.raises(OSError, match="no collector"):  # as without a capture
            chat(provider.get_tracer("agent"), FIRST, message("assistant", text("Sunny.")))
        run = captured.run

    assert run[-1].text == "Sunny."
    assert run.import_report.complete


def test_the_provider_may_be_shut_down_during_a_capture(provider: TracerProvider) -> None:
    with nt.capture(provider) as captured:
        chat(provider.get_tracer("agent"), FIRST, message("assistant", text("Sunny.")))
        provider.shutdown()
        chat(provider.get_tracer("agent"), SECOND, message("assistant", text("Sunny.")))

    assert captured.runs
    assert captured.errors == ()


def test_agents_in_tasks_of_one_event_loop_are_runs_of_their_own(provider: TracerProvider) -> None:
    tracer = provider.get_tracer("agent")

    async def agent(name: str) -> None:
        prompt = [message("user", text(f"I am {name}"))]
        with tracer.start_as_current_span("invoke_agent", attributes={"gen_ai.operation.name": "invoke_agent"}):
            chat(tracer, prompt, message("assistant", CALL))
            await asyncio.sleep(0.01)
            answer = {"type": "tool_call_response", "id": "call_1", "response": name}
            chat(
                tracer, [*prompt, message("assistant", CALL), message("tool", answer)], message("assistant", text(name))
            )

    async def both() -> None:
        await asyncio.gather(agent("Ada"), agent("Grace"))

    with nt.capture(provider) as captured:
        asyncio.run(both())

    assert [[block.kind for block in run[-1]] for run in captured.runs] == [
        ["user", "tool_call", "tool_use", "llm_text"]
    ] * 2
    assert sorted(run[-1].text for run in captured.runs) == ["Ada", "Grace"]
    assert all(run.import_report.complete for run in captured.runs)


def test_two_agents_with_the_same_prompt_and_client_on_threads_are_two_runs() -> None:
    with serve_model() as model, openai.OpenAI(api_key="sk-test-a1b2c3d4", base_url=f"{model.url}/v1") as client:
        tools: Any = [{"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}}]
        begin = threading.Barrier(2)

        def agent() -> None:
            messages: list[Any] = list(QUESTION)
            begin.wait()
            call: Any = (
                client.chat.completions.create(model="gpt-4.1", messages=messages, tools=tools).choices[0].message
            )
            messages.append(call.model_dump(exclude_none=True))
            messages.append({"role": "tool", "tool_call_id": call.tool_calls[0].id, "content": "sunny"})
            begin.wait()  # both go on with the same messages
            client.chat.completions.create(model="gpt-4.1", messages=messages, tools=tools)

        with nt.capture(client) as captured:
            threads = [threading.Thread(target=agent) for _ in range(2)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()

    assert captured.errors == ()
    assert [run[-1].text for run in captured.runs] == [ANSWER] * 2
    assert sum(len(run[-1].inferences) for run in captured.runs) == 4


@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
def test_an_interrupt_of_the_kernel_ends_the_call_and_is_in_its_result() -> None:
    with serve_model() as model, openai.OpenAI(api_key="sk-test-a1b2c3d4", base_url=f"{model.url}/v1") as client:
        model.gate.clear()
        with nt.capture(client) as captured, pytest.raises(KeyboardInterrupt):
            stream = client.chat.completions.create(model="gpt-4.1", messages=QUESTION, stream=True)
            received = 0
            for _ in stream:
                received += 1
                if received == 2:
                    threading.Timer(0.2, lambda: os.kill(os.getpid(), signal.SIGINT)).start()
        run = captured.run
        model.gate.set()
        client.chat.completions.create(model="gpt-4.1", messages=QUESTION)

    assert run[-1].text.startswith("It is")
    assert "KeyboardInterrupt" in str(run[-1].inferences[-1].to_dict()) + str(run.import_report.dropped)
    assert captured.errors == ()
    assert len(captured.runs) == 1


def test_an_interrupt_in_a_span_ends_it(provider: TracerProvider) -> None:
    tracer = provider.get_tracer("agent")
    with nt.capture(provider) as captured, pytest.raises(KeyboardInterrupt):
        with tracer.start_as_current_span(
            "chat", attributes={"gen_ai.operation.name": "chat", "gen_ai.input.messages": json.dumps(FIRST)}
        ):
            raise KeyboardInterrupt

    assert captured.run[-1][0].text == "What is the weather in Paris?"
    assert captured.run.import_report.complete


def test_attributes_that_cannot_be_read_are_reported_and_the_other_spans_are_read(provider: TracerProvider) -> None:
    tracer = provider.get_tracer("agent")
    with nt.capture(provider) as captured:
        tracer.start_span("chat", attributes={"gen_ai.operation.name": "chat", "gen_ai.input.messages": "[[[["}).end()
        tracer.start_span("chat", attributes={"gen_ai.operation.name": "chat", "gen_ai.input.messages": "7"}).end()
        chat(tracer, FIRST, message("assistant", text("Sunny.")))

    assert "Sunny." in [run[-1].text for run in captured.runs]
    assert any(run.import_report.unknown for run in captured.runs)


def test_a_conversation_is_the_same_as_when_all_its_spans_are_read_at_once(provider: TracerProvider) -> None:
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    exporter = InMemorySpanExporter()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    tracer = provider.get_tracer("agent")
    with nt.capture(provider) as captured:
        messages: list[Any] = []
        for number in range(6):
            messages.append(message("user", text(f"question {number}")))
            with tracer.start_as_current_span("invoke_agent", attributes={"gen_ai.operation.name": "invoke_agent"}):
                reply = message("assistant", text(f"answer {number}"))
                chat(tracer, messages, reply)
                messages.append(reply)
            assert len(captured.run[-1]) == 2 * number + 2
    at_once = nt.loads("\n".join(span.to_json(indent=None) for span in exporter.get_finished_spans()))

    assert [turn.same_content(other) for turn, other in zip(captured.run, at_once, strict=True)] == [True] * 6
    assert captured.run.usage == at_once.usage


def test_memory_is_free_when_runs_are_dropped_and_a_dropped_capture_ends(provider: TracerProvider) -> None:
    client, tracer = client_of_replies(), provider.get_tracer("agent")
    long_prompt = [{"role": "user", "content": "long " * 20_000}]

    def one_round() -> None:
        captured = [nt.capture(client), nt.capture(provider)]
        for _ in range(10):
            client.post(URL, json={"model": "gpt-4.1", "messages": long_prompt})
            chat(tracer, [message("user", text("long " * 20_000))], message("assistant", text("Sunny.")))
            tracer.start_span("never ends", attributes={"gen_ai.operation.name": "invoke_agent"})
        assert [len(capture.runs) for capture in captured] == [10, 20]

    one_round()
    tracemalloc.start()
    try:
        one_round()
        gc.collect()
        before = tracemalloc.get_traced_memory()[0]
        for _ in range(3):
            one_round()
        gc.collect()
        grown = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()

    assert grown < 200_000  # bytes; a round has 2 MB of prompts
    assert isinstance(client._transport, httpx2.MockTransport)


def test_clear_forgets_the_runs_and_the_capture_goes_on() -> None:
    client = client_of_replies()
    with nt.capture(client) as captured:
        client.post(URL, json={"model": "m", "messages": QUESTION})
        assert len(captured.runs) == 1
        captured.clear()
        assert captured.runs == []
        client.post(URL, json={"model": "m", "messages": QUESTION})

    assert captured.run[-1].text == "Hello."


def test_much_that_nobody_reads_is_read_by_a_worker() -> None:
    client = client_of_replies()
    history: list[Any] = [{"role": "user", "content": "x" * 500_000}]
    with nt.capture(client) as captured:
        for number in range(40):
            client.post(URL, json={"model": "m", "messages": history})
            history += [{"role": "assistant", "content": "Hello."}, {"role": "user", "content": f"more {number}"}]
        deadline = threading.Event()
        for _ in range(200):
            if captured._source._waiting_size < 8 << 20 and len(captured._source._waiting) < 20:
                break
            deadline.wait(0.05)

        assert len(captured._source._waiting) < 20
    assert len(captured.run[-1].of_kind("llm_text")) == 40
