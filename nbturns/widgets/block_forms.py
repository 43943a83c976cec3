"""A block as a text to look at or to paste: JSON, what the provider wrote, metadata, Python, YAML."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pprint import pformat
from typing import Any

from ..frozen import thaw
from ..keyed import Metadata
from ..rows import body_of
from ..serde import block_to_dict, jsonable, yamlable
from ..text import content
from ..turns import Block
from ..yaml_text import dump

WIRE = ".wire@v1"  # how the names end under which codecs keep what a provider wrote (engines/wire.py)
WIDTH = 100
LONE = re.compile(r"[\ud800-\udfff]")  # half a character: JSON may escape it, and no page can be sent it


def form(block: Block, name: str) -> str:
    """A block in one of the forms; "" when there is nothing of that kind."""
    match name:
        case "text":
            return content(block) if block.kind == "tool_call" else body_of(block)
        case "body":
            return body_of(block)
        case "json":
            return json_text(block_to_dict(block))
        case "provider":
            return provider_json(block)
        case "metadata":
            return json_text(jsonable(block.metadata.to_dict())) if len(block.metadata) else ""
        case "python":
            return python(block)
        case "yaml":
            return dump(block_to_dict(block, plain=yamlable))
    return ""


def json_text(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False, indent=2, default=repr)
    return LONE.sub(lambda match: f"\\u{ord(match[0]):04x}", text)


def bag_json(bag: Metadata) -> str:
    return json_text(jsonable(bag.to_dict())) if len(bag) else ""


def provider_json(block: Block) -> str:
    """What the provider wrote, as its codec kept it; and what of its own it left under other names."""
    kept = {
        name: raw["raw"] if isinstance(raw, Mapping) and "raw" in raw else raw
        for name, raw in block.metadata.items()
        if name.endswith(WIRE)
    }
    if not kept:
        return ""
    (first, *more) = kept.values()
    return json_text(jsonable(thaw(kept if more else first)))


def python(block: Block) -> str:
    """An expression that makes a block of the same content (ids and metadata are not copied)."""
    payload = thaw(block.payload)
    match block.kind:
        case "system" | "user" | "reasoning" if set(payload) == {"text"} and block.role in _roles(block.kind):
            return f"nt.{block.kind}({_said(payload['text'])})"
        case "llm_text" if set(payload) == {"text"} and block.role in ("assistant", ""):
            return f"nt.assistant({_said(payload['text'])})"
        case "tool_call" if set(payload) == {"id", "name", "args"}:
            return f"nt.tool_call({payload['id']!r}, {payload['name']!r}, {_said(payload['args'])})"
        case "tool_use" if set(payload) <= {"id", "result", "error"} and "id" in payload:
            error = f", error={payload['error']!r}" if payload.get("error") else ""
            return f"nt.tool_use({payload['id']!r}, {_said(payload.get('result'))}{error})"
    role = f", role={block.role!r}" if block.role else ""
    return f"nt.Block({block.kind!r}, {_said(payload)}{role})"


def _roles(kind: str) -> tuple[str, ...]:
    return ("",) if kind == "reasoning" else (kind, "")


def _said(value: Any) -> str:
    text = pformat(value, width=WIDTH, sort_dicts=False)
    if isinstance(value, str) and text.startswith("("):  # pformat's own brackets around a long text
        return text[1:-1]
    return text
