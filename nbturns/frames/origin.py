"""Where the rows of a frame came from, and the way back to their Turns."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from numbers import Integral
from typing import Any

from ..errors import LoadError, MisuseError
from ..files import each
from ..turns import Run, Turn
from .sources import Claims, File, Source, are_paths, parts


class Origin(dict[str, Any]):
    """What a frame was made of, kept in its `attrs` through filters and sorts.

    To whoever writes `attrs` as JSON it is a small object that names the files.
    """

    given: Any = None

    @classmethod
    def of(cls, given: Any) -> Origin | None:
        """The origin of what was given; None for what can be read but once."""
        if isinstance(given, (str, os.PathLike)) or are_paths(given):
            made = cls(files=[str(one) for one in ([given] if isinstance(given, (str, os.PathLike)) else given)])
        elif isinstance(given, Iterator):
            return None
        else:
            made = cls()
        made.given = list(parts(given)) if not made else given
        return made

    def __deepcopy__(self, memo: object) -> Origin:
        return self

    def __copy__(self) -> Origin:
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        return Origin, (dict(self),)


def to_turns(rows: Any, source: Any = None) -> tuple[Turn, ...]:
    """The Turns that the rows of any of our frames came from: whole, once each, in order.

    `rows` is a frame of any backend, filtered as you like, or a single row; it needs its
    `run_id` and `turn_index`. The Turns are taken from what the frame was made of, which it
    remembers, or from its `file` column; `source` says it where neither is so. Raises
    MisuseError for a frame without these columns, LoadError for a Turn that is not found.
    """
    wanted = _wanted(rows)
    origin = getattr(rows, "attrs", {}).get("nbturns")
    given = source if source is not None else getattr(origin, "given", None)
    found: dict[tuple[str, int], Turn] = {}
    for ids, file, run in _runs(given, wanted):
        for run_of, index, file_of in wanted:
            if run_of in ids and file_of in (file, "") and index < len(run):
                found.setdefault((run_of, index), run[index])
    missing = next(((run, index) for run, index, _ in wanted if (run, index) not in found), None)
    if missing is not None:
        raise LoadError(
            f"turn {missing[1]} of run {missing[0]!r} is not in what this frame was made of; "
            "nt.frames.to_turns(frame, source) takes it from there"
        )
    return tuple(found[run, index] for run, index, _ in wanted)


def at(row: Any, source: Any = None) -> Turn:
    """The Turn a single row came from, to look at: `nt.view(nt.frames.at(frame.iloc[3]))`.

    Raises what `to_turns` raises, and MisuseError for rows of several Turns.
    """
    turns = to_turns(row, source)
    if len(turns) != 1:
        raise MisuseError(f"these rows are of {len(turns)} Turns; name one, like frame.iloc[0]")
    return turns[0]


def _wanted(rows: Any) -> list[tuple[str, int, str]]:
    """Run, place and file of each Turn the rows name, once each, in order."""
    columns = _columns(rows)
    if "run_id" not in columns or "turn_index" not in columns:
        raise MisuseError("rows lead back to their Turns by run_id and turn_index; keep both columns")
    files = columns.get("file") or [None] * len(columns["run_id"])
    found: dict[tuple[str, int], str] = {}
    for run, index, file in zip(columns["run_id"], columns["turn_index"], files, strict=True):
        if isinstance(run, str) and index == index and index is not None:  # noqa: PLR0124  # NaN is not itself
            found.setdefault((run, int(index)), file if isinstance(file, str) else "")
    return [(run, index, file) for (run, index), file in found.items()]


def block_places(rows: Any) -> list[int]:
    """The places of the blocks that rows are of, in their Turns; none for rows of Turns or model calls."""
    return [
        int(place) for place in _columns(rows, ("block_index",)).get("block_index", ()) if isinstance(place, Integral)
    ]


def _columns(rows: Any, names: tuple[str, ...] = ("run_id", "turn_index", "file")) -> dict[str, list[Any]]:
    """The columns we need of a pandas, Polars, Arrow or dask frame, or of one row."""
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
    if hasattr(rows, "_asdict"):  # a row, as itertuples gives it
        rows = rows._asdict()
    if isinstance(rows, Mapping) or hasattr(rows, "index"):  # a row
        return {name: [rows[name]] for name in names if name in (rows if isinstance(rows, Mapping) else rows.index)}
    raise MisuseError(f"these are no rows of a frame: {rows!r:.60}")


def _runs(given: Any, wanted: list[tuple[str, int, str]]) -> Iterator[tuple[set[str], str, Run]]:
    """The Runs that may be meant: the ids they may have in a frame, their file, and they."""
    files = {file for _, _, file in wanted}
    if given is None:
        given = sorted(files - {""})
    claims = Claims()
    for part in given if isinstance(given, list) and not are_paths(given) else parts(given):
        if isinstance(part, Source):
            yield {claims.claim(part.id, "", "", part.place)}, "", part.run
        elif isinstance(part, File) and (str(part.path) in files or "" in files):
            yield from _of_file(part)


def _of_file(file: File) -> Iterator[tuple[set[str], str, Run]]:
    """In a frame of many files a Run may bear the name of its file, too."""
    alone, apart, place = Claims(), Claims(), 0
    for run in each(file.path):
        whole = run.run if isinstance(run, LoadError) else run
        if whole is not None:
            id = file.id(whole, place)
            if not place:
                apart = Claims((id,))
            ids = {claims.claim(id, str(file.path), file.label, place) for claims in (alone, apart)}
            yield ids, str(file.path), whole
            place += 1
