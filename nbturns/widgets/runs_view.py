"""The view of several Runs: a table to sort and filter, and the Run that a click opens below it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

import anywidget
import ipywidgets  # type: ignore[import-untyped]
import traitlets

from ..errors import NbturnsError
from ..render.block_rows import dollar_text, duration_text
from ..render.es_modules import ViewModule
from ..render.listing import Cell, listing_html
from ..render.readable_values import readable_run
from ..render.text import shorten, visible
from ..render.totals import count_phrase
from ..values.turns import Run
from .page_state import PageState, ReadOnlyHTML
from .run_view import RunView
from .static_fallback import StaticFallback

MAX_STATIC_ROWS = 200  # of the table that is stored with the view
MAX_NAME = 120  # characters
MAX_CELL = 160
MAX_SCORES = 8  # columns

RunRow = Mapping[str, Any]
Value = str | float | None
Shown = tuple[str, Value]  # the text of a cell, and what it is sorted by


def _text(value: Any, length: int = MAX_CELL) -> Shown:
    text = visible(shorten(str(value), length))
    return text, text.lower()


def _number(value: Any, text: str = "") -> Shown:
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return (text or f"{value:,}", float(value)) if is_number else _text(value)


def _score(value: Any) -> Shown:
    if isinstance(value, bool):
        return ("yes" if value else "no"), float(value)
    return _number(value, f"{value:.4g}") if isinstance(value, float) else _number(value)


def _outcome(row: RunRow) -> Shown | None:
    """Return how the Run ended: success as the source says it, the limit or the error that ended it."""
    success = row.get("success")
    parts = [] if success is None else ["success" if success else "failed"]
    parts += [f"limit: {row['limit']}"] if "limit" in row else []
    parts += [f"error: {row['error']}"] if "error" in row else []
    return _text(" · ".join(parts) or row["status"]) if parts or "status" in row else None


def _name(row: RunRow) -> str:
    """Return the name of a Run; for one that has only a number, its id, which names the file too."""
    name = str(row.get("name", ""))
    return str(row.get("run_id", name)) if not name or name.startswith("#") else name


def _simple(name: str, show: Callable[[Any], Shown]) -> Callable[[RunRow], Shown | None]:
    return lambda row: show(row[name]) if name in row else None


RowCell = Callable[[RunRow], Shown | None]
FIRST_COLUMNS: dict[str, RowCell] = {
    "name": lambda row: _text(_name(row), MAX_NAME),
    "model": _simple("models", _text),
}
LAST_COLUMNS: dict[str, RowCell] = {
    "outcome": _outcome,
    "problems": _simple("problems", _number),
    "errors": _simple("failed", _number),
    "calls": _simple("inferences", _number),
    "tokens": _simple("total_tokens", _number),
    "cost": lambda row: (
        _number(row["cost"], dollar_text(row["cost"], estimated=row.get("cost_source") == "table"))
        if "cost" in row
        else None
    ),
    "time": lambda row: (
        _number(row["duration_ms"], duration_text(row["duration_ms"])) if "duration_ms" in row else None
    ),
    "labels": _simple("labels", _text),
    "last words": _simple("last_words", _text),
}
NUMBERS = ("problems", "errors", "calls", "tokens", "cost", "time")


def table_of(rows: Sequence[RunRow]) -> dict[str, Any]:
    """Return the columns that have a value in any row, and for each row the texts and the sort values of its cells."""
    score_names = list(dict.fromkeys(name for row in rows for name in row if name.startswith("score.")))[:MAX_SCORES]
    scores = {visible(name.removeprefix("score.")): _simple(name, _score) for name in score_names}
    if any("reward" in row for row in rows):
        scores["reward"] = _simple("reward", _score)
    columns = [*FIRST_COLUMNS.items(), *scores.items(), *LAST_COLUMNS.items()]
    cells = [[show(row) for _, show in columns] for row in rows]
    used = [number for number in range(len(columns)) if not rows or any(row[number] is not None for row in cells)]
    numeric = (*NUMBERS, *scores)
    return {
        "columns": [{"name": columns[number][0], "number": columns[number][0] in numeric} for number in used],
        "texts": [[cell[0] if (cell := row[number]) else "" for number in used] for row in cells],
        "keys": [_sort_keys([row[number] for row in cells]) for number in used],
        "outcomes": [outcome_class(row) for row in rows],
    }


def _sort_keys(cells: Sequence[Shown | None]) -> list[Value] | None:
    """Return what a column is sorted by; None for its texts, ignoring case."""
    keys = [cell and cell[1] for cell in cells]
    return None if all(key is None or isinstance(key, str) for key in keys) else keys


def outcome_class(row: RunRow) -> str:
    """Return how a Run ended: error, limit, passed, partly, failed; "" if it is not known.

    A Run without success is partly passed if a score is between 0 and 1.
    """
    if "error" in row or "limit" in row:
        return "error" if "error" in row else "limit"
    if row.get("success") is None:
        return ""
    scores = [value for name, value in row.items() if name == "reward" or name.startswith("score.")]
    is_partly = any(type(score) is float and 0 < score < 1 for score in scores)
    return "passed" if row["success"] else "partly" if is_partly else "failed"


def _json_text(value: Any, _: Any) -> str:
    """Return a table as one text, because ipywidgets examines each value of a nested list."""
    return json.dumps(value, ensure_ascii=False)


class RunsTable(PageState, anywidget.AnyWidget):
    """The table of Runs. `opened` is the index of the opened row (-1: none), `sort` a column, with "-" for descending."""

    page_writes: ClassVar[frozenset[str]] = frozenset({"opened", "sort", "filter", "group"})
    _esm = ViewModule("runs_table.js", "block_table.css", "runs_table.css")
    opened: traitlets.Int[int, int] = traitlets.Int(-1, help="index of the opened Run; -1 for none").tag(sync=True)
    sort: traitlets.Unicode[str, str | bytes] = traitlets.Unicode(
        help='column to sort by, "-" before it for descending'
    ).tag(sync=True)
    filter: traitlets.Unicode[str, str | bytes] = traitlets.Unicode(
        help="text that the displayed rows contain, ignoring case"
    ).tag(sync=True)
    group: traitlets.Unicode[str, str | bytes] = traitlets.Unicode(
        help="column by which the rows are grouped; empty for none"
    ).tag(sync=True)
    start: traitlets.Dict[str, Any] = traitlets.Dict().tag(sync=True, to_json=_json_text)

    @traitlets.validate("opened")
    def _valid_opened(self, proposal: Any) -> int:
        if not -1 <= proposal["value"] < len(self.start.get("texts", ())):
            raise traitlets.TraitError(f"there is no Run {proposal['value']} in this table")
        return int(proposal["value"])


class RunsView(PageState, StaticFallback, ipywidgets.VBox):  # type: ignore[misc]  # ipywidgets has no types
    """A table of Runs, and the view of the Run that is opened.

    A click on a row opens its Run below the table; so does `open_run(index)`. `opened` is its view. `table.sort`,
    `table.filter` and `table.group` can be observed and set.
    """

    def __init__(
        self,
        rows: Sequence[RunRow],
        load_run: Callable[[int], Run],
        *,
        note: str = "",
        openings: Callable[[int], Mapping[str, Any]] | None = None,
        **settings: Any,
    ) -> None:
        self._load_run = load_run
        self._openings = openings  # the Turn and the blocks at which each Run opens
        self._settings = settings
        self._note = note
        self.opened: RunView | None = None
        shown_table = table_of(rows)
        self.table: RunsTable = RunsTable(start={**shown_table, "note": visible(note)})
        self._place = ipywidgets.VBox()
        self._init_static_fallback()
        super().__init__([self.table, self._place])
        self.table.observe(self._on_opened, "opened")

    def __len__(self) -> int:
        return len(self.table.start["texts"])

    def open_run(self, index: int, **settings: Any) -> RunView:
        """Open a Run below the table and return its view; a negative index counts from the end."""
        index = range(len(self))[index]
        run = readable_run(self._load_run(index))
        earlier = self.opened
        opening = self._openings(index) if self._openings is not None else {}
        self.opened = RunView(run, **{**self._settings, **opening, **settings})
        self._place.children = (self.opened,)
        if earlier is not None:
            earlier.close()
        with self.hold_trait_notifications():
            self.table.unobserve(self._on_opened, "opened")
            self.table.opened = index
            self.table.observe(self._on_opened, "opened")
        return self.opened

    def _on_opened(self, change: Mapping[str, Any]) -> None:
        index = change["new"]
        if index < 0:
            self._close_opened()
            return
        try:
            self.open_run(index)
        except NbturnsError as error:  # the file may have changed or gone
            self._close_opened(ReadOnlyHTML(listing_html(str(error), ("",), (), "This Run cannot be opened")))

    def _close_opened(self, *children: Any) -> None:
        earlier, self.opened = self.opened, None
        self._place.children = children
        if earlier is not None:
            earlier.close()

    def close(self) -> None:
        """Close the table and the opened Run."""
        self._close_opened()
        self.table.close()
        self._place.close()
        super().close()

    def __repr__(self) -> str:
        return f"<RunsView of {count_phrase(len(self), 'Run')}>"

    def _repr_html_(self) -> str:
        shown_table = self.table.start
        notes = [f"{len(self) - MAX_STATIC_ROWS:,} more Runs"] if len(self) > MAX_STATIC_ROWS else []
        rows = ([Cell(text) for text in texts] for texts in shown_table["texts"][:MAX_STATIC_ROWS])
        names = [column["name"] for column in shown_table["columns"]]
        return listing_html(
            count_phrase(len(self), "Run"), names, rows, " · ".join([*notes, *filter(None, [self._note])])
        )
