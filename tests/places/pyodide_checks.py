"""Checks that run in Pyodide, a Python without threads in a JavaScript engine: `tests.places.lite` starts them.

Pyodide reads this file as a program, so it imports nothing of the tests.
"""

from __future__ import annotations

import sys
from pathlib import Path

import nbturns as nt

FOLDER = Path("/tmp")  # noqa: S108 - of Pyodide's own file system
TRANSCRIPTS = Path("/fixtures/transcripts")


def weather(city: str) -> dict[str, str]:
    "Current weather in a city."
    return {"city": city}


def load_and_save() -> None:
    """Load files of every format, and read back what is saved."""
    files = [path for path in TRANSCRIPTS.iterdir() if path.is_file()]
    assert len(files) > 50
    for path in files:
        assert all(len(run) for run in nt.load_all(path)), path
    run = nt.example()
    for suffix in ("yaml", "json", "jsonl"):
        nt.save(run, FOLDER / f"run.{suffix}")
        assert nt.load(FOLDER / f"run.{suffix}") == run, suffix
    for suffix in ("html", "md"):
        nt.save(run, FOLDER / f"run.{suffix}")
        assert "tomato seedlings" in (FOLDER / f"run.{suffix}").read_text(encoding="utf-8"), suffix


def view_and_compare() -> None:
    """Show a Turn, a Run and a comparison, as static tables and as live views."""
    run = nt.example()
    assert "<table" in run[0]._repr_html_()
    view = nt.view(run[0])
    assert isinstance(view, nt.widgets.TurnView) and view.get_state()["_esm"]
    assert isinstance(nt.view(run), nt.widgets.RunView)
    comparison = nt.compare(run[0], run[-1])
    assert comparison.changes and "<table" in comparison._repr_html_()
    assert isinstance(nt.view(comparison), nt.widgets.CompareView)


async def step() -> None:
    """Pause before a tool, edit its call, run it, continue, fork, and keep the session in a store."""
    call = nt.tool_call("call_1", "weather", {"city": "Paris"})
    store = nt.TurnStore(FOLDER / "runs.db")
    session = nt.Session(nt.scripted(call, "18 °C.", "Other."), tools=[weather], step=True, store=store)
    execution = session.ask("How is the weather?")
    pause = await execution.next()
    assert pause is not None and [block.name for block in pause.pending] == ["weather"]
    assert isinstance(nt.view(execution), nt.widgets.Stepper)
    try:
        execution.result()
    except RuntimeError as error:
        assert "use await" in str(error), error  # noqa: PT017
    else:
        raise AssertionError("result() blocked")
    pause = await execution.step(pause.turn.edit(-1, args={"city": "Lyon"}))
    assert pause is not None and pause.turn[-1].result == {"city": "Lyon"}
    execution.resume()
    assert (await execution).text == "18 °C."
    assert (await session.fork(execution.snapshots[0]).ask("And now?", step=False)).text == "Other."
    assert [turn.text for turn in store.load(session.id).turns] == ["18 °C."]


def count() -> None:
    """Counting needs pandas, which is no pure wheel; the error for it shows the command that installs it."""
    try:
        nt.frames.blocks(nt.example())
    except nt.NbturnsError as error:
        assert "pip install pandas" in str(error), error  # noqa: PT017
    else:
        raise AssertionError("pandas is installed")


async def main() -> None:
    """Run the checks and print their number."""
    assert sys.platform == "emscripten", sys.platform
    load_and_save()
    view_and_compare()
    await step()
    count()
    print(f"Pyodide, Python {sys.version.split()[0]}: load, view, compare, save and step work; counting is untested")
