"""Choose a profile and what it lets you override; see what that comes to, and what it would change."""

from __future__ import annotations

import html
import json
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

import ipywidgets  # type: ignore[import-untyped]
import traitlets

from ..errors import LoadError, ProfileError
from ..profiles.plan import Plan, plan_html
from ..profiles.resolving import Profiles, Who
from ..tools import Tool
from ..yaml_text import dump, load

if TYPE_CHECKING:
    from ..session import Session

USUAL = ("engine", "system", "tools", "temperature", "max_tokens", "limit")
"""What is offered where a profile lets everything be overridden."""
TOOLTIP = "tooltip" if "tooltip" in ipywidgets.Text.class_trait_names() else "description_tooltip"  # ipywidgets 8, 7
WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"


class ProfilePicker(ipywidgets.VBox):  # type: ignore[misc]  # ipywidgets has no types
    """A list of profiles, a field for each override the chosen one allows, and the plan they come to.

    `plan` is the plan that is shown (None while something does not fit), `error` says what does not fit. What is
    different from `current`, the plan in use, is marked. `session(tools)` makes a session of what is shown.
    """

    plan = traitlets.Instance(Plan, allow_none=True)
    profile = traitlets.Unicode()
    overrides = traitlets.Dict()
    error = traitlets.Unicode()

    def __init__(
        self,
        profiles: Profiles,
        profile: str | None = None,
        *,
        current: Plan | None = None,
        who: Who = None,
        **more: Any,
    ) -> None:
        self.profiles = profiles
        self.current = current
        chosen = profiles.resolve(profile, who=who)
        names = list(profiles)
        name = next(name for name in names if profiles[name].name == chosen.name)
        self._list = ipywidgets.Dropdown(
            options=names,
            value=name,
            description="Profile",
            **{TOOLTIP: "Which profile the session runs with"},
            style={"description_width": "8em"},
            layout=ipywidgets.Layout(width="32em"),
        )
        self._fields = ipywidgets.VBox()
        self._table = ipywidgets.HTML()
        super().__init__([self._list, self._fields, self._table], **more)
        self._list.observe(self._choose, "value")
        self.observe(self._follow, ["profile", "overrides"])
        self.profile = name

    def session(self, tools: Iterable[Tool | Callable[..., Any]] = (), **more: Any) -> Session:
        """A session with the profile and overrides that are shown. Raises ProfileError when they do not fit."""
        made = self.profiles[self.profile].session(tools, overrides=self.overrides, **more)
        self.current = self.plan
        self._draw()
        return made

    # From the page.

    def _choose(self, change: Mapping[str, Any]) -> None:
        with self.hold_trait_notifications():
            self.overrides = {}
            self.profile = change["new"]

    def _typed(self, key: str, text: str) -> None:
        rest = {name: value for name, value in self.overrides.items() if name != key}
        try:
            self.overrides = rest | ({key: load(text)} if text.strip() else {})
        except LoadError as error:
            self._wrong(ProfileError(f"{key}: {error.reason}", key=key))

    # To the page.

    def _follow(self, change: Mapping[str, Any]) -> None:
        if change["name"] == "profile":
            self._list.value = self.profile
            self._fields.children = [self._field(key) for key in self._allowed()]
        for field in self._fields.children:
            text = _text(self.overrides[field.description]) if field.description in self.overrides else ""
            if load(field.value) != load(text):
                field.value = text
        try:
            self.plan = self.profiles[self.profile].resolve(self.overrides)
        except ProfileError as error:
            self._wrong(error)
        else:
            self.error = ""
            self._draw()

    def _allowed(self) -> tuple[str, ...]:
        try:
            allowed = self.profiles[self.profile].resolve().allow_overrides
        except ProfileError:
            return ()
        if isinstance(allowed, bool):
            return USUAL if allowed else ()
        return tuple(name for key in allowed for name in (("limit", "step") if key == "loop" else (key,)))

    def _field(self, key: str) -> Any:
        said = {one.name: one.value for one in self.profiles[self.profile].resolve().fields}
        value = next((said[name] for name in (key, f"params.{key}", f"loop.{key}") if name in said), None)
        field = ipywidgets.Text(
            description=key,
            placeholder="not said" if value is None else _text(value),
            continuous_update=False,
            **{TOOLTIP: f"Override {key}; empty for the profile's own"},
            layout=ipywidgets.Layout(width="32em"),
            style={"description_width": "8em"},
        )
        field.observe(lambda change: self._typed(key, change["new"]), "value")
        return field

    def _wrong(self, error: ProfileError) -> None:
        self.plan = None
        self.error = str(error)
        self._table.value = f'<p role="alert">{html.escape(self.error)}</p>'

    def _draw(self) -> None:
        if self.plan is not None:
            self._table.value = plan_html(self.plan, self.current)

    _ipython_display_ = None  # ipywidgets 7 has one, which shows the live picker alone

    def _repr_mimebundle_(self, **_: Any) -> dict[str, Any]:
        """The live picker, and for a page without a kernel the plan as a table."""
        bundle: dict[str, Any] = {"text/plain": repr(self), "text/html": self._table.value}
        if self.comm is not None:
            bundle[WIDGET_VIEW] = {"version_major": 2, "version_minor": 0, "model_id": self.model_id}
        return bundle

    def __repr__(self) -> str:
        return f"<ProfilePicker {self.plan!r}>" if self.plan else f"<ProfilePicker {self.profile}: {self.error}>"


def _text(value: Any) -> str:
    """A value as it would be typed."""
    return (
        json.dumps(value, ensure_ascii=False) if isinstance(value, list) else dump(value).strip().removesuffix("\n...")
    )
