"""Turns and bodies in a form that the rules of every provider allow, whatever a model, a tool or an edit left in them."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Container, Mapping
from typing import Any, TypeVar

from ..runtime.call_ids import PROVIDER_CALL_ID
from ..values.blocks import Block, user
from ..values.persistent_list import PersistentList
from ..values.portable import portable, replace_surrogates
from ..values.turns import Turn
from .json_access import result_json, text_of

BodyT = TypeVar("BodyT", bound=dict[str, Any])
TOOL_NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")
INVALID_CHARACTERS = re.compile(r"[^a-zA-Z0-9_-]+")
VERBATIM_SUFFIX = ".wire@v1"  # of the metadata key with the original of a block
CALL_ID_FIELDS = ("call_id", "id", "tool_call_id", "tool_use_id")
SERVER_HISTORY = ("previous_response_id", "conversation")  # parameters of a conversation that the server has


def sendable_body(body: BodyT) -> BodyT:
    """Write NaN and infinity in a body as texts and lone surrogates as U+FFFD, and return the body."""
    for field, value in body.items():
        body[field] = portable(value, replace_surrogates)
    return body


def sendable_turn(turn: Turn, offered_names: Container[str], params: Mapping[str, Any]) -> tuple[Turn, list[str]]:
    """Return a Turn with valid names of called tools and one result for each call, and notices about the changes.

    A name that no provider accepts was invented by a model; an offered tool keeps its name. A result
    without an open call, which an edit or a slice may leave, becomes a text of the user.
    """
    is_complete = not any(params.get(name) for name in SERVER_HISTORY)
    sent_blocks: list[Block] = []
    stray_results: list[Block] = []  # of the current group of results, which they follow
    stray_ids: list[str] = []
    open_calls: Counter[str] = Counter()  # by id; some providers give no ids
    has_invalid_name = False
    for block in turn:
        is_stray = block.kind == "tool_use" and is_complete and not open_calls[block.tool_call_id]
        if is_stray and not _is_recorded(block):
            stray_results.append(_result_as_text(block))
            stray_ids.append(block.tool_call_id)
            continue
        if block.kind == "tool_use":
            open_calls[block.tool_call_id] -= 1
        else:
            sent_blocks += stray_results
            stray_results = []
        if block.kind == "tool_call":
            open_calls[block.tool_call_id] += 1
            if block.tool_call_id and block.metadata.get(PROVIDER_CALL_ID) == "":  # a result may have no id, too
                open_calls[""] += 1
            if not TOOL_NAME.fullmatch(block.name) and block.name not in offered_names and not _is_recorded(block):
                block = block.edit(name=valid_tool_name(block.name))
                has_invalid_name = True
        elif block.kind == "other":  # perhaps a call in the notation of a provider
            open_calls.update(filter(None, (text_of(block.payload.get(name)) for name in CALL_ID_FIELDS)))
        sent_blocks.append(block)
    if not stray_ids and not has_invalid_name:
        return turn, []
    notice = f"results without an open call go as text: {', '.join(map(repr, stray_ids))}"
    return turn._with(blocks=PersistentList([*sent_blocks, *stray_results])), [notice] if stray_ids else []


def _is_recorded(block: Block) -> bool:
    """Return True for a block of a recorded request, which a provider has accepted as it is."""
    return not block.inference_id and any(name.endswith(VERBATIM_SUFFIX) for name in block.metadata)


def valid_tool_name(name: str) -> str:
    """Return a name that every provider accepts, the same for the same name and different for different names."""
    digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    return f"{INVALID_CHARACTERS.sub('_', name)[:50] or 'unnamed'}_{digest}"


def _result_as_text(block: Block) -> Block:
    result_text = block.error or (block.result if isinstance(block.result, str) else result_json(block.result))
    return user(f"[result of the tool call {block.tool_call_id!r}, which has no open call here]\n{result_text}")
