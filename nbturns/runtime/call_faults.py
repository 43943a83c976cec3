"""Why a call cannot run as it is: an unknown tool, or arguments that do not fit its tool."""

from __future__ import annotations

from ..errors import message_of
from ..tools import Tool
from ..values.blocks import Block
from ..values.frozen_json import EMPTY_DICT


def argument_fault(tool: Tool, call: Block) -> str:
    """Return why the arguments of a call do not fit its tool; "" if they do."""
    raw_args = call.payload.get("args", EMPTY_DICT)
    is_unparsed = isinstance(raw_args, str) and not call.args and raw_args.strip() not in ("", "{}")
    if is_unparsed or not isinstance(raw_args, (dict, str)) or call.payload.get("args_raw") is not None:
        return "the arguments are not a JSON object"
    try:
        tool.fit(call.args)
    except BaseException as error:  # validators are user code and may raise anything
        return message_of(error)
    return ""


__all__ = ["argument_fault"]
