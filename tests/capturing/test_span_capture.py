"""`nt.capture()`: spans of OpenTelemetry in this process, in both conventions."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import pytest
from opentelemetry.sdk.trace import TracerProvider

import nbturns as nt


@pytest.fixture
def provider() -> Iterator[TracerProvider]:
    made = TracerProvider()
    yield made
    made.shutdown()


def message(role: str, *parts: dict[str, Any]) -> dict[str, Any]:
    return {"role": role, "parts": list(parts)}


def text(content: str) -> dict[str, Any]:
    return {"type": "text", "content": content}


CALL = {"type": "tool_call", "id": "call_1", "name": "weather", "arguments": {"city": "Paris"}}
ANSWER = {"type": "tool_call_response", "id": "call_1", "response": "sunny"}
FIRST = [message("user", text("What is the weather in Paris?"))]
SECOND = [*FIRST, message("assistant", CALL), message("tool", ANSWER)]


def chat(tracer: Any, messages: list[Any], reply: dict[str, Any]) -> None:
    with tracer.start_as_current_span("chat gpt-4.1", attributes={"gen_ai.operation.name": "chat"}) as span:
        span.set_attributes(
            {
                "gen_ai.provider.name": "openai",
                "gen_ai.request.model": "gpt-4.1",
                "gen_ai.input.messages": json.dumps(messages),
                "gen_ai.output.messages": json.dumps([reply]),
                "gen_ai.usage.input_tokens": 10,
                "gen_ai.usage.output_tokens": 4,
            }
        )


def test_spans_of_the_genai_conventions_are_one_run_of_a_tool_loop(provider: TracerProvider) -> None:
    tracer = provider.get_tracer("agent")
    with nt.capture(provider) as captured:
        with tracer.start_as_current_span("invoke_agent", attributes={"gen_ai.operation.name": "invoke_agent"}):
            chat(tracer, FIRST, message("assistant", CALL))
            with tracer.start_as_current_span(
                "execute_tool weather",
                attributes={"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "weather"},
            ):
                pass
            growing = captured.run
            chat(tracer, SECOND, message("assistant", text("It is sunny.")))
    chat(tracer, FIRST, message("assistant", text("after the end")))

    assert [block.kind for block in captured.run[-1]] == ["user", "tool_call", "tool_use", "llm_text"]
    assert captured.run[-1].usage.input_tokens == 20
    assert len(growing[-1]) < len(captured.run[-1])
    assert any("has not ended" in note for note in growing.import_report.dropped)
    assert not captured.run.import_report.dropped
    assert captured.errors == ()


def test_spans_of_openinference_and_of_genai_are_runs_side_by_side(provider: TracerProvider) -> None:
    tracer = provider.get_tracer("agent")
    attributes = {
        "openinference.span.kind": "LLM",
        "llm.model_name": "claude-sonnet-4-6",
        "llm.input_messages.0.message.role": "user",
        "llm.input_messages.0.message.content": "Hello",
        "llm.output_messages.0.message.role": "assistant",
        "llm.output_messages.0.message.content": "Hi.",
    }
    with nt.capture(provider) as captured:
        tracer.start_span("messages", attributes=attributes).end()
        tracer.start_span("GET", attributes={"http.request.method": "GET"}).end()
        chat(tracer, FIRST, message("assistant", text("Sunny.")))

    assert sorted(run[-1].text for run in captured.runs) == ["Hi.", "Sunny."]
    with pytest.raises(nt.MisuseError, match="there are 2 runs"):
        _ = captured.run


def test_a_call_that_never_ends_is_marked(provider: TracerProvider) -> None:
    attributes = {"gen_ai.operation.name": "chat", "gen_ai.input.messages": json.dumps(FIRST)}
    with nt.capture(provider) as captured:
        span = provider.get_tracer("agent").start_span("chat", attributes=attributes)
    run = captured.run
    span.end()
    chat(provider.get_tracer("agent"), SECOND, message("assistant", text("after the end")))

    assert not captured.run.import_report.dropped
    assert len(captured.run[-1]) == 1
    assert run[-1][0].text == "What is the weather in Paris?"
    assert any("this call has not ended" in note for note in run.import_report.dropped)


def test_two_agents_on_threads_are_two_runs(provider: TracerProvider) -> None:
    tracer = provider.get_tracer("agent")

    def agent(name: str) -> None:
        chat(tracer, [message("user", text(f"I am {name}"))], message("assistant", text("Hello.")))

    with nt.capture(provider) as captured:
        threads = [threading.Thread(target=agent, args=(name,)) for name in ("Ada", "Grace")]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    assert sorted(run[-1][0].text for run in captured.runs) == ["I am Ada", "I am Grace"]


def test_an_exception_in_the_capture_does_not_disturb_the_agent(
    provider: TracerProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    from nbturns.capturing import span_capture

    def broken(span: Any) -> bool:
        raise ZeroDivisionError("broken")

    with nt.capture(provider) as captured:
        monkeypatch.setattr(span_capture, "_is_of_model", broken)
        chat(provider.get_tracer("agent"), FIRST, message("assistant", text("Sunny.")))

    assert [type(error) for error in captured.errors] == [ZeroDivisionError]


@pytest.mark.parametrize(
    ("module", "hint"),
    [
        ("smolagents", "pip install openinference-instrumentation-smolagents"),
        ("pydantic_ai", r"pydantic_ai\.Agent\.instrument_all\(\)"),
        ("langgraph", "pip install openinference-instrumentation-langchain"),
        ("openai", "pip install openinference-instrumentation-openai and"),
    ],
)
def test_without_spans_the_error_names_the_instrumentation_of_what_is_imported(
    provider: TracerProvider, module: str, hint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, module, ModuleType(module))
    with nt.capture(provider) as captured:
        pass

    assert captured.runs == []
    with pytest.raises(nt.MisuseError, match=hint):
        _ = captured.run


def test_the_provider_of_the_process_is_captured_without_an_argument() -> None:
    from opentelemetry import trace

    with nt.capture() as captured:
        chat(trace.get_tracer("agent"), FIRST, message("assistant", text("Sunny.")))

    assert captured.run[-1].text == "Sunny."


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk", None)
    with pytest.raises(nt.MissingPackageError, match=r"pip install 'nbturns\[otel\]'"):
        nt.capture()
