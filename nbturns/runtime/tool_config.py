"""Settings of tool calls, which are stored in the Turn.

The format on disk is geppetto's, with durations as Go writes them ("1h30m", "2s", "100ms").
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from functools import wraps
from typing import Any, Literal

from ..errors import MisuseError
from ..values.metadata import Key, convert_fields
from ..values.turns import Turn

AGENT_MODE_ALLOWED_TOOLS: Key[list[str]] = Key("geppetto.agent_mode_allowed_tools@v1", list[str], "data")
MAX_RESULT = 10_000_000  # bytes of a result of a tool
MAX_DURATION_LENGTH = 100  # characters
SECONDS_PER_UNIT = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}


def parse_go_duration(duration_text: Any, name: str = "duration") -> float:
    """Return the seconds of a Go duration: "1h30m", "2s", "100ms", or a number of nanoseconds."""
    if isinstance(duration_text, (int, float)) and not isinstance(duration_text, bool):
        return duration_text / 1e9
    import re

    is_short = isinstance(duration_text, str) and len(duration_text) <= MAX_DURATION_LENGTH
    duration_parts = re.findall(r"(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|ms|s|m|h)", duration_text) if is_short else []
    if duration_text == "0":
        return 0.0
    if not duration_parts or "".join(n + unit for n, unit in duration_parts) != duration_text:
        raise MisuseError(f'{name}: invalid duration {duration_text!r:.60}; write it like "2s", "100ms" or "1h30m"')
    return sum(float(n) * SECONDS_PER_UNIT[unit] for n, unit in duration_parts)


def format_go_duration(total_seconds: float | None) -> str | None:
    """Return seconds as a Go duration, like "30s" or "100ms"; None for None."""
    if total_seconds is None:
        return None
    number, unit = (total_seconds * 1000, "ms") if 0 < total_seconds < 1 else (total_seconds, "s")
    return f"{number:.9f}".rstrip("0").rstrip(".") + unit


def _require_integer(config: Any, name: str, minimum: int) -> None:
    value = getattr(config, name)
    if not isinstance(value, int) or isinstance(value, bool):
        raise MisuseError(f"{name} must be an integer, got {value!r:.60}")
    if value < minimum:
        raise MisuseError(f"{name} must be at least {minimum}, got {value}")


def _require_seconds(value: Any, name: str, minimum: float | None = None) -> float:
    """Return the seconds of a number or of a text like "2s"."""
    seconds_value = parse_go_duration(value, name) if isinstance(value, str) else value
    if not isinstance(seconds_value, (int, float)) or isinstance(seconds_value, bool):
        raise MisuseError(f'{name} must be a number of seconds or a text like "2s", got {value!r:.60}')
    if not math.isfinite(seconds_value) or (seconds_value <= 0 if minimum is None else seconds_value < minimum):
        raise MisuseError(f"{name} must be above 0 seconds, or None for no limit, got {value!r}")
    return seconds_value


def _require_tool_names(allowed_names: Any) -> tuple[str, ...]:
    if isinstance(allowed_names, str) or not isinstance(allowed_names, Iterable):
        raise MisuseError(f'allowed must be a list of tool names, like allowed=["search"], got {allowed_names!r:.60}')
    tool_names = tuple(allowed_names)
    if invalid_names := [name for name in tool_names if not isinstance(name, str)]:
        raise MisuseError(f"allowed must be a list of tool names; {invalid_names[0]!r:.60} is not a str")
    return tool_names


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
        object.__setattr__(self, "backoff_base", _require_seconds(self.backoff_base, "backoff_base", minimum=0.0))
        if not isinstance(self.backoff_factor, (int, float)) or not self.backoff_factor >= 0:
            raise MisuseError(f"backoff_factor must be a number, at least 0, got {self.backoff_factor!r:.60}")

    def wait(self, attempts: int) -> float:
        """Return the seconds to wait after that many attempts."""
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

    `inline=True` runs plain functions on the event loop: this is fastest, but no time-out can
    interrupt them. A pause has no time limit unless `pause_timeout` and `on_pause_timeout` set
    one. `allowed` are the names of the tools that may be offered and run; None allows all, and a
    Turn may allow fewer. `max_result` is the size of a result in bytes, where each item of a list counts
    for at least 8; a larger one is cut, and the model reads that it was cut. None means no limit.
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
    max_result: int | None = MAX_RESULT
    _stated_names: frozenset[str] = field(default=frozenset(), init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        put = object.__setattr__
        for name, choices in _CHOICES.items():
            if getattr(self, name) not in choices:
                raise MisuseError(
                    f"{name} must be {', '.join(choices[:-1])} or {choices[-1]}, got {getattr(self, name)!r:.60}"
                )
        _require_integer(self, "max_iterations", 1)
        _require_integer(self, "max_parallel_tools", 0)
        if self.max_result is not None:
            _require_integer(self, "max_result", 1)
        for name in ("execution_timeout", "pause_timeout"):
            if getattr(self, name) is not None:
                put(self, name, _require_seconds(getattr(self, name), name))
        if isinstance(self.retry_config, Mapping):
            put(self, "retry_config", RetryConfig.from_dict(self.retry_config))
        if not isinstance(self.retry_config, RetryConfig):
            raise MisuseError(
                f"retry_config must be a RetryConfig or a mapping of its fields, got {self.retry_config!r:.60}"
            )
        if self.allowed is not None:
            put(self, "allowed", _require_tool_names(self.allowed))

    def allowed_in(self, turn: Turn) -> frozenset[str] | None:
        """Return the names of the tools that may be offered and run for this Turn; None when all may.

        A tool must be in `allowed` and in the Turn's `geppetto.agent_mode_allowed_tools@v1`. Raises
        DecodeError if the latter is not a list of names, so that no tool is allowed by mistake.
        """
        if not self.enabled:
            return frozenset()
        mode_tool_names = turn.data.get(AGENT_MODE_ALLOWED_TOOLS)
        if mode_tool_names is None:
            return None if self.allowed is None else frozenset(self.allowed)
        return (
            frozenset(mode_tool_names)
            if self.allowed is None
            else frozenset(mode_tool_names).intersection(self.allowed)
        )

    def replace(self, **changes: Any) -> ToolConfig:
        """Return a copy with other settings; they count as stated."""
        return self._with_stated_names(replace(self, **changes), self._stated_names | changes.keys())

    def updated_by(self, config: ToolConfig) -> ToolConfig:
        """Return these settings with those that `config` states; what it leaves at its default does not count."""
        names = config._stated_names
        return self.replace(**{name: getattr(config, name) for name in names}) if names else self

    def without_stated_by(self, config: ToolConfig) -> ToolConfig:
        """Return these settings, stating only those that `config` does not state."""
        return self._with_stated_names(replace(self), self._stated_names - config._stated_names)

    @staticmethod
    def _with_stated_names(config: ToolConfig, names: frozenset[str]) -> ToolConfig:
        object.__setattr__(config, "_stated_names", names)
        return config

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as on disk, with geppetto's names and durations like "30s"."""
        disk_fields = {f.name: getattr(self, f.name) for f in fields(self) if f.init}
        disk_fields |= {
            "execution_timeout": format_go_duration(self.execution_timeout or 0),
            "retry_config": self.retry_config.to_dict(),
        }
        disk_fields["pause_timeout"] = format_go_duration(self.pause_timeout)
        disk_fields["allowed"] = None if self.allowed is None else list(self.allowed)
        disk_fields["max_result"] = None if self.max_result == MAX_RESULT else self.max_result or 0
        return {
            name: value
            for name, value in disk_fields.items()
            if (value is not None and value is not False) or name == "enabled"
        }

    @classmethod
    def from_dict(cls, raw: Mapping[str, Any]) -> ToolConfig:
        """Return the settings of plain data, as geppetto writes them; durations are texts like "30s"."""
        field_values = convert_fields({name: value for name, value in raw.items() if value != ""}, _FIELD_TYPES)
        for name in ("execution_timeout", "pause_timeout"):
            if name in field_values:
                field_values[name] = parse_go_duration(field_values[name], name) or None
        if field_values.get("max_result") == 0:
            field_values["max_result"] = None
        if field_values.get("max_iterations", 1) < 1:  # geppetto writes 0 for the default
            del field_values["max_iterations"]
        return cls(**field_values)


