"""The view of a comparison of three and more: its tables, which need nothing of the kernel."""

from __future__ import annotations

import ipywidgets  # type: ignore[import-untyped]

from ..render.group_comparison import GroupComparison, group_html
from ..safety.visible_text import printable
from .page_state import PageState, ReadOnlyHTML
from .static_fallback import StaticFallback


class GroupView(PageState, StaticFallback, ipywidgets.VBox):  # type: ignore[misc]  # ipywidgets has no types
    """The figures of three and more values, and their blocks in columns."""

    def __init__(self, comparison: GroupComparison) -> None:
        self.comparison = comparison
        self._init_static_fallback()
        super().__init__([ReadOnlyHTML(group_html(comparison))])

    @printable
    def __repr__(self) -> str:
        return f"<GroupView of {self.comparison!r}>"

    def _repr_html_(self) -> str:
        return group_html(self.comparison)
