"""OpenAI chat messages: a list of them, or `{"messages": [...]}`.

The facts are those of the Chat Completions reference: roles, content parts, `tool_calls`
with their arguments as a JSON string, `tool` messages that answer by `tool_call_id`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from ..frozen import EMPTY, freeze
from ..keyed import Key
from ..provenance import ARGUMENTS as ARGUMENTS
from ..provenance import CHAT_BESIDE as BESIDE
from ..provenance import MESSAGE as MESSAGE
from ..results import INFERENCE_ID, INFERENCE_RESULT, InferenceResult
from ..turns import Block, Kind, Run
from . import Importer, Notes, Sample, Source, attempt
from .conversation import conversation, other, place_of, placed

FORMAT = "openai-chat"
ROLES = frozenset({"system", "developer", "user", "assistant", "tool", "function"})


OWN_ROLES = frozenset({"developer", "tool", "function"})
OWN_NAMES = frozenset({"tool_calls", "tool_call_id", "function_call", "refusal", "reasoning_content"})
OWN_PARTS = frozenset({"image_url", "input_audio", "file"})
FOREIGN_PARTS = frozenset(
    {"tool_use", "tool_result", "thinking", "redacted_thinking", "document", "server_tool_use", "image"}
    | {"input_text", "output_text", "input_image", "tool-call", "reasoning"}
)
FOREIGN_NAMES = frozenset({"type", "parts", "toolCalls", "toolCallId", "kind", "lc", "uuid", "sender", "source"})
SURE_OF_IT, LIKE_IT, PERHAPS = 85, 50, 35


# Is it one?


def score(sample: Sample) -> int:
    """Sure of what only a chat has (calls, their roles, image URLs); plain roles and texts fit others too."""
    if sample.container != "json":
        return 0
    messages = _listed(sample.record)
    if messages is None:
        messages = sample.records if _is_message(sample.record) else None
    if not messages or not _is_message(messages[0]) or (messages is not sample.records and "system" in sample.record):
        return 0
    some = [message for message in messages[:100] if isinstance(message, Mapping)]
    if any(_is_foreign(message) for message in some):
        return 0
    if any(_is_surely(message) for message in some):
        return SURE_OF_IT
    in_parts = any(isinstance(message.get("content"), list) for message in some)
    return PERHAPS if in_parts and not any(message.get("role") == "system" for message in some) else LIKE_IT


def _listed(value: Any) -> list[Any] | None:
    """The list of messages in an object, or in the body of a batch's request."""
    if not isinstance(value, Mapping):
        return None
    messages = value.get("messages")
    if messages is None and isinstance(body := value.get("body"), Mapping):
        messages = body.get("messages")
    return messages if isinstance(messages, list) else None


def _is_message(message: Any) -> bool:
    if not isinstance(message, Mapping) or not isinstance(role := message.get("role"), str) or role not in ROLES:
        return False
    return message.get("content") is None or isinstance(message["content"], (str, list, Mapping))


def _is_foreign(message: Mapping[str, Any]) -> bool:
    """Whether it has what only another format has: Anthropic's content blocks, items of OpenAI's Responses."""
    return not FOREIGN_NAMES.isdisjoint(message) or not FOREIGN_PARTS.isdisjoint(_kinds(message))


def _is_surely(message: Mapping[str, Any]) -> bool:
    role = message.get("role")
    own = isinstance(role, str) and role in OWN_ROLES
    return own or not OWN_NAMES.isdisjoint(message) or not OWN_PARTS.isdisjoint(_kinds(message))


def _kinds(message: Mapping[str, Any]) -> list[str]:
    content = message.get("content")
    return [str(part.get("type")) for part in content if isinstance(part, Mapping)] if isinstance(content, list) else []


# Conversations.


def read(source: Source) -> Iterator[Run]:
    for position, value in _conversations(source):
        if (run := attempt(source, position, read_one, value, source.notes(FORMAT, position))) is not None:
            yield run


