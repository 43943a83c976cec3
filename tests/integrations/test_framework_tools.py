"""Tools of LangChain, pydantic-ai and openai-agents in a session, with the packages themselves: `make test-integrations`."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable
from typing import Annotated, Any

import pytest
from agents import FunctionTool, RunContextWrapper, ToolOutputImage, ToolOutputText, function_tool
from langchain_core.tools import BaseTool, InjectedToolArg, StructuredTool, ToolException
from langchain_core.tools import tool as langchain_tool
from pydantic import BaseModel, Field
from pydantic_ai import BinaryContent, ModelRetry, RunContext, ToolReturn
from pydantic_ai import Tool as PydanticAiTool

import nbturns as nt
from tests.tools.test_signatures import PROVIDERS, sent_schema

PNG = b"\x89PNG\r\n\x1a\n"


class Place(BaseModel):
    city: str = Field(description="The name")
    country: str = "NO"


def weather(place: Place, days: int = 1) -> str:
    """Forecast the weather.

    Args:
        place: Where.
        days: How many days.
    """
    return f"{place.city}, {place.country}: sun for {days} days"


async def weather_later(place: Place, days: int = 1) -> str:
    """Forecast the weather.

    Args:
        place: Where.
        days: How many days.
    """
    await asyncio.sleep(0)
    return weather(place, days)


class WeatherTool(BaseTool):
    name: str = "weather"
    description: str = "Forecast the weather."
    args_schema: Any = langchain_tool(weather).args_schema

    def _run(self, place: Place, days: int = 1) -> str:
        return weather(place, days)


FROM_JSON = {
    "title": "weather",
    "type": "object",
    "properties": {"place": Place.model_json_schema(), "days": {"type": "integer", "default": 1}},
    "required": ["place"],
}
LANGCHAIN = {
    "decorated": lambda: langchain_tool(weather),
    "decorated, async": lambda: langchain_tool(weather_later),
    "parsed docstring": lambda: langchain_tool(parse_docstring=True)(weather),
    "structured": lambda: StructuredTool.from_function(weather),
    "structured, by JSON Schema": lambda: StructuredTool.from_function(
        lambda place, days=1: weather(Place(**place), days),
        name="weather",
        description="Forecast the weather.",
        args_schema=FROM_JSON,
    ),
    "a class": WeatherTool,
}


def framework_tools() -> list[Any]:
    """Return the same tool of each framework, and of each way to make one, as a tool of a session."""
    langchain = [
        pytest.param(lambda make=make: nt.tools.from_langchain(make()), id=f"langchain, {name}")
        for name, make in LANGCHAIN.items()
    ]
    return [
        *langchain,
        pytest.param(lambda: nt.tools.from_pydantic_ai(PydanticAiTool(weather)), id="pydantic-ai"),
        pytest.param(lambda: nt.tools.from_pydantic_ai(PydanticAiTool(weather_later, name="weather")), id="pydantic-ai, async"),
        pytest.param(lambda: nt.tools.from_openai_agents(function_tool(weather, strict_mode=False)), id="openai-agents"),
        pytest.param(lambda: nt.tools.from_openai_agents(function_tool(weather_later, strict_mode=False, name_override="weather")), id="openai-agents, async"),
    ]  # fmt: skip


def call(tool: nt.Tool, id: str = "c", **args: Any) -> nt.Block:
    return nt.tool_call(id, tool.name, args)


def result(tool: nt.Tool, **args: Any) -> Any:
    answer = (
        nt.Session(nt.scripted(call(tool, **args), "done"), tools=[tool]).ask("q").result(60).of_kind("tool_use")[0]
    )
    return answer.error or answer.result


@pytest.mark.parametrize("make", framework_tools())
@pytest.mark.parametrize("provider", PROVIDERS)
def test_each_provider_is_sent_the_schema(make: Callable[[], nt.Tool], provider: str) -> None:
    tool = make()
    schema = sent_schema(provider, tool)

    assert tool.description.startswith("Forecast the weather.")
    assert set(schema["properties"]) == {"place", "days"}
    assert schema["required"] == ["place"]
    assert schema["properties"]["place"]["properties"]["city"]["description"] == "The name"
    assert "$ref" not in json.dumps(schema)


@pytest.mark.parametrize("make", framework_tools())
def test_it_runs_with_checked_arguments(make: Callable[[], nt.Tool]) -> None:
    tool = make()

    assert result(tool, place={"city": "Oslo"}) == "Oslo, NO: sun for 1 days"
    assert result(tool, place='{"city": "Oslo", "country": "N"}', days="2") == "Oslo, N: sun for 2 days"
    assert result(tool, days=2) == "not run: the arguments do not fit: place is missing"


@pytest.mark.parametrize("make", framework_tools())
def test_it_is_stepped_denied_mocked_and_edited(make: Callable[[], nt.Tool]) -> None:
    tool = make()
    calls = [call(tool, id, place={"city": "Oslo"}) for id in ("run", "deny", "mock", "edit")]
    execution = nt.Session(nt.scripted(calls, "done"), tools=[tool], step={"post_inference"}).ask("q")
    pause = execution.next().result(60)
    assert pause is not None and len(pause.turn.pending) == 4
    index = next(i for i, block in enumerate(pause.turn) if block.tool_call_id == "edit")

    execution.resume(
        pause.turn.edit(index, args={"place": {"city": "Rome"}, "days": 3}), deny={"deny": "no"}, mock={"mock": "rain"}
    )
    answers = {block.tool_call_id: block.error or block.result for block in execution.result(60).of_kind("tool_use")}

    assert answers == {
        "run": "Oslo, NO: sun for 1 days",
        "deny": "denied: no",
        "mock": "rain",
        "edit": "Rome, NO: sun for 3 days",
    }


async def slow_later(seconds: float) -> str:
    """Wait."""
    await asyncio.sleep(seconds)
    return "waited"


SLOW = [
    lambda: nt.tools.from_langchain(langchain_tool(slow_later), timeout=0.2),
    lambda: nt.tools.from_pydantic_ai(PydanticAiTool(slow_later, timeout=0.2)),
    lambda: nt.tools.from_openai_agents(function_tool(slow_later), timeout=0.2),
]


@pytest.mark.parametrize("make", SLOW)
def test_it_is_timed_out_and_stopped(make: Callable[[], nt.Tool]) -> None:
    tool = make()

    assert result(tool, seconds=60) == "timed out after 0.2 s"
    started = threading.Event()
    session = nt.Session(nt.scripted(call(tool, seconds=60), "done"), tools=[tool.replace(timeout=60)])
    execution = session.ask("q")
    execution.listen(lambda event: started.set() if type(event).__name__ == "ToolStarted" else None)
    assert started.wait(60)
    execution.stop()
    execution.result(60)

    assert execution.status == "stopped"


# LangChain.


def test_langchain_errors_messages_and_artifacts() -> None:
    @langchain_tool
    def fails(x: int) -> str:
        """Fail."""
        raise ToolException("broken")

    @langchain_tool(response_format="content_and_artifact")
    def with_artifact(x: int) -> tuple[str, list[int]]:
        """Return more."""
        return f"x is {x}", [x]

    assert result(nt.tools.from_langchain(fails), x=1) == "ToolException: broken"
    assert result(nt.tools.from_langchain(with_artifact), x=1) == "x is 1"


def test_langchain_arguments_that_an_agent_injects_are_refused() -> None:
    @langchain_tool
    def remember(text: str, user: Annotated[str, InjectedToolArg]) -> str:
        """Remember."""
        return user + text

    with pytest.raises(nt.MisuseError, match="remember gets user from its agent"):
        nt.tools.from_langchain(remember)


# pydantic-ai.


def test_pydantic_ai_contexts_retries_returns_and_media() -> None:
    def answer(ctx: RunContext[str], n: int) -> Any:
        """Answer."""
        if n == 0:
            raise ModelRetry("n must not be 0")
        if n == 1:
            return ToolReturn(return_value={"deps": ctx.deps}, content="more")
        return ["look", BinaryContent(data=PNG, media_type="image/png")]

    tool = nt.tools.from_pydantic_ai(PydanticAiTool(answer), deps="station")

    assert list(tool.parameters["properties"]) == ["n"]
    assert result(tool, n=0) == "n must not be 0"
    assert result(tool, n=1) == {"deps": "station"}
    assert result(tool, n=2)[1] == nt.image(PNG)


def test_approvals_of_frameworks_are_not_ignored_silently() -> None:
    approved = PydanticAiTool(weather, requires_approval=True)
    with pytest.raises(
        nt.MisuseError, match=r"weather requires an approval; pause before it with execution.break_when"
    ):
        nt.tools.from_pydantic_ai(approved)
    assert nt.tools.from_pydantic_ai(approved, ignore_approval=True).name == "weather"
    with pytest.raises(nt.MisuseError, match="from_openai_agents"):
        nt.tools.from_openai_agents(function_tool(weather, strict_mode=False, needs_approval=True))


# openai-agents.


def test_openai_agents_contexts_and_media() -> None:
    @function_tool
    def look(ctx: RunContextWrapper[str], n: int) -> Any:
        """Look."""
        if n:
            return [ToolOutputText(text=ctx.context), ToolOutputImage(image_url="data:image/png;base64,iVBORw0KGgo=")]
        return ctx.context

    tool = nt.tools.from_openai_agents(look, context="station")

    assert result(tool, n=0) == "station"
    assert result(tool, n=1) == [{"type": "text", "text": "station"}, nt.image(PNG)]


def test_openai_agents_tools_by_hand() -> None:
    async def invoke(context: Any, text: str) -> Any:
        return {"tool": context.tool_name, **json.loads(text)}

    by_hand = FunctionTool("look", "Look.", {"type": "object", "properties": {"x": {"type": "integer"}}}, invoke)

    assert result(nt.tools.from_openai_agents(by_hand), x=1) == {"tool": "look", "x": 1}


@pytest.mark.parametrize("convert", [nt.tools.from_langchain, nt.tools.from_pydantic_ai, nt.tools.from_openai_agents])
def test_something_else_is_refused(convert: Any) -> None:
    with pytest.raises(nt.MisuseError, match="expected a"):
        convert(weather)
