"""YAML as geppetto's reader understands it: dates, `yes` and `1:30` are text.

PyYAML speaks YAML 1.1, where those are a date, a boolean and a number. It is read with
the safe C loader, within limits: a file may not be built to unfold without end.
"""

from __future__ import annotations

import re
from typing import Any, ClassVar

from ..errors import LoadError, MisuseError
from ..packages import failed_import_error
from ..values.frozen_json import MAX_DEPTH as DEEPEST_VALUE
from ..values.frozen_json import key_name

try:
    import yaml
except ModuleNotFoundError as error:
    raise failed_import_error(error) from None

MAX_DEPTH = 2 * DEEPEST_VALUE  # levels: a value's, and those it stands in
MAX_UNFOLDED_VALUES = 1_000_000  # values a file may have more than it has bytes, by aliases
MAX_MERGED_KEYS = 100_000  # keys a file may merge more than it has bytes
MERGE_TAG = "tag:yaml.org,2002:merge"
LONE_SURROGATE = re.compile("[\ud800-\udfff]")
Resolvers = dict[str | None, list[tuple[str, re.Pattern[str]]]]


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]  # the C loader where it is built
    yaml_implicit_resolvers: ClassVar[Resolvers] = {}
    depth = 0

    def __init__(self, text: str | bytes) -> None:
        super().__init__(text)
        self.merge_budget = len(text) + MAX_MERGED_KEYS

    def descend_resolver(self, parent: Any, _: Any) -> None:
        """Called on the way into each node, where the C loader would go down until the stack ends."""
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise yaml.constructor.ConstructorError(
                None, None, "nested too deeply", getattr(parent, "start_mark", None)
            )

    def ascend_resolver(self) -> None:
        self.depth -= 1

    def flatten_mapping(self, node: Any) -> None:
        """Put what `<<` merges before a mapping's own keys, each key once.

        The releases of PyYAML differ in which of two merged values stands, and in how often they merge the same.
        """
        sources = [
            source
            for key, value in node.value
            if key.tag == MERGE_TAG
            for source in (value.value if isinstance(value, yaml.SequenceNode) else [value])
        ]
        if not sources:
            return
        own = {self._name(key): (key, value) for key, value in node.value if key.tag != MERGE_TAG}
        node.value = list(own.values())
        merged: dict[str, Any] = {}
        for source in sources:
            if not isinstance(source, yaml.MappingNode):
                raise yaml.constructor.ConstructorError(None, None, "<< merges mappings alone", source.start_mark)
            self.flatten_mapping(source)
            self.merge_budget -= len(source.value)
            if self.merge_budget < 0:
                raise yaml.constructor.ConstructorError(
                    None, None, "its merge keys unfold without end", node.start_mark
                )
            for key, value in source.value:
                merged.setdefault(self._name(key), (key, value))
        node.value = [*(pair for name, pair in merged.items() if name not in own), *node.value]

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[str, Any]:
        """A mapping with texts as keys: in Python 1, 1.0 and True are one."""
        names: set[str] = set()
        for key, _ in node.value:
            if key.tag != MERGE_TAG:
                name = self._name(key)
                if name in names:
                    raise yaml.constructor.ConstructorError(
                        None, None, f"key {name!r} stands twice in one mapping", key.start_mark
                    )
                names.add(name)
        self.flatten_mapping(node)
        return {self._name(key): self.construct_object(value, deep=deep) for key, value in node.value}

    def _name(self, key: Any) -> str:
        try:
            return key_name(self.construct_object(key, deep=True))
        except TypeError:
            raise yaml.constructor.ConstructorError(
                None, None, "a key is a text, a number, true, false or null", key.start_mark
            ) from None

    def construct_yaml_int(self, node: Any) -> int:
        text = self.construct_scalar(node)
        plain = text.lower().replace("0o", "0")
        return int(plain, 16) if "0x" in plain else super().construct_yaml_int(yaml.ScalarNode(node.tag, plain))


class _Dumper(getattr(yaml, "CSafeDumper", yaml.SafeDumper)):  # type: ignore[misc]  # the C dumper where it is built
    def ignore_aliases(self, _: Any) -> bool:
        return True


def _represent_str(dumper: Any, text: str) -> Any:
    if not text.isascii() and LONE_SURROGATE.search(text):
        raise MisuseError(f"YAML cannot hold half a character, as in {text!r:.60}; JSON can: save it as .json")
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Dumper.add_representer(str, _represent_str)
_Loader.add_constructor("tag:yaml.org,2002:int", _Loader.construct_yaml_int)
_Loader.add_constructor("tag:yaml.org,2002:timestamp", lambda loader, node: loader.construct_scalar(node))
for _tag, _pattern, _first in (
    ("bool", r"^(?:true|True|TRUE|false|False|FALSE)$", "tTfF"),
    ("int", r"^[-+]?(?:0|[1-9][0-9_]*|0o?_*[0-7][0-7_]*|0b_*[01][01_]*|0x_*[0-9a-fA-F][0-9a-fA-F_]*)$", "-+0123456789"),
    ("float", r"^[-+]?(?:\.[0-9]+|[0-9][0-9_]*(?:\.[0-9_]*)?)(?:[eE][-+]?[0-9]+)?$", "-+.0123456789"),
    ("float", r"^(?:[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))$", "-+."),
    ("null", r"^(?:~|null|Null|NULL|)$", "~nN\0"),
    ("merge", r"^<<$", "<"),
):
    for _of in (_Loader, _Dumper):
        _of.add_implicit_resolver(
            f"tag:yaml.org,2002:{_tag}", re.compile(_pattern), [c.replace("\0", "") for c in _first]
        )


