"""The blocks of a Turn as the messages of a chat, in the words of one dialect.

Each assistant-side block says a piece of its message; pieces of one reply are put
together again. What the model's own server wrote is taken verbatim.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from ...errors import EngineError
from ...values.frozen_json import EMPTY_DICT, thaw
from ...values.images import normal_image
from ...values.inference_results import INFERENCE_RESULT
from ...values.provenance import ARGUMENTS, MESSAGE
from ...values.provenance import OPENAI_CHAT_FIELDS as FIELDS
from ...values.turns import Block
from ..dialects import Dialect
from ..media import content_parts, medium
from ..openai.media import write_chat_medium
from .candidate import THOUGHTS
from .reply import WIRE, parsed

MEDIA = frozenset({"input_audio", "file", "document_url", "video_url", "audio_url"})
SPEAKS = ("content", "tool_calls", "function_call", "refusal", "audio")  # a message has one of these, or says nothing
TOOL, IMAGES, OTHERS = range(3)  # the order of what stands between two assistant messages


def write_messages(
    turn: Iterable[Block], dialect: Dialect, model: str, system: str = "system", *, as_it_stands: bool = False
) -> list[dict[str, Any]]:
    """The messages that say a Turn; results right behind the calls they answer, or `as_it_stands`."""
    writer = _Writer(dialect, model, system)
    ranked = [one for group in _grouped(turn) for one in writer.messages(group)]
    ordered = (message for _, message in ranked) if as_it_stands else _in_order(ranked)
    return [writer.spelt(message) for message in ordered]


def _in_order(ranked: Iterable[tuple[int, dict[str, Any]]]) -> Iterator[dict[str, Any]]:
    """Behind an assistant message with calls their results come first, then images, then the rest."""
    between: list[tuple[int, dict[str, Any]]] = []
    called = False
    for rank, message in ranked:
        if message.get("role") != "assistant":
            between.append((rank, message))
            continue
        yield from _between(between, called=called)
        between, called = [], bool(message.get("tool_calls") or message.get("function_call"))
        yield message
    yield from _between(between, called=called)


def _between(ranked: list[tuple[int, dict[str, Any]]], *, called: bool) -> Iterator[dict[str, Any]]:
    ordered = sorted(ranked, key=lambda one: one[0]) if called else ranked
    return (message for _, message in ordered)


def _grouped(blocks: Iterable[Block]) -> Iterator[list[Block]]:
    """Neighbours that make one message: the assistant's, of one reply."""
    group: list[Block] = []
    for block in blocks:
        theirs = block.kind in ("llm_text", "reasoning", "tool_call") or (
            block.kind == "other" and block.role == "assistant"
        )
        if group and (not theirs or _begins(block, group)):
            yield group
            group = []
        if theirs:
            group.append(block)
        else:
            yield [block]
    if group:
        yield group


def _begins(block: Block, group: list[Block]) -> bool:
    """Whether a block begins another message than the one these are of."""
    last = group[-1]
    (reply, place), (its, at) = WIRE.place(last), WIRE.place(block)
    known = (
        (reply, its),
        (last.inference_id, block.inference_id),
        (last.metadata.get(MESSAGE), block.metadata.get(MESSAGE)),
    )
    if any(a not in (None, "") and b not in (None, "") and a != b for a, b in known):
        return True
    if place is not None and at is not None:
        return at <= place
    if _call_of(block) and _call_of(block) == _call_of(last):
        return False
    kinds = {one.kind for one in group}
    return block.kind in ("llm_text", "reasoning") and "llm_text" in kinds and "tool_call" not in kinds


def _call_of(block: Block) -> Any:
    """The model call that made a block: its id, or where it has none its record; nothing for one made by hand."""
    return block.inference_id or dict(block.metadata.items()).get(INFERENCE_RESULT.name)


