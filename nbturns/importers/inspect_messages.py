"""The messages of an Inspect sample as blocks, with the record of the model call that made each."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any

from ..blocks import block
from ..frozen import freeze
from ..results import DURATION_MS, FinishClass, InferenceResult, Usage
from ..turns import Block
from .conversation import other, parsed_arguments, place_of, placed, signed
from .report import Notes

REFERENCE = re.compile(r"attachment://([0-9a-f]{32}|\d+)")
OBJECT = (dict, Mapping)  # asked in this order: nearly all are the first, and the second takes long to ask
TAKEN = frozenset({"role", "content", "tool_calls", "tool_call_id", "error"})


class Attachments:
    """Long strings that stand once in a sample and are named elsewhere."""

    def __init__(self, listed: Any, notes: Notes) -> None:
        self.listed = listed if isinstance(listed, Mapping) else {}
        self.notes = notes

    def put_in(self, value: Any, place: str) -> Any:
        """`value` with its references replaced; a string that is but a reference becomes the very attachment."""
        kind = type(value)
        if kind is str:
            return self._text(value, place) if "attachment://" in value else value
        if kind is list:
            return [self.put_in(one, place) for one in value]
        if kind is not dict:
            return value
        return {
            name: one if type(one) is str and "attachment://" not in one else self.put_in(one, place)
            for name, one in value.items()
        }

    def _text(self, text: str, place: str) -> str:
        def found(match: re.Match[str]) -> str:
            known = self.listed.get(match[1])
            if isinstance(known, str):
                return known
            self.notes.guess(place, f"there is no {match[0]} in this sample; the reference stands as it is")
            return match[0]

        whole = REFERENCE.fullmatch(text)
        return found(whole) if whole else REFERENCE.sub(found, text)


class Calls:
    """What the events of a sample tell of its model calls, by message, and of its tools, by call."""

    def __init__(self, events: Any, output: Any = None, model: str = "") -> None:
        self.last = _result(output, model, None) if isinstance(output, Mapping) else None
        self.kinds: Counter[str] = Counter()
        self.results: dict[str, InferenceResult] = {}
        self.durations: dict[str, float] = {}
        for event in events if isinstance(events, Iterable) and not isinstance(events, (str, Mapping)) else ():
            if not isinstance(event, Mapping):
                continue
            kind = str(event.get("event"))
            self.kinds[kind] += 1
            if kind == "model":
                self._model(event)
            elif kind == "tool" and isinstance(event.get("id"), str):
                self._tool(event["id"], event)

    def _tool(self, id: str, event: Mapping[str, Any]) -> None:
        if (seconds := _number(event.get("working_time"))) is not None:
            self.durations[id] = seconds * 1000

    def _model(self, event: Mapping[str, Any]) -> None:
        output = event.get("output")
        if not isinstance(output, Mapping):
            return
        result = _result(output, str(event.get("model") or ""), _number(event.get("working_time")))
        for choice in output.get("choices") or ():
            message = choice.get("message") if isinstance(choice, Mapping) else None
            if isinstance(message, Mapping) and isinstance(message.get("id"), str):
                self.results[message["id"]] = result


def _result(output: Mapping[str, Any], model: str, seconds: float | None) -> InferenceResult:
    """The record of a model call from its output."""
    provider, answered, reason, finish = ended(output, model)
    seconds = _number(output.get("time")) if seconds is None else seconds
    return InferenceResult(
        provider=provider,
        model=answered,
        stop_reason=reason,
        finish_class=finish,
        truncated=FinishClass.of(reason) is FinishClass.MAX_TOKENS,
        usage=_usage(output.get("usage")),
        duration_ms=None if seconds is None else round(seconds * 1000),
    )


def ended(output: Mapping[str, Any], model: str) -> tuple[str, str, str, FinishClass]:
    """Of a model call the provider, model, stop reason and its class: `model` is Inspect's name, "provider/model"."""
    choices = output.get("choices")
    first = choices[0] if isinstance(choices, list) and choices else None
    reason, message = (first.get("stop_reason"), first.get("message")) if isinstance(first, OBJECT) else (None, None)
    pending = isinstance(message, OBJECT) and bool(message.get("tool_calls"))
    return _ended(str(output.get("model") or ""), model, str(reason or ""), pending)


