"""A resolved profile: the config to use, and the source of each field."""

from __future__ import annotations

import html
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from dataclasses import field as dataclass_field
from typing import Any

from ..safety.visible_text import printable
from ..tools import Tool
from ..values.frozen_json import EMPTY_DICT, FrozenDict
from ..values.turns import Block, Turn
from .config import EngineConfig


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a plan: its name, its value without secrets, and the source of the value."""

    name: str
    value: Any
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The chosen profile and the config it resolves to. Resolving allocates nothing.

    `chosen_by` names the rule that chose the profile. `lineage` lists the profiles it is merged from, deepest base
    first, as "registry/profile". `fields` give the source of each field.
    """

    profile: str
    registry: str
    chosen_by: str
    lineage: tuple[str, ...]
    config: EngineConfig
    fields: tuple[Field, ...]
    version: int | None = None
    overrides: Mapping[str, Any] = EMPTY_DICT
    extensions: Mapping[str, Any] = EMPTY_DICT
    allow_overrides: bool | tuple[str, ...] = False
    tools: tuple[Tool, ...] = dataclass_field(default=(), repr=False)
    profiles: Any = dataclass_field(default=None, repr=False, compare=False)  # the Profiles it was resolved from

    def with_tools(self, tools: Iterable[Tool | Callable[..., Any]]) -> Plan:
        """Return the plan with those of `tools` that the profile uses; its signature covers their definitions."""
        from .build_session import select_tools

        toolbox = select_tools(self.config, tools, self.name)
        definitions = tuple(
            FrozenDict(name=tool.name, description=tool.description, parameters=tool.parameters) for tool in toolbox
        )
        return replace(self, tools=tuple(toolbox), config=self.config.replace(tool_definitions=definitions))

    def request(self, prompt: str | Block | Turn, tools: Iterable[Tool | Callable[..., Any]] = ()) -> dict[str, Any]:
        """Return the JSON body that a session of this plan would send for a prompt, without sending it.

        The middlewares of the profile run. `tools` are as for `profile.session(tools=…)`, by default those of the plan.
        """
        from .build_session import request_body

        return request_body(self, prompt, tuple(tools) or self.tools)

    @property
    def name(self) -> str:
        """Name of the profile, with its registry."""
        return f"{self.registry}/{self.profile}"

    @property
    def signature(self) -> str:
        """Digest of all that affects the answer; it contains no secret."""
        return self.config.signature

    @property
    def sources(self) -> dict[str, str]:
        """The source of each field, by the field's name."""
        return {field.name: field.source for field in self.fields}

    @property
    def runtime(self) -> dict[str, Any]:
        """The value of the Turn's metadata `geppetto.runtime@v1`: geppetto's fields, and the settings of the loop."""
        runtime: dict[str, Any] = {
            "runtime_key": self.name,
            "runtime_fingerprint": self.signature,
            "profile.slug": self.profile,
        }
        runtime |= {"profile.registry": self.registry, "profile.stack.lineage": list(self.lineage)}
        if self.version is not None:
            runtime["profile.version"] = self.version
        return runtime | {"loop": self.config.loop.to_dict()}

    def difference(self, new_plan: Plan) -> tuple[tuple[str, Any, Any], ...]:
        """Return the fields that differ, as (name, value here, value in `new_plan`); None means "not set"."""
        own_values, new_values = ({field.name: field.value for field in plan.fields} for plan in (self, new_plan))
        return tuple(
            (name, own_values.get(name), new_values.get(name))
            for name in sorted({*own_values, *new_values})
            if own_values.get(name) != new_values.get(name)
        )

    @printable
    def __str__(self) -> str:
        width = max((len(field.name) for field in self.fields), default=0)
        lines = [f"{field.name:{width}}  {_shortened(field.value):40}  {field.source}" for field in self.fields]
        return "\n".join([f"{self.name} (by {self.chosen_by}), signature {self.signature[:12]}", *lines])

    @printable
    def __repr__(self) -> str:
        return f"<Plan {self.name} {self.config.engine} {self.signature[:12]}>"

    def _repr_html_(self) -> str:
        return plan_html(self)


