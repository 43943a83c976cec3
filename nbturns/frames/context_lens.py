"""The context of one model call for a page: the share of each block, and where the request differs from the one before."""

from __future__ import annotations

from typing import Any

from ..render.text import call_line, shorten
from ..safety.visible_text import visible
from ..values.failure_rules import failure_rule
from ..values.model_info import find_model
from ..values.turns import Block, Run
from .context_frame import ContextRow, RequestRows, common_length
from .copies import Copies
from .sources import RunSource
from .traversal import ModelCall, Traversal, TurnVisit, text_of

MAX_LISTED = 8  # blocks by size; the others are summed up
MAX_PARTS = 60  # parts of the strip
SMALL_SHARE = 0.015  # of the request; neighbours of less are one part
MAX_NAME_LENGTH = 70  # characters
MAX_DIFFERENCE_LENGTH = 18  # characters of a changed text


def context_lens(run: Run, turn_index: int, first: int) -> dict[str, Any] | None:
    """Return the context of the model call whose first block is at `first` in a Turn; None if there is no such call."""
    requests = RequestRows()
    for visit in Traversal(RunSource(run, run.id), Copies(), failure_rule()):
        for call in visit.model_calls:
            if not call.blocks:
                continue
            if (visit.turn_index, call.blocks[0].index) == (turn_index, first):
                return _lens(visit, call, requests)
            requests.skip(visit, call)
    return None


def _lens(visit: TurnVisit, call: ModelCall, requests: RequestRows) -> dict[str, Any]:
    previous = requests.previous
    rows = list(requests.add(visit, call))
    blocks = tuple(row.block for row in rows)
    names = _BlockNames(blocks)
    by_size = sorted(rows, key=lambda row: (-row.tokens, row.block_index))
    listed_rows, other_rows = by_size[:MAX_LISTED], by_size[MAX_LISTED:]
    model = find_model(call.result.model) if call.result is not None else None
    lens: dict[str, Any] = {
        "tokens": sum(row.tokens for row in rows),
        "is_counted": call.result is not None and call.result.usage is not None,
        "parts": _parts(rows),
        "largest": [_largest(row, names) for row in listed_rows],
        "others": [len(other_rows), sum(row.tokens for row in other_rows)],
    }
    if model is not None and model.context_window:
        lens["window"] = model.context_window
    if rebilled := sum(row.rebilled_tokens or 0 for row in rows):
        lens["rebilled"] = rebilled
    if previous is not None and (shared_length := common_length(blocks, previous)) < min(len(previous), len(blocks)):
        lens["differs"] = {"index": shared_length, **_difference(previous[shared_length], blocks[shared_length])}
    elif previous is not None and shared_length < len(previous):
        lens["differs"] = {"index": shared_length, "text": "the rest was removed"}
    return lens


def _largest(row: ContextRow, names: _BlockNames) -> dict[str, Any]:
    return {"index": row.block_index, "name": names.of(row.block), "tokens": row.tokens, "share": round(row.share, 4)}


def _parts(rows: list[ContextRow]) -> list[list[int]]:
    """Return the strip in the order of the request: [index of the first block, number of blocks, tokens]."""
    small = max(SMALL_SHARE, 1 / MAX_PARTS)
    parts: list[list[int]] = []
    was_small = False
    for row in rows:
        is_small = row.share < small
        if is_small and was_small:
            parts[-1][1] += 1
            parts[-1][2] += row.tokens
        else:
            parts.append([row.block_index, 1, row.tokens])
        was_small = is_small
    return parts


class _BlockNames:
    """The names of the blocks of a request: the call for a result, else the beginning of the text."""

    def __init__(self, blocks: tuple[Block, ...]) -> None:
        self._calls = {block.tool_call_id: block for block in blocks if block.kind == "tool_call"}

    def of(self, block: Block) -> str:
        call = self._calls.get(block.tool_call_id) if block.kind == "tool_use" else None
        if call is not None or block.kind == "tool_call":
            return call_line(call or block, MAX_NAME_LENGTH)
        return visible(shorten(text_of(block), MAX_NAME_LENGTH)) or visible(block.kind)


def _difference(before: Block, after: Block) -> dict[str, str]:
    """Return the first differing part of two blocks, before and after the change."""
    if before.kind != after.kind:
        return {"text": f"{visible(before.kind)} became {visible(after.kind)}"}
    texts = (text_of(before), text_of(after))
    pairs = enumerate(zip(*texts, strict=False))
    first_difference = next((place for place, (sign, other_sign) in pairs if sign != other_sign), min(map(len, texts)))
    start = max(texts[0].rfind(" ", 0, first_difference) + 1, first_difference - 12)  # from the beginning of a word
    was, now = (visible(shorten(text[start : start + MAX_DIFFERENCE_LENGTH])) for text in texts)
    return {"was": was, "now": now}
