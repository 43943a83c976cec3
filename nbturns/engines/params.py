"""The parameters of each provider, with their types: a table that checks what a user wrote.

Facts: the request types of `openai` 3.54 and `anthropic` 2.12, Google's generateContent
reference (v1beta), and what recorded traffic of the compatible servers sends. What is
not here goes by `extra_body`.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from ..errors import EngineError
from ..keyed import _fit


@dataclass(frozen=True, slots=True)
class Param:
    """One parameter: its type (of Python, what JSON holds), and in a few words what it does."""

    name: str
    type: Any
    says: str = ""

    def check(self, value: Any, of: str) -> None:
        """Raise EngineError when `value` is no such thing. None leaves a parameter out, or sends null."""
        if value is None:
            return
        try:
            _fit(value, self.type)
        except (TypeError, ValueError) as error:
            key = "it looks like a key, which goes into api_key=…" if looks_like_a_key(value) else ""
            raise EngineError(f"{self.name} of {of}: {key or error}", kind="bad_parameter") from None


KEY = re.compile(r"(Bearer +|sk-|gsk_|xai-|AIza|hf_|pplx-)\S{8}")
Params = Mapping[str, Param]


def table(*params: tuple[str, Any] | tuple[str, Any, str]) -> dict[str, Param]:
    return {name: Param(name, *rest) for name, *rest in params}


Effort = Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"]
Json = dict[str, Any]

# What every provider may be told in the same words; each has it written in its own. Names as in geppetto's
# inference settings, and `max_tokens`, as most people call it.
PORTABLE = table(
    ("temperature", float, "how freely it chooses its words; 0 is least"),
    ("top_p", float, "choose among the words that make up this share of probability"),
    ("max_tokens", int, "the limit of an answer, in tokens"),
    ("max_response_tokens", int, "the same, as geppetto calls it"),
    ("stop", list[str] | str, "texts that end an answer"),
    ("seed", int, "the same seed asks for the same answer"),
    ("reasoning_effort", Effort, "how long it thinks"),
    ("thinking_budget", int, "how much it may think, in tokens"),
    ("thinking_type", str, "enabled, adaptive or disabled"),
    ("reasoning_summary", str, "how its thoughts are shown: auto, concise or detailed"),
)

ANTHROPIC = table(
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
    ("user_profile_id", str),
    ("workspace_id", str),
    ("later_system", Literal["system", "user"], "how system blocks behind the head are sent"),
)

_OPENAI = table(
    ("temperature", float, "0 to 2; reasoning models take none"),
    ("top_p", float),
    ("top_logprobs", int),
    ("tools", list[Json], "OpenAI's own tools, as it writes them"),
    ("tool_choice", str | Json),
    ("parallel_tool_calls", bool),
    ("store", bool),
    ("metadata", Json),
    ("moderation", Json),
    ("service_tier", str, "auto, default, flex, scale, priority, fast; other servers have others"),
    ("safety_identifier", str),
    ("prompt_cache_key", str),
    ("prompt_cache_options", Json),
    ("prompt_cache_retention", str, "in_memory or 24h"),
    ("stream_options", Json),
    ("user", str),
)

OPENAI = _OPENAI | table(
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

OPENAI_CHAT = _OPENAI | table(
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

GEMINI = table(
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

PARAMS: Mapping[str, Params] = {
    "anthropic": ANTHROPIC,
    "openai": OPENAI,
    "openai-chat": OPENAI_CHAT,
    "gemini": GEMINI,
}

# Of the engine itself, whoever the provider is.
ENGINE = table(
    ("stream", bool, "whether the answer comes piece by piece"),
    ("extra_body", Json, "fields that go into the body as they are, whatever this table knows"),
    ("timeout", float, "the longest silence, in seconds, before the answer and inside it"),
    ("connect_timeout", float, "the longest wait for a connection, in seconds"),
    ("retries", int, "how often a call that said nothing yet is tried again"),
    ("retry_for", float, "how long all waits between tries may be together, in seconds"),
    ("raw", bool | int, "keep each wire request and response, up to so many characters"),
    ("record", str | Any, "a file to which each HTTP exchange is written, without keys"),
)
CLIENT = table(
    ("api_key", str, "a key; else the environment's"),
    ("base_url", str | Any, "where the server is"),
    ("headers", Json, "headers that go with every request"),
    ("client", Any, "an asynchronous client of your own"),
)

HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


def snake(name: str) -> str:
    """Google's maxOutputTokens as max_output_tokens."""
    return HUMP.sub("_", name).lower()


def params(provider: str) -> dict[str, Param]:
    """Every parameter that an engine of this provider takes, by name: its own, the portable ones, the engine's.

    For forms, profiles and checks. A provider that has no table takes any; of it only the others are told.
    """
    return {**PORTABLE, **PARAMS.get(provider, {}), **ENGINE, **CLIENT}


def checked(provider: str, given: Mapping[str, Any], settings: Collection[str]) -> None:
    """Raise EngineError for a parameter the provider does not know, naming the nearest, and for one of a wrong type."""
    known = params(provider)
    open_to_all = provider not in PARAMS
    for name, value in given.items():
        param = known.get(name) or known.get(snake(name))
        if param is not None:
            param.check(value, provider)
        elif name not in settings and not open_to_all:
            raise EngineError(
                f"{name} is no parameter of {provider}{meant(name, (*known, *settings))}; "
                f"what this table does not know goes by extra_body={{{name!r}: …}}",
                kind="bad_parameter",
            )


def looks_like_a_key(value: Any) -> bool:
    """Whether this begins as keys of providers do: it is shown nowhere then, wherever it was put."""
    return isinstance(value, str) and KEY.match(value) is not None


def meant(name: str, known: Iterable[str]) -> str:
    """The nearest of the known names, in words; "" where none is near."""
    near = difflib.get_close_matches(snake(name), list(known), 1, 0.6)
    return f": did you mean {near[0]}?" if near else ""
