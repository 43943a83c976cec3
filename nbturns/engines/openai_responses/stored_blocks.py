"""OpenAI Responses: find the blocks that the server stored, so that a request leaves them out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...values.inference_results import FinishClass
from ...values.turns import Block, Turn
from .reply import ORIGINALS

LATEST = "latest"


def first_unsent_block(turn: Turn, own_params: dict[str, Any]) -> int:
    """Return the index of the first block that the server does not have; replaces "latest" in `own_params` with an id."""
    first_unsent = 0
    if conversation := own_params.get("conversation"):
        server_id = conversation.get("id") if isinstance(conversation, Mapping) else conversation
        first_unsent = max(
            (block_end for block_end, block in enumerate(turn, 1) if _conversation_id(block) == server_id), default=0
        )
    elif own_params.get("previous_response_id") == LATEST:
        response_ends = _response_ends(turn)
        if response_ends:
            own_params["previous_response_id"], first_unsent = response_ends.popitem()
        else:
            del own_params["previous_response_id"]
    elif server_id := own_params.get("previous_response_id"):
        first_unsent = max(
            (block_end for block_end, block in enumerate(turn, 1) if ORIGINALS.reply_position(block)[0] == server_id),
            default=0,
        )
    return first_unsent


def _conversation_id(block: Block) -> Any:
    """Return the id of the conversation that a reply was stored in."""
    conversation = block.inference.extra.get("conversation") if block.inference else None
    return conversation.get("id") if isinstance(conversation, Mapping) else None


def _response_ends(turn: Turn) -> dict[str, int]:
    """Return the ids of the unedited responses in this Turn, each with the index after its last block; stops at an edit."""
    response_ends: dict[str, int] = {}
    for block_end, block in enumerate(turn, 1):
        response_id, _ = ORIGINALS.reply_position(block)
        finish_class = block.inference.finish_class if block.inference else None
        is_edited = (response_id or ORIGINALS.item_key in block.metadata) and ORIGINALS.raw_item(block) is None
        if is_edited or (response_id and finish_class in (FinishClass.ERROR, FinishClass.INTERRUPTED)):
            response_ends.pop(response_id, None)
            break
        if response_id:
            response_ends[response_id] = block_end
    return response_ends
