"""The content hash of a block, as pinocchio computes it: SHA-256 over canonical JSON.

The algorithm is named `sha256-canonical-json-v1`. The JSON has the fields kind, role, payload and metadata, sorted keys
below them, and the escapes and numbers of Go's `encoding/json`. Ids are not part of it. Source: pinocchio's
`pkg/persistence/chatstore/block_hash.go`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from decimal import Decimal
from json.encoder import encode_basestring
from math import isfinite
from typing import Any

from ..values.persistent_list import PersistentList
from ..values.turns import Block

HASH_ALGORITHM = "sha256-canonical-json-v1"
GO_ESCAPES = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"}
ESCAPED_CHARACTERS = str.maketrans(GO_ESCAPES)
SMALLEST_PLAIN, LARGEST_PLAIN = 1e-6, 1e21  # Go writes numbers outside of this range with an exponent


def content_hash(block: Block) -> str:
    """Return the content hash of a block in hexadecimal digits."""
    return hashlib.sha256(canonical_json(block).encode("utf-8", "surrogatepass")).hexdigest()


def canonical_json(block: Block) -> str:
    """Return the canonical JSON of a block."""
    fields = (
        ("kind", block.kind.strip()),
        ("role", block.role.strip()),
        ("payload", block.payload),
        ("metadata", dict(block.metadata.items())),
    )
    return "{" + ",".join(f'"{name}":{_encode(value)}' for name, value in fields) + "}"


def _encode(value: Any) -> str:
    if isinstance(value, str):
        return _encode_text(value)
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return int.__repr__(value)
    if isinstance(value, float):
        return _encode_float(value)
    if isinstance(value, Mapping):
        texts = {_encode_key(key): _encode(item) for key, item in value.items()}
        return "{" + ",".join(f"{_encode_text(key)}:{texts[key]}" for key in sorted(texts)) + "}"
    if isinstance(value, (list, tuple, bytes, PersistentList)):
        return "[" + ",".join(map(_encode, value)) + "]"
    return _encode_text(str(value))


def _encode_key(key: Any) -> str:
    return key if isinstance(key, str) else _encode(key)


def _encode_text(text: str) -> str:
    encoded: str = encode_basestring(text)
    return encoded.translate(ESCAPED_CHARACTERS)


def _encode_float(number: float) -> str:
    """Return a float as Go writes it; a text for those that JSON cannot write."""
    if not isfinite(number):
        return _encode_text(str(number))
    if number and not SMALLEST_PLAIN <= abs(number) < LARGEST_PLAIN:
        digits, _, exponent = repr(number).partition("e")
        return f"{digits.removesuffix('.0')}e{int(exponent):+}" if exponent else repr(number)
    return format(Decimal(repr(number)), "f").removesuffix(".0")
