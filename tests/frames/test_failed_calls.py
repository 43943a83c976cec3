"""Failed tool calls: by their own flag, by the default rule, and by a rule of the user's."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import nbturns as nt
from nbturns.values.failure_rules import failure_pattern


@pytest.mark.parametrize(
    "text",
    [
        "Error: payment method not found",
        "error",
        "ERROR - no such table",
        "ValueError: invalid literal",
        "  java.io.IOException: closed",
        "Traceback (most recent call last):\n  File …",
        "$ python x.py\nTraceback (most recent call last):",
        "<tool_use_error>File does not exist.</tool_use_error>",
        "fatal: not a git repository",
        "Exit code 1\nmake: *** [all]",
        "exit status: 127",
        "Command failed with exit code 2",
        "Process exited with code 1",
        "<returncode>1</returncode>\n<output>…</output>",
        '{"error": "not found"}',
        '{"success": false, "reason": "denied"}',
        '{"content": [], "isError": true}',
        "bash: foo: command not found\n",
        "cat: a.txt: No such file or directory",
    ],
)
def test_the_default_rule_finds(text: str) -> None:
    assert failure_pattern()(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "0 errors, 2 warnings",
        "Errors: 0",
        "The error was fixed",
        "no error",
        "def handle(error): raise ValueError",
        "Exit code 0\nok",
        "<returncode>0</returncode>",
        '{"error": null, "result": 3}',
        '{"error": "", "result": 3}',
        '{"errors": []}',
        '{"success": true}',
        '{"is_error": false}',
        "class MyError(Exception):\n    pass",
        "1\tfatal",
        "No such file or directory is an error message",
    ],
)
def test_the_default_rule_leaves_out(text: str) -> None:
    assert not failure_pattern()(text)


def calls(*results: Any, **errors: str) -> nt.Turn:
    blocks: list[nt.Block] = [nt.user("go")]
    for number, result in enumerate(results):
        blocks += [nt.tool_call(f"c{number}", "run", {"n": number}), nt.tool_use(f"c{number}", result)]
    for id, error in errors.items():
        blocks += [nt.tool_call(id, "run", {}), nt.tool_use(id, error=error)]
    return nt.Turn((*blocks, nt.tool_call("open", "run", {})))


def test_a_call_failed_by_its_own_flag_or_by_its_words() -> None:
    turn = calls("Error: no", "fine", {"error": "x"}, flagged="gone")
    frame = nt.frames.tool_calls(turn)
    assert list(frame.failed) == [True, False, True, True, False]
    assert nt.frames.turns(turn).failed[0] == 3


def test_a_rule_of_your_own_is_a_pattern_or_a_function_of_the_row() -> None:
    turn = calls("Error: no", "code 7", flagged="gone")
    assert list(nt.frames.tool_calls(turn, failed=r"code [1-9]").failed) == [False, True, True, False]
    assert nt.frames.turns(turn, failed=r"code [1-9]").failed[0] == 2
    by_row = nt.frames.tool_calls(turn, failed=lambda row: row.name == "run" and row.args.get("n") == 1)
    assert list(by_row.failed) == [False, True, False, False]
    assert nt.frames.read(turn, failed=lambda row: not row.answer).turns.failed[0] == 1


def test_a_rule_that_is_none_or_fails_is_named() -> None:
    turn = calls("x")
    for failed in (3, ["a"]):
        with pytest.raises(nt.MisuseError, match="failed="):
            nt.frames.tool_calls(turn, failed=failed)  # type: ignore[call-overload]
    with pytest.raises(nt.MisuseError, match="not a regular expression"):
        nt.frames.turns(turn, failed="(")
    for function in (nt.frames.tool_calls, nt.frames.turns):
        with pytest.raises(nt.MisuseError, match="failed= raised KeyError"):
            function(turn, failed=lambda row: row.args["missing"])


def test_a_rule_reaches_other_processes_and_the_cache(tmp_path: Path) -> None:
    logs = tmp_path / "logs"
    logs.mkdir()
    for number in range(2):
        nt.save(calls("Error: no", f"code {number}"), logs / f"{number}.json")
    for options in ({"processes": 2}, {"cache": tmp_path / "cache"}, {"cache": tmp_path / "cache"}):
        assert nt.frames.tool_calls(logs, failed="code 1", **options).failed.sum() == 1
        assert nt.frames.tool_calls(logs, **options).failed.sum() == 2
    with pytest.raises(nt.MisuseError, match="of your own"):
        nt.frames.tool_calls(logs, processes=2, failed=lambda row: True)


def test_the_results_of_tau_bench_that_begin_with_error_are_found(shared: Path) -> None:
    path = shared / "transcripts/dev/tau-bench/gpt-4o-airline.json"
    expected = 0
    for record in json.loads(path.read_text()):
        results = [message["content"] for message in record["traj"] if message["role"] == "tool"]
        expected += sum(result.startswith("Error") for result in results)
    frames = nt.frames.read(path)
    found = frames.tool_calls[frames.tool_calls.failed]
    assert expected == len(found) == frames.turns.failed.sum() == 29
    assert found.result.str.startswith("Error").all()
