"""The rows of Runs from the summaries that Inspect logs have of their samples, without the samples themselves."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..importers import Notes
from ..importers.inspect_log import FORMAT, run_id, run_name
from ..importers.inspect_summaries import read_summaries, summary_duration_ms, summary_models, summary_usage
from ..importers.kit.outcomes import error_text
from ..values.inference_results import Usage
from ..values.times import parsed_time
from .arrow_arrays import array, arrow_type, category_codes
from .run_frame import RUN, RunBuilder, plain_text
from .shared_columns import TOKEN_COLUMNS
from .sources import SourceFile

if TYPE_CHECKING:
    import pyarrow as pa

    from .frame_pass import FramePass

BATCH = 1_024  # rows that become arrays together


@dataclass(slots=True, eq=False)
class SummaryRow:
    """A sample in the summary of its log. `usage` is None for a copy of an earlier sample."""

    summary: Mapping[str, Any]
    evaluation: Mapping[str, Any]
    run_id: str
    file: str
    usage: Usage | None
    cost: float | None

    def text(self, name: str) -> str | None:
        value = self.summary.get(name)
        return None if value is None or value == "" else str(value)

    @property
    def scores(self) -> dict[str, Any] | None:
        scores = self.summary.get("scores")
        if not isinstance(scores, dict) or not scores:
            return None
        return {name: score.get("value") if isinstance(score, dict) else score for name, score in scores.items()}

    @property
    def answer(self) -> Any:
        """The first answer that a score has."""
        scores = self.summary.get("scores")
        answers = (
            score.get("answer")
            for score in (scores.values() if isinstance(scores, dict) else ())
            if isinstance(score, dict)
        )
        return next(filter(None, answers), None)

    @property
    def epoch(self) -> int | None:
        epoch = self.summary.get("epoch")
        return epoch if type(epoch) is int else None


ValueOf = Callable[[SummaryRow], Any]
VALUES: dict[str, ValueOf] = {
    "name": lambda row: run_name(row.summary, row.evaluation) or None,
    "task": lambda row: row.evaluation.get("task"),
    "sample": lambda row: row.text("id"),
    "epoch": lambda row: row.epoch,
    "models": lambda row: summary_models(row.summary, row.evaluation),
    "scores": lambda row: row.scores,
    "error": lambda row: error_text(row.summary.get("error")),
    "limit": lambda row: row.text("limit"),
    "answer": lambda row: plain_text(row.answer),
    "target": lambda row: plain_text(row.summary.get("target") or None),
    **{column.name: column.of for column in TOKEN_COLUMNS},
    "cost": lambda row: row.cost,
    "cost_source": lambda row: None if row.cost is None else "provider",
    "started": lambda row: parsed_time(row.text("started_at")),
    "ended": lambda row: parsed_time(row.text("completed_at")),
    "duration_ms": lambda row: summary_duration_ms(row.summary),
    "format": lambda _: FORMAT,
    "run_id": lambda row: row.run_id,
    "root_run_id": lambda row: row.run_id,
    "file": lambda row: row.file,
}


class SummaryBuilder(RunBuilder):
    """A row for each sample of a summary, and for each Run of other files."""

    def __init__(self, columns: Any) -> None:
        super().__init__(columns)
        self._summary_rows: list[SummaryRow] = []

    def __len__(self) -> int:
        return super().__len__() + len(self._summary_rows)

    def add_summary(self, row: SummaryRow) -> None:
        self._summary_rows.append(row)
        if len(self._summary_rows) >= BATCH:
            self._flush()

    def mark(self) -> None:
        self._flush()
        super().mark()

    def table(self) -> tuple[pa.Table, dict[str, list[Any]]]:
        self._flush()
        return super().table()

    def _flush(self) -> None:
        """Turn the rows of summaries into arrays; what no summary has is NA."""
        import pyarrow as pa

        rows, self._summary_rows = self._summary_rows, []
        if not rows:
            return
        self.buffer.flush()
        arrays = []
        for index, column in enumerate(self.buffer.columns):
            value_of = VALUES.get(column.name)
            if value_of is None:
                kind = pa.int32() if column.dtype == "category" else arrow_type(column.dtype)
                arrays.append(pa.nulls(len(rows), kind))
                continue
            values = array(column.name, [value_of(row) for row in rows], column.dtype)
            arrays.append(category_codes(values, self.buffer.codes(index)) if column.dtype == "category" else values)
        self.buffer.add_batch(arrays, len(rows))


def summary_builder(columns: Any) -> SummaryBuilder | None:
    """Return the builder of `runs` from summaries; None for columns of the user's, which need the Runs."""
    return SummaryBuilder(columns) if set(RUN).issuperset(columns) else None


def add_summaries(frame_pass: FramePass, file: SourceFile) -> bool:
    """Add a row for each sample in the summary of a log; False for a file without one."""
    builder = frame_pass.builders.get("runs")
    found = read_summaries(file.path) if isinstance(builder, SummaryBuilder) and len(frame_pass.builders) == 1 else None
    if found is None or not isinstance(builder, SummaryBuilder):
        return False
    evaluation, summaries = found
    path, notes = str(file.path), Notes(FORMAT, str(file.path))
    for position, summary in enumerate(summaries):
        sample_id = file.distinct_id(run_id(summary, evaluation, notes))
        new_id = frame_pass.run_ids.assign(sample_id, path, file.label, position)
        usage, cost = summary_usage(summary) if new_id == sample_id else (None, None)  # a copy adds nothing
        builder.add_summary(SummaryRow(summary, evaluation, new_id, path, usage, cost))
    return True
