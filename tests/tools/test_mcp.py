"""MCP servers, real ones: their tools are listed, run, stepped, denied, edited, stopped and timed out like any other."""

from __future__ import annotations

import asyncio
import gc
import json
import os
import pickle
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

import nbturns as nt
from nbturns.events import Notice
from nbturns.runtime.background_loop import Waiting
from nbturns.runtime.toolbox import ToolConfig
from tests.lab.processes import process_group
from tests.tools.test_signatures import PROVIDERS, sent_schema

ROOT = Path(__file__).parents[2]
ODD = [sys.executable, str(Path(__file__).parent / "odd_mcp_server.py")]
STATION = [sys.executable, "-m", "tests.tools.mcp_server"]
IMAGE_MARKS = {
    "anthropic": '"source"',
    "openai": '"input_image"',
    "openai-chat": '"image_url"',
    "gemini": '"inlineData"',
}


def configuration(log: Path) -> dict[str, Any]:
    return {"command": STATION[0], "args": [*STATION[1:], "stdio"], "env": {"STATION_LOG": str(log)}, "cwd": str(ROOT)}


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("station") / "log.txt"


@pytest.fixture(scope="module")
def station(log: Path) -> Iterator[Any]:
    """The tools of a server by standard input and output."""
    with nt.tools.from_mcp(configuration(log)) as tools:
        yield tools


@contextmanager
def http_server(*options: str) -> Iterator[str]:
    """Run the server of the tests with streamable HTTP, and yield its address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with process_group([*STATION, "http", str(port), *options], {**os.environ, "PYTHONPATH": str(ROOT)}) as process:
        soon(lambda: process.poll() is None and accepts(port))
        yield f"http://127.0.0.1:{port}/mcp"


def accepts(port: int) -> bool:
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
        return True
    return False


def soon(condition: Callable[[], bool], seconds: float = 30) -> None:
    """Wait until a condition is true."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def call(name: str, id: str = "c", **args: Any) -> nt.Block:
    return nt.tool_call(id, name, args)


def results(tools: Any, *calls: nt.Block, **config: Any) -> list[Any]:
    """Return the results of the calls, or their errors."""
    session = nt.Session(nt.scripted(list(calls), "done"), tools=tools, tool_config=ToolConfig(**config))
    return [block.error or block.result for block in session.ask("q").result(90).of_kind("tool_use")]


# Listing and running.


def test_tools_are_listed_with_their_descriptions_effects_and_names_that_providers_take(station: Any) -> None:
    by_name = {tool.name: tool for tool in station}

    assert station.server == "weather station"
    assert by_name["forecast"].description == "Forecast the weather of a city."
    assert [by_name[name].effect for name in ("forecast", "wait", "report")] == ["pure", "idempotent", "effectful"]
    assert "station_reset_all" in by_name
    assert by_name["forecast"].origin == "MCP server weather station"


@pytest.mark.parametrize("provider", PROVIDERS)
def test_the_schema_of_a_server_is_sent_to_each_provider(station: Any, provider: str) -> None:
    schema = sent_schema(provider, station[0])

    assert (schema["type"], schema["required"]) == ("object", ["city"])
    assert schema["properties"]["city"]["description"] == "The city's name"


CALLS = [
    call("forecast", "1", city="Oslo", days="2"),
    call("report", "2", city="Oslo"),
    call("numbers", "3", count=3),
    call("picture", "4"),
    call("mixed", "5"),
    call("fail", "6", reason="too cloudy"),
    call("station_reset_all", "7"),
    call("forecast", "8", town="Oslo"),
]


