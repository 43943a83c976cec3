"""Settings that any provider may be told, in the words of each; and what a Turn says of its own next call.

What stands in the Turn's data wins over the engine's parameters, field by field.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ..frozen import thaw
from ..keyed import Key
from ..settings import CLAUDE_INFERENCE_CONFIG, INFERENCE_CONFIG, OPENAI_INFERENCE_CONFIG, RESPONSES_SERVER_TOOLS
from ..turns import Turn
from .params import PARAMS, PORTABLE

THINKING = 1024  # tokens, the least that Claude takes as a budget
ENDS = ("stop", "stop_sequences")  # an empty list of these says: none, whatever the engine was told
SMALL = {"max_tokens": "max_response_tokens"}  # two names of one thing
Written = dict[str, Any]


def settled(provider: str, params: Mapping[str, Any], turn: Turn) -> tuple[dict[str, Any], list[str]]:
    """The parameters of a call in the provider's own words, and what of them it has no word for.

    `params` are the engine's; the Turn's data override them. A provider without a table
    is told everything as it was given.
    """
    if provider not in PARAMS:
        return thaw(params), []
    own = PARAMS[provider]
    given: dict[str, Any] = thaw(params)
    portable = {SMALL.get(name, name): given.pop(name) for name in tuple(given) if name in PORTABLE and name not in own}
    said, unsaid = WORDS[provider](portable)
    settled = merged(said, given)
    for asked in (_of_turn(turn), _of_provider(provider, turn)):
        said, more = WORDS[provider](asked)
        settled, unsaid = merged(settled, said), [*unsaid, *more]
    if provider == "openai" and (theirs := turn.data.get(RESPONSES_SERVER_TOOLS)):
        settled["tools"] = [*settled.get("tools", ()), *thaw(theirs)]
    return {name: value for name, value in settled.items() if value != [] or name not in ENDS}, unsaid


def merged(under: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """`over` laid upon `under`, object by object."""
    made = dict(under)
    for name, value in over.items():
        known = made.get(name)
        made[name] = merged(known, value) if isinstance(known, Mapping) and isinstance(value, Mapping) else value
    return made


def _of_turn(turn: Turn) -> Written:
    config = turn.data.get(INFERENCE_CONFIG)
    return thaw(config.to_dict()) if config is not None else {}


def _of_provider(provider: str, turn: Turn) -> Written:
    key: dict[str, Key[Any]] = {
        "anthropic": CLAUDE_INFERENCE_CONFIG,
        "openai": OPENAI_INFERENCE_CONFIG,
        "openai-chat": OPENAI_INFERENCE_CONFIG,
    }
    config = turn.data.get(key[provider]) if provider in key else None
    return thaw(config.to_dict()) if config is not None else {}


def _renamed(asked: Written, names: Mapping[str, str]) -> tuple[Written, list[str]]:
    said = {theirs: asked[name] for name, theirs in names.items() if name in asked}
    return said, [name for name in asked if name not in names]


def _anthropic(asked: Written) -> tuple[Written, list[str]]:
    said, rest = _renamed(
        asked,
        {
            "temperature": "temperature",
            "top_p": "top_p",
            "top_k": "top_k",
            "max_response_tokens": "max_tokens",
            "stop": "stop_sequences",
        },
    )
    thinking: Written = {}
    if (budget := asked.get("thinking_budget")) is not None:
        thinking = {"type": "enabled", "budget_tokens": max(budget, THINKING)} if budget > 0 else {"type": "disabled"}
    if type := asked.get("thinking_type"):
        thinking = {**thinking, "type": type}
    if thinking.get("type") in ("disabled", "adaptive"):
        thinking.pop("budget_tokens", None)
    if asked.get("reasoning_summary"):
        thinking = {"type": "adaptive", **thinking, "display": "summarized"}
    if thinking:
        said["thinking"] = thinking
    if effort := asked.get("reasoning_effort"):
        if effort == "none":
            said["thinking"] = {"type": "disabled"}
        else:
            said["output_config"] = {"effort": {"minimal": "low"}.get(effort, effort)}
    if isinstance(said.get("stop_sequences"), str):
        said["stop_sequences"] = [said["stop_sequences"]]
    if user := asked.get("user_id"):
        said["metadata"] = {"user_id": user}
    told = {"thinking_budget", "thinking_type", "reasoning_summary", "reasoning_effort", "user_id"}
    return said, [name for name in rest if name not in told]


def _openai(asked: Written) -> tuple[Written, list[str]]:
    said, rest = _renamed(
        asked,
        {
            "temperature": "temperature",
            "top_p": "top_p",
            "max_response_tokens": "max_output_tokens",
            "store": "store",
            "service_tier": "service_tier",
        },
    )
    names = {"reasoning_effort": "effort", "reasoning_summary": "summary"}
    if reasoning := {theirs: asked[name] for name, theirs in names.items() if name in asked}:
        said["reasoning"] = reasoning
    return said, [name for name in rest if name not in names]


def _openai_chat(asked: Written) -> tuple[Written, list[str]]:
    same = ("temperature", "top_p", "stop", "seed", "reasoning_effort", "n", "presence_penalty", "frequency_penalty")
    names = {name: name for name in (*same, "store", "service_tier")}
    said, rest = _renamed(asked, {**names, "max_response_tokens": "max_completion_tokens"})
    if type := asked.get("thinking_type"):
        said["thinking"] = {"type": type}
    return said, [name for name in rest if name != "thinking_type"]


def _gemini(asked: Written) -> tuple[Written, list[str]]:
    said, rest = _renamed(
        asked,
        {
            "temperature": "temperature",
            "top_p": "top_p",
            "max_response_tokens": "max_output_tokens",
            "stop": "stop_sequences",
            "seed": "seed",
        },
    )
    if isinstance(said.get("stop_sequences"), str):
        said["stop_sequences"] = [said["stop_sequences"]]
    config: Written = {}
    if asked.get("thinking_budget") is not None:
        config["thinkingBudget"] = asked["thinking_budget"]
    if effort := asked.get("reasoning_effort"):
        config["thinkingLevel"] = {"none": "minimal", "xhigh": "high", "max": "high"}.get(effort, str(effort)).upper()
    if asked.get("reasoning_summary"):
        config["includeThoughts"] = True
    if config:
        said["thinking_config"] = config
    told = {"thinking_budget", "reasoning_effort", "reasoning_summary"}
    return said, [name for name in rest if name not in told]


WORDS: Mapping[str, Callable[[Written], tuple[Written, list[str]]]] = {
    "anthropic": _anthropic,
    "openai": _openai,
    "openai-chat": _openai_chat,
    "gemini": _gemini,
}
