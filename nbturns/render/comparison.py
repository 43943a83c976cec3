"""Comparison of two conversations, block by block.

Blocks are matched by their ids, then by their content. The blocks between two matches are
paired by kind and similarity, so that two answers to one question form a pair.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, overload

from ..errors import MisuseError
from ..packages import require
from ..safety.visible_text import printable
from ..values.blocks import Block
from ..values.frozen_json import FrozenDict
from ..values.persistent_list import PersistentList
from ..values.turns import Run, Turn
from .block_rows import block_body
from .diff import Piece, diff_pieces, matching_positions
from .text import call_line, call_listing, has_text_block, shorten, visible, visible_space
from .totals import count_phrase, usage_phrases

if TYPE_CHECKING:
    import pandas as pd

    from .group_comparison import GroupComparison

ChangeType: TypeAlias = Literal["same", "edited", "added", "removed", "moved"]

MAX_BLOCK_PAIRS = 2_500  # blocks of a gap in a times blocks in b, up to which all pairs are compared
MAX_COMPARED_LENGTH = 2_000  # characters of a text that are compared for similarity
CALL_LINE_LENGTH = 200  # characters of a call on one line
CALL_KINDS = ("tool_call", "tool_use")


@dataclass(frozen=True, slots=True)
class Change:
    """A pair of corresponding blocks; one of them is None if the block was added or removed.

    `a_turn` is the index of the Turn of a Run in which the block first appears, `a_index` the index
    of the block in it. A block that moved may have been edited, too.
    """

    what: ChangeType
    a: Block | None
    b: Block | None
    a_index: int | None = None
    b_index: int | None = None
    a_turn: int | None = None
    b_turn: int | None = None

    @property
    def kind(self) -> str:
        """The kind of the block in `b`, else of the block in `a`."""
        block = self.b or self.a
        return block.kind if block else ""

    @property
    def fields(self) -> tuple[str, ...]:
        """The names of different fields: "kind", "role", or names of the payload like "text" and "args"."""
        if self.a is None or self.b is None or self.what == "same":
            return ()
        block_a, block_b = self.a, self.b
        field_names = [name for name in ("kind", "role") if getattr(block_a, name) != getattr(block_b, name)]
        payload_a, payload_b = _comparable_payload(block_a), _comparable_payload(block_b)
        return (
            *field_names,
            *(name for name in {**payload_a, **payload_b} if payload_a.get(name) != payload_b.get(name)),
        )

    @property
    def only_white_space(self) -> bool:
        """True if the two blocks have the same text but for white space."""
        if self.a is None or self.b is None or not self.fields or {"kind", "role"} & set(self.fields):
            return False
        text_a, text_b = _diff_texts(self.a, self.b)
        return text_a != text_b and "".join(text_a.split()) == "".join(text_b.split())

    @property
    def pieces(self) -> tuple[Piece, ...]:
        """The text of the block as stretches that are "same", "removed" or "added"."""
        if self.a is not None and self.b is not None:
            return diff_pieces(*_diff_texts(self.a, self.b))
        text = "".join(_diff_text(block) for block in (self.a, self.b) if block is not None)
        return (("added" if self.a is None else "removed", text),) if text else ()

    @printable
    def __repr__(self) -> str:
        position_text = " → ".join(
            f"#{block_index}" for block_index in (self.a_index, self.b_index) if block_index is not None
        )
        return f"<Change {self.what} {position_text} {self.kind}{': ' + ', '.join(self.fields) if self.fields else ''}>"


@dataclass(frozen=True, slots=True, repr=False)
class Comparison:
    """The differences from `a` to `b`. `rows` are all pairs of blocks, in order."""

    a: Turn | Run
    b: Turn | Run
    rows: tuple[Change, ...] = field(default=(), compare=False)

    @property
    def changes(self) -> tuple[Change, ...]:
        """The pairs that are not the same: edited, added, removed, moved."""
        return tuple(row for row in self.rows if row.what != "same")

    @property
    def counts(self) -> dict[str, int]:
        """The number of pairs that are same, edited, added, removed or moved, without zeros."""
        counted_rows = Counter(row.what for row in self.rows)
        order: tuple[ChangeType, ...] = ("same", "edited", "added", "removed", "moved")
        return {what: counted_rows[what] for what in order if counted_rows[what]}

    @property
    def heads(self) -> tuple[str, str]:
        """One line about each side: name, models, number of blocks, and totals of the model calls."""
        return _side_summary(self.a), _side_summary(self.b)

    @property
    def metrics(self) -> pd.DataFrame:
        """A DataFrame with a row for each side: its counts and outcome, and the differences to the first."""
        from .comparison_metrics import metrics_frame

        return metrics_frame((self.a, self.b))

    @property
    def divergence(self) -> int | None:
        """The index of the first block that is not the same on both sides; None if all are the same."""
        from .comparison_metrics import first_divergence

        return first_divergence((self.a, self.b))

    def to_df(self) -> pd.DataFrame:
        """Return a DataFrame with one row for each pair, unchanged pairs included.

        Columns: `what`, `kind`, `a_turn`, `a_index`, `b_turn`, `b_index` (Int64, NA where there is no
        block), `fields` (the different fields, joined by commas), `a` and `b` (the full texts).
        """
        require("pandas")
        import pandas as pd

        def column(name: str, dtype: str, values: Iterator[Any]) -> Any:
            return pd.Series(list(values), dtype=dtype, name=name)

        rows = self.rows
        columns = [
            column("what", "category", (row.what for row in rows)),
            column("kind", "category", (row.kind for row in rows)),
            *(column(name, "Int64", (getattr(row, name) for row in rows)) for name in POSITION_COLUMNS),
            column("fields", "string", (", ".join(row.fields) for row in rows)),
            column("a", "string", (None if row.a is None else block_body(row.a) for row in rows)),
            column("b", "string", (None if row.b is None else block_body(row.b) for row in rows)),
        ]
        return pd.DataFrame({series.name: series for series in columns})

    def _repr_html_(self) -> str:
        from .comparison_html import comparison_html

        return comparison_html(self)

    @printable
    def __repr__(self) -> str:
        summary = ", ".join(f"{count} {what}" for what, count in self.counts.items())
        return f"<Comparison {summary or 'of nothing with nothing'}>"

    @printable
    def __str__(self) -> str:
        """The changes as lines, like those of `diff`."""
        return "\n".join([repr(self), *(line for row in self.changes for line in _change_lines(row))])


POSITION_COLUMNS = ("a_turn", "a_index", "b_turn", "b_index")
CHANGE_SIGNS = {"same": "=", "edited": "~", "added": "+", "removed": "−", "moved": "↕"}


@overload
def compare(a: Any, b: Any) -> Comparison: ...
@overload
def compare(a: Any, b: Any, c: Any, /, *others: Any) -> GroupComparison: ...
def compare(a: Any, b: Any, *others: Any) -> Comparison | GroupComparison:
    """Compare two or more Turns or Runs, also those of sessions, executions and snapshots.

    A Run is compared by the new blocks of each of its Turns. Ids of blocks and calls, and costs,
    are ignored. Of three or more, `pairs` compare the first with each of the others. Raises MisuseError for other values.
    """
    values = [_turn_or_run(value) for value in (a, b, *others)]
    if len({isinstance(value, Run) for value in values}) > 1:  # a Turn is compared as a Run of one Turn
        values = [value if isinstance(value, Run) else Run((value,)) for value in values]
    pairs = tuple(_compare_two(values[0], other) for other in values[1:])
    if not others:
        return pairs[0]
    from .group_comparison import GroupComparison

    return GroupComparison(tuple(values), pairs)


def _compare_two(a: Turn | Run, b: Turn | Run) -> Comparison:
    return Comparison(a, b, tuple(_compare_blocks(placed_blocks(a), placed_blocks(b))))


def _turn_or_run(value: Any) -> Turn | Run:
    for item in (value, getattr(value, "run", None), getattr(value, "turn", None)):
        if isinstance(item, (Turn, Run)):
            return item
    raise MisuseError(f"compare() expects Turns or Runs, got {type(value).__name__}: {value!r:.60}")


def _side_summary(conversation: Turn | Run) -> str:
    inference_results = conversation.inferences
    models = shorten(", ".join(sorted({visible(result.model) for result in inference_results if result.model})), 80)
    name_part = shorten(conversation.name, 60) if isinstance(conversation, Run) else ""
    latest_blocks = conversation.latest if isinstance(conversation, Run) else conversation
    parts = [name_part, models, count_phrase(len(latest_blocks), "block"), *usage_phrases(inference_results)]
    return " · ".join(part for part in parts if part)


@dataclass(frozen=True, slots=True)
class PlacedBlock:
    """A block and the place where it first appears."""

    turn: int
    index: int
    block: Block


def placed_blocks(value: Turn | Run) -> list[PlacedBlock]:
    """Return the blocks of a Turn, or the new blocks of each Turn of a Run, with their places."""
    turns = value.turns if isinstance(value, Run) else (value,)
    result: list[PlacedBlock] = []
    seen_ids: set[int] = set()
    previous_blocks: PersistentList[Block] = PersistentList()
    for turn_index, turn in enumerate(turns):
        first_new_index = turn.blocks.shared_length(previous_blocks)
        for index, block in enumerate(turn.blocks.since(first_new_index), first_new_index):
            if len(turns) == 1 or id(block) not in seen_ids:
                seen_ids.add(id(block))
                result.append(PlacedBlock(turn_index, index, block))
        previous_blocks = turn.blocks
    return result


def _compare_blocks(a: list[PlacedBlock], b: list[PlacedBlock]) -> Iterator[Change]:
    shared_count = 0
    while shared_count < min(len(a), len(b)) and a[shared_count].block is b[shared_count].block:
        yield _make_change("same", a[shared_count], b[shared_count])
        shared_count += 1
    yield from _compare_tails(a[shared_count:], b[shared_count:])


def _compare_tails(a: list[PlacedBlock], b: list[PlacedBlock]) -> Iterator[Change]:
    keys_a, keys_b = _comparison_keys(
        [placed_block.block for placed_block in a], [placed_block.block for placed_block in b]
    )
    matched_pairs = matching_positions(keys_a, keys_b)
    moved_indexes = _moved_indexes(keys_a, keys_b, matched_pairs)
    origin_by_index = {j: i for i, j in moved_indexes.items()}
    pair_bounds = [(-1, -1), *matched_pairs, (len(a), len(b))]
    for (i, j), (next_i, next_j) in pairwise(pair_bounds):
        if i >= 0:
            yield _make_change("same", a[i], b[j])
        gap_a = [n for n in range(i + 1, next_i) if n not in moved_indexes]
        gap_b = [n for n in range(j + 1, next_j) if n not in origin_by_index]
        similar_pairs = dict(_similar_pairs([a[n].block for n in gap_a], [b[n].block for n in gap_b]))
        partner_by_index = {gap_b[y]: gap_a[x] for x, y in similar_pairs.items()}
        removed_indexes = [n for n in gap_a if n not in partner_by_index.values()]
        for n in range(j + 1, next_j):
            if n in origin_by_index:
                yield _make_change("moved", a[origin_by_index[n]], b[n])
                continue
            m = partner_by_index.get(n)
            while removed_indexes and m is not None and removed_indexes[0] < m:
                yield _make_change("removed", a[removed_indexes.pop(0)], None)
            yield _make_change("added", None, b[n]) if m is None else _make_change("edited", a[m], b[n])
        for n in removed_indexes:
            yield _make_change("removed", a[n], None)


def _make_change(what: ChangeType, a: PlacedBlock | None, b: PlacedBlock | None) -> Change:
    if what == "same" and a and b and a.block is not b.block and content_key(a.block) != content_key(b.block):
        what = "edited"  # the ids are equal, the contents differ
    block_a, index_a, turn_a = (a.block, a.index, a.turn) if a else (None, None, None)
    block_b, index_b, turn_b = (b.block, b.index, b.turn) if b else (None, None, None)
    return Change(what, block_a, block_b, index_a, index_b, turn_a, turn_b)


def _comparison_keys(a: list[Block], b: list[Block]) -> tuple[list[Hashable], list[Hashable]]:
    """Return a key of each block: its id if that is unique in both lists, else its content."""

    def unique_ids(blocks: list[Block]) -> set[str]:
        return {id for id, count in Counter(block.id for block in blocks).items() if id and count == 1}

    common_ids = unique_ids(a) & unique_ids(b)

    def keys_of(blocks: list[Block]) -> list[Hashable]:
        return [("id", block.id) if block.id in common_ids else content_key(block) for block in blocks]

    return keys_of(a), keys_of(b)


def content_key(block: Block) -> Hashable:
    """Return the content of a block without ids: equal for blocks that are the same."""
    return block.kind, block.role, _comparable_payload(block)


def _comparable_payload(block: Block) -> FrozenDict:
    """Return the payload without the id of the call, which differs between conversations."""
    payload = block.payload
    if block.kind in CALL_KINDS and "id" in payload:
        return FrozenDict({name: value for name, value in payload.items() if name != "id"})
    return payload if isinstance(payload, FrozenDict) else FrozenDict(payload)


def _moved_indexes(a: list[Hashable], b: list[Hashable], pairs: list[tuple[int, int]]) -> dict[int, int]:
    """Return the indexes in `b` of blocks that are in both lists but out of order, by index in `a`."""
    matched_a, matched_b = {i for i, _ in pairs}, {j for _, j in pairs}
    unmatched_indexes: dict[Hashable, list[int]] = {}
    for i, content_key in enumerate(a):
        if i not in matched_a:
            unmatched_indexes.setdefault(content_key, []).append(i)
    moved_indexes: dict[int, int] = {}
    for j, content_key in enumerate(b):
        if j not in matched_b and unmatched_indexes.get(content_key):
            moved_indexes[unmatched_indexes[content_key].pop(0)] = j
    return moved_indexes


def _similar_pairs(a: list[Block], b: list[Block]) -> list[tuple[int, int]]:
    """Pair similar blocks of the same kind in order, with the greatest total similarity."""
    if len(a) * len(b) > MAX_BLOCK_PAIRS:
        return matching_positions([(block.kind, block.name) for block in a], [(block.kind, block.name) for block in b])
    words_a, words_b = [_block_words(block) for block in a], [_block_words(block) for block in b]
    similarities = [
        [_similarity(x, y, v, w) for y, w in zip(b, words_b, strict=True)] for x, v in zip(a, words_a, strict=True)
    ]
    best_totals = [[0.0] * (len(b) + 1) for _ in range(len(a) + 1)]
    for i in reversed(range(len(a))):
        for j in reversed(range(len(b))):
            paired_total = best_totals[i + 1][j + 1] + similarities[i][j] if similarities[i][j] else 0.0
            best_totals[i][j] = max(paired_total, best_totals[i + 1][j], best_totals[i][j + 1])
    return list(_best_path(best_totals, similarities))


def _best_path(best_totals: list[list[float]], similarities: list[list[float]]) -> Iterator[tuple[int, int]]:
    """Yield the pairs of the best alignment; of equal ones, the one with earlier pairs."""
    i = j = 0
    while best_totals[i][j]:
        if similarities[i][j] and best_totals[i][j] == best_totals[i + 1][j + 1] + similarities[i][j]:
            yield i, j
            i, j = i + 1, j + 1
        elif best_totals[i][j] == best_totals[i + 1][j]:
            i += 1
        else:
            j += 1


def _block_words(block: Block) -> frozenset[str]:
    return frozenset(_diff_text(block)[:MAX_COMPARED_LENGTH].lower().split())


def _similarity(a: Block, b: Block, words_a: frozenset[str], words_b: frozenset[str]) -> float:
    if a.kind != b.kind:
        return 0.0
    common_share = len(words_a & words_b) / max(len(words_a | words_b), 1)
    return 0.2 + common_share + (0.5 if a.kind == "tool_call" and a.name == b.name else 0.0)


def _diff_texts(a: Block, b: Block) -> tuple[str, str]:
    """Return the texts to compare word by word: short calls in one line, long calls over several lines."""
    if has_text_block(a) or has_text_block(b):
        return visible(call_listing(a)), visible(call_listing(b))
    if a.kind == b.kind == "tool_call":
        lines = call_line(a, CALL_LINE_LENGTH), call_line(b, CALL_LINE_LENGTH)
        if not any(line.endswith("…") for line in lines):
            return lines
        return f"{a.name}\n{block_body(a)}", f"{b.name}\n{block_body(b)}"
    return block_body(a), block_body(b)


def _diff_text(block: Block) -> str:
    return _diff_texts(block, block)[0]


def _change_lines(row: Change) -> Iterator[str]:
    index_text = " → ".join(f"#{n}" for n in (row.a_index, row.b_index) if n is not None)
    notes = [*row.fields, *(["white space only"] if row.only_white_space else [])]
    yield f"{CHANGE_SIGNS[row.what]} {index_text} {row.kind}{' (' + ', '.join(notes) + ')' if notes else ''}"
    if row.what == "moved" and not row.fields:
        return
    for what, text in row.pieces:
        if what != "same":
            shown_text = visible_space(text) if text.isspace() else text
            yield from (f"    {'-' if what == 'removed' else '+'} {line}" for line in shown_text.splitlines())
