"""An output item of OpenAI's Responses under construction, from its events."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ...values.frozen_json import EMPTY_DICT, FrozenDict, freeze
from ...values.turns import Block, Kind
from ..json_access import text_of
from .items import CALL_ARGUMENTS, block_of_item

BLOCK_KINDS = {"message": "llm_text", "reasoning": "reasoning", **dict.fromkeys(CALL_ARGUMENTS, "tool_call")}
PART_LISTS = {"output_text": "content", "refusal": "content", "reasoning_text": "content", "summary_text": "summary"}


@dataclass(slots=True)
class PartialItem:
    """An output item under construction: its first state, and the texts of its deltas."""

    output_index: int
    raw_item: FrozenDict = EMPTY_DICT
    closed: bool = False
    has_emitted_name: bool = False
    has_emitted_text: bool = False
    kind: str = ""  # of its block; "" for an item without deltas
    texts: dict[tuple[str, int], list[str]] = field(default_factory=dict)  # by (name, index) of their part
    last_target: tuple[str, int] | None = None  # key of the text that grew last
    last_texts: list[str] = field(default_factory=list)
    annotations: list[tuple[int, Any]] = field(default_factory=list)

    def take(self, raw_item: FrozenDict) -> None:
        """Take the item as it is now."""
        self.raw_item = raw_item
        self.kind = BLOCK_KINDS.get(text_of(raw_item.get("type")), "")

    def finish(self, raw_item: FrozenDict) -> None:
        """Take the item as it is at its end; where it says less than was streamed, that stays."""
        streamed = self.complete_item()
        self.take(_merged(streamed, raw_item) if streamed else raw_item)
        self.closed = True

    @property
    def text(self) -> str:
        """Return the text to emit for an item that arrived complete."""
        if field_name := CALL_ARGUMENTS.get(text_of(self.raw_item.get("type"))):
            return text_of(self.raw_item.get(field_name))
        return block_of_item(self.raw_item).text

    def complete_item(self) -> FrozenDict:
        """Return the item as a body would have it."""
        if self.closed:
            return self.raw_item
        whole_item, part_lists = dict(self.raw_item), dict[str, list[Any]]()
        for (target_name, part_index), texts in sorted(self.texts.items(), key=lambda entry: entry[0][1]):
            if list_name := PART_LISTS.get(target_name):
                part_lists.setdefault(list_name, []).append(self._content(target_name, part_index, "".join(texts)))
            else:
                whole_item[target_name] = "".join(texts)
        frozen_item: FrozenDict = freeze(whole_item | part_lists)
        return frozen_item

    def _content(self, part_type: str, part_index: int, text: str) -> dict[str, Any]:
        """Return one part of a message or of a reasoning item."""
        annotations = [annotation for index, annotation in self.annotations if index == part_index]
        return {
            "type": part_type,
            "refusal" if part_type == "refusal" else "text": text,
            **({"annotations": annotations} if part_type == "output_text" else {}),
        }

    def incomplete_block(self) -> Block | None:
        """Return the block of an item that the stream broke off; part of a call is data, not a call."""
        whole_item = self.complete_item()
        match whole_item.get("type"):
            case "message" | "reasoning" as item_type:
                text, refusal = (block := block_of_item(whole_item)).text, block.payload.get("refusal")
                text_payload = {"text": text, **({"refusal": refusal} if refusal else {})}
                return Block(BLOCK_KINDS[item_type], text_payload, "assistant") if text or refusal else None
            case _:
                partial_text = "".join(piece for texts in self.texts.values() for piece in texts)
                return Block(Kind.OTHER, {**self.raw_item, "partial_json": partial_text}, "assistant")


def _merged(streamed: FrozenDict, final: FrozenDict) -> FrozenDict:
    """Return the final item with the fields and parts that only the stream had."""
    missing = {name: value for name, value in streamed.items() if _is_empty(final.get(name)) and not _is_empty(value)}
    if "status" in missing and final.get("type") is not None:  # that of an item at its beginning
        del missing["status"]
    part_lists = {
        name: _merged_parts(streamed[name], final[name])
        for name in ("content", "summary")
        if isinstance(final.get(name), list) and final[name] and isinstance(streamed.get(name), list)
    }
    if not missing and all(part_lists[name] == final[name] for name in part_lists):
        return final
    merged_item: FrozenDict = freeze({**final, **missing, **part_lists})
    return merged_item


def _merged_parts(streamed: Sequence[Any], final: Sequence[Any]) -> list[Any]:
    parts: list[Any] = []
    for index, part in enumerate(final):
        streamed_part = streamed[index] if index < len(streamed) else None
        if (
            isinstance(part, Mapping)
            and isinstance(streamed_part, Mapping)
            and streamed_part.get("type") == part.get("type")
        ):
            missing = {
                name: value
                for name, value in streamed_part.items()
                if _is_empty(part.get(name)) and not _is_empty(value)
            }
            part = {**part, **missing} if missing else part
        parts.append(part)
    return [*parts, *streamed[len(final) :]]


def _is_empty(value: Any) -> bool:
    return value is None or value in ("", [], {})
