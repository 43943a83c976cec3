"""The heading of the view of a Run: its name, its file, and how it ended."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import Any, TypedDict

from ..values.outcome import Outcome
from ..values.turns import Run
from .text import shorten, visible

GENERATED_ID = re.compile("[0-9a-f]{32}")  # of a session without a name
MAX_NAME_LENGTH = 80  # characters
MAX_OUTCOME_LENGTH = 60


class OutcomeBadge(TypedDict):
    """The outcome of a Run: `state` is passed, failed, limit, or empty if the source does not say."""

    state: str
    text: str


def run_heading(run: Run) -> tuple[str, str]:
    """Return the name of a Run and the name of its file; "" for a file that is unknown or part of the name."""
    file = visible(os.path.basename(getattr(run.import_report, "file", "") or ""))  # noqa: PTH119  # a URL has no Path
    own_name = run.name if not run.name.startswith("#") else ""  # a number in its file
    own_name = own_name or (f"Session {run.id[:8]}" if GENERATED_ID.fullmatch(run.id) and not file else "")
    name = visible(shorten(own_name or (run.id if not file or file in run.id else "") or file, MAX_NAME_LENGTH))
    return name or "Run", "" if file in name else shorten(file, MAX_NAME_LENGTH)


def outcome_badge(outcome: Outcome | None) -> OutcomeBadge | None:
    """Return how a Run ended in a few words; None if its source does not say."""
    if outcome is None:
        return None
    state = "" if outcome.success is None else "passed" if outcome.success else "failed"
    words = state
    if outcome.error:
        state, words = "failed", f"error: {outcome.error}"
    elif outcome.limit:
        state, words = state or "limit", f"{words} · limit {outcome.limit}".strip(" ·")
    parts = [words, *_scores(outcome)]
    text = visible(shorten(" · ".join(part for part in parts if part), MAX_OUTCOME_LENGTH))
    return {"state": state, "text": text} if text else None


def _scores(outcome: Outcome) -> list[str]:
    if outcome.reward is not None:
        return [f"reward {outcome.reward:g}"]
    return [
        f"{name} {value:g}" if isinstance(value, float) else f"{name} {value}"
        for name, value in list(outcome.scores.items())[:1]
        if not isinstance(value, (Mapping, list, tuple))
    ]


def heading_entry(run: Run, type_name: str = "") -> dict[str, Any]:
    """Return the heading of a Run for a page; `type_name` is shown for one without a name."""
    name, file = run_heading(run)
    entry: dict[str, Any] = {"name": type_name if name == "Run" and type_name else name}
    if file:
        entry["file"] = file
    if (badge := outcome_badge(run.outcome)) is not None:
        entry["outcome"] = badge
    return entry
