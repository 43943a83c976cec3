"""The writer of a store: events of executions become rows, in one transaction for all that wait."""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias
from weakref import finalize

from ..errors import StoreError
from ..events import (
    Ended,
    Event,
    InferenceFinished,
    InferenceStarted,
    Notice,
    Paused,
    Resumed,
    Snapshot,
    Started,
    ToolFinished,
    ToolStarted,
)
from ..session import SESSION_ID
from ..values.frozen_json import FrozenDict
from ..values.inference_results import INFERENCE_RESULT, InferenceResult
from ..values.metadata import json_shape
from ..values.portable import with_escaped_surrogates
from ..values.turns import Block, Turn
from .block_hash import content_hash
from .patches import EMPTY_PARTS, TurnParts, encode_json, make_patch, parts_of
from .processes import process_name
from .schema import LOCK_TIMEOUT, open_for_writing, store_errors

if TYPE_CHECKING:
    import sqlite3

MAX_INLINE_LENGTH = 80  # characters of JSON; longer values are items
KEYFRAME_INTERVAL = 64  # states; a state is rebuilt from at most as many patches
MAX_CACHED_NUMBERS = 100_000  # of blocks and results
STARTED, SENT, RESUMED, ENDED = "started", "sent", "resumed", "ended"  # phases of states that are not snapshots


class Maintenance(NamedTuple):
    """An operation outside of a transaction."""

    run: Callable[[sqlite3.Connection], object]


Operation: TypeAlias = "Event | Maintenance | Callable[[sqlite3.Connection], object]"


class WrittenState(NamedTuple):
    """A state that is in the store."""

    number: int
    depth: int
    parts: TurnParts


