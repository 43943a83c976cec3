"""The tools of one session: which there are, and how their calls are answered.

A tool that raises, hangs, is unknown or is given arguments that do not fit answers its
call with an error in words; the model reads it, and the conversation goes on.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Collection, Container, Iterable, Iterator, Mapping
from dataclasses import dataclass, fields, replace
from functools import partial
from typing import Any, Literal

from .blocks import TOOL_USE, Block, block
from .events import Sink, tool_finished, tool_started
from .frozen import EMPTY, LASTING, FrozenDict, freeze, thaw
from .host import in_worker
from .keyed import NOTHING, Key, fitted
from .prints import Prints
from .results import DURATION_MS, STDOUT
from .tools import Tool
from .turns import Turn

AGENT_MODE_ALLOWED_TOOLS: Key[list[str]] = Key("geppetto.agent_mode_allowed_tools@v1", list[str])
ATTEMPTS: Key[int] = Key("nbturns.attempts@v1", int)
CUT: Key[bool] = Key("nbturns.cut@v1", bool)


@dataclass(frozen=True, slots=True)
class RetryConfig:
    """How often a failed call is tried again; the wait grows by `backoff_factor`."""

    max_retries: int = 2
    backoff_base: float = 1.0
    backoff_factor: float = 2.0

    def wait(self, attempts: int) -> float:
        """Seconds to wait after that many attempts."""
        return self.backoff_base * self.backoff_factor ** (attempts - 1)

    def to_dict(self) -> dict[str, Any]:
        return {f.name: getattr(self, f.name) for f in fields(self)} | {"backoff_base": duration(self.backoff_base)}

    @classmethod
    def from_dict(cls, raw: Mapping[str, Any]) -> RetryConfig:
        known = fitted(raw, {"max_retries": int, "backoff_base": object, "backoff_factor": float})
        return cls(**known | {name: seconds(known[name], name) for name in ("backoff_base",) if name in known})


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolConfig:
    """How calls are advertised, run and limited. Times are in seconds.

    `inline=True` runs plain functions on the loop itself: fastest, and no time-out can
    interrupt them. A pause lasts until somebody ends it, unless `pause_timeout` and
    `on_pause_timeout` say otherwise. `allowed` names the tools that are offered to the
    model and run; None allows all, and a Turn may allow fewer by itself.
    """

    enabled: bool = True
    tool_choice: Literal["auto", "none", "required"] = "auto"
    max_iterations: int = 20
    execution_timeout: float | None = 30.0
    max_parallel_tools: int = 3
    tool_error_handling: Literal["continue", "abort", "retry"] = "continue"
    retry_config: RetryConfig = RetryConfig()
    inline: bool = False
    pause_timeout: float | None = None
    on_pause_timeout: Literal["stay", "stop", "resume"] = "stay"
    allowed: Collection[str] | None = None

    def __post_init__(self) -> None:
        if self.allowed is not None:
            object.__setattr__(self, "allowed", _names(self.allowed))

    def allowed_in(self, turn: Turn) -> frozenset[str] | None:
        """The names of the tools that may be offered and run for this Turn; None when all may.

        Both `allowed` and the Turn's `geppetto.agent_mode_allowed_tools@v1` have a say. Raises
        DecodeError for a Turn that holds no list of names there: nobody knows what it allows.
        """
        mode = turn.data.get(AGENT_MODE_ALLOWED_TOOLS)
        if mode is None:
            return None if self.allowed is None else frozenset(self.allowed)
        return frozenset(mode) if self.allowed is None else frozenset(mode).intersection(self.allowed)

    def replace(self, **changes: Any) -> ToolConfig:
        return replace(self, **changes)

    def to_dict(self) -> dict[str, Any]:
        """The shape on disk: geppetto's names, durations as it writes them ("30s")."""
        written = {f.name: getattr(self, f.name) for f in fields(self)}
        written |= {
            "execution_timeout": duration(self.execution_timeout or 0),
            "retry_config": self.retry_config.to_dict(),
        }
        written["pause_timeout"] = duration(self.pause_timeout)
        written["allowed"] = None if self.allowed is None else list(self.allowed)
        return {
            name: value
            for name, value in written.items()
            if (value is not None and value is not False) or name == "enabled"
        }

    @classmethod
    def from_dict(cls, raw: Mapping[str, Any]) -> ToolConfig:
        known = fitted({name: value for name, value in raw.items() if value != ""}, _SHAPE)
        for name in ("execution_timeout", "pause_timeout"):
            if name in known:
                known[name] = seconds(known[name], name) or None
        return cls(**known)


