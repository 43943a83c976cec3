"""The frame of labels: a row for each label of a Run or a block."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..values.label_values import Label, labels_of
from ..values.turns import Block
from .backends import as_backend, checked_backend
from .builder import FrameBuilder
from .column_buffer import ColumnBuffer
from .columns import Column, NamedColumns
from .label_file import LabelIndex, Labels, digest_of
from .shared_columns import FILE, RUN_ID, block_id_column
from .traversal import Row, Traversal, TurnVisit


@dataclass(slots=True, eq=False)
class LabelRow(Row):
    """The row of a column of `labels`; `block` is None for a label of a whole Run."""

    label: Label
    block: Block | None = None
    block_index: int | None = None

    @property
    def digest(self) -> str | None:
        """Digest of the content of the labelled block; None for a label of a Run."""
        return digest_of(self.block) if self.block is not None else None

    @property
    def labelled_turn_index(self) -> int | None:
        """Index of the Turn of the labelled block; None for a label of a Run."""
        return self.turn_index if self.block is not None else None


LABEL: tuple[Column, ...] = NamedColumns(
    "LABEL",
    (
        Column("label", lambda row: row.label.label, "string", doc="the label"),
        Column("note", lambda row: row.label.note or None, "string", doc="the note on it"),
        Column("by", lambda row: row.label.by or None, "string", doc="its author"),
        Column("at", lambda row: row.label.at or None, "string", doc="its time, ISO and UTC"),
        RUN_ID,
        Column("turn_index", lambda row: row.labelled_turn_index, "Int64", doc="index of the Turn; NA for a Run"),
        Column("block_index", lambda row: row.block_index, "Int64", doc="index of the block in it; NA for a Run"),
        block_id_column("id of the block, as in `blocks`; NA for a Run"),
        Column("digest", lambda row: row.digest, "string", doc="digest of the content of the block; NA for a Run"),
        FILE,
    ),
)


class LabelBuilder(FrameBuilder):
    """A row for each label of each Run and of each of its blocks: in their metadata, and in a file of labels."""

    def begin(self, traversal: Traversal) -> None:
        self._index = traversal.label_index
        source = traversal.source
        visit = TurnVisit(source, source.run.latest, 0, "", 0, extends_previous=True)
        for label in run_labels(source.run, source.id, self._index):
            self.buffer.add(LabelRow(visit, label))

    def visit(self, visit: TurnVisit) -> None:
        for new in visit.blocks:
            place = (visit.source.id, visit.turn_index, new.index)
            for label in block_labels(new.block, place, self._index):
                self.buffer.add(LabelRow(visit, label, new.block, new.index))


def run_labels(run: Any, run_id: str, index: LabelIndex | None) -> tuple[Label, ...]:
    """Return the labels of a Run: in its metadata, and in a file of labels."""
    labels = labels_of(run)
    return labels if index is None else tuple(dict.fromkeys((*labels, *index.of_run(run_id))))


def block_labels(block: Block, place: tuple[str, int, int], index: LabelIndex | None) -> tuple[Label, ...]:
    """Return the labels of a block at this run id, turn index and block index."""
    labels = labels_of(block)
    return labels if index is None else tuple(dict.fromkeys((*labels, *index.of_block(*place, block))))


def labels_frame(labels: Labels, backend: str) -> Any:
    """Return the frame of the labels of a file alone."""
    checked_backend(backend)
    buffer = ColumnBuffer(LINE_COLUMNS)
    for line in labels.lines():
        buffer.add(line)
    table, objects = buffer.table()
    return as_backend(table, backend, objects)


LINE_COLUMNS: tuple[Column, ...] = (
    Column("label", lambda line: line.label.label, "string", doc="the label"),
    Column("note", lambda line: line.label.note or None, "string", doc="the note on it"),
    Column("by", lambda line: line.label.by or None, "string", doc="its author"),
    Column("at", lambda line: line.label.at or None, "string", doc="its time, ISO and UTC"),
    Column("run_id", lambda line: line.run_id or None, "string", doc="id of the Run; NA for a block of any Run"),
    Column("turn_index", lambda line: line.turn_index, "Int64", doc="index of the Turn; NA for a Run"),
    Column("block_index", lambda line: line.block_index, "Int64", doc="index of the block in it; NA for a Run"),
    Column("digest", lambda line: line.digest or None, "string", doc="digest of the content of the block"),
)
