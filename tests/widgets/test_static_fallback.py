"""The page of each view, which a notebook without its kernel shows."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from IPython.core.interactiveshell import InteractiveShell
from IPython.display import display
from IPython.utils.capture import capture_output

import nbturns as nt
from nbturns.widgets.static_fallback import WIDGET_VIEW, _widget_bundle

TURN = nt.Turn((nt.user("a"), nt.assistant("b")))


def library(folder: Path) -> Any:
    nt.save(nt.Run((TURN,)), folder / "a.yaml")
    return nt.library(folder, index=folder / "index.db").view()


VIEWS: dict[str, Callable[[Path], Any]] = {
    "a Turn": lambda _: nt.view(TURN),
    "a Run": lambda _: nt.view(nt.example()),
    "Runs": lambda _: nt.view([nt.example(), nt.Run((TURN,))]),
    "a comparison": lambda _: nt.view(nt.compare(TURN, TURN[:1])),
    "a comparison of three": lambda _: nt.view(nt.compare(TURN, TURN[:1], TURN)),
    "profiles": lambda _: nt.view(nt.load_profiles({"a": {"engine": "openai:m"}}, env_file=None)),
    "a library": library,
}


@pytest.mark.parametrize("name", VIEWS)
def test_every_view_is_displayed_with_a_page_for_notebooks_without_a_kernel(name: str, tmp_path: Path) -> None:
    view = VIEWS[name](tmp_path)
    InteractiveShell.instance()
    with capture_output() as captured:
        display(view)  # type: ignore[no-untyped-call]

    page = captured.outputs[0].data["text/html"]
    assert page.startswith('<div class="nbturns-page"')
    assert "<table" in page
    view.close()


def test_a_widget_of_ipywidgets_7_has_a_bundle() -> None:
    assert _widget_bundle(SimpleNamespace(model_id="m"))[WIDGET_VIEW]["model_id"] == "m"
