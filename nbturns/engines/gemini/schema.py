"""JSON Schemas in the part of the language that Gemini knows; the rest goes into descriptions.

Facts: Google's page on structured output, and the keywords that it refuses according to pydantic-ai 2.68.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..parameters.json_schema import Schema, in_words, rewritten

UNKNOWN = frozenset(  # keywords that go into words
    {"exclusiveMinimum", "exclusiveMaximum", "multipleOf", "uniqueItems", "contains", "minContains", "maxContains"}
    | {"patternProperties", "propertyNames", "not", "if", "then", "else", "dependentRequired", "dependentSchemas"}
    | {"unevaluatedProperties", "unevaluatedItems", "contentEncoding", "contentMediaType"}
)
DROPPED = frozenset({"$schema", "$comment", "discriminator", "examples", "readOnly", "writeOnly", "deprecated"})
FORMATS = frozenset({"date-time", "date", "time"})  # of strings
TYPES: dict[Any, str] = {bool: "boolean", int: "integer", float: "number", str: "string"}


def google_schema(schema: Mapping[str, Any]) -> Schema:
    """Return a schema in the keywords that Gemini knows."""
    known_schema: Schema = rewritten(schema, _known_node)
    return known_schema


def _known_node(schema: Schema) -> Schema:
    for name in DROPPED & schema.keys():
        del schema[name]
    if isinstance(schema.get("allOf"), list):
        schema = _joined(schema)
    if "const" in schema:
        value = schema.pop("const")
        schema["enum"] = [value]
        if "type" not in schema and type(value) in TYPES:
            schema["type"] = TYPES[type(value)]
    if "$ref" in schema and any(not name.startswith("$") for name in schema):  # a reference may have no siblings
        reference = {"$ref": schema.pop("$ref")}
        schema = {"anyOf": [reference], **schema}
    words = UNKNOWN & schema.keys()
    if schema.get("type") == "string" and schema.get("format") not in (None, *FORMATS):
        words |= {"format"}
    return in_words(schema, words)


def _joined(schema: Schema) -> Schema:
    """Return a schema with the members of `allOf` in it; of two values for one keyword the schema's own is kept."""
    members = [member for member in schema.pop("allOf") if isinstance(member, Mapping)]
    if len(members) == 1 and "$ref" in members[0]:
        return {**members[0], **schema}
    joined: Schema = {}
    for member in (*members, schema):
        properties = {**(joined.get("properties") or {}), **(member.get("properties") or {})}
        required = [*(joined.get("required") or ()), *(member.get("required") or ())]
        joined |= member
        if properties:
            joined["properties"] = properties
        if required:
            joined["required"] = list(dict.fromkeys(required))
    return joined
