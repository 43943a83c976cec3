"""An `EngineConfig`: everything a session will use, as one printable value. Creating it builds no engine."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from math import isfinite
from typing import Any

from ..engines.dialects import DIALECTS
from ..engines.parameters.schema import params_of, snake
from ..engines.registry import find as find_provider
from ..engines.registry import provider_entry_points
from ..errors import EngineError, ProfileError
from ..runtime.toolbox import ToolConfig, parse_go_duration
from ..safety.secret_texts import shown
from ..safety.visible_text import printable
from ..values.frozen_json import EMPTY_DICT
from ..values.inference_settings import StructuredOutputConfig
from ..values.model_info import ModelInfo, Prices
from ..values.model_info import find_model as find_model_info
from ..values.policies import NO_POLICY, Policy
from .call_policies import policy_from_layer
from .chat_schema import STRUCTURED_OUTPUT_PREFIX, structured_output_of
from .middleware_uses import Use, enabled_uses
from .registry import Layer, SourcedValue
from .schema import describe_kind, suggest
from .secrets import (
    HEADER_FIELDS,
    Reference,
    Secret,
    freeze_params,
    is_http_url,
    is_secret_name,
    mask_secrets,
    printed_value,
    strip_credentials,
)

PROVIDERS = {
    "openai": "openai-chat",  # geppetto's word for chat completions
    "open-responses": "openai",
    "openai-responses": "openai",
    "claude": "anthropic",
    "anthropic": "anthropic",
    "gemini": "gemini",
    "google": "gemini",
}
"""geppetto's `api_type` → the prefix of our engine. Names of compatible servers mean `openai-chat`."""

PROVIDER_SECTIONS = {"openai-chat": "openai", "openai": "openai", "anthropic": "claude", "gemini": "gemini"}
# Under these names geppetto looks up the key and address of an API, in this order.
API_NAMES: dict[str, tuple[str, ...]] = {
    "open-responses": ("open-responses", "openai-responses", "openai"),
    "claude": ("claude", "anthropic"),
}
PARAM_ALIASES = {"max_response_tokens": "max_tokens"}  # geppetto's name → ours
SIGNED_HEADERS = ("organization", "user_agent")
UNSIGNED_PARAMS = frozenset({"client", "connect_timeout", "raw", "record", "retries", "retry_for"})
"""Parameters that the provider never receives."""
API_NAMES.update({"openai-responses": API_NAMES["open-responses"], "anthropic": API_NAMES["claude"]})


