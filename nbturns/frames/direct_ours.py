"""A Run or a Turn of ours as JSON, straight into the lists of a batch of blocks.

What it gives is what `serde` and the walk over its Runs give; of anything that is not plain
it says so, and leaves it to them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ..provenance import TIMESTAMP
from ..results import INFERENCE_ID, INFERENCE_RESULT, INFERENCES, FinishClass
from ..serde import KINDS, ROLES, VERSION
from .arrays import to_json
from .block_batch import BESIDE, BlockBatch, Told, said_at
from .sources import File

SESSION = "geppetto.session_id@v1"
SAID = frozenset({"system", "user", "llm_text", "reasoning"})
BLOCK = frozenset({"id", "kind", "role", "payload", "metadata"})
SIGNED = frozenset({INFERENCE_ID.name, INFERENCE_RESULT.name})
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
        self.put = batch.blocks.append
        self.id = id
        self.path = path
        self.seen: set[str] = set()
        self.names: dict[str | None, str | None] = {}  # of the tools, by the id of the call
        self.calls: dict[str, int] = {}  # the number of a model call, by its id

    def add(self, turns: list[dict[str, Any]]) -> None:
        length = 0
        for index, turn in enumerate(turns):
            shared, blocks = turn.get("shared_blocks", 0), turn.get("blocks")
            if type(shared) is not int or not 0 <= shared <= length or type(blocks) is not list:
                raise _NotPlainError
            if turn.get("version", VERSION) != VERSION:
                raise _NotPlainError
            place = self.batch.begin_turn(self.id, _text(turn.get("id") or ""), index, self.path)
            self._ledger(_mapping(turn.get("metadata")).get(INFERENCES.name))
            for number, block in enumerate(blocks, shared):
                self._block(place, number, block)
            length = shared + len(blocks)

    def _ledger(self, listed: Any) -> None:
        if listed is None:
            return
        if type(listed) is not list:
            raise _NotPlainError
        for raw in listed:
            id = _mapping(raw).get("inference_id")
            if type(id) is not str or not id:
                raise _NotPlainError
            if id not in self.calls:
                self._called(id, raw)

    def _called(self, id: str, raw: Any) -> int:
        number = self.calls[id] = len(self.batch.calls)
        self.batch.calls.append(_told(id, raw))
        return number

    def _block(self, place: int, index: int, block: Any) -> None:
        if type(block) is not dict:
            raise _NotPlainError
        kind, payload, metadata, role, id = map(block.get, ("kind", "payload", "metadata", "role", "id"))
        if kind not in KINDS or (payload is not None and type(payload) is not dict):
            raise _NotPlainError
        payload = payload or NOTHING
        call = payload.get("id")
        call = call if call and type(call) is str else None
        name = payload.get("name")
        name = str(name) if name else None
        if kind == "tool_call":
            self.names[call] = name
        elif kind == "tool_use":
            name = self.names.get(call)
        if type(role) is not str or not role or role.isspace():
            role = _role(block, kind)
        if id is not None and (type(id) is not str or id in self.seen):  # an equal block of one id is the same one
            raise _NotPlainError
        if "payload" not in block and not BLOCK.issuperset(block):  # it may stand beside the kind
            raise _NotPlainError
        if id:
            self.seen.add(id)
        error, images, text = payload.get("error"), payload.get("images"), payload.get("text")
        self.put(
            (
                place,
                index,
                id or None,
                kind,
                role or None,
                text if type(text) is str and kind in SAID else _said(kind, payload),
                len(images) if type(images) is list else 0,
                call,
                name,
                str(error) if error else None,
                self._made_by(metadata) if metadata else None,
                None
                if BLOCK.issuperset(block) and (not metadata or SIGNED.issuperset(metadata))
                else _extra(block, metadata),
                said_at(metadata.get(TIMESTAMP.name)) if metadata else None,
            )
        )

    def _made_by(self, metadata: Any) -> int | None:
        if type(metadata) is not dict:
            raise _NotPlainError
        id, raw = metadata.get(INFERENCE_ID.name), metadata.get(INFERENCE_RESULT.name)
        if not id:
            if raw:  # without an id, neighbours of equal results are one call
                raise _NotPlainError
            return None
        if type(id) is not str:
            raise _NotPlainError
        number = self.calls.get(id)
        return self._called(id, raw) if number is None else number


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


def _told(id: str, raw: Any) -> Told:
    """What a record of a model call says, in the words of `InferenceResult`."""
    if raw is None:
        return id, "", "", "", ""
    if type(raw) is not dict or not raw:
        raise _NotPlainError
    provider, model, stop, finish = map(raw.get, ("provider", "model", "stop_reason", "finish_class"))
    if finish not in CLASSES:
        finish = "unknown" if finish is None else FinishClass.of(_text(finish)).value
    for word in (provider, model, stop):
        if word is not None and type(word) is not str:
            raise _NotPlainError
    return id, "anthropic" if provider == "claude" else provider or "", model or "", stop or "", finish


def _role(block: dict[str, Any], kind: str) -> str:
    role = block.get("role", "")
    if role is None:
        return ""
    return _text(role) if role and _text(role).strip() else ROLES.get(kind, role)


def _extra(block: dict[str, Any], metadata: Any) -> str | None:
    """What it has beside all that a block knows, as JSON."""
    extra = {name: value for name, value in block.items() if name not in BLOCK} if not BLOCK.issuperset(block) else {}
    for name, value in sorted(metadata.items()) if metadata else ():
        if name.endswith(BESIDE) and type(value) is dict:
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
