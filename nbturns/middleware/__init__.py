"""Ready middlewares: functions that wrap a model call. A profile names one like the function that makes it."""

from collections.abc import Callable, Mapping

from ..runtime.engine_protocol import Middleware
from .call_logging import log_calls as log_calls
from .retries import retry as retry
from .system_prompts import system_prompt as system_prompt
from .tool_result_order import reorder_tool_results as reorder_tool_results
from .usage_limits import limits as limits

__all__ = ["limits", "log_calls", "reorder_tool_results", "retry", "system_prompt"]

GEPPETTO_NAMES = {
    "systemPrompt": "system_prompt",
    "turnLogging": "log_calls",
    "reorderToolResults": "reorder_tool_results",
}
BUILTIN_MIDDLEWARE: Mapping[str, Callable[..., Middleware]] = {  # by the names that profiles use
    **{name: globals()[name] for name in __all__},
    **{geppetto_name: globals()[name] for geppetto_name, name in GEPPETTO_NAMES.items()},
}


def __dir__() -> list[str]:
    return sorted(__all__)
