"""New contexts: what the model sees after a compaction."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ...values.turns import Block
from .transcript import Transcript


def add_to_context(transcript: Transcript, blocks: Iterable[Block], time: Any = None) -> None:
    """Add blocks to a context that begins here: one that the transcript has is kept, and any other is added."""
    index_by_content = {_content_of(block): index for index, block in enumerate(transcript.blocks)}
    for block in blocks:
        index = index_by_content.get(_content_of(block))
        if index is None:
            transcript.add_blocks([block], time=time)
        else:
            transcript.carry_blocks(index, index + 1)


def _content_of(block: Block) -> tuple[str, str, str]:
    is_tool = block.kind in ("tool_call", "tool_use")
    return block.kind, block.tool_call_id if is_tool else "", "" if is_tool else block.text or repr(block.payload)
