"""A middleware or a sink as a profile names it: `retry`, or `{name: retry, id: …, enabled: …, config: {…}}`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..extracting import TAG
from ..frozen import EMPTY
from .fields import kind_of, misfit, nearest

USE: dict[str, Any] = {"name": str, "id": str, "enabled": bool, "config": dict, "extract": list[str]}


@dataclass(frozen=True, slots=True)
class Use:
    """One use of a named thing. `config` may hold secrets; `extract` are the tags a sink's extractor takes out."""

    name: str
    id: str = ""
    enabled: bool = True
    config: Mapping[str, Any] = EMPTY
    extract: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        return f"{self.name}#{self.id}" if self.id else self.name


def uses(raw: Any, refuse: Callable[[tuple[str | int, ...], str, tuple[str, ...]], Any]) -> list[dict[str, Any]]:
    """The uses as plain data, checked; `refuse(path, words, known)` raises for what is wrong."""
    if not isinstance(raw, Sequence) or isinstance(raw, str):
        refuse((), f"is a list, not {kind_of(raw)}", ())
    checked: list[dict[str, Any]] = []
    for i, one in enumerate(raw):
        use = {"name": one} if isinstance(one, str) else one
        if not isinstance(use, Mapping) or not use.get("name"):
            refuse((i,), f"a use is a name, or {{name: …, config: {{…}}}}, not {kind_of(one)}", ())
        for name, value in use.items():
            if name not in USE:
                refuse((i, name), f"{name} is nothing one says of a use; {nearest(name, USE)}", tuple(USE))
            if value is not None and (wrong := misfit(value, USE[name], (name,))):
                refuse((i, name), f"{name} {wrong.words}", ())
        for tag in use.get("extract") or ():
            if not TAG.fullmatch(tag):
                refuse((i, "extract"), f"a tag is package:type:version, like notes:todo:v1, not {tag!r:.60}", ())
        checked.append({name: value for name, value in use.items() if value is not None})
    keys = _keys(checked)
    for i, key in enumerate(keys):
        if key in keys[:i]:
            refuse((i,), f"{key} is there twice; give each an id of its own", ())
    return checked


def _keys(uses: Sequence[Mapping[str, Any]]) -> list[str]:
    """What tells uses apart: name and id; without an id, the how-manieth of that name it is."""
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


def merged(base: Sequence[Mapping[str, Any]], over: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """`over` in place of the uses in `base` with the same name and id; what is new comes after."""
    mine = dict(zip(_keys(over), over, strict=True))
    known = _keys(base)
    return [mine.get(key, use) for key, use in zip(known, base, strict=True)] + [
        use for key, use in mine.items() if key not in known
    ]


def read(raw: Sequence[Mapping[str, Any]]) -> tuple[Use, ...]:
    """The uses that are enabled."""
    return tuple(
        Use(use["name"], use.get("id", ""), True, use.get("config", EMPTY), tuple(use.get("extract", ())))
        for use in raw
        if use.get("enabled", True)
    )
