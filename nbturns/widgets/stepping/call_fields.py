"""The arguments of a call as fields of a form, and what a page sends back as arguments.

A field has its value as text, so that numbers keep their digits. What the page does not change keeps its exact value.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from ...errors import MisuseError
from ...render.text import visible
from ...values.frozen_json import thaw

LONG_TEXT = 80  # characters; a longer text gets a text area
MAX_OPTIONS = 60
MAX_FIELDS = 200
MAX_TEXT_LENGTH = 2_000_000  # characters that a page may send
TYPE_WORDS = {"boolean": "true or false", "array": "list", "null": "nothing"}
ABSENT: Any = object()


def call_fields(args: Mapping[str, Any], parameters: Mapping[str, Any] | None) -> list[dict[str, Any]]:
    """Return a field for each argument: those of the schema in its order, then those that it does not have."""
    properties = {} if parameters is None else parameters.get("properties") or {}
    required = () if parameters is None else parameters.get("required") or ()
    names = [*properties, *(name for name in args if name not in properties)]
    fields: list[dict[str, Any]] = []
    for name in names[:MAX_FIELDS]:
        schema = properties.get(name)
        schema = schema if isinstance(schema, Mapping) else {}
        field = _field(args.get(name, ABSENT), schema)
        field |= {"name": name, "required": name in required, "given": name in args}
        if parameters is not None and name not in properties:
            field["unknown"] = True
        if isinstance(description := schema.get("description"), str) and description:
            field["note"] = visible(description[:300])
        fields.append(field)
    return fields


def field_kind(value: Any, schema: Mapping[str, Any]) -> str:
    """Return the kind of the field that fits both a value and its schema; "json" fits any."""
    options = schema.get("enum")
    if isinstance(options, (list, tuple)) and 0 < len(options) <= MAX_OPTIONS:
        if value is ABSENT or any(_same(value, option) for option in options):
            return "choice"
        return "json"
    type_name = _type_name(schema)
    if value is ABSENT:
        if type_name == "array" and _type_name(schema.get("items") or {}) == "string":
            return "lines"
        return {"string": "string", "boolean": "boolean", "integer": "number", "number": "number"}.get(
            type_name, "json"
        )
    if isinstance(value, str) and type_name in ("string", ""):
        return "text" if "\n" in value or len(value) > LONG_TEXT else "string"
    if isinstance(value, bool):
        return "boolean" if type_name in ("boolean", "") else "json"
    if isinstance(value, (int, float)) and type_name in ("integer", "number", ""):
        return "number"
    if isinstance(value, (list, tuple)) and value and type_name in ("array", ""):
        is_lines = all(isinstance(item, str) and item and "\n" not in item for item in value)
        return "lines" if is_lines else "json"
    return "json"


def _field(value: Any, schema: Mapping[str, Any]) -> dict[str, Any]:
    kind = field_kind(value, schema)
    field: dict[str, Any] = {
        "kind": kind,
        "type": type_words(schema),
        "text": "" if value is ABSENT else _text(value, kind),
    }
    if kind == "choice":
        field["options"] = [json_text(option) for option in schema["enum"]]
    if value is ABSENT and "default" in schema:
        field["default"] = visible(json_text(schema["default"])[:200])
    return field


def _text(value: Any, kind: str) -> str:
    match kind:
        case "string" | "text":
            return str(value)
        case "lines":
            return "\n".join(value)
        case "json":
            return json_text(value, indent=2)
    return json_text(value)


def json_text(value: Any, indent: int | None = None) -> str:
    """Return a value as JSON text, numbers as they are."""
    return json.dumps(thaw(value), ensure_ascii=False, indent=indent, default=str)


def _type_name(schema: Any) -> str:
    """Return the one type of a schema besides null; "" for none or several."""
    if not isinstance(schema, Mapping):
        return ""
    branches = schema.get("anyOf") or schema.get("oneOf")
    if isinstance(branches, (list, tuple)):
        names = {_type_name(branch) for branch in branches} - {"null"}
        return names.pop() if len(names) == 1 else "several"
    types = schema.get("type")
    if isinstance(types, (list, tuple)):
        kinds = [name for name in types if name != "null"]
        return str(kinds[0]) if len(kinds) == 1 else "several"
    return types if isinstance(types, str) else ""


def type_words(schema: Mapping[str, Any]) -> str:
    """Return the type of a schema in words."""
    if isinstance(options := schema.get("enum"), (list, tuple)):
        return visible(f"one of {len(options)}")
    name = _type_name(schema)
    if name == "array" and (item := _type_name(schema.get("items") or {})):
        return f"list of {visible(item)}s"
    if name == "several":
        return "any of several types"
    return visible(TYPE_WORDS.get(name, name))


def edited_args(args: Mapping[str, Any], parameters: Mapping[str, Any] | None, edit: Mapping[str, Any]) -> Any:
    """Return the arguments of a call with the changes of a page. Raises MisuseError for a text that is not a value.

    `edit` has "json", the text of all arguments, or "fields": names with their text, or None to leave an argument out.
    """
    if isinstance(text := edit.get("json"), str):
        value = _parsed(text, "the arguments")
        if not isinstance(value, dict):
            raise MisuseError('the arguments must be a JSON object, like {"path": "a.txt"}')
        return value
    fields = edit.get("fields")
    if not isinstance(fields, Mapping):
        return args
    properties = {} if parameters is None else parameters.get("properties") or {}
    changed_args: dict[str, Any] = dict(args)
    for name, text in fields.items():
        if not isinstance(name, str) or not (text is None or isinstance(text, str)):
            raise MisuseError(f"expected texts of fields, got {name!r:.60}")
        if text is None:
            changed_args.pop(name, None)
            continue
        schema = properties.get(name)
        kind = field_kind(args.get(name, ABSENT), schema if isinstance(schema, Mapping) else {})
        changed_args[name] = parsed_field(name, kind, text)
    return changed_args


def parsed_field(name: str, kind: str, text: str) -> Any:
    """Return the value of a field from its text. Raises MisuseError for a text that is not such a value."""
    if len(text) > MAX_TEXT_LENGTH:
        raise MisuseError(f"{name}: the text has {len(text):,} characters; at most {MAX_TEXT_LENGTH:,} are accepted")
    if kind in ("string", "text"):
        return text
    if kind == "lines":
        return text.split("\n") if text else []
    value = _parsed(text, name)
    if kind == "number" and (isinstance(value, bool) or not isinstance(value, (int, float))):
        raise MisuseError(f"{name}: expected a number, got {text!r:.60}")
    if kind == "boolean" and not isinstance(value, bool):
        raise MisuseError(f"{name}: expected true or false, got {text!r:.60}")
    return value


def _parsed(text: str, name: str) -> Any:
    if len(text) > MAX_TEXT_LENGTH:
        raise MisuseError(f"{name}: the text has {len(text):,} characters; at most {MAX_TEXT_LENGTH:,} are accepted")
    try:
        return json.loads(text, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        place = f" at line {error.lineno}" if isinstance(error, json.JSONDecodeError) else ""
        raise MisuseError(f"{name}: this is not JSON{place}: {text.strip()[:40]!r}") from None


def _refuse_constant(name: str) -> Any:
    raise ValueError(name)


def _same(value: Any, option: Any) -> bool:
    return isinstance(value, bool) == isinstance(option, bool) and bool(value == option)


__all__ = ["call_fields", "edited_args", "json_text"]
