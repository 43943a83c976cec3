"""Build a session from a plan. Engines, tools and middlewares are only created here."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, cast

from ..engines import engine as make_engine
from ..engines import find as find_provider
from ..engines import request
from ..errors import EngineError, ProfileError
from ..events import Phase, Sink, Snapshot
from ..middleware import BUILTIN_MIDDLEWARE
from ..plugins import load_plugins
from ..runtime.engine_protocol import Engine, Middleware, Scope
from ..runtime.tag_extraction import extract_tags
from ..runtime.toolbox import Toolbox, ToolConfig
from ..safety.tracebacks import hides_locals
from ..session import Session
from ..tools import Tool
from ..values.inference_settings import STRUCTURED_OUTPUT_CONFIG, StructuredOutputConfig
from ..values.policies import policy_of
from ..values.turns import Turn, assistant
from .config import EngineConfig
from .middleware_configs import check_parameter_names
from .middleware_uses import Use
from .permissions import NO_KEY, NOTHING_ALLOWED, Permissions
from .plan import Plan
from .schema import describe_kind, suggest
from .secrets import Secrets, is_http_url, mask_secrets, secret_leaves

if TYPE_CHECKING:
    from .resolve import Profiles


def build_session(
    plan: Plan,
    profiles: Profiles,
    tools: Iterable[Tool | Callable[..., Any]] = (),
    *,
    engine: Engine | None = None,
    session_class: type[Session] = Session,
    **session_arguments: Any,
) -> Session:
    """Return the session that a plan describes.

    `session_arguments` are arguments of Session; their middlewares and sinks follow those of the profile. Raises
    ProfileError, with the key, for an unknown tool, middleware or sink, and for a missing secret.
    """
    for name in ("system", "runtime"):
        if name in session_arguments:
            raise ProfileError(f"{name} is set by the profile; change it with overrides={{…}}", key=name)
    config = plan.config
    toolbox = select_tools(config, tools, plan.name)
    runtime = plan.with_tools(toolbox).runtime
    if engine is not None:
        runtime["engine"] = repr(engine)[:200]
    return session_class(
        engine if engine is not None else build_engine(config, profiles.secrets, profiles.permissions),
        system=config.system,
        tools=toolbox,
        middleware=(*_middlewares(config, profiles), *session_arguments.pop("middleware", ())),
        sinks=(*(_sink(use, profiles) for use in config.sinks), *session_arguments.pop("sinks", ())),
        tool_config=merged_tool_config(config, session_arguments.pop("tool_config", None)),
        step=session_arguments.pop("step", config.loop.step),
        break_when=(*_approval_breakpoints(config, toolbox), *session_arguments.pop("break_when", ())),
        policy=policy_of(session_arguments.pop("policy", None)).within(config.policy),
        runtime=runtime,
        **session_arguments,
    )


def merged_tool_config(config: EngineConfig, tool_config: ToolConfig | None) -> ToolConfig:
    """Return the settings of a profile with those that the ToolConfig of a session states."""
    profile_config = config.loop.tool_config(config.tool_choice)
    if tool_config is None:
        return profile_config
    if not isinstance(tool_config, ToolConfig):
        raise ProfileError(f"tool_config must be an nt.ToolConfig(...), not {tool_config!r:.60}", key="tool_config")
    return profile_config.updated_by(tool_config)


def request_body(plan: Plan, prompt: Any, tools: Iterable[Tool | Callable[..., Any]]) -> dict[str, Any]:
    """Return the body that a session of the plan would send: its middlewares run, and no model is called."""
    calls: list[tuple[Turn, Scope]] = []

    async def keep_call(turn: Turn, scope: Scope) -> Turn:
        calls.append((turn, scope))
        return turn + assistant("")

    config = plan.config
    session = Session(
        keep_call,
        system=config.system,
        tools=select_tools(config, tools, plan.name),
        middleware=tuple(_middlewares(config, plan.profiles)),
        tool_config=merged_tool_config(config, None),
    )
    session.ask(prompt).result(wait=True)
    if not calls:
        raise ProfileError("a middleware of the profile answers without a request", key="middleware")
    turn, scope = calls[0]
    settings = {"base_url": config.base_url} if config.base_url else {}
    return request(
        config.engine,
        turn,
        tools=scope.tools,
        tool_config=scope.tool_config,
        **{**mask_secrets(config.params), **settings},
    )


@hides_locals
def build_engine(config: EngineConfig, secrets: Secrets, permissions: Permissions = NOTHING_ALLOWED) -> Engine:
    """Return the engine of a config; its key is looked up now. Raises ProfileError for an invalid key or parameter."""
    settings: dict[str, Any] = dict(secrets.reveal(dict(config.params), "params"))
    base_url = secrets.reveal(config.base_url, "base_url") if config.base_url else ""
    if base_url:
        settings["base_url"] = base_url
        if not is_http_url(base_url):
            raise ProfileError(f"base_url does not resolve to a URL: {mask_secrets(config.base_url)}", key="base_url")
    if config.api_key is not None:
        settings["api_key"] = secrets.reveal(config.api_key, "api_key")
    permissions.check_hosts(config, base_url)
    if "api_key" not in settings and "client" not in settings and not permissions.is_own_host(config, base_url):
        settings["api_key"] = NO_KEY  # the client would send the key of the environment
    settings |= _client_settings(config)
    try:
        engine = make_engine(config.engine, model_info=config.model_info, **settings)
    except EngineError as error:
        raise ProfileError(f"cannot create the engine {config.engine}: {error}", key="engine") from None
    engine.hide(secret_leaves({**config.params, "base_url": config.base_url}, settings))
    return engine


def _client_settings(config: EngineConfig) -> dict[str, Any]:
    """Return the engine parameters for geppetto's `client` section."""
    client = dict(config.client)
    settings: dict[str, Any] = {}
    if client.get("proxy_url"):
        raise ProfileError(
            "client.proxy_url works only in geppetto; set HTTPS_PROXY in the environment instead",
            key="client.proxy_url",
        )
    if client.get("timeout"):
        settings["timeout"] = client["timeout"]
    provider = find_provider(config.provider)
    if client.get("organization") and "organization" in provider.settings:
        settings["organization"] = client["organization"]
    if client.get("user_agent"):
        name = "default_headers" if "default_headers" in provider.settings else "headers"
        settings[name] = {"User-Agent": client["user_agent"]}
    return settings


