"""The usual content blocks of a Claude Code record as blocks, without the codec of Anthropic.

The codec copies, checks and signs each part on its own; a session has thousands. A part of one of the shapes here
becomes the block that the codec makes of it, with the same metadata; for any other part there is none.
`tests/importers/test_claude_code.py` compares the two.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..engines.anthropic.reply import ORIGINALS
from ..engines.verbatim import digest
from ..values.blocks import make_block
from ..values.frozen_json import EMPTY_DICT, FROZEN_TYPES, FrozenDict, freeze
from ..values.inference_results import INFERENCE_ID, INFERENCE_RESULT, InferenceResult
from ..values.metadata import unchecked_metadata
from ..values.provenance import FIELDS, MESSAGE, TIMESTAMP
from ..values.turns import Block
from .kit.transcript import freeze_or_json

WIRE, INDEX, RESULT = ORIGINALS.item_key.name, ORIGINALS.output_index_key.name, INFERENCE_RESULT.name
RESULT_ID, RESULT_TYPE = INFERENCE_ID.name, INFERENCE_RESULT.type
Parts = tuple[str, FrozenDict, str]  # kind, payload and role of a block


def usual_blocks(
    parts: list[Any],
    role: str,
    number: int,
    extra_fields: Mapping[str, Any] | None,
    time: Any,
    result: InferenceResult | None,
) -> list[Block] | None:
    """Return the blocks of a message of `role`; None where a part has another shape than those that are usual.

    `number` is that of the record, `extra_fields` go to the first block, and `result` is that of the model call.
    Without `extra_fields` the blocks have time and result alone.
    """
    read_parts = [(_reply_part if role == "assistant" else _prompt_part)(part) for part in parts]
    if not read_parts or None in read_parts:
        return None
    blocks: list[Block] = []
    for part, read_part in zip(parts, read_parts, strict=True):
        kind, payload, block_role = read_part  # type: ignore[misc]
        values: dict[str, Any] = {}
        if extra_fields is not None:
            raw = part if type(part) is str else _frozen(part)
            values = {WIRE: FrozenDict(raw=raw, digest=digest(payload)), INDEX: 0, MESSAGE.name: number}
        if extra_fields and not blocks:
            values[FIELDS.name] = freeze_or_json(extra_fields)
        if time:
            values[TIMESTAMP.name] = time if isinstance(time, str) else repr(time)
        if result is not None:
            values[RESULT] = (RESULT_TYPE, result)
            values[RESULT_ID] = result.inference_id
        blocks.append(make_block(kind, payload, block_role, "", unchecked_metadata(FrozenDict(values))))
    return blocks


def _reply_part(part: Any) -> Parts | None:
    if type(part) is not dict:
        return None
    part_type = part.get("type")
    if part_type == "text" and len(part) == 2 and type(text := part.get("text")) is str:
        return "llm_text", FrozenDict(text=text), "assistant"
    if part_type == "thinking" and type(thought := part.get("thinking")) is str:
        signature = part.get("signature")
        if not signature:
            return "reasoning", FrozenDict(text=thought), "assistant"
        return (
            ("reasoning", FrozenDict(text=thought, signature=signature), "assistant")
            if type(signature) is str
            else None
        )
    if part_type == "tool_use" and type(name := part.get("name")) is str and type(call_id := part.get("id")) is str:
        arguments = part.get("input")
        if not call_id or (arguments and type(arguments) is not dict):
            return None
        frozen_arguments = _frozen(arguments) if arguments else EMPTY_DICT
        return "tool_call", FrozenDict(id=call_id, name=name, args=frozen_arguments), ""
    return None


def _prompt_part(part: Any) -> Parts | None:
    if type(part) is str:
        return "user", FrozenDict(text=part), "user"
    if type(part) is not dict:
        return None
    part_type = part.get("type")
    if part_type == "text" and type(text := part.get("text")) is str:
        return "user", FrozenDict(text=text), "user"
    if part_type == "tool_result" and type(call_id := part.get("tool_use_id")) is str and call_id:
        content = part.get("content")
        if type(content) is str and not part.get("is_error"):
            return "tool_use", FrozenDict(id=call_id, result=content, error=""), ""
    return None


def _frozen(value: dict[str, Any]) -> FrozenDict:
    """Return an object as a frozen one; one without objects and lists in it needs no copies of them."""
    for item in value.values():
        if type(item) not in FROZEN_TYPES:
            frozen: FrozenDict = freeze(value)
            return frozen
    return FrozenDict(value)
