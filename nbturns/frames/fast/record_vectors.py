"""The Turns, model calls and tool calls of a batch of chat records as Arrow arrays, for the frames other than `blocks`."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from functools import cached_property
from typing import TYPE_CHECKING, Any

from ...importers.kit.call_checks import CHECKED_KINDS, call_faults
from ...importers.kit.import_report import Notes
from ..arrow_arrays import array, arrow_type
from ..report_frame import notes_text
from .batch_vectors import FINISH_CLASS, BatchVectors
from .block_batch import CALL, REASONING, REPLY, RESULT, BlockBatch

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

COUNTED_KINDS = {"texts": REPLY, "thoughts": REASONING, "tool_calls": CALL, "tool_results": RESULT}


class RecordVectors(BatchVectors):
    """A batch of whole conversations, each of them of one record; rows are blocks, as in the base class."""

    def __init__(self, batch: BlockBatch, finds_failure: Callable[[str], bool], format: str) -> None:
        import numpy as np

        super().__init__(batch)
        self.finds_failure = finds_failure
        self.format = format
        self.kind_roles: np.ndarray = np.array(batch.kind_roles, np.int32)
        self.turn_count: int = len(self.turn_runs)
        self.run_of_turn: np.ndarray = np.array(self.turn_runs, np.int32)

    def rows_of(self, kind_role: int) -> np.ndarray:
        """Return the rows of the blocks of one kind."""
        import numpy as np

        return np.flatnonzero(self.kind_roles == kind_role)

    def at_run(self, values: list[Any], runs: np.ndarray) -> pa.Array:
        """Return the text that each of these Runs has."""
        import pyarrow as pa

        return array("run", values, "string").take(pa.array(runs))

    def texts_of(self, values: list[Any]) -> pa.Array:
        return array("text", values, "string")

    def texts_at(self, rows: np.ndarray) -> pa.Array:
        """Return the texts of these rows; null for -1."""
        import pyarrow as pa

        return self.text.take(pa.array(rows, mask=rows < 0))

    def copy_keys_at(self, rows: np.ndarray) -> pa.Array:
        import pyarrow as pa

        return self.copy_keys().take(pa.array(rows))

    @cached_property
    def run_ids(self) -> list[str]:
        return [run_id for run_id, _ in self.batch.runs]

    @cached_property
    def files(self) -> list[str | None]:
        return [file or None for _, file in self.batch.runs]

    # Turns.

    def count_by_turn(self, rows: np.ndarray) -> np.ndarray:
        """Return how many of these rows each Turn has."""
        import numpy as np

        return np.bincount(self.turn_numbers[rows], minlength=self.turn_count)

    def last_by_turn(self, rows: np.ndarray) -> np.ndarray:
        """Return the last of these rows in each Turn; -1 for none."""
        import numpy as np

        last_rows = np.full(self.turn_count, -1, np.int64)
        last_rows[self.turn_numbers[rows]] = rows  # of equal indexes the last one is kept
        return last_rows

    @cached_property
    def last_replies(self) -> np.ndarray:
        """The row of the last text of the model in each Turn, which may be in a Turn before it; -1 for none."""
        import numpy as np

        rows = np.maximum.accumulate(self.last_by_turn(self.rows_of(REPLY)))
        return np.where(rows >= self.run_starts[self.run_of_turn], rows, -1)

    @cached_property
    def run_starts(self) -> np.ndarray:
        """The first row of each Run."""
        import numpy as np

        _, first_turns = np.unique(self.run_of_turn, return_index=True)
        return self.turn_starts[first_turns]

    @cached_property
    def run_ends(self) -> np.ndarray:
        import numpy as np

        return np.append(self.run_starts[1:], self.rows)

    @cached_property
    def pending_counts(self) -> list[int]:
        """The number of calls without a result at the end of each Turn."""
        counts: list[int] = []
        open_calls: dict[str, int] = {}
        kind_roles, call_ids, run = self.batch.kind_roles, self.batch.tool_call_ids, -1
        for turn, (start, length) in enumerate(zip(self.turn_starts.tolist(), self.turn_lengths.tolist(), strict=True)):
            if self.turn_runs[turn] != run:
                run, open_calls = self.turn_runs[turn], {}
            for row in range(start, start + length):
                if kind_roles[row] == CALL:
                    open_calls[call_ids[row]] = open_calls.get(call_ids[row], 0) + 1
                elif kind_roles[row] == RESULT and (count := open_calls.pop(call_ids[row], 0)) > 1:
                    open_calls[call_ids[row]] = count - 1
            counts.append(sum(open_calls.values()))
        return counts

    @cached_property
    def added_kinds(self) -> list[str]:
        """The kinds of the blocks of each Turn, in order."""
        names = [kind for kind, _ in self.batch.kind_role_pairs]
        kinds = [names[number] for number in self.batch.kind_roles]
        ends = zip(self.turn_starts.tolist(), self.turn_lengths.tolist(), strict=True)
        return [" ".join(kinds[start : start + length]) for start, length in ends]

    # Model calls.

    @cached_property
    def call_rows(self) -> np.ndarray:
        """The rows that a model call made."""
        import numpy as np

        return np.flatnonzero(self.call_numbers[1])

    @cached_property
    def call_of_rows(self) -> np.ndarray:
        """The model call of each of `call_rows`."""
        numbers: np.ndarray = self.call_numbers[0][self.call_rows]
        return numbers

    @cached_property
    def last_call_rows(self) -> np.ndarray:
        """The last row of each model call."""
        import numpy as np

        last_rows = np.zeros(len(self.batch.call_ids), np.int64)
        last_rows[self.call_of_rows] = self.call_rows
        return last_rows

    @cached_property
    def turn_of_calls(self) -> np.ndarray:
        turns: np.ndarray = self.turn_numbers[self.last_call_rows]
        return turns

    def per_call(self, kind_role: int | None = None, weights: np.ndarray | None = None) -> np.ndarray:
        """Return for each model call the number of its blocks, of one kind, or the sum of their weights."""
        import numpy as np

        rows, calls = self.call_rows, self.call_of_rows
        if kind_role is not None:
            is_kind = self.kind_roles[rows] == kind_role
            rows, calls = rows[is_kind], calls[is_kind]
        row_weights = None if weights is None else weights[rows]
        return np.bincount(calls, row_weights, minlength=len(self.batch.call_ids)).astype(np.int64)

    def at_summary(self, name: str, item: int) -> pa.Array:
        """Return one item of the summary of each model call."""
        import pyarrow as pa

        values = [summary[item] or None for summary in self.batch.summaries]
        numbers = pa.array(self.batch.call_summaries, pa.int32())
        if item == FINISH_CLASS:
            return self.category(name, values, numbers)
        return array(name, values, "string").take(numbers)

    # Tool calls.

    @cached_property
    def tool_call_rows(self) -> np.ndarray:
        return self.rows_of(CALL)

    @cached_property
    def answer_rows(self) -> np.ndarray:
        """The row of the result of each tool call; -1 for none. A result belongs to the oldest open call of its id."""
        import numpy as np

        answers: dict[int, int] = {}
        kind_roles, call_ids = self.batch.kind_roles, self.batch.tool_call_ids
        open_calls: dict[tuple[int, str], deque[int]] = {}
        rows = np.flatnonzero((self.kind_roles == CALL) | (self.kind_roles == RESULT))
        for row, run in zip(rows.tolist(), self.run_of_turn[self.turn_numbers[rows]].tolist(), strict=True):
            key = run, call_ids[row]
            if kind_roles[row] == CALL:
                open_calls.setdefault(key, deque()).append(row)
            elif waiting := open_calls.get(key):
                answers[waiting.popleft()] = row
        return np.array([answers.get(row, -1) for row in self.tool_call_rows.tolist()], np.int64)

    @cached_property
    def failures(self) -> np.ndarray:
        """Return True for each tool call whose result says that it failed."""
        import numpy as np

        texts, finds_failure = self.batch.texts, self.finds_failure
        rows = self.answer_rows.tolist()
        return np.fromiter((row >= 0 and finds_failure(texts[row]) for row in rows), np.bool_, len(rows))

    # Records.

    @cached_property
    def notes(self) -> list[tuple[int, str | None]]:
        """The number of notes of each Run's import report, and their text."""
        return [_notes_of(notes.guessed) for notes in map(self._notes_of_run, range(len(self.batch.runs)))]

    def _notes_of_run(self, run: int) -> Notes:
        position, _, _ = self.batch.records[run]
        notes = Notes(self.format, self.files[run] or "", position)
        for row, fault in call_faults(self._tool_blocks(run)):
            notes.add_guess(f"messages[{self._message_index(row, run)}]", fault)
        return notes

    def _tool_blocks(self, run: int) -> Iterator[tuple[int, str, str]]:
        names = [kind if kind in CHECKED_KINDS else "" for kind, _ in self.batch.kind_role_pairs]
        kind_roles, call_ids = self.batch.kind_roles, self.batch.tool_call_ids
        for row in range(int(self.run_starts[run]), int(self.run_ends[run])):
            if kind := names[kind_roles[row]]:
                yield row, kind, call_ids.get(row, "")

    def _message_index(self, row: int, run: int) -> int:
        """Return the index of the message of a row: the blocks of one message have one model call."""
        calls, first_row = self.batch.calls, int(self.run_starts[run])
        later_blocks = sum(
            other in calls and calls[other] == calls.get(other - 1) for other in range(first_row + 1, row + 1)
        )
        return row - first_row - later_blocks


def _notes_of(notes: list[Any]) -> tuple[int, str | None]:
    return len(notes), notes_text(notes)


def integers(values: Any) -> pa.Array:
    """Return numbers as the array of a column of integers."""
    import numpy as np
    import pyarrow as pa

    return pa.array(np.asarray(values, np.int64))


def constant(name: str, value: Any, dtype: str, rows: int) -> pa.Array:
    """Return the array of a column with one value in all rows."""
    import pyarrow as pa

    if value is None:
        return pa.nulls(rows, pa.large_string() if dtype == "category" else arrow_type(dtype))
    return array(name, [value], dtype).take(pa.array([0] * rows, pa.int32()))
