"""The work of a pass: which files and values there are, who reads them, what is kept when it ends early."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import BrokenExecutor, Future, ProcessPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

from ..errors import LoadError
from ..files import each
from ..importers import no_collections
from .cache import Cache
from .direct import blocks_alone
from .passes import COLUMNS, Made, Pass, Wanted, together
from .progress import Progress
from .sources import Claims, File, Source, are_paths, parts

PART = 1_000_000  # rows of all frames together that a pass makes before they are handed on


@dataclass(frozen=True, slots=True)
class How:
    """How the work is done: in how many processes, with which cache, with a progress bar or not."""

    processes: int | None = None
    cache: str | os.PathLike[str] | bool | None = None
    progress: bool | None = None


def made_of(given: Any, wanted: Wanted, how: How) -> Made:
    """All frames of all that is given. Raises as `passes` does."""
    return together(passes(given, wanted, how))


def passes(given: Any, wanted: Wanted, how: How, most: int | None = None) -> Iterator[Made]:
    """The frames of all that is given, `most` rows of them at a time where that is said.

    In order, at least one. A lenient pass that is interrupted ends early and says so among its
    errors. Raises TypeError for what holds no Turns, ValueError for options that do not go
    together; strict, LoadError and DecodeError for the first that cannot be read.
    """
    cache = Cache.at(how.cache)
    if how.processes is not None and (type(how.processes) is not int or how.processes < 1):
        raise ValueError(f"processes is how many there are to be, at least 1, not {how.processes!r}")
    if (cache or how.processes) and not _portable(wanted):
        raise ValueError(
            "columns of your own and repeat=True are read in this process and without a cache; leave out processes= and cache="
        )
    work = _Work(wanted, cache, most)
    with ExitStack() as stack:
        pool = stack.enter_context(_pool(how.processes)) if how.processes else None
        try:
            found = list(parts(given)) if isinstance(given, (str, os.PathLike)) or are_paths(given) else parts(given)
            total = sum(part.size for part in found if isinstance(part, File)) if isinstance(found, list) else 0
            work.progress = stack.enter_context(Progress(total, how.progress))
            for part in found:
                work.take(part, pool)
                yield from work.ready()
            yield from work.rest()
        except KeyboardInterrupt:
            if pool is not None:
                pool.shutdown(wait=False, cancel_futures=True)
            if wanted.strict:
                raise
            yield from work.interrupted()


def _portable(wanted: Wanted) -> bool:
    return wanted.is_ours and not wanted.repeat


Coming = tuple[File, bytes, "Future[Made]"]  # a file that is read elsewhere, and its stamp before that


class _Work:
    """What is made and not handed on yet: in order, some of it on its way from another process."""

    def __init__(self, wanted: Wanted, cache: Cache | None, most: int | None) -> None:
        self.wanted = wanted
        self.cache = cache
        self.most = most
        self.progress = Progress(0, shown=False)
        self.claims = Claims()
        self.here = Pass(wanted, self.claims)
        self._made: list[Made | Coming] = []
        self._any = False

    def take(self, part: File | Source | LoadError, pool: ProcessPoolExecutor | None) -> None:
        if isinstance(part, LoadError):
            self.here.failed(part)
        elif isinstance(part, Source):
            with no_collections():
                self.here.read(part)
        elif self.cache is None and pool is None:
            read_file(self.here, part, self.progress.advance)
        else:
            self._close()
            self._made.append(self._apart(part, pool))
        if self.most is not None and self.here.rows >= self.most:
            self._close()

    def _apart(self, file: File, pool: ProcessPoolExecutor | None) -> Coming:
        """The frames of one file by itself: known from before, or read here or elsewhere."""
        names = tuple(self.wanted.columns)
        done: Future[Made] = Future()
        known = self.cache.get(file, self.wanted) if self.cache else None
        if known is not None:
            done.set_result(known)
            return file, b"", done
        stamp = self.cache.stamp(file) if self.cache else b""
        if pool is not None:
            return file, stamp, pool.submit(file_made, file, names)
        done.set_result(file_made(file, names))
        return file, stamp, done

    def _finished(self, future: Future[Made], file: File) -> Made:
        try:
            return future.result()
        except BrokenExecutor:  # killed, for the memory it took most likely
            lost = Pass(Wanted({name: COLUMNS[name] for name in self.wanted.columns}, strict=self.wanted.strict))
            reason = "a process that read files ended; with fewer processes= each has more memory"
            lost.failed(LoadError(reason, file=str(file.path)))
            return lost.made()

    def _close(self) -> None:
        if self.here.rows:
            self._made.append(self.here.made())
            self.here = Pass(self.wanted, self.claims)

    def ready(self) -> Iterator[Made]:
        """What may be handed on before the end."""
        while self.most is not None and self._made and _is_done(self._made[0]):
            yield self._next()

    def rest(self) -> Iterator[Made]:
        self._close()
        while self._made:
            yield self._next()
        if not self._any:
            yield self.here.made()

    def interrupted(self) -> Iterator[Made]:
        """What was done by then, and a word of that."""
        left = [one for one in self._made if not _is_done(one)]
        self._made = [one for one in self._made if _is_done(one)]
        files = f", {len(left)} of the files that were begun" if left else ""
        self.here.errors.add(LoadError(f"interrupted: what follows is not read{files}"))
        yield from self.rest()

    def _next(self) -> Made:
        first = self._made[0]
        if isinstance(first, tuple):
            file, stamp, future = first
            made = self._finished(future, file)
            if self.cache and stamp:
                self.cache.put(file, stamp, made)
            if self.claims.clash(_ids(made), str(file.path)):  # another file has Runs of these ids
                made = file_made(file, tuple(self.wanted.columns), taken=tuple(self.claims))
                self.claims.clash(_ids(made), str(file.path))
            self.progress.advance(file.size)
        else:
            made = first
        del self._made[0]
        self._any = True
        if self.wanted.strict:
            _refuse_errors(made)
        return self.wanted.chosen(made)


def _is_done(one: Made | Coming) -> bool:
    return isinstance(one, Made) or (one[2].done() and not one[2].cancelled() and one[2].exception() is None)


def _refuse_errors(made: Made) -> None:
    """Files that are read by themselves are read leniently: their first error ends a strict pass."""
    for row in made.tables["errors"].to_pylist():
        raise LoadError(row["reason"], file=row["file"] or "", position=row["position"] or "")


def unheard(size: int) -> None:
    """Nobody wants to know how far it is."""


def file_made(file: File, names: tuple[str, ...], taken: Iterable[str] = ()) -> Made:
    """Whole frames of one file by itself, its errors among them; `taken` are ids that other Runs have."""
    alone = Pass(Wanted({name: COLUMNS[name] for name in names}, strict=False), Claims(taken))
    read_file(alone, file, unheard)
    return alone.made()


def _ids(made: Made) -> list[str]:
    """The ids of the Runs in it."""
    named = next((table for table in made.tables.values() if "run_id" in table.column_names), None)
    return [] if named is None else named.column("run_id").unique().to_pylist()


def read_file(pass_: Pass, file: File, seen: Callable[[int], object]) -> None:
    """Every Run of a file into every frame; `seen` is told how many bytes were read."""
    left = file.size

    def advanced(size: int) -> None:
        nonlocal left
        left -= size
        seen(size)

    with no_collections():
        if not blocks_alone(pass_, file, advanced):
            read_runs(pass_, file)
    seen(left)


def read_runs(pass_: Pass, file: File) -> None:
    """Every Run of a file, by way of values. What cannot be read is noted, and the rest goes on."""
    place = 0
    try:
        for run in each(file.path):
            whole = run.run if isinstance(run, LoadError) else run
            if whole is not None:
                pass_.read(file.source(whole, place))
                place += 1
            if isinstance(run, LoadError):
                pass_.failed(run)
    except LoadError:
        raise
    except Exception as error:  # an importer may be anybody's, and a file anything
        if pass_.wanted.strict:
            raise
        pass_.failed(LoadError(f"{type(error).__name__}: {error}", file=str(file.path)))


def _pool(processes: int) -> ProcessPoolExecutor:
    """Processes of their own kind, not forks: a fork of a process with threads may stand still for ever."""
    import multiprocessing

    return ProcessPoolExecutor(processes, multiprocessing.get_context("spawn"), _quiet)


def _quiet() -> None:
    """An interrupt is for the process that asked; this one ends when that one says so."""
    import signal

    signal.signal(signal.SIGINT, signal.SIG_IGN)
