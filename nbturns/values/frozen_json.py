"""Frozen JSON values, so that a snapshot is a reference.

They are subclasses of dict and list, for `==`, `json.dumps`, pandas and pydantic, and raise
MisuseError on every write.
"""

from __future__ import annotations

import binascii
from collections.abc import Callable, Iterable, Mapping
from dataclasses import MISSING, FrozenInstanceError, fields
from typing import TYPE_CHECKING, Any, NoReturn, TypeAlias, TypeVar, cast

from ..errors import MisuseError
from .persistent_list import PersistentList

T = TypeVar("T")
REFUSAL = "this value is frozen; make a new one with .edit(), .replace() or .with_…()"
MAX_DEPTH = 100  # levels; pickle and YAML fail slightly below


class FrozenDict(dict[str, Any]):
    """A frozen dict. `.copy()` returns a plain dict."""

    __slots__ = ()

    def _refuse(self, *_: object, **__: object) -> NoReturn:
        raise MisuseError(REFUSAL)

    if not TYPE_CHECKING:  # type checkers read the methods of dict
        __setitem__ = __delitem__ = update = pop = popitem = clear = setdefault = __ior__ = _refuse

    def __hash__(self) -> int:  # type: ignore[override]
        return hash(frozenset(self.items()))

    def __reduce__(self) -> tuple[Any, ...]:
        return FrozenDict, (dict(self),)

    def __copy__(self) -> FrozenDict:
        return self

    def __deepcopy__(self, memo: object) -> FrozenDict:
        return self


class ImageMap(FrozenDict):
    """An image map made by `nt.image`. As the result of a tool it is an image, and not data like other mappings."""

    __slots__ = ()

    def __reduce__(self) -> tuple[Any, ...]:
        return ImageMap, (dict(self),)


class FrozenList(list[Any]):
    """A frozen list. `.copy()` returns a plain list."""

    __slots__ = ()

    def _refuse(self, *_: object, **__: object) -> NoReturn:
        raise MisuseError(REFUSAL)

    if not TYPE_CHECKING:  # type checkers read the methods of list
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


def unchecked_constructor(frozen_class: type[T]) -> Callable[..., T]:
    """Return a function that makes a `frozen_class` of field values without checking or converting them.

    For values whose parts are known to be frozen and valid. It takes the fields of the constructor in
    order, then those with `init=False`, by position or name, and skips `__post_init__`.

    A frozen dataclass sets each field through `object.__setattr__`, which is five times slower than an
    assignment. So the function fills an object of a draft class, which has the same slots and no guard,
    and then changes the object's `__class__`. It is generated, like the `__init__` of a dataclass.
    """
    unguarded_methods = {"__setattr__": object.__setattr__, "__delattr__": object.__delattr__}
    draft_class = type(
        f"{frozen_class.__name__}Draft",
        frozen_class.__bases__,
        {"__slots__": vars(frozen_class)["__slots__"], **unguarded_methods},
    )
    field_list = sorted(fields(cast(Any, frozen_class)), key=lambda field: not field.init)
    defaults = {field.name: field.default for field in field_list if field.default is not MISSING}
    parameter_list = [
        f"{field.name}=defaults[{field.name!r}]" if field.name in defaults else field.name for field in field_list
    ]
    body_lines = ["value = new(draft_class)", *(f"value.{field.name} = {field.name}" for field in field_list)]
    source_lines = [
        f"def make({', '.join(parameter_list)}):",
        *body_lines,
        "value.__class__ = frozen_class",
        "return value",
    ]
    namespace: dict[str, Any] = {
        "new": object.__new__, "draft_class": draft_class, "frozen_class": frozen_class, "defaults": defaults,
    }  # fmt: skip
    exec("\n    ".join(source_lines), namespace)  # noqa: S102 - built from the names of the fields alone
    return cast("Callable[..., T]", namespace["make"])


def refuse_assignment(frozen_class: type) -> None:
    """Make a frozen class name the alternatives when an attribute is set or deleted."""

    def raise_frozen_error(self: object, name: str, *_: object) -> NoReturn:
        raise FrozenInstanceError(f"{type(self).__name__}.{name}: {REFUSAL}")

    setattr(frozen_class, "__setattr__", raise_frozen_error)  # noqa: B010 - mypy rejects an assignment
    setattr(frozen_class, "__delattr__", raise_frozen_error)  # noqa: B010


EMPTY_DICT = FrozenDict()
FROZEN_TYPES = frozenset(  # and int, if it is small
    {str, float, bool, type(None), FrozenDict, ImageMap, FrozenList, PersistentList}
)
SMALLEST_LONG_INTEGER = 10**4300  # Python, YAML and JSON readers refuse more digits
Changes: TypeAlias = dict[str, int]  # the number of changed values by description, like "bytes to base64 text"


