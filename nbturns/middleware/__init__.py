"""Ready middlewares: functions that stand around a model call."""

from .call_logging import log_calls as log_calls
from .retries import retry as retry
from .system_prompts import system_prompt as system_prompt
from .tool_result_order import reorder_tool_results as reorder_tool_results
from .usage_limits import limits as limits

__all__ = ["limits", "log_calls", "reorder_tool_results", "retry", "system_prompt"]


def __dir__() -> list[str]:
    return sorted(__all__)
