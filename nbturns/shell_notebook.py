"""The notebook that `nbturns lab PATH` opens."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from .errors import MisuseError


def write_notebook(path: Path) -> Path:
    """Write a notebook that shows a transcript, a folder or a store, next to it, and return its path.

    An existing notebook is kept: it may hold work. Raises MisuseError for a path that does not exist.
    """
    if not path.exists():
        raise MisuseError(f"{path}: no such file or folder")
    notebook = path.resolve().with_name(f"{path.resolve().stem}.nbturns.ipynb")
    if not notebook.exists():
        notebook.write_text(json.dumps(_notebook(path.name), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return notebook


def _notebook(name: str) -> dict[str, Any]:
    cells = [f"import nbturns as nt\n\nnt.view({name!r})", f"nt.frames.inferences({name!r})"]
    return {
        "cells": [
            {
                "cell_type": "code",
                "id": f"cell-{index}",
                "metadata": {},
                "execution_count": None,
                "outputs": [],
                "source": source.splitlines(keepends=True),
            }
            for index, source in enumerate(cells)
        ],
        "metadata": {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}},
        "nbformat": 4,
        "nbformat_minor": 5,
    }
