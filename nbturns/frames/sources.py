"""What may be given to a frame, and the Runs that are in it."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain, count
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from ..errors import LoadError
from ..events import Snapshot
from ..execution import Execution
from ..keys import SESSION_ID
from ..session import Session
from ..turns import Run, Turn


@runtime_checkable
class Store(Protocol):
    """Whatever keeps Runs: `runs()` names them (or gives what has an `id`), `load(id)` gives one."""

    def runs(self) -> Iterable[Any]: ...
    def load(self, id: str, /) -> Run: ...


@dataclass(frozen=True, slots=True)
class Source:
    """A Run, the id its rows are joined by, the file it came from ("" for none), its snapshots by Turn.

    `label` names the file, `place` says where in it, or among the values that were given.
    """

    run: Run
    id: str
    file: str = ""
    label: str = ""
    place: int = 0
    snapshots: Mapping[int, tuple[Snapshot, ...]] | None = None


@dataclass(frozen=True, slots=True)
class File:
    """A file to be read. `label` is its name without suffix, longer where two have the same."""

    path: Path
    label: str

    @property
    def size(self) -> int:
        """Its bytes; 0 where it is not there."""
        try:
            return self.path.stat().st_size
        except OSError:
            return 0

    def source(self, run: Run, place: int) -> Source:
        """A Run of it, at its place there."""
        return Source(run, self.id(run, place), str(self.path), self.label, place)

    def id(self, run: Run, place: int) -> str:
        """The id of a Run in it."""
        return self.told_apart(run.id) or session_of(run) or f"{self.path}#{place}"

    def told_apart(self, id: str) -> str:
        """An id as it is; one that an importer made of the file's name, so that no other file has it."""
        stem = self.path.stem
        if id and stem != self.label and (id == stem or id.startswith(f"{stem}:")):
            return self.label + id[len(stem) :]
        return id


class Claims:
    """Which Run has which id: two of one id would be joined as if they were one."""

    def __init__(self, taken: Iterable[str] = ()) -> None:
        self._owners: dict[str, tuple[str, int]] = dict.fromkeys(taken, ("", -1))
        self.renamed = 0  # how many Runs have another id than they had

    def claim(self, id: str, file: str, label: str, place: int) -> str:
        """`id`, or where another has it one with the file's name, or a number."""
        owner = file, place
        if self._owners.setdefault(id, owner) == owner:
            return id
        self.renamed += 1
        first = f"{label}/{id}" if label else f"{id}~2"
        others = (f"{label}/{id}~{number}" if label else f"{id}~{number}" for number in count(2))
        return next(one for one in chain((first,), others) if self._owners.setdefault(one, owner) == owner)

    def clash(self, ids: Iterable[str], file: str) -> bool:
        """Whether somebody else has one of these; if nobody has, they are this file's."""
        if any(id in self._owners and self._owners[id][0] != file for id in ids):
            return True
        for id in ids:
            self._owners[id] = file, -1
        return False

    def __iter__(self) -> Iterator[str]:
        return iter(self._owners)


def are_paths(given: Any) -> bool:
    return isinstance(given, (list, tuple)) and all(isinstance(one, (str, os.PathLike)) for one in given)


def parts(given: Any) -> Iterator[File | Source | LoadError]:
    """Every file and every Run in `given`, one after the other; an error for a path with nothing behind it.

    A Run without an id is known by its session's, by its file and place there, or by
    its place in `given`. Raises MisuseError for what holds no Turns.
    """
    if are_paths(given):
        yield from _in_files(given)
        return
    number = 0
    for part in _parts(given):
        if isinstance(part, (File, LoadError)):
            yield part
        else:
            run, snapshots = part
            id = run.id or session_of(run) or f"run-{number}"
            yield Source(run, id, place=number, snapshots=snapshots)
            number += 1


def session_id(turn: Turn) -> str:
    """The id of the session this Turn was made in; "" outside of one."""
    return turn.metadata.get(SESSION_ID) or ""


def session_of(run: Run) -> str:
    return next(filter(None, map(session_id, run.turns)), "")


Part = File | LoadError | tuple[Run, Mapping[int, tuple[Snapshot, ...]] | None]


def _parts(given: Any) -> Iterator[Part]:
    match given:
        case Run():
            yield given, None
        case Turn():
            yield Run((given,)), None
        case Session():
            yield given.run, _of_session(given)
        case Execution():
            yield Run((given.turn,)), {0: tuple(given.snapshots)}
        case Snapshot():
            yield Run((given.turn,)), {0: (given,)}
        case str() | os.PathLike():
            yield from _in_files((given,))
        case Store():
            for one in given.runs():
                yield given.load(_name(one)), None
        case Iterable() if not isinstance(given, (bytes, bytearray, Mapping)) and not hasattr(given, "columns"):
            yield from _among(given)
        case _:
            raise _refused(given)


