"""Agents of the real packages, captured while they talk to a model on this machine: `make test-integrations`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import nbturns as nt
from tests.model_server import ANSWER, USAGE, ModelServer, serve_model

KEY = "sk-test-a1b2c3d4e5f6g7h8"
PROMPT = "How is the weather in Paris?"
pytestmark = pytest.mark.filterwarnings("ignore")  # of the frameworks, and about event loops that they leave open


@pytest.fixture
def model() -> Iterator[ModelServer]:
    with serve_model() as server:
        yield server


def weather(city: str) -> str:
    """Return the weather of a city.

    Args:
        city: The name of the city.
    """
    return f"sunny in {city}"


def pydantic_ai_agent(url: str) -> Any:
    from openai import AsyncOpenAI
    from pydantic_ai import Agent
    from pydantic_ai.models.openai import OpenAIChatModel
    from pydantic_ai.providers.openai import OpenAIProvider

    Agent.instrument_all()

    async def run() -> Any:  # run_sync would leave an event loop and its connection open
        async with AsyncOpenAI(base_url=f"{url}/v1", api_key=KEY) as client:
            model = OpenAIChatModel("gpt-4.1", provider=OpenAIProvider(openai_client=client))
            return (await Agent(model, tools=[weather]).run(PROMPT)).output

    return asyncio.run(run())


def openai_agents_agent(url: str) -> Any:
    from agents import Agent, Runner, function_tool, set_default_openai_client, set_trace_processors
    from openai import AsyncOpenAI
    from openinference.instrumentation.openai_agents import OpenAIAgentsInstrumentor

    set_trace_processors([])
    OpenAIAgentsInstrumentor().instrument()
    try:
        set_default_openai_client(AsyncOpenAI(base_url=f"{url}/v1", api_key=KEY), use_for_tracing=False)
        agent: Any = Agent(name="Forecaster", model="gpt-4.1", tools=[function_tool(weather)])
        return asyncio.run(Runner.run(agent, PROMPT)).final_output
    finally:
        OpenAIAgentsInstrumentor().uninstrument()


def langgraph_agent(url: str) -> Any:
    from langchain_openai import ChatOpenAI
    from langgraph.prebuilt import create_react_agent
    from openinference.instrumentation.langchain import LangChainInstrumentor

    LangChainInstrumentor().instrument()
    try:
        model = ChatOpenAI(model="gpt-4.1", base_url=f"{url}/v1", api_key=KEY)  # type: ignore[arg-type, unused-ignore]
        agent: Any = create_react_agent(model, [weather])
        return agent.invoke({"messages": [{"role": "user", "content": PROMPT}]})["messages"][-1].content
    finally:
        LangChainInstrumentor().uninstrument()


def smolagents_agent(url: str) -> Any:
    from openinference.instrumentation.smolagents import SmolagentsInstrumentor
    from smolagents import OpenAIServerModel, ToolCallingAgent, tool

    SmolagentsInstrumentor().instrument()
    try:
        model = OpenAIServerModel("gpt-4.1", api_base=f"{url}/v1", api_key=KEY)
        return ToolCallingAgent(tools=[tool(weather)], model=model, verbosity_level=0).run(PROMPT)
    finally:
        SmolagentsInstrumentor().uninstrument()


AGENTS = [pydantic_ai_agent, openai_agents_agent, langgraph_agent, smolagents_agent]


@pytest.mark.parametrize("agent", AGENTS)
def test_an_agent_of_a_framework_is_a_run(agent: Callable[[str], Any], model: ModelServer) -> None:
    expect_weather(agent, model)


def expect_weather(agent: Callable[[str], Any], model: ModelServer) -> None:
    """Run an agent in a capture, and check the conversation."""
    with nt.capture() as captured:
        answer = agent(model.url)

    assert answer == ANSWER
    assert captured.errors == ()
    blocks = captured.run[-1]
    [call] = [block for block in blocks.of_kind("tool_call") if block.name == "weather"]
    [result] = [block for block in blocks.of_kind("tool_use") if block.tool_call_id == call.tool_call_id]
    assert any(block.text == PROMPT or PROMPT in block.text for block in blocks.of_kind("user"))
    assert call.args == {"city": "Paris"}
    assert "sunny in Paris" in str(result.result)
    assert len(blocks.inferences) == len(model.requests) == 2
    assert [
        (result.usage.input_tokens, result.usage.output_tokens) for result in blocks.inferences if result.usage
    ] == [USAGE] * 2
    assert {result.model for result in blocks.inferences} == {"gpt-4.1"}
    assert KEY not in str(captured.run.to_dict())


def openai_loop(url: str) -> Any:
    from openai import OpenAI
    from openinference.instrumentation.openai import OpenAIInstrumentor

    OpenAIInstrumentor().instrument()
    try:
        return loop_over_chat(OpenAI(base_url=f"{url}/v1", api_key=KEY))
    finally:
        OpenAIInstrumentor().uninstrument()


def loop_over_chat(client: Any) -> Any:
    function = {"name": "weather", "parameters": {"type": "object", "properties": {"city": {"type": "string"}}}}
    messages: list[Any] = [{"role": "user", "content": PROMPT}]
    for _ in range(2):
        tools = [{"type": "function", "function": function}]
        reply = client.chat.completions.create(model="gpt-4.1", messages=messages, tools=tools).choices[0].message
        messages.append(reply.model_dump(exclude_none=True))
        calls = reply.tool_calls or ()
        messages += [{"role": "tool", "tool_call_id": call.id, "content": weather("Paris")} for call in calls]
    return reply.content


def anthropic_loop(url: str) -> Any:
    from anthropic import Anthropic
    from openinference.instrumentation.anthropic import AnthropicInstrumentor

    AnthropicInstrumentor().instrument()
    try:
        client: Any = Anthropic(base_url=url, api_key=KEY)
        tool = {"name": "weather", "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}}}
        messages: list[Any] = [{"role": "user", "content": PROMPT}]
        for _ in range(2):
            reply = client.messages.create(model="gpt-4.1", max_tokens=99, messages=messages, tools=[tool])
            messages.append(
                {"role": "assistant", "content": [block.model_dump(exclude_none=True) for block in reply.content]}
            )
            results = [
                {"type": "tool_result", "tool_use_id": block.id, "content": weather("Paris")}
                for block in reply.content
                if block.type == "tool_use"
            ]
            messages.append({"role": "user", "content": results})
        return reply.content[0].text
    finally:
        AnthropicInstrumentor().uninstrument()


@pytest.mark.parametrize("loop", [openai_loop, anthropic_loop])
def test_a_loop_over_an_instrumented_client_is_a_run(loop: Callable[[str], Any], model: ModelServer) -> None:
    expect_weather(loop, model)
