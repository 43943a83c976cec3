"""A Turn as the messages of a provider: for another program, not to be sent from here.

What came from the provider goes back word for word: each block has its own words (`wire.py`), and knows
the message it was in. Where a block was edited, added, or came from elsewhere, the codec writes all of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from ..contract import Scope, unheard
from ..distinct_calls import PROVIDER_CALL_ID
from ..errors import EngineError
from ..frozen import EMPTY, thaw
from ..provenance import FIELDS, MESSAGE
from ..turns import Block, Turn
from . import find
from .dialects import OPENAI
from .openai_chat_messages import written
from .wire import Wire

LISTED = {"openai": "input", "openai-chat": "messages", "anthropic": "messages", "gemini": "contents"}
HEADS = {"openai": "instructions", "anthropic": "system", "gemini": "systemInstruction"}
INSIDE = {"anthropic": "content", "gemini": "parts"}
NAMESPACES = {"openai": "openai_responses", "anthropic": "claude", "gemini": "gemini"}
MODELS = {"anthropic": "assistant", "gemini": "model"}


class Messages(list[dict[str, Any]]):
    """A list of messages (items, contents), and in `.body` with what stands beside them in a request.

    Anthropic's `system`, Gemini's `systemInstruction` and OpenAI's `instructions` are no messages:
    `client.messages.create(**turn.to_messages("anthropic").body, …)`.
    """

    def __init__(self, messages: Iterable[dict[str, Any]], listed: str, beside: Mapping[str, Any] = EMPTY) -> None:
        super().__init__(messages)
        self.body: dict[str, Any] = {**beside, listed: list(self)}


def to_messages(turn: Turn, provider: str) -> Messages:
    """The messages that say a Turn, in the words of "openai-chat", "openai", "anthropic" or "gemini".

    Raises EngineError for another provider, and for what this one cannot be told.
    """
    name = find(provider).name
    if name not in LISTED:
        raise EngineError(f"messages are written for {', '.join(LISTED)}, not for {name}", kind="unknown_provider")
    if name == "openai-chat":
        in_order = all(MESSAGE in block.metadata or block.inference_id or block.kind != "tool_use" for block in turn)
        return Messages(written(turn, OPENAI, "", as_it_stands=in_order), LISTED[name])
    return _word_for_word(turn, name) or _by_codec(turn, name)


def _by_codec(turn: Turn, name: str) -> Messages:
    body = find(name).request(turn, Scope(emit=unheard), "", {"stream": False})
    messages, head = body[LISTED[name]], body.get(HEADS[name])
    if isinstance(messages, str):
        messages = [{"role": "user", "content": messages}]
    return Messages(messages, LISTED[name], {HEADS[name]: head} if head else EMPTY)


def _word_for_word(turn: Turn, name: str) -> Messages | None:
    """None where a block has no words of the provider's own, or other ones since."""
    wire = Wire(NAMESPACES[name])
    said: list[tuple[Block, Any]] = []
    for block in turn:
        given = block.metadata.get(PROVIDER_CALL_ID)  # an id it was given here is no edit
        raw = wire.raw(block if given is None else block.edit(id=given))
        if raw is None:
            if block.kind != "other" or MESSAGE not in block.metadata or wire.kept in block.metadata:
                return None
            raw = _Whole(thaw(block.payload))  # a message in which nothing stood
        said.append((block, raw))
    at = next((at for at, (block, _) in enumerate(said) if _is_in_a_message(block, name)), len(said))
    if any(not _is_in_a_message(block, name) for block, _ in said[at:]):
        return None
    head = [raw for _, raw in said[:at]]
    beside = {HEADS[name]: _head(head, name, said[0][0])} if head else EMPTY
    if name == "openai":
        items = [{"role": "user", "content": raw} if isinstance(raw, str) else dict(raw) for _, raw in said[at:]]
        return Messages(items, LISTED[name], beside)
    return Messages(_messages(said[at:], wire, name), LISTED[name], beside)


class _Whole(dict[str, Any]):
    """A message that is no part of one."""


def _is_in_a_message(block: Block, name: str) -> bool:
    return MESSAGE in block.metadata or block.kind != "system" or (name == "openai" and block.role == "developer")


def _head(raws: list[Any], name: str, first: Block) -> Any:
    if name == "gemini":
        beside = thaw(first.metadata.get(FIELDS) or EMPTY)
        return {**beside, "parts": raws[0] if "parts" in beside else raws}
    return raws[0] if len(raws) == 1 and isinstance(raws[0], str) else raws


def _messages(said: list[tuple[Block, Any]], wire: Wire, name: str) -> Iterator[dict[str, Any]]:
    """The messages, each with the parts that were in it."""
    message: dict[str, Any] = {}
    before: tuple[Any, ...] = ()
    last = -1
    for block, raw in said:
        reply, place = wire.place(block)
        known = (reply, block.metadata.get(MESSAGE))
        if isinstance(raw, _Whole):
            if message:
                yield message
            message, before = {}, ()
            yield dict(raw)
            continue
        if known != before or (place or 0) <= last:
            if message:
                yield message
            beside = block.metadata.get(FIELDS) if MESSAGE in block.metadata else None
            message = thaw(beside) if beside else {"role": MODELS[name]}
            alone = isinstance(raw, str) or INSIDE[name] in message
            message[INSIDE[name]] = raw if alone else [raw]
        else:
            message[INSIDE[name]].append(raw)
        before, last = known, place or 0
    if message:
        yield message