def check_results(tools: Any) -> None:
    text, structured, numbers, picture, mixed, failed, reset, misfit = results(tools, *CALLS)

    assert text == "Oslo: sun for 2 days"
    assert structured == {"city": "Oslo", "degrees": 21.5}
    assert numbers == [0, 1, 2]
    assert picture[0] == {"type": "text", "text": "the sky"}
    assert picture[1]["media_type"] == "image/png" and picture[1]["content"].startswith("iVBORw0KGgo")
    assert [part.get("text", part.get("media_type")) for part in mixed] == [
        "one",
        "file:///a.txt (a, text/plain)",
        "two",
        "audio/wav",
    ]
    assert failed == "Error executing tool fail: too cloudy"
    assert reset == "reset"
    assert misfit == "not run: the arguments do not fit: city is missing"


def test_results_of_every_kind_arrive_from_a_process(station: Any) -> None:
    check_results(station)


@pytest.mark.parametrize("options", [(), ("json",)])
def test_results_of_every_kind_arrive_by_http_and_are_limited(nothing_left: Path, options: tuple[str, ...]) -> None:
    with http_server(*options) as url:
        with nt.tools.from_mcp({"url": url, "headers": {"X-Key": "abcdefgh"}}, max_bytes=1_000_000) as tools:
            check_results(tools)
            answer = results(tools, call("big", megabytes=3))[0]
            assert answer.startswith("MCP server weather station failed to run big: "), answer
            assert results(tools, call("forecast", city="Oslo")) == ["Oslo: sun for 1 days"]
        known = nt.tools.from_mcp(url, only=["forecast"])
    assert "MCP server weather station failed to run forecast: " in results(known, call("forecast", city="Oslo"))[0]
    known.close()


def test_results_of_every_kind_arrive_from_a_server_in_this_process() -> None:
    from tests.tools.mcp_server import server

    with nt.tools.from_mcp(server) as tools:
        check_results(tools)


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_picture_of_a_server_is_a_picture_for_each_provider(station: Any, provider: str) -> None:
    picture = results(station, call("picture"))[0]
    turn = nt.Turn((nt.user("q"), call("picture"), nt.tool_use("c", picture)))

    assert IMAGE_MARKS[provider.partition(":")[0]] in json.dumps(nt.engines.request(provider, turn))


def test_two_servers_are_used_together_with_prefixes(log: Path) -> None:
    from tests.tools.mcp_server import server

    with (
        nt.tools.from_mcp(server, only=["forecast"], prefix="a.") as first,
        nt.tools.from_mcp(server, only="forecast") as second,
    ):
        assert [tool.name for tool in (*first, *second)] == ["a_forecast", "forecast"]
        assert results([*first, *second], call("a_forecast", city="Rome")) == ["Rome: sun for 1 days"]


# Stepping.


def test_a_call_is_stepped_denied_mocked_and_edited(station: Any) -> None:
    calls = [call("forecast", id, city="Oslo") for id in ("run", "deny", "mock", "edit")]
    session = nt.Session(nt.scripted(calls, "done"), tools=station, step={"post_inference"})
    execution = session.ask("q")
    pause = execution.next().result(60)

    assert pause is not None and [block.name for block in pause.turn.pending] == ["forecast"] * 4
    index = next(i for i, block in enumerate(pause.turn) if block.tool_call_id == "edit")
    execution.resume(pause.turn.edit(index, args={"city": "Rome"}), deny={"deny": "not today"}, mock={"mock": "rain"})
    answers = {block.tool_call_id: block.error or block.result for block in execution.result(60).of_kind("tool_use")}

    assert answers == {
        "run": "Oslo: sun for 1 days",
        "deny": "denied: not today",
        "mock": "rain",
        "edit": "Rome: sun for 1 days",
    }


def lines(log: Path) -> list[str]:
    return log.read_text().splitlines() if log.exists() else []


def test_stop_cancels_the_call_at_the_server(station: Any, log: Path) -> None:
    log.unlink(missing_ok=True)
    session = nt.Session(nt.scripted(call("wait", seconds=60), "done"), tools=station)
    execution = session.ask("q")
    soon(lambda: lines(log) == ["waiting"])

    execution.stop()

    assert execution.result(60) is not None and execution.status == "stopped"
    soon(lambda: lines(log) == ["waiting", "cancelled"])
    assert results(station, call("forecast", city="Oslo")) == ["Oslo: sun for 1 days"]


