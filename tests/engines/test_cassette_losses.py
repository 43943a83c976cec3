"""Cassettes and recordings lose nothing, whoever writes at the same time and however full the disk is."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest

import nbturns as nt
from nbturns.testing import serve
from nbturns.testing.exchanges import read_exchanges


async def slow_echo(turn: nt.Turn, scope: Any) -> nt.Turn:
    await asyncio.sleep(0.05)
    return turn + nt.assistant(f"answer to {turn[-1].text}")


def test_sessions_that_record_at_once_keep_every_answer(tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    shared = nt.cassette(path, record=True)
    tapes = [nt.cassette(path, record=True) if number % 2 else shared for number in range(12)]
    executions = [
        nt.Session(slow_echo, middleware=[tape]).ask(f"question {number}") for number, tape in enumerate(tapes)
    ]
    for execution in executions:
        execution.result(60)

    assert len(nt.cassette(path)) == 12
    for number in range(12):
        answer = nt.Session(nt.scripted(), middleware=[nt.cassette(path)]).ask(f"question {number}").result(60)
        assert answer.text == f"answer to question {number}"
    assert [file.name for file in tmp_path.iterdir()] == ["c.yaml"]


def test_processes_that_record_at_once_keep_every_answer(tmp_path: Path) -> None:
    script = """
        import sys, nbturns as nt
        async def engine(turn, scope):
            return turn + nt.assistant(turn[-1].text.upper())
        for number in range(8):
            session = nt.Session(engine, middleware=[nt.cassette("c.yaml", record=True)])
            session.ask(f"{sys.argv[1]} asks {number}").result(60)
    """
    command = [sys.executable, "-c", textwrap.dedent(script)]
    writers = [subprocess.Popen([*command, str(by)], cwd=tmp_path) for by in range(3)]
    assert [writer.wait(100) for writer in writers] == [0] * 3

    assert len(nt.cassette(tmp_path / "c.yaml")) == 24


def test_a_full_disk_is_an_error_that_has_the_answer(tmp_path: Path) -> None:
    script = """
        import resource, nbturns as nt
        tape = nt.cassette("c.yaml", record=True)
        nt.Session(nt.scripted("first"), middleware=[tape]).ask("1").result(60)
        resource.setrlimit(resource.RLIMIT_FSIZE, (600, 600))
        session = nt.Session(nt.scripted("x" * 10_000, "y"), middleware=[tape])
        try:
            session.ask("2").result(60)
        except nt.StoreError as error:
            print(len(error.turn.text), len(nt.cassette("c.yaml")), session.latest.text[:1])
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.stdout, done.stderr) == ("10000 1 x\n", "")
    assert [file.name for file in tmp_path.iterdir()] == ["c.yaml"]


def test_a_recording_on_a_full_disk_keeps_whole_lines_and_the_answer(tmp_path: Path) -> None:
    with serve() as server:
        script = f"""
            import resource, nbturns as nt
            engine = nt.engine("anthropic:claude-sonnet-4-6", base_url={server.url!r}, api_key="k" * 9, record="r.jsonl", retries=0)
            nt.Session(engine).ask("Say hello.").result(60)
            size = len(open("r.jsonl", "rb").read())
            resource.setrlimit(resource.RLIMIT_FSIZE, (size + 100, size + 100))
            try:
                nt.Session(engine).ask("Say hello.").result(60)
            except nt.StoreError as error:
                print(error.turn.text)
        """
        done = subprocess.run(
            [sys.executable, "-c", textwrap.dedent(script)],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    assert done.stdout.startswith("Hello!"), done.stderr
    assert len([json.loads(line) for line in (tmp_path / "r.jsonl").read_text().splitlines()]) == 1


def test_a_recording_goes_on_after_half_a_line(tmp_path: Path) -> None:
    path = tmp_path / "r.jsonl"
    with serve() as server:
        engine = nt.engine("anthropic:claude-sonnet-4-6", base_url=server.url, api_key="k" * 9, record=path)
        nt.Session(engine).ask("Say hello.").result(60)
        with path.open("a") as file:
            file.write('{"request": {"method": "PO')
        nt.Session(engine).ask("Say hello.").result(60)

    assert len(path.read_text().splitlines()) == 2
    assert len(list(read_exchanges([path]))) == 2


NOTES: list[Any] = ["checked by hand", 2026, None, [1, {"a": float("nan")}], {1: {"deep": True}}, "2026-01-01", "\x00"]


@pytest.mark.parametrize("note", NOTES, ids=repr)
def test_notes_in_a_call_do_not_matter_and_are_kept(note: Any, tmp_path: Path) -> None:
    from nbturns.serialization.yaml_text import dump_yaml, load_yaml

    path = tmp_path / "c.yaml"
    nt.Session(nt.scripted("one"), middleware=[nt.cassette(path, record=True)]).ask("1").result(60)
    data = load_yaml(path.read_text())
    data["calls"][0]["note"] = note
    path.write_text(dump_yaml(data))

    again = nt.Session(nt.scripted("two"), middleware=[nt.cassette(path, record=True)])
    assert again.ask("1").result(60).text == "one"
    nt.Session(nt.scripted("two"), middleware=[nt.cassette(path, record=True)]).ask("2").result(60)

    assert "note" in load_yaml(path.read_text())["calls"][0]
    assert len(nt.cassette(path)) == 2


@pytest.mark.parametrize("after", [-1, 5, True, "1", 1.5, [1]])
def test_a_call_that_continues_no_call_is_an_error_with_its_place(after: Any, tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    path.write_text(
        json.dumps({"version": 1, "calls": [{"asked": {"after": after, "blocks": []}, "answer": {"blocks": []}}]})
    )

    with pytest.raises(nt.LoadError, match="call 1"):
        nt.cassette(path)
