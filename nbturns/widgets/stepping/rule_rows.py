"""The rules of a session's policy, and the decisions of people, as plain data for a page."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...errors import MisuseError
from ...render.text import shorten, visible
from ...runtime.execution import Execution
from ...session import Session
from ...values.policies import Policy, Rule

MAX_RULES = 100
MAX_DECISIONS = 50
MAX_GLOB = 1_000
SIGNS = {"edited": "✎", "added": "✎", "dropped": "✎", "mock": "◇", "denied": "⊘", "skipped": "↷", "approved": "✓"}
WORDS = {"mock": "mocked"}


def rule_rows(session: Session) -> dict[str, Any]:
    """Return the rules of a session and those of its profile, with the calls that each decided; the session's as YAML."""
    policy = session.policy
    base_rules = () if policy.base is None else policy.base.rules
    rows = [(rule, True) for rule in policy.rules[:MAX_RULES]] + [(rule, False) for rule in base_rules[:MAX_RULES]]
    items = [
        {
            "decision": rule.decision,
            "text": visible(shorten(rule_text(rule), 200)),
            "own": is_own,
            "hits": session.rule_hits(rule),
        }
        for rule, is_own in rows
    ]
    return {"items": items, "yaml": policy.to_yaml() if policy.rules else ""}


def rule_text(rule: Rule) -> str:
    """Return a rule in words, like delete_*(path /etc/*), effectful."""
    args = ", ".join(f"{name} {glob}" for name, glob in rule.args.items())
    effect = f", {rule.effect}" if rule.effect else ""
    return f"{rule.tool}{f'({args})' if args else ''}{effect}"


def rule_of_page(fields: Any) -> Rule:
    """Return the rule that a page sends. Raises MisuseError for an invalid one."""
    if not isinstance(fields, Mapping):
        raise MisuseError(f"expected the fields of a rule, got {fields!r:.60}")
    texts = (
        [fields.get("tool"), *(fields.get("args") or {}).values()]
        if isinstance(fields.get("args") or {}, Mapping)
        else [None]
    )
    if not all(isinstance(text, str) and len(text) <= MAX_GLOB for text in texts):
        raise MisuseError("tool and args of a rule must be patterns, like delete_*")
    known_fields = {
        name: value for name, value in fields.items() if name in ("tool", "args", "decision", "reason") and value
    }
    return Rule.from_dict(known_fields)


def without_rule(policy: Policy, index: Any) -> Policy:
    """Return a policy without one of its own rules."""
    if not isinstance(index, int) or not 0 <= index < len(policy.rules):
        raise MisuseError("this rule no longer exists")
    return Policy((*policy.rules[:index], *policy.rules[index + 1 :]), policy.base)


def decision_rows(execution: Execution) -> list[dict[str, Any]]:
    """Return what people decided in an execution, the last first; `row` is the index of the block."""
    turn = execution.turn
    records = execution.decisions[-MAX_DECISIONS:]
    places = (
        {block.tool_call_id: index for index, block in enumerate(turn) if block.kind == "tool_call"} if records else {}
    )
    rows = []
    for record in reversed(records):
        index = places.get(record.call_id)
        name = turn[index].name if index is not None else record.action
        label = f"{SIGNS.get(record.action, '')} {WORDS.get(record.action, record.action)}"
        rows.append({"label": label, "name": visible(shorten(name, 60)), "row": index})
    return rows


__all__ = ["decision_rows", "rule_of_page", "rule_rows", "rule_text", "without_rule"]
