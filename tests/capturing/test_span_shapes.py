"""`nt.capture()`: the attributes, events and log records that instrumentations write, each as the same conversation."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from opentelemetry._logs import LogRecord, SeverityNumber, get_logger, get_logger_provider
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk.trace import TracerProvider

import nbturns as nt

PROMPT, ANSWER = "How is the weather in Paris?", "It is sunny."
CALL = {"id": "call_1", "name": "weather", "arguments": {"city": "Paris"}}
COMMON: dict[str, str | int] = {
    "gen_ai.operation.name": "chat",
    "gen_ai.system": "openai",
    "gen_ai.request.model": "gpt-4.1",
    "gen_ai.usage.input_tokens": 11,
    "gen_ai.usage.output_tokens": 4,
}
Attributes = dict[str, Any]


@pytest.fixture
def provider() -> Iterator[TracerProvider]:
    made = TracerProvider()
    yield made
    made.shutdown()


def chat_messages(count: int) -> list[dict[str, Any]]:
    """Return the messages of a conversation in OpenAI's shape: the prompt, the call, the result, the answer."""
    function = {"name": CALL["name"], "arguments": json.dumps(CALL["arguments"])}
    call: dict[str, Any] = {
        "role": "assistant",
        "content": None,
        "tool_calls": [{"id": "call_1", "type": "function", "function": function}],
    }
    result: dict[str, Any] = {"role": "tool", "tool_call_id": "call_1", "content": "sunny"}
    return [{"role": "user", "content": PROMPT}, call, result, {"role": "assistant", "content": ANSWER}][:count]


def part_messages(count: int) -> list[dict[str, Any]]:
    """Return the same messages with parts, as the conventions have them since 1.37."""
    parts = [
        ("user", {"type": "text", "content": PROMPT}),
        ("assistant", {"type": "tool_call", **CALL}),
        ("tool", {"type": "tool_call_response", "id": "call_1", "response": "sunny"}),
        ("assistant", {"type": "text", "content": ANSWER}),
    ]
    return [{"role": role, "parts": [part]} for role, part in parts[:count]]


def vercel_messages(count: int) -> list[dict[str, Any]]:
    result = {
        "type": "tool-result",
        "toolCallId": "call_1",
        "toolName": "weather",
        "output": {"type": "text", "value": "sunny"},
    }
    call = {"type": "tool-call", "toolCallId": "call_1", "toolName": "weather", "input": CALL["arguments"]}
    messages = [("user", {"type": "text", "text": PROMPT}), ("assistant", call), ("tool", result)]
    return [{"role": role, "content": [part]} for role, part in messages[:count]]


def genai(first: int) -> Attributes:
    return {
        **COMMON,
        "gen_ai.input.messages": json.dumps(part_messages(first)),
        "gen_ai.output.messages": json.dumps(part_messages(first + 1)[first:]),
    }


def openinference(first: int) -> Attributes:
    attributes: Attributes = {"openinference.span.kind": "LLM", "llm.model_name": "gpt-4.1", "llm.provider": "openai"}
    attributes |= {"llm.token_count.prompt": 11, "llm.token_count.completion": 4}
    messages = chat_messages(first + 1)
    for index, message in enumerate(messages):
        prefix = f"llm.input_messages.{index}.message." if index < first else "llm.output_messages.0.message."
        attributes |= {f"{prefix}{name}": value for name, value in message.items() if isinstance(value, str)}
        for number, call in enumerate(message.get("tool_calls", ())):
            path = f"{prefix}tool_calls.{number}.tool_call."
            attributes |= {f"{path}id": call["id"], f"{path}function.name": call["function"]["name"]}
            attributes[f"{path}function.arguments"] = call["function"]["arguments"]
    return attributes


def pydantic_ai(first: int) -> Attributes:
    """Return the attribute `events` of pydantic-ai before 1.0: events of the old conventions as JSON."""
    events = [{"event.name": f"gen_ai.{message['role']}.message", **message} for message in chat_messages(first)]
    choice = {"event.name": "gen_ai.choice", "index": 0, "message": chat_messages(first + 1)[first]}
    return {**COMMON, "events": json.dumps([*events, choice])}


def vercel(first: int) -> Attributes:
    reply: Attributes = {"ai.response.text": ANSWER}
    if first == 1:
        calls = [{"toolCallId": "call_1", "toolName": "weather", "input": json.dumps(CALL["arguments"])}]
        reply = {"ai.response.toolCalls": json.dumps(calls)}
    operation = {"ai.operationId": "ai.generateText.doGenerate", "ai.model.provider": "openai.chat"}
    return {**COMMON, **operation, "ai.prompt.messages": json.dumps(vercel_messages(first)), **reply}


