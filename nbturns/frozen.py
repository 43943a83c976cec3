"""JSON-shaped values that cannot change, so that a snapshot is a reference.

They are dicts and lists to every reader (`==`, `json.dumps`, pandas, pydantic)
and refuse every write, in words that say what to do instead.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import FrozenInstanceError
from typing import Any, NoReturn

from .chunks import Chunks
from .errors import MisuseError

REFUSAL = "this does not change in place; make a new one with .edit(), .replace() or .with_…()"
DEEPEST = 100  # levels; pickle and YAML give up not far below


class FrozenDict(dict[str, Any]):
    """A dict that refuses to change. `.copy()` gives a plain dict that may."""

    __slots__ = ()

    def _refuse(self, *_: object, **__: object) -> NoReturn:
        raise MisuseError(REFUSAL)

    __setitem__ = __delitem__ = update = pop = popitem = clear = setdefault = __ior__ = _refuse

    def __hash__(self) -> int:  # type: ignore[override]
        return hash(frozenset(self.items()))

    def __reduce__(self) -> tuple[Any, ...]:
        return FrozenDict, (dict(self),)

    def __copy__(self) -> FrozenDict:
        return self

    def __deepcopy__(self, memo: object) -> FrozenDict:
        return self


class FrozenList(list[Any]):
    """A list that refuses to change. `.copy()` gives a plain list that may."""

    __slots__ = ()

    def _refuse(self, *_: object, **__: object) -> NoReturn:
        raise MisuseError(REFUSAL)

    __setitem__ = __delitem__ = append = extend = insert = remove = pop = clear = sort = reverse = _refuse
    __iadd__ = __imul__ = _refuse

    def __hash__(self) -> int:  # type: ignore[override]
        return hash(tuple(self))

    def __reduce__(self) -> tuple[Any, ...]:
        return FrozenList, (list(self),)

    def __copy__(self) -> FrozenList:
        return self

    def __deepcopy__(self, memo: object) -> FrozenList:
        return self


def draft_of(kind: type) -> Any:
    """A class with the slots of the frozen class `kind`, which may be set one by one.

    Whoever holds parts that are checked and frozen already fills a draft and sets its `__class__`
    to `kind`: a fifth of what a frozen dataclass takes to set its own. For private constructors.
    """
    free = {"__setattr__": object.__setattr__, "__delattr__": object.__delattr__}
    names = {"__slots__": vars(kind)["__slots__"], **free}
    return type(f"{kind.__name__}Draft", kind.__bases__, names)


def refuse_assignment(kind: type) -> None:
    """Say what to do instead where somebody sets an attribute of a frozen class, whatever its name."""

    def refuse(self: object, name: str, *_: object) -> NoReturn:
        raise FrozenInstanceError(f"{type(self).__name__}.{name}: {REFUSAL}")

    setattr(kind, "__setattr__", refuse)  # noqa: B010 - mypy knows no other way
    setattr(kind, "__delattr__", refuse)  # noqa: B010


EMPTY = FrozenDict()
LASTING = frozenset({str, int, float, bool, type(None), bytes, FrozenDict, FrozenList, Chunks})


def freeze(value: Any) -> Any:
    """Return JSON-shaped `value` (and bytes) as a value that cannot change.

    Raises TypeError for anything JSON has no shape for, and for a value that
    contains itself.
    """
    if type(value) in LASTING:
        return value
    try:
        return _freeze(value, DEEPEST)
    except RecursionError:
        raise MisuseError("this value is nested too deeply, or contains itself") from None


def _freeze(value: Any, levels: int) -> Any:
    kind = type(value)
    if kind in LASTING:
        return value
    if not levels:
        raise RecursionError
    left = levels - 1
    if kind is dict:
        return FrozenDict(
            {
                k if type(k) is str else key_name(k): v if type(v) in LASTING else _freeze(v, left)
                for k, v in value.items()
            }
        )
    if kind is list or kind is tuple:
        return FrozenList([v if type(v) in LASTING else _freeze(v, left) for v in value])
    if isinstance(value, str):  # an enum of strings keeps its value, not its name
        return str.__str__(value)
    if isinstance(value, Mapping):
        return FrozenDict({key_name(k): _freeze(v, left) for k, v in value.items()})
    if isinstance(value, (list, tuple)):
        return FrozenList([_freeze(v, left) for v in value])
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        return float(value)
    if isinstance(value, (bytearray, memoryview)):
        return bytes(value)
    if hasattr(value, "dtype") and hasattr(value, "tolist"):  # a number or an array of numpy's
        return _freeze(value.tolist(), left)
    raise MisuseError(f"only JSON values and bytes can be kept here, not {kind.__name__}: {value!r:.80}")


def key_name(key: Any) -> str:
    """JSON has only strings as keys; YAML has more, and they become what JSON would write."""
    if type(key) is str:
        return key
    if isinstance(key, str):
        return str.__str__(key)
    if key is None or isinstance(key, bool):
        return {None: "null", True: "true", False: "false"}[key]
    if isinstance(key, (int, float)):
        return repr(key)
    raise MisuseError(f"a key is a string here, not {type(key).__name__}: {key!r:.80}")


def thaw(value: Any) -> Any:
    """Return a plain, changeable copy: dicts and lists all the way down."""
    if isinstance(value, Mapping):
        return {k: thaw(v) for k, v in value.items()}
    if isinstance(value, (list, tuple, Chunks)):
        return [thaw(v) for v in value]
    return value
