"""Ready middlewares: functions that stand around a model call."""

from .system_prompt import system_prompt as system_prompt

__all__ = ["system_prompt"]
