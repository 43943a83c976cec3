"""Redaction: keys, tokens, e-mail addresses and home folders are replaced, so that a conversation can be shared.

Each rule has a name and a pattern. Equal texts get equal placeholders, like `[email-1]`, so that it stays visible who is
who. Rules find what they describe and nothing else: read a conversation before you publish it.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields, is_dataclass, replace
from typing import Any, TypeAlias

from .errors import MisuseError
from .safety.visible_text import printable
from .values.frozen_json import FrozenDict, FrozenList
from .values.metadata import Metadata, metadata_from_dict
from .values.persistent_list import PersistentList
from .values.secret_text import SECRET_PATTERNS
from .values.turns import Block, Run, Turn

MAX_DEPTH = 100
PLACEHOLDER = re.compile(r"\[[\w.\-]+-\d+\]?")


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule of redaction: what `pattern` matches is replaced, or its group "secret" where it has one.

    `placeholder` is the text in its place; "" numbers the different texts of the rule, like `[email-1]`.
    """

    name: str
    pattern: re.Pattern[str]
    placeholder: str = ""


SECRET_FIELD = "secret-field"  # noqa: S105  # the name of the rule for values whose name says that they are secret
SECRET_NAMES = re.compile(
    r"^(?:.*[-_.]|.*[a-z0-9](?=[A-Z]))?(?i:api[-_]?key|x-goog-api-key|access[-_]?key(?:[-_]?id)?|secret(?:[-_]?(?:key|access[-_]?key))?"
    r"|client[-_]?secret|(?:auth|access|refresh|session|id|bearer)[-_]?token|token|password|passwd|passphrase|pwd|authorization"
    r"|cookie|set-cookie|private[-_]?key|credentials?)$"
)
_USER_NAME = r"(?:(?!%2[Ff])[^\s/\\:\"'<>|,;()\[\]{}`])+"
_SLASH = r"(?:/|%2[Ff])"
_ROOT = (
    r"(?:/mnt/[a-z]|/[a-z]|/var|/export|/host|/private|/data|/System/Volumes/Data)"  # of Linux, macOS, WSL and Git Bash
)
DEFAULT_RULES: tuple[Rule, ...] = (
    *(Rule("secret", pattern) for pattern in SECRET_PATTERNS),
    Rule("email", re.compile(r"(?<![\w.+\-/])(?P<secret>[\w.+\-]+(?:@|%40)(?:[^\W_][\w\-]*\.)+(?:xn--[\w\-]+|[^\W\d_]{2,}))(?![\w\-@])")),
    Rule("home", re.compile(rf"(?i)(?P<secret>\b[a-z]:[\\/]{{1,2}}(?:Users|Documents and Settings)[\\/]{{1,2}}{_USER_NAME})"), "~"),
    Rule("home", re.compile(rf"(?P<secret>(?:(?<![\w.~])|(?<=%2[Ff])){_ROOT}?{_SLASH}(?:home|Users){_SLASH}(?!~){_USER_NAME})"), "~"),
    Rule("home", re.compile(rf"\b(?!https?:)[a-z][a-z\-]{{0,20}}://[\w.+%\-]{{1,80}}(?P<secret>/(?:home|Users)/(?!~){_USER_NAME})"), "/~"),
    Rule("home", re.compile(r"(?P<secret>(?<![\w.~/])/root)(?![\w.\-])"), "~"),
    Rule("home", re.compile(r"(?<=[/\\])(?P<secret>(?:[A-Za-z]-)?-(?:home|Users)-[^\s/\\\-]+)"), "-~"),
)  # fmt: skip
RULE_NAMES = (*dict.fromkeys(rule.name for rule in DEFAULT_RULES), SECRET_FIELD)
Rules: TypeAlias = "Iterable[Rule | str] | Mapping[str, str | re.Pattern[str]] | None"


