"""Look at, step and count conversations with language models, in Jupyter.

A Turn is a value. An engine is a function from a Turn to a longer Turn. Everything else
wraps that function, or draws, stores or counts its result.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from .errors import BusyError as BusyError
from .errors import DecodeError as DecodeError
from .errors import DriftError as DriftError
from .errors import EndedError as EndedError
from .errors import EngineError as EngineError
from .errors import HeldError as HeldError
from .errors import LimitReached as LimitReached
from .errors import LoadError as LoadError
from .errors import MissingPackageError as MissingPackageError
from .errors import MisuseError as MisuseError
from .errors import NbturnsError as NbturnsError
from .errors import ProfileError as ProfileError
from .errors import ScriptExhausted as ScriptExhausted
from .errors import StoreError as StoreError
from .errors import ToolError as ToolError
from .safety.limits import Limits as Limits
from .values.images import image as image
from .values.inference_results import FinishClass as FinishClass
from .values.inference_results import InferenceResult as InferenceResult
from .values.inference_results import Usage as Usage
from .values.metadata import Key as Key
from .values.outcome import Outcome as Outcome
from .values.turns import Block as Block
from .values.turns import Kind as Kind
from .values.turns import Run as Run
from .values.turns import Turn as Turn
from .values.turns import assistant as assistant
from .values.turns import reasoning as reasoning
from .values.turns import system as system
from .values.turns import tool_call as tool_call
from .values.turns import tool_use as tool_use
from .values.turns import turn as turn
from .values.turns import user as user

if TYPE_CHECKING:  # imported when they are used: see __getattr__
    from . import engines as engines
    from . import frames as frames
    from . import keys as keys
    from . import profiles as profiles
    from . import widgets as widgets
    from .branches import fan_out as fan_out
    from .branches import rerun as rerun
    from .capturing import Captured as Captured
    from .capturing import capture as capture
    from .capturing import otel as otel
    from .engines import cassette as cassette
    from .engines import engine as engine
    from .engines import replay as replay
    from .engines import scripted as scripted
    from .events import Phase as Phase
    from .figures import figure as figure
    from .files import example as example
    from .files import load as load
    from .files import load_all as load_all
    from .files import loads as loads
    from .files import save as save
    from .frames.label_file import labels as labels
    from .frames.request_paths import explain as explain
    from .frames.single_frames import context as context
    from .frames.single_frames import problems as problems
    from .libraries import library as library
    from .profiles import Conversations as Conversations
    from .profiles import load_profiles as load_profiles
    from .redaction import redact as redact
    from .render.comparison import Comparison as Comparison
    from .render.comparison import compare as compare
    from .render.group_comparison import GroupComparison as GroupComparison
    from .runtime.engine_protocol import Scope as Scope
    from .runtime.execution import Execution as Execution
    from .runtime.toolbox import ToolConfig as ToolConfig
    from .session import Session as Session
    from .store import TurnStore as TurnStore
    from .tools import Tool as Tool
    from .values.label_values import label as label
    from .values.model_info import ModelInfo as ModelInfo
    from .values.model_info import Prices as Prices
    from .values.policies import Policy as Policy
    from .widgets import view as view

__version__ = "0.1.0"

# The module of each name that is imported when it is used: these modules import asyncio, YAML or whole packages,
# and `import nbturns` must stay quick.
_LAZY_NAMES = {
    "Captured": ".capturing",
    "Conversations": ".profiles",
    "Comparison": ".render.comparison",
    "GroupComparison": ".render.group_comparison",
    "Execution": ".runtime.execution",
    "ModelInfo": ".values.model_info",
    "Phase": ".events",
    "Policy": ".values.policies",
    "Prices": ".values.model_info",
    "Scope": ".runtime.engine_protocol",
    "Session": ".session",
    "Tool": ".tools",
    "ToolConfig": ".runtime.toolbox",
    "TurnStore": ".store",
    "capture": ".capturing",
    "compare": ".render.comparison",
    "cassette": ".engines",
    "context": ".frames.single_frames",
    "engine": ".engines",
    "example": ".files",
    "label": ".values.label_values",
    "labels": ".frames.label_file",
    "library": ".libraries",
    "load": ".files",
    "load_all": ".files",
    "load_profiles": ".profiles",
    "loads": ".files",
    "problems": ".frames.single_frames",
    "redact": ".redaction",
    "otel": ".capturing",
    "replay": ".engines",
    "explain": ".frames.request_paths",
    "fan_out": ".branches",
    "figure": ".figures",
    "rerun": ".branches",
    "save": ".files",
    "scripted": ".engines",
    "view": ".widgets",
}
_PUBLIC_MODULES = (
    "engines", "errors", "events", "frames", "keys", "middleware", "profiles", "testing", "tools", "widgets",
)  # fmt: skip


def load_ipython_extension(shell: Any) -> None:
    """Define the magics `%%ask`, `%view`, `%turns` and `%cost`; `%load_ext nbturns` calls this."""
    from .magics import register_magics

    register_magics(shell)


def __getattr__(name: str) -> Any:
    if name in _PUBLIC_MODULES:
        return _imported(f".{name}")
    if name in _LAZY_NAMES:
        value = getattr(_imported(_LAZY_NAMES[name]), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module 'nbturns' has no attribute {name!r}")


def _imported(module: str) -> Any:
    try:
        return importlib.import_module(module, __name__)
    except ModuleNotFoundError as error:
        from .packages import failed_import_error

        raise failed_import_error(error) from None


def __dir__() -> list[str]:
    return sorted(__all__)


__all__ = [
    "Block",
    "BusyError",
    "Captured",
    "Comparison",
    "Conversations",
    "DecodeError",
    "DriftError",
    "EndedError",
    "EngineError",
    "Execution",
    "FinishClass",
    "GroupComparison",
    "HeldError",
    "InferenceResult",
    "Key",
    "Kind",
    "LimitReached",
    "Limits",
    "LoadError",
    "MissingPackageError",
    "MisuseError",
    "ModelInfo",
    "NbturnsError",
    "Outcome",
    "Phase",
    "Policy",
    "Prices",
    "ProfileError",
    "Run",
    "Scope",
    "ScriptExhausted",
    "Session",
    "StoreError",
    "Tool",
    "ToolConfig",
    "ToolError",
    "Turn",
    "TurnStore",
    "Usage",
    "assistant",
    "capture",
    "cassette",
    "compare",
    "context",
    "engine",
    "engines",
    "example",
    "explain",
    "fan_out",
    "figure",
    "frames",
    "image",
    "keys",
    "label",
    "labels",
    "library",
    "load",
    "load_all",
    "load_profiles",
    "loads",
    "otel",
    "problems",
    "profiles",
    "reasoning",
    "redact",
    "replay",
    "rerun",
    "save",
    "scripted",
    "system",
    "tool_call",
    "tool_use",
    "turn",
    "user",
    "view",
    "widgets",
]