class _Writer:
    """Writes messages for one model of one server; knows the calls it has written."""

    def __init__(self, dialect: Dialect, model: str, system: str) -> None:
        self.dialect = dialect
        self.model = model.lower()
        self.system = system
        self.names: dict[str, str] = {}  # of the tools that were called, by call id
        self.legacy: set[str] = set()  # calls that went out as `function_call`

    def messages(self, group: list[Block]) -> Iterator[tuple[int, dict[str, Any]]]:
        """The messages of one group, each with its rank."""
        first = group[0]
        match first.kind:
            case "system" | "user":
                yield OTHERS, self._whole(first) or self._prompt(first)
            case "tool_use":
                yield from self._answer(first)
            case "llm_text" | "reasoning" | "tool_call":
                if message := self._assistant(group):
                    yield OTHERS, message
            case _ if first.role == "assistant":
                if message := self._assistant(group):
                    yield OTHERS, message
            case _ if (raw := WIRE.raw(first)) is not None and "role" in raw:
                yield OTHERS, raw

    def _whole(self, block: Block) -> dict[str, Any] | None:
        """The message as it was recorded."""
        raw = WIRE.raw(block)
        return raw if isinstance(raw, dict) and "role" in raw else None

    def _prompt(self, block: Block) -> dict[str, Any]:
        """A message of the user's or the system's; text alone goes as a string."""
        role = block.kind if block.kind == "user" else block.role if block.role == "developer" else self.system
        beside = [
            *map(_image, block.payload.get("images") or ()),
            *map(_media, (*block.payload.get("media", ()), *block.payload.get("parts", ()))),
        ]
        content: Any = block.text
        if beside:
            content = [*([{"type": "text", "text": block.text}] if block.text else []), *beside]
        return {"role": role, "content": content, **_imported(block)}

    def _answer(self, block: Block) -> Iterator[tuple[int, dict[str, Any]]]:
        """The result of a call, and behind it the images that a tool message cannot hold."""
        if whole := self._whole(block):
            yield TOOL, whole
            return
        id = block.tool_call_id
        content, images = _result(block)
        if id in self.legacy:
            yield TOOL, {"role": "function", "name": self.names.get(id, ""), "content": content}
        else:
            name = {"name": self.names[id]} if self.dialect.tool_name and self.names.get(id) else {}
            yield TOOL, {"role": "tool", "tool_call_id": id, **name, "content": content, **_imported(block)}
        if images:
            yield IMAGES, {"role": "user", "content": images}

    def _assistant(self, group: list[Block]) -> dict[str, Any] | None:
        """One message of all that a reply thought, said and called; None when nothing of it can be said."""
        message: dict[str, Any] = {"role": "assistant"}
        recorded = False
        for block in group:
            piece = self._piece(block)
            recorded = recorded or "role" in piece
            _put(message, piece)
        if recorded:
            called = bool(message.get("tool_calls") or message.get("function_call"))
            if called and message.get("content") is None and self.dialect.empty_content == "":
                message["content"] = ""
            return message
        if not any(message.get(name) is not None for name in SPEAKS):
            return None
        return self._built(message, imported=MESSAGE in group[0].metadata)

    def _built(self, message: dict[str, Any], *, imported: bool) -> dict[str, Any]:
        """A message that was not recorded as one, with what must stand where there is no text."""
        if isinstance(message.get("content"), dict):
            message["content"] = json.dumps(message["content"])
        if "audio" in message:
            message["audio"] = {"id": message["audio"].get("id", "")} if isinstance(message["audio"], dict) else {}
        if message.get("content") is not None:
            return message
        empty = self.dialect.empty_content
        if message.get("tool_calls") and empty != "" and imported:  # it says itself whether it has none, or null
            return message
        if empty is None and message.get("tool_calls"):
            message.pop("content", None)
            return message
        rest = {name: value for name, value in message.items() if name not in ("role", "content")}
        return {"role": "assistant", "content": "" if empty == "" else None, **rest}

    def _piece(self, block: Block) -> dict[str, Any]:
        """What a block adds to its message: verbatim where it may be, else from its payload."""
        raw = WIRE.raw(block)
        raw = raw if isinstance(raw, dict) else None
        if block.kind == "tool_call":
            self.names[block.tool_call_id] = block.name
            return self._call(block, raw)
        if raw is not None and (MESSAGE in block.metadata or block.kind != "reasoning"):
            return raw
        if block.kind == "reasoning":
            return self._thought(block, raw)
        if block.kind != "llm_text":
            return {}
        refusal = block.payload.get("refusal")
        sound = next((one for one in block.payload.get("media") or () if _is_own_sound(one)), None)
        made = {"content": block.text} if block.text or not (refusal or sound) else {}
        beside = ({"refusal": refusal} if refusal else {}) | (
            {"audio": {"id": sound["id"]}} if sound and _is_ours(block) else {}
        )
        return made | beside | _imported(block)

    def _call(self, block: Block, raw: dict[str, Any] | None) -> dict[str, Any]:
        if raw is not None and "function_call" in raw:
            self.legacy.add(block.tool_call_id)
            return raw
        given = raw["tool_calls"][0] if raw and raw.get("tool_calls") else None
        unsound = "args_raw" in block.payload and not self.dialect.any_arguments and "custom" not in (given or ())
        if raw is not None and (MESSAGE in block.metadata or not unsound):
            if isinstance(given, dict) and MESSAGE not in block.metadata:
                given["id"] = given.get("id") or block.tool_call_id
                given.setdefault("type", "function")
            return raw
        function = {"name": block.name, "arguments": self._arguments(block)}
        return {
            "tool_calls": [{"id": block.tool_call_id, "type": "function", "function": function}],
            **_imported(block),
        }

    def _arguments(self, block: Block) -> str:
        """The arguments of a call as text; where no server takes what is no JSON, it goes as data."""
        exact = block.metadata.get(ARGUMENTS)
        if exact is not None and parsed(exact) == block.args:
            return exact
        given = block.payload.get("args_raw", block.payload.get("args"))
        if isinstance(given, str) and not block.args and given.strip() not in ("", "{}"):
            return given if self.dialect.any_arguments else json.dumps({"INVALID_JSON": given}, ensure_ascii=False)
        return json.dumps(thaw(block.args), ensure_ascii=False)

    def _thought(self, block: Block, raw: dict[str, Any] | None) -> dict[str, Any]:
        """A thought as this server takes it back; nothing where it takes none."""
        match self.dialect.reasoning:
            case "same":
                return raw if raw is not None and self._is_its_own(block) else {}
            case "reasoning_content":
                return {"reasoning_content": block.text} if block.text else {}
            case "reasoning_details":
                own = raw or {}
                names = ("reasoning_details",) if "reasoning_details" in own else THOUGHTS
                return {name: own[name] for name in names if name in own}
            case "content" if raw is not None and "content" in raw:
                return raw
            case "content" if block.text:
                return {"content": [{"type": "thinking", "thinking": [{"type": "text", "text": block.text}]}]}
        return {}

    def _is_its_own(self, block: Block) -> bool:
        """Whether the model that is asked had this thought; names come with and without a maker."""
        made_by = block.inference.model.lower() if block.inference else ""
        return not made_by or made_by in self.model or self.model in made_by

    def spelt(self, message: dict[str, Any]) -> dict[str, Any]:
        """The message with the ids of calls spelt as this server takes them."""
        if self.dialect.id is None:
            return message
        for call in message.get("tool_calls") or ():
            if isinstance(call, dict):
                call["id"] = self._id(call.get("id"))
        if "tool_call_id" in message:
            message["tool_call_id"] = self._id(message["tool_call_id"])
        return message

    def _id(self, id: Any) -> Any:
        if self.dialect.id is None or not isinstance(id, str) or self.dialect.id.fullmatch(id):
            return id
        return hashlib.sha256(id.encode("utf-8", "surrogatepass")).hexdigest()[:9]


