"""Alignment of two sequences or two texts.

First what is the same at both ends, then what stands once in both ("patience"), and only
between these the long way: so two long conversations take about as long as reading them.
"""

from __future__ import annotations

import itertools
import re
from bisect import bisect_left
from collections import Counter
from collections.abc import Hashable, Iterator, Sequence
from difflib import SequenceMatcher
from typing import TypeAlias

Piece: TypeAlias = tuple[str, str]
"""What became of a stretch of text ("same", "removed" or "added"), and the text."""

MAX_EQUAL_PAIRS = 1_000_000  # pairs of the same up to which a stretch is aligned thoroughly where nothing stands once
MAX_WORD_DIFF_LENGTH = 200_000  # characters of a text up to which its words are aligned; beyond, its lines
MIN_COMMON_SHARE = 0.2  # the share of words in common below which two texts are two texts

_WORDS = re.compile(r"\d+(?:[.,]\d+)*|\w+|\n|[^\S\n]+|[^\w\s]")
_LINES = re.compile(r"[^\n]*\n|[^\n]+")


def matching_positions(a: Sequence[Hashable], b: Sequence[Hashable]) -> list[tuple[int, int]]:
    """Places in `a` and `b` that hold the same, both in order."""
    matching_places: list[tuple[int, int]] = []
    ranges = [(0, len(a), 0, len(b))]
    while ranges:
        a_from, a_to, b_from, b_to = ranges.pop()
        while a_from < a_to and b_from < b_to and a[a_from] == b[b_from]:
            matching_places.append((a_from, b_from))
            a_from, b_from = a_from + 1, b_from + 1
        while a_from < a_to and b_from < b_to and a[a_to - 1] == b[b_to - 1]:
            a_to, b_to = a_to - 1, b_to - 1
            matching_places.append((a_to, b_to))
        if a_from == a_to or b_from == b_to:
            continue
        if anchors := _unique_matches(a[a_from:a_to], b[b_from:b_to]):
            edges = [(a_from, b_from), *((a_from + i, b_from + j) for i, j in anchors), (a_to, b_to)]
            ranges += [(i, next_i, j, next_j) for (i, j), (next_i, next_j) in itertools.pairwise(edges)]
        elif _equal_pair_count(a[a_from:a_to], b[b_from:b_to]) <= MAX_EQUAL_PAIRS:
            matcher = SequenceMatcher(None, a[a_from:a_to], b[b_from:b_to], autojunk=False)
            for matching_block in matcher.get_matching_blocks():
                matching_places += [
                    (a_from + matching_block.a + n, b_from + matching_block.b + n) for n in range(matching_block.size)
                ]
        else:
            along = range(min(a_to - a_from, b_to - b_from))
            matching_places += [(a_from + n, b_from + n) for n in along if a[a_from + n] == b[b_from + n]]
    return sorted(matching_places)


def _equal_pair_count(a: Sequence[Hashable], b: Sequence[Hashable]) -> int:
    """Return the number of pairs of equal items, which is the cost of a thorough alignment."""
    mine, theirs = Counter(a), Counter(b)
    return sum(count * theirs[item] for item, count in mine.items())


def _unique_matches(a: Sequence[Hashable], b: Sequence[Hashable]) -> list[tuple[int, int]]:
    """The longest row of pairs, in order in both, of what stands exactly once in each."""
    once = {item for item, count in Counter(a).items() if count == 1}
    once &= {item for item, count in Counter(b).items() if count == 1}
    places = {item: i for i, item in enumerate(a) if item in once}
    pairs = [(places[item], j) for j, item in enumerate(b) if item in once]
    ends: list[int] = []  # of the best rows of each length, where they end in `a`
    last: list[int] = []  # and which pair ends them
    previous_pair: list[int] = []
    for number, (i, _) in enumerate(pairs):
        length = bisect_left(ends, i)
        previous_pair.append(last[length - 1] if length else -1)
        ends[length : length + 1] = [i]
        last[length : length + 1] = [number]
    row: list[tuple[int, int]] = []
    number = last[-1] if last else -1
    while number >= 0:
        row.append(pairs[number])
        number = previous_pair[number]
    return row[::-1]


def diff_pieces(old_text: str, new_text: str) -> tuple[Piece, ...]:
    """Return the changes from one text to the other, word by word; texts with little in common are kept whole."""
    if old_text == new_text:
        return (("same", old_text),) if old_text else ()
    split = _WORDS if max(len(old_text), len(new_text)) <= MAX_WORD_DIFF_LENGTH else _LINES
    a, b = split.findall(old_text), split.findall(new_text)
    pairs = matching_positions(a, b)
    common = sum(len(a[i]) for i, _ in pairs if not a[i].isspace())
    if common < MIN_COMMON_SHARE * max(len(old_text), len(new_text), 1):
        return tuple(piece for piece in (("removed", old_text), ("added", new_text)) if piece[1])
    return tuple(_join_changes(_stretches(a, b, pairs)))


def _stretches(a: list[str], b: list[str], pairs: list[tuple[int, int]]) -> Iterator[tuple[str, str, str]]:
    """Yield stretches as (removed, added, unchanged text after them)."""
    i = j = number = 0
    while number < len(pairs) or i < len(a) or j < len(b):
        next_i, next_j = pairs[number] if number < len(pairs) else (len(a), len(b))
        removed, added = "".join(a[i:next_i]), "".join(b[j:next_j])
        end = number
        while end < len(pairs) and pairs[end] == (next_i + end - number, next_j + end - number):
            end += 1
        length = end - number
        yield removed, added, "".join(a[next_i : next_i + length])
        i, j, number = next_i + length, next_j + length, end


def _join_changes(stretches: Iterator[tuple[str, str, str]]) -> Iterator[Piece]:
    """Changes with nothing but a space between them are one change: it reads better."""
    removed = added = ""
    for out, come, same in stretches:
        removed, added = removed + out, added + come
        if bool(removed) != bool(added):
            slid, stretch, same = _shift_stretch(removed or added, same)
            removed, added = (stretch, "") if removed else ("", stretch)
            if slid:
                yield "same", slid
        if same.isspace() and "\n" not in same and (removed or added):
            removed, added = removed + same, added + same
            continue
        yield from _change_pieces(removed, added)
        removed = added = ""
        if same:
            yield "same", same
    yield from _change_pieces(removed, added)


def _shift_stretch(stretch: str, following_text: str) -> tuple[str, str, str]:
    """A stretch that begins like what follows it, moved on: "a[. b]." is better said as "a.[ b.]"."""
    mine, theirs = _WORDS.findall(stretch), _WORDS.findall(following_text[: len(stretch)])
    count = 0
    while count < len(theirs) and mine[count % len(mine)] == theirs[count]:
        count += 1
    slid = "".join(theirs[:count])
    length = len(slid) % len(stretch)
    return slid, stretch[length:] + stretch[:length], following_text[len(slid) :]


def _change_pieces(removed: str, added: str) -> Iterator[Piece]:
    tail = ""
    while removed and added and removed[-1].isspace() and removed[-1] == added[-1]:
        removed, added, tail = removed[:-1], added[:-1], removed[-1] + tail
    if removed:
        yield "removed", removed
    if added:
        yield "added", added
    if tail:
        yield "same", tail