_checked_init = ToolConfig.__init__


@wraps(_checked_init)
def _recording_init(self: ToolConfig, **field_values: Any) -> None:
    """Set the fields, and remember which of them were stated."""
    _checked_init(self, **field_values)
    object.__setattr__(self, "_stated_names", frozenset(field_values))


ToolConfig.__init__ = _recording_init  # type: ignore[method-assign]


class ToolConfigLayers:
    """The tool settings that the Turns of a session state, apart from those that the session wrote on them."""

    def __init__(self) -> None:
        self._written_config: ToolConfig | None = None
        self._stated_config: ToolConfig | None = None

    def effective_config(self, session_config: ToolConfig, turn: Turn, *, is_prompt: bool) -> ToolConfig:
        """Return the settings for this Turn: field by field, what it states precedes what the session states.

        A Turn that is not the prompt itself but loaded history only fills in what the session leaves open.
        """
        config = turn.data.get(TOOL_CONFIG)
        if config is None:
            self._stated_config = None
        elif config != self._written_config:
            self._stated_config = config if is_prompt else config.without_stated_by(session_config)
        effective = session_config
        if self._stated_config is not None:
            effective = session_config.updated_by(self._stated_config)
        self._written_config = effective
        return effective


TOOL_CONFIG: Key[ToolConfig] = Key("geppetto.tool_config@v1", ToolConfig, "data")
_FIELD_TYPES: dict[str, Any] = {
    **dict.fromkeys(("enabled", "inline"), bool),
    **dict.fromkeys(("max_iterations", "max_parallel_tools", "max_result"), int),
    **dict.fromkeys(("execution_timeout", "pause_timeout"), object),
    "tool_choice": Literal["auto", "none", "required"],
    "tool_error_handling": Literal["continue", "abort", "retry"],
    "on_pause_timeout": Literal["stay", "stop", "resume"],
    "retry_config": RetryConfig,
    "allowed": list[str],
}
