"""One file of a library as entries of the index; also in other processes."""

from __future__ import annotations

from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path
from typing import Any

from ..errors import LoadError
from ..files import read_runs_of_file
from ..importers import pause_gc
from ..search.summaries import new_blocks, summary_of
from ..search.words import block_facets, block_time, model_of, name_parts, searchable_text
from ..values.portable import escape_surrogates
from ..values.turns import Run

NO_TRANSCRIPT = "no format matches"  # in the reason of a LoadError: the file is something else


@dataclass(frozen=True, slots=True)
class IndexedRun:
    """A Run of a file, as the index has it.

    `entries` are the fields of entries without the number of the Run, each with the parts of the names in its text.
    Plain tuples are passed between processes in half the time of named ones.
    """

    own_id: str
    format: str
    summary: dict[str, Any]
    entries: list[tuple[Any, ...]]


@dataclass(frozen=True, slots=True)
class IndexedFile:
    """The Runs of a file; `problems` are those of the parts that could not be read."""

    digest: bytes
    runs: list[IndexedRun] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    @property
    def is_transcript(self) -> bool:
        return bool(self.runs) or not any(NO_TRANSCRIPT in problem for problem in self.problems)


def file_digest(path: Path) -> bytes:
    """Return a digest of the content of a file."""
    digest = blake2b(digest_size=16)
    with path.open("rb") as file:
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    return digest.digest()


def index_file(path: Path) -> IndexedFile:
    """Read a file. Problems of the file are part of the result."""
    try:
        indexed_file = IndexedFile(file_digest(path))
    except OSError as error:
        return IndexedFile(b"", problems=[f"the file cannot be read: {error.strerror}"])
    with pause_gc():
        for run in read_runs_of_file(path, texts_only=True):
            if isinstance(run, LoadError):
                position = f"{run.position}: " if run.position else ""
                indexed_file.problems.append(f"{position}{run.reason}")
            else:
                indexed_file.runs.append(_index_run(run))
    return indexed_file


def _index_run(run: Run) -> IndexedRun:
    tool_names: dict[str, str] = {}
    entries: list[tuple[Any, ...]] = []
    blocks = list(new_blocks(run))
    times = [block_time(block) for _, _, block in blocks]
    for (turn_index, block_index, block), time in zip(blocks, times, strict=True):
        tool = ""
        if block.kind in ("tool_call", "tool_use"):
            call_id = block.tool_call_id
            if block.kind == "tool_call":
                tool_names[call_id] = block.name
            tool = tool_names.get(call_id, "")
        text = searchable_text(block)
        entries.append((
            turn_index, block_index, None, block.id, block.kind, tool, model_of(block), time,
            block_facets(block, tool), escape_surrogates(text), name_parts(text),
        ))  # fmt: skip
    report_format = getattr(run.import_report, "format", "nbturns")
    summary = summary_of(run, [block for _, _, block in blocks], times)
    return IndexedRun(run.id, report_format, summary, entries)
