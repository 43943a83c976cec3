"""Ready middlewares: functions that stand around a model call."""

from .limits import limits as limits
from .log_calls import log_calls as log_calls
from .reorder_tool_results import reorder_tool_results as reorder_tool_results
from .retry import retry as retry
from .system_prompt import system_prompt as system_prompt

__all__ = ["limits", "log_calls", "reorder_tool_results", "retry", "system_prompt"]


def __dir__() -> list[str]:
    return sorted(__all__)
