"""Tools: a typed function becomes a schema, a call becomes an answer, and nothing a tool does ends the run."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import enum
import functools
import gc
import io
import re
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, Optional

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, Field

import nbturns as nt
from nbturns.runtime.background_loop import Waiting
from nbturns.runtime.toolbox import RetryConfig, Toolbox, ToolConfig, format_go_duration, parse_go_duration

SOON = ToolConfig(retry_config=RetryConfig(backoff_base=0.001))


class Unit(enum.Enum):
    CELSIUS = "c"
    FAHRENHEIT = "f"


@dataclass
class Place:
    city: str
    country: str = "FR"


class Person(BaseModel):
    name: str = Field(description="Full name")
    home: Place | None = None


PLACE = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "country": {"type": "string", "default": "FR"}},
    "required": ["city"],
    "additionalProperties": False,
}
LOOSE_PLACE = {name: PLACE[name] for name in ("type", "properties", "required")}


def weather(city: Annotated[str, "The city's name"], unit: Unit = Unit.CELSIUS, days: int = 1) -> dict[str, Any]:
    """Current weather in a city."""
    return {"city": city, "unit": unit.value, "days": days}


def answers(config: ToolConfig, tools: list[Any], *calls: nt.Block) -> list[nt.Block]:
    done: dict[str, nt.Block] = {}
    Waiting(Toolbox(tools).answer_calls(calls, config, lambda _: None, done)).result(60)
    return [done[call.tool_call_id] for call in calls if call.tool_call_id in done]


def answer(function: Any, args: Any = None, config: ToolConfig = SOON) -> nt.Block:
    tool = function if isinstance(function, nt.Tool) else nt.Tool(function)
    return answers(config, [tool], nt.tool_call("c", tool.name, args))[0]


# Schemas.


def test_a_schema_says_types_descriptions_defaults_and_what_is_required() -> None:
    assert nt.Tool(weather).description == "Current weather in a city."
    assert nt.Tool(weather).parameters == {
        "type": "object",
        "properties": {
            "city": {"type": "string", "description": "The city's name"},
            "unit": {"enum": ["c", "f"], "type": "string"},
            "days": {"type": "integer", "default": 1},
        },
        "required": ["city"],
        "additionalProperties": False,
    }


@pytest.mark.parametrize(
    ("hint", "schema"),
    [
        (int, {"type": "integer"}),
        (float, {"type": "number"}),
        (bool, {"type": "boolean"}),
        (list[str], {"type": "array", "items": {"type": "string"}}),
        (dict[str, int], {"type": "object", "additionalProperties": {"type": "integer"}}),
        (Literal["a", "b"], {"type": "string", "enum": ["a", "b"]}),
        (Optional[int], {"anyOf": [{"type": "integer"}, {"type": "null"}]}),
        (Annotated[int, Field(ge=1, description="How many")], {"type": "integer", "minimum": 1, "description": "How many"}),
        (Any, {}),
        (Place, PLACE),
        (Person, {"type": "object", "required": ["name"], "properties": {
            "name": {"type": "string", "description": "Full name"}, "home": {"anyOf": [LOOSE_PLACE, {"type": "null"}], "default": None}}}),
    ],
)  # fmt: skip
def test_every_type_json_has_a_shape_for_is_written_out(hint: Any, schema: dict[str, Any]) -> None:
    def tool(x: Any) -> None: ...

    tool.__annotations__ = {"x": hint}

    assert nt.Tool(tool).parameters["properties"]["x"] == schema


def test_an_argument_may_be_called_title_or_properties() -> None:
    def tool(title: str, properties: int, description: str = "") -> None: ...

    assert set(nt.Tool(tool).parameters["properties"]) == {"title", "properties", "description"}
    assert answer(tool, {"title": "a", "properties": 1}).error == ""


def test_keyword_only_async_partial_and_callable_objects_are_tools() -> None:
    class Double:
        """Twice as much."""

        def __call__(self, x: int) -> int:
            return 2 * x

    async def add(*, a: int, b: int = 1) -> int:
        return a + b

    def scale(factor: int, x: int) -> int:
        return factor * x

    assert answer(nt.Tool(Double(), name="double"), {"x": 4}).result == 8
    assert answer(add, {"a": 1}).result == 2
    assert answer(nt.Tool(functools.partial(scale, 3), name="triple"), {"x": 2}).result == 6
    assert nt.Tool(Double(), name="double").description == "Twice as much."
    assert answer(nt.Tool(weather, name="w", description="d"), {"city": "Paris"}).result["city"] == "Paris"


def test_a_function_without_arguments_takes_none() -> None:
    def now() -> str:
        return "noon"

    assert nt.Tool(now).parameters == {"type": "object", "properties": {}, "additionalProperties": False}
    nothing: list[Any] = [{}, None, "", "{}"]
    assert [answer(now, args).result for args in nothing] == ["noon"] * 4


def positional(x: int, /) -> int:
    return x


def undefined(x: "Nowhere") -> None: ...  # type: ignore[name-defined]  # noqa: F821, UP037


def connection(x: threading.Lock) -> None: ...


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (positional, "positional-only"),
        (undefined, "not defined"),
        (connection, "that JSON cannot hold"),
        ("text", "a tool must be a function"),
    ],
)
def test_a_signature_that_cannot_become_a_schema_is_refused_when_the_toolbox_is_made(
    function: Any, message: str
) -> None:
    with pytest.raises(TypeError, match=message):
        nt.Session(nt.scripted("x"), tools=[function])


def test_two_tools_of_one_name_are_refused() -> None:
    with pytest.raises(ValueError, match="two tools are named 'weather'"):
        Toolbox([weather, nt.Tool(weather)])


# Arguments.


def test_arguments_arrive_as_the_function_takes_them() -> None:
    seen: list[Any] = []

    def register(person: Person, place: Place, unit: Unit, tags: list[str]) -> None:
        tags.append("changed")
        seen.extend([person, place, unit, tags])

    call = nt.tool_call(
        "c", "register", {"person": {"name": "Ada"}, "place": {"city": "Paris"}, "unit": "f", "tags": ["a"]}
    )
    assert answers(SOON, [register], call)[0].error == ""

    assert seen == [Person(name="Ada"), Place("Paris"), Unit.FAHRENHEIT, ["a", "changed"]]
    assert call.args["tags"] == ["a"]


@pytest.mark.parametrize(
    ("args", "message"),
    [
        ({}, "city is missing"),
        ({"city": "Paris", "town": 1}, "town is unknown; weather takes city, unit, days"),
        ({"city": "Paris", "days": "many"}, "days: .*valid integer.*not 'many'"),
        ({"city": "Paris", "unit": "kelvin"}, "unit: .*'c' or 'f'"),
        ("{not json", "the arguments are not a JSON object"),
        ("[1]", "the arguments are not a JSON object"),
        ([1], "the arguments are not a JSON object"),
    ],
)
def test_arguments_that_do_not_fit_are_an_error_for_the_model_and_the_tool_is_not_run(args: Any, message: str) -> None:
    ran: list[int] = []

    @functools.wraps(weather)
    def watched(**given: Any) -> Any:
        ran.append(1)
        return weather(**given)

    got = answers(SOON, [watched], nt.Block("tool_call", {"id": "c", "name": "weather", "args": args}))[0]

    assert not ran and got.result is None
    assert got.error.startswith("not run: ")
    assert re.search(message, got.error)


def test_a_validator_that_raises_anything_is_an_answer() -> None:
    class Odd(BaseModel):
        x: int

        def model_post_init(self, _: Any) -> None:
            raise RuntimeError("odd")

    def tool(odd: Odd) -> None: ...

    tool.__annotations__["odd"] = Odd
    assert answer(tool, {"odd": {"x": 1}}).error == "not run: the arguments do not fit: odd"


def test_an_unknown_tool_is_answered_with_those_there_are() -> None:
    got = answers(SOON, [weather], nt.tool_call("c", "wether", {}))[0]

    assert got.error == "no tool 'wether'; there are: weather"


def test_tools_that_are_switched_off_are_not_run() -> None:
    assert answer(weather, {"city": "Paris"}, ToolConfig(enabled=False)).error == "not run: tools are switched off"


def test_a_call_that_was_cut_inside_its_arguments_is_not_run() -> None:
    call = nt.tool_call("c", "weather", {"city": "Par"}).with_metadata(nt.keys.CUT, True)

    assert "cut at its token limit" in answers(SOON, [weather], call)[0].error


# Results.


@pytest.mark.parametrize("inline", [True, False])
@pytest.mark.parametrize(
    ("error", "message"),
    [
        (ValueError("no city"), "ValueError: no city"),
        (SystemExit(3), "SystemExit: 3"),
        (KeyboardInterrupt(), "KeyboardInterrupt: "),
        (TimeoutError("slow line"), "slow line"),
        (asyncio.CancelledError(), "CancelledError"),
        (RecursionError("deep"), "RecursionError: deep"),
        (StopIteration("x"), "StopIteration"),
    ],
)
def test_whatever_a_tool_raises_is_its_calls_answer(inline: bool, error: BaseException, message: str) -> None:
    def raises() -> None:
        raise error

    async def raises_later() -> None:
        raise error

    session = nt.Session(
        nt.scripted([nt.tool_call("a", "raises"), nt.tool_call("b", "raises_later")], "sorry"),
        tools=[raises, raises_later],
        tool_config=SOON.replace(inline=inline),
    )
    turn = session.ask("q").result(60)

    assert (turn.text, session.execution and session.execution.status) == ("sorry", "done")
    assert all(message in block.error and block.result is None for block in turn.of_kind("tool_use"))


@pytest.mark.parametrize(
    ("returned", "shown"),
    [
        ("text", "text"),
        ({"a": (1, 2)}, {"a": [1, 2]}),
        (None, None),
        (Place("Paris"), {"city": "Paris", "country": "FR"}),
        (Person(name="Ada"), {"name": "Ada", "home": None}),
        (Unit.CELSIUS, "c"),
        ([Place("Rome")], [{"city": "Rome", "country": "FR"}]),
        ({"a", "a"}, ["a"]),
        (b"PNG", "UE5H"),
        (1.5, 1.5),
    ],
)
def test_a_result_is_kept_as_json_has_it(returned: Any, shown: Any) -> None:
    def tool() -> Any:
        return returned

    got = answer(tool)

    assert (got.result, got.error) == (shown, "")
    assert nt.Turn.from_yaml(nt.Turn((got,)).to_yaml()) == nt.Turn((got,))


def test_what_json_has_no_shape_for_becomes_its_printed_form() -> None:
    class Thing:
        def __str__(self) -> str:
            return "a thing"

    def tool() -> Any:
        return {"x": Thing(), "y": float("nan")}

    assert answer(tool).result["x"] == "a thing"


def test_a_result_that_cannot_even_be_printed_is_an_error() -> None:
    class Broken:
        def __str__(self) -> str:
            raise ValueError("no words")

    def tool() -> Any:
        return Broken()

    def deep() -> Any:
        value: list[Any] = []
        value.append(value)
        return value

    assert answer(tool).error
    assert answer(deep).error


def test_the_duration_and_the_attempts_are_kept_with_the_answer() -> None:
    def slow() -> None:
        time.sleep(0.02)

    start = time.monotonic()
    lasted = answer(slow).metadata[nt.keys.DURATION_MS]
    assert 20 <= lasted <= 1000 * (time.monotonic() - start)
    assert answer(slow).metadata.get(nt.keys.ATTEMPTS) is None


# Time, order, errors.


def test_a_tool_that_hangs_is_timed_out_and_the_run_goes_on() -> None:
    release = threading.Event()

    def hangs() -> None:
        release.wait(60)

    async def hangs_too() -> None:
        await asyncio.sleep(60)

    start = time.monotonic()
    got = answers(
        ToolConfig(execution_timeout=0.05),
        [hangs, hangs_too],
        nt.tool_call("a", "hangs"),
        nt.tool_call("b", "hangs_too"),
    )
    release.set()

    assert [one.error for one in got] == ["timed out after 0.05 s"] * 2
    assert time.monotonic() - start < 20


def test_a_tools_own_timeout_wins() -> None:
    release = threading.Event()

    def slow() -> str:
        time.sleep(0.1)
        return "done"

    def hangs() -> None:
        release.wait(60)

    assert answer(nt.Tool(slow, timeout=60), config=ToolConfig(execution_timeout=0.01)).result == "done"
    assert (
        answer(nt.Tool(hangs, timeout=0.01), config=ToolConfig(execution_timeout=60)).error == "timed out after 0.01 s"
    )
    release.set()
    assert answer(slow, config=ToolConfig(execution_timeout=None)).result == "done"


def test_answers_come_in_the_order_of_the_calls_and_no_more_run_at_once_than_allowed() -> None:
    running, most = 0, 0

    async def wait(n: int) -> int:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0.03 if n == 0 else 0.001)
        running -= 1
        return n

    calls = [nt.tool_call(str(n), "wait", {"n": n}) for n in range(6)]
    session = nt.Session(nt.scripted(calls, "done"), tools=[wait], tool_config=ToolConfig(max_parallel_tools=2))
    turn = session.ask("q").result(60)

    assert [b.result for b in turn.of_kind("tool_use")] == list(range(6))
    assert most == 2
    most = 0
    answers(ToolConfig(max_parallel_tools=1), [wait], *calls)
    assert most == 1


def flaky(failures: int) -> tuple[Callable[[], str], list[float]]:
    tries: list[float] = []

    def tool() -> str:
        tries.append(time.monotonic())
        if len(tries) <= failures:
            raise OSError("line is down")
        return "up"

    return tool, tries


def test_retry_tries_again_with_growing_waits_and_says_how_often() -> None:
    config = ToolConfig(
        tool_error_handling="retry", retry_config=RetryConfig(max_retries=2, backoff_base=0.02, backoff_factor=3.0)
    )
    tool, tries = flaky(2)
    never, no_tries = flaky(99)

    got = answer(tool, config=config)
    lost = answer(never, config=config)

    assert (got.result, got.metadata[nt.keys.ATTEMPTS]) == ("up", 3)
    assert tries[1] - tries[0] >= 0.02 and tries[2] - tries[1] >= 0.06
    assert (lost.error, len(no_tries)) == ("OSError: line is down", 3)


def test_arguments_that_do_not_fit_are_not_tried_again() -> None:
    config = ToolConfig(tool_error_handling="retry", retry_config=RetryConfig(max_retries=2, backoff_base=5.0))

    assert answer(weather, {}, config).error == "not run: the arguments do not fit: city is missing"


@pytest.mark.parametrize("parallel", [1, 3])
def test_abort_ends_the_run_and_keeps_the_results_that_succeeded(parallel: int) -> None:
    def good() -> int:
        return 1

    def bad() -> int:
        raise ValueError("no")

    session = nt.Session(
        nt.scripted([nt.tool_call("a", "good"), nt.tool_call("b", "bad"), nt.tool_call("c", "good")], "never"),
        tools=[good, bad],
        tool_config=ToolConfig(tool_error_handling="abort", max_parallel_tools=parallel),
    )
    with pytest.raises(nt.ToolError, match="bad failed and tool_error_handling is 'abort': ValueError: no") as caught:
        session.ask("q").result(60)

    kept = [(b.tool_call_id, b.result, b.error) for b in caught.value.turn.of_kind("tool_use")]
    assert kept == [("a", 1, ""), ("b", None, "ValueError: no"), ("c", 1, "")][: 2 if parallel == 1 else 3]
    assert len(caught.value.turn.pending) == (1 if parallel == 1 else 0)


def test_a_single_call_heeds_abort_too() -> None:
    def bad() -> None:
        raise ValueError("no")

    session = nt.Session(
        nt.scripted([nt.tool_call("a", "bad")]), tools=[bad], tool_config=ToolConfig(tool_error_handling="abort")
    )
    with pytest.raises(nt.ToolError):
        session.ask("q").result(60)


def test_a_plain_tool_runs_beside_the_loop_and_inline_on_it() -> None:
    def where() -> str:
        return threading.current_thread().name

    def thread(config: ToolConfig) -> str:
        turn = (
            nt.Session(nt.scripted([nt.tool_call("a", "where")], "x"), tools=[where], tool_config=config)
            .ask("q")
            .result(60)
        )
        return str(turn[2].result)

    assert thread(ToolConfig()) == "nbturns-tool"
    assert thread(ToolConfig(inline=True)) == "nbturns"


USER: contextvars.ContextVar[str] = contextvars.ContextVar("user", default="nobody")


def test_a_tools_prints_and_context_are_those_of_the_cell_that_asked(capsys: pytest.CaptureFixture[str]) -> None:
    def tool() -> str:
        print("working")
        return USER.get()

    USER.set("ada")
    turn = nt.Session(nt.scripted([nt.tool_call("a", "tool")], "x"), tools=[tool]).ask("q").result(60)

    assert turn[2].result == "ada"
    assert capsys.readouterr().out == "working\n"


def test_a_plain_tool_that_returns_something_to_await_is_awaited() -> None:
    async def later() -> int:
        return 3

    def tool() -> Any:
        return later()

    assert answer(tool).result == 3
    assert answer(tool, config=ToolConfig(inline=True)).result == 3


def test_every_call_has_its_two_events_also_one_that_is_not_run() -> None:
    seen: list[Any] = []
    session = nt.Session(
        nt.scripted([nt.tool_call("a", "weather", {"city": "Paris"}), nt.tool_call("b", "nothing")], "x"),
        tools=[weather],
        sinks=[seen.append],
    )
    session.ask("q").result(60)

    events = [(type(e).__name__, e.call.tool_call_id) for e in seen if type(e).__name__.startswith("Tool")]
    assert sorted(events) == [("ToolFinished", "a"), ("ToolFinished", "b"), ("ToolStarted", "a"), ("ToolStarted", "b")]


# Settings, as they stand in a file.


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("2s", 2.0),
        ("100ms", 0.1),
        ("1h30m", 5400.0),
        ("1m0.5s", 60.5),
        ("0", 0.0),
        ("5µs", 5e-6),
        (2_000_000_000, 2.0),
        (1e9, 1.0),
    ],
)
def test_a_duration_is_read_as_go_writes_it(text: Any, value: float) -> None:
    assert parse_go_duration(text) == pytest.approx(value)


@pytest.mark.parametrize("text", ["soon", "2", "2 s", "", None, True, "s", "1x"])
def test_what_is_no_duration_is_refused_by_name(text: Any) -> None:
    with pytest.raises(ValueError, match=r'backoff_base: invalid duration .*; write it like "2s"'):
        parse_go_duration(text, "backoff_base")


@given(st.floats(1e-6, 1e7))
def test_a_duration_comes_back_as_it_was(value: float) -> None:
    assert parse_go_duration(format_go_duration(value)) == pytest.approx(value, abs=1e-9)


configs = st.builds(
    ToolConfig,
    enabled=st.booleans(),
    tool_choice=st.sampled_from(["auto", "none", "required"]),
    max_iterations=st.integers(1, 99),
    execution_timeout=st.none() | st.sampled_from([0.25, 30.0, 90.5]),
    max_parallel_tools=st.integers(1, 9),
    tool_error_handling=st.sampled_from(["continue", "abort", "retry"]),
    inline=st.booleans(),
    pause_timeout=st.none() | st.just(5.0),
    on_pause_timeout=st.sampled_from(["stay", "stop", "resume"]),
)


@given(configs)
def test_a_tool_config_comes_back_from_a_file(config: ToolConfig) -> None:
    turn = nt.Turn().with_data(nt.keys.TOOL_CONFIG, config)

    assert nt.Turn.from_yaml(turn.to_yaml()).data[nt.keys.TOOL_CONFIG] == config


def test_definitions_are_kept_on_the_turn_to_look_at() -> None:
    turn = nt.Session(nt.scripted("x"), tools=[weather]).ask("q").result(60)

    assert [d["name"] for d in turn.data[nt.keys.TOOL_DEFINITIONS]] == ["weather"]
    assert turn.data[nt.keys.TOOL_CONFIG] == ToolConfig()


# What a tool prints.


def test_what_a_tool_prints_reaches_the_user_and_is_kept_with_its_result(capsys: pytest.CaptureFixture[str]) -> None:
    def loud(n: int) -> int:
        "Print and return."
        print(f"working on {n}")
        return n

    async def quiet(n: int) -> int:
        "Say nothing."
        await asyncio.sleep(0)
        return n

    calls = [nt.tool_call(f"c{n}", "loud" if n % 2 else "quiet", {"n": n}) for n in range(6)]
    before = sys.stdout

    turn = nt.Session(nt.scripted(calls, "done"), tools=[loud, quiet]).ask("?").result(60)

    kept = [block.metadata.get(nt.keys.STDOUT) for block in turn.of_kind("tool_use")]
    assert kept == [None, "working on 1\n", None, "working on 3\n", None, "working on 5\n"]
    assert sorted(capsys.readouterr().out.splitlines()) == ["working on 1", "working on 3", "working on 5"]
    assert sys.stdout is before


def test_prints_of_others_are_not_a_tools(capsys: pytest.CaptureFixture[str]) -> None:
    started, go_on = threading.Event(), threading.Event()

    def slow() -> str:
        "Wait."
        started.set()
        go_on.wait(60)
        print("mine")
        return "done"

    execution = nt.Session(nt.scripted([nt.tool_call("c", "slow", {})], "done"), tools=[slow]).ask("?")
    started.wait(60)
    print("somebody else's")
    go_on.set()

    assert execution.result(60).of_kind("tool_use")[0].metadata[nt.keys.STDOUT] == "mine\n"
    assert capsys.readouterr().out.splitlines() == ["somebody else's", "mine"]


def test_a_tool_may_do_with_its_output_whatever_it_does_elsewhere(tmp_path: Path) -> None:
    def printer() -> list[Any]:
        "Print in every way there is."
        with sys.stdout as out:
            out.write("written\n")
        sys.stdout.writelines(["one\n", "two\n"])
        sys.stdout.close()
        print("after close")
        return [sys.stdout.encoding, sys.stdout.isatty(), sys.stdout.fileno(), sys.stdout.closed]

    with (tmp_path / "out.txt").open("w+", encoding="utf-8") as real, contextlib.redirect_stdout(real):
        used = answer(printer)
        print("the cell goes on")
        assert used.result == ["utf-8", False, real.fileno(), False]
        real.seek(0)
        kept = "written\none\ntwo\nafter close\n"
        assert (used.metadata[nt.keys.STDOUT], real.read()) == (kept, kept + "the cell goes on\n")


def test_a_stand_in_that_is_collected_touches_no_stream(monkeypatch: pytest.MonkeyPatch) -> None:
    faults: list[Any] = []
    monkeypatch.setattr(sys, "unraisablehook", faults.append)

    def printer() -> None:
        "Print."
        print("x")

    for _ in range(2):  # the second replaces the stand-in of the first
        with contextlib.redirect_stdout(io.StringIO()) as real:
            answer(printer)
        real.close()
    gc.collect()

    assert faults == []


# Allowed tools.


def advertised_and_run(config: ToolConfig, turn: nt.Turn) -> tuple[list[list[str]], nt.Turn]:
    """What each model call is offered, and the Turn at the end, when the model calls both tools."""
    offered: list[list[str]] = []

    async def engine(turn: nt.Turn, scope: nt.Scope) -> nt.Turn:
        offered.append([tool.name for tool in scope.tools])
        if turn[-1].kind == "user":
            return turn + [nt.tool_call("1", "search", {}), nt.tool_call("2", "remove", {})]
        return turn + nt.assistant("done")

    session = nt.Session(engine, tools=[search, remove], tool_config=config)
    return offered, session.ask(turn).result(60)


def search() -> str:
    return "found"


def remove() -> str:
    return "gone"


MODE = nt.keys.AGENT_MODE_ALLOWED_TOOLS


@pytest.mark.parametrize(
    ("allowed", "mode", "run"),
    [
        (None, None, ["search", "remove"]),
        (["search"], None, ["search"]),
        (None, ["search"], ["search"]),
        (["search", "remove"], ["remove"], ["remove"]),
        (["search"], ["remove"], []),
        ([], None, []),
        (None, [], []),
        (None, ["search", "a tool of another session"], ["search"]),
    ],
)
@pytest.mark.parametrize("inline", [True, False])
def test_a_tool_that_is_not_allowed_is_neither_offered_nor_run(
    allowed: list[str] | None, mode: list[str] | None, run: list[str], inline: bool
) -> None:
    turn = nt.turn("go") if mode is None else nt.turn("go").with_data(MODE, mode)

    offered, answered = advertised_and_run(ToolConfig(allowed=allowed, inline=inline), turn)

    assert offered == [run, run]
    results = answered.of_kind("tool_use")
    assert [block.result for block in results if not block.error] == [
        {"search": "found", "remove": "gone"}[name] for name in run
    ]
    assert all("there are: " in block.error for block in results if block.error)


def test_a_mode_set_by_a_middleware_holds_for_the_call_beneath_it_and_its_tools() -> None:
    async def mode(turn: nt.Turn, scope: nt.Scope, engine: Any) -> nt.Turn:
        answer: nt.Turn = await engine(turn.with_data(MODE, ["search"]), scope)
        return answer

    offered: list[list[str]] = []

    async def engine(turn: nt.Turn, scope: nt.Scope) -> nt.Turn:
        offered.append([tool.name for tool in scope.tools])
        return turn + (nt.tool_call("1", "remove", {}) if turn[-1].kind == "user" else nt.assistant("done"))

    turn = nt.Session(engine, tools=[search, remove], middleware=[mode]).ask("go").result(60)

    assert offered == [["search"], ["search"]]
    assert "no tool 'remove'" in turn.of_kind("tool_use")[0].error


def test_a_turn_whose_list_of_allowed_tools_nobody_can_read_runs_nothing() -> None:
    turn = nt.Turn.from_dict(
        {
            "blocks": [{"kind": "tool_call", "payload": {"id": "1", "name": "search"}}],
            "data": {MODE.name: ["search", 5]},
        }
    )

    with pytest.raises(nt.DecodeError, match="agent_mode_allowed_tools") as raised:
        advertised_and_run(ToolConfig(), turn)

    assert [block.name for block in raised.value.turn.pending] == ["search"]


def test_allowed_tools_come_back_from_a_file() -> None:
    config = ToolConfig(allowed=["search"])

    assert ToolConfig.from_dict(config.to_dict()) == config
    assert hash(config)


@pytest.mark.parametrize("allowed", ["search", 5, [search]])
def test_allowed_tools_are_a_list_of_names(allowed: Any) -> None:
    with pytest.raises(TypeError, match="allowed must be a list of tool names"):
        ToolConfig(allowed=allowed)


# Settings that are none.


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ({"tool_choice": "sometimes"}, "tool_choice must be auto, none or required, got 'sometimes'"),
        ({"tool_error_handling": "stop"}, "continue, abort or retry"),
        ({"on_pause_timeout": "approve"}, "stay, stop or resume"),
        ({"max_iterations": "3"}, "max_iterations must be an integer"),
        ({"max_iterations": 0}, "max_iterations must be at least 1"),
        ({"max_parallel_tools": -1}, "max_parallel_tools must be at least 0"),
        ({"execution_timeout": 0}, "above 0 seconds, or None"),
        ({"execution_timeout": float("nan")}, "above 0 seconds"),
        ({"execution_timeout": "soon"}, "invalid duration 'soon'"),
        ({"pause_timeout": [1]}, "a number of seconds or a text"),
        ({"retry_config": 3}, "a RetryConfig or a mapping"),
        ({"retry_config": {"max_retries": -1}}, "max_retries must be at least 0"),
    ],
)
def test_a_setting_that_is_none_is_refused_where_it_is_made(how: dict[str, Any], said: str) -> None:
    with pytest.raises((TypeError, ValueError), match=said):
        ToolConfig(**how)


def test_times_may_be_written_as_in_a_file_and_settings_left_empty_there_say_nothing() -> None:
    config = ToolConfig(execution_timeout="2s", pause_timeout="1m", retry_config={"backoff_base": "100ms"})  # type: ignore[arg-type]

    assert (config.execution_timeout, config.pause_timeout, config.retry_config.backoff_base) == (2.0, 60.0, 0.1)
    empty = {"enabled": True, "tool_choice": "", "max_iterations": 0, "execution_timeout": 0, "max_parallel_tools": 0,
             "retry_config": {"max_retries": 0, "backoff_base": 0, "backoff_factor": 0}}  # fmt: skip
    assert ToolConfig.from_dict(empty).max_iterations == 20 and ToolConfig.from_dict(empty).execution_timeout is None


@pytest.mark.parametrize("how", [{"effect": "none"}, {"timeout": "2s"}, {"timeout": 0}])
def test_a_tool_says_what_it_does_not_take(how: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(how))):
        nt.Tool(weather, **how)


# Tools that do not let go.


async def stubborn() -> str:
    """Answer when one is told to stop."""
    try:
        await asyncio.sleep(30)
    except asyncio.CancelledError:
        return "late"
    return "never"


def test_a_tool_that_goes_on_after_its_time_has_timed_out() -> None:
    session = nt.Session(
        nt.scripted([nt.tool_call("1", "stubborn")], "done"),
        tools=[stubborn],
        tool_config=ToolConfig(execution_timeout=0.05),
    )

    answer = session.ask("q").result(60).of_kind("tool_use")[0]

    assert (answer.result, answer.error) == (None, "timed out after 0.05 s")


def test_a_stop_that_a_tool_keeps_for_itself_is_a_stop_all_the_same() -> None:
    begun = threading.Event()

    async def clinging() -> str:
        """Say when it begins, and answer when one is told to stop."""
        begun.set()
        return await stubborn()

    engine = nt.scripted([nt.tool_call("1", "clinging")], "done")
    execution = nt.Session(engine, tools=[clinging]).ask("q")
    assert begun.wait(60)

    execution.stop()

    turn = execution.result(60)
    assert (execution.status, engine.call_count, turn.of_kind("tool_use")[0].result) == ("stopped", 1, "late")


def test_a_tool_that_returns_a_turn_or_a_block_is_answered_with_its_shape_on_disk() -> None:
    def look(what: str) -> Any:
        turn = nt.turn("x")
        return {"block": turn[0], "turn": turn, "run": nt.Run((turn,))}[what]

    calls = [nt.tool_call(what, "look", {"what": what}) for what in ("block", "turn", "run")]

    turn = nt.Session(nt.scripted(calls, "done"), tools=[look]).ask("q").result(60)

    block, one, run = (answer.result for answer in turn.of_kind("tool_use"))
    assert nt.Turn.from_dict(one) == nt.turn("x") and nt.Run.from_dict(run)[0] == nt.turn("x")
    assert block == one["blocks"][0]


@pytest.mark.parametrize(
    "how",
    [{"function": lambda x: x}, {"function": weather, "name": "the weather"}, {"function": weather, "name": "x" * 200}],
)
def test_a_name_no_model_could_call_is_refused(how: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"is not a valid tool name; set one with nt.Tool\(function, name="):
        nt.Tool(**how)
