"""The shape of an answer: its name, its check, and the shape in words for models without a parameter for it."""

from __future__ import annotations

import json
import re

from ...errors import EngineError
from ...values.frozen_json import thaw
from ...values.inference_settings import StructuredOutputConfig
from ...values.turns import Turn, system

INVALID_NAME_CHARACTERS = re.compile(r"[^a-zA-Z0-9_-]")


def require_schema(config: StructuredOutputConfig) -> None:
    """Raise EngineError for a shape without a schema, which would ask for nothing."""
    if not config.schema:
        raise EngineError(
            f"the structured output {config.name!r} has no schema; pass schema={{…}}, or mode='off'",
            kind="bad_parameter",
        )


def with_schema_in_words(turn: Turn, config: StructuredOutputConfig) -> Turn:
    """Return the Turn with the schema in a block behind its system blocks; callers keep the Turn without it."""
    head_end = next((index for index, block in enumerate(turn) if block.kind != "system"), len(turn))
    schema_json = json.dumps(thaw(config.schema), ensure_ascii=False)
    return turn.insert(head_end, system(f"Answer only with JSON that matches this JSON Schema: {schema_json}"))


def schema_name(config: StructuredOutputConfig) -> str:
    """Return the name of the schema in the characters that providers accept."""
    return INVALID_NAME_CHARACTERS.sub("_", config.name or config.schema.get("title") or "answer")[:64]
