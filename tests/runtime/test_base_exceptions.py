"""Whatever is raised, and by whom: it ends its own execution at most, and the session accepts the next prompt."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import textwrap
from typing import Any

import pytest
from pydantic import BaseModel, field_validator

import nbturns as nt


class Own(BaseException):
    """An exception that `except Exception` does not catch."""


class Speechless(Exception):
    """An exception without words and without a place for a Turn."""

    def __str__(self) -> str:
        raise ValueError("no words")

    def __setattr__(self, name: str, value: object) -> None:
        raise ValueError("no attributes")

    @property
    def turn(self) -> Any:
        raise ValueError("no turn")


KINDS = [Own, Speechless, GeneratorExit, SystemExit, KeyboardInterrupt, StopIteration, StopAsyncIteration, asyncio.CancelledError, MemoryError, RecursionError, BaseExceptionGroup("two", [Own(), ValueError()])]  # fmt: skip
kinds = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: getattr(kind, "__name__", "group"))


def assert_usable(session: nt.Session) -> None:
    """The session is not busy, and no other session is harmed."""
    assert session.execution is not None
    assert session.execution.status in ("done", "stopped", "failed")
    session.fork(nt.turn("q")).stop()
    assert nt.Session(nt.scripted("b")).ask("other").result(60).text == "b"


def ended(session: nt.Session, prompt: str = "q") -> str:
    execution = session.ask(prompt)
    try:
        execution.result(60)
    except BaseException:  # noqa: BLE001 - whatever it is
        pass
    assert isinstance(execution.turn, nt.Turn)
    assert execution.turn[0].text == prompt
    repr(execution), execution._repr_html_()
    return execution.status


@kinds
def test_an_engine_may_raise_anything(kind: Any) -> None:
    async def engine(turn: nt.Turn, scope: nt.Scope) -> nt.Turn:
        raise kind

    session = nt.Session(engine)

    assert ended(session) in ("failed", "stopped")
    assert_usable(session)
    assert ended(session, "q") in ("failed", "stopped")


@kinds
def test_a_middleware_may_raise_anything_before_and_after_the_model(kind: Any) -> None:
    async def before(turn: nt.Turn, scope: nt.Scope, engine: nt.Engine) -> nt.Turn:
        raise kind

    async def after(turn: nt.Turn, scope: nt.Scope, engine: nt.Engine) -> nt.Turn:
        await engine(turn, scope)
        raise kind

    for middleware in (before, after):
        session = nt.Session(nt.scripted("a", "b"), middleware=[middleware])

        assert ended(session) in ("failed", "stopped")
        assert_usable(session)


@kinds
@pytest.mark.parametrize("config", [nt.ToolConfig(), nt.ToolConfig(inline=True), nt.ToolConfig(max_parallel_tools=1)])
def test_a_tool_may_raise_anything_and_its_call_is_answered(kind: Any, config: nt.ToolConfig) -> None:
    def plain() -> None:
        raise kind

    async def asynchronous() -> None:
        raise kind

    calls = [nt.tool_call("a", "plain"), nt.tool_call("b", "asynchronous"), nt.tool_call("c", "plain")]
    session = nt.Session(nt.scripted(calls, "done"), tools=[plain, asynchronous], tool_config=config)

    turn = session.ask("q").result(60)

    answers = turn.of_kind("tool_use")
    assert (turn.text, len(answers)) == ("done", 3)
    assert all(answer.error for answer in answers)


@kinds
def test_a_validator_and_a_result_may_raise_anything(kind: Any) -> None:
    class Checked(BaseModel):
        x: int

        @field_validator("x")
        @classmethod
        def check(cls, value: int) -> int:
            raise kind

    class Odd:
        def __str__(self) -> str:
            raise kind

    def tool(checked: Checked) -> None: ...

    def other() -> Any:
        return Odd()

    tool.__annotations__["checked"] = Checked
    calls = [nt.tool_call("a", "tool", {"checked": {"x": 1}}), nt.tool_call("b", "other")]

    turn = nt.Session(nt.scripted(calls, "done"), tools=[tool, other]).ask("q").result(60)

    assert turn.text == "done"
    assert all(answer.error for answer in turn.of_kind("tool_use"))


@pytest.mark.filterwarnings("ignore:a listener failed")
@kinds
def test_a_sink_and_a_breakpoint_may_raise_anything(kind: Any) -> None:
    def sink(event: object) -> None:
        raise kind

    session = nt.Session(nt.scripted("a"), sinks=[sink], on_snapshot=sink)
    assert session.ask("q").result(60).text == "a"
    assert session.execution is not None
    assert session.execution.sink_errors

    execution = nt.Session(nt.scripted("a"), break_when=[sink]).ask("q")
    pause = execution.next().result(60)
    assert pause is not None
    assert "raised" in pause.reason
    execution.stop()


@kinds
def test_the_type_of_an_answer_may_raise_anything(kind: Any) -> None:
    class Answer(BaseModel):
        x: int

        @field_validator("x")
        @classmethod
        def check(cls, value: int) -> int:
            raise kind

    session = nt.Session(nt.scripted('{"x": 1}', '{"x": 1}', '{"x": 1}', "b"))
    execution = session.ask("q", output=Answer)
    try:
        execution.result(60)
    except BaseException:  # noqa: BLE001 - whatever it is
        assert execution.status == "failed"

    assert execution.status in ("failed", "stopped")
    assert_usable(session)


def test_a_process_that_ends_during_an_execution_is_silent() -> None:
    script = """
        import asyncio, time, nbturns as nt
        async def engine(turn, scope):
            await asyncio.sleep(60)
        async def tool():
            await asyncio.sleep(60)
        def generator():
            while True:
                time.sleep(0.01)
                yield 1
        nt.Session(engine).ask("q")
        for function in (tool, generator):
            nt.Session(nt.scripted(nt.tool_call("c", function.__name__)), tools=[function]).ask("q")
        time.sleep(0.3)
    """
    ended_process = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)], capture_output=True, text=True, timeout=60, check=True
    )

    assert ended_process.stderr == ""
