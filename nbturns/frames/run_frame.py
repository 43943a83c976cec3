"""The frame of Runs: a row for each, with its source, its totals and its outcome."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any

from ..errors import MisuseError
from ..importers.kit.run_names import TASK, FieldPath, epoch_of, field_of, name_in_file, sample_name, sample_of
from ..keys import ERROR, STATUS
from ..values.inference_results import InferenceResult, Usage, total_cost
from ..values.outcome import Outcome
from ..values.provenance import FIELDS, TIMESTAMP
from ..values.times import parsed_time
from .block_frame import time_of
from .builder import FrameBuilder
from .columns import Column, NamedColumns
from .label_file import LabelIndex
from .label_frame import run_labels
from .shared_columns import (
    COST_SOURCES,
    FILE,
    LINK_COLUMNS,
    RUN_ID,
    SESSION_ID,
    TOKEN_COLUMNS,
    cost_source_of,
    duration_of,
    error_text,
    joined_labels,
    usage_of,
)
from .tool_call_frame import tool_call_rows
from .traversal import Row, Traversal, TurnVisit

# Where the sources have these values, in the fields of the Run; the first that is there is taken.
AGENT: tuple[FieldPath, ...] = (
    ("agent", "name"),
    ("agent_ref", "name"),
    ("agent_name",),
    ("metadata", "agent_class"),
    ("eval", "solver"),
    ("agent",),
)
VERSION: tuple[FieldPath, ...] = (("agent", "version"), ("agent_version",), ("cli_version",), ("version",))
DIRECTORY: tuple[FieldPath, ...] = (
    ("cwd",),
    ("working_dir",),
    ("working_directory",),
    ("workingDirectory",),
    ("workspace",),
    ("directory",),
)
STARTED: tuple[FieldPath, ...] = (("started_at",), ("start_time",), ("metadata", "start_time"), ("created_at",))
ENDED: tuple[FieldPath, ...] = (("completed_at",), ("ended_at",), ("end_time",), ("finished_at",))
MODEL: tuple[FieldPath, ...] = (("model",), ("eval", "model"), ("agent", "model_name"))
PROGRAMS = {
    "claude-code": "claude-code",
    "gemini-cli": "gemini-cli",
    "goose": "goose",
    "aider": "aider",
    "iflow": "iflow",
}
FIRST_BLOCKS = 16  # blocks whose records may have the version and the folder


@dataclass(eq=False)
class RunRow(Row):
    """The row of a column of `runs`. `visits` are its Turns, with their new blocks and model calls."""

    visits: list[TurnVisit]
    tool_calls: list[Any]
    label_index: LabelIndex | None

    @cached_property
    def inferences(self) -> tuple[InferenceResult, ...]:
        """The model calls that no earlier Run has."""
        return tuple(call.result for visit in self.visits for call in visit.model_calls if call.result is not None)

    @cached_property
    def outcome(self) -> Outcome:
        """Outcome as the source writes it; an empty one when it has none."""
        return self.run.outcome or Outcome()

    @cached_property
    def usage(self) -> Usage | None:
        """Tokens of all model calls; None when no call has a count."""
        return usage_of(self.inferences)

    @property
    def name(self) -> str | None:
        """The name of the Run; of one that was saved without a name, that of its file with its position there."""
        source = self.visit.source
        return self.run.name or sample_name(self.run.fields) or name_in_file(source.label, source.position) or None

    @property
    def models(self) -> str | None:
        """The models of its calls, in the order of their first call; else the one that the source names."""
        models = dict.fromkeys(inference.model for inference in self.inferences if inference.model)
        return ", ".join(models) or self.field(MODEL)

    @property
    def agent(self) -> str | None:
        """Name of the program that wrote the transcript, or None."""
        return self.field(AGENT) or PROGRAMS.get(self.format or "")

    @property
    def format(self) -> str | None:
        """Format that the Run was read in; None for a value that was made here."""
        report = self.run.import_report
        return report.format if report is not None else "nbturns" if self.file else None

    @property
    def sample(self) -> str | None:
        """Id of the sample in its evaluation, or None."""
        return sample_of(self.run.fields)

    @property
    def epoch(self) -> int | None:
        """Number of the repetition in its evaluation, or None."""
        return epoch_of(self.run.fields)

    @cached_property
    def times(self) -> list[datetime]:
        """The first and the last time of its blocks, or those that the source names."""
        times = [time for block in self.run.latest for time in (time_of(block),) if time is not None]
        for turn in self.run.turns[:1]:
            times += [time for block in turn for time in (time_of(block),) if time is not None]
        if not times:
            texts = (
                field_of(self.run.fields, STARTED),
                self.run.metadata.raw(TIMESTAMP),
                field_of(self.run.fields, ENDED),
            )
            times = [time for text in texts if (time := parsed_time(_text(text))) is not None]
        return sorted(times)

    @property
    def duration_ms(self) -> int | None:
        """The time that the source names, else that from the first to the last block, else that of the model calls."""
        seconds = self.run.fields.get("total_time")
        if isinstance(seconds, (int, float)) and not isinstance(seconds, bool) and 0 <= seconds < 1e9:
            return round(seconds * 1000)
        if len(self.times) > 1 and self.times[-1] > self.times[0]:
            return round((self.times[-1] - self.times[0]).total_seconds() * 1000)
        duration = duration_of(self.inferences)
        return 0 if duration is None and len(self.times) > 1 else duration

    @property
    def inference_count(self) -> int:
        """Number of model calls that are counted in this Run."""
        return sum(len(visit.model_calls) for visit in self.visits)

    @property
    def stop_reason(self) -> str | None:
        """The stop reason of the last model call of the Run."""
        for turn in reversed(self.run.turns):
            if results := turn.inferences:
                return results[-1].stop_reason or None
        return None

    @property
    def labels(self) -> str | None:
        """Labels of the Run, separated by commas, or None."""
        return joined_labels(run_labels(self.run, self.run_id, self.label_index))

    @property
    def error(self) -> str | None:
        """Error that ended the Run, or None."""
        return self.outcome.error or error_text(self.run.latest.metadata.raw(ERROR))

    @property
    def limit(self) -> str | None:
        """Limit that ended the Run, or None."""
        status = self.run.latest.metadata.raw(STATUS)
        return self.outcome.limit or ("max_iterations" if status == "limit" else None)

    def field(self, paths: tuple[FieldPath, ...]) -> str | None:
        """Return a value of the fields of the Run as text."""
        return _text(field_of(self.run.fields, paths))

    def record_field(self, paths: tuple[FieldPath, ...]) -> str | None:
        """Return a value of the fields of the Run, or else of the records of its first blocks."""
        if value := self.field(paths):
            return value
        first_turn = self.run.turns[0] if self.run.turns else ()
        for block, _ in zip(first_turn, range(FIRST_BLOCKS), strict=False):
            record_fields = block.metadata.raw(FIELDS)
            if isinstance(record_fields, Mapping) and (value := _text(field_of(record_fields, paths))):
                return value
        return None

    def __str__(self) -> str:
        return f"run {self.run_id}"


def _text(value: Any) -> str | None:
    return None if value is None or isinstance(value, (Mapping, list, tuple)) else str(value)


def _plain(value: Any) -> Any:
    """Return a value as a column can hold it: a list of texts as their lines, other lists and objects as they are."""
    if isinstance(value, (list, tuple)) and all(isinstance(item, str) for item in value):
        return "\n".join(value)
    return value


def field_columns(names: Iterable[str] | str) -> tuple[Column, ...]:
    """Return a column `fields.<name>` for each of these fields of a Run; "a.b" is the field b of a."""
    field_names = (names,) if isinstance(names, str) else tuple(names)
    for name in field_names:
        if not isinstance(name, str):
            raise MisuseError(f"fields= must be names of fields, got {name!r:.60}")

    def value_of(name: str, row: RunRow) -> Any:
        value: Any = row.run.fields
        for part in (name,) if name in value else name.split("."):
            value = value.get(part) if isinstance(value, Mapping) else None
        return _plain(value)

    return tuple(
        Column(f"fields.{name}", lambda row, name=name: value_of(name, row), doc="field of the source")  # type: ignore[misc]
        for name in field_names
    )


RUN: tuple[Column, ...] = NamedColumns(
    "RUN",
    (
        Column("name", lambda row: row.name, "string", doc="name of the Run: its title, or its sample"),
        Column("task", lambda row: row.field(TASK), "string", doc="task or data set"),
        Column("sample", lambda row: row.sample, "string", doc="id of the sample in its task"),
        Column("epoch", lambda row: row.epoch, "Int64", doc="number of the attempt at the sample"),
        Column("agent", lambda row: row.agent, "string", doc="program that made the conversation"),
        Column("agent_version", lambda row: row.record_field(VERSION), "string", doc="its version"),
        Column("models", lambda row: row.models, "string", doc="models of its calls, separated by commas"),
        Column("success", lambda row: row.outcome.success, "boolean", doc="success, where the source says so"),
        Column("reward", lambda row: row.outcome.reward, "Float64", doc="reward"),
        Column(
            "scores", lambda row: dict(row.outcome.scores) or None, "json", doc="each score has a column score.<name>"
        ),
        Column("error", lambda row: row.error, "string", doc="error that ended the Run"),
        Column("limit", lambda row: row.limit, "string", doc="limit that ended the Run"),
        Column("answer", lambda row: plain_text(row.outcome.answer), "string", doc="answer that was scored"),
        Column("target", lambda row: plain_text(row.outcome.target), "string", doc="answer that was expected"),
        Column("labels", lambda row: row.labels, "string", doc="labels of the Run, separated by commas"),
        Column(
            "status", lambda row: row.run.latest.metadata.get(STATUS), "category", doc="status of its last execution"
        ),
        Column("stop_reason", lambda row: row.stop_reason, "string", doc="stop reason of its last model call"),
        Column("turns", lambda row: len(row.run), "Int64", unit="Turns", doc="number of Turns"),
        Column("blocks", lambda row: sum(len(v.blocks) for v in row.visits), "Int64", unit="blocks", doc="its blocks"),
        Column("inferences", lambda row: row.inference_count, "Int64", unit="model calls", doc="its model calls"),
        Column("tool_calls", lambda row: len(row.tool_calls), "Int64", unit="calls", doc="its tool calls"),
        Column(
            "failed", lambda row: sum(c.failed for c in row.tool_calls), "Int64", unit="calls", doc="failed tool calls"
        ),
        *TOKEN_COLUMNS,
        Column("cost", lambda row: total_cost(row.inferences), "Float64", unit="USD", doc="price of its model calls"),
        Column(
            "cost_source",
            lambda row: cost_source_of(row.inferences),
            "category",
            categories=COST_SOURCES,
            doc="as in turns",
        ),
        Column("started", lambda row: row.times[0] if row.times else None, "time", doc="time of its first block"),
        Column(
            "ended", lambda row: row.times[-1] if len(row.times) > 1 else None, "time", doc="time of its last block"
        ),
        Column("duration_ms", lambda row: row.duration_ms, "Int64", unit="ms", doc="time it took"),
        Column("format", lambda row: row.format, "category", doc="format of its source"),
        Column("cwd", lambda row: row.record_field(DIRECTORY), "string", doc="working directory of the agent"),
        RUN_ID,
        SESSION_ID,
        *LINK_COLUMNS,
        FILE,
    ),
)


def plain_text(value: Any) -> str | None:
    from .arrow_arrays import to_json

    value = _plain(value)
    return value if value is None or isinstance(value, str) else to_json(value)


class RunBuilder(FrameBuilder):
    """A row for each Run."""

    def begin(self, traversal: Traversal) -> None:
        self._traversal = traversal

    def end(self) -> None:
        traversal = self._traversal
        run = traversal.source.run
        visit = traversal.visits[-1] if traversal.visits else TurnVisit(traversal.source, run.latest, 0, "", 0, True)
        self.buffer.add(RunRow(visit, traversal.visits, tool_call_rows(traversal), traversal.label_index))
