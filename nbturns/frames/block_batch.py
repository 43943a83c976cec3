"""Many blocks at once, as they come: what `blocks` is made of where its columns are ours.

A row object for each block, and a function call for each of its cells, would take four
times as long. What belongs to a Run, a Turn or a model call stands here once, what few
blocks have only for those, and `block_arrays.py` spreads it over all rows.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from ..provenance import FIELDS, OPENAI_CHAT_FIELDS, TIMESTAMP
from ..results import InferenceResult
from ..turns import Block
from .arrays import to_json

FIELDS_KEYS = (FIELDS, OPENAI_CHAT_FIELDS)

Told = tuple[str, str, str, str]  # of a model call: provider, model, stop reason, finish class
NOTHING_TOLD: Told = ("", "", "", "")

# The kinds and roles of nearly all blocks; a batch knows each such pair by its number.
VOICES: dict[tuple[str, str | None], int] = {
    ("system", "system"): 0,
    ("system", "developer"): 1,
    ("user", "user"): 2,
    ("llm_text", "assistant"): 3,
    ("tool_call", None): 4,
    ("tool_use", None): 5,
    ("reasoning", None): 6,
}
SYSTEM, DEVELOPER, USER, REPLY, CALL, RESULT, THOUGHT = VOICES.values()


class BlockBatch:
    """Blocks as a text and a voice each; by their rows, what only some of them have.

    Whoever adds a block appends to `texts` and to `voices`, and puts the rest under the row
    they then have, `len(texts)` before that.
    """

    def __init__(self) -> None:
        self.runs: list[tuple[str, str]] = []  # id, file
        # Blocks in a row of one Turn: the number of its Run here, its id, its place there; the first one's place
        # in the Turn, and its row.
        self.stretches: list[tuple[int, str, int, int, int]] = []
        self.call_ids: list[str] = []  # of the model calls
        self.call_told: list[int] = []  # what is told of each, as a number in `told`
        self.told: dict[Told, int] = {}
        self.texts: list[str] = []
        self.voices: list[int] = []  # kind and role, as a number in `pairs`
        self.pairs = dict(VOICES)
        self.ids: dict[int, str] = {}
        self.images: dict[int, int] = {}
        self.tool_call_ids: dict[int, str] = {}
        self.names: dict[int, str] = {}
        self.errors: dict[int, str] = {}
        self.made_by: dict[int, int] = {}  # the number of the model call here
        self.extras: dict[int, str] = {}
        self.times: dict[int, datetime] = {}
        self.rows: list[Any] = []  # a row object for each block, where a column of somebody else's reads them

    def __len__(self) -> int:
        return len(self.texts)

    @property
    def _listed(self) -> tuple[list[Any], ...]:
        return self.texts, self.voices, self.runs, self.stretches, self.call_ids, self.call_told, self.rows

    @property
    def _by_row(self) -> tuple[dict[int, Any], ...]:
        return (
            *(self.ids, self.images, self.tool_call_ids, self.names, self.errors),
            *(self.made_by, self.extras, self.times),
        )

    def lengths(self) -> tuple[int, ...]:
        """How much there is; the first is that of the blocks."""
        return *map(len, self._listed), len(self.told), len(self.pairs)

    def shorten(self, lengths: tuple[int, ...]) -> None:
        """Forget all beyond these lengths, which `lengths` gave before."""
        *listed, told, pairs = lengths
        for values, length in zip(self._listed, listed, strict=True):
            del values[length:]
        for numbers, length in ((self.told, told), (self.pairs, pairs)):
            while len(numbers) > length:
                numbers.popitem()
        for known in self._by_row:
            while known and next(reversed(known)) >= lengths[0]:
                known.popitem()

    def begin_run(self, run_id: str, file: str) -> int:
        """A Run, by its number here."""
        self.runs.append((run_id, file))
        return len(self.runs) - 1

    def begin_turn(self, run: int, turn_id: str, turn_index: int, first: int) -> None:
        """The blocks that follow are in this Turn, the next of them at the place `first`."""
        self.stretches.append((run, turn_id, turn_index, first, len(self.texts)))

    def called(self, id: str, told: Told) -> int:
        """A model call, by its number here."""
        self.call_ids.append(id)
        self.call_told.append(self.told_number(told))
        return len(self.call_ids) - 1

    def told_number(self, told: Told) -> int:
        """What is told of a model call, by its number here."""
        return self.told.setdefault(told, len(self.told))

    def put(self, kind: str, role: str | None, text: str) -> int:
        """A block of which no more is known; gives its row."""
        row = len(self.texts)
        self.texts.append(text)
        pair = kind, role
        voice = self.pairs.get(pair)
        self.voices.append(self.pairs.setdefault(pair, len(self.pairs)) if voice is None else voice)
        return row

    def add(self, index: int, block: Block, name: str, text: str, made_by: int | None) -> int:
        """One block of the Turn that was begun, as a value; gives its row."""
        run, turn_id, turn_index, first, start = self.stretches[-1]
        if index != first + len(self.texts) - start:
            self.begin_turn(run, turn_id, turn_index, index)
        row = self.put(block.kind, block.role or None, text)
        payload = block.payload
        if block.id:
            self.ids[row] = block.id
        if "images" in payload and (images := len(block.images)):
            self.images[row] = images
        call, error = payload.get("id"), payload.get("error")
        if call and type(call) is str:
            self.tool_call_ids[row] = call
        if name:
            self.names[row] = name
        if error and (said := str(error)):
            self.errors[row] = said
        if made_by is not None:
            self.made_by[row] = made_by
        if len(block.metadata) or block.extra:
            if (extra := extra_of(block)) is not None:
                self.extras[row] = extra
            if (at := at_of(block)) is not None:
                self.times[row] = at
        return row


def told(result: InferenceResult | None) -> Told:
    if result is None:
        return NOTHING_TOLD
    return result.provider, result.model, result.stop_reason, str(result.finish_class)


def extra_of(block: Block) -> str | None:
    """What the source has beside all that a block knows, as JSON."""
    beside: dict[str, Any] = dict(block.extra) if block.extra else {}
    for key in FIELDS_KEYS:
        if isinstance(value := block.metadata.raw(key), dict):
            beside.update(value)
    if not beside:
        return None
    if None in beside.values():
        beside = {name: value for name, value in beside.items() if value is not None}
    return to_json(beside) if beside else None


def at_of(block: Block) -> datetime | None:
    """When it was said, where its source tells that."""
    return said_at(block.metadata.raw(TIMESTAMP))


def said_at(written: Any) -> datetime | None:
    """A time as files write it; None for what is none. Without a zone it is taken for UTC."""
    if not isinstance(written, str):
        return None
    try:
        at = datetime.fromisoformat(written)
        return at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        return None
