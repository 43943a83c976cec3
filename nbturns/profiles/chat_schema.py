"""The structured output that geppetto's `chat` section requests."""

from __future__ import annotations

from ..errors import ProfileError
from ..values.inference_settings import StructuredOutputConfig
from .registry import Layer

STRUCTURED_OUTPUT_PREFIX = "structured_output_"


def structured_output_of(layer: Layer) -> StructuredOutputConfig | None:
    """Return the structured output that geppetto's `chat` section requests, or None."""
    fields = {
        path[1].removeprefix(STRUCTURED_OUTPUT_PREFIX): entry.value
        for path, entry in layer.items()
        if path[0] == "chat" and path[1].startswith(STRUCTURED_OUTPUT_PREFIX)
    }
    if fields.get("mode", "off") == "off":
        return None
    if not fields.get("schema"):
        source = layer["chat", STRUCTURED_OUTPUT_PREFIX + "mode"].source
        raise ProfileError(
            f"structured_output_mode is json_schema, but structured_output_schema is missing ({source})",
            key=STRUCTURED_OUTPUT_PREFIX + "schema",
        )
    return StructuredOutputConfig.from_dict(fields)
