"""A static table for every live view: stored with the view in the output, and replacing it when the view is frozen."""

from __future__ import annotations

import contextvars
from collections.abc import Callable
from typing import Any


class StaticFallback:
    """A mixin that displays a view together with its static form and can freeze it."""

    _repr_html_: Callable[[], str]
    _repr_mimebundle_: Callable[..., Any]

    def _init_static_fallback(self) -> None:
        self._displays: list[Any] = []
        self._context = contextvars.copy_context()  # ties later output to the current cell

    def freeze(self) -> None:
        """Replace every displayed copy of this view with the static table, which a saved notebook can always show."""
        for handle in self._displays:
            self._run_in_cell(handle.update, self._static_bundle(), raw=True)
        self._displays.clear()

    def _plain_text(self) -> str:
        """Return the form for terminals."""
        return repr(self)

    def _static_bundle(self) -> dict[str, str]:
        """Return the MIME bundle that replaces the view when it is frozen."""
        return {"text/plain": repr(self), "text/html": self._repr_html_()}

    def _ipython_display_(self) -> None:
        from IPython.display import display

        live: Any = self._repr_mimebundle_()
        live = live[0] if isinstance(live, tuple) else live
        bundle = {**(live or {}), "text/plain": self._plain_text(), "text/html": self._repr_html_()}
        handle: Any = display(bundle, raw=True, display_id=True)  # type: ignore[no-untyped-call]  # IPython has no types
        self._displays.append(handle)

    def _run_in_cell(self, function: Callable[..., object], *args: Any, **kwargs: Any) -> None:
        """Call `function` so that its output belongs to the cell that created this view, from any thread."""
        self._context.copy().run(function, *args, **kwargs)
