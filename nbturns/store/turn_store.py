"""TurnStore: every snapshot of every session in one SQLite file."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import MisuseError, StoreError
from ..events import Delta, Ended, Event, InferenceStarted, Paused, Snapshot, ToolStarted
from ..files import run_line, save
from ..importers import pause_gc
from ..redaction import Rules
from ..render.totals import count_phrase
from ..runtime.background_loop import BatchQueue
from ..safety.visible_text import printable
from ..search.hits import Hits
from ..search.query import SearchQuery, check_limit, parse_query
from ..search.summaries import summaries_html
from ..values.metadata import Key
from ..values.portable import with_escaped_surrogates
from ..values.recorded_turns import RecordedRun
from ..values.turns import Run, Turn
from .maintenance import compact_database, copy_database, forget_sessions, shrink_journal, write_lines
from .patches import encode_json
from .reader import StoreReader
from .recorded_runs import TurnSnapshots, load_with_snapshots, recorded_run
from .records import record_of
from .resumption import continue_execution, read_unfinished_execution
from .schema import VERSION, open_for_reading, store_errors
from .session_summaries import read_summaries, write_summaries
from .store_search import find_hits, needs_update, search_in_memory, update_index
from .verification import StoreCheck, Verification
from .writer import Maintenance, Operation, StoreWriter

if TYPE_CHECKING:
    import sqlite3

    from ..runtime.engine_protocol import Engine
    from ..session import Session
    from ..tools import Tool
    from ..widgets.library_view import LibraryView


# An execution waits for these; other events are written with them, because each commit waits for the disk.
AWAITED_EVENTS = (InferenceStarted, ToolStarted, Paused, Ended)
WRITE_DELAY = 0.002  # seconds
JOURNAL_DELAY = 0.5  # seconds after the end of an execution; then its journal is moved to the database


class TurnStore:
    """Every snapshot, decision and tool call of sessions, in one SQLite file: `nt.Session(engine, store=store)`.

    A store is a sink whose writes are awaited: no model call or tool begins before everything up to it is on disk.
    Several processes may use one file. The methods of a store may be called from any thread.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        if not isinstance(path, (str, os.PathLike)) or not str(path):
            raise MisuseError(f'nt.TurnStore() expects a path, like "runs.db", got {path!r:.60}')
        if str(path) == ":memory:" or str(path).startswith("file:"):
            raise MisuseError(
                f'a store is a file that outlives its kernel: pass its path, like "runs.db", not {path!r:.60}'
            )
        self.path: Path = Path(path).expanduser()
        self._writer = StoreWriter(self.path)
        self._queue: BatchQueue[Operation] = BatchQueue(self._writer.write)
        self._sessions_with_turns: set[str] = set()
        with store_errors(self.path):
            if not self.path.parent.is_dir():
                raise StoreError(f"the folder {self.path.parent} does not exist; create it first", file=str(self.path))
            if self.path.is_dir():
                raise StoreError("this is a folder; pass the path of a file in it", file=str(self.path))
            is_empty = not self.path.exists() or not self.path.stat().st_size
        if is_empty:
            self._write(_do_nothing)  # creates the tables, or says at once why it cannot
        else:
            with self._reader() as reader:
                is_old = reader.version < VERSION
            if is_old:
                with suppress(StoreError):  # a store that cannot be written is read all the same
                    self._write(_do_nothing)  # migrates the tables

    @classmethod
    def default(cls) -> TurnStore:
        """Return the store in the platform's folder for data, which all notebooks of this user share.

        Raises StoreError if there is no such folder and it cannot be made.
        """
        from platformdirs import user_data_path

        folder = user_data_path("nbturns", appauthor=False)
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StoreError(f"the folder cannot be created: {error.strerror}", file=str(folder)) from None
        return cls(folder / "runs.db")

    # Writing.

    def __call__(self, event: Event) -> Future[None] | None:
        """Write an event; the future has a result when it is on disk."""
        if isinstance(event, Delta):
            return None
        is_awaited = isinstance(event, AWAITED_EVENTS)
        write = self._queue.put(event, delay=0 if is_awaited else WRITE_DELAY)
        if isinstance(event, Ended):
            self._queue.put(Maintenance(shrink_journal), delay=JOURNAL_DELAY)
        return write

    def keep_turns(self, session_id: str, turns: tuple[Turn, ...]) -> None:
        """Write the Turns that a session had before its first execution in this store."""
        if session_id not in self._sessions_with_turns:
            self._sessions_with_turns.add(session_id)
            self._queue.put(lambda connection: self._add_turns(connection, session_id, turns))

    def _add_turns(self, connection: sqlite3.Connection, session_id: str, turns: Iterable[Turn]) -> None:
        session = self._writer.session_number(session_id, time.time())
        if not connection.execute("SELECT 1 FROM executions WHERE session = ?", (session,)).fetchone():
            self._writer.add_turns(session, turns, time.time())

    def add(self, run: Run) -> str:
        """Write a Run that was made elsewhere, for example a loaded one, and return its id.

        Raises StoreError when the store has a session of this id.
        """
        if not isinstance(run, Run):
            raise MisuseError(f"add() expects a Run, like nt.load(path), got {type(run).__name__}: {run!r:.60}")
        from uuid import uuid4

        run_id = run.id or uuid4().hex

        def add_run(connection: sqlite3.Connection) -> None:
            if connection.execute("SELECT 1 FROM sessions WHERE id = ?", with_escaped_surrogates([run_id])).fetchone():
                raise StoreError(
                    f"the store has a session {run_id!r:.80}; store.forget() removes it", file=str(self.path)
                )
            session = self._writer.session_number(run_id, time.time())
            metadata = encode_json(dict(run.metadata.items())) if len(run.metadata) else None
            connection.execute(
                "UPDATE sessions SET name = ?, metadata = ?, extra = ? WHERE number = ?",
                with_escaped_surrogates([run.name, metadata, encode_json(run.extra) if run.extra else None, session]),
            )
            self._writer.add_turns(session, run.turns, time.time())

        self._write(add_run)
        return run_id

    def _write(self, operation: Operation) -> None:
        self._queue.put_and_wait(operation, "a store's method")

    # Reading.

    @contextmanager
    def _reader(self) -> Iterator[StoreReader]:
        with store_errors(self.path):
            connection = open_for_reading(self.path)
            try:
                connection.execute("BEGIN")  # one state of the database for all that is read
                yield StoreReader(connection, self.path)
            finally:
                connection.close()

    def ids(self) -> list[str]:
        """Return the ids of all sessions, the oldest first."""
        with self._reader() as reader:
            return reader.session_ids()

    def summaries(self) -> list[dict[str, Any]]:
        """Return the summary of each session, the newest first; only changed ones are loaded."""
        with self._reader() as reader:
            summaries, changed = read_summaries(reader)
        if changed:
            with suppress(StoreError):  # a store that cannot be written is listed all the same
                self._write(lambda connection: write_summaries(connection, changed))
        return summaries

    def runs(self, fields: Iterable[str] = (), **options: Any) -> Any:
        """Return the frame of all sessions, as `nt.frames.runs` does; `summaries()` is quicker."""
        from ..frames import runs

        return runs(self, fields, **options)

    def load(self, run_id: str) -> Run:
        """Return the Run of a session, whose id is that of the session. Raises StoreError for an unknown one."""
        with self._reader() as reader, pause_gc():
            return reader.load(run_id)

    def record(self, run_id: str) -> dict[str, Any] | None:
        """Return a session as plain data, without making Turns; None where only its Run has all of it. For frames."""
        with self._reader() as reader, pause_gc():
            return record_of(reader, run_id)

    def load_with_snapshots(self, run_id: str) -> tuple[Run, TurnSnapshots]:
        """Return a session and its snapshots by index of their Turn, with the same blocks. For frames."""
        with self._reader() as reader, pause_gc():
            return load_with_snapshots(reader, run_id)

    def recorded_run(
        self, run_id: str, snapshot_keys: Sequence[Key[Any]] | None = None
    ) -> tuple[RecordedRun, TurnSnapshots]:
        """Return the same as records, without making Turns. For frames.

        The snapshots have the metadata of `snapshot_keys` alone; None for no snapshots.
        """
        with self._reader() as reader, pause_gc():
            return recorded_run(reader, run_id, snapshot_keys)

    def snapshots(self, run_id: str) -> list[tuple[Snapshot, ...]]:
        """Return the snapshots of a session, for each of its Turns."""
        with self._reader() as reader, pause_gc():
            session = reader.session_number(run_id)
            return [tuple(reader.snapshots(number)) for number in reader.execution_numbers(session)]

    def snapshot(self, run_id: str, index: int = -1, turn_index: int = -1) -> Snapshot:
        """Return `snapshots(run_id)[turn_index][index]` without loading the others. Raises StoreError if there is none."""
        with self._reader() as reader, pause_gc():
            executions = reader.execution_numbers(reader.session_number(run_id))
            try:
                return reader.snapshot(executions[turn_index], index)
            except IndexError:
                place = f"snapshot {index} of Turn {turn_index}"
                raise StoreError(f"the session {run_id!r:.80} has no {place}", file=str(self.path)) from None

    def search(self, query: str, limit: int = 100) -> Hits:
        """Return up to `limit` blocks that match, the newest first.

        A query has words, "quoted phrases" and the filters kind: tool: model: session: file: label: error: before:
        after:. Raises MisuseError for a query without any of them.
        """
        parsed_query = parse_query(query)
        check_limit(limit)
        with self._reader() as reader:
            is_current = not needs_update(reader)
        if not is_current:
            try:
                self._write(lambda connection: update_index(StoreReader(connection, self.path)))
            except StoreError:
                return self._search_copy(parsed_query, limit)
        with self._reader() as reader:
            return find_hits(reader, parsed_query, limit, self.load)

    def _search_copy(self, query: SearchQuery, limit: int) -> Hits:
        """Search a store that cannot be written."""
        with self._reader() as reader:
            copy = StoreReader(search_in_memory(reader.connection), self.path)
            try:
                update_index(copy)
                return find_hits(copy, query, limit, self.load)
            finally:
                copy.connection.close()

    def resume(
        self,
        session_id: str,
        engine: Engine,
        *,
        tools: Iterable[Tool | Callable[..., Any]] = (),
        step: bool | Iterable[str] | None = None,
        **options: Any,
    ) -> Session:
        """Return the session of this id; an execution that did not end continues at its last snapshot or pause.

        A call with a recorded result is not run again. One that had begun and has no result runs again if its tool
        is pure or idempotent; else `session.execution` pauses and asks. `step` is as in `nt.Session`, None as before;
        `options` are those of `nt.Session`. Raises BusyError while the process of the session runs.
        """
        from ..session import Session

        with self._reader() as reader:
            unfinished = read_unfinished_execution(reader, session_id)
            run = reader.load(session_id)
        turns = run.turns if unfinished is None else run.turns[:-1]
        session = Session(
            engine, tools=tools, step=bool(step) if step is None else step, store=self, id=session_id,
            run=Run(turns), **options,
        )  # fmt: skip
        if unfinished is not None:
            continue_execution(session, unfinished, step)
        return session

    def backup(self, path: str | os.PathLike[str]) -> Path:
        """Copy the store to a new file, also while it is used, and return its path.

        Raises StoreError if the folder of `path` does not exist, or the copy cannot be written.
        """
        target = Path(path).expanduser()
        if not target.parent.is_dir():
            raise StoreError(f"the folder {target.parent} does not exist; create it first", file=str(target))
        with self._reader() as reader:
            copy_database(reader.connection, self.path, target)
        return target

    def forget(self, *run_ids: str) -> None:
        """Remove sessions for good; `compact()` returns their space to the disk. Raises StoreError for an unknown one."""
        if not run_ids or not all(isinstance(run_id, str) for run_id in run_ids):
            raise MisuseError(f"forget() expects the ids of sessions, got {run_ids!r:.60}; .ids() lists them")
        self._write(lambda connection: self._forget(connection, run_ids))

    def _forget(self, connection: sqlite3.Connection, run_ids: tuple[str, ...]) -> None:
        forget_sessions(connection, self.path, run_ids)
        self._writer.forget_numbers()

    def compact(self) -> None:
        """Return the space of removed sessions to the disk."""
        self._write(Maintenance(compact_database))

    def export(
        self, path: str | os.PathLike[str], run_ids: Iterable[str] | None = None, *, redact: Rules | bool = False
    ) -> Path:
        """Write sessions to a file and return its path: several as JSON Lines (.jsonl), one in any format of `nt.save`.

        `redact` is as in `nt.save`.
        """
        target = Path(path).expanduser()
        ids = self.ids() if run_ids is None else [run_ids] if isinstance(run_ids, str) else list(run_ids)
        if target.suffix.lower() != ".jsonl":
            if len(ids) != 1:
                raise MisuseError(f"{target.name}: {len(ids)} sessions need a .jsonl file; or pass the id of one")
            return save(self.load(ids[0]), target, redact=redact)
        write_lines(target, (run_line(self.load(run_id), redact=redact) for run_id in ids))
        return target

    def verify(self) -> Verification:
        """Hash every block again and rebuild every snapshot; the result is true when nothing is damaged."""
        with self._reader() as reader:
            return StoreCheck(reader).run()

    def view(self) -> LibraryView:
        """Return a view with the sessions, a search, and the session that is opened in it."""
        from ..widgets.library_view import LibraryView

        return LibraryView(self)

    def __iter__(self) -> Iterator[Run]:
        return map(self.load, self.ids())

    def __len__(self) -> int:
        return len(self.ids())

    def _repr_html_(self) -> str:
        summaries = self.summaries()
        return summaries_html(f"{count_phrase(len(summaries), 'session')} in {self.path}", summaries)

    @printable
    def __repr__(self) -> str:
        try:
            count = len(self.ids())
        except StoreError as error:
            return f"<TurnStore {self.path}: {error.reason}>"
        return f"<TurnStore {self.path}: {count} session{'s' * (count != 1)}>"


def _do_nothing(connection: sqlite3.Connection) -> None:
    """Write nothing; the connection is opened all the same."""
