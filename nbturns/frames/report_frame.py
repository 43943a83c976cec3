"""The frame of reports: a row for each imported conversation, with what its importer did not take as it is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..packages import require
from .columns import Column
from .joined import FILE, RUN_ID
from .maker import Maker
from .walk import Place, Row, Walk

if TYPE_CHECKING:
    import pandas as pd

    from ..importers import ImportReport

MOST = 20  # notes that are written out


@dataclass(slots=True, eq=False)
class ReportRow(Row):
    """What a column of `reports` reads: `report` is the Run's `import_report`."""

    report: Any

    @property
    def notes(self) -> str | None:
        """What was guessed, kept as it is, or left out; one a line, the first few of them."""
        said = [*self.report.guessed, *self.report.unknown, *self.report.dropped]
        more = [f"and {len(said) - MOST} more"] if len(said) > MOST else []
        return "\n".join([*said[:MOST], *more]) or None


REPORT: tuple[Column, ...] = (
    RUN_ID,
    Column("format", lambda row: row.report.format, "category", doc="what it was read as"),
    Column("read", lambda row: row.report.read, "Int64", unit="records", doc="records of the source"),
    Column("blocks", lambda row: row.report.blocks, "Int64", unit="blocks", doc="what became of them"),
    Column(
        "guessed", lambda row: len(row.report.guessed), "Int64", unit="notes", doc="what was not written and is assumed"
    ),
    Column("unknown", lambda row: len(row.report.unknown), "Int64", unit="notes", doc="what is kept as it is"),
    Column("dropped", lambda row: len(row.report.dropped), "Int64", unit="notes", doc="what is left out"),
    Column("notes", lambda row: row.notes, "string", doc="all that in words, a line each"),
    FILE,
)


class ReportMaker(Maker):
    """A row for each Run that came from another program's file."""

    def begin(self, walk: Walk) -> None:
        if walk.source.run.import_report is not None:
            nowhere = Place(walk.source, walk.source.run.latest, 0, "", 0, grown=True)
            self.sheet.add(ReportRow(nowhere, walk.source.run.import_report))


def notes_df(report: ImportReport) -> pd.DataFrame:
    """One report as a frame: a row a note, with what it is ("guessed", "unknown", "dropped") and where it stands."""
    require("pandas")
    import pandas as pd

    rows = [
        (kind, getattr(note, "file", report.file), getattr(note, "position", ""), getattr(note, "what", str(note)))
        for kind, note in report.notes()
    ]
    return pd.DataFrame(rows, columns=["kind", "file", "position", "what"])
