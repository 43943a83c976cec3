"""Replace or remove the parameters that a Claude model would refuse, and describe each change."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..parameters.unsupported import remove
from ..provider import Parameters
from .models import ClaudeModel, claude_model

ANSWER_TOKENS = 4096  # tokens for the answer where only a budget for thinking is given
SAMPLING_PARAMS = ("temperature", "top_p", "top_k")
BUDGETS = {
    "low": 2048,
    "medium": 8192,
    "high": 16384,
    "xhigh": 32768,
    "max": 32768,
}  # tokens, for models without effort
DEFAULT_BUDGET = 8192
FORCED_CHOICES = ("any", "tool")


def remove_unsupported(model: str, params: Parameters, reasons: bool | None) -> list[str]:
    """Fit thinking, effort, sampling and a forced tool to the model; the parameters are changed in place."""
    del reasons
    model_rules = claude_model(model)
    changes = _fit_sampling(model, model_rules, params)
    if model_rules.is_known:
        changes += _fit_thinking(model, model_rules, params)
        changes += _fit_effort(model, model_rules, params)
    thinking = _thinking_of(params)
    if thinking.get("type") in ("enabled", "adaptive"):
        refused_params = [name for name in SAMPLING_PARAMS if not _fits_thinking(name, params.get(name))]
        if removed_params := remove(params, refused_params):
            changes.append(f"not sent: {', '.join(removed_params)}, which Claude refuses while it thinks")
    if thinking.get("type") == "enabled":
        changes += _fit_limit(params, thinking)
    return changes + fit_tool_choice(model, params)


def fit_tool_choice(model: str, params: Parameters) -> list[str]:
    """Free a forced tool choice where the model, or its thinking on a budget, refuses one."""
    tool_choice = params.get("tool_choice")
    if not isinstance(tool_choice, Mapping) or tool_choice.get("type") not in FORCED_CHOICES:
        return []
    on_a_budget = _thinking_of(params).get("type") == "enabled"
    if not on_a_budget and not claude_model(model).refuses_forced_tools:
        return []
    parallel_choice = {"disable_parallel_tool_use": True} if tool_choice.get("disable_parallel_tool_use") else {}
    params["tool_choice"] = {"type": "auto", **parallel_choice}
    reason = (
        "Claude refuses a forced tool while it thinks on a budget" if on_a_budget else f"{model} takes no forced tool"
    )
    return [f"tool_choice is auto: {reason}"]


def _thinking_of(params: Mapping[str, Any]) -> Mapping[str, Any]:
    thinking = params.get("thinking")
    return thinking if isinstance(thinking, Mapping) else {}


def _fit_sampling(model: str, rules: ClaudeModel, params: Parameters) -> list[str]:
    if rules.refuses_sampling:
        removed_params = remove(params, SAMPLING_PARAMS)
        return [f"not sent: {', '.join(removed_params)}, which {model} does not accept"] if removed_params else []
    has_both = params.get("temperature") is not None and params.get("top_p") is not None
    if rules.takes_one_sampling_parameter and has_both:
        return [f"not sent: {', '.join(remove(params, ('top_p',)))}, because {model} takes it only without temperature"]
    return []


def _fits_thinking(name: str, value: Any) -> bool:
    return value is None or (name == "temperature" and value == 1) or (name == "top_p" and 0.95 <= value <= 1)


def _fit_thinking(model: str, rules: ClaudeModel, params: Parameters) -> list[str]:
    """Write the thinking that was asked for in the way that this model takes."""
    thinking = dict(_thinking_of(params))
    match thinking.get("type"):
        case "enabled" if rules.refuses_budgets:
            budget = thinking.pop("budget_tokens", None)
            effort = _effort_of(params) or _effort_for(budget)
            params["thinking"] = {**thinking, "type": "adaptive"}
            _set_effort(params, effort)
            return [f"thinking is adaptive with effort {effort}, because {model} takes no budget of {budget} tokens"]
        case "adaptive" if not rules.thinks_by_itself and rules.thinks:
            budget = BUDGETS.get(_effort_of(params), DEFAULT_BUDGET)
            params["thinking"] = {**thinking, "type": "enabled", "budget_tokens": budget}
            _set_effort(params, _effort_of(params) if rules.efforts else "")
            return [f"thinking has a budget of {budget} tokens, because {model} does not set its own"]
        case "disabled" | "between_tools" if rules.always_thinks:
            del params["thinking"]
            return [f"thinking stays on, because {model} cannot switch it off"]
        case "disabled" if rules.stops_thinking_between_tools:
            params["thinking"] = {"type": "between_tools"}
        case "disabled" if not rules.thinks:
            del params["thinking"]
        case "enabled" | "adaptive" if not rules.thinks:
            del params["thinking"]
            return [f"not sent: thinking, because {model} does not think"]
    return []


def _fit_effort(model: str, rules: ClaudeModel, params: Parameters) -> list[str]:
    """Replace an effort that the model does not take by the nearest below, or by a budget for thinking."""
    effort = _effort_of(params)
    if not effort:
        return []
    if not rules.efforts:
        _set_effort(params, "")
        is_sampled = not all(_fits_thinking(name, params.get(name)) for name in SAMPLING_PARAMS)
        if not rules.thinks or "thinking" in params or is_sampled:  # a budget would cost the other settings
            return [f"not sent: effort={effort!r}, which {model} does not take"]
        budget = BUDGETS.get(effort, DEFAULT_BUDGET)
        params["thinking"] = {"type": "enabled", "budget_tokens": budget}
        return [f"effort={effort!r} is a budget of {budget} tokens for {model}, which takes no effort"]
    is_off = _thinking_of(params).get("type") in ("disabled", "between_tools")
    is_limited = is_off and rules.limits_effort_without_thinking
    accepted = [name for name in rules.efforts if not (is_limited and name in ("xhigh", "max"))]
    if effort in accepted or effort not in BUDGETS:
        return []
    order = list(BUDGETS)
    nearest = [name for name in accepted if order.index(name) < order.index(effort)][-1]
    _set_effort(params, nearest)
    return [
        f"effort is {nearest}, because {model} does not take {effort}{' while it does not think' if is_off else ''}"
    ]


def _effort_of(params: Mapping[str, Any]) -> str:
    config = params.get("output_config")
    return str(config.get("effort") or "") if isinstance(config, Mapping) else ""


def _set_effort(params: Parameters, effort: str) -> None:
    config = {name: value for name, value in (params.get("output_config") or {}).items() if name != "effort"}
    params["output_config"] = {**config, "effort": effort} if effort else config
    if not params["output_config"]:
        del params["output_config"]


def _effort_for(budget: Any) -> str:
    """Return the effort that is nearest to a budget of tokens."""
    tokens = budget if isinstance(budget, int) else DEFAULT_BUDGET
    return next((effort for effort, limit in BUDGETS.items() if tokens <= limit), "xhigh")


def _fit_limit(params: Parameters, thinking: Mapping[str, Any]) -> list[str]:
    """Make the limit of the answer include its thinking."""
    thinking_budget, answer_limit = thinking.get("budget_tokens"), params.get("max_tokens")
    if not isinstance(thinking_budget, int) or (answer_limit is not None and answer_limit > thinking_budget):
        return []
    params["max_tokens"] = thinking_budget + (answer_limit or ANSWER_TOKENS)
    if answer_limit is None:
        return []
    return [
        f"max_tokens is {params['max_tokens']}: {thinking_budget} for thinking plus the {answer_limit} of the request"
    ]
