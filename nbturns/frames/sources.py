"""The inputs of a frame, and the Runs in them."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain, islice
from pathlib import Path
from typing import Any, NamedTuple, Protocol, runtime_checkable

from ..errors import LoadError, MisuseError
from ..events import Snapshot
from ..keys import SESSION_ID
from ..runtime.execution import Execution
from ..session import Session
from ..values.metadata import Key
from ..values.turns import Run, Turn
from .run_ids import RunIds as RunIds


@runtime_checkable
class RunCollection(Protocol):
    """A store or a library: `ids()` returns the ids of all Runs, `load(id)` one Run."""

    def ids(self) -> Iterable[str]: ...
    def load(self, id: str, /) -> Run: ...


@runtime_checkable
class Store(Protocol):
    """An object that keeps Runs: `runs()` returns their ids (or objects with an `id`), `load(id)` one Run."""

    def runs(self) -> Iterable[Any]: ...
    def load(self, id: str, /) -> Run: ...


class RunLinks(NamedTuple):
    """The Run that started a Run, its tool call that did so, and the Run that started all of these; "" for none."""

    parent: str = ""
    tool_call: str = ""
    root: str = ""


NO_LINKS = RunLinks()


@dataclass(frozen=True, slots=True)
class RunSource:
    """A Run, the id of its rows, its file ("" for none), and its snapshots by Turn index.

    `label` is the name of the file, `position` the index of the Run in it, or among the values passed. `links` are set
    by the pass.
    """

    run: Run
    id: str
    file: str = ""
    label: str = ""
    position: int = 0
    snapshots: Mapping[int, tuple[Snapshot, ...]] | None = None
    links: RunLinks = NO_LINKS

    def linked_id(self, run_id: str) -> str:
        """Return the id that another Run of this file has in the frames."""
        return distinct_id(run_id, Path(self.file).stem, self.label) if self.file else run_id


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A file to be read. `label` is its name without suffix, longer where two files have the same.

    `place` is its path below the folder or the glob that was given, which the ids of Runs without one begin with.
    """

    path: Path
    label: str
    place: str = ""

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
        return self.distinct_id(run.id) or session_of(run) or self.position_id(position)

    def position_id(self, position: int) -> str:
        """Return the id of a Run without one: the place of its file, and its index there."""
        return f"{self.place or self.path.name}#{position}"

    @property
    def id_mark(self) -> str:
        """Text that changes when its rows get other ids while the file stays the same; "" for none."""
        return ""

    def distinct_id(self, run_id: str) -> str:
        """Return an id as it is; an id that an importer made of the name of the file, made of its label."""
        return distinct_id(run_id, self.path.stem, self.label)


@dataclass(frozen=True, slots=True)
class ListedFile(SourceFile):
    """A file of a library, which knows the ids of its Runs."""

    ids: tuple[str, ...] = ()

    def run_id(self, run: Run, position: int) -> str:
        return self.listed_id(position) or SourceFile.run_id(self, run, position)

    def listed_id(self, position: int) -> str:
        return self.ids[position] if position < len(self.ids) else ""

    @property
    def id_mark(self) -> str:
        return hashlib.sha256(json.dumps(self.ids).encode()).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class StoredRun:
    """A Run of a collection, which is read when it is needed. `record` is its plain data, if that has all of it."""

    collection: Any
    id: str
    position: int

    def record(self) -> dict[str, Any] | None:
        read_record = getattr(self.collection, "record", None)
        record = None if read_record is None else read_record(self.id)
        return record if isinstance(record, dict) else None

    def source(self, snapshot_keys: Sequence[Key[Any]] | None, *, as_record: bool) -> RunSource:
        """Return the Run, and its snapshots unless their keys are None.

        With `as_record` it is made of records, if the collection has these. Such snapshots have the metadata of
        `snapshot_keys`.
        """
        collection, snapshots = self.collection, None
        if as_record and hasattr(collection, "recorded_run"):
            run, snapshots = collection.recorded_run(self.id, snapshot_keys)
        elif snapshot_keys is not None and hasattr(collection, "load_with_snapshots"):
            run, snapshots = collection.load_with_snapshots(self.id)
        else:
            run = collection.load(self.id)
        run_id = run.id or session_of(run) or f"memory#{self.position}"
        return RunSource(run, run_id, position=self.position, snapshots=snapshots)


