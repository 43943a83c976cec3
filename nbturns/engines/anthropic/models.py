"""Rules of each family of Claude models.

Facts: Anthropic's pages on thinking, effort, forced tool use, system messages inside a conversation and
thinking troubleshooting, and what pydantic-ai 2.68 measured (`profiles/anthropic.py`). A model whose name
says no version has no rules.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

NAME = re.compile(
    r"claude-(?:(?P<family>sonnet|opus|haiku|fable|mythos)-(?P<major>\d|preview)(?:[-.](?P<minor>\d{1,2})(?!\d))?"
    r"|(?P<old_major>\d)(?:[-.](?P<old_minor>\d)(?!\d))?-(?P<old_family>sonnet|opus|haiku))"
)
NEVER = (99, 0)
Version = tuple[int, int]


@dataclass(frozen=True, slots=True)
class ClaudeModel:
    """A family and version, like ("opus", (4, 8)); the family is "" where the name says none."""

    family: str = ""
    version: Version = (0, 0)

    def _since(self, *, opus: Version, sonnet: Version, haiku: Version, fable: Version, mythos: Version) -> bool:
        """Tell whether this is at least the given version of its family."""
        first = {"opus": opus, "sonnet": sonnet, "haiku": haiku, "fable": fable, "mythos": mythos}
        return self.version >= first.get(self.family, NEVER)

    @property
    def is_known(self) -> bool:
        return bool(self.family)

    @property
    def thinks(self) -> bool:
        """Return whether it can think before it answers, in any way."""
        return self.version >= (3, 7)

    @property
    def thinks_by_itself(self) -> bool:
        """Return whether it takes `thinking` of the type "adaptive"."""
        return self._since(opus=(4, 6), sonnet=(4, 6), haiku=(5, 0), fable=(5, 0), mythos=(5, 0))

    @property
    def refuses_budgets(self) -> bool:
        return self._since(opus=(4, 7), sonnet=(5, 0), haiku=(5, 0), fable=(5, 0), mythos=(5, 0))

    @property
    def always_thinks(self) -> bool:
        return self._since(opus=(5, 5), sonnet=NEVER, haiku=NEVER, fable=(5, 0), mythos=(5, 0))

    @property
    def stops_thinking_between_tools(self) -> bool:
        """Return True if "between_tools" replaces the "disabled" that the model refuses."""
        return self.family == "sonnet" and self.version >= (5, 5)

    @property
    def efforts(self) -> tuple[str, ...]:
        """The values of `output_config.effort` that it takes, from the least; none where it takes no effort."""
        if not self._since(opus=(4, 5), sonnet=(4, 6), haiku=(5, 0), fable=(5, 0), mythos=(5, 0)):
            return ()
        has_xhigh = self._since(opus=(4, 7), sonnet=(5, 0), haiku=(5, 0), fable=(5, 0), mythos=(5, 0))
        has_max = (self.family, self.version) != ("opus", (4, 5))
        return ("low", "medium", "high", *(("xhigh",) if has_xhigh else ()), *(("max",) if has_max else ()))

    @property
    def limits_effort_without_thinking(self) -> bool:
        """Return whether its effort is at most "high" while thinking is switched off."""
        return self._since(opus=(5, 0), sonnet=(5, 5), haiku=(5, 5), fable=NEVER, mythos=NEVER)

    @property
    def refuses_forced_tools(self) -> bool:
        """Return whether it refuses a `tool_choice` of a certain or any tool, thinking or not."""
        return self._since(opus=(5, 5), sonnet=(5, 5), haiku=NEVER, fable=(5, 1), mythos=(5, 1))

    @property
    def refuses_sampling(self) -> bool:
        return self.refuses_budgets

    @property
    def takes_one_sampling_parameter(self) -> bool:
        """Return whether it refuses `temperature` together with `top_p`."""
        return self._since(opus=(4, 1), sonnet=(4, 5), haiku=(4, 5), fable=NEVER, mythos=NEVER)

    @property
    def hears_later_system(self) -> bool:
        """Return whether it honours messages of the role "system" inside a conversation."""
        return self._since(opus=(4, 8), sonnet=NEVER, haiku=NEVER, fable=(5, 0), mythos=(5, 0))

    @property
    def binds_thoughts(self) -> bool:
        """Return whether it refuses a thought when anything before it has changed."""
        return self._since(opus=(5, 5), sonnet=(5, 5), haiku=(5, 5), fable=(5, 1), mythos=(5, 2))


@lru_cache(maxsize=1000)
def claude_model(name: str) -> ClaudeModel:
    """Return the family and version of a model name, with or without a vendor's prefix and a date."""
    found = NAME.search(name.lower())
    if found is None:
        return ClaudeModel()
    if found["old_family"]:
        return ClaudeModel(found["old_family"], (int(found["old_major"]), int(found["old_minor"] or 0)))
    if found["major"] == "preview":
        return ClaudeModel(found["family"], (5, 0))
    return ClaudeModel(found["family"], (int(found["major"]), int(found["minor"] or 0)))
