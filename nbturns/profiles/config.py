"""Everything a run will do, in one printable object: engine, prompt, tools, middlewares, sinks, loop, approval.

An `EngineConfig` allocates nothing: a session is built from it by `nbturns.profiles.building`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from math import isfinite
from typing import Any
from urllib.parse import urlsplit

from ..engines.dialects import DIALECTS
from ..engines.params import params_of, snake
from ..engines.registry import find as find_provider
from ..engines.registry import provider_entry_points
from ..errors import EngineError, ProfileError
from ..frozen import EMPTY, freeze
from ..models import ModelInfo, Prices, find
from ..settings import StructuredOutputConfig
from ..toolbox import ToolConfig, seconds
from .fields import kind_of, nearest
from .middleware_uses import Use, read
from .registry import Layer, Said
from .secrecy import HEADERS, Reference, Secret, is_secret, shown, without_credentials

PROVIDERS = {
    "openai": "openai-chat",  # geppetto's word for chat completions
    "open-responses": "openai",
    "openai-responses": "openai",
    "claude": "anthropic",
    "anthropic": "anthropic",
    "gemini": "gemini",
    "google": "gemini",
}
"""geppetto's `api_type` → the prefix of our engine. A compatible server's name stands for `openai-chat` there."""

SECTION = {"openai-chat": "openai", "openai": "openai", "anthropic": "claude", "gemini": "gemini"}
KEYS = {"open-responses": ("open-responses", "openai-responses", "openai"), "claude": ("claude", "anthropic")}
RENAMED = {"max_response_tokens": "max_tokens"}  # geppetto's word for what most call so
SHAPE = "structured_output_"
UNSEEN = frozenset({"client", "connect_timeout", "raw", "record", "retries", "retry_for"})  # by the provider
KEYS |= {"openai-responses": KEYS["open-responses"], "anthropic": KEYS["claude"]}


@dataclass(frozen=True, slots=True, kw_only=True)
class LoopConfig:
    """How the loop goes; none of it changes what a model sees. Times in seconds; `name` is the shared one it is made from."""

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
        return {f.name: value for f in fields(self) if (value := getattr(self, f.name)) not in (None, "")}

    def tool_config(self, tool_choice: str) -> ToolConfig:
        shared = {f.name: getattr(self, f.name) for f in fields(self) if f.name not in ("name", "limit", "step")}
        return ToolConfig(max_iterations=self.limit, tool_choice=tool_choice, **shared)  # type: ignore[arg-type]  # checked as it was read


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineConfig:
    """What a profile comes to. `params` have the names of `InferenceConfig` and, for the rest, the provider's own.

    `tools`: the names it may use, in order; None for all that the session is given. `approval` says which calls
    wait for a person: "never", "effectful" (tools not declared pure or idempotent), "always", or tools by name.
    """

    provider: str
    model: str
    base_url: str = ""
    api_key: Secret | Reference | None = None
    params: Mapping[str, Any] = EMPTY
    client: Mapping[str, Any] = EMPTY
    structured_output: StructuredOutputConfig | None = None
    system: str = ""
    tools: tuple[str, ...] | None = None
    tool_choice: str = "auto"
    middleware: tuple[Use, ...] = ()
    sinks: tuple[Use, ...] = ()
    loop: LoopConfig = LoopConfig()  # a value, which never changes
    approval: str | tuple[str, ...] = "never"
    model_info: ModelInfo | None = None

    @property
    def engine(self) -> str:
        """The engine's name, like "anthropic:claude-sonnet-5-5"."""
        return f"{self.provider}:{self.model}"

    @property
    def signature(self) -> str:
        """64 hex digits that change with what the provider sees or how its answer is read, and with nothing else.

        Not in it: keys, time-outs, the loop, sinks, approval, prices, the profile's name. The definitions of the
        tools are on each Turn; here are their names.
        """
        text = json.dumps(self._seen(), sort_keys=True, ensure_ascii=True, separators=(",", ":"), default=str)
        return hashlib.sha256(text.encode()).hexdigest()

    def _seen(self) -> dict[str, Any]:
        info = self.model_info or find(self.model)
        seen: dict[str, Any] = {
            "engine": self.engine,
            "base_url": without_credentials(self.base_url),
            "params": {name: shown(one) for name, one in self.params.items() if name not in UNSEEN},
            "headers": {
                name: shown(self.client[name]) for name in ("organization", "user_agent") if name in self.client
            },
            "structured_output": self.structured_output.to_dict() if self.structured_output else None,
            "system": self.system,
            "tools": None if self.tools is None else list(self.tools),
            "tool_choice": self.tool_choice,
            "middleware": [[use.name, use.id, shown(use.config)] for use in self.middleware],
            "reasoning": bool(info and info.reasoning),  # what a reasoning model does not take is left out
        }
        return {
            name: value for name, value in seen.items() if value not in (None, "", {}, [], False) or name == "tools"
        }

    def replace(self, **changes: Any) -> EngineConfig:
        return replace(self, **changes)

    def to_dict(self) -> dict[str, Any]:
        """Plain data of all it says, without secrets."""
        info = self.model_info
        said: dict[str, Any] = {
            "engine": self.engine,
            "base_url": without_credentials(self.base_url),
            "api_key": shown(self.api_key),
            "params": shown(self.params),
            "client": {
                name: without_credentials(one) if name == "proxy_url" else shown(one)
                for name, one in self.client.items()
            },
            "structured_output": self.structured_output.to_dict() if self.structured_output else None,
            "system": self.system,
            "tools": None if self.tools is None else list(self.tools),
            "tool_choice": self.tool_choice,
            "middleware": [_use(use) for use in self.middleware],
            "sinks": [_use(use) for use in self.sinks],
            "loop": self.loop.to_dict(),
            "approval": self.approval if isinstance(self.approval, str) else list(self.approval),
            "model_info": {
                f.name: _plain(getattr(info, f.name))
                for f in fields(info)
                if getattr(info, f.name) not in (None, "", ())
            }
            if info
            else None,
        }
        return {name: value for name, value in said.items() if value not in (None, "", {}, [])} | {
            "signature": self.signature
        }

    def __str__(self) -> str:
        return "\n".join(f"{name:18}{_line(value)}" for name, value in self.to_dict().items())

    def __repr__(self) -> str:
        return f"<EngineConfig {self.engine} {self.signature[:12]}>"


