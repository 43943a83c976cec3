"""The origin of the rows of a frame, and the way back to their Turns."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from numbers import Integral
from typing import Any

from ..errors import LoadError, MisuseError
from ..files import read_runs_of_file
from ..values.turns import Run, Turn
from .sources import RunIds, RunSource, SourceFile, StoredRun, are_paths, expand, is_path_input

TurnKey = tuple[str, int, str]  # run id, turn index, file


class Origin(dict[str, Any]):
    """The input of a frame, kept in its `attrs` through filters and sorts.

    For a program that writes `attrs` as JSON it is a small object with the names of the files.
    """

    input: Any = None

    @classmethod
    def of(cls, x: Any) -> Origin | None:
        """Return the origin of a frame of `x`; None for an iterator, which can be read only once."""
        if isinstance(x, Iterator):
            return None
        if not is_path_input(x):
            origin = cls()
            origin.input = list(expand(x))
            return origin
        origin = cls(files=[str(path) for path in ([x] if isinstance(x, (str, os.PathLike)) else x)])
        origin.input = x
        return origin

    def __deepcopy__(self, memo: object) -> Origin:
        return self

    def __copy__(self) -> Origin:
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        return Origin, (dict(self),)


def to_turns(rows: Any, source: Any = None) -> tuple[Turn, ...]:
    """Return the Turns of the rows of any of our frames: whole, once each, in order.

    `rows` is a frame of any backend, filtered as you like, or a single row; it needs its
    `run_id` and `turn_index`. The Turns are taken from the input of the frame, which is stored with
    it, or from the files in its `file` column; pass `source` where it has neither. Raises
    MisuseError for a frame without these columns, LoadError for a Turn that is not found.
    """
    keys = _turn_keys(rows)
    origin = getattr(rows, "attrs", {}).get("nbturns")
    x = source if source is not None else getattr(origin, "input", None)
    turns: dict[tuple[str, int], Turn] = {}
    for run_ids, run_file, run in _candidate_runs(x, keys):
        for run_id, index, file in keys:
            if run_id in run_ids and file in (run_file, "") and index < len(run):
                turns.setdefault((run_id, index), run[index])
    for run_id, index, _ in keys:
        if (run_id, index) not in turns:
            raise LoadError(
                f"turn {index} of run {run_id!r} is not in the input of this frame; "
                "pass that input, as in nt.frames.to_turns(frame, source)"
            )
    return tuple(turns[run_id, index] for run_id, index, _ in keys)


def at(row: Any, source: Any = None) -> Turn:
    """Return the Turn of a single row, as in `nt.view(nt.frames.at(frame.iloc[3]))`.

    Raises the errors of `to_turns`, and MisuseError for rows of several Turns.
    """
    turns = to_turns(row, source)
    if len(turns) != 1:
        raise MisuseError(f"expected rows of one Turn, got rows of {len(turns)}; pass a single row, like frame.iloc[0]")
    return turns[0]


def _turn_keys(rows: Any) -> list[TurnKey]:
    """Return run id, turn index and file of each Turn of the rows, once each, in order."""
    columns = _columns(rows)
    if "run_id" not in columns or "turn_index" not in columns:
        raise MisuseError("rows without run_id or turn_index have no Turns; keep both columns")
    files = columns.get("file") or [None] * len(columns["run_id"])
    keys: dict[tuple[str, int], str] = {}
    for run_id, index, file in zip(columns["run_id"], columns["turn_index"], files, strict=True):
        if isinstance(run_id, str) and index == index and index is not None:  # noqa: PLR0124  # NaN differs from itself
            keys.setdefault((run_id, int(index)), file if isinstance(file, str) else "")
    return [(run_id, index, file) for (run_id, index), file in keys.items()]


def blocks_by_run(rows: Any) -> dict[tuple[str, str], list[tuple[int, int | None]]]:
    """Return the Turn and block indexes of the rows of each Run, by its id and file, in order."""
    columns = _columns(rows, ("run_id", "turn_index", "block_index", "file"))
    count = len(columns.get("run_id", ()))
    places: dict[tuple[str, str], list[tuple[int, int | None]]] = {}
    missing = [None] * count
    names = (columns.get(name) or missing for name in ("run_id", "turn_index", "block_index", "file"))
    for run_id, turn_index, block_index, file in zip(*names, strict=True):
        if isinstance(run_id, str) and isinstance(turn_index, Integral):
            block = int(block_index) if isinstance(block_index, Integral) else None
            places.setdefault((run_id, file if isinstance(file, str) else ""), []).append((int(turn_index), block))
    return places


def block_indexes(rows: Any) -> list[int]:
    """Return the indexes of the blocks of these rows in their Turns; empty for rows of Turns or model calls."""
    indexes = _columns(rows, ("block_index",)).get("block_index", ())
    return [int(index) for index in indexes if isinstance(index, Integral)]


def _columns(rows: Any, names: tuple[str, ...] = ("run_id", "turn_index", "file")) -> dict[str, list[Any]]:
    """Return the named columns of a pandas, Polars, Arrow or dask frame, or of one row."""
    if hasattr(rows, "compute"):
        rows = rows.compute()
    if hasattr(rows, "to_pydict"):  # Arrow
        return {name: rows.column(name).to_pylist() for name in names if name in rows.column_names}
    if hasattr(rows, "columns"):
        return {
            name: [*rows[name].astype(object)] if hasattr(rows[name], "astype") else rows[name].to_list()
            for name in names
            if name in rows.columns
        }
    if hasattr(rows, "_asdict"):  # a row of itertuples
        rows = rows._asdict()
    if isinstance(rows, Mapping) or hasattr(rows, "index"):  # a row
        return {name: [rows[name]] for name in names if name in (rows if isinstance(rows, Mapping) else rows.index)}
    raise MisuseError(f"expected rows of a frame, got {rows!r:.60}; pass a frame, or one of its rows")


def _candidate_runs(x: Any, keys: list[TurnKey]) -> Iterator[tuple[set[str], str, Run]]:
    """Return the Runs that may have these Turns, each with the ids it may have in a frame, and its file."""
    files = {file for _, _, file in keys}
    if x is None:
        x = sorted(files - {""})
    run_ids = RunIds()
    for part in x if isinstance(x, list) and not are_paths(x) else expand(x):
        if isinstance(part, RunSource):
            yield {run_ids.assign(part.id, "", "", part.position)}, "", part.run
        elif isinstance(part, StoredRun) and any(part.id == run_id for run_id, _, _ in keys):
            yield {part.id}, "", part.source(None, as_record=False).run
        elif isinstance(part, SourceFile) and (str(part.path) in files or "" in files):
            yield from _runs_of_file(part)


def _runs_of_file(file: SourceFile) -> Iterator[tuple[set[str], str, Run]]:
    """Return the Runs of a file; in a frame of many files an id may begin with the name of its file."""
    own_ids, prefixed_ids, position = RunIds(), RunIds(), 0
    for item in read_runs_of_file(file.path, place=file.place):
        run = item.run if isinstance(item, LoadError) else item
        if run is not None:
            run_id = file.run_id(run, position)
            if not position:
                prefixed_ids = RunIds((run_id,))
            all_ids = (own_ids, prefixed_ids)
            yield {ids.assign(run_id, str(file.path), file.label, position) for ids in all_ids}, str(file.path), run
            position += 1
