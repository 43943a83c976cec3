"""A value as plain text: one line, or a transcript that reads like a conversation."""

from __future__ import annotations

import json
import re
from typing import Any

from .frozen import thaw
from .turns import Block, Turn

# What steers a terminal, turns text around, hides in it, or cannot be written in UTF-8 at all.
CONTROL = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ufff9-\ufffb\ud800-\udfff\U000e0000-\U000e0fff]"
)
JOINERS = "\u200c\u200d"  # between letters of Persian, signs of Hindi or faces of a family they are spelling
LINE = 80


def visible(text: str) -> str:
    """`text` with control and invisible characters written out: it steers no terminal and hides nothing."""
    return CONTROL.sub(_written_out, text)


def _written_out(match: re.Match[str]) -> str:
    item, at = match[0], match.start()
    if item in JOINERS and at and match.string[at - 1] > "\x7f":
        return item
    code = ord(item)
    return f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def shortened(text: str, length: int = LINE) -> str:
    """The first line of `text`, cut to `length` characters with an ellipsis."""
    line = " ".join(visible(text[: length * 4]).split())
    return line if len(line) <= length and len(text) <= length * 4 else line[: length - 1] + "…"


def call_line(block: Block, length: int = LINE) -> str:
    """A call as Python would write it: `weather(city='Paris')`."""
    raw = block.payload.get("args_raw") or block.payload.get("args")
    if isinstance(raw, str) and not block.args:
        return shortened(f"{block.name}({raw})", length)
    return shortened(
        f"{block.name}({', '.join(f'{name}={thaw(value)!r}' for name, value in block.args.items())})", length
    )


def shown_value(value: Any) -> str:
    """A result as text: a string as it is, anything else as JSON."""
    return value if isinstance(value, str) else json.dumps(thaw(value), ensure_ascii=False, default=repr)


def content(block: Block) -> str:
    """All that a block says, as text."""
    if block.kind == "tool_call":
        return call_line(block, 10**9)
    if block.kind == "tool_use":
        return f"error: {block.error}" if block.error else shown_value(block.result)
    if block.text or block.kind in ("system", "user", "llm_text", "reasoning"):
        if not block.text and isinstance(refusal := block.payload.get("refusal"), str) and refusal:
            return f"refused: {refusal}"
        images = f" [{len(block.images)} image{'s' * (len(block.images) != 1)}]" if block.images else ""
        return block.text + images
    return shown_value(block.payload)


def block_line(block: Block) -> str:
    """Kind and beginning of a block, in one line."""
    return f"{shortened(block.kind, 24)} {shortened(content(block))}".rstrip()


def transcript(turn: Turn) -> str:
    """The whole Turn, block by block."""
    return "\n".join(
        f"[{index}] {visible(block.kind)}\n{_indented(content(block))}" for index, block in enumerate(turn)
    ) or repr(turn)


def _indented(text: str) -> str:
    return "\n".join(f"    {visible(line)}" for line in text.splitlines())