def config(said: Layer) -> EngineConfig:
    """The config that merged layers come to. Raises ProfileError for an engine or a parameter nobody knows."""
    model = _of(said, "chat", "engine")
    if not model:
        raise ProfileError(
            'no model is named: say engine: "provider:model", or chat.engine in inference_settings', key="engine"
        )
    api_type = _api_type(said)
    try:
        provider = provider_of(api_type)
    except ProfileError as error:
        by = said["chat", "api_type"].where
        raise ProfileError(f"{error.reason} ({by})", key=error.key, known=error.known) from None
    params = _params(said, provider)
    for name, one in params.items():
        _check_param(name, one, provider)
    url, key = _base_url(said, api_type), _key(said, api_type)
    tools, approval = _of(said, "tools"), _of(said, "approval") or "never"
    return EngineConfig(
        provider=provider,
        model=str(model),
        base_url=_address(url) if url else _home(api_type),
        api_key=key.value if key else None,
        params=freeze_params({name: one.value for name, one in params.items()}),
        client={path[1]: one.value for path, one in said.items() if path[0] == "client"},
        structured_output=_structured_output(said),
        system=_of(said, "system") or "",
        tools=None if tools is None else tuple(tools),
        tool_choice=_of(said, "tool_choice") or "auto",
        middleware=read(_of(said, "middleware") or ()),
        sinks=read(_of(said, "sinks") or ()),
        loop=_loop({path[1]: one.value for path, one in said.items() if path[0] == "loop"}),
        approval=approval if isinstance(approval, str) else tuple(approval),
        model_info=_model_info(said, str(model)),
    )


def sources(said: Layer) -> dict[str, str]:
    """Who said each field of the config that `said` comes to, by the field's name in it."""
    api_type = _api_type(said)
    found = {"engine": said["chat", "engine"].where}
    if (by := said.get(("chat", "api_type"))) and by.where != found["engine"]:
        found["engine"] += f"; provider: {by.where}"
    for name, one in (("base_url", _base_url(said, api_type)), ("api_key", _key(said, api_type))):
        if one:
            found[name] = one.where
    found |= {f"params.{name}": one.where for name, one in _params(said, provider_of(api_type)).items()}
    for path, one in said.items():
        if path[0] in ("client", "loop", "model_info"):
            found[".".join(path[:2])] = one.where
        elif path[0] == "chat" and path[1].startswith(SHAPE):
            found[f"structured_output.{path[1].removeprefix(SHAPE)}"] = one.where
        elif len(path) == 1 and path[0] not in ("base_url", "api_key"):
            found[path[0]] = one.where
    return found


def provider_of(api_type: str) -> str:
    """The prefix of our engine for geppetto's `api_type`, a compatible server's name, or a prefix itself."""
    if api_type in PROVIDERS:
        return PROVIDERS[api_type]
    if api_type in provider_entry_points():
        return api_type
    if api_type in DIALECTS:
        return "openai-chat"
    known = (*PROVIDERS, *provider_entry_points(), *DIALECTS)
    raise ProfileError(f"no provider {api_type!r}; {nearest(api_type, set(known))}", key="engine", known=known)


def _api_type(said: Layer) -> str:
    return str(_of(said, "chat", "api_type") or "openai").lower()


def _of(said: Layer, *path: str) -> Any:
    return said[path].value if path in said else None


def _base_url(said: Layer, api_type: str) -> Said | None:
    return said.get(("base_url",)) or _first(said, api_type, "base_urls", "base-url")


def _key(said: Layer, api_type: str) -> Said | None:
    return said.get(("api_key",)) or _first(said, api_type, "api_keys", "api-key")


