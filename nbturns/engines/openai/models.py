"""Reasoning of each family of OpenAI models, and the efforts it takes.

Facts: OpenAI's model pages and its page on the latest model, and what pydantic-ai 2.68 measured
(`profiles/openai.py`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

EFFORTS = ("none", "minimal", "low", "medium", "high", "xhigh", "max")  # from the least


@dataclass(frozen=True, slots=True)
class Reasoning:
    """The efforts that a model takes, from the least, and whether it reasons without being asked."""

    efforts: tuple[str, ...]
    by_default: bool = True

    def nearest(self, effort: str) -> str:
        """Return the effort itself where the model takes it, else the next lower one, else its least."""
        if effort in self.efforts or effort not in EFFORTS:
            return effort
        lower = [name for name in self.efforts if EFFORTS.index(name) < EFFORTS.index(effort) and name != "none"]
        return lower[-1] if lower else next(name for name in self.efforts if name != "none")


UP_TO_HIGH = ("low", "medium", "high")
UP_TO_XHIGH = (*UP_TO_HIGH, "xhigh")
UP_TO_MAX = (*UP_TO_XHIGH, "max")
FAMILIES = tuple(
    (re.compile(rf"(?:[\w.-]+/)?{pattern}"), reasoning)
    for pattern, reasoning in (
        (r"gpt-6(?:\.\d+)?-astra|(?:[\w.-]+/)?gpt-6\.[1-9]\d*-sol", Reasoning(UP_TO_MAX)),
        (r"gpt-(?:[6-9]|\d\d)", Reasoning(("none", *UP_TO_MAX))),
        (r"gpt-5\.(?:[6-9]|\d\d)", Reasoning(("none", *UP_TO_MAX))),
        (r"gpt-5\.\d+-pro", Reasoning(("medium", "high", "xhigh"))),
        (r"gpt-5\.\d+-chat", Reasoning(("medium",))),
        (r"gpt-5\.5", Reasoning(("none", *UP_TO_XHIGH))),
        (r"gpt-5\.1-codex-max", Reasoning(UP_TO_XHIGH)),
        (r"gpt-5\.1-codex", Reasoning(UP_TO_HIGH)),
        (r"gpt-5\.1", Reasoning(("none", *UP_TO_HIGH), by_default=False)),
        (r"gpt-5\.[2-4]", Reasoning(("none", *UP_TO_XHIGH), by_default=False)),
        (r"gpt-5-chat", None),
        (r"gpt-5-pro", Reasoning(("high",))),
        (r"gpt-5-codex", Reasoning(UP_TO_HIGH)),
        (r"gpt-5", Reasoning(("minimal", *UP_TO_HIGH))),
        (r"o\d(?!\w)", Reasoning(UP_TO_HIGH)),
    )
)


@lru_cache(maxsize=1000)
def reasoning_of(model: str) -> Reasoning | None:
    """Return how a model reasons, named with or without a vendor's prefix; None for one that does not, or is unknown."""
    return next((reasoning for pattern, reasoning in FAMILIES if pattern.match(model.lower())), None)


CACHE_BREAKPOINTS = re.compile(r"gpt-(?:5\.(?:[6-9]|\d\d)|[6-9]|\d\d)")


def takes_cache_breakpoints(model: str) -> bool:
    """Tell whether a model takes marks of what to cache (`prompt_cache_breakpoint`)."""
    return CACHE_BREAKPOINTS.match(model.lower()) is not None
