"""Labels that people give to Runs and blocks, kept in their metadata."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime
from typing import Any, TypeVar

from ..errors import MisuseError
from .blocks import Block
from .metadata import Key
from .turns import Run

Labelled = TypeVar("Labelled", Run, Block)


@dataclass(frozen=True, slots=True, kw_only=True)
class Label:
    """A label, with a note, its author and its time (ISO, UTC)."""

    label: str
    note: str = ""
    by: str = ""
    at: str = ""

    def to_dict(self) -> dict[str, Any]:
        return {item.name: value for item in fields(self) if (value := getattr(self, item.name))}

    @classmethod
    def from_dict(cls, label_fields: Any) -> Label:
        """Return the label of a dict from `to_dict`; unknown names are left out."""
        return cls(**{item.name: str(label_fields[item.name]) for item in fields(cls) if item.name in label_fields})


LABELS: Key[list[Label]] = Key("nbturns.labels@v1", list[Label])  # on a Run or a block


def label(run_or_block: Labelled, label: str, note: str = "", by: str = "") -> Labelled:
    """Return the Run or the block with a label in its metadata; nothing is written to a file.

    `nt.labels("labels.jsonl")` keeps labels beside files that are not to be changed.
    """
    return with_labels(run_or_block, (new_label(label, note, by),))


def new_label(label: str, note: str = "", by: str = "") -> Label:
    """Return a label of now. Raises MisuseError for a label that is not a text."""
    if not isinstance(label, str) or not label.strip():
        raise MisuseError(f'a label must be a text like "wrong tool", got {label!r:.60}')
    if not isinstance(note, str) or not isinstance(by, str):
        raise MisuseError(f"note and by must be texts, got {note!r:.60} and {by!r:.60}")
    return Label(label=label, note=note, by=by, at=datetime.now(UTC).isoformat(timespec="seconds"))


def with_labels(run_or_block: Labelled, labels: tuple[Label, ...]) -> Labelled:
    """Return the Run or the block with more labels; a label that it has already is not added."""
    if not isinstance(run_or_block, (Run, Block)):
        raise MisuseError(f"expected a Run or a Block, got {type(run_or_block).__name__}: {run_or_block!r:.60}")
    known_labels: tuple[Label, ...] = labels_of(run_or_block)
    merged_labels = list(dict.fromkeys((*known_labels, *labels)))
    if len(merged_labels) == len(known_labels):
        return run_or_block
    return replace(run_or_block, metadata=run_or_block.metadata.with_(LABELS, merged_labels))


def labels_of(run_or_block: Run | Block) -> tuple[Label, ...]:
    """Return the labels in the metadata of a Run or a block, oldest first."""
    if not len(run_or_block.metadata):
        return ()
    labels: list[Label] | None = run_or_block.metadata.get(LABELS)
    return tuple(labels or ())
