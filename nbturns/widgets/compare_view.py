"""Two Turns or Runs side by side in a cell, alive: only the changes, the next one, the one before."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import anywidget
import traitlets

from ..comparison import Change, Comparison
from ..comparison_html import comparison_html
from ..host import call
from ..modules import packed
from ..timeline import change_entry
from .still import Still

FIRST = 200  # pairs that go with the view; the page asks for more
PAGE = 500


class CompareView(Still, anywidget.AnyWidget):
    """The live view of a comparison.

    `selected` is the number of the pair somebody chose among `comparison.rows` (-1: none), `change`
    that pair. It can be observed, set and linked.
    """

    _esm = packed("compare_view.js", "table.css", "block_table.css", "compare.css", "views.css")
    selected = traitlets.Int(-1, help="the chosen pair's number among comparison.rows; -1 is none").tag(sync=True)
    start = traitlets.Dict().tag(sync=True)

    def __init__(self, comparison: Comparison, **settings: Any) -> None:
        self.comparison = comparison
        self._begin_still()
        start = {
            "pairs": [change_entry(row) for row in comparison.rows[:FIRST]],
            "total": len(comparison.rows),
            "counts": comparison.counts,
            "heads": list(comparison.heads),
        }
        super().__init__(start=start, **settings)
        self.on_msg(self._hear_page)

    def __repr__(self) -> str:
        return f"<CompareView of {self.comparison!r}>"

    def _repr_html_(self) -> str:
        return comparison_html(self.comparison)

    def _still(self) -> dict[str, str]:
        return {"text/plain": repr(self.comparison), "text/html": self._repr_html_()}

    @property
    def change(self) -> Change | None:
        """The pair somebody chose."""
        return self.comparison.rows[self.selected] if 0 <= self.selected < len(self.comparison.rows) else None

    def _hear_page(self, _: Any, message: Any, __: Any) -> None:
        call(self._heard, message if isinstance(message, dict) else {})

    def _heard(self, message: Mapping[str, Any]) -> None:
        match message:
            case {"want": "pairs", "from": int(start)} if start >= 0:
                pairs = [change_entry(row) for row in self.comparison.rows[start : start + PAGE]]
                self._shown_here(self.send, {"from": start, "pairs": pairs})
