"""The items of OpenAI's Responses as blocks: one Block for each item of a reply or a request."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...values.blocks import make_block
from ...values.frozen_json import EMPTY_DICT, FrozenDict, freeze
from ...values.images import normal_image
from ...values.turns import Block, Kind
from ..json_access import json_of, mappings_of, text_of
from .client_calls import CLIENT_TYPES, call_payload, client_call_of, output_payload

CALL_ARGUMENTS = {
    "function_call": "arguments",
    "custom_tool_call": "input",
}  # types of calls whose arguments stream → the field with them
TEXT_TYPES = frozenset({"output_text", "input_text", "text"})
PLAIN_PART = frozenset({"type", "text"})  # the fields of a part that has nothing but a text
PART_BREAK = "\n\n"  # between the parts of a reasoning summary


def block_of_item(item: FrozenDict, *, is_run_by_client: bool = True) -> Block:
    """Return the block of one item of a reply or a request; an item of an unknown type is kept whole in `other`.

    Calls of OpenAI's own tools are tool calls, unless a server has run them.
    """
    if is_run_by_client and text_of(item.get("type")) in CLIENT_TYPES:
        if (call := client_call_of(item)) is not None:
            return Block(Kind.TOOL_CALL, call_payload(item, call))
        if (output := output_payload(item)) is not None:
            return Block(Kind.TOOL_USE, output)
    id_field = {"item_id": item["id"]} if text_of(item.get("id")) else {}
    match item.get("type") or ("message" if "role" in item else ""), item:
        case "message", _:
            return _message(item, id_field)
        case "reasoning", _:
            reasoning_parts = (*mappings_of(item.get("summary")), *mappings_of(item.get("content")))
            reasoning_fields = {name: item[name] for name in ("summary", "encrypted_content") if item.get(name)}
            reasoning_text = PART_BREAK.join(filter(None, (text_of(part.get("text")) for part in reasoning_parts)))
            payload = FrozenDict(text=reasoning_text, **reasoning_fields, **id_field)
            return make_block("reasoning", payload, "assistant")
        case "function_call", {"name": str(name)}:
            args_payload = call_arguments(text_of(item.get("arguments")))
            payload = FrozenDict(id=text_of(item.get("call_id")), name=name, **args_payload, **id_field)
            return make_block("tool_call", payload)
        case "custom_tool_call", {"name": str(name)}:
            args_payload = {"args": {"input": text_of(item.get("input"))}}
            return Block(Kind.TOOL_CALL, {"id": text_of(item.get("call_id")), "name": name, **args_payload, **id_field})
        case "function_call_output" | "custom_tool_call_output", {"call_id": str(call_id)}:
            return make_block("tool_use", FrozenDict(id=call_id, result=item.get("output"), error=""))
        case str(item_type), _ if item_type.endswith(("_output", "_response")):
            return Block(Kind.OTHER, item, "user")
    return Block(Kind.OTHER, item, "assistant")


def _message(item: FrozenDict, id_field: Mapping[str, Any]) -> Block:
    """Return the block of a message of any role: its text, with its media, annotations and refusal."""
    role, content = text_of(item.get("role")), item.get("content")
    content_parts = [FrozenDict(type="text", text=content)] if isinstance(content, str) else mappings_of(content)
    if (
        len(content_parts) == 1
        and PLAIN_PART.issuperset(content_parts[0])
        and content_parts[0].get("type") in TEXT_TYPES
    ):
        return _text_message(role, FrozenDict(text=text_of(content_parts[0].get("text"))), id_field)
    part_payload: dict[str, list[Any]] = {"annotations": [], "refusal": [], "images": [], "media": []}
    for content_part in content_parts:
        part_type = content_part.get("type")
        part_payload["annotations"] += mappings_of(content_part.get("annotations"))
        if part_type == "refusal":
            part_payload["refusal"].append(text_of(content_part.get("refusal")))
        elif part_type == "input_image" and (image := _read_image(content_part)):
            part_payload["images"].append(image)
        elif part_type not in TEXT_TYPES:
            part_payload["media"].append(content_part)
    text = "".join(
        text_of(content_part.get("text")) for content_part in content_parts if content_part.get("type") in TEXT_TYPES
    )
    payload = {"text": text} | {name: values for name, values in part_payload.items() if values}
    if part_payload["refusal"]:
        payload["refusal"] = "".join(part_payload["refusal"])
    return _text_message(role, freeze(payload), id_field)


def _text_message(role: str, payload: FrozenDict, id_field: Mapping[str, Any]) -> Block:
    if role in ("system", "developer"):
        return make_block("system", payload, role)
    if role == "user":
        return make_block("user", payload, "user")
    return make_block("llm_text", FrozenDict(payload, **id_field) if id_field else payload, "assistant")


def _read_image(image_part: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Return the image of an `input_image` part; None for an invalid one."""
    image_fields = {
        "url": image_part.get("image_url"),
        "file_id": image_part.get("file_id"),
        "detail": image_part.get("detail"),
    }
    try:
        return normal_image({name: value for name, value in image_fields.items() if isinstance(value, str)})
    except ValueError:
        return None


def call_arguments(arguments_text: str) -> dict[str, Any]:
    """Return the payload of a call's arguments; text that is not a JSON object is kept in `args_raw`."""
    args = json_of(arguments_text) if arguments_text.strip() else EMPTY_DICT
    return {"args": args} if isinstance(args, dict) else {"args": EMPTY_DICT, "args_raw": arguments_text}
