"""The blocks of a reply whose text, thoughts and tool calls are in fields of their own, as most agents write it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ...values.frozen_json import EMPTY_DICT
from ...values.inference_results import INFERENCE_RESULT, InferenceResult
from ...values.turns import Kind
from .faults import no_result_id
from .record_fields import omit, omit_empty
from .transcript import Transcript

TEXT_TYPES = frozenset({None, "text", "input_text", "output_text"})
THOUGHT_NAMES = {"thinking": "thinking", "reasoning": "reasoning", "think": "think"}  # of the text, by type of part
IMAGE_NAMES = {
    "url": "url",
    "data": "content",
    "base64": "content",
    "mimeType": "media_type",
    "mime_type": "media_type",
}


@dataclass(frozen=True, slots=True)
class RequestedCall:
    """A tool call of a reply. `arguments` is an object or JSON text."""

    id: Any
    name: Any
    arguments: Any
    extra_fields: Mapping[str, Any] = field(default_factory=lambda: EMPTY_DICT)


def add_reply_blocks(
    transcript: Transcript,
    result: InferenceResult | None,
    *,
    text: str = "",
    reasoning: Iterable[str | Mapping[str, Any]] = (),
    images: Sequence[Any] = (),
    calls: Iterable[RequestedCall] = (),
    id: Any = "",
    time: Any = None,
    extra_fields: Mapping[str, Any] = EMPTY_DICT,
) -> list[str]:
    """Add thoughts, text and tool calls of one model call, and return the ids of the tool calls.

    A thought is a text or the payload of its block. A reply without anything is an empty text.
    """
    first_block, calls = len(transcript.blocks), list(calls)
    for thought in reasoning:
        payload = {"text": thought} if isinstance(thought, str) else thought
        if payload and payload != {"text": ""}:
            transcript.add_block(Kind.REASONING, payload, result=result)
    if text or images or (not calls and len(transcript.blocks) == first_block):
        payload = {"text": text} | omit_empty(images=list(images))
        transcript.add_block(Kind.LLM_TEXT, payload, "assistant", id, result=result)
    call_ids = [
        transcript.add_call(call.id, call.name, call.arguments, result=result, extra_fields=call.extra_fields)
        for call in calls
    ]
    transcript.set_times(first_block, time)
    transcript.add_extra_fields(first_block, extra_fields)
    return call_ids


def set_call_result(transcript: Transcript, result: InferenceResult) -> None:
    """Set the result of a model call on its blocks, where later records say more of it than the first."""
    for index, block in enumerate(transcript.blocks):
        if block.inference_id == result.inference_id:
            metadata = block.metadata.with_frozen(INFERENCE_RESULT, result)
            transcript.blocks[index] = block._with(metadata=metadata)


class OpenCalls:
    """Tool calls that wait for a result, for formats whose results do not name the call they answer."""

    def __init__(self, transcript: Transcript) -> None:
        self.transcript = transcript
        self._names: dict[str, str] = {}  # of the calls without a result, by id

    def add(self, call_id: str, name: Any = "") -> None:
        """Remember a tool call."""
        self._names[call_id] = name if isinstance(name, str) else ""

    def __bool__(self) -> bool:
        return bool(self._names)

    def __contains__(self, call_id: Any) -> bool:
        return call_id in self._names

    def take(self, call_id: Any = "", name: Any = "", *, is_ordered: bool = False) -> str:
        """Return the id of the call that a result answers: the one it names, else the first open one with its tool name.

        A result without the id of a call and with several candidates is reported, unless results come in the order of
        their calls (`is_ordered`).
        """
        if isinstance(call_id, str) and call_id:
            self._names.pop(call_id, None)
            return call_id
        candidates = [open_id for open_id, open_name in self._names.items() if not name or open_name == name]
        found_id = candidates[0] if candidates else ""
        self._names.pop(found_id, None)
        if not candidates or (len(candidates) > 1 and not is_ordered):
            self.transcript.guess(no_result_id(found_id))
        return found_id


@dataclass(frozen=True, slots=True)
class Content:
    """The content of a message: its texts, thoughts and images, and its other parts as they are."""

    texts: list[str]
    thoughts: list[dict[str, Any]]
    images: list[dict[str, Any]]
    other_parts: list[Any]

    @property
    def text(self) -> str:
        """The texts, joined by newlines."""
        return "\n".join(self.texts)


def split_content(content: Any) -> Content:
    """Return the parts of a content: a text, a part, or a list of both. Parts have a type, or a text alone."""
    texts: list[str] = []
    thoughts: list[dict[str, Any]] = []
    images: list[dict[str, Any]] = []
    other_parts: list[Any] = []
    for part in content if isinstance(content, list) else [] if content is None else [content]:
        part_type = part.get("type") if isinstance(part, Mapping) else None
        if isinstance(part, str):
            texts.append(part)
        elif isinstance(part, Mapping) and part_type in TEXT_TYPES and isinstance(part.get("text"), str):
            texts.append(part["text"])
            other_parts += [extra_fields] if (extra_fields := omit(part, "type", "text")) else []
        elif isinstance(part, Mapping) and isinstance(part.get(THOUGHT_NAMES.get(str(part_type), "")), str):
            name = THOUGHT_NAMES[str(part_type)]
            thoughts.append({"text": part[name]} | omit_empty(omit(part, "type", name)))
        elif isinstance(part, Mapping) and part_type == "image_url":
            address = part.get("image_url")
            url = address.get("url") if isinstance(address, Mapping) else address
            images.append(omit_empty(url=url, detail=address.get("detail") if isinstance(address, Mapping) else None))
        elif (
            isinstance(part, Mapping)
            and part_type in ("image", "input_image")
            and not isinstance(part.get("source"), Mapping)
        ):
            images.append({IMAGE_NAMES.get(name, name): value for name, value in omit(part, "type").items()})
        else:
            other_parts.append(part)
    return Content(texts, thoughts, images, other_parts)
