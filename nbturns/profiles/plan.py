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


NOBODY = ("default", "the shipped table")
STYLE = (
    ".nbturns-plan{font-size:var(--jp-ui-font-size1,13px);line-height:1.45;max-width:60em}"
    ".nbturns-plan table{border-collapse:collapse;margin:0;width:100%}"
    ".nbturns-plan :is(th,td){text-align:left;vertical-align:top;padding:1px 12px 1px 0;line-height:1.45;"
    "overflow-wrap:anywhere;white-space:pre-wrap}"
    ".nbturns-plan th{font-weight:600;width:14em}.nbturns-plan td+td{width:16em}"
    ".nbturns-plan :is(small,td+td,caption){color:var(--jp-ui-font-color2,GrayText)}"
    ".nbturns-plan caption{text-align:left;padding:4px 0 4px 11px}.nbturns-plan th[scope=col]{padding-left:11px}"
    ".nbturns-plan th+th[scope=col]{padding-left:0}"
    ".nbturns-plan th[scope=row]{border-left:3px solid transparent;padding-left:8px}"
    ".nbturns-plan tr.changed th{border-left-color:var(--jp-warn-color1,#e65100)}"
)


def plan_html(plan: Plan, since: Plan | None = None) -> str:
    """The plan as a table; with `since`, what it says differently is marked. Texts only, no script."""
    before = {one.name: one.value for one in since.fields} if since else {}
    said: list[str] = []
    unsaid: list[str] = []
    for one in plan.fields:
        changed = since is not None and before.get(one.name) != one.value
        (unsaid if one.source in NOBODY and not changed else said).append(
            _row(one.name, _cell(one.value), one.source, _was(before.get(one.name)) if changed else "")
        )
    said.extend(
        _row(name, f"<del>{_cell(value)}</del>", "not said any more", " ")
        for name, value in before.items()
        if name not in plan.sources
    )
    about = f"{plan.name}, chosen by {plan.chosen_by}; {' → '.join(plan.lineage)}; signature {plan.signature[:12]}"
    head = '<thead><tr><th scope="col">field</th><th scope="col">value</th><th scope="col">said by</th></tr></thead>'
    rest = (
        f"<details><summary>{len(unsaid)} more that nobody spoke of</summary><table>{''.join(unsaid)}</table></details>"
    )
    return (
        f'<div class="nbturns-plan tex2jax_ignore mathjax_ignore"><style>{STYLE}</style>'
        f"<table><caption>{html.escape(about)}</caption>{head}<tbody>{''.join(said)}</tbody></table>"
        f"{rest if unsaid else ''}</div>"
    )


def _row(name: str, value: str, source: str, was: str) -> str:
    """One field; of a file its name is shown and its folder on hover. `was` marks a change."""
    who, comma, place = source.partition(", ")
    short = place.rpartition("/")[2].replace(" line ", ":")
    where = f' <small title="{html.escape(place)}">{html.escape(short)}</small>' if comma else ""
    return (
        f'<tr{" class=changed" if was else ""}><th scope="row">{html.escape(name)}</th><td>{value}{was}</td>'
        f"<td>{html.escape(who)}{where}</td></tr>"
    )


def _was(value: Any) -> str:
    return f" <small>was {_cell(value) if value is not None else 'not said'}</small>"


def _cell(value: Any) -> str:
    return html.escape(_short(value, 400))


def _short(value: Any, most: int = 60) -> str:
    import json

    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= most else text[: most - 1] + "…"