def select_tools(config: EngineConfig, tools: Iterable[Tool | Callable[..., Any]], profile: str) -> Toolbox:
    """Return the tools that the profile allows. Raises ProfileError for a name that is not among `tools`."""
    try:
        available = tools if isinstance(tools, Toolbox) else Toolbox(tools)
    except TypeError as error:
        raise ProfileError(
            f"tools must be a list of functions, like session(tools=[weather]): {error}", key="tools"
        ) from None
    if isinstance(config.approval, tuple):
        valid_names = {*(tool.name for tool in available), *(config.tools or ())}
        for name in config.approval:
            if name not in valid_names:
                raise ProfileError(
                    f"profile {profile!r} requires approval for the tool {name!r}, which this session does not have; "
                    f"{suggest(name, valid_names)}",
                    key="approval",
                    valid_names=tuple(valid_names),
                )
    if config.tools is None:
        return available
    by_name = {tool.name: tool for tool in available}
    for name in config.tools:
        if name not in by_name:
            raise ProfileError(
                f"profile {profile!r} uses the tool {name!r}, which this session does not have; "
                f"{suggest(name, by_name)}; pass it: session(tools=[{name}])",
                key=name,
                valid_names=tuple(by_name),
            )
    return Toolbox(by_name[name] for name in config.tools)


def _middlewares(config: EngineConfig, profiles: Profiles) -> Iterable[Middleware]:
    factories = {**BUILTIN_MIDDLEWARE, **_entry_point_factories("nbturns.middleware"), **profiles.middleware}
    middlewares = [_call_factory(use, factories, "middleware", profiles.secrets) for use in config.middleware]
    if config.structured_output is not None:
        middlewares.append(request_structured_output(config.structured_output))
    return middlewares


def _sink(use: Use, profiles: Profiles) -> Sink:
    sink = _call_factory(use, {**_entry_point_factories("nbturns.sinks"), **profiles.sinks}, "sinks", profiles.secrets)
    return extract_tags(sink, dict.fromkeys(use.extract)) if use.extract else sink


def _call_factory(use: Use, factories: Mapping[str, Callable[..., Any]], argument: str, secrets: Secrets) -> Any:
    """Return the result of the named factory. Raises ProfileError for an unknown factory or an unsuitable config."""
    factory, noun = factories.get(use.name), argument.removesuffix("s")
    if factory is None:
        raise ProfileError(
            f"unknown {noun} {use.name!r}; {suggest(use.name, factories)}; "
            f"register it with load_profiles(…, {argument}={{{use.name!r}: …}})",
            key=f"{argument}.{use.key}",
            valid_names=tuple(factories),
        )
    config = {str(name): value for name, value in use.config.items()}
    check_parameter_names(use, factory, argument)
    revealed = secrets.reveal(config, f"{argument}.{use.key}.config")
    try:
        result = factory(**revealed)
    except ProfileError:
        raise
    except Exception as error:  # a user's function, whose error message may quote a secret
        reason = f"{type(error).__name__}: {error}" if mask_secrets(config) == revealed else type(error).__name__
        raise ProfileError(f"cannot create {noun} {use.key!r}: {reason}", key=f"{argument}.{use.key}") from None
    if not callable(result):
        raise ProfileError(
            f"{noun} {use.key!r}: the factory must return a function, not {describe_kind(result)}",
            key=f"{argument}.{use.key}",
        )
    return result


def request_structured_output(config: StructuredOutputConfig) -> Middleware:
    """Return a middleware that requests this output shape for Turns that do not request one themselves."""

    async def structured_output(turn: Turn, scope: Scope, engine: Engine) -> Turn:
        if turn.data.get(STRUCTURED_OUTPUT_CONFIG) is None:
            turn = turn.with_data(STRUCTURED_OUTPUT_CONFIG, config)
        return await engine(turn, scope)

    return structured_output


def _approval_breakpoints(config: EngineConfig, tools: Toolbox) -> Iterable[Callable[[Snapshot], object]]:
    """Return a breakpoint before the calls that need approval, or nothing."""
    if config.approval == "never":
        return ()
    if isinstance(config.approval, tuple):
        tool_names = frozenset(config.approval)
    else:
        tool_names = frozenset(tool.name for tool in tools if config.approval == "always" or tool.effect == "effectful")

    def approval(snapshot: Snapshot) -> bool:
        if snapshot.phase is not Phase.POST_INFERENCE:
            return False
        return any(call.name in tool_names for call in snapshot.turn.pending)

    return (approval,)


def _entry_point_factories(group: str) -> Mapping[str, Callable[..., Any]]:
    """Return the factories of installed packages by name."""
    return load_plugins(group, _require_callable)


def _require_callable(factory: Any) -> Callable[..., Any]:
    if not callable(factory):
        raise TypeError(f"expected a function, got {describe_kind(factory)}")
    return cast("Callable[..., Any]", factory)
