"""The outputs of a view: a page that works without a kernel, and the live widget that takes its place.

Both are separate outputs, because a notebook that is opened without its kernel shows an error in place of the
widget, even if its output has HTML. The script of the page hides that error.
"""

from __future__ import annotations

import contextvars
import time
from collections.abc import Callable, Mapping
from typing import Any

from ..render.output_page import output_page
from .cell_hooks import at_end_of_cell, cell_carries_code, cell_is_running, in_kernel

EMPTY_BUNDLE = {"text/plain": ""}
WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"


class StaticFallback:
    """A mixin that displays a view together with its page and can freeze it."""

    _repr_html_: Callable[[], str]

    def _init_static_fallback(self) -> None:
        self._displays: list[tuple[Any, Any]] = []  # handles of page and widget
        self._refreshed_at = float("-inf")  # when the pages were stored last, on the monotonic clock
        self._code_displays: set[int] = set()  # positions of the pages with the code
        self._subscriptions: (
            list[Callable[[], object]] | None
        ) = []  # ends of what the view listens to; None when closed
        self._context = contextvars.copy_context()  # ties later output to the current cell

    def _until_closed(self, end: Callable[[], object]) -> None:
        """Call `end` when the view is closed, or now if it is."""
        if self._subscriptions is None:
            end()
        else:
            self._subscriptions.append(end)

    @property
    def _is_closed(self) -> bool:
        return self._subscriptions is None

    def close(self) -> None:
        """Close the view: it stops listening, and nothing holds it any more."""
        subscriptions, self._subscriptions = getattr(self, "_subscriptions", None) or [], None
        for end in subscriptions:
            end()
        self._displays = []
        _close_default_layout(self)
        super().close()  # type: ignore[misc]  # of the widget that this is mixed into

    def freeze(self) -> None:
        """Replace every displayed copy of this view with the static table, which a saved notebook can always show."""
        frozen_bundle, displays = self._static_bundle(), list(self._displays)
        self._displays.clear()

        def update() -> None:
            for page, live in displays:
                page.update(frozen_bundle, raw=True)
                live.update(EMPTY_BUNDLE, raw=True)

        self._publish(update)

    def _refresh_page(self, interval: float = 0.0) -> None:
        """Store the current state in the page of every displayed copy: when the running cell ends, or now if none runs.

        While none runs, it is stored at most every `interval` seconds, and when the next cell ends.
        """
        if not self._displays:
            return
        if not cell_is_running() and time.monotonic() - self._refreshed_at >= interval:
            self._refreshed_at = time.monotonic()
            self._run_in_cell(self._update_pages)
        at_end_of_cell(self, self._update_pages)

    def _update_pages(self) -> None:
        for number, (page, _) in enumerate(self._displays):
            page.update(self._page_bundle(with_code=number in self._code_displays), raw=True)

    def _publish(self, update: Callable[[], None]) -> None:
        """Change displayed outputs, now and again at the end of the cell that runs.

        Programs that run notebooks (nbclient, papermill) drop changes that do not belong to the cell that runs.
        """
        self._run_in_cell(update)
        at_end_of_cell(self, update)

    def _plain_text(self) -> str:
        """Return the form for terminals."""
        return repr(self)

    def _static_bundle(self) -> dict[str, str]:
        """Return the MIME bundle that replaces the view when it is frozen."""
        return {"text/plain": repr(self), "text/html": self._repr_html_()}

    def _page_data(self) -> Mapping[str, Any] | None:
        """Return the data with which the page works without a kernel; None if it shows the static table only."""
        return None

    def _page_bundle(self, *, with_code: bool) -> dict[str, str]:
        page = output_page(self._repr_html_(), self._page_data(), with_code=with_code)
        return {"text/plain": self._plain_text(), "text/html": page}

    def _ipython_display_(self) -> None:
        from IPython.display import display

        live = _widget_bundle(self)
        with_code = cell_carries_code()
        if with_code:
            self._code_displays.add(len(self._displays))
        page_handle: Any = display(self._page_bundle(with_code=with_code), raw=True, display_id=True)  # type: ignore[no-untyped-call]  # IPython has no types
        if not in_kernel():  # a terminal shows the text once
            return
        live_handle: Any = display({**live, **EMPTY_BUNDLE}, raw=True, display_id=True)  # type: ignore[no-untyped-call]
        self._displays.append((page_handle, live_handle))

    def _run_in_cell(self, function: Callable[..., object], *args: Any, **kwargs: Any) -> None:
        """Call `function` so that its output belongs to the cell that created this view, from any thread."""
        if self._is_closed:
            return
        self._context.copy().run(function, *args, **kwargs)


def _widget_bundle(view: Any) -> dict[str, Any]:
    """Return the MIME bundle of the widget alone; ipywidgets 7 has no method for it."""
    if not hasattr(view, "_repr_mimebundle_"):
        return {WIDGET_VIEW: {"version_major": 2, "version_minor": 0, "model_id": view.model_id}}
    bundle = view._repr_mimebundle_()
    return dict((bundle[0] if isinstance(bundle, tuple) else bundle) or {})


def _close_default_layout(view: Any) -> None:
    """Close the layout that each widget makes for itself; it would never be freed. A layout with settings is kept."""
    layout = getattr(view, "layout", None)
    if layout is not None and all(name.startswith("_") or value is None for name, value in layout.get_state().items()):
        layout.close()
