"""Drafts: the blocks of a message before it is known whether their conversation has them already."""

from __future__ import annotations

import json
from collections.abc import Container, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any

from ...values.turns import Kind

PROMPT_KINDS = frozenset({Kind.USER, Kind.SYSTEM})


@dataclass(slots=True)
class Draft:
    """A block before it is known whether its conversation has it already."""

    kind: str
    payload: dict[str, Any]
    role: str = ""
    extra_fields: dict[str, Any] = field(default_factory=dict)
    metadata: dict[str, Any] = field(default_factory=dict)  # values by the full names of their keys
    unknown: str = ""  # the reason why its value is not understood, for the report
    guess: str = ""  # an assumption about a value that the message lacks, for the report

    def fingerprint(self) -> str:
        """Return the content for comparison; "" for reasoning, which is not sent back to a model."""
        if self.kind == Kind.REASONING:
            return ""
        kind = "prompt" if self.kind in PROMPT_KINDS else self.kind
        return json.dumps((kind, self.payload), sort_keys=True, default=repr)


def message_hashes(drafts: Sequence[Draft], start: str = "") -> list[str]:
    """Return the hash `start` of earlier blocks, and with each block that of all blocks up to it."""
    hashes = [start]
    for draft in drafts:
        text = draft.fingerprint()
        content = (hashes[-1] + text).encode("utf-8", "surrogatepass")
        hashes.append(blake2b(content, digest_size=16).hexdigest() if text else hashes[-1])
    return hashes


def known_prefix(hashes: Sequence[str], known: Container[str]) -> int:
    """Return how many of the first messages are all that an earlier call ended with; 0 for none."""
    return next((length for length in range(len(hashes) - 1, 0, -1) if hashes[length] in known), 0)
