"""A card for each waiting call: its form, what is wrong with it, and what is known about its tool."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from itertools import islice
from typing import Any

from ...events import Pause
from ...render.text import call_line, shorten, visible
from ...runtime.call_faults import argument_fault
from ...runtime.toolbox import INTERRUPTED
from ...tools import Tool
from ...values.blocks import Block
from ...values.frozen_json import thaw
from ...values.turns import Turn
from .call_fields import call_fields, json_text, type_words

MAX_CARDS = 50  # the others are in the table
MAX_LINE = 400
MAX_JSON = 200_000  # characters of the arguments of a card; longer calls are edited in code
MAX_LAST_RESULT = 20_000
SEARCHED_BLOCKS = 2_000  # from the end, for an earlier result of the same call

ToolOf = Callable[[Block], Tool | None]


def call_cards(pause: Pause, tool_of: ToolOf) -> dict[str, Any] | None:
    """Return the waiting calls of a pause as plain data; None where none waits."""
    calls = pause.pending
    if not calls:
        return None
    indexes = _indexes_of(calls, pause.turn)
    cards = [_card(call, tool_of(call), pause.turn) for call in calls[:MAX_CARDS]]
    for card, index in zip(cards, indexes, strict=False):
        card["row"] = index
    return {"pause": pause.number, "asked_by": len(pause.turn.inferences), "count": len(calls), "items": cards}


def _indexes_of(calls: Iterable[Block], turn: Turn) -> list[int]:
    places = {id(block): index for index, block in enumerate(turn) if block.kind == "tool_call"}
    return [places.get(id(call), -1) for call in calls]


def _card(call: Block, tool: Tool | None, turn: Turn) -> dict[str, Any]:
    parameters = None if tool is None else tool.parameters
    args_text = json_text(call.args, indent=2)
    is_readable = call.payload.get("args_raw") is None and isinstance(call.payload.get("args"), (Mapping, str))
    card: dict[str, Any] = {
        "id": call.tool_call_id,
        "name": visible(call.name),
        "line": call_line(call, MAX_LINE),
        "known": tool is not None,
        "effect": "" if tool is None else tool.effect,
        "editable": tool is not None and len(args_text) <= MAX_JSON and is_readable,
        "faults": [] if tool is None else call_faults(tool, call),
    }
    if tool is None:
        return card
    if tool.origin:
        card["origin"] = visible(tool.origin)
    if call.metadata.get(INTERRUPTED):
        card["interrupted"] = True
    if card["editable"]:
        card |= {"fields": call_fields(call.args, parameters), "json": args_text}
    if (last_result := _last_result(call, turn)) is not None:
        card["last"] = last_result
    return card


def call_faults(tool: Tool, call: Block) -> list[dict[str, str]]:
    """Return what is wrong with the arguments of a call, in words: the name of the argument ("" for all) and a text."""
    message = argument_fault(tool, call)
    if not message:
        return []
    properties: Mapping[str, Any] = tool.parameters.get("properties") or {}
    return [
        _fault(part, call.args, properties) for part in message.split("; ") if not part.startswith(f"{call.name} takes")
    ]


def _fault(text: str, args: Mapping[str, Any], properties: Mapping[str, Any]) -> dict[str, str]:
    names = [*properties, *(name for name in args if name not in properties)]
    name = next((name for name in names if text.startswith((f"{name}:", f"{name}.", f"{name} is "))), "")
    schema = properties.get(name)
    words = type_words(schema) if isinstance(schema, Mapping) else ""
    if name in args and words and text.startswith(f"{name}:"):
        text = f"{name}: expected {words}, got {thaw(args[name])!r:.80}"
    return {"name": name, "text": visible(shorten(text, 300))}


def _last_result(call: Block, turn: Turn) -> dict[str, Any] | None:
    """Return the last result of an earlier call with the same arguments."""
    answers: dict[str, Block] = {}
    for block in islice(reversed(turn.blocks), SEARCHED_BLOCKS):
        if block.kind == "tool_use":
            answers.setdefault(block.tool_call_id, block)
        elif block.kind == "tool_call" and block.name == call.name and block.args == call.args:
            answer = answers.get(block.tool_call_id)
            if answer is not None:
                result = answer.error or answer.result
                is_text = isinstance(result, str)
                text = result if is_text else json_text(result, indent=2)
                return {"text": text[:MAX_LAST_RESULT], "json": not is_text, "error": bool(answer.error)}
    return None


def mocked_result(text: str, *, is_json: bool) -> Any:
    """Return the result that a person wrote. Raises ValueError for a text that is not JSON."""
    return json.loads(text) if is_json else text


__all__ = ["ToolOf", "call_cards", "call_faults", "mocked_result"]