@dataclass(frozen=True, slots=True)
class Replacement:
    """A replaced text: the rule, the place, and the placeholder. `original` is not shown."""

    rule: str
    place: str
    placeholder: str
    original: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Redacted:
    """A value without what the rules found, and the list of what was replaced."""

    value: Any
    replaced: tuple[Replacement, ...] = ()

    @printable
    def __repr__(self) -> str:
        counts = Counter(replacement.rule for replacement in self.replaced)
        summary = ", ".join(f"{count} {name}" for name, count in counts.items()) or "nothing"
        return f"<Redacted {self.value!r:.60}: {summary} replaced>"


def redact(x: Any, rules: Rules = None) -> Redacted:
    """Return `x` without keys, tokens, e-mail addresses and home folders, and the list of what was replaced.

    `x` is a Run, Turn, Block, session, text or plain data. `rules` are names of the default rules, `Rule` objects, or a
    mapping of names to regular expressions; None means all default rules. Raises MisuseError for other values.
    """
    redactor = _Redactor(rules)
    value = x
    for name in ("run", "turn"):
        if not isinstance(value, (Run, Turn, Block, str, Mapping)) and isinstance(getattr(x, name, None), (Run, Turn)):
            value = getattr(x, name)
    match value:
        case Run():
            new_value: Any = redactor.run(value)
        case Turn():
            new_value = redactor.turn(value, "")
        case Block():
            new_value = redactor.block(value, "")
        case str() | Mapping() | list() | tuple():
            new_value = redactor.value(value, "")
        case _:
            raise MisuseError(
                f"expected a Run, a Turn, a Block, a session or a text, got {type(x).__name__}: {x!r:.60}"
            )
    return Redacted(new_value, tuple(redactor.replaced))


def parse_rules(rules: Rules | bool) -> tuple[Rule, ...]:
    """Return rules as Rule objects; True and None are the default ones. Raises MisuseError for others."""
    if rules is None or rules is True:
        return (*DEFAULT_RULES, Rule(SECRET_FIELD, SECRET_NAMES))
    if isinstance(rules, Mapping):
        try:
            return tuple(Rule(name, re.compile(pattern)) for name, pattern in rules.items())
        except (re.error, TypeError) as error:
            raise MisuseError(f"rules must map names to regular expressions: {error}") from None
    if isinstance(rules, (str, Rule)) or not isinstance(rules, Iterable):
        raise MisuseError(f"rules must be a list, like rules=['email'], got {rules!r:.60}")
    parsed_rules: list[Rule] = []
    for rule in rules:
        if isinstance(rule, Rule):
            parsed_rules.append(rule)
        elif rule in RULE_NAMES:
            parsed_rules += [known_rule for known_rule in parse_rules(None) if known_rule.name == rule]
        else:
            raise MisuseError(f"unknown rule {rule!r:.60}; use one of {', '.join(RULE_NAMES)}, or a Rule")
    return tuple(parsed_rules)