def test_a_timeout_cancels_the_call_at_the_server_and_names_it(station: Any, log: Path) -> None:
    log.unlink(missing_ok=True)

    assert results(station, call("wait", seconds=60), execution_timeout=0.5) == [
        "timed out after 0.5 s (MCP server weather station)"
    ]
    soon(lambda: lines(log) == ["waiting", "cancelled"])


def test_a_tool_may_be_called_in_a_cell(station: Any) -> None:
    assert asyncio.run(station[0].function(city="Oslo")) == "Oslo: sun for 1 days"


def test_a_server_that_dies_is_named_and_started_again_by_the_next_call(station: Any) -> None:
    before, died, after = results(
        station, call("process", "1"), call("die", "2"), call("process", "3"), max_parallel_tools=1
    )

    assert (
        died
        == "MCP server weather station failed to run die: Connection closed; its last output: the station is on fire"
    )
    assert isinstance(after, int) and after != before
    assert not is_running(before)


def test_tools_work_in_another_process(station: Any) -> None:
    copies = pickle.loads(pickle.dumps(list(station)[:1]))

    assert results(copies, call("forecast", city="Oslo")) == ["Oslo: sun for 1 days"]
    copies[0].close()


# Servers that misbehave.

SECONDS = {"never answers": 1, "never lists": 5}  # to wait for these


def threads() -> set[str]:
    return {thread.name for thread in threading.enumerate() if "waitpid" not in thread.name}


def descriptors() -> dict[str, str]:
    """Return the open files, pipes and sockets of this process, by number."""
    gc.collect()
    folder = Path("/proc/self/fd")
    return {name: os.readlink(folder / name) for name in os.listdir(folder) if (folder / name).exists()}


@pytest.fixture
def nothing_left(tmp_path: Path) -> Iterator[Path]:
    """A file for the ids of processes; after the test none of them runs, and threads and files are as before."""
    pids = tmp_path / "pids"
    Waiting(asyncio.sleep(0)).result(60)  # the loop has its own descriptors
    before, known_threads = descriptors(), threads()
    yield pids
    soon(lambda: not any(is_running(int(pid)) for pid in (pids.read_text().split() if pids.exists() else ())))
    for _ in range(500):
        if len(descriptors()) <= len(before):
            break
        time.sleep(0.02)
    assert len(descriptors()) <= len(before), (before, descriptors())
    assert threads() <= known_threads | {"nbturns", "nbturns-tool"}


@pytest.mark.parametrize(
    ("server", "error", "message"),
    [
        (["/no/such/server"], nt.ToolError, "MCP server server did not start: No such file or directory: /no/such/server"),
        ([*ODD, "ends at once"], nt.ToolError, "MCP server odd_mcp_server.py did not start: Connection closed; its last output: no licence"),
        ([*ODD, "never answers"], nt.ToolError, "MCP server odd_mcp_server.py did not answer within 1 s"),
        ([*ODD, "never lists"], nt.ToolError, "MCP server odd did not list its tools within 5 s"),
        ([*ODD, "dies while listing"], nt.ToolError, "MCP server odd cannot list its tools: Connection closed"),
        ([*ODD, "endless pages"], nt.ToolError, "MCP server odd lists more than 1,000 tools, or a page after each page"),
        ([*ODD, "same names"], nt.MisuseError, "MCP server odd lists two tools named 'look'"),
        ([*ODD, "same names after cleaning"], nt.MisuseError, "MCP server odd lists two tools named 'look_up'"),
        ([*ODD, "remote schema"], nt.MisuseError, "MCP server odd, tool 'far': parameters of far: the schema refers to 'https://x.example/s'"),
        ([*ODD, "no schema"], nt.MisuseError, "MCP server odd, tool 'look': inputSchema: field required"),
        ([*ODD, "array schema"], nt.MisuseError, "MCP server odd, tool 'far': the type of the arguments must be 'object', got 'array'"),
        ("http://127.0.0.1:9/mcp?token=secret-token", nt.ToolError, "MCP server http://127.0.0.1:9/mcp did not start: "),
    ],
)  # fmt: skip
def test_a_server_that_cannot_be_used_is_named(nothing_left: Path, server: Any, error: Any, message: str) -> None:
    command = [*server, str(nothing_left)] if isinstance(server, list) else server
    with pytest.raises(error) as raised:
        nt.tools.from_mcp(command, start_timeout=SECONDS.get(command[-2], 30))

    assert message in str(raised.value)
    assert "secret-token" not in str(raised.value)


