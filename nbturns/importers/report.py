"""What an importer did with a transcript: nothing is lost without a word."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Self

from ..errors import LoadError


class Note(str):
    """One remark, "file: position: what". It reads as that text, and has the three apart."""

    __slots__ = ("file", "position", "what")
    file: str
    position: str
    what: str

    def __new__(cls, what: str, position: str = "", file: str = "") -> Self:
        made = super().__new__(cls, ": ".join(part for part in (file, position, what) if part))
        made.file, made.position, made.what = file, position, what
        return made

    def __reduce__(self) -> tuple[Any, ...]:
        return Note, (self.what, self.position, self.file)


@dataclass(frozen=True, slots=True)
class ImportReport:
    """`read` counts the records of the source, `blocks` what became of them.

    `guessed` says what was not written there and was assumed, `unknown` which types
    were kept as they are in `other` blocks, `dropped` what was left out and why. Each is a
    `Note`: a text that has its `.file`, `.position` and `.what`.
    """

    format: str
    read: int = 0
    blocks: int = 0
    guessed: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()
    dropped: tuple[str, ...] = ()
    file: str = ""

    @property
    def complete(self) -> bool:
        """Whether all of it was understood: nothing unknown, nothing dropped."""
        return not self.unknown and not self.dropped

    def with_dropped(self, more: tuple[str, ...]) -> ImportReport:
        return replace(self, dropped=(*self.dropped, *more))

    def notes(self) -> Iterator[tuple[str, str]]:
        """Each note with what it is: "guessed", "unknown", "dropped"."""
        for kind in ("guessed", "unknown", "dropped"):
            for note in getattr(self, kind):
                yield kind, note

    def to_df(self) -> Any:
        """A pandas DataFrame with a row a note: what it is, file, position, and what it says."""
        from ..frames.report_frame import notes_df

        return notes_df(self)

    def _repr_html_(self) -> str:
        from ..html import report_html
        from ..turns import Run

        return report_html(Run(import_report=self))

    def __str__(self) -> str:
        counts = ", ".join(f"{len(getattr(self, kind))} {kind}" for kind in ("guessed", "unknown", "dropped"))
        head = f"{self.format}: {self.read} records read, {self.blocks} blocks made, {counts}"
        return "\n".join((head, *(f"  {kind}: {note}" for kind, note in self.notes())))


class Notes:
    """Takes down what an importer has to say while it reads one conversation.

    `position` is where the conversation begins in its file ("line 3", "" for all of it);
    the places the methods take are within it ("messages[2]"). When strict, a note is a
    LoadError that names the place.
    """

    __slots__ = ("dropped", "file", "format", "guessed", "position", "read", "strict", "unknowns")

    def __init__(self, format: str, file: str = "", position: str = "", *, strict: bool = False) -> None:
        self.format = format
        self.file = file
        self.position = position
        self.strict = strict
        self.read = 0  # records of the source
        self.guessed: list[Note] = []
        self.unknowns: list[Note] = []
        self.dropped: list[Note] = []

    def guess(self, place: str, message: str) -> None:
        """What was not written there and is assumed."""
        self._take(self.guessed, place, message)

    def unknown(self, place: str, message: str) -> None:
        """What is not understood, and kept as it is."""
        self._take(self.unknowns, place, message)

    def drop(self, place: str, reason: str) -> None:
        """What is left out, and why."""
        self._take(self.dropped, place, reason)

    def refusal(self, place: str, message: str) -> LoadError:
        """The error to raise for what no Run can be made of."""
        return LoadError(message, file=self.file, position=self.at(place))

    def at(self, place: str) -> str:
        return ", ".join(part for part in (self.position, place) if part)

    def _take(self, notes: list[Note], place: str, message: str) -> None:
        if self.strict:
            raise self.refusal(place, message)
        notes.append(Note(message, self.at(place), self.file))

    def report(self, blocks: int) -> ImportReport:
        return ImportReport(
            self.format,
            self.read,
            blocks,
            tuple(self.guessed),
            tuple(self.unknowns),
            tuple(self.dropped),
            self.file,
        )