TOOL_CONFIG: Key[ToolConfig] = Key("geppetto.tool_config@v1", ToolConfig)
_SHAPE: dict[str, Any] = {
    **dict.fromkeys(("enabled", "inline"), bool),
    **dict.fromkeys(("max_iterations", "max_parallel_tools"), int),
    **dict.fromkeys(("execution_timeout", "pause_timeout"), object),
    "tool_choice": Literal["auto", "none", "required"],
    "tool_error_handling": Literal["continue", "abort", "retry"],
    "on_pause_timeout": Literal["stay", "stop", "resume"],
    "retry_config": RetryConfig,
    "allowed": list[str],
}


def _names(allowed: Any) -> tuple[str, ...]:
    if isinstance(allowed, str) or not isinstance(allowed, Iterable):
        raise TypeError(f'allowed is a list of names of tools, like allowed=["search"], not {allowed!r:.60}')
    names = tuple(allowed)
    if wrong := [name for name in names if not isinstance(name, str)]:
        raise TypeError(f"allowed is a list of names of tools; {wrong[0]!r:.60} is not a name")
    return names


UNITS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}


def seconds(raw: Any, name: str = "duration") -> float:
    """Read a duration as Go writes it: "1h30m", "2s", "100ms", or a number of nanoseconds."""
    if isinstance(raw, (int, float)) and not isinstance(raw, bool):
        return raw / 1e9
    import re

    parts = re.findall(r"(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|ms|s|m|h)", raw) if isinstance(raw, str) else []
    if raw == "0":
        return 0.0
    if not parts or "".join(n + unit for n, unit in parts) != raw:
        raise ValueError(f'{name}: {raw!r} is no duration; write it like "2s", "100ms" or "1h30m"')
    return sum(float(n) * UNITS[unit] for n, unit in parts)


def duration(value: float | None) -> str | None:
    """Write seconds as Go reads them."""
    if value is None:
        return None
    number, unit = (value * 1000, "ms") if 0 < value < 1 else (value, "s")
    return f"{number:.9f}".rstrip("0").rstrip(".") + unit


