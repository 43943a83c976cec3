"""The reader of a store: rows become Turns, snapshots and Runs."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from ..errors import StoreError
from ..events import Phase, Snapshot, stamp
from ..values.blocks import make_block
from ..values.frozen_json import EMPTY_DICT, FrozenDict, FrozenList
from ..values.inference_results import INFERENCE_RESULT
from ..values.metadata import NO_METADATA, unchecked_metadata
from ..values.persistent_list import PersistentList
from ..values.portable import with_escaped_surrogates
from ..values.recorded_turns import RecordedTurn
from ..values.turns import Block, Run, Turn
from .patches import NO_ITEMS, NO_PARTS, Row, StateParts, apply_patch, decode_json, decode_many
from .writer import ENDED, SENT

if TYPE_CHECKING:
    import sqlite3

AnyTurn = TypeVar("AnyTurn", Turn, RecordedTurn)
SNAPSHOT_PHASES = tuple(phase.value for phase in Phase)
CHAIN_QUERY = """
WITH RECURSIVE chain (base, patch, place) AS (
  SELECT base, patch, 0 FROM states WHERE number = ?
  UNION ALL SELECT s.base, s.patch, chain.place + 1 FROM chain JOIN states AS s ON s.number = chain.base
  LIMIT 100000)
SELECT base, patch FROM chain ORDER BY place"""  # a state, and those that it is based on
BLOCK_COLUMNS = "b.number, b.kind, b.role, b.id, b.payload, b.metadata, b.result, b.extra"


class StoreReader:
    """Reads the database of one store. Equal blocks are one object."""

    def __init__(self, connection: sqlite3.Connection, path: Path) -> None:
        self.connection = connection
        self.path = path
        self._items: dict[int, Any] = {}
        self._blocks: dict[int, Block] = {}

    def rows(self, query: str, *values: Any) -> list[Any]:
        return self.connection.execute(query, with_escaped_surrogates(values)).fetchall()

    @property
    def version(self) -> int:
        """The version of the tables."""
        return int(self.rows("PRAGMA user_version")[0][0])

    def forget_cache(self) -> None:
        """Forget the blocks read so far, in a pass over a store that may be larger than memory."""
        self._items.clear()
        self._blocks.clear()

    # Sessions and executions.

    def session_number(self, session_id: str) -> int:
        """Return the number of a session. Raises StoreError for an unknown one, and names those of a similar id."""
        rows = self.rows("SELECT number FROM sessions WHERE id = ?", session_id)
        if not rows:
            from difflib import get_close_matches

            known_ids = [id for (id,) in self.rows("SELECT id FROM sessions ORDER BY number DESC LIMIT 1000")]
            similar_ids = get_close_matches(str(session_id), known_ids, 1) or known_ids[:1]
            hint = f"; there is {similar_ids[0]!r}" if similar_ids else "; the store is empty"
            raise StoreError(f"no session {session_id!r:.80}{hint}", file=str(self.path))
        return int(rows[0][0])

    def session_ids(self) -> list[str]:
        return [id for (id,) in self.rows("SELECT id FROM sessions ORDER BY number")]

    def execution_numbers(self, session: int) -> list[int]:
        return [
            number
            for (number,) in self.rows("SELECT number FROM executions WHERE session = ? ORDER BY number", session)
        ]

    def load(self, session_id: str) -> Run:
        """Return the Run of a session: the Turn of each execution, as far as it came."""
        session = self.session_number(session_id)
        latest_turns = (self.latest_turn(number, self.turn) for number in self.execution_numbers(session))
        return Run(tuple(turn for turn in latest_turns if turn is not None), **self.run_fields(session))

    def run_fields(self, session: int) -> dict[str, Any]:
        """Return the fields of the Run of a session, except its Turns."""
        id, name, metadata, extra = self.rows(
            "SELECT id, name, metadata, extra FROM sessions WHERE number = ?", session
        )[0]
        return {
            "id": id,
            "name": name,
            "metadata": unchecked_metadata(decode_json(metadata)) if metadata else NO_METADATA,
            "extra": decode_json(extra) if extra else EMPTY_DICT,
        }

    def latest_turn(self, execution: int, turn_of: Callable[[int], AnyTurn]) -> AnyTurn | None:
        """Return the last Turn of an execution, with the recorded results of calls that it does not answer yet.

        `turn_of` makes a Turn, or the record of one, of the number of a state.
        """
        state = self.latest_state(execution)
        if state is None:
            return None
        turn = turn_of(state)
        has_ended = self.rows("SELECT phase = ? FROM states WHERE number = ?", ENDED, state)[0][0]
        return turn if has_ended else self.with_recorded_answers(turn, execution)

    def latest_state(self, execution: int) -> int | None:
        """Return the number of the last state of an execution; None when it has none."""
        row = self.connection.execute(
            "SELECT number FROM states WHERE execution = ? AND phase <> ? ORDER BY seq DESC LIMIT 1", (execution, SENT)
        ).fetchone()
        return None if row is None else int(row[0])

    def with_recorded_answers(self, turn: AnyTurn, execution: int) -> AnyTurn:
        """Return the Turn with the answers, of tools and of decisions, that came after its last snapshot."""
        pending = turn.calls.pending
        if not pending:
            return turn
        numbers_of_answers = self.rows(
            "SELECT answer FROM tool_executions WHERE execution = ? AND answer IS NOT NULL ORDER BY seq", execution
        )
        answers = {block.tool_call_id: block for block in self.blocks(number for (number,) in numbers_of_answers)}
        for (numbers,) in self.rows(
            "SELECT answers FROM pauses WHERE execution = ? AND answers IS NOT NULL ORDER BY seq", execution
        ):
            answers |= {block.tool_call_id: block for block in map(self.block, json.loads(numbers))}
        return turn + tuple(answers[id] for id in pending if id in answers)

    # States.

    def parts(self, state: int) -> StateParts:
        """Return the parts of a state, rebuilt from the patches since its keyframe."""
        chain = self.rows(CHAIN_QUERY, state)
        if not chain or chain[-1][0] is not None:
            number = chain[-1][0] if chain else state
            raise StoreError(f"the state {number} is missing; store.verify() lists the damage", file=str(self.path))
        parts = NO_PARTS
        for patch in json.loads(f"[{','.join([patch for _, patch in reversed(chain) if patch])}]"):
            parts = apply_patch(parts, patch)
        return parts

    def turn(self, state: int) -> Turn:
        return self._turn_of(self.parts(state))

    def recorded_turn(self, state: int) -> RecordedTurn:
        """Return the record of the Turn of a state."""
        parts = self.parts(state)
        metadata = {name: value for name, value in parts.values.items() if name.startswith("m:")}
        self._fetch_items(_row_numbers(metadata, {}))
        values = FrozenDict({name[2:]: self.value(value) for name, value in metadata.items()})
        return RecordedTurn(PersistentList(self.blocks(parts.blocks)), self.turn_id(parts), unchecked_metadata(values))

    def turn_id(self, parts: StateParts) -> str:
        """Return the id of the Turn with these parts."""
        return str(self.value(parts.values["id"])) if "id" in parts.values else ""

    def snapshots(self, execution: int) -> Iterator[Snapshot]:
        """Yield the snapshots of an execution in order; their Turns share blocks."""
        (execution_id,) = self.rows("SELECT id FROM executions WHERE number = ?", execution)[0]
        parts_by_number: dict[int, StateParts] = {}
        previous: tuple[StateParts, Turn] | None = None
        for number, seq, at, phase, iteration, base, patch in self.rows(
            "SELECT number, seq, at, phase, iteration, base, patch FROM states WHERE execution = ? ORDER BY seq",
            execution,
        ):
            if base is not None and base not in parts_by_number:
                parts_by_number[base] = self.parts(base)
            base_parts = NO_PARTS if base is None else parts_by_number[base]
            parts_by_number[number] = parts = apply_patch(base_parts, json.loads(patch)) if patch else base_parts
            if phase in SNAPSHOT_PHASES:
                turn = self._turn_of(parts, previous)
                previous = parts, turn
                snapshot = Snapshot(Phase(phase), turn, iteration)
                stamp(snapshot, seq, at, execution_id)
                yield snapshot

    def snapshot(self, execution: int, index: int) -> Snapshot:
        """Return one snapshot of an execution, without the others. Raises IndexError for one that does not exist."""
        order, offset = ("DESC", -index - 1) if index < 0 else ("ASC", index)
        number, seq, at, phase, iteration, execution_id = self.rows(
            "SELECT s.number, s.seq, s.at, s.phase, s.iteration, e.id FROM states AS s JOIN executions AS e"  # noqa: S608
            " ON e.number = s.execution WHERE s.execution = ? AND s.phase IN (SELECT value FROM json_each(?))"
            f" ORDER BY s.seq {order} LIMIT 1 OFFSET ?", execution, json.dumps(SNAPSHOT_PHASES), offset,
        )[0]  # fmt: skip
        snapshot = Snapshot(Phase(phase), self.turn(number), iteration)
        stamp(snapshot, seq, at, execution_id)
        return snapshot

    def _turn_of(self, parts: StateParts, previous: tuple[StateParts, Turn] | None = None) -> Turn:
        """Return the Turn of a state. Where it is known, it shares the blocks and lists of the `previous` one."""
        previous_parts, previous_turn = previous or (NO_PARTS, Turn())
        shared_count = parts.blocks.shared_length(previous_parts.blocks)
        added_numbers = list(parts.blocks.since(shared_count))
        self._fetch_blocks(added_numbers)
        blocks = previous_turn.blocks.head(shared_count) + map(self.block, added_numbers)
        if parts.values is previous_parts.values:
            return previous_turn._with(blocks=blocks)
        self._fetch_items(_row_numbers(parts.values, previous_parts.values))

        def decoded(prefix: str, previous_values: Mapping[str, Any]) -> FrozenDict:
            return FrozenDict(
                {
                    name[2:]: self.value(value, previous_parts.values.get(name), previous_values.get(name[2:]))
                    for name, value in parts.values.items()
                    if name.startswith(prefix)
                }
            )

        return Turn(
            blocks,
            self.turn_id(parts),
            unchecked_metadata(decoded("m:", previous_turn.metadata.stored_values())),
            unchecked_metadata(decoded("d:", previous_turn.data.stored_values())),
            extra=decoded("x:", previous_turn.extra),
        )

    def value(self, value: Any, previous_part: Any = None, previous_value: Any = None) -> Any:
        """Return the value of a part of a state; of a list that grew, only the new items are decoded."""
        if value is previous_part:
            return previous_value
        if isinstance(value, PersistentList):
            is_longer = isinstance(previous_part, PersistentList) and isinstance(previous_value, FrozenList)
            shared_count = value.shared_length(previous_part) if is_longer else 0
            shared_values = previous_value[:shared_count] if shared_count else ()
            return FrozenList((*shared_values, *map(self.value, value.since(shared_count))))
        return self.item(value.number) if isinstance(value, Row) else decode_json(json.dumps(value.value))

    # Blocks and items.

    def item(self, number: int) -> Any:
        if number not in self._items:
            self._fetch_items([number])
        return self._items[number]

    def _fetch_items(self, numbers: Iterable[int]) -> None:
        missing_numbers = [number for number in numbers if number not in self._items]
        if not missing_numbers:
            return
        found = self.rows(
            "SELECT i.number, i.content FROM json_each(?) JOIN items AS i ON i.number = value",
            json.dumps(missing_numbers),
        )
        self._items.update(zip([row[0] for row in found], decode_many([row[1] for row in found]), strict=True))
        self._refuse_missing("item", missing_numbers, self._items)

    def block(self, number: int) -> Block:
        if number not in self._blocks:
            self._fetch_blocks([number])
        return self._blocks[number]

    def blocks(self, numbers: Iterable[int]) -> list[Block]:
        """Return the blocks of these numbers, read at once."""
        number_list = list(numbers)
        self._fetch_blocks(number_list)
        return [self._blocks[number] for number in number_list]

    @staticmethod
    def json(numbers: Iterable[int]) -> str:
        """Return numbers as a query value for `json_each`."""
        return json.dumps(list(numbers))

    def _fetch_blocks(self, numbers: Iterable[int]) -> None:
        missing_numbers = [number for number in numbers if number not in self._blocks]
        if not missing_numbers:
            return
        found = self.rows(
            f"SELECT {BLOCK_COLUMNS} FROM json_each(?) JOIN blocks AS b ON b.number = value",  # noqa: S608
            json.dumps(missing_numbers),
        )
        self._fetch_items([row[6] for row in found if row[6] is not None])
        payloads = decode_many([row[4] for row in found])
        metadata = iter(decode_many([row[5] for row in found if row[5]]))
        for (number, kind, role, id, _, metadata_text, result, extra), payload in zip(found, payloads, strict=True):
            values = next(metadata) if metadata_text else EMPTY_DICT
            if result is not None:
                values = FrozenDict({INFERENCE_RESULT.name: self._items[result], **values})
            self._blocks[number] = make_block(
                kind, payload, role, id, unchecked_metadata(values) if values else NO_METADATA,
                decode_json(extra) if extra else EMPTY_DICT,
            )  # fmt: skip
        self._refuse_missing("block", missing_numbers, self._blocks)

    def _refuse_missing(self, name: str, numbers: Iterable[int], found: Mapping[int, Any]) -> None:
        for number in numbers:
            if number not in found:
                raise StoreError(
                    f"the {name} {number} is missing; store.verify() lists the damage", file=str(self.path)
                )


def _row_numbers(values: Mapping[str, Any], previous_values: Mapping[str, Any]) -> Iterator[int]:
    """Yield the numbers of the items that are not in the previous values."""
    for name, value in values.items():
        previous_value = previous_values.get(name)
        if value is previous_value:
            continue
        if isinstance(value, Row):
            yield value.number
        elif isinstance(value, PersistentList):
            previous_list = previous_value if isinstance(previous_value, PersistentList) else NO_ITEMS
            added_items = value.since(value.shared_length(previous_list))
            yield from (item.number for item in added_items if isinstance(item, Row))
