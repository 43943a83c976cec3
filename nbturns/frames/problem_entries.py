"""The problems of a Run for a page, and the rules by which they are found, which a reader may change there."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ..safety.visible_text import visible
from ..values.failure_rules import FAILED, FailureRule, failure_rule
from ..values.turns import Run
from .problem_frame import DEFAULT_LIMITS, ProblemLimits, problems_of_run

MAX_ENTRIES = 2_000
MAX_TEXT_LENGTH = 200  # characters of a text that the reader adds to the rules
GAP_RANGE = (1.0, 1e7)  # seconds
REPEATS_RANGE = (2, 1_000)
SHARE_RANGE = (0.01, 10.0)


def problem_entries(run: Run, failed: Any = None, rules: Mapping[str, Any] | None = None) -> list[dict[str, Any]]:
    """Return the problems of a Run; `failed` is that of `nt.problems`, `rules` are those that a reader changed."""
    limits = _limits(rules or {})
    rows = problems_of_run(run, _failed(failed, rules or {}), limits)
    return [
        {"kind": row.kind, "turn": row.turn_index, "message": visible(row.message)}
        | ({} if row.block_index is None else {"index": row.block_index})
        for row in rows[:MAX_ENTRIES]
    ]


def rules_entry(failed: Any = None) -> dict[str, Any]:
    """Return the rules for a page: the limits, and the patterns of a result that looks failed."""
    if failed is None:
        patterns = [visible(pattern) for pattern in FAILED]
    else:
        patterns = [visible(failed if isinstance(failed, str) else getattr(failed, "pattern", "a function of yours"))]
    return {
        "patterns": patterns,
        "repeats": DEFAULT_LIMITS.repeats,
        "gap_seconds": DEFAULT_LIMITS.gap_seconds,
        "near_limit": DEFAULT_LIMITS.near_limit,
    }


def _limits(rules: Mapping[str, Any]) -> ProblemLimits:
    return ProblemLimits(
        repeats=int(_number(rules.get("repeats"), DEFAULT_LIMITS.repeats, *REPEATS_RANGE)),
        gap_seconds=_number(rules.get("gap_seconds"), DEFAULT_LIMITS.gap_seconds, *GAP_RANGE),
        near_limit=_number(rules.get("near_limit"), DEFAULT_LIMITS.near_limit, *SHARE_RANGE),
    )


def _number(value: Any, default: float, smallest: float, largest: float) -> float:
    """Return a number that a page sent, within a range; the default for anything else."""
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool) and value == value  # noqa: PLR0124
    return max(smallest, min(value, largest)) if is_number else default


def _failed(failed: Any, rules: Mapping[str, Any]) -> Any:
    """Return the rule for results that look failed.

    A page may leave out patterns, and add a text. It may not add a pattern: one that takes forever would stop the kernel.
    """
    left_out = rules.get("left_out")
    left_out = {number for number in left_out if isinstance(number, int)} if isinstance(left_out, list) else set()
    text = rules.get("text")
    text = text[:MAX_TEXT_LENGTH].lower() if isinstance(text, str) else ""
    if not left_out and not text:
        return failed
    rule = _without_patterns(failed, left_out)

    def is_failed(row: Any) -> bool:
        return rule(row) or bool(text and row.result and text in row.result.lower())

    return is_failed


def _without_patterns(failed: Any, left_out: set[int]) -> FailureRule:
    if failed is not None and 0 not in left_out:
        return failure_rule(failed)
    patterns = [
        re.compile(pattern) for number, pattern in enumerate(FAILED) if failed is None and number not in left_out
    ]

    def is_failed(row: Any) -> bool:
        return bool(row.error) or bool(row.result and any(pattern.search(row.result[:100_000]) for pattern in patterns))

    return is_failed
