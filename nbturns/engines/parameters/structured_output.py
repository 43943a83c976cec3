"""JSON Schemas for answers: put into words, or closed as strict structured output demands."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from ...values.frozen_json import thaw
from ...values.inference_settings import StructuredOutputConfig
from ...values.turns import Turn, system

BOUNDS = frozenset(
    {"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf", "minLength", "maxLength"}
    | {"pattern", "maxItems", "uniqueItems", "minProperties", "maxProperties", "minItems"}
)
BAD_IN_NAME = re.compile(r"[^a-zA-Z0-9_-]")
SCHEMA_OBJECTS = ("properties", "$defs", "definitions")  # objects whose values are schemas
SCHEMA_LISTS = ("anyOf", "oneOf", "allOf", "prefixItems")


def with_schema_in_words(turn: Turn, config: StructuredOutputConfig) -> Turn:
    """Return the Turn with the schema in a block behind its system blocks; callers keep the Turn without it."""
    head = next((index for index, block in enumerate(turn) if block.kind != "system"), len(turn))
    schema = json.dumps(thaw(config.schema), ensure_ascii=False)
    return turn.insert(head, system(f"Answer only with JSON that matches this JSON Schema: {schema}"))


def schema_name(config: StructuredOutputConfig) -> str:
    """Return the name of the schema in the characters that providers accept."""
    return BAD_IN_NAME.sub("_", config.name or config.schema.get("title") or "answer")[:64]


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
    return all(can_be_strict(inner) for inner in _inner_schemas(schema))


def _inner_schemas(schema: Mapping[str, Any]) -> list[Any]:
    """Return the schemas inside a schema; values (default, enum, const, examples) are not schemas."""
    inner = [
        value for name in SCHEMA_OBJECTS if isinstance(schema.get(name), Mapping) for value in schema[name].values()
    ]
    inner += [value for name in SCHEMA_LISTS if isinstance(schema.get(name), list) for value in schema[name]]
    return inner + [schema[name] for name in ("items", "additionalProperties") if isinstance(schema.get(name), Mapping)]


def closed(schema: Any, *, bounds: bool = True) -> Any:
    """Return a schema whose objects have exactly the properties they name.

    Without `bounds`, the limits of numbers and lengths move into the description.
    """
    if not isinstance(schema, Mapping):
        return schema
    result = {name: value for name, value in schema.items() if name != "default"}
    if result.get("$ref") and len(result) > 1:  # a reference may have no siblings
        result = {"$ref": result["$ref"]}
    if "oneOf" in result:
        result["anyOf"] = result.pop("oneOf")
        result.pop("discriminator", None)
    for name in SCHEMA_OBJECTS:
        if isinstance(result.get(name), Mapping):
            result[name] = {key: closed(value, bounds=bounds) for key, value in result[name].items()}
    for name in SCHEMA_LISTS:
        if isinstance(result.get(name), list):
            result[name] = [closed(value, bounds=bounds) for value in result[name]]
    if isinstance(result.get("items"), Mapping):
        result["items"] = closed(result["items"], bounds=bounds)
    if result.get("type") == "object":
        result["additionalProperties"] = False
        if bounds:
            result["required"] = list(result.get("properties") or ())
    return result if bounds else _describe_bounds(result)


def _describe_bounds(schema: dict[str, Any]) -> dict[str, Any]:
    bounds = {name: schema.pop(name) for name in sorted(BOUNDS) if name in schema}
    if bounds:
        description = ", ".join(f"{name} {value}" for name, value in bounds.items())
        schema["description"] = "; ".join(filter(None, (schema.get("description"), description)))
    return schema
