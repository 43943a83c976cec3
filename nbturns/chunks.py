"""A sequence that never changes and is cheap to lengthen.

A tool loop makes two longer Turns in every iteration. As plain tuples they would
cost O(n) each, in time and in memory that snapshots keep; here a longer one shares
all but its last chunk with the one before.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, islice
from typing import Any, Generic, TypeVar, overload

T = TypeVar("T")
SIZE = 64


class Chunks(Sequence[T], Generic[T]):
    """An immutable sequence in chunks of 64; `+` appends in O(64 + n/64²)."""

    __slots__ = ("_full", "_tail")
    _full: tuple[tuple[T, ...], ...]
    _tail: tuple[T, ...]

    def __new__(cls, items: Iterable[T] = ()) -> Chunks[T]:
        return items if isinstance(items, Chunks) else _made((), tuple(items))

    def __add__(self, more: Iterable[T]) -> Chunks[T]:
        return _made(self._full, (*self._tail, *more))

    def append(self, item: T) -> Chunks[T]:
        return _made(self._full, (*self._tail, item))

    def replace(self, index: int, item: T) -> Chunks[T]:
        at, within = divmod(self._position(index), SIZE)
        if at == len(self._full):
            return _made(self._full, (*self._tail[:within], item, *self._tail[within + 1 :]))
        chunk = self._full[at]
        chunk = (*chunk[:within], item, *chunk[within + 1 :])
        return _made((*self._full[:at], chunk, *self._full[at + 1 :]), self._tail)

    def insert(self, index: int, items: Iterable[T]) -> Chunks[T]:
        """Insert as a list does: an index beyond either end means that end."""
        start = slice(index, None).indices(len(self))[0]
        return self.head(start) + chain(items, self.since(start))

    def drop(self, index: int) -> Chunks[T]:
        at = self._position(index)
        return self.head(at) + self.since(at + 1)

    def head(self, length: int) -> Chunks[T]:
        """The first `length` items, sharing whole chunks."""
        whole = min(length // SIZE, len(self._full))
        return _made(self._full[:whole], tuple(islice(self.since(whole * SIZE), length - whole * SIZE)))

    def since(self, start: int) -> Iterator[T]:
        """The items from `start` on, without walking those before."""
        whole = min(start // SIZE, len(self._full))
        rest = chain(chain.from_iterable(self._full[whole:]), self._tail)
        return islice(rest, start - whole * SIZE, None)

    def shared(self, other: Chunks[T]) -> int:
        """How many items at the head are the very same objects in both."""
        if self is other:
            return len(self)
        whole = 0
        for mine, theirs in zip(self._full, other._full, strict=False):
            if mine is not theirs:
                break
            whole += 1
        count = whole * SIZE
        for mine_item, their_item in zip(self.since(count), other.since(count), strict=False):
            if mine_item is not their_item:
                break
            count += 1
        return count

    def _position(self, index: int) -> int:
        position = index + len(self) if index < 0 else index
        if not 0 <= position < len(self):
            raise IndexError(f"there are {len(self)} here, and none at {index}")
        return position

    def __len__(self) -> int:
        return len(self._full) * SIZE + len(self._tail)

    def __iter__(self) -> Iterator[T]:
        return chain(chain.from_iterable(self._full), self._tail)

    def __reversed__(self) -> Iterator[T]:
        yield from reversed(self._tail)
        for chunk in reversed(self._full):
            yield from reversed(chunk)

    @overload
    def __getitem__(self, at: int) -> T: ...
    @overload
    def __getitem__(self, at: slice) -> tuple[T, ...]: ...
    def __getitem__(self, at: int | slice) -> T | tuple[T, ...]:
        if isinstance(at, slice):
            return tuple(self)[at]
        chunk, within = divmod(self._position(at), SIZE)
        return self._tail[within] if chunk == len(self._full) else self._full[chunk][within]

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Chunks):
            return self is other or (self._full == other._full and self._tail == other._tail)
        if isinstance(other, (tuple, list)):
            return len(self) == len(other) and all(a == b for a, b in zip(self, other, strict=True))
        return NotImplemented

    def __hash__(self) -> int:
        return hash(tuple(self))

    def __repr__(self) -> str:
        return repr(tuple(self))

    def __reduce__(self) -> tuple[Any, ...]:
        return Chunks, (tuple(self),)


def _made(full: tuple[tuple[T, ...], ...], tail: tuple[T, ...]) -> Chunks[T]:
    if len(tail) >= SIZE:
        cut = len(tail) - len(tail) % SIZE
        full = (*full, *(tail[i : i + SIZE] for i in range(0, cut, SIZE)))
        tail = tail[cut:]
    made: Chunks[T] = object.__new__(Chunks)
    made._full = full
    made._tail = tail
    return made
