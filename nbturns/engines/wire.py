"""What a provider wrote, kept beside what we made of it, so it can go back unchanged.

A block a provider made carries its own words (`<namespace>.wire@v1`: the raw item, and
a digest of the payload it was decoded to). Sent to the same family again while the
payload is as it was, the raw item goes out verbatim: unknown fields, signatures, the
order of keys. An edited block is written anew from its payload.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from json.encoder import encode_basestring_ascii as _quoted
from typing import Any

from ..frozen import FrozenDict, freeze, thaw
from ..keyed import Key, keyed
from ..turns import Block

SUFFIX = ".wire@v1"  # of the metadata that holds an original


@dataclass(frozen=True, slots=True)
class Wire:
    """The rule for one family of providers; `namespace` begins the names of its metadata.

    `kept` is the raw item with its digest, `response_id` the provider's id of the reply a
    block belongs to, `output_index` its place there, or in the message it was read from,
    from 0.
    """

    namespace: str
    kept: Key[Mapping[str, Any]] = field(init=False)
    response_id: Key[str] = field(init=False)
    output_index: Key[int] = field(init=False)

    def __post_init__(self) -> None:
        for name, called, to in (
            ("kept", "wire", dict),
            ("response_id", "response_id", str),
            ("output_index", "output_index", int),
        ):
            object.__setattr__(self, name, Key(f"{self.namespace}.{called}@v1", to))

    def marked(self, block: Block, *, raw: Any = None, response_id: str = "", index: int | None = None) -> Block:
        """`block` with its raw item and its place; `raw` None for one that broke off."""
        names: dict[str, Any] = {}
        if raw is not None:
            names[self.kept.name] = FrozenDict(raw=freeze(raw), digest=digest(block.payload))
        if response_id:
            names[self.response_id.name] = response_id
        if index is not None:
            names[self.output_index.name] = index
        before = block.metadata
        return block.signed(block.id, before.with_raw(**names) if len(before) else keyed(FrozenDict(names)))

    def raw(self, block: Block) -> Any:
        """The raw item to send back, as plain data; None when the payload was changed or there is none."""
        kept = block.metadata.get(self.kept)
        if kept is None or kept.get("digest") != digest(block.payload):
            return None
        return thaw(kept.get("raw"))

    def place(self, block: Block) -> tuple[str, int | None]:
        """The reply a block belongs to ("" when unknown), and its place there."""
        return block.metadata.get(self.response_id) or "", block.metadata.get(self.output_index)


def digest(payload: Mapping[str, Any]) -> str:
    """SHA-256 of a payload, whatever the order of its keys."""
    text = payload.get("text")
    said = f'{{"text":{_quoted(text)}}}' if type(text) is str and len(payload) == 1 else _ENCODE(payload)
    return hashlib.sha256(said.encode("ascii")).hexdigest()


_ENCODE = json.JSONEncoder(sort_keys=True, separators=(",", ":"), default=repr).encode
