"""Values as plain text: one line, or a transcript of a conversation."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ..safety.visible_text import visible as visible
from ..values.blocks import make_block
from ..values.frozen_json import thaw
from ..values.turns import Block, Turn

LINE_BREAKS = re.compile(r"[\r\n]+[ \t]*")
LINE_LENGTH = 80
OUTLINE_LINES = 400  # lines of a conversation in the output of a cell
OUTLINE_LENGTH = 40_000  # characters of it


def shorten(text: str, length: int = LINE_LENGTH) -> str:
    """Return `text` on one line, cut to `length` characters with an ellipsis."""
    line = " ".join(visible(text[: length * 4]).split())
    return line if len(line) <= length and len(text) <= length * 4 else line[: length - 1] + "…"


def cut_text(text: str, length: int = LINE_LENGTH) -> str:
    """Return `text` cut to `length` characters with an ellipsis; its white space stays."""
    return text if len(text) <= length else text[: length - 1] + "…"


def call_line(block: Block, length: int = LINE_LENGTH) -> str:
    """Return a tool call in Python syntax on one line: `weather(city='Paris')`, cut to `length` characters."""
    return cut_text(visible(LINE_BREAKS.sub(" ", call_text(block)[: length * 4])), length)


def call_text(block: Block) -> str:
    """Return a whole tool call in Python syntax; arguments that are not a JSON object are as the model wrote them."""
    raw_args = block.payload.get("args_raw") or block.payload.get("args")
    if isinstance(raw_args, str):
        members = _parsed_members(raw_args)
        if members is None:
            return f"{block.name}({raw_args})"
    else:
        members = list(block.args.items())
    return f"{block.name}({', '.join(f'{name}={thaw(value)!r}' for name, value in members)})"


def call_listing(block: Block) -> str:
    """Return a tool call with an argument per line, and texts of several lines as they are."""
    lines = [block.name]
    for name, value in block.args.items():
        if isinstance(value, str) and "\n" in value:
            lines += [f"{name}:", value]
        else:
            lines.append(f"{name}: {result_text(value)}")
    return "\n".join(lines)


def has_text_block(block: Block) -> bool:
    """Return whether an argument of a tool call is a text of several lines."""
    return block.kind == "tool_call" and any(isinstance(value, str) and "\n" in value for value in block.args.values())


def visible_space(text: str) -> str:
    """Return white space as signs: · for a space, → for a tab, ↵ for the end of a line."""
    return text.replace(" ", "·").replace("\t", "→").replace("\n", "↵\n")


class _NumberText(str):
    """A number of a JSON text, as it was written."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)


def _parsed_members(text: str) -> list[tuple[str, Any]] | None:
    """Return the names and values of a JSON object, repeated names included; None for another text."""
    members: list[tuple[str, Any]] = []

    def keep_members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        members[:] = pairs  # the outermost object is the last
        return dict(pairs)

    try:
        value = json.loads(text, object_pairs_hook=keep_members, parse_float=_NumberText, parse_int=_NumberText)
    except (ValueError, RecursionError):
        return None
    return members if isinstance(value, dict) else None


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
    return call_text(make_block("tool_call", payload))


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


def outline(text: str, max_lines: int = OUTLINE_LINES, max_length: int = OUTLINE_LENGTH) -> str:
    """Return the first lines of a text, and how much more there is."""
    line_count = text.count("\n") + 1
    lines = text[:max_length].split("\n", max_lines)[:max_lines]
    if line_count <= max_lines and len(text) <= max_length:
        return text
    lines = lines[: max_lines - 1]
    hidden_lines = line_count - len(lines)
    hidden = f"{hidden_lines:,} more lines" if hidden_lines else f"{len(text) - max_length:,} more characters"
    return "\n".join([*lines, f"… {hidden}: print() shows them"])


def conversation_outline(conversation: Any) -> str:
    """Return the first lines of a Turn or Run as text, and how much more there is.

    The blocks after them are counted and not written, because a long conversation would take seconds.
    """
    turn = getattr(conversation, "latest", conversation)
    max_blocks = OUTLINE_LINES // 2  # each has two lines or more
    if len(turn) <= max_blocks:
        return outline(str(conversation))
    text = visible(transcript(Turn(turn.blocks.head(max_blocks))))
    lines = text[:OUTLINE_LENGTH].split("\n")[: OUTLINE_LINES - 1]
    if lines[-1].startswith("["):  # the heading of a block; the lines of its text are indented
        lines.pop()
    shown_blocks = sum(line.startswith("[") for line in lines)
    return "\n".join([*lines, f"… {len(turn) - shown_blocks:,} more blocks: print() shows them"])


def _indent(text: str) -> str:
    return "\n".join(f"    {visible(line)}" for line in text.split("\n"))
