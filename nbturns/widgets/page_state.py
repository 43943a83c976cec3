"""The part of a view's state that a page may write: what the user selects, searches and sorts; nothing else.

A page can send any state for any trait. A script that got into a page must not replace the code of the view, its rows or its
tables, which other pages and saved notebooks get from the kernel.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any, ClassVar

import ipywidgets  # type: ignore[import-untyped]
import traitlets


class PageState:
    """A mixin of a widget whose page may write only the traits in `page_writes`."""

    page_writes: ClassVar[frozenset[str]] = frozenset()
    set_trait: Any
    send_state: Any
    comm: Any

    def get_state(self, key: Any = None, drop_defaults: bool = False) -> dict[str, Any]:
        """Return the state that is sent to a page. marimo reads it again for `.value`, which has what the page may write."""
        state: dict[str, Any] = super().get_state(key, drop_defaults)  # type: ignore[misc]  # as in _accepts
        if key is not None or not _is_of_marimo(self.comm):
            return state
        return {name: value for name, value in state.items() if name in self.page_writes}

    def set_state(self, sync_data: Any) -> None:
        """Take the state that a page sends. What it may not write, or what does not fit, is sent back as it is here."""
        state = sync_data if isinstance(sync_data, Mapping) else {}
        refused_names = [name for name in state if not self._accepts(name, state[name])]
        if refused_names and self.comm is not None:
            own_names = set(getattr(self, "keys", ()))
            if known_names := [name for name in refused_names if name in own_names]:
                self.send_state(known_names)

    def _accepts(self, name: Any, value: Any) -> bool:
        if name not in self.page_writes:
            return False
        try:
            super().set_state({name: value})  # type: ignore[misc]  # of the widget that this is mixed into
        except (traitlets.TraitError, TypeError, ValueError, OverflowError):
            return False
        return True


def _is_of_marimo(comm: Any) -> bool:
    """Return whether a comm is one of marimo's, or, in a notebook of marimo that runs as a script, none at all."""
    module = type(comm).__module__
    return module.startswith("marimo.") or ("marimo" in sys.modules and type(comm).__name__ == "DummyComm")


class MarkdownState(traitlets.HasTraits):
    """A mixin of a widget that shows texts raw or rendered."""

    markdown: traitlets.Bool[bool, bool | int] = traitlets.Bool(
        help="texts of users and models are rendered as Markdown"
    ).tag(sync=True)


class ReadOnlyHTML(PageState, ipywidgets.HTML):  # type: ignore[misc]  # ipywidgets has no types
    """HTML that only the kernel writes."""
