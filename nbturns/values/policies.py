"""Policies: which tool calls are allowed, asked for, or denied, as data.

A policy is a list of rules. The first rule that matches a call decides; a call that no rule
matches is allowed.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any, Literal, get_args

from ..errors import MisuseError
from .blocks import Block
from .frozen_json import EMPTY_DICT, FrozenDict, freeze, thaw

Decision = Literal["allow", "ask", "deny"]
EFFECTS = ("pure", "idempotent", "effectful")


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One rule: patterns of a tool's name and of its arguments, an effect, and what is decided.

    Patterns are globs, and must match a whole text. An argument that is a list matches with one
    of its items, in a rule that allows with all of them; other values match as JSON. An argument
    that a call leaves out has the default of its tool.
    """

    decision: Decision
    tool: str = "*"
    args: FrozenDict = EMPTY_DICT
    effect: str = ""
    reason: str = ""

    def __post_init__(self) -> None:
        if self.decision not in get_args(Decision):
            raise MisuseError(f"decision of a rule must be allow, ask or deny, got {self.decision!r:.60}")
        if self.effect not in ("", *EFFECTS):
            raise MisuseError(f"effect of a rule must be one of {', '.join(EFFECTS)}, got {self.effect!r:.60}")
        if not isinstance(self.tool, str) or not self.tool:
            raise MisuseError(f"tool of a rule must be a pattern like 'delete_*', got {self.tool!r:.60}")
        if not isinstance(self.args, Mapping) or not all(isinstance(glob, str) for glob in self.args.values()):
            raise MisuseError(
                f'args of a rule must map arguments to patterns, like {{"path": "/etc/*"}}, got {self.args!r:.60}'
            )
        if not isinstance(self.reason, str):
            raise MisuseError(f"reason of a rule must be a text, got {self.reason!r:.60}")
        object.__setattr__(self, "args", freeze(self.args))

    @classmethod
    def from_dict(cls, values: Any) -> Rule:
        if not isinstance(values, Mapping):
            raise MisuseError(f"a rule must be a mapping like {{tool: 'delete_*', decision: ask}}, got {values!r:.60}")
        names = cls.__dataclass_fields__
        for name in values:
            if name not in names:
                nearest = difflib.get_close_matches(str(name), list(names), 1)
                hint = f"did you mean {nearest[0]!r}?" if nearest else f"known: {', '.join(names)}"
                raise MisuseError(f"unknown field {name!r:.60} of a rule; {hint}")
        if "decision" not in values:
            raise MisuseError(f"a rule needs a decision: allow, ask or deny; got {dict(values)!r:.80}")
        return cls(**{name: value for name, value in values.items() if value is not None})

    def to_dict(self) -> dict[str, Any]:
        """Return the fields without empty ones."""
        rule_fields = {"tool": self.tool, "args": thaw(self.args), "effect": self.effect, "decision": self.decision}
        return {name: value for name, value in {**rule_fields, "reason": self.reason}.items() if value}

    def matches(self, call: Block, effect: str, defaults: Mapping[str, Any] = EMPTY_DICT) -> bool:
        """Return True for a call that this rule decides; `effect` and the `defaults` of arguments are those of its tool."""
        if not fnmatchcase(call.name, self.tool) or self.effect not in ("", effect):
            return False
        arguments = {**defaults, **call.args}
        is_strict = self.decision == "allow"
        return all(name in arguments and _matches(arguments[name], glob, is_strict) for name, glob in self.args.items())


def _matches(value: Any, glob: str, is_strict: bool) -> bool:
    if isinstance(value, (list, tuple)):
        item_matches = [_matches(item, glob, is_strict) for item in value]
        return bool(item_matches) and all(item_matches) if is_strict else any(item_matches)
    if isinstance(value, str):
        if fnmatchcase(value, glob):
            return True
        parsed = _json_list(value)  # which a tool may get as a list
        return bool(parsed) and not is_strict and _matches(parsed, glob, is_strict)
    return fnmatchcase(json.dumps(thaw(value), ensure_ascii=False, default=str), glob)


def _json_list(text: str) -> list[Any] | None:
    if not text.lstrip().startswith("["):
        return None
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, list) else None


@dataclass(frozen=True, slots=True)
class Policy:
    """Rules in order, and those of a profile, whose `deny` no other rule lifts."""

    rules: Sequence[Any] = ()  # of Rules; mappings become Rules
    base: Policy | None = None

    def __post_init__(self) -> None:
        if isinstance(self.rules, (str, Mapping)) or not isinstance(self.rules, Iterable):
            raise MisuseError(f"a policy must be a list of rules, got {self.rules!r:.60}")
        rules = tuple(rule if isinstance(rule, Rule) else Rule.from_dict(rule) for rule in self.rules)
        object.__setattr__(self, "rules", rules)

    @classmethod
    def from_yaml(cls, text: str) -> Policy:
        """Return the policy of a YAML list of rules. Raises LoadError for text that is not YAML, MisuseError for other data."""
        from ..serialization.yaml_text import load_yaml

        return cls(load_yaml(text) or ())

    def to_yaml(self) -> str:
        """Return the rules as YAML, without those of a profile."""
        from ..serialization.yaml_text import dump_yaml

        return dump_yaml([rule.to_dict() for rule in self.rules])

    def decide(self, call: Block, effect: str = "effectful", defaults: Mapping[str, Any] = EMPTY_DICT) -> Rule | None:
        """Return the rule that decides a call of a tool with this effect and these defaults; None where no rule matches."""
        own_rule = next((rule for rule in self.rules if rule.matches(call, effect, defaults)), None)
        base_rule = None if self.base is None else self.base.decide(call, effect, defaults)
        if base_rule is not None and base_rule.decision == "deny":
            return base_rule
        return own_rule or base_rule

    def with_rule(self, *rules: Rule | Mapping[str, Any]) -> Policy:
        """Return a policy in which these rules come first."""
        return Policy((*Policy(rules).rules, *self.rules), self.base)

    def within(self, base: Policy | None) -> Policy:
        """Return this policy on top of that of a profile."""
        return self if base is None else Policy(self.rules, base)

    def __len__(self) -> int:
        return len(self.rules)

    def __bool__(self) -> bool:
        return bool(self.rules) or bool(self.base)

    def __str__(self) -> str:
        return self.to_yaml()


NO_POLICY = Policy()


def policy_of(value: Any) -> Policy:
    """Return a policy from a Policy, a list of rules, or None. Raises MisuseError for other values."""
    if value is None:
        return NO_POLICY
    if isinstance(value, Policy):
        return value
    if isinstance(value, str):
        raise MisuseError(f"policy must be an nt.Policy; read a text with nt.Policy.from_yaml(text), got {value!r:.60}")
    return Policy(value)


__all__ = ["NO_POLICY", "Policy", "Rule", "policy_of"]
