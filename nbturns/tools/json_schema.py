"""JSON Schemas in the form that every provider takes: an object at the root, and references only where a type recurs.

OpenAI refuses arrays without `items`, all refuse `anyOf` at the root, and JSON has no infinity.
Recursive types keep `$defs`, which all providers take.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from functools import partial, reduce
from typing import Any

from ..errors import MisuseError
from ..values.frozen_json import EMPTY_DICT, thaw

MAX_NODES = 20_000  # of a schema with its references replaced; a hostile one could grow without end
ROOT_KEYWORDS = frozenset({"$schema", "$id", "$anchor", "$comment", "$defs", "definitions"})
SCHEMA_MAPS = frozenset({"properties", "patternProperties", "dependentSchemas"})  # keywords with a schema by name
SCHEMAS = frozenset({"items", "additionalProperties", "not", "if", "then", "else", "contains", "propertyNames", "anyOf", "oneOf", "allOf"})  # fmt: skip
COMBINATIONS = ("allOf", "anyOf", "oneOf")


def offered_schema(schema: Mapping[str, Any], *, keep_titles: bool = True) -> dict[str, Any]:
    """Return a schema of arguments as it is sent to providers. Raises MisuseError for one that none of them takes."""
    try:
        return _SchemaWriter(schema, keep_titles=keep_titles).root()
    except RecursionError:
        raise MisuseError("the schema is nested too deeply") from None


class _SchemaWriter:
    def __init__(self, root: Mapping[str, Any], *, keep_titles: bool) -> None:
        self._root = root
        self._keep_titles = keep_titles
        self._node_count = 0
        self._recursive_references: dict[str, bool] = {}
        self._definition_names: dict[str, str] = {}  # by reference
        self._definitions: dict[str, Any] = {}

    def root(self) -> dict[str, Any]:
        """Return the schema of the arguments: an object, with the definitions of what recurs."""
        root = self._root
        seen_references: set[str] = set()
        while isinstance(reference := root.get("$ref"), str) and reference not in seen_references:
            seen_references.add(reference)
            root = {**self._resolve(reference), **{name: value for name, value in root.items() if name != "$ref"}}
        schema = self._object(self._write(root))
        for name in ROOT_KEYWORDS:
            schema.pop(name, None)
        if self._definitions:
            schema["$defs"] = self._definitions
        return schema

    def _object(self, schema: dict[str, Any]) -> dict[str, Any]:
        """Return a root schema with type and properties; alternatives at the root become one object."""
        if reference := schema.get("$ref"):  # of an alternative that recurs
            schema = self._definitions[reference.rsplit("/", 1)[-1]]
        if schema.get("type", "object") not in ("object", ["object"]):
            raise MisuseError(
                f"the arguments of a tool are an object, but the schema has the type {schema['type']!r:.60}"
            )
        schema = {**schema, "type": "object", "properties": schema.get("properties", {})}
        for keyword in COMBINATIONS:
            if branches := [self._object(branch) for branch in schema.pop(keyword, ())]:
                is_union = keyword != "allOf"
                combination = reduce(partial(_merged, is_union=is_union), branches)
                schema = _merged(schema, combination, is_union=False)
        return schema

    def _write(self, schema: Any) -> Any:
        self._node_count += 1
        if self._node_count > MAX_NODES:
            raise MisuseError(f"the schema has more than {MAX_NODES:,} parts once its references are replaced")
        if isinstance(schema, bool):
            return {} if schema else {"not": {}}
        if not isinstance(schema, Mapping):
            raise MisuseError(f"expected a JSON Schema, got {schema!r:.60}")
        if isinstance(reference := schema.get("$ref"), str):
            return self._write_reference(reference, {k: v for k, v in schema.items() if k != "$ref"})
        written = {name: self._write_keyword(name, value) for name, value in schema.items() if self._keeps(name, value)}
        kind = schema.get("type")
        is_array = kind == "array" or (isinstance(kind, (list, tuple)) and "array" in kind)
        return _with_items(written) if is_array or "prefixItems" in schema else written

    def _keeps(self, name: str, value: Any) -> bool:
        if name in ROOT_KEYWORDS or (name == "title" and not self._keep_titles):
            return False
        return not (isinstance(value, float) or name in ("default", "const")) or not _is_beyond_json(value)

    def _write_keyword(self, name: str, value: Any) -> Any:
        if name in SCHEMA_MAPS and isinstance(value, Mapping):
            return {key: self._write(item) for key, item in value.items()}
        if name == "prefixItems" or (name in SCHEMAS and isinstance(value, (list, tuple))):
            return [self._write(item) for item in value]
        if name in SCHEMAS and not (name == "additionalProperties" and isinstance(value, bool)):
            return self._write(value)
        if name in ("enum", "examples") and isinstance(value, (list, tuple)):
            return [thaw(item) for item in value if not _is_beyond_json(item)]
        return thaw(value)

    def _write_reference(self, reference: str, siblings: Mapping[str, Any]) -> dict[str, Any]:
        target = self._resolve(reference)
        if not self._is_recursive(reference):
            replaced: dict[str, Any] = {**self._write(target), **self._write(siblings)}
            return replaced
        if reference not in self._definition_names:
            self._definition_names[reference] = name = self._new_name(reference)
            self._definitions[name] = {}  # in the order of their first use
            self._definitions[name] = self._write(target)
        return {"$ref": f"#/$defs/{self._definition_names[reference]}", **self._write(siblings)}

    def _new_name(self, reference: str) -> str:
        stem = re.sub(r"\W+", "_", reference.rsplit("/", 1)[-1], flags=re.ASCII).strip("_") or "Arguments"
        name, number = stem, 2
        while name in self._definitions:
            name, number = f"{stem}_{number}", number + 1
        return name

    def _resolve(self, reference: str) -> Mapping[str, Any]:
        if not reference.startswith("#") or (reference != "#" and not reference.startswith("#/")):
            raise MisuseError(f"the schema refers to {reference!r:.80}, which is not a part of it; write it out")
        target: Any = self._root
        for step in reference.split("/")[1:]:
            name = step.replace("~1", "/").replace("~0", "~")
            if isinstance(target, Mapping) and name in target:
                target = target[name]
            elif isinstance(target, (list, tuple)) and name.isdecimal() and int(name) < len(target):
                target = target[int(name)]
            else:
                raise MisuseError(f"the schema refers to {reference!r:.80}, which it does not define")
        if isinstance(target, bool):
            return EMPTY_DICT if target else {"not": {}}
        if not isinstance(target, Mapping):
            raise MisuseError(f"the schema refers to {reference!r:.80}, which is not a schema")
        return target

    def _is_recursive(self, reference: str) -> bool:
        """Return True when the target of a reference leads back to it."""
        if reference not in self._recursive_references:
            reached, to_visit = set[str](), [reference]
            while to_visit:
                for found in _references(self._resolve(to_visit.pop())):
                    if found not in reached:
                        reached.add(found)
                        to_visit.append(found)
            self._recursive_references[reference] = reference in reached
        return self._recursive_references[reference]


def _references(schema: Any) -> Iterator[str]:
    """Yield the references inside a schema, those of its definitions excluded."""
    if isinstance(schema, Mapping):
        if isinstance(reference := schema.get("$ref"), str):
            yield reference
        for name, value in schema.items():
            if name not in ("$defs", "definitions"):
                yield from _references(value)
    elif isinstance(schema, (list, tuple)):
        for item in schema:
            yield from _references(item)


def _merged(schema: dict[str, Any], other: dict[str, Any], *, is_union: bool) -> dict[str, Any]:
    """Return an object that has the properties of both; in a union only common arguments are required."""
    properties = {**other["properties"], **schema["properties"]}
    required, other_required = schema.get("required", []), other.get("required", [])
    if is_union:
        names = [name for name in required if name in other_required]
    else:
        names = [*required, *(name for name in other_required if name not in required)]
    merged = {**other, **schema, "properties": properties, "required": names}
    if not names:
        del merged["required"]
    return merged


def _with_items(schema: dict[str, Any]) -> dict[str, Any]:
    """Return an array with one schema for all items; a tuple becomes an array of its length."""
    items = schema.get("items")
    prefix = schema.pop("prefixItems", None) or (items if isinstance(items, list) else None)
    if prefix is None:
        return {**schema, "items": {} if items is None else items}
    is_open = schema.get("additionalItems" if isinstance(items, list) else "items", True) not in ({"not": {}}, False)
    schema.pop("additionalItems", None)
    kinds = [kind for index, kind in enumerate(prefix) if kind not in prefix[:index]]
    if is_open and isinstance(items, dict):
        kinds += [] if items in kinds else [items]
    elif is_open and schema.get("maxItems") != len(prefix):
        kinds = [{}]
    length = {} if is_open else {"minItems": len(prefix), "maxItems": len(prefix)}
    return {**length, **schema, "items": kinds[0] if len(kinds) == 1 else {"anyOf": kinds}}


def _is_beyond_json(value: Any) -> bool:
    """Return True for infinity and NaN, and for data that contains them."""
    if isinstance(value, float):
        return not math.isfinite(value)
    if isinstance(value, Mapping):
        return any(map(_is_beyond_json, value.values()))
    return isinstance(value, (list, tuple)) and any(map(_is_beyond_json, value))


__all__ = ["offered_schema"]
