"""Transcripts with the colours of a terminal, and as they happened."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from typing import TextIO

from .render.text import transcript_text, visible
from .values.turns import Run

HEADER = re.compile(r"\[\d+\] (\S+)")
BOLD, DIM, RED, RESET = "\x1b[1m", "\x1b[2m", "\x1b[31m", "\x1b[0m"
KIND_COLORS = {
    "system": "\x1b[1;35m",
    "user": "\x1b[1;36m",
    "llm_text": BOLD,
    "reasoning": DIM,
    "tool_call": "\x1b[1;33m",
    "tool_use": "\x1b[1;32m",
}


def wants_color(choice: str, stream: TextIO) -> bool:
    """Return whether text for a stream is coloured: "always", "never", or "auto": on a terminal, unless NO_COLOR is set."""
    if choice != "auto":
        return choice == "always"
    return stream.isatty() and not os.environ.get("NO_COLOR")


def colored_transcript(text: str) -> str:
    """Return the transcript of a Turn or Run with colours by kind; its control characters are escaped before."""
    lines, kind = [], ""
    for line in visible(text).split("\n"):
        if header := HEADER.fullmatch(line):
            kind = header[1]
            lines.append(f"{KIND_COLORS.get(kind, BOLD)}{line}{RESET}")
        elif kind == "tool_use" and line.startswith("    error: "):
            lines.append(f"{RED}{line}{RESET}")
        elif kind == "reasoning" and line.startswith("    "):
            lines.append(f"{DIM}{line}{RESET}")
        else:
            lines.append(line)
    return "\n".join(lines)


def replayed_text(run: Run) -> Iterator[str]:
    """Yield a recorded conversation in pieces: each new block of each Turn, what a model wrote word by word."""
    known_count = 0
    for index, turn in enumerate(run.turns):
        if len(run.turns) > 1:
            yield f"turn {index}\n"
        for number, block in enumerate(turn.blocks[known_count:], known_count):
            yield f"[{number}] {visible(block.kind)}\n    "
            text = "\n    ".join(visible(transcript_text(block)).split("\n"))
            yield from re.findall(r"\S+\s*|\s+", text) if block.kind in ("llm_text", "reasoning") else [text]
            yield "\n"
        known_count = len(turn)
