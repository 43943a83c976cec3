"""How a live view leaves a static table: beside it when it is displayed, in its place when it is frozen."""

from __future__ import annotations

import contextvars
from collections.abc import Callable
from typing import Any


class Still:
    """For views: `freeze()`, and the static form that goes along wherever one is displayed."""

    _repr_html_: Callable[[], str]
    _repr_mimebundle_: Callable[..., Any]

    def _begin_still(self) -> None:
        self._displays: list[Any] = []
        self._context = contextvars.copy_context()  # output from the host's thread belongs to this cell

    def freeze(self) -> None:
        """Put the static table in the place of this view, wherever it was displayed: what a saved notebook keeps."""
        for handle in self._displays:
            self._shown_here(handle.update, self._still(), raw=True)
        self._displays.clear()

    def _plain(self) -> str:
        """What a terminal shows of it."""
        return repr(self)

    def _still(self) -> dict[str, str]:
        """What takes the place of this view."""
        return {"text/plain": repr(self), "text/html": self._repr_html_()}

    def _ipython_display_(self) -> None:
        from IPython.display import display

        live: Any = self._repr_mimebundle_()
        live = live[0] if isinstance(live, tuple) else live
        bundle = {**(live or {}), "text/plain": self._plain(), "text/html": self._repr_html_()}
        handle: Any = display(bundle, raw=True, display_id=True)  # type: ignore[no-untyped-call]  # IPython has no types
        self._displays.append(handle)

    def _shown_here(self, send: Callable[..., object], *given: Any, **named: Any) -> None:
        """Send something to the page from whatever thread, as from the cell that made this view."""
        self._context.copy().run(send, *given, **named)
