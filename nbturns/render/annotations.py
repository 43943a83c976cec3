"""Annotations of rows and tables: what a person changed, and why an execution ended early."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, TypedDict

from ..runtime.marks import ANSWERED_BY, EDITED, ERROR
from ..runtime.toolbox import ATTEMPTS
from ..values.blocks import Block, make_block
from ..values.frozen_json import freeze
from ..values.label_values import LABELS
from ..values.turns import Turn
from .readable_values import UNREADABLE
from .text import cut_text, shorten, transcript_text, visible

MAX_BEFORE_LENGTH = 2_000  # characters of a former value
MAX_ERROR_LENGTH = 1_000
MAX_LABEL_LENGTH = 60
# By the value of nbturns.answered_by@v1: sign, label, explanation. A tool needs no mark.
ANSWERER_MARKS = {
    "mock": ("◇", "mocked", "a person gave this result; the tool did not run"),
    "denied": ("⊘", "denied", "a person refused this call"),
    "skipped": ("↷", "skipped", "a person skipped this call"),
    "recorded": ("◌", "recorded", "the answer of a recorded run"),
    "not run": ("⊘", "not run", "this call was not run"),
}


class Mark(TypedDict, total=False):
    """A badge of a row: its sign, its label, an explanation, and the value before a change."""

    sign: str
    label: str
    note: str
    before: str


class Ending(TypedDict):
    """Why a Turn ended early: `state` is failed, limit or stopped."""

    state: str
    text: str


def block_marks(block: Block) -> list[Mark]:
    """Return the badges of a block."""
    marks: list[Mark] = []
    if isinstance(edit := block.metadata.raw(EDITED), Mapping):
        marks.append(_edit_mark(block, edit))
    answerer = block.metadata.raw(ANSWERED_BY)
    if isinstance(answerer, str) and answerer in ANSWERER_MARKS:
        sign, label, note = ANSWERER_MARKS[answerer]
        marks.append({"sign": sign, "label": label, "note": note})
    attempts = block.metadata.raw(ATTEMPTS)
    if isinstance(attempts, int) and attempts > 1:
        marks.append({"sign": "↻", "label": f"{attempts} attempts", "note": f"the tool ran {attempts} times"})
    marks += _label_marks(block)
    unreadable_names = block.metadata.raw(UNREADABLE)
    if isinstance(unreadable_names, (list, tuple)) and unreadable_names:
        names = ", ".join(map(str, unreadable_names))
        marks.append(
            {"sign": "⚠", "label": "unreadable value", "note": f"not of its type, and left out: {visible(names)}"}
        )
    return marks


def _label_marks(block: Block) -> list[Mark]:
    """Return the badges of the labels that people gave to a block."""
    labels = block.metadata.raw(LABELS)
    marks: list[Mark] = []
    for label in labels if isinstance(labels, (list, tuple)) else ():
        if isinstance(label, Mapping) and isinstance(label.get("label"), str):
            notes = (label.get(name) for name in ("note", "by", "at"))
            note = " · ".join(visible(text) for text in notes if isinstance(text, str) and text)
            marks.append({"sign": "#", "label": visible(shorten(label["label"], MAX_LABEL_LENGTH)), "note": note})
    return marks


def _edit_mark(block: Block, edit: Mapping[str, Any]) -> Mark:
    before = edit.get("before")
    note = f"changed by a person{_who_and_when(edit)}"
    if not isinstance(before, Mapping):
        return {"sign": "✎", "label": "added", "note": note.replace("changed", "added")}
    former_block = make_block(block.kind, freeze(before))
    return {
        "sign": "✎",
        "label": "edited",
        "note": note,
        "before": cut_text(visible(transcript_text(former_block)), MAX_BEFORE_LENGTH),
    }


def _who_and_when(edit: Mapping[str, Any]) -> str:
    by, at = edit.get("by"), edit.get("at")
    parts = [f" by {visible(by)}"] if isinstance(by, str) and by else []
    if isinstance(at, (int, float)) and 0 < at < 1e11:
        parts.append(f" on {datetime.fromtimestamp(at, UTC):%Y-%m-%d at %H:%M:%S} UTC")
    return "".join(parts)


def turn_ending(turn: Turn) -> Ending | None:
    """Return why a Turn ended early; None for one that ended as expected or is in progress."""
    record = turn.metadata.raw(ERROR)
    last_error = last_call_error(turn)
    if not isinstance(record, Mapping):
        return {"state": "failed", "text": f"model call failed: {last_error}"} if last_error else None
    message = _error_text(record)
    match record.get("type"):
        case "LimitReached":
            return {"state": "limit", "text": f"limit reached: {_error_text({'message': record.get('message')})}"}
        case "Stopped":
            return {"state": "stopped", "text": f"stopped: {_error_text({'message': record.get('message')})}"}
    return {"state": "failed", "text": f"model call failed: {last_error}" if last_error else f"failed: {message}"}


def last_call_error(turn: Turn) -> str:
    """Return the error of the last model call, if that failed."""
    results = turn.inferences
    last_result = results[-1] if results else None
    if last_result is None or last_result.finish_class != "error":
        return ""
    return _error_text(last_result.error) or visible(last_result.stop_reason) or "no reason is known"


def _error_text(record: Any) -> str:
    if not isinstance(record, Mapping):
        return ""
    parts = [str(part) for name in ("type", "message") if (part := record.get(name))]
    return cut_text(visible(": ".join(parts)), MAX_ERROR_LENGTH)
