"""A widget to choose a profile, override its settings, and see the resulting plan."""

from __future__ import annotations

import html
import json
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

import ipywidgets  # type: ignore[import-untyped]
import traitlets

from ..errors import LoadError, ProfileError
from ..profiles.plan import Plan, plan_html
from ..profiles.requesters import Requester
from ..profiles.resolve import Profiles
from ..safety.visible_text import printable, visible
from ..serialization.yaml_text import dump_yaml, load_yaml
from ..tools import Tool
from .page_state import PageState, ReadOnlyHTML
from .static_fallback import StaticFallback

if TYPE_CHECKING:
    from ..session import Session

DEFAULT_OVERRIDE_KEYS = ("engine", "system", "tools", "temperature", "max_tokens", "limit")
"""Fields offered if a profile allows all overrides."""
TOOLTIP = "tooltip" if "tooltip" in ipywidgets.Text.class_trait_names() else "description_tooltip"  # ipywidgets 8, 7
REFUSED = "nbturns-refused"
STYLE = (
    "<style>.nbturns-picker-message{min-height:1.5em;line-height:1.5;margin:0 0 0 8.3em;max-width:44em;"
    "color:color-mix(in srgb,var(--jp-error-color1,#d32f2f) 90%,var(--jp-content-font-color1,CanvasText))}"
    f".{REFUSED} input{{border-color:var(--jp-error-color1,#d32f2f)!important}}</style>"
)
MESSAGE = STYLE.replace("{", "{{").replace("}", "}}") + '<p class="nbturns-picker-message" role="alert">✗ {}</p>'
NO_MESSAGE = STYLE + '<p class="nbturns-picker-message"></p>'


class ProfilePicker(PageState, StaticFallback, ipywidgets.VBox):  # type: ignore[misc]  # ipywidgets has no types
    """A list of profiles, a field for each override the profile allows, and the resulting plan.

    `plan` is the displayed plan (None if the input is invalid; `error` then has the message). Differences from
    `current`, the plan in use, are marked. `session(tools)` builds a session from the displayed plan.
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
        who: Requester = None,
        **widget_arguments: Any,
    ) -> None:
        self.profiles = profiles
        self.current = current
        plan = profiles.resolve(profile, who=who)
        names = list(profiles)
        name = next(name for name in names if profiles[name].name == plan.name)
        self._profile_list = ipywidgets.Dropdown(
            options=names,
            value=name,
            description="Profile",
            **{TOOLTIP: "Profile of the session"},
            style={"description_width": "8em"},
            layout=ipywidgets.Layout(width="32em", max_width="98%"),
        )
        self._fields = ipywidgets.VBox()
        self._message = ReadOnlyHTML(NO_MESSAGE)
        self._plan_table = ReadOnlyHTML()
        self._init_static_fallback()
        super().__init__([self._profile_list, self._fields, self._message, self._plan_table], **widget_arguments)
        self._profile_list.observe(self._on_profile_chosen, "value")
        self.observe(self._on_change, ["profile", "overrides"])
        self.profile = name

    def session(self, tools: Iterable[Tool | Callable[..., Any]] = (), **session_arguments: Any) -> Session:
        """Return a session with the displayed profile and overrides. Raises ProfileError if they are invalid."""
        session = self.profiles[self.profile].session(tools, overrides=self.overrides, **session_arguments)
        self.current = self.plan
        self._draw_plan()
        return session

    # Input of the user.

    def _on_profile_chosen(self, change: Mapping[str, Any]) -> None:
        with self.hold_trait_notifications():
            self.overrides = {}
            self.profile = change["new"]

    def _on_override_typed(self, key: str, text: str) -> None:
        overrides = {name: value for name, value in self.overrides.items() if name != key}
        try:
            self.overrides = overrides | ({key: load_yaml(text)} if text.strip() else {})
        except LoadError as error:
            self._show_error(ProfileError(f"{key}: {error.reason}", key=key))

    # Display.

    def _on_change(self, change: Mapping[str, Any]) -> None:
        """Update the fields and the plan after a change of the profile or the overrides."""
        if change["name"] == "profile":
            self._profile_list.value = self.profile
            self._fields.children = [self._override_field(key) for key in self._override_keys()]
        for field in self._fields.children:
            text = _yaml_text(self.overrides[field.description]) if field.description in self.overrides else ""
            if load_yaml(field.value) != load_yaml(text):
                field.value = text
        try:
            self.plan = self.profiles[self.profile].resolve(self.overrides)
        except ProfileError as error:
            self._show_error(error)
        else:
            self.error = ""
            self._draw_plan()

    def _override_keys(self) -> tuple[str, ...]:
        """Return the names of the overrides that the profile allows; none for an invalid profile."""
        try:
            allowed_overrides = self.profiles[self.profile].resolve().allow_overrides
        except ProfileError:
            return ()
        if isinstance(allowed_overrides, bool):
            return DEFAULT_OVERRIDE_KEYS if allowed_overrides else ()
        return tuple(name for key in allowed_overrides for name in (("limit", "step") if key == "loop" else (key,)))

    def _override_field(self, key: str) -> Any:
        """Return the text field for one override."""
        plan_values = {plan_field.name: plan_field.value for plan_field in self.profiles[self.profile].resolve().fields}
        value = next((plan_values[name] for name in (key, f"params.{key}", f"loop.{key}") if name in plan_values), None)
        field = ipywidgets.Text(
            description=key,
            placeholder="not set" if value is None else _yaml_text(value),
            continuous_update=False,
            **{TOOLTIP: f"Override {key}; leave empty for the profile's value"},
            layout=ipywidgets.Layout(width="32em", max_width="98%"),
            style={"description_width": "8em"},
        )
        field.observe(lambda change: self._on_override_typed(key, change["new"]), "value")
        return field

    def _show_error(self, error: ProfileError) -> None:
        """Show an error in the line below the fields; the table keeps the last valid plan, so nothing moves."""
        self.plan = None
        self.error = str(error)
        self._message.value = MESSAGE.format(html.escape(visible(self.error), quote=True))
        self._mark_refused((error.key or "").removeprefix("params.").removeprefix("loop."))
        self._refresh_page()

    def _draw_plan(self) -> None:
        if self.plan is not None:
            self._message.value = NO_MESSAGE
            self._mark_refused("")
            self._plan_table.value = plan_html(self.plan, self.current)
            self._refresh_page()

    def _mark_refused(self, key: str) -> None:
        """Mark the field of an override that was refused."""
        for field in self._fields.children:
            if key and field.description == key:
                field.add_class(REFUSED)
            else:
                field.remove_class(REFUSED)

    def _repr_html_(self) -> str:
        return (self._message.value if self.error else "") + str(self._plan_table.value)

    @printable
    def __repr__(self) -> str:
        return f"<ProfilePicker {self.plan!r}>" if self.plan else f"<ProfilePicker {self.profile}: {self.error}>"


def _yaml_text(value: Any) -> str:
    """Return a value as a user would type it."""
    return (
        json.dumps(value, ensure_ascii=False)
        if isinstance(value, list)
        else dump_yaml(value).strip().removesuffix("\n...")
    )