def _conversations(source: Source) -> Iterator[tuple[str, Any]]:
    sample = source.sample
    if not _is_message(sample.record):
        yield from source.records()
    elif sample.lines and not isinstance(sample.value, list):
        yield "", [message for _, message in source.values()]
    else:
        yield from source.values()


def read_one(value: Any, notes: Notes) -> Run:
    """One conversation: a list of messages, or an object that has one."""
    beside: Mapping[str, Any] = EMPTY
    messages = value
    if isinstance(value, Mapping):
        beside = freeze({name: one for name, one in value.items() if name != "messages"})
        messages = value.get("messages", _listed(value))
    if not isinstance(messages, (list, tuple)):
        raise notes.refusal("", f"chat messages are a list, not {type(messages).__name__}")
    if messages and not any(isinstance(message, Mapping) for message in messages):
        raise notes.refusal("", "chat messages are objects, and there is none among these")
    name = beside.get("id", beside.get("custom_id"))
    notes.read += len(messages)
    return conversation(
        list(_Reader(notes).blocks(messages)),
        notes,
        name=name if isinstance(name, str) else "",
        metadata=_nothing_or(BESIDE, beside or None),
    )


class _Reader:
    def __init__(self, notes: Notes) -> None:
        self.notes = notes
        self.key = place_of(notes)
        self.last_call = ""

    def guess(self, index: int, message: str) -> None:
        self.notes.guess(f"messages[{index}]", message)

    def unknown(self, index: int, message: str) -> None:
        self.notes.unknown(f"messages[{index}]", message)

    def blocks(self, messages: Iterable[Any]) -> Iterator[Block]:
        for index, message in enumerate(messages):
            if not isinstance(message, Mapping):
                self.unknown(index, f"a message is an object, not {type(message).__name__}")
                yield placed(other(message), index)
                continue
            try:
                yield from self.message(index, dict(message))
            except TypeError as error:  # nested too deeply, or no JSON at all
                self.unknown(index, str(error))
                yield placed(other(message), index)

    def message(self, index: int, message: dict[str, Any]) -> list[Block]:
        role = message.pop("role", None)
        if role in ("system", "developer"):
            made = [Block(Kind.SYSTEM, self.said(index, message), role)]
        elif role == "user":
            made = [Block(Kind.USER, self.said(index, message), role)]
        elif role == "assistant":
            made = self.assistant(index, message)
        elif role in ("tool", "function"):
            made = [self.result(index, message, role)]
        else:
            if role is None:
                self.unknown(index, f"a message has a role; this one has {', '.join(message) or 'nothing'}")
            else:
                self.unknown(index, f"{role!r} is no role of a chat message")
            named = {"role": role} if role is not None else {}
            made, message = [Block(Kind.OTHER, {"message": {**named, **message}}, str(role or ""))], {}
        beside: dict[str, Any] = {MESSAGE.name: index} | ({BESIDE.name: message} if message else {})
        made[0] = made[0]._with(metadata=made[0].metadata.with_raw(**beside))
        return [
            made[0],
            *(block._with(metadata=block.metadata.with_raw(**{MESSAGE.name: index})) for block in made[1:]),
        ]

    def said(self, index: int, message: dict[str, Any]) -> dict[str, Any]:
        """Text and images of a content, which is a string or a list of parts."""
        content = message.pop("content", None)
        if isinstance(content, str):
            return {"text": content}
        if not isinstance(content, list):
            return {"text": "" if content is None else json.dumps(content, ensure_ascii=False)}
        texts, images, others = [], [], []
        for part in content:
            kind = part.get("type") if isinstance(part, Mapping) else None
            if kind in ("text", "input_text", "output_text") and isinstance(part.get("text"), str):
                texts.append(part["text"])
            elif kind == "image_url":
                images.append(_image(part.get("image_url")))
            else:
                others.append(part)
                self.unknown(index, f"content part {kind!r}")
        if len(texts) > 1:
            self.guess(index, f"{len(texts)} text parts joined by newlines")
        payload: dict[str, Any] = {"text": "\n".join(texts)}
        return payload | ({"images": images} if images else {}) | ({"parts": others} if others else {})

    def assistant(self, index: int, message: dict[str, Any]) -> list[Block]:
        """One reply of the model: a thought, a text, calls; all of one inference."""
        thoughts = [
            name for name in ("reasoning_content", "reasoning") if isinstance(message.get(name), str) and message[name]
        ]
        made = [Block(Kind.REASONING, {"text": message.pop(name)}) for name in thoughts]
        calls = message.pop("tool_calls", None) or []
        legacy = message.pop("function_call", None)
        content = message.get("content")
        refusal = message.pop("refusal", None)
        if content or refusal or not (calls or legacy):
            payload = self.said(index, message)
            made.append(Block(Kind.LLM_TEXT, payload | ({"refusal": refusal} if refusal else {}), "assistant"))
        else:
            message.pop("content", None)
        if not isinstance(calls, list):
            self.unknown(index, f"tool_calls are a list, not {type(calls).__name__}")
            calls = [calls]
        made += [self.call(index, place, call) for place, call in enumerate(calls)]
        if legacy:
            made.append(self.call(index, 0, {"id": "", "function": legacy}))
        id = f"{self.key}/message-{index}".lstrip("/")
        signed = {INFERENCE_ID.name: id, INFERENCE_RESULT.name: InferenceResult(inference_id=id).to_dict()}
        return [block._with(metadata=block.metadata.with_raw(**signed)) for block in made]

    def call(self, index: int, place: int, call: Any) -> Block:
        function = call.get("function", call.get("custom")) if isinstance(call, Mapping) else None
        if not isinstance(function, Mapping):
            self.unknown(index, f"tool_calls[{place}] has no function: {call!r:.60}")
            return other(call, "assistant")
        id = call.get("id")
        if not isinstance(id, str) or not id:
            id = f"call-{index}-{place}"
            self.guess(index, f"tool_calls[{place}] has no id; it is {id} here")
        self.last_call = id
        arguments = function.get("arguments", function.get("input", ""))
        payload: dict[str, Any] = {"id": id, "name": function.get("name") or ""}
        args, exact = _arguments(arguments)
        payload |= {"args": {}, "args_raw": arguments} if args is None else {"args": args}
        return Block(Kind.TOOL_CALL, payload)._with(
            metadata=_nothing_or(ARGUMENTS, arguments if not exact and args is not None else None)
        )

    def result(self, index: int, message: dict[str, Any], role: str) -> Block:
        id = message.pop("tool_call_id", None)
        if not isinstance(id, str) or not id:
            id = self.last_call
            if role == "tool":
                self.guess(index, f"a tool message without tool_call_id; taken to answer {id or 'nothing'}")
        content = message.pop("content", None)
        return Block(Kind.TOOL_USE, {"id": id, "result": content, "error": ""})


def _arguments(text: Any) -> tuple[Any, bool]:
    """The arguments as an object (None when they are none), and whether JSON would write them as they were."""
    if isinstance(text, Mapping):
        return text, True
    try:
        args = json.loads(text) if text else {}
    except (ValueError, TypeError, RecursionError):
        return None, False
    if not isinstance(args, dict):
        return None, False
    return args, text in (json.dumps(args), json.dumps(args, separators=(",", ":")))


def _image(given: Any) -> dict[str, Any]:
    url = given.get("url") if isinstance(given, Mapping) else given
    detail = given.get("detail") if isinstance(given, Mapping) else None
    return {"url": url} | ({"detail": detail} if detail else {})


def _nothing_or(key: Key[Any], value: Any) -> Any:
    from ..keyed import NOTHING, keyed

    return NOTHING if value is None else keyed({key.name: freeze(value)})


IMPORTER = Importer(FORMAT, score, read)
