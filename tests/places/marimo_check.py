"""Run the notebook for marimo: its outputs, its live view, and its page as HTML."""

from __future__ import annotations

import runpy
import subprocess
import sys
import tempfile
from importlib import import_module
from pathlib import Path
from typing import Any

import nbturns as nt

NOTEBOOK = Path(__file__).parents[2] / "fixtures" / "marimo_notebook.py"


def main() -> None:
    """Check the outputs of the cells, and what `marimo export` makes of them."""
    app: Any = runpy.run_path(str(NOTEBOOK))["app"]

    outputs, definitions = app.run()
    table: Any = outputs[0]
    assert "<table" in table._repr_html_()
    view = definitions["view"]
    assert set(view.value) >= {"selected", "search"}, view.value
    assert not {"_start", "start", "update"} & set(view.value), "what is chosen, and not the rows"
    assert "marimo-anywidget" in view.text
    assert definitions["turn"].text == "Hello."
    assert len(definitions["calls"]) == 6
    assert "marimo-anywidget" in shown_execution()
    with tempfile.TemporaryDirectory() as folder:
        page = Path(folder) / "page.html"
        command = [
            sys.executable,
            "-m",
            "marimo",
            "export",
            "html",
            str(NOTEBOOK),
            "-o",
            str(page),
            "--no-include-code",
        ]
        subprocess.run(command, check=True, timeout=300)
        text = page.read_text(encoding="utf-8")
    assert "nbt-content" in text and "tomato seedlings" in text
    print("marimo: 7 passed, 0 failed")


def shown_execution() -> str:
    """Return what marimo shows for an execution."""
    formatters: Any = import_module("marimo._output.formatters.formatters")
    formatting: Any = import_module("marimo._output.formatting")
    formatters.register_formatters()
    execution = nt.Session(nt.scripted("Hello.")).ask("Hi")
    execution.result(60)
    return str(formatting.as_html(execution).text)


if __name__ == "__main__":
    main()
