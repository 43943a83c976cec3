"""Settings of tool calls, which are kept in the Turn.

The shape on disk is geppetto's, durations as Go writes them ("1h30m", "2s", "100ms").
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, Literal

from ..errors import MisuseError
from ..values.metadata import Key, convert_fields
from ..values.turns import Turn

AGENT_MODE_ALLOWED_TOOLS: Key[list[str]] = Key("geppetto.agent_mode_allowed_tools@v1", list[str])
SECONDS_PER_UNIT = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}


def parse_go_duration(raw: Any, name: str = "duration") -> float:
    """Read a duration as Go writes it: "1h30m", "2s", "100ms", or a number of nanoseconds."""
    if isinstance(raw, (int, float)) and not isinstance(raw, bool):
        return raw / 1e9
    import re

    parts = re.findall(r"(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|ms|s|m|h)", raw) if isinstance(raw, str) else []
    if raw == "0":
        return 0.0
    if not parts or "".join(n + unit for n, unit in parts) != raw:
        raise MisuseError(f'{name}: {raw!r} is no duration; write it like "2s", "100ms" or "1h30m"')
    return sum(float(n) * SECONDS_PER_UNIT[unit] for n, unit in parts)


def format_go_duration(value: float | None) -> str | None:
    """Write seconds as Go reads them."""
    if value is None:
        return None
    number, unit = (value * 1000, "ms") if 0 < value < 1 else (value, "s")
    return f"{number:.9f}".rstrip("0").rstrip(".") + unit


def _require_integer(config: Any, name: str, least: int) -> None:
    value = getattr(config, name)
    if not isinstance(value, int) or isinstance(value, bool):
        raise MisuseError(f"{name} is a whole number, not {value!r:.60}")
    if value < least:
        raise MisuseError(f"{name} is at least {least}, not {value}")


def _require_seconds(value: Any, name: str, least: float | None = None) -> float:
    """Seconds, from a number of them or a text like "2s"."""
    number = parse_go_duration(value, name) if isinstance(value, str) else value
    if not isinstance(number, (int, float)) or isinstance(number, bool):
        raise MisuseError(f'{name} is a number of seconds, or a text like "2s", not {value!r:.60}')
    if not math.isfinite(number) or (number <= 0 if least is None else number < least):
        raise MisuseError(f"{name} is more than 0 seconds, or None for no end, not {value!r}")
    return number


def _require_tool_names(allowed: Any) -> tuple[str, ...]:
    if isinstance(allowed, str) or not isinstance(allowed, Iterable):
        raise MisuseError(f'allowed is a list of names of tools, like allowed=["search"], not {allowed!r:.60}')
    names = tuple(allowed)
    if wrong := [name for name in names if not isinstance(name, str)]:
        raise MisuseError(f"allowed is a list of names of tools; {wrong[0]!r:.60} is not a name")
    return names


_CHOICES = {
    "tool_choice": ("auto", "none", "required"),
    "tool_error_handling": ("continue", "abort", "retry"),
    "on_pause_timeout": ("stay", "stop", "resume"),
}


@dataclass(frozen=True, slots=True)
class RetryConfig:
    """Retries of a failed call; the wait grows by `backoff_factor`."""

    max_retries: int = 2
    backoff_base: float = 1.0
    backoff_factor: float = 2.0

    def __post_init__(self) -> None:
        _require_integer(self, "max_retries", 0)
        object.__setattr__(self, "backoff_base", _require_seconds(self.backoff_base, "backoff_base", least=0.0))
        if not isinstance(self.backoff_factor, (int, float)) or not self.backoff_factor >= 0:
            raise MisuseError(f"backoff_factor is a number from 0 up, not {self.backoff_factor!r:.60}")

    def wait(self, attempts: int) -> float:
        """Seconds to wait after that many attempts."""
        return self.backoff_base * self.backoff_factor ** (attempts - 1)

    def to_dict(self) -> dict[str, Any]:
        return {f.name: getattr(self, f.name) for f in fields(self)} | {
            "backoff_base": format_go_duration(self.backoff_base)
        }

    @classmethod
    def from_dict(cls, raw: Mapping[str, Any]) -> RetryConfig:
        field_values = convert_fields(raw, {"max_retries": int, "backoff_base": object, "backoff_factor": float})
        return cls(
            **field_values
            | {name: parse_go_duration(field_values[name], name) for name in ("backoff_base",) if name in field_values}
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolConfig:
    """Settings of tool calls. Times are in seconds.

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
        put = object.__setattr__
        for name, choices in _CHOICES.items():
            if getattr(self, name) not in choices:
                raise MisuseError(
                    f"{name} is {', '.join(choices[:-1])} or {choices[-1]}, not {getattr(self, name)!r:.60}"
                )
        _require_integer(self, "max_iterations", 1)
        _require_integer(self, "max_parallel_tools", 0)
        for name in ("execution_timeout", "pause_timeout"):
            if getattr(self, name) is not None:
                put(self, name, _require_seconds(getattr(self, name), name))
        if isinstance(self.retry_config, Mapping):
            put(self, "retry_config", RetryConfig.from_dict(self.retry_config))
        if not isinstance(self.retry_config, RetryConfig):
            raise MisuseError(
                f"retry_config is a RetryConfig, or a mapping of its fields, not {self.retry_config!r:.60}"
            )
        if self.allowed is not None:
            put(self, "allowed", _require_tool_names(self.allowed))

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
            "execution_timeout": format_go_duration(self.execution_timeout or 0),
            "retry_config": self.retry_config.to_dict(),
        }
        written["pause_timeout"] = format_go_duration(self.pause_timeout)
        written["allowed"] = None if self.allowed is None else list(self.allowed)
        return {
            name: value
            for name, value in written.items()
            if (value is not None and value is not False) or name == "enabled"
        }

    @classmethod
    def from_dict(cls, raw: Mapping[str, Any]) -> ToolConfig:
        field_values = convert_fields({name: value for name, value in raw.items() if value != ""}, _FIELD_TYPES)
        for name in ("execution_timeout", "pause_timeout"):
            if name in field_values:
                field_values[name] = parse_go_duration(field_values[name], name) or None
        if field_values.get("max_iterations", 1) < 1:  # as in geppetto, where it says nothing
            del field_values["max_iterations"]
        return cls(**field_values)


TOOL_CONFIG: Key[ToolConfig] = Key("geppetto.tool_config@v1", ToolConfig)
_FIELD_TYPES: dict[str, Any] = {
    **dict.fromkeys(("enabled", "inline"), bool),
    **dict.fromkeys(("max_iterations", "max_parallel_tools"), int),
    **dict.fromkeys(("execution_timeout", "pause_timeout"), object),
    "tool_choice": Literal["auto", "none", "required"],
    "tool_error_handling": Literal["continue", "abort", "retry"],
    "on_pause_timeout": Literal["stay", "stop", "resume"],
    "retry_config": RetryConfig,
    "allowed": list[str],
}