def freeze(value: Any, changes: Changes | None = None) -> Any:
    """Return JSON-shaped `value` as a value that cannot change.

    Tuples, sets, numpy values, bytes and integers of more than 4,300 digits become what JSON can hold;
    `changes` counts them. Raises MisuseError for other values that JSON cannot hold, and for a value that
    contains itself.
    """
    if type(value) in FROZEN_TYPES:
        return value
    try:
        return _freeze(value, MAX_DEPTH, changes)
    except RecursionError:
        raise MisuseError(f"the value is nested more than {MAX_DEPTH} levels deep, or contains itself") from None


def _freeze(value: Any, levels: int, changes: Changes | None) -> Any:
    value_class = type(value)
    if value_class in FROZEN_TYPES:
        return value
    if value_class is int:
        return frozen_integer(value, changes)
    if not levels:
        raise RecursionError
    levels_left = levels - 1
    if value_class is dict:
        return FrozenDict(
            {
                k if type(k) is str else key_name(k): v if type(v) in FROZEN_TYPES else _freeze(v, levels_left, changes)
                for k, v in value.items()
            }
        )
    if value_class is list:
        return FrozenList([v if type(v) in FROZEN_TYPES else _freeze(v, levels_left, changes) for v in value])
    if hasattr(value, "dtype") and hasattr(value, "tolist"):  # numpy; some of its scalars are Python numbers, too
        count_change(changes, "numpy array to list" if getattr(value, "ndim", 0) else "numpy scalar to Python value")
        return _freeze(value.tolist(), levels_left, changes)
    if isinstance(value, str):  # str() of an enum may give its name
        return str.__str__(value)
    if isinstance(value, Mapping):
        return FrozenDict({key_name(k): _freeze(v, levels_left, changes) for k, v in value.items()})
    if isinstance(value, (list, tuple)):
        if isinstance(value, tuple):
            count_change(changes, "tuple to list")
        return FrozenList([_freeze(v, levels_left, changes) for v in value])
    if isinstance(value, (set, frozenset)):
        count_change(changes, "set to list")
        return FrozenList([_freeze(v, levels_left, changes) for v in sorted_if_possible(value)])
    if isinstance(value, int):
        return frozen_integer(int(value), changes)
    if isinstance(value, float):
        return float(value)
    if isinstance(value, (bytes, bytearray, memoryview)):
        return encode_base64(value, changes)
    raise MisuseError(f"expected a JSON value or bytes, got {value_class.__name__}: {value!r:.80}")


def count_change(changes: Changes | None, description: str) -> None:
    if changes is not None:
        changes[description] = changes.get(description, 0) + 1


def describe_changes(changes: Changes) -> str:
    """Return the changes as text: "tuple to list (3 times), bytes to base64 text"."""
    return ", ".join(
        f"{description} ({count:,} times)" if count > 1 else description for description, count in changes.items()
    )


def frozen_integer(value: int, changes: Changes | None = None) -> int | str:
    """Return an integer; one of more than 4,300 digits as hexadecimal text."""
    if -SMALLEST_LONG_INTEGER < value < SMALLEST_LONG_INTEGER:
        return value
    count_change(changes, "integer of more than 4,300 digits to hexadecimal text")
    return hex(value)


def encode_base64(value: bytes | bytearray | memoryview, changes: Changes | None = None) -> str:
    """Return bytes as base64 text; the module base64 would slow down `import nbturns` by a millisecond."""
    count_change(changes, "bytes to base64 text")
    return binascii.b2a_base64(bytes(value), newline=False).decode("ascii")


def sorted_if_possible(values: Iterable[Any]) -> list[Any]:
    """Return the values of a set in an order that does not depend on hashes, if they have one."""
    value_list = list(values)
    try:
        return sorted(value_list)
    except Exception:  # comparisons are code of others and may raise anything
        return value_list


def key_name(key: Any) -> str:
    """Return a key as a string, as JSON writes it: "null", "true", "1". YAML has keys of these types."""
    if type(key) is str:
        return key
    if hasattr(key, "dtype") and hasattr(key, "tolist"):
        key = key.tolist()
    if isinstance(key, str):
        return str.__str__(key)
    if key is None or isinstance(key, bool):
        return {None: "null", True: "true", False: "false"}[key]
    if isinstance(key, int):
        key = frozen_integer(int(key))
        return key if isinstance(key, str) else repr(key)
    if isinstance(key, float):
        return repr(float(key))
    raise MisuseError(f"a key must be a string, got {type(key).__name__}: {key!r:.80}")


def thaw(value: Any) -> Any:
    """Return a mutable copy of plain dicts and lists."""
    if isinstance(value, Mapping):
        return {k: thaw(v) for k, v in value.items()}
    if isinstance(value, (list, tuple, PersistentList)):
        return [thaw(v) for v in value]
    return value
