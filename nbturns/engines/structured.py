"""The shape an answer must have, as each provider is told it.

Facts: OpenAI's and Anthropic's pages on structured outputs (strict schemas close every
object and require every property; Anthropic takes no bounds), Google's on responseJsonSchema.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from ..frozen import thaw
from ..settings import StructuredOutputConfig
from ..turns import Turn, system

BOUNDS = frozenset(
    {"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf", "minLength", "maxLength"}
    | {"pattern", "maxItems", "uniqueItems", "minProperties", "maxProperties", "minItems"}
)
BAD_IN_NAME = re.compile(r"[^a-zA-Z0-9_-]")
INSIDE = ("properties", "$defs", "definitions")  # objects whose values are schemas
LISTED = ("anyOf", "oneOf", "allOf", "prefixItems")


# These know no schema; they are told of it in words.
UNSHAPED = {
    "anthropic": re.compile(r"claude-(?:[123]|instant|(?:sonnet|opus)-4(?:-0|-2025\d+|@.*)?$)|claude-(?:v)?2"),
    "openai": re.compile(r"gpt-3|gpt-4(?:-|$)|o1-(?:mini|preview)"),
    "openai-chat": re.compile(r"gpt-3|gpt-4(?:-|$)|o1-(?:mini|preview)"),
    "gemini": re.compile(r"gemini-1\.0|gemma"),
}
UNSHAPED_SERVERS = frozenset({"deepseek", "zai"})


def told(provider: str, model: str, server: str, shape: StructuredOutputConfig) -> bool:
    """Whether this model must be told of the shape in words, because it takes no such schema as a parameter."""
    if provider not in UNSHAPED or server in UNSHAPED_SERVERS or UNSHAPED[provider].search(model):
        return True
    return provider == "anthropic" and not can_be_strict(thaw(shape.schema))


def instructed(turn: Turn, shape: StructuredOutputConfig) -> Turn:
    """The Turn with the shape in words, behind its system blocks; what is kept is the Turn without."""
    head = next((at for at, block in enumerate(turn) if block.kind != "system"), len(turn))
    schema = json.dumps(thaw(shape.schema), ensure_ascii=False)
    return turn.insert(head, system(f"Answer with JSON alone, and let it fit this JSON Schema: {schema}"))


def formatted(provider: str, shape: StructuredOutputConfig) -> dict[str, Any]:
    """The parameters that ask for this shape, in the provider's own words."""
    schema: dict[str, Any] = thaw(shape.schema)
    name = BAD_IN_NAME.sub("_", shape.name or schema.get("title") or "answer")[:64]
    match provider:
        case "anthropic":
            return {"output_config": {"format": {"type": "json_schema", "schema": closed(schema, bounds=False)}}}
        case "gemini":
            return {"response_mime_type": "application/json", "response_json_schema": schema}
    strict = shape.strict and can_be_strict(schema)
    said = {"name": name, "schema": closed(schema) if strict else schema, "strict": strict}
    if shape.description:
        said["description"] = shape.description
    if provider == "openai":
        return {"text": {"format": {"type": "json_schema", **said}}}
    return {"response_format": {"type": "json_schema", "json_schema": said}}


def can_be_strict(schema: Any) -> bool:
    """Whether a schema says of every object which properties it has: one with names of any kind cannot be closed."""
    if isinstance(schema, list):
        return all(map(can_be_strict, schema))
    if not isinstance(schema, Mapping):
        return True
    beyond = schema.get("additionalProperties")
    if beyond not in (None, False):
        return False
    if schema.get("type") == "object" and "properties" not in schema:
        return False
    return all(can_be_strict(value) for value in _schemas(schema))


def _schemas(schema: Mapping[str, Any]) -> list[Any]:
    """The schemas inside a schema; values (default, enum, const, examples) are none."""
    found = [one for name in INSIDE if isinstance(schema.get(name), Mapping) for one in schema[name].values()]
    found += [one for name in LISTED if isinstance(schema.get(name), list) for one in schema[name]]
    return found + [schema[name] for name in ("items", "additionalProperties") if isinstance(schema.get(name), Mapping)]


def closed(schema: Any, *, bounds: bool = True) -> Any:
    """A schema whose objects have the properties they name, all of them, and no others.

    Without `bounds`, what limits a number or a length is told in the description instead.
    """
    if not isinstance(schema, Mapping):
        return schema
    made = {name: value for name, value in schema.items() if name != "default"}
    if made.get("$ref") and len(made) > 1:  # a reference stands alone
        made = {"$ref": made["$ref"]}
    if "oneOf" in made:
        made["anyOf"] = made.pop("oneOf")
        made.pop("discriminator", None)
    for name in INSIDE:
        if isinstance(made.get(name), Mapping):
            made[name] = {key: closed(value, bounds=bounds) for key, value in made[name].items()}
    for name in LISTED:
        if isinstance(made.get(name), list):
            made[name] = [closed(value, bounds=bounds) for value in made[name]]
    if isinstance(made.get("items"), Mapping):
        made["items"] = closed(made["items"], bounds=bounds)
    if made.get("type") == "object":
        made["additionalProperties"] = False
        if bounds:
            made["required"] = list(made.get("properties") or ())
    return made if bounds else _without_bounds(made)


def _without_bounds(schema: dict[str, Any]) -> dict[str, Any]:
    told = {name: schema.pop(name) for name in sorted(BOUNDS) if name in schema}
    if told:
        words = ", ".join(f"{name} {value}" for name, value in told.items())
        schema["description"] = "; ".join(filter(None, (schema.get("description"), words)))
    return schema
