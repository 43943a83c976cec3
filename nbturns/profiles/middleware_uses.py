"""Parse a middleware or sink of a profile: `retry`, or `{name: retry, id: …, enabled: …, config: {…}}`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..runtime.tag_extraction import TAG_PATTERN
from ..values.frozen_json import EMPTY_DICT
from .schema import describe_kind, find_mismatch, suggest
from .secrets import mask_secrets

USE_FIELDS: dict[str, Any] = {"name": str, "id": str, "enabled": bool, "config": dict, "extract": list[str]}


@dataclass(frozen=True, slots=True)
class Use:
    """One middleware or sink of a profile. `config` may hold secrets; a sink extracts the tags in `extract`."""

    name: str
    id: str = ""
    enabled: bool = True
    config: Mapping[str, Any] = EMPTY_DICT
    extract: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        """Name, with the id if there is one; equal keys replace each other."""
        return f"{self.name}#{self.id}" if self.id else self.name

    def to_plain(self) -> Any:
        """Return the use as in a file, secrets masked: its name alone where nothing else is set."""
        options = {"id": self.id, "config": mask_secrets(self.config), "extract": list(self.extract)}
        set_options = {name: value for name, value in options.items() if value}
        return {"name": self.name, **set_options} if set_options else self.name


def checked_uses(
    items: Any, fail: Callable[[tuple[str | int, ...], str, tuple[str, ...]], Any]
) -> list[dict[str, Any]]:
    """Return the entries of a `middleware` or `sinks` list as mappings; `fail(path, message, known)` raises for invalid ones."""
    if not isinstance(items, Sequence) or isinstance(items, str):
        fail((), f"must be a list, not {describe_kind(items)}", ())
    checked_items: list[dict[str, Any]] = []
    for i, item in enumerate(items):
        use = {"name": item} if isinstance(item, str) else item
        if not isinstance(use, Mapping) or not use.get("name"):
            fail((i,), f"must be a name or {{name: …, config: {{…}}}}, not {describe_kind(item)}", ())
        for name, value in use.items():
            if name not in USE_FIELDS:
                fail((i, name), f"unknown field {name!r}; {suggest(name, USE_FIELDS)}", tuple(USE_FIELDS))
            if value is not None and (mismatch := find_mismatch(value, USE_FIELDS[name], (name,))):
                fail((i, name), f"{name} {mismatch.message}", ())
        for tag in use.get("extract") or ():
            if not TAG_PATTERN.fullmatch(tag):
                fail(
                    (i, "extract"),
                    f"a tag must look like package:type:version, for example notes:todo:v1, not {tag!r:.60}",
                    (),
                )
        checked_items.append({name: value for name, value in use.items() if value is not None})
    keys = _use_keys(checked_items)
    for i, key in enumerate(keys):
        if key in keys[:i]:
            fail((i,), f"{key} is listed twice; give each its own id", ())
    return checked_items


def _use_keys(uses: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return a unique key for each use: its name and id, or its name and how often that name came before."""
    counts: dict[str, int] = {}
    keys = []
    for use in uses:
        name = use["name"]
        if use.get("id"):
            keys.append(f"{name}#{use['id']}")
        else:
            keys.append(f"{name}[{counts.setdefault(name, 0)}]")
            counts[name] += 1
    return keys


def merge_uses(
    base_uses: Sequence[Mapping[str, Any]], overriding_uses: Sequence[Mapping[str, Any]]
) -> list[Mapping[str, Any]]:
    """Return `base_uses`, with those that have the same key replaced, followed by the new ones."""
    overriding_by_key = dict(zip(_use_keys(overriding_uses), overriding_uses, strict=True))
    base_keys = _use_keys(base_uses)
    return [overriding_by_key.get(key, use) for key, use in zip(base_keys, base_uses, strict=True)] + [
        use for key, use in overriding_by_key.items() if key not in base_keys
    ]


def enabled_uses(use_mappings: Sequence[Mapping[str, Any]]) -> tuple[Use, ...]:
    """Return the enabled entries as Use values."""
    return tuple(
        Use(use["name"], use.get("id", ""), True, use.get("config", EMPTY_DICT), tuple(use.get("extract", ())))
        for use in use_mappings
        if use.get("enabled", True)
    )
