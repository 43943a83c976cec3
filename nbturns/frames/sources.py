"""The inputs of a frame, and the Runs in them."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain, count
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from ..errors import LoadError, MisuseError
from ..events import Snapshot
from ..keys import SESSION_ID
from ..runtime.execution import Execution
from ..session import Session
from ..values.turns import Run, Turn


@runtime_checkable
class Store(Protocol):
    """An object that keeps Runs: `runs()` returns their ids (or objects with an `id`), `load(id)` one Run."""

    def runs(self) -> Iterable[Any]: ...
    def load(self, id: str, /) -> Run: ...


@dataclass(frozen=True, slots=True)
class RunSource:
    """A Run, the id of its rows, its file ("" for none), and its snapshots by Turn index.

    `label` is the name of the file, `position` the index of the Run in it, or among the values passed.
    """

    run: Run
    id: str
    file: str = ""
    label: str = ""
    position: int = 0
    snapshots: Mapping[int, tuple[Snapshot, ...]] | None = None


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A file to be read. `label` is its name without suffix, longer where two files have the same."""

    path: Path
    label: str

    @property
    def size(self) -> int:
        """Its size in bytes; 0 for a missing file."""
        try:
            return self.path.stat().st_size
        except OSError:
            return 0

    def source(self, run: Run, position: int) -> RunSource:
        return RunSource(run, self.run_id(run, position), str(self.path), self.label, position)

    def run_id(self, run: Run, position: int) -> str:
        """Return the id of a Run of this file: its own, that of its session, or file and position."""
        return self.distinct_id(run.id) or session_of(run) or f"{self.path}#{position}"

    def distinct_id(self, run_id: str) -> str:
        """Return an id as it is; an id that an importer made of the name of the file, made of its label."""
        stem = self.path.stem
        if run_id and stem != self.label and (run_id == stem or run_id.startswith(f"{stem}:")):
            return self.label + run_id[len(stem) :]
        return run_id


class RunIds:
    """The ids of all Runs of a pass; two Runs of one id would be joined as if they were one."""

    def __init__(self, reserved: Iterable[str] = ()) -> None:
        self._owners: dict[str, tuple[str, int]] = dict.fromkeys(reserved, ("", -1))
        self.renamed = 0  # the number of Runs whose id was changed

    def assign(self, run_id: str, file: str, label: str, position: int) -> str:
        """Return `run_id`, or where another Run has it an id with the name of the file, or with a number."""
        owner = file, position
        if self._owners.setdefault(run_id, owner) == owner:
            return run_id
        self.renamed += 1
        first = f"{label}/{run_id}" if label else f"{run_id}~2"
        numbered = (f"{label}/{run_id}~{number}" if label else f"{run_id}~{number}" for number in count(2))
        return next(name for name in chain((first,), numbered) if self._owners.setdefault(name, owner) == owner)

    def conflict(self, run_ids: Iterable[str], file: str) -> bool:
        """Return whether another file has one of these ids; if not, they are assigned to this file."""
        if any(run_id in self._owners and self._owners[run_id][0] != file for run_id in run_ids):
            return True
        for run_id in run_ids:
            self._owners[run_id] = file, -1
        return False

    def __iter__(self) -> Iterator[str]:
        return iter(self._owners)


def are_paths(x: Any) -> bool:
    return isinstance(x, (list, tuple)) and all(isinstance(item, (str, os.PathLike)) for item in x)


def is_path_input(x: Any) -> bool:
    """Return whether `x` names files, and not values."""
    return isinstance(x, (str, os.PathLike)) or are_paths(x)


def expand(x: Any) -> Iterator[SourceFile | RunSource | LoadError]:
    """Return every file and every Run of `x` in order; an error for a path without a file.

    The id of a Run without one is that of its session, or made of its file and position, or of
    its index in `x`. Raises MisuseError for an object without Turns.
    """
    if are_paths(x):
        yield from _files(x)
        return
    number = 0
    for part in _parts(x):
        if isinstance(part, (SourceFile, LoadError)):
            yield part
        else:
            run, snapshots = part
            run_id = run.id or session_of(run) or f"run-{number}"
            yield RunSource(run, run_id, position=number, snapshots=snapshots)
            number += 1


def session_id(turn: Turn) -> str:
    """Return the id of the session of this Turn; "" outside of a session."""
    return turn.metadata.get(SESSION_ID) or ""


def session_of(run: Run) -> str:
    return next(filter(None, map(session_id, run.turns)), "")


Part = SourceFile | LoadError | tuple[Run, Mapping[int, tuple[Snapshot, ...]] | None]


def _parts(x: Any) -> Iterator[Part]:
    match x:
        case Run():
            yield x, None
        case Turn():
            yield Run((x,)), None
        case Session():
            yield x.run, _session_snapshots(x)
        case Execution():
            yield Run((x.turn,)), {0: tuple(x.snapshots)}
        case Snapshot():
            yield Run((x.turn,)), {0: (x,)}
        case str() | os.PathLike():
            yield from _files((x,))
        case Store():
            for entry in x.runs():
                yield x.load(_entry_id(entry)), None
        case Iterable() if not isinstance(x, (bytes, bytearray, Mapping)) and not hasattr(x, "columns"):
            yield from _item_parts(x)
        case _:
            raise _type_error(x)


