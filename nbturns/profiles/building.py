"""A plan becomes a session: here, and nowhere before, engines, tools and middlewares are made."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, cast

from ..contract import Engine, Middleware, Scope
from ..engines import engine as make_engine
from ..engines import find
from ..errors import EngineError, ProfileError
from ..events import Phase, Sink, Snapshot
from ..extracting import extracting
from ..middleware import limits, log_calls, reorder_tool_results, retry, system_prompt
from ..plugins import load_plugins
from ..session import Session
from ..settings import STRUCTURED_OUTPUT_CONFIG, StructuredOutputConfig
from ..toolbox import Toolbox
from ..tools import Tool
from ..turns import Turn
from .config import EngineConfig, is_address
from .fields import kind_of, nearest
from .middleware_uses import Use
from .plan import Plan
from .secrecy import Secrets, shown

if TYPE_CHECKING:
    from .resolving import Profiles

MIDDLEWARE: Mapping[str, Callable[..., Middleware]] = {
    "system_prompt": system_prompt,
    "retry": retry,
    "limits": limits,
    "log_calls": log_calls,
    "reorder_tool_results": reorder_tool_results,
    # geppetto's names of the same
    "systemPrompt": system_prompt,
    "turnLogging": log_calls,
    "reorderToolResults": reorder_tool_results,
}


def session(
    plan: Plan,
    profiles: Profiles,
    tools: Iterable[Tool | Callable[..., Any]] = (),
    *,
    engine: Engine | None = None,
    of: type[Session] = Session,
    **more: Any,
) -> Session:
    """The session a plan describes; `more` are a Session's own arguments, its middlewares and sinks after the profile's.

    Raises ProfileError, naming the key, for a tool, middleware or sink nobody knows and for a secret that is not there.
    """
    for name in ("system", "tool_config", "runtime"):
        if name in more:
            raise ProfileError(f"the profile says what {name} is; change it by overrides={{…}}", key=name)
    config = plan.config
    box = toolbox(config, tools, plan.name)
    runtime = plan.runtime
    if engine is not None:
        runtime["engine"] = repr(engine)[:200]
    return of(
        engine if engine is not None else build_engine(config, profiles.secrets),
        system=config.system,
        tools=box,
        middleware=(*_layers(config, profiles), *more.pop("middleware", ())),
        sinks=(*(_sink(use, profiles) for use in config.sinks), *more.pop("sinks", ())),
        tool_config=config.loop.tool_config(config.tool_choice),
        step=more.pop("step", config.loop.step),
        break_when=(*_approval(config, box), *more.pop("break_when", ())),
        runtime=runtime,
        **more,
    )


def build_engine(config: EngineConfig, secrets: Secrets) -> Engine:
    """The engine of a config, with its key looked up now. Raises ProfileError for a key or parameter that does not do."""
    settings: dict[str, Any] = dict(secrets.reveal(dict(config.params), "params"))
    if config.base_url:
        settings["base_url"] = secrets.reveal(config.base_url, "base_url")
        if not is_address(settings["base_url"]):
            raise ProfileError(f"base_url comes to no address: {shown(config.base_url)}", key="base_url")
    if config.api_key is not None:
        settings["api_key"] = secrets.reveal(config.api_key, "api_key")
    settings |= _client(config)
    try:
        return make_engine(config.engine, model_info=config.model_info, **settings)
    except EngineError as error:
        raise ProfileError(f"the engine {config.engine} cannot be made: {error}", key="engine") from None


def _client(config: EngineConfig) -> dict[str, Any]:
    client = dict(config.client)
    settings: dict[str, Any] = {}
    if client.get("proxy_url"):
        raise ProfileError(
            "client.proxy_url is for geppetto's own HTTP client; set HTTPS_PROXY in the environment instead",
            key="client.proxy_url",
        )
    if client.get("timeout"):
        settings["timeout"] = client["timeout"]
    provider = find(config.provider)
    if client.get("organization") and "organization" in provider.settings:
        settings["organization"] = client["organization"]
    if client.get("user_agent"):
        name = "default_headers" if "default_headers" in provider.settings else "headers"
        settings[name] = {"User-Agent": client["user_agent"]}
    return settings


def toolbox(config: EngineConfig, tools: Iterable[Tool | Callable[..., Any]], profile: str) -> Toolbox:
    """The tools the profile names, of those there are. Raises ProfileError for a name that is not among them."""
    try:
        given = tools if isinstance(tools, Toolbox) else Toolbox(tools)
    except TypeError as error:
        raise ProfileError(
            f"tools are a list of functions, like session(tools=[weather]): {error}", key="tools"
        ) from None
    if isinstance(config.approval, tuple):
        known = {*(tool.name for tool in given), *(config.tools or ())}
        for name in config.approval:
            if name not in known:
                raise ProfileError(
                    f"profile {profile!r} has the tool {name!r} wait for approval, which this session was not given; "
                    f"{nearest(name, known)}",
                    key="approval",
                    known=tuple(known),
                )
    if config.tools is None:
        return given
    by_name = {tool.name: tool for tool in given}
    for name in config.tools:
        if name not in by_name:
            raise ProfileError(
                f"profile {profile!r} uses the tool {name!r}, which this session was not given; "
                f"{nearest(name, by_name)}; give it: session(tools=[{name}])",
                key=name,
                known=tuple(by_name),
            )
    return Toolbox(by_name[name] for name in config.tools)


def _layers(config: EngineConfig, profiles: Profiles) -> Iterable[Middleware]:
    known = {**MIDDLEWARE, **_installed("nbturns.middleware"), **profiles.middleware}
    layers = [_made(use, known, "middleware", profiles.secrets) for use in config.middleware]
    if config.structured_output is not None:
        layers.append(structured(config.structured_output))
    return layers


def _sink(use: Use, profiles: Profiles) -> Sink:
    sink = _made(use, {**_installed("nbturns.sinks"), **profiles.sinks}, "sinks", profiles.secrets)
    return extracting(sink, dict.fromkeys(use.extract)) if use.extract else sink


def _made(use: Use, known: Mapping[str, Callable[..., Any]], what: str, secrets: Secrets) -> Any:
    """What a named factory makes of its config, or ProfileError that says what does not fit."""
    factory = known.get(use.name)
    if factory is None:
        raise ProfileError(
            f"there is no {what.removesuffix('s')} {use.name!r}; {nearest(use.name, known)}; "
            f"load_profiles(…, {what}={{{use.name!r}: …}}) makes one known",
            key=f"{what}.{use.key}",
            known=tuple(known),
        )
    config = {str(name): value for name, value in use.config.items()}
    parameters = inspect.signature(factory).parameters
    for name in config:
        if name not in parameters and not any(p.kind is p.VAR_KEYWORD for p in parameters.values()):
            raise ProfileError(
                f"{what} {use.key!r} has no {name!r}; {nearest(name, parameters)}",
                key=f"{what}.{use.key}.config.{name}",
                known=tuple(parameters),
            )
    revealed = secrets.reveal(config, f"{what}.{use.key}.config")
    try:
        made = factory(**revealed)
    except ProfileError:
        raise
    except Exception as error:  # the user's own function; what it says may quote a key it was given
        words = f"{type(error).__name__}: {error}" if shown(config) == revealed else type(error).__name__
        raise ProfileError(f"{what} {use.key!r} cannot be made: {words}", key=f"{what}.{use.key}") from None
    if not callable(made):
        raise ProfileError(
            f"{what} {use.key!r}: the function of this name gave {kind_of(made)}, and not a function",
            key=f"{what}.{use.key}",
        )
    return made


def structured(config: StructuredOutputConfig) -> Middleware:
    """Ask for this shape, where the Turn does not ask for one of its own."""

    async def structured_output(turn: Turn, scope: Scope, engine: Engine) -> Turn:
        if turn.data.get(STRUCTURED_OUTPUT_CONFIG) is None:
            turn = turn.with_data(STRUCTURED_OUTPUT_CONFIG, config)
        return await engine(turn, scope)

    return structured_output


def _approval(config: EngineConfig, tools: Toolbox) -> Iterable[Callable[[Snapshot], object]]:
    """A breakpoint before the calls that a person must have seen."""
    if config.approval == "never":
        return ()
    if isinstance(config.approval, tuple):
        waiting = frozenset(config.approval)
    else:
        waiting = frozenset(t.name for t in tools if config.approval == "always" or t.effect == "effectful")

    def approval(snapshot: Snapshot) -> bool:
        if snapshot.phase is not Phase.POST_INFERENCE:
            return False
        return any(call.name in waiting for call in snapshot.turn.pending)

    return (approval,)


def _installed(group: str) -> Mapping[str, Callable[..., Any]]:
    """Return the factories of installed packages by name."""
    return load_plugins(group, _callable)


def _callable(factory: Any) -> Callable[..., Any]:
    if not callable(factory):
        raise TypeError(f"expected a function, got {kind_of(factory)}")
    return cast("Callable[..., Any]", factory)
