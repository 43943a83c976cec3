"""Errors in notebooks: the lines of the user and the message, and no frames and variables of the package."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from IPython.core.interactiveshell import InteractiveShell

import nbturns as nt


@pytest.fixture(scope="module")
def shell() -> Iterator[Any]:
    shell: Any = InteractiveShell.instance()
    yield shell
    InteractiveShell.clear_instance()


def shown(shell: Any, mode: str, code: str, capsys: pytest.CaptureFixture[str]) -> str:
    shell.run_line_magic("xmode", mode)
    capsys.readouterr()
    shell.run_cell(code)
    printed = capsys.readouterr()
    return re.sub(r"\x1b\[[\d;]*m", "", printed.out + printed.err)


@pytest.mark.parametrize("mode", ["Context", "Verbose", "Plain", "Minimal"])
def test_an_error_shows_the_line_of_the_user_and_the_message(
    shell: Any, mode: str, capsys: pytest.CaptureFixture[str]
) -> None:
    text = shown(shell, mode, "import nbturns as nt\nnt.load('missing.yaml')", capsys)

    assert "LoadError: missing.yaml: file not found" in text
    assert ("nt.load('missing.yaml')" in text) == (mode != "Minimal")
    assert "/nbturns/files.py" not in text
    assert "in load(" not in text


def test_causes_keep_the_frames_of_the_user_and_lose_those_of_libraries(
    shell: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    column = "nt.frames.Column('x', lambda row: wrong(row))"
    code = (
        f"import nbturns as nt\ndef wrong(row):\n    return 1 / 0\nnt.frames.blocks(nt.example(), columns=[{column}])"
    )

    text = shown(shell, "Verbose", code, capsys)

    assert text.count("Traceback (most recent call last)") == 2
    assert "ZeroDivisionError: division by zero" in text
    assert "MisuseError: " in text
    assert "----> 3     return 1 / 0" in text, "the function of the user is the cause"
    assert "The above exception was the direct cause of the following exception" in text
    assert re.search(r"File \S*nbturns/frames", text) is None
    frames = []
    error: BaseException | None = sys.last_value
    while error is not None:
        traceback = error.__traceback__
        while traceback is not None:
            frames.append(traceback.tb_frame.f_code.co_filename)
            traceback = traceback.tb_next
        error = error.__cause__
    assert any("nbturns/frames" in file for file in frames), "the whole traceback is kept"


def test_the_help_of_the_frames_is_short() -> None:
    import inspect

    for name in ("blocks", "turns", "inferences", "tool_calls", "snapshots", "runs", "problems", "context"):
        function = getattr(nt.frames, name)
        assert len(str(inspect.signature(function))) + len(inspect.getdoc(function) or "") < 1_500, name
    assert repr(nt.frames.BLOCK) == "nt.frames.BLOCK"
