"""Metadata of Turns, Blocks and Runs, and the typed keys that read it.

Values are stored by name (`geppetto.session_id@v1`), so values of other programs are kept. They
are read by `Key`, so the type checker finds misspelt names. Values are stored as on disk, so a
Turn is equal to the one loaded from its file.
"""

from __future__ import annotations

import binascii
import dataclasses
import enum
import re
import types
import typing
from collections.abc import Container, ItemsView, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeAlias, TypeVar, Union, cast, overload

from ..errors import DecodeError, MisuseError
from ..safety.visible_text import printable
from .frozen_json import EMPTY_DICT, FrozenDict, FrozenList, freeze, thaw
from .persistent_list import PersistentList

T = TypeVar("T")
TypeOf: TypeAlias = type[T]  # `type` is a field of Key
Store: TypeAlias = Literal["block", "turn", "data", "run"] | None
KEY_NAME = re.compile(r"[^.@\s]+\.[^@\s]+@v[1-9][0-9]*")
UNCONVERTED_TYPES = frozenset({str, int, float, bool})  # a value of one of these types is converted to it as it is
STORES = {
    "block": "in the metadata of a block, which block.with_metadata() sets",
    "turn": "in the metadata of a Turn, which turn.with_metadata() sets",
    "data": "in the data of a Turn, which turn.with_data() sets",
    "run": "in the metadata of a Run",
}


@dataclasses.dataclass(frozen=True, slots=True)
class Key(Generic[T]):
    """The name and the type of a value in metadata.

    `name` is a namespace, a name and a version, like "me.score@v1". `type` may be a plain type, `list[str]`,
    `X | None`, an enum, a frozen dataclass, a pydantic model, or a class with `from_dict` and `to_dict`. `on` is
    the only store that takes the value: "block", "turn" and "run" are their metadata, "data" is that of a Turn.
    """

    name: str
    type: type[T] | Any
    on: Store = None

    if (
        TYPE_CHECKING
    ):  # a plain type gives the type of the value; any other needs an annotation: `KEY: nt.Key[int | None]`

        @overload
        def __init__(self, name: str, type: TypeOf[T], on: Store = ...) -> None: ...
        @overload
        def __init__(self, name: str, type: Any, on: Store = ...) -> None: ...
        def __init__(self, *arguments: Any, **options: Any) -> None: ...

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not KEY_NAME.fullmatch(self.name):
            raise MisuseError(
                f'a Key needs a name of the form namespace.name@vN, like "me.score@v1", got {self.name!r:.80}'
            )
        if self.on is not None and self.on not in STORES:
            raise MisuseError(f"on must be one of {', '.join(STORES)}, or None for all, got {self.on!r:.60}")

    def require_store(self, store: str) -> None:
        """Raise MisuseError when the value does not belong into this store."""
        if self.on is not None and self.on != store:
            raise MisuseError(f"{self.name} belongs {STORES[self.on]}, not {STORES[store]}")

    def decode(self, raw: Any) -> T:
        """Return the typed value. Raises DecodeError when `raw` does not fit."""
        try:
            return cast(T, convert_value(raw, self.type))
        except DecodeError:
            raise
        except Exception as error:  # the type may be user code and raise anything
            raise DecodeError(f"{self.name} is not a {_type_name(self.type)}: {error}", key=self.name) from error

    def encode(self, value: T) -> Any:
        """Return the value as on disk. Raises MisuseError for values that JSON cannot hold."""
        try:
            raw = freeze(json_shape(value))
        except TypeError as error:
            raise MisuseError(f"{self.name}: {error}") from None
        if not _needs_no_decoding(value, self.type):
            self.decode(raw)
        return raw


