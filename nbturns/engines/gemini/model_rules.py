"""Fit the thinking of a request to a Gemini model: levels for the newer ones, budgets for the older.

Facts: Google's page on thinking, and what pydantic-ai 2.68 measured (`profiles/google.py`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ..provider import Parameters
from .parts import camel_case
from .settings import SHARED

LEVELS = ("MINIMAL", "LOW", "MEDIUM", "HIGH")
LEVELS_OF_MODELS = (  # the first that matches; other models take all
    (re.compile(r"gemini-3\.1-flash-lite-image"), ("MINIMAL", "HIGH")),
    (re.compile(r"gemini-3-pro"), ("LOW", "HIGH")),
    (re.compile(r"gemini-3\.[78]-flash|gemini-3\.\d+-pro|gemini-4-(?:argon|carbon)"), ("LOW", "MEDIUM", "HIGH")),
)
BUDGETS = {"NONE": 0, "MINIMAL": 512, "LOW": 1024, "MEDIUM": 8192, "HIGH": 24576}  # tokens
LEAST_BUDGETS = ((re.compile(r"2\.5-pro"), 128), (re.compile(r"2\.5-flash-lite"), 512))
NEVER_THINKS = re.compile(r"gemini-(?:1|2\.0|pro(?:-vision)?$)|gemma|2\.5-flash-image")
BY_BUDGET = re.compile(r"gemini-(?:\w+-)*2\.5")
IS_GEMINI = re.compile(r"gemini-(\d+)(?:\.(\d+))?|gemma")
NEW = 3  # the first version with levels, and with media in the results of tools


def version_of(model: str) -> int:
    """Return the main version of a Gemini model; 0 for a name without one."""
    found = re.search(r"gemini-(?:[a-z]+-)*(\d+)", model)
    return int(found[1]) if found else 0


def takes_media_in_results(model: str) -> bool:
    """Tell whether the result of a tool may hold pictures and documents; those of unknown models may."""
    return version_of(model) >= NEW or IS_GEMINI.search(model) is None


def remove_unsupported(model: str, params: Parameters, reasons: bool | None) -> list[str]:
    """Write the thinking that was asked for as the model takes it; the parameters are changed in place."""
    del reasons
    shared = {name.removeprefix(SHARED): params.pop(name) for name in tuple(params) if name.startswith(SHARED)}
    name = next((name for name in ("thinkingConfig", "thinking_config") if isinstance(params.get(name), Mapping)), "")
    given_config = {camel_case(field): value for field, value in params.pop(name, {}).items()}
    config = given_config | ({"includeThoughts": shared["include_thoughts"]} if "include_thoughts" in shared else {})
    if shared.get("thinking_level"):
        config["thinkingLevel"] = str(shared["thinking_level"]).upper()
    if shared.get("thinking_budget") is not None:
        config["thinkingBudget"] = shared["thinking_budget"]
    if not config:
        return []
    if config.get("thinkingLevel") == "NONE" and not BY_BUDGET.search(model):
        config["thinkingLevel"] = "MINIMAL"  # the least there is
    changes = _fit(model, config, is_shared="thinking_budget" in shared) if IS_GEMINI.search(model) else []
    if config:
        params[name or "thinking_config"] = config
    return changes


def _fit(model: str, config: Parameters, *, is_shared: bool) -> list[str]:
    """Change a thinking configuration in place; return a sentence for each change."""
    if NEVER_THINKS.search(model):
        removed = ", ".join(f"{name}={value!r:.20}" for name, value in config.items())
        config.clear()
        return [f"not sent: {removed}, because {model} does not think"]
    if BY_BUDGET.search(model):
        return _fit_budget(model, config)
    return _fit_level(model, config, is_shared=is_shared) if version_of(model) >= NEW else []


def _fit_budget(model: str, config: Parameters) -> list[str]:
    level, budget = str(config.pop("thinkingLevel", "") or "").upper(), config.get("thinkingBudget")
    changes = []
    if level and budget is None:
        budget = config["thinkingBudget"] = BUDGETS.get(level, BUDGETS["MEDIUM"])
        changes.append(f"thinking_level={level} is a budget of {budget} tokens for {model}, which takes no level")
    least = next((limit for pattern, limit in LEAST_BUDGETS if pattern.search(model)), 0)
    if isinstance(budget, int) and 0 <= budget < least and (budget or least == LEAST_BUDGETS[0][1]):
        config["thinkingBudget"] = least
        changes.append(f"thinking_budget is {least}, the least that {model} takes")
    return changes


def _fit_level(model: str, config: Parameters, *, is_shared: bool) -> list[str]:
    """Fit a level; a budget in Google's own notation, which newer models still take, stays where it is alone."""
    budget, level = config.get("thinkingBudget"), str(config.get("thinkingLevel") or "").upper()
    changes = []
    if budget is not None and (level or is_shared) and budget >= 0:
        del config["thinkingBudget"]
        level = level or next((name for name in LEVELS if budget <= BUDGETS[name]), "HIGH")
        changes.append(f"thinking_budget={budget} is the level {level} for {model}, which takes one of the two")
    accepted = next((levels for pattern, levels in LEVELS_OF_MODELS if pattern.search(model)), LEVELS)
    if level in LEVELS and level not in accepted:
        lower = [name for name in accepted if LEVELS.index(name) < LEVELS.index(level)]
        nearest = lower[-1] if lower else accepted[0]
        changes.append(f"thinking_level is {nearest}, because {model} does not take {level}")
        level = nearest
    if level:
        config["thinkingLevel"] = level
    return changes


def allows_media_type(media_type: Any) -> bool:
    """Tell whether the result of a tool may hold a medium of this type."""
    return media_type in ("image/png", "image/jpeg", "image/webp", "application/pdf", "text/plain")
