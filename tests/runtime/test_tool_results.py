"""Whatever a tool returns, its call is answered, with a limit on the size, and each change is reported once."""

from __future__ import annotations

import asyncio
import dataclasses
import datetime as dt
import decimal
import enum
import itertools
import json
import math
import threading
import time
import uuid
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import PurePosixPath
from typing import Any

import numpy as np
import pydantic
import pytest

import nbturns as nt
from nbturns.events import Notice
from nbturns.runtime.tool_results import ToolResultConversion
from tests.lowest_time import lowest_seconds


def used(
    tool: Callable[..., Any], config: nt.ToolConfig = nt.ToolConfig(), **options: Any
) -> tuple[nt.Block, list[str]]:  # noqa: B008
    """Return the answer to a call of this tool, and the notices."""
    notices: list[str] = []
    session = nt.Session(
        nt.scripted(nt.tool_call("c", "tool"), "done"),
        tools=[nt.Tool(tool, name="tool", **options)],
        tool_config=config,
        sinks=[lambda event: notices.append(event.text) if isinstance(event, Notice) else None],
    )
    return session.ask("q").result(60).of_kind("tool_use")[0], notices


def returning(value: Any) -> Callable[[], Any]:
    def tool() -> Any:
        return value

    return tool


class Scan(pydantic.BaseModel):
    picture: bytes
    taken: dt.date = dt.date(2026, 1, 2)
    tags: set[str] = {"a"}


@dataclasses.dataclass
class Place:
    name: str
    picture: bytes = b"\xff"
    spans: tuple[int, ...] = (1, 2)


class Colour(enum.Enum):
    RED = "red"


KEPT: list[tuple[Any, Any]] = [
    (Scan(picture=b"\xff"), {"picture": "/w==", "taken": "2026-01-02", "tags": ["a"]}),
    ([Scan(picture=b"\xfe\xff")], [{"picture": "/v8=", "taken": "2026-01-02", "tags": ["a"]}]),
    (Place("Rome"), {"name": "Rome", "picture": "/w==", "spans": [1, 2]}),
    ({"when": dt.date(2026, 1, 2), "score": np.float32(0.5)}, {"when": "2026-01-02", "score": 0.5}),
    (
        {np.int64(1): np.arange(2), (1, 2): None, Colour.RED: Colour.RED},
        {"1": [0, 1], "(1, 2)": None, "Colour.RED": "red"},
    ),
    (deque([1, b"\xff"]), [1, "/w=="]),
    (range(3), [0, 1, 2]),
    ({"a": 1}.keys(), ["a"]),
    (map(str, (1, 2)), ["1", "2"]),
    (decimal.Decimal("1.5"), "1.5"),
    (uuid.UUID(int=1), "00000000-0000-0000-0000-000000000001"),
    (PurePosixPath("a/b"), "a/b"),
    (dt.timedelta(seconds=90), "PT1M30S"),
    (ValueError("no"), "no"),
    (1j, "1j"),
    (math.factorial(2000), hex(math.factorial(2000))),
]


@pytest.mark.parametrize(("value", "kept"), KEPT, ids=map(str, range(len(KEPT))))
def test_a_result_without_a_shape_in_json_gets_one(value: Any, kept: Any) -> None:
    answer, _ = used(returning(value))

    assert (answer.result, answer.error) == (kept, "")


@pytest.mark.parametrize(
    ("value", "notice"),
    [
        ((1, 2), "tuple to list"),
        ([(1,), (2,), b"x"], "tuple to list (2 times), bytes to base64 text"),
        (math.factorial(2000), "integer of more than 4,300 digits to hexadecimal text"),
        (float("nan"), "NaN or infinity to a text in requests"),
        (object, "type to text"),
        ({(1, 2): 3}, "keys of the type tuple to text"),
    ],
    ids=["tuple", "two", "long", "nan", "object", "key"],
)
def test_each_change_is_reported_by_one_notice(value: Any, notice: str) -> None:
    _, notices = used(returning(value))

    assert notices == [f"tool: changed: {notice}"]


@pytest.mark.parametrize("value", [None, 1, 1.5, "x", [1, {"a": None}], {"a": [True]}])
def test_a_result_that_json_holds_is_kept_without_a_notice(value: Any) -> None:
    answer, notices = used(returning(value))

    assert (answer.result, notices) == (value, [])


def endless() -> Iterator[int]:
    yield from itertools.count()


async def endless_async() -> AsyncIterator[int]:
    for number in itertools.count():
        yield number


LARGE: list[Callable[[], Any]] = [
    returning("x" * 5_000),
    returning("ü" * 5_000),
    returning(["x" * 100] * 100),
    returning({str(number): [number] for number in range(5_000)}),
    returning({"a": {"b": ["x" * 5_000]}}),
    returning(b"x" * 5_000),
    returning(np.zeros(50_000)),
    returning(np.zeros((500, 500))),
    returning(range(10**12)),
    endless,
    endless_async,
]