@dataclass(frozen=True, slots=True, kw_only=True)
class LoopConfig:
    """Settings of the tool loop that do not change what the model sees. Times are in seconds.

    `name` is the name of the shared loop that these settings are based on.
    """

    name: str = ""
    limit: int = 20
    step: bool | tuple[str, ...] = False
    execution_timeout: float | None = 30.0
    max_parallel_tools: int = 3
    tool_error_handling: str = "continue"
    inline: bool = False
    pause_timeout: float | None = None
    on_pause_timeout: str = "stay"

    def to_dict(self) -> dict[str, Any]:
        """Return the settings that are set, as plain data."""
        return {f.name: value for f in fields(self) if (value := getattr(self, f.name)) not in (None, "")}

    def tool_config(self, tool_choice: str) -> ToolConfig:
        """Return the equivalent ToolConfig of a session."""
        shared_fields = {f.name: getattr(self, f.name) for f in fields(self) if f.name not in ("name", "limit", "step")}
        return ToolConfig(max_iterations=self.limit, tool_choice=tool_choice, **shared_fields)  # type: ignore[arg-type]  # types were checked when the profile was read


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineConfig:
    """The result of resolving a profile.

    `params` have the names of `InferenceConfig` or, for other parameters, those of the provider. `tools` are the names
    of the allowed tools in order, or None for all. `approval` selects the calls that need the approval of a person:
    "never", "effectful" (tools not declared pure or idempotent), "always", or names of tools.
    """

    provider: str
    model: str
    base_url: str = ""
    api_key: Secret | Reference | None = None
    params: Mapping[str, Any] = EMPTY_DICT
    client: Mapping[str, Any] = EMPTY_DICT
    structured_output: StructuredOutputConfig | None = None
    system: str = ""
    tools: tuple[str, ...] | None = None
    tool_choice: str = "auto"
    middleware: tuple[Use, ...] = ()
    sinks: tuple[Use, ...] = ()
    loop: LoopConfig = LoopConfig()  # immutable, so it may be shared
    approval: str | tuple[str, ...] = "never"
    policy: Policy = NO_POLICY
    model_info: ModelInfo | None = None
    tool_definitions: tuple[Mapping[str, Any], ...] = ()

    @property
    def engine(self) -> str:
        """The engine's name, like "anthropic:claude-sonnet-5-5"."""
        return f"{self.provider}:{self.model}"

    @property
    def signature(self) -> str:
        """Return 64 hexadecimal digits that depend only on what the provider receives and how its answer is read.

        Keys, time-outs, loop settings, sinks, approval, prices and the profile's name do not change it. The names of the
        tools do, and their definitions in the plan of a session (`Plan.with_tools`).
        """
        text = json.dumps(self._signed_fields(), sort_keys=True, ensure_ascii=True, separators=(",", ":"), default=str)
        return hashlib.sha256(text.encode()).hexdigest()

    def _signed_fields(self) -> dict[str, Any]:
        """Return what the signature depends on."""
        signed: dict[str, Any] = {
            "engine": self.engine,
            "base_url": strip_credentials(self.base_url),
            "params": {name: mask_secrets(value) for name, value in self.params.items() if name not in UNSIGNED_PARAMS},
            "headers": {name: mask_secrets(value) for name, value in self.client.items() if name in SIGNED_HEADERS},
            "structured_output": self.structured_output.to_dict() if self.structured_output else None,
            "system": self.system,
            "tools": None if self.tools is None else list(self.tools),
            "tool_definitions": list(self.tool_definitions),
            "tool_choice": self.tool_choice,
            "middleware": [[use.name, use.id, mask_secrets(use.config)] for use in self.middleware],
            "reasoning": bool(
                (info := self.model_info or find_model_info(self.model)) and info.reasoning
            ),  # engines drop parameters that reasoning models reject
        }
        return {
            name: value for name, value in signed.items() if value not in (None, "", {}, [], False) or name == "tools"
        }

    def replace(self, **changes: Any) -> EngineConfig:
        """Return a copy with some fields changed."""
        return replace(self, **changes)

    def to_dict(self) -> dict[str, Any]:
        """Return all settings as plain data, without secrets."""
        info = self.model_info
        plain: dict[str, Any] = {
            "engine": self.engine,
            "base_url": strip_credentials(self.base_url),
            "api_key": mask_secrets(self.api_key),
            "params": mask_secrets(self.params),
            "client": {
                name: strip_credentials(value) if name == "proxy_url" else mask_secrets(value)
                for name, value in self.client.items()
            },
            "structured_output": self.structured_output.to_dict() if self.structured_output else None,
            "system": self.system,
            "tools": None if self.tools is None else list(self.tools),
            "tool_choice": self.tool_choice,
            "middleware": [use.to_plain() for use in self.middleware],
            "sinks": [use.to_plain() for use in self.sinks],
            "loop": self.loop.to_dict(),
            "approval": self.approval if isinstance(self.approval, str) else list(self.approval),
            "policy": [rule.to_dict() for rule in self.policy.rules],
            "model_info": info
            and {
                field.name: _to_plain(value)
                for field in fields(info)
                if (value := getattr(info, field.name)) not in (None, "", ())
            },
            "signature": self.signature,
        }
        return {name: value for name, value in plain.items() if value not in (None, "", {}, [])}

    @printable
    def __str__(self) -> str:
        return "\n".join(f"{name:18}{printed_value(value)}" for name, value in self.to_dict().items())

    @printable
    def __repr__(self) -> str:
        return f"<EngineConfig {self.engine} {self.signature[:12]}>"