def _address(said: Said) -> Any:
    """The address that was said, or a reference to one. Raises ProfileError for what is none."""
    if not isinstance(said.value, Reference) and not is_address(said.value):
        shows = without_credentials(said.value)
        raise ProfileError(
            f'base_url is an address like "https://example.com/v1", not {shows!r:.60} ({said.where})', key="base_url"
        )
    return said.value


def is_address(text: str) -> bool:
    try:
        parts = urlsplit(text)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def _first(said: Layer, api_type: str, where: str, what: str) -> Said | None:
    named = (said.get(("api", where, f"{name}-{what}")) for name in KEYS.get(api_type, (api_type,)))
    return next((one for one in named if one and one.value), None)


def _home(api_type: str) -> str:
    """Where a compatible server is that the profile names by its name alone."""
    return DIALECTS[api_type].base_url if api_type in DIALECTS and api_type not in PROVIDERS else ""


def _params(said: Layer, provider: str) -> dict[str, Said]:
    """geppetto's order: `inference` before the provider's own section, that before `chat`; then the short form's own."""
    params: dict[str, Said] = {}
    for section in ("chat", SECTION.get(provider, ""), "inference", "params"):
        for path, one in said.items():
            if path[0] == section and not path[1].startswith(("engine", "api_type", SHAPE, "cache_")):
                params[RENAMED.get(path[1], path[1])] = one
    return params


def _check_param(name: str, one: Said, provider: str) -> None:
    target = find_provider(provider)
    if target.params is None:
        return
    known = params_of(target)
    if (param := known.get(name) or known.get(snake(name))) is None:
        raise ProfileError(
            f"{name} is no parameter of {provider}; {nearest(name, known)} ({one.where})",
            key=f"params.{name}",
            known=tuple(known),
        )
    try:
        param.check(shown(one.value), provider)
    except EngineError as error:
        words = (
            f"{name} of {provider} is not {kind_of(one.value)}" if is_secret(name) or name in HEADERS else str(error)
        )
        raise ProfileError(f"{words} ({one.where})", key=f"params.{name}") from None
    if isinstance(one.value, float) and not isfinite(one.value):
        raise ProfileError(f"{name} is a number, not {one.value} ({one.where})", key=f"params.{name}")


def freeze_params(params: Mapping[str, Any]) -> Mapping[str, Any]:
    """Params as they are, frozen where that can be: a Secret stays the object it is."""
    return {name: value if _hides(value) else freeze(value) for name, value in params.items()}


def _hides(value: Any) -> bool:
    if isinstance(value, Mapping):
        return any(_hides(one) for one in value.values())
    if isinstance(value, (list, tuple)):
        return any(_hides(one) for one in value)
    return isinstance(value, (Secret, Reference))


def _structured_output(said: Layer) -> StructuredOutputConfig | None:
    own = {
        path[1].removeprefix(SHAPE): one.value
        for path, one in said.items()
        if path[0] == "chat" and path[1].startswith(SHAPE)
    }
    if own.get("mode", "off") == "off":
        return None
    if not own.get("schema"):
        where = said["chat", SHAPE + "mode"].where
        raise ProfileError(
            f"structured_output_mode is json_schema, and structured_output_schema is missing ({where})",
            key=SHAPE + "schema",
        )
    return StructuredOutputConfig.from_dict(own)


def _loop(own: dict[str, Any]) -> LoopConfig:
    for name in ("execution_timeout", "pause_timeout"):
        if isinstance(own.get(name), str):
            own[name] = seconds(own[name], name)
        if name in own:
            own[name] = own[name] or None
    if isinstance(own.get("step"), (list, tuple)):
        own["step"] = tuple(own["step"])
    return LoopConfig(**own)


def _model_info(said: Layer, model: str) -> ModelInfo | None:
    own = {path[1]: one.value for path, one in said.items() if path[0] == "model_info"}
    if not own:
        return None
    known = find(own.get("id") or model) or ModelInfo(id=own.get("id") or model)
    shared = ("id", "reasoning", "context_window", "max_output_tokens")
    told: dict[str, Any] = {name: own[name] for name in shared if name in own}
    if "input" in own:
        told["input"] = tuple(own["input"])
    if "cost" in own:
        told["prices"] = Prices(**{"input": 0.0, "output": 0.0, **own["cost"]})
        told |= {"long_from": None, "long_prices": None}
    return replace(known, **told)


def _use(use: Use) -> Any:
    more = {"id": use.id, "config": shown(use.config), "extract": list(use.extract)}
    told = {name: value for name, value in more.items() if value}
    return {"name": use.name, **told} if told else use.name


def _plain(value: Any) -> Any:
    if isinstance(value, Prices):
        return {f.name: getattr(value, f.name) for f in fields(value) if getattr(value, f.name) is not None}
    return list(value) if isinstance(value, tuple) else value


def _line(value: Any) -> str:
    if isinstance(value, str):
        return value if "\n" not in value and len(value) < 100 else json.dumps(value, ensure_ascii=False)[:97] + "…"
    return json.dumps(value, ensure_ascii=False, default=str)