def _entry_id(entry: Any) -> str:
    """Return the id of a Run as a store lists it."""
    if isinstance(entry, Mapping):
        entry = entry.get("id") or entry.get("run_id")
    return entry if isinstance(entry, str) else str(getattr(entry, "id", None) or getattr(entry, "run_id", entry))


def _session_snapshots(session: Session) -> Mapping[int, tuple[Snapshot, ...]] | None:
    """Return the snapshots of the executions of a session, by the index of the resulting Turn."""
    by_turn = {id(execution.turn): tuple(execution.snapshots) for execution in session.executions}
    by_index = {index: by_turn[id(turn)] for index, turn in enumerate(session.turns) if by_turn.get(id(turn))}
    return by_index or None


def _files(names: Iterable[str | os.PathLike[str]]) -> Iterator[SourceFile | LoadError]:
    found_paths: list[Path] = []
    for name in names:
        try:
            found_paths += paths(name)
        except LoadError as error:
            yield error
    yield from _labelled_files(found_paths)


def paths(name: str | os.PathLike[str]) -> list[Path]:
    """Return the files of a path, a glob or a folder. Raises LoadError if there are none."""
    from ..files import _matching_paths

    return list(_matching_paths(name if isinstance(name, str) else Path(name)))


def _labelled_files(all_paths: list[Path]) -> Iterator[SourceFile]:
    """Return the files with labels; two files of one name have the names of their folders, too."""
    by_stem: dict[str, list[Path]] = {}
    for path in dict.fromkeys(all_paths):
        by_stem.setdefault(path.stem, []).append(path)
    for path in dict.fromkeys(all_paths):
        namesakes = by_stem[path.stem]
        yield SourceFile(path, path.stem if len(namesakes) == 1 else _distinct_label(path, namesakes))


def _distinct_label(path: Path, namesakes: list[Path]) -> str:
    """Return the shortest end of the path that no other file has; the whole path where only suffixes differ."""
    parts = path.absolute().with_suffix("").parts
    other_parts = [namesake.absolute().with_suffix("").parts for namesake in namesakes if namesake != path]
    for length in range(2, len(parts) + 1):
        if all(name_parts[-length:] != parts[-length:] for name_parts in other_parts):
            return "/".join(parts[-length:])
    return str(path)


def _item_parts(items: Iterable[Any]) -> Iterator[Part]:
    """Return the parts of several values; neighbouring Turns of one conversation are a Run."""
    group: list[Turn | Snapshot] = []
    for item in items:
        is_separate = not isinstance(item, (Turn, Execution, Snapshot))
        if group and (is_separate or not _continues(_turn_of(group[-1]), _turn_of(item))):
            yield _group_run(group)
            group = []
        if is_separate:
            yield from _parts(item)
        elif isinstance(item, Execution):
            group += item.snapshots or [item.turn]
            if item.snapshots and item.turn is not item.snapshots[-1].turn:
                group.append(item.turn)
        else:
            group.append(item)
    if group:
        yield _group_run(group)


def _turn_of(item: Turn | Snapshot | Execution) -> Turn:
    return item if isinstance(item, Turn) else item.turn


def _group_run(items: list[Turn | Snapshot]) -> Part:
    """Return a Run of Turns; the snapshots on the way to a Turn belong to it."""
    turns: list[Turn] = []
    snapshots: dict[int, tuple[Snapshot, ...]] = {}
    previous: Turn | Snapshot | None = None
    for item in items:
        turn = _turn_of(item)
        if isinstance(previous, Snapshot) and _is_same_execution(previous.turn, turn):
            turns[-1] = turn
        else:
            turns.append(turn)
        previous = item
        if isinstance(item, Snapshot):
            index = len(turns) - 1
            snapshots[index] = (*snapshots.get(index, ()), item)
    return Run(tuple(turns)), snapshots or None


def _is_same_execution(previous: Turn, turn: Turn) -> bool:
    """Return whether both are the Turn of one execution, at two moments."""
    return bool(turn.id) and previous.id == turn.id and session_id(previous) == session_id(turn)


def _continues(previous: Turn, turn: Turn) -> bool:
    """Return whether both are of one session; without session ids, whether they begin with the same block."""
    session_ids = session_id(previous), session_id(turn)
    if all(session_ids):
        return session_ids[0] == session_ids[1]
    return len(previous) > 0 and len(turn) > 0 and previous[0] is turn[0]


def _type_error(x: Any) -> MisuseError:
    return MisuseError(
        f"expected conversations, got {type(x).__name__}: {x!r:.60}; "
        "pass a Turn, a Run, a Session, an Execution, a path or glob of files, a folder, a store, or several of these"
    )
