"""The fields of a plan, each with its source."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from .config import EngineConfig, field_sources
from .plan import Field
from .registry import Layer
from .secrets import mask_secrets

DEFAULT_SOURCE = "default"
COST = "cost"  # geppetto's name of `prices`


def plan_fields(layer: Layer, config: EngineConfig) -> Iterator[Field]:
    """Yield each field of the config with its source: a layer, an override or the default."""
    sources = field_sources(layer)
    plain_config = config.to_dict()
    del plain_config["signature"]
    for name, value in plain_config.items():
        if name in ("params", "client", "loop", "model_info", "structured_output"):
            for inner_name, inner_value in value.items():
                inner_name = COST if (name, inner_name) == ("model_info", "prices") else inner_name
                source = sources.get(f"{name}.{inner_name}") or (
                    "the shipped table" if name == "model_info" else DEFAULT_SOURCE
                )
                yield Field(f"{name}.{inner_name}", inner_value, source)
        else:
            yield Field(name, value, sources.get(name, DEFAULT_SOURCE))
    for path, entry in layer.items():
        is_extra_model_info = (
            path[0] == "model_info" and path[1] not in plain_config.get("model_info", {}) and path[1] != COST
        )
        if is_extra_model_info or path[0] in ("extensions", "allow_overrides", "widen_tools"):
            yield Field(".".join(path), mask_secrets(entry.value), entry.source)


def merged_extensions(layer: Layer) -> dict[str, Any]:
    """Return the merged extensions as nested mappings."""
    extensions: dict[str, Any] = {}
    for path, entry in layer.items():
        if path[0] == "extensions":
            mapping = extensions
            for part in path[1:-1]:
                mapping = mapping.setdefault(part, {})
            mapping[path[-1]] = mask_secrets(entry.value)
    return extensions