SHAPES = [genai, openinference, pydantic_ai, vercel]


def expect_conversation(run: nt.Run) -> None:
    blocks = run[-1]
    assert [block.kind for block in blocks] == ["user", "tool_call", "tool_use", "llm_text"]
    assert (blocks[0].text, blocks[1].args, blocks[2].result, blocks[3].text) == (
        PROMPT,
        CALL["arguments"],
        "sunny",
        ANSWER,
    )
    assert blocks[2].tool_call_id == blocks[1].tool_call_id == "call_1"
    assert [result.model for result in blocks.inferences] == ["gpt-4.1"] * 2
    assert {result.provider for result in blocks.inferences} == {"openai"}
    assert (blocks.usage.input_tokens, blocks.usage.output_tokens) == (22, 8)
    assert run.import_report.complete, str(run.import_report)


@pytest.mark.parametrize("shape", SHAPES)
def test_two_calls_without_a_common_root_are_one_run(
    provider: TracerProvider, shape: Callable[[int], Attributes]
) -> None:
    tracer = provider.get_tracer("agent")
    with nt.capture(provider) as captured:
        for first in (1, 3):
            tracer.start_span("chat", attributes=shape(first)).end()

    assert captured.errors == ()
    expect_conversation(captured.run)


def emit(name: str, body: Any) -> None:
    """Emit a log record in the context of the current span."""
    record = LogRecord(event_name=name, body=body, severity_number=SeverityNumber.INFO)
    get_logger("instrumentation").emit(record)


def chat_with_log_records(tracer: Any, first: int) -> None:
    with tracer.start_as_current_span("chat", attributes=COMMON):
        for message in chat_messages(first):
            emit(f"gen_ai.{message['role']}.message", message)
        emit("gen_ai.choice", {"index": 0, "message": chat_messages(first + 1)[first], "finish_reason": "stop"})


def test_log_records_have_the_messages_of_their_spans(provider: TracerProvider) -> None:
    tracer = provider.get_tracer("agent")
    with nt.capture(provider) as captured:
        for first in (1, 3):
            chat_with_log_records(tracer, first)
        emit("other.event", {"content": "of another program"})
        with TracerProvider().get_tracer("other").start_as_current_span("chat"):
            emit("gen_ai.user.message", {"content": "of another provider"})

    assert isinstance(get_logger_provider(), LoggerProvider)
    assert captured.errors == ()
    expect_conversation(captured.run)


def test_events_of_spans_have_the_messages(provider: TracerProvider) -> None:
    tracer = provider.get_tracer("agent")
    with nt.capture(provider) as captured:
        for first in (1, 3):
            span = tracer.start_span("chat", attributes=COMMON)
            for message in chat_messages(first):
                attributes = {
                    name: value if isinstance(value, str) else json.dumps(value)
                    for name, value in message.items()
                    if value
                }
                span.add_event(f"gen_ai.{message['role']}.message", attributes)
            choice = {"message": json.dumps(chat_messages(first + 1)[first]), "finish_reason": "stop"}
            span.add_event("gen_ai.choice", choice)
            span.end()

    expect_conversation(captured.run)


def test_the_tool_spans_of_the_ai_sdk_have_results_before_the_next_call(provider: TracerProvider) -> None:
    tracer = provider.get_tracer("agent")
    tool: dict[str, str] = {"ai.operationId": "ai.toolCall", "ai.toolCall.name": "weather", "ai.toolCall.id": "call_1"}
    with (
        nt.capture(provider) as captured,
        tracer.start_as_current_span("ai.generateText", attributes={"ai.operationId": "ai.generateText"}),
    ):
        tracer.start_span("ai.generateText.doGenerate", attributes=vercel(1)).end()
        tracer.start_span(
            "ai.toolCall",
            attributes={**tool, "ai.toolCall.args": json.dumps(CALL["arguments"]), "ai.toolCall.result": '"sunny"'},
        ).end()
        until_now = captured.run
        tracer.start_span("ai.generateText.doGenerate", attributes=vercel(3)).end()

    assert [block.kind for block in until_now[-1]] == ["user", "tool_call", "tool_use"]
    assert until_now[-1][2].result == "sunny"
    expect_conversation(captured.run)
