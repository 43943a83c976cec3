"""Merge a profile with the profiles it inherits from.

The bases are visited depth first, each once, at its first position. When layers are merged, a field replaces the
same field of a base (also when it is `false`, `0` or `[]`; null means "not set"). Mappings merge key by key, except
that a model's `cost` is replaced as a whole. Middlewares and sinks replace those with the same name and id; new
ones are appended. Tools in pinocchio's extension are added to the tools of the bases.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from ..errors import ProfileError
from .middleware_uses import merge_uses
from .registry import Layer, ProfileLayer, SourcedValue

MAX_STACK_DEPTH = 32

FindLayer = Callable[[str, str], ProfileLayer]
"""(registry, profile) → the layer. Raises ProfileError for an unknown name."""


def lineage(profile: ProfileLayer, find_layer: FindLayer) -> tuple[ProfileLayer, ...]:
    """Return the profile and all its bases, deepest base first.

    Raises ProfileError, which shows the chain, if a profile inherits from itself or the stack is too deep.
    """
    bases_first: dict[str, ProfileLayer] = {}

    def visit(layer: ProfileLayer, ancestors: tuple[str, ...]) -> None:
        chain = (*ancestors, layer.name)
        if layer.name in ancestors:
            raise ProfileError(f"profiles inherit from each other in a circle: {' → '.join(chain)}", key=profile.name)
        if len(chain) > MAX_STACK_DEPTH:
            raise ProfileError(
                f"profiles inherit more than {MAX_STACK_DEPTH} deep: {' → '.join(chain[:3])} → … → {layer.name}",
                key=profile.name,
            )
        if layer.name in bases_first:
            return
        for registry, slug in layer.stack:
            try:
                base = find_layer(registry, slug)
            except ProfileError as error:
                raise ProfileError(
                    f"{error.reason} (in the stack {' → '.join(chain)})",
                    key=f"{registry}/{slug}",
                    valid_names=error.valid_names,
                ) from None
            visit(base, chain)
        bases_first[layer.name] = layer

    visit(profile, ())
    return tuple(bases_first.values())


def merge_layers(layers: Iterable[ProfileLayer]) -> Layer:
    """Return the field values of all layers; later layers override earlier ones."""
    merged: Layer = {}
    for layer in layers:
        for path, entry in layer.values.items():
            if path == ("more_tools",):
                base_entry = merged.get(("tools",))
                added_tools = [tool for tool in entry.value if base_entry is None or tool not in base_entry.value]
                merged["tools",] = SourcedValue([*(base_entry.value if base_entry else ()), *added_tools], entry.source)
                continue
            base_entry = merged.get(path)
            value = (
                merge_uses(base_entry.value, entry.value)
                if path in (("middleware",), ("sinks",)) and base_entry
                else entry.value
            )
            for other_path in [other_path for other_path in merged if _is_ancestor_or_descendant(other_path, path)]:
                del merged[other_path]  # a mapping replaces a plain value, or the reverse
            merged[path] = SourcedValue(value, entry.source)
    return merged


def _is_ancestor_or_descendant(path: tuple[str, ...], other_path: tuple[str, ...]) -> bool:
    shared_length = min(len(path), len(other_path))
    return path != other_path and path[:shared_length] == other_path[:shared_length]
