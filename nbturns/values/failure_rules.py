"""Failed tool calls: those whose source says so, and those whose result says so in words.

Many transcripts have no flag for a failed call, and its result begins with "Error: …". `FAILED` is the default list
of regular expressions for such results; frames, `nt.problems` and views use it, and take another rule as `failed=`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from ..errors import MisuseError

FAILED: tuple[str, ...] = (
    r"(?i)\A\s*error\b",  # Error: …, error - …, ERROR
    r"\A\s*[\w.]*(?:Error|Exception)\b(?:\(|:)",  # ValueError: …, java.io.IOException: …
    r"(?m)^Traceback \(most recent call last\):",
    r"(?i)\A\s*<(?:tool_use_)?error>",
    r"(?i)\A\s*(?:fatal|failed|failure|exception)\s*:",
    r"(?i)\A\s*(?:exit|return)(?:ed with)?(?: code| status)?:? [1-9]\d*\b",
    r"(?i)\A\s*(?:process|command) (?:exited|failed) with (?:exit )?(?:code|status) [1-9]",
    r"(?i)<(?:returncode|exit_code)>\s*-?[1-9]\d*\s*</",
    r"\A\s*\{\s*\"(?:error|exception)\"\s*:(?!\s*(?:null|false|\"\"|\[\s*\]|\{\s*\}))",
    r"\A\s*\{\s*\"(?:success|ok)\"\s*:\s*false\b",
    r"\"(?:is_error|isError)\"\s*:\s*true\b",
    r"(?:command not found|No such file or directory)\s*\Z",
)
NEEDED_TEXTS: dict[str, tuple[str, ...]] = {  # a text without any of these does not match, and is not searched
    r"(?m)^Traceback \(most recent call last\):": ("Traceback (most recent call last):",),
    r"(?i)<(?:returncode|exit_code)>\s*-?[1-9]\d*\s*</": ("<",),
    r"\"(?:is_error|isError)\"\s*:\s*true\b": ('"is_error"', '"isError"'),
    r"(?:command not found|No such file or directory)\s*\Z": ("command not found", "No such file or directory"),
}
TEXT_LIMIT = 100_000  # characters of a result that are searched

FailureRule = Callable[[Any], bool]  # of a row of `tool_calls`


def failure_rule(failed: str | re.Pattern[str] | FailureRule | None = None) -> FailureRule:
    """Return a function that tells whether the call of a row failed.

    `failed` is a regular expression for the text of a result, or a function of the row; None is the default list
    `FAILED`. A call with an error of its own failed by any regular expression; a function decides alone. Raises
    MisuseError for anything else.
    """
    if failed is None or isinstance(failed, (str, re.Pattern)):
        finds_failure = failure_pattern(failed)

        def is_failed(row: Any) -> bool:
            return bool(row.error) or (row.result is not None and finds_failure(row.result))

        return is_failed
    if not callable(failed):
        raise MisuseError(
            f"failed= must be a regular expression or a function of a row of tool_calls, got {failed!r:.60}"
        )

    def is_failed_by_function(row: Any) -> bool:
        try:
            return bool(failed(row))
        except Exception as error:  # the user's code may raise anything
            raise MisuseError(f"failed= raised {type(error).__name__}: {error} for {row}") from error

    return is_failed_by_function


@lru_cache(64)
def failure_pattern(failed: str | re.Pattern[str] | None = None) -> Callable[[str], bool]:
    """Return a function that tells whether the text of a result says that its call failed."""
    try:
        patterns = [re.compile(pattern) for pattern in (FAILED if failed is None else (failed,))]
    except re.error as error:
        raise MisuseError(f"failed={failed!r:.60} is not a regular expression: {error}") from None
    if failed is None:
        patterns = [_joined_beginnings(), *(pattern for pattern in patterns if BEGINNING not in pattern.pattern)]
    searches = [(pattern.search, NEEDED_TEXTS.get(pattern.pattern, ("",))) for pattern in patterns]

    def finds_failure(text: str) -> bool:
        text = text[:TEXT_LIMIT]
        for search, needed_texts in searches:
            for needed_text in needed_texts:
                if needed_text in text and search(text):
                    return True
        return False

    return finds_failure


BEGINNING = r"\A"


def _joined_beginnings() -> re.Pattern[str]:
    """Return the expressions of `FAILED` for the beginning of a text as one, which takes a third of the time."""
    beginnings = []
    for pattern in FAILED:
        if BEGINNING in pattern:
            flags, _, expression = pattern.partition(BEGINNING)
            beginnings.append(f"(?i:{expression})" if flags else f"(?:{expression})")
    return re.compile(BEGINNING + f"(?:{'|'.join(beginnings)})")
