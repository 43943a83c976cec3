"""The work of a pass: which files and values there are, who reads them, what is kept when it ends early."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import BrokenExecutor, Future, ProcessPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

from ..errors import LoadError, MisuseError
from ..files import each
from ..importers import pause_gc
from .cache import Cache, Entry, Rows
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
    errors. Raises MisuseError for what holds no Turns and for options that do not go
    together; strict, LoadError and DecodeError for the first that cannot be read.
    """
    cache = Cache.at(how.cache)
    if how.processes is not None and (type(how.processes) is not int or how.processes < 1):
        raise MisuseError(f"processes is how many there are to be, at least 1, not {how.processes!r}")
    if (cache or how.processes) and not _portable(wanted):
        raise MisuseError(
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
        finally:
            work.keep()


def _portable(wanted: Wanted) -> bool:
    return wanted.is_ours and not wanted.repeat


Coming = tuple[File, str, "Future[Made]"]  # a file that is read elsewhere, and its stamp before that


class _Work:
    """What is made and not handed on yet: in order, some of it known from before, or on its way from another process."""

    def __init__(self, wanted: Wanted, cache: Cache | None, most: int | None) -> None:
        self.wanted = wanted
        self.cache = cache
        self.most = most
        self.progress = Progress(0, shown=False)
        self.claims = Claims()
        self._whole = (
            wanted if cache is None else Wanted({name: COLUMNS[name] for name in wanted.columns}, strict=wanted.strict)
        )
        self.here = Pass(self._whole, self.claims)
        self._read: list[tuple[File, str, dict[str, Rows]]] = []  # files whose rows are in `here`, to be kept
        self._made: list[Made | Entry | Coming] = []
        self._any = False

    def take(self, part: File | Source | LoadError, pool: ProcessPoolExecutor | None) -> None:
        if isinstance(part, LoadError):
            self.here.failed(part)
        elif isinstance(part, Source):
            with pause_gc():
                self.here.read(part)
        elif pool is not None:
            self._close()
            self._made.append(self._apart(part, pool))
        elif self.cache is None:
            read_file(self.here, part, self.progress.advance)
        elif not self._is_known(part, self.cache):
            self._read_to_keep(part, self.cache)
        if self.most is not None and self.here.rows >= self.most:
            self._close()

    def _is_known(self, file: File, cache: Cache) -> bool:
        """Whether its rows are known from before; then they are taken from there."""
        entry = cache.find(file, cache.stamp(file), self.wanted.columns)
        if entry is None or self.claims.clash(entry.ids, str(file.path)):  # another file has Runs of these ids
            return False
        self._close()
        last = self._made[-1] if self._made else None
        both = last.joined(entry) if isinstance(last, Entry) else None
        if both is not None and both.length <= (self.most or both.length):
            self._made[-1] = both
        else:
            self._made.append(entry)
        self.progress.advance(file.size)
        return True

    def _read_to_keep(self, file: File, cache: Cache) -> None:
        """Read it here. Where the ids of its Runs are not those it has alone, it is not kept."""
        stamp, before, renamed = cache.stamp(file), self.here.lengths(), self.claims.renamed
        read_file(self.here, file, self.progress.advance)
        if self.claims.renamed == renamed and stamp:
            after = self.here.lengths()
            self._read.append((file, stamp, {name: (before[name], after[name]) for name in after}))

    def _apart(self, file: File, pool: ProcessPoolExecutor) -> Coming:
        """The frames of one file by itself: known from before, or read elsewhere."""
        names = tuple(self.wanted.columns)
        stamp = self.cache.stamp(file) if self.cache else ""
        known = self.cache.find(file, stamp, names) if self.cache else None
        if self.cache is None or known is None:
            return file, stamp, pool.submit(file_made, file, names)
        done: Future[Made] = Future()
        done.set_result(self.cache.made(known, names))
        return file, "", done

    def _finished(self, future: Future[Made], file: File) -> Made:
        try:
            return future.result()
        except BrokenExecutor:  # killed, for the memory it took most likely
            lost = Pass(Wanted({name: COLUMNS[name] for name in self.wanted.columns}, strict=False))
            reason = "a process that read files ended; with fewer processes= each has more memory"
            lost.failed(LoadError(reason, file=str(file.path)))
            return lost.made()

    def _close(self) -> None:
        rows = self.here.rows
        if not rows and not self._read:
            return
        made = self.here.made()
        if self.cache is not None:
            self.cache.put(made, self._read)
        if rows:
            self._made.append(made)
        self._read = []
        self.here = Pass(self._whole, self.claims)

    def ready(self) -> Iterator[Made]:
        """What may be handed on before the end."""
        while self.most is not None and self._made and _is_done(self._made[0]):
            yield self._next()

    def rest(self) -> Iterator[Made]:
        self._close()
        while self._made:
            yield self._next()
        if not self._any:
            yield self.wanted.chosen(self.here.made())

    def interrupted(self) -> Iterator[Made]:
        """What was done by then, and a word of that."""
        left = [one for one in self._made if not _is_done(one)]
        self._made = [one for one in self._made if _is_done(one)]
        files = f", {len(left)} of the files that were begun" if left else ""
        self.here.errors.add(LoadError(f"interrupted: what follows is not read{files}"))
        yield from self.rest()

    def keep(self) -> None:
        """Put into the cache what was read, however it ended."""
        if self.cache is not None:
            self._close()
            self.cache.save()

    def _next(self) -> Made:
        first = self._made[0]
        if isinstance(first, tuple):
            made = self._come(*first)
        elif isinstance(first, Entry):
            assert self.cache is not None
            made = self.cache.made(first, self.wanted.columns)
        else:
            made = first
        del self._made[0]
        self._any = True
        if self.wanted.strict:
            _refuse_errors(made)
        return self.wanted.chosen(made)

    def _come(self, file: File, stamp: str, future: Future[Made]) -> Made:
        made = self._finished(future, file)
        if self.cache and stamp:
            self.cache.put(made, [(file, stamp, {name: (0, len(table)) for name, table in made.tables.items()})])
        if self.claims.clash(_ids(made), str(file.path)):  # another file has Runs of these ids
            made = file_made(file, tuple(self.wanted.columns), taken=tuple(self.claims))
            self.claims.clash(_ids(made), str(file.path))
        self.progress.advance(file.size)
        return made


def _is_done(one: Made | Entry | Coming) -> bool:
    return not isinstance(one, tuple) or (one[2].done() and not one[2].cancelled() and one[2].exception() is None)


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

    with pause_gc():
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
