"""A block as text to read or to paste: JSON, the provider's original, metadata, Python, YAML."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pprint import pformat
from typing import Any

from ..render.block_rows import block_body
from ..render.content_nodes import block_nodes
from ..render.text import transcript_text
from ..serialization.serde import block_to_dict, jsonable, yamlable
from ..serialization.yaml_text import dump_yaml
from ..values.frozen_json import thaw
from ..values.metadata import Metadata
from ..values.turns import Block

VERBATIM_KEY_SUFFIX = ".wire@v1"  # metadata keys with the provider's original data end like this
WIDTH = 100
LONE_SURROGATE = re.compile(r"[\ud800-\udfff]")  # valid in JSON only as an escape, and no message can carry it


def format_block(block: Block, format_name: str) -> str:
    """Return a block in one of the formats; "" if it has nothing in that format."""
    match format_name:
        case "text":
            return transcript_text(block) if block.kind == "tool_call" else block_body(block)
        case "body":
            return block_body(block)
        case "json":
            return json_text(block_to_dict(block))
        case "provider":
            return provider_json(block)
        case "metadata":
            return json_text(jsonable(block.metadata.to_dict())) if len(block.metadata) else ""
        case "python":
            return python_expression(block)
        case "nodes":
            nodes = block_nodes(block)
            return "" if nodes is None else json.dumps(nodes, ensure_ascii=False, separators=(",", ":"))
        case "yaml":
            return dump_yaml(block_to_dict(block, converter=yamlable))
    return ""


def json_text(value: Any) -> str:
    """Return a value as indented JSON."""
    text = json.dumps(value, ensure_ascii=False, indent=2, default=repr)
    return LONE_SURROGATE.sub(lambda match: f"\\u{ord(match[0]):04x}", text)


def metadata_json(metadata: Metadata) -> str:
    """Return metadata as indented JSON; "" if it is empty."""
    return json_text(jsonable(metadata.to_dict())) if len(metadata) else ""


def provider_json(block: Block) -> str:
    """Return the data that the provider sent, as kept by its codec, and other keys of that provider; "" if none is kept."""
    provider_data = {
        name: value["raw"] if isinstance(value, Mapping) and "raw" in value else value
        for name, value in block.metadata.items()
        if name.endswith(VERBATIM_KEY_SUFFIX)
    }
    if not provider_data:
        return ""
    (first_value, *further_values) = provider_data.values()
    return json_text(jsonable(thaw(provider_data if further_values else first_value)))


def python_expression(block: Block) -> str:
    """Return an expression that builds a block with the same content, without ids and metadata."""
    payload = thaw(block.payload)
    match block.kind:
        case "system" | "user" | "reasoning" if set(payload) == {"text"} and block.role in _default_roles(block.kind):
            return f"nt.{block.kind}({_literal(payload['text'])})"
        case "llm_text" if set(payload) == {"text"} and block.role in ("assistant", ""):
            return f"nt.assistant({_literal(payload['text'])})"
        case "tool_call" if set(payload) == {"id", "name", "args"}:
            return f"nt.tool_call({payload['id']!r}, {payload['name']!r}, {_literal(payload['args'])})"
        case "tool_use" if set(payload) <= {"id", "result", "error"} and "id" in payload:
            error = f", error={payload['error']!r}" if payload.get("error") else ""
            return f"nt.tool_use({payload['id']!r}, {_literal(payload.get('result'))}{error})"
    role = f", role={block.role!r}" if block.role else ""
    return f"nt.Block({block.kind!r}, {_literal(payload)}{role})"


def _default_roles(kind: str) -> tuple[str, ...]:
    return ("",) if kind == "reasoning" else (kind, "")


def _literal(value: Any) -> str:
    text = pformat(value, width=WIDTH, sort_dicts=False)
    if isinstance(value, str) and text.startswith("("):  # pformat wraps a long text in brackets
        return text[1:-1]
    return text
