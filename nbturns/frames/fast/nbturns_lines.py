"""A Run or a Turn of ours as JSON, straight into the lists of a batch of blocks.

It knows the shape in which we write files. For that shape its result is that of `serde` and the
traversal of the Run; for any other `add_run` returns False, and the record is left to these.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

from ...keys import SESSION_ID
from ...render.text import MESSAGE_KINDS, TextForm, block_text
from ...serialization.file_format import BYTES_KEY, DEFAULT_ROLES, FORMAT_VERSION, KNOWN_KINDS
from ...values.inference_results import DURATION_MS, INFERENCE_ID, INFERENCE_RESULT, INFERENCES, FinishClass
from ...values.provenance import FIELDS_NAMES, FORMER_NAMES, TIMESTAMP
from ..block_frame import parsed_time
from ..sources import SourceFile
from .block_batch import EMPTY_SUMMARY, BlockBatch, CallSummary, NotPlainError, plain_json, require_levels

CALL_ID, CALL_RECORD, LEDGER = INFERENCE_ID.name, INFERENCE_RESULT.name, INFERENCES.name
DURATION, NUMBERS = DURATION_MS.name, (float, int)
SESSION = SESSION_ID.name
RUN_FIELDS = frozenset({"version", "id", "name", "turns", "metadata"})
TURN_FIELDS = frozenset({"version", "id", "shared_blocks", "blocks", "metadata", "data"})
BLOCK_FIELDS = frozenset({"id", "kind", "role", "payload", "metadata"})
CALL_METADATA = frozenset({CALL_ID, CALL_RECORD, DURATION})  # never part of `extra`
# The payloads of a tool call and a result whose only nested value is in the text of the block.
RENDERED_FIELDS = {"tool_call": frozenset({"id", "name", "args"}), "tool_use": frozenset({"id", "result", "error"})}
NO_FIELDS: frozenset[str] = frozenset()
ID_TYPES = (str, type(None))
EMPTY_PAYLOAD: dict[str, Any] = {}
FINISH_CLASSES = {finish.value: finish.value for finish in FinishClass}
# The fields of the record of a model call, with the types that need no decoding.
CALL_FIELDS: dict[str, tuple[type, ...]] = {
    **dict.fromkeys(
        ("inference_id", "provider", "model", "stop_reason", "finish_class", "request_id", "response_id"), (str,)
    ),
    **dict.fromkeys(("max_tokens", "duration_ms", "time_to_first_token_ms"), (int, float)),
    "cost": (float,),
    "attempts": (int,),
    "truncated": (bool,),
    "usage": (dict,),
    "extra": (dict,),
}
TOKEN_COUNTS = {
    "input_tokens",
    "output_tokens",
    "cached_tokens",
    "cache_creation_input_tokens",
    "cache_read_input_tokens",
    "reasoning_tokens",
}


def add_run(
    batch: BlockBatch, record: dict[str, Any], file: SourceFile, position: int, unique_id: Callable[[str], str]
) -> bool:
    """Add all blocks of a Run; False if it is not plain, and the batch is to be shortened again."""
    try:
        turns = _turns(record)
        run_id = _run_id(record, turns, file, position)
        reader = _RunReader(batch, str(file.path))
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
    _require_plain_extra(record, RUN_FIELDS)
    _optional_text(record.get("name"))
    require_levels(_mapping(record.get("metadata")))
    return [turn if type(turn) is dict else _refuse() for turn in turns]


def _run_id(record: dict[str, Any], turns: list[dict[str, Any]], file: SourceFile, position: int) -> str:
    run_id = _optional_text(record.get("id")) if "turns" in record else ""
    if not run_id:
        session_ids = (_optional_text(_mapping(turn.get("metadata")).get(SESSION)) for turn in turns)
        return next(filter(None, session_ids), "") or f"{file.path}#{position}"
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
            _require_plain_extra(turn, TURN_FIELDS)
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
        last_record = ledger[-1] if ledger else None
        for value in metadata.values():
            if type(value) is not str and value is not ledger and value != last_record:
                require_levels(value)

    def _add_ledger(self, ledger: list[Any]) -> None:
        for call_record in ledger:
            summary_number = self._summary_number(call_record)
            call_id = call_record.get("inference_id")
            if not call_id:
                raise NotPlainError
            if call_id not in self.calls:
                self.calls[call_id] = self.batch.add_call(call_id, summary_number)
                self.call_records[call_id] = call_record
            elif call_id in self.unlisted_calls:  # from here on its blocks have this record
                raise NotPlainError

    def _summary_number(self, call_record: Any) -> int:
        """Return the number of the summary of the record of a model call. Most calls of a Run have the same one."""
        if type(call_record) is not dict or not call_record or BYTES_KEY in call_record:
            raise NotPlainError
        for name in _nested_fields(*call_record, *map(type, call_record.values())):
            require_levels(call_record[name])
            if BYTES_KEY in call_record[name]:
                raise NotPlainError
        if usage := call_record.get("usage"):
            _check_token_counts(*usage, *map(type, usage.values()))
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
            if type(metadata) is not dict or BYTES_KEY in metadata:
                raise NotPlainError
            self._add_call(row, metadata)
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
        if type(name or "") is not str or type(error or "") is not str:
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
        if metadata and (time := parsed_time(metadata.get(TIMESTAMP.name))) is not None:
            self.batch.times[row] = time

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
        if call_record is not None and self.call_records.get(call_id) != call_record:
            summary_number = self._summary_number(call_record)
            self.call_records[call_id] = call_record
        number = self.calls.get(call_id)
        if number is None:
            if summary_number is None:
                summary_number = self.batch.summary_number(EMPTY_SUMMARY)
            number = self.calls[call_id] = self.batch.add_call(call_id, summary_number)
            if call_record is None or self.has_ledger:
                self.unlisted_calls.add(call_id)
        self.batch.calls[row] = number


def _arguments(payload: dict[str, Any]) -> str:
    if args := payload.get("args"):
        if type(args) is not dict:
            raise NotPlainError
        return _json(args)
    if payload.get("args_raw"):
        raise NotPlainError
    return "{}"


def _value(value: Any) -> str:
    return value if type(value) is str else _json(value)


def _json(value: Any) -> str:
    text = plain_json(value)
    if BYTES_KEY in text:  # the JSON form of bytes, or an escaped name
        raise NotPlainError
    return text


FORM = TextForm(_arguments, _value, labels=False)  # type: ignore[arg-type]  # a payload here is always a dict


@lru_cache(1_024)  # the records of a program have few shapes
def _nested_fields(*names_and_types: Any) -> tuple[str, ...]:
    """Return the names of the dicts and lists in a record of a model call, whose names and types follow each other.

    Raises NotPlainError for a field of another type than it has in our files.
    """
    half = len(names_and_types) // 2
    types = dict(zip(names_and_types[:half], names_and_types[half:], strict=True))
    for name, kind in types.items():
        if name in CALL_FIELDS and kind not in CALL_FIELDS[name] and kind is not type(None):
            raise NotPlainError
    return tuple(name for name, kind in types.items() if kind in (dict, list))


@lru_cache(1_024)
def _check_token_counts(*names_and_types: Any) -> None:
    """Raise NotPlainError for a count of tokens that is not an integer; names and types follow each other."""
    half = len(names_and_types) // 2
    for name, kind in zip(names_and_types[:half], names_and_types[half:], strict=True):
        if name in TOKEN_COUNTS and kind is not int and kind is not type(None):
            raise NotPlainError


def _require_plain_extra(mapping: dict[str, Any], own_fields: frozenset[str]) -> None:
    """Raise NotPlainError for unknown fields that a Run or a Turn cannot hold as they are."""
    if own_fields.issuperset(mapping):
        return
    for name, value in mapping.items():
        if name not in own_fields:
            if name.startswith(BYTES_KEY):
                raise NotPlainError
            require_levels(value)


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
    if any(name.startswith(BYTES_KEY) for name in extra):
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
    return _json(extra) if extra else None


def _optional_text(value: Any) -> str:
    if value is None:
        return ""
    if type(value) is not str:
        raise NotPlainError
    return value


def _mapping(value: Any) -> dict[str, Any]:
    """Return metadata or data as a dict, empty for None."""
    if value is None:
        return {}
    if type(value) is not dict or BYTES_KEY in value:  # this mapping is the JSON form of bytes
        raise NotPlainError
    return value


def _refuse() -> dict[str, Any]:
    raise NotPlainError
