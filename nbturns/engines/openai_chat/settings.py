"""Parameters of Chat Completions, OpenAI's and those of compatible servers: types, shared settings, structured output.

Facts: the request types of `openai` 3.54, and what recorded traffic of the compatible servers sends.
"""

from __future__ import annotations

from typing import Any, Literal

from ...values.inference_settings import OPENAI_INFERENCE_CONFIG, StructuredOutputConfig
from ..dialects import Dialect
from ..openai.settings import SHARED_PARAMS, accepts_schema, schema_format
from ..parameters.portable import renamed
from ..parameters.schema import Effort, Json, table
from ..provider import Parameters, PortableSettings, StructuredOutput, Translation

PARAMS = SHARED_PARAMS | table(
    ("max_completion_tokens", int, "the limit of an answer, in tokens; thoughts included"),
    ("max_tokens", int, "its name at older servers"),
    ("stop", list[str] | str),
    ("seed", int),
    ("n", int),
    ("frequency_penalty", float),
    ("presence_penalty", float),
    ("logit_bias", Json),
    ("logprobs", bool),
    ("reasoning_effort", Effort),
    ("verbosity", Literal["low", "medium", "high"]),
    ("response_format", Json),
    ("modalities", list[str]),
    ("audio", Json),
    ("prediction", Json),
    ("web_search_options", Json),
    ("functions", list[Json]),
    ("function_call", str | Json),
    ("system_role", Literal["system", "developer"], "as which system blocks are sent"),
    # Of compatible servers.
    ("top_k", int, "vLLM, llama.cpp, Together, Fireworks, OpenRouter"),
    ("min_p", float),
    ("top_a", float),
    ("typical_p", float),
    ("repetition_penalty", float),
    ("repeat_penalty", float),
    ("ignore_eos", bool),
    ("grammar", str, "llama.cpp"),
    ("json_schema", Json, "llama.cpp"),
    ("chat_template_kwargs", Json, "vLLM, llama.cpp"),
    ("guided_json", Json | str, "vLLM"),
    ("guided_regex", str, "vLLM"),
    ("guided_choice", list[str], "vLLM"),
    ("structured_outputs", Json, "vLLM"),
    ("keep_alive", str | int, "Ollama"),
    ("options", Json, "Ollama"),
    ("random_seed", int, "Mistral"),
    ("safe_prompt", bool, "Mistral"),
    ("prompt_mode", str, "Mistral"),
    ("reasoning_format", Literal["parsed", "raw", "hidden"], "Groq"),
    ("include_reasoning", bool, "Groq"),
    ("search_settings", Json, "Groq"),
    ("citation_options", str, "Groq"),
    ("compound_custom", Json, "Groq"),
    ("documents", list[Any], "Groq"),
    ("reasoning", Json, "OpenRouter"),
    ("provider", Json, "OpenRouter"),
    ("models", list[str], "OpenRouter"),
    ("transforms", list[str], "OpenRouter"),
    ("plugins", list[Json], "OpenRouter"),
    ("route", str, "OpenRouter"),
    ("preset", str, "OpenRouter"),
    ("usage", Json, "OpenRouter"),
    ("thinking", Json, "DeepSeek, z.ai"),
    ("clear_thinking", bool, "Cerebras"),
    ("disable_reasoning", bool, "Cerebras"),
    ("do_sample", bool, "z.ai"),
    ("request_id", str, "z.ai"),
    ("search_parameters", Json, "xAI"),
    ("deferred", bool, "xAI"),
    ("context_length_exceeded_behavior", str, "Fireworks"),
)
SAME_NAMES = ("temperature", "top_p", "stop", "seed", "reasoning_effort", "n", "presence_penalty", "frequency_penalty")
NAMES = {
    **{name: name for name in (*SAME_NAMES, "store", "service_tier")},
    "max_response_tokens": "max_completion_tokens",
}


def translate(settings: Parameters) -> Translation:
    """Return the shared settings as parameters of Chat Completions."""
    params, unsent = renamed(settings, NAMES)
    if thinking_type := settings.get("thinking_type"):
        params["thinking"] = {"type": thinking_type}
    return params, [name for name in unsent if name != "thinking_type"]


PORTABLE = PortableSettings(
    translate=translate,
    same=(("max_tokens", "max_completion_tokens"), ("seed", "random_seed")),
    turn_key=OPENAI_INFERENCE_CONFIG,
)


def _schema_params(config: StructuredOutputConfig) -> Parameters:
    return {"response_format": {"type": "json_schema", "json_schema": schema_format(config)}}


def structured_output(dialect: Dialect) -> StructuredOutput:
    """Return the structured output of one server."""
    return StructuredOutput(
        parameters=_schema_params,
        accepts=lambda model, config: dialect.json_schema and accepts_schema(model, config),
    )
