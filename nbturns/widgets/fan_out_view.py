"""The live view of `fan_out`: a row for each branch, with its blocks, outcome, tokens, cost and time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import anywidget
import traitlets

from ..branches.branch_grid import divergence
from ..branches.branch_runs import Branch, Branches
from ..errors import MisuseError, message_of
from ..render.block_rows import ICONS, OTHER_ICON
from ..render.es_modules import ViewModule
from ..render.text import shorten, visible
from ..runtime.background_loop import call_soon
from ..runtime.execution import STATUS
from ..safety.visible_text import printable
from .page_state import PageState
from .static_fallback import StaticFallback
from .stepping.failure_card import engine_label
from .stepping.going_back import pairs_of
from .throttle import Throttle

MAX_ROWS = 500
MAX_STRIP = 80  # blocks of the strip of one branch
STATES_PER_SECOND = 10


class FanOutView(PageState, StaticFallback, anywidget.AnyWidget):
    """The live view of the branches of one `fan_out`; its button stops them."""

    _esm = ViewModule("fan_out_view.js", "table.css", "block_table.css", "compare.css", "views.css", "stepper.css")
    debug: traitlets.Dict[str, Any] = traitlets.Dict().tag(sync=True)

    def __init__(self, branches: Branches, **settings: Any) -> None:
        self.branches = branches
        self._number = 0
        self._send_throttled = Throttle(self._send_state, STATES_PER_SECOND)
        self._init_static_fallback()
        super().__init__(debug=self._state(), **settings)
        self.on_msg(self._on_page_message)
        call_soon(self._start_listening)

    @printable
    def __repr__(self) -> str:
        return f"<FanOutView of {self.branches!r}>"

    def _repr_html_(self) -> str:
        return self.branches._repr_html_()

    def _plain_text(self) -> str:
        return repr(self.branches)

    # On the event loop.

    def _start_listening(self) -> None:
        if self._is_closed:
            return
        self._until_closed(self.branches.watch(self._on_change))
        self._send_throttled()

    def _on_change(self) -> None:
        self._send_throttled()
        if len(self.branches.so_far) == len(self.branches):
            self._refresh_page()

    def _send_state(self) -> None:
        self._number += 1
        self._run_in_cell(self.set_trait, "debug", self._state())

    def _state(self) -> dict[str, Any]:
        branches = self.branches
        ended = {branch.index: branch for branch in branches.so_far}
        first = ended.get(0)
        plans = branches.plans[:MAX_ROWS]
        return {
            "number": self._number,
            "execution": "fan-out",
            "snapshots": 0,
            "rail": {"from": 0, "entries": []},
            "total": len(branches),
            "ended": len(ended),
            "cost": branches.known_cost,
            "unpriced": branches.calls_without_price,
            "budget": branches.budget,
            "rows": [_row(ended.get(plan.index, plan), branches.state_of(plan.index), first) for plan in plans],
        }

    # Requests of the page.

    def _on_page_message(self, _: Any, message: Any, __: Any) -> None:
        call_soon(self._handle_message, message if isinstance(message, dict) else {})

    def _handle_message(self, message: Mapping[str, Any]) -> None:
        """Answer a request of the page; invalid messages are ignored."""
        answer: dict[str, Any] = {}
        try:
            match message.get("do"):
                case "stop":
                    self.branches.stop()
                case "compare":
                    answer = self._compare(message.get("branch"))
                case "state":
                    self._send_throttled()
                case _:
                    return
        except Exception as error:  # the page displays any error and continues
            answer = {"error": visible(message_of(error) or type(error).__name__)}
        if isinstance(id := message.get("debug_id"), str):
            self._run_in_cell(self.send, {"debug_id": id[:40], **answer})

    def _compare(self, index: Any) -> dict[str, Any]:
        """Compare a branch with the first one; the first with the Turn that all began with."""
        ended = {branch.index: branch for branch in self.branches.so_far}
        branch = ended.get(index) if isinstance(index, int) and not isinstance(index, bool) else None
        if branch is None:
            raise MisuseError(f"branch {index!r:.20} has not ended")
        if branch.index and 0 in ended:
            return pairs_of(ended[0].turn, branch.turn, "branch 0", f"branch {branch.index}")
        return pairs_of(self.branches.plans[branch.index].turn, branch.turn, "the start", f"branch {branch.index}")


def _row(branch: Branch, state: str, first: Branch | None) -> dict[str, Any]:
    row: dict[str, Any] = {
        "index": branch.index,
        "engine": visible(branch.engine) if isinstance(branch.engine, str) else engine_label(branch.engine),
        "edit": "" if branch.edit is None else visible(shorten(getattr(branch.edit, "__name__", "a Turn"), 40)),
        "params": visible(shorten(", ".join(f"{name}={value}" for name, value in branch.params.items()), 80)),
        "state": state,
    }
    if state != "ended":
        return row
    turn, usage = branch.turn, branch.turn.usage
    durations = [result.duration_ms for result in turn.inferences if result.duration_ms is not None]
    status = "failed" if branch.error is not None else turn.metadata.get(STATUS) or "done"
    text = message_of(branch.error) if branch.error is not None else turn.text
    return row | {
        "status": status,
        "text": shorten(text, 160),
        "blocks": len(turn),
        "strip": [ICONS.get(block.kind, OTHER_ICON) for block in list(turn)[-MAX_STRIP:]],
        "strip_from": max(len(turn) - MAX_STRIP, 0),
        "divergence": None if first is None or first is branch else divergence(first.turn, turn),
        "input": usage.input_tokens if usage.total_tokens else None,
        "output": usage.output_tokens,
        "cost": turn.cost,
        "ms": sum(durations) if durations else None,
    }


__all__ = ["FanOutView"]
