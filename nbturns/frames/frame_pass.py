"""One pass over Runs that builds any of the frames, and keeps the finished rows when it has to end early."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from ..errors import DecodeError, LoadError
from ..render.readable_values import without_unreadable_values
from ..values.failure_rules import FailureRule, failure_rule
from ..values.provenance import PARENT_TOOL_CALL, ROOT_RUN
from .argument_columns import spread_scores
from .block_frame import BLOCK, BlockBuilder
from .builder import FrameBuilder
from .column_buffer import ColumnBuffer
from .columns import Column
from .context_frame import CONTEXT, ContextBuilder
from .copies import Copies, CopyKeys, DuplicateMarks
from .decision_frame import DECISION, DecisionBuilder
from .fast import dispatch
from .inference_frame import INFERENCE, InferenceBuilder
from .label_file import LabelIndex, Labels
from .label_frame import LABEL, LabelBuilder
from .problem_frame import PROBLEM, ProblemBuilder
from .report_frame import REPORT, ReportBuilder
from .run_frame import RUN, RunBuilder
from .snapshot_frame import SNAPSHOT, SNAPSHOT_KEYS, SnapshotBuilder
from .sources import NO_LINKS, RunIds, RunLinks, RunSource, StoredRun
from .summary_rows import summary_builder
from .tool_call_frame import TOOL_CALL, ToolCallBuilder
from .traversal import Traversal
from .turn_frame import TURN, TurnBuilder

if TYPE_CHECKING:
    import pyarrow as pa

ERROR: tuple[Column, ...] = (
    Column("file", lambda row: row.file or None, "string", doc="path of the file, if there is one"),
    Column("position", lambda row: row.position or None, "string", doc="position in the file"),
    Column("reason", lambda row: row.reason, "string", doc="the problem"),
)

COLUMNS: dict[str, tuple[Column, ...]] = {
    "blocks": BLOCK,
    "turns": TURN,
    "inferences": INFERENCE,
    "tool_calls": TOOL_CALL,
    "snapshots": SNAPSHOT,
    "reports": REPORT,
    "errors": ERROR,
}
ALL_COLUMNS: dict[str, tuple[Column, ...]] = {
    **COLUMNS,
    "runs": RUN,
    "problems": PROBLEM,
    "labels": LABEL,
    "decisions": DECISION,
}  # with those not in `read`
OWN_COLUMNS = {**ALL_COLUMNS, "context": CONTEXT}
BUILDERS: dict[str, type[FrameBuilder]] = {
    "runs": RunBuilder,
    "problems": ProblemBuilder,
    "labels": LabelBuilder,
    "decisions": DecisionBuilder,
    "context": ContextBuilder,
    "turns": TurnBuilder,
    "inferences": InferenceBuilder,
    "tool_calls": ToolCallBuilder,
    "snapshots": SnapshotBuilder,
    "reports": ReportBuilder,
}


@dataclass(frozen=True, slots=True)
class RowRules:
    """The rules of a pass that change its rows.

    Without `prices`, imported calls have the costs of their files alone. `failed` is the rule for failed tool calls,
    `labels` a file of labels. With `summary`, the rows of Runs are taken from the summaries that files have.
    """

    prices: bool = True
    failed: str | re.Pattern[str] | FailureRule | None = None
    labels: Labels | None = None
    summary: bool = False

    def __post_init__(self) -> None:
        failure_rule(self.failed)  # raises for an invalid rule

    @property
    def mark(self) -> str:
        """A text that differs for rules that give other rows."""
        from ..values.price_tables import genai_table

        price_mark = genai_table() if self.prices else "without prices"
        price_mark += " summary" if self.summary else ""
        return price_mark if self.failed is None else f"{price_mark} failed={self.failed!r}"


def _unpickled_request(columns: Mapping[str, tuple[Column | str, ...]], *options: Any) -> FrameRequest:
    own_columns = {name: {column.name: column for column in OWN_COLUMNS[name]} for name in columns}
    return FrameRequest(
        {
            name: tuple(own_columns[name][column] if isinstance(column, str) else column for column in frame_columns)
            for name, frame_columns in columns.items()
        },
        *options,
    )


@dataclass(frozen=True, slots=True)
class FrameRequest:
    """The frames that a pass is to build, and their columns; `strict` ends it at the first error."""

    columns: Mapping[str, tuple[Column, ...]]
    repeat: bool = False
    strict: bool = True
    rules: RowRules = RowRules()

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle our columns by name: in another process they are its own, as in this one."""
        columns = {
            name: tuple(column.name if column in OWN_COLUMNS[name] else column for column in columns)
            for name, columns in self.columns.items()
        }
        return _unpickled_request, (columns, self.repeat, self.strict, self.rules)

    def builder(self, name: str) -> FrameBuilder:
        columns = self.columns[name]
        if name == "runs" and self.rules.summary and (summary := summary_builder(columns)) is not None:
            return summary
        if name != "blocks":
            return BUILDERS[name](columns)
        needs_rows = self.repeat or self.rules.labels is not None
        builder = dispatch.vector_builder(columns, repeat=needs_rows)
        return BlockBuilder(columns, repeat=self.repeat) if builder is None else builder

    @property
    def has_standard_columns(self) -> bool:
        """True if all columns and rules are those of this package, so that another process can compute them."""
        has_known_rule = self.rules.labels is None and not callable(self.rules.failed)
        return has_known_rule and all(
            set(ALL_COLUMNS[name]).issuperset(columns) for name, columns in self.columns.items()
        )

    @property
    def needs_values(self) -> bool:
        """True if functions of the user take rows: these may use the Runs and the Turns of their rows."""
        return callable(self.rules.failed) or any(
            not set(OWN_COLUMNS[name]).issuperset(columns) for name, columns in self.columns.items()
        )

    def finish(self, result: FrameTables, duplicates: DuplicateMarks, *, spread: bool = True) -> FrameTables:
        """Reduce the tables of a result to the requested columns, and mark the possible duplicates.

        With `spread` each score of a Run has its column.
        """
        for name, columns in self.columns.items():
            column_names = [column.name for column in columns]
            if result.tables[name].column_names != column_names:
                result.tables[name] = result.tables[name].select(column_names)
        duplicates.mark(result.tables)
        if spread and "runs" in result.tables:
            result.tables["runs"] = spread_scores(result.tables["runs"])
        return result


