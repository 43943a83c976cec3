"""The magics of `%load_ext nbturns`, in a real shell of IPython."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from IPython.core.interactiveshell import InteractiveShell

import nbturns as nt


def double(x: int) -> int:
    """Twice a number."""
    return 2 * x


@pytest.fixture
def shell() -> Iterator[Any]:
    shell: Any = InteractiveShell.instance()
    shell.reset(new_session=False)
    shell.run_line_magic("load_ext", "nbturns")
    yield shell
    shell.run_line_magic("unload_ext", "nbturns")
    InteractiveShell.clear_instance()


def ask(shell: Any, line: str, prompt: str) -> Any:
    return shell.run_cell_magic("ask", line, prompt)


def test_a_cell_asks_the_session_in_a_variable_and_shows_the_execution(shell: Any) -> None:
    shell.user_ns["session"] = nt.Session(nt.scripted("Bed 3.", "None."))
    execution = ask(shell, "", "Which bed is dry?\nOne word.\n")

    assert isinstance(execution, nt.Execution)
    assert execution.result(30).text == "Bed 3."
    assert execution.turn[0].text == "Which bed is dry?\nOne word."
    assert ask(shell, "", "And now?").result(30).text == "None."


def test_a_session_is_made_with_the_engine_that_is_named(shell: Any) -> None:
    shell.user_ns["helper"] = nt.scripted("yes")
    assert ask(shell, "--session other --engine helper", "Dry?").result(30).text == "yes"
    assert isinstance(shell.user_ns["other"], nt.Session)
    with pytest.raises(nt.MisuseError, match="no session in 'third'.*--engine"):
        ask(shell, "--session third", "Dry?")
    with pytest.raises(nt.MisuseError, match="has an engine"):
        ask(shell, "--session other --engine helper", "Dry?")


def test_step_pauses_before_a_tool_runs(shell: Any) -> None:
    shell.user_ns["session"] = nt.Session(nt.scripted([nt.tool_call("c", "double", {"x": 2})], "4"), tools=[double])
    execution = ask(shell, "--step", "2 * 2?")
    pause = execution.next().result(30)
    assert pause is not None and [block.name for block in pause.pending] == ["double"]
    execution.stop()


def test_a_value_is_viewed_counted_and_priced(shell: Any) -> None:
    shell.user_ns["run"] = nt.example()

    assert isinstance(shell.run_line_magic("view", "run"), nt.widgets.RunView)
    assert len(shell.run_line_magic("turns", "run")) == len(nt.example())
    cost = shell.run_line_magic("cost", "run")
    assert cost["calls"].sum() == len(nt.example().inferences)
    assert cost["input_tokens"].sum() == nt.example().usage.input_tokens


def test_a_missing_variable_is_named(shell: Any) -> None:
    with pytest.raises(nt.MisuseError, match="no variable 'session'"):
        shell.run_line_magic("cost", "")
    with pytest.raises(nt.LoadError, match=r"gone\.json: file not found"):
        shell.run_line_magic("view", "gone.json")
    shell.user_ns["session"] = 5
    with pytest.raises(nt.MisuseError, match="'session' is a int, not a Session"):
        ask(shell, "", "Dry?")