def config_from_layer(layer: Layer) -> EngineConfig:
    """Return the config for merged layers. Raises ProfileError for a missing or unknown engine or an invalid parameter."""
    model = _value_at(layer, "chat", "engine")
    if not model:
        raise ProfileError(
            'no model is set; add engine: "provider:model", or chat.engine in inference_settings', key="engine"
        )
    api_type = _api_type(layer)
    try:
        provider = provider_of(api_type)
    except ProfileError as error:
        source = layer["chat", "api_type"].source
        raise ProfileError(f"{error.reason} ({source})", key=error.key, valid_names=error.valid_names) from None
    params = _param_entries(layer, provider)
    for name, entry in params.items():
        _check_param(name, entry, provider)
    base_url, api_key = _base_url_entry(layer, api_type), _api_key_entry(layer, api_type)
    tools, approval = _value_at(layer, "tools"), _value_at(layer, "approval") or "never"
    return EngineConfig(
        provider=provider,
        model=str(model),
        base_url=_checked_base_url(base_url) if base_url else _default_base_url(api_type),
        api_key=api_key.value if api_key else None,
        params=freeze_params({name: entry.value for name, entry in params.items()}),
        client={path[1]: entry.value for path, entry in layer.items() if path[0] == "client"},
        structured_output=structured_output_of(layer),
        system=_value_at(layer, "system") or "",
        tools=None if tools is None else tuple(tools),
        tool_choice=_value_at(layer, "tool_choice") or "auto",
        middleware=enabled_uses(_value_at(layer, "middleware") or ()),
        sinks=enabled_uses(_value_at(layer, "sinks") or ()),
        loop=_loop({path[1]: entry.value for path, entry in layer.items() if path[0] == "loop"}),
        approval=approval if isinstance(approval, str) else tuple(approval),
        policy=policy_from_layer(layer),
        model_info=_model_info(layer, str(model)),
    )


def field_sources(layer: Layer) -> dict[str, str]:
    """Return the source of each config field that the layer sets, by the field's name in the config."""
    api_type = _api_type(layer)
    sources = {"engine": layer["chat", "engine"].source}
    if (api_type_entry := layer.get(("chat", "api_type"))) and api_type_entry.source != sources["engine"]:
        sources["engine"] += f"; provider: {api_type_entry.source}"
    for name, entry in (("base_url", _base_url_entry(layer, api_type)), ("api_key", _api_key_entry(layer, api_type))):
        if entry:
            sources[name] = entry.source
    sources |= {f"params.{name}": entry.source for name, entry in _param_entries(layer, provider_of(api_type)).items()}
    for path, entry in layer.items():
        if path[0] in ("client", "loop", "model_info"):
            sources[".".join(path[:2])] = entry.source
        elif path[0] == "chat" and path[1].startswith(STRUCTURED_OUTPUT_PREFIX):
            sources[f"structured_output.{path[1].removeprefix(STRUCTURED_OUTPUT_PREFIX)}"] = entry.source
        elif len(path) == 1 and path[0] not in ("base_url", "api_key"):
            sources[path[0]] = entry.source
    return sources


def provider_of(api_type: str) -> str:
    """Return our engine prefix for geppetto's `api_type`, the name of a compatible server, or a prefix itself."""
    if api_type in PROVIDERS:
        return PROVIDERS[api_type]
    if api_type in provider_entry_points():
        return api_type
    if api_type in DIALECTS:
        return "openai-chat"
    valid_names = (*PROVIDERS, *provider_entry_points(), *DIALECTS)
    raise ProfileError(
        f"unknown provider {shown(api_type)}; {suggest(api_type, set(valid_names))}",
        key="engine",
        valid_names=valid_names,
    )


def _api_type(layer: Layer) -> str:
    return str(_value_at(layer, "chat", "api_type") or "openai").lower()


def _value_at(layer: Layer, *path: str) -> Any:
    return layer[path].value if path in layer else None


def _base_url_entry(layer: Layer, api_type: str) -> SourcedValue | None:
    return layer.get(("base_url",)) or _first_api_entry(layer, api_type, "base_urls", "base-url")


def _api_key_entry(layer: Layer, api_type: str) -> SourcedValue | None:
    return layer.get(("api_key",)) or _first_api_entry(layer, api_type, "api_keys", "api-key")


