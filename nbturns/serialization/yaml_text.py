"""YAML read and written as by geppetto: dates, `yes` and `1:30` are strings.

In PyYAML's YAML 1.1 those are a date, a boolean and a number. Files are read with the safe C
loader, with limits on aliases, merge keys and depth.
"""

from __future__ import annotations

import re
from typing import Any, ClassVar

from ..errors import LoadError
from ..packages import failed_import_error
from ..safety.limits import current_limits, too_large
from ..values.frozen_json import MAX_DEPTH as DEEPEST_VALUE
from ..values.frozen_json import key_name
from ..values.portable import SURROGATE, has_surrogates

try:
    import yaml
except ModuleNotFoundError as error:
    raise failed_import_error(error) from None

MAX_DEPTH = 2 * DEEPEST_VALUE  # levels of a value and of the structure around it
NODE_COST = 400  # bytes of a node in memory
MERGE_TAG = "tag:yaml.org,2002:merge"
ESCAPED_TAG = "!escaped"  # a text with lone surrogates as escapes, which YAML cannot hold
ESCAPE = re.compile(r"\\\\|\\u([dD][89a-fA-F][0-9a-fA-F]{2})")
Resolvers = dict[str | None, list[tuple[str, re.Pattern[str]]]]


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]  # the C loader where it is built
    yaml_implicit_resolvers: ClassVar[Resolvers] = {}
    depth = 0

    def __init__(self, text: str | bytes) -> None:
        super().__init__(text)
        limits = current_limits()
        self.merge_budget = len(text) // 4 + limits.merged_keys
        self.node_budget = limits.of_document(len(text)) // NODE_COST

    def descend_resolver(self, parent: Any, _: Any) -> None:
        """Limit the depth; called for each node, because the C loader recurses without limit."""
        self.depth += 1
        self.node_budget -= 1
        if self.node_budget < 0:
            message = "too many values for a file of this size; to allow more, pass limits=nt.Limits(document_bytes=…)"
            raise yaml.constructor.ConstructorError(None, None, message, getattr(parent, "start_mark", None))
        if self.depth > MAX_DEPTH:
            raise yaml.constructor.ConstructorError(
                None, None, "nested too deeply", getattr(parent, "start_mark", None)
            )

    def ascend_resolver(self) -> None:
        self.depth -= 1

    def flatten_mapping(self, node: Any) -> None:
        """Put the keys merged by `<<` before the own keys of a mapping, each key once.

        Releases of PyYAML differ in the precedence of merged values, and in repeated merges.
        """
        sources = [
            source
            for key, value in node.value
            if key.tag == MERGE_TAG
            for source in (value.value if isinstance(value, yaml.SequenceNode) else [value])
        ]
        if not sources:
            return
        own_pairs = {self._name(key): (key, value) for key, value in node.value if key.tag != MERGE_TAG}
        node.value = list(own_pairs.values())
        merged_pairs: dict[str, Any] = {}
        for source in sources:
            if not isinstance(source, yaml.MappingNode):
                raise yaml.constructor.ConstructorError(None, None, "<< can only merge mappings", source.start_mark)
            self.flatten_mapping(source)
            self.merge_budget -= len(source.value)
            if self.merge_budget < 0:
                raise yaml.constructor.ConstructorError(
                    None,
                    None,
                    "too many merged keys; to allow more, pass limits=nt.Limits(merged_keys=…)",
                    node.start_mark,
                )
            for key, value in source.value:
                merged_pairs.setdefault(self._name(key), (key, value))
        node.value = [*(pair for name, pair in merged_pairs.items() if name not in own_pairs), *node.value]

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[str, Any]:
        """Return a mapping with string keys; in Python 1, 1.0 and True would be one key."""
        key_names: set[str] = set()
        for key, _ in node.value:
            if key.tag != MERGE_TAG:
                name = self._name(key)
                if name in key_names:
                    raise yaml.constructor.ConstructorError(None, None, f"duplicate key {name!r}", key.start_mark)
                key_names.add(name)
        self.flatten_mapping(node)
        return {self._name(key): self.construct_object(value, deep=deep) for key, value in node.value}

    def _name(self, key: Any) -> str:
        try:
            return key_name(self.construct_object(key, deep=True))
        except TypeError:
            raise yaml.constructor.ConstructorError(
                None, None, "a key must be a string, a number, true, false or null", key.start_mark
            ) from None

    def construct_yaml_int(self, node: Any) -> int:
        text = self.construct_scalar(node)
        normal_text = text.lower().replace("0o", "0")
        return (
            int(normal_text, 16)
            if "0x" in normal_text
            else super().construct_yaml_int(yaml.ScalarNode(node.tag, normal_text))
        )


class _Dumper(getattr(yaml, "CSafeDumper", yaml.SafeDumper)):  # type: ignore[misc]  # the C dumper where it is built
    def ignore_aliases(self, _: Any) -> bool:
        return True


