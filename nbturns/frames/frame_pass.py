"""One pass over Runs that builds any of the frames, and keeps the finished rows when it has to end early."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from ..errors import DecodeError, LoadError
from ..importers import OURS
from ..values.provenance import BRANCH_OF
from .block_frame import BLOCK, BlockBuilder
from .builder import FrameBuilder
from .column_buffer import ColumnBuffer
from .columns import Column
from .fast import dispatch
from .inference_frame import INFERENCE, InferenceBuilder
from .report_frame import REPORT, ReportBuilder
from .snapshot_frame import SNAPSHOT, SnapshotBuilder
from .sources import RunIds, RunSource
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
BUILDERS: dict[str, type[FrameBuilder]] = {
    "turns": TurnBuilder,
    "inferences": InferenceBuilder,
    "tool_calls": ToolCallBuilder,
    "snapshots": SnapshotBuilder,
    "reports": ReportBuilder,
}


@dataclass(frozen=True, slots=True)
class FrameRequest:
    """The frames that a pass is to build, and their columns; `strict` ends it at the first error."""

    columns: Mapping[str, tuple[Column, ...]]
    repeat: bool = False
    strict: bool = True

    def builder(self, name: str) -> FrameBuilder:
        columns = self.columns[name]
        if name != "blocks":
            return BUILDERS[name](columns)
        builder = dispatch.vector_builder(columns, repeat=self.repeat)
        return BlockBuilder(columns, repeat=self.repeat) if builder is None else builder

    @property
    def has_standard_columns(self) -> bool:
        """True if all columns are those of this package, so that another process can compute them."""
        return all(set(COLUMNS[name]).issuperset(columns) for name, columns in self.columns.items())

    def select(self, result: FrameTables) -> FrameTables:
        """Reduce the tables of a result to the requested columns."""
        for name, columns in self.columns.items():
            column_names = [column.name for column in columns]
            if result.tables[name].column_names != column_names:
                result.tables[name] = result.tables[name].select(column_names)
        return result


@dataclass(slots=True)
class FrameTables:
    """The tables of a pass by frame; `objects` are the values of the columns that Arrow has no type for."""

    tables: dict[str, pa.Table]
    objects: dict[str, dict[str, list[Any]]] = field(default_factory=dict)


class FramePass:
    """Visits each Turn of Runs once, for all requested frames."""

    def __init__(self, request: FrameRequest, run_ids: RunIds | None = None) -> None:
        self.request = request
        self.run_ids = RunIds() if run_ids is None else run_ids
        self.builders = {name: request.builder(name) for name in request.columns if name != "errors"}
        self.errors = ColumnBuffer(ERROR)
        self._conversation = ("", "")
        self._copies: set[tuple[str, ...]] = set()

    @property
    def row_count(self) -> int:
        """The number of rows in all frames."""
        return sum(map(len, self.builders.values())) + len(self.errors)

    def row_counts(self) -> dict[str, int]:
        """Return the number of rows by frame."""
        return {**{name: len(builder) for name, builder in self.builders.items()}, "errors": len(self.errors)}

    def add_run(self, source: RunSource) -> None:
        """Add the rows of one Run to every frame, or to none of them.

        Raises DecodeError for metadata of a wrong type, where the pass is strict.
        """
        run_id = self.run_ids.assign(source.id, source.file, source.label, source.position)
        traversal = Traversal(source if run_id == source.id else replace(source, id=run_id), self._copies_of(source))
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
        except BaseException as error:  # also for an interrupt: no Run is in one frame and missing in another
            for builder in builders:
                builder.roll_back()
            if not isinstance(error, DecodeError) or self.request.strict:
                raise
            self.add_error(LoadError(str(error), file=source.file, position=f"run {source.id}"))

    def _copies_of(self, source: RunSource) -> set[tuple[str, ...]] | None:
        """Return the blocks and model calls of the earlier branches of this conversation; None for our own files."""
        run = source.run
        if not source.file or run.import_report is None or run.import_report.format == OURS:
            return None
        root = run.metadata.raw(BRANCH_OF)
        if root is None or (source.file, root) != self._conversation:
            self._conversation, self._copies = (source.file, str(root or run.id)), set()
        return self._copies

    def add_error(self, error: LoadError) -> None:
        """Add a row to the frame of errors. Raises `error` itself where the pass is strict."""
        if self.request.strict:
            raise error
        self.errors.add(error)

    def result(self) -> FrameTables:
        """Return the tables of all rows so far."""
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
