"""JSON Schemas for answers: put into words, or closed as strict structured output demands."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from ...values.frozen_json import thaw
from ...values.inference_settings import StructuredOutputConfig
from ...values.turns import Turn, system

BOUND_KEYWORDS = frozenset(
    {"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf", "minLength", "maxLength"}
    | {"pattern", "maxItems", "uniqueItems", "minProperties", "maxProperties", "minItems"}
)
INVALID_NAME_CHARACTERS = re.compile(r"[^a-zA-Z0-9_-]")
SCHEMA_OBJECTS = ("properties", "$defs", "definitions")  # objects whose values are schemas
SCHEMA_LISTS = ("anyOf", "oneOf", "allOf", "prefixItems")


def with_schema_in_words(turn: Turn, config: StructuredOutputConfig) -> Turn:
    """Return the Turn with the schema in a block behind its system blocks; callers keep the Turn without it."""
    head_end = next((index for index, block in enumerate(turn) if block.kind != "system"), len(turn))
    schema_json = json.dumps(thaw(config.schema), ensure_ascii=False)
    return turn.insert(head_end, system(f"Answer only with JSON that matches this JSON Schema: {schema_json}"))


def schema_name(config: StructuredOutputConfig) -> str:
    """Return the name of the schema in the characters that providers accept."""
    return INVALID_NAME_CHARACTERS.sub("_", config.name or config.schema.get("title") or "answer")[:64]


def can_be_strict(schema: Any) -> bool:
    """Tell whether every object of the schema names its properties; one with arbitrary names cannot be closed."""
    if isinstance(schema, list):
        return all(map(can_be_strict, schema))
    if not isinstance(schema, Mapping):
        return True
    if schema.get("additionalProperties") not in (None, False):
        return False
    if schema.get("type") == "object" and "properties" not in schema:
        return False
    return all(can_be_strict(inner_schema) for inner_schema in _inner_schemas(schema))


def _inner_schemas(schema: Mapping[str, Any]) -> list[Any]:
    """Return the schemas inside a schema; values (default, enum, const, examples) are not schemas."""
    inner_schemas = [
        inner_schema
        for name in SCHEMA_OBJECTS
        if isinstance(schema.get(name), Mapping)
        for inner_schema in schema[name].values()
    ]
    inner_schemas += [
        inner_schema for name in SCHEMA_LISTS if isinstance(schema.get(name), list) for inner_schema in schema[name]
    ]
    return inner_schemas + [
        schema[name] for name in ("items", "additionalProperties") if isinstance(schema.get(name), Mapping)
    ]


def close_schema(schema: Any, *, bounds: bool = True) -> Any:
    """Return a schema whose objects have exactly the properties they name.

    Without `bounds`, the limits of numbers and lengths move into the description.
    """
    if not isinstance(schema, Mapping):
        return schema
    closed_schema = {name: inner_schema for name, inner_schema in schema.items() if name != "default"}
    if closed_schema.get("$ref") and len(closed_schema) > 1:  # a reference may have no siblings
        closed_schema = {"$ref": closed_schema["$ref"]}
    if "oneOf" in closed_schema:
        closed_schema["anyOf"] = closed_schema.pop("oneOf")
        closed_schema.pop("discriminator", None)
    for name in SCHEMA_OBJECTS:
        if isinstance(closed_schema.get(name), Mapping):
            closed_schema[name] = {
                property_name: close_schema(inner_schema, bounds=bounds)
                for property_name, inner_schema in closed_schema[name].items()
            }
    for name in SCHEMA_LISTS:
        if isinstance(closed_schema.get(name), list):
            closed_schema[name] = [close_schema(inner_schema, bounds=bounds) for inner_schema in closed_schema[name]]
    if isinstance(closed_schema.get("items"), Mapping):
        closed_schema["items"] = close_schema(closed_schema["items"], bounds=bounds)
    if closed_schema.get("type") == "object":
        closed_schema["additionalProperties"] = False
        if bounds:
            closed_schema["required"] = list(closed_schema.get("properties") or ())
    return closed_schema if bounds else _describe_bounds(closed_schema)


def _describe_bounds(schema: dict[str, Any]) -> dict[str, Any]:
    bounds = {name: schema.pop(name) for name in sorted(BOUND_KEYWORDS) if name in schema}
    if bounds:
        description = ", ".join(f"{name} {value}" for name, value in bounds.items())
        schema["description"] = "; ".join(filter(None, (schema.get("description"), description)))
    return schema
