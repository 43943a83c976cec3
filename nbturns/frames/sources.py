"""What may be given to a frame, and the Runs that are in it."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..events import Snapshot
from ..execution import Execution
from ..keys import SESSION_ID
from ..session import Session
from ..turns import Run, Turn


@dataclass(frozen=True, slots=True)
class Source:
    """A Run, the id its rows are joined by, and the file it came from ("" for none)."""

    run: Run
    id: str
    file: str = ""


def sources(given: Any) -> Iterator[Source]:
    """Every Run in `given`, one after the other.

    A Run without an id is known by its session's, by its file and place there, or by
    its place in `given`. Raises TypeError for what holds no Turns, LoadError for a file that
    cannot be read.
    """
    for number, (run, file, place) in enumerate(_runs(given)):
        id = run.id or _session(run) or (f"{file}#{place}" if file else f"run-{number}")
        yield Source(run, id, file)


def session_id(turn: Turn) -> str:
    """The id of the session this Turn was made in; "" outside of one."""
    return turn.metadata.get(SESSION_ID) or ""


def _session(run: Run) -> str:
    return next(filter(None, map(session_id, run.turns)), "")


def _runs(given: Any) -> Iterator[tuple[Run, str, int]]:
    """Each Run, with the file it is in and its place there."""
    match given:
        case Run():
            yield given, "", 0
        case Turn():
            yield Run((given,)), "", 0
        case Session():
            yield given.run, "", 0
        case Execution() | Snapshot():
            yield Run((given.turn,)), "", 0
        case str() | os.PathLike():
            yield from _in_files(given)
        case Iterable() if not isinstance(given, (bytes, bytearray, Mapping)) and not hasattr(given, "columns"):
            yield from _among(given)
        case _:
            raise _refused(given)


def _in_files(path: str | os.PathLike[str]) -> Iterator[tuple[Run, str, int]]:
    from ..files import _matched, load_all

    for file in _matched(path if isinstance(path, str) else Path(path)):
        for place, run in enumerate(load_all(file)):
            yield run, str(file), place


def _among(several: Iterable[Any]) -> Iterator[tuple[Run, str, int]]:
    """Neighbouring Turns of one conversation are a Run; anything else is what it is alone."""
    together: list[Turn] = []
    for one in several:
        turn = one if isinstance(one, Turn) else one.turn if isinstance(one, (Execution, Snapshot)) else None
        if together and (turn is None or not _goes_on(together[-1], turn)):
            yield Run(tuple(together)), "", 0
            together = []
        if turn is not None:
            together.append(turn)
        else:
            yield from _runs(one)
    if together:
        yield Run(tuple(together)), "", 0


def _goes_on(before: Turn, turn: Turn) -> bool:
    """Whether both are of one session; where that is not known, whether they begin with the same block."""
    sessions = session_id(before), session_id(turn)
    if all(sessions):
        return sessions[0] == sessions[1]
    return len(before) > 0 and len(turn) > 0 and before[0] is turn[0]


def _refused(given: Any) -> TypeError:
    takes = "a Turn, a Run, a Session, an Execution, a path or glob of files, or several of these"
    return TypeError(f"a frame is made of {takes}, not of {type(given).__name__}: {given!r:.60}")