def _put(message: dict[str, Any], piece: Mapping[str, Any]) -> None:
    """Add a piece to its message: calls and contents join, all else is said once."""
    for name, value in piece.items():
        before = message.get(name)
        if name == "tool_calls" and isinstance(before, list) and isinstance(value, list):
            message[name] = [*before, *value]
        elif name == "content" and before is not None and value is not None:
            both = isinstance(before, str) and isinstance(value, str)
            message[name] = before + value if both else [*_parts(before), *_parts(value)]
        else:
            message[name] = value


def _parts(content: Any) -> list[Any]:
    if isinstance(content, list):
        return content
    return [{"type": "text", "text": content if isinstance(content, str) else json.dumps(content)}]


def _imported(block: Block) -> dict[str, Any]:
    """What an imported message had beside what is its block's."""
    beside = block.metadata.get(FIELDS) if MESSAGE in block.metadata else None
    return thaw(beside) if beside else {}


def _is_ours(block: Block) -> bool:
    return WIRE.kept in block.metadata


def _is_own_sound(media: Any) -> bool:
    return isinstance(media, Mapping) and media.get("type") == "audio" and bool(media.get("id"))


def _image(given: Any) -> dict[str, Any]:
    try:
        image = normal_image(given) if isinstance(given, Mapping) else EMPTY_DICT
    except ValueError as error:
        raise EngineError(str(error), kind="unsupported") from None
    if image.get("url"):
        url = image["url"]
    elif image.get("content"):
        url = f"data:{image['media_type']};base64,{image['content']}"
    else:
        raise EngineError(f"a chat takes images as bytes or URLs, not {given!r:.80}", kind="unsupported")
    return {
        "type": "image_url",
        "image_url": {"url": url, **({"detail": image["detail"]} if "detail" in image else {})},
    }


def _media(given: Any) -> dict[str, Any]:
    if isinstance(given, Mapping) and given.get("type") in MEDIA:
        media: dict[str, Any] = thaw(given)
        return media
    return write_chat_medium(given)


def _result(block: Block) -> tuple[Any, list[dict[str, Any]]]:
    """A result as the content of a tool message, and its images, which cannot stand there."""
    result, images = block.result, [_image(one) for one in block.payload.get("images") or ()]
    if block.error:
        return block.error, images
    alone = isinstance(result, Mapping) and medium(result) is not None
    parts = content_parts([result] if alone else result, "text", write_chat_medium)
    if parts is not None:
        images += [part for part in parts if part["type"] != "text"]
        return [part for part in parts if part["type"] == "text"] or "the images follow", images
    return result if isinstance(result, str) else json.dumps(thaw(result), ensure_ascii=False, default=repr), images
