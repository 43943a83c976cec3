"""Spans as conversations: loops over several traces, spans of tool calls, subagents, attributes without a span."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import nbturns as nt

START = 1_746_090_000_000_000_000  # nanoseconds


def otel(name: str, trace: str, id: str, parent: str, second: int, attributes: dict[str, Any]) -> dict[str, Any]:
    return {
        "name": name,
        "traceId": trace,
        "spanId": id,
        "parentSpanId": parent,
        "startTimeUnixNano": str(START + second * 10**9),
        "endTimeUnixNano": str(START + second * 10**9 + 250_000_000),
        "attributes": [{"key": key, "value": {"stringValue": value}} for key, value in attributes.items()],
    }


def text(role: str, content: str) -> dict[str, Any]:
    return {"role": role, "parts": [{"type": "text", "content": content}]}


def tool_part(id: str, name: str, arguments: Any) -> dict[str, Any]:
    return {"type": "tool_call", "id": id, "name": name, "arguments": arguments}


def chat(trace: str, id: str, parent: str, second: int, messages: list[Any], reply: Any, **attributes: Any) -> Any:
    own = {
        "gen_ai.operation.name": "chat",
        "gen_ai.request.model": "gpt-5",
        "gen_ai.input.messages": json.dumps(messages),
        "gen_ai.output.messages": json.dumps([reply]),
    }
    return otel("chat gpt-5", trace, id, parent, second, {**own, **attributes})


def tool(trace: str, id: str, parent: str, second: int, **attributes: str) -> Any:
    own = {"gen_ai.operation.name": "execute_tool"}
    return otel("execute_tool look", trace, id, parent, second, {**own, **attributes})


def lines(spans: list[Any]) -> str:
    return "\n".join(json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": [span]}]}]}) for span in spans)


def test_a_loop_whose_calls_have_traces_of_their_own_is_one_conversation(tmp_path: Path) -> None:
    messages: list[Any] = [text("user", "Count to twenty")]
    spans = []
    for number in range(20):
        call = {"role": "assistant", "parts": [tool_part(f"c{number}", "count", {"n": number})]}
        spans.append(chat(f"{number:032x}", f"{number:016x}", "", number, list(messages), call))
        result = {"type": "tool_call_response", "id": f"c{number}", "response": str(number)}
        messages += [call, {"role": "tool", "parts": [result]}]
    path = tmp_path / "spans.jsonl"
    path.write_text(lines(spans))

    (run,) = nt.load_all(path)

    assert len(run.latest) == 40 and len(run.inferences) == 20
    assert run.import_report is not None and run.import_report.complete


def test_calls_of_two_conversations_with_equal_messages_stay_apart() -> None:
    hello = [text("user", "Hello")]
    first = chat("a" * 32, "1" * 16, "", 0, hello, text("assistant", "Hi"), **{"gen_ai.conversation.id": "one"})
    longer = [*hello, text("assistant", "Hi"), text("user", "Bye")]
    second = chat("b" * 32, "2" * 16, "", 1, longer, text("assistant", "Bye"), **{"gen_ai.conversation.id": "two"})

    with pytest.raises(nt.LoadError, match="several conversations"):
        nt.loads(lines([first, second]))


def test_spans_of_tools_alone_are_calls_with_results_and_durations() -> None:
    agent = otel("invoke_agent", "a" * 32, "1" * 16, "", 0, {"gen_ai.operation.name": "invoke_agent"})
    call = {"gen_ai.tool.name": "look", "gen_ai.tool.call.id": "c1", "gen_ai.tool.call.arguments": '{"at": "sky"}'}
    first = tool("a" * 32, "2" * 16, "1" * 16, 1, **call, **{"gen_ai.tool.call.result": "blue"})
    second = tool("a" * 32, "3" * 16, "1" * 16, 2, **{"gen_ai.tool.name": "listen"})
    second["status"] = {"code": 2, "message": "no ears"}

    run = nt.loads(lines([second, agent, first]), strict=True)

    calls, results = run.latest.of_kind("tool_call"), run.latest.of_kind("tool_use")
    assert [(call.name, dict(call.args)) for call in calls] == [("look", {"at": "sky"}), ("listen", {})]
    assert [(result.result, result.error) for result in results] == [("blue", ""), (None, "no ears")]
    assert results[0].metadata[nt.keys.DURATION_MS] == 250


def test_the_span_of_a_call_that_a_model_made_adds_its_duration_and_a_missing_result() -> None:
    call = {"role": "assistant", "parts": [tool_part("c1", "look", {"at": "sky"})]}
    model = chat("a" * 32, "1" * 16, "", 0, [text("user", "Look")], call)
    span = tool("a" * 32, "2" * 16, "", 1, **{"gen_ai.tool.call.id": "c1", "gen_ai.tool.call.result": "blue"})

    run = nt.loads(lines([model, span]))

    assert [block.kind for block in run.latest] == ["user", "tool_call", "tool_use"]
    assert run.latest[-1].result == "blue" and run.latest[-1].metadata[nt.keys.DURATION_MS] == 250


def test_a_conversation_in_the_span_of_a_tool_call_is_that_of_a_subagent(tmp_path: Path) -> None:
    trace = "a" * 32
    call = {"role": "assistant", "parts": [tool_part("c1", "research", {"topic": "bees"})]}
    main = chat(trace, "1" * 16, "0" * 16, 0, [text("user", "Tell me about bees")], call)
    span = tool(trace, "2" * 16, "0" * 16, 1, **{"gen_ai.tool.call.id": "c1", "gen_ai.tool.name": "research"})
    agent = otel("invoke_agent", trace, "3" * 16, "2" * 16, 2, {"gen_ai.operation.name": "invoke_agent"})
    inner = chat(trace, "4" * 16, "3" * 16, 3, [text("user", "bees?")], text("assistant", "They dance."))
    path = tmp_path / "spans.jsonl"
    path.write_text(lines([main, span, agent, inner]))

    parent, child = nt.load_all(path)

    (started,) = parent.latest.of_kind("tool_call")
    assert (started.child_run_id, child.parent_id, parent.child_ids) == (child.id, parent.id, (child.id,))
    assert child.metadata[nt.keys.PARENT_TOOL_CALL] == "c1"
    assert [block.text for block in child.latest] == ["bees?", "They dance."]


# OpenInference.


def phoenix(kind: str, id: str, parent: str | None, second: int, attributes: dict[str, Any]) -> dict[str, Any]:
    return {
        "name": "look",
        "context": {"trace_id": "0x1", "span_id": id},
        "parent_id": parent,
        "start_time": f"2026-05-01T09:00:{second:02}Z",
        "end_time": f"2026-05-01T09:00:{second:02}.500Z",
        "attributes": {"openinference.span.kind": kind, **attributes},
    }


def test_a_tool_span_of_openinference_is_the_call_with_its_name_and_arguments() -> None:
    model = phoenix(
        "LLM", "1", None, 0,
        {
            "llm.model_name": "gpt-5",
            "llm.input_messages.0.message.role": "user",
            "llm.input_messages.0.message.content": "Look",
            "llm.output_messages.0.message.role": "assistant",
            "llm.output_messages.0.message.tool_calls.0.tool_call.id": "c1",
            "llm.output_messages.0.message.tool_calls.0.tool_call.function.name": "look",
            "llm.output_messages.0.message.tool_calls.0.tool_call.function.arguments": '{"at": "sky"}',
        },
    )  # fmt: skip
    same = phoenix("TOOL", "2", "1", 1, {"tool.name": "look", "input.value": '{"at":"sky"}', "output.value": "blue"})
    other = phoenix("TOOL", "3", "1", 2, {"tool.name": "listen", "input.value": "{}", "output.value": "birds"})

    run = nt.loads("\n".join(map(json.dumps, [model, same, other])), strict=True)

    assert [(block.name or block.result or block.text) for block in run.latest] == [
        "Look", "look", "blue", "listen", "birds",
    ]  # fmt: skip


def test_the_attributes_of_a_span_alone_are_read() -> None:
    attributes = {
        "gen_ai.operation.name": "chat",
        "gen_ai.response.model": "gpt-5",
        "gen_ai.usage.input_tokens": 12,
        "gen_ai.input.messages": json.dumps([text("user", "Hello")]),
        "gen_ai.output.messages": json.dumps([text("assistant", "Hi")]),
    }

    run = nt.loads(attributes, strict=True)

    assert [block.text for block in run.latest] == ["Hello", "Hi"] and run.usage.input_tokens == 12


def test_spans_of_the_vercel_ai_sdk_are_a_conversation_with_its_tool_call() -> None:
    def step(id: str, second: int, messages: list[Any], **response: Any) -> dict[str, Any]:
        attributes = {
            "ai.operationId": "ai.generateText.doGenerate",
            "ai.prompt.messages": json.dumps(messages),
            "ai.model.id": "gpt-5-mini",
            "ai.model.provider": "openai.chat",
            "ai.usage.promptTokens": "20",
            "ai.usage.completionTokens": "5",
            **{f"ai.response.{name}": value for name, value in response.items()},
        }
        return otel("ai.generateText.doGenerate", "t", id, "root", second, attributes)

    prompt = {"role": "user", "content": [{"type": "text", "text": "Weather in Rome?"}]}
    call = {"toolCallId": "c1", "toolName": "weather", "input": {"city": "Rome"}}
    result = {
        "type": "tool-result",
        "toolCallId": "c1",
        "toolName": "weather",
        "output": {"type": "text", "value": "sunny"},
    }
    messages = [
        prompt,
        {"role": "assistant", "content": [{"type": "tool-call", **call}]},
        {"role": "tool", "content": [result]},
    ]
    tool = {"ai.operationId": "ai.toolCall", "ai.toolCall.id": "c1", "ai.toolCall.name": "weather"}
    spans = [
        otel("ai.generateText", "t", "root", "", 0, {"ai.operationId": "ai.generateText", "ai.prompt": "{}"}),
        step("a", 1, [prompt], toolCalls=json.dumps([call])),
        otel("ai.toolCall", "t", "b", "root", 2, {**tool, "ai.toolCall.result": '"sunny"'}),
        step("c", 3, messages, text="It is sunny."),
    ]

    run = nt.loads({"resourceSpans": [{"scopeSpans": [{"spans": spans}]}]})

    assert [block.text or block.name or block.result for block in run.latest] == [
        "Weather in Rome?", "weather", "sunny", "It is sunny.",
    ]  # fmt: skip
    assert [(call.model, call.usage.input_tokens) for call in run.inferences if call.usage] == [("gpt-5-mini", 20)] * 2
    assert not run.import_report.unknown


# Traces of openai-agents.


def agents_span(id: str, parent: str | None, second: int, **data: Any) -> dict[str, Any]:
    return {
        "object": "trace.span",
        "id": f"span_{id}",
        "trace_id": "trace_1",
        "parent_id": parent and f"span_{parent}",
        "started_at": f"2026-05-01T09:00:{second:02}+00:00",
        "ended_at": f"2026-05-01T09:00:{second:02}.500000+00:00",
        "span_data": data,
        "error": None,
    }


def test_an_agent_as_a_tool_of_openai_agents_is_a_run_that_its_call_started() -> None:
    def generation(id: str, parent: str, second: int, messages: list[Any], reply: Any) -> dict[str, Any]:
        usage = {"input_tokens": 20, "output_tokens": 5}
        return agents_span(
            id, parent, second, type="generation", input=messages, output=[reply], model="gpt-5-mini", usage=usage
        )

    prompt = {"role": "user", "content": "bees?"}
    call = {"id": "c1", "type": "function", "function": {"name": "bee_expert", "arguments": '{"input": "bees?"}'}}
    asked = {"role": "assistant", "content": None, "tool_calls": [call]}
    answered = {"role": "tool", "tool_call_id": "c1", "content": "They dance."}
    records = [
        {"object": "trace", "id": "trace_1", "workflow_name": "Garden", "group_id": "g", "metadata": None},
        agents_span(
            "agent", None, 0, type="agent", name="Gardener", handoffs=[], tools=["bee_expert"], output_type="str"
        ),
        generation("a", "agent", 1, [prompt], asked),
        agents_span(
            "tool", "agent", 2, type="function", name="bee_expert", input='{"input": "bees?"}', output="They dance."
        ),
        agents_span("inner", "tool", 3, type="agent", name="Bee expert", handoffs=[], tools=[], output_type="str"),
        generation(
            "b",
            "inner",
            4,
            [{"role": "user", "content": "What do bees do?"}],
            {"role": "assistant", "content": "They dance."},
        ),
        generation("c", "agent", 5, [prompt, asked, answered], {"role": "assistant", "content": "Bees dance."}),
    ]
    text = "\n".join(json.dumps({"data": [record]}) for record in records)
    for source in (text, "\n".join(map(json.dumps, records)), json.dumps({"data": records})):
        parent, child = nt.load_all(source.encode())

        (started,) = parent.latest.of_kind("tool_call")
        assert (started.child_run_id, child.parent_id, parent.child_ids) == (child.id, parent.id, (child.id,))
        assert [block.text or block.name or block.result for block in parent.latest] == [
            "bees?", "bee_expert", "They dance.", "Bees dance.",
        ]  # fmt: skip
        assert child.latest.text == "They dance." and parent.name == "Garden"
        assert (parent.usage.input_tokens, child.usage.input_tokens) == (40, 20)
        assert parent.import_report.format == "openai-agents" and not parent.import_report.unknown