@pytest.mark.parametrize("tool", LARGE, ids=map(str, range(len(LARGE))))
@pytest.mark.parametrize("inline", [False, True])
def test_a_large_or_endless_result_is_cut_and_the_model_is_told(tool: Callable[[], Any], inline: bool) -> None:
    answer, notices = used(tool, nt.ToolConfig(max_result=1_000, inline=inline))

    text = json.dumps(answer.result)
    assert len(json.dumps(answer.result, ensure_ascii=False).encode()) < 2_500
    assert "cut: the result is larger than max_result=1,000 bytes" in text
    assert [notice for notice in notices if "cut: the result is larger than max_result=1,000 bytes" in notice]
    assert answer.error == ""


def test_a_long_error_is_cut_and_no_limit_cuts_nothing() -> None:
    def tool() -> None:
        raise ValueError("x" * 20_000)

    assert len(used(tool, nt.ToolConfig(max_result=100))[0].error) < 250
    assert used(returning("x" * 20_000_000), nt.ToolConfig(max_result=None))[0].result == "x" * 20_000_000
    assert "cut" in used(returning("x" * 20_000_000))[0].result[-100:]


def test_the_limit_is_kept_in_the_turn_and_refused_when_it_is_none() -> None:
    for config in (nt.ToolConfig(max_result=5), nt.ToolConfig(max_result=None), nt.ToolConfig()):
        assert nt.ToolConfig.from_dict(config.to_dict()) == config
    assert "max_result" not in nt.ToolConfig().to_dict()
    for wrong in (0, -1, "1", 1.5, True):
        with pytest.raises(nt.MisuseError, match="max_result"):
            nt.ToolConfig(max_result=wrong)  # type: ignore[arg-type]


def test_a_slow_generator_blocks_nobody() -> None:
    is_waiting, may_end = threading.Event(), threading.Event()

    def pages() -> Iterator[int]:
        yield 1
        is_waiting.set()
        may_end.wait(60)
        yield 2

    execution = nt.Session(nt.scripted(nt.tool_call("c", "pages"), "end"), tools=[nt.Tool(pages, timeout=60)]).ask("q")
    assert is_waiting.wait(60)
    assert nt.Session(nt.scripted("b")).ask("other").result(30).text == "b"
    assert not may_end.is_set() and not execution.done
    may_end.set()
    assert execution.result(60).of_kind("tool_use")[0].result == [1, 2]


def test_a_slow_generator_keeps_its_time_out() -> None:
    def pages() -> Iterator[int]:
        for number in range(20):
            time.sleep(0.1)
            yield number

    answer, _ = used(pages, timeout=0.3)

    assert (answer.result, answer.error) == (None, "timed out after 0.3 s")


def test_an_endless_asynchronous_generator_keeps_its_time_out() -> None:
    answer, _ = used(endless_async, nt.ToolConfig(max_result=None), timeout=0.2)

    assert answer.error == "timed out after 0.2 s"


def test_the_generator_of_a_call_that_timed_out_ends() -> None:
    made = 0

    def numbers() -> Iterator[int]:
        nonlocal made
        for made in itertools.count():  # noqa: B007
            time.sleep(0.01)
            yield made

    used(numbers, timeout=0.1)
    time.sleep(0.1)
    first = made
    time.sleep(0.2)

    assert made - first <= 1


def test_a_result_is_converted_in_the_worker() -> None:
    threads: list[str] = []

    class Slow:
        def __str__(self) -> str:
            threads.append(threading.current_thread().name)
            return "slow"

    async def asynchronous() -> Any:
        await asyncio.sleep(0)
        return {"x": Slow()}

    for tool in (returning(Slow()), asynchronous):
        used(tool)

    assert set(threads) == {"nbturns-tool"}


def test_the_conversion_of_every_result_grows_in_proportion() -> None:
    def seconds(value: Any, limit: float = 0.0) -> float:
        return lowest_seconds(lambda: ToolResultConversion(None).convert(value), limit=limit)

    for make in (
        lambda n: [[1] * 10] * n,
        lambda n: {str(i): i for i in range(10 * n)},
        lambda n: "ü\ud83d" * 100 * n,
        lambda n: set(range(10 * n)),
    ):
        allowed = 8 * 4 * max(seconds(make(1_000)), 1e-4)
        assert seconds(make(8_000), allowed) < allowed


@pytest.mark.parametrize("message", ["", "  "])
def test_a_tool_error_without_a_message_is_still_an_error(message: str) -> None:
    def tool() -> None:
        "Fail."
        raise nt.ToolError(message)

    session = nt.Session(nt.scripted(nt.tool_call("c", "tool"), "done"), tools=[tool])
    assert session.ask("q").result(60).of_kind("tool_use")[0].error == "the tool failed, without a message"
