"""Calls of OpenAI's own tools that the client runs: shell, patches, computer, tool search, approval of MCP calls.

Each is a tool call under a name of its own (`shell`, `apply_patch`, …), which a tool of the session runs and a
pause can hold; its result becomes the output item that OpenAI expects. Facts: the item types of `openai` 3.57.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ...values.frozen_json import EMPTY_DICT, thaw
from ...values.turns import Block
from ..json_access import json_of, mapping_of, mappings_of, result_json, text_of
from ..media import medium

Item = dict[str, Any]
BLANK_PICTURE = (
    "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAQAAAC1HAwCAAAAC0lEQVR42mNkYAAAAAYAAjCB0C8AAAAASUVORK5CYII="
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientCall:
    """One type of call: the name of its tool, its arguments, its fields after an edit of them, and its output.

    `output` makes the fields of the output item from the result block and the original of the call.
    """

    name: str
    arguments: Callable[[Mapping[str, Any]], Mapping[str, Any]]
    fields: Callable[[Mapping[str, Any]], Item]
    output_type: str
    output: Callable[[Block, Mapping[str, Any]], Item]
    id_field: str = "call_id"
    output_id_field: str = "call_id"


def client_call_of(item: Mapping[str, Any]) -> ClientCall | None:
    """Return the type of a call that the client runs; None for any other item, and for one that the server runs."""
    call = CLIENT_CALLS.get(text_of(item.get("type")))
    if call is None or item.get("execution") == "server":
        return None
    environment = mapping_of(item.get("environment")).get("type")
    return None if environment in ("container_reference", "container_auto") else call


def call_payload(item: Mapping[str, Any], call: ClientCall) -> dict[str, Any]:
    """Return the payload of the tool call that an item is."""
    item_id = {"item_id": item["id"]} if text_of(item.get("id")) and call.id_field != "id" else {}
    return {"id": text_of(item.get(call.id_field)), "name": call.name, "args": call.arguments(item), **item_id}


def output_payload(item: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the payload of the result that an output item is; None for any other item."""
    call = OUTPUTS.get(text_of(item.get("type")))
    if call is None or item.get("execution") == "server":
        return None
    result_fields = {
        name: value for name, value in item.items() if name not in ("type", "id", "status", call.output_id_field)
    }
    result = result_fields["output"] if list(result_fields) == ["output"] else result_fields
    return {"id": text_of(item.get(call.output_id_field)), "result": result, "error": ""}


def output_item(block: Block, raw_call: Mapping[str, Any]) -> Item:
    """Return the output item for the result of such a call."""
    call = CLIENT_CALLS[raw_call["type"]]
    call_id = text_of(raw_call.get(call.id_field)) or block.tool_call_id
    return {"type": call.output_type, call.output_id_field: call_id, **call.output(block, raw_call)}


def _text(block: Block) -> str:
    return block.error or (block.result if isinstance(block.result, str) else result_json(block.result))


def _shell_output(block: Block, raw_call: Mapping[str, Any]) -> Item:
    """Return what commands wrote: in OpenAI's notation, as stdout, stderr and exit_code, or as a text."""
    result, limit = block.result, mapping_of(raw_call.get("action")).get("max_output_length")
    known_limit = {"max_output_length": limit} if isinstance(limit, int) else {}
    outputs = mappings_of(result.get("output") if isinstance(result, Mapping) else result)
    if not block.error and outputs and all("outcome" in output for output in outputs):
        return {"output": thaw(outputs), **known_limit}
    if not block.error and isinstance(result, Mapping) and {"stdout", "stderr", "exit_code"} & result.keys():
        code = result.get("exit_code")
        texts = {name: text_of(result.get(name)) for name in ("stdout", "stderr")}
        return {"output": [{**texts, "outcome": _exit(code if isinstance(code, int) else 0)}], **known_limit}
    texts = {"stdout": "" if block.error else _text(block), "stderr": block.error}
    return {"output": [{**texts, "outcome": _exit(1 if block.error else 0)}], **known_limit}


def _exit(code: int) -> Item:
    return {"type": "exit", "exit_code": code}


def _patch_output(block: Block, raw_call: Mapping[str, Any]) -> Item:
    del raw_call
    if isinstance(block.result, Mapping) and block.result.get("status") in ("completed", "failed"):
        return {name: thaw(block.result[name]) for name in ("status", "output") if name in block.result}
    has_failed = bool(block.error) or block.result is False
    return {"status": "failed" if has_failed else "completed", "output": _text(block)}


