"""The branches of a session in words: name, what was changed, place, model calls, cost and outcome."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from ..runtime.marks import DecisionRecord
from ..values.inference_results import InferenceResult
from ..values.turns import Block, Turn
from .session_tree import Node, all_turns

MAX_CHANGES = 3  # named in the summary of a branch
MAX_TEXT = 60
DECISION_SIGNS = {"edited": "✎", "added": "✎", "dropped": "✎", "mock": "◇", "denied": "⊘", "skipped": "↷"}
DECISION_WORDS = {"mock": "mocked"}


@dataclass(frozen=True, slots=True)
class BranchSummary:
    """One branch of a session as a row: `depth` is its level in the tree, `start` the number of shared blocks."""

    node: Node
    name: str
    depth: int
    changes: tuple[tuple[str, str], ...]  # (subject, sign and word of what a person did; "" for none)
    start: int | None
    model_calls: int
    cost: float | None
    status: str
    outcome: str


def branch_summaries(root: Node) -> list[BranchSummary]:
    """Return a row for each session of a tree, parents before their forks."""
    return [_summary(node, depth) for node, depth in _levels(root, 0)]


def _levels(node: Node, depth: int) -> Iterator[tuple[Node, int]]:
    yield node, depth
    for child in node.children:
        yield from _levels(child, depth + 1)


def _summary(node: Node, depth: int) -> BranchSummary:
    session = node.session
    turns = all_turns(session)
    execution = session.execution
    status = "ready" if execution is None else str(execution.status)
    results = _own_results(node, turns)
    costs = [result.cost for result in results]
    return BranchSummary(
        node=node,
        name=node.name,
        depth=depth,
        changes=tuple(_changes(node, turns)),
        start=None if node.at is None else node.at[1],
        model_calls=len(results),
        cost=None if not results or None in costs else sum(cost for cost in costs if cost is not None),
        status=status,
        outcome=_outcome(status, turns[-1] if turns else Turn(), execution),
    )


def _own_results(node: Node, turns: Sequence[Turn]) -> list[InferenceResult]:
    """Return the model calls of a session, those before its fork left out."""
    first_turn = node.session._lineage.first_turn
    known_ids = set() if first_turn is None or node.parent is None else {r.inference_id for r in first_turn.inferences}
    results = {result.inference_id: result for turn in turns for result in turn.inferences}
    return [result for id, result in results.items() if id not in known_ids]


def _outcome(status: str, turn: Turn, execution: Any) -> str:
    if status == "failed" and execution is not None and execution.error is not None:
        return _short(str(execution.error))
    if status == "paused":
        pending = ", ".join(call.name for call in turn.pending)
        return f"paused{f' before {_short(pending)}' if pending else ''}"
    last_text = next((block.text for block in reversed(turn.blocks) if block.kind == "llm_text" and block.text), "")
    return _short(last_text) if status in ("done", "ready") else status


def _changes(node: Node, turns: Sequence[Turn]) -> Iterator[tuple[str, str]]:
    """Yield what makes a branch differ from its parent: edits before it began, its prompt, its engine, its decisions."""
    if node.parent is None:
        yield "as the model asked", ""
        return
    found = [*_edits(node), *_prompts(node, turns), *_engine(node)]
    for execution in node.session.executions:
        found += [_decision(record, execution.turn) for record in execution.decisions]
    yield from found[:MAX_CHANGES] or [("nothing yet", "")]
    if len(found) > MAX_CHANGES:
        yield f"and {len(found) - MAX_CHANGES} more", ""


def _edits(node: Node) -> Iterator[tuple[str, str]]:
    shared_count = 0 if node.at is None else node.at[1]
    first_turn = node.session._lineage.first_turn
    if first_turn is None or shared_count == len(first_turn):
        return
    for change in node._changes_before_it_began:
        block = change.b or change.a
        if change.what != "same" and block is not None:
            index = change.b_index if change.b_index is not None else change.a_index
            yield f"#{index} {_subject(block)}", f"✎ {change.what}"


def _prompts(node: Node, turns: Sequence[Turn]) -> Iterator[tuple[str, str]]:
    """Yield the first message that the branch adds to what it began with."""
    first_turn = node.session._lineage.first_turn
    start = 0 if first_turn is None else len(first_turn)
    if len(turns) and len(turns[-1]) > start and turns[-1][start].kind == "user":
        yield f"prompt “{_short(turns[-1][start].text)}”", "✎ added"


def _engine(node: Node) -> Iterator[tuple[str, str]]:
    parent = node.parent
    if parent is not None and node.session.engine is not parent.session.engine:
        yield f"engine {_short(repr(node.session.engine))}", ""


def _decision(record: DecisionRecord, turn: Turn) -> tuple[str, str]:
    index, block = next(
        ((i, block) for i, block in enumerate(turn) if record.call_id and block.tool_call_id == record.call_id),
        (None, None),
    )
    subject = _subject(block) if block is not None else "a block"
    word = DECISION_WORDS.get(record.action, record.action)
    return f"#{index} {subject}" if index is not None else subject, f"{DECISION_SIGNS.get(record.action, '')} {word}"


def _subject(block: Block) -> str:
    if block.kind in ("tool_call", "tool_use"):
        return _short(block.name or "result")
    return f"{block.kind} “{_short(block.text, 30)}”"


def _short(text: str, length: int = MAX_TEXT) -> str:
    line = " ".join(text[: 4 * length].split())
    return line if len(line) <= length else f"{line[: length - 1]}…"


TREE_COLUMNS = ("branch", "what was changed", "from", "model calls", "cost", "outcome")


def tree_html(root: Node) -> str:
    """Return the tree of branches as a static table."""
    from ..render.listing import Cell, listing_html

    rows = []
    for summary in branch_summaries(root):
        indent = "\u2003" * summary.depth + ("└ " if summary.depth else "")
        changes = ", ".join(" ".join(filter(None, change)) for change in summary.changes)
        start = "" if summary.start is None else f"at {summary.start}"
        cost = "—" if summary.cost is None else f"${summary.cost:.4f}"
        texts = (
            indent + summary.name,
            changes,
            start,
            str(summary.model_calls),
            cost,
            summary.outcome or summary.status,
        )
        rows.append([Cell(text) for text in texts])
    return listing_html("Branches", TREE_COLUMNS, rows)


__all__ = ["BranchSummary", "branch_summaries", "tree_html"]