@lru_cache(1_024)  # a log has thousands of calls, and few that end differently
def _ended(answered: str, model: str, reason: str, pending: bool) -> tuple[str, str, str, FinishClass]:
    provider, _, named = model.partition("/")
    return provider if named else "", answered or named or model, reason, FinishClass.of(reason, pending=pending)


def _usage(raw: Any) -> Usage | None:
    """Inspect leaves the cache out of the input where the provider does; the total tells."""
    if not isinstance(raw, Mapping):
        return None
    names = ("input_tokens", "output_tokens", "total_tokens", "input_tokens_cache_read", "input_tokens_cache_write")
    put, out, total, read, written = (int(_number(raw.get(name)) or 0) for name in names)
    if total >= put + out + read + written > put + out:
        put += read + written
    return Usage(put, out, read, written, int(_number(raw.get("reasoning_tokens")) or 0))


def _number(value: Any) -> float | None:
    finite = isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < 1e15
    return value if finite else None


def read_messages(
    messages: Sequence[Any], attachments: Attachments, calls: Calls, model: str, notes: Notes
) -> list[Block]:
    """The blocks of a sample's messages. `model` answered where no event says who did."""
    blocks: list[Block] = []
    key = f"{place}/" if (place := place_of(notes)) else ""
    final = last_reply(messages)
    for index, given in enumerate(messages):
        place = f"messages[{index}]"
        if not isinstance(given, Mapping):
            notes.unknown(place, f"a message is an object, not {type(given).__name__}")
            blocks.append(placed(other(given), index))
            continue
        message = attachments.put_in(given, place)
        made = blocks_of(message, place, calls, notes)
        blocks_here = [placed(made[0], index, freeze(beside_of(message))), *(placed(one, index) for one in made[1:])]
        if message.get("role") == "assistant":
            last = calls.last if index == final else None
            known = calls.results.get(str(message.get("id"))) or last
            if known is None:
                provider, answered = named(message, model)
                known = InferenceResult(provider=provider, model=answered)
            blocks_here = signed(blocks_here, known.replace(inference_id=f"{key}{message.get('id') or place}"))
        blocks += blocks_here
    notes.read += len(messages)
    return blocks


def last_reply(messages: Sequence[Any]) -> int:
    """The place of the model's last message, which the output of a sample is about; -1 without one."""
    places = range(len(messages) - 1, -1, -1)
    return next(
        (at for at in places if isinstance(one := messages[at], Mapping) and one.get("role") == "assistant"), -1
    )


def named(message: Mapping[str, Any], model: str) -> tuple[str, str]:
    """Provider and model of a message that no event tells of."""
    provider, _, name = model.partition("/")
    said = message.get("model")
    return provider if name else "", said if isinstance(said, str) and said else name or model


def beside_of(message: Mapping[str, Any]) -> dict[str, Any]:
    """What a message has beside what its blocks hold."""
    return {name: value for name, value in message.items() if name not in TAKEN and value is not None}


def blocks_of(message: Mapping[str, Any], place: str, calls: Calls, notes: Notes) -> list[Block]:
    """The blocks of one message, at least one; without what stands beside it, and who made it."""
    return _Message(message, place, notes).blocks(calls) or [other(message, str(message.get("role") or ""))]