DEFAULT_SOURCES = ("default", "the shipped table")
STYLE = (
    ".nbturns-plan{font-size:var(--jp-ui-font-size1,13px);line-height:1.45;max-width:60em}"
    ".nbturns-plan table{border-collapse:collapse;margin:0;width:100%}"
    ".nbturns-plan :is(th,td){text-align:left!important;vertical-align:top;padding:1px 12px 1px 0;line-height:1.45;"
    "overflow-wrap:anywhere;white-space:pre-wrap}"
    ".nbturns-plan th{font-weight:600;width:14em}.nbturns-plan td+td{width:16em}"
    ".nbturns-plan :is(small,td+td,caption){color:var(--jp-ui-font-color2,GrayText)}"
    ".nbturns-plan caption{text-align:left;padding:4px 0 4px 11px}.nbturns-plan th[scope=col]{padding-left:11px}"
    ".nbturns-plan th+th[scope=col]{padding-left:0}"
    ".nbturns-plan th[scope=row]{border-left:3px solid transparent;padding-left:8px}"
    ".nbturns-plan tr.changed th{border-left-color:var(--jp-warn-color1,#e65100)}"
)


LEFT = ' style="text-align:left;vertical-align:top"'  # a notebook that is not trusted removes STYLE


def plan_html(plan: Plan, previous_plan: Plan | None = None) -> str:
    """Return the plan as an HTML table without scripts; changes since `previous_plan` are marked."""
    previous_values = {field.name: field.value for field in previous_plan.fields} if previous_plan else {}
    set_rows: list[str] = []
    default_rows: list[str] = []
    for field in plan.fields:
        changed = previous_plan is not None and previous_values.get(field.name) != field.value
        (default_rows if field.source in DEFAULT_SOURCES and not changed else set_rows).append(
            _row_html(
                field.name,
                _value_html(field.value),
                field.source,
                _previous_html(previous_values.get(field.name)) if changed else "",
            )
        )
    set_rows.extend(
        _row_html(name, f"<del>{_value_html(value)}</del>", "no longer set", " ")
        for name, value in previous_values.items()
        if name not in plan.sources
    )
    caption = f"{plan.name}, chosen by {plan.chosen_by}; {' → '.join(plan.lineage)}; signature {plan.signature[:12]}"
    names = "".join(f'<th scope="col"{LEFT}>{name}</th>' for name in ("field", "value", "source"))
    header = f"<thead><tr>{names}</tr></thead>"
    defaults_html = f"<details><summary>{len(default_rows)} more with default values</summary><table>{''.join(default_rows)}</table></details>"
    return (
        f'<div class="nbturns-plan tex2jax_ignore mathjax_ignore"><style>{STYLE}</style>'
        f"<table><caption>{html.escape(caption)}</caption>{header}<tbody>{''.join(set_rows)}</tbody></table>"
        f"{defaults_html if default_rows else ''}</div>"
    )


def _row_html(name: str, value: str, source: str, previous: str) -> str:
    """Return the table row of one field.

    A file is shown by its name, with its folder in the tooltip. `previous` is the HTML of the previous value.
    """
    layer_name, separator, position = source.partition(", ")
    short_position = position.rpartition("/")[2].replace(" line ", ":")
    position_html = (
        f' <small title="{html.escape(position)}">{html.escape(short_position)}</small>' if separator else ""
    )
    return (
        f'<tr{" class=changed" if previous else ""}><th scope="row"{LEFT}>{html.escape(name)}</th><td{LEFT}>{value}{previous}</td>'
        f"<td{LEFT}>{html.escape(layer_name)}{position_html}</td></tr>"
    )


def _previous_html(value: Any) -> str:
    return f" <small>was {_value_html(value) if value is not None else 'not set'}</small>"


def _value_html(value: Any) -> str:
    return html.escape(_shortened(value, 400))


def _shortened(value: Any, max_length: int = 60) -> str:
    import json

    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= max_length else text[: max_length - 1] + "…"
