"""What somebody asks for beside a profile: typed, and refused unless the profile allows that key."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ..engines.params import params
from ..errors import ProfileError
from .config import provider_of
from .fields import LOOP, RUNTIME, SETTINGS, SHORT_PARAMS, Path, kind_of, misfit, nearest
from .middleware_uses import uses
from .registry import API_TYPES, Layer, Said
from .secrecy import kept, shown, without_credentials

WHERE = "override"
PLAIN: dict[str, Any] = {name: kind for name, kind in RUNTIME.items() if name != "loop"} | {
    "engine": str,
    "base_url": str,
}
GROUPS = {"params": "{'temperature': 0}", "loop": "{'limit': 3}"}


def overridden(said: Layer, overrides: Mapping[str, Any], profile: str) -> Layer:
    """What the layers say with `overrides` over it. Raises ProfileError that names the key it refuses."""
    known = names(said)
    policy = said[("allow_overrides",)].value if ("allow_overrides",) in said else False
    asked: Layer = {}
    for name, value in _flat(overrides):
        full = known.get(name)
        if name in GROUPS:
            raise ProfileError(
                f"{name} is a mapping, like {{{name!r}: {GROUPS[name]}}}, not {kind_of(value)}", key=name
            )
        if full is None:
            raise ProfileError(
                f"there is no {name!r} to override; {nearest(name, known)}", key=name, known=tuple(sorted(known))
            )
        if not allows(policy, full):
            allowed = ", ".join(policy) if isinstance(policy, list) and policy else "none"
            raise ProfileError(
                f"profile {profile!r} does not allow to override {name!r}; it allows: {allowed} (allow_overrides)",
                key=name,
            )
        for path, checked in _said(name, full, value):
            if path in asked:
                raise ProfileError(f"{name} is overridden twice, under two of its names", key=name)
            asked[path] = Said(kept(checked, path[-1]), WHERE)
    if ("tools",) in asked:
        _narrowed(said, asked[("tools",)].value, profile)
    return {**{path: one for path, one in said.items() if not _replaced(path, asked)}, **asked}


def allows(policy: bool | list[str], full: str) -> bool:
    """Whether `allow_overrides` covers the field with this full name, like "params.temperature"."""
    if isinstance(policy, bool):
        return policy
    group, dot, short = full.partition(".")
    return any(key in (full, group, short if dot else full) for key in policy)


def names(said: Layer) -> dict[str, str]:
    """Every key that may be overridden, by each of its names → its full name, like "params.temperature"."""
    known = {name: name for name in PLAIN}
    its_params = {*SHORT_PARAMS, *_params_of(said), *(path[1] for path in said if path[0] == "params")}
    for group, its in (("params", its_params), ("loop", {*LOOP, "name"} - {"name"})):
        for name in its:
            known[f"{group}.{name}"] = f"{group}.{name}"
            known.setdefault(name, f"{group}.{name}")
    return known


def _params_of(said: Layer) -> Mapping[str, Any]:
    """The parameters of the provider that the layers name; of one without a table, those all are told."""
    api_type = said[("chat", "api_type")].value if ("chat", "api_type") in said else "openai"
    return {
        name: param
        for name, param in params(provider_of(str(api_type).lower())).items()
        if name not in ("client", "api_key", "base_url")
    }


def without_secrets(overrides: Mapping[str, Any]) -> dict[str, Any]:
    """The overrides as they may be shown."""
    plain: dict[str, Any] = {}
    for name, value in overrides.items():
        short = str(name).rpartition(".")[2]
        is_url = short == "base_url" and isinstance(value, str)
        plain[str(name)] = without_credentials(value) if is_url else shown(kept(value, short))
    return plain


def _flat(overrides: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, value in overrides.items():
        if name in GROUPS and isinstance(value, Mapping):
            yield from ((f"{name}.{inner}", one) for inner, one in value.items())
        else:
            yield str(name), value


def _said(name: str, full: str, value: Any) -> Iterator[tuple[Path, Any]]:
    group, dot, short = full.partition(".")
    if full == "engine":
        yield from _engine(value)
        return
    path, kind = _field(group, short) if dot else ((full,), PLAIN[full])
    if full in ("middleware", "sinks"):
        value = uses(value, lambda _, words, known: _refuse(name, words, known))
    if wrong := misfit(value, kind, (short or full,)):
        raise ProfileError(f"{name} {wrong.words}", key=name)
    yield path, value


def _field(group: str, short: str) -> tuple[Path, Any]:
    if group == "loop":
        return ("loop", short), LOOP[short]
    path = SHORT_PARAMS.get(short, ("params", short))
    return path, SETTINGS[path[0]][path[1]] if path[0] in SETTINGS else object


def _engine(value: Any) -> Iterator[tuple[Path, Any]]:
    prefix, colon, model = value.partition(":") if isinstance(value, str) else ("", "", "")
    if not (prefix and colon and model):
        raise ProfileError(
            f'engine is a text "provider:model", like "anthropic:claude-sonnet-5-5", not {value!r:.60}', key="engine"
        )
    yield ("chat", "api_type"), API_TYPES.get(prefix.lower(), prefix.lower())
    yield ("chat", "engine"), model


def _narrowed(said: Layer, asked: list[str], profile: str) -> None:
    mine = said[("tools",)].value if ("tools",) in said else None
    wider = [] if mine is None else [tool for tool in asked if tool not in mine]
    if (wider and ("widen_tools",) not in said) or (wider and not said[("widen_tools",)].value):
        raise ProfileError(
            f"profile {profile!r} has no tool {wider[0]!r}, and an override may only narrow its tools "
            f"({', '.join(mine or ()) or 'none'}); say widen_tools: true there to let it",
            key="tools",
            known=tuple(mine or ()),
        )


def _replaced(path: Path, asked: Layer) -> bool:
    """Whether an override takes this field's place: a parameter may be said in several sections."""
    if path in asked:
        return True
    return path[0] in ("chat", "openai", "gemini") and len(path) == 2 and ("inference", path[1]) in asked


def _refuse(name: str, words: str, known: tuple[str, ...]) -> None:
    raise ProfileError(f"{name} {words}", key=name, known=known)
