"""The parts of an answer of Gemini: what each is, and how one grows while it streams.

Facts: Google's reference of `Part` (v1beta) and its page on thought signatures, which
may sit on a part of any kind. Google reads both spellings of a name, and so do we.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from functools import cache
from typing import Any

from ...values.blocks import make_block
from ...values.frozen_json import EMPTY_DICT, FrozenDict, freeze
from ...values.metadata import Key, metadata_from_dict
from ...values.turns import Block, Kind
from ..json_access import mapping_of, text_of
from ..verbatim import OriginalItems
from .streamed_arguments import Arguments

ORIGINALS = OriginalItems("gemini")
SIGNATURE: Key[str] = Key("gemini.thought_signature@v1", str)  # geppetto's name for it
PLAIN = frozenset({"text", "thought"})  # a part of nothing else may grow while it streams


class Part:
    """One part on its way: as it began, and what came after."""

    __slots__ = ("arguments", "grows", "kind", "more", "name", "place", "raw")

    def __init__(self, place: int, raw: FrozenDict, grows: bool) -> None:
        self.place = place
        self.raw = raw
        self.grows = grows  # plain text in a stream; what is signed came to its end
        self.more: list[str] = []
        self.kind = _kind(raw)
        self.arguments: Arguments | None = None
        self.name = ""
        if self.kind == "tool_call":
            call = field_of(raw, "functionCall")
            self.arguments, self.name = Arguments.of(call), text_of(call.get("name"))

    @property
    def broken(self) -> bool:
        return self.arguments is not None and not self.arguments.whole

    @property
    def text(self) -> str:
        """The text at the start; for a call its arguments so far."""
        if self.kind != "tool_call":
            return text_of(self.raw.get("text"))
        call = mapping_of(field_of(self.raw, "functionCall"))
        return json.dumps(call["args"], ensure_ascii=False) if call.get("args") else ""

    def go_on(self, raw: Mapping[str, Any]) -> str:
        """Take some more of a call whose arguments come in pieces; return them once all are there."""
        assert self.arguments is not None
        self.raw = freeze({**self.raw, **{k: v for k, v in raw.items() if camel(k) != "functionCall"}})
        self.arguments.take(mapping_of(field_of(raw, "functionCall")))
        return "" if self.arguments.open else json.dumps(self.arguments.args, ensure_ascii=False)

    def whole(self) -> FrozenDict:
        """Return the part as in a body."""
        if self.more:
            return freeze({**self.raw, "text": self.raw["text"] + "".join(self.more)})  # type: ignore[no-any-return]  # a mapping freezes to one
        if self.arguments is None:
            return self.raw
        name = "functionCall" if "functionCall" in self.raw else "function_call"
        return freeze({**self.raw, name: self.arguments.call})  # type: ignore[no-any-return]  # as above

    def block(self, whole: FrozenDict, *, over: bool) -> Block:
        """Return the block; `over` tells whether the reply has ended."""
        if not self.broken:
            return decoded(whole)
        assert self.arguments is not None
        args_text = json.dumps(self.arguments.pieces, ensure_ascii=False)
        if over:
            return decoded(self.raw).edit(args=EMPTY_DICT, args_raw=args_text)
        return Block(Kind.OTHER, {**self.raw, "partial_json": args_text}, "assistant")


def decoded(raw: FrozenDict) -> Block:
    """Return the block of one part of the model's; an unknown one becomes `other`."""
    kind = _kind(raw)
    block_made = make_block(kind, _payload(raw, kind), "" if kind == "tool_call" else "assistant")
    signature = field_of(raw, "thoughtSignature")
    if not isinstance(signature, str) or not signature:
        return block_made
    return block_made.signed("", metadata_from_dict(FrozenDict({SIGNATURE.name: signature})))


def _payload(raw: FrozenDict, kind: str) -> FrozenDict:
    if kind == "other":
        return raw
    if kind != "tool_call":
        return FrozenDict(text=raw["text"])
    call = field_of(raw, "functionCall")
    return FrozenDict(id=text_of(call.get("id")), name=call["name"], args=call.get("args") or EMPTY_DICT)


def _kind(raw: FrozenDict) -> str:
    call, text = field_of(raw, "functionCall"), raw.get("text")
    if isinstance(call, dict) and isinstance(call.get("name"), str):
        return "tool_call"
    if not isinstance(text, str):
        return "other"
    # An empty text only carries the signature of the thoughts; as a text it would be the last thing said.
    return "reasoning" if raw.get("thought") or (not text and field_of(raw, "thoughtSignature")) else "llm_text"


def field_of(data: Mapping[str, Any], name: str) -> Any:
    """Return the field of this name, in camel or snake case."""
    value = data.get(name)
    if value is not None or (snake := _snake(name)) == name:
        return value
    return data.get(snake)


@cache
def _snake(name: str) -> str:
    return re.sub(r"[A-Z]", lambda found: f"_{found[0].lower()}", name)


def camel(name: str) -> str:
    return re.sub(r"_([a-z])", lambda found: found[1].upper(), name) if "_" in name else name