class StoreWriter:
    """Writes to the database of one store, on one thread at a time."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.lock_timeout = LOCK_TIMEOUT  # seconds to wait for another process that writes
        self._connection: sqlite3.Connection | None = None
        self._close: Callable[[], object] = lambda: None
        self._errors: dict[str, StoreError] = {}  # by id of the execution whose write failed
        self.forget_numbers()

    def forget_numbers(self) -> None:
        self._executions: dict[str, int] = {}
        self._last_states: OrderedDict[int, WrittenState] = OrderedDict()  # by execution
        self._numbers: dict[int, tuple[int, Any]] = {}  # by id of a Block or result, which is kept alive here

    def close(self) -> None:
        self._close()
        self._connection = None

    def _open(self) -> sqlite3.Connection:
        self._connection = connection = open_for_writing(self.path, self.lock_timeout)
        self._close = finalizer = finalize(self, connection.close)
        finalizer.atexit = False  # the thread of the writer may still use it
        return connection

    def write(self, operations: Sequence[Operation]) -> None:
        """Do all operations in one transaction, or none of them. Raises StoreError."""
        try:
            with store_errors(self.path):
                self._write_in_transaction(operations)
        except StoreError as error:
            if len(operations) == 1 and isinstance(operations[0], Event):
                self._errors[operations[0].execution_id] = error  # later events of the execution would leave a gap
            raise

    def _write_in_transaction(self, operations: Sequence[Operation]) -> None:
        if self._connection is not None and not self.path.exists():  # SQLite would go on writing to the deleted file
            raise StoreError(
                "the file was moved or deleted while the store was open; make a new nt.TurnStore", file=str(self.path)
            )
        connection = self._connection or self._open()
        if any(isinstance(operation, Maintenance) for operation in operations):
            if len(operations) > 1:
                raise StoreError("maintenance is not part of a transaction")  # each is then tried by itself
            operations[0].run(connection)  # type: ignore[union-attr]
            return
        try:
            connection.execute("BEGIN IMMEDIATE")
            for operation in operations:
                if isinstance(operation, Event):
                    self._write_event(operation)
                elif not isinstance(operation, Maintenance):
                    operation(connection)
            connection.execute("COMMIT")
        except BaseException:
            self.forget_numbers()
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise

    # Events.

    def _write_event(self, event: Event) -> None:
        if error := self._errors.get(event.execution_id):
            raise error
        if isinstance(event, Started):
            self._start_execution(event)
            return
        execution = self._executions.get(event.execution_id)
        if execution is None:
            execution = self._find_execution(event)
        match event:
            case Snapshot():
                self._write_state(execution, event, event.phase.value, event.turn, event.iteration)
            case InferenceStarted():
                self._write_state(execution, event, SENT, event.turn)
                self._insert(
                    "inferences", execution=execution, id=event.inference_id, seq=event.seq, started_at=event.at
                )
            case InferenceFinished():
                self._update_last(
                    "inferences", execution, event.result.inference_id,
                    finished_at=event.at, result=self._result_number(event.result),
                )  # fmt: skip
            case ToolStarted():
                self._insert(
                    "tool_executions", execution=execution, call_id=event.call.tool_call_id, seq=event.seq,
                    name=event.call.name, started_at=event.at,
                )  # fmt: skip
            case ToolFinished():
                self._update_last(
                    "tool_executions", execution, event.call.tool_call_id, finished_at=event.at,
                    duration_ms=event.duration_ms, answer=self._block_number(event.answer, event.at),
                )  # fmt: skip
            case Paused(pause=pause):
                self._insert(
                    "pauses", execution=execution, seq=event.seq, number=pause.number, phase=pause.phase.value,
                    iteration=pause.iteration, reason=pause.reason, at=event.at,
                )  # fmt: skip
            case Resumed():
                self._write_resumed(execution, event)
            case Notice():
                self._insert("notices", execution=execution, seq=event.seq, at=event.at, text=event.text)
            case Ended():
                self._write_state(execution, event, ENDED, event.turn)
                self._execute(
                    "UPDATE executions SET ended_at = ?, status = ?, error = ? WHERE number = ?",
                    event.at, event.status, event.error, execution,
                )  # fmt: skip

    def _start_execution(self, event: Started) -> None:
        session_id = event.turn.metadata.get(SESSION_ID) or event.execution_id
        session = self.session_number(session_id, event.at)
        execution = self._execute(
            "INSERT INTO executions (session, id, started_at, status, settings, process) VALUES (?, ?, ?, 'running', ?, ?)"
            " ON CONFLICT (session, id) DO UPDATE SET ended_at = NULL, status = 'running', error = '',"
            " process = excluded.process RETURNING number",
            session, event.execution_id, event.at, encode_json(_settings_of(event.execution)), process_name(),
        ).fetchone()[0]  # fmt: skip
        self._executions[event.execution_id] = execution
        self._write_state(execution, event, STARTED, event.turn, base=self._last_state_of_session(session))

    def _find_execution(self, event: Event) -> int:
        row = self._execute("SELECT max(number) FROM executions WHERE id = ?", event.execution_id).fetchone()
        if row[0] is None:
            raise StoreError(f"the store does not know the execution {event.execution_id!r}; its start was not written")
        self._executions[event.execution_id] = row[0]
        return int(row[0])

    def _write_resumed(self, execution: int, event: Resumed) -> None:
        state = None
        if event.turn is not event.pause.turn:
            state = self._write_state(execution, event, RESUMED, event.turn, event.pause.iteration)
        answers = [self._block_number(answer, event.at) for answer in event.answers]
        self._execute(
            "UPDATE pauses SET ended_at = ?, ended_by = ?, state = ?, answers = ?, chosen = ? WHERE execution = ?"
            " AND number = ? AND ended_at IS NULL",
            event.at, event.by, state, json.dumps(answers),
            None if event.only is None else json.dumps(event.only), execution, event.pause.number,
        )  # fmt: skip

    # Rows.

    def session_number(self, session_id: str, at: float) -> int:
        self._execute("INSERT OR IGNORE INTO sessions (id, created_at) VALUES (?, ?)", session_id, at)
        return int(self._execute("SELECT number FROM sessions WHERE id = ?", session_id).fetchone()[0])

    def add_turns(self, session: int, turns: Iterable[Turn], at: float) -> None:
        """Add Turns that were not made by executions of this store as ended executions of a session."""
        base: WrittenState | None = None
        for index, turn in enumerate(turns):
            execution = self._execute(
                "INSERT INTO executions (session, id, started_at, ended_at, status) VALUES (?, ?, ?, ?, 'added')"
                " RETURNING number", session, f"{turn.id}#{index}", at, at,
            ).fetchone()[0]  # fmt: skip
            self._insert_state(execution, 0, at, ENDED, 0, turn, base)
            base = self._last_states[execution]

    def _last_state_of_session(self, session: int) -> WrittenState | None:
        row = self._execute(
            "SELECT number FROM executions WHERE session = ? ORDER BY number DESC LIMIT 1 OFFSET 1", session
        ).fetchone()
        return self._last_states.get(row[0]) if row else None

    def _write_state(
        self, execution: int, event: Event, phase: str, turn: Turn, iteration: int = 0,
        base: WrittenState | None = None,
    ) -> int:  # fmt: skip
        return self._insert_state(execution, event.seq, event.at, phase, iteration, turn, base)

    def _insert_state(
        self, execution: int, seq: int, at: float, phase: str, iteration: int, turn: Turn, base: WrittenState | None
    ) -> int:
        """Insert what changed since the last state of the execution, or everything, and return the number of the row."""
        base = self._last_states.get(execution) or base
        depth = 0 if base is None else base.depth + 1
        is_keyframe = base is None or depth >= KEYFRAME_INTERVAL
        parts = parts_of(turn)
        patch = make_patch(
            EMPTY_PARTS if is_keyframe or base is None else base.parts,
            parts,
            lambda block: self._block_number(block, at),
            self._encode_value,
        )
        number = self._insert(
            "states", execution=execution, seq=seq, at=at, phase=phase, iteration=iteration,
            base=None if is_keyframe or base is None else base.number, depth=0 if is_keyframe else depth,
            length=len(turn), patch=encode_json(patch) if patch else None,
        )  # fmt: skip
        if phase != SENT:  # what a middleware sent is beside the chain
            self._last_states[execution] = WrittenState(number, 0 if is_keyframe else depth, parts)
            self._last_states.move_to_end(execution)
            while len(self._last_states) > 64:
                self._last_states.popitem(last=False)
        return number

    def _block_number(self, block: Block, at: float) -> int:
        if (cached := self._numbers.get(id(block))) is not None:
            return cached[0]
        stored_values = block.metadata.stored_values()
        stored_result = stored_values.get(INFERENCE_RESULT.name)
        result = None
        metadata = block.metadata
        if isinstance(stored_result, (InferenceResult, FrozenDict)):
            result = self._result_number(stored_result)
            metadata = metadata.without(INFERENCE_RESULT)
        columns = {
            "kind": block.kind,
            "role": block.role,
            "id": block.id,
            "payload": encode_json(block.payload),
            "metadata": encode_json(dict(metadata.items())) if len(metadata) else None,
            "result": result,
            "extra": encode_json(block.extra) if block.extra else None,
        }
        digest = block_digest(*with_escaped_surrogates(columns.values()))
        number = self._row_number("blocks", digest)
        if number is None:
            number = self._insert(
                "blocks", digest=digest, content_hash=content_hash(block), first_seen_at=at, **columns
            )
        self._remember(block, number)
        return number

    def _encode_value(self, value: Any) -> int | list[Any]:
        """Return the number of the item of a value, or [value] for a short one."""
        if isinstance(value, InferenceResult):
            return self._result_number(value)
        text = encode_json(json_shape(value))
        return self._item_number(text) if len(text) > MAX_INLINE_LENGTH else [json.loads(text)]

    def _result_number(self, result: InferenceResult | FrozenDict) -> int:
        if (cached := self._numbers.get(id(result))) is not None:
            return cached[0]
        data = result.disk_shape() if isinstance(result, InferenceResult) else result
        number = self._item_number(encode_json(data))
        self._remember(result, number)
        return number

    def _item_number(self, text: str) -> int:
        digest = item_digest(text)
        number = self._row_number("items", digest)
        return self._insert("items", digest=digest, content=text) if number is None else number

    def _remember(self, value: Any, number: int) -> None:
        if len(self._numbers) >= MAX_CACHED_NUMBERS:
            self._numbers.clear()
        self._numbers[id(value)] = number, value

    def _row_number(self, table: str, digest: bytes) -> int | None:
        row = self._execute(f"SELECT number FROM {table} WHERE digest = ?", digest).fetchone()  # noqa: S608
        return None if row is None else int(row[0])

    def _execute(self, statement: str, *values: Any) -> sqlite3.Cursor:
        assert self._connection is not None
        return self._connection.execute(statement, with_escaped_surrogates(values))

    def _insert(self, table: str, **columns: Any) -> int:
        names, places = ", ".join(columns), ", ".join("?" * len(columns))
        cursor = self._execute(f"INSERT INTO {table} ({names}) VALUES ({places})", *columns.values())  # noqa: S608
        return int(cursor.lastrowid or 0)

    def _update_last(self, table: str, execution: int, id: str, **columns: Any) -> None:
        """Update the last started row of a model call or a tool call."""
        id_column = "id" if table == "inferences" else "call_id"
        assignments = ", ".join(f"{name} = ?" for name in columns)
        self._execute(
            f"UPDATE {table} SET {assignments} WHERE execution = ? AND {id_column} = ? AND seq ="  # noqa: S608
            f" (SELECT max(seq) FROM {table} WHERE execution = ? AND {id_column} = ?)",
            *columns.values(), execution, id, execution, id,
        )  # fmt: skip


def block_digest(*columns: str | int | None) -> bytes:
    """Return the digest of the columns of a block, by which equal blocks are kept once."""
    return item_digest("\0".join("" if column is None else str(column) for column in columns))


def item_digest(text: str) -> bytes:
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()


def _settings_of(execution: Any) -> dict[str, Any]:
    """Return the settings that a resumed execution needs again: its pauses and its limit."""
    if execution is None:
        return {}
    steps = execution._step_controller
    phases = steps.pause_phases
    return {"step": sorted(phases) if phases is not None else steps.is_stepping, "limit": execution.limit}
