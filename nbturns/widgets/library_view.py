"""The view of a store or a library: its Runs, a search, and the Run that is opened."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from functools import partial
from typing import Any, Protocol

import ipywidgets  # type: ignore[import-untyped]

from ..errors import NbturnsError
from ..render.listing import listing_html
from ..render.text import shorten
from ..runtime.background_loop import Waiting, run_in_worker
from ..values.turns import Run
from .page_state import PageState, ReadOnlyHTML
from .run_view import RunView
from .static_fallback import StaticFallback

POLL_INTERVAL = 1.0  # seconds between looks at the files
PAGE_INTERVAL = 5.0  # seconds between two updates of the page for saved notebooks
MAX_CHOICES = 200


class RunCollection(Protocol):
    """A store or a library."""

    def summaries(self) -> list[dict[str, Any]]: ...
    def load(self, run_id: str, /) -> Run: ...
    def search(self, query: str, limit: int = 100) -> Any: ...
    def _repr_html_(self) -> str: ...


def _wide_layout() -> Any:
    """Return the layout of a field that fits a narrow output, too."""
    return ipywidgets.Layout(width="40em", max_width="98%")


class LibraryView(PageState, StaticFallback, ipywidgets.VBox):  # type: ignore[misc]  # ipywidgets has no types
    """A table of Runs or of hits, a field for queries, and the view of the Run that is opened.

    With `follow` it looks every second for new and growing files; `close()` ends that. `query`, set or typed, filters
    the table; `open_run(run_id)` opens a Run below it, which grows with its file. `opened` is its view.
    """

    def __init__(self, collection: RunCollection, *, follow: bool = False, query: str = "") -> None:
        self.collection = collection
        self.opened: RunView | None = None
        self._opened_id = ""
        self._hits: Any = None
        self._query_field = ipywidgets.Text(
            description="Search", placeholder='words, "a phrase", tool:name, kind:tool_call', layout=_wide_layout()
        )
        self._query_field.continuous_update = False
        self._table = ReadOnlyHTML()
        self._choices = ipywidgets.Dropdown(description="Open", layout=_wide_layout())
        self._place = ipywidgets.VBox()
        self._init_static_fallback()
        super().__init__([self._query_field, self._table, self._choices, self._place])
        self._query_field.value = query
        self.refresh()
        self._query_field.observe(self._on_query, "value")
        self._choices.observe(self._on_choice, "value")
        self._following = Waiting(self._follow()) if follow else None

    @property
    def query(self) -> str:
        return str(self._query_field.value)

    @query.setter
    def query(self, text: str) -> None:
        self._query_field.value = text

    def refresh(self) -> None:
        """Read the files that changed and show them."""
        self._show(*self._read())

    def _read(self) -> tuple[str, list[tuple[str, Any]], Any]:
        """Return the table as HTML, the choices, and the hits of the query; None without a query."""
        if not self.query.strip():
            summaries = self.collection.summaries()[:MAX_CHOICES]
            choices = [(shorten(f"{s['run_id']} · {s.get('first_prompt', '')}", 90), s["run_id"]) for s in summaries]
            return self.collection._repr_html_(), choices, None
        try:
            hits = self.collection.search(self.query, limit=MAX_CHOICES)
        except NbturnsError as error:
            return listing_html(str(error), ("",), ()), [], None
        return hits._repr_html_(), [(shorten(f"{n}: {hit.excerpt}", 90), n) for n, hit in enumerate(hits)], hits

    def _show(self, table: str, choices: list[tuple[str, Any]], hits: Any) -> None:
        self._hits = hits
        if self._table.value != table:
            self._table.value = table
            self._refresh_page(PAGE_INTERVAL)
        options = [("choose a Run" if hits is None else "choose a hit", None), *choices]
        if list(self._choices.options) != options:
            chosen = self._choices.value
            self._choices.options = options
            values = [value for _, value in options]
            self._choices.index = values.index(chosen) if chosen in values else 0

    def open_run(self, run_id: str, **settings: Any) -> RunView:
        """Open a Run below the table and return its view."""
        if self._following is not None:
            settings.setdefault("turn", -1)
        self.opened = RunView(self.collection.load(run_id), **settings)
        self._opened_id = run_id
        self._place.children = (self.opened,)
        return self.opened

    def _on_query(self, _: Mapping[str, Any]) -> None:
        self._choices.value = None
        self.refresh()

    def _on_choice(self, change: Mapping[str, Any]) -> None:
        chosen = change["new"]
        if chosen is None or chosen == "":
            return
        if self._hits is None:
            self.open_run(chosen)
        else:
            hit = self._hits[chosen]
            self.open_run(hit.run_id, turn=hit.turn_index, selected=[hit.block_index])

    async def _follow(self) -> None:
        """Look for changes again and again, on a worker thread."""
        while not self._is_closed:
            await asyncio.sleep(POLL_INTERVAL)
            with suppress(NbturnsError, OSError):  # a file may be half written; the next look shows it
                library_rows = await run_in_worker(self._read)
                opened, run_id = self.opened, self._opened_id
                run = await run_in_worker(partial(self.collection.load, run_id)) if opened is not None else None
                if not self._is_closed:
                    self._show(*library_rows)
                    if opened is not None and run is not None:
                        opened.show_run(run)

    def __repr__(self) -> str:
        return f"<LibraryView of {self.collection!r}>"

    def _repr_html_(self) -> str:
        return str(self._table.value)
