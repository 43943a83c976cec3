"""Objects of SDKs and frameworks, made by the real packages, as conversations."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

import nbturns as nt

PROMPT = "Is bed 3 dry?"
# Event loops that the frameworks leave open are reported in whichever test runs when they are collected.
pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")


def kinds(value: Any) -> list[str]:
    run = nt.load(value)
    assert run.import_report is not None and run.import_report.complete, str(run.import_report)
    return [block.kind for block in run.latest]


def tokens(value: Any) -> list[tuple[int, int]]:
    results = nt.load(value).inferences
    return [(result.usage.input_tokens, result.usage.output_tokens) for result in results if result.usage is not None]


def test_a_chat_completion_of_openai() -> None:
    from openai.types.chat import ChatCompletion

    call = {"id": "c1", "type": "function", "function": {"name": "moisture", "arguments": '{"bed": 3}'}}
    message = {"role": "assistant", "content": None, "tool_calls": [call]}
    completion = ChatCompletion.model_validate(
        {
            "id": "chatcmpl-1",
            "object": "chat.completion",
            "created": 1,
            "model": "gpt-5",
            "choices": [{"index": 0, "finish_reason": "tool_calls", "message": message}],
            "usage": {"prompt_tokens": 11, "completion_tokens": 4, "total_tokens": 15},
        }
    )
    assert kinds(completion) == ["tool_call"]
    assert tokens(completion) == [(11, 4)]
    assert isinstance(nt.view(completion), nt.widgets.RunView)


def test_a_response_of_openai() -> None:
    from openai.types.responses import Response

    text = {"type": "output_text", "text": "It is dry.", "annotations": []}
    response = Response.model_validate(
        {
            "id": "resp_1",
            "object": "response",
            "created_at": 1,
            "status": "completed",
            "model": "gpt-5",
            "output": [{"type": "message", "id": "m1", "role": "assistant", "status": "completed", "content": [text]}],
            "parallel_tool_calls": True,
            "tool_choice": "auto",
            "tools": [],
            "usage": {
                "input_tokens": 11,
                "input_tokens_details": {"cached_tokens": 3, "cache_write_tokens": 0},
                "output_tokens": 4,
                "output_tokens_details": {"reasoning_tokens": 0},
                "total_tokens": 15,
            },
        }
    )
    assert kinds(response) == ["llm_text"]
    assert tokens(response) == [(11, 4)]


def test_a_message_of_anthropic() -> None:
    from anthropic.types import Message

    message = Message.model_validate(
        {
            "id": "msg_1",
            "type": "message",
            "role": "assistant",
            "model": "claude-sonnet-4-5",
            "content": [{"type": "tool_use", "id": "c1", "name": "moisture", "input": {"bed": 3}}],
            "stop_reason": "tool_use",
            "stop_sequence": None,
            "usage": {"input_tokens": 11, "output_tokens": 4},
        }
    )
    assert kinds(message) == ["tool_call"]
    assert tokens(message) == [(11, 4)]


def test_messages_of_langchain_and_a_state_of_langgraph() -> None:
    from langchain_core.messages import AIMessage, HumanMessage, SystemMessage, ToolMessage

    messages = [
        SystemMessage("Be brief."),
        HumanMessage(PROMPT),
        AIMessage(
            "",
            tool_calls=[{"name": "moisture", "args": {"bed": 3}, "id": "c1"}],
            usage_metadata={"input_tokens": 11, "output_tokens": 4, "total_tokens": 15},
        ),
        ToolMessage("0.2", tool_call_id="c1"),
        AIMessage("It is dry.", response_metadata={"model_name": "gpt-5"}),
    ]
    expected = ["system", "user", "tool_call", "tool_use", "llm_text"]
    assert kinds(messages) == kinds({"messages": messages}) == expected
    assert tokens(messages) == [(11, 4)]


def test_a_state_that_a_graph_of_langgraph_returned() -> None:
    from langchain_core.messages import AIMessage, HumanMessage
    from langgraph.graph import END, START, MessagesState, StateGraph

    graph: Any = StateGraph(MessagesState)
    graph.add_node("answer", lambda _: {"messages": [AIMessage("It is dry.")]})
    graph.add_edge(START, "answer")
    graph.add_edge("answer", END)
    state = graph.compile().invoke({"messages": [HumanMessage(PROMPT)]})
    assert kinds(state) == ["user", "llm_text"]


def test_a_result_of_pydantic_ai_and_its_messages() -> None:
    from pydantic_ai import Agent
    from pydantic_ai.models.test import TestModel

    agent: Any = Agent(TestModel(), system_prompt="Be brief.")

    @agent.tool_plain
    def moisture(bed: int) -> float:
        return bed / 10

    result = asyncio.run(agent.run(PROMPT))  # run_sync would leave an event loop open
    expected = ["system", "user", "tool_call", "tool_use", "llm_text"]
    assert kinds(result) == kinds(result.all_messages()) == kinds(json.loads(result.all_messages_json())) == expected
    assert len(tokens(result)) == 2


def test_a_result_a_state_and_the_input_list_of_openai_agents() -> None:
    from agents import Agent, ModelResponse, Runner, Usage, function_tool, set_tracing_disabled
    from agents.models.interface import Model
    from openai.types.responses import ResponseFunctionToolCall, ResponseOutputMessage, ResponseOutputText

    set_tracing_disabled(disabled=True)

    class Scripted(Model):  # type: ignore[misc, unused-ignore]
        calls = 0

        async def get_response(self, *args: Any, **kwargs: Any) -> ModelResponse:
            self.calls += 1
            call = ResponseFunctionToolCall(
                arguments='{"bed": 3}', call_id="c1", name="moisture", type="function_call", id="fc_1"
            )
            text = ResponseOutputText(annotations=[], text="It is dry.", type="output_text")
            message = ResponseOutputMessage(
                id="m1", content=[text], role="assistant", status="completed", type="message"
            )
            usage = Usage(requests=1, input_tokens=11 * self.calls, output_tokens=4, total_tokens=15)
            return ModelResponse(
                output=[call if self.calls == 1 else message], usage=usage, response_id=f"r{self.calls}"
            )

        def stream_response(self, *args: Any, **kwargs: Any) -> Any:
            raise AssertionError("the test does not stream")

    @function_tool
    def moisture(bed: int) -> float:
        """The moisture of a bed."""
        return bed / 10

    agent: Any = Agent(name="Gardener", model=Scripted(), tools=[moisture])
    result = asyncio.run(Runner.run(agent, PROMPT))
    expected = ["user", "tool_call", "tool_use", "llm_text"]
    assert kinds(result) == kinds(result.to_state()) == kinds(result.to_input_list()) == expected
    assert tokens(result) == tokens(result.to_state()) == [(11, 4), (22, 4)]


def test_turns_of_chatlas() -> None:
    from chatlas import AssistantTurn, UserTurn
    from chatlas.types import ContentText, ContentToolRequest, ContentToolResult

    call = ContentToolRequest(id="c1", name="moisture", arguments={"bed": 3})
    turns = [
        UserTurn(PROMPT),
        AssistantTurn([ContentText(text="I measure."), call], tokens=(11, 4, 0)),
        UserTurn([ContentToolResult(value="0.2", request=call)]),
    ]
    assert kinds(turns) == ["user", "llm_text", "tool_call", "tool_use"]


def test_a_memory_of_smolagents() -> None:
    from smolagents.memory import ActionStep, AgentMemory, TaskStep, ToolCall
    from smolagents.monitoring import Timing, TokenUsage

    memory = AgentMemory("Be brief.")
    memory.steps.append(TaskStep(task=PROMPT))
    memory.steps.append(
        ActionStep(
            step_number=1,
            timing=Timing(start_time=1.0, end_time=2.0),
            tool_calls=[ToolCall(name="moisture", arguments={"bed": 3}, id="c1")],
            model_output="I measure.",
            observations="0.2",
            token_usage=TokenUsage(input_tokens=11, output_tokens=4),
        )
    )
    assert kinds(memory) == ["system", "user", "llm_text", "tool_call", "tool_use"]
    assert tokens(memory) == [(11, 4)]


def test_a_log_a_sample_and_messages_of_inspect() -> None:
    from inspect_ai.log import EvalConfig, EvalDataset, EvalLog, EvalSample, EvalSpec
    from inspect_ai.model import ChatMessageAssistant, ChatMessageTool, ChatMessageUser
    from inspect_ai.tool import ToolCall

    messages = [
        ChatMessageUser(content=PROMPT),
        ChatMessageAssistant(content="", tool_calls=[ToolCall(id="c1", function="moisture", arguments={"bed": 3})]),
        ChatMessageTool(content="0.2", tool_call_id="c1", function="moisture"),
    ]
    sample = EvalSample(id=1, epoch=1, input=PROMPT, target="dry", messages=messages)
    spec = EvalSpec(
        created="2026-05-01T00:00:00Z", task="beds", dataset=EvalDataset(), model="mockllm/model", config=EvalConfig()
    )
    log = EvalLog(eval=spec, samples=[sample])
    assert kinds(log) == kinds(sample) == kinds(messages) == ["user", "tool_call", "tool_use"]


def test_a_dataset_of_hugging_face() -> None:
    from datasets import Dataset

    chat = [{"role": "user", "content": PROMPT}, {"role": "assistant", "content": "It is dry."}]
    dataset = Dataset.from_list([{"messages": chat, "score": score} for score in (0.5, 1.0)])
    for table in (dataset, dataset.to_iterable_dataset()):
        runs = list(nt.load_all(table))
        assert [[block.kind for block in run.latest] for run in runs] == [["user", "llm_text"]] * 2
        assert [run.fields["score"] for run in runs] == [0.5, 1.0]


def test_a_frame_of_a_frame_goes_to_a_dataset() -> None:
    from datasets import Dataset

    blocks = nt.frames.blocks(nt.turn(PROMPT))
    assert Dataset.from_pandas(blocks)[0]["text"] == PROMPT