class _Redactor:
    """One redaction. Blocks that several Turns share are redacted once, and stay shared."""

    def __init__(self, rules: Rules | bool) -> None:
        parsed_rules = parse_rules(rules)
        self.rules = [rule for rule in parsed_rules if rule.name != SECRET_FIELD]
        self.hides_fields = len(self.rules) < len(parsed_rules)
        self.replaced: list[Replacement] = []
        self._placeholders: dict[tuple[str, str], str] = {}
        self._counts: Counter[str] = Counter()
        self._blocks: dict[int, tuple[Block, Block]] = {}  # by id; the original is kept alive

    def run(self, run: Run) -> Run:
        return replace(
            run,
            turns=tuple(self.turn(turn, f"turns[{index}].") for index, turn in enumerate(run.turns)),
            id=self.text(run.id, "id"),
            name=self.text(run.name, "name"),
            metadata=self.metadata(run.metadata, "metadata"),
            extra=self.value(run.extra, "extra"),
            import_report=self.record(run.import_report, "import_report"),
        )

    def turn(self, turn: Turn, place: str) -> Turn:
        blocks = [self.block(block, f"{place}blocks[{index}].") for index, block in enumerate(turn)]
        is_changed = any(new is not old for new, old in zip(blocks, turn, strict=True))
        return turn._with(
            blocks=PersistentList(blocks) if is_changed else None,
            metadata=self.metadata(turn.metadata, f"{place}metadata"),
            data=self.metadata(turn.data, f"{place}data"),
            extra=self.value(turn.extra, f"{place}extra"),
        )

    def block(self, block: Block, place: str) -> Block:
        if id(block) not in self._blocks:
            payload = self.value(block.payload, f"{place}payload")
            metadata = self.metadata(block.metadata, f"{place}metadata")
            extra = self.value(block.extra, f"{place}extra")
            is_same = payload is block.payload and metadata is block.metadata and extra is block.extra
            new_block = block if is_same else Block(block.kind, payload, block.role, block.id, metadata, extra=extra)
            self._blocks[id(block)] = block, new_block
        return self._blocks[id(block)][1]

    def metadata(self, metadata: Metadata, place: str) -> Metadata:
        if not len(metadata):
            return metadata
        values = FrozenDict(metadata.items())
        new_values = self.value(values, place)
        return metadata if new_values is values else metadata_from_dict(new_values)

    def record(self, record: Any, place: str) -> Any:
        """Redact the texts of a frozen dataclass, like an import report."""
        if not is_dataclass(record) or isinstance(record, type):
            return record
        changes = {}
        for item in fields(record):
            value = getattr(record, item.name)
            if isinstance(value, tuple):
                new_value: Any = tuple(
                    self.record(part, place) if is_dataclass(part) else self.value(part, place) for part in value
                )
            else:
                new_value = self.value(value, f"{place}.{item.name}")
            if item.init and new_value != value:
                changes[item.name] = new_value
        return replace(record, **changes) if changes else record

    def value(self, value: Any, place: str, name: str = "", depth: int = 0) -> Any:
        """Return plain data without what the rules find; the same object where they find nothing."""
        if isinstance(value, str):
            if self.hides_fields and name and value.strip() and SECRET_NAMES.match(name):
                return self._placeholder(Rule(SECRET_FIELD, SECRET_NAMES), value, place)
            return self.text(value, place)
        if depth > MAX_DEPTH:
            return value
        if isinstance(value, Mapping):
            new_items = {
                self.text(key, place) if isinstance(key, str) else key: self.value(
                    item, f"{place}.{key}", str(key), depth + 1
                )
                for key, item in value.items()
            }
            is_same = len(new_items) == len(value) and all(
                new_key is key and new_items[new_key] is value[key]
                for new_key, key in zip(new_items, value, strict=True)
            )
            return value if is_same else type(value)(new_items) if isinstance(value, FrozenDict) else new_items
        if isinstance(value, (list, tuple, PersistentList)):
            new_list = [self.value(item, f"{place}[{index}]", name, depth + 1) for index, item in enumerate(value)]
            if all(new is old for new, old in zip(new_list, value, strict=True)):
                return value
            return FrozenList(new_list) if isinstance(value, (FrozenList, PersistentList)) else type(value)(new_list)
        return value

    def text(self, text: str, place: str) -> str:
        """Return a text without what the rules find; embedded images and files are not searched."""
        if len(text) < 4 or text.startswith("data:"):
            return text
        for rule in self.rules:
            if rule.pattern.search(text):
                text = rule.pattern.sub(lambda match, rule=rule: self._replace(rule, match, place), text)  # type: ignore[misc]
        return text

    def _replace(self, rule: Rule, match: re.Match[str], place: str) -> str:
        group = "secret" if "secret" in rule.pattern.groupindex and match["secret"] is not None else 0
        start, end = match.span(group)
        original = match[group]
        if PLACEHOLDER.fullmatch(original):
            return match[0]
        head, tail = match[0][: start - match.start()], match[0][end - match.start() :]
        return head + self._placeholder(rule, original, place) + tail

    def _placeholder(self, rule: Rule, original: str, place: str) -> str:
        key = rule.name, original
        if key not in self._placeholders:
            self._counts[rule.name] += not rule.placeholder
            self._placeholders[key] = rule.placeholder or f"[{rule.name}-{self._counts[rule.name]}]"
        placeholder = self._placeholders[key]
        self.replaced.append(Replacement(rule.name, place.lstrip("."), placeholder, original))
        return placeholder


__all__ = ["DEFAULT_RULES", "Redacted", "Replacement", "Rule", "redact"]
