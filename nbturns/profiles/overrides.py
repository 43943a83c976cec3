"""Apply overrides of a caller to a profile: type-checked, and only for fields that the profile allows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ..engines.parameters.schema import params as provider_params
from ..errors import ProfileError
from ..safety.secret_texts import shown
from .config import provider_of
from .middleware_uses import checked_uses
from .registry import API_TYPES, Layer, SourcedValue
from .schema import (
    LOOP_FIELDS,
    RUNTIME_FIELDS,
    SETTINGS_SECTIONS,
    SHORT_PARAMS,
    FieldPath,
    describe_kind,
    find_mismatch,
    suggest,
)
from .secrets import mask_secrets, strip_credentials, wrap_secrets

OVERRIDE_SOURCE = "override"
TOP_LEVEL_FIELDS: dict[str, Any] = {name: kind for name, kind in RUNTIME_FIELDS.items() if name != "loop"} | {
    "engine": str,
    "base_url": str,
}
GROUP_EXAMPLES = {"params": "{'temperature': 0}", "loop": "{'limit': 3}"}


def apply_overrides(layer: Layer, overrides: Mapping[str, Any], profile: str) -> Layer:
    """Return the layer with `overrides` applied. Raises ProfileError, with the key, for a forbidden or invalid override."""
    names = full_names(layer)
    policy = layer[("allow_overrides",)].value if ("allow_overrides",) in layer else False
    overriding: Layer = {}
    for name, value in _flattened(overrides):
        full_name = names.get(name)
        if name in GROUP_EXAMPLES:
            raise ProfileError(
                f"{name} must be a mapping, like {{{name!r}: {GROUP_EXAMPLES[name]}}}, not {describe_kind(value)}",
                key=name,
            )
        if full_name is None:
            raise ProfileError(
                f"unknown override {name!r}; {suggest(name, names)}", key=name, valid_names=tuple(sorted(names))
            )
        if not is_allowed(policy, full_name):
            allowed_fields = ", ".join(policy) if isinstance(policy, list) and policy else "none"
            raise ProfileError(
                f"profile {profile!r} does not allow overriding {name!r}; allow_overrides: {allowed_fields}",
                key=name,
            )
        for path, checked_value in _override_values(name, full_name, value):
            if path in overriding:
                raise ProfileError(f"{name} is overridden twice, under two different names", key=name)
            overriding[path] = SourcedValue(wrap_secrets(checked_value, path[-1]), OVERRIDE_SOURCE)
    if ("tools",) in overriding:
        _check_narrower_tools(layer, overriding[("tools",)].value, profile)
    return {**{path: entry for path, entry in layer.items() if not _is_overridden(path, overriding)}, **overriding}


def is_allowed(policy: bool | list[str], full_name: str) -> bool:
    """Return whether `allow_overrides` covers the field with this full name, like "params.temperature"."""
    if isinstance(policy, bool):
        return policy
    group, separator, field_name = full_name.partition(".")
    return any(allowed_field in (full_name, group, field_name if separator else full_name) for allowed_field in policy)


def full_names(layer: Layer) -> dict[str, str]:
    """Return all names of fields that can be overridden, mapped to their full names, like "params.temperature"."""
    names = {name: name for name in TOP_LEVEL_FIELDS}
    param_names = {*SHORT_PARAMS, *_provider_params(layer), *(path[1] for path in layer if path[0] == "params")}
    for group, group_names in (("params", param_names), ("loop", {*LOOP_FIELDS, "name"} - {"name"})):
        for name in group_names:
            names[f"{group}.{name}"] = f"{group}.{name}"
            names.setdefault(name, f"{group}.{name}")
    return names


def _provider_params(layer: Layer) -> Mapping[str, Any]:
    """Return the parameters of the layer's provider, by name."""
    api_type = layer[("chat", "api_type")].value if ("chat", "api_type") in layer else "openai"
    return {
        name: param
        for name, param in provider_params(provider_of(str(api_type).lower())).items()
        if name not in ("client", "api_key", "base_url")
    }


def printable_overrides(overrides: Mapping[str, Any]) -> dict[str, Any]:
    """Return the overrides without secrets."""
    printable: dict[str, Any] = {}
    for name, value in overrides.items():
        field_name = str(name).rpartition(".")[2]
        is_url = field_name == "base_url" and isinstance(value, str)
        printable[str(name)] = strip_credentials(value) if is_url else mask_secrets(wrap_secrets(value, field_name))
    return printable


def _flattened(overrides: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield the overrides by name; those of a group get names like "params.temperature"."""
    for name, value in overrides.items():
        if name in GROUP_EXAMPLES and isinstance(value, Mapping):
            yield from ((f"{name}.{field_name}", item) for field_name, item in value.items())
        else:
            yield str(name), value


def _override_values(name: str, full_name: str, value: Any) -> Iterator[tuple[FieldPath, Any]]:
    """Yield the field paths and values that an override sets, after checking its type."""
    group, separator, field_name = full_name.partition(".")
    if full_name == "engine":
        yield from _engine_values(value)
        return
    path, field_type = _path_and_type(group, field_name) if separator else ((full_name,), TOP_LEVEL_FIELDS[full_name])
    if full_name in ("middleware", "sinks"):
        value = checked_uses(value, lambda _, message, valid_names: _fail(name, message, valid_names))
    if mismatch := find_mismatch(value, field_type, (field_name or full_name,)):
        raise ProfileError(f"{name} {mismatch.message}", key=name)
    yield path, value


def _path_and_type(group: str, name: str) -> tuple[FieldPath, Any]:
    """Return the field path and the expected type of a parameter or a loop setting."""
    if group == "loop":
        return ("loop", name), LOOP_FIELDS[name]
    path = SHORT_PARAMS.get(name, ("params", name))
    return path, SETTINGS_SECTIONS[path[0]][path[1]] if path[0] in SETTINGS_SECTIONS else object


def _engine_values(value: Any) -> Iterator[tuple[FieldPath, Any]]:
    """Yield the fields that an override of `engine` sets."""
    prefix, separator, model = value.partition(":") if isinstance(value, str) else ("", "", "")
    if not (prefix and separator and model):
        raise ProfileError(
            f'engine must look like "provider:model", for example "anthropic:claude-sonnet-5-5", not {shown(value)}',
            key="engine",
        )
    yield ("chat", "api_type"), API_TYPES.get(prefix.lower(), prefix.lower())
    yield ("chat", "engine"), model


def _check_narrower_tools(layer: Layer, requested_tools: list[str], profile: str) -> None:
    """Raise ProfileError if the override adds tools and the profile does not allow it."""
    profile_tools = layer[("tools",)].value if ("tools",) in layer else None
    added_tools = [] if profile_tools is None else [tool for tool in requested_tools if tool not in profile_tools]
    if (added_tools and ("widen_tools",) not in layer) or (added_tools and not layer[("widen_tools",)].value):
        raise ProfileError(
            f"profile {profile!r} has no tool {added_tools[0]!r}, and an override may only narrow its tools "
            f"({', '.join(profile_tools or ()) or 'none'}); set widen_tools: true in the profile to allow it",
            key="tools",
            valid_names=tuple(profile_tools or ()),
        )


def _is_overridden(path: FieldPath, overriding: Layer) -> bool:
    """Return whether an override replaces this field, since a parameter may be set in several sections."""
    if path in overriding:
        return True
    return path[0] in ("chat", "openai", "gemini") and len(path) == 2 and ("inference", path[1]) in overriding


def _fail(name: str, message: str, valid_names: tuple[str, ...]) -> None:
    raise ProfileError(f"{name} {message}", key=name, valid_names=valid_names)
