"""A Turn as the messages of a provider, for use in another program.

What came from the provider goes back verbatim: each block keeps its original (`verbatim.py`) and the
message it was in. Where a block was edited, added, or came from elsewhere, the codec writes all of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from ..errors import EngineError
from ..runtime.call_ids import PROVIDER_CALL_ID
from ..runtime.engine_protocol import Scope, discard_event
from ..values.frozen_json import EMPTY_DICT, thaw
from ..values.provenance import FIELDS, MESSAGE
from ..values.turns import Block, Turn
from .provider import MessageLayout, Provider
from .registry import find, installed_providers
from .verbatim import OriginalItems


class Messages(list[dict[str, Any]]):
    """A list of messages (items, contents); `.body` has it with the system prompt of a request.

    Anthropic's `system`, Gemini's `systemInstruction` and OpenAI's `instructions` are not messages:
    `client.messages.create(**turn.to_messages("anthropic").body, …)`.
    """

    def __init__(self, messages: Iterable[dict[str, Any]], field: str, head: Mapping[str, Any] = EMPTY_DICT) -> None:
        super().__init__(messages)
        self.body: dict[str, Any] = {**head, field: list(self)}


def to_messages(turn: Turn, provider: str) -> Messages:
    """Return the messages of a Turn in the words of a provider, like "openai-chat" or "anthropic".

    Raises EngineError for a provider without messages, and for content it does not accept.
    """
    target = find(provider)
    layout = target.messages
    if layout is None:
        names = ", ".join(sorted(candidate.name for candidate in installed_providers() if candidate.messages))
        raise EngineError(
            f"provider {target.name!r} has no message layout; providers with one: {names}", kind="unknown_provider"
        )
    if layout.write is not None:
        return Messages(layout.write(turn), layout.messages)
    return _verbatim(turn, target, layout) or _by_codec(turn, target, layout)


def _by_codec(turn: Turn, provider: Provider, layout: MessageLayout) -> Messages:
    body = provider.request(turn, Scope(emit=discard_event), "", {"stream": False})
    messages, head = body[layout.messages], body.get(layout.head)
    if isinstance(messages, str):
        messages = [{"role": "user", "content": messages}]
    return Messages(messages, layout.messages, {layout.head: head} if head else EMPTY_DICT)


def _verbatim(turn: Turn, provider: Provider, layout: MessageLayout) -> Messages | None:
    """Return the messages as they came; None where a block has no original, or was edited since."""
    original_items = OriginalItems(provider.family)
    originals: list[tuple[Block, Any]] = []
    for block in turn:
        provider_id = block.metadata.get(PROVIDER_CALL_ID)  # an id that was assigned here is not an edit
        raw = original_items.raw_item(block if provider_id is None else block.edit(id=provider_id))
        if raw is None:
            if block.kind != "other" or MESSAGE not in block.metadata or original_items.item_key in block.metadata:
                return None
            raw = _WholeMessage(thaw(block.payload))  # a message without parts
        originals.append((block, raw))
    is_message = [_is_message(block, layout) for block, _ in originals]
    head_end = is_message.index(True) if True in is_message else len(originals)
    if not all(is_message[head_end:]) or (layout.parts and any(_is_in_other_record(block) for block, _ in originals)):
        return None
    parts = [raw for _, raw in originals[:head_end]]
    head = {layout.head: layout.head_value(parts, originals[0][0])} if parts else EMPTY_DICT
    return Messages(_messages(originals[head_end:], original_items, layout), layout.messages, head)


def _is_in_other_record(block: Block) -> bool:
    """Return True for a block whose record is not a message of the provider, but one of a program that logged it."""
    fields = block.metadata.get(FIELDS) if MESSAGE in block.metadata and block.kind != "other" else None
    return fields is not None and len(fields) > 0 and "role" not in fields


class _WholeMessage(dict[str, Any]):
    """A message that is not a part of one."""


def _is_message(block: Block, layout: MessageLayout) -> bool:
    outside = bool(layout.head) and block.kind == "system" and block.role not in layout.listed_roles
    return MESSAGE in block.metadata or not outside


def _messages(
    originals: list[tuple[Block, Any]], original_items: OriginalItems, layout: MessageLayout
) -> Iterator[dict[str, Any]]:
    """Yield the messages, each with the parts that were in it."""
    if not layout.parts:
        for _, raw in originals:
            yield {"role": "user", "content": raw} if isinstance(raw, str) else dict(raw)
        return
    message: dict[str, Any] = {}
    last_source: tuple[Any, ...] = ()
    last_place = -1
    for block, raw in originals:
        reply, place = original_items.reply_position(block)
        source = (reply, block.metadata.get(MESSAGE))
        if isinstance(raw, _WholeMessage):
            if message:
                yield message
            message, last_source = {}, ()
            yield dict(raw)
            continue
        if source != last_source or (place or 0) <= last_place:
            if message:
                yield message
            message = _new_message(block, raw, layout)
        else:
            message[layout.parts].append(raw)
        last_source, last_place = source, place or 0
    if message:
        yield message


def _new_message(block: Block, raw: Any, layout: MessageLayout) -> dict[str, Any]:
    """Return a message that begins with this block; its parts are not a list where they were not."""
    fields = block.metadata.get(FIELDS) if MESSAGE in block.metadata else None
    message: dict[str, Any] = thaw(fields) if fields else {"role": layout.model_role}
    is_only_part = isinstance(raw, str) or layout.parts in message
    message[layout.parts] = raw if is_only_part else [raw]
    return message
