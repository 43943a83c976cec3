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
from dataclasses import dataclass
from typing import Any

from ..frozen import thaw
from ..keyed import Key
from ..turns import Block


@dataclass(frozen=True, slots=True)
class Wire:
    """The rule for one family of providers; `namespace` begins the names of its metadata."""

    namespace: str

    @property
    def kept(self) -> Key[Mapping[str, Any]]:
        return Key(f"{self.namespace}.wire@v1", dict)

    @property
    def response_id(self) -> Key[str]:
        """The provider's id of the reply a block belongs to."""
        return Key(f"{self.namespace}.response_id@v1", str)

    @property
    def output_index(self) -> Key[int]:
        """The place of a block in its reply, or in the message it was read from; from 0."""
        return Key(f"{self.namespace}.output_index@v1", int)

    def marked(self, block: Block, *, raw: Any = None, response_id: str = "", index: int | None = None) -> Block:
        """`block` with its raw item and its place; `raw` None for one that broke off."""
        names: dict[str, Any] = {}
        if raw is not None:
            names[self.kept.name] = {"raw": raw, "digest": digest(block.payload)}
        if response_id:
            names[self.response_id.name] = response_id
        if index is not None:
            names[self.output_index.name] = index
        return block._with(metadata=block.metadata.with_raw(**names))

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
    text = json.dumps(payload, sort_keys=True, separators=(",", ":"), default=repr)
    return hashlib.sha256(text.encode("ascii")).hexdigest()
