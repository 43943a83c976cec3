"""Parameters of OpenAI's Responses: their types, the shared settings, and structured output."""

from __future__ import annotations

from typing import Any, Literal

from ...values.inference_settings import OPENAI_INFERENCE_CONFIG, RESPONSES_SERVER_TOOLS, StructuredOutputConfig
from ..openai.settings import SHARED_PARAMS, accepts_schema, schema_format
from ..parameters.portable import renamed
from ..parameters.schema import Json, table
from ..provider import Parameters, PortableSettings, StructuredOutput, Translation

PARAMS = SHARED_PARAMS | table(
    ("max_output_tokens", int, "the limit of an answer, in tokens"),
    ("max_tool_calls", int),
    ("reasoning", Json, "effort, summary, context, mode"),
    ("text", Json, "format, verbosity"),
    ("include", list[str]),
    ("instructions", str),
    ("previous_response_id", str, 'an id, or "latest"'),
    ("conversation", str | Json),
    ("background", bool),
    ("background_options", Json),
    ("truncation", Literal["auto", "disabled"]),
    ("context_management", list[Json]),
    ("prompt", Json),
    ("access_programs", Json | list[Any]),
    ("image", Json),
    ("personality", str),
    ("provider", Json, "OpenRouter's choice of a provider"),
)
NAMES = {
    "temperature": "temperature",
    "top_p": "top_p",
    "max_response_tokens": "max_output_tokens",
    "store": "store",
    "service_tier": "service_tier",
}
REASONING_NAMES = {"reasoning_effort": "effort", "reasoning_summary": "summary"}


def translate(settings: Parameters) -> Translation:
    """Return the shared settings as parameters of Responses."""
    params, unsent = renamed(settings, NAMES)
    reasoning, _ = renamed(settings, REASONING_NAMES)
    if reasoning:
        params["reasoning"] = reasoning
    return params, [name for name in unsent if name not in REASONING_NAMES]


PORTABLE = PortableSettings(
    translate=translate, turn_key=OPENAI_INFERENCE_CONFIG, server_tools_key=RESPONSES_SERVER_TOOLS
)


def _schema_params(config: StructuredOutputConfig) -> Parameters:
    return {"text": {"format": {"type": "json_schema", **schema_format(config)}}}


STRUCTURED_OUTPUT = StructuredOutput(parameters=_schema_params, accepts=accepts_schema)
