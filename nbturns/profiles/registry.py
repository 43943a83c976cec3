"""One registry: a named set of profiles, read from plain data.

Every profile, geppetto's form or the short one, becomes one layer: a flat mapping from the path of a field to
what is said of it and where. So layers merge field by field, and a resolved plan knows where each came from.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NoReturn, TypeAlias

from ..errors import ProfileError
from ..frozen import EMPTY
from . import fields
from .fields import Path, kind_of, misfit, near, nearest
from .middleware_uses import uses
from .secrecy import REFERENCE as SECRET_REFERENCE
from .secrecy import SHELL, is_secret, kept

SLUG = re.compile(r"[a-z0-9](?:[a-z0-9._-]{0,126}[a-z0-9])?")
EXTENSION = re.compile(r"[a-z0-9_-]+(?:\.[a-z0-9_-]+)+@v[0-9]+")
PINOCCHIO = "pinocchio.webchat_runtime@v1"
PLAIN = ("base_url", "api_key", "system", "tools", "tool_choice", "approval", "allow_overrides", "widen_tools")
REFERENCE = {"registry_slug": str, "profile_slug": str}

# What geppetto calls a provider's API, by the prefix of our engines; and back, for each of its names.
API_TYPES = {"openai": "open-responses", "openai-responses": "open-responses", "openai-chat": "openai"}


@dataclass(frozen=True, slots=True)
class Said:
    """What one layer says of a field, and where: "team/base, team.yaml line 7"."""

    value: Any
    where: str


Layer = dict[Path, Said]
Place: TypeAlias = tuple[str | int, ...]
"""Where a value stands in a file: the steps that lead to it."""


@dataclass(frozen=True, slots=True)
class ProfileLayer:
    """One profile as it was read: what it stands on, and what it says itself."""

    slug: str
    registry: str
    display_name: str = ""
    description: str = ""
    stack: tuple[tuple[str, str], ...] = ()
    """(registry, profile) of each base, low to high."""
    says: Layer = field(default_factory=dict)
    version: int | None = None

    @property
    def name(self) -> str:
        return f"{self.registry}/{self.slug}"


@dataclass(frozen=True, slots=True)
class Registry:
    """A named set of profiles, from one source."""

    slug: str
    profiles: Mapping[str, ProfileLayer]
    loops: Mapping[str, Mapping[str, Any]] = EMPTY
    source: str = ""
    display_name: str = ""
    description: str = ""

    @property
    def default(self) -> str:
        """The profile that is used when nothing is asked for: "default", else the first by name; "" for none."""
        return "default" if "default" in self.profiles else min(self.profiles, default="")


@dataclass(slots=True)
class Reader:
    """Reads one registry; knows its file and the lines in it, for errors and for where a value stood."""

    source: str = ""
    lines: Mapping[Place, int] = field(default_factory=dict)

    def registry(self, data: Any, fallback: str = "") -> Registry:
        """Raises ProfileError that says where, and names what would have been right."""
        if not isinstance(data, Mapping):
            it = "it is empty" if data is None else f"this is {kind_of(data)}"
            self._refuse((), f"{it}; a registry is a mapping with `slug` and `profiles`")
        data = {name: value for name, value in data.items() if not str(name).startswith("x-")}  # a place for anchors
        if "registries" in data:
            self._refuse(("registries",), "one file holds one registry: put each into a file of its own")
        if "default_profile_slug" in data:
            self._refuse(
                ("default_profile_slug",), "the default profile is the one with the slug `default`; drop this line"
            )
        if "profiles" not in data:
            self._refuse(
                (),
                "a registry has its profiles under `profiles:`; a file that maps names to profiles at its top is the old form",
            )
        self._check(data, fields.REGISTRY, ())
        if not (data.get("slug") or fallback):
            self._refuse((), "the registry has no name; say one at its top, like slug: team")
        slug = self._slug(data.get("slug") or fallback, ("slug",), "a registry")
        profiles: dict[str, ProfileLayer] = {}
        loops = data.get("loops") or {}
        for name, loop in loops.items():
            self._check(loop, fields.LOOP, ("loops", name))
        for name, profile in (data["profiles"] or {}).items():
            layer = self._profile(name, {} if profile is None else profile, slug, loops)
            if layer.slug in profiles:
                self._refuse(("profiles", name), f"profile {layer.slug!r} is there twice")
            profiles[layer.slug] = layer
        return Registry(
            slug, profiles, loops, self.source, data.get("display_name") or "", data.get("description") or ""
        )

    def _profile(self, name: str, data: Any, registry: str, loops: Mapping[str, Any]) -> ProfileLayer:
        at = ("profiles", name)
        self._check(data, fields.PROFILE, at)
        slug = self._slug(data.get("slug") or name, (*at, "slug"), "a profile")
        if slug != str(name).strip().lower():
            self._refuse((*at, "slug"), f"profile {name!r} calls itself {slug!r}; both are one name")
        metadata = data.get("metadata") or {}
        version = metadata.get("version")
        if version is not None and misfit(version, int):
            self._refuse((*at, "metadata", "version"), f"version is a whole number, not {version!r:.40}")
        layer = ProfileLayer(
            slug,
            registry,
            data.get("display_name") or "",
            data.get("description") or "",
            self._stack(data, registry, at),
            version=version,
        )
        for path, value, source in self._said(data, at, loops):
            secret = path[:2] == ("api", "api_keys") or is_secret(path[-1])
            if secret and isinstance(value, str) and SHELL.fullmatch(value) and not SECRET_REFERENCE.search(value):
                self._refuse(source, f"{_dotted(source)}: a secret is named like ${{env:NAME}}, not as in a shell")
            where = layer.name + (f", {self._place(source)}" if self.source else "")
            layer.says[path] = Said(kept(value, path[-1], secret=secret), where)
        return layer

    def _stack(self, data: Mapping[str, Any], registry: str, at: Path) -> tuple[tuple[str, str], ...]:
        bases = [data["like"]] if isinstance(data.get("like"), str) else list(data.get("like") or ())
        stack = []
        for i, base in enumerate(bases):
            there, slash, slug = base.rpartition("/")
            stack.append(
                (
                    self._slug(there if slash else registry, (*at, "like"), "a registry"),
                    self._slug(slug, (*at, "like", i), "a profile"),
                )
            )
        for i, reference in enumerate(data.get("stack") or ()):
            self._check(reference, REFERENCE, (*at, "stack", i))
            there = reference.get("registry_slug") or registry
            slug = reference.get("profile_slug") or ""
            stack.append(
                (
                    self._slug(there, (*at, "stack", i, "registry_slug"), "a registry"),
                    self._slug(slug, (*at, "stack", i, "profile_slug"), "a profile"),
                )
            )
        return tuple(stack)

    def _said(self, data: Mapping[str, Any], at: Path, loops: Mapping[str, Any]) -> Iterator[tuple[Path, Any, Place]]:
        """Each field a profile speaks of: its path, its value, and where in the file it stands."""
        settings = data.get("inference_settings") or {}
        if "api_keys" in settings:
            self._refuse(
                (*at, "inference_settings", "api_keys"),
                "inference_settings.api_keys is called inference_settings.api now",
            )
        yield from self._settings(settings, (*at, "inference_settings"))
        yield from self._runtime(
            data.get("runtime") or {},
            (*at, "runtime"),
            {"system_prompt": "system", "middlewares": "middleware", "tools": "tools"},
        )
        for name, extension in (data.get("extensions") or {}).items():
            if not EXTENSION.fullmatch(str(name).lower()):
                self._refuse((*at, "extensions", name), f"an extension is named like my.feature@v1, not {name!r}")
            if name == PINOCCHIO:
                yield from self._runtime(
                    extension or {},
                    (*at, "extensions", name),
                    {"system_prompt": "system", "middlewares": "middleware", "tools": "more_tools"},
                )
            else:
                yield from ((path, value, (*at, *path)) for path, value in _leaves(extension, ("extensions", name)))
        yield from self._short(data, at, loops)

    def _settings(self, settings: Mapping[str, Any], at: Place) -> Iterator[tuple[Path, Any, Place]]:
        self._check(settings, dict.fromkeys(fields.SETTINGS, dict), at)
        for section, its in settings.items():
            its = dict(its or {})
            if section == "client" and "timeout_second" in its:  # what geppetto writes for what it reads as `timeout`
                its.setdefault("timeout", its["timeout_second"])
                del its["timeout_second"]
            if section in fields.OPEN:
                yield from ((path, value, (*at, *path)) for path, value in _leaves(its, (section,)))
                continue
            self._check(its, fields.SETTINGS[section], (*at, section))
            for name, value in its.items():
                here = (*at, section, name)
                if name == "cost":
                    self._check(value or {}, fields.COST, here)
                if fields.SETTINGS[section][name] in (dict[str, str], dict[str, bool]):
                    yield from (
                        ((section, name, one.lower()), text, (*here, one))
                        for one, text in (value or {}).items()
                        if text is not None
                    )
                elif name == "metadata":
                    yield from ((path, one, (*here, *path[2:])) for path, one in _leaves(value, (section, name)))
                elif value is not None:
                    yield (section, name), value, here

    def _runtime(self, said: Any, at: Place, names: Mapping[str, str]) -> Iterator[tuple[Path, Any, Place]]:
        """System prompt, middlewares and tools, as geppetto's profiles once and pinocchio's extension have them."""
        self._check(said, {"system_prompt": str, "middlewares": list, "tools": list[str]}, at)
        for theirs, ours in names.items():
            if value := said.get(theirs):  # an empty prompt or list says nothing there
                yield (ours,), self._uses(value, (*at, theirs)) if ours == "middleware" else value, (*at, theirs)

    def _short(self, data: Mapping[str, Any], at: Path, loops: Mapping[str, Any]) -> Iterator[tuple[Path, Any, Place]]:
        engine = data.get("engine")
        if engine:
            prefix, colon, model = engine.partition(":")
            if not (prefix and colon and model):
                self._refuse(
                    (*at, "engine"),
                    f'an engine is named "provider:model", like "anthropic:claude-sonnet-5-5", not {engine!r:.60}',
                )
            yield ("chat", "api_type"), API_TYPES.get(prefix.lower(), prefix.lower()), (*at, "engine")
            yield ("chat", "engine"), model, (*at, "engine")
        yield from self._params(data.get("params") or {}, at)
        if data.get("model_info"):
            yield from self._settings({"model_info": data["model_info"]}, at)
        if loop := data.get("loop"):
            yield from self._loop({"like": loop} if isinstance(loop, str) else loop, at, loops)
        for name in PLAIN:
            if data.get(name) is not None and not (name == "system" and not data[name]):
                yield (name,), data[name], (*at, name)
        if isinstance(allowed := data.get("allow_overrides"), list):
            self._allowed(allowed, (*at, "allow_overrides"))
        for name in ("middleware", "sinks"):
            if data.get(name) is not None:
                yield (name,), self._uses(data[name], (*at, name)), (*at, name)

    def _params(self, params: Mapping[str, Any], at: Path) -> Iterator[tuple[Path, Any, Place]]:
        for name, value in params.items():
            if name in ("api_key", "base_url") and value is not None:  # the profile's own, as nt.engine takes them
                self._check({name: value}, {name: str}, (*at, "params"))
                yield (name,), value, (*at, "params", name)
                continue
            path = fields.SHORT_PARAMS.get(name, ("params", name))
            if path[0] == "params" and name not in (known := fields.known_params()) and (hint := near(name, known)):
                self._refuse((*at, "params", name), f"{name} is no parameter of any provider; {hint}", tuple(known))
            if (
                path[0] != "params"
                and value is not None
                and (wrong := misfit(value, fields.SETTINGS[path[0]][path[1]], (name,)))
            ):
                self._refuse((*at, "params", *wrong.path), f"{name} {wrong.words}")
            if value is not None:
                yield path, value, (*at, "params", name)

    def _allowed(self, keys: list[str], at: Place) -> None:
        known = {*fields.RUNTIME, *fields.LOOP, *fields.known_params(), "engine", "base_url", "params"}
        for i, key in enumerate(keys):
            group, dot, name = key.partition(".")
            ours = name in (fields.LOOP if group == "loop" else fields.known_params())
            if key not in known and not (dot and group in ("loop", "params") and ours) and (hint := near(key, known)):
                self._refuse((*at, i), f"there is no {key!r} to override; {hint}", tuple(sorted(known)))

    def _uses(self, raw: Any, at: Place) -> list[dict[str, Any]]:
        def refuse(path: Place, words: str, known: tuple[str, ...]) -> NoReturn:
            self._refuse((*at, *path), f"{_dotted((*at, *path))}: {words}", known)

        return uses(raw, refuse)

    def _loop(self, loop: Mapping[str, Any], at: Path, loops: Mapping[str, Any]) -> Iterator[tuple[Path, Any, Place]]:
        """A loop's settings: those of a named one, and over them its own."""
        like = loop.get("like")
        if like is not None:
            if like not in loops:
                self._refuse((*at, "loop"), f"there is no loop {like!r}; {nearest(like, loops)}", tuple(loops))
            yield ("loop", "name"), like, (*at, "loop")
            yield from (
                (("loop", name), value, ("loops", like, name))
                for name, value in loops[like].items()
                if value is not None
            )
        own = {name: value for name, value in loop.items() if name != "like"}
        self._check(own, fields.LOOP, (*at, "loop"))
        yield from ((("loop", name), value, (*at, "loop", name)) for name, value in own.items() if value is not None)

    # What is wrong, and where.

    def _check(self, data: Any, known: Mapping[str, Any], at: Place) -> None:
        if not isinstance(data, Mapping):
            self._refuse(at, f"{_dotted(at) or 'this'} is a mapping, not {kind_of(data)}")
        for name, value in data.items():
            if name not in known:
                self._refuse(
                    (*at, name),
                    f"{_dotted((*at, name))} is nothing a profile says; {nearest(name, known)}",
                    tuple(known),
                )
            if value is not None and (wrong := misfit(value, known[name], (*at, name))):
                self._refuse(wrong.path, f"{_dotted(wrong.path)} {wrong.words}")

    def _slug(self, slug: Any, at: Place, what: str) -> str:
        name = str(slug or "").strip().lower()
        if not SLUG.fullmatch(name):
            self._refuse(
                at,
                f"{what} is named by letters, digits and . _ - between them (at most 128), not {str(slug or '')!r:.60}",
            )
        return name

    def _place(self, at: Place) -> str:
        line = next((self.lines[at[:n]] for n in range(len(at), 0, -1) if at[:n] in self.lines), None)
        return f"{self.source} line {line}" if line else self.source

    def _refuse(self, at: Place, words: str, known: tuple[str, ...] = ()) -> NoReturn:
        line = next((self.lines[at[:n]] for n in range(len(at), 0, -1) if at[:n] in self.lines), None)
        raise ProfileError(
            words,
            key=_dotted(at[2:] if at[:1] == ("profiles",) else at) or _dotted(at),
            known=known,
            file=self.source,
            position=f"line {line}" if line else "",
        )


def _leaves(value: Any, path: Path) -> Iterator[tuple[Path, Any]]:
    if isinstance(value, Mapping) and value:
        for name, one in value.items():
            yield from _leaves(one, (*path, str(name)))
    elif value is not None:
        yield path, value


def _dotted(path: Place) -> str:
    text = ""
    for step in path:
        text += f"[{step}]" if isinstance(step, int) else f".{step}" if text else str(step)
    return text
