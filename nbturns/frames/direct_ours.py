"""A Run or a Turn of ours as JSON, straight into the lists of a batch of blocks.

What it gives is what `serde` and the walk over its Runs give; of anything that is not plain
it says so, and leaves it to them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ..provenance import FIELDS_NAMES, FORMER_NAMES, TIMESTAMP
from ..results import DURATION_MS, INFERENCE_ID, INFERENCE_RESULT, INFERENCES, FinishClass
from ..serde import KINDS, ROLES, VERSION
from .arrays import to_json
from .block_batch import NOTHING_TOLD, BlockBatch, Told, said_at
from .sources import File

SESSION = "geppetto.session_id@v1"
SAID = frozenset({"system", "user", "llm_text", "reasoning"})
BLOCK = frozenset({"id", "kind", "role", "payload", "metadata"})
SIGNED = frozenset({INFERENCE_ID.name, INFERENCE_RESULT.name, DURATION_MS.name})  # no part of `extra`
NOTHING: dict[str, Any] = {}
CLASSES = {one.value: one.value for one in FinishClass}


class _NotPlainError(Exception):
    """Something here is not as we write it."""


def add_ours(batch: BlockBatch, record: dict[str, Any], file: File, place: int, claimed: Callable[[str], str]) -> bool:
    """Add all blocks of a Run; False where it is not plain, and what is in the batch to be taken back."""
    turns = record.get("turns") if "turns" in record else [record]
    if type(turns) is not list or record.get("version", VERSION) != VERSION or not all(map(_is_dict, turns)):
        return False
    try:
        _Ours(batch, claimed(_id(record, turns, file, place)), str(file.path)).add(turns)
    except _NotPlainError:
        return False
    return True


def _id(record: dict[str, Any], turns: list[dict[str, Any]], file: File, place: int) -> str:
    id = _text(record.get("id") or "") if "turns" in record else ""
    if not id:
        found = ((turn.get("metadata") or {}).get(SESSION) for turn in turns)
        id = _text(next(filter(None, found), ""))
        return id or f"{file.path}#{place}"
    stem = file.path.stem
    if stem != file.label and (id == stem or id.startswith(f"{stem}:")):
        return file.label + id[len(stem) :]
    return id


class _Ours:
    def __init__(self, batch: BlockBatch, id: str, path: str) -> None:
        self.batch = batch
        self.run = batch.begin_run(id, path)
        self.seen: set[str] = set()
        self.names: dict[str, str] = {}  # of the tools, by the id of the call
        self.calls: dict[str, int] = {}  # the number of a model call, by its id
        self.told: dict[tuple[Any, ...], Told] = {}  # what is told of calls, by how that is written

    def add(self, turns: list[dict[str, Any]]) -> None:
        length = 0
        for index, turn in enumerate(turns):
            shared, blocks = turn.get("shared_blocks", 0), turn.get("blocks")
            if type(shared) is not int or not 0 <= shared <= length or type(blocks) is not list:
                raise _NotPlainError
            if turn.get("version", VERSION) != VERSION:
                raise _NotPlainError
            self.batch.begin_turn(self.run, _text(turn.get("id") or ""), index, shared)
            metadata = turn.get("metadata")
            if metadata is not None and (listed := _mapping(metadata).get(INFERENCES.name)) is not None:
                self._ledger(listed)
            for block in blocks:
                self._block(block)
            length = shared + len(blocks)

    def _ledger(self, listed: Any) -> None:
        if type(listed) is not list:
            raise _NotPlainError
        calls = self.calls
        for raw in listed:
            id = _mapping(raw).get("inference_id")
            if type(id) is not str or not id:
                raise _NotPlainError
            if id not in calls:
                calls[id] = self._called(id, raw)

    def _called(self, id: str, raw: Any) -> int:
        """A model call, by its number. Most calls of a Run are told of in the same words."""
        if type(raw) is not dict or not raw:
            return self.batch.called(id, _told(raw))
        key = raw.get("provider"), raw.get("model"), raw.get("stop_reason"), raw.get("finish_class")
        try:
            told = self.told.get(key)
        except TypeError:  # a list or an object where a word belongs
            raise _NotPlainError from None
        if told is None:
            told = self.told[key] = _told(raw)
        return self.batch.called(id, told)

    def _block(self, block: Any) -> None:
        if type(block) is not dict:
            raise _NotPlainError
        get, batch = block.get, self.batch
        kind, payload, metadata, role, id = get("kind"), get("payload"), get("metadata"), get("role"), get("id")
        if type(kind) is not str or kind not in KINDS or (payload is not None and type(payload) is not dict):
            raise _NotPlainError
        row = len(batch.texts)
        if metadata:
            self._signed(row, metadata)
        if not BLOCK.issuperset(block):
            if "payload" not in block:  # it may stand beside the kind
                raise _NotPlainError
            self._beside(row, block, metadata)
        elif metadata and not SIGNED.issuperset(metadata):
            self._beside(row, block, metadata)
        if id is not None:
            if type(id) is not str or id in self.seen:  # an equal block of one id is the same one
                raise _NotPlainError
            if id:
                self.seen.add(id)
                batch.ids[row] = id
        if type(role) is not str or not role or role.isspace():
            role = _role(block, kind)
        payload = payload or NOTHING
        text = payload.get("text") if kind in SAID else None
        if type(text) is not str:
            self._named(row, kind, payload)
            text = _said(kind, payload)
        elif len(payload) > 1:
            self._named(row, kind, payload)
        voice = batch.pairs.get((kind, role or None))
        if voice is None:
            batch.put(kind, role or None, text)
            return
        batch.texts.append(text)
        batch.voices.append(voice)

    def _named(self, row: int, kind: str, payload: dict[str, Any]) -> None:
        """What a payload has that is no text."""
        batch, call, name = self.batch, payload.get("id"), payload.get("name")
        known = call if call and type(call) is str else ""
        name = str(name) if name else ""
        if kind == "tool_call":
            self.names[known] = name
        elif kind == "tool_use":
            name = self.names.get(known, "")
        if known:
            batch.tool_call_ids[row] = known
        if name:
            batch.names[row] = name
        error, images = payload.get("error"), payload.get("images")
        if error and (said := str(error)):
            batch.errors[row] = said
        if images and type(images) is list:
            batch.images[row] = len(images)

    def _beside(self, row: int, block: dict[str, Any], metadata: Any) -> None:
        extra = _extra(block, metadata)
        if extra is not None:
            self.batch.extras[row] = extra
        if metadata and (at := said_at(metadata.get(TIMESTAMP.name))) is not None:
            self.batch.times[row] = at

    def _signed(self, row: int, metadata: Any) -> None:
        """Put down the model call that made it."""
        if type(metadata) is not dict:
            raise _NotPlainError
        id = metadata.get(INFERENCE_ID.name)
        if not id:
            if metadata.get(INFERENCE_RESULT.name):  # without an id, neighbours of equal results are one call
                raise _NotPlainError
            return
        if type(id) is not str:
            raise _NotPlainError
        number = self.calls.get(id)
        if number is None:
            number = self.calls[id] = self._called(id, metadata.get(INFERENCE_RESULT.name))
        self.batch.made_by[row] = number


def _said(kind: str, payload: dict[str, Any]) -> str:
    text: Any
    if kind in SAID:
        text = payload.get("text")
        return text if type(text) is str else ""
    if kind == "tool_use":
        if error := payload.get("error"):
            return str(error)
        result = payload.get("result")
        return result if type(result) is str else "" if result is None else to_json(result)
    if kind == "tool_call":
        args = payload.get("args")
        if type(args) is dict and args:
            return to_json(args)
        if args or payload.get("args_raw"):
            raise _NotPlainError
        return "{}"
    text = payload.get("text")
    return text if type(text) is str and text else to_json(payload) if payload else ""


def _told(raw: Any) -> Told:
    """What a record of a model call says, in the words of `InferenceResult`."""
    if raw is None:
        return NOTHING_TOLD
    if type(raw) is not dict or not raw:
        raise _NotPlainError
    provider, model, stop, finish = map(raw.get, ("provider", "model", "stop_reason", "finish_class"))
    if finish not in CLASSES:
        finish = "unknown" if finish is None else FinishClass.of(_text(finish)).value
    for word in (provider, model, stop):
        if word is not None and type(word) is not str:
            raise _NotPlainError
    return "anthropic" if provider == "claude" else provider or "", model or "", stop or "", finish


def _role(block: dict[str, Any], kind: str) -> str:
    role = block.get("role", "")
    if role is None:
        return ""
    return ROLES.get(kind, role) if not role or not _text(role).strip() else _text(role)


def _extra(block: dict[str, Any], metadata: Any) -> str | None:
    """What it has beside all that a block knows, as JSON."""
    extra = {name: value for name, value in block.items() if name not in BLOCK} if not BLOCK.issuperset(block) else {}
    if metadata and not FORMER_NAMES.keys().isdisjoint(metadata):
        raise _NotPlainError
    for name, value in sorted(metadata.items()) if metadata else ():
        if name in FIELDS_NAMES and type(value) is dict:
            extra.update(value)
    extra = {name: value for name, value in extra.items() if value is not None}
    return to_json(extra) if extra else None


def _text(value: Any) -> str:
    if type(value) is not str:
        raise _NotPlainError
    return value


def _mapping(value: Any) -> Mapping[str, Any]:
    if value is None:
        return {}
    if type(value) is not dict:
        raise _NotPlainError
    return value


def _is_dict(value: Any) -> bool:
    return type(value) is dict