@dataclass(slots=True)
class FrameTables:
    """The tables of a pass by frame; `objects` are the values of the columns that Arrow has no type for.

    `copy_keys` are the keys of the Runs of a file that was read by itself.
    """

    tables: dict[str, pa.Table]
    objects: dict[str, dict[str, list[Any]]] = field(default_factory=dict)
    copy_keys: CopyKeys = field(default_factory=CopyKeys.empty)


class FramePass:
    """Visits each Turn of Runs once, for all requested frames."""

    def __init__(self, request: FrameRequest, run_ids: RunIds | None = None, copies: Copies | None = None) -> None:
        self.request = request
        self.run_ids: RunIds = RunIds() if run_ids is None else run_ids
        self.copies: Copies = Copies() if copies is None else copies
        self._failure_rule = failure_rule(request.rules.failed)
        self._label_index = None if request.rules.labels is None else LabelIndex(request.rules.labels)
        self.builders: dict[str, FrameBuilder] = {
            name: request.builder(name) for name in request.columns if name != "errors"
        }
        self.record_frames = dispatch.record_frames(self.builders, request)
        self.errors: ColumnBuffer = ColumnBuffer(ERROR)
        self.has_listed_problems = False  # of the current file: a library lists what cannot be read in it

    @property
    def row_count(self) -> int:
        """The number of rows in all frames."""
        return sum(self.row_counts().values())

    def row_counts(self) -> dict[str, int]:
        """Return the number of rows by frame."""
        counts = {name: len(builder) for name, builder in self.builders.items()}
        if self.record_frames is not None:
            counts = {name: count + self.record_frames.waiting_rows(name) for name, count in counts.items()}
        return {**counts, "errors": len(self.errors)}

    def _finish_records(self) -> None:
        if self.record_frames is not None:
            self.record_frames.flush()

    def stored_source(self, stored: StoredRun) -> RunSource:
        """Return a stored Run as this pass needs it: as records, or as values for functions of the user."""
        snapshot_keys = SNAPSHOT_KEYS if "snapshots" in self.builders else None
        return stored.source(snapshot_keys, as_record=not self.request.needs_values)

    def add_run(self, source: RunSource) -> None:
        """Add the rows of one Run to every frame, or to none of them.

        Metadata of a wrong type is missing in the rows, and a row in the errors; strict, it is a DecodeError.
        """
        self._finish_records()
        run_id = self.run_ids.assign(source.id, source.file, source.label, source.position)
        if not self.request.strict:
            run, names = without_unreadable_values(source.run)
            if names:
                reason = f"metadata of a wrong type is left out: {', '.join(names)}"
                self.add_error(LoadError(reason, file=source.file, position=f"run {run_id}"))
                source = replace(source, run=run)
        try:
            self._add_rows(source, run_id)
        except DecodeError as error:
            if self.request.strict:
                raise DecodeError(
                    f"{error}; nt.frames.read counts the Run without this value", key=error.key
                ) from error
            self.add_error(LoadError(str(error), file=source.file, position=f"run {run_id}"))

    def _add_rows(self, source: RunSource, run_id: str) -> None:
        links = self._links(source, run_id)
        if run_id != source.id or links is not NO_LINKS:
            source = replace(source, id=run_id, links=links)
        traversal = Traversal(source, self.copies, self._failure_rule, self._label_index)
        builders = tuple(self.builders.values())
        for builder in builders:
            builder.mark()
        try:
            for builder in builders:
                builder.begin(traversal)
            for visit in traversal:
                for builder in builders:
                    builder.visit(visit)
            for builder in builders:
                builder.end()
        except BaseException:  # also for an interrupt: no Run is in one frame and missing in another
            for builder in builders:
                builder.roll_back()
            raise

    def _links(self, source: RunSource, run_id: str) -> RunLinks:
        """Return the links of a Run; `run_ids` knows the Runs whose ids were changed, and the roots of earlier Runs."""
        metadata = source.run.metadata
        if run_id != source.id:
            self.run_ids.changed[source.file, source.id] = run_id
        parent = source.run.parent_id if len(metadata) else ""
        if not parent:
            return NO_LINKS
        parent = self._linked_id(source, parent)
        root = metadata.raw(ROOT_RUN)
        root = (
            self._linked_id(source, root) if isinstance(root, str) and root else self.run_ids.roots.get(parent, parent)
        )
        self.run_ids.roots[run_id] = root
        tool_call = metadata.raw(PARENT_TOOL_CALL)
        return RunLinks(parent, tool_call if isinstance(tool_call, str) else "", root)

    def _linked_id(self, source: RunSource, run_id: str) -> str:
        linked_id = source.linked_id(run_id)
        return self.run_ids.changed.get((source.file, linked_id), linked_id)

    def add_error(self, error: LoadError) -> None:
        """Add a row to the frame of errors. Raises `error` itself where the pass is strict, unless a library lists it."""
        if not self.request.strict:
            self.errors.add(error)
        elif not self.has_listed_problems:
            raise error

    def result(self) -> FrameTables:
        """Return the tables of all rows so far."""
        self._finish_records()
        result = FrameTables({})
        for name, builder in self.builders.items():
            result.tables[name], result.objects[name] = builder.table()
        result.tables["errors"], _ = self.errors.table()
        return result


def concatenated(results: Iterable[FrameTables]) -> FrameTables:
    """Return the tables of several passes as one, in their order."""
    import pyarrow as pa

    result_list = list(results)
    if len(result_list) == 1:
        return result_list[0]
    tables = {
        name: pa.concat_tables([result.tables[name] for result in result_list]).unify_dictionaries()
        for name in result_list[0].tables
    }
    names = {
        (frame, column) for result in result_list for frame, columns in result.objects.items() for column in columns
    }
    objects: dict[str, dict[str, list[Any]]] = {frame: {} for frame in tables}
    for frame, column in names:
        objects[frame][column] = [value for result in result_list for value in _objects(result, frame, column)]
    return FrameTables(tables, objects)


def _objects(result: FrameTables, frame: str, column: str) -> list[Any]:
    if column in result.objects.get(frame, {}):
        return result.objects[frame][column]
    return [None] * len(result.tables[frame])
