"""The frame of reports: a row for each imported conversation, with the notes of its importer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..packages import require
from .builder import FrameBuilder
from .columns import Column
from .shared_columns import FILE, RUN_ID
from .traversal import Row, Traversal, TurnVisit

if TYPE_CHECKING:
    import pandas as pd

    from ..importers import ImportReport

NOTE_LIMIT = 20  # notes in the column `notes`


@dataclass(slots=True, eq=False)
class ReportRow(Row):
    """The row of a column of `reports`: `report` is the Run's `import_report`."""

    report: Any

    @property
    def notes(self) -> str | None:
        """The first notes on guessed, unknown and dropped values, one per line."""
        return notes_text([*self.report.guessed, *self.report.unknown, *self.report.dropped])


def notes_text(notes: list[str]) -> str | None:
    """Return the first of some notes, one per line; None without any."""
    remaining = [f"and {len(notes) - NOTE_LIMIT} more"] if len(notes) > NOTE_LIMIT else []
    return "\n".join([*notes[:NOTE_LIMIT], *remaining]) or None


REPORT: tuple[Column, ...] = (
    RUN_ID,
    Column("format", lambda row: row.report.format, "category", doc="format of the source"),
    Column("read", lambda row: row.report.read, "Int64", unit="records", doc="records of the source"),
    Column("blocks", lambda row: row.report.blocks, "Int64", unit="blocks", doc="blocks made of them"),
    Column("guessed", lambda row: len(row.report.guessed), "Int64", unit="notes", doc="notes on assumed values"),
    Column(
        "unknown", lambda row: len(row.report.unknown), "Int64", unit="notes", doc="notes on values kept as they are"
    ),
    Column("dropped", lambda row: len(row.report.dropped), "Int64", unit="notes", doc="notes on values left out"),
    Column("notes", lambda row: row.notes, "string", doc="the notes, one per line"),
    FILE,
)


class ReportBuilder(FrameBuilder):
    """A row for each Run that came from another program's file."""

    def begin(self, traversal: Traversal) -> None:
        run = traversal.source.run
        if run.import_report is not None:
            visit = TurnVisit(traversal.source, run.latest, 0, "", 0, extends_previous=True)
            self.buffer.add(ReportRow(visit, run.import_report))


def notes_df(report: ImportReport) -> pd.DataFrame:
    """Return one report as a frame: a row per note, with its kind ("guessed", "unknown", "dropped"), file and position."""
    require("pandas")
    import pandas as pd

    rows = [
        (kind, getattr(note, "file", report.file), getattr(note, "position", ""), getattr(note, "what", str(note)))
        for kind, note in report.notes()
    ]
    return pd.DataFrame(rows, columns=["kind", "file", "position", "what"])
