"""A session from a recorded Run: recorded calls are answered as recorded, others run or pause."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import nbturns as nt
from tests.tools.test_signatures import PROVIDERS

FIXTURES = Path(__file__).parents[2] / "fixtures/transcripts"


def call(name: str, id: str, **args: Any) -> nt.Block:
    return nt.tool_call(id, name, args)


def recording() -> nt.Run:
    """A Run in which a model read two files, and deleted one."""
    blocks = (
        nt.user("Tidy up."),
        call("read", "1", path="a"),
        call("read", "2", path="b"),
        nt.tool_use("1", "A"),
        nt.tool_use("2", error="no such file"),
        call("delete", "3", path="a", force=True),
        nt.tool_use("3", "gone"),
        nt.assistant("Done."),
    )
    return nt.Run((nt.Turn(tuple(block.replace(id=f"b{i}") for i, block in enumerate(blocks))),), id="run-1")


def read(path: str) -> str:
    """Read a file."""
    return f"live {path}"


def results(session: nt.Session) -> list[tuple[Any, str]]:
    turn = session.ask(session.latest).result(60)
    return [
        (b.error or b.result, b.metadata[nt.keys.ANSWERED_BY])
        for b in turn.of_kind("tool_use")
        if nt.keys.ANSWERED_BY in b.metadata
    ]


def test_the_same_calls_get_the_recorded_results_and_are_marked() -> None:
    engine = nt.scripted(
        [call("read", "x", path="a"), call("read", "y", path="b")], call("delete", "z", force=True, path="a"), "Done."
    )
    session = nt.rerun(recording(), engine, at=(0, 0))

    assert len(session.latest) == 1
    assert results(session) == [("A", "recorded"), ("no such file", "recorded"), ("gone", "recorded")]


def test_other_arguments_run_where_the_tool_is_at_hand_and_pause_elsewhere() -> None:
    engine = nt.scripted([call("read", "x", path="c"), call("delete", "y", path="c")], "Done.")
    session = nt.rerun(recording(), engine, at=(0, 0), tools=[read])
    execution = session.ask(session.latest)
    pause = execution.next().result(60)

    assert pause is not None and pause.reason.startswith("delete is known from the recording alone: give a result")
    assert pause.reason.endswith("; it differs from the recorded call in path, force")
    execution.resume(mock={"y": "pretended"})
    answers = [(b.result, b.metadata[nt.keys.ANSWERED_BY]) for b in execution.result(60).of_kind("tool_use")]
    assert answers == [("live c", "tool"), ("pretended", "mock")]


def test_a_call_that_nobody_answers_at_the_pause_does_not_run() -> None:
    session = nt.rerun(recording(), nt.scripted(call("delete", "y", path="c", force=True), "Done."), at=(0, 0))
    execution = session.ask(session.latest)
    execution.next().result(60)
    execution.resume()

    answer = execution.result(60).of_kind("tool_use")[0]
    assert answer.error == "not run: delete is known from the recording alone"
    assert answer.metadata[nt.keys.ANSWERED_BY] == "not run"


def test_a_tool_that_the_transcript_never_called_runs() -> None:
    def now() -> str:
        return "noon"

    session = nt.rerun(recording(), nt.scripted(call("now", "x"), "Done."), at=0, tools=[now])

    assert results(session) == [("noon", "tool")]


def test_always_ignores_the_arguments_and_never_the_recording() -> None:
    def answers(recorded: Any) -> list[Any]:
        engine = nt.scripted(
            [call("read", "x", path="q"), call("read", "y", path="a"), call("read", "z", path="a")], "Done."
        )
        return results(nt.rerun(recording(), engine, at=(0, 0), tools=[read], recorded=recorded))

    assert answers("always") == [("A", "recorded"), ("no such file", "recorded"), ("live a", "tool")]
    assert answers("never") == [("live q", "tool"), ("live a", "tool"), ("live a", "tool")]
    assert answers("same-arguments") == [("live q", "tool"), ("A", "recorded"), ("live a", "tool")]


@pytest.mark.parametrize(
    ("at", "kept"),
    [(None, 8), (0, 8), (-1, 8), ((0, 0), 1), ((0, -1), 8), ((0, 4), 5), ("b4", 5), ("run-1/0/4", 5)],
)
def test_the_run_is_kept_up_to_the_given_place(at: Any, kept: int) -> None:
    assert len(nt.rerun(recording(), nt.scripted("x"), at=at).latest) == kept


def test_a_kept_call_without_its_answer_gets_the_recorded_one() -> None:
    session = nt.rerun(recording(), nt.scripted("Done."), at=(0, 1))

    assert results(session) == [("A", "recorded")]


@pytest.mark.parametrize("provider", PROVIDERS)
def test_recorded_tools_are_offered_with_an_inferred_schema(provider: str) -> None:
    session = nt.rerun(recording(), nt.scripted("x"), tools=[read])
    by_name = {tool.name: tool for tool in session.tools}

    assert by_name["delete"].parameters == {
        "type": "object",
        "properties": {"path": {"type": "string"}, "force": {"type": "boolean"}},
        "required": ["path", "force"],
    }
    assert by_name["delete"].origin == "inferred from recorded calls"
    assert by_name["read"].function is read
    assert nt.engines.request(provider, session.latest, tools=list(session.tools))["tools"]


def test_inferred_types_cover_every_recorded_value() -> None:
    turn = nt.Turn((
        call("f", "1", a=1, b=[1, "x"], c={"k": 1}, d=None),
        call("f", "2", a=1.5, b=[], c={}, d="x", e=True),
    ))  # fmt: skip
    schema = next(iter(nt.rerun(turn, nt.scripted("x")).tools)).parameters

    assert schema["required"] == ["a", "b", "c", "d"]
    assert schema["properties"] == {
        "a": {"type": "number"},
        "b": {"type": "array", "items": {"type": ["integer", "string"]}},
        "c": {"type": "object"},
        "d": {"type": ["null", "string"]},
        "e": {"type": "boolean"},
    }


def test_the_recorded_schema_is_offered_where_there_is_one() -> None:
    first = nt.Session(nt.scripted(call("read", "1", path="a"), "Done."), tools=[read])
    first.ask("q").result(60)

    tool = next(iter(nt.rerun(first, nt.scripted("x")).tools))

    assert (tool.origin, tool.description, tool.parameters) == ("recorded", "Read a file.", nt.Tool(read).parameters)


@pytest.mark.parametrize("path", sorted(p for p in FIXTURES.rglob("*") if p.is_file()), ids=lambda path: path.name)
def test_runs_of_every_format_are_rerun(path: Path) -> None:
    for run in nt.load_all(path):
        if not len(run):
            continue
        calls = [b for b in run[-1].of_kind("tool_call") if b.tool_call_id]
        session = nt.rerun(run, nt.scripted("Done."))
        assert session.ask("And now?").result(60).text == "Done."
        offered = {tool.name for tool in session.tools}
        assert {b.name for b in calls} <= offered
        for provider in (
            PROVIDERS if "file_uri" not in session.run.to_yaml() else ()
        ):  # images that no provider can read
            nt.engines.request(provider, session.latest, tools=list(session.tools))


def test_a_fork_goes_on_with_what_is_left_of_the_recording() -> None:
    session = nt.rerun(recording(), nt.scripted(call("read", "x", path="a"), "Done."), at=(0, 0))
    fork = session.fork()

    assert results(session) == [("A", "recorded")]
    engine_of_fork = nt.scripted(call("read", "x", path="a"), "Done.")
    fork.engine = engine_of_fork
    assert results(fork) == [("A", "recorded")]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"at": 5}, "Turn 5 is out of range"),
        ({"at": (0, 99)}, "block 99 is out of range"),
        ({"at": "nowhere"}, "no block has the id 'nowhere'"),
        ({"at": ""}, "no block has the id ''"),
        ({"at": 1.5}, "at must be an index of a Turn"),
        ({"recorded": "sometimes"}, "recorded must be one of same-arguments, always, never"),
    ],
)
def test_misuse_is_refused(arguments: Any, message: str) -> None:
    with pytest.raises(nt.MisuseError) as raised:
        nt.rerun(recording(), nt.scripted("x"), **arguments)
    assert message in str(raised.value)
    for value in (nt.Run(), "path.yaml"):
        with pytest.raises(nt.MisuseError):
            nt.rerun(value, nt.scripted("x"))  # type: ignore[arg-type]


FORMATS = ("claude-code.jsonl", "codex.jsonl", "inspect.json", "openai-chat.jsonl", "anthropic.jsonl", "langchain.json")


@pytest.mark.parametrize("name", FORMATS)
def test_a_run_of_each_format_goes_on_with_recorded_and_live_calls_for_every_provider(name: str) -> None:
    """The same arguments are answered as recorded, others wait, a tool that the transcript never called runs."""
    run = next(iter(nt.load_all(FIXTURES / name)))
    turn = run[-1]
    first, recorded = next(
        (index, block)
        for index, block in enumerate(turn)
        if block.kind == "tool_call" and any(b.tool_call_id == block.tool_call_id for b in turn.of_kind("tool_use"))
    )
    result = next(b for b in turn.of_kind("tool_use") if b.tool_call_id == recorded.tool_call_id)

    def tell_time() -> str:
        return "noon"

    calls = [
        nt.tool_call("same", recorded.name, dict(recorded.args)),
        nt.tool_call("other", recorded.name, {**recorded.args, "path": "/elsewhere"}),
        nt.tool_call("new", "tell_time", {}),
    ]
    session = nt.rerun(run, nt.scripted(calls, "Done."), at=(-1, first - 1), tools=[tell_time])
    execution = session.ask(session.latest)
    pause = execution.next().result(60)
    assert pause is not None and "known from the recording alone" in pause.reason
    execution.resume(mock={"other": "pretended"})
    answers = {b.tool_call_id: b for b in execution.result(60, wait=True).of_kind("tool_use")}

    assert (answers["same"].result, answers["same"].error) == (result.result, result.error)
    assert [answers[id].metadata[nt.keys.ANSWERED_BY] for id in ("same", "other", "new")] == [
        "recorded",
        "mock",
        "tool",
    ]
    assert answers["new"].result == "noon" and session.latest.text == "Done."
    rows = nt.frames.tool_calls(session)
    assert {"recorded", "mock", "tool"} <= set(rows["answered_by"].dropna())  # live and recorded can be told apart
    tools = list(session.tools)
    for provider in PROVIDERS:
        body = json.dumps(nt.engines.request(provider, session.latest + nt.user("Go on."), tools=tools))
        for text in ("pretended", "noon", "tell_time", recorded.name, "/elsewhere"):
            assert text in body, (provider, text)