class Toolbox:
    """The tools of one session, by name. Raises ValueError for two of one name."""

    def __init__(self, tools: Iterable[Tool | Callable[..., Any]] = ()) -> None:
        self._tools: dict[str, Tool] = {}
        for given in tools:
            tool = given if isinstance(given, Tool) else Tool(given)
            if tool.name in self._tools:
                raise ValueError(f'two tools are named {tool.name!r}; name one with nt.Tool(function, name="…")')
            tool.parameters  # noqa: B018 - a signature that cannot become a schema is refused here, not in a run
            self._tools[tool.name] = tool

    def __iter__(self) -> Iterator[Tool]:
        return iter(self._tools.values())

    def __len__(self) -> int:
        return len(self._tools)

    def __contains__(self, name: object) -> bool:
        return name in self._tools

    def __getitem__(self, name: str) -> Tool:
        return self._tools[name]

    def get(self, name: str) -> Tool | None:
        return self._tools.get(name)

    def only(self, names: Container[str]) -> Toolbox:
        """Those of these tools that `names` has."""
        made = object.__new__(Toolbox)
        made._tools = {name: tool for name, tool in self._tools.items() if name in names}
        return made

    async def answer(
        self,
        calls: Iterable[Block],
        config: ToolConfig,
        emit: Sink,
        done: dict[str, Block],
        *,
        allowed: Container[str] | None = None,
        new_id: Callable[[], str] = str,
    ) -> None:
        """Answer `calls` into `done`, by call id; what was done before an interruption stays there.

        A call of a tool that is not `allowed` is not run; None allows them all.
        """
        tools = self if allowed is None else self.only(allowed)
        calls = tuple(calls)
        if len(calls) == 1 or config.max_parallel_tools <= 1:
            for call in calls:
                done[call.tool_call_id] = answer = await tools._answered(call, config, emit, new_id)
                if answer.payload["error"] and config.tool_error_handling == "abort":
                    return
            return
        free = asyncio.Semaphore(config.max_parallel_tools)

        async def one(call: Block) -> None:
            async with free:
                done[call.tool_call_id] = await tools._answered(call, config, emit, new_id)

        await asyncio.gather(*map(one, calls))

    async def _answered(self, call: Block, config: ToolConfig, emit: Sink, new_id: Callable[[], str]) -> Block:
        """One call, tried as often as the policy says: its answer, with what belongs to it."""
        emit(tool_started(call))
        attempts = 1
        started = time.perf_counter()
        with Prints() as prints:
            try:
                tool, args = self._ready(call, config)
            except ValueError as refused:
                result, error = None, str(refused)
            else:
                result, error = await _attempt(tool, args, config)
                while error and config.tool_error_handling == "retry" and attempts <= config.retry_config.max_retries:
                    await asyncio.sleep(config.retry_config.wait(attempts))
                    attempts += 1
                    result, error = await _attempt(tool, args, config)
        took = round((time.perf_counter() - started) * 1000, 3)
        beside: dict[str, Any] = {DURATION_MS.name: took}
        if attempts > 1:
            beside[ATTEMPTS.name] = attempts
        if said := prints.text:
            beside[STDOUT.name] = said
        payload = FrozenDict(id=call.payload["id"], result=result, error=error)
        answer = block(TOOL_USE, payload, "", new_id(), NOTHING.holding_all(beside))
        emit(tool_finished(call, answer, took))
        return answer

    def _ready(self, call: Block, config: ToolConfig) -> tuple[Tool, dict[str, Any]]:
        """The tool a call asks for, and its arguments, checked. Raises ValueError in words for the model."""
        if not config.enabled:
            raise ValueError("not run: tools are switched off")
        if call.metadata.get(CUT):
            raise ValueError(
                "not run: the reply was cut at its token limit inside these arguments; send them again, shorter"
            )
        tool = self._tools.get(call.name)
        if tool is None:
            raise ValueError(f"no tool {call.name!r}; there are: {', '.join(self._tools) or 'none'}")
        given = call.payload.get("args", EMPTY)
        args = given if type(given) is FrozenDict else call.args
        unread = isinstance(given, str) and not args and given.strip() not in ("", "{}")
        if unread or not isinstance(given, (dict, str)) or call.payload.get("args_raw") is not None:
            raise ValueError("not run: the arguments are not a JSON object")
        try:
            return tool, tool.arguments(args)
        except Exception as error:  # a validator of the user's may raise anything
            raise ValueError(f"not run: the arguments do not fit: {error}") from None


async def _attempt(tool: Tool, args: dict[str, Any], config: ToolConfig) -> tuple[Any, str]:
    """What came of calling the tool once: a result, or an error in words."""
    timeout = config.execution_timeout if tool.timeout is None else tool.timeout
    try:
        if config.inline and not tool.is_async:
            result = tool.function(**args)
            if type(result) not in LASTING and isinstance(result, Awaitable):
                result = await result
        else:
            async with asyncio.timeout(timeout):
                result = await _beside_the_loop(tool, args)
        return shown(result), ""
    except TimeoutError as error:
        late = f"timed out after {timeout:g} s" if timeout else ""
        return None, str(error) or late or "timed out"
    except asyncio.CancelledError:
        task = asyncio.current_task()
        if task is not None and task.cancelling():
            raise
        return None, "CancelledError: the tool was cancelled from within"
    except (
        Exception,
        SystemExit,
        KeyboardInterrupt,
    ) as error:  # a tool may raise anything: the model is told, and the run goes on
        return None, f"{type(error).__name__}: {error}"


async def _beside_the_loop(tool: Tool, args: dict[str, Any]) -> Any:
    if tool.is_async:
        return await tool.function(**args)
    result = await in_worker(partial(tool.function, **args))
    return await result if isinstance(result, Awaitable) else result


def shown(result: Any) -> Any:
    """What a tool returned, as JSON; what JSON has no shape for becomes its printed form."""
    try:
        return freeze(result)
    except TypeError:
        from pydantic_core import to_jsonable_python

        return freeze(to_jsonable_python(thaw(result), fallback=str, inf_nan_mode="constants"))
