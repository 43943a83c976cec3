"""The live view of a comparison: two Turns or Runs side by side."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import anywidget
import traitlets

from ..render.comparison import Change, Comparison
from ..render.comparison_html import comparison_html
from ..render.es_modules import ViewModule
from ..render.standalone_page import comparison_data
from ..render.timeline import change_entry
from ..runtime.background_loop import call_soon
from ..safety.visible_text import printable
from .page_state import PageState
from .static_fallback import StaticFallback

INITIAL_PAIRS = 200  # sent with the view; the page requests more
MAX_PAIRS = 500
MAX_PAGE_PAIRS = 400  # pairs of a comparison that works without a kernel


class CompareView(PageState, StaticFallback, anywidget.AnyWidget):
    """The live view of a comparison.

    `selected` is the index of the selected pair in `comparison.rows` (-1: none); it can be observed, set and linked.
    `change` is that pair.
    """

    page_writes: ClassVar[frozenset[str]] = frozenset({"selected"})
    _esm = ViewModule("compare_view.js", "table.css", "block_table.css", "compare.css", "views.css")
    selected: traitlets.Int[int, int] = traitlets.Int(
        -1, help="index of the selected pair in comparison.rows; -1 for none"
    ).tag(sync=True)
    start: traitlets.Dict[str, Any] = traitlets.Dict().tag(sync=True)

    def __init__(self, comparison: Comparison, **settings: Any) -> None:
        self.comparison = comparison
        self._init_static_fallback()
        start = {
            "pairs": [change_entry(row) for row in comparison.rows[:INITIAL_PAIRS]],
            "total": len(comparison.rows),
            "counts": comparison.counts,
            "heads": list(comparison.heads),
        }
        super().__init__(start=start, **settings)
        self.on_msg(self._on_page_message)

    @printable
    def __repr__(self) -> str:
        return f"<CompareView of {self.comparison!r}>"

    def _repr_html_(self) -> str:
        return comparison_html(self.comparison)

    def _static_bundle(self) -> dict[str, str]:
        return {"text/plain": repr(self.comparison), "text/html": self._repr_html_()}

    def _page_data(self) -> Mapping[str, Any] | None:
        return comparison_data(self.comparison) if len(self.comparison.rows) <= MAX_PAGE_PAIRS else None

    @property
    def change(self) -> Change | None:
        """The selected pair, or None."""
        return self.comparison.rows[self.selected] if 0 <= self.selected < len(self.comparison.rows) else None

    def _on_page_message(self, _: Any, message: Any, __: Any) -> None:
        call_soon(self._handle_message, message if isinstance(message, dict) else {})

    def _handle_message(self, message: Mapping[str, Any]) -> None:
        match message:
            case {"request": "pairs", "from": int(start)} if start >= 0:
                pairs = [change_entry(row) for row in self.comparison.rows[start : start + MAX_PAIRS]]
                self._run_in_cell(self.send, {"from": start, "pairs": pairs})