def _checked_base_url(entry: SourcedValue) -> Any:
    """Return the base URL, or a reference to one. Raises ProfileError if it is not an HTTP URL."""
    if not isinstance(entry.value, Reference) and not is_http_url(entry.value):
        displayed = strip_credentials(entry.value)
        raise ProfileError(
            f'base_url must be a URL like "https://example.com/v1", not {displayed!r:.60} ({entry.source})',
            key="base_url",
        )
    return entry.value


def _first_api_entry(layer: Layer, api_type: str, mapping_name: str, suffix: str) -> SourcedValue | None:
    """Return the first entry of `api_keys` or `base_urls` under one of the API's names."""
    entries = (layer.get(("api", mapping_name, f"{name}-{suffix}")) for name in API_NAMES.get(api_type, (api_type,)))
    return next((entry for entry in entries if entry and entry.value), None)


def _default_base_url(api_type: str) -> str:
    """Return the address of a compatible server that the profile selects by its name; "" for a provider."""
    return DIALECTS[api_type].base_url if api_type in DIALECTS and api_type not in PROVIDERS else ""


def _param_entries(layer: Layer, provider: str) -> dict[str, SourcedValue]:
    """Return the parameters by name, in geppetto's precedence: `chat`, the provider's section, `inference`, `params`."""
    params: dict[str, SourcedValue] = {}
    for section in ("chat", PROVIDER_SECTIONS.get(provider, ""), "inference", "params"):
        for path, entry in layer.items():
            if path[0] == section and not path[1].startswith(
                ("engine", "api_type", STRUCTURED_OUTPUT_PREFIX, "cache_")
            ):
                params[PARAM_ALIASES.get(path[1], path[1])] = entry
    return params


def _check_param(name: str, entry: SourcedValue, provider: str) -> None:
    """Raise ProfileError if the provider does not know the parameter or rejects its value."""
    target = find_provider(provider)
    if target.params is None:
        return
    param_types = params_of(target)
    if (param_type := param_types.get(name) or param_types.get(snake(name))) is None:
        raise ProfileError(
            f"unknown parameter {shown(name)} for {provider}; {suggest(name, param_types)} ({entry.source})",
            key=f"params.{name}",
            valid_names=tuple(param_types),
        )
    try:
        param_type.check(mask_secrets(entry.value), provider)
    except EngineError as error:
        message = (
            f"{name} of {provider} must not be {describe_kind(entry.value)}"
            if is_secret_name(name) or name in HEADER_FIELDS
            else str(error)
        )
        raise ProfileError(f"{message} ({entry.source})", key=f"params.{name}") from None
    if isinstance(entry.value, float) and not isfinite(entry.value):
        raise ProfileError(f"{name} must be a finite number, not {entry.value} ({entry.source})", key=f"params.{name}")


def _loop(settings: dict[str, Any]) -> LoopConfig:
    """Return the loop config; times are converted to seconds, and 0 becomes None."""
    for name in ("execution_timeout", "pause_timeout"):
        if isinstance(settings.get(name), str):
            settings[name] = parse_go_duration(settings[name], name)
        if name in settings:
            settings[name] = settings[name] or None
    if isinstance(settings.get("step"), (list, tuple)):
        settings["step"] = tuple(settings["step"])
    return LoopConfig(**settings)


def _model_info(layer: Layer, model: str) -> ModelInfo | None:
    """Return the shipped model info changed by the profile's, or None if the profile sets none."""
    overrides = {path[1]: entry.value for path, entry in layer.items() if path[0] == "model_info"}
    if not overrides:
        return None
    base_info = find_model_info(overrides.get("id") or model) or ModelInfo(id=overrides.get("id") or model)
    shared = ("id", "reasoning", "context_window", "max_output_tokens")
    changes: dict[str, Any] = {name: overrides[name] for name in shared if name in overrides}
    if "input" in overrides:
        changes["input"] = tuple(overrides["input"])
    if "cost" in overrides:
        changes["prices"] = Prices(**{"input": 0.0, "output": 0.0, **overrides["cost"]})
        changes |= {"long_from": None, "long_prices": None}
    return replace(base_info, **changes)


def _to_plain(value: Any) -> Any:
    if isinstance(value, Prices):
        return {f.name: getattr(value, f.name) for f in fields(value) if getattr(value, f.name) is not None}
    return list(value) if isinstance(value, tuple) else value
