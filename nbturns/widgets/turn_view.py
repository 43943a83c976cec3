"""A Turn in a cell, alive: fold, filter, search, sort, select, copy.

The first rows go with the view; the page asks for the rest. Each question says what it
is about, so the kernel keeps nothing of a page, and any number of pages may ask.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import anywidget
import traitlets

from ..chunks import Chunks
from ..html import turn_html
from ..modules import packed
from ..results import total_cost, total_usage
from ..rows import body_of, model_calls, row
from ..text import visible
from ..turns import Block, Run, Turn
from .arrangement import Arrangement
from .block_forms import bag_json, form, json_text
from .page_rows import Joined, carried, difference, fitting
from .still import Still

FIRST_ROWS = 300  # that go with the view, if they come to no more than FIRST_SIZE
FIRST_SIZE = 60_000  # characters of JSON
FIRST_SIZE_OF_MORE = 24_000  # where they are only the first: what a page draws at once, and it asks for the rest
STILL_ROWS = 20  # of a longer Turn that stand in the output as static HTML beside the view
PAGE = 400  # rows at a time, at most
PIECE = 12_000_000  # characters of one text at a time
UPDATE_SIZE = 8_000  # characters of rows in an update; the page asks for the rest
PAGE_SIZE = 300_000  # characters of rows in an answer
LONG = 2_000  # blocks above which what a Turn comes to is summed when the page asks
COLUMNS = ("number", "kind", "content", "model", "stop", "tokens", "time")


class TurnView(Still, anywidget.AnyWidget):
    """The live table of one Turn.

    `turn` may be set to another Turn: what changed is sent. `selected` are indices of blocks,
    `selection` the Turn of them; `search`, `only_matches`, `kinds`, `tool`, `sort` and `columns` are
    what is shown. All of them can be observed and set, and all but `turn` linked in the browser.
    """

    _esm = packed("turn_view.js", "block_table.css")
    turn = traitlets.Instance(Turn, help="the Turn that is shown")
    selected = traitlets.List(traitlets.Int(), help="indices of the selected blocks, ascending").tag(sync=True)
    search = traitlets.Unicode(help="what is marked, in any case").tag(sync=True)
    only_matches = traitlets.Bool(help="leave out blocks without a match").tag(sync=True)
    kinds = traitlets.List(traitlets.Unicode(), help="kinds that are shown; none means all").tag(sync=True)
    tool = traitlets.Unicode(help="the tool whose calls and results are shown").tag(sync=True)
    sort = traitlets.Unicode(help='a column; after "-" descending; "" as in the Turn').tag(sync=True)
    columns = traitlets.List(traitlets.Unicode(), help="columns that are shown").tag(sync=True)
    _start = traitlets.Dict().tag(sync=True)

    def __init__(self, turn: Turn | Run, **settings: Any) -> None:
        turn = turn.latest if isinstance(turn, Run) else turn
        self._joined = Joined(turn.blocks)
        self._number = 0
        self._order: tuple[Any, Sequence[int]] = (None, ())
        self._begin_still()
        settings.setdefault("columns", _columns_for(turn))
        super().__init__(turn=turn, _start=self._whole(turn), **settings)
        self.on_msg(self._hear_page)

    def __repr__(self) -> str:
        return f"<TurnView of {self.turn!r}>"

    def _repr_html_(self) -> str:
        """What stands in for the view where there is no widget: of a long Turn the beginning, `freeze()` keeps more."""
        return turn_html(self.turn) if len(self.turn) <= FIRST_ROWS else turn_html(self.turn, max_rows=STILL_ROWS)

    @property
    def selection(self) -> Turn:
        """The selected blocks as a Turn; its metadata and data are those of the whole."""
        return self.turn._with(blocks=Chunks(self.turn[i] for i in self.selected))

    def _still(self) -> dict[str, str]:
        return {"text/plain": repr(self.turn), "text/html": turn_html(self.turn)}

    # What the page gets unasked.

    def _whole(self, turn: Turn) -> dict[str, Any]:
        """The Turn as it is, with its first rows."""
        first = turn.blocks.head(FIRST_ROWS)
        size = FIRST_SIZE if len(first) == len(turn) else FIRST_SIZE_OF_MORE
        rows = fitting((self._joined.row(i, block) for i, block in enumerate(first)), size)
        return {
            "number": self._number,
            "total": len(turn),
            "rows": rows,
            "calls": model_calls(first.head(len(rows))),
            "about": self._about(turn),
        }

    def _about(self, turn: Turn) -> dict[str, Any]:
        kinds = sorted(self._joined.kinds.items(), key=lambda one: ORDER.get(one[0], len(ORDER)))
        choices = {
            "kinds": [[visible(kind), count] for kind, count in kinds if count],
            "tools": list(self._joined.tools),
        }
        return {"choices": choices, **(sums(turn) if len(turn) <= LONG else {"later": True})}

    @traitlets.observe("turn")
    def _turn_changed(self, change: Any) -> None:
        before, after = change["old"], change["new"]
        if not isinstance(before, Turn) or before is after:
            return
        changed = difference(before.blocks, after.blocks)
        was, self._joined = self._joined, self._joined.of(after.blocks)
        self._number += 1
        self.selected = carried(self.selected, before.blocks, after.blocks)
        start, removed, added = changed
        if removed != added and start + removed < len(before):  # every index after it is another
            self.send({"start": self._whole(after)})
            return
        rows = fitting((self._joined.row(i, after[i]) for i in range(start, start + added)), UPDATE_SIZE)
        self.send(
            {
                "change": {
                    "number": self._number,
                    "total": len(after),
                    "from": start,
                    "removed": removed,
                    "added": added,
                    "rows": rows,
                    "calls": model_calls(after.blocks[i] for i in range(start, start + len(rows))),
                    "touched": self._touched(was, before, changed),
                    "about": self._about(after),
                }
            }
        )

    def _touched(self, was: Joined, before: Turn, changed: tuple[int, int, int]) -> dict[str, dict[str, Any]]:
        """Calls elsewhere whose results came or went, results whose calls did: what their rows now say."""
        start, removed, added = changed
        blocks = self._joined.blocks
        others = {was.partner(before[i]) for i in range(start, start + removed)}
        others |= {self._joined.partner(blocks[i]) for i in range(start, start + added)}
        outside = [i for i in others if i is not None and not start <= i < start + added and i < len(blocks)]
        return {
            str(i): {"partner": self._joined.partner(blocks[i]), "name": self._joined.tool(blocks[i])} for i in outside
        }

    @traitlets.validate("selected")
    def _valid_selected(self, proposal: Any) -> list[int]:
        count = len(self.turn)
        found = [i + count if i < 0 else i for i in proposal["value"]]
        known = sorted({i for i in found if 0 <= i < count})
        if len(known) < len(set(found)) and not self._property_lock:  # a page, or a link between two, may be late
            raise traitlets.TraitError(f"there are {count} blocks here, and none at {sorted(set(found) - set(known))}")
        return known

    # What the page asks.

    def _hear_page(self, _: Any, message: Any, __: Any) -> None:
        if not isinstance(message, dict) or not isinstance(message.get("id"), int):
            return
        try:
            answer = self._answer(message)
        except Exception as error:  # whatever it is, the page says it and goes on
            answer = {"error": visible(f"{type(error).__name__}: {error}")}
        self.send({"id": message["id"], **answer})

    def _answer(self, message: Mapping[str, Any]) -> dict[str, Any]:
        turn, joined, number = self.turn, self._joined, self._number
        match message:
            case {"want": "news", "number": int(known)}:
                return {} if known == number else {"start": self._whole(turn)}
            case {"want": "rows", "from": int(start), "to": int(end)}:
                return self._rows(self._ordered(message), max(start, 0), end)
            case {"want": "indices", "from": int(start), "to": int(end)}:
                return {"indices": list(self._ordered(message)[max(start, 0) : max(end, 0)])}
            case {"want": "place", "row": int(index)}:
                order = self._ordered(message)
                return {"position": order.index(index) if index in order else -1}
            case {"want": "match", "position": int(position), "step": int(step)}:
                wanted = Arrangement.read(message.get("arrangement"))
                return {"match": wanted.match(joined, self._ordered(message), position, step)}
            case {"want": "about", "part": str(part)}:
                return {"text": about(turn, part)}
            case {"want": "sums"}:
                return {"sums": sums(turn)}
            case {"row": int(index)} if 0 <= index < len(turn):
                return self._of_block(turn[index], message)
        return {"error": "the kernel does not know what is asked"}

    def _of_block(self, block: Block, message: Mapping[str, Any]) -> dict[str, Any]:
        match message:
            case {"want": "text", "from": int(start), "to": int(end)} if 0 <= start <= end:
                body = body_of(block)
                end = min(end, start + PIECE, len(body))
                return {"from": start, "text": {"text": body[start:end], "to": end}, "cut": end < len(body)}
            case {"want": "image", "image": int(number)}:
                images = row(block).get("images", [])
                return {"image": images[number] if 0 <= number < len(images) else ""}
            case {"want": "form", "form": str(name)}:
                return {"text": form(block, name)}
        return {"error": "the kernel does not know what is asked of the block"}

    def _ordered(self, message: Mapping[str, Any]) -> Sequence[int]:
        """The blocks the page shows, by index; the last answer is kept, because a page asks for many rows of it."""
        wanted = Arrangement.read(message.get("arrangement"))
        key = (self._number, wanted)
        known = self._order
        if known[0] != key:
            known = self._order = (key, wanted.order(self._joined))
        return known[1]

    def _rows(self, order: Sequence[int], start: int, end: int) -> dict[str, Any]:
        joined, number = self._joined, self._number
        indices = order[start : min(end, start + PAGE)]
        rows = fitting((joined.row(i, joined.blocks[i]) for i in indices), PAGE_SIZE)
        answer: dict[str, Any] = {
            "number": number,
            "length": len(order),
            "rows": rows,
            "calls": model_calls(joined.blocks[i] for i in indices[: len(rows)]),
        }
        if not isinstance(order, range):
            answer["indices"] = list(indices[: len(rows)])
        return answer


ORDER = {kind: n for n, kind in enumerate(("system", "user", "reasoning", "llm_text", "tool_call", "tool_use"))}


def sums(turn: Turn) -> dict[str, Any]:
    """What a Turn comes to: model calls, tokens, USD, ms, calls that wait; unknown ones left out."""
    results = turn.inferences
    made: dict[str, Any] = {"later": False, "pending": len(turn.pending)}
    if not results:
        return made
    usage, cost = total_usage(results), total_cost(results)
    made |= {"calls": len(results), "ms": sum(result.duration_ms or 0 for result in results)}
    made["failed"] = sum(result.finish_class in ("error", "interrupted") for result in results)
    if usage.total_tokens:
        made |= {"input": usage.input_tokens, "output": usage.output_tokens}
    if cost is not None:
        made["cost"] = cost
    return made


def about(turn: Turn, part: str) -> str:
    """A part of what a Turn carries besides its blocks, as JSON."""
    match part:
        case "metadata":
            return bag_json(turn.metadata)
        case "data":
            return bag_json(turn.data)
        case "ids":
            return json_text({"turn": turn.id, "blocks": [block.id for block in turn.blocks.head(LONG)]})
    return ""


def _columns_for(turn: Turn) -> list[str]:
    """The usual columns; and what calls cost, where that is known."""
    first: Iterable[Block] = turn.blocks.head(FIRST_ROWS)
    priced = any(block.inference is not None and block.inference.cost is not None for block in first)
    return [*COLUMNS[:-1], *(("cost",) if priced else ()), COLUMNS[-1]]
