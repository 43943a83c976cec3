"""The parts of a reply of Gemini: the block of each, and its growth while it streams.

Facts: Google's reference of `Part` (v1beta) and its page on thought signatures, which may be on
a part of any kind. Google accepts camel and snake case, and so does this module.
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
from .streamed_arguments import StreamedArguments

ORIGINALS = OriginalItems("gemini")
SIGNATURE: Key[str] = Key("gemini.thought_signature@v1", str)  # geppetto's name for it
PLAIN = frozenset({"text", "thought"})  # a part with only these fields may grow while it streams


class Part:
    """One part under construction: its first state, and the texts after it."""

    raw_part: FrozenDict
    __slots__ = ("arguments", "can_grow", "kind", "later_texts", "part_index", "raw_part", "tool_name")

    def __init__(self, part_index: int, raw_part: FrozenDict, can_grow: bool) -> None:
        self.part_index: int = part_index
        self.raw_part = raw_part
        self.can_grow: bool = can_grow  # plain text in a stream; a signature ends a text
        self.later_texts: list[str] = []
        self.kind: str = _kind_of_part(raw_part)
        self.arguments: StreamedArguments | None = None
        self.tool_name: str = ""
        if self.kind == "tool_call":
            function_call = field_of(raw_part, "functionCall")
            self.arguments, self.tool_name = StreamedArguments.of(function_call), text_of(function_call.get("name"))

    @property
    def is_incomplete(self) -> bool:
        """Tell whether this is a call whose arguments have not all come."""
        return self.arguments is not None and not self.arguments.is_complete

    @property
    def text(self) -> str:
        """Return the text at the start; for a call its arguments so far, as JSON."""
        if self.kind != "tool_call":
            return text_of(self.raw_part.get("text"))
        function_call = mapping_of(field_of(self.raw_part, "functionCall"))
        return json.dumps(function_call["args"], ensure_ascii=False) if function_call.get("args") else ""

    def take_arguments(self, more_fields: Mapping[str, Any]) -> str:
        """Take a piece of a streamed call; return the arguments as JSON once all have come, until then ""."""
        assert self.arguments is not None
        other_fields = {name: value for name, value in more_fields.items() if camel_case(name) != "functionCall"}
        self.raw_part = freeze({**self.raw_part, **other_fields})
        self.arguments.take(mapping_of(field_of(more_fields, "functionCall")))
        return "" if self.arguments.will_continue else json.dumps(self.arguments.args, ensure_ascii=False)

    def complete_part(self) -> FrozenDict:
        """Return the part as in a body."""
        if self.later_texts:
            return freeze({**self.raw_part, "text": self.raw_part["text"] + "".join(self.later_texts)})  # type: ignore[no-any-return]  # a mapping freezes to one
        if self.arguments is None:
            return self.raw_part
        field_name = "functionCall" if "functionCall" in self.raw_part else "function_call"
        return freeze({**self.raw_part, field_name: self.arguments.call})  # type: ignore[no-any-return]  # as above

    def block(self, complete_part: FrozenDict, *, is_over: bool) -> Block:
        """Return the block; `is_over` tells whether the reply has ended."""
        if not self.is_incomplete:
            return block_of_part(complete_part)
        assert self.arguments is not None
        args_text = json.dumps(self.arguments.pieces, ensure_ascii=False)
        if is_over:
            return block_of_part(self.raw_part).edit(args=EMPTY_DICT, args_raw=args_text)
        return Block(Kind.OTHER, {**self.raw_part, "partial_json": args_text}, "assistant")


def block_of_part(raw_part: FrozenDict) -> Block:
    """Return the block of one part from the model; an unknown part becomes `other`."""
    kind = _kind_of_part(raw_part)
    block = make_block(kind, _payload(raw_part, kind), "" if kind == "tool_call" else "assistant")
    signature = field_of(raw_part, "thoughtSignature")
    if not isinstance(signature, str) or not signature:
        return block
    return block.with_signature("", metadata_from_dict(FrozenDict({SIGNATURE.name: signature})))


def _payload(raw_part: FrozenDict, kind: str) -> FrozenDict:
    if kind == "other":
        return raw_part
    if kind != "tool_call":
        return FrozenDict(text=raw_part["text"])
    function_call = field_of(raw_part, "functionCall")
    call_id, args = text_of(function_call.get("id")), function_call.get("args") or EMPTY_DICT
    return FrozenDict(id=call_id, name=function_call["name"], args=args)


def _kind_of_part(raw_part: FrozenDict) -> str:
    function_call, text = field_of(raw_part, "functionCall"), raw_part.get("text")
    if isinstance(function_call, dict) and isinstance(function_call.get("name"), str):
        return "tool_call"
    if not isinstance(text, str):
        return "other"
    # An empty text only carries the signature of the thoughts; as a text block it would become `turn.text`.
    is_reasoning = raw_part.get("thought") or (not text and field_of(raw_part, "thoughtSignature"))
    return "reasoning" if is_reasoning else "llm_text"


def field_of(json_object: Mapping[str, Any], field_name: str) -> Any:
    """Return the field of this name, in camel or snake case."""
    value = json_object.get(field_name)
    if value is not None or (snake_name := _snake(field_name)) == field_name:
        return value
    return json_object.get(snake_name)


@cache
def _snake(field_name: str) -> str:
    return re.sub(r"[A-Z]", lambda capital: f"_{capital[0].lower()}", field_name)


def camel_case(field_name: str) -> str:
    """Return the name of a field in camel case."""
    if "_" not in field_name:
        return field_name
    return re.sub(r"_([a-z])", lambda small_letter: small_letter[1].upper(), field_name)