def _computer_output(block: Block, raw_call: Mapping[str, Any]) -> Item:
    """Return the picture of the screen; an error has none, and OpenAI wants one."""
    checks = mappings_of(raw_call.get("pending_safety_checks"))
    acknowledged = {"acknowledged_safety_checks": thaw(checks)} if checks and not block.error else {}
    result = block.result
    if isinstance(result, Mapping) and result.get("type") == "computer_screenshot":
        return {"output": thaw(result), **acknowledged}
    items = result if isinstance(result, list) else [result]
    pictures = [found for found in map(medium, items) if found is not None and found.kind in ("image", "file")]
    if not pictures or block.error:
        return {"output": {"type": "computer_screenshot", "image_url": BLANK_PICTURE}, "status": "incomplete"}
    picture = pictures[0]
    source = {"file_id": picture.file_id} if picture.file_id else {"image_url": picture.url or picture.data_url}
    return {"output": {"type": "computer_screenshot", **source}, **acknowledged}


def _search_output(block: Block, raw_call: Mapping[str, Any]) -> Item:
    del raw_call
    result = block.result.get("tools") if isinstance(block.result, Mapping) else block.result
    return {"execution": "client", "status": "completed", "tools": [] if block.error else thaw(mappings_of(result))}


def _approval(block: Block, raw_call: Mapping[str, Any]) -> Item:
    """Return whether an MCP call may run: only a plain yes is one."""
    del raw_call
    result = block.result
    answer = result.get("approve") if isinstance(result, Mapping) else result
    reason = block.error or text_of(result.get("reason") if isinstance(result, Mapping) else "")
    return {"approve": answer is True and not block.error, **({"reason": reason} if reason else {})}


def _approval_arguments(item: Mapping[str, Any]) -> dict[str, Any]:
    arguments = json_of(text_of(item.get("arguments")) or "{}")
    return {
        "server_label": text_of(item.get("server_label")),
        "name": text_of(item.get("name")),
        "arguments": item.get("arguments") if arguments is None else arguments,
    }


def _approval_fields(args: Mapping[str, Any]) -> Item:
    arguments = args.get("arguments")
    text = arguments if isinstance(arguments, str) else result_json(arguments)
    return {"server_label": args.get("server_label"), "name": args.get("name"), "arguments": text}


def _action(name: str) -> tuple[Callable[[Mapping[str, Any]], Mapping[str, Any]], Callable[[Mapping[str, Any]], Item]]:
    """Return the reader and the writer of arguments that are one field of the item."""
    return lambda item: mapping_of(item.get(name)), lambda args: {name: thaw(args)}


def _computer_arguments(item: Mapping[str, Any]) -> dict[str, Any]:
    return {name: item[name] for name in ("action", "actions") if item.get(name)}


SHELL, LOCAL_SHELL, PATCH = _action("action"), _action("action"), _action("operation")
CLIENT_CALLS: Mapping[str, ClientCall] = {
    "shell_call": ClientCall(
        name="shell", arguments=SHELL[0], fields=SHELL[1], output_type="shell_call_output", output=_shell_output
    ),
    "local_shell_call": ClientCall(
        name="local_shell",
        arguments=LOCAL_SHELL[0],
        fields=LOCAL_SHELL[1],
        output_type="local_shell_call_output",
        output=lambda block, _: {"output": _text(block)},
        output_id_field="id",
    ),
    "apply_patch_call": ClientCall(
        name="apply_patch",
        arguments=PATCH[0],
        fields=PATCH[1],
        output_type="apply_patch_call_output",
        output=_patch_output,
    ),
    "computer_call": ClientCall(
        name="computer",
        arguments=_computer_arguments,
        fields=thaw,
        output_type="computer_call_output",
        output=_computer_output,
    ),
    "tool_search_call": ClientCall(
        name="tool_search",
        arguments=lambda item: (
            mapping_of(item.get("arguments")) or mapping_of(json_of(text_of(item.get("arguments")) or "{}"))
        ),
        fields=lambda args: {"arguments": thaw(args)},
        output_type="tool_search_output",
        output=_search_output,
    ),
    "mcp_approval_request": ClientCall(
        name="mcp_approval",
        arguments=_approval_arguments,
        fields=_approval_fields,
        output_type="mcp_approval_response",
        output=_approval,
        id_field="id",
        output_id_field="approval_request_id",
    ),
}
OUTPUTS = {call.output_type: call for call in CLIENT_CALLS.values()}
CLIENT_TYPES = frozenset({*CLIENT_CALLS, *OUTPUTS})  # of items that are such a call or its result
CLIENT_TOOL_NAMES = {  # by the type of the tool in a request
    "shell": "shell",
    "local_shell": "local_shell",
    "apply_patch": "apply_patch",
    "computer": "computer",
    "computer_use_preview": "computer",
    "tool_search": "tool_search",
    "mcp": "",
}
NO_CALL: Mapping[str, Any] = EMPTY_DICT
