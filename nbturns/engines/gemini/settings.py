"""Gemini's parameters: their types, the shared settings, and structured output.

Facts: Google's generateContent reference (v1beta), and its page on responseJsonSchema.
"""

from __future__ import annotations

import re
from typing import Literal

from ...values.frozen_json import thaw
from ...values.inference_settings import StructuredOutputConfig
from ..parameters.portable import renamed
from ..parameters.schema import Json, table
from ..provider import Parameters, PortableSettings, StructuredOutput, Translation
from .schema import google_schema

NO_SCHEMAS = re.compile(r"gemini-1\.0|gemma")

PARAMS = table(
    ("max_output_tokens", int, "the limit of an answer, in tokens"),
    ("max_tokens", int, "the same"),
    ("temperature", float, "0 to 2"),
    ("top_p", float),
    ("top_k", float),
    ("stop_sequences", list[str]),
    ("seed", int),
    ("candidate_count", int),
    ("presence_penalty", float),
    ("frequency_penalty", float),
    ("response_mime_type", str),
    ("response_schema", Json),
    ("response_json_schema", Json),
    ("response_modalities", list[str]),
    ("response_logprobs", bool),
    ("logprobs", int),
    ("enable_enhanced_civic_answers", bool),
    ("audio_timestamp", bool),
    ("speech_config", Json),
    ("image_config", Json),
    ("thinking_config", Json, "includeThoughts, thinkingBudget, thinkingLevel"),
    ("media_resolution", str),
    ("model_selection_config", Json),
    ("routing_config", Json),
    ("tools", list[Json] | Json, "Google's own tools, as it writes them"),
    ("tool_config", Json),
    ("safety_settings", list[Json]),
    ("cached_content", str),
    ("labels", Json),
    ("generation_config", Json),
    ("service_tier", str),
    ("store", bool),
    ("model_armor_config", Json),
    ("later_system", Literal["system", "user"], "how system blocks behind the head are sent"),
)
NAMES = {
    "temperature": "temperature",
    "top_p": "top_p",
    "max_response_tokens": "max_output_tokens",
    "stop": "stop_sequences",
    "seed": "seed",
}
SHARED = "shared_"  # begins the names of shared settings, until the model's rules have read them
THINKING = ("thinking_budget", "reasoning_effort", "reasoning_summary", "include_thoughts", "thinking_level")


def translate(settings: Parameters) -> Translation:
    """Return the shared settings as Gemini's parameters."""
    params, unsent = renamed(settings, NAMES)
    if isinstance(params.get("stop_sequences"), str):
        params["stop_sequences"] = [params["stop_sequences"]]
    params |= _thinking(settings)
    return params, [name for name in unsent if name not in THINKING]


def _thinking(settings: Parameters) -> Parameters:
    """Return the shared settings of thinking, which `model_rules` writes as the model takes them."""
    params, _ = renamed(settings, {name: name for name in ("thinking_budget", "thinking_level", "include_thoughts")})
    if (effort := settings.get("reasoning_effort")) and "thinking_level" not in params:
        params["thinking_level"] = {"xhigh": "high", "max": "high"}.get(effort, str(effort)).upper()
    if settings.get("reasoning_summary"):
        params.setdefault("include_thoughts", True)
    return {f"{SHARED}{name}": value for name, value in params.items()}


PORTABLE = PortableSettings(
    translate=translate,
    same=(
        ("max_tokens", "max_output_tokens", "maxOutputTokens"),
        ("stop_sequences", "stopSequences"),
        ("top_p", "topP"),
        ("thinking_config", "thinkingConfig"),
    ),
    params=table(("include_thoughts", bool, "show the reasoning"), ("thinking_level", str, "how long it thinks")),
)


def _accepts(model: str, config: StructuredOutputConfig) -> bool:
    del config
    return NO_SCHEMAS.search(model) is None


def _schema_params(config: StructuredOutputConfig) -> Parameters:
    return {"response_mime_type": "application/json", "response_json_schema": google_schema(thaw(config.schema))}


STRUCTURED_OUTPUT = StructuredOutput(parameters=_schema_params, accepts=_accepts)
