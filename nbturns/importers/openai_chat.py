"""OpenAI chat messages: a list of them, or `{"messages": [...]}`.

The facts are those of the Chat Completions reference: roles, content parts, `tool_calls`
with their arguments as a JSON string, `tool` messages that answer by `tool_call_id`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from ..chunks import Chunks
from ..errors import LoadError
from ..frozen import freeze
from ..keyed import Key
from ..results import INFERENCE_ID, INFERENCE_RESULT, InferenceResult
from ..turns import Block, Kind, Run, Turn
from .report import ImportReport

FORMAT = "openai-chat"
ROLES = frozenset({"system", "developer", "user", "assistant", "tool", "function"})
FOREIGN = frozenset({"tool_use", "tool_result", "thinking", "redacted_thinking", "document"})
MESSAGE: Key[int] = Key("openai_chat.message@v1", int)
BESIDE: Key[dict[str, Any]] = Key("openai_chat.beside@v1", dict[str, Any])
ARGUMENTS: Key[str] = Key("openai_chat.arguments@v1", str)


def sniff(data: Any) -> bool:
    """Whether `data` is a list of chat messages, or an object with one."""
    messages = data.get("messages") if isinstance(data, Mapping) else data
    if not isinstance(messages, list) or not messages:
        return False
    return _is_message(messages[0]) and not any(_is_foreign(message) for message in messages[:8])


def _is_message(message: Any) -> bool:
    if not isinstance(message, Mapping) or str(message.get("role")) not in ROLES:
        return False
    return message.get("content") is None or isinstance(message["content"], (str, list, Mapping))


def _is_foreign(message: Any) -> bool:
    """Whether it has what only another format has: Anthropic's content blocks, OpenAI's Responses items."""
    if not isinstance(message, Mapping):
        return False
    content = message.get("content")
    kinds = (
        [str(part.get("type")) for part in content if isinstance(part, Mapping)] if isinstance(content, list) else []
    )
    return ("type" in message and "role" not in message) or not FOREIGN.isdisjoint(kinds)


def read(data: Any, *, file: str = "", position: str = "", strict: bool = False) -> Run:
    """One conversation as a Run: a Turn per user prompt. Raises LoadError that names the message."""
    beside = {k: v for k, v in data.items() if k != "messages"} if isinstance(data, Mapping) else {}
    messages = data.get("messages") if isinstance(data, Mapping) else data
    if not isinstance(messages, (list, tuple)):
        raise LoadError(f"chat messages are a list, not {type(messages).__name__}", file=file, position=position)
    reader = _Reader(file, position, strict)
    blocks = list(reader.blocks(messages))
    report = ImportReport(FORMAT, len(messages), len(blocks), tuple(reader.guessed), tuple(reader.unknown))
    try:
        return Run(
            _turns(blocks),
            id=reader.key,
            name=str(beside.get("id") or ""),
            metadata=_nothing_or(BESIDE, beside or None),
            import_report=report,
        )
    except TypeError as error:
        raise LoadError(str(error), file=file, position=position) from None


def _turns(blocks: list[Block]) -> tuple[Turn, ...]:
    """Cut before each prompt; every Turn holds all that came before, sharing its blocks."""
    turns: list[Turn] = []
    so_far: Chunks[Block] = Chunks()
    said: list[Block] = []
    answered = False
    for block in blocks:
        if block.kind == "user" and answered:
            so_far += said
            turns.append(Turn(so_far))
            said, answered = [], False
        answered = answered or block.kind not in ("system", "user")
        said.append(block)
    return (*turns, Turn(so_far + said)) if said or not turns else tuple(turns)


class _Reader:
    def __init__(self, file: str, position: str, strict: bool) -> None:
        self.file = file
        self.position = position
        self.strict = strict
        # Two files, or two lines of one, must not have model calls of the same id.
        self.key = ":".join(part for part in (Path(file).stem, position.removeprefix("line ")) if part)
        self.guessed: list[str] = []
        self.unknown: list[str] = []
        self.last_call = ""

    def refuse(self, index: int, message: str) -> LoadError:
        where = ", ".join(part for part in (self.position, f"messages[{index}]") if part)
        return LoadError(message, file=self.file, position=where)

    def guess(self, index: int, message: str) -> None:
        if self.strict:
            raise self.refuse(index, message)
        self.guessed.append(f"messages[{index}]: {message}")

    def blocks(self, messages: Iterable[Any]) -> Iterator[Block]:
        for index, message in enumerate(messages):
            if not isinstance(message, Mapping):
                raise self.refuse(index, f"a message is an object, not {type(message).__name__}")
            try:
                yield from self.message(index, dict(message))
            except TypeError as error:  # nested too deeply, or no JSON at all
                raise self.refuse(index, str(error)) from None

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
                raise self.refuse(index, f"a message has a role; this one has {', '.join(message) or 'nothing'}")
            if self.strict:
                raise self.refuse(index, f"{role!r} is no role of a chat message")
            self.unknown.append(f"messages[{index}]: role {role!r}")
            made, message = [Block(Kind.OTHER, {"message": {"role": role, **message}}, str(role))], {}
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
                self.unknown.append(f"messages[{index}]: content part {kind!r}")
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
            raise self.refuse(index, f"tool_calls are a list, not {type(calls).__name__}")
        made += [self.call(index, place, call) for place, call in enumerate(calls)]
        if legacy:
            made.append(self.call(index, 0, {"id": "", "function": legacy}))
        id = f"{self.key}/message-{index}".lstrip("/")
        signed = {INFERENCE_ID.name: id, INFERENCE_RESULT.name: InferenceResult(inference_id=id).to_dict()}
        return [block._with(metadata=block.metadata.with_raw(**signed)) for block in made]

    def call(self, index: int, place: int, call: Any) -> Block:
        function = call.get("function", call.get("custom")) if isinstance(call, Mapping) else None
        if not isinstance(function, Mapping):
            raise self.refuse(index, f"tool_calls[{place}] has no function: {call!r:.60}")
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
