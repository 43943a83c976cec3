"""The block tables that failed tests print: the Turns of an error, and those in the variables of the test."""

from __future__ import annotations

from collections.abc import Iterator
from types import TracebackType
from typing import Any

from ..errors import attached_turn
from ..render.comparison import Comparison, compare
from ..render.text import block_line
from ..values.turns import Run, Turn

MAX_TABLES = 4  # in the report of one test
PACKAGE = __name__.partition(".")[0] + "."
MAX_ROWS = 60  # blocks of one table


def block_table(turn: Turn, current_index: int | None = None) -> str:
    """Return a line for each block of a Turn: `> [2] llm_text Take an umbrella.`; `>` marks the current block."""
    lines = [
        f"{'>' if index == current_index else ' '} [{index}] {block_line(block)}"
        for index, block in enumerate(turn.blocks)
    ]
    if len(lines) > MAX_ROWS:
        hidden_count = len(lines) - MAX_ROWS
        lines[MAX_ROWS // 2 : -MAX_ROWS // 2] = [f"  … {hidden_count} more blocks"]
    return "\n".join(lines) or "  the Turn is empty"


def latest_turn(value: Any) -> Turn | None:
    """Return a Turn itself, or the latest one of an execution, a session or a Run; None for another value."""
    if not any(base.__module__.startswith(PACKAGE) for base in type(value).__mro__):  # not ours: no property is run
        return None
    for candidate in (value, getattr(value, "turn", None), getattr(value, "latest", None)):
        if isinstance(candidate, Turn):
            return candidate
    return None


def failure_tables(error: BaseException, test_file: str) -> Iterator[tuple[str, str]]:
    """Yield the title and the block table of each Turn of a failure: of the error, then of the test's variables."""
    shown_turns: list[Turn] = []
    candidates = [(f"the {type(error).__name__}", attached_turn(error))]
    candidates += [(name, value) for name, value in _variables(error.__traceback__, test_file).items()]
    for name, value in candidates:
        turn = latest_turn(value)
        if turn is None or any(turn is other for other in shown_turns) or len(shown_turns) == MAX_TABLES:
            continue
        shown_turns.append(turn)
        yield f"{name}: {turn!r}", block_table(turn)


def _variables(traceback: TracebackType | None, test_file: str) -> dict[str, Any]:
    """Return the variables of the first frame of a traceback that is in the file of the test."""
    while traceback is not None:
        if traceback.tb_frame.f_code.co_filename == test_file:
            return dict(traceback.tb_frame.f_locals)
        traceback = traceback.tb_next
    return {}


def difference_lines(expected: Turn | Run, actual: Turn | Run) -> list[str]:
    """Return a line for each block that was added, removed, moved or edited, and the texts of edited fields."""
    comparison = compare(expected, actual)
    if not isinstance(comparison, Comparison):  # two sides make a Comparison
        return [str(comparison)]
    lines = []
    for change in comparison.changes:
        sides = [(sign, block) for sign, block in (("-", change.a), ("+", change.b)) if block is not None]
        index = change.a_index if change.a_index is not None else change.b_index
        fields = f" ({', '.join(change.fields)})" if change.fields else ""
        lines.append(f"block {index} {change.what}{fields}")
        lines += [f"  {sign} {block_line(block)}" for sign, block in sides]
    return lines
