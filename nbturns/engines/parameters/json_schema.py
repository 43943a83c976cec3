"""JSON Schemas rewritten for providers that accept a part of the language: for answers and for arguments of tools.

What a provider does not accept goes into the description where the model reads it; the answer is checked here
by the whole schema in any case.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

Schema = dict[str, Any]
SCHEMA_OBJECTS = ("properties", "$defs", "definitions", "patternProperties")  # objects whose values are schemas
SCHEMA_LISTS = ("anyOf", "oneOf", "allOf", "prefixItems")
SINGLE_SCHEMAS = ("items", "additionalProperties", "contains", "not", "propertyNames")
TYPED_BY = ("type", "$ref", "anyOf", "oneOf", "allOf", "enum", "const")  # keywords that give a value a type
DEFINITION = re.compile(r"#(?:/(\$defs|definitions)/([^/]+))?")
LOOKAROUND = re.compile(r"(?<!\\)\(\?<?[=!]")


@dataclass(frozen=True, slots=True, kw_only=True)
class StrictRules:
    """The content that a provider allows in strict schemas.

    `words` are keywords that go into the description; `formats` are the formats of strings that may stay.
    `refused` are keywords of a schema that cannot be strict. `all_required` makes every property required.
    """

    words: frozenset[str]
    formats: frozenset[str]
    refused: frozenset[str]
    all_required: bool = False
    recursive: bool = True
    longest_list: int | None = None  # the greatest minItems, where there is one
    depth: int | None = None  # of nested objects
    properties: int | None = None  # of all objects


# Reading.


def with_root_object(schema: Mapping[str, Any]) -> Schema:
    """Return a schema whose root is not a reference: that of a recursive model is one to its own definition."""
    match = DEFINITION.fullmatch(str(schema.get("$ref", "")))
    target = (schema.get(match[1]) or {}).get(_unescaped(match[2])) if match and match[1] else None
    if not isinstance(target, Mapping):
        return dict(schema)
    return {**target, **{name: value for name, value in schema.items() if name != "$ref"}}


def inner_schemas(schema: Mapping[str, Any]) -> Iterator[Any]:
    """Yield the schemas inside a schema; values (default, enum, const, examples) are not schemas."""
    for name in SCHEMA_OBJECTS:
        if isinstance(schema.get(name), Mapping):
            yield from schema[name].values()
    for name in SCHEMA_LISTS:
        if isinstance(schema.get(name), list):
            yield from schema[name]
    yield from (schema[name] for name in SINGLE_SCHEMAS if isinstance(schema.get(name), Mapping))


def is_recursive(schema: Mapping[str, Any]) -> bool:
    """Tell whether a definition contains itself."""
    definitions = {
        f"#/{group}/{name}": inner
        for group in ("$defs", "definitions")
        for name, inner in (schema.get(group) or {}).items()
    }
    edges = {name: set(_references(inner)) for name, inner in definitions.items()}
    edges["#"] = set(
        _references({name: value for name, value in schema.items() if name not in ("$defs", "definitions")})
    )
    return any(_reaches(name, name, edges, set()) for name in edges)


def _references(schema: Any) -> Iterator[str]:
    if isinstance(schema, Mapping):
        if isinstance(schema.get("$ref"), str):
            yield schema["$ref"]
        for inner in inner_schemas(schema):
            yield from _references(inner)


def _reaches(name: str, goal: str, edges: Mapping[str, set[str]], seen: set[str]) -> bool:
    for target in edges.get(name, ()):
        if target == goal:
            return True
        if target not in seen:
            seen.add(target)
            if _reaches(target, goal, edges, seen):
                return True
    return False


def can_be_strict(schema: Any, rules: StrictRules) -> bool:
    """Tell whether a schema names all that an answer may hold, in the keywords that may be strict."""
    if not isinstance(schema, Mapping):
        return False
    root = with_root_object(schema)
    if root.get("type") != "object" or "anyOf" in root or (not rules.recursive and is_recursive(schema)):
        return False
    if not _fits(root, rules, defined=set(_defined(root))):
        return False
    sizes = [
        _object_sizes(part, 1)
        for part in (root, *(inner for group in ("$defs", "definitions") for inner in (root.get(group) or {}).values()))
    ]
    deepest = max(depth for found in sizes for depth, _ in [*found, (0, 0)])
    most = max(sum(count for _, count in found) for found in sizes)
    return (rules.depth is None or deepest <= rules.depth) and (rules.properties is None or most <= rules.properties)


def _defined(root: Mapping[str, Any]) -> Iterator[str]:
    yield "#"
    for group in ("$defs", "definitions"):
        yield from (f"#/{group}/{name}" for name in root.get(group) or ())


def _fits(schema: Any, rules: StrictRules, defined: set[str]) -> bool:
    if not isinstance(schema, Mapping) or not any(name in schema for name in TYPED_BY) or rules.refused & schema.keys():
        return False
    if "$ref" in schema and schema["$ref"] not in defined:
        return False
    types = schema.get("type")
    types = types if isinstance(types, list) else [types]
    if "object" in types and ("properties" not in schema or schema.get("additionalProperties") not in (None, False)):
        return False
    if "array" in types and not isinstance(schema.get("items"), Mapping):
        return False
    if isinstance(schema.get("pattern"), str) and "pattern" not in rules.words and LOOKAROUND.search(schema["pattern"]):
        return False
    return all(_fits(inner, rules, defined) for inner in inner_schemas(schema))


def _object_sizes(schema: Any, depth: int) -> list[tuple[int, int]]:
    """Return the depth and the number of properties of each object in a schema, without its definitions."""
    if not isinstance(schema, Mapping):
        return []
    own_properties = schema.get("properties")
    found = [(depth, len(own_properties))] if isinstance(own_properties, Mapping) else []
    without_definitions = {name: value for name, value in schema.items() if name not in ("$defs", "definitions")}
    next_depth = depth + 1 if found else depth
    return [
        *found,
        *(size for inner in inner_schemas(without_definitions) for size in _object_sizes(inner, next_depth)),
    ]


# Rewriting.


def rewritten(schema: Any, change: Callable[[Schema], Schema]) -> Any:
    """Return a schema after `change` of each schema in it, the innermost first."""
    if not isinstance(schema, Mapping):
        return schema
    result: Schema = dict(schema)
    for name in SCHEMA_OBJECTS:
        if isinstance(result.get(name), Mapping):
            result[name] = {inner_name: rewritten(inner, change) for inner_name, inner in result[name].items()}
    for name in SCHEMA_LISTS:
        if isinstance(result.get(name), list):
            result[name] = [rewritten(inner, change) for inner in result[name]]
    for name in SINGLE_SCHEMAS:
        if isinstance(result.get(name), Mapping):
            result[name] = rewritten(result[name], change)
    return change(result)


def closed(schema: Mapping[str, Any], rules: StrictRules) -> Schema:
    """Return a schema whose objects have exactly the properties they name, in the keywords that may be strict."""
    closed_schema: Schema = rewritten(with_root_object(schema), lambda inner: _closed_node(inner, rules))
    return closed_schema


def _closed_node(schema: Schema, rules: StrictRules) -> Schema:
    schema.pop("default", None)
    if "oneOf" in schema:
        schema["anyOf"] = schema.pop("oneOf")
        schema.pop("discriminator", None)
    if "$ref" in schema and len(schema) > 1:  # a reference may have no siblings, a union may
        description = {name: schema[name] for name in ("description",) if name in schema}
        return {"anyOf": [{"$ref": schema["$ref"]}], **description} if description else {"$ref": schema["$ref"]}
    if "properties" in schema:
        schema["additionalProperties"] = False
        if rules.all_required:
            schema["required"] = list(schema["properties"])
    words = {name for name in rules.words & schema.keys() if not _may_stay(name, schema[name], rules)}
    if "format" in schema and schema["format"] not in rules.formats:
        words.add("format")
    return in_words(schema, words)


def _may_stay(name: str, value: Any, rules: StrictRules) -> bool:
    return name == "minItems" and rules.longest_list is not None and value <= rules.longest_list


def with_null_for_optional(schema: Mapping[str, Any]) -> Schema:
    """Return a schema in which optional properties may be null, which strict schemas require; null is their default."""
    nullable_schema: Schema = rewritten(schema, _with_null)
    return nullable_schema


def _with_null(schema: Schema) -> Schema:
    required = schema.get("required") or ()
    if isinstance(schema.get("properties"), Mapping):
        schema["properties"] = {
            name: inner if name in required or _takes_null(inner) else {"anyOf": [inner, {"type": "null"}]}
            for name, inner in schema["properties"].items()
        }
    return schema


def _takes_null(schema: Any) -> bool:
    if not isinstance(schema, Mapping):
        return True
    types = schema.get("type")
    return (
        types == "null"
        or (isinstance(types, list) and "null" in types)
        or any(map(_takes_null, schema.get("anyOf") or ()))
    )


def in_words(schema: Schema, names: set[str] | frozenset[str]) -> Schema:
    """Return a schema with these keywords in its description."""
    words = {name: schema.pop(name) for name in sorted(names) if name in schema}
    if words:
        keyword_text = ", ".join(
            f"{name} {value if isinstance(value, (str, int, float)) else json.dumps(value)}"
            for name, value in words.items()
        )
        schema["description"] = "; ".join(filter(None, (schema.get("description"), keyword_text)))
    return schema


def with_typed_items(schema: Mapping[str, Any]) -> Schema:
    """Return a schema whose arrays all have `items`: a tuple becomes a list of that length, of any of its types."""
    typed_schema: Schema = rewritten(schema, _with_items)
    return typed_schema


def _with_items(schema: Schema) -> Schema:
    types = schema.get("type")
    is_array = types == "array" or (isinstance(types, list) and "array" in types) or "prefixItems" in schema
    if not is_array or isinstance(schema.get("items"), Mapping):
        return schema if "prefixItems" not in schema else _with_one_item_schema(schema, schema["items"])
    return _with_one_item_schema(schema, None)


def _with_one_item_schema(schema: Schema, tail_schema: Any) -> Schema:
    """Return an array's schema with one schema for all items; `tail_schema` is that of the items after the tuple."""
    tuple_schemas = schema.pop("prefixItems", None)
    if not isinstance(tuple_schemas, list) or not tuple_schemas:
        return {**schema, "items": tail_schema if tail_schema is not None else {}}
    item_schemas = [
        item_schema
        for position, item_schema in enumerate([*tuple_schemas, *([tail_schema] if tail_schema else [])])
        if item_schema not in tuple_schemas[:position]
    ]
    schema["items"] = item_schemas[0] if len(item_schemas) == 1 else {"anyOf": item_schemas}
    if not tail_schema:
        schema.setdefault("minItems", len(tuple_schemas))
        schema.setdefault("maxItems", len(tuple_schemas))
    return schema


def _unescaped(name: str) -> str:
    return name.replace("~1", "/").replace("~0", "~")