def _represent_str(dumper: Any, text: str) -> Any:
    if has_surrogates(text):
        escaped_text = SURROGATE.sub(lambda match: f"\\u{ord(match[0]):04x}", text.replace("\\", "\\\\"))
        return dumper.represent_scalar(ESCAPED_TAG, escaped_text, style="'")
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


def _construct_escaped(loader: Any, node: Any) -> str:
    """Return a text with lone surrogates, as `_represent_str` writes it."""
    return ESCAPE.sub(lambda match: chr(int(match[1], 16)) if match[1] else "\\", loader.construct_scalar(node))


_Dumper.add_representer(str, _represent_str)
_Loader.add_constructor(ESCAPED_TAG, _construct_escaped)
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
    """Return plain data as YAML; equal data gives equal text."""
    text: str = yaml.dump(
        data, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=2**31 - 1, default_flow_style=False
    )
    return text


def load_yaml(text: str | bytes, file: str = "") -> Any:
    """Return the single document as plain data; None if it is empty. Raises LoadError with line and column."""
    loaded_documents = yaml_documents(text, file, single=True)
    return loaded_documents[0][1] if loaded_documents else None


def yaml_documents(text: str | bytes, file: str = "", *, single: bool = False) -> list[tuple[int, Any]]:
    """Return the non-empty documents as pairs of number in the stream and plain data.

    Raises LoadError with line and column, and for several documents if `single`.
    """
    loaded = _parse_documents(text, file)
    loaded = [(number, data) for number, data in enumerate(loaded) if data is not None]
    if single and len(loaded) > 1:
        raise LoadError(
            f"the text contains {len(loaded)} documents, separated by ---; use nt.load_all(path)",
            file=file,
        )
    if b"*" in text if isinstance(text, bytes) else "*" in text:
        for _, data in loaded:
            _refuse_alias_bombs(data, len(text), file)
    return loaded


def _parse_documents(text: str | bytes, file: str) -> list[Any]:
    loader = None
    parsed_documents: list[Any] = []
    try:
        loader = _Loader(text)
        while loader.check_data():
            parsed_documents.append(loader.get_data())
    except yaml.MarkedYAMLError as error:
        error_mark = error.problem_mark or error.context_mark
        position = f"line {error_mark.line + 1}, column {error_mark.column + 1}" if error_mark else ""
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
    return parsed_documents


def _refuse_alias_bombs(data: Any, length: int, file: str) -> None:
    """Raise LoadError if aliases expand to many more values than the text has characters."""
    size_by_id: dict[int, int | None] = {}

    def count_values(value: Any) -> int:
        if not isinstance(value, (dict, list)):
            return 1
        value_size = size_by_id.get(id(value), 0)
        if value_size is None:
            raise LoadError("an alias contains itself", file=file)
        if not value_size:
            size_by_id[id(value)] = None
            value_size = 1 + sum(map(count_values, value.values() if isinstance(value, dict) else value))
            size_by_id[id(value)] = value_size
        return value_size

    try:
        if count_values(data) > length + current_limits().alias_values:
            raise too_large(
                f"its aliases expand to {count_values(data):,} values, which is too many", "alias_values", file=file
            )
    except RecursionError:
        raise LoadError("nested too deeply", file=file) from None


def line_of_path(text: str | bytes, path: str, document: int = 0) -> int:
    """Return the line of `path`, like `turns[0].blocks[3].kind`, or of the nearest value above it."""
    loader = _Loader(text)
    node = None
    for _ in range(document + 1):
        node = loader.get_node() if loader.check_node() else None
    line_number = node.start_mark.line + 1 if document and node is not None else 1
    for path_step in re.findall(r"[^.\[\]]+", path):
        child_node = None
        if isinstance(node, yaml.SequenceNode) and path_step.isdigit() and int(path_step) < len(node.value):
            child_node = node.value[int(path_step)]
        elif isinstance(node, yaml.MappingNode):
            child_node = next((value for key, value in node.value if key.value == path_step), None)
        if child_node is None:
            break
        node, line_number = child_node, child_node.start_mark.line + 1
    return line_number


def lines_by_path(text: str | bytes) -> dict[tuple[str | int, ...], int]:
    """Return the line of each value by its path; for the value of a mapping, the line of its key."""
    loader = _Loader(text)
    line_by_path: dict[tuple[str | int, ...], int] = {}

    def visit_node(node: Any, path: tuple[str | int, ...]) -> None:
        if isinstance(node, yaml.MappingNode):
            for key, value in node.value:
                line_by_path[(*path, str(key.value))] = key.start_mark.line + 1
                visit_node(value, (*path, str(key.value)))
        elif isinstance(node, yaml.SequenceNode):
            for item_index, value in enumerate(node.value):
                line_by_path[(*path, item_index)] = value.start_mark.line + 1
                visit_node(value, (*path, item_index))

    if loader.check_node():
        visit_node(loader.get_node(), ())
    return line_by_path
