"""Import reports: the assumptions of an importer, and the values it did not understand or left out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any, Self

from ...errors import LoadError
from ...safety.visible_text import printable, printable_repr

NOTE_LISTS = ("guessed", "unknown", "dropped")


def join_positions(*positions: str) -> str:
    """Return the position of a value in a larger one: "line 3" and "messages[2]" are "line 3, messages[2]"."""
    return ", ".join(position for position in positions if position)


class Note(str):
    """A note of an import report: the text "file: position: what", with its three parts as attributes."""

    __slots__ = ("file", "position", "what")
    file: str
    position: str
    what: str

    def __new__(cls, what: str, position: str = "", file: str = "") -> Self:
        note = super().__new__(cls, ": ".join(note_part for note_part in (file, position, what) if note_part))
        note.file, note.position, note.what = file, position, what
        return note

    def __reduce__(self) -> tuple[Any, ...]:
        return Note, (self.what, self.position, self.file)


@printable_repr
@dataclass(frozen=True, slots=True)
class ImportReport:
    """The report of one conversation. `read` counts the records of the source, `blocks` the blocks made of them.

    `guessed` lists assumptions about values that the file lacks, `unknown` values that are kept as they
    are in `other` blocks, `dropped` values that are left out, with the reason. Each is a `Note`: a text with the
    attributes `file`, `position` and `what`.
    """

    format: str
    read: int = 0
    blocks: int = 0
    guessed: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()
    dropped: tuple[str, ...] = ()
    file: str = ""
    has_run_id: bool = field(default=True, repr=False, compare=False)  # false when the source has no id for the Run

    @property
    def complete(self) -> bool:
        """True when all of the conversation was understood: nothing unknown, nothing dropped."""
        return not self.unknown and not self.dropped

    def with_dropped(self, notes: tuple[str, ...]) -> ImportReport:
        """Return a report with more dropped notes."""
        return replace(self, dropped=(*self.dropped, *notes))

    def notes(self) -> Iterator[tuple[str, str]]:
        """Yield each note with the name of its list: "guessed", "unknown", "dropped"."""
        for list_name in NOTE_LISTS:
            for note in getattr(self, list_name):
                yield list_name, note

    def to_df(self) -> Any:
        """Return a pandas DataFrame with a row for each note: kind, file, position, what."""
        from ...frames.report_frame import notes_df

        return notes_df(self)

    def _repr_html_(self) -> str:
        from ...render.html import report_html
        from ...values.turns import Run

        return report_html(Run(import_report=self))

    @printable
    def __str__(self) -> str:
        counts = ", ".join(f"{len(getattr(self, list_name))} {list_name}" for list_name in NOTE_LISTS)
        summary = f"{self.format}: {self.read} records read, {self.blocks} blocks made, {counts}"
        return "\n".join((summary, *(f"  {list_name}: {note}" for list_name, note in self.notes())))


class Notes:
    """The notes of one conversation while it is read.

    A position is the path of a value in its file, such as "line 3, messages[2].content[0]".
    `position` is that of the conversation ("line 3", "" for all of the file); the methods take
    positions within the conversation ("messages[2].content[0]"). When `strict`, each note is
    raised as a LoadError instead.
    """

    __slots__ = (
        "dropped",
        "file",
        "format",
        "guessed",
        "owns_values",
        "position",
        "prices",
        "record_count",
        "strict",
        "texts_only",
        "unknown",
    )

    def __init__(self, format: str, file: str = "", position: str = "", *, strict: bool = False) -> None:
        self.format: str = format
        self.file: str = file
        self.position: str = position
        self.strict: bool = strict
        self.owns_values: bool = False  # the values were parsed for this import, so nobody else can change them
        self.prices: bool = False  # the model calls may get their cost by the price table when they are made
        self.texts_only: bool = False  # for a search: what is neither text nor time nor model call may be left out
        self.record_count: int = 0  # records of the source
        self.guessed: list[Note] = []
        self.unknown: list[Note] = []
        self.dropped: list[Note] = []

    def add_guess(self, position: str, message: str) -> None:
        """Report an assumption about a value that the file lacks."""
        self._add(self.guessed, position, message)

    def add_unknown(self, position: str, message: str) -> None:
        """Report a value that the importer does not understand and keeps as it is."""
        self._add(self.unknown, position, message)

    def add_dropped(self, position: str, message: str) -> None:
        """Report a value that the importer leaves out, with the reason."""
        self._add(self.dropped, position, message)

    def load_error(self, position: str, message: str) -> LoadError:
        """Return the error to raise for a conversation that cannot be read at all."""
        return LoadError(message, file=self.file, position=join_positions(self.position, position))

    def _add(self, notes: list[Note], position: str, message: str) -> None:
        if self.strict:
            raise self.load_error(position, message)
        notes.append(Note(message, join_positions(self.position, position), self.file))

    def report(self, block_count: int) -> ImportReport:
        """Return the report of the conversation, which became `block_count` blocks."""
        return ImportReport(
            self.format,
            self.record_count,
            block_count,
            tuple(self.guessed),
            tuple(self.unknown),
            tuple(self.dropped),
            self.file,
        )
