"""The copies in a pass: blocks and model calls that an earlier Run of it has, too.

Forked and resumed sessions, compacted conversations, branches, and files that are there twice repeat what is before
them. In the frames of a pass each block and each model call is one row. A copy is recognised by the ids of its source
(the id of a response, of a record, of a tool call), or because the whole conversation before it is equal and some of it
is recognised. Where only the texts are equal, all rows stay, and the later ones are marked as possible duplicates, when
all rows are there.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, NamedTuple

from ..values.deferred import unfrozen_value
from ..values.provenance import BRANCH_OF, FIELDS, TIMESTAMP
from ..values.times import parsed_time
from .arrow_arrays import field
from .corrections import Corrections, KnownCall, counts_of
from .shared_columns import MAYBE_DUPLICATE

if TYPE_CHECKING:
    import pyarrow as pa

    from .sources import RunSource
    from .traversal import ModelCall, NewBlock, TurnVisit

REPLY_KINDS = frozenset(("llm_text", "tool_call", "reasoning"))
Digest = Callable[[tuple[Any, ...]], int]
CALL_ID_LENGTH = 16  # characters; the ids that providers and programs make are longer, those of scripts are shorter
BLOCK_ID_LENGTH = 8


def stable_digest(parts: tuple[Any, ...]) -> int:
    """Return a number of 64 bits for these parts that is the same in every process."""
    text = "\0".join(map(str, parts)).encode("utf-8", "surrogatepass")
    return int.from_bytes(blake2b(text, digest_size=8).digest(), "little", signed=True)


class CopyKeys(NamedTuple):
    """The keys of some Runs: of blocks and replies by ids or exact times, and of conversations up to each block.

    `calls` are the model calls of these Runs, each with the key of its response.
    """

    ids: array[int]
    chains: array[int]
    calls: list[tuple[int, KnownCall]]

    @classmethod
    def empty(cls) -> CopyKeys:
        return cls(array("q"), array("q"), [])


class Copies:
    """The Runs of a pass so far, as numbers of 64 bits."""

    def __init__(self, digest: Digest = hash) -> None:
        self.digest = digest
        self.copy_count: int = 0
        self.new_keys: CopyKeys = CopyKeys.empty()  # of the current file, where they are wanted
        self._ids: set[int] = set()
        self._chains: set[int] = set()
        self._new_chains: list[Iterable[int]] = []  # that are not in the set yet, which few passes need
        self.corrections: Corrections = Corrections()
        self._calls: dict[int, KnownCall] = {}  # the model calls in the frames, by the key of their response
        self._conversation = ("", "")  # file and root of the branches that are read now
        self._conversation_keys: set[tuple[str, ...]] = set()

    def are_new(self, id_keys: Iterable[int]) -> bool:
        """Return whether no earlier Run has one of these keys."""
        return self._ids.isdisjoint(id_keys)

    def add(self, id_keys: Iterable[int], chain_keys: Sequence[int]) -> None:
        """Remember the keys of a Run."""
        self._ids.update(id_keys)
        self._new_chains.append(chain_keys)
        if self.digest is stable_digest:
            self.new_keys.ids.extend(id_keys)
            self.new_keys.chains.extend(chain_keys)

    def add_keys(self, copy_keys: CopyKeys) -> None:
        """Remember the Runs of a file that was read by itself."""
        self.add(copy_keys.ids, copy_keys.chains)
        for key, call in copy_keys.calls:
            self._calls.setdefault(key, replace(call))  # its counts may grow in this pass

    def _add_call(self, key: int, call: KnownCall) -> None:
        if self._calls.setdefault(key, call) is call and self.digest is stable_digest:
            self.new_keys.calls.append((key, replace(call)))

    def apply(self, source: RunSource, visits: list[TurnVisit]) -> None:
        """Remove the copies from the visits of a Run, and remember the Run."""
        run_keys = _RunKeys(self.digest, source, visits)
        conversation_keys = self._keys_of_conversation(source)
        is_repeated = not self.are_new(run_keys.ids)
        if conversation_keys is not None and not is_repeated:
            is_repeated = not conversation_keys.isdisjoint(run_keys.records)
        if is_repeated:
            self._remove(run_keys, visits, conversation_keys or frozenset())
        if conversation_keys is not None:
            conversation_keys.update(run_keys.records)
        for call in run_keys.calls:
            for key in run_keys.response_keys(call):
                self._add_call(key, KnownCall(source.id, call.turn_index or 0, call.id, counts_of(call.result)))
        self.add(run_keys.ids, (*run_keys.chain, *run_keys.results.values()))

    def _keys_of_conversation(self, source: RunSource) -> set[tuple[str, ...]] | None:
        """Return the records of the earlier branches of this conversation; None for our own files."""
        if not source.file or is_ours(source):
            return None
        root = source.run.metadata.raw(BRANCH_OF)
        if root is None or (source.file, root) != self._conversation:
            self._conversation, self._conversation_keys = (source.file, str(root or source.run.id)), set()
        return self._conversation_keys

    def _remove(self, run_keys: _RunKeys, visits: list[TurnVisit], records: Iterable[tuple[str, ...]]) -> None:
        self._chains.update(*self._new_chains)
        self._new_chains.clear()
        copied = run_keys.find(self._ids, self._chains, records)
        copied_blocks = {id(run_keys.blocks[number]) for number in copied}
        self.copy_count += len(copied)
        for visit in visits:
            visit.model_calls = [
                call for call in visit.model_calls if not self._is_copied(run_keys, call, copied, records)
            ]
            if copied_blocks:
                visit.blocks = [block for block in visit.blocks if id(block) not in copied_blocks]

    def _is_copied(
        self, run_keys: _RunKeys, call: ModelCall, copied: set[int], records: Iterable[tuple[str, ...]]
    ) -> bool:
        """Return whether a model call is a copy; it gets the id of the original, which its new blocks may need."""
        numbers = run_keys.numbers_of(call)
        known_keys = [key for key in run_keys.response_keys(call) if key in self._ids]
        copied_count = sum(number in copied for number in numbers)
        if known_keys and (copied_count or not numbers):
            known_call = next(filter(None, map(self._calls.get, known_keys)), None)
            if known_call is not None:
                call.id = known_call.inference_id
                self.corrections.add(known_call, call.result)
        elif not (numbers and copied_count == len(numbers)) and (call.id,) not in records:
            return False
        self.copy_count += 1
        return True


class _RunKeys:
    """The keys of a Run. `chain` are those of the conversation up to each block, `ids` all others."""

    def __init__(self, digest: Digest, source: RunSource, visits: list[TurnVisit]) -> None:
        self.digest = digest
        self.ours = is_ours(source)
        self.blocks: list[NewBlock] = [block for visit in visits for block in visit.blocks]
        self.calls = [call for visit in visits for call in visit.model_calls]
        self.strong: list[list[int]] = []
        self.chain: list[int] = []
        self.results: dict[int, int] = {}  # of tool results, by number of the block
        self.records: list[tuple[str, ...]] = []  # ids that are unique within the branches of one conversation
        self._numbers: dict[int, list[int]] = {}  # of the blocks of a model call, by its identity
        chain = 0
        for number, new_block in enumerate(self.blocks):
            block, call = new_block.block, new_block.call
            tool_call_id, uuid = block.tool_call_id, _uuid(new_block)
            chain = digest((chain, block.kind, new_block.text, tool_call_id))
            self.chain.append(chain)
            self.strong.append(self._strong_keys(new_block, chain, uuid, tool_call_id))
            if block.kind == "tool_use" and tool_call_id:
                self.results[number] = digest(("result", tool_call_id, new_block.text))
            if source.file and not self.ours and (record_id := uuid or block.id or tool_call_id):
                self.records.append((record_id, block.kind, new_block.text, tool_call_id))
            if call is not None:
                self._numbers.setdefault(id(call), []).append(number)
        self.ids = [key for keys in self.strong for key in keys]
        self.ids += [key for call in self.calls for key in self.response_keys(call)]
        self._set_row_keys()
        if source.file and not self.ours:
            self.records += [(call.id,) for call in self.calls if call.is_named]

    def _set_row_keys(self) -> None:
        """Set the keys by which rows are marked as possible duplicates."""
        is_reply = [block.block.kind in REPLY_KINDS for block in self.blocks]
        for block, key in zip(self.blocks, row_keys(self.digest, self.chain, is_reply), strict=True):
            block.copy_key = key
        for call in self.calls:
            if numbers := self.numbers_of(call):
                call.copy_key = self.chain[numbers[-1]]

    def numbers_of(self, call: ModelCall) -> list[int]:
        """Return the numbers of the blocks of a model call."""
        return self._numbers.get(id(call), [])

    def response_keys(self, call: ModelCall) -> list[int]:
        """Return the keys of a call by the ids that its provider or our session made."""
        response_id = call.result.response_id if call.result is not None else ""
        keys = [self.digest(("response", response_id))] if response_id else []
        return [*keys, self.digest(("inference", call.id))] if self._has_unique_id(call) else keys

    def _has_unique_id(self, call: ModelCall) -> bool:
        """Return whether our session made the id of a call; an importer makes it of the position in a file."""
        return self.ours and call.is_named and is_unique(call.id)

    def _strong_keys(self, new_block: NewBlock, chain: int, uuid: str, tool_call_id: str) -> list[int]:
        block, call, text, digest = new_block.block, new_block.call, new_block.text, self.digest
        keys = []
        if is_unique(block.id):
            keys.append(digest(("block", block.id, block.kind, text)))
        if uuid:
            keys.append(digest(("record", uuid, block.kind, text)))
        if call is not None:
            if self._has_unique_id(call):
                keys.append(digest(("call", call.id, block.kind, text)))
            if call.result is not None and call.result.response_id:
                keys.append(digest(("reply", call.result.response_id, block.kind, text, tool_call_id)))
        if block.kind in REPLY_KINDS:
            time = parsed_time(block.metadata.raw(TIMESTAMP)) if len(block.metadata) else None
            keys += reply_keys(digest, chain, tool_call_id, time)
        return keys

    def find(self, known_ids: set[int], known_chains: set[int], records: Iterable[tuple[str, ...]]) -> set[int]:
        """Return the numbers of the copied blocks.

        A Run that begins as an earlier one is a copy up to the last equal block, if one of these blocks is recognised.
        """
        copied = {number for number, keys in enumerate(self.strong) if not known_ids.isdisjoint(keys)}
        if records:
            copied |= {number for number, block in enumerate(self.blocks) if _record(block) in records}
        equal_length = next((n for n, key in enumerate(self.chain) if key not in known_chains), len(self.chain))
        if any(number in copied for number in range(equal_length)):
            copied.update(range(equal_length))
        copied_calls = {self.blocks[number].block.tool_call_id for number in copied} - {""}
        for number, key in self.results.items():
            if key in known_chains and self.blocks[number].block.tool_call_id in copied_calls:
                copied.add(number)
        return copied


def reply_keys(digest: Digest, chain: int, tool_call_id: str, time: datetime | None) -> list[int]:
    """Return the keys of a reply after an equal conversation: by the id of its tool call, and by its exact time.

    By itself such an id tells nothing: data sets have the same ones in many conversations.
    """
    keys = [digest(("call", chain))] if len(tool_call_id) >= CALL_ID_LENGTH else []
    if time is not None and time.microsecond:  # several replies may have a time in whole seconds
        keys.append(digest(("time", time.isoformat(), chain)))
    return keys


def row_keys(digest: Digest, chain: Sequence[int], is_reply: Iterable[bool]) -> list[int | None]:
    """Return a key for each row of a Run; later rows of an equal key are possible duplicates.

    Prompts before the first reply are not duplicates where that reply is another one.
    """
    first_reply = next((number for number, reply in enumerate(is_reply) if reply), None)
    if first_reply is None:
        return [None] * len(chain)
    keys: list[int | None] = list(chain)
    keys[:first_reply] = [digest(("prompt", chain[first_reply], key)) for key in chain[:first_reply]]
    return keys


def is_ours(source: RunSource) -> bool:
    """Return whether a Run is one of ours: a value, or one that our own format holds."""
    from ..importers import OURS

    report = source.run.import_report
    return report is None or report.format == OURS


def _uuid(new_block: NewBlock) -> str:
    """Return the id of the record of a block, where the source has one."""
    metadata = new_block.block.metadata
    return record_id(unfrozen_value(metadata, FIELDS), new_block.block.kind) if len(metadata) else ""


def record_id(record_fields: Any, kind: str) -> str:
    """Return the id of a record that no other record has, from its fields; "" without one.

    Only that of a reply may be in a field `id`: samples that are run several times have prompts of one id.
    """
    if not isinstance(record_fields, (dict, Mapping)):
        return ""
    uuid, other_id = record_fields.get("uuid"), record_fields.get("id")
    if isinstance(uuid, str) and uuid:
        return uuid
    is_reply_id = kind in REPLY_KINDS and isinstance(other_id, str) and len(other_id) >= CALL_ID_LENGTH
    return str(other_id) if is_reply_id else ""


def _record(new_block: NewBlock) -> tuple[str, ...]:
    """Return what a block is recognised by within the branches of one conversation; () for one without an id."""
    block = new_block.block
    record_id = _uuid(new_block) or block.id or block.tool_call_id
    return (record_id, block.kind, new_block.text, block.tool_call_id) if record_id else ()


def is_unique(block_id: str) -> bool:
    """Return whether a block has this id in any conversation, and not only in its own, as a number has."""
    return len(block_id) >= BLOCK_ID_LENGTH and not block_id.isdigit()


class DuplicateMarks:
    """Turns the keys in the columns `maybe_duplicate` into marks: true for a key that an earlier row has."""

    def __init__(self) -> None:
        self._known_keys: dict[str, list[pa.Array]] = {}  # of earlier parts, by frame

    def mark(self, tables: dict[str, pa.Table]) -> None:
        """Replace the keys in these tables by marks."""
        import pyarrow as pa

        for name, table in tables.items():
            index = table.schema.get_field_index(MAYBE_DUPLICATE.name)
            if index >= 0 and pa.types.is_int64(table.schema.field(index).type):
                marks = self._marks(name, table.column(index))
                tables[name] = table.set_column(index, field(MAYBE_DUPLICATE, "boolean"), marks)

    def _marks(self, name: str, keys: pa.ChunkedArray) -> pa.Array:
        import numpy as np
        import pyarrow as pa
        import pyarrow.compute as pc

        codes = keys.combine_chunks().dictionary_encode()  # numbered in the order of their first rows
        numbers = codes.indices.fill_null(-1).to_numpy(zero_copy_only=False)
        highest = np.maximum.accumulate(numbers) if len(numbers) else numbers
        marks = np.zeros(len(numbers), np.bool_)
        marks[1:] = (numbers[1:] <= highest[:-1]) & (numbers[1:] >= 0)
        known_keys = self._known_keys.setdefault(name, [])
        for part_keys in known_keys:
            is_known = pc.is_in(codes.dictionary, value_set=part_keys).to_numpy(zero_copy_only=False)
            marks |= np.append(is_known, False)[numbers]
        known_keys.append(codes.dictionary)
        return pa.array(marks)
