"""Spans of one conversation that have no common root, in an order that no program reads at once."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from opentelemetry.sdk.trace import TracerProvider

import nbturns as nt
from tests.capturing.test_span_capture import ANSWER, CALL, FIRST, SECOND, chat, message, text


@pytest.fixture
def tracer() -> Iterator[tuple[TracerProvider, Any]]:
    provider = TracerProvider()
    yield provider, provider.get_tracer("agent")
    provider.shutdown()


TOOL = {
    "gen_ai.operation.name": "execute_tool",
    "gen_ai.tool.name": "weather",
    "gen_ai.tool.call.id": "call_1",
    "gen_ai.tool.call.result": "sunny",
}


def test_a_tool_span_of_a_trace_of_its_own_belongs_to_the_call_that_asked_for_it(
    tracer: tuple[TracerProvider, Any],
) -> None:
    provider, agent = tracer
    with nt.capture(provider) as captured:
        chat(agent, FIRST, message("assistant", CALL))
        open_tool = agent.start_span("execute_tool weather", attributes=TOOL)
        assert [block.kind for block in captured.run[-1]][:2] == ["user", "tool_call"]
        open_tool.end()
        assert captured.run[-1][2].result == ANSWER["response"]
        chat(agent, SECOND, message("assistant", text("It is sunny.")))

    assert [block.kind for block in captured.run[-1]] == ["user", "tool_call", "tool_use", "llm_text"]
    assert captured.run.import_report.complete


def test_the_conversation_that_only_the_root_names_joins_its_traces(tracer: tuple[TracerProvider, Any]) -> None:
    provider, agent = tracer
    root = {"gen_ai.operation.name": "invoke_agent", "gen_ai.conversation.id": "thread-7"}
    with nt.capture(provider) as captured:
        for messages, reply in ((FIRST, message("assistant", CALL)), (SECOND, message("assistant", text("Sunny.")))):
            with agent.start_as_current_span("invoke_agent", attributes=root):
                chat(agent, messages, reply)

    assert captured.run.id == "thread-7"
    assert [block.kind for block in captured.run[-1]] == ["user", "tool_call", "tool_use", "llm_text"]


def test_a_subagent_in_a_tool_is_a_run_that_its_call_names(tracer: tuple[TracerProvider, Any]) -> None:
    provider, agent = tracer
    with (
        nt.capture(provider) as captured,
        agent.start_as_current_span("invoke_agent", attributes={"gen_ai.operation.name": "invoke_agent"}),
    ):
        chat(agent, FIRST, message("assistant", CALL))
        with agent.start_as_current_span("execute_tool weather", attributes=TOOL):
            chat(agent, [message("user", text("Look at the sky of Paris"))], message("assistant", text("blue")))
        chat(agent, SECOND, message("assistant", text("Sunny.")))

    main, child = captured.runs
    assert [block.kind for block in main[-1]] == ["user", "tool_call", "tool_use", "llm_text"]
    assert child[-1].text == "blue"
    assert child.parent_id == main.id
    assert main[-1][1].child_run_id == child.id


def test_two_branches_of_one_conversation_are_two_runs_that_are_complete(tracer: tuple[TracerProvider, Any]) -> None:
    provider, agent = tracer
    with nt.capture(provider) as captured:
        chat(agent, FIRST, message("assistant", CALL))
        first = agent.start_span(
            "chat", attributes={"gen_ai.operation.name": "chat", "gen_ai.input.messages": json.dumps(SECOND)}
        )
        second = agent.start_span(
            "chat", attributes={"gen_ai.operation.name": "chat", "gen_ai.input.messages": json.dumps(SECOND)}
        )
        assert [len(run[-1]) for run in captured.runs] == [3, 3]
        for span, answer in ((second, "Second."), (first, "First.")):
            span.set_attribute("gen_ai.output.messages", json.dumps([message("assistant", text(answer))]))
            span.end()

    assert sorted(run[-1].text for run in captured.runs) == ["First.", "Second."]
    assert [[block.kind for block in run[-1]] for run in captured.runs] == [
        ["user", "tool_call", "tool_use", "llm_text"]
    ] * 2


@pytest.mark.parametrize("has_content", [True, False])
def test_a_call_in_a_call_is_the_same_call(tracer: tuple[TracerProvider, Any], has_content: bool) -> None:
    """The SDK of a provider reports each call again that a framework reports."""
    provider, agent = tracer
    with nt.capture(provider) as captured:
        for messages, reply in ((FIRST, message("assistant", CALL)), (SECOND, message("assistant", text("Sunny.")))):
            attributes = {"gen_ai.operation.name": "chat", "gen_ai.input.messages": json.dumps(messages)}
            with agent.start_as_current_span("framework", attributes=attributes) as span:
                if has_content:
                    chat(agent, messages, reply)
                    assert len(captured.runs) == 1
                else:
                    agent.start_span("sdk", attributes={"gen_ai.operation.name": "chat"}).end()
                span.set_attribute("gen_ai.output.messages", json.dumps([reply]))

    assert [block.kind for block in captured.run[-1]] == ["user", "tool_call", "tool_use", "llm_text"]
    assert len(captured.run[-1].inferences) == 2
