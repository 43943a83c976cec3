"""A Run or a Turn of ours as JSON, straight into the lists of a batch of blocks.

It knows the shape in which we write files. For that shape its result is that of `serde` and the
traversal of the Run; for any other `add_run` returns False, and the record is left to these.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ...keys import ANSWERED_BY, EDITED, SESSION_ID
from ...render.readable_values import ALL_KEYS
from ...render.text import MESSAGE_KINDS, TextForm, block_text
from ...serialization.file_format import BYTES_KEY, DEFAULT_ROLES, FLOATS_KEY, FORMAT_VERSION, KNOWN_KINDS
from ...values.inference_results import DURATION_MS, INFERENCE_ID, INFERENCE_RESULT, INFERENCES, FinishClass
from ...values.label_values import LABELS
from ...values.provenance import FIELDS, FIELDS_NAMES, FORMER_NAMES, PARENT_RUN, TIMESTAMP
from ...values.times import parsed_time
from ..copies import record_id
from ..sources import MEMORY, SourceFile
from .block_batch import EMPTY_SUMMARY, BlockBatch, CallSummary, NotPlainError, require_levels
from .plain_records import check_token_counts, json_text, nested_fields, require_plain_extra, require_readable

CALL_ID, CALL_RECORD, LEDGER = INFERENCE_ID.name, INFERENCE_RESULT.name, INFERENCES.name
DURATION, NUMBERS = DURATION_MS.name, (float, int)
SESSION = SESSION_ID.name
RUN_FIELDS = frozenset({"version", "id", "name", "turns", "metadata"})
TURN_FIELDS = frozenset({"version", "id", "shared_blocks", "blocks", "metadata", "data"})
BLOCK_FIELDS = frozenset({"id", "kind", "role", "payload", "metadata"})
ANSWERER, EDIT = ANSWERED_BY.name, EDITED.name
CALL_METADATA = frozenset({CALL_ID, CALL_RECORD, DURATION, ANSWERER})  # never part of `extra`
CHECKED_KEYS = ALL_KEYS.keys() - CALL_METADATA  # known keys whose values have no other check here
# The payloads of a tool call and a result whose only nested value is in the text of the block.
RENDERED_FIELDS = {"tool_call": frozenset({"id", "name", "args"}), "tool_use": frozenset({"id", "result", "error"})}
NO_FIELDS: frozenset[str] = frozenset()
ID_TYPES = (str, type(None))
EMPTY_PAYLOAD: dict[str, Any] = {}
FINISH_CLASSES = {finish.value: finish.value for finish in FinishClass}


def add_run(
    batch: BlockBatch, record: dict[str, Any], file: SourceFile, position: int, unique_id: Callable[[str], str]
) -> bool:
    """Add all blocks of a Run; False if it is not plain, and the batch is to be shortened again."""
    try:
        turns = _turns(record)
        run_id = _run_id(record, turns, file, position)
        reader = _RunReader(batch, "" if file is MEMORY else str(file.path))
        reader.add(turns)
        batch.set_run_id(reader.run, unique_id(run_id))
    except NotPlainError:
        return False
    return True


def _turns(record: dict[str, Any]) -> list[dict[str, Any]]:
    if "turns" not in record:
        return [record]
    turns = record["turns"]
    if type(turns) is not list or record.get("version", FORMAT_VERSION) != FORMAT_VERSION:
        raise NotPlainError
    require_plain_extra(record, RUN_FIELDS)
    _optional_text(record.get("name"))
    metadata = _mapping(record.get("metadata"))
    if PARENT_RUN.name in metadata:
        raise NotPlainError
    require_readable(metadata)
    require_levels(record.get("metadata"))
    if any(type(turn) is not dict for turn in turns):
        raise NotPlainError
    return turns


def _run_id(record: dict[str, Any], turns: list[dict[str, Any]], file: SourceFile, position: int) -> str:
    run_id = _optional_text(record.get("id")) if "turns" in record else ""
    if not run_id:
        session_ids = (_optional_text(_mapping(turn.get("metadata")).get(SESSION)) for turn in turns)
        return next(filter(None, session_ids), "") or file.position_id(position)
    return file.distinct_id(run_id)


class _RunReader:
    def __init__(self, batch: BlockBatch, path: str) -> None:
        self.batch = batch
        self.run = batch.begin_run("", path)
        self.block_ids: set[str] = set()
        self.tool_names: dict[str, str] = {}  # by tool call id
        self.calls: dict[str, int] = {}  # numbers of model calls, by id
        self.call_records: dict[str, Any] = {}  # of these calls, checked
        self.unlisted_calls: set[str] = set()  # calls that no Turn so far lists
        self.has_ledger = False  # of the current Turn
        self.previous_data: dict[str, Any] | None = None
        self.summary_numbers: dict[tuple[Any, ...], int] = {}  # by the values in the file

    def add(self, turns: list[dict[str, Any]]) -> None:
        length = 0
        for index, turn in enumerate(turns):
            shared, blocks = turn.get("shared_blocks", 0), turn.get("blocks")
            if type(shared) is not int or not 0 <= shared <= length or type(blocks) is not list:
                raise NotPlainError
            if turn.get("version", FORMAT_VERSION) != FORMAT_VERSION:
                raise NotPlainError
            require_plain_extra(turn, TURN_FIELDS)
            self.batch.begin_turn(self.run, _optional_text(turn.get("id")), index, shared)
            data = turn.get("data")
            if data != self.previous_data:  # nearly all Turns have the data of the previous one
                require_levels(_mapping(data))
                self.previous_data = data
            self._read_metadata(_mapping(turn.get("metadata")))
            for block in blocks:
                self._add_block(block)
            length = shared + len(blocks)

    def _read_metadata(self, metadata: dict[str, Any]) -> None:
        """Add the model calls of the ledger of a Turn."""
        if type(metadata.get(SESSION, "")) is not str:
            raise NotPlainError
        self.has_ledger = LEDGER in metadata
        ledger: list[Any] = metadata[LEDGER] if self.has_ledger else []
        if type(ledger) is not list:
            raise NotPlainError
        self._add_ledger(ledger)
        own_values = {name: value for name, value in metadata.items() if name != LEDGER}
        if own_values.get(CALL_RECORD) in ledger[-1:]:  # as in nearly all Turns
            _check_call_record(own_values.pop(CALL_RECORD))
        require_readable(own_values)
        for value in own_values.values():
            if type(value) is not str:
                require_levels(value)

    def _add_ledger(self, ledger: list[Any]) -> None:
        for call_record in ledger:
            summary_number = self._summary_number(call_record)
            call_id = call_record.get("inference_id")
            if not call_id:
                raise NotPlainError
            if call_id not in self.calls:
                self.calls[call_id] = self._new_call(call_id, summary_number, call_record)
                self.call_records[call_id] = call_record
            elif call_id in self.unlisted_calls:  # from here on its blocks have this record
                raise NotPlainError

    def _new_call(self, call_id: str, summary_number: int, call_record: Any) -> int:
        number = self.batch.add_call(call_id, summary_number)
        if call_record and (response_id := call_record.get("response_id")):
            self.batch.response_ids[number] = response_id
        return number

    def _summary_number(self, call_record: Any) -> int:
        """Return the number of the summary of the record of a model call. Most calls of a Run have the same one."""
        for name in _check_call_record(call_record):
            require_levels(call_record[name])
            if BYTES_KEY in call_record[name]:
                raise NotPlainError
        get = call_record.get
        key = get("provider"), get("model"), get("stop_reason"), get("finish_class")
        number = self.summary_numbers.get(key)
        if number is None:
            number = self.summary_numbers[key] = self.batch.summary_number(_summary_of(*key))
        return number

    def _add_block(self, block: Any) -> None:
        if type(block) is not dict:
            raise NotPlainError
        get, batch = block.get, self.batch
        kind, payload, metadata, role, block_id = get("kind"), get("payload"), get("metadata"), get("role"), get("id")
        if type(kind) is not str or kind not in KNOWN_KINDS or (payload is not None and type(payload) is not dict):
            raise NotPlainError
        row = len(batch.texts)
        if metadata is not None:
            if type(metadata) is not dict or BYTES_KEY in metadata or LABELS.name in metadata:
                raise NotPlainError
            self._add_call(row, metadata)
            if ANSWERER in metadata:
                self._add_answerer(row, metadata[ANSWERER])
            if EDIT in metadata:
                batch.edits[row] = True
        if not BLOCK_FIELDS.issuperset(block):
            if "payload" not in block:  # its fields may be outside of a payload
                raise NotPlainError
            self._add_extra(row, block, metadata)
        elif metadata and not CALL_METADATA.issuperset(metadata):
            self._add_extra(row, block, metadata)
        if block_id is not None:
            if type(block_id) is not str or block_id in self.block_ids:  # equal blocks of one id are the same block
                raise NotPlainError
            if block_id:
                self.block_ids.add(block_id)
                batch.ids[row] = block_id
        payload = payload or EMPTY_PAYLOAD
        text = payload.get("text") if kind in MESSAGE_KINDS else None
        if type(text) is not str or len(payload) > 1:
            text = self._add_payload(row, kind, payload)
        pair = kind, role if type(role) is str and role and not role.isspace() else _role(block, kind)
        pair_number = batch.kind_role_pairs.get(pair)
        if pair_number is None:
            batch.add(*pair, text)
            return
        batch.texts.append(text)
        batch.kind_roles.append(pair_number)

    def _add_payload(self, row: int, kind: str, payload: dict[str, Any]) -> str:
        """Add the values of a payload except its text, which is returned."""
        if BYTES_KEY in payload:  # this mapping is the JSON form of bytes
            raise NotPlainError
        batch, call_id, name, error = self.batch, payload.get("id"), payload.get("name"), payload.get("error")
        has_bytes = type(call_id) is dict or type(payload.get("text")) is dict  # perhaps, in their JSON form
        if has_bytes or type(name or "") is not str or type(error or "") is not str:
            raise NotPlainError
        if error or type(call_id) not in ID_TYPES or not RENDERED_FIELDS.get(kind, NO_FIELDS).issuperset(payload):
            require_levels(payload)
        call_id, name = call_id if type(call_id) is str else "", name or ""
        if kind == "tool_call":
            self.tool_names[call_id] = name
        elif kind == "tool_use":
            name = self.tool_names.get(call_id, "")
        if call_id and kind in ("tool_call", "tool_use"):
            batch.tool_call_ids[row] = call_id
        if name:
            batch.names[row] = name
        if error:
            batch.errors[row] = error
        images = payload.get("images")
        if images and type(images) is list:
            batch.images[row] = len(images)
        if kind == "tool_call":
            return _arguments(payload)
        return block_text(kind, payload, FORM)

    def _add_extra(self, row: int, block: dict[str, Any], metadata: Any) -> None:
        extra = _extra(block, metadata)
        if extra is not None:
            self.batch.extras[row] = extra
        if not metadata:
            return
        if not CHECKED_KEYS.isdisjoint(metadata):
            require_readable(metadata)
        if (time := parsed_time(metadata.get(TIMESTAMP.name))) is not None:
            self.batch.times[row] = time
        record_fields = metadata.get(FIELDS.name)
        if source_id := record_id(record_fields, str(block.get("kind"))):
            self.batch.record_ids[row] = source_id

    def _add_answerer(self, row: int, answerer: Any) -> None:
        if type(answerer) is not str:
            raise NotPlainError
        if answerer:
            self.batch.answerers[row] = answerer

    def _add_call(self, row: int, metadata: dict[str, Any]) -> None:
        """Store the number of the model call that produced a block."""
        call_id, call_record = metadata.get(CALL_ID), metadata.get(CALL_RECORD)
        if type(metadata.get(DURATION, 0.0)) not in NUMBERS:
            raise NotPlainError
        if not call_id:
            if CALL_ID in metadata or CALL_RECORD in metadata:  # equal records may be one call
                raise NotPlainError
            return
        if type(call_id) is not str or metadata.get(CALL_RECORD, EMPTY_PAYLOAD) is None:
            raise NotPlainError
        summary_number = None
        if call_record is not None:
            if self.call_records.get(call_id) != call_record:
                summary_number = self._summary_number(call_record)
                self.call_records[call_id] = call_record
            else:
                _check_call_record(call_record)
        number = self.calls.get(call_id)
        if number is None:
            if summary_number is None:
                summary_number = self.batch.summary_number(EMPTY_SUMMARY)
            number = self.calls[call_id] = self._new_call(call_id, summary_number, call_record)
            if call_record is None or self.has_ledger:
                self.unlisted_calls.add(call_id)
        self.batch.calls[row] = number


def _check_call_record(call_record: Any) -> tuple[str, ...]:
    """Return the names of the dicts and lists in the record of a model call. Raises NotPlainError for other types.

    Equal records need this as well: False equals 0.
    """
    if type(call_record) is not dict or not call_record or BYTES_KEY in call_record:
        raise NotPlainError
    nested_names = nested_fields(*call_record, *map(type, call_record.values()))
    if usage := call_record.get("usage"):
        check_token_counts(*usage, *map(type, usage.values()))
    return nested_names


def _arguments(payload: dict[str, Any]) -> str:
    if args := payload.get("args"):
        if type(args) is not dict:
            raise NotPlainError
        return json_text(args)
    if payload.get("args_raw"):
        raise NotPlainError
    return "{}"


def _value(value: Any) -> str:
    return value if type(value) is str else json_text(value)


FORM = TextForm(_arguments, _value, labels=False)  # type: ignore[arg-type]  # a payload here is always a dict


def _summary_of(provider: str | None, model: str | None, stop_reason: str | None, finish: str | None) -> CallSummary:
    if finish not in FINISH_CLASSES:
        finish = "unknown" if finish is None else FinishClass.of(finish).value
    provider = "anthropic" if provider == "claude" else provider
    return provider or "", model or "", stop_reason or "", finish or "unknown"


def _role(block: dict[str, Any], kind: str) -> str | None:
    """Return the role of a block, or the one that its kind has by default."""
    role = block.get("role", "")
    if role is None:
        return None
    if type(role) is not str:
        raise NotPlainError
    return (role if role.strip() else DEFAULT_ROLES.get(kind, role)) or None


def _extra(block: dict[str, Any], metadata: Any) -> str | None:
    """Return the fields that a block has no place for, as JSON."""
    extra = {} if BLOCK_FIELDS.issuperset(block) else {n: value for n, value in block.items() if n not in BLOCK_FIELDS}
    if any(name.startswith((BYTES_KEY, FLOATS_KEY)) for name in extra):
        raise NotPlainError
    if metadata and not FORMER_NAMES.keys().isdisjoint(metadata):
        raise NotPlainError
    for name in metadata or ():
        require_levels(metadata[name])
    for name in FIELDS_NAMES if metadata else ():
        value = metadata.get(name)
        if type(value) is dict:
            if BYTES_KEY in value:
                raise NotPlainError
            extra.update(value)
    for value in extra.values():
        require_levels(value)
    extra = {name: value for name, value in extra.items() if value is not None}
    return json_text(extra) if extra else None


def _optional_text(value: Any) -> str:
    if type(value) in ID_TYPES:
        return value or ""
    raise NotPlainError


def _mapping(value: Any) -> dict[str, Any]:
    """Return metadata or data as a dict, empty for None."""
    if value is None:
        return {}
    if type(value) is not dict or BYTES_KEY in value:  # this mapping is the JSON form of bytes
        raise NotPlainError
    return value
