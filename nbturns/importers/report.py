"""What an importer did with a transcript: nothing is lost without a word."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ImportReport:
    """`read` counts the records of the source, `blocks` what became of them.

    `guessed` says what was not written there and was assumed, `unknown` which types
    were kept as they are in `other` blocks, `dropped` what was left out and why.
    """

    format: str
    read: int = 0
    blocks: int = 0
    guessed: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()
    dropped: tuple[str, ...] = ()
