"""OpenAI Responses: decode a recorded request."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...errors import EngineError
from ...values.frozen_json import FrozenDict, freeze
from ...values.persistent_list import PersistentList
from ...values.turns import Block, Kind, Turn
from .items import block_of_item
from .reply import ORIGINALS


def history(request: Mapping[str, Any]) -> Turn:
    """Return the blocks of a recorded request, `instructions` first; encoding them gives the same request.

    Other parameters are not part of a Turn. Raises EngineError for a value that is not a request.
    """
    request = freeze(request)
    input_value = request.get("input") if isinstance(request, Mapping) else None
    if not isinstance(input_value, (str, list)):
        raise EngineError("expected a Responses request with an input, a string or a list of items", kind="bad_request")
    blocks: list[Block] = []
    if isinstance(instructions := request.get("instructions"), str):
        blocks.append(ORIGINALS.attach(Block(Kind.SYSTEM, {"text": instructions}, "system"), raw=instructions))
    if isinstance(input_value, str):
        return Turn(
            PersistentList(
                (*blocks, ORIGINALS.attach(Block(Kind.USER, {"text": input_value}, "user"), raw=input_value))
            )
        )
    call_ids: set[str] = set()
    for index, item in enumerate(input_value):
        if not isinstance(item, FrozenDict):
            raise EngineError(f"expected an input item to be an object, got {item!r:.60}", kind="bad_request")
        block = block_of_item(item)
        is_approval = item.get("type") == "mcp_approval_response"  # of a request that the server may have alone
        if block.kind == "tool_use" and is_approval and block.tool_call_id not in call_ids:
            block = block_of_item(item, is_run_by_client=False)
        if block.kind == "tool_call":
            call_ids.add(block.tool_call_id)
        blocks.append(ORIGINALS.attach(block, raw=item, index=index))
    return Turn(PersistentList(blocks))