def test_the_other_tools_of_a_server_can_be_used(nothing_left: Path) -> None:
    with nt.tools.from_mcp([*ODD, "remote schema", str(nothing_left)], only=["look"]) as tools:
        assert results(tools, call("look")) == ["looked"]


def test_keys_of_a_server_are_in_no_error() -> None:
    server = {
        "mcpServers": {
            "roof": {"command": ODD[0], "args": [ODD[1], "ends at once"], "env": {"STATION_KEY": "key-123456"}}
        }
    }
    with pytest.raises(nt.ToolError, match="MCP server roof did not start") as raised:
        nt.tools.from_mcp(server)

    assert "no licence found for key …" in str(raised.value)


@pytest.mark.parametrize(
    ("behaviour", "answer"),
    [
        ("answers 100 MB", "MCP server odd failed to run look: the answer is longer than 16 MB"),
        ("answers 100 MB, id last", "MCP server odd failed to run look: the answer is longer than 16 MB"),
        ("answers nonsense", "MCP server odd failed to run look: "),
        ("answers with an error", "MCP server odd failed to run look: out of order"),
        ("hangs in a call", "timed out after 0.5 s (MCP server odd)"),
        ("prints text", "looked"),
        ("ignores everything", "looked"),
    ],
)
def test_a_call_that_goes_wrong_is_answered_and_the_conversation_goes_on(
    nothing_left: Path, behaviour: str, answer: str
) -> None:
    tools = nt.tools.from_mcp([*ODD, behaviour, str(nothing_left)], timeout=0.5 if "hangs" in behaviour else 60)
    with nt.Session(nt.scripted(call("look"), "done"), tools=tools) as session:
        turn = session.ask("q").result(90)

        assert turn.text == "done"
        assert (turn[-2].error or turn[-2].result).startswith(answer)
    with pytest.raises(nt.ToolError, match="MCP server odd was closed; call from_mcp again to run look"):
        asyncio.run(tools[0].function())


def test_a_hostile_pattern_is_not_matched(nothing_left: Path) -> None:
    with nt.tools.from_mcp([*ODD, "catastrophic pattern", str(nothing_left)]) as tools:
        start = time.monotonic()
        assert results(tools, call("look", a="a" * 60 + "!")) == ["looked"]
        assert time.monotonic() - start < 10


def test_a_json_text_of_the_model_is_parsed_with_a_notice(station: Any) -> None:
    events: list[Any] = []
    session = nt.Session(nt.scripted(call("numbers", count="2"), "done"), tools=station, sinks=[events.append])

    assert session.ask("q").result(60)[-2].result == [0, 1]
    assert [e.text for e in events if isinstance(e, Notice)] == [
        "numbers: count was sent as a JSON text and was parsed as a number"
    ]


# Nothing is left.


def test_tools_that_nobody_keeps_end_their_server(nothing_left: Path) -> None:
    tools = nt.tools.from_mcp([*ODD, "none", str(nothing_left)])
    pid = int(nothing_left.read_text())
    assert is_running(pid) and results(tools, call("look")) == ["looked"]

    del tools

    soon(lambda: gc.collect() >= 0 and not is_running(pid))  # the loop may still hold the end of the execution


