"""Write out the characters that control a terminal, change the text direction, or cannot be seen.

All that is printed, raised, warned, logged or drawn goes through `visible`: text of models and files may clear a
terminal, write to the clipboard, or hide instructions.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from functools import wraps
from typing import TypeVar

T = TypeVar("T")
C = TypeVar("C")

# Control characters without tab and line feed; bidirectional controls; blanks and fillers without width; lone surrogates.
HIDDEN = (
    r"\x00-\x08\x0b-\x1f\x7f-\x9f\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f"
    r"\u2800\u3164\ufe00-\ufe0d\ufeff\uffa0\ufff9-\ufffb\ud800-\udfff\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff"
)
# Joiners, the selectors of text and emoji, and soft hyphens: part of the spelling, but not in runs.
LINKING = r"\u00ad\u200c\u200d\ufe0e\ufe0f"
UNSEEN = re.compile(f"[{HIDDEN}]|[{LINKING}]+")
SPELLINGS = re.compile("[\u00ad\u200c\u200d\ufe0e\ufe0f]|\ufe0f\u200d")
KEYCAP = "\u20e3"


def visible(text: str) -> str:
    """Return `text` with control characters and invisible characters as escapes."""
    return UNSEEN.sub(_escape, text)


def _escape(match: re.Match[str]) -> str:
    unseen, text = match[0], match.string
    before = text[match.start() - 1 : match.start()] if match.start() else ""
    after = text[match.end() : match.end() + 1]
    if SPELLINGS.fullmatch(unseen) and _is_spelling(unseen, before, after):
        return unseen
    return "".join(map(_escape_character, unseen))


def _is_spelling(unseen: str, before: str, after: str) -> bool:
    """Tell whether a joiner, selector or soft hyphen belongs to the characters around it."""
    if unseen == "\u00ad":
        return before.isalpha() and after.isalpha()
    if unseen == "\ufe0f" and after == KEYCAP:
        return True
    if before <= "\x7f" or UNSEEN.match(before):
        return False
    return unseen[-1] not in "\u200c\u200d" or (after > "\x7f" and not UNSEEN.match(after))


def _escape_character(character: str) -> str:
    code_point = ord(character)
    if code_point < 256:
        return f"\\x{code_point:02x}"
    return f"\\u{code_point:04x}" if code_point < 0x10000 else f"\\U{code_point:08x}"


def escaped_json(text: str) -> str:
    """Return a JSON text with the same value and without raw control characters and invisible characters."""
    return UNSEEN.sub(lambda match: json.dumps(match[0])[1:-1].replace("\x7f", "\\u007f"), text)


def printable(method: Callable[[T], str]) -> Callable[[T], str]:
    """Decorate `__repr__` or `__str__` so that the text is safe to print."""

    @wraps(method)
    def printable_method(self: T) -> str:
        return visible(method(self))

    return printable_method


def printable_repr(cls: type[C]) -> type[C]:
    """Decorate a dataclass so that its repr is safe to print; Python's repr of a text leaves fillers and selectors."""
    cls.__repr__ = printable(cls.__repr__)  # type: ignore[method-assign]  # of a class whose repr is generated
    return cls
