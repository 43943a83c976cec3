"""The one place that decides which profile is used and what it comes to. Pure: it makes no engine and opens no file."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

from ..errors import ProfileError
from ..frozen import EMPTY, freeze
from ..session import RUNTIME
from ..turns import Turn
from . import sources as _sources
from .config import EngineConfig, config, sources
from .fields import kind_of, nearest
from .overrides import overridden, without_secrets
from .plan import Field, Plan
from .registry import Layer, ProfileLayer, Registry, Said
from .secrecy import REFERENCE, Lookup, Reference, Secrets, is_secret, shown
from .stack import lineage, merged

if TYPE_CHECKING:
    from ..session import Session

PROFILE_VARIABLE = "NBTURNS_PROFILE"
DEFAULT = "default"
COST = "cost"  # geppetto's word for the prices

Who: TypeAlias = str | Mapping[str, str] | None
"""Who asks: a user's name, or names by what they are: {"user": "ana", "team": "support"}."""
Default: TypeAlias = str | Mapping[str, str] | Callable[[Who], str | None] | None


def load_profiles(
    *sources: _sources.Source,
    default: Default = None,
    secrets: Lookup | Mapping[str, str] | None = None,
    env_file: str | os.PathLike[str] | None = ".env",
    middleware: Mapping[str, Callable[..., Any]] = EMPTY,
    sinks: Mapping[str, Callable[..., Any]] = EMPTY,
) -> Profiles:
    """Profiles from registry files; of two with the same name the one in the last registry wins.

    A source is a path to YAML, SQLite or a folder of YAML (also several in one text, with commas), or a mapping of
    profiles by name. Registries of installed packages (entry points `nbturns.profiles`) stand below them all.

    `default` is the profile of whoever asks without naming one: its name, a mapping from users and teams to names
    ("*" for everybody else), or a function of who asks. `secrets`, a mapping or a function of a name, is asked before the environment, and that before
    `env_file`. `middleware` and `sinks` are factories of your own, by the names that profiles use. Raises
    ProfileError that says file, line and the nearest known name.
    """
    if not (default is None or isinstance(default, (str, Mapping)) or callable(default)):
        raise ProfileError(f"default is a name, a mapping of names or a function, not {default!r:.60}", key="default")
    if not (secrets is None or isinstance(secrets, Mapping) or callable(secrets)):
        raise ProfileError(f"secrets is a mapping or a function of a name, not {kind_of(secrets)}", key="secrets")
    for what, factories in (("middleware", middleware), ("sinks", sinks)):
        if not isinstance(factories, Mapping) or not all(map(callable, factories.values())):
            raise ProfileError(f"{what} are functions by name, like {{'mine': make_mine}}", key=what)
    return Profiles(
        _by_slug([*_sources.installed(), *_sources.registries(sources)]),
        default,
        Secrets(secrets.get if isinstance(secrets, Mapping) else secrets, env_file),
        dict(middleware),
        dict(sinks),
    )


def _by_slug(chain: list[Registry]) -> dict[str, Registry]:
    if not chain:
        raise ProfileError("there is no profile to load: name a file, a folder or a mapping", key="sources")
    by_slug: dict[str, Registry] = {}
    for registry in chain:
        if (other := by_slug.get(registry.slug)) is not None:
            raise ProfileError(
                f"registry {registry.slug!r} is in two sources: {other.source or 'a mapping'} and {registry.source or 'a mapping'}",
                key=registry.slug,
                file=registry.source,
            )
        by_slug[registry.slug] = registry
    return by_slug


