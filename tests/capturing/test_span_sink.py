"""`nt.otel()`: the spans of a session, and the same session read back from them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

import nbturns as nt
from nbturns.testing.server import Server


def weather(city: str) -> str:
    """Return the weather of a city."""
    if city == "Atlantis":
        raise ValueError("no such city")
    return f"sunny in {city}"


def traced(
    *answers: Any, content: bool, prompt: Any = "How is the weather?", **settings: Any
) -> tuple[nt.Session, tuple[ReadableSpan, ...]]:
    """Return a session after a prompt, and its spans."""
    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    session = nt.Session(nt.scripted(*answers), tools=[weather], sinks=[nt.otel(provider, content=content)], **settings)
    session.ask(prompt).result()
    return session, exporter.get_finished_spans()


def read_back(spans: tuple[ReadableSpan, ...]) -> nt.Run:
    """Return the Run of spans in their JSON form."""
    return nt.loads("\n".join(span.to_json(indent=None) for span in spans))


def contents(turn: nt.Turn) -> list[Any]:
    return [(block.kind, block.text, block.args, block.result, block.error, block.images) for block in turn]


CALLS = [nt.tool_call("call_1", "weather", {"city": "Paris"}), nt.tool_call("call_2", "weather", {"city": "Atlantis"})]


@pytest.mark.parametrize("system", ["", "Be brief."])
def test_a_session_with_tools_is_read_back_from_its_spans(system: str) -> None:
    image = nt.image("https://images.test/sky.png")
    prompt = nt.user("How is the weather?", images=[image])
    session, spans = traced(
        [nt.reasoning("Two cities."), nt.assistant("I look."), *CALLS],
        "Sunny.",
        content=True,
        prompt=prompt,
        **({"system": system} if system else {}),
    )
    run = read_back(spans)

    assert contents(run[-1]) == contents(session.latest)
    assert run.id == session.id
    assert len(run[-1].inferences) == 2
    assert run.import_report is not None
    assert run.import_report.unknown == run.import_report.dropped == ()


def test_the_spans_have_the_names_and_attributes_of_the_conventions_and_no_content() -> None:
    session, spans = traced(CALLS, "Sunny.", content=False)
    by_name = {span.name: span for span in spans}
    [agent] = [span for span in spans if span.name == "invoke_agent"]

    assert sorted(span.name for span in spans) == [
        "chat",
        "chat",
        "execute_tool weather",
        "execute_tool weather",
        "invoke_agent",
    ]
    assert all(
        span.parent is not None and span.parent.span_id == agent.context.span_id for span in spans if span is not agent
    )
    assert {span.attributes["gen_ai.conversation.id"] for span in spans if span.attributes} == {session.id}
    assert [span.attributes["gen_ai.operation.name"] for span in spans if span.attributes][-1] == "invoke_agent"
    written = json.dumps([json.loads(span.to_json()) for span in spans])
    for text in ("How is the weather", "Paris", "Atlantis", "Sunny", "no such city"):
        assert text not in written
    failed = [span for span in spans if span.name == "execute_tool weather" and span.status.status_code.name == "ERROR"]
    assert len(failed) == 1
    assert by_name["invoke_agent"].end_time >= by_name["chat"].end_time  # type: ignore[operator]


def test_the_calls_of_a_provider_have_model_tokens_and_reason_read_back(server: Server) -> None:
    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    engine = nt.engine(
        "anthropic:claude-sonnet-4-6",
        base_url=f"{server.url}/_case/anthropic-hello-stream",
        api_key="sk-test-1234567890",
    )
    session = nt.Session(engine, sinks=[nt.otel(provider, content=True)])
    session.ask("Hello").result()
    ours, read = session.latest.inferences[0], read_back(exporter.get_finished_spans())[-1].inferences[0]

    for name in ("provider", "model", "usage", "stop_reason", "finish_class", "response_id", "max_tokens", "cost"):
        assert getattr(read, name) == getattr(ours, name), name
    assert "sk-test" not in str([span.to_json() for span in exporter.get_finished_spans()])


def test_a_failed_call_ends_its_spans_with_the_error() -> None:
    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    session = nt.Session(nt.scripted(nt.EngineError("overloaded")), sinks=[nt.otel(provider)])
    with pytest.raises(nt.EngineError):
        session.ask("Hello").result()

    spans = exporter.get_finished_spans()
    assert sorted(span.name for span in spans) == ["chat", "invoke_agent"]
    assert all(span.status.status_code.name == "ERROR" for span in spans)


def test_a_captured_session_is_a_run() -> None:
    provider = TracerProvider()
    with nt.capture(provider) as captured:
        session = nt.Session(nt.scripted("Hi."), sinks=[nt.otel(provider, content=True)])
        session.ask("Hello").result()

    assert contents(captured.run[-1]) == contents(session.latest)


def test_a_value_that_is_no_provider_is_an_error() -> None:
    with pytest.raises(nt.MisuseError, match="expected a tracer provider, got int"):
        nt.otel(42)
