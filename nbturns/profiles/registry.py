"""Read one registry, a named set of profiles, from plain data.

Every profile, in geppetto's form or in the short form, becomes one layer: a flat mapping from the path of a field
to its value and the source of that value. Layers can therefore be merged field by field, and a resolved plan can
name the source of each field.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NoReturn, TypeAlias

from ..errors import ProfileError
from ..safety.secret_texts import shown
from ..values.frozen_json import EMPTY_DICT
from . import schema
from .middleware_uses import checked_uses
from .schema import DocumentPath, FieldPath, describe_kind, did_you_mean, dotted_path, find_mismatch, suggest
from .secrets import REFERENCE as SECRET_REFERENCE
from .secrets import SHELL_VARIABLE, is_secret_name, wrap_secrets

SLUG = re.compile(r"[a-z0-9](?:[a-z0-9._-]{0,126}[a-z0-9])?")
EXTENSION = re.compile(r"[a-z0-9_-]+(?:\.[a-z0-9_-]+)+@v[0-9]+")
PINOCCHIO_EXTENSION = "pinocchio.webchat_runtime@v1"
COPIED_FIELDS = ("base_url", "api_key", "system", "tools", "tool_choice", "approval", "policy", *schema.POLICY_FIELDS)
STACK_ENTRY_FIELDS = {"registry_slug": str, "profile_slug": str}

# Prefix of our engines → geppetto's name of the API, where the two differ.
API_TYPES = {"openai": "open-responses", "openai-responses": "open-responses", "openai-chat": "openai"}


@dataclass(frozen=True, slots=True)
class SourcedValue:
    """The value of a field and its source, like "team/base, team.yaml line 7"."""

    value: Any
    source: str


Layer = dict[FieldPath, SourcedValue]
FieldValues: TypeAlias = Iterator[tuple[FieldPath, Any, DocumentPath]]
"""Triples of the path of a field, its value, and the position of the value in the document."""


@dataclass(frozen=True, slots=True)
class ProfileLayer:
    """One profile as written in its registry: its base profiles and its own field values."""

    slug: str
    registry: str
    display_name: str = ""
    description: str = ""
    stack: tuple[tuple[str, str], ...] = ()
    """(registry, profile) of each base profile; later ones override earlier ones."""
    values: Layer = field(default_factory=dict)
    version: int | None = None

    @property
    def name(self) -> str:
        return f"{self.registry}/{self.slug}"


@dataclass(frozen=True, slots=True)
class Registry:
    """A named set of profiles from one source."""

    slug: str
    profiles: Mapping[str, ProfileLayer]
    loops: Mapping[str, Mapping[str, Any]] = EMPTY_DICT
    source: str = ""
    display_name: str = ""
    description: str = ""
    default_profile: str = ""  # named by a geppetto database

    @property
    def default(self) -> str:
        """Return the slug of the default profile: the named one, "default", else the first by name; "" if empty."""
        return self.default_profile or ("default" if "default" in self.profiles else min(self.profiles, default=""))


@dataclass(slots=True)
class RegistryReader:
    """Read one registry; errors and layer entries name its file and, if `lines` has them, the line numbers."""

    source: str = ""
    lines: Mapping[DocumentPath, int] = field(default_factory=dict)

    def read_registry(self, data: Any, default_slug: str = "") -> Registry:
        """Return the registry described by `data`; `default_slug` is used if it has no `slug`.

        Raises ProfileError with the file, the line and a suggestion for every unknown or malformed field.
        """
        if not isinstance(data, Mapping):
            kind = "an empty document" if data is None else describe_kind(data)
            self._fail((), f"a registry must be a mapping with `slug` and `profiles`, not {kind}")
        # Keys that start with "x-" may hold YAML anchors.
        data = {name: value for name, value in data.items() if not str(name).startswith("x-")}
        if "registries" in data:
            self._fail(("registries",), "a file must hold one registry; put each registry into its own file")
        if "default_profile_slug" in data:
            self._fail(
                ("default_profile_slug",),
                "default_profile_slug is not supported; name the default profile `default` and delete this line",
            )
        if "profiles" not in data:
            self._fail(
                (),
                "`profiles:` is missing; profiles at the top level of the file are an old format, move them under `profiles:`",
            )
        self._check_fields(data, schema.REGISTRY_FIELDS, ())
        if not (data.get("slug") or default_slug):
            self._fail((), "the registry has no name; add one at the top, like slug: team")
        slug = self._slug(data.get("slug") or default_slug, ("slug",), "a registry")
        profiles: dict[str, ProfileLayer] = {}
        loops = data.get("loops") or {}
        for name, loop in loops.items():
            self._check_fields(loop, schema.LOOP_FIELDS, ("loops", name))
        for name, profile in (data["profiles"] or {}).items():
            layer = self._profile_layer(name, {} if profile is None else profile, slug, loops)
            if layer.slug in profiles:
                self._fail(("profiles", name), f"profile {layer.slug!r} is defined twice")
            profiles[layer.slug] = layer
        return Registry(
            slug, profiles, loops, self.source, data.get("display_name") or "", data.get("description") or ""
        )

    def _profile_layer(self, name: str, data: Any, registry: str, loops: Mapping[str, Any]) -> ProfileLayer:
        """Check one profile and return its layer; `loops` are the shared loops of the registry."""
        profile_path = ("profiles", name)
        self._check_fields(data, schema.PROFILE_FIELDS, profile_path)
        slug = self._slug(data.get("slug") or name, (*profile_path, "slug"), "a profile")
        if slug != str(name).strip().lower():
            self._fail((*profile_path, "slug"), f"profile {name!r} has the slug {slug!r}; the two must be equal")
        metadata = data.get("metadata") or {}
        version = metadata.get("version")
        if version is not None and find_mismatch(version, int):
            self._fail((*profile_path, "metadata", "version"), f"version must be an integer, not {shown(version)}")
        layer = ProfileLayer(
            slug,
            registry,
            data.get("display_name") or "",
            data.get("description") or "",
            self._stack(data, registry, profile_path),
            version=version,
        )
        for field_path, value, value_path in self._field_values(data, profile_path, loops):
            secret = field_path[:2] == ("api", "api_keys") or is_secret_name(field_path[-1])
            if (
                secret
                and isinstance(value, str)
                and SHELL_VARIABLE.fullmatch(value)
                and not SECRET_REFERENCE.search(value)
            ):
                self._fail(
                    value_path, f"{dotted_path(value_path)}: shell variables are not expanded; write ${{env:NAME}}"
                )
            source = layer.name + (f", {self._location(value_path)}" if self.source else "")
            layer.values[field_path] = SourcedValue(wrap_secrets(value, field_path[-1], secret=secret), source)
        return layer

    def _stack(self, data: Mapping[str, Any], registry: str, profile_path: FieldPath) -> tuple[tuple[str, str], ...]:
        """Return (registry, profile) of each base named in `like` and `stack`."""
        bases: list[tuple[str, str]] = []
        like = data.get("like") or ()
        for i, name in enumerate([like] if isinstance(like, str) else like):
            path: DocumentPath = (*profile_path, "like", i)
            base_registry, separator, slug = name.rpartition("/")
            bases.append(self._base(base_registry if separator else registry, slug, path, path))
        for i, reference in enumerate(data.get("stack") or ()):
            path = (*profile_path, "stack", i)
            self._check_fields(reference, STACK_ENTRY_FIELDS, path)
            base_registry, slug = reference.get("registry_slug") or registry, reference.get("profile_slug") or ""
            bases.append(self._base(base_registry, slug, (*path, "registry_slug"), (*path, "profile_slug")))
        return tuple(bases)

    def _base(self, registry: str, slug: str, registry_path: DocumentPath, slug_path: DocumentPath) -> tuple[str, str]:
        return self._slug(registry, registry_path, "a registry"), self._slug(slug, slug_path, "a profile")

    def _field_values(self, data: Mapping[str, Any], profile_path: FieldPath, loops: Mapping[str, Any]) -> FieldValues:
        """Yield each field that the profile sets."""
        settings = data.get("inference_settings") or {}
        if "api_keys" in settings:
            self._fail(
                (*profile_path, "inference_settings", "api_keys"),
                "inference_settings.api_keys was renamed; write inference_settings.api",
            )
        yield from self._settings_values(settings, (*profile_path, "inference_settings"))
        yield from self._runtime_values(
            data.get("runtime") or {},
            (*profile_path, "runtime"),
            {"system_prompt": "system", "middlewares": "middleware", "tools": "tools"},
        )
        for name, extension in (data.get("extensions") or {}).items():
            if not EXTENSION.fullmatch(str(name).lower()):
                self._fail(
                    (*profile_path, "extensions", name), f"an extension name must look like my.feature@v1, not {name!r}"
                )
            if name == PINOCCHIO_EXTENSION:
                yield from self._runtime_values(
                    extension or {},
                    (*profile_path, "extensions", name),
                    {"system_prompt": "system", "middlewares": "middleware", "tools": "more_tools"},
                )
            else:
                yield from _leaf_values(extension, ("extensions", name), (*profile_path, "extensions", name))
        yield from self._short_form_values(data, profile_path, loops)

    def _settings_values(self, settings: Mapping[str, Any], settings_path: DocumentPath) -> FieldValues:
        """Yield the fields of geppetto's `inference_settings`."""
        self._check_fields(settings, dict.fromkeys(schema.SETTINGS_SECTIONS, dict), settings_path)
        for section, section_values in settings.items():
            section_values = schema.with_parsed_json(section_values)
            if section == "client" and "timeout_second" in section_values:  # geppetto writes this and reads `timeout`
                section_values.setdefault("timeout", section_values.pop("timeout_second"))
            if section in schema.UNCHECKED_SECTIONS:
                yield from _leaf_values(section_values, (section,), (*settings_path, section))
                continue
            self._check_fields(section_values, schema.SETTINGS_SECTIONS[section], (*settings_path, section))
            for name, value in section_values.items():
                value_path = (*settings_path, section, name)
                if name == "cost":
                    self._check_fields(value or {}, schema.COST_FIELDS, value_path)
                if schema.SETTINGS_SECTIONS[section][name] in (dict[str, str], dict[str, bool]):
                    yield from (
                        ((section, name, api_name.lower()), setting, (*value_path, api_name))
                        for api_name, setting in (value or {}).items()
                        if setting is not None
                    )
                elif name == "metadata":
                    yield from _leaf_values(value, (section, name), value_path)
                elif value is not None:
                    yield (section, name), value, value_path

    def _runtime_values(self, runtime: Any, runtime_path: DocumentPath, field_names: Mapping[str, str]) -> FieldValues:
        """Yield system prompt, middlewares and tools of geppetto's `runtime` section or of pinocchio's extension.

        `field_names` maps their names there to ours.
        """
        self._check_fields(runtime, {"system_prompt": str, "middlewares": list, "tools": list[str]}, runtime_path)
        for source_name, field_name in field_names.items():
            if value := runtime.get(source_name):  # an empty prompt or list means "not set" there
                yield (
                    (field_name,),
                    self._checked_uses(value, (*runtime_path, source_name)) if field_name == "middleware" else value,
                    (*runtime_path, source_name),
                )

    def _short_form_values(
        self, data: Mapping[str, Any], profile_path: FieldPath, loops: Mapping[str, Any]
    ) -> FieldValues:
        """Yield the fields of the short form."""
        engine = data.get("engine")
        if engine:
            prefix, separator, model = engine.partition(":")
            if not (prefix and separator and model):
                self._fail(
                    (*profile_path, "engine"),
                    f'engine must look like "provider:model", for example "anthropic:claude-sonnet-5-5", not {shown(engine)}',
                )
            yield ("chat", "api_type"), API_TYPES.get(prefix.lower(), prefix.lower()), (*profile_path, "engine")
            yield ("chat", "engine"), model, (*profile_path, "engine")
        yield from self._param_values(data.get("params") or {}, profile_path)
        if data.get("model_info"):
            yield from self._settings_values({"model_info": data["model_info"]}, profile_path)
        if loop := data.get("loop"):
            yield from self._loop_values({"like": loop} if isinstance(loop, str) else loop, profile_path, loops)
        for name in COPIED_FIELDS:
            if data.get(name) is not None and not (name == "system" and not data[name]):
                yield (name,), data[name], (*profile_path, name)
        if isinstance(allowed_overrides := data.get("allow_overrides"), list):
            self._check_allowed_overrides(allowed_overrides, (*profile_path, "allow_overrides"))
        for name in ("middleware", "sinks"):
            if data.get(name) is not None:
                yield (name,), self._checked_uses(data[name], (*profile_path, name)), (*profile_path, name)

    def _param_values(self, params: Mapping[str, Any], profile_path: FieldPath) -> FieldValues:
        """Yield the fields of `params`; known parameters are stored under geppetto's paths."""
        for name, value in params.items():
            if name in ("api_key", "base_url") and value is not None:  # parameters of nt.engine, so accepted here too
                self._check_fields({name: value}, {name: str}, (*profile_path, "params"))
                yield (name,), value, (*profile_path, "params", name)
                continue
            field_path = schema.SHORT_PARAMS.get(name, ("params", name))
            if (
                field_path[0] == "params"
                and name not in (param_names := schema.all_param_names())
                and (hint := did_you_mean(name, param_names))
            ):
                self._fail((*profile_path, "params", name), f"unknown parameter {shown(name)}; {hint}", (*param_names,))
            if (
                field_path[0] != "params"
                and value is not None
                and (mismatch := find_mismatch(value, schema.SETTINGS_SECTIONS[field_path[0]][field_path[1]], (name,)))
            ):
                self._fail((*profile_path, "params", *mismatch.path), f"{name} {mismatch.message}")
            if value is not None:
                yield field_path, value, (*profile_path, "params", name)

    def _check_allowed_overrides(self, keys: list[str], list_path: DocumentPath) -> None:
        """Raise ProfileError for an unknown key in `allow_overrides`."""
        overridable = {
            *schema.RUNTIME_FIELDS,
            *schema.LOOP_FIELDS,
            *schema.all_param_names(),
            "engine",
            "base_url",
            "params",
        }
        for i, key in enumerate(keys):
            group, separator, name = key.partition(".")
            is_member = name in (schema.LOOP_FIELDS if group == "loop" else schema.all_param_names())
            if (
                key not in overridable
                and not (separator and group in ("loop", "params") and is_member)
                and (hint := did_you_mean(key, overridable))
            ):
                self._fail(
                    (*list_path, i), f"unknown field {key!r} in allow_overrides; {hint}", tuple(sorted(overridable))
                )

    def _checked_uses(self, raw: Any, list_path: DocumentPath) -> list[dict[str, Any]]:
        def fail(item_path: DocumentPath, message: str, valid_names: tuple[str, ...]) -> NoReturn:
            self._fail((*list_path, *item_path), f"{dotted_path((*list_path, *item_path))}: {message}", valid_names)

        return checked_uses(raw, fail)

    def _loop_values(self, loop: Mapping[str, Any], profile_path: FieldPath, loops: Mapping[str, Any]) -> FieldValues:
        """Yield the settings of the shared loop that the profile refers to, then its own, which override them."""
        shared_name = loop.get("like")
        if shared_name is not None:
            if shared_name not in loops:
                self._fail(
                    (*profile_path, "loop"),
                    f"unknown loop {shared_name!r}; {suggest(shared_name, loops)}",
                    tuple(loops),
                )
            yield ("loop", "name"), shared_name, (*profile_path, "loop")
            yield from (
                (("loop", name), value, ("loops", shared_name, name))
                for name, value in loops[shared_name].items()
                if value is not None
            )
        own_settings = {name: value for name, value in loop.items() if name != "like"}
        self._check_fields(own_settings, schema.LOOP_FIELDS, (*profile_path, "loop"))
        yield from (
            (("loop", name), value, (*profile_path, "loop", name))
            for name, value in own_settings.items()
            if value is not None
        )

    # Validation and errors.

    def _check_fields(self, data: Any, field_types: Mapping[str, Any], path: DocumentPath) -> None:
        """Raise ProfileError for unknown fields and values of the wrong type."""
        if not isinstance(data, Mapping):
            self._fail(path, f"{dotted_path(path) or 'the document'} must be a mapping, not {describe_kind(data)}")
        for name, value in data.items():
            if name not in field_types:
                self._fail(
                    (*path, name),
                    f"unknown field {dotted_path((*path, name))}; {suggest(name, field_types)}",
                    tuple(field_types),
                )
            if value is not None and (mismatch := find_mismatch(value, field_types[name], (*path, name))):
                self._fail(mismatch.path, f"{dotted_path(mismatch.path)} {mismatch.message}")

    def _slug(self, slug: Any, path: DocumentPath, noun: str) -> str:
        name = str(slug or "").strip().lower()
        if not SLUG.fullmatch(name):
            self._fail(
                path,
                f"{noun} name must be letters and digits with . _ - between them (at most 128), not {shown(str(slug or ''))}",
            )
        return name

    def _location(self, path: DocumentPath) -> str:
        line = next((self.lines[path[:n]] for n in range(len(path), 0, -1) if path[:n] in self.lines), None)
        return f"{self.source} line {line}" if line else self.source

    def _fail(self, path: DocumentPath, message: str, valid_names: tuple[str, ...] = ()) -> NoReturn:
        """Raise ProfileError for the value at `path`, with its line."""
        line = next((self.lines[path[:n]] for n in range(len(path), 0, -1) if path[:n] in self.lines), None)
        raise ProfileError(
            message,
            key=dotted_path(path[2:] if path[:1] == ("profiles",) else path) or dotted_path(path),
            valid_names=valid_names,
            file=self.source,
            position=f"line {line}" if line else "",
        )


def _leaf_values(value: Any, field_path: FieldPath, value_path: DocumentPath) -> FieldValues:
    """Yield the values at the leaves of nested mappings."""
    if isinstance(value, Mapping) and value:
        for name, item in value.items():
            yield from _leaf_values(item, (*field_path, str(name)), (*value_path, str(name)))
    elif value is not None:
        yield field_path, value, value_path
