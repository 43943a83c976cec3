"""An immutable sequence with cheap appends.

A tool loop makes two longer Turns in every iteration. As tuples they would cost O(n) time and
memory each; here a longer sequence shares all but the last chunk with the shorter one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, islice, takewhile
from operator import index as as_index
from operator import is_, truth
from typing import Any, Generic, TypeVar, overload

from ..errors import MisuseError
from ..safety.visible_text import printable

T = TypeVar("T")
CHUNK_SIZE = 32
_new: Any = object.__new__


class PersistentList(Sequence[T], Generic[T]):
    """An immutable sequence in chunks of 32; `+` appends in O(32 + n/32²)."""

    __slots__ = ("_full_chunks", "_tail")
    _full_chunks: tuple[tuple[T, ...], ...]
    _tail: tuple[T, ...]

    def __new__(cls, items: Iterable[T] = ()) -> PersistentList[T]:
        return items if isinstance(items, PersistentList) else _from_chunks((), tuple(items))

    def __add__(self, items: Iterable[T]) -> PersistentList[T]:
        tail = self._tail + items if type(items) is tuple else (*self._tail, *items)
        if len(tail) >= CHUNK_SIZE:
            return _from_chunks(self._full_chunks, tail)
        longer_list: PersistentList[T] = _new(PersistentList)
        longer_list._full_chunks = self._full_chunks
        longer_list._tail = tail
        return longer_list

    def append(self, item: T) -> PersistentList[T]:
        return self.__add__((item,))

    def replace(self, index: int, item: T) -> PersistentList[T]:
        chunk_index, offset = divmod(self._position(index), CHUNK_SIZE)
        if chunk_index == len(self._full_chunks):
            return _from_chunks(self._full_chunks, (*self._tail[:offset], item, *self._tail[offset + 1 :]))
        chunk = self._full_chunks[chunk_index]
        chunk = (*chunk[:offset], item, *chunk[offset + 1 :])
        return _from_chunks(
            (*self._full_chunks[:chunk_index], chunk, *self._full_chunks[chunk_index + 1 :]), self._tail
        )

    def insert(self, index: int, items: Iterable[T]) -> PersistentList[T]:
        """Insert as a list does: an index beyond either end means that end."""
        try:
            start = slice(index, None).indices(len(self))[0]
        except TypeError:
            raise MisuseError(f"insert() needs an integer index, got {index!r:.60}") from None
        return self.head(start) + chain(items, self.since(start))

    def drop(self, index: int) -> PersistentList[T]:
        position = self._position(index)
        return self.head(position) + self.since(position + 1)

    def head(self, length: int) -> PersistentList[T]:
        """Return the first `length` items; whole chunks are shared."""
        whole_chunks = min(length // CHUNK_SIZE, len(self._full_chunks))
        return _from_chunks(
            self._full_chunks[:whole_chunks],
            tuple(islice(self.since(whole_chunks * CHUNK_SIZE), length - whole_chunks * CHUNK_SIZE)),
        )

    def since(self, start: int) -> Iterator[T]:
        """Iterate over the items from `start` on, without iterating over earlier ones."""
        whole_chunks = min(start // CHUNK_SIZE, len(self._full_chunks))
        remaining_items = chain(chain.from_iterable(self._full_chunks[whole_chunks:]), self._tail)
        return islice(remaining_items, start - whole_chunks * CHUNK_SIZE, None)

    def tuple_from(self, start: int) -> tuple[T, ...]:
        """Return the items from `start` on as a tuple."""
        tail_start = start - len(self._full_chunks) * CHUNK_SIZE
        return self._tail[tail_start:] if tail_start >= 0 else tuple(self.since(start))

    def shared_length(self, other: PersistentList[T]) -> int:
        """Return the number of leading items that are the same objects in both."""
        if self is other:
            return len(self)
        shared_chunks = (
            len(self._full_chunks)
            if self._full_chunks is other._full_chunks
            else _common_length(self._full_chunks, other._full_chunks)
        )
        start = shared_chunks * CHUNK_SIZE
        own_chunk = self._full_chunks[shared_chunks] if shared_chunks < len(self._full_chunks) else self._tail
        other_chunk = other._full_chunks[shared_chunks] if shared_chunks < len(other._full_chunks) else other._tail
        count = _common_length(own_chunk, other_chunk)
        if count == CHUNK_SIZE:  # the chunks of a list that was made anew, as a store makes it, are other objects
            return start + sum(takewhile(truth, map(is_, self.since(start), other.since(start))))
        return start + count

    def _position(self, index: int) -> int:
        try:
            index = as_index(index)
        except TypeError:
            raise MisuseError(
                f"an index must be an integer or a slice, like [0], [-1] or [1:3], got {index!r:.60}"
            ) from None
        position = index + len(self) if index < 0 else index
        if not 0 <= position < len(self):
            raise IndexError(f"index {index} is out of range (length {len(self)})")
        return position

    def __len__(self) -> int:
        return len(self._full_chunks) * CHUNK_SIZE + len(self._tail)

    def __iter__(self) -> Iterator[T]:
        return chain(chain.from_iterable(self._full_chunks), self._tail)

    def __reversed__(self) -> Iterator[T]:
        yield from reversed(self._tail)
        for chunk in reversed(self._full_chunks):
            yield from reversed(chunk)

    @overload
    def __getitem__(self, at: int) -> T: ...
    @overload
    def __getitem__(self, at: slice) -> tuple[T, ...]: ...
    def __getitem__(self, at: int | slice) -> T | tuple[T, ...]:
        if isinstance(at, slice):
            return tuple(self)[at]
        chunk_index, offset = divmod(self._position(at), CHUNK_SIZE)
        return self._tail[offset] if chunk_index == len(self._full_chunks) else self._full_chunks[chunk_index][offset]

    def __eq__(self, other: object) -> bool:
        if isinstance(other, PersistentList):
            return self is other or (self._full_chunks == other._full_chunks and self._tail == other._tail)
        if isinstance(other, (tuple, list)):
            return len(self) == len(other) and all(a == b for a, b in zip(self, other, strict=True))
        return NotImplemented

    def __hash__(self) -> int:
        return hash(tuple(self))

    @printable
    def __repr__(self) -> str:
        return repr(tuple(self))

    def __reduce__(self) -> tuple[Any, ...]:
        return PersistentList, (tuple(self),)


def _common_length(own_items: tuple[Any, ...], other_items: tuple[Any, ...]) -> int:
    if all(map(is_, own_items, other_items)):
        return min(len(own_items), len(other_items))
    count = 0
    for own_item, other_item in zip(own_items, other_items, strict=False):
        if own_item is not other_item:
            break
        count += 1
    return count


def _from_chunks(full_chunks: tuple[tuple[T, ...], ...], tail: tuple[T, ...]) -> PersistentList[T]:
    if len(tail) >= CHUNK_SIZE:
        full_length = len(tail) - len(tail) % CHUNK_SIZE
        full_chunks = (*full_chunks, *(tail[i : i + CHUNK_SIZE] for i in range(0, full_length, CHUNK_SIZE)))
        tail = tail[full_length:]
    new_list: PersistentList[T] = _new(PersistentList)
    new_list._full_chunks = full_chunks
    new_list._tail = tail
    return new_list