def dump_yaml(data: Any) -> str:
    """Plain data as YAML; the same data always gives the same text."""
    text: str = yaml.dump(
        data, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=2**31 - 1, default_flow_style=False
    )
    return text


def load_yaml(text: str | bytes, file: str = "") -> Any:
    """The one document as plain data; None when there is nothing in it. Raises LoadError with line and column."""
    loaded_documents = yaml_documents(text, file, single=True)
    return loaded_documents[0][1] if loaded_documents else None


def yaml_documents(text: str | bytes, file: str = "", *, single: bool = False) -> list[tuple[int, Any]]:
    """The documents with something in them as plain data, each with its number in the stream.

    Raises LoadError with line and column, and for several documents where a `single` one was to be read.
    """
    loaded = _parse_documents(text, file)
    loaded = [(number, data) for number, data in enumerate(loaded) if data is not None]
    if single and len(loaded) > 1:
        raise LoadError(
            f"there are {len(loaded)} documents in it, parted by ---; nt.load_all(path) gives one after the other",
            file=file,
        )
    if b"*" in text if isinstance(text, bytes) else "*" in text:
        for _, data in loaded:
            _refuse_alias_bombs(data, len(text), file)
    return loaded


def _parse_documents(text: str | bytes, file: str) -> list[Any]:
    loader = None
    documents: list[Any] = []
    try:
        loader = _Loader(text)
        while loader.check_data():
            documents.append(loader.get_data())
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        position = f"line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        raise LoadError(f"this is not YAML: {error.problem or error.context}", file=file, position=position) from None
    except (yaml.YAMLError, ValueError) as error:  # ValueError: a number Python cannot hold, bytes that are not UTF-8
        raise LoadError(f"this is not YAML: {str(error).partition(chr(10))[0]}", file=file) from None
    except LookupError:  # `!!bool maybe`
        raise LoadError("this is not YAML: a value does not fit its tag", file=file) from None
    except RecursionError:
        raise LoadError("nested too deeply", file=file) from None
    finally:
        if loader is not None:
            loader.dispose()
    return documents


def _refuse_alias_bombs(data: Any, length: int, file: str) -> None:
    """A few aliases can stand for billions of values; a value must stay near its file's size."""
    sizes: dict[int, int | None] = {}

    def size(value: Any) -> int:
        if not isinstance(value, (dict, list)):
            return 1
        value_size = sizes.get(id(value), 0)
        if value_size is None:
            raise LoadError("an alias stands for something that contains it", file=file)
        if not value_size:
            sizes[id(value)] = None
            value_size = 1 + sum(map(size, value.values() if isinstance(value, dict) else value))
            sizes[id(value)] = value_size
        return value_size

    try:
        if size(data) > length + MAX_UNFOLDED_VALUES:
            raise LoadError(f"its aliases unfold to {size(data):,} values; that is no conversation", file=file)
    except RecursionError:
        raise LoadError("nested too deeply", file=file) from None


def line_of_path(text: str | bytes, path: str, document: int = 0) -> int:
    """The line on which `path`, like `turns[0].blocks[3].kind`, or the nearest thing above it, begins."""
    loader = _Loader(text)
    node = None
    for _ in range(document + 1):
        node = loader.get_node() if loader.check_node() else None
    line = node.start_mark.line + 1 if document and node is not None else 1
    for step in re.findall(r"[^.\[\]]+", path):
        child = None
        if isinstance(node, yaml.SequenceNode) and step.isdigit() and int(step) < len(node.value):
            child = node.value[int(step)]
        elif isinstance(node, yaml.MappingNode):
            child = next((value for key, value in node.value if key.value == step), None)
        if child is None:
            break
        node, line = child, child.start_mark.line + 1
    return line


def lines_by_path(text: str | bytes) -> dict[tuple[str | int, ...], int]:
    """The line on which each value stands, by its path; of a mapping's value, the line of its key."""
    loader = _Loader(text)
    lines: dict[tuple[str | int, ...], int] = {}

    def walk(node: Any, path: tuple[str | int, ...]) -> None:
        if isinstance(node, yaml.MappingNode):
            for key, value in node.value:
                lines[(*path, str(key.value))] = key.start_mark.line + 1
                walk(value, (*path, str(key.value)))
        elif isinstance(node, yaml.SequenceNode):
            for i, value in enumerate(node.value):
                lines[(*path, i)] = value.start_mark.line + 1
                walk(value, (*path, i))

    if loader.check_node():
        walk(loader.get_node(), ())
    return lines
