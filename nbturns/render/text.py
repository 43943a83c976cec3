"""Values as plain text: one line, or a transcript of a conversation."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ..values.blocks import make_block
from ..values.frozen_json import thaw
from ..values.turns import Block, Turn

# Characters that control a terminal, change the text direction, are invisible, or are not valid in UTF-8.
CONTROL_CHARACTERS = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ufff9-\ufffb\ud800-\udfff\U000e0000-\U000e0fff]"
)
JOINERS = "\u200c\u200d"  # part of the spelling in Persian, Hindi and emoji
LINE_LENGTH = 80


def visible(text: str) -> str:
    """Return `text` with control characters and invisible characters as escapes."""
    return CONTROL_CHARACTERS.sub(_escape_character, text)


def _escape_character(match: re.Match[str]) -> str:
    character, position = match[0], match.start()
    if character in JOINERS and position and match.string[position - 1] > "\x7f":
        return character
    code_point = ord(character)
    return (
        f"\\x{code_point:02x}"
        if code_point < 256
        else f"\\u{code_point:04x}"
        if code_point < 0x10000
        else f"\\U{code_point:08x}"
    )


def shorten(text: str, length: int = LINE_LENGTH) -> str:
    """Return `text` on one line, cut to `length` characters with an ellipsis."""
    line = " ".join(visible(text[: length * 4]).split())
    return line if len(line) <= length and len(text) <= length * 4 else line[: length - 1] + "…"


def call_line(block: Block, length: int = LINE_LENGTH) -> str:
    """Return a tool call in Python syntax: `weather(city='Paris')`."""
    raw_args = block.payload.get("args_raw") or block.payload.get("args")
    if isinstance(raw_args, str) and not block.args:
        return shorten(f"{block.name}({raw_args})", length)
    return shorten(
        f"{block.name}({', '.join(f'{name}={thaw(value)!r}' for name, value in block.args.items())})", length
    )


def result_text(value: Any) -> str:
    """Return a result as text: strings unchanged, other values as JSON."""
    return value if isinstance(value, str) else json.dumps(thaw(value), ensure_ascii=False, default=repr)


@dataclass(frozen=True, slots=True)
class TextForm:
    """The choices in which the texts of a block differ.

    `arguments` writes the payload of a tool call, `value` a tool result or the payload of a block without
    text. `labels` marks errors and refusals in words, `images` counts the images of a message.
    """

    arguments: Callable[[Mapping[str, Any]], str]
    value: Callable[[Any], str]
    labels: bool = True
    images: bool = False


MESSAGE_KINDS = frozenset({"system", "user", "llm_text", "reasoning"})


def block_text(kind: str, payload: Mapping[str, Any], form: TextForm) -> str:
    """Return the text of a block of this kind and payload, written in `form`."""
    if kind == "tool_call":
        return form.arguments(payload)
    if kind == "tool_use":
        error, result = payload.get("error"), payload.get("result")
        if error and (error_text := str(error)):
            return f"error: {error_text}" if form.labels else error_text
        return "" if result is None and not form.labels else form.value(result)
    text = payload.get("text")
    text = text if isinstance(text, str) else ""
    if not text and kind not in MESSAGE_KINDS:
        return form.value(payload) if payload or form.labels else ""
    refusal = payload.get("refusal")
    if form.labels and not text and isinstance(refusal, str) and refusal:
        return f"refused: {refusal}"
    image_count = len(images) if form.images and isinstance(images := payload.get("images"), list) else 0
    return f"{text} [{image_count} image{'s' * (image_count != 1)}]" if image_count else text


def _call_text(payload: Mapping[str, Any]) -> str:
    return call_line(make_block("tool_call", payload), 10**9)


TRANSCRIPT_FORM = TextForm(_call_text, result_text, images=True)


def transcript_text(block: Block) -> str:
    """Return the text of a block as a transcript shows it."""
    return block_text(block.kind, block.payload, TRANSCRIPT_FORM)


def block_line(block: Block) -> str:
    """Return the kind and the beginning of a block on one line."""
    return f"{shorten(block.kind, 24)} {shorten(transcript_text(block))}".rstrip()


def transcript(turn: Turn) -> str:
    """Return the whole Turn as text, block by block."""
    return "\n".join(
        f"[{index}] {visible(block.kind)}\n{_indent(transcript_text(block))}" for index, block in enumerate(turn)
    ) or repr(turn)


def _indent(text: str) -> str:
    return "\n".join(f"    {visible(line)}" for line in text.splitlines())
