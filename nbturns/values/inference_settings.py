"""Settings of the next model call that a Turn holds in `turn.data`, in geppetto's shapes.

Every field is optional; None leaves the parameter of the engine unchanged.
"""

from __future__ import annotations

import typing
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Literal, Self

from .frozen_json import EMPTY_DICT, FrozenDict, FrozenList, freeze
from .metadata import Key, convert_value


class _Settings:
    """Base of settings. As in geppetto, None is not written and unknown fields are ignored."""

    __slots__ = ()

    def to_dict(self) -> dict[str, Any]:
        """Return the fields that are set."""
        values = {f.name: getattr(self, f.name) for f in fields(self)}  # type: ignore[arg-type]  # each subclass is a dataclass
        return {name: value for name, value in values.items() if value is not None}

    @classmethod
    def from_dict(cls, raw: Mapping[str, Any]) -> Self:
        """Return the settings of a dict. Raises TypeError or ValueError for a value of the wrong type."""
        hints = typing.get_type_hints(cls)
        known_fields = {f.name: raw[f.name] for f in fields(cls) if raw.get(f.name) is not None}  # type: ignore[arg-type]
        return cls(**{name: convert_value(value, hints[name]) for name, value in known_fields.items()})


@dataclass(frozen=True, slots=True, kw_only=True)
class InferenceConfig(_Settings):
    """Settings that are common to all providers. `thinking_budget` and `max_response_tokens` are in tokens."""

    thinking_budget: int | None = None
    reasoning_effort: str | None = None
    thinking_type: str | None = None
    reasoning_summary: str | None = None
    temperature: float | None = None
    top_p: float | None = None
    max_response_tokens: int | None = None
    stop: list[str] | None = None
    seed: int | None = None

    def __post_init__(self) -> None:
        if self.stop is not None:
            object.__setattr__(self, "stop", FrozenList(self.stop))


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaudeInferenceConfig(_Settings):
    """Settings for Claude only."""

    user_id: str | None = None
    top_k: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenAIInferenceConfig(_Settings):
    """Settings for OpenAI only."""

    n: int | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    store: bool | None = None
    service_tier: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StructuredOutputConfig(_Settings):
    """The required shape of an answer: a JSON Schema with a name."""

    mode: Literal["off", "json_schema"] = "json_schema"
    name: str = ""
    description: str = ""
    schema: dict[str, Any] = EMPTY_DICT
    strict: bool = True
    require_valid: bool = False

    def __post_init__(self) -> None:
        if type(self.schema) is not FrozenDict:
            object.__setattr__(self, "schema", freeze(self.schema))


INFERENCE_CONFIG: Key[InferenceConfig] = Key("geppetto.inference_config@v1", InferenceConfig, "data")
CLAUDE_INFERENCE_CONFIG: Key[ClaudeInferenceConfig] = Key(
    "geppetto.claude_inference_config@v1", ClaudeInferenceConfig, "data"
)
OPENAI_INFERENCE_CONFIG: Key[OpenAIInferenceConfig] = Key(
    "geppetto.openai_inference_config@v1", OpenAIInferenceConfig, "data"
)
STRUCTURED_OUTPUT_CONFIG: Key[StructuredOutputConfig] = Key(
    "geppetto.structured_output_config@v1", StructuredOutputConfig, "data"
)
RESPONSES_SERVER_TOOLS: Key[list[Any]] = Key("geppetto.responses_server_tools@v1", list[Any], "data")