MEMORY = SourceFile(Path(), "")  # of Runs that no file has


def distinct_id(run_id: str, stem: str, label: str) -> str:
    """Return an id as it is; one that was made of the name of a file, made of the label of that file."""
    if run_id and stem != label and (run_id == stem or run_id.startswith(f"{stem}:")):
        return label + run_id[len(stem) :]
    return run_id


def are_paths(x: Any) -> bool:
    return isinstance(x, (list, tuple)) and all(isinstance(item, (str, os.PathLike)) for item in x)


def is_path_input(x: Any) -> bool:
    """Return whether `x` names files, and not values."""
    return isinstance(x, (str, os.PathLike)) or are_paths(x)


def expand(x: Any) -> Iterator[SourceFile | StoredRun | RunSource | LoadError]:
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
        elif isinstance(part, StoredRun):
            yield replace(part, position=number)
            number += 1
        else:
            run, snapshots = part
            run_id = run.id or session_of(run) or f"memory#{number}"
            yield RunSource(run, run_id, position=number, snapshots=snapshots)
            number += 1


def session_id(turn: Turn) -> str:
    """Return the id of the session of this Turn; "" outside of a session."""
    return turn.metadata.get(SESSION_ID) or ""


def session_of(run: Run) -> str:
    """Return the id of the first session that is a text; a value of another type is reported with its Turn."""
    stored_ids = (turn.metadata.stored_values().get(SESSION_ID.name) for turn in run.turns)
    return next((id for id in stored_ids if isinstance(id, str) and id), "")


OWN_TYPES = (Run, Turn, Session, Execution, Snapshot, Store, str, os.PathLike)
Part = SourceFile | StoredRun | LoadError | tuple[Run, Mapping[int, tuple[Snapshot, ...]] | None]


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
        case RunCollection():
            yield from _listed_files(x) if hasattr(x, "ids_by_file") else (StoredRun(x, id, 0) for id in x.ids())
        case Store():
            for entry in x.runs():
                yield x.load(_entry_id(entry)), None
        case list() | tuple() if x and not isinstance(x[0], OWN_TYPES):
            yield from _foreign_parts(x)
        case Iterator():
            first = list(islice(x, 1))
            is_own = not first or isinstance(first[0], OWN_TYPES)
            yield from (_item_parts if is_own else _foreign_parts)(chain(first, x))
        case Iterable() if not isinstance(x, (bytes, bytearray, Mapping)) and not hasattr(x, "columns"):
            yield from _item_parts(x)
        case _:
            yield from _foreign_parts(x)


def _foreign_parts(x: Any) -> Iterator[Part]:
    """Yield the Runs of messages, tables and objects of other packages."""
    from ..files import load_all

    try:
        for run in load_all(x):
            yield run, None
    except MisuseError as error:
        raise _type_error(x) from error


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
    from ..files import placed_paths

    found_paths: dict[Path, str] = {}  # with their places
    for name in names:
        try:
            for path, place in placed_paths(name if isinstance(name, str) else Path(name)):
                found_paths.setdefault(path, place)
        except LoadError as error:
            yield error
    yield from _labelled_files(found_paths)


def _listed_files(library: Any) -> Iterator[ListedFile]:
    """Yield the files of a library, which are read as such, with the ids that it has for their Runs."""
    ids_by_file: Mapping[str, tuple[str, ...]] = library.ids_by_file()
    for file in _labelled_files({Path(path): Path(path).name for path in ids_by_file}):
        yield ListedFile(file.path, file.label, file.place, ids_by_file[str(file.path)])


def _labelled_files(all_paths: Mapping[Path, str]) -> Iterator[SourceFile]:
    """Return the files with labels; two files of one name have the names of their folders, too."""
    by_stem: dict[str, list[Path]] = {}
    for path in all_paths:
        by_stem.setdefault(path.stem, []).append(path)
    for path, place in all_paths.items():
        namesakes = by_stem[path.stem]
        yield SourceFile(path, path.stem if len(namesakes) == 1 else _distinct_label(path, namesakes), place)


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
