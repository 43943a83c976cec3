"""Sessions of a store as plain data, without making Blocks and Turns: what `nt.frames.blocks` counts."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from ..serialization.file_format import DEFAULT_ROLES, FORMAT_VERSION
from ..values.inference_results import INFERENCE_RESULT
from ..values.persistent_list import PersistentList
from .patches import Inline, Row
from .reader import BLOCK_COLUMNS, StoreReader
from .writer import ENDED

NOT_JSON = ("NaN", "Infinity")  # numbers that a file writes in another way than a store


class NotPlainError(Exception):
    """A session has parts that only its Run shows right."""


def record_of(reader: StoreReader, session_id: str) -> dict[str, Any] | None:
    """Return a session as `run_to_dict` writes its Run; None where this needs the Run."""
    try:
        return _Records(reader).session(session_id)
    except NotPlainError:
        return None


class _Records:
    def __init__(self, reader: StoreReader) -> None:
        self.reader = reader
        self.items: dict[int, Any] = {}

    def session(self, session_id: str) -> dict[str, Any]:
        number = self.reader.session_number(session_id)
        name, metadata, extra = self.reader.rows("SELECT name, metadata, extra FROM sessions WHERE number = ?", number)[
            0
        ]
        if extra:
            raise NotPlainError
        record: dict[str, Any] = {"version": FORMAT_VERSION, "id": session_id, **({"name": name} if name else {})}
        record["turns"] = turns = []
        previous_blocks: list[int] = []
        for execution in self.reader.execution_numbers(number):
            state = self.reader.latest_state(execution)
            if state is None:
                continue
            if self.reader.rows("SELECT phase FROM states WHERE number = ?", state)[0][0] != ENDED:
                raise NotPlainError  # recorded answers may follow its last state
            turn, previous_blocks = self._turn(state, previous_blocks)
            turns.append(turn)
        return {**record, "metadata": _parsed([metadata])[0]} if metadata else record

    def _turn(self, state: int, previous_blocks: list[int]) -> tuple[dict[str, Any], list[int]]:
        parts = self.reader.parts(state)
        blocks = list(parts.blocks)
        shared_count = len(previous_blocks)
        if blocks[:shared_count] != previous_blocks:  # a file names the blocks that it takes over by ranges
            raise NotPlainError
        values = self._values(parts.values)
        turn: dict[str, Any] = {"id": values["id"]} if values.get("id") else {}
        if shared_count:
            turn["shared_blocks"] = shared_count
        turn["blocks"] = self._blocks(blocks[shared_count:])
        for prefix, field in (("m:", "metadata"), ("d:", "data")):
            if fields := {name[2:]: value for name, value in values.items() if name.startswith(prefix)}:
                turn[field] = fields
        if any(name.startswith("x:") for name in values):
            raise NotPlainError
        return turn, blocks

    def _values(self, values: Mapping[str, Any]) -> dict[str, Any]:
        lists = [value for value in values.values() if isinstance(value, PersistentList)]
        parts = [*values.values(), *(item for value in lists for item in value)]
        self._fetch_items({part.number for part in parts if isinstance(part, Row)})
        return {name: self._value(value) for name, value in values.items()}

    def _value(self, value: Any) -> Any:
        if isinstance(value, PersistentList):
            return [self._value(item) for item in value]
        return value.value if isinstance(value, Inline) else self.items[value.number]

    def _blocks(self, numbers: list[int]) -> list[dict[str, Any]]:
        reader = self.reader
        query = f"SELECT {BLOCK_COLUMNS} FROM json_each(?) JOIN blocks AS b ON b.number = value"  # noqa: S608
        rows = {row[0]: row for row in reader.rows(query, reader.json(numbers))}
        found = [rows[number] for number in numbers if number in rows]
        if len(found) < len(numbers) or any(row[7] for row in found):
            raise NotPlainError
        self._fetch_items({row[6] for row in found if row[6] is not None})
        payloads, metadata = _parsed([row[4] for row in found]), iter(_parsed([row[5] for row in found if row[5]]))
        blocks: list[dict[str, Any]] = []
        for (_, kind, role, id, _, metadata_text, result, _), payload in zip(found, payloads, strict=True):
            block: dict[str, Any] = {"id": id} if id else {}
            block["kind"] = kind
            if role or kind in DEFAULT_ROLES:
                block["role"] = role or None
            if payload:
                block["payload"] = payload
            values = next(metadata) if metadata_text else {}
            if result is not None:
                values[INFERENCE_RESULT.name] = self.items[result]
            if values:
                block["metadata"] = values
            blocks.append(block)
        return blocks

    def _fetch_items(self, numbers: Iterable[int]) -> None:
        missing = [number for number in numbers if number not in self.items]
        query = "SELECT i.number, i.content FROM json_each(?) JOIN items AS i ON i.number = value"
        rows = self.reader.rows(query, self.reader.json(missing)) if missing else []
        if len(rows) < len(missing):
            raise NotPlainError
        self.items.update(zip([row[0] for row in rows], _parsed([row[1] for row in rows]), strict=True))


def _parsed(texts: list[str]) -> list[Any]:
    joined_text = f"[{','.join(texts)}]"
    if any(name in joined_text for name in NOT_JSON):
        raise NotPlainError
    values: list[Any] = json.loads(joined_text)
    return values