def _name(one: Any) -> str:
    """The id of a Run as a store lists it."""
    if isinstance(one, Mapping):
        one = one.get("id") or one.get("run_id")
    return one if isinstance(one, str) else str(getattr(one, "id", None) or getattr(one, "run_id", one))


def _of_session(session: Session) -> Mapping[int, tuple[Snapshot, ...]] | None:
    """The snapshots of its executions, each at the Turn that came of it."""
    taken = {id(execution.turn): tuple(execution.snapshots) for execution in session.executions}
    found = {place: taken[id(turn)] for place, turn in enumerate(session.turns) if taken.get(id(turn))}
    return found or None


def _in_files(given: Iterable[str | os.PathLike[str]]) -> Iterator[File | LoadError]:
    found: list[Path] = []
    for one in given:
        try:
            found += paths(one)
        except LoadError as error:
            yield error
    yield from _labelled(found)


def paths(given: str | os.PathLike[str]) -> list[Path]:
    """The files a path, a glob or a folder names. Raises LoadError where there is none."""
    from ..files import _matched

    return list(_matched(given if isinstance(given, str) else Path(given)))


def _labelled(found: list[Path]) -> Iterator[File]:
    """Two files of one name are told apart by their folders."""
    alike: dict[str, list[Path]] = {}
    for path in dict.fromkeys(found):
        alike.setdefault(path.stem, []).append(path)
    for path in dict.fromkeys(found):
        yield File(path, path.stem if len(alike[path.stem]) == 1 else _longer(path, alike[path.stem]))


def _longer(path: Path, others: list[Path]) -> str:
    """As much of the path as no other file with the same name has; the suffix where folders do not tell."""
    own = path.absolute().with_suffix("").parts
    rest = [other.absolute().with_suffix("").parts for other in others if other != path]
    for length in range(2, len(own) + 1):
        if all(other[-length:] != own[-length:] for other in rest):
            return "/".join(own[-length:])
    return str(path)


def _among(several: Iterable[Any]) -> Iterator[Part]:
    """Neighbouring Turns of one conversation are a Run; anything else is what it is alone."""
    together: list[Turn | Snapshot] = []
    for one in several:
        alone = not isinstance(one, (Turn, Execution, Snapshot))
        if together and (alone or not _goes_on(_turn(together[-1]), _turn(one))):
            yield _put_together(together)
            together = []
        if alone:
            yield from _parts(one)
        elif isinstance(one, Execution):
            together += one.snapshots or [one.turn]
            if one.snapshots and one.turn is not one.snapshots[-1].turn:
                together.append(one.turn)
        else:
            together.append(one)
    if together:
        yield _put_together(together)


def _turn(one: Turn | Snapshot | Execution) -> Turn:
    return one if isinstance(one, Turn) else one.turn


def _put_together(several: list[Turn | Snapshot]) -> Part:
    """A Run of Turns, where the snapshots on the way to one Turn belong to it."""
    turns: list[Turn] = []
    snapshots: dict[int, tuple[Snapshot, ...]] = {}
    before: Turn | Snapshot | None = None
    for one in several:
        turn = _turn(one)
        if isinstance(before, Snapshot) and _is_same(before.turn, turn):
            turns[-1] = turn
        else:
            turns.append(turn)
        before = one
        if isinstance(one, Snapshot):
            at = len(turns) - 1
            snapshots[at] = (*snapshots.get(at, ()), one)
    return Run(tuple(turns)), snapshots or None


def _is_same(before: Turn, turn: Turn) -> bool:
    """Whether both are the Turn of one execution, at two moments."""
    return bool(turn.id) and before.id == turn.id and session_id(before) == session_id(turn)


def _goes_on(before: Turn, turn: Turn) -> bool:
    """Whether both are of one session; where that is not known, whether they begin with the same block."""
    sessions = session_id(before), session_id(turn)
    if all(sessions):
        return sessions[0] == sessions[1]
    return len(before) > 0 and len(turn) > 0 and before[0] is turn[0]


def _refused(given: Any) -> TypeError:
    takes = "a Turn, a Run, a Session, an Execution, a path or glob of files, a folder, a store, or several of these"
    return TypeError(f"a frame is made of {takes}, not of {type(given).__name__}: {given!r:.60}")
