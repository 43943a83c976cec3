"""Answers to requests of the view of a Run: its problems, the context of a model call, and a block in a format."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..frames.context_lens import context_lens
from ..frames.problem_entries import problem_entries, rules_entry
from ..render.text import visible
from ..values.turns import Block, Run
from .block_formats import format_block

MAX_INITIAL_BLOCKS = 1_000  # blocks of a Run whose problems are sent with the view; those of a longer one on request


def initial_problems(run: Run, failed: Any) -> dict[str, Any]:
    """Return the rules for problems, and the problems of a Run that is not long."""
    rules = {"problem_rules": rules_entry(failed)}
    is_long = sum(len(turn) for turn in run.turns[-1:]) > MAX_INITIAL_BLOCKS or len(run.turns) > MAX_INITIAL_BLOCKS
    return rules if is_long else {**rules, **problems_answer(run, failed, None)}


def problems_answer(run: Run, failed: Any, rules: Any) -> dict[str, Any]:
    """Return the problems of a Run, or the error that prevented it."""
    try:
        return {"problems": problem_entries(run, failed, rules if isinstance(rules, Mapping) else None)}
    except Exception as error:  # a rule of the user may raise anything; the page displays it and continues
        return {"error": visible(f"{type(error).__name__}: {error}")}


def context_answer(run: Run, turn_index: int, first: int) -> dict[str, Any]:
    """Return the context of the model call whose first block is at `first` in a Turn, or an error."""
    lens = context_lens(run, turn_index, first)
    return {"error": "nothing is known of this request"} if lens is None else {"lens": lens}


def format_or_error(block: Block, format_name: str) -> dict[str, str]:
    """Return a message with the block in a format, or with the error that prevented it."""
    try:
        return {"text": format_block(block, format_name)}
    except Exception as error:  # the page displays any error and continues
        return {"error": visible(f"{type(error).__name__}: {error}")}
