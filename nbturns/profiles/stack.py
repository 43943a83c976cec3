"""A profile's stack, from its deepest base up to itself, and what the whole says.

Depth first, each profile once, where it comes first. Rules of merging: a field that is said replaces what was
said below (`false`, `0` and `[]` too; null says nothing); mappings merge key by key, but a model's `cost` is one
thing; middlewares and sinks are replaced in place by name and id, new ones come after; what pinocchio's
extension says of tools is added to the tools below.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from ..errors import ProfileError
from .middleware_uses import merged as merged_uses
from .registry import Layer, ProfileLayer, Said

DEEPEST = 32

Find = Callable[[str, str], ProfileLayer]
"""(registry, profile) → the layer. Raises ProfileError for what there is not."""


def lineage(leaf: ProfileLayer, find: Find) -> tuple[ProfileLayer, ...]:
    """The profiles that make `leaf`, low to high. Raises ProfileError that shows the chain, for a circle or a stack too deep."""
    expanded: dict[str, ProfileLayer] = {}

    def visit(profile: ProfileLayer, above: tuple[str, ...]) -> None:
        chain = (*above, profile.name)
        if profile.name in above:
            raise ProfileError(f"profiles stand on each other in a circle: {' → '.join(chain)}", key=leaf.name)
        if len(chain) > DEEPEST:
            raise ProfileError(
                f"profiles stand more than {DEEPEST} deep: {' → '.join(chain[:3])} → … → {profile.name}", key=leaf.name
            )
        if profile.name in expanded:
            return
        for registry, slug in profile.stack:
            try:
                base = find(registry, slug)
            except ProfileError as error:
                raise ProfileError(
                    f"{error.reason} (in the stack {' → '.join(chain)})", key=f"{registry}/{slug}", known=error.known
                ) from None
            visit(base, chain)
        expanded[profile.name] = profile

    visit(leaf, ())
    return tuple(expanded.values())


def merged(layers: Iterable[ProfileLayer]) -> Layer:
    """What the layers say together, low to high."""
    said: Layer = {}
    for layer in layers:
        for path, its in layer.says.items():
            if path == ("more_tools",):
                below = said.get(("tools",))
                more = [tool for tool in its.value if below is None or tool not in below.value]
                said["tools",] = Said([*(below.value if below else ()), *more], its.where)
                continue
            below = said.get(path)
            value = (
                merged_uses(below.value, its.value) if path in (("middleware",), ("sinks",)) and below else its.value
            )
            for other in [other for other in said if _nested(other, path)]:
                del said[other]  # a mapping replaced by a value, or the other way round
            said[path] = Said(value, its.where)
    return said


def _nested(a: tuple[str, ...], b: tuple[str, ...]) -> bool:
    short = min(len(a), len(b))
    return a != b and a[:short] == b[:short]
