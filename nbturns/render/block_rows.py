"""Rows of block tables as plain data, for static tables and live views.

A row depends only on its block, so that a growing view sends only new rows. Related rows (a tool
call and its result, the blocks of one model call) have the same `call` or `inference`.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping
from typing import Any, TypedDict

from ..values.frozen_json import thaw
from ..values.images import image_bytes, normal_image
from ..values.inference_results import DURATION_MS, STDOUT, InferenceResult
from ..values.turns import Block
from .annotations import Mark, block_marks
from .content_forms import has_form
from .pretty_json import format_json, format_json_text
from .text import TextForm, block_text, call_line, shorten, transcript_text, visible

ICONS = {"system": "§", "user": "›", "llm_text": "¶", "tool_call": "ƒ", "tool_use": "↳", "reasoning": "∴"}
OTHER_ICON = "◇"
SMALLEST_COST = 0.0001  # USD that is shown as a number
IMAGE_MEDIA_TYPES = ("image/png", "image/jpeg", "image/gif", "image/webp")

HEAD_LENGTH = 160  # characters of the line that is shown for folded content
BODY_LENGTH = 2_000  # characters of a body that is part of its row; longer ones are requested when unfolded
OPEN_TEXT = 1_200  # characters (and lines) up to which messages are not folded
OPEN_LINES = 16
OPEN_DATA = 300
OPEN_DATA_LINES = 6


class Row(TypedDict, total=False):
    """The row of a block. With `fold` the body is folded under `head`; `size` is its number of characters.

    `open` marks a streaming block, whose `body` grows. With `form` the block has another form (`content_nodes.py`), and
    `child` is the id of the Run that a call started.
    """

    kind: str
    icon: str
    role: str
    head: str
    body: str
    size: int
    fold: bool
    call: str
    name: str
    error: bool
    ms: float
    inference: str
    images: list[str]
    elsewhere: list[str]
    marks: list[Mark]
    open: bool
    form: bool
    child: str


class ModelCallCells(TypedDict, total=False):
    """The cells of a model call, without unknown values."""

    provider: str
    model: str
    stop: str
    finish: str
    truncated: bool
    input: int
    output: int
    cached: int
    reasoning: int
    cost: float
    estimated: bool
    ms: int
    first: int


def block_row(block: Block) -> Row:
    """Return the table row of a block."""
    body_text = block_body(block)
    table_row: Row = {
        "kind": visible(block.kind),
        "icon": ICONS.get(block.kind, OTHER_ICON),
        "head": block_head(block),
        "size": len(body_text),
    }
    table_row["fold"] = _is_folded(block, body_text)
    if len(body_text) <= BODY_LENGTH:
        table_row["body"] = body_text
    if block.role:
        table_row["role"] = visible(block.role)
    if block.kind in ("tool_call", "tool_use") and block.tool_call_id:
        table_row["call"] = visible(block.tool_call_id)
    if block.kind == "tool_call":
        table_row["name"] = visible(block.name)
        if child_id := block.child_run_id:
            table_row["child"] = visible(child_id)
    if block.error:
        table_row["error"] = True
    if (duration_ms := block.metadata.get(DURATION_MS)) is not None:
        table_row["ms"] = duration_ms
    if call_key := model_call_key(block):
        table_row["inference"] = call_key
    if has_form(block):
        table_row["form"] = True
    if marks := block_marks(block):
        table_row["marks"] = marks
    data_urls = [_image_data_url(image) for image in block.images]
    if picture_urls := [data_url for data_url in data_urls if data_url]:
        table_row["images"] = picture_urls
    if other_addresses := [
        _image_address(image) for image, data_url in zip(block.images, data_urls, strict=True) if not data_url
    ]:
        table_row["elsewhere"] = other_addresses
    return table_row


def block_head(block: Block) -> str:
    """Return the line that is shown for a folded block."""
    if block.kind == "tool_call":
        return call_line(block, HEAD_LENGTH)
    return shorten(transcript_text(block), HEAD_LENGTH)


def block_body(block: Block) -> str:
    """Return the text of the block for reading: JSON over several lines, and what a tool printed."""
    body_text = block_text(block.kind, block.payload, BODY_FORM)
    if block.kind != "tool_use":
        return visible(body_text)
    result_text = _format_result(block.result) if block.error and block.result is not None else ""
    printed_text = block.metadata.get(STDOUT)
    text_parts = (body_text, result_text, f"printed: {printed_text.rstrip()}" if printed_text else "")
    return visible("\n".join(part for part in text_parts if part))


def _format_arguments(payload: Mapping[str, Any]) -> str:
    raw_args = payload.get("args_raw")
    return raw_args if isinstance(raw_args, str) else _format_value(payload.get("args"))


def _format_result(result: Any) -> str:
    """Return a result over several lines; geppetto keeps results as JSON text, which is parsed first."""
    if isinstance(result, str) and result[:1] in ("{", "["):
        try:
            return visible(format_json_text(result))
        except (ValueError, RecursionError):  # not JSON, or nested too deeply
            return visible(result)
    return _format_value(result)


def _format_value(value: Any) -> str:
    return visible(value if isinstance(value, str) else format_json(thaw(value)))


BODY_FORM = TextForm(_format_arguments, _format_result)


def _is_folded(block: Block, text: str) -> bool:
    if block.kind in ("user", "llm_text"):
        return len(text) > OPEN_TEXT or text.count("\n") >= OPEN_LINES
    if block.kind == "tool_call":  # the head contains the whole call, unless it was cut
        return True
    if block.kind == "reasoning":
        return len(text) > HEAD_LENGTH or "\n" in text
    return len(text) > OPEN_DATA or text.count("\n") >= OPEN_DATA_LINES


def _image_data_url(raw_image: Any) -> str:
    """Return an image as a data URL of a type without scripts; "" for external images."""
    if not isinstance(raw_image, Mapping):
        return ""
    try:
        image_map = normal_image(raw_image)
        image_content = image_bytes(image_map)
    except (ValueError, TypeError):
        return ""
    if image_content is None or image_map.get("media_type") not in IMAGE_MEDIA_TYPES:
        return ""
    return f"data:{image_map['media_type']};base64,{base64.b64encode(image_content).decode('ascii')}"


def _image_address(image: Any) -> str:
    """Return the address of an image that is not embedded, as text; a table fetches nothing."""
    if not isinstance(image, Mapping):
        return visible(str(image))
    return visible(
        str(image.get("url") or image.get("image_url") or image.get("file_uri") or image.get("file_id") or "no address")
    )


def model_call_key(block: Block) -> str:
    """Return a key that the blocks of one model call share: its id, or a hash of the result if there is no id."""
    if block.inference_id:
        return visible(block.inference_id)
    result = block.inference
    return "" if result is None else result_key(result)


def result_key(result: InferenceResult) -> str:
    """Return the key of a model call from its result."""
    return visible(result.inference_id) or f"result {hash(result)}"


def model_call_cells_by_key(blocks: Iterable[Block]) -> dict[str, ModelCallCells]:
    """Return the cells of each model call of these blocks, by `model_call_key`."""
    cells_by_key: dict[str, ModelCallCells] = {}
    for block in blocks:
        call_key = model_call_key(block)
        if call_key and call_key not in cells_by_key and block.inference is not None:
            cells_by_key[call_key] = model_call_cells(block.inference)
    return cells_by_key


def model_call_cells(result: InferenceResult) -> ModelCallCells:
    call_cells: ModelCallCells = {"finish": str(result.finish_class)}
    if result.provider:
        call_cells["provider"] = visible(result.provider)
    if result.model:
        call_cells["model"] = visible(result.model)
    call_cells["stop"] = visible(result.stop_reason) or (
        str(result.finish_class) if result.finish_class != "unknown" else ""
    )
    if result.truncated:
        call_cells["truncated"] = True
    if result.usage is not None:
        call_cells |= {"input": result.usage.input_tokens, "output": result.usage.output_tokens}
        call_cells |= {"cached": result.usage.cached_tokens, "reasoning": result.usage.reasoning_tokens}
    if result.cost is not None:
        call_cells["cost"] = result.cost
        if result.cost_source == "table":
            call_cells["estimated"] = True
    if result.duration_ms is not None:
        call_cells["ms"] = result.duration_ms
    if result.time_to_first_token_ms is not None:
        call_cells["first"] = result.time_to_first_token_ms
    return call_cells


def duration_text(ms: float | None) -> str:
    """Return milliseconds as text: 340 ms, 2.31 s, 1 min 12 s; "" when unknown."""
    if ms is None:
        return ""
    if ms < 1:
        return "< 1 ms"
    if ms < 1_000:
        return f"{ms:.0f} ms"
    if ms < 60_000:
        return f"{ms / 1000:.2f} s"
    minutes, seconds = int(ms // 60_000), int(ms % 60_000 // 1000)
    return f"{minutes} min {seconds} s" if seconds else f"{minutes} min"


def dollar_text(cost: float, *, estimated: bool = False) -> str:
    """Return an amount in USD as text, with "≈" before an estimate: $0.0123, ≈ $0.0123."""
    if 0 < cost < SMALLEST_COST:
        return f"< ${SMALLEST_COST:.4f}"
    return f"{'≈ ' if estimated else ''}${cost:.4f}"


def token_text(call: ModelCallCells) -> str:
    """Return input and output tokens as "1,204 → 318"; "" when unknown."""
    return f"{call['input']:,} → {call['output']:,}" if "input" in call else ""