class _Message:
    """One message on its way to blocks."""

    def __init__(self, message: Mapping[str, Any], place: str, notes: Notes) -> None:
        self.message = message
        self.place = place
        self.notes = notes

    def blocks(self, calls: Calls) -> list[Block]:
        match self.message.get("role"):
            case "system" | "user" as role:
                payload, rest = self._said(self.message.get("content"))
                return [block(role, freeze(payload), role), *rest]
            case "assistant":
                return [*self._answered(), *self._called()]
            case "tool":
                return self._resulted(calls)
            case role:
                self.notes.unknown(self.place, f"the role {role!r:.60}")
                return [other(self.message, str(role or ""))]

    def _said(self, content: Any) -> tuple[dict[str, Any], list[Block]]:
        """Text and images of a content, and blocks of what else is in it."""
        if not isinstance(content, list):
            return {"text": content if isinstance(content, str) else "" if content is None else str(content)}, []
        texts, images, rest = [], [], list[Block]()
        for number, part in enumerate(content):
            match part:
                case {"type": "text", "text": str(text)}:
                    texts.append(text)
                case {"type": "image", "image": str(url)}:
                    images.append({"url": url} | ({"detail": part["detail"]} if part.get("detail") else {}))
                case _:
                    rest.append(self._other(part, number, str(self.message.get("role"))))
        return {"text": "\n".join(texts)} | ({"images": images} if images else {}), rest

    def _other(self, part: Any, number: int, role: str) -> Block:
        kind = part.get("type") if isinstance(part, Mapping) else None
        if kind not in ("audio", "video", "data", "document", "tool_use"):
            self.notes.unknown(f"{self.place}.content[{number}]", f"the type {kind!r:.60}")
        return other(part, role)

    def _answered(self) -> list[Block]:
        content = self.message.get("content")
        if isinstance(content, str):
            quiet = not content and self.message.get("tool_calls")
            return [] if quiet else [block("llm_text", freeze({"text": content}), "assistant")]
        made = list[Block]()
        for number, part in enumerate(content if isinstance(content, list) else ()):
            match part:
                case {"type": "text", "text": str(text)}:
                    rest = {name: value for name, value in part.items() if name not in ("type", "text") and value}
                    made.append(block("llm_text", freeze({"text": text, **rest}), "assistant"))
                case {"type": "reasoning", "reasoning": str(text)}:
                    rest = {name: value for name, value in part.items() if name not in ("type", "reasoning") and value}
                    made.append(block("reasoning", freeze({"text": text, **rest}), "assistant"))
                case {"type": "image", "image": str(url)}:
                    made.append(block("llm_text", freeze({"text": "", "images": [{"url": url}]}), "assistant"))
                case _:
                    made.append(self._other(part, number, "assistant"))
        return made

    def _called(self) -> list[Block]:
        listed = self.message.get("tool_calls")
        made = []
        for number, call in enumerate(listed if isinstance(listed, list) else ()):
            if not isinstance(call, Mapping) or not isinstance(call.get("function"), str):
                self.notes.unknown(f"{self.place}.tool_calls[{number}]", f"a call has a function, not {call!r:.60}")
                made.append(other(call, "assistant"))
                continue
            id = call.get("id")
            if not isinstance(id, str) or not id:
                id = f"call-{self.place}-{number}"
                self.notes.guess(f"{self.place}.tool_calls[{number}]", f"no id; it is {id} here")
            args, _ = parsed_arguments(call.get("arguments"))
            payload = {"id": id, "name": call["function"], "args": {} if args is None else args}
            if args is None:
                payload["args_raw"] = call.get("arguments")
            rest = {k: v for k, v in call.items() if k not in ("id", "function", "arguments", "type") and v is not None}
            made.append(block("tool_call", freeze({**payload, **rest})))
        return made

    def _resulted(self, calls: Calls) -> list[Block]:
        id, content, error = (self.message.get(name) for name in ("tool_call_id", "content", "error"))
        if not isinstance(id, str) or not id:
            id = ""
            self.notes.guess(self.place, "a tool's message without tool_call_id; it answers nothing")
        failed = (str(error.get("message") or error.get("type") or "failed") if isinstance(error, Mapping) else "") or (
            error if isinstance(error, str) else ""
        )
        made = block("tool_use", freeze({"id": id, "result": content, "error": failed}))
        took = calls.durations.get(id)
        return [made if took is None else made.with_metadata(DURATION_MS, float(took))]
