"""Search queries: words, "quoted phrases", -excluded words, prefixes* and filters.

The filters are kind: tool: model: session: file: label: error: before: and after:. All parts must match; `OR` between two
words or phrases accepts either.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from ..errors import MisuseError
from .words import CJK_RUN, SPLIT_AT_CJK, character_pairs, facet, parse_time

FILTERS = ("kind", "tool", "model", "session", "file", "label", "error", "before", "after")
TERM = re.compile(r'(-?)(?:([A-Za-z]+):)?(?:"([^"]*)"?|(\S+))')
MAX_LIMIT = 1_000_000_000
WORD = re.compile(r"[^\W_]+")


class PlaceFilter(NamedTuple):
    """A filter session: or file:, with the values that `OR` joins."""

    name: str
    is_excluded: bool
    values: tuple[str, ...]

    def allows(self, texts: Mapping[str, str]) -> bool:
        """Return True when a Run with these lower-case texts ("session", "file") passes."""
        return any(value.lower() in texts[self.name] for value in self.values) is not self.is_excluded


@dataclass(frozen=True, slots=True)
class SearchQuery:
    """A parsed query. `expression` is for the index, `pattern` finds the words in a text."""

    text: str
    expression: str  # "" when there are only filters of runs and times
    pattern: re.Pattern[str] | None
    places: tuple[PlaceFilter, ...] = ()
    before: float | None = None
    after: float | None = None

    def allows(self, session: str, file: str) -> bool:
        """Return True when the filters session: and file: let the blocks of a Run pass."""
        texts = {"session": session.lower(), "file": file.lower()}
        return all(place.allows(texts) for place in self.places)


def parse_query(text: str) -> SearchQuery:
    """Return the query of a text. Raises MisuseError for a blank one, and for a filter without a valid value."""
    if not isinstance(text, str):
        raise MisuseError(
            f"search() expects a text, like 'tool:weather \"paris\"', got {type(text).__name__}: {text!r:.60}"
        )
    parser = _Parser()
    for sign, name, phrase, word in TERM.findall(text):
        parser.add(sign, name, phrase, word)
    return parser.query(text)


def check_limit(limit: int) -> None:
    """Raise MisuseError unless `limit` is a number of hits."""
    if not isinstance(limit, int) or isinstance(limit, bool) or not 1 <= limit <= MAX_LIMIT:
        raise MisuseError(f"limit must be a number of hits, from 1 to {MAX_LIMIT:,}, got {limit!r:.60}")


class _Parser:
    def __init__(self) -> None:
        self.required: list[str] = []
        self.excluded: list[str] = []
        self.marked: list[str] = []
        self.places: list[PlaceFilter] = []
        self.times: dict[str, float] = {}
        self.is_alternative = False
        self.follows_place = False  # the last part is a filter session: or file:

    def add(self, sign: str, name: str, phrase: str, word: str) -> None:
        if word == "OR" and not name and (self.required or self.places):
            self.is_alternative = True
            return
        name = name.lower() if name.lower() in FILTERS else name
        value = phrase or word
        if not name and word.removesuffix(":") in FILTERS and word.endswith(":"):
            name, value = word[:-1], ""
        if name not in FILTERS:
            self._require(sign, _words_expression(f"{name}:{value}" if name else value, is_phrase=bool(phrase or name)))
            if not sign:
                self.marked.append(f"{name}:{value}" if name else value)
            return
        if not value:
            raise MisuseError(f'the filter {name}: has no value; write {name}:something or {name}:"two words"')
        match name:
            case "before" | "after":
                if sign or self.is_alternative:
                    raise MisuseError(f"{name}: cannot be excluded or joined by OR; write one query for each time")
                self.times[name] = _parse_date(name, value)
            case "session" | "file":
                self._add_place(sign, name, value)
            case "error" if value.lower() not in ("yes", "true", "*"):
                self._require(sign, f"({_facet_expression('e', 'yes')} AND {_words_expression(value, is_phrase=True)})")
                self.marked.append(value)
            case "error":
                self._require(sign, _facet_expression("e", "yes"))
            case "model":
                self._require(sign, _facet_expression("m", "-".join(WORD.findall(value.lower())), is_prefix=True))
            case _:
                self._require(sign, _facet_expression(name[0], value.removesuffix("*"), is_prefix=value.endswith("*")))

    def _add_place(self, sign: str, name: str, value: str) -> None:
        if self.is_alternative:
            previous = self.places[-1] if self.follows_place else None
            if sign or previous is None or previous.is_excluded or previous.name != name:
                raise MisuseError(f"OR cannot join {name}:{value} and another filter; write {name}:one OR {name}:two")
            self.places[-1] = previous._replace(values=(*previous.values, value))
        else:
            self.places.append(PlaceFilter(name, bool(sign), (value,)))
        self.follows_place, self.is_alternative = True, False

    def _require(self, sign: str, expression: str) -> None:
        if not expression:
            return
        if self.is_alternative and self.follows_place:
            raise MisuseError("OR cannot join a filter session: or file: and words; write two queries")
        if self.is_alternative and not sign:
            self.required[-1] = f"({self.required[-1]} OR {expression})"
        else:
            (self.excluded if sign else self.required).append(expression)
        self.is_alternative = self.follows_place = False

    def query(self, text: str) -> SearchQuery:
        if not self.required and not self.excluded and not self.times and not self.places:
            raise MisuseError(
                f'the query {text!r:.60} has no words; write words, "a phrase" or a filter like {FILTERS[0]}:tool_call'
            )
        required = self.required or ([_facet_expression("k", "", is_prefix=True)] if self.excluded else [])
        expression = " AND ".join(required)
        for excluded in self.excluded:
            expression = f"({expression}) NOT {excluded}"
        return SearchQuery(
            text,
            expression,
            _marking_pattern(self.marked),
            tuple(self.places),
            self.times.get("before"),
            self.times.get("after"),
        )


def _parse_date(name: str, value: str) -> float:
    time = parse_time(value) if re.match(r"\d{4}-\d\d-\d\d", value) else _parse_partial_date(value)
    if time is None:
        raise MisuseError(f"{name}: needs a date, like {name}:2026-01-31 or {name}:2026-01-31T12:00, got {value!r:.40}")
    return time


def _parse_partial_date(value: str) -> float | None:
    """Return the beginning of a year or a month."""
    if match := re.fullmatch(r"(\d{4})(?:-(\d\d))?", value):
        return parse_time(f"{match[1]}-{match[2] or '01'}-01")
    return None


def _facet_expression(letter: str, value: str, *, is_prefix: bool = False) -> str:
    return f'facets : "{facet(letter, value)}"{"*" if is_prefix else ""}'


def _words_expression(value: str, *, is_phrase: bool) -> str:
    """Return the expression for a word, whose parts must follow each other; "" when it has no letters or digits."""
    is_prefix = value.endswith("*") and not is_phrase
    expressions = []
    for part in SPLIT_AT_CJK.split(value):
        if CJK_RUN.fullmatch(part):
            expressions.append(_cjk_expression(part))
        elif words := WORD.findall(part):
            expressions.append(f'{{text parts}} : "{" ".join(words)}"{"*" if is_prefix else ""}')
    return expressions[0] if len(expressions) == 1 else f"({' AND '.join(expressions)})" if expressions else ""


def _cjk_expression(run: str) -> str:
    if len(run) == 1:
        return f'parts : "{run}"*'
    return f'parts : "{" ".join(list(character_pairs(run))[:-1])}"'


def _marking_pattern(marked: list[str]) -> re.Pattern[str] | None:
    """Return the pattern of the words of a query in a text; None without words."""
    patterns = list(filter(None, map(_word_pattern, marked)))
    return re.compile("|".join(patterns), re.IGNORECASE) if patterns else None


def _word_pattern(value: str) -> str:
    return r"[\W_]*".join(map(re.escape, _pieces(value)))


def _pieces(value: str) -> Iterator[str]:
    for part in SPLIT_AT_CJK.split(value):
        if CJK_RUN.fullmatch(part):
            yield part
        else:
            yield from WORD.findall(part)