SCRIPTS = {
    "an error at the end": "tools = nt.tools.from_mcp({command}); raise SystemExit(3)",
    "a session": """
tools = nt.tools.from_mcp({command})
session = nt.Session(nt.scripted(nt.tool_call('c', 'look'), 'done'), tools=tools)
session.ask('q').result(60)""",
}


@pytest.mark.parametrize("script", list(SCRIPTS))
def test_the_end_of_the_process_ends_the_server(tmp_path: Path, script: str) -> None:
    pids = tmp_path / "pids"
    code = SCRIPTS[script].format(command=[*ODD, "none", str(pids)])
    done = subprocess.run(
        [sys.executable, "-c", f"import nbturns as nt\n{code}"],
        check=False,
        capture_output=True,
        text=True,
        timeout=120,
        cwd=ROOT,
    )

    assert done.stderr == "" and done.returncode == (3 if "error" in script else 0)
    soon(lambda: not is_running(int(pids.read_text())))


@pytest.mark.parametrize("behaviour", ["never answers", "hangs in a call"])
def test_an_interrupt_of_the_kernel_leaves_nothing(tmp_path: Path, behaviour: str) -> None:
    """As a kernel does it: the cell is interrupted, and the process goes on."""
    pids, ready = tmp_path / "pids", tmp_path / "ready"
    code = f"""
import pathlib, time, nbturns as nt
session = None
try:
    tools = nt.tools.from_mcp({[*ODD, behaviour, str(pids)]!r})
    session = nt.Session(nt.scripted(nt.tool_call('c', 'look'), 'done'), tools=tools)
    execution = session.ask('q')
    execution.break_when(phase='final')
    execution.result()
except KeyboardInterrupt:
    pass
if session is not None:
    session.close()
pathlib.Path({str(ready)!r}).write_text('interrupted')
time.sleep(60)
"""
    with process_group([sys.executable, "-c", code], {**os.environ, "PYTHONPATH": str(ROOT)}) as process:
        soon(lambda: pids.exists() and pids.read_text().endswith("\n"))
        if behaviour == "hangs in a call":  # an interrupt before the session is made leaves the tools open
            soon((tmp_path / "pids.called").exists)
        process.send_signal(signal.SIGINT)
        soon(ready.exists)
        soon(lambda: not is_running(int(pids.read_text())))
        assert process.poll() is None


# Misuse.


@pytest.mark.parametrize(
    ("server", "message"),
    [
        (5, "an MCP server must be a command"),
        ([], "the command of an MCP server must be a list of texts"),
        ("", "the command of an MCP server must be a list of texts"),
        ([sys.executable, 5], "must be a list of texts"),
        ({}, "an MCP server must be a command"),
        ({"comand": "x"}, "did you mean 'command'?"),
        ({"command": "x", "env": {"A": 1}}, "env of an MCP server must be a mapping of texts"),
        ({"mcpServers": {"a": {}, "b": {}}}, "mcpServers must have one server, got a, b"),
        ({"url": 5}, "url of an MCP server must be a text"),
    ],
)
def test_what_is_no_server_is_refused(server: Any, message: str) -> None:
    with pytest.raises(nt.MisuseError) as raised:
        nt.tools.from_mcp(server)

    assert message in str(raised.value)


def test_a_tool_that_the_server_does_not_have_is_refused_with_the_nearest() -> None:
    from tests.tools.mcp_server import server

    with pytest.raises(
        nt.MisuseError, match="MCP server weather station has no tool 'forcast'; did you mean 'forecast'?"
    ):
        nt.tools.from_mcp(server, only=["forcast"])
    with pytest.raises(nt.MisuseError, match="start_timeout must be a number of seconds"):
        nt.tools.from_mcp(server, start_timeout=0)
