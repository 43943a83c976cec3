"""The live view of a Turn: fold, filter, search, sort, select and copy its blocks.

The first rows are sent with the view, and the page requests the others. Every request contains the version, filters
and order it refers to, so the kernel keeps no state per page, and any number of pages can be open.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import anywidget
import traitlets

from ..render.annotations import turn_ending
from ..render.block_rows import block_body, block_row, model_call_cells_by_key
from ..render.es_modules import ViewModule
from ..render.html import turn_html
from ..render.output_page import page_data
from ..render.text import conversation_outline, visible
from ..render.totals import FAILED_CLASSES, usage_phrases
from ..safety.visible_text import printable
from ..values.persistent_list import PersistentList
from ..values.turns import Block, Run, Turn
from .block_formats import format_block, json_text, metadata_json
from .filter_sort import FilterSort
from .labelling import LabelsArgument, added_label, labels_for_view
from .page_state import MarkdownState, PageState
from .row_payloads import BlockIndex, changed_range, remap_indices, rows_within_size
from .static_fallback import StaticFallback

INITIAL_ROWS = 300  # sent with the view, up to INITIAL_SIZE
INITIAL_SIZE = 60_000  # characters of JSON
PARTIAL_INITIAL_SIZE = 23_000  # for Turns with more than INITIAL_ROWS blocks; enough for the first screen
STATIC_ROWS = 18  # rows of a longer Turn in the static HTML that is stored with the view
MAX_PAGE_ROWS = 400  # rows of one answer
MAX_TEXT_LENGTH = 12_000_000  # characters of one answer
MAX_UPDATE_SIZE = 8_000  # characters of rows in an update; the page requests the others
MAX_PAGE_SIZE = 300_000  # characters of rows in an answer
LONG_TURN = 2_000  # blocks; the totals of longer Turns are computed on request
PAGE_INTERVAL = 2.0  # seconds between two saved pages of a Turn that is set again and again
DEFAULT_COLUMNS = ("number", "kind", "content", "model", "stop", "tokens", "cost", "time")


class TurnView(MarkdownState, PageState, StaticFallback, anywidget.AnyWidget):
    """The live table of one Turn.

    `turn` may be set to another Turn; only the changes are sent. `selected` holds indices of blocks, and `selection` is
    a Turn of these blocks. `search`, `only_matches`, `kinds`, `tool`, `sort`, `columns` and `markdown` control the table. All of
    them can be observed and set, and all but `turn` can be linked in the browser. With `labels` (of `nt.labels(path)`)
    the view shows these, and the key `l` adds one to a block.
    """

    page_writes: ClassVar[frozenset[str]] = frozenset(
        {"selected", "search", "only_matches", "kinds", "tool", "sort", "columns", "markdown"}
    )
    _esm = ViewModule("turn_view.js", "block_table.css")
    turn = traitlets.Instance(Turn, help="the displayed Turn")
    selected = traitlets.List(traitlets.Int(), help="indices of the selected blocks, ascending").tag(sync=True)
    search: traitlets.Unicode[str, str | bytes] = traitlets.Unicode(help="text to search for, ignoring case").tag(
        sync=True
    )
    only_matches: traitlets.Bool[bool, bool | int] = traitlets.Bool(help="hide blocks without a match").tag(sync=True)
    kinds: traitlets.List[str] = traitlets.List(traitlets.Unicode(), help="kinds to display; empty for all").tag(
        sync=True
    )
    tool: traitlets.Unicode[str, str | bytes] = traitlets.Unicode(
        help="display only calls and results of this tool"
    ).tag(sync=True)
    sort: traitlets.Unicode[str, str | bytes] = traitlets.Unicode(
        help='column to sort by, "-" before it for descending; "" for the order of the Turn'
    ).tag(sync=True)
    columns: traitlets.List[str] = traitlets.List(traitlets.Unicode(), help="columns to display").tag(sync=True)
    _start = traitlets.Dict().tag(sync=True)
    can_label: traitlets.Bool[bool, bool | int] = traitlets.Bool(read_only=True, help="the key l adds a label").tag(
        sync=True
    )

    def __init__(self, turn: Turn | Run, *, labels: LabelsArgument = None, **settings: Any) -> None:
        self._labels = labels_for_view(labels) if labels is not None else None
        if self._labels is not None:
            turn = self._labels.apply(turn if isinstance(turn, Run) else Run((turn,)))
        turn = turn.latest if isinstance(turn, Run) else turn
        self._block_index = BlockIndex(turn.blocks)
        self._version = 0
        self._cached_order: tuple[Any, Sequence[int]] = (None, ())
        self._init_static_fallback()
        settings.setdefault("columns", list(DEFAULT_COLUMNS))
        super().__init__(turn=turn, _start=self._initial_state(turn), **settings)
        self.set_trait("can_label", self._labels is not None)
        self.on_msg(self._on_page_message)

    @printable
    def __repr__(self) -> str:
        return f"<TurnView of {self.turn!r}>"

    def _repr_html_(self) -> str:
        """Return the static table; of a long Turn only the beginning, unlike `freeze()`."""
        max_rows = INITIAL_ROWS if len(self.turn) <= INITIAL_ROWS else STATIC_ROWS
        return turn_html(self.turn, max_rows=max_rows, markdown=self.markdown)

    @property
    def selection(self) -> Turn:
        """The selected blocks as a Turn with the metadata and data of the whole Turn."""
        return self.turn.part(PersistentList(self.turn[i] for i in self.selected))

    def _static_bundle(self) -> dict[str, str]:
        return {"text/plain": self._plain_text(), "text/html": turn_html(self.turn, markdown=self.markdown)}

    def _plain_text(self) -> str:
        return conversation_outline(self.turn)

    def _page_data(self) -> Mapping[str, Any] | None:
        return page_data(self.turn, markdown=self.markdown)

    # Sent without a request.

    def _initial_state(self, turn: Turn) -> dict[str, Any]:
        """Return the state that is sent with the view, including the first rows."""
        initial_blocks = turn.blocks.head(INITIAL_ROWS)
        size = INITIAL_SIZE if len(initial_blocks) == len(turn) else PARTIAL_INITIAL_SIZE
        rows = rows_within_size(
            (self._block_index.row_payload(i, block) for i, block in enumerate(initial_blocks)), size
        )
        return {
            "version": self._version,
            "total": len(turn),
            "rows": rows,
            "calls": model_call_cells_by_key(initial_blocks.head(len(rows))),
            "summary": self._summary(turn),
        }

    def _summary(self, turn: Turn) -> dict[str, Any]:
        """Return the available filters and, for Turns that are not long, the totals."""
        kinds = sorted(self._block_index.kinds.items(), key=lambda entry: KIND_ORDER.get(entry[0], len(KIND_ORDER)))
        choices = {
            "kinds": [[visible(kind), count] for kind, count in kinds if count],
            "tools": list(self._block_index.tool_names),
        }
        return {"choices": choices, **(turn_totals(turn) if len(turn) <= LONG_TURN else {"totals_pending": True})}

    @traitlets.observe("turn")
    def _on_turn_change(self, change: Any) -> None:
        """Send the difference between the old and the new Turn to the page."""
        old_turn, new_turn = change["old"], change["new"]
        if not isinstance(old_turn, Turn) or old_turn is new_turn:
            return
        self._refresh_page(interval=PAGE_INTERVAL)
        change_range = changed_range(old_turn.blocks, new_turn.blocks)
        old_index, self._block_index = self._block_index, self._block_index.updated(new_turn.blocks)
        self._version += 1
        self.selected = remap_indices(self.selected, old_turn.blocks, new_turn.blocks)
        start, removed, added = change_range
        if removed != added and start + removed < len(old_turn):  # the index of every later block changed
            self.send({"start": self._initial_state(new_turn)})
            return
        rows = rows_within_size(
            (self._block_index.row_payload(i, new_turn[i]) for i in range(start, start + added)), MAX_UPDATE_SIZE
        )
        self.send(
            {
                "change": {
                    "version": self._version,
                    "total": len(new_turn),
                    "from": start,
                    "removed": removed,
                    "added": added,
                    "rows": rows,
                    "calls": model_call_cells_by_key(new_turn.blocks[i] for i in range(start, start + len(rows))),
                    "updated_partners": self._updated_partners(old_index, old_turn, change_range),
                    "summary": self._summary(new_turn),
                }
            }
        )

    def _updated_partners(
        self, old_index: BlockIndex, old_turn: Turn, change_range: tuple[int, int, int]
    ) -> dict[str, dict[str, Any]]:
        """Return changes of rows outside the changed range: calls and results whose partner was added or removed."""
        start, removed, added = change_range
        blocks = self._block_index.blocks
        partner_indices = {old_index.partner_index(old_turn[i]) for i in range(start, start + removed)}
        partner_indices |= {self._block_index.partner_index(blocks[i]) for i in range(start, start + added)}
        unchanged_rows = [
            i for i in partner_indices if i is not None and not start <= i < start + added and i < len(blocks)
        ]
        return {
            str(i): {
                "partner": self._block_index.partner_index(blocks[i]),
                "name": self._block_index.tool_name(blocks[i]),
            }
            for i in unchanged_rows
        }

    @traitlets.validate("selected")
    def _valid_selected(self, proposal: Any) -> list[int]:
        """Return the selected indices sorted and non-negative. Raises TraitError if one is out of range."""
        count = len(self.turn)
        indices = [i + count if i < 0 else i for i in proposal["value"]]
        valid_indices = sorted({i for i in indices if 0 <= i < count})
        if len(valid_indices) < len(set(indices)) and not self._property_lock:  # messages of pages may be outdated
            raise traitlets.TraitError(
                f"selected indices {sorted(set(indices) - set(valid_indices))} are out of range (length {count})"
            )
        return valid_indices

    # Requests of the page.

    def _on_page_message(self, _: Any, message: Any, __: Any) -> None:
        if not isinstance(message, dict) or not isinstance(message.get("id"), int):
            return
        try:
            answer = self._answer(message)
        except Exception as error:  # the page displays any error and continues
            answer = {"error": visible(f"{type(error).__name__}: {error}")}
        self.send({"id": message["id"], **answer})

    def _answer(self, message: Mapping[str, Any]) -> dict[str, Any]:
        """Return the answer to a request of the page."""
        turn, block_index, version = self.turn, self._block_index, self._version
        match message:
            case {"request": "changes", "version": int(page_version)}:
                return {} if page_version == version else {"start": self._initial_state(turn)}
            case {"request": "rows", "from": int(start), "to": int(end)}:
                return self._page_of_rows(self._order_for(message), max(start, 0), end)
            case {"request": "indices", "from": int(start), "to": int(end)}:
                return {"indices": list(self._order_for(message)[max(start, 0) : max(end, 0)])}
            case {"request": "position", "row": int(index)}:
                order = self._order_for(message)
                return {"position": order.index(index) if index in order else -1}
            case {"request": "match", "position": int(position), "step": int(step)}:
                filter_sort = FilterSort.from_message(message.get("filter_sort"))
                return {"match": filter_sort.find_match(block_index, self._order_for(message), position, step)}
            case {"request": "details", "part": str(part)}:
                return {"text": turn_details(turn, part)}
            case {"request": "totals"}:
                return {"totals": turn_totals(turn)}
            case {"request": "label", "row": int(index), "label": str(label)} if 0 <= index < len(turn):
                return self._add_label(turn[index], label)
            case {"row": int(index)} if 0 <= index < len(turn):
                return self._answer_for_block(turn[index], message)
        return {"error": "unknown request"}

    def _add_label(self, block: Block, label: str) -> dict[str, str]:
        """Add a label to the file and show it; the answer has an error if that failed."""
        if self._labels is None:
            return {"error": "this view has no labels; open it with nt.view(turn, labels=nt.labels(path))"}
        answer = added_label(self._labels, block, label)
        self.turn = self._labels.apply(Run((self.turn,))).latest
        return answer

    def _answer_for_block(self, block: Block, message: Mapping[str, Any]) -> dict[str, Any]:
        """Return the answer to a request about one block."""
        match message:
            case {"request": "text", "from": int(start), "to": int(end)} if 0 <= start <= end:
                body = block_body(block)
                end = min(end, start + MAX_TEXT_LENGTH, len(body))
                return {"from": start, "text": {"text": body[start:end], "to": end}, "cut": end < len(body)}
            case {"request": "image", "image": int(number)}:
                images = block_row(block).get("images", [])
                return {"image": images[number] if 0 <= number < len(images) else ""}
            case {"request": "format", "format": str(format_name)}:
                return {"text": format_block(block, format_name)}
        return {"error": "unknown request about a block"}

    def _order_for(self, message: Mapping[str, Any]) -> Sequence[int]:
        """Return the indices of the blocks the page displays; the last answer is cached because pages request many rows of it."""
        filter_sort = FilterSort.from_message(message.get("filter_sort"))
        key = (self._version, filter_sort)
        cached = self._cached_order
        if cached[0] != key:
            cached = self._cached_order = (key, filter_sort.order(self._block_index))
        return cached[1]

    def _page_of_rows(self, order: Sequence[int], start: int, end: int) -> dict[str, Any]:
        """Return the rows at positions from `start` up to `end`, as many as fit into one answer."""
        block_index, version = self._block_index, self._version
        indices = order[start : min(end, start + MAX_PAGE_ROWS)]
        rows = rows_within_size((block_index.row_payload(i, block_index.blocks[i]) for i in indices), MAX_PAGE_SIZE)
        answer: dict[str, Any] = {
            "version": version,
            "length": len(order),
            "rows": rows,
            "calls": model_call_cells_by_key(block_index.blocks[i] for i in indices[: len(rows)]),
        }
        if not isinstance(order, range):
            answer["indices"] = list(indices[: len(rows)])
        return answer


KIND_ORDER = {kind: n for n, kind in enumerate(("system", "user", "reasoning", "llm_text", "tool_call", "tool_use"))}


def turn_totals(turn: Turn) -> dict[str, Any]:
    """Return the totals of a Turn: its model calls in phrases, and the numbers of pending and failed calls."""
    results = turn.inferences
    return {
        "totals_pending": False,
        "pending": len(turn.pending),
        "phrases": usage_phrases(results),
        "ending": turn_ending(turn),
        "failed": sum(result.finish_class in FAILED_CLASSES for result in results),
    }


def turn_details(turn: Turn, part: str) -> str:
    """Return the metadata, the data or the ids of a Turn as JSON."""
    match part:
        case "metadata":
            return metadata_json(turn.metadata)
        case "data":
            return metadata_json(turn.data)
        case "ids":
            return json_text({"turn": turn.id, "blocks": [block.id for block in turn.blocks.head(LONG_TURN)]})
    return ""