@dataclass(frozen=True, slots=True, repr=False)
class Profiles:
    """Profiles by name, from one or more registries; the last registry comes first.

    `profiles["assistant"]`, `"assistant" in profiles`, `list(profiles)`; `"team/assistant"` names its registry too.
    """

    registries: Mapping[str, Registry]
    default: Default = None
    secrets: Secrets = field(default_factory=Secrets)
    middleware: Mapping[str, Callable[..., Any]] = EMPTY
    sinks: Mapping[str, Callable[..., Any]] = EMPTY

    def __iter__(self) -> Iterator[str]:
        """Names, as they can be used: with the registry where a later one has the same name."""
        seen: set[str] = set()
        for registry in reversed(tuple(self.registries.values())):
            for slug in registry.profiles:
                yield slug if slug not in seen else f"{registry.slug}/{slug}"
                seen.add(slug)

    def __len__(self) -> int:
        return sum(len(registry.profiles) for registry in self.registries.values())

    def __contains__(self, name: object) -> bool:
        try:
            return bool(self._layer(str(name)))
        except ProfileError:
            return False

    def __getitem__(self, name: str) -> Profile:
        return Profile(self, self._layer(name))

    def get(self, name: str) -> Profile | None:
        return self[name] if name in self else None  # noqa: SIM401  # it is what `get` is made of

    def resolve(
        self,
        profile: str | None = None,
        conversation: Any = None,
        overrides: Mapping[str, Any] | None = EMPTY,
        *,
        who: Who = None,
    ) -> Plan:
        """Which profile is used, and what it comes to with `overrides`.

        The first that says something: `profile`; the profile of `conversation` (a Conversation, Session, Run or Turn,
        or a profile's name); the variable NBTURNS_PROFILE; the default of `who` asks; the default of the last
        registry. Raises ProfileError that names the key.
        """
        overrides = EMPTY if overrides is None else overrides
        if not isinstance(overrides, Mapping):
            raise ProfileError(
                f'overrides are a mapping, like {{"temperature": 0}}, not {kind_of(overrides)}', key="overrides"
            )
        name, chosen_by = self._chosen(profile, conversation, who)
        try:
            leaf = self._layer(name)
        except ProfileError as error:
            who_says = "" if chosen_by == "argument" else f" (named by {chosen_by})"
            raise ProfileError(error.reason + who_says, key=error.key, known=error.known) from None
        layers = lineage(leaf, self._in_registry)
        said = {path: Said(self._filled(one.value, path), one.where) for path, one in merged(layers).items()}
        base = said
        if overrides:
            said = overridden(said, overrides, leaf.slug)
        try:
            resolved = config(said)
        except ProfileError as error:
            raise ProfileError(f"profile {leaf.name}: {error.reason}", key=error.key, known=error.known) from None
        policy = said[("allow_overrides",)].value if ("allow_overrides",) in said else False
        return Plan(
            profile=leaf.slug,
            registry=leaf.registry,
            chosen_by=chosen_by,
            lineage=tuple(layer.name for layer in layers),
            config=resolved,
            fields=tuple(_fields(said, resolved)),
            version=leaf.version,
            overrides=freeze(without_secrets(overrides)),
            extensions=freeze(_nested(base)),
            allow_overrides=policy if isinstance(policy, bool) else tuple(policy),
        )

    def _chosen(self, profile: str | None, conversation: Any, who: Who) -> tuple[str, str]:
        if profile:
            return profile, "argument"
        if conversation is not None and (name := profile_of(conversation)):
            return name, "conversation"
        if name := self.secrets.env(PROFILE_VARIABLE):
            return name, PROFILE_VARIABLE
        if name := _default_of(self.default, who):
            return name, "default" if isinstance(self.default, str) else f"default of {_named(who)}"
        for registry in reversed(tuple(self.registries.values())):
            if registry.default:
                return f"{registry.slug}/{registry.default}", "registry default"
        raise ProfileError("the registries hold no profile", key="profile")

    def _layer(self, name: str) -> ProfileLayer:
        if not isinstance(name, str):
            raise ProfileError(f"a profile is named by a text, not {name!r:.60}", key="profile", known=tuple(self))
        there, slash, slug = name.strip().lower().rpartition("/")
        if slash:
            return self._in_registry(there, slug)
        for registry in reversed(tuple(self.registries.values())):
            if slug in registry.profiles:
                return registry.profiles[slug]
        raise ProfileError(f"no profile {name!r}; {nearest(name, self)}", key=name, known=tuple(self))

    def _in_registry(self, there: str, slug: str) -> ProfileLayer:
        registry = self.registries.get(there)
        if registry is None:
            raise ProfileError(
                f"no registry {there!r}; {nearest(there, self.registries)}", key=there, known=tuple(self.registries)
            )
        if slug not in registry.profiles:
            other = next((one.slug for one in self.registries.values() if slug in one.profiles), "")
            hint = f"there is one: {other}/{slug}" if other else nearest(slug, registry.profiles)
            raise ProfileError(
                f"no profile {slug!r} in registry {there!r}; {hint}",
                key=slug,
                known=tuple(registry.profiles),
            )
        return registry.profiles[slug]

    def _filled(self, value: Any, path: tuple[str, ...]) -> Any:
        """A reference to something that is no secret is looked up here, so that the signature sees what it comes to."""
        if isinstance(value, Reference):
            found = REFERENCE.findall(value.text)
            secret = path[:2] == ("api", "api_keys") or is_secret(path[-1])
            if secret or any(kind != "env" or is_secret(name) for kind, name in found):
                return value
            return self.secrets.reveal(value, ".".join(path))
        if isinstance(value, Mapping):
            return {name: self._filled(one, (*path, str(name))) for name, one in value.items()}
        if isinstance(value, list):
            return [self._filled(one, path) for one in value]
        return value

    def __repr__(self) -> str:
        return f"<Profiles {', '.join(self)}>"

    def _repr_html_(self) -> str:
        import html

        rows = "".join(
            f'<tr><th scope="row" style="text-align:left">{html.escape(name)}</th>'
            + "".join(f'<td style="text-align:left">{html.escape(text)}</td>' for text in _about(self[name]))
            + "</tr>"
            for name in self
        )
        heads = "".join(
            f'<th style="text-align:left">{head}</th>' for head in ("profile", "registry", "engine", "what it is")
        )
        return (
            f'<table class="tex2jax_ignore mathjax_ignore"><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table>'
        )


