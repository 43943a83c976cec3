"""Rules that answer pending calls before a tool runs, or pause before they run.

The loop consults the rules of its session for each pending call: a rule answers it (denied by a
policy, recorded in a transcript), asks for it (the execution pauses), or leaves it to its tool.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from ..tools import Tool
from ..values.blocks import Block, tool_use
from ..values.policies import Policy, Rule
from .marks import DENIED, answered_by


class CallRule(Protocol):
    """A rule of a session for the calls of its tools."""

    def answer(self, call: Block, tool: Tool | None) -> tuple[Block, str | None] | None:
        """Return the answer to a call, and the reason to list with it, or None for neither; None leaves it to the tool."""

    def pause_reason(self, call: Block, tool: Tool | None) -> str:
        """Return why the execution must pause before this call runs; "" if it need not."""

    def copy(self) -> CallRule:
        """Return the rule for another session that continues from here."""

    def without_pauses(self) -> CallRule:
        """Return the rule for a session that runs as an engine, where nobody can be asked."""


def answer_of_rules(rules: Iterable[CallRule], call: Block, tool: Tool | None) -> tuple[Block, str | None] | None:
    """Return the answer of the first rule that has one."""
    return next((answer for rule in rules if (answer := rule.answer(call, tool)) is not None), None)


def denial(call: Block, reason: str) -> tuple[Block, str]:
    """Return the answer to a call that a rule denies, and the reason."""
    error = f"denied: {reason}" if reason else "denied"
    return answered_by(tool_use(call.tool_call_id, error=error), DENIED), reason


class PolicyRule:
    """The decisions of a policy. Without pauses (in a session that is an engine), what it asks for is denied."""

    def __init__(self, policy: Policy, *, can_pause: bool = True) -> None:
        self.policy = policy
        self._can_pause = can_pause
        self._decided: dict[int, tuple[Rule, set[str]]] = {}  # by the identity of the rule, which is kept alive

    def hits(self, rule: Rule) -> int:
        """Return the number of calls that this rule of the policy decided."""
        return len(self._decided[id(rule)][1]) if id(rule) in self._decided else 0

    def answer(self, call: Block, tool: Tool | None) -> tuple[Block, str] | None:
        rule = self._decide(call, tool)
        if rule is not None:
            self._decided.setdefault(id(rule), (rule, set()))[1].add(call.tool_call_id)
        if rule is None or rule.decision == "allow" or (rule.decision == "ask" and self._can_pause):
            return None
        return denial(
            call, rule.reason if rule.decision == "deny" else "a person must approve it, and nobody can be asked here"
        )

    def pause_reason(self, call: Block, tool: Tool | None) -> str:
        rule = self._decide(call, tool)
        if rule is None or rule.decision != "ask" or not self._can_pause:
            return ""
        return f"policy asks for {call.name}" + (f": {rule.reason}" if rule.reason else "")

    def _decide(self, call: Block, tool: Tool | None) -> Rule | None:
        return self.policy.decide(call) if tool is None else self.policy.decide(call, tool.effect, tool.defaults)

    def copy(self) -> PolicyRule:
        return PolicyRule(self.policy, can_pause=self._can_pause)

    def without_pauses(self) -> PolicyRule:
        return PolicyRule(self.policy, can_pause=False)


__all__ = ["CallRule", "PolicyRule", "answer_of_rules", "denial"]
