"""Alignment of two sequences or two texts.

Equal items at both ends are matched first, then items that occur once in both ("patience diff"),
and difflib only aligns what is between these. So the time is about linear in the length.
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
"""A type of change ("same", "removed" or "added"), and the text."""

MAX_EQUAL_PAIRS = 1_000_000  # equal pairs up to which difflib aligns a stretch without unique items
MAX_WORD_DIFF_LENGTH = 200_000  # characters of a text up to which words are aligned; lines above it
MAX_ALIGNMENT_STEPS = 20_000_000  # pairs that difflib looks at for one stretch: about a second
MIN_COMMON_SHARE = 0.2  # texts with less in common are one removed and one added text

_WORDS = re.compile(r"\d+(?:[.,]\d+)*|\w+|\n|[^\S\n]+|[^\w\s]")
_LINES = re.compile(r"[^\n]*\n|[^\n]+")


def matching_positions(a: Sequence[Hashable], b: Sequence[Hashable]) -> list[tuple[int, int]]:
    """Return pairs of indexes of equal items in `a` and `b`, in ascending order of both."""
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
            found_places = _difflib_positions(a[a_from:a_to], b[b_from:b_to])
            matching_places += [(a_from + i, b_from + j) for i, j in found_places]
        else:
            found_places = _positions_by_offset(a[a_from:a_to], b[b_from:b_to])
            matching_places += [(a_from + i, b_from + j) for i, j in found_places]
    return sorted(matching_places)


def _difflib_positions(a: Sequence[Hashable], b: Sequence[Hashable]) -> list[tuple[int, int]]:
    """Return index pairs of the longest equal parts, as difflib finds them; by offset when that takes too many steps.

    Each part is found by a pass over all equal pairs, so texts that repeat one line would take minutes.
    """
    matcher = SequenceMatcher(None, a, b, autojunk=False)
    counts_b = Counter(b)
    steps_left = MAX_ALIGNMENT_STEPS
    found_places: list[tuple[int, int]] = []
    ranges = [(0, len(a), 0, len(b))]
    while ranges:
        a_from, a_to, b_from, b_to = ranges.pop()
        steps_left -= sum(counts_b[item] for item in a[a_from:a_to])
        if steps_left < 0:
            offset_pairs = _positions_by_offset(a[a_from:a_to], b[b_from:b_to])
            found_places += [(a_from + i, b_from + j) for i, j in offset_pairs]
            continue
        i, j, size = matcher.find_longest_match(a_from, a_to, b_from, b_to)
        found_places += [(i + n, j + n) for n in range(size)]
        if size:
            ranges += [(a_from, i, b_from, j), (i + size, a_to, j + size, b_to)]
    return found_places


def _positions_by_offset(a: Sequence[Hashable], b: Sequence[Hashable]) -> list[tuple[int, int]]:
    """Return index pairs of items that are equal and have the same index."""
    return [(n, n) for n, (item_a, item_b) in enumerate(zip(a, b, strict=False)) if item_a == item_b]


def _equal_pair_count(a: Sequence[Hashable], b: Sequence[Hashable]) -> int:
    """Return the number of pairs of equal items, which is the cost of a thorough alignment."""
    counts_a, counts_b = Counter(a), Counter(b)
    return sum(count * counts_b[item] for item, count in counts_a.items())


def _unique_matches(a: Sequence[Hashable], b: Sequence[Hashable]) -> list[tuple[int, int]]:
    """Return the longest ascending sequence of index pairs of items that occur once in each."""
    unique_items = {item for item, count in Counter(a).items() if count == 1}
    unique_items &= {item for item, count in Counter(b).items() if count == 1}
    index_in_a = {item: i for i, item in enumerate(a) if item in unique_items}
    pairs = [(index_in_a[item], j) for j, item in enumerate(b) if item in unique_items]
    end_indexes: list[int] = []  # the last index in `a` of the best sequence of each length
    last_pair_numbers: list[int] = []  # the number of its last pair
    previous_pair: list[int] = []
    for pair_number, (i, _) in enumerate(pairs):
        length = bisect_left(end_indexes, i)
        previous_pair.append(last_pair_numbers[length - 1] if length else -1)
        end_indexes[length : length + 1] = [i]
        last_pair_numbers[length : length + 1] = [pair_number]
    ascending_pairs: list[tuple[int, int]] = []
    pair_number = last_pair_numbers[-1] if last_pair_numbers else -1
    while pair_number >= 0:
        ascending_pairs.append(pairs[pair_number])
        pair_number = previous_pair[pair_number]
    return ascending_pairs[::-1]


def diff_pieces(old_text: str, new_text: str) -> tuple[Piece, ...]:
    """Return the changes from one text to the other, word by word; texts with little in common are kept whole."""
    if old_text == new_text:
        return (("same", old_text),) if old_text else ()
    token_pattern = _WORDS if max(len(old_text), len(new_text)) <= MAX_WORD_DIFF_LENGTH else _LINES
    a, b = token_pattern.findall(old_text), token_pattern.findall(new_text)
    matching_pairs = matching_positions(a, b)
    common_length = sum(len(a[i]) for i, _ in matching_pairs if not a[i].isspace())
    if common_length < MIN_COMMON_SHARE * max(len(old_text), len(new_text), 1):
        return tuple(piece for piece in (("removed", old_text), ("added", new_text)) if piece[1])
    return tuple(_join_changes(_stretches(a, b, matching_pairs)))


def _stretches(a: list[str], b: list[str], pairs: list[tuple[int, int]]) -> Iterator[tuple[str, str, str]]:
    """Yield stretches as (removed, added, unchanged text after them)."""
    i = j = pair_number = 0
    while pair_number < len(pairs) or i < len(a) or j < len(b):
        next_i, next_j = pairs[pair_number] if pair_number < len(pairs) else (len(a), len(b))
        removed, added = "".join(a[i:next_i]), "".join(b[j:next_j])
        run_end = pair_number
        while run_end < len(pairs) and pairs[run_end] == (
            next_i + run_end - pair_number,
            next_j + run_end - pair_number,
        ):
            run_end += 1
        run_length = run_end - pair_number
        yield removed, added, "".join(a[next_i : next_i + run_length])
        i, j, pair_number = next_i + run_length, next_j + run_length, run_end


def _join_changes(stretches: Iterator[tuple[str, str, str]]) -> Iterator[Piece]:
    """Join changes that are separated only by white space, which is easier to read."""
    removed = added = ""
    for removed_text, added_text, unchanged_text in stretches:
        removed, added = removed + removed_text, added + added_text
        if bool(removed) != bool(added):
            shifted_text, changed_text, unchanged_text = _shift_stretch(removed or added, unchanged_text)
            removed, added = (changed_text, "") if removed else ("", changed_text)
            if shifted_text:
                yield "same", shifted_text
        if unchanged_text.isspace() and "\n" not in unchanged_text and (removed or added):
            removed, added = removed + unchanged_text, added + unchanged_text
            continue
        yield from _change_pieces(removed, added)
        removed = added = ""
        if unchanged_text:
            yield "same", unchanged_text
    yield from _change_pieces(removed, added)


def _shift_stretch(stretch: str, following_text: str) -> tuple[str, str, str]:
    """Shift a change over text that it begins with: "a[. b]." becomes "a.[ b.]", at the end of a sentence."""
    stretch_words, following_words = _WORDS.findall(stretch), _WORDS.findall(following_text[: len(stretch)])
    shared_count = 0
    while (
        shared_count < len(following_words)
        and stretch_words[shared_count % len(stretch_words)] == following_words[shared_count]
    ):
        shared_count += 1
    shifted_text = "".join(following_words[:shared_count])
    offset = len(shifted_text) % len(stretch)
    return shifted_text, stretch[offset:] + stretch[:offset], following_text[len(shifted_text) :]


def _change_pieces(removed: str, added: str) -> Iterator[Piece]:
    common_tail = ""
    while removed and added and removed[-1].isspace() and removed[-1] == added[-1]:
        removed, added, common_tail = removed[:-1], added[:-1], removed[-1] + common_tail
    if removed:
        yield "removed", removed
    if added:
        yield "added", added
    if common_tail:
        yield "same", common_tail