def json_shape(value: Any) -> Any:
    """Return a typed value as JSON data."""
    if isinstance(value, enum.Enum):
        return value.value
    if hasattr(value, "disk_shape"):  # an InferenceResult, which caches its disk shape
        return value.disk_shape()
    if hasattr(value, "to_dict"):
        return value.to_dict()
    if hasattr(value, "model_dump"):
        return value.model_dump(mode="json")
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: json_shape(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {k: json_shape(v) for k, v in value.items()}
    if isinstance(value, (list, tuple, PersistentList)):
        return [json_shape(v) for v in value]
    return value


def convert_value(raw: Any, value_type: Any) -> Any:
    """Return `raw` converted to `value_type`. Raises TypeError or ValueError if it does not fit."""
    if value_type is Any or value_type is object:
        return raw
    if value_type is float and type(raw) is int:  # JSON and YAML writers drop the ".0"
        return float(raw)
    if value_type is bytes and isinstance(raw, str):
        return binascii.a2b_base64(raw, strict_mode=True)
    if value_type in (str, int, float, bool, bytes, dict, list, type(None), None):
        if raw is None and value_type in (None, type(None)):
            return None
        if isinstance(raw, value_type) and (value_type is bool or not isinstance(raw, bool)):
            return raw
        raise TypeError(f"it is {raw!r:.80}, not {_type_name(value_type)}")
    if origin := typing.get_origin(value_type):
        return _convert_generic(raw, value_type, origin)
    if hasattr(value_type, "from_dict"):
        return value_type.from_dict(_require_mapping(raw))
    if hasattr(value_type, "model_validate"):
        return value_type.model_validate(raw)
    if dataclasses.is_dataclass(value_type):
        hints = typing.get_type_hints(value_type)
        return cast(Any, value_type)(
            **{name: convert_value(value, hints.get(name, Any)) for name, value in _require_mapping(raw).items()}
        )
    return value_type(raw)


def _convert_generic(raw: Any, value_type: Any, origin: Any) -> Any:
    type_args = typing.get_args(value_type)
    if origin in (Union, types.UnionType):
        for option in type_args:
            try:
                return convert_value(raw, option)
            except (TypeError, ValueError):
                continue
        raise TypeError(f"it is {raw!r:.80}, not {_type_name(value_type)}")
    if origin is typing.Literal:
        if raw in type_args:
            return raw
        raise ValueError(f"it is {raw!r:.80}, not one of {', '.join(map(repr, type_args))}")
    if issubclass(origin, (list, tuple, PersistentList)):
        if not isinstance(raw, (list, tuple, PersistentList)):
            raise TypeError(f"it is {raw!r:.80}, not a list")
        item_types = type_args if origin is tuple and type_args[-1] is not ... else type_args[:1] * len(raw)
        if len(item_types) != len(raw):
            raise TypeError(f"it is {raw!r:.80}, not {len(item_types)} values")
        converted_items = list(map(convert_value, raw, item_types))
        return FrozenList(converted_items) if issubclass(origin, list) else origin(converted_items)
    if issubclass(origin, Mapping):
        return FrozenDict({name: convert_value(value, type_args[1]) for name, value in _require_mapping(raw).items()})
    return value_type(raw)


def convert_fields(raw: Mapping[str, Any], field_types: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values of `raw` for `field_types`, converted to their types. Raises TypeError or ValueError."""
    field_values = {}
    for name, field_type in field_types.items():
        value = raw.get(name)
        if type(value) is field_type and field_type in UNCONVERTED_TYPES:
            field_values[name] = value
        elif value is not None:
            try:
                field_values[name] = convert_value(value, field_type)
            except (TypeError, ValueError) as error:
                raise type(error)(f"{name}: {error}") from None
    return field_values


def _require_mapping(raw: Any) -> Mapping[str, Any]:
    if not isinstance(raw, Mapping):
        raise TypeError(f"it is {raw!r:.80}, not a mapping")
    return raw


def _type_name(value_type: Any) -> str:
    return value_type.__name__ if isinstance(value_type, type) else str(value_type)


def _needs_no_decoding(value: object, value_type: Any) -> bool:
    """Return True for a frozen value of exactly this type that has its own `from_dict`."""
    return type(value) is value_type and hasattr(value_type, "from_dict") and _is_immutable(value)


def _is_immutable(value: object) -> bool:
    """Return True when a decoded value cannot change, and may therefore be returned again."""
    if isinstance(value, PersistentList):
        return True
    params = getattr(type(value), "__dataclass_params__", None)
    return params is not None and params.frozen


MetadataLike: TypeAlias = "Metadata | Mapping[Key[Any], Any]"  # the arguments of constructors for metadata
_new: Any = object.__new__
NO_DECODED_VALUES: dict[str, tuple[Any, Any]] = {}  # shared by all metadata without decoded values; never changed


class Metadata:
    """A frozen mapping of values that are read by `Key`; each change returns a new one.

    A value is stored as on disk, or as a pair (type, value) if the loop put it there: such values
    are converted only when they are saved.
    """

    __slots__ = ("_decoded", "_values")
    _values: Mapping[str, Any]  # never changed
    _decoded: dict[str, tuple[Any, Any]]  # name → (type it was decoded to, value)

    def __new__(cls, items: Metadata | Mapping[Key[Any], Any] | None = None) -> Metadata:  # noqa: PYI034  # may return its argument
        if isinstance(items, Metadata):
            return items
        values_by_key = {} if items is None else _require_key_mapping(items)
        return metadata_from_dict({_require_key(key).name: key.encode(value) for key, value in values_by_key.items()})

    def __getitem__(self, key: Key[T]) -> T:
        name = key.name if type(key) is Key else _require_key(key).name
        stored_value: Any = self._values[name]
        value: T
        if type(stored_value) is str and key.type is str:  # no other type is asked for more often
            value = stored_value  # type: ignore[assignment]
            return value
        decoded_value = stored_value if type(stored_value) is tuple else self._decoded.get(name)
        if decoded_value is not None and decoded_value[0] is key.type:
            value = decoded_value[1]
            return value
        value = key.decode(_disk_shape(stored_value))
        if _is_immutable(value):
            self._decoded = {**self._decoded, name: (key.type, value)}
        return value

    def get(self, key: Key[T]) -> T | None:
        """The typed value, or None when absent. Raises DecodeError when it does not fit."""
        if type(key) is not Key:
            _require_key(key)
        return self[key] if key.name in self._values else None  # as Mapping.get does

    def with_(self, key: Key[T], value: T, store: str | None = None) -> Metadata:
        """Return a copy with a value. Raises MisuseError for a key that belongs into another `store`."""
        raw = {_require_key(key).name: key.encode(value)}
        if store is not None:
            key.require_store(store)
        return self.with_stored_values(
            raw, {key.name: (key.type, value)} if _needs_no_decoding(value, key.type) else NO_DECODED_VALUES
        )

    def with_frozen(self, key: Key[T], value: T, **string_values: str) -> Metadata:
        """Return a copy with a frozen value of the key's type and further strings by name, unchecked.

        The value is converted when the metadata is saved.
        """
        return self.with_stored_values({key.name: (key.type, value), **string_values})

    def with_stored_values(
        self, values: Mapping[str, Any], decoded: dict[str, tuple[Any, Any]] = NO_DECODED_VALUES
    ) -> Metadata:
        """Return a copy with stored values by name: frozen values as on disk, or pairs (type, value).

        `decoded` has the decoded values of the former, if they are known.
        """
        metadata: Metadata = _new(Metadata)
        metadata._values = {**self._values, **values} if self._values else values
        if self._decoded and (still_decoded := self._decoded_except(values)):
            decoded = {**still_decoded, **decoded}
        metadata._decoded = decoded
        return metadata

    def with_appended(self, key: Key[PersistentList[T]], value: T) -> Metadata:
        """Return a copy with `value` appended to the list of a key; the list is not copied."""
        return self.with_frozen(key, (self.get(key) or PersistentList()).append(value))

    def without(self, *keys: Key[Any]) -> Metadata:
        dropped_names = {_require_key(key).name for key in keys}
        if dropped_names.isdisjoint(self._values):
            return self
        metadata = unchecked_metadata(
            {name: value for name, value in self._values.items() if name not in dropped_names}
        )
        metadata._decoded = self._decoded_except(dropped_names)
        return metadata

    def with_raw(self, **raw: Any) -> Metadata:
        """Return a copy with values as on disk, by name; they are frozen, not checked."""
        return self.with_stored_values({name: freeze(value) for name, value in raw.items()})

    def _decoded_except(self, changed_names: Container[str]) -> dict[str, tuple[Any, Any]]:
        """Return the decoded values that a change keeps: a long ledger is not decoded again for each call."""
        return {name: decoded_value for name, decoded_value in self._decoded.items() if name not in changed_names}

    def raw(self, key: Key[Any]) -> Any:
        """Return the value as on disk, or None when absent."""
        value = self._values.get(key.name if type(key) is Key else _require_key(key).name)
        return _disk_shape(value) if type(value) is tuple else value

    def shares_value(self, key: Key[Any], other_metadata: Metadata) -> bool:
        """Return True when both hold the same object under this key, or neither has the key."""
        return self._values.get(key.name) is other_metadata._values.get(key.name)

    def stored_value(self, name: str) -> Any:
        """Return the value of this name as `stored_values` has it; None when absent."""
        value = self._values.get(name)
        return value[1] if type(value) is tuple else value

    def stored_values(self) -> Mapping[str, Any]:
        """Return names and values as they are kept, not as on disk: for those who compare the objects."""
        return {name: value[1] if type(value) is tuple else value for name, value in self._values.items()}

    def items(self) -> ItemsView[str, Any]:
        """Return names and values as on disk, unknown keys included."""
        return self._disk_values().items()

    def _disk_values(self) -> Mapping[str, Any]:
        values = self._values
        if tuple not in set(map(type, values.values())):
            return values
        return {name: _disk_shape(value) for name, value in values.items()}

    def to_dict(self) -> dict[str, Any]:
        """Return plain data by name, as on disk."""
        plain_data: dict[str, Any] = thaw(self._disk_values())
        return plain_data

    def __contains__(self, key: object) -> bool:
        return _require_key(key).name in self._values

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Metadata):
            return NotImplemented
        return self._values is other._values or self._disk_values() == other._disk_values()

    def __hash__(self) -> int:
        return hash(frozenset(self._disk_values().items()))

    @printable
    def __repr__(self) -> str:
        return f"Metadata({', '.join(self._values)})"

    def __reduce__(self) -> tuple[Any, ...]:
        return metadata_from_dict, (dict(self._disk_values()),)


def metadata_from_dict(raw: Mapping[str, Any]) -> Metadata:
    """Return metadata made of values in their shape on disk; for readers of files."""
    return unchecked_metadata(freeze(raw) if raw else EMPTY_DICT)


def unchecked_metadata(values: Mapping[str, Any]) -> Metadata:
    """Return metadata of frozen values in their shape on disk, without checking them."""
    metadata: Metadata = _new(Metadata)
    metadata._values = values
    metadata._decoded = NO_DECODED_VALUES
    return metadata


def _disk_shape(stored_value: Any) -> Any:
    """Return the shape on disk of a stored value."""
    return freeze(json_shape(stored_value[1])) if type(stored_value) is tuple else stored_value


def metadata_of(store: str, items: MetadataLike) -> Metadata:
    """Return the argument of a constructor as metadata. Raises MisuseError for a key of another store."""
    if not isinstance(items, Metadata):
        for key in _require_key_mapping(items):
            _require_key(key).require_store(store)
    return Metadata(items)


def _require_key_mapping(items: Any) -> Mapping[Key[Any], Any]:
    if isinstance(items, Mapping):
        return items
    raise MisuseError(
        f"metadata and data must be mappings of nt.Key to value, got {type(items).__name__}: {items!r:.60}"
    )


def _require_key(key: Any) -> Key[Any]:
    if isinstance(key, Key):
        return key
    raise MisuseError(f'expected an nt.Key, got {key!r}; use nt.Key("{key}", str) or a key of nt.keys')


NO_METADATA = metadata_from_dict({})
