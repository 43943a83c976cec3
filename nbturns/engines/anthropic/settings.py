"""Anthropic's parameters: their types, the shared settings and structured output.

Facts: the request types of `anthropic` 2.12, Anthropic's pages on structured outputs (no bounds
in schemas) and extended thinking, and its migration guide to the API version 2026-10-21.
"""

from __future__ import annotations

import re
from typing import Literal

from ...values.frozen_json import thaw
from ...values.inference_settings import CLAUDE_INFERENCE_CONFIG, StructuredOutputConfig
from ..parameters.json_schema import StrictRules, can_be_strict, closed
from ..parameters.portable import renamed
from ..parameters.schema import Json, table
from ..provider import Parameters, PortableSettings, StructuredOutput, Translation

MIN_THINKING_BUDGET = 1024  # tokens, the least that Claude accepts
MODELS_WITHOUT_SCHEMAS = re.compile(r"claude-(?:[123]|instant|(?:sonnet|opus)-4(?:-0|-2025\d+|@.*)?$)|claude-(?:v)?2")

PARAMS = table(
    ("max_tokens", int, "the limit of an answer, in tokens; 4096 unless given"),
    ("temperature", float, "0 to 1; models up to Opus 4.6 and Sonnet 4.6 take it"),
    ("top_p", float),
    ("top_k", int),
    ("stop_sequences", list[str]),
    ("thinking", Json, "type (adaptive, enabled, disabled, between_tools), budget_tokens, display"),
    ("output_config", Json, "effort, format, task_budget"),
    ("output_format", Json, "older servers' name of output_config.format"),
    ("tools", list[Json], "Anthropic's own tools, as it writes them"),
    ("tool_choice", Json),
    ("cache_control", Json),
    ("metadata", Json, "user_id"),
    ("service_tier", Literal["auto", "standard_only"]),
    ("speed", Literal["standard", "fast"]),
    ("inference_geo", str),
    ("container", str | Json),
    ("context_management", Json),
    ("compaction", Json),
    ("mcp_servers", list[Json]),
    ("diagnostics", Json),
    ("fallbacks", list[Json] | Json),
    ("billing_policy", Json),
    ("fallback_credit_token", Json | str),
    ("thread", Json),
    ("user_profile_id", str, "goes as a header"),
    ("workspace_id", str, "goes as a header"),
    ("later_system", Literal["system", "user"], "how system blocks behind the head are sent"),
)


# Shared settings.

RENAMED_SETTINGS = {
    "temperature": "temperature",
    "top_p": "top_p",
    "top_k": "top_k",
    "max_response_tokens": "max_tokens",
    "stop": "stop_sequences",
}
THINKING_SETTINGS = ("thinking_budget", "thinking_type", "reasoning_summary", "reasoning_effort", "user_id")


def translate(settings: Parameters) -> Translation:
    """Return the shared settings as Anthropic's parameters."""
    params, unsent_settings = renamed(settings, RENAMED_SETTINGS)
    if thinking := _thinking(settings):
        params["thinking"] = thinking
    if effort := settings.get("reasoning_effort"):
        if effort == "none":
            params["thinking"] = {"type": "disabled"}
        else:
            params["output_config"] = {"effort": {"minimal": "low"}.get(effort, effort)}
    if isinstance(params.get("stop_sequences"), str):
        params["stop_sequences"] = [params["stop_sequences"]]
    if user_id := settings.get("user_id"):
        params["metadata"] = {"user_id": user_id}
    return params, [name for name in unsent_settings if name not in THINKING_SETTINGS]


def _thinking(settings: Parameters) -> Parameters:
    thinking: Parameters = {}
    if (thinking_budget := settings.get("thinking_budget")) is not None:
        enabled_thinking = {"type": "enabled", "budget_tokens": max(thinking_budget, MIN_THINKING_BUDGET)}
        thinking = enabled_thinking if thinking_budget > 0 else {"type": "disabled"}
    if thinking_type := settings.get("thinking_type"):
        thinking = {**thinking, "type": thinking_type}
    if thinking.get("type") in ("disabled", "adaptive"):
        thinking.pop("budget_tokens", None)
    if settings.get("reasoning_summary"):
        thinking = {"type": "adaptive", **thinking, "display": "summarized"}
    return thinking


PORTABLE = PortableSettings(
    translate=translate,
    params=table(("user_id", str, "the user, for Anthropic's checks of abuse")),
    turn_key=CLAUDE_INFERENCE_CONFIG,
)


# Structured output. Facts: what the package anthropic itself makes of a schema (`lib/_parse/_transform.py`).

STRICT = StrictRules(
    words=frozenset(
        {
            "minimum",
            "maximum",
            "exclusiveMinimum",
            "exclusiveMaximum",
            "multipleOf",
            "minLength",
            "maxLength",
            "pattern",
        }
        | {"minItems", "maxItems", "uniqueItems", "minContains", "maxContains", "minProperties", "maxProperties"}
        | {"propertyNames", "examples", "contentEncoding", "contentMediaType"}
    ),
    formats=frozenset({"date-time", "time", "date", "duration", "email", "hostname", "uri", "ipv4", "ipv6", "uuid"}),
    refused=frozenset(
        {"prefixItems", "patternProperties", "contains", "not", "if", "then", "else", "unevaluatedProperties"}
        | {"unevaluatedItems", "dependentRequired", "dependentSchemas"}
    ),
    recursive=False,
    longest_list=1,
)


def _accepts(model: str, config: StructuredOutputConfig) -> bool:
    return MODELS_WITHOUT_SCHEMAS.search(model) is None and can_be_strict(thaw(config.schema), STRICT)


def _schema_params(config: StructuredOutputConfig) -> Parameters:
    return {"output_config": {"format": {"type": "json_schema", "schema": closed(thaw(config.schema), STRICT)}}}


STRUCTURED_OUTPUT = StructuredOutput(parameters=_schema_params, accepts=_accepts)
