"""What a tool prints, in whatever way: it works as outside of a tool, and is kept with the result."""

from __future__ import annotations

import contextlib
import io
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import nbturns as nt
from nbturns.runtime.captured_output import CapturedOutput


def answer(tool: Callable[[], Any]) -> nt.Block:
    """Return the answer to a call of this tool."""
    session = nt.Session(nt.scripted(nt.tool_call("c", "tool"), "done"), tools=[nt.Tool(tool, name="tool")])
    return session.ask("q").result(60).of_kind("tool_use")[0]


def test_a_library_that_tries_what_the_stream_takes_does_no_harm() -> None:
    click = pytest.importorskip("click")

    def tool() -> str:
        "Print by way of click."
        click.echo("echoed")
        click.secho("in red", fg="red")
        click.echo(b"bytes")
        return "ok"

    used = answer(tool)

    assert (used.result, used.error) == ("ok", "")
    printed = used.metadata[nt.keys.STDOUT]
    assert "echoed" in printed
    assert "in red" in printed
    assert "bytes" in printed


@pytest.mark.parametrize("wrong", [b"", b"x", None, 5])
def test_what_is_not_text_is_refused_as_any_stream_does(wrong: Any) -> None:
    def tool() -> str:
        "Write something else than text."
        with pytest.raises(TypeError):
            sys.stdout.write(wrong)
        print("text")
        return "ok"

    used = answer(tool)

    assert (used.result, used.metadata[nt.keys.STDOUT]) == ("ok", "text\n")


def test_a_program_may_write_to_the_stream_of_a_tool(tmp_path: Path) -> None:
    def tool() -> int:
        "Run a program."
        sys.stdout.flush()
        return subprocess.run(
            [sys.executable, "-c", "print('from a program')"], stdout=sys.stdout, check=True
        ).returncode

    with (tmp_path / "out.txt").open("w+", encoding="utf-8") as real, contextlib.redirect_stdout(real):
        assert answer(tool).result == 0
        real.seek(0)
        assert real.read() == "from a program\n"


def test_the_stream_of_a_tool_is_a_text_stream(tmp_path: Path) -> None:
    def tool() -> list[Any]:
        "Look at the stream."
        sys.stdout.buffer.write("é".encode())
        sys.stdout.buffer.flush()
        stream = sys.stdout
        return [
            isinstance(stream, io.TextIOBase), stream.writable(), stream.readable(), stream.seekable(), stream.encoding,
            stream.errors, isinstance(stream.buffer, io.BufferedIOBase), stream.fileno() > 0, stream.line_buffering,
        ]  # fmt: skip

    with (tmp_path / "out.txt").open("w", encoding="utf-8") as real, contextlib.redirect_stdout(real):
        used = answer(tool)

    assert used.result == [True, True, False, True, "utf-8", "strict", True, True, False], used.error
    assert used.metadata[nt.keys.STDOUT] == "é"
    assert (tmp_path / "out.txt").read_text(encoding="utf-8") == "é"


def test_a_stream_without_bytes_below_it_has_none_in_a_tool() -> None:
    def tool() -> bool:
        "Ask for the bytes."
        return hasattr(sys.stdout, "buffer")

    with contextlib.redirect_stdout(io.StringIO()):
        assert answer(tool).result is False


def test_a_process_without_output_may_print_in_a_tool(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", None)

    with CapturedOutput() as captured_output:
        print("to nobody")
        assert not sys.stdout.isatty()

    assert captured_output.text == "to nobody\n"
    assert sys.stdout is None


DETACHING = """
import io, sys
import nbturns as nt

def tool() -> str:
    "Print through a stream of its own, as scripts do that set the encoding."
    stream = io.TextIOWrapper(sys.stdout.detach(), encoding="utf-8", write_through=True)
    print("from the tool", file=stream)
    stream.close()
    return "ok"

session = nt.Session(nt.scripted(nt.tool_call("c", "tool"), "done"), tools=[tool])
answer = session.ask("q").result(60).of_kind("tool_use")[0]
print(answer.result, answer.error, repr(answer.metadata[nt.keys.STDOUT]))
"""


def test_a_tool_may_detach_the_stream_and_write_with_an_encoding_of_its_own() -> None:
    process = subprocess.run([sys.executable, "-c", DETACHING], check=True, capture_output=True, text=True, timeout=120)

    assert process.stdout.splitlines() == ["from the tool", "ok  'from the tool\\n'"], process.stderr
