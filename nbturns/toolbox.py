"""The tools of one session: which there are, and how their calls are answered.

A tool that raises, hangs, is unknown or is given arguments that do not fit answers its
call with an error in words; the model reads it, and the conversation goes on.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, Literal

from .events import Sink, ToolFinished, ToolStarted
from .frozen import EMPTY, freeze, thaw
from .host import in_worker
from .keyed import Key, fitted, keyed
from .prints import kept_prints
from .results import DURATION_MS, STDOUT
from .tools import Tool
from .turns import Block, tool_use

ATTEMPTS: Key[int] = Key("nbturns.attempts@v1", int)
CUT: Key[bool] = Key("nbturns.cut@v1", bool)


@dataclass(frozen=True, slots=True)
class RetryConfig:
    """How often a failed call is tried again; the wait grows by `backoff_factor`."""

    max_retries: int = 2
    backoff_base: float = 1.0
    backoff_factor: float = 2.0

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
    `on_pause_timeout` say otherwise.
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
}


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

    async def answer(self, calls: Iterable[Block], config: ToolConfig, emit: Sink, done: dict[str, Block]) -> None:
        """Answer `calls` into `done`, by call id; what was done before an interruption stays there."""
        calls = tuple(calls)
        if len(calls) == 1 or config.max_parallel_tools <= 1:
            for call in calls:
                done[call.tool_call_id] = answer = await self._one(call, config, emit)
                if config.tool_error_handling == "abort" and answer.error:
                    return
            return
        free = asyncio.Semaphore(config.max_parallel_tools)

        async def one(call: Block) -> None:
            async with free:
                done[call.tool_call_id] = await self._one(call, config, emit)

        await asyncio.gather(*map(one, calls))

    async def _one(self, call: Block, config: ToolConfig, emit: Sink) -> Block:
        emit(ToolStarted(call))
        started = time.perf_counter()
        with kept_prints() as said:
            answer, attempts = await self._tried(call, config)
        took = round((time.perf_counter() - started) * 1000, 3)
        beside: dict[str, Any] = {DURATION_MS.name: took}
        if attempts > 1:
            beside[ATTEMPTS.name] = attempts
        if said.tell():
            beside[STDOUT.name] = said.getvalue()
        answer = answer.signed(answer.id, keyed(beside))
        emit(ToolFinished(call, answer, took))
        return answer

    async def _tried(self, call: Block, config: ToolConfig) -> tuple[Block, int]:
        attempt = 0
        while True:
            attempt += 1
            answer, again = await self._attempt(call, config)
            if not again or config.tool_error_handling != "retry" or attempt > config.retry_config.max_retries:
                return answer, attempt
            await asyncio.sleep(config.retry_config.backoff_base * config.retry_config.backoff_factor ** (attempt - 1))

    async def _attempt(self, call: Block, config: ToolConfig) -> tuple[Block, bool]:
        """The answer, and whether another try could bring another one."""
        id = call.tool_call_id
        try:
            ready = self._ready(call, config)
        except ValueError as error:
            return tool_use(id, error=str(error)), False
        timeout = ready.tool.timeout if ready.tool.timeout is not None else config.execution_timeout
        try:
            if config.inline and not ready.tool.is_async:
                result = ready()
                return tool_use(id, shown(await result if isinstance(result, Awaitable) else result)), False
            async with asyncio.timeout(timeout):
                return tool_use(id, shown(await ready.off_the_loop())), False
        except TimeoutError as error:
            late = f"timed out after {timeout:g} s" if timeout else ""
            return tool_use(id, error=str(error) or late or "timed out"), True
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                raise
            return tool_use(id, error="CancelledError: the tool was cancelled from within"), True
        except (
            Exception,
            SystemExit,
            KeyboardInterrupt,
        ) as error:  # a tool may raise anything: the model is told, and the run goes on
            return tool_use(id, error=f"{type(error).__name__}: {error}"), True

    def _ready(self, call: Block, config: ToolConfig) -> Ready:
        """What the call asks for, checked. Raises ValueError in words for the model."""
        if not config.enabled:
            raise ValueError("not run: tools are switched off")
        if call.metadata.get(CUT):
            raise ValueError(
                "not run: the reply was cut at its token limit inside these arguments; send them again, shorter"
            )
        tool = self._tools.get(call.name)
        if tool is None:
            raise ValueError(f"no tool {call.name!r}; there are: {', '.join(self._tools) or 'none'}")
        args, given = call.args, call.payload.get("args", EMPTY)
        unread = isinstance(given, str) and not args and given.strip() not in ("", "{}")
        if unread or call.payload.get("args_raw") is not None or not isinstance(given, (dict, str)):
            raise ValueError("not run: the arguments are not a JSON object")
        try:
            return Ready(tool, tool.arguments(args))
        except Exception as error:  # a validator of the user's may raise anything
            raise ValueError(f"not run: the arguments do not fit: {error}") from None


@dataclass(frozen=True, slots=True)
class Ready:
    """A tool with arguments that fit it."""

    tool: Tool
    args: dict[str, Any]

    def __call__(self) -> Any:
        return self.tool.function(**self.args)

    async def off_the_loop(self) -> Any:
        if self.tool.is_async:
            return await self()
        result = await in_worker(self)
        return await result if isinstance(result, Awaitable) else result


def shown(result: Any) -> Any:
    """What a tool returned, as JSON; what JSON has no shape for becomes its printed form."""
    try:
        return freeze(result)
    except TypeError:
        from pydantic_core import to_jsonable_python

        return freeze(to_jsonable_python(thaw(result), fallback=str, inf_nan_mode="constants"))
