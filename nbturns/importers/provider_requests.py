"""What Anthropic, Gemini and OpenAI's Responses are sent, and what they answer: read by their codecs.

A codec knows what a request says (`history`) and what a reply says (`decode`). Here is what they do
not know: where one message ends, which of them the model made, and what to do with one that is none.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..engines import decode, find
from ..errors import EngineError
from ..frozen import EMPTY, freeze
from ..keyed import NOTHING, keyed
from ..provenance import FIELDS
from ..results import InferenceResult
from ..turns import Block, Run
from . import attempt
from .conversation import conversation, other, place_of, placed, signed
from .report import Notes
from .source import Sample, Source

MADE_BY_IT = frozenset({"llm_text", "reasoning", "tool_call"})


@dataclass(frozen=True, slots=True)
class Wire:
    """How one provider's requests and replies are laid out."""

    format: str
    listed: str  # the name of the list of messages in a request: "messages", "contents", "input"
    heads: tuple[str, ...]  # what is said before them: "system", …
    inside: str  # the name of a message's parts; "" where a message is one block
    is_reply: Callable[[Mapping[str, Any]], bool]
    known: Callable[[str], bool]  # whether a type that makes an `other` block is one that is expected
    names: tuple[str, ...] = field(default=("request", "response"))  # of a recorded pair

    # Conversations.

    def conversations(self, source: Source, *, alone: Callable[[Any], bool]) -> Iterator[tuple[str, Any]]:
        """The values that are conversations; a source of messages (`alone`) is one."""
        sample: Sample = source.sample
        if not alone(sample.record):
            yield from source.records()
        elif sample.lines and not isinstance(sample.value, list):
            yield "", [message for _, message in source.values()]
        else:  # a list of messages, or one of them
            yield from ((at, value if isinstance(value, list) else [value]) for at, value in source.values())

    def reading(self, alone: Callable[[Any], bool]) -> Callable[[Source], Iterator[Run]]:
        """A `read` of these conversations."""

        def read(source: Source) -> Iterator[Run]:
            for position, value in self.conversations(source, alone=alone):
                notes = source.notes(self.format, position)
                if (run := attempt(source, position, self.read_one, value, notes)) is not None:
                    yield run

        return read

    def read_one(self, value: Any, notes: Notes) -> Run:
        """One conversation: a request, a reply, a pair of both, or a list of messages."""
        request, reply = self._divided(value)
        if request is None and reply is None:
            what = f"an object with {', '.join(map(str, list(value)[:6]))}" if isinstance(value, Mapping) else "a value"
            raise notes.refusal("", f"this is no conversation of {self.format}'s, but {what}")
        blocks = self.request_blocks(request, notes) if request is not None else []
        if reply is not None:
            blocks += self.reply_blocks(reply, notes, len(blocks))
        beside = self._beside(request if request is not None else reply)
        name = beside.get("id")
        return conversation(
            blocks,
            notes,
            name=name if isinstance(name, str) else "",
            metadata=keyed({FIELDS.name: beside}) if beside else NOTHING,
        )

    def _divided(self, value: Any) -> tuple[Mapping[str, Any] | None, Mapping[str, Any] | None]:
        if isinstance(value, (list, tuple)):
            return {self.listed: list(value)}, None
        if not isinstance(value, Mapping):
            return None, None
        request, reply = (value.get(name) for name in self.names)
        if isinstance(request, Mapping) and self.listed in request:
            return request, reply if isinstance(reply, Mapping) and self.is_reply(reply) else None
        if isinstance(value.get("body"), Mapping) and self.listed in value["body"]:
            return {**value["body"], "custom_id": value.get("custom_id")}, None
        is_reply = self.is_reply(value)
        if self.listed not in value or (is_reply and not isinstance(value[self.listed], (list, str))):
            return None, value if is_reply else None
        return value, value if is_reply else None

    def _beside(self, request: Mapping[str, Any] | None) -> Any:
        """What stood beside the messages: model, tools, parameters."""
        taken = {self.listed, *self.heads, "content", "output", "candidates"}
        try:
            return freeze({name: value for name, value in (request or EMPTY).items() if name not in taken})
        except TypeError:
            return EMPTY

    # Requests.

    def request_blocks(self, request: Mapping[str, Any], notes: Notes) -> list[Block]:
        """The blocks of a request, each with its place; those of the model's messages with a record of their call."""
        messages = request.get(self.listed)
        messages = [messages] if isinstance(messages, Mapping) else messages
        if not isinstance(messages, (list, tuple, str)):
            raise notes.refusal("", f"{self.listed} is a list, not {type(messages).__name__}")
        heads = {name: request[name] for name in self.heads if request.get(name) is not None}
        head = self._history({**heads, self.listed: []}, notes, heads)
        if head and isinstance(said := next(iter(heads.values())), Mapping):  # Gemini's has a role, too
            rest = self._beside_parts(said)
            head[0] = head[0]._with(metadata=head[0].metadata.with_raw(**{FIELDS.name: rest})) if rest else head[0]
        if isinstance(messages, str):
            notes.read += 1
            return [*head, *self._history({self.listed: messages}, notes, messages)]
        model = request.get("model")
        notes.read += len(messages)
        made = self._message_blocks(messages, notes)
        return [*head, *self._signed(made, notes, model if isinstance(model, str) else "")]

    def _history(self, request: Mapping[str, Any], notes: Notes, whole: Any) -> list[Block]:
        history = find(self.format).history
        assert history is not None
        try:
            return list(history(request))
        except (EngineError, TypeError, ValueError, AttributeError) as error:  # what hostile shapes make of a codec
            if not whole:
                return []
            notes.unknown("", str(error))
            return [other(whole, "system")]

    def _message_blocks(self, messages: Sequence[Any], notes: Notes) -> list[list[Block]]:
        """The blocks of each message. They are read together, because results belong to calls before them."""
        history = find(self.format).history
        assert history is not None
        good = list(range(len(messages)))
        try:
            read: Sequence[Block] = history({self.listed: messages}).blocks
        except (EngineError, TypeError, ValueError, AttributeError):  # what hostile shapes make of a codec
            read = ()
        if not all(isinstance(one, Mapping) for one in messages) or len(read) != sum(map(self._parts_in, messages)):
            good = [place for place in good if self._is_good(messages[place])]
            read = history({self.listed: [messages[place] for place in good]}).blocks if good else ()
        blocks = iter(read)
        made: list[list[Block]] = []
        for place, message in enumerate(messages):
            if not good or place != good[0]:
                notes.unknown(f"{self.listed}[{place}]", f"this is no message: {message!r:.60}")
                made.append([placed(other(message), place)])
                continue
            good.pop(0)
            taken = [next(blocks) for _ in range(self._parts_in(message))] or [other(message, str(message.get("role")))]
            beside = self._beside_parts(message) if self.inside else {}
            made.append([placed(taken[0], place, beside), *(placed(one, place) for one in taken[1:])])
            self._tell_unknown(taken, place, notes)
        return made

    def _beside_parts(self, message: Mapping[str, Any]) -> dict[str, Any]:
        """What a message holds beside its parts; where they are an object and no list, its name tells."""
        one: dict[str, Any] = {self.inside: {}} if isinstance(message.get(self.inside), Mapping) else {}
        return {name: value for name, value in message.items() if name != self.inside} | one

    def _is_good(self, message: Any) -> bool:
        history = find(self.format).history
        assert history is not None
        try:
            made = len(history({self.listed: [freeze(message)]}))
        except (EngineError, TypeError, ValueError, AttributeError):
            return False
        return isinstance(message, Mapping) and made == self._parts_in(message)

    def _parts_in(self, message: Mapping[str, Any]) -> int:
        if not self.inside:
            return 1
        parts = message.get(self.inside)
        return len(parts) if isinstance(parts, (list, tuple)) else int(bool(parts))

    def _tell_unknown(self, blocks: Sequence[Block], place: int, notes: Notes) -> None:
        for number, one in enumerate(blocks):
            kind = one.payload.get("type", next(iter(one.payload), "nothing"))
            if one.kind == "other" and not self.known(str(kind)):
                inside = f".{self.inside}[{number}]" if self.inside else ""
                notes.unknown(f"{self.listed}[{place}]{inside}", f"the type {kind!r:.60}")

    def _signed(self, messages: Sequence[list[Block]], notes: Notes, model: str) -> Iterator[Block]:
        """Those blocks that the model made with a record of their call: neighbours in one message, or in one reply."""
        key = f"{place}/" if (place := place_of(notes)) else ""
        group: list[Block] = []
        for number, blocks in enumerate([*messages, []]):
            theirs = bool(blocks) and all(_is_the_models(one) for one in blocks)
            if group and (self.inside or not theirs):
                id = f"{key}message-{number - 1}"
                yield from signed(group, InferenceResult(inference_id=id, model=model))
                group = []
            if theirs:
                group += blocks
            else:
                yield from blocks

    # Replies.

    def reply_blocks(self, reply: Mapping[str, Any], notes: Notes, before: int) -> list[Block]:
        """The blocks of a reply, with what it says of its model call: model, stop reason, usage."""
        notes.read += 1
        key = f"{place}/" if (place := place_of(notes)) else ""
        try:
            turn = decode(self.format, reply)
        except EngineError as error:
            notes.unknown("response", str(error))
            return [other(reply, "assistant")]
        result = next(iter(turn.inferences), InferenceResult()).replace(inference_id=f"{key}reply-{before}")
        return signed(turn.blocks, result)


def _is_the_models(one: Block) -> bool:
    return one.kind in MADE_BY_IT or (one.kind == "other" and one.role == "assistant")
