"""The scheduler of a pass: the files and values to read, the processes that read them, and the order of the results."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import BrokenExecutor, Future, ProcessPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import LoadError, MisuseError
from ..files import read_runs_of_file
from ..importers import pause_gc
from ..safety.limits import Limits, current_limits
from .cache import Cache, CacheableFile, CacheEntry
from .copies import Copies, CopyKeys, DuplicateMarks, stable_digest
from .fast.dispatch import read_fast, read_stored
from .frame_pass import ALL_COLUMNS, FramePass, FrameRequest, FrameTables, RowRules, concatenated
from .progress import Progress
from .sources import ListedFile, RunIds, RunSource, SourceFile, StoredRun, expand, is_path_input
from .summary_rows import add_summaries

CachePath = str | os.PathLike[str] | bool | None


@dataclass(frozen=True, slots=True)
class ReadOptions:
    """The number of processes, the folder of the cache, and whether to show a progress bar."""

    processes: int | None = None
    cache: CachePath = None
    progress: bool | None = None


def read_all(x: Any, request: FrameRequest, options: ReadOptions) -> FrameTables:
    """Return all frames of `x`. Raises as `read_parts` does."""
    return concatenated(read_parts(x, request, options))


def read_parts(
    x: Any, request: FrameRequest, options: ReadOptions, row_limit: int | None = None
) -> Iterator[FrameTables]:
    """Return the frames of `x` in order, in parts of about `row_limit` rows; at least one part.

    A lenient pass that is interrupted ends early and adds a row to its errors. Raises
    MisuseError for an object without Turns and for options that exclude each other;
    strict, LoadError and DecodeError for the first problem.
    """
    cache = _cache(x, request, options)
    if options.processes is not None and (type(options.processes) is not int or options.processes < 1):
        raise MisuseError(f"invalid number of processes {options.processes!r}; pass an integer of at least 1")
    if (cache or options.processes) and (request.repeat or not request.has_standard_columns):
        raise MisuseError(
            "columns and functions of your own and repeat=True need this process and no cache; "
            "leave out processes= and cache="
        )
    scheduler = _Scheduler(request, cache, row_limit, has_processes=bool(options.processes))
    with ExitStack() as stack:
        pool = stack.enter_context(_pool(options.processes)) if options.processes else None
        try:
            parts = list(expand(x)) if is_path_input(x) else expand(x)
            total = sum(part.size for part in parts if isinstance(part, SourceFile)) if isinstance(parts, list) else 0
            scheduler.progress = stack.enter_context(Progress(total, options.progress))
            for part in parts:
                scheduler.add(part, pool)
                yield from scheduler.finished_results()
            yield from scheduler.remaining_results()
        except KeyboardInterrupt:
            if pool is not None:
                pool.shutdown(wait=False, cancel_futures=True)
            if request.strict:
                raise
            yield from scheduler.results_after_interrupt()
        finally:
            scheduler.save_cache()


def _cache(x: Any, request: FrameRequest, options: ReadOptions) -> Cache | None:
    """Return the cache of a pass: that of the options, else that of a library, which keeps the frames of its files."""
    if options.cache is not None:
        return None if options.cache is False else Cache.at(options.cache)
    own_folder = getattr(x, "frames_path", None)
    if not isinstance(own_folder, Path) or request.repeat or not request.has_standard_columns:
        return None
    try:
        return Cache.at(own_folder)
    except (OSError, MisuseError):  # it cannot be written: the files are read
        return None


PendingFile = tuple[SourceFile, str, "Future[FrameTables]"]  # a file that another process reads, its stamp before that


class _Scheduler:
    """The results that are not returned yet, in order: read here, cached, or pending in another process."""

    def __init__(
        self, request: FrameRequest, cache: Cache | None, row_limit: int | None, *, has_processes: bool
    ) -> None:
        self.request = request
        self.cache = cache
        self.row_limit = row_limit
        self.progress = Progress(0, visible=False)
        self.run_ids = RunIds()
        self.copies = Copies(stable_digest) if cache is not None or has_processes else Copies()
        self._local_request = (
            request if cache is None else all_columns(request.columns, request.rules, strict=request.strict)
        )
        self.duplicates = DuplicateMarks()
        self.local_pass = FramePass(self._local_request, self.run_ids, self.copies)
        self._cacheable: list[CacheableFile] = []  # files whose rows are in the pass
        self._results: list[FrameTables | CacheEntry | PendingFile] = []
        self._has_returned = False

    def add(self, part: SourceFile | StoredRun | RunSource | LoadError, pool: ProcessPoolExecutor | None) -> None:
        self.local_pass.has_listed_problems = False
        if isinstance(part, LoadError):
            self.local_pass.add_error(part)
        elif isinstance(part, StoredRun):
            with pause_gc():
                if not read_stored(self.local_pass, part):
                    self.local_pass.add_run(self.local_pass.stored_source(part))
        elif isinstance(part, RunSource):
            with pause_gc():
                self.local_pass.add_run(part)
        elif pool is not None:
            self._finish_local_pass()
            self._results.append(self._submit(part, pool))
        elif self.cache is None:
            read_file(self.local_pass, part, self.progress.advance)
        elif not self._add_cached(part, self.cache):
            self._read_for_cache(part, self.cache)
        if self.row_limit is not None and self.local_pass.row_count >= self.row_limit:
            self._finish_local_pass()

    def _stamp(self, file: SourceFile, cache: Cache) -> str:
        """Return what the rows of a file depend on: its size and time, the rules, and listed ids; "" for a missing file."""
        stamp = cache.stamp(file)
        return f"{stamp} {self.request.rules.mark} {file.id_mark}".rstrip() if stamp else ""

    def _add_cached(self, file: SourceFile, cache: Cache) -> bool:
        """Add the cached rows of a file; False without cached rows."""
        entry = cache.find(file, self._stamp(file, cache), self.request.columns)
        if entry is None or self._has_conflict(entry.run_ids, entry.copy_keys, file):
            return False
        self._finish_local_pass()
        last_result = self._results[-1] if self._results else None
        merged = last_result.merged_with(entry) if isinstance(last_result, CacheEntry) else None
        if merged is not None and merged.length <= (self.row_limit or merged.length):
            self._results[-1] = merged
        else:
            self._results.append(entry)
        self.progress.advance(file.size)
        return True

    def _has_conflict(self, run_ids: Iterable[str], copy_keys: CopyKeys, file: SourceFile) -> bool:
        """Return whether other files have Runs of these ids, or copies; if not, both are noted for this file."""
        if not self.copies.are_new(copy_keys.ids) or self.run_ids.conflict(run_ids, str(file.path)):
            return True
        self.copies.add_keys(copy_keys)
        return False

    def _read_for_cache(self, file: SourceFile, cache: Cache) -> None:
        """Read a file in this process. It is not cached if its rows are others than those it has alone."""
        stamp, row_counts, renamed = self._stamp(file, cache), self.local_pass.row_counts(), self.run_ids.renamed
        self.copies.new_keys, copy_count = CopyKeys.empty(), self.copies.copy_count
        read_file(self.local_pass, file, self.progress.advance)
        if self.run_ids.renamed == renamed and self.copies.copy_count == copy_count and stamp:
            rows = {name: (row_counts[name], count) for name, count in self.local_pass.row_counts().items()}
            self._cacheable.append((file, stamp, rows, self.copies.new_keys))

    def _submit(self, file: SourceFile, pool: ProcessPoolExecutor) -> PendingFile:
        """Return the pending frames of one file: from the cache, or of another process."""
        names = tuple(self.request.columns)
        stamp = self._stamp(file, self.cache) if self.cache else ""
        entry = self.cache.find(file, stamp, names) if self.cache else None
        if self.cache is None or entry is None:
            return file, stamp, pool.submit(read_single_file, file, names, self.request.rules)
        future: Future[FrameTables] = Future()
        result = self.cache.load(entry, names)
        result.copy_keys = entry.copy_keys
        future.set_result(result)
        return file, "", future

    def _await(self, future: Future[FrameTables], file: SourceFile) -> FrameTables:
        try:
            return future.result()
        except BrokenExecutor:  # killed, most likely for its memory
            failed_pass = FramePass(all_columns(self.request.columns, self.request.rules, strict=False))
            reason = "a process that read files was killed; with fewer processes= each of them has more memory"
            failed_pass.add_error(LoadError(reason, file=str(file.path)))
            return failed_pass.result()

    def _finish_local_pass(self) -> None:
        rows = self.local_pass.row_count
        if not rows and not self._cacheable:
            return
        result = self.local_pass.result()
        if self.cache is not None:
            self.cache.add(result, self._cacheable)
        if rows:
            self._results.append(result)
        self._cacheable = []
        self.local_pass = FramePass(self._local_request, self.run_ids, self.copies)

    def finished_results(self) -> Iterator[FrameTables]:
        """Return the results that are finished before the end, where they are wanted in parts."""
        while self.row_limit is not None and self._results and _is_finished(self._results[0]):
            yield self._next_result()

    def remaining_results(self) -> Iterator[FrameTables]:
        self._finish_local_pass()
        if self.row_limit is None:  # a later file may have the larger count of a call
            results = [self._next_tables() for _ in range(len(self._results))]
            yield from map(self._finished, results)
        while self._results:
            yield self._next_result()
        if not self._has_returned:
            yield self.request.finish(self.local_pass.result(), self.duplicates)

    def results_after_interrupt(self) -> Iterator[FrameTables]:
        """Return the results that are finished, with an error row for the interrupt."""
        unfinished = [result for result in self._results if not _is_finished(result)]
        self._results = [result for result in self._results if _is_finished(result)]
        files = f", nor {len(unfinished)} files before it that other processes were reading" if unfinished else ""
        self.local_pass.errors.add(LoadError(f"interrupted: the remaining input is not read{files}"))
        yield from self.remaining_results()

    def save_cache(self) -> None:
        """Put the rows so far into the cache, however the pass ended."""
        if self.cache is not None:
            self._finish_local_pass()
            self.cache.save()

    def _next_result(self) -> FrameTables:
        return self._finished(self._next_tables())

    def _finished(self, result: FrameTables) -> FrameTables:
        self.copies.corrections.apply(result.tables)
        return self.request.finish(result, self.duplicates)

    def _next_tables(self) -> FrameTables:
        """Remove the next result, and return its tables before they are finished."""
        entry = self._results[0]
        if isinstance(entry, tuple):
            result = self._pending_result(*entry)
        elif isinstance(entry, CacheEntry):
            assert self.cache is not None
            result = self.cache.load(entry, self.request.columns)
        else:
            result = entry
        del self._results[0]
        self._has_returned = True
        if self.request.strict:
            _raise_first_error(result)
        return result

    def _pending_result(self, file: SourceFile, stamp: str, future: Future[FrameTables]) -> FrameTables:
        result = self._await(future, file)
        if isinstance(file, ListedFile) and self.request.strict:
            result.tables["errors"] = result.tables["errors"].slice(0, 0)  # the library lists them
        if self.cache and stamp:
            rows = {name: (0, len(table)) for name, table in result.tables.items()}
            self.cache.add(result, [(file, stamp, rows, result.copy_keys)])
        if self._has_conflict(_run_ids(result), result.copy_keys, file):
            names = tuple(self.request.columns)
            result = read_single_file(file, names, self.request.rules, tuple(self.run_ids), self.copies)
            self.run_ids.conflict(_run_ids(result), str(file.path))
        self.progress.advance(file.size)
        return result


def all_columns(names: Iterable[str], rules: RowRules, *, strict: bool) -> FrameRequest:
    """Return the request of these frames with all of their columns."""
    return FrameRequest({name: ALL_COLUMNS[name] for name in names}, strict=strict, rules=rules)


def _is_finished(result: FrameTables | CacheEntry | PendingFile) -> bool:
    return not isinstance(result, tuple) or (
        result[2].done() and not result[2].cancelled() and result[2].exception() is None
    )


def _raise_first_error(result: FrameTables) -> None:
    """Raise the first error of a file that was read by itself, and so leniently."""
    for row in result.tables["errors"].to_pylist():
        raise LoadError(row["reason"], file=row["file"] or "", position=row["position"] or "")


def no_progress(size: int) -> None:
    """Ignore a report of progress."""


def read_single_file(
    file: SourceFile,
    names: tuple[str, ...],
    rules: RowRules,
    reserved_ids: Iterable[str] = (),
    copies: Copies | None = None,
) -> FrameTables:
    """Return all columns of these frames for one file by itself, with its errors.

    `reserved_ids` and `copies` are those of other files.
    """
    copies = Copies(stable_digest) if copies is None else copies
    file_pass = FramePass(all_columns(names, rules, strict=False), RunIds(reserved_ids), copies)
    read_file(file_pass, file, no_progress)
    result = file_pass.result()
    result.copy_keys = copies.new_keys
    return result


def _run_ids(result: FrameTables) -> list[str]:
    table = next((table for table in result.tables.values() if "run_id" in table.column_names), None)
    return [] if table is None else table.column("run_id").unique().to_pylist()


def read_file(frame_pass: FramePass, file: SourceFile, advance: Callable[[int], object]) -> None:
    """Read every Run of a file into every frame; `advance` is called with the number of bytes since the last time."""
    remaining = file.size

    def report(size: int) -> None:
        nonlocal remaining
        remaining -= size
        advance(size)

    frame_pass.has_listed_problems = isinstance(file, ListedFile)
    with pause_gc():
        if not add_summaries(frame_pass, file) and not read_fast(frame_pass, file, report):
            read_runs(frame_pass, file)
    advance(remaining)


def read_runs(frame_pass: FramePass, file: SourceFile) -> None:
    """Read every Run of a file as values. A problem is an error row, and the next Run follows."""
    position = 0
    try:
        for item in read_runs_of_file(file.path, prices=frame_pass.request.rules.prices, place=file.place):
            run = item.run if isinstance(item, LoadError) else item
            if run is not None:
                frame_pass.add_run(file.source(run, position))
                position += 1
            if isinstance(item, LoadError):
                frame_pass.add_error(item)
    except LoadError:
        raise
    except Exception as error:  # an importer may be of another package, and a file may hold anything
        if frame_pass.request.strict:
            raise
        frame_pass.add_error(LoadError(f"{type(error).__name__}: {error}", file=str(file.path)))


def _pool(processes: int) -> ProcessPoolExecutor:
    """Return a pool of spawned processes: a fork of a process with threads may deadlock."""
    import multiprocessing

    return ProcessPoolExecutor(processes, multiprocessing.get_context("spawn"), _start_worker, (current_limits(),))


def _start_worker(limits: Limits) -> None:
    """Use the caller's limits, and leave interrupts to the process that started this one and ends it."""
    import signal

    limits.__enter__()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
