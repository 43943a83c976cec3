"""Two conversations side by side: which blocks are the same, and what became of the others.

Blocks are matched by their ids, then by what they say; what is left between two matches is
paired by kind and likeness, so that two answers to one question stand beside each other.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from ..errors import MisuseError
from ..packages import require
from ..values.blocks import Block
from ..values.frozen_json import FrozenDict
from ..values.persistent_list import PersistentList
from ..values.turns import Run, Turn
from .block_rows import block_body
from .diff import Piece, diff_pieces, matching_positions
from .text import call_line, shorten, visible
from .totals import count_phrase, usage_phrases

if TYPE_CHECKING:
    import pandas as pd

ChangeType: TypeAlias = Literal["same", "edited", "added", "removed", "moved"]

MAX_BLOCK_PAIRS = 2_500  # blocks of a gap times blocks of the other: up to here each is held against each
MAX_COMPARED_LENGTH = 2_000  # characters of a text that are looked at for that
CALL_LINE_LENGTH = 200  # characters of a call that is shown in one line
CALL_KINDS = ("tool_call", "tool_use")


@dataclass(frozen=True, slots=True)
class Change:
    """A block of one conversation beside its counterpart in the other; None where it has none.

    `a_turn` and `a_index` are its place: the Turn of a Run in which it first appears, from 0,
    and the block's index there. A block that moved may have been edited, too.
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
        """The kind of the block; of the later one, if that is another."""
        block = self.b or self.a
        return block.kind if block else ""

    @property
    def fields(self) -> tuple[str, ...]:
        """The names of different fields: "kind", "role", or names of the payload like "text" and "args"."""
        if self.a is None or self.b is None or self.what == "same":
            return ()
        a, b = self.a, self.b
        names = [name for name in ("kind", "role") if getattr(a, name) != getattr(b, name)]
        mine, theirs = _comparable_payload(a), _comparable_payload(b)
        return (*names, *(name for name in {**mine, **theirs} if mine.get(name) != theirs.get(name)))

    @property
    def pieces(self) -> tuple[Piece, ...]:
        """The text of the block as stretches that are "same", "removed" or "added"."""
        if self.a is not None and self.b is not None:
            return diff_pieces(*_diff_texts(self.a, self.b))
        text = "".join(_diff_text(block) for block in (self.a, self.b) if block is not None)
        return (("added" if self.a is None else "removed", text),) if text else ()

    def __repr__(self) -> str:
        at = " → ".join(f"#{n}" for n in (self.a_index, self.b_index) if n is not None)
        return f"<Change {self.what} {at} {self.kind}{': ' + ', '.join(self.fields) if self.fields else ''}>"


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
        """Whose side is whose, in a line each: name, models, blocks, and what the model calls took."""
        return _side_summary(self.a), _side_summary(self.b)

    def to_df(self) -> pd.DataFrame:
        """A row a pair, also of those that are the same.

        Columns: `what`, `kind`, `a_turn`, `a_index`, `b_turn`, `b_index` (places, NA where there is
        none), `fields` (what differs, joined by commas), `a` and `b` (what each says, in full).
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

    def __repr__(self) -> str:
        summary = ", ".join(f"{count} {what}" for what, count in self.counts.items())
        return f"<Comparison {summary or 'of nothing with nothing'}>"

    def __str__(self) -> str:
        """The changes as lines, like those of `diff`."""
        return "\n".join([repr(self), *(line for row in self.changes for line in _change_lines(row))])


POSITION_COLUMNS = ("a_turn", "a_index", "b_turn", "b_index")
CHANGE_SIGNS = {"same": "=", "edited": "~", "added": "+", "removed": "−", "moved": "↕"}


def compare(a: Any, b: Any) -> Comparison:
    """Hold two Turns or Runs (sessions, executions, snapshots) against each other.

    A Run is compared by the blocks that are new in each of its Turns; ids of blocks and calls
    and what model calls cost make no difference. Raises TypeError for anything else.
    """
    a, b = _turn_or_run(a), _turn_or_run(b)
    if isinstance(a, Run) != isinstance(b, Run):  # one Turn is a Run of one
        a, b = (value if isinstance(value, Run) else Run((value,)) for value in (a, b))
    return Comparison(a, b, tuple(_compare_blocks(_placed_blocks(a), _placed_blocks(b))))


def _turn_or_run(value: Any) -> Turn | Run:
    for item in (value, getattr(value, "run", None), getattr(value, "turn", None)):
        if isinstance(item, (Turn, Run)):
            return item
    raise MisuseError(f"two Turns or Runs can be compared, not {type(value).__name__}: {value!r:.60}")


def _side_summary(value: Turn | Run) -> str:
    results = value.inferences
    models = sorted({visible(result.model) for result in results if result.model})
    name_part = shorten(value.name, 60) if isinstance(value, Run) else ""
    blocks = value.latest if isinstance(value, Run) else value
    parts = [name_part, shorten(", ".join(models), 80), count_phrase(len(blocks), "block"), *usage_phrases(results)]
    return " · ".join(part for part in parts if part)


@dataclass(frozen=True, slots=True)
class _PlacedBlock:
    """A block where it first appears."""

    turn: int
    index: int
    block: Block


def _placed_blocks(value: Turn | Run) -> list[_PlacedBlock]:
    turns = value.turns if isinstance(value, Run) else (value,)
    places: list[_PlacedBlock] = []
    seen: set[int] = set()
    before: PersistentList[Block] = PersistentList()
    for number, turn in enumerate(turns):
        start = turn.blocks.shared_length(before)
        for index, block in enumerate(turn.blocks.since(start), start):
            if len(turns) == 1 or id(block) not in seen:
                seen.add(id(block))
                places.append(_PlacedBlock(number, index, block))
        before = turn.blocks
    return places


def _compare_blocks(a: list[_PlacedBlock], b: list[_PlacedBlock]) -> Iterator[Change]:
    head = 0
    while head < min(len(a), len(b)) and a[head].block is b[head].block:
        yield _make_change("same", a[head], b[head])
        head += 1
    yield from _compare_tails(a[head:], b[head:])


def _compare_tails(a: list[_PlacedBlock], b: list[_PlacedBlock]) -> Iterator[Change]:
    mine, theirs = _comparison_keys([one.block for one in a], [one.block for one in b])
    pairs = matching_positions(mine, theirs)
    moved = _moved_indexes(mine, theirs, pairs)
    from_elsewhere = {j: i for i, j in moved.items()}
    ends = [(-1, -1), *pairs, (len(a), len(b))]
    for (i, j), (next_i, next_j) in pairwise(ends):
        if i >= 0:
            yield _make_change("same", a[i], b[j])
        left = [n for n in range(i + 1, next_i) if n not in moved]
        right = [n for n in range(j + 1, next_j) if n not in from_elsewhere]
        beside = dict(_similar_pairs([a[n].block for n in left], [b[n].block for n in right]))
        partner = {right[y]: left[x] for x, y in beside.items()}
        alone = [n for n in left if n not in partner.values()]
        for n in range(j + 1, next_j):
            if n in from_elsewhere:
                yield _make_change("moved", a[from_elsewhere[n]], b[n])
                continue
            m = partner.get(n)
            while alone and m is not None and alone[0] < m:
                yield _make_change("removed", a[alone.pop(0)], None)
            yield _make_change("added", None, b[n]) if m is None else _make_change("edited", a[m], b[n])
        for n in alone:
            yield _make_change("removed", a[n], None)


def _make_change(what: ChangeType, a: _PlacedBlock | None, b: _PlacedBlock | None) -> Change:
    if what == "same" and a and b and a.block is not b.block and _content_key(a.block) != _content_key(b.block):
        what = "edited"  # the same block by its id
    block, index, turn = (a.block, a.index, a.turn) if a else (None, None, None)
    other, other_index, other_turn = (b.block, b.index, b.turn) if b else (None, None, None)
    return Change(what, block, other, index, other_index, turn, other_turn)


def _comparison_keys(a: list[Block], b: list[Block]) -> tuple[list[Hashable], list[Hashable]]:
    """Return a mark of each block that is equal for equal blocks: its id if unique in both, else its content."""

    def once(blocks: list[Block]) -> set[str]:
        return {id for id, count in Counter(block.id for block in blocks).items() if id and count == 1}

    ids = once(a) & once(b)

    def marks(blocks: list[Block]) -> list[Hashable]:
        return [("id", block.id) if block.id in ids else _content_key(block) for block in blocks]

    return marks(a), marks(b)


def _content_key(block: Block) -> Hashable:
    return block.kind, block.role, _comparable_payload(block)


def _comparable_payload(block: Block) -> FrozenDict:
    """The payload without the id of the call, which two conversations seldom have in common."""
    payload = block.payload
    if block.kind in CALL_KINDS and "id" in payload:
        return FrozenDict({name: value for name, value in payload.items() if name != "id"})
    return payload if isinstance(payload, FrozenDict) else FrozenDict(payload)


def _moved_indexes(a: list[Hashable], b: list[Hashable], pairs: list[tuple[int, int]]) -> dict[int, int]:
    """Return the blocks that are in both but out of order: place in `a` → place in `b`."""
    matched_a, matched_b = {i for i, _ in pairs}, {j for _, j in pairs}
    unmatched_places: dict[Hashable, list[int]] = {}
    for i, mark in enumerate(a):
        if i not in matched_a:
            unmatched_places.setdefault(mark, []).append(i)
    moved_places: dict[int, int] = {}
    for j, mark in enumerate(b):
        if j not in matched_b and unmatched_places.get(mark):
            moved_places[unmatched_places[mark].pop(0)] = j
    return moved_places


def _similar_pairs(a: list[Block], b: list[Block]) -> list[tuple[int, int]]:
    """Pair the blocks of a gap that are versions of each other: the most similar ones of a kind, in order."""
    if len(a) * len(b) > MAX_BLOCK_PAIRS:
        return matching_positions([(block.kind, block.name) for block in a], [(block.kind, block.name) for block in b])
    words_a, words_b = [_block_words(block) for block in a], [_block_words(block) for block in b]
    like = [[_similarity(x, y, v, w) for y, w in zip(b, words_b, strict=True)] for x, v in zip(a, words_a, strict=True)]
    best = [[0.0] * (len(b) + 1) for _ in range(len(a) + 1)]
    for i in reversed(range(len(a))):
        for j in reversed(range(len(b))):
            together = best[i + 1][j + 1] + like[i][j] if like[i][j] else 0.0
            best[i][j] = max(together, best[i + 1][j], best[i][j + 1])
    return list(_best_path(best, like))


def _best_path(best: list[list[float]], like: list[list[float]]) -> Iterator[tuple[int, int]]:
    """The pairs of the best alignment; of two as good, the one that pairs sooner."""
    i = j = 0
    while best[i][j]:
        if like[i][j] and best[i][j] == best[i + 1][j + 1] + like[i][j]:
            yield i, j
            i, j = i + 1, j + 1
        elif best[i][j] == best[i + 1][j]:
            i += 1
        else:
            j += 1


def _block_words(block: Block) -> frozenset[str]:
    return frozenset(_diff_text(block)[:MAX_COMPARED_LENGTH].lower().split())


def _similarity(a: Block, b: Block, mine: frozenset[str], theirs: frozenset[str]) -> float:
    if a.kind != b.kind:
        return 0.0
    common = len(mine & theirs) / max(len(mine | theirs), 1)
    return 0.2 + common + (0.5 if a.kind == "tool_call" and a.name == b.name else 0.0)


def _diff_texts(a: Block, b: Block) -> tuple[str, str]:
    """Return the texts to compare word by word: short calls in one line, long calls over several lines."""
    if a.kind == b.kind == "tool_call":
        lines = call_line(a, CALL_LINE_LENGTH), call_line(b, CALL_LINE_LENGTH)
        if not any(line.endswith("…") for line in lines):
            return lines
        return f"{a.name}\n{block_body(a)}", f"{b.name}\n{block_body(b)}"
    return block_body(a), block_body(b)


def _diff_text(block: Block) -> str:
    return _diff_texts(block, block)[0]


def _change_lines(row: Change) -> Iterator[str]:
    numbers = " → ".join(f"#{n}" for n in (row.a_index, row.b_index) if n is not None)
    yield f"{CHANGE_SIGNS[row.what]} {numbers} {row.kind}{' (' + ', '.join(row.fields) + ')' if row.fields else ''}"
    if row.what == "moved" and not row.fields:
        return
    for what, text in row.pieces:
        if what != "same":
            yield from (f"    {'-' if what == 'removed' else '+'} {line}" for line in text.splitlines() or [text])
