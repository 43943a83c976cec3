"""Translate the settings that every provider shares into the parameters of one.

Settings in the data of a Turn override the parameters of the engine, field by field.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...values.frozen_json import thaw
from ...values.inference_settings import INFERENCE_CONFIG
from ...values.metadata import Key
from ...values.turns import Turn
from ..provider import Parameters, PortableSettings, Provider, Translation
from .schema import PORTABLE

STOP_PARAMS = ("stop", "stop_sequences")  # an empty list removes the engine's own
CANONICAL_NAMES = {"max_tokens": "max_response_tokens"}  # two names of one setting


def translated(provider: Provider, params: Mapping[str, Any], turn: Turn) -> Translation:
    """Return the parameters of a call in the provider's words, and the settings it has no parameter for.

    `params` are the engine's; the Turn's data override them. A provider without a translation
    gets its parameters unchanged.
    """
    portable, own_params = provider.portable, provider.params or {}
    if portable is None:
        return thaw(params), []
    engine_params: Parameters = thaw(params)
    shared = {
        CANONICAL_NAMES.get(name, name): engine_params.pop(name)
        for name in tuple(engine_params)
        if name not in own_params and (name in PORTABLE or name in portable.params)
    }
    translation, unsent = portable.translate(shared)
    merged_params = merged(translation, engine_params)
    for settings in (_settings_at(INFERENCE_CONFIG, turn), _settings_at(portable.turn_key, turn)):
        translation, unsent_settings = portable.translate(settings)
        merged_params, unsent = _overridden(merged_params, translation, portable), [*unsent, *unsent_settings]
    if portable.server_tools_key is not None and (server_tools := turn.data.get(portable.server_tools_key)):
        merged_params["tools"] = [*merged_params.get("tools", ()), *thaw(server_tools)]
    sent = {name: value for name, value in merged_params.items() if value != [] or name not in STOP_PARAMS}
    return sent, unsent


def _overridden(params: Mapping[str, Any], overrides: Mapping[str, Any], portable: PortableSettings) -> Parameters:
    """Return the engine's parameters with those of a Turn upon them; other names of the same parameters go."""
    replaced = {name for names in portable.same for name in names if set(names) & overrides.keys()}
    return merged({name: value for name, value in params.items() if name not in replaced}, overrides)


def merged(base: Mapping[str, Any], overrides: Mapping[str, Any]) -> Parameters:
    """Return `base` with `overrides` laid upon it, object by object."""
    result = dict(base)
    for name, value in overrides.items():
        base_value = result.get(name)
        both_objects = isinstance(base_value, Mapping) and isinstance(value, Mapping)
        result[name] = merged(base_value, value) if both_objects else value  # type: ignore[arg-type]  # both are Mappings
    return result


def renamed(settings: Mapping[str, Any], names: Mapping[str, str]) -> Translation:
    """Return the settings under the provider's `names`, and those that have none there."""
    translation = {provider_name: settings[name] for name, provider_name in names.items() if name in settings}
    return translation, [name for name in settings if name not in names]


def _settings_at(key: Key[Any] | None, turn: Turn) -> Parameters:
    config = turn.data.get(key) if key is not None else None
    return thaw(config.to_dict()) if config is not None else {}
