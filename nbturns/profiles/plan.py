"""A resolved profile: what will be used, and for every field where that was said."""

from __future__ import annotations

import html
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..frozen import EMPTY
from .config import EngineConfig


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a plan: its name, its value without secrets, and who said it."""

    name: str
    value: Any
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Which profile was chosen, why, and what it comes to. Resolving it has allocated nothing.

    `chosen_by` says which rule chose the profile; `lineage` are the profiles it is made of, low to high, as
    "registry/profile"; `fields` says of each field where it came from.
    """

    profile: str
    registry: str
    chosen_by: str
    lineage: tuple[str, ...]
    config: EngineConfig
    fields: tuple[Field, ...]
    version: int | None = None
    overrides: Mapping[str, Any] = EMPTY
    extensions: Mapping[str, Any] = EMPTY
    allow_overrides: bool | tuple[str, ...] = False

    @property
    def name(self) -> str:
        return f"{self.registry}/{self.profile}"

    @property
    def signature(self) -> str:
        return self.config.signature

    @property
    def sources(self) -> dict[str, str]:
        """Where each field came from, by its name."""
        return {one.name: one.source for one in self.fields}

    @property
    def runtime(self) -> dict[str, Any]:
        """What a Turn says of it, under `geppetto.runtime@v1`: geppetto's names, and the loop beside them."""
        told: dict[str, Any] = {
            "runtime_key": self.name,
            "runtime_fingerprint": self.signature,
            "profile.slug": self.profile,
        }
        told |= {"profile.registry": self.registry, "profile.stack.lineage": list(self.lineage)}
        if self.version is not None:
            told["profile.version"] = self.version
        return told | {"loop": self.config.loop.to_dict()}

    def difference(self, other: Plan) -> tuple[tuple[str, Any, Any], ...]:
        """What `other` says differently: (field, here, there) each; None for what one of them does not say."""
        mine, theirs = ({one.name: one.value for one in plan.fields} for plan in (self, other))
        return tuple(
            (name, mine.get(name), theirs.get(name))
            for name in sorted({*mine, *theirs})
            if mine.get(name) != theirs.get(name)
        )

    def __str__(self) -> str:
        wide = max((len(one.name) for one in self.fields), default=0)
        lines = [f"{one.name:{wide}}  {_short(one.value):40}  {one.source}" for one in self.fields]
        return "\n".join([f"{self.name} (by {self.chosen_by}), signature {self.signature[:12]}", *lines])

    def __repr__(self) -> str:
        return f"<Plan {self.name} {self.config.engine} {self.signature[:12]}>"

    def _repr_html_(self) -> str:
        return plan_html(self)


def plan_html(plan: Plan, since: Plan | None = None) -> str:
    """The plan as a table; with `since`, what it says differently is marked. Texts only, no script."""
    before = {one.name: one.value for one in since.fields} if since else {}
    rows = []
    for one in plan.fields:
        was = before.get(one.name)
        changed = since is not None and was != one.value
        mark = f"<br><small>was {_cell(was) if was is not None else 'not said'}</small>" if changed else ""
        style = ' style="background:var(--jp-warn-color3,#fff4d6);color:inherit"' if changed else ""
        rows.append(
            f'<tr{style}><th scope="row" style="text-align:left">{html.escape(one.name)}</th>'
            f'<td style="text-align:left;white-space:pre-wrap">{_cell(one.value)}{mark}</td>'
            f'<td style="text-align:left">{html.escape(one.source)}</td></tr>'
        )
    rows.extend(
        f'<tr><th scope="row" style="text-align:left">{html.escape(name)}</th>'
        f'<td style="text-align:left"><del>{_cell(value)}</del></td><td style="text-align:left">not said any more</td></tr>'
        for name, value in before.items()
        if name not in plan.sources
    )
    return (
        '<table class="nbturns-plan tex2jax_ignore mathjax_ignore">'
        f"<caption style='text-align:left'>{html.escape(plan.name)}, chosen by {html.escape(plan.chosen_by)}; "
        f"{html.escape(' → '.join(plan.lineage))}; signature <code>{plan.signature[:12]}</code></caption>"
        '<thead><tr><th style="text-align:left">field</th><th style="text-align:left">value</th>'
        f'<th style="text-align:left">said by</th></tr></thead><tbody>{"".join(rows)}</tbody></table>'
    )


def _cell(value: Any) -> str:
    return html.escape(_short(value, 400))


def _short(value: Any, most: int = 60) -> str:
    import json

    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= most else text[: most - 1] + "…"