@dataclass(frozen=True, slots=True, repr=False)
class Profile:
    """One profile of several registries: resolve it, or make a session of it."""

    profiles: Profiles
    layer: ProfileLayer

    @property
    def slug(self) -> str:
        return self.layer.slug

    @property
    def registry(self) -> str:
        return self.layer.registry

    @property
    def name(self) -> str:
        return self.layer.name

    @property
    def description(self) -> str:
        return self.layer.description or self.layer.display_name

    def resolve(self, overrides: Mapping[str, Any] = EMPTY) -> Plan:
        return self.profiles.resolve(self.name, overrides=overrides)

    @property
    def config(self) -> EngineConfig:
        return self.resolve().config

    def session(self, tools: Iterable[Any] = (), overrides: Mapping[str, Any] = EMPTY, **more: Any) -> Session:
        """A session that runs with this profile. `tools` are those it may choose from; `more` are a Session's own.

        `engine=` puts an engine of your own in place of the profile's. Raises ProfileError for an override that is not allowed, and for a
        tool, a middleware, a sink or a secret that is not there.
        """
        from .building import session

        return session(self.resolve(overrides), self.profiles, tools, **more)

    def __repr__(self) -> str:
        return f"<Profile {self.name}>"

    def __str__(self) -> str:
        return str(self.resolve())

    def _repr_html_(self) -> str:
        return self.resolve()._repr_html_()


def profile_of(conversation: Any) -> str | None:
    """The profile a conversation last ran with, as "registry/profile"; None when it says nothing of it."""
    if isinstance(conversation, str):
        return conversation or None
    plan = getattr(conversation, "plan", None)
    if isinstance(plan, Plan):
        return plan.name
    turns = getattr(conversation, "turns", None)
    if turns is None and not isinstance(conversation, Turn):
        raise ProfileError(
            f"a conversation is a Conversation, a Session, a Run, a Turn or a profile's name, not {kind_of(conversation)}",
            key="conversation",
        )
    turn = turns[-1] if turns else conversation
    told = turn.metadata.get(RUNTIME) if isinstance(turn, Turn) else None
    name = told.get("runtime_key") if isinstance(told, Mapping) else told  # a text, as geppetto wrote it once
    return name if name and isinstance(name, str) else None


def _default_of(default: Default, who: Who) -> str | None:
    if default is None or isinstance(default, str):
        return default
    if callable(default):
        return default(who)
    asked = (
        [who]
        if isinstance(who, str)
        else [text for kind, name in (who or {}).items() for text in (f"{kind}:{name}", name)]
    )
    return next((default[name] for name in asked if name in default), default.get("*"))


def _named(who: Who) -> str:
    return (
        who
        if isinstance(who, str)
        else ", ".join(f"{kind} {name}" for kind, name in (who or {}).items()) or "everybody"
    )


def _fields(said: Layer, plan_config: EngineConfig) -> Iterator[Field]:
    """Each field of the config, and who said it: a layer, an override, or nobody, which is the default."""
    by = sources(said)
    told = plan_config.to_dict()
    del told["signature"]
    for name, value in told.items():
        if name in ("params", "client", "loop", "model_info", "structured_output"):
            for inner, one in value.items():
                inner = COST if (name, inner) == ("model_info", "prices") else inner
                whose = by.get(f"{name}.{inner}") or ("the shipped table" if name == "model_info" else DEFAULT)
                yield Field(f"{name}.{inner}", one, whose)
        else:
            yield Field(name, value, by.get(name, DEFAULT))
    for path, one in said.items():
        also = path[0] == "model_info" and path[1] not in told.get("model_info", {}) and path[1] != COST
        if also or path[0] in ("extensions", "allow_overrides", "widen_tools"):
            yield Field(".".join(path), shown(one.value), one.where)


def _nested(said: Layer) -> dict[str, Any]:
    """The extensions as they were written, merged."""
    whole: dict[str, Any] = {}
    for path, one in said.items():
        if path[0] == "extensions":
            at = whole
            for step in path[1:-1]:
                at = at.setdefault(step, {})
            at[path[-1]] = shown(one.value)
    return whole


def _about(profile: Profile) -> tuple[str, str, str]:
    try:
        engine = profile.config.engine
    except ProfileError as error:
        engine = f"cannot be resolved: {error}"
    return profile.registry, engine, profile.description
