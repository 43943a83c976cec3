"""The original JSON of a block, kept in its metadata, so that the provider gets it back unchanged.

A block from a provider carries `<namespace>.wire@v1`: the raw item, and a digest of the payload
that was decoded from it. As long as the payload is unchanged, the same family gets the raw item
verbatim, with unknown fields, signatures and the order of keys. An edited block is written from
its payload.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from json.encoder import encode_basestring_ascii as _quoted
from typing import Any

from ..values.deferred import deferred
from ..values.frozen_json import FrozenDict, freeze, thaw
from ..values.metadata import Key
from ..values.turns import Block

KEY_SUFFIX = ".wire@v1"  # of the metadata that holds an original


@dataclass(frozen=True, slots=True)
class OriginalItems:
    """The original items that one family of providers keeps in block metadata; `namespace` begins the names of its keys.

    The values: under `item_key` the raw item with its digest, under `response_id_key` the provider's
    id of the block's reply, under `output_index_key` its index in that reply or message, from 0.
    """

    namespace: str
    item_key: Key[Mapping[str, Any]] = field(init=False)
    response_id_key: Key[str] = field(init=False)
    output_index_key: Key[int] = field(init=False)

    def __post_init__(self) -> None:
        for attribute, suffix, value_type in (
            ("item_key", "wire", dict),
            ("response_id_key", "response_id", str),
            ("output_index_key", "output_index", int),
        ):
            object.__setattr__(self, attribute, Key(f"{self.namespace}.{suffix}@v1", value_type))

    def attach(self, block: Block, *, raw: Any = None, response_id: str = "", index: int | None = None) -> Block:
        """Return `block` with its raw item and its place; `raw` is None for an incomplete one."""
        metadata_values: dict[str, Any] = {}
        if raw is not None:
            metadata_values[self.item_key.name] = deferred(original_item, freeze(raw), block.payload)
        if response_id:
            metadata_values[self.response_id_key.name] = response_id
        if index is not None:
            metadata_values[self.output_index_key.name] = index
        return block.with_signature(block.id, block.metadata.with_stored_values(metadata_values))

    def raw_item(self, block: Block) -> Any:
        """Return the raw item to send back, as plain data; None without one, and when the payload has changed."""
        original = block.metadata.get(self.item_key)
        if original is None or original.get("digest") != digest(block.payload):
            return None
        return thaw(original.get("raw"))

    def reply_position(self, block: Block) -> tuple[str, int | None]:
        """Return the id of the reply that a block belongs to ("" when unknown), and its index there."""
        return block.metadata.get(self.response_id_key) or "", block.metadata.get(self.output_index_key)


def original_item(raw: Any, payload: Mapping[str, Any]) -> FrozenDict:
    """Return the value of `item_key`: a raw item, and the digest of the payload that was decoded from it."""
    return FrozenDict(raw=freeze(raw), digest=digest(payload))


def digest(payload: Mapping[str, Any]) -> str:
    """Return the SHA-256 of a payload, independent of the order of its keys."""
    text = payload.get("text")
    if type(text) is str and len(payload) == 1:
        encoded = f'{{"text":{_quoted(text)}}}'
    elif all(type(value) is str for value in payload.values()):
        encoded = f"{{{','.join(f'{_quoted(name)}:{_quoted(payload[name])}' for name in sorted(payload))}}}"
    else:
        encoded = _ENCODE(payload)
    return hashlib.sha256(encoded.encode("ascii")).hexdigest()


_ENCODE = json.JSONEncoder(sort_keys=True, separators=(",", ":"), default=repr).encode
