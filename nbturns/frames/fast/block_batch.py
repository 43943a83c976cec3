"""Many blocks as lists and sparse columns: the input of `block_arrays.py`.

A row object for each block, and a function call for each of its cells, would take four
times as long. What belongs to a Run, a Turn or a model call is stored once here, and what few
blocks have only for those; `block_arrays.py` repeats it for all rows.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from ...keys import ANSWERED_BY, EDITED
from ...values.frozen_json import MAX_DEPTH
from ...values.inference_results import InferenceResult
from ...values.label_values import LABELS, labels_of
from ...values.turns import Block
from ..arrow_arrays import to_json
from ..block_frame import answerer_of, extra_of, is_edited, time_of
from ..shared_columns import joined_labels
from ..sources import RunLinks

CallSummary = tuple[str, str, str, str]  # of a model call: provider, model, stop reason, finish class
EMPTY_SUMMARY: CallSummary = ("", "", "", "")

# The kinds and roles of nearly all blocks; a batch stores each pair of kind and role by its number.
KIND_ROLES: dict[tuple[str, str | None], int] = {
    ("system", "system"): 0,
    ("system", "developer"): 1,
    ("user", "user"): 2,
    ("llm_text", "assistant"): 3,
    ("tool_call", None): 4,
    ("tool_use", None): 5,
    ("reasoning", None): 6,
}
SYSTEM, DEVELOPER, USER, REPLY, CALL, RESULT, REASONING = KIND_ROLES.values()

MARK_NAMES = frozenset(key.name for key in (ANSWERED_BY, EDITED, LABELS))
MAX_LEVELS = MAX_DEPTH - 4  # nesting of a value that fits a Block even inside a few mappings of ours


class NotPlainError(Exception):
    """A record has a shape that the fast readers leave to the importers."""


class BlockBatch:
    """Blocks as a text and a kind and role each; by row number, the values of some blocks.

    To add a block, append to `texts` and to `kind_roles`, and store its other values under its row
    number, which is `len(texts)` before that.
    """

    def __init__(self) -> None:
        self.runs: list[tuple[str, str]] = []  # id, file
        self.records: list[tuple[str, str, int]] = []  # of chat records: position, name of the Run, messages
        self.links: dict[int, RunLinks] = {}  # of the Runs that another Run started, by their number
        # Consecutive blocks of one Turn: the number of its Run in `runs`, its id, its index there; the index of
        # the first block in the Turn, and its row.
        self.turn_segments: list[tuple[int, str, int, int, int]] = []
        self.call_ids: list[str] = []  # of the model calls
        self.call_summaries: list[int] = []  # of each model call, as a number in `summaries`
        self.summaries: dict[CallSummary, int] = {}
        self.texts: list[str] = []
        self.copy_keys: list[int | None] = []  # the keys of `frames/copies.py`, when all of a Run is added
        self.kind_roles: list[int] = []  # as numbers in `kind_role_pairs`
        self.kind_role_pairs: dict[tuple[str, str | None], int] = dict(KIND_ROLES)
        self.ids: dict[int, str] = {}
        self.images: dict[int, int] = {}
        self.tool_call_ids: dict[int, str] = {}
        self.names: dict[int, str] = {}
        self.errors: dict[int, str] = {}
        self.calls: dict[int, int] = {}  # numbers in `call_ids`
        self.extras: dict[int, str] = {}
        self.times: dict[int, datetime] = {}
        self.answerers: dict[int, str] = {}
        self.edits: dict[int, bool] = {}
        self.labels: dict[int, str] = {}
        self.record_ids: dict[int, str] = {}  # of blocks that were read from another program's records
        self.response_ids: dict[int, str] = {}  # of model calls, by their numbers in `call_ids`

    def __len__(self) -> int:
        return len(self.texts)

    @property
    def _lists(self) -> tuple[list[Any], ...]:
        return (
            *(self.texts, self.kind_roles, self.runs, self.records, self.turn_segments),
            *(self.call_ids, self.call_summaries, self.copy_keys),
        )

    @property
    def _sparse_columns(self) -> tuple[dict[int, Any], ...]:
        return (
            *(self.ids, self.images, self.tool_call_ids, self.names, self.errors),
            *(self.calls, self.extras, self.times, self.answerers, self.edits, self.labels, self.record_ids),
        )

    def lengths(self) -> tuple[int, ...]:
        """Return the lengths of all lists, for `shorten`; the first is the number of blocks."""
        return *map(len, self._lists), len(self.summaries), len(self.kind_role_pairs)

    def shorten(self, lengths: tuple[int, ...]) -> None:
        """Remove everything beyond these lengths, which `lengths` returned before."""
        *list_lengths, summary_count, pair_count = lengths
        for values, length in zip(self._lists, list_lengths, strict=True):
            del values[length:]
        for numbers, length in ((self.summaries, summary_count), (self.kind_role_pairs, pair_count)):
            while len(numbers) > length:
                numbers.popitem()
        for column in self._sparse_columns:
            while column and next(reversed(column)) >= lengths[0]:
                column.popitem()
        while self.links and next(reversed(self.links)) >= len(self.runs):
            self.links.popitem()
        while self.response_ids and next(reversed(self.response_ids)) >= len(self.call_ids):
            self.response_ids.popitem()

    def begin_run(self, run_id: str, file: str) -> int:
        """Add a Run and return its number."""
        self.runs.append((run_id, file))
        return len(self.runs) - 1

    def set_run_id(self, run: int, run_id: str) -> None:
        """Set the id of a Run, which is assigned when all of it is read."""
        self.runs[run] = run_id, self.runs[run][1]

    def begin_turn(self, run: int, turn_id: str, turn_index: int, first_index: int) -> None:
        """Begin a Turn: the blocks that follow are in it, the next of them at `first_index`."""
        self.turn_segments.append((run, turn_id, turn_index, first_index, len(self.texts)))

    def add_call(self, call_id: str, summary_number: int) -> int:
        """Add a model call and return its number."""
        self.call_ids.append(call_id)
        self.call_summaries.append(summary_number)
        return len(self.call_ids) - 1

    def summary_number(self, summary: CallSummary) -> int:
        """Return the number of a summary, which many model calls have."""
        return self.summaries.setdefault(summary, len(self.summaries))

    def add(self, kind: str, role: str | None, text: str) -> int:
        """Add a block with these values alone, and return its row."""
        row = len(self.texts)
        self.texts.append(text)
        pair = kind, role
        number = self.kind_role_pairs.get(pair)
        if number is None:
            number = self.kind_role_pairs[pair] = len(self.kind_role_pairs)
        self.kind_roles.append(number)
        return row

    def add_block(self, index: int, block: Block, name: str, text: str, call: int | None) -> int:
        """Add a Block at this index of the current Turn, and return its row. `call` is the number of its model call."""
        run, turn_id, turn_index, first_index, first_row = self.turn_segments[-1]
        if index != first_index + len(self.texts) - first_row:
            self.begin_turn(run, turn_id, turn_index, index)
        row = self.add(block.kind, block.role or None, text)
        payload = block.payload
        if block.id:
            self.ids[row] = block.id
        if "images" in payload and (images := len(block.images)):
            self.images[row] = images
        if call_id := block.tool_call_id:
            self.tool_call_ids[row] = call_id
        if name:
            self.names[row] = name
        if error := block.error:
            self.errors[row] = error
        if call is not None:
            self.calls[row] = call
        if len(block.metadata) or block.extra:
            if (extra := extra_of(block)) is not None:
                self.extras[row] = extra
            if (time := time_of(block)) is not None:
                self.times[row] = time
            if not MARK_NAMES.isdisjoint(block.metadata):
                self._add_marks(row, block)
        return row

    def _add_marks(self, row: int, block: Block) -> None:
        """Add the values of blocks that people or a session of ours have marked."""
        if (answerer := answerer_of(block)) is not None:
            self.answerers[row] = answerer
        if is_edited(block):
            self.edits[row] = True
        if (labels := joined_labels(labels_of(block))) is not None:
            self.labels[row] = labels


def summary_of(result: InferenceResult | None) -> CallSummary:
    if result is None:
        return EMPTY_SUMMARY
    return result.provider, result.model, result.stop_reason, str(result.finish_class)


def plain_json(value: Any) -> str:
    """Return a value of a file as JSON. Raises NotPlainError for a value that a Block may hold in another form.

    A Block refuses deep nesting. A short text cannot be nested deeply, nor can one with few brackets.
    """
    try:
        text = to_json(value)
    except (ValueError, RecursionError) as error:
        raise NotPlainError from error
    if len(text) > 2 * MAX_LEVELS and text.count("{") + text.count("[") > MAX_LEVELS:
        require_levels(value)
    return text


def require_levels(value: Any, levels: int = MAX_LEVELS) -> None:
    """Raise NotPlainError for a value that is nested deeper than a Block can hold."""
    if type(value) is not dict and type(value) is not list:
        return
    if not levels:
        raise NotPlainError
    for item in value.values() if type(value) is dict else value:
        if type(item) is dict or type(item) is list:
            require_levels(item, levels - 1)
