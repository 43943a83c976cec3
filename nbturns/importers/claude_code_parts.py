"""The usual content blocks of a Claude Code record as blocks, without the codec of Anthropic.

The codec copies, checks and signs each part on its own; a session has thousands. A part of one of the shapes here
becomes the block that the codec makes of it, with the same metadata; for any other part there is none.
`tests/importers/test_claude_code.py` compares the two.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..engines.anthropic.reply import ORIGINALS
from ..engines.verbatim import original_item
from ..values.blocks import make_block
from ..values.deferred import deferred
from ..values.frozen_json import EMPTY_DICT, FROZEN_TYPES, FrozenDict, freeze
from ..values.inference_results import INFERENCE_ID, INFERENCE_RESULT, InferenceResult
from ..values.metadata import unchecked_metadata
from ..values.provenance import FIELDS, MESSAGE, TIMESTAMP
from ..values.turns import Block

WIRE, INDEX, RESULT = ORIGINALS.item_key.name, ORIGINALS.output_index_key.name, INFERENCE_RESULT.name
RESULT_ID, RESULT_TYPE = INFERENCE_ID.name, INFERENCE_RESULT.type
Parts = tuple[str, FrozenDict, str, Any]  # kind, payload and role of a block, and its original


def usual_blocks(
    parts: list[Any],
    role: str,
    number: int | None,
    fields: Any,
    time: Any,
    result: InferenceResult | None,
) -> list[Block] | None:
    """Return the blocks of a message of `role`; None where a part has another shape than those that are usual.

    `number` is that of the record, `fields` the value of `FIELDS` of the first block, None without one, and `result`
    that of the model call. Without a `number` the blocks have time and result alone.
    """
    read_part: Callable[[Any], Parts | None] = _reply_part if role == "assistant" else _prompt_part
    shared_values: dict[str, Any] = {}
    if time:
        shared_values[TIMESTAMP.name] = time if isinstance(time, str) else repr(time)
    if result is not None:
        shared_values[RESULT] = (RESULT_TYPE, result)
        shared_values[RESULT_ID] = result.inference_id
    blocks: list[Block] = []
    for part in parts:
        if (read_values := read_part(part)) is None:
            return None
        kind, payload, block_role, original = read_values
        values: dict[str, Any] = {}
        if number is not None:
            values = {WIRE: deferred(original_item, original, payload), INDEX: 0, MESSAGE.name: number}
        if fields is not None and not blocks:
            values[FIELDS.name] = fields
        values |= shared_values
        blocks.append(make_block(kind, payload, block_role, "", unchecked_metadata(values)))
    return blocks or None


def _reply_part(part: Any) -> Parts | None:
    if type(part) is not dict or (original := _frozen(part)) is None:
        return None
    part_type = part.get("type")
    if part_type == "text" and len(part) == 2 and type(text := part.get("text")) is str:
        return "llm_text", FrozenDict(text=text), "assistant", original
    if part_type == "thinking" and type(thought := part.get("thinking")) is str:
        signature = part.get("signature")
        if not signature:
            return "reasoning", FrozenDict(text=thought), "assistant", original
        payload = FrozenDict(text=thought, signature=signature)
        return ("reasoning", payload, "assistant", original) if type(signature) is str else None
    if part_type == "tool_use" and type(name := part.get("name")) is str and type(call_id := part.get("id")) is str:
        arguments = part.get("input")
        if not call_id or (arguments and type(arguments) is not dict):
            return None
        payload = FrozenDict(id=call_id, name=name, args=original["input"] if arguments else EMPTY_DICT)
        return "tool_call", payload, "", original
    return None


def _prompt_part(part: Any) -> Parts | None:
    if type(part) is str:
        return "user", FrozenDict(text=part), "user", part
    if type(part) is not dict or (original := _frozen(part)) is None:
        return None
    part_type = part.get("type")
    if part_type == "text" and type(text := part.get("text")) is str:
        return "user", FrozenDict(text=text), "user", original
    if part_type == "tool_result" and type(call_id := part.get("tool_use_id")) is str and call_id:
        content = part.get("content")
        if type(content) is str and not part.get("is_error"):
            return "tool_use", FrozenDict(id=call_id, result=content, error=""), "", original
    return None


def _frozen(part: dict[str, Any]) -> FrozenDict | None:
    """Return a frozen part; None for one that is nested too deeply. One without objects and lists is only copied."""
    if FROZEN_TYPES.issuperset(map(type, part.values())):
        return FrozenDict(part)
    try:
        frozen_part: FrozenDict = freeze(part)
    except TypeError:
        return None
    return frozen_part
