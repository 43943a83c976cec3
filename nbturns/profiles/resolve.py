"""Choose a profile and resolve it to a Plan. Resolving builds no engine and opens no file."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ..errors import ProfileError
from ..middleware import BUILTIN_MIDDLEWARE
from ..safety.tracebacks import hides_locals
from ..safety.visible_text import printable
from ..session import RUNTIME
from ..values.frozen_json import EMPTY_DICT, freeze
from ..values.turns import Turn
from . import sources as source_readers
from .config import EngineConfig, config_from_layer
from .inheritance import lineage, merge_layers
from .middleware_configs import check_middleware_configs
from .overrides import apply_overrides, printable_overrides
from .permissions import NOTHING_ALLOWED, Permissions, checked_permissions
from .plan import Plan
from .plan_fields import merged_extensions, plan_fields
from .registry import ProfileLayer, Registry, SourcedValue
from .requesters import DefaultProfile, Requester, default_for, requester_text
from .schema import describe_kind, suggest
from .secrets import REFERENCE, Reference, Secret, SecretLookup, Secrets, is_secret_name

if TYPE_CHECKING:
    from ..session import Session

PROFILE_VARIABLE = "NBTURNS_PROFILE"
SECRET_FIELDS = frozenset(
    {
        "api_key",
        "api",
        "base_url",
        "client",
        "params",
        "inference",
        "openai",
        "claude",
        "gemini",
        "middleware",
        "sinks",
        "extensions",
    }
)


@hides_locals
def load_profiles(
    *sources: source_readers.ProfileSource,
    default: DefaultProfile = None,
    secrets: SecretLookup | Mapping[str, str] | None = None,
    env_file: str | os.PathLike[str] | None = ".env",
    middleware: Mapping[str, Callable[..., Any]] = EMPTY_DICT,
    sinks: Mapping[str, Callable[..., Any]] = EMPTY_DICT,
    allow_env: Iterable[str] = (),
    allow_hosts: Iterable[str] = (),
) -> Profiles:
    """Load profiles from registries. If two have the same name, the one in the later registry wins.

    A source is a path of a YAML file, a SQLite database or a folder of YAML files (several paths may be separated by
    commas), or a mapping of profiles by name. Registries of installed packages (entry points `nbturns.profiles`) come
    first.

    `default` is the profile used if none is requested: a name, a mapping from users and teams to names ("*" for all
    others), or a function of the requester. `secrets`, a mapping or a function of a name, is searched before the
    environment and `env_file`. `allow_env` lists the environment variables that the profiles may read besides the standard
    names of API keys, and `allow_hosts` the hosts besides the provider's that may receive the values; `*` stands for any
    text. `middleware` and `sinks` map names used in profiles to factory functions. Raises
    ProfileError with the file, the line and the most similar valid name.
    """
    if not (default is None or isinstance(default, (str, Mapping)) or callable(default)):
        raise ProfileError(
            f"default must be a name, a mapping of names or a function, not {default!r:.60}", key="default"
        )
    if not (secrets is None or isinstance(secrets, Mapping) or callable(secrets)):
        raise ProfileError(
            f"secrets must be a mapping or a function of a name, not {describe_kind(secrets)}", key="secrets"
        )
    for argument, factories in (("middleware", middleware), ("sinks", sinks)):
        if not isinstance(factories, Mapping) or not all(map(callable, factories.values())):
            raise ProfileError(f"{argument} must map names to functions, like {{'mine': make_mine}}", key=argument)
    permissions = checked_permissions(allow_env, allow_hosts)
    return Profiles(
        _registries_by_slug([*source_readers.installed_registries(), *source_readers.read_registries(sources)]),
        default,
        Secrets(secrets.get if isinstance(secrets, Mapping) else secrets, env_file, permissions.check_variable),
        dict(middleware),
        dict(sinks),
        permissions,
    )


def _registries_by_slug(registries: list[Registry]) -> dict[str, Registry]:
    """Return the registries by slug. Raises ProfileError if a slug occurs twice or there is no registry."""
    if not registries:
        raise ProfileError("no profiles to load; pass a file, a folder or a mapping", key="sources")
    by_slug: dict[str, Registry] = {}
    for registry in registries:
        if (duplicate := by_slug.get(registry.slug)) is not None:
            raise ProfileError(
                f"registry {registry.slug!r} is in two sources: {duplicate.source or 'a mapping'} and {registry.source or 'a mapping'}",
                key=registry.slug,
                file=registry.source,
            )
        by_slug[registry.slug] = registry
    return by_slug


@dataclass(frozen=True, slots=True, repr=False)
class Profiles:
    """Profiles by name, from one or more registries; later registries take precedence.

    Supports `profiles["assistant"]`, `"assistant" in profiles` and `list(profiles)`. "team/assistant" also selects
    the registry.
    """

    registries: Mapping[str, Registry]
    default: DefaultProfile = None
    secrets: Secrets = field(default_factory=Secrets)
    middleware: Mapping[str, Callable[..., Any]] = EMPTY_DICT
    sinks: Mapping[str, Callable[..., Any]] = EMPTY_DICT
    permissions: Permissions = NOTHING_ALLOWED

    def __iter__(self) -> Iterator[str]:
        """Yield the names; a name that a later registry also has is yielded with its registry."""
        slugs: set[str] = set()
        for registry in reversed(tuple(self.registries.values())):
            for slug in registry.profiles:
                yield slug if slug not in slugs else f"{registry.slug}/{slug}"
                slugs.add(slug)

    def __len__(self) -> int:
        return sum(len(registry.profiles) for registry in self.registries.values())

    def __contains__(self, name: object) -> bool:
        try:
            return bool(self._find_layer(str(name)))
        except ProfileError:
            return False

    def _ipython_key_completions_(self) -> list[str]:
        return list(self)

    def __getitem__(self, name: str) -> Profile:
        return Profile(self, self._find_layer(name))

    def get(self, name: str) -> Profile | None:
        """Return the profile of this name, or None."""
        return self[name] if name in self else None  # noqa: SIM401  # this is the implementation of `get`

    @hides_locals
    def resolve(
        self,
        profile: str | None = None,
        conversation: Any = None,
        overrides: Mapping[str, Any] | None = EMPTY_DICT,
        *,
        who: Requester = None,
    ) -> Plan:
        """Choose a profile and return its plan, with `overrides` applied.

        The first of these that is set selects the profile: `profile`; the profile of `conversation` (a Conversation,
        Session, Run or Turn, or the name of a profile); the variable NBTURNS_PROFILE; the default of the requester `who`;
        the default of the last registry. Raises ProfileError, with the key.
        """
        overrides = EMPTY_DICT if overrides is None else overrides
        if not isinstance(overrides, Mapping):
            raise ProfileError(
                f'overrides must be a mapping, like {{"temperature": 0}}, not {describe_kind(overrides)}',
                key="overrides",
            )
        name, chosen_by = self._choose_profile(profile, conversation, who)
        try:
            selected_layer = self._find_layer(name)
        except ProfileError as error:
            chooser = "" if chosen_by == "argument" else f" (named by {chosen_by})"
            raise ProfileError(error.reason + chooser, key=error.key, valid_names=error.valid_names) from None
        layers = lineage(selected_layer, self._in_registry)
        layer = {
            path: SourcedValue(
                _without_misplaced_secrets(self._resolve_references(entry.value, path), path), entry.source
            )
            for path, entry in merge_layers(layers).items()
        }
        unmodified_layer = layer
        if overrides:
            layer = apply_overrides(layer, overrides, selected_layer.slug)
        try:
            config = config_from_layer(layer)
        except ProfileError as error:
            raise ProfileError(
                f"profile {selected_layer.name}: {error.reason}", key=error.key, valid_names=error.valid_names
            ) from None
        check_middleware_configs(config.middleware, {**BUILTIN_MIDDLEWARE, **self.middleware})
        policy = layer[("allow_overrides",)].value if ("allow_overrides",) in layer else False
        return Plan(
            profile=selected_layer.slug,
            registry=selected_layer.registry,
            chosen_by=chosen_by,
            lineage=tuple(base_layer.name for base_layer in layers),
            config=config,
            fields=tuple(plan_fields(layer, config)),
            version=selected_layer.version,
            overrides=freeze(printable_overrides(overrides)),
            extensions=freeze(merged_extensions(unmodified_layer)),
            allow_overrides=policy if isinstance(policy, bool) else tuple(policy),
            profiles=self,
        )

    def _choose_profile(self, profile: str | None, conversation: Any, who: Requester) -> tuple[str, str]:
        """Return the name of the profile and the rule that chose it."""
        if profile:
            return profile, "argument"
        if conversation is not None and (name := profile_of(conversation)):
            return name, "conversation"
        if name := self.secrets.environment_value(PROFILE_VARIABLE):
            return name, PROFILE_VARIABLE
        if name := default_for(self.default, who):
            return name, "default" if isinstance(self.default, str) else f"default of {requester_text(who)}"
        for registry in reversed(tuple(self.registries.values())):
            if registry.default:
                return f"{registry.slug}/{registry.default}", "registry default"
        raise ProfileError("the registries contain no profile", key="profile")

    def _find_layer(self, name: str) -> ProfileLayer:
        """Return the profile of this name, which may include its registry. Raises ProfileError for an unknown name."""
        if not isinstance(name, str):
            raise ProfileError(
                f"the name of a profile must be a string, not {name!r:.60}", key="profile", valid_names=tuple(self)
            )
        registry_slug, separator, slug = name.strip().lower().rpartition("/")
        if separator:
            return self._in_registry(registry_slug, slug)
        for registry in reversed(tuple(self.registries.values())):
            if slug in registry.profiles:
                return registry.profiles[slug]
        raise ProfileError(f"no profile {name!r}; {suggest(name, self)}", key=name, valid_names=tuple(self))

    def _in_registry(self, registry_slug: str, slug: str) -> ProfileLayer:
        registry = self.registries.get(registry_slug)
        if registry is None:
            raise ProfileError(
                f"no registry {registry_slug!r}; {suggest(registry_slug, self.registries)}",
                key=registry_slug,
                valid_names=tuple(self.registries),
            )
        if slug not in registry.profiles:
            other_registry = next(
                (candidate.slug for candidate in self.registries.values() if slug in candidate.profiles), ""
            )
            hint = f"did you mean {other_registry}/{slug}?" if other_registry else suggest(slug, registry.profiles)
            raise ProfileError(
                f"no profile {slug!r} in registry {registry_slug!r}; {hint}",
                key=slug,
                valid_names=tuple(registry.profiles),
            )
        return registry.profiles[slug]

    def _resolve_references(self, value: Any, path: tuple[str, ...]) -> Any:
        """Return `value` with references to values that are not secrets replaced, so that the signature depends on them."""
        if isinstance(value, Reference):
            references = REFERENCE.findall(value.text)
            secret = path[:2] == ("api", "api_keys") or is_secret_name(path[-1])
            if secret or any(kind != "env" or is_secret_name(name) for kind, name in references):
                return value
            return self.secrets.reveal(value, ".".join(path))
        if isinstance(value, Mapping):
            return {name: self._resolve_references(item, (*path, str(name))) for name, item in value.items()}
        if isinstance(value, list):
            return [self._resolve_references(item, path) for item in value]
        return value

    @printable
    def __repr__(self) -> str:
        return f"<Profiles {', '.join(self)}>"

    def _repr_html_(self) -> str:
        import html

        rows = "".join(
            f'<tr><th scope="row" style="text-align:left">{html.escape(name)}</th>'
            + "".join(f'<td style="text-align:left">{html.escape(text)}</td>' for text in _summary(self[name]))
            + "</tr>"
            for name in self
        )
        headers = "".join(
            f'<th style="text-align:left">{header}</th>' for header in ("profile", "registry", "engine", "description")
        )
        return f'<table class="tex2jax_ignore mathjax_ignore"><thead><tr>{headers}</tr></thead><tbody>{rows}</tbody></table>'


@dataclass(frozen=True, slots=True, repr=False)
class Profile:
    """A profile by name. It can be resolved, or used to start a session."""

    profiles: Profiles
    layer: ProfileLayer

    @property
    def slug(self) -> str:
        """Name of the profile in its registry."""
        return self.layer.slug

    @property
    def registry(self) -> str:
        """Name of the registry."""
        return self.layer.registry

    @property
    def name(self) -> str:
        """Name of the profile, with its registry."""
        return self.layer.name

    @property
    def description(self) -> str:
        """Description, else the display name."""
        return self.layer.description or self.layer.display_name

    def resolve(self, overrides: Mapping[str, Any] = EMPTY_DICT) -> Plan:
        """Return the plan of this profile, with `overrides` applied."""
        return self.profiles.resolve(self.name, overrides=overrides)

    @property
    def config(self) -> EngineConfig:
        """The resolved settings, without overrides. Raises ProfileError if they are invalid."""
        return self.resolve().config

    @hides_locals
    def session(
        self, tools: Iterable[Any] = (), overrides: Mapping[str, Any] = EMPTY_DICT, **session_arguments: Any
    ) -> Session:
        """Return a session that runs with this profile.

        `tools` are the tools it may choose from. `engine=` replaces the profile's engine; the other arguments are those of
        Session. Raises ProfileError for a forbidden override and for a missing tool, middleware, sink or secret.
        """
        from .build_session import build_session

        return build_session(self.resolve(overrides), self.profiles, tools, **session_arguments)

    @printable
    def __repr__(self) -> str:
        return f"<Profile {self.name}>"

    @printable
    def __str__(self) -> str:
        return str(self.resolve())

    def _repr_html_(self) -> str:
        return self.resolve()._repr_html_()


def _without_misplaced_secrets(value: Any, path: tuple[str, ...]) -> Any:
    """Return the value. Raises ProfileError for a secret in a field that goes into Turns and plans."""
    if isinstance(value, (Reference, Secret)) and path[0] not in SECRET_FIELDS:
        name = ".".join(path)
        secret_text = value.text if isinstance(value, Reference) else "a key"
        raise ProfileError(
            f"{name} must not contain a secret: {secret_text} is only possible in api_key, base_url, params and config",
            key=name,
        )
    return value


def profile_of(conversation: Any) -> str | None:
    """Return the profile that a conversation last used, as "registry/profile", or None if it records none."""
    if isinstance(conversation, str):
        return conversation or None
    plan = getattr(conversation, "plan", None)
    if isinstance(plan, Plan):
        return plan.name
    turns = getattr(conversation, "turns", None)
    if turns is None and not isinstance(conversation, Turn):
        raise ProfileError(
            f"conversation must be a Conversation, Session, Run, Turn or profile name, not {describe_kind(conversation)}",
            key="conversation",
        )
    turn = turns[-1] if turns else conversation
    runtime = turn.metadata.get(RUNTIME) if isinstance(turn, Turn) else None
    name = runtime.get("runtime_key") if isinstance(runtime, Mapping) else runtime  # old geppetto files hold a string
    return name if name and isinstance(name, str) else None


def _summary(profile: Profile) -> tuple[str, str, str]:
    try:
        engine = profile.config.engine
    except ProfileError as error:
        engine = f"cannot be resolved: {error}"
    return profile.registry, engine, profile.description
