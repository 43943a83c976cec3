"""What a model would refuse is taken out before it is sent, and said.

Facts: OpenAI's page on reasoning models (sampling parameters are refused while a model
reasons; from GPT-5.1 to 5.4 it does not unless asked to), Anthropic's migration guide to
the API version 2026-10-21 and its page on extended thinking.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from ..models import find

SAMPLING = ("temperature", "top_p", "top_logprobs", "logprobs", "presence_penalty", "frequency_penalty", "logit_bias")
REASONS = re.compile(r"^(?:[\w-]+/)?(?:o\d|gpt-5)(?!.*-chat)")
AT_WILL = re.compile(r"^(?:[\w-]+/)?gpt-5\.[1-4](?!\d)(?!.*(?:-pro|-codex))")  # these think only when told to
# From Opus 4.7 on no Claude takes these in any version of the API.
CHOOSES_ITSELF = re.compile(r"opus-(?:4-[7-9]|4\.[7-9]|[5-9])|sonnet-[5-9]|haiku-[5-9]|fable|mythos")
CLAUDE_SAMPLING = ("temperature", "top_p", "top_k")
OLD_VERSION = "2023-06-01"  # the last one in which any Claude takes these
BESIDE_BUDGET = 4096  # tokens that are left for the answer where only a budget for thoughts was given
Params = dict[str, Any]


def sanitised(
    provider: str, model: str, params: Mapping[str, Any], *, reasons: bool | None = None
) -> tuple[Params, list[str]]:
    """The parameters without what this model refuses, and what was done, in words.

    `reasons` says whether the model is one that reasons, where its name does not.
    """
    made = dict(params)
    rule = RULES.get(provider)
    return made, rule(model, made, reasons) if rule else []


def old_version(provider: str, body: Mapping[str, Any]) -> bool:
    """Whether this body needs the older version of Anthropic's API: the newer one refuses sampling parameters."""
    return provider == "anthropic" and any(name in body for name in CLAUDE_SAMPLING)


def _openai(model: str, params: Params, reasons: bool | None) -> list[str]:
    effort = (params.get("reasoning") or {}).get("effort") or params.get("reasoning_effort")
    if not (REASONS.match(model) if reasons is None else reasons):
        info = find(model)
        return _without_effort(model, params) if info is not None and not info.reasoning and effort else []
    said = []
    if "max_tokens" in params and "max_completion_tokens" not in params:
        params["max_completion_tokens"] = params.pop("max_tokens")
        said.append(f"max_tokens was sent as max_completion_tokens, which is its name for {model}")
    silent = effort == "none" or (not effort and AT_WILL.match(model))
    if gone := [] if silent else _drop(params, SAMPLING):
        hint = "; it takes them with reasoning_effort='none'" if REASONS.match(model) and "gpt-5." in model else ""
        said.append(f"not sent: {', '.join(gone)}, which {model} refuses because it reasons{hint}")
    return said


def _without_effort(model: str, params: Params) -> list[str]:
    gone = _drop(params, ("reasoning_effort",)) + [name for name in ("reasoning",) if params.pop(name, None)]
    return [f"not sent: {', '.join(gone)}, because {model} does not reason"]


def _drop(params: Params, names: tuple[str, ...]) -> list[str]:
    gone = [f"{name}={params[name]!r:.20}" for name in names if params.get(name) is not None]
    for name in names:
        params.pop(name, None)
    return gone


def _anthropic(model: str, params: Params, reasons: bool | None) -> list[str]:
    del reasons
    said = []
    if CHOOSES_ITSELF.search(model) and (gone := _drop(params, CLAUDE_SAMPLING)):
        said.append(f"not sent: {', '.join(gone)}, which {model} does not take")
    thinking = params.get("thinking") or {}
    if not isinstance(thinking, Mapping) or thinking.get("type") not in ("enabled", "adaptive"):
        return said
    refused = tuple(name for name in CLAUDE_SAMPLING if not _fits_thinking(name, params.get(name)))
    if gone := _drop(params, refused):
        said.append(f"not sent: {', '.join(gone)}, which Claude refuses while it thinks")
    if thinking.get("type") == "enabled":
        said += _with_budget(params, thinking)
    return said


def _fits_thinking(name: str, value: Any) -> bool:
    return value is None or (name == "temperature" and value == 1) or (name == "top_p" and 0.95 <= value <= 1)


def _with_budget(params: Params, thinking: Mapping[str, Any]) -> list[str]:
    """The limit of an answer holds its thoughts; and no tool can be forced while it thinks on a budget."""
    said, budget = [], thinking.get("budget_tokens")
    limit = params.get("max_tokens")
    if isinstance(budget, int) and (limit is None or limit <= budget):
        params["max_tokens"] = budget + (limit or BESIDE_BUDGET)
        if limit is not None:
            said.append(
                f"max_tokens is {params['max_tokens']}: the {budget} for thoughts, and the {limit} that were asked for"
            )
    choice = params.get("tool_choice")
    if isinstance(choice, Mapping) and choice.get("type") in ("any", "tool"):
        params["tool_choice"] = {"type": "auto"}
        said.append("the choice of a tool is left to Claude: none can be forced while it thinks on a budget")
    return said


RULES: Mapping[str, Callable[[str, Params, bool | None], list[str]]] = {
    "openai": _openai,
    "openai-chat": _openai,
    "anthropic": _anthropic,
}
